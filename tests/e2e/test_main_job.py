"""A photo goes in, a profile with a served picture comes out, on the deployed stack."""

import io
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from PIL import Image, ImageChops, ImageOps, ImageStat
from tests.e2e.conftest import PHOTOS, Client, create_with_id, eventually
from tests.ids import IDS

PORTRAIT = (PHOTOS / "astronaut.jpg").read_bytes()


def _picture(url: str) -> Image.Image:
    answer = httpx.get(url)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "image/webp"
    return Image.open(io.BytesIO(answer.content))


def _difference(picture: Image.Image, photo: bytes) -> float:
    """Mean difference, 0 to 255, from the upright photo cropped to the same square."""
    source = ImageOps.exif_transpose(Image.open(io.BytesIO(photo))).convert("RGB")
    wanted = ImageOps.fit(source, picture.size, Image.Resampling.LANCZOS)
    difference = ImageChops.difference(picture.convert("RGB"), wanted)
    return float(sum(ImageStat.Stat(difference).mean) / 3)


def test_a_photo_becomes_the_picture_of_a_profile(client: Client) -> None:
    user = client.create_user()
    me = client.user_headers(user["id"])

    upload = client.upload(me, PORTRAIT)
    assert (upload["state"], upload["width"], upload["height"]) == ("ready", 512, 512)
    answer = client.set_picture(me, upload["id"])

    assert answer.status_code == 200
    assert answer.json()["hasCustomProfilePicture"] is True
    picture = _picture(answer.json()["profilePictureUrl"])
    assert (picture.format, picture.size) == ("WEBP", (256, 256))
    assert _difference(picture, PORTRAIT) < 4
    seen = client.http.get(f"/api/v1/shared/users/{user['id']}", headers=client.key).json()
    assert _picture(seen["profilePictureUrl"]).tobytes() == picture.tobytes()


