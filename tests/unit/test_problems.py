"""Bad input gets a clear error, as a problem document (RFC 9457), and nothing is lost."""

import json
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import (
    ConnectTimeoutError,
    EndpointConnectionError,
    ReadTimeoutError,
)
from tests.unit.conftest import Answer, AwsAnswer, Service, aws_error

USERS = "/api/v1/shared/users"
USER = "/api/v1/shared/users/{user_id}"
USER_PICTURE = "/api/v1/shared/users/{user_id}/profile-picture"
ME = "/api/v1/users/me"
MY_PICTURE = "/api/v1/users/me/profile-picture"
UPLOADS = "/api/v1/uploads"
UPLOAD = "/api/v1/uploads/{upload_id}"

WITH_BODY = [
    ("POST", USERS),
    ("PATCH", USER),
    ("PATCH", ME),
    ("POST", UPLOADS),
    ("PATCH", USER_PICTURE),
    ("PATCH", MY_PICTURE),
]
WITHOUT_BODY = [
    ("GET", USER),
    ("DELETE", USER),
    ("GET", ME),
    ("GET", UPLOAD),
    ("DELETE", UPLOAD),
]
SOMEBODY = "5f0d5c7e-1b1f-4c59-9d5b-0a8a3d6f7c11"
NEW_USER = {"email": "ada@example.com", "firstName": "Ada", "lastName": "Lovelace"}
NEW_UPLOAD = {"kind": "profile_picture", "contentType": "image/png", "contentLength": 1}
VALID_BODIES: dict[str, Any] = {
    USERS: NEW_USER,
    USER: {"firstName": "Augusta"},
    ME: {"firstName": "Augusta"},
    UPLOADS: NEW_UPLOAD,
    USER_PICTURE: {"uploadId": None},
    MY_PICTURE: {"uploadId": None},
}


@pytest.fixture
def untouched(service: Service) -> Iterator[None]:
    """Nothing is asked of DynamoDB or S3 in the test."""
    yield
    assert set(service.calls) <= {"GetSecretValue"}


def ask(
    service: Service, user_id: str, method: str, path: str, body: Any = None, upload_id: str = ""
) -> Answer:
    """Make a call as whoever may make it."""
    whole = path.format(user_id=user_id, upload_id=upload_id or uuid.uuid4())
    may_any = path.startswith(USERS)
    token = service.secret_key if may_any else service.token(user_id)
    return service.call(method, whole, body, token=token)


def is_problem(answer: Answer, status: int, code: str) -> bool:
    return (
        answer.status == answer.json["status"] == status
        and answer.code == code
        and answer.json["type"] == "about:blank"
        and bool(answer.json["title"] and answer.json["detail"])
        and answer.headers["content-type"] == "application/problem+json"
    )


def test_an_answer_is_not_stored_and_carries_the_request_id(service: Service) -> None:
    for answer in (service.with_key("POST", USERS, NEW_USER), service.call("GET", ME)):
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-request-id"]


# 401


@pytest.mark.parametrize(("method", "path"), WITH_BODY + WITHOUT_BODY)
def test_without_credentials_nothing_else_is_looked_at(
    service: Service, method: str, path: str
) -> None:
    answer = service.call(method, path.format(user_id="x", upload_id="x"), "{not JSON")
    assert is_problem(answer, 401, "unauthenticated")
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert service.calls == []


# 400


@pytest.mark.parametrize(("method", "path"), WITH_BODY)
@pytest.mark.parametrize(
    "body",
    [
        None,
        "",
        b"",
        "{",
        "{'firstName': 'Ada'}",
        '{"firstName": "Ada"} {}',
        '{"firstName": "Ada",}',
        "\ufeff{}",
        "[" * 60_000,
        '{"firstName": "\\ud800"}',
        '{"firstName": "\ud800"}',
        b'{"firstName": "\xff"}',
        b"\xff\xd8\xff\xe0",
    ],
    ids=[
        "none",
        "empty text",
        "no bytes",
        "cut off",
        "single quotes",
        "two documents",
        "a comma too many",
        "a byte order mark",
        "deeply nested",
        "an escaped lone surrogate",
        "a lone surrogate",
        "a byte that is not UTF-8",
        "a photo",
    ],
)
@pytest.mark.usefixtures("untouched")
def test_a_body_that_is_not_json_is_malformed(
    service: Service, method: str, path: str, body: Any
) -> None:
    assert is_problem(ask(service, SOMEBODY, method, path, body), 400, "malformed_request")


