"""Pictures through Authgear's Admin API: a signed address, a form, and where it is served."""

import io
import json
import re
import time
import uuid
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import httpx
import pytest
from PIL import Image
from tests.photos import encoded, photo
from tests.photos.people import faces_in
from tests.unit.authgear import (
    ISSUE,
    ORIGIN,
    admin_token,
    causes,
    form,
    get,
    issue,
    node,
    object_of,
    post,
    update,
    uploaded,
    uri,
)
from tests.unit.conftest import APP_ID, NOBODY, PHOTO, Answer, Service, aws_error, forget_keys

from vignette import settings

CUT_OFF = PHOTO[: len(PHOTO) // 2]


def set_picture(service: Service, user_id: str, picture: str) -> Any:
    return update(service, user_id, {"picture": picture})


def shown_picture(service: Service, photo: bytes = PHOTO) -> str:
    """The id of an object that is a new user's picture."""
    object_id = uploaded(service, photo)
    set_picture(service, service.create_user()["id"], uri(object_id))
    return object_id


def picture_of(answer: Answer) -> Image.Image:
    assert answer.status == 200, answer.json
    assert answer.headers["content-type"] == "image/webp"
    return Image.open(io.BytesIO(answer.content))


def assert_nothing_stored(service: Service) -> None:
    assert service.upload_ids() == set()
    assert service.objects() == {}


def assert_error(answer: Answer, name: str, reason: str, code: int) -> str:
    """Check the shape of an error, and give its message."""
    assert answer.status == code
    message = answer.json["error"].pop("message")
    answer.json["error"].pop("info", None)
    assert answer.json == {"error": {"name": name, "reason": reason, "code": code}}
    assert isinstance(message, str)
    return message


# The address


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_an_address_is_issued(service: Service, method: str) -> None:
    address = issue(service, method)
    path, query = urlsplit(address).path, dict(parse_qsl(urlsplit(address).query))
    assert re.fullmatch(rf"/_images/{APP_ID}/[0-9a-f-]{{36}}", path)
    assert query.keys() == {"x-authgear-date", "x-authgear-expires", "x-authgear-signature"}
    assert query["x-authgear-expires"] == "900"
    assert issue(service, method) != address


def test_issuing_an_address_costs_no_call_but_for_the_secret(service: Service) -> None:
    issue(service)
    service.calls.clear()
    issue(service)
    assert service.calls == []
    assert_nothing_stored(service)


def test_an_admin_api_token_issues_an_address(service: Service) -> None:
    answer = service.call("GET", ISSUE, token=admin_token())
    assert answer.status == 200


@pytest.mark.parametrize("token", [None, "wrong", "a.b.c"])
def test_nobody_else_issues_one(service: Service, token: str | None) -> None:
    answer = service.call("GET", ISSUE, token=token)
    assert (answer.status, answer.content) == (403, b"Forbidden")


def test_the_address_begins_with_the_public_origin(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PUBLIC_ORIGIN", "http://localhost:3000")
    answer = service.with_key("GET", ISSUE)
    assert answer.json["result"]["upload_url"].startswith("http://localhost:3000/_images/")


# The form


def test_a_photo_becomes_an_object(service: Service) -> None:
    object_id = uploaded(service)
    upload = service.read_upload(object_id)
    assert upload["state"] == "ready"
    assert "userId" not in upload
    assert (upload["width"], upload["height"], upload["bytes"]) == (512, 512, len(PHOTO))
    expires_at = time.strptime(upload["expiresAt"][:19], "%Y-%m-%dT%H:%M:%S")
    assert expires_at > time.gmtime(time.time() + 23 * 60 * 60)
    names = {key.rpartition("/")[2] for key in service.objects()}
    assert names == {"64.webp", "128.webp", "256.webp", "512.webp", "whole.webp"}


def test_what_a_photo_costs(service: Service) -> None:
    address = issue(service)
    service.calls.clear()
    assert post(service, address).status == 200
    assert service.calls[:3] == ["BatchGetItem", "UpdateItem", "TransactWriteItems"]
    assert sorted(service.calls[3:-1]) == ["PutObject"] * 5
    assert service.calls[-1] == "UpdateItem"


def test_an_address_takes_one_photo(service: Service) -> None:
    address = issue(service)
    assert post(service, address).status == 200
    before = (service.everything(), service.objects())
    answer = post(service, address, *form(("file", flower())))
    message = assert_error(answer, "AlreadyExists", "ImageAlreadyUploaded", 409)
    assert message == "This address takes one photo and has received it; ask for another address."
    assert (service.everything(), service.objects()) == before


def test_the_same_photo_again_changes_nothing(service: Service) -> None:
    address = issue(service)
    first = post(service, address)
    before = (service.everything(), service.objects())
    service.calls.clear()
    assert (post(service, address).json, first.status) == (first.json, 200)
    assert (service.everything(), service.objects()) == before
    assert service.calls == ["BatchGetItem"]


def decodes_of(
    monkeypatch: pytest.MonkeyPatch, meanwhile: Callable[[], object] = lambda: None
) -> list[object]:
    """What gets an entry each time that a photo is decoded, and what happens just before."""
    from vignette.domain import renditions

    decodes: list[object] = []
    render = renditions.render

    def counted(*args: Any, **options: Any) -> Any:
        decodes.append(args)
        meanwhile()
        return render(*args, **options)

    monkeypatch.setattr(renditions, "render", counted)
    return decodes


def test_an_address_decodes_five_photos_at_most_however_bad_they_are(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = issue(service)
    decodes = decodes_of(monkeypatch)
    for _ in range(5):
        assert post(service, address, *form(("file", CUT_OFF))).status == 400
    before = (service.everything(), service.objects())
    service.calls.clear()
    for data in (CUT_OFF, PHOTO):
        answer = post(service, address, *form(("file", data)))
        message = assert_error(answer, "AlreadyExists", "ImageAlreadyUploaded", 409)
        assert message == "This address was tried 5 times; ask for another address."
    assert len(decodes) == 5
    assert service.calls == ["BatchGetItem"] * 2
    assert (service.everything(), service.objects()) == before


def test_the_fifth_photo_may_be_the_one_and_is_answered_as_often_as_it_is_sent(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = issue(service)
    decodes = decodes_of(monkeypatch)
    for _ in range(4):
        assert post(service, address, *form(("file", CUT_OFF))).status == 400
    assert [post(service, address).status for _ in range(3)] == [200] * 3
    assert len(decodes) == 5


def test_an_address_decodes_five_photos_at_most_that_come_at_the_same_time(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = issue(service)
    statuses: list[int] = []

    def send_another() -> None:
        another = encoded(Image.new("RGB", (64, 64 + len(decodes))), "PNG")
        statuses.append(post(service, address, *form(("file", another))).status)

    decodes = decodes_of(monkeypatch, send_another)
    send_another()
    # Each came while the one before it was decoded: the fifth was done first.
    assert statuses == [409, 200, 409, 409, 409, 409]
    assert len(decodes) == 5
    assert len(service.objects()) == 5


def test_a_photo_is_not_decoded_where_another_was_taken_meanwhile(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = issue(service)
    decodes = decodes_of(monkeypatch)
    service.meanwhile("UpdateItem", lambda: post(service, address, *form(("file", flower()))))
    assert post(service, address).status == 409
    assert len(decodes) == 1


def test_an_address_takes_no_second_photo_after_the_first_is_deleted(service: Service) -> None:
    address = issue(service)
    assert post(service, address).status == 200
    assert service.with_key("DELETE", f"/api/v1/uploads/{object_of(address)}").status == 204
    assert post(service, address).status == 409
    assert get(service, object_of(address)).status == 404


def test_of_two_photos_at_once_one_is_taken(service: Service) -> None:
    address = issue(service)
    others: list[Answer] = []
    service.meanwhile(
        "TransactWriteItems",
        lambda: others.append(post(service, address, *form(("file", flower())))),
    )
    assert post(service, address).status == 409
    assert [each.status for each in others] == [200]
    assert len(service.objects()) == 5


def test_an_object_deleted_while_it_is_stored_leaves_nothing(service: Service) -> None:
    address = issue(service)
    object_id = object_of(address)
    service.meanwhile(
        "PutObject",
        lambda: service.dynamodb.delete_item(TableName="uploads", Key={"id": {"S": object_id}}),
    )
    assert_error(post(service, address), "NotFound", "NotFound", 404)
    assert service.objects() == {}


def altered(address: str, **changes: str | None) -> str:
    """An address with parts of its query replaced or, where None, left out."""
    query = dict(parse_qsl(urlsplit(address).query))
    query |= {f"x-authgear-{name}": value or "" for name, value in changes.items()}
    query = {
        name: value for name, value in query.items() if changes.get(name[11:], value) is not None
    }
    return f"{urlsplit(address).path}?{urlencode(query)}"


@pytest.mark.parametrize(
    "changes",
    [
        {"expires": "90000"},
        {"date": "2126-01-01T00:00:00Z"},
        {"signature": "0" * 64},
        {"signature": "é"},
        {"more": "1"},
    ],
)
def test_an_altered_address_is_refused(service: Service, changes: dict[str, str]) -> None:
    answer = post(service, altered(issue(service), **changes))
    assert assert_error(answer, "Invalid", "InvalidSignature", 400) == "invalid signature"
    assert_nothing_stored(service)


@pytest.mark.parametrize(
    "changes",
    [
        {"expires": None},
        {"expires": "soon"},
        {"date": None},
        {"date": "today"},
        {"signature": None},
    ],
)
def test_an_incomplete_address_is_refused(service: Service, changes: dict[str, str | None]) -> None:
    answer = post(service, altered(issue(service), **changes))
    assert_error(answer, "Invalid", "InvalidSignatureQueryParam", 400)
    assert_nothing_stored(service)


def test_an_address_is_for_one_object_of_one_app(service: Service) -> None:
    address = issue(service)
    other = address.replace(object_of(address), str(uuid.uuid4()))
    assert_error(post(service, other), "Invalid", "InvalidSignature", 400)
    other = address.replace(f"/{APP_ID}/", "/other-app/")
    assert_error(post(service, other), "Invalid", "InvalidSignature", 400)
    assert_nothing_stored(service)


def test_an_expired_address_is_refused(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    address = issue(service)
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 901)
    answer = post(service, address)
    assert assert_error(answer, "Invalid", "ExpiredSignature", 400) == "expired signature"
    assert_nothing_stored(service)


def test_an_address_outlives_the_rotation_of_the_secret(service: Service) -> None:
    address = issue(service)
    service.secrets.put_secret_value(SecretId="key", SecretString="another-key")
    forget_keys()
    assert post(service, address).status == 200


def test_two_rotations_are_too_many(service: Service) -> None:
    address = issue(service)
    for value in ("another-key", "yet-another-key"):
        service.secrets.put_secret_value(SecretId="key", SecretString=value)
    forget_keys()
    assert_error(post(service, address), "Invalid", "InvalidSignature", 400)


FORM = form(("file", PHOTO))


@pytest.mark.parametrize(
    ("body", "content_type", "message"),
    [
        (*form(("photo", PHOTO)), "invalid file field: it has to be named file"),
        (*form(("file", PHOTO), ("file", PHOTO)), "expected exactly 1 file part"),
        (*form(("file", PHOTO), ("other", PHOTO)), "expected exactly 1 file part"),
        (b"--b--\r\n", "multipart/form-data; boundary=b", "expected exactly 1 file part"),
        (
            b'--b\r\nContent-Disposition: form-data; name="file"\r\n\r\nvalue\r\n--b--\r\n',
            "multipart/form-data; boundary=b",
            "expected exactly 1 file part",
        ),
        (FORM[0], "multipart/form-data", "The content type must have a boundary."),
        (FORM[0], "image/jpeg", "The content type must be multipart/form-data."),
        (FORM[0], None, "The content type must be multipart/form-data."),
        (FORM[0][:-50], FORM[1], "The form is broken: "),
        (b"", FORM[1], "The form is broken: "),
        (FORM[0], "multipart/form-data; boundary=other", "The form is broken: "),
    ],
)
def test_a_form_that_is_not_one_file_is_refused(
    service: Service, body: bytes, content_type: str | None, message: str
) -> None:
    address = issue(service)
    answer = post(service, address, body, content_type)
    assert assert_error(answer, "Invalid", "Invalid", 400).startswith(message)
    assert_nothing_stored(service)
    assert post(service, address).status == 200


@pytest.mark.parametrize(
    ("photo", "kind"),
    [
        (b"", "empty"),
        (b"<html>", "unsupported_format"),
        (PHOTO[:100], "corrupt_image"),
        (PHOTO[: len(PHOTO) // 2], "corrupt_image"),
    ],
)
def test_what_is_no_picture_is_refused(service: Service, photo: bytes, kind: str) -> None:
    address = issue(service)
    answer = post(service, address, *form(("file", photo)))
    assert answer.json["error"]["info"] == {"cause": {"kind": kind}}
    message = assert_error(answer, "Invalid", "UnusableImage", 400)
    assert message == f"The photo cannot be used: {kind.replace('_', ' ')}."
    assert service.upload_ids() == {f"used/{object_of(address)}"}  # it counts what was sent
    assert service.objects() == {}
    assert post(service, address).status == 200


def test_more_than_lambda_takes_is_refused(service: Service) -> None:
    address = issue(service)
    answer = post(service, address, b"x" * 4_500_001, FORM[1])
    message = assert_error(answer, "RequestEntityTooLarge", "RequestEntityTooLarge", 413)
    assert message == "The body is larger than 4500000 bytes."
    assert_nothing_stored(service)


def test_values_beside_the_file_are_ignored(service: Service) -> None:
    request = httpx.Request(
        "POST", ORIGIN, data={"title": "Ada"}, files={"file": ("photo.jpg", PHOTO)}
    )
    answer = post(service, issue(service), request.read(), request.headers["content-type"])
    assert answer.status == 200


def test_storage_being_down_is_told_and_leaves_a_record_that_expires(service: Service) -> None:
    address = issue(service)
    service.let_aws_answer("PutObject", aws_error("SlowDown", 503))
    assert_error(post(service, address), "ServiceUnavailable", "ServiceUnavailable", 503)
    (record,) = [
        item
        for item in service.dynamodb.scan(TableName="uploads")["Items"]
        if item["id"]["S"] == object_of(address)
    ]
    assert record["state"]["S"] == "pending"
    assert int(record["expires_at"]["N"]) > time.time()
    assert get(service, object_of(address)).status == 404


# Serving


def flower() -> bytes:
    from tests.unit.conftest import ROOT

    return (ROOT / "tests" / "photos" / "flower.jpg").read_bytes()


def test_a_picture_is_served_square_and_whole(service: Service) -> None:
    object_id = shown_picture(service, flower())
    profile = get(service, object_id, "profile")
    assert picture_of(profile).size == (427, 427)
    assert profile.headers["cache-control"] == settings.PUBLIC_CACHE
    assert picture_of(get(service, object_id, "original")).size == (640, 427)


def test_a_square_picture_is_framed_on_the_face_and_a_whole_one_is_whole(service: Service) -> None:
    object_id = shown_picture(service, encoded(photo(size=(900, 1200)), "JPEG"))
    upload = service.read_upload(object_id)
    assert (upload["framing"], upload["crop"]["size"] < 0.8) == ("face", True)
    (face,) = faces_in(picture_of(get(service, object_id, "profile")).convert("RGB"))
    assert face.left + face.width / 2 == pytest.approx(0.5, abs=0.05)
    assert 0.35 <= face.height <= 0.6
    assert picture_of(get(service, object_id, "original")).size == (900, 1200)


def test_a_whole_picture_is_upright_and_has_no_metadata(service: Service) -> None:
    photo = Image.new("RGB", (3000, 1500), "blue")
    photo.paste("red", (0, 0, 1500, 1500))
    exif = photo.getexif()
    exif[0x0112] = 6  # turn it clockwise
    exif[0x8825] = {1: "N", 2: (48.0, 8.0, 0.0)}  # where it was taken
    body = io.BytesIO()
    photo.save(body, "JPEG", exif=exif)
    picture = picture_of(get(service, shown_picture(service, body.getvalue()), "original"))
    assert picture.size == (1024, 2048)
    assert picture.convert("RGB").getpixel((512, 100)) == pytest.approx((254, 0, 0), abs=3)
    assert picture.convert("RGB").getpixel((512, 1900)) == pytest.approx((0, 0, 255), abs=3)
    assert not dict(picture.getexif())
    assert "icc_profile" not in picture.info


def test_what_serving_costs(service: Service) -> None:
    object_id = shown_picture(service)
    service.calls.clear()
    get(service, object_id)
    assert service.calls == ["GetItem", "GetObject"]


def test_a_picture_of_another_api_is_served_too(service: Service) -> None:
    _, upload_id = service.user_with_picture()
    assert picture_of(get(service, upload_id, "profile")).size == (512, 512)
    assert picture_of(get(service, upload_id, "original")).size == (512, 512)


def test_a_users_upload_is_theirs_alone_until_it_is_their_picture(service: Service) -> None:
    user_id = service.create_user()["id"]
    upload_id = service.ready_upload(user_id)
    assert get(service, upload_id).status == 404
    service.set_picture(user_id, upload_id)
    assert get(service, upload_id).status == 200


@pytest.mark.parametrize("option", ["thumb", "512.webp", "PROFILE", "%2e%2e"])
def test_any_other_option_is_not_there(service: Service, option: str) -> None:
    object_id = uploaded(service)
    service.calls.clear()
    assert get(service, object_id, option).status == 404
    assert service.calls == []


def test_what_does_not_exist_is_not_there(service: Service) -> None:
    assert_error(get(service, str(uuid.uuid4())), "NotFound", "NotFound", 404)
    assert get(service, "not-an-id").status == 404
    assert get(service, uploaded(service), app_id="other-app").status == 404


def test_an_unused_object_expires(service: Service) -> None:
    object_id = uploaded(service)
    service.alter_upload(object_id, expires_at=int(time.time()) - 1)
    assert get(service, object_id).status == 404
    user_id = service.create_user()["id"]
    assert causes(set_picture(service, user_id, uri(object_id))) == {"/picture": "format"}


def test_cleanup_deletes_the_objects_and_not_those_of_marks(service: Service) -> None:
    address = issue(service)
    post(service, address)
    object_id = object_of(address)
    mark = f"used/{object_id}"
    assert service.upload_ids() == {object_id, mark}
    service.calls.clear()
    assert service.deliver_removal(mark) == {"batchItemFailures": []}
    assert service.calls == []
    assert len(service.objects()) == 5
    assert service.deliver_removal(object_id) == {"batchItemFailures": []}
    assert service.objects() == {}


# As the picture of a user


def test_the_documented_flow(service: Service) -> None:
    user_id = service.create_user()["id"]
    object_id = uploaded(service)
    service.calls.clear()
    assert "errors" not in set_picture(service, user_id, uri(object_id))
    assert service.calls == ["BatchGetItem", "TransactWriteItems"]
    shown = node(service, user_id)["standardAttributes"]["picture"]
    assert shown == f"{ORIGIN}/_images/{APP_ID}/{object_id}/profile"
    assert picture_of(service.call("GET", shown.removeprefix(ORIGIN))).size == (512, 512)
    native = service.read_user(user_id)
    assert native["hasCustomProfilePicture"] is True
    assert object_id in native["profilePictureUrl"]
    assert service.read_upload(object_id)["userId"] == user_id


def test_an_unknown_user_gets_no_picture(service: Service) -> None:
    object_id = uploaded(service)
    (found,) = set_picture(service, str(uuid.uuid4()), uri(object_id))["errors"]
    assert found["extensions"]["reason"] == "UserNotFound"
    assert "userId" not in service.read_upload(object_id)


def test_a_picture_set_by_another_api_is_shown(service: Service) -> None:
    user_id, upload_id = service.user_with_picture()
    shown = node(service, user_id)["standardAttributes"]["picture"]
    assert shown == f"{ORIGIN}/_images/{APP_ID}/{upload_id}/profile"


@pytest.mark.parametrize("scheme", ["https", "http"])
def test_the_address_that_is_shown_may_be_sent_back(service: Service, scheme: str) -> None:
    user_id, upload_id = service.user_with_picture()
    shown = node(service, user_id)["standardAttributes"]["picture"]
    before = service.everything()
    answer = update(
        service,
        user_id,
        {
            "given_name": "Ada",
            "family_name": "Lovelace",
            "picture": shown.replace("https", scheme),
        },
    )
    assert "errors" not in answer
    assert service.everything() == before
    assert get(service, upload_id).status == 200


def test_a_new_picture_replaces_the_old_one_and_its_record(service: Service) -> None:
    user_id, old = service.user_with_picture()
    new = uploaded(service)
    set_picture(service, user_id, uri(new))
    assert service.upload_ids() == {new, f"used/{new}"}
    assert get(service, old).status == 404


def test_a_picture_elsewhere_replaces_an_object(service: Service) -> None:
    user_id, _ = service.user_with_picture()
    set_picture(service, user_id, "https://example.com/ada.png")
    assert service.upload_ids() == set()
    native = service.read_user(user_id)
    assert native["hasCustomProfilePicture"] is False
    assert native["profilePictureUrl"] == "https://example.com/ada.png"


def test_no_picture_removes_the_object(service: Service) -> None:
    user_id, upload_id = service.user_with_picture()
    update(service, user_id, {"name": "Ada"})
    assert "picture" not in node(service, user_id)["standardAttributes"]
    assert get(service, upload_id).status == 404


def test_other_addresses_of_this_host_are_kept_as_they_are(service: Service) -> None:
    user_id = service.create_user()["id"]
    for picture in (f"{ORIGIN}/logo.png", f"https://cdn.example.com/_images/{APP_ID}/x/profile"):
        set_picture(service, user_id, picture)
        assert node(service, user_id)["standardAttributes"]["picture"] == picture


def test_an_object_belongs_to_the_first_user_it_is_set_on(service: Service) -> None:
    first, second = service.create_user()["id"], service.create_user()["id"]
    object_id = uploaded(service)
    set_picture(service, first, uri(object_id))
    before = node(service, second)
    answer = update(service, second, {"name": "Grace", "picture": uri(object_id)}, {"a": 1})
    assert causes(answer) == {"/picture": "format"}
    assert node(service, second) == before


def test_of_two_users_at_once_one_gets_the_object(service: Service) -> None:
    first, second = service.create_user()["id"], service.create_user()["id"]
    object_id = uploaded(service)
    service.meanwhile("TransactWriteItems", lambda: set_picture(service, second, uri(object_id)))
    assert causes(set_picture(service, first, uri(object_id))) == {"/picture": "format"}
    assert service.read_user(first)["hasCustomProfilePicture"] is False
    assert service.read_user(second)["hasCustomProfilePicture"] is True


def test_an_upload_for_a_user_is_set_on_no_other(service: Service) -> None:
    owner, other = service.create_user()["id"], service.create_user()["id"]
    upload_id = service.ready_upload(owner)
    assert causes(set_picture(service, other, uri(upload_id))) == {"/picture": "format"}
    assert "errors" not in set_picture(service, owner, uri(upload_id))


def test_an_unclaimed_object_is_set_through_this_api_only(service: Service) -> None:
    user_id = service.create_user()["id"]
    assert service.set_picture(user_id, uploaded(service)).status == 404


@pytest.mark.parametrize(
    ("picture", "reason"),
    [
        (uri(NOBODY, "other-app"), "the image belongs to another app"),
        (f"{ORIGIN}/_images/other-app/{NOBODY}/profile", "the image belongs to another app"),
        (uri(NOBODY), "there is no such image for this user"),
        (uri("not-an-id"), "there is no such image"),
        (f"authgearimages:///{APP_ID}", "there is no such image"),
        (f"authgearimages:///{APP_ID}/{NOBODY}/profile", "there is no such image"),
        (f"{ORIGIN}/_images/{APP_ID}", "there is no such image"),
    ],
)
def test_an_object_that_is_not_this_apps_is_refused(
    service: Service, picture: str, reason: str
) -> None:
    user_id = service.create_user(profilePictureUrl="https://example.com/a.png")["id"]
    before = service.everything()
    answer = set_picture(service, user_id, picture)
    assert causes(answer) == {"/picture": "format"}
    (cause,) = answer["errors"][0]["extensions"]["info"]["causes"]
    assert cause["details"] == {"format": "x_picture", "error": reason}
    assert service.everything() == before


def test_an_object_that_is_not_ready_is_refused(service: Service) -> None:
    user_id = service.create_user()["id"]
    pending = service.create_upload(user_id)
    answer = set_picture(service, user_id, uri(pending))
    assert "The upload is pending, not ready." in answer["errors"][0]["message"]
    service.send_photo(pending, b"no photo")
    answer = set_picture(service, user_id, uri(pending))
    assert "The upload has failed: unsupported format." in answer["errors"][0]["message"]
    organization = service.ready_upload(user_id, scope="organization")
    answer = set_picture(service, user_id, uri(organization))
    assert "Only an upload of scope `user`" in answer["errors"][0]["message"]


def test_no_signed_address_is_in_the_log(
    service: Service, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    address = issue(service)
    post(service, address)
    post(service, altered(address, signature="0"))
    user_id = service.create_user(email="ada@example.com")["id"]
    set_picture(service, user_id, uri(object_of(address)))
    update(service, user_id, {"email": "grace@example.com"})
    written = capsys.readouterr()
    logged = written.out + written.err + caplog.text
    signature = dict(parse_qsl(urlsplit(address).query))["x-authgear-signature"]
    for secret in (signature, service.secret_key, "ada@example.com", "grace@example.com"):
        assert secret not in logged
    assert "answered" in logged
    assert json.dumps(APP_ID) not in logged