@pytest.mark.parametrize("user_id", IDS)
def test_a_user_has_a_picture_whatever_the_id_looks_like(client: Client, user_id: str) -> None:
    create_with_id(client, user_id)
    upload = client.upload(client.key, PORTRAIT, userId=user_id)
    spelled = quote(user_id, safe="")
    path = f"/api/v1/shared/users/{spelled}"
    answer = client.http.patch(
        f"{path}/profile-picture", json={"uploadId": upload["id"]}, headers=client.key
    )
    assert answer.status_code == 200, answer.text
    seen = client.http.get("/api/v1/users/me", headers=client.user_headers(user_id)).json()
    assert (seen["id"], seen["hasCustomProfilePicture"]) == (user_id, True)
    shown = client.http.get(f"/pictures/{spelled}", follow_redirects=True)
    assert (shown.status_code, shown.headers["content-type"]) == (200, "image/webp")
    assert client.http.delete(path, headers=client.key).status_code == 204


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_photo_is_served_upright(client: Client, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    turned = io.BytesIO()
    Image.open(PHOTOS / "china.jpg").save(turned, "JPEG", quality=95, exif=exif)
    user = client.create_user()
    me = client.user_headers(user["id"])

    upload = client.upload(me, turned.getvalue())
    url = client.set_picture(me, upload["id"]).json()["profilePictureUrl"]

    assert _difference(_picture(url), turned.getvalue()) < 4


def test_replacing_and_removing_a_picture_takes_the_old_objects_away(client: Client) -> None:
    user = client.create_user(profilePictureUrl="https://id.example.com/ada.png")
    me = client.user_headers(user["id"])
    first, second = (client.upload(me, PORTRAIT)["id"] for _ in range(2))
    for upload_id in (first, second):
        assert client.set_picture(me, upload_id).status_code == 200

    assert eventually(lambda: not client.objects(f"renditions/{first}/"))
    assert not client.objects(f"uploads/{first}")
    assert len(client.objects(f"renditions/{second}/")) == 4

    removed = client.set_picture(me, None).json()
    assert removed["profilePictureUrl"] == "https://id.example.com/ada.png"
    assert removed["hasCustomProfilePicture"] is False
    assert eventually(lambda: not client.objects(f"renditions/{second}/"))


def test_deleting_a_user_takes_everything_away(client: Client) -> None:
    user = client.create_user()
    me = client.user_headers(user["id"])
    used, unused = (client.upload(me, PORTRAIT)["id"] for _ in range(2))
    client.set_picture(me, used)

    path = f"/api/v1/shared/users/{user['id']}"
    assert client.http.delete(path, headers=client.key).status_code == 204

    assert client.http.get(path, headers=client.key).status_code == 404
    for upload_id in (used, unused):
        gone = client.http.get(f"/api/v1/uploads/{upload_id}", headers=client.key)
        assert gone.status_code == 404
        assert eventually(lambda id=upload_id: not client.objects(f"renditions/{id}/"))
        assert eventually(lambda id=upload_id: not client.objects(f"uploads/{id}"))


def test_a_file_that_is_no_photo_fails_with_its_reason(client: Client) -> None:
    me = client.user_headers(client.create_user()["id"])
    upload = client.upload(me, b"<svg xmlns='http://www.w3.org/2000/svg'/>")
    assert (upload["state"], upload["reason"]) == ("failed", "unsupported_format")
    refused = client.set_picture(me, upload["id"])
    assert (refused.status_code, refused.json()["code"]) == (409, "upload_not_ready")
    assert refused.json()["reason"] == "unsupported_format"


def test_a_browser_that_knows_no_type_of_a_photo_may_send_it(client: Client) -> None:
    me = client.user_headers(client.create_user()["id"])
    for of_a_file in ({}, {"contentType": ""}):
        body = {"kind": "profile_picture", **of_a_file}
        form = client.http.post("/api/v1/uploads", json=body, headers=me).json()
        # As browsers write a file whose type they do not know (WHATWG, "multipart/form-data").
        sent = client.send(form, PORTRAIT, of_type="application/octet-stream")
        assert sent.status_code == 204, sent.text
        assert client.finished(form["uploadId"], me)["state"] == "ready"


@pytest.mark.parametrize(
    "altered",
    [{"key": "uploads/somewhere-else"}, {"Content-Type": "text/html"}, {"policy": "e30="}],
)
def test_an_altered_form_is_refused(client: Client, altered: dict[str, str]) -> None:
    me = client.user_headers(client.create_user()["id"])
    form = client.upload_form(me, PORTRAIT)
    assert client.send(form, PORTRAIT, **altered).status_code in (400, 403)


def test_a_photo_over_the_limit_is_refused_by_the_form(client: Client) -> None:
    me = client.user_headers(client.create_user()["id"])
    form = client.upload_form(me, PORTRAIT)
    answer = client.send(form, b"\0" * (form["maxBytes"] + 1))
    assert answer.status_code == 400
    assert "<Code>EntityTooLarge</Code>" in answer.text
    # The upload is not used up: the same form takes a smaller photo.
    assert client.send(form, PORTRAIT).status_code == 204
    assert client.finished(form["uploadId"], me)["state"] == "ready"


def test_a_second_object_under_the_same_key_changes_nothing(client: Client) -> None:
    me = client.user_headers(client.create_user()["id"])
    form = client.upload_form(me, PORTRAIT)
    client.send(form, PORTRAIT)
    upload = client.finished(form["uploadId"], me)
    before = client.set_picture(me, upload["id"]).json()["profilePictureUrl"]

    client.send(form, (PHOTOS / "china.jpg").read_bytes())

    def only_the_first() -> bool:
        digests = {key.split("/")[2] for key in client.objects(f"renditions/{upload['id']}/")}
        return len(digests) == 1

    assert eventually(only_the_first)
    assert _difference(_picture(before), PORTRAIT) < 4
    after = client.http.get("/api/v1/users/me", headers=me).json()["profilePictureUrl"]
    assert after.split("?")[0] == before.split("?")[0]


def test_what_dynamodb_expires_leaves_no_objects(client: Client) -> None:
    me = client.user_headers(client.create_user()["id"])
    upload = client.upload(me, PORTRAIT)
    client.aws("dynamodb").delete_item(
        TableName=client.stack["uploadsTable"], Key={"id": {"S": upload["id"]}}
    )
    assert eventually(lambda: not client.objects(f"renditions/{upload['id']}/"))
    assert eventually(lambda: not client.objects(f"uploads/{upload['id']}"))


def test_a_browser_on_an_allowed_origin_may_send_photos(client: Client) -> None:
    me = client.user_headers(client.create_user()["id"])
    form = client.upload_form(me, PORTRAIT)
    preflight: dict[str, Any] = {
        "Origin": "https://app.example.com",
        "Access-Control-Request-Method": "POST",
    }
    answer = httpx.options(form["url"], headers=preflight)
    assert answer.status_code == 200
    assert "POST" in answer.headers["access-control-allow-methods"]


def test_a_presigned_address_opens_nothing_else(client: Client) -> None:
    me = client.user_headers(client.create_user()["id"])
    upload = client.upload(me, PORTRAIT)
    url = upload["renditions"][0]["url"]
    assert httpx.get(url).status_code == 200
    assert httpx.get(url.replace("/64.webp", "/512.webp")).status_code == 403
    assert httpx.get(url.split("?")[0]).status_code == 403