def test_a_body_that_is_not_the_base64_it_claims_to_be_is_malformed(service: Service) -> None:
    event = {
        "routeKey": f"POST {USERS}",
        "headers": {"authorization": f"Bearer {service.secret_key}"},
        "requestContext": {"requestId": "x"},
        "body": "%%%",
        "isBase64Encoded": True,
    }
    answer = service.invoke("profiles", event)
    assert answer["statusCode"] == 400
    assert json.loads(answer["body"])["code"] == "malformed_request"


# 413


@pytest.mark.parametrize(("method", "path"), WITH_BODY)
@pytest.mark.usefixtures("untouched")
def test_a_body_beyond_64_kib_is_too_large(service: Service, method: str, path: str) -> None:
    body = json.dumps({"firstName": "x" * 64 * 1024})
    assert is_problem(ask(service, SOMEBODY, method, path, body), 413, "too_large")


def test_an_upload_has_at_most_10_mib(service: Service) -> None:
    user_id = service.create_user()["id"]
    most = 10 * 1024 * 1024
    body = {**NEW_UPLOAD, "contentLength": most}
    assert service.as_user(user_id, "POST", UPLOADS, body).status == 201
    for length in (most + 1, 10**30):
        answer = service.as_user(user_id, "POST", UPLOADS, {**body, "contentLength": length})
        assert is_problem(answer, 413, "too_large")


# 422


@pytest.mark.parametrize(("method", "path"), WITH_BODY)
@pytest.mark.parametrize("body", ["[]", '"text"', "1", "true", "null"])
@pytest.mark.usefixtures("untouched")
def test_a_body_that_is_no_object_is_invalid(
    service: Service, method: str, path: str, body: str
) -> None:
    answer = ask(service, SOMEBODY, method, path, body)
    assert is_problem(answer, 422, "invalid_request")
    assert answer.fields == {"body": "invalid_value"}


@pytest.mark.parametrize(
    ("method", "path", "missing"),
    [
        ("POST", USERS, ["email", "firstName", "lastName"]),
        ("POST", UPLOADS, ["kind"]),
        ("PATCH", USER_PICTURE, ["uploadId"]),
        ("PATCH", MY_PICTURE, ["uploadId"]),
    ],
)
@pytest.mark.usefixtures("untouched")
def test_each_missing_field_is_named(
    service: Service, method: str, path: str, missing: list[str]
) -> None:
    answer = ask(service, SOMEBODY, method, path, {})
    assert is_problem(answer, 422, "invalid_request")
    assert answer.fields == dict.fromkeys(missing, "missing")


@pytest.mark.parametrize(("method", "path"), WITH_BODY)
@pytest.mark.usefixtures("untouched")
def test_each_unknown_field_is_named(service: Service, method: str, path: str) -> None:
    unknown = {"uid": "x", "first_name": "Ada", "createdAt": None, "": 1}
    answer = ask(service, SOMEBODY, method, path, {**VALID_BODIES[path], **unknown})
    assert is_problem(answer, 422, "invalid_request")
    assert answer.fields.keys() - {"body"} == unknown.keys() - {""}
    assert set(answer.fields.values()) == {"unknown_field"}


