"""Cost of a request: the calls to AWS that it makes once its key is cached."""

from collections.abc import Callable

import pytest
from tests.unit.conftest import Answer, Service

USER = "/api/v1/shared/users/{}"
ME = "/api/v1/users/me"
MY_PICTURE = "/api/v1/users/me/profile-picture"
UPLOADS = "/api/v1/uploads"
NEW_UPLOAD = {"kind": "profile_picture", "contentType": "image/png", "contentLength": 1}

# Prepares a request of a user, and answers with what sends it.
type Prepare = Callable[[Service, str], Callable[[], Answer]]


def read_a_user(service: Service, user_id: str) -> Callable[[], Answer]:
    return lambda: service.with_key("GET", USER.format(user_id))


def read_oneself(service: Service, user_id: str) -> Callable[[], Answer]:
    return lambda: service.as_user(user_id, "GET", ME)


def create_a_user(service: Service, _: str) -> Callable[[], Answer]:
    body = {"email": "new@example.com", "firstName": "A", "lastName": "L", "username": "new"}
    return lambda: service.with_key("POST", "/api/v1/shared/users", body)


def count_users(service: Service, _: str) -> Callable[[], Answer]:
    return lambda: service.with_key("GET", "/v1/users/count")


def change_names(service: Service, user_id: str) -> Callable[[], Answer]:
    body = {"firstName": "Augusta", "lastName": None}
    return lambda: service.as_user(user_id, "PATCH", ME, body)


def change_what_the_key_may(service: Service, user_id: str) -> Callable[[], Answer]:
    body = {"role": "admin", "state": "locked", "lastLogin": "2026-01-01T00:00:00Z"}
    return lambda: service.with_key("PATCH", USER.format(user_id), body)


def change_nothing(service: Service, user_id: str) -> Callable[[], Answer]:
    return lambda: service.as_user(user_id, "PATCH", ME, {})


def change_all_unique_fields(service: Service, user_id: str) -> Callable[[], Answer]:
    body = {"email": "new@example.com", "username": "new", "externalId": "new", "lastName": "L"}
    return lambda: service.with_key("PATCH", USER.format(user_id), body)


def create_an_upload(service: Service, user_id: str) -> Callable[[], Answer]:
    return lambda: service.as_user(user_id, "POST", UPLOADS, NEW_UPLOAD)


def read_an_upload(service: Service, user_id: str) -> Callable[[], Answer]:
    upload_id = service.ready_upload(user_id)
    return lambda: service.as_user(user_id, "GET", f"{UPLOADS}/{upload_id}")


def delete_an_upload(service: Service, user_id: str) -> Callable[[], Answer]:
    upload_id = service.ready_upload(user_id)
    return lambda: service.as_user(user_id, "DELETE", f"{UPLOADS}/{upload_id}")


def set_a_picture(service: Service, user_id: str) -> Callable[[], Answer]:
    upload_id = service.ready_upload(user_id)
    return lambda: service.as_user(user_id, "PATCH", MY_PICTURE, {"uploadId": upload_id})


def replace_a_picture(service: Service, user_id: str) -> Callable[[], Answer]:
    service.set_picture(user_id, service.ready_upload(user_id))
    return set_a_picture(service, user_id)


def remove_a_picture(service: Service, user_id: str) -> Callable[[], Answer]:
    service.set_picture(user_id, service.ready_upload(user_id))
    return lambda: service.as_user(user_id, "PATCH", MY_PICTURE, {"uploadId": None})


def delete_a_user(service: Service, user_id: str) -> Callable[[], Answer]:
    service.set_picture(user_id, service.ready_upload(user_id))
    return lambda: service.with_key("DELETE", USER.format(user_id))


@pytest.mark.parametrize(
    ("prepare", "calls"),
    [
        (read_a_user, ["GetItem"]),
        (read_oneself, ["GetItem"]),
        (create_a_user, ["TransactWriteItems"]),
        (count_users, ["BatchGetItem"] * 3),
        (change_names, ["UpdateItem"]),
        (change_what_the_key_may, ["UpdateItem"]),
        (change_nothing, ["GetItem"]),
        (change_all_unique_fields, ["GetItem", "TransactWriteItems"]),
        (create_an_upload, ["TransactWriteItems"]),
        (read_an_upload, ["BatchGetItem"]),
        (delete_an_upload, ["TransactWriteItems"]),
        (set_a_picture, ["BatchGetItem", "TransactWriteItems"]),
        (replace_a_picture, ["BatchGetItem", "TransactWriteItems"]),
        (remove_a_picture, ["GetItem", "TransactWriteItems"]),
        (delete_a_user, ["GetItem", "TransactWriteItems", "Query"]),
    ],
)
@pytest.mark.parametrize("others", [0, 3], ids=["alone", "among others"])
def test_a_request_makes_as_many_calls_whoever_else_there_is(
    service: Service, prepare: Prepare, calls: list[str], others: int
) -> None:
    for _ in range(others):
        service.create_upload(service.create_user()["id"])
    send = prepare(service, service.create_user()["id"])
    service.calls.clear()
    assert send().status < 300
    assert service.calls == calls


@pytest.mark.parametrize(
    ("photo", "calls"),
    [
        (None, ["GetItem", "GetObject", *["PutObject"] * 4, "UpdateItem"]),
        (b"no photo", ["GetItem", "GetObject", "UpdateItem"]),
    ],
    ids=["ready", "failed"],
)
def test_a_photo_costs_two_reads_a_write_for_each_rendition_and_one_update(
    service: Service, photo: bytes | None, calls: list[str]
) -> None:
    upload_id = service.create_upload(service.create_user()["id"])
    service.calls.clear()
    service.send_photo(upload_id, *([photo] if photo else []))
    assert service.calls == calls


def test_a_record_that_is_gone_costs_one_list_and_one_delete(service: Service) -> None:
    upload_id = service.ready_upload(service.create_user()["id"])
    service.calls.clear()
    service.deliver_removal(upload_id)
    assert service.calls == ["ListObjectsV2", "DeleteObjects"]
