"""Uploads: issue forms, report what became of the photo, delete what nobody needs."""

import base64
import json
import time
import uuid
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

import pytest
from tests.template import resource
from tests.unit.conftest import PHOTO, Service

UPLOADS = "/api/v1/uploads"
NEW = {"kind": "profile_picture", "contentType": "image/jpeg", "contentLength": len(PHOTO)}
DAY = 24 * 60 * 60


def seconds(moment: str) -> float:
    return datetime.fromisoformat(moment).timestamp()


def stored(service: Service, upload_id: str) -> dict[str, Any]:
    item = service.dynamodb.get_item(TableName="uploads", Key={"id": {"S": upload_id}})
    record: dict[str, Any] = item["Item"]
    return record


@pytest.fixture
def user_id(service: Service) -> str:
    return str(service.create_user()["id"])


# POST


def test_a_user_gets_a_form_for_a_photo_of_their_own(service: Service, user_id: str) -> None:
    answer = service.as_user(user_id, "POST", UPLOADS, NEW)
    assert answer.status == 201
    assert answer.json.keys() == {"uploadId", "url", "fields", "expiresAt", "maxBytes"}
    assert answer.json["maxBytes"] == 10 * 1024 * 1024
    assert service.read_upload(answer.json["uploadId"])["userId"] == user_id


def test_the_key_gets_a_form_for_any_user(service: Service, user_id: str) -> None:
    answer = service.with_key("POST", UPLOADS, {**NEW, "userId": user_id})
    assert answer.status == 201
    assert service.read_upload(answer.json["uploadId"])["userId"] == user_id


def test_the_key_has_to_name_a_user(service: Service) -> None:
    answer = service.with_key("POST", UPLOADS, NEW)
    assert (answer.status, answer.fields) == (422, {"userId": "missing"})


def test_users_may_name_themselves(service: Service, user_id: str) -> None:
    body = {**NEW, "userId": user_id}
    assert service.as_user(user_id, "POST", UPLOADS, body).status == 201


def test_users_may_not_name_somebody_else(service: Service, user_id: str) -> None:
    other = service.create_user()["id"]
    answer = service.as_user(user_id, "POST", UPLOADS, {**NEW, "userId": other})
    assert (answer.status, answer.code) == (403, "forbidden")
    assert service.upload_ids() == set()


def test_there_is_no_form_for_a_user_who_does_not_exist(service: Service) -> None:
    nobody = str(uuid.uuid4())
    for answer in (
        service.with_key("POST", UPLOADS, {**NEW, "userId": nobody}),
        service.with_key("POST", UPLOADS, {**NEW, "userId": "auth0|1"}),
    ):
        assert (answer.status, answer.code) == (404, "user_not_found")
    assert service.upload_ids() == set()


@pytest.mark.parametrize("given", [{}, {"contentType": ""}])
def test_neither_content_type_nor_length_has_to_be_known(
    service: Service, user_id: str, given: dict[str, str]
) -> None:
    answer = service.as_user(user_id, "POST", UPLOADS, {"kind": "profile_picture", **given})
    assert answer.status == 201
    assert answer.json["fields"]["Content-Type"] == "application/octet-stream"


def test_the_length_that_is_told_does_not_bound_the_photo(service: Service, user_id: str) -> None:
    answer = service.as_user(user_id, "POST", UPLOADS, {**NEW, "contentLength": 1})
    policy = json.loads(base64.b64decode(answer.json["fields"]["policy"]))
    assert ["content-length-range", 1, answer.json["maxBytes"]] in policy["conditions"]


def test_no_two_uploads_share_an_id(service: Service, user_id: str) -> None:
    assert service.create_upload(user_id) != service.create_upload(user_id)


@pytest.mark.parametrize(
    ("asked", "scope"), [({}, "user"), ({"scope": "organization"}, "organization")]
)
def test_the_scope_is_user_unless_another_is_asked_for(
    service: Service, user_id: str, asked: dict[str, str], scope: str
) -> None:
    assert service.read_upload(service.create_upload(user_id, **asked))["scope"] == scope


# GET


def test_an_upload_without_a_photo_is_pending(service: Service, user_id: str) -> None:
    before = time.time()
    upload_id = service.create_upload(user_id)
    upload = service.read_upload(upload_id)
    assert upload == {
        "id": upload_id,
        "userId": user_id,
        "kind": "profile_picture",
        "scope": "user",
        "state": "pending",
        "createdAt": upload["createdAt"],
        "expiresAt": upload["expiresAt"],
    }
    assert before - 1 < seconds(upload["createdAt"]) < time.time() + 1
    assert abs(seconds(upload["expiresAt"]) - seconds(upload["createdAt"]) - DAY) <= 1


def test_an_upload_whose_photo_is_processed_is_ready(service: Service, user_id: str) -> None:
    upload_id = service.ready_upload(user_id)
    upload = service.read_upload(upload_id)
    assert (upload["state"], upload["bytes"]) == ("ready", len(PHOTO))
    assert (upload["width"], upload["height"]) == (512, 512)
    assert "reason" not in upload
    assert [
        (each["name"], each["width"], each["height"], each["contentType"])
        for each in upload["renditions"]
    ] == [
        ("64", 64, 64, "image/webp"),
        ("128", 128, 128, "image/webp"),
        ("256", 256, 256, "image/webp"),
        ("512", 512, 512, "image/webp"),
    ]
    keys = {urlsplit(each["url"]).path.lstrip("/") for each in upload["renditions"]}
    assert keys == {key for key in service.objects() if key.startswith("renditions/")}


