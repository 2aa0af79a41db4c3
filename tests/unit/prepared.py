"""Requests whose calls of AWS are counted, each apart from what has to be there before it."""

from collections.abc import Callable

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
