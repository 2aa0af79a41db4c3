"""The OpenAPI document of the native API: valid, current, complete, and true of every answer."""

import json
import subprocess
import sys
from typing import Any

import pytest
from openapi_schema_validator import OAS31Validator
from openapi_spec_validator import OpenAPIV31SpecValidator
from tests.template import routes
from tests.unit.conftest import ENVIRONMENT, ROOT, Answer, Service

from vignette.domain.renditions import digest_of

FILE = ROOT / "layers" / "vignette" / "vignette" / "native" / "openapi.json"
DOCUMENT: dict[str, Any] = json.loads(FILE.read_text())
NOBODY = "00000000-0000-4000-8000-000000000000"
REGENERATE = "make openapi"


@pytest.mark.usefixtures("service")
def test_the_document_is_current() -> None:
    from tools import openapi

    assert openapi.text() == FILE.read_text(), f"run: {REGENERATE}"


def test_the_document_is_valid() -> None:
    assert list(OpenAPIV31SpecValidator(DOCUMENT).iter_errors()) == []


def test_every_native_route_is_in_the_document_and_nothing_else() -> None:
    described = {
        f"{method.upper()} {path}" for path, item in DOCUMENT["paths"].items() for method in item
    }
    assert described == {key for key in routes().by_key if " /api/v1/" in key}


def test_schemas_have_the_names_of_one_thing_each() -> None:
    assert [name for name in DOCUMENT["components"]["schemas"] if not name.isalnum()] == []


def test_nothing_that_may_be_left_out_looks_as_if_it_were_always_there() -> None:
    for schema in DOCUMENT["components"]["schemas"].values():
        assert [each for each in schema.get("properties", {}).values() if "default" in each] == []


@pytest.mark.parametrize("status", ["403", "413", "429"])
def test_every_operation_has_what_api_gateway_answers_itself(status: str) -> None:
    for methods in DOCUMENT["paths"].values():
        for operation in methods.values():
            content = _resolved(operation["responses"][status])["content"]
            assert content["application/json"]["schema"]["required"] == ["message"]


def test_the_service_serves_the_document_to_anybody(service: Service) -> None:
    answer = service.call("GET", "/api/v1/openapi.json")
    assert (answer.status, answer.json) == (200, DOCUMENT)
    assert answer.headers["content-type"] == "application/json"


def test_serving_the_document_needs_no_pydantic() -> None:
    event = {"routeKey": "GET /api/v1/openapi.json", "requestContext": {"requestId": "1"}}
    program = (
        "import sys; from types import SimpleNamespace; import app; "
        f"answer = app.handler({event}, SimpleNamespace("
        "aws_request_id='2', get_remaining_time_in_millis=lambda: 10_000)); "
        "assert answer['statusCode'] == 200; assert 'pydantic' not in sys.modules"
    )
    subprocess.run(
        [sys.executable, "-c", program],
        env={**ENVIRONMENT, "PYTHONPATH": f"{ROOT}/layers/vignette:{ROOT}/functions/profiles"},
        check=True,
    )


# Answers


def described(method: str, path: str, answer: Answer) -> None:
    """Fail unless the document describes this answer, and each of its properties."""
    route, _, _ = routes().match(method, path)
    operation = DOCUMENT["paths"][route.split()[1]][method.lower()]
    expected = _resolved(operation["responses"][str(answer.status)])
    content = expected.get("content", {})
    assert answer.headers.get("content-type") in (content or {None: None})
    assert {name.lower() for name in expected.get("headers", {})} <= answer.headers.keys()
    if content:
        media = content[answer.headers["content-type"]]
        schema = {**_closed(media["schema"]), "components": _closed(DOCUMENT["components"])}
        validator = OAS31Validator(schema, format_checker=OAS31Validator.FORMAT_CHECKER)
        assert list(validator.iter_errors(answer.json)) == []