def test_an_upload_whose_photo_is_no_good_is_failed_and_says_why(
    service: Service, user_id: str
) -> None:
    upload_id = service.create_upload(user_id)
    service.send_photo(upload_id, b"no photo")
    upload = service.read_upload(upload_id)
    assert (upload["state"], upload["reason"]) == ("failed", "unsupported_format")
    assert upload["bytes"] == len(b"no photo")
    assert upload.keys().isdisjoint({"width", "height", "renditions"})


def test_owners_read_their_uploads(service: Service, user_id: str) -> None:
    upload_id = service.create_upload(user_id)
    answer = service.as_user(user_id, "GET", f"{UPLOADS}/{upload_id}")
    assert (answer.status, answer.json) == (200, service.read_upload(upload_id))


@pytest.mark.parametrize("method", ["GET", "DELETE"])
@pytest.mark.parametrize("in_use", [False, True], ids=["unused", "in use"])
def test_somebody_elses_upload_does_not_exist_for_a_user(
    service: Service, user_id: str, method: str, in_use: bool
) -> None:
    _, upload_id = service.user_with_picture()
    if not in_use:
        upload_id = service.create_upload(service.create_user()["id"])
    answer = service.as_user(user_id, method, f"{UPLOADS}/{upload_id}")
    unknown = service.as_user(user_id, method, f"{UPLOADS}/{uuid.uuid4()}")
    assert (answer.status, answer.json) == (404, unknown.json)
    assert upload_id in service.upload_ids()


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_an_expired_upload_does_not_exist_even_before_dynamodb_deletes_it(
    service: Service, user_id: str, method: str
) -> None:
    upload_id = service.create_upload(user_id)
    service.alter_upload(upload_id, expires_at=int(time.time()) - 1)
    answer = service.with_key(method, f"{UPLOADS}/{upload_id}")
    assert (answer.status, answer.code) == (404, "upload_not_found")


# Expiry


def test_dynamodb_expires_a_pending_upload_after_a_day(service: Service, user_id: str) -> None:
    attribute = resource("UploadsTable")["TimeToLiveSpecification"]["AttributeName"]
    before = int(time.time())
    expiry = stored(service, service.create_upload(user_id))[attribute]
    assert before + DAY <= int(expiry["N"]) <= time.time() + DAY


@pytest.mark.parametrize("photo", [PHOTO, b"no photo"], ids=["ready", "failed"])
def test_a_processed_upload_has_another_day(service: Service, user_id: str, photo: bytes) -> None:
    upload_id = service.create_upload(user_id)
    service.alter_upload(upload_id, expires_at=int(time.time()) + 60)
    before = int(time.time())
    service.send_photo(upload_id, photo)
    expiry = seconds(service.read_upload(upload_id)["expiresAt"])
    assert before + DAY <= expiry <= time.time() + DAY


def test_an_upload_that_is_a_picture_never_expires(service: Service) -> None:
    _, upload_id = service.user_with_picture()
    assert service.read_upload(upload_id)["expiresAt"] is None
    attribute = resource("UploadsTable")["TimeToLiveSpecification"]["AttributeName"]
    assert attribute not in stored(service, upload_id)


# DELETE


@pytest.mark.parametrize("state", ["pending", "ready", "failed"])
@pytest.mark.parametrize("with_key", [True, False], ids=["with the key", "as the owner"])
def test_an_upload_in_any_state_is_deleted(
    service: Service, user_id: str, state: str, with_key: bool
) -> None:
    upload_id = service.create_upload(user_id)
    if state != "pending":
        service.send_photo(upload_id, PHOTO if state == "ready" else b"no photo")
    token = service.secret_key if with_key else service.token(user_id)
    answer = service.call("DELETE", f"{UPLOADS}/{upload_id}", token=token)
    assert (answer.status, answer.json) == (204, None)
    for method in ("GET", "DELETE"):
        again = service.call(method, f"{UPLOADS}/{upload_id}", token=token)
        assert (again.status, again.code) == (404, "upload_not_found")


@pytest.mark.parametrize("with_key", [True, False], ids=["with the key", "as the owner"])
def test_an_upload_is_not_deleted_while_it_is_a_picture(service: Service, with_key: bool) -> None:
    user_id, upload_id = service.user_with_picture()
    token = service.secret_key if with_key else service.token(user_id)
    answer = service.call("DELETE", f"{UPLOADS}/{upload_id}", token=token)
    assert (answer.status, answer.code) == (409, "upload_in_use")
    assert upload_id in service.upload_ids()


def test_an_upload_that_becomes_a_picture_meanwhile_is_not_deleted(
    service: Service, user_id: str
) -> None:
    upload_id = service.ready_upload(user_id)
    service.meanwhile("DeleteItem", lambda: service.set_picture(user_id, upload_id))
    answer = service.with_key("DELETE", f"{UPLOADS}/{upload_id}")
    assert (answer.status, answer.code) == (409, "upload_in_use")
    assert service.read_user(user_id)["hasCustomProfilePicture"] is True
    assert upload_id in service.upload_ids()