WRONG_PROFILE_VALUES = [
    ("email", "ada"),
    ("email", "ada@"),
    ("email", "ada@b@example.com"),
    ("email", "ada @example.com"),
    ("email", "ada@example.com\n"),
    ("email", "ada@exämple.com"),
    ("email", f"ada@{'x' * 63}.{'x' * 63}.{'x' * 63}.{'x' * 63}"),
    ("email", ""),
    ("email", 5),
    ("email", ["ada@example.com"]),
    ("firstName", ""),
    ("firstName", "  "),
    ("firstName", "x" * 257),
    ("firstName", "Ada\0"),
    ("firstName", "Ada\nLovelace"),
    ("firstName", 5),
    ("firstName", {"first": "Ada"}),
    ("lastName", ""),
    ("lastName", True),
    ("username", ""),
    ("username", "ada l"),
    ("username", "ada#l"),
    ("username", "ädä"),
    ("username", "x" * 65),
    ("externalId", ""),
    ("externalId", "x" * 257),
    ("externalId", 5),
    ("externalId", "crm\r1"),
    ("role", ""),
    ("role", "super user"),
    ("role", None),
    ("profilePictureUrl", ""),
    ("profilePictureUrl", "ada.png"),
    ("profilePictureUrl", "/ada.png"),
    ("profilePictureUrl", "//id.example.com/ada.png"),
    ("profilePictureUrl", "https://"),
    ("profilePictureUrl", "ftp://id.example.com/ada.png"),
    ("profilePictureUrl", "javascript:alert(1)"),
    ("profilePictureUrl", "data:image/png;base64,AA=="),
    ("profilePictureUrl", f"https://id.example.com/{'x' * 2048}"),
    ("profilePictureUrl", " https://id.example.com/ada.png"),
    ("profilePictureUrl", "https://id.example.com/zoë.png"),
    ("profilePictureUrl", 'https://id.example.com/"><script>'),
    ("profilePictureUrl", 5),
]


def short(value: object) -> str:
    return repr(value)[:40]


@pytest.mark.parametrize(("field", "value"), WRONG_PROFILE_VALUES, ids=short)
@pytest.mark.parametrize(("method", "path"), [("POST", USERS), ("PATCH", USER)])
@pytest.mark.usefixtures("untouched")
def test_a_wrong_value_of_a_profile_is_named(
    service: Service, method: str, path: str, field: str, value: Any
) -> None:
    body = {**VALID_BODIES[path], field: value}
    answer = ask(service, SOMEBODY, method, path, body)
    assert is_problem(answer, 422, "invalid_request")
    assert answer.fields == {field: "invalid_value"}


@pytest.mark.parametrize(
    ("path", "field", "value", "words"),
    [
        (USERS, "lastName", "   ", "must not be blank"),
        (USERS, "lastName", "\u200b", "must have a character that can be seen"),
        (USERS, "email", "ada", "must be an e-mail address"),
        (USERS, "username", "a b", "must have 1 to 64 letters, digits and . _ -"),
        (USERS, "role", "a b", "must have 1 to 64 letters, digits and . _ : -"),
        (USERS, "externalId", "x" * 257, "must have at most 256 characters"),
        (USERS, "externalId", "crm\r1", "has characters that are not allowed here"),
        (USERS, "id", "a b", "must have 1 to 255 letters, digits and . _ ~ : @ | + = , -"),
        (USERS, "profilePictureUrl", "ada.png", "must be an http or https URL"),
        (USERS, "nickname", "ada", "is not known here; leave it out"),
        (UPLOADS, "contentType", "text/html", "must be the type of an image, such as image/jpeg"),
        (UPLOADS, "contentLength", 0, "must be at least 1"),
        (UPLOADS, "contentLength", "1", "must be a whole number"),
        (UPLOADS, "preview", "yes", "must be true or false"),
        (UPLOADS, "crop", 5, "must be an object"),
        (UPLOADS, "scope", "team", "must be 'user' or 'organization'"),
        (MY_PICTURE, "uploadId", "mine", "must be a UUID"),
    ],
    ids=short,
)
@pytest.mark.usefixtures("untouched")
def test_what_is_wrong_is_said_in_words_for_people(
    service: Service, path: str, field: str, value: Any, words: str
) -> None:
    method = "PATCH" if path == MY_PICTURE else "POST"
    answer = ask(service, SOMEBODY, method, path, {**VALID_BODIES[path], field: value})
    assert answer.status == 422
    [error] = answer.json["errors"]
    assert error["field"] == field
    assert error["detail"].startswith(words)


