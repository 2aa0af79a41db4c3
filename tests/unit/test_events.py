"""The events in events/: each is invoked against the function its name starts with."""

import base64
import io
import json
import re
from collections.abc import Callable
from pathlib import Path
from string import Template
from typing import Any
from unittest.mock import patch
from uuid import UUID

import httpx
import pytest
from PIL import Image
from tests.template import functions, routes
from tests.unit.conftest import APP_ID, PHOTO, ROOT, Service

EVENTS = ROOT / "events"
USER = "b3c1a6de-6d4b-4e5a-9a0f-2f6d1c7e8a01"
UPLOAD = "7d9f2b1c-0e3a-4c6d-8b5f-91a2c3d4e5f6"


def event(service: Service, name: str) -> Any:
    """An event, with what differs from stack to stack filled in."""
    facts = {
        "secretKey": service.secret_key,
        "userToken": service.token(USER),
        "appId": APP_ID,
        "bucket": "pictures",
    }
    return json.loads(Template((EVENTS / f"{name}.json").read_text()).safe_substitute(facts))


# What there is before an event


def new_ids_are(value: str) -> Any:
    """While this lasts, every id that the service makes is a certain one."""
    return patch("vignette.domain.ids.uuid4", lambda: UUID(value))


def nothing(_: Service) -> None:
    pass


def a_user(service: Service) -> None:
    with new_ids_are(USER):
        service.create_user(firstName="Ada", username="ada")


def a_form(service: Service) -> None:
    a_user(service)
    with new_ids_are(UPLOAD):
        service.create_upload(USER)


def a_photo(service: Service) -> None:
    a_form(service)
    service.put_photo(UPLOAD)


def a_ready_upload(service: Service) -> None:
    a_photo(service)
    service.deliver(UPLOAD)


def a_picture(service: Service) -> None:
    a_ready_upload(service)
    service.set_picture(USER, UPLOAD)


def a_deleted_upload(service: Service) -> None:
    a_ready_upload(service)
    service.with_key("DELETE", f"/api/v1/uploads/{UPLOAD}")


def an_authgear_picture(service: Service) -> None:
    with new_ids_are(UPLOAD):
        answer = service.with_key("GET", "/_api/admin/images/upload").json
    path = answer["result"]["upload_url"].removeprefix("https://api.example.com")
    form = httpx.Request("POST", "https://api.example.com", files={"file": PHOTO})
    headers = {"content-type": form.headers["content-type"]}
    assert service.call("POST", path, form.read(), headers=headers).status == 200
    a_user(service)
    changes = {"profile_image_id": UPLOAD}
    service.alter_upload(UPLOAD, user_id=USER)
    assert service.with_key("PATCH", f"/v1/users/{USER}", changes).status == 200


# What there is after it

type Check = Callable[[Service, Any], bool]


def has(**expected: Any) -> Check:
    """The answer says certain things among others."""
    return lambda _, answer: expected.items() <= answer.items()


def names(*fields: str) -> Check:
    """The problem names certain fields, and no other."""
    return lambda _, answer: {each["field"] for each in answer["errors"]} == set(fields)


def user_has(**expected: Any) -> Check:
    """The user says certain things among others."""
    return lambda service, _: expected.items() <= service.read_user(USER).items()


def shows_a_picture(_: Service, answer: bytes) -> bool:
    return Image.open(io.BytesIO(answer)).format == "WEBP"


def upload_is_in_state(state: str) -> Check:
    return lambda service, _: service.read_upload(UPLOAD)["state"] == state


def issues_a_form(service: Service, answer: Any) -> bool:
    return answer["fields"]["key"] == f"uploads/{answer['uploadId']}" and bool(
        service.read_upload(answer["uploadId"])["userId"] == USER
    )


def leaves_no_upload(service: Service, _: Any) -> bool:
    return UPLOAD not in service.upload_ids()


def leaves_no_object(service: Service, answer: Any) -> bool:
    return service.objects() == {} and answer == {"batchItemFailures": []}


def leaves_no_user(service: Service, _: Any) -> bool:
    return USER not in service.everything()


