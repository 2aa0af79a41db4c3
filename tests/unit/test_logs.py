"""What is written down: enough to follow a request, and nothing that is somebody's secret."""

import json
import re
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
from tests.unit.authgear import update
from tests.unit.conftest import AwsAnswer, Output, Service, aws_error, entries

USERS = "/api/v1/shared/users"
ME = "/api/v1/users/me"
SECRETS = {
    "email": "ada.secret@example.com",
    "firstName": "Ada-Secret",
    "username": "ada-secret",
    "externalId": "external-secret",
    "profilePictureUrl": "https://id.example.com/picture-secret.png",
}


def test_a_request_is_one_line_with_its_id_route_and_status(
    service: Service, output: Output
) -> None:
    answer = service.with_key("GET", f"{USERS}/{service.create_user()['id']}")
    line = [each for each in entries(output()) if "status" in each][-1]
    assert line["request_id"] == answer.headers["x-request-id"]
    assert line["route"] == f"GET {USERS}/{{user_id}}"
    assert line["status"] == 200
    assert line["function_request_id"]


def test_a_problem_is_logged_with_its_code(service: Service, output: Output) -> None:
    service.with_key("GET", f"{USERS}/nobody")
    [line] = [each for each in entries(output()) if "status" in each]
    assert (line["status"], line["code"]) == (404, "user_not_found")


def test_the_cause_of_a_fault_is_logged(service: Service, output: Output) -> None:
    service.let_aws_answer("GetItem", aws_error("AccessDeniedException"))
    service.with_key("GET", f"{USERS}/{'0' * 8}-0000-4000-8000-{'0' * 12}")
    [line] = [each for each in entries(output()) if each.get("level") == "ERROR"]
    assert "AccessDeniedException" in line["exception"]


@pytest.mark.parametrize(
    ("status", "metrics"),
    [(200, {"Requests": [1.0]}), (500, {"Requests": [1.0], "ServerErrors": [1.0]})],
)
def test_requests_and_faults_are_counted(
    service: Service, output: Output, status: int, metrics: dict[str, list[float]]
) -> None:
    user_id = service.create_user()["id"]
    output()
    if status == 500:
        service.let_aws_answer("GetItem", aws_error("AccessDeniedException"))
    assert service.as_user(user_id, "GET", ME).status == status
    [line] = [each for each in entries(output()) if "_aws" in each]
    assert {name: line[name] for name in line if name in ("Requests", "ServerErrors")} == metrics
    assert line["_aws"]["CloudWatchMetrics"][0]["Namespace"] == "Vignette"


def test_photos_and_what_became_of_them_are_counted(service: Service, output: Output) -> None:
    user_id = service.create_user()["id"]
    ready = service.ready_upload(user_id)
    service.send_photo(service.create_upload(user_id), b"no photo")
    service.deliver_removal(ready)
    written = entries(output())
    for name in ("UploadsReady", "UploadsFailed", "ObjectsDeleted"):
        assert any(name in each for each in written)
    assert any(each.get("upload_id") == ready for each in written)


def is_secret_free(written: str, *secrets: str) -> bool:
    assert written
    return not any(
        secret in written for secret in (*secrets, *SECRETS.values(), "X-Amz-", "x-amz-")
    )


def test_what_a_user_does_leaves_no_secret_in_the_log(service: Service, output: Output) -> None:
    user_id = service.create_user(**SECRETS)["id"]
    token = service.token(user_id)
    ticket = service.call(
        "POST",
        "/api/v1/uploads",
        {"kind": "profile_picture", "contentType": "image/jpeg", "contentLength": 5},
        token=token,
    ).json
    service.send_photo(ticket["uploadId"])
    service.call("GET", f"/api/v1/uploads/{ticket['uploadId']}", token=token)
    picture = {"uploadId": ticket["uploadId"]}
    user = service.call("PATCH", f"{ME}/profile-picture", picture, token=token).json
    service.call("PATCH", ME, {"email": "ada.secret@example.com", "username": "ada-secret"})
    service.with_key("DELETE", f"{USERS}/{user_id}")
    service.deliver_removal(ticket["uploadId"])
    signature = urlsplit(user["profilePictureUrl"]).query.rpartition("=")[2]
    assert is_secret_free(
        output(),
        service.secret_key,
        token,
        token.split(".")[1],
        token.split(".")[2],
        signature,
        ticket["fields"]["policy"],
        ticket["fields"]["x-amz-signature"],
    )


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (SECRETS, 422),
        ({**SECRETS, "lastName": "L", "email": "ada.secret@example.com@"}, 422),
        (json.dumps(SECRETS)[:-1], 400),
        ({**SECRETS, "lastName": "L"}, 409),
    ],
    ids=["a missing field", "a wrong field", "malformed", "taken"],
)
def test_a_refused_request_leaves_no_secret_in_the_log(
    service: Service, output: Output, body: Any, status: int
) -> None:
    service.create_user(**SECRETS)
    assert service.with_key("POST", USERS, body).status == status
    assert is_secret_free(output(), service.secret_key)