def test_every_rule_of_a_field_has_words_of_its_own(service: Service) -> None:
    wrong = [*WRONG_PROFILE_VALUES, ("nickname", "x"), ("id", 5), ("id", "")]
    for field, value in wrong:
        answer = service.with_key("POST", USERS, {**NEW_USER, field: value})
        [error] = answer.json["errors"]
        assert error["detail"].startswith(("must ", "has ", "is not known")), (field, value)


def test_null_clears_names_and_address(service: Service) -> None:
    user = service.create_user()
    gone: dict[str, None] = dict.fromkeys(("email", "firstName", "lastName"))
    answer = service.with_key("PATCH", USER.format(user_id=user["id"]), gone)
    assert answer.status == 200
    assert {name: answer.json[name] for name in gone} == gone
    assert service.read_user(user["id"]) == answer.json


@pytest.mark.parametrize("field", ["email", "firstName", "lastName"])
@pytest.mark.usefixtures("untouched")
def test_a_new_user_has_an_address_and_a_name(service: Service, field: str) -> None:
    answer = service.with_key("POST", USERS, {**NEW_USER, field: None})
    assert (answer.status, answer.fields) == (422, {field: "invalid_value"})


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("state", "deleted"),
        ("state", None),
        ("emailVerified", "true"),
        ("emailVerified", 1),
        ("emailVerified", None),
        ("lastLogin", "yesterday"),
        ("lastLogin", "2026-01-01T00:00:00"),
        ("lastLogin", "2026-13-01T00:00:00Z"),
        ("lastLogin", 1767225600),
    ],
    ids=short,
)
@pytest.mark.usefixtures("untouched")
def test_a_wrong_value_that_the_key_sends_is_named(
    service: Service, field: str, value: Any
) -> None:
    answer = ask(service, SOMEBODY, "PATCH", USER, {field: value})
    assert is_problem(answer, 422, "invalid_request")
    assert answer.fields == {field: "invalid_value"}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("kind", "avatar"),
        ("kind", None),
        ("contentType", "text/html"),
        ("contentType", "image/"),
        ("contentType", "image/png; charset=utf-8"),
        ("contentType", "image/png\n"),
        ("contentType", f"image/{'x' * 65}"),
        ("contentType", 5),
        ("contentLength", 0),
        ("contentLength", -1),
        ("contentLength", 1.5),
        ("contentLength", "1"),
        ("contentLength", True),
        ("scope", "team"),
        ("scope", None),
        ("userId", "a b"),
        ("userId", 5),
    ],
    ids=short,
)
@pytest.mark.usefixtures("untouched")
def test_a_wrong_value_of_an_upload_is_named(service: Service, field: str, value: Any) -> None:
    answer = ask(service, SOMEBODY, "POST", UPLOADS, {**NEW_UPLOAD, field: value})
    assert is_problem(answer, 422, "invalid_request")
    assert answer.fields == {field: "invalid_value"}


@pytest.mark.usefixtures("untouched")
def test_everything_that_is_wrong_is_named_at_once(service: Service) -> None:
    answer = service.with_key("POST", USERS, {"email": "ada", "firstName": "Ada", "age": 5})
    assert answer.fields == {
        "email": "invalid_value",
        "lastName": "missing",
        "age": "unknown_field",
    }
    assert all(each["detail"] for each in answer.json["errors"])


@pytest.mark.usefixtures("untouched")
def test_an_error_does_not_repeat_what_was_sent(service: Service) -> None:
    answer = service.with_key("POST", USERS, {**NEW_USER, "email": "secret value"})
    assert "secret value" not in json.dumps(answer.json)


def test_names_are_kept_without_the_space_around_them(service: Service) -> None:
    assert service.create_user(firstName=" Ada ")["firstName"] == "Ada"


# 404


# A user's id may be any of these, an upload's is a UUID.
NO_UPLOAD_IDS = ["nobody", "me", "00000000000040008000000000000000"]
NO_IDS = [
    "#",
    "user#00000000-0000-4000-8000-000000000000",
    "00000000-0000-4000-8000-000000000000#",
    "00000000-0000-4000-8000-000000000000\n",
    "{00000000-0000-4000-8000-000000000000}",
    "x" * 5000,
    "ä",
    "\ud800",
    " ",
]


