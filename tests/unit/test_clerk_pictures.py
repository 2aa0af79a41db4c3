"""Clerk's Backend API: pictures, and the public addresses that they have."""

import io
import json
import uuid
import zlib
from math import hypot
from urllib.parse import urlsplit

import pytest
from PIL import Image
from tests.photos import encoded, photo
from tests.photos.people import faces_in
from tests.unit.clerk import Clerk, Refusal, refusals
from tests.unit.conftest import NOBODY, PHOTO, ROOT, Answer, Service, aws_error

from vignette import settings
from vignette.domain import avatars

FLOWER = (ROOT / "tests" / "photos" / "flower.jpg").read_bytes()
MIB = 1024 * 1024


def png_header(width: int, height: int) -> bytes:
    """The beginning of a PNG, as far as its size and the first of its pixels."""
    size = width.to_bytes(4) + height.to_bytes(4) + b"\x08\2\0\0\0"
    chunks = b""
    for kind, data in ((b"IHDR", size), (b"IDAT", b"")):
        chunks += len(data).to_bytes(4) + kind + data + zlib.crc32(kind + data).to_bytes(4)
    return b"\x89PNG\r\n\x1a\n" + chunks


def opened(service: Service, address: str) -> Image.Image:
    """The picture at an address, as a browser without credentials gets it."""
    answer = fetched(service, address)
    assert answer.status == 200, answer.json
    assert answer.headers["content-type"] == "image/webp"
    assert answer.headers["cache-control"] == settings.PUBLIC_CACHE
    assert answer.headers["x-content-type-options"] == "nosniff"
    return Image.open(io.BytesIO(answer.content))


def fetched(service: Service, address: str) -> Answer:
    """What anybody gets from an address of the service."""
    parts = urlsplit(address)
    assert (parts.scheme, parts.netloc) == ("https", "api.example.com")
    return service.call("GET", parts.path)


def test_a_photo_that_is_sent_is_set_when_it_is_answered(clerk: Clerk, service: Service) -> None:
    user = clerk.create()
    answer = clerk.send_photo(user["id"])
    assert answer.status == 200, answer.json
    assert answer.json["has_image"] is True
    assert answer.json["image_url"] == answer.json["profile_image_url"]
    picture = opened(service, answer.json["image_url"])
    assert (picture.format, picture.size) == ("WEBP", (512, 512))
    assert clerk.read(user["id"]) == answer.json


def test_a_photo_that_is_sent_is_framed_on_the_face(clerk: Clerk, service: Service) -> None:
    body = encoded(photo(size=(900, 1200)), "JPEG")
    sent = clerk.send_photo(clerk.create()["id"], body).json
    upload = service.read_upload(urlsplit(sent["image_url"]).path.split("/")[2])
    assert (upload["framing"], upload["crop"]["size"] < 0.8) == ("face", True)
    (face,) = faces_in(opened(service, sent["image_url"]).convert("RGB"))
    assert face.left + face.width / 2 == pytest.approx(0.5, abs=0.05)
    assert 0.35 <= face.height <= 0.6


def test_a_photo_that_is_sent_is_the_picture_of_every_api(clerk: Clerk, service: Service) -> None:
    user = clerk.create()
    sent = clerk.send_photo(user["id"]).json
    native = service.read_user(user["id"])
    assert native["hasCustomProfilePicture"] is True
    upload_id = urlsplit(sent["image_url"]).path.split("/")[2]
    upload = service.read_upload(upload_id)
    assert (upload["userId"], upload["state"]) == (user["id"], "ready")
    assert (upload["width"], upload["bytes"]) == (512, len(PHOTO))


def test_a_picture_set_with_the_native_api_has_a_public_address(
    clerk: Clerk, service: Service
) -> None:
    user_id, _ = service.user_with_picture()
    user = clerk.read(user_id)
    assert user["has_image"] is True
    assert opened(service, user["image_url"]).size == (512, 512)


def test_a_new_picture_has_a_new_address_and_the_old_one_goes(
    clerk: Clerk, service: Service
) -> None:
    user = clerk.create()
    first = clerk.send_photo(user["id"]).json["image_url"]
    second = clerk.send_photo(user["id"], FLOWER).json["image_url"]
    again = clerk.send_photo(user["id"], FLOWER).json["image_url"]
    assert len({first, second, again}) == 3
    (kept,) = service.upload_ids()
    assert kept in again
    gone = [urlsplit(address).path.split("/")[2] for address in (first, second)]
    service.deliver_removal(*gone)
    assert fetched(service, first).status == 404
    assert opened(service, again).size == (427, 427)  # the flower's shorter side