def _resolved(part: dict[str, Any]) -> dict[str, Any]:
    reference = part.get("$ref")
    return DOCUMENT["components"]["responses"][reference.split("/")[-1]] if reference else part


def _closed(part: Any) -> Any:
    """Schemas in which every object with required properties has no others."""
    if isinstance(part, list):
        return [_closed(each) for each in part]
    if not isinstance(part, dict):
        return part
    closed = {name: _closed(each) for name, each in part.items()}
    return {**closed, "additionalProperties": False} if "required" in part else closed


def test_users_are_as_described(service: Service) -> None:
    body = {"email": "ada@example.com", "firstName": "Ada", "lastName": "Lovelace"}
    created = service.with_key("POST", "/api/v1/shared/users", body)
    described("POST", "/api/v1/shared/users", created)
    path = f"/api/v1/shared/users/{created.json['id']}"
    changes = {"state": "banned", "lastLogin": "2026-01-02T03:04:05Z", "username": "ada"}
    for method, content in (("PATCH", changes), ("GET", None), ("DELETE", None)):
        described(method, path, service.with_key(method, path, content))


def test_pictures_are_as_described(service: Service) -> None:
    user_id, upload_id = service.user_with_picture()
    path = f"/api/v1/shared/users/{user_id}/profile-picture"
    for wanted in (upload_id, None):
        described("PATCH", path, service.with_key("PATCH", path, {"uploadId": wanted}))


def test_a_photo_that_cannot_be_framed_anew_is_as_described(service: Service) -> None:
    upload_id = service.ready_upload(service.create_user()["id"])
    service.put_photo(upload_id, b"no photo")
    service.alter_upload(upload_id, digest=digest_of(upload_id, b"no photo"))
    path = f"/api/v1/uploads/{upload_id}"
    answer = service.with_key("PATCH", path, {"crop": {"x": 0.5, "y": 0.5, "size": 0.5}})
    assert (answer.status, answer.code) == (422, "unsupported_format")
    described("PATCH", path, answer)


@pytest.mark.parametrize("photo", [None, b"no photo", "a photo"])
def test_uploads_are_as_described(service: Service, photo: bytes | str | None) -> None:
    user_id = service.create_user()["id"]
    if photo == "a photo":
        upload_id = service.ready_upload(user_id)
    else:
        upload_id = service.create_upload(user_id)
    if isinstance(photo, bytes):
        service.send_photo(upload_id, photo)
    path = f"/api/v1/uploads/{upload_id}"
    described("GET", path, service.with_key("GET", path))


def test_forms_are_as_described(service: Service) -> None:
    user_id = service.create_user()["id"]
    body = {"kind": "profile_picture", "contentType": "image/jpeg", "contentLength": 1}
    answer = service.as_user(user_id, "POST", "/api/v1/uploads", body)
    described("POST", "/api/v1/uploads", answer)


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "/api/v1/shared/users", "{", 400),
        ("POST", "/api/v1/shared/users", " " * 70_000, 413),
        ("POST", "/api/v1/shared/users", {"email": 1, "x": 2}, 422),
        ("POST", "/api/v1/uploads", {}, 422),
        ("GET", f"/api/v1/shared/users/{NOBODY}", None, 404),
        ("GET", f"/api/v1/uploads/{NOBODY}", None, 404),
        ("GET", "/api/v1/users/me", None, 403),
    ],
)
def test_problems_are_as_described(
    service: Service, method: str, path: str, body: Any, status: int
) -> None:
    answer = service.with_key(method, path, body)
    assert answer.status == status
    described(method, path, answer)
    described(method, path, service.call(method, path, body))


def test_taken_values_are_as_described(service: Service) -> None:
    taken = {"email": service.create_user()["email"], "firstName": "Ada", "lastName": "L"}
    answer = service.with_key("POST", "/api/v1/shared/users", taken)
    assert answer.status == 409
    described("POST", "/api/v1/shared/users", answer)