@pytest.mark.parametrize("nobody", NO_IDS, ids=short)
@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", USER), ("PATCH", USER), ("DELETE", USER), ("PATCH", USER_PICTURE)],
)
@pytest.mark.usefixtures("untouched")
def test_what_cannot_be_a_users_id_is_not_found_without_looking(
    service: Service, method: str, path: str, nobody: str
) -> None:
    answer = ask(service, nobody, method, path, VALID_BODIES.get(path))
    assert is_problem(answer, 404, "user_not_found")


@pytest.mark.parametrize("nothing", NO_UPLOAD_IDS + NO_IDS, ids=short)
@pytest.mark.parametrize("method", ["GET", "DELETE"])
@pytest.mark.usefixtures("untouched")
def test_what_cannot_be_an_uploads_id_is_not_found_without_looking(
    service: Service, method: str, nothing: str
) -> None:
    answer = ask(service, SOMEBODY, method, UPLOAD, upload_id=nothing)
    assert is_problem(answer, 404, "upload_not_found")


# 503


@pytest.mark.parametrize(("method", "path"), WITH_BODY + WITHOUT_BODY)
def test_every_call_asks_to_come_back_where_dynamodb_is_busy(
    service: Service, method: str, path: str
) -> None:
    user_id = service.create_user()["id"]
    before = service.everything()
    service.let_aws_answer("dynamodb", aws_error("ThrottlingException"))
    answer = ask(service, user_id, method, path, VALID_BODIES.get(path))
    assert is_problem(answer, 503, "unavailable")
    assert int(answer.headers["retry-after"]) > 0
    assert service.everything() == before


ENDPOINT = "https://dynamodb.example.com"


@pytest.mark.parametrize(
    "failure",
    [
        aws_error("ProvisionedThroughputExceededException"),
        aws_error("RequestLimitExceeded"),
        aws_error("InternalServerError", 500),
        aws_error("ServiceUnavailable", 503),
        aws_error("SomethingNew", 502),
        aws_error("TransactionInProgressException"),
        aws_error(
            "TransactionCanceledException", CancellationReasons=[{"Code": "ThrottlingError"}]
        ),
        ReadTimeoutError(endpoint_url=ENDPOINT),
        ConnectTimeoutError(endpoint_url=ENDPOINT),
        EndpointConnectionError(endpoint_url=ENDPOINT),
    ],
    ids=lambda failure: (
        type(failure).__name__ if isinstance(failure, Exception) else failure[1]["Error"]["Code"]
    ),
)
def test_whatever_keeps_aws_from_answering_the_caller_may_come_back(
    service: Service, monkeypatch: pytest.MonkeyPatch, failure: AwsAnswer | Exception
) -> None:
    monkeypatch.setattr("time.sleep", lambda _: None)
    service.let_aws_answer("TransactWriteItems", failure)
    answer = service.with_key("POST", USERS, NEW_USER)
    assert is_problem(answer, 503, "unavailable")
    assert int(answer.headers["retry-after"]) > 0


# 500


@pytest.mark.parametrize(
    "fault",
    [
        aws_error("AccessDeniedException"),
        aws_error("ValidationException"),
        aws_error(
            "TransactionCanceledException", CancellationReasons=[{"Code": "ValidationError"}]
        ),
        RuntimeError("inside"),
    ],
    ids=["a missing permission", "a wrong request", "a wrong part of a request", "an exception"],
)
@pytest.mark.parametrize(
    ("method", "path"), [("GET", ME), ("PATCH", ME), ("POST", UPLOADS), ("DELETE", UPLOAD)]
)
def test_a_fault_of_the_services_own_is_told_without_its_cause(
    service: Service, method: str, path: str, fault: AwsAnswer | Exception
) -> None:
    service.let_aws_answer("dynamodb", fault)
    answer = ask(service, SOMEBODY, method, path, VALID_BODIES.get(path))
    assert is_problem(answer, 500, "internal_error")
    for cause in ("inside", "from a test", "Exception"):
        assert cause not in json.dumps(answer.json)