def test_a_removed_picture_leaves_the_default_one(clerk: Clerk, service: Service) -> None:
    user = clerk.create(first_name="Ada", last_name="Lovelace")
    clerk.send_photo(user["id"])
    removed = clerk.ok("DELETE", f"/users/{user['id']}/profile_image")
    assert removed["has_image"] is False
    assert removed["image_url"] == user["image_url"]
    assert service.upload_ids() == set()
    assert clerk.ok("DELETE", f"/users/{user['id']}/profile_image") == removed


def test_an_upload_becomes_the_picture_by_its_id(clerk: Clerk, service: Service) -> None:
    user = clerk.create()
    upload_id = service.ready_upload(user["id"])
    updated = clerk.update(user["id"], profile_image_id=upload_id, first_name="Ada", username="ada")
    assert upload_id in updated["image_url"]
    assert (updated["has_image"], updated["username"]) == (True, "ada")
    assert clerk.update(user["id"], profile_image_id=upload_id) == updated
    removed = clerk.update(user["id"], profile_image_id=None, last_name="Byron")
    assert (removed["has_image"], removed["last_name"]) == (False, "Byron")


def test_a_picture_and_a_username_are_set_together_or_not_at_all(
    clerk: Clerk, service: Service
) -> None:
    clerk.create(username="ada")
    user = clerk.create()
    upload_id = service.ready_upload(user["id"])
    body = {"profile_image_id": upload_id, "username": "ada"}
    refusal = clerk.refused("PATCH", f"/users/{user['id']}", body)
    assert refusal == Refusal(422, "form_identifier_exists", "username")
    assert clerk.read(user["id"]) == user
    assert service.read_upload(upload_id)["expiresAt"] is not None


def test_an_upload_that_cannot_be_a_picture_is_refused(clerk: Clerk, service: Service) -> None:
    user, other = clerk.create(), clerk.create()
    pending = service.create_upload(user["id"])
    organization = service.ready_upload(user["id"], scope="organization")
    theirs = service.ready_upload(other["id"])
    missing = Refusal(404, "image_not_found", "profile_image_id")
    for upload_id, refusal in (
        (pending, Refusal(409, "upload_not_ready")),
        (organization, Refusal(422, "upload_wrong_scope")),
        (theirs, missing),
        (str(uuid.uuid4()), missing),
        ("img_1", missing),
        ("", missing),
    ):
        body = {"profile_image_id": upload_id}
        assert clerk.refused("PATCH", f"/users/{user['id']}", body) == refusal
    assert clerk.read(user["id"]) == user


def test_a_failed_upload_says_its_reason(clerk: Clerk, service: Service) -> None:
    user = clerk.create()
    upload_id = service.create_upload(user["id"])
    service.send_photo(upload_id, b"no photo")
    body = {"profile_image_id": upload_id}
    answer = service.with_key("PATCH", f"/v1/users/{user['id']}", body)
    (error,) = answer.json["errors"]
    assert (answer.status, error["code"]) == (409, "upload_not_ready")
    assert error["long_message"] == "The upload has failed: unsupported format."


def test_the_provider_s_picture_is_shown_until_there_is_a_custom_one(
    clerk: Clerk, service: Service
) -> None:
    address = "https://id.example.com/ada.png"
    user_id = service.create_user(profilePictureUrl=address)["id"]
    user = clerk.read(user_id)
    assert (user["image_url"], user["has_image"]) == (address, True)
    assert clerk.send_photo(user_id).json["image_url"] != address


def test_the_documented_text_is_no_image(clerk: Clerk, service: Service) -> None:
    user = clerk.create()
    answer = clerk.send_photo(user["id"], b"profile-pic-content", name="profile-pic.png")
    assert refusals(answer) == [Refusal(400, "request_body_invalid", "file")]
    assert answer.json["errors"][0]["message"] == "Unsupported image type"
    assert clerk.read(user["id"]) == user
    assert (service.upload_ids(), service.objects()) == (set(), {})