@pytest.mark.parametrize(
    "credentials",
    ["wrong-secret-key", "a.wrong-secret.token", "eyJhbGciOiJSUzI1NiJ9.wrong.secret"],
)
def test_refused_credentials_are_not_in_the_log(
    service: Service, output: Output, credentials: str
) -> None:
    assert service.call("GET", ME, token=credentials).status == 401
    assert is_secret_free(output(), "wrong")


@pytest.mark.parametrize(
    ("target", "failure"),
    [
        ("dynamodb", aws_error("ThrottlingException")),
        ("dynamodb", aws_error("AccessDeniedException")),
        ("dynamodb", RuntimeError("no secret of anybody's")),
        ("secretsmanager", aws_error("AccessDeniedException")),
    ],
)
def test_a_fault_leaves_no_secret_in_the_log(
    service: Service, output: Output, target: str, failure: AwsAnswer | Exception
) -> None:
    service.let_aws_answer(target, failure)
    answer = service.with_key("POST", USERS, {**SECRETS, "lastName": "L"})
    assert answer.status in (500, 503)
    assert is_secret_free(output(), service.secret_key)


def changes(written: str) -> list[dict[str, Any]]:
    """The lines of changes, without what every line has."""
    names = ("who", "whom", "kind", "outcome")
    lines = [each for each in entries(written) if each.get("message") == "change"]
    assert all(each["request_id"] for each in lines)
    return [{name: each[name] for name in names if name in each} for each in lines]


def test_a_request_is_one_line(service: Service, output: Output) -> None:
    user_id = service.create_user()["id"]
    service.as_user(user_id, "PATCH", ME, {"firstName": "Grace"})
    service.as_user(user_id, "PATCH", ME, {"email": "grace@example.com"})
    service.as_user(user_id, "GET", ME)
    lines = [each for each in entries(output()) if "message" in each]
    assert [(each["message"], each["status"]) for each in lines] == [
        ("change", 201),
        ("change", 200),
        ("change", 403),
        ("answered", 200),
    ]


def test_each_change_is_a_line_with_who_whom_what_and_outcome(
    service: Service, output: Output
) -> None:
    user_id = service.create_user(**SECRETS)["id"]
    [created] = changes(output())
    assert created == {
        "who": "secret_key",
        "whom": user_id,
        "kind": f"POST {USERS}",
        "outcome": "done",
    }
    service.as_user(user_id, "GET", ME)
    service.as_user(user_id, "PATCH", ME, {"firstName": "Ada-Secret"})
    service.as_user(user_id, "PATCH", ME, {"email": "other-secret@example.com"})
    service.call("DELETE", f"{USERS}/{user_id}", token="wrong")
    upload_id = service.create_upload(user_id)
    update(service, user_id, {"nickname": "Ada-Secret"})
    service.with_key("DELETE", f"{USERS}/ada.secret@example.com")
    written = output()
    assert changes(written) == [
        {"who": user_id, "whom": user_id, "kind": f"PATCH {ME}", "outcome": "done"},
        {"who": user_id, "whom": user_id, "kind": f"PATCH {ME}", "outcome": "forbidden"},
        {
            "who": "anonymous",
            "kind": f"DELETE {USERS}/{{user_id}}",
            "outcome": "unauthenticated",
        },
        {
            "who": "secret_key",
            "whom": upload_id,
            "kind": "POST /api/v1/uploads",
            "outcome": "done",
        },
        {"who": "admin_api", "whom": user_id, "kind": "updateUser", "outcome": "done"},
        {
            "who": "secret_key",
            "kind": f"DELETE {USERS}/{{user_id}}",
            "outcome": "user_not_found",
        },
    ]
    assert is_secret_free(written, "other-secret@example.com")