CASES: dict[str, tuple[Callable[[Service], None], int | None, Check]] = {
    "profiles-create-user": (nothing, 201, has(email="ada@example.com", username="ada")),
    "profiles-create-user-malformed": (nothing, 400, has(code="malformed_request")),
    "profiles-create-user-invalid": (nothing, 422, names("email", "lastName", "age")),
    "profiles-read-user": (a_user, 200, has(id=USER, firstName="Ada")),
    "profiles-update-user": (a_user, 200, user_has(firstName="Augusta", username=None)),
    "profiles-delete-user": (a_picture, 204, leaves_no_user),
    "profiles-read-me": (a_user, 200, has(id=USER)),
    "profiles-read-me-without-token": (a_user, 401, has(code="unauthenticated")),
    "profiles-update-me": (a_user, 200, user_has(lastName="King")),
    "profiles-update-my-role": (a_user, 403, user_has(role="user")),
    "profiles-openapi": (nothing, 200, lambda _, answer: answer["openapi"].startswith("3.")),
    "uploads-create": (a_user, 201, issues_a_form),
    "uploads-create-for-user": (a_user, 201, issues_a_form),
    "uploads-create-too-large": (a_user, 413, has(code="too_large")),
    "uploads-read": (a_form, 200, has(id=UPLOAD, userId=USER, state="pending")),
    "uploads-delete": (a_form, 204, leaves_no_upload),
    "crops-update": (a_ready_upload, 200, has(id=UPLOAD, framing="user")),
    "pictures-set": (a_ready_upload, 200, user_has(hasCustomProfilePicture=True)),
    "pictures-set-mine": (a_ready_upload, 200, user_has(hasCustomProfilePicture=True)),
    "pictures-remove": (a_picture, 200, user_has(hasCustomProfilePicture=False)),
    "pictures-remove-mine": (a_picture, 200, leaves_no_upload),
    "thumbnails-photo-sent": (a_photo, None, upload_is_in_state("ready")),
    "thumbnails-photo-with-encoded-key": (a_photo, None, upload_is_in_state("ready")),
    "thumbnails-object-of-no-upload": (a_form, None, upload_is_in_state("pending")),
    "failed_photos-given-up": (a_form, None, upload_is_in_state("failed")),
    "cleanup-record-expired": (a_deleted_upload, None, leaves_no_object),
    "cleanup-records-deleted": (a_deleted_upload, None, leaves_no_object),
    "clerk-create-user": (nothing, 200, has(object="user", first_name="Ada")),
    "clerk-read-user": (a_user, 200, has(object="user", id=USER)),
    "clerk-list-users": (a_user, 200, lambda _, answer: [each["id"] for each in answer] == [USER]),
    "clerk_pictures-set": (a_user, 200, user_has(hasCustomProfilePicture=True)),
    "renditions-find": (a_user, 302, lambda *_: True),  # where to: test_sizes
    "renditions-read": (a_picture, 200, shows_a_picture),
    "unknown-organizations": (
        nothing,
        404,
        lambda _, answer: answer["errors"][0]["code"] == "resource_not_found",
    ),
    "avatars-draw": (nothing, 200, shows_a_picture),
    "elements-latest": (nothing, 302, lambda _, answer: answer is None),
    "authgear_graphql-count-users": (a_user, 200, has(data={"users": {"totalCount": 1}})),
    "authgear_uploads-issue": (
        nothing,
        200,
        lambda _, answer: "x-authgear" in answer["result"]["upload_url"],
    ),
    "authgear_images-read": (an_authgear_picture, 200, shows_a_picture),
}


def content(answer: dict[str, Any]) -> Any:
    """The body of a response: read where it is JSON, otherwise as it is."""
    body = answer.get("body", "")
    if answer.get("isBase64Encoded"):
        return base64.b64decode(body)
    return json.loads(body) if body else None


@pytest.mark.parametrize("name", sorted(path.stem for path in EVENTS.glob("*")))
@pytest.mark.filterwarnings("ignore:No application metrics")
def test_an_event_gets_the_answer_it_should(service: Service, name: str) -> None:
    prepare, status, check = CASES[name]
    prepare(service)
    answer = service.invoke(name.split("-")[0], event(service, name))
    if status is not None:
        assert answer["statusCode"] == status
        answer = content(answer)
    assert check(service, answer)


def test_every_function_has_an_event() -> None:
    assert {name.split("-")[0] for name in CASES} == set(functions())


def test_every_case_has_its_event() -> None:
    assert {path.name for path in EVENTS.iterdir()} == {f"{name}.json" for name in CASES}


@pytest.mark.parametrize("path", sorted(EVENTS.glob("*.json")), ids=lambda path: path.stem)
def test_an_event_of_the_api_is_one_that_the_api_would_send(path: Path) -> None:
    document = json.loads(path.read_text())
    if "routeKey" not in document:
        assert document.get("requestPayload", document)["Records"]
        return
    method = document["requestContext"]["http"]["method"]
    chosen = routes().match(method, document["rawPath"])
    parameters = document.get("pathParameters", {})
    assert chosen == (document["routeKey"], path.stem.split("-")[0], parameters)


def test_events_hold_no_credentials() -> None:
    for path in EVENTS.iterdir():
        authorization = json.loads(path.read_text()).get("headers", {}).get("authorization", "")
        assert re.fullmatch(r"(Bearer \$\{(secretKey|userToken)\})?", authorization)