@pytest.mark.parametrize(
    ("photo", "status", "code", "words"),
    [
        (b"", 400, "form_param_missing", "missing"),
        (PHOTO[:2000], 400, "request_body_invalid", "decode"),
        (png_header(10_000, 5_001), 413, "image_too_large", "too large"),
    ],
)
def test_a_photo_that_cannot_be_used_is_refused(
    clerk: Clerk, service: Service, photo: bytes, status: int, code: str, words: str
) -> None:
    user = clerk.create()
    answer = clerk.send_photo(user["id"], photo)
    assert refusals(answer) == [Refusal(status, code, "file")]
    assert words in answer.json["errors"][0]["message"]
    assert clerk.read(user["id"]) == user
    assert service.objects() == {}


def test_four_mebibytes_are_taken(clerk: Clerk) -> None:
    user = clerk.create()
    photo = PHOTO + b"\0" * (4 * MIB - len(PHOTO))
    assert clerk.send_photo(user["id"], photo).status == 200


@pytest.mark.parametrize("size", [4 * MIB + 1, 5 * MIB])
def test_more_is_referred_to_the_presigned_form(clerk: Clerk, size: int) -> None:
    user = clerk.create()
    answer = clerk.send_photo(user["id"], PHOTO + b"\0" * (size - len(PHOTO)))
    assert refusals(answer) == [Refusal(413, "image_too_large", "file")]
    words = answer.json["errors"][0]["long_message"]
    for named in ("4 MiB", "10 MiB", "POST /api/v1/uploads", "profile_image_id"):
        assert named in words
    assert clerk.read(user["id"]) == user


def test_the_photo_is_the_form_s_only_file(clerk: Clerk) -> None:
    user = clerk.create()
    missing = [Refusal(400, "form_param_missing", "file")]
    assert refusals(clerk.send_photo(user["id"], field="image")) == missing
    path = f"/users/{user['id']}/profile_image"
    headers = {"content-type": "multipart/form-data; boundary=x"}
    file = 'Content-Disposition: form-data; name="file"; filename="a.jpg"\r\n\r\nphoto\r\n'
    text = 'Content-Disposition: form-data; name="file"\r\n\r\nphoto\r\n'
    for body in (f"--x\r\n{file}--x\r\n{file}--x--\r\n", f"--x\r\n{text}--x--\r\n"):
        assert refusals(clerk.call("POST", path, body, headers=headers)) == missing


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("application/json", "{}"),
        ("image/jpeg", "photo"),
        ("multipart/form-data", "--x--\r\n"),
        ("multipart/form-data; boundary=x", "--x\r\nbroken"),
        ("multipart/form-data; boundary=x", ""),
        (None, ""),
    ],
)
def test_what_is_no_form_is_refused(clerk: Clerk, content_type: str | None, body: str) -> None:
    user = clerk.create()
    headers = {"content-type": content_type} if content_type else {}
    path = f"/users/{user['id']}/profile_image"
    refusal = clerk.refused("POST", path, body, headers=headers)
    assert refusal == Refusal(400, "request_body_invalid")


@pytest.mark.parametrize("user_id", [NOBODY, "user_1"])
def test_nobody_gets_no_picture(clerk: Clerk, service: Service, user_id: str) -> None:
    assert refusals(clerk.send_photo(user_id)) == [Refusal(404, "resource_not_found")]
    assert service.objects() == {}


def test_an_interrupted_photo_leaves_the_picture_and_expires(
    clerk: Clerk, service: Service
) -> None:
    user = clerk.create()
    service.let_aws_answer("PutObject", aws_error("SlowDown", 503))
    assert refusals(clerk.send_photo(user["id"])) == [Refusal(503, "service_unavailable")]
    assert clerk.read(user["id"]) == user
    (left,) = service.upload_ids()
    assert service.read_upload(left)["expiresAt"] is not None


def test_of_two_photos_at_once_the_last_stays(clerk: Clerk, service: Service) -> None:
    user = clerk.create()
    service.meanwhile("PutObject", lambda: clerk.send_photo(user["id"], FLOWER))
    sent = clerk.send_photo(user["id"]).json
    assert clerk.read(user["id"])["image_url"] == sent["image_url"]
    (kept,) = service.upload_ids()
    assert kept in sent["image_url"]