def test_a_user_who_is_made_from_a_token_is_a_line(service: Service, output: Output) -> None:
    claims = {"given_name": "Ada-Secret", "email": SECRETS["email"], "email_verified": True}
    for _ in range(2):
        service.call("GET", ME, token=service.token("auth0|1", **claims))
    service.as_user("auth0|2", "PATCH", ME, {"firstName": "Ada-Secret"})
    service.call("GET", ME, token=service.token("grace.secret@example.org"))
    written = output()
    assert is_secret_free(written, "grace.secret@example.org")
    made = [each for each in changes(written) if each["kind"] == "provision"]
    assert [(each["outcome"], each["who"] == each["whom"]) for each in made] == [("done", True)] * 3
    assert [each["who"] for each in made][:2] == ["auth0|1", "auth0|2"]
    assert re.fullmatch("[0-9a-f]{64}", made[2]["who"])


def test_a_user_who_is_not_made_from_a_token_is_no_line(service: Service, output: Output) -> None:
    service.create_user(id="auth0|1")
    service.with_key("DELETE", f"{USERS}/auth0%7C1")
    output()
    assert service.call("GET", ME, token=service.token("auth0|1")).status == 404
    service.meanwhile("TransactWriteItems", lambda: service.create_user(id="auth0|2"))
    assert service.call("GET", ME, token=service.token("auth0|2")).status == 200
    assert "provision" not in [each["kind"] for each in changes(output())]


@pytest.mark.parametrize("target", ["+15005550006", "Ada%20Lovelace", "ada-secret"])
def test_a_text_in_the_place_of_an_id_is_not_in_the_log(
    service: Service, output: Output, target: str
) -> None:
    me = service.create_user()["id"]
    user, upload = f"{USERS}/{target}", f"/api/v1/uploads/{target}"
    output()
    assert service.call("DELETE", user, token="wrong").status == 401
    assert service.call("PATCH", upload, {"crop": None}).status == 401
    assert ["whom" in each for each in changes(output())] == [False, False]
    assert service.with_key("PATCH", user, {"firstName": 1}).status == 422
    assert service.with_key("PATCH", upload, {"crop": 1}).status == 422
    assert service.as_user(me, "DELETE", user).status == 403
    update(service, unquote(target), {"unknown": "x"})
    update(service, unquote(target), {"nickname": "x"})
    written = output()
    assert {each["outcome"] for each in changes(written)} == {
        "ValidationFailed",
        "forbidden",
        "invalid_request",
        "user_not_found",
    }
    assert is_secret_free(written, target, unquote(target))
    whom = {each["whom"] for each in changes(written) if "whom" in each}
    assert all(re.fullmatch("[0-9a-f]{64}", each) for each in whom)


def test_an_id_of_an_identity_provider_is_written_once_it_is_somebodys(
    service: Service, output: Output
) -> None:
    service.create_user(id="auth0|1")
    service.as_user("auth0|1", "PATCH", ME, {"email": "ada@example.com"})
    update(service, "auth0|1", {"nickname": "Ada"})
    assert [(each["whom"], each["outcome"]) for each in changes(output())] == [
        ("auth0|1", "done"),
        ("auth0|1", "forbidden"),
        ("auth0|1", "done"),
    ]


@pytest.mark.parametrize("user_id", ["grace.secret@example.org", "+15005550007"])
def test_an_id_that_is_an_address_or_a_number_is_written_as_a_hash(
    service: Service, output: Output, user_id: str
) -> None:
    service.create_user(id=user_id)
    service.as_user(user_id, "PATCH", ME, {"firstName": "Grace"})
    number = {"user_id": user_id, "phone_number": "+15005550006"}
    added = service.with_key("POST", "/v1/phone_numbers", number).json["id"]
    written = output()
    assert added not in written
    assert is_secret_free(written, user_id, "+15005550006")
    [of_user] = {each["whom"] for each in changes(written)}
    assert re.fullmatch("[0-9a-f]+", of_user)