def test_a_photo_costs_three_calls_and_one_for_every_rendition(clerk: Clerk) -> None:
    user = clerk.create()
    clerk.cost()
    clerk.send_photo(user["id"])
    assert sorted(clerk.cost()) == sorted(
        ["TransactWriteItems"] * 2 + ["GetItem"] + ["PutObject"] * 4
    )
    clerk.ok("DELETE", f"/users/{user['id']}/profile_image")
    assert clerk.cost() == ["GetItem", "TransactWriteItems"]


def test_setting_an_upload_costs_two_calls(clerk: Clerk, service: Service) -> None:
    user = clerk.create()
    upload_id = service.ready_upload(user["id"])
    clerk.cost()
    clerk.update(user["id"], profile_image_id=upload_id, username="ada")
    assert clerk.cost() == ["BatchGetItem", "TransactWriteItems"]


def test_behind_a_cdn_the_picture_has_the_cdn_s_address(
    clerk: Clerk, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PICTURES_ORIGIN", "https://pictures.example.net")
    user = clerk.create(first_name="Ada")
    assert user["image_url"].startswith("https://pictures.example.net/avatars/")
    address = clerk.send_photo(user["id"]).json["image_url"]
    assert address.startswith("https://pictures.example.net/renditions/")
    stored = service.s3.get_object(Bucket="pictures", Key=urlsplit(address).path.lstrip("/"))
    assert stored["CacheControl"] == settings.PRIVATE_CACHE
    assert stored["ContentType"] == "image/webp"


def test_the_address_begins_with_the_public_origin_and_never_with_what_a_header_says(
    clerk: Clerk, monkeypatch: pytest.MonkeyPatch
) -> None:
    user = clerk.create()
    clerk.send_photo(user["id"])
    headers = {"host": "evil.example", "x-forwarded-proto": "http"}
    seen = clerk.ok("GET", f"/users/{user['id']}", headers=headers)
    assert seen["image_url"].startswith("https://api.example.com/renditions/")
    monkeypatch.setenv("PUBLIC_ORIGIN", "http://localhost:3000")
    seen = clerk.ok("GET", f"/users/{user['id']}", headers=headers)
    assert seen["image_url"].startswith("http://localhost:3000/renditions/")


def test_every_square_rendition_is_public(clerk: Clerk, service: Service) -> None:
    user = clerk.create()
    address = clerk.send_photo(user["id"]).json["image_url"]
    for size in (64, 128, 256, 512):
        picture = opened(service, address.replace("/512.webp", f"/{size}.webp"))
        assert picture.size == (size, size)


def test_nothing_else_is_public(clerk: Clerk, service: Service) -> None:
    user = clerk.create()
    address = urlsplit(clerk.send_photo(user["id"]).json["image_url"]).path
    _, upload_id, digest, file = address.strip("/").split("/")
    service.put_photo(upload_id)
    service.calls.clear()
    for path in (
        f"/renditions/{upload_id}/{digest}/513.webp",
        f"/renditions/{upload_id}/{digest}/whole.webp",
        f"/renditions/{upload_id}/{digest}/512.webp%00",
        f"/renditions/{upload_id}/{digest[:-1]}/{file}",
        f"/renditions/{upload_id}/{digest.upper()}x/{file}",
        f"/renditions/{upload_id[:-1]}/{digest}/{file}",
        f"/renditions/..%2Fuploads/{upload_id}/{file}",
        f"/renditions/../uploads/{upload_id}",
    ):
        answer = service.call("GET", path)
        assert (answer.status, answer.code) == (404, "picture_not_found")
        assert "immutable" not in answer.headers["cache-control"]
    assert service.calls == []
    unknown = service.call("GET", f"/renditions/{uuid.uuid4()}/{digest}/{file}")
    assert unknown.status == 404
    assert service.calls == ["GetItem"]


def test_a_default_picture_shows_initials_on_the_user_s_colour(
    clerk: Clerk, service: Service
) -> None:
    user = clerk.create(first_name="Ada", last_name="Lovelace")
    assert user["has_image"] is False
    picture = opened(service, user["image_url"]).convert("RGB")
    assert (picture.size, user["image_url"][-8:]) == ((512, 512), "/AL.webp")
    colour = urlsplit(user["image_url"]).path.split("/")[2]
    assert picture.getpixel((0, 0)) == tuple(bytes.fromhex(colour))
    assert (255, 255, 255) in {pixel for _, pixel in picture.getcolors(9999) or []}


def test_a_default_picture_follows_the_name_and_keeps_the_colour(clerk: Clerk) -> None:
    user = clerk.create(first_name="Ada")
    renamed = clerk.update(user["id"], first_name="Zoë", last_name="łuk")
    before, after = (urlsplit(each["image_url"]).path for each in (user, renamed))
    assert before.endswith("/A.webp")
    assert after.endswith("/Z%C5%81.webp")
    assert before.split("/")[:3] == after.split("/")[:3]


@pytest.mark.parametrize(
    ("names", "file"),
    [
        ({"first_name": "Ada", "last_name": "Lovelace"}, "AL"),
        ({"last_name": "Lovelace"}, "L"),
        ({"first_name": "e\u0301mile"}, "%C3%89"),
        ({"first_name": "ßeta"}, "%C3%9F"),
        ({"first_name": "Жанна", "last_name": "Ωmega"}, "%D0%96%CE%A9"),
        ({"first_name": "山田"}, "%E5%B1%B1"),
        ({"first_name": "'t", "last_name": "(van)"}, "TV"),
        ({"first_name": "🎉", "last_name": "42", "username": "ada"}, "A"),
        ({"username": "_.x"}, "X"),
        ({"username": "42"}, "outline"),
        ({}, "outline"),
    ],
)
def test_initials_are_the_first_letters_of_the_names(
    clerk: Clerk, service: Service, names: dict[str, str], file: str
) -> None:
    user = clerk.ok("POST", "/users", names)
    assert user["image_url"].endswith(f"/{file}.webp")
    assert opened(service, user["image_url"]).size == (512, 512)


@pytest.mark.parametrize("letters", ["AL", "ÉŁ", "ЖЯ", "ΩΨ", "अ"])
def test_letters_of_many_scripts_are_drawn(service: Service, letters: str) -> None:
    nobody = service.call("GET", "/avatars/374151/outline.webp").content
    assert service.call("GET", f"/avatars/374151/{letters}.webp").content != nobody
    assert service.call("GET", "/avatars/374151/山.webp").content == nobody


@pytest.mark.parametrize("letters", ["AL", "WW", "ЩЩ", "ओओ", "ǄǄ"])
def test_initials_are_inside_of_the_circle(service: Service, letters: str) -> None:
    picture = service.call("GET", f"/avatars/374151/{letters}.webp?width=256").content
    lightness = Image.open(io.BytesIO(picture)).convert("L").tobytes()
    drawn = [divmod(place, 256) for place, value in enumerate(lightness) if value > 128]
    assert max(hypot(x - 128, y - 128) for y, x in drawn) < 0.95 * 128


@pytest.mark.parametrize(
    "path",
    [
        "/avatars/ffffff/AL.webp",
        "/avatars/374151/ABC.webp",
        "/avatars/374151/.webp",
        "/avatars/374151/al.webp",
        "/avatars/374151/A1.webp",
        "/avatars/374151/AL.png",
        "/avatars/374151/AL",
        "/avatars/374151/E\u0301.webp",
        "/avatars/374151/%2541.webp",
    ],
)
def test_an_address_that_nobody_has_is_not_found(service: Service, path: str) -> None:
    answer = service.call("GET", path)
    assert (answer.status, answer.code) == (404, "picture_not_found")


def test_the_colours_can_be_told_from_the_letters_on_them() -> None:
    """WCAG 2.2, 1.4.3: a contrast of 4.5 to white."""
    for colour in avatars.COLOURS:
        linear = [
            c / 12.92 if (c := part / 255) <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4
            for part in bytes.fromhex(colour)
        ]
        luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
        assert 1.05 / (luminance + 0.05) >= 4.5


def test_users_have_different_colours(clerk: Clerk) -> None:
    addresses = {clerk.ok("POST", "/users", {})["image_url"] for _ in range(30)}
    assert len(addresses) > 5


def test_no_address_of_a_picture_says_who_it_is_of(clerk: Clerk) -> None:
    user = clerk.create(first_name="Ada")
    addresses = [user["image_url"], clerk.send_photo(user["id"]).json["image_url"]]
    assert user["id"] not in json.dumps(addresses)


def test_a_default_picture_is_drawn_once_however_often_it_is_asked_for(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = "/avatars/166534/ÖÜ.webp"
    first = service.call("GET", path)
    monkeypatch.setattr("vignette.images.libwebp.encode", None)
    assert service.call("GET", path).content == first.content
