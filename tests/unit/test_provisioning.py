"""A user who comes with a token is there from the first call on, made once and from its claims."""

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from tests.unit.conftest import NOBODY, Service

USERS = "/api/v1/shared/users"
ME = "/api/v1/users/me"
SUB = "auth0|5f7c8ec7c33c6c004bbafe82"
GRACE = {
    "given_name": "Grace",
    "family_name": "Hopper",
    "name": "Grace Hopper",
    "preferred_username": "grace",
    "picture": "https://id.example.com/grace.png",
    "email": "grace@example.com",
    "email_verified": True,
}


def me(service: Service, **claims: Any) -> Any:
    return service.call("GET", ME, token=service.token(SUB, **claims))


def test_the_first_call_makes_the_user_from_the_claims(service: Service) -> None:
    answer = me(service, **GRACE)
    assert answer.status == 200
    wanted = {
        "id": SUB,
        "firstName": "Grace",
        "lastName": "Hopper",
        "username": "grace",
        "email": "grace@example.com",
        "emailVerified": True,
        "profilePictureUrl": "https://id.example.com/grace.png",
        "hasCustomProfilePicture": False,
        "role": "user",
    }
    assert wanted.items() <= answer.json.items()
    assert service.with_key("GET", f"{USERS}/auth0%7C5f7c8ec7c33c6c004bbafe82").json["id"] == SUB


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", ME, None),
        ("PATCH", ME, {"lastName": "King"}),
        ("PATCH", f"{ME}/profile-picture", {"uploadId": None}),
        ("POST", "/api/v1/uploads", {"kind": "profile_picture", "contentType": "image/png"}),
    ],
)
def test_each_of_a_users_own_calls_may_be_the_first(
    service: Service, method: str, path: str, body: Any
) -> None:
    if body and "contentType" in body:
        body = {**body, "contentLength": 10}
    assert service.as_user(SUB, method, path, body).status in (200, 201)
    assert me(service).json["id"] == SUB


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", f"/api/v1/uploads/{NOBODY}", None),
        ("PATCH", f"/api/v1/uploads/{NOBODY}", {"crop": None}),
        ("DELETE", f"/api/v1/uploads/{NOBODY}", None),
        ("GET", f"{USERS}/{SUB}", None),
        ("POST", USERS, {"email": "grace@example.com", "firstName": "Grace", "lastName": "H"}),
    ],
)
def test_no_other_call_makes_a_user(service: Service, method: str, path: str, body: Any) -> None:
    before = service.everything()
    assert service.as_user(SUB, method, path, body).status in (403, 404)
    assert service.everything() == before


def test_what_is_there_stays_as_it_is(service: Service) -> None:
    me(service, **GRACE)
    assert service.as_user(SUB, "PATCH", ME, {"firstName": "Amazing"}).status == 200
    assert me(service, **GRACE).json["firstName"] == "Amazing"


@pytest.mark.parametrize(
    ("claims", "shown"),
    [
        ({"name": "Grace Hopper"}, {"firstName": "Grace Hopper", "lastName": None}),
        ({"name": "Grace Hopper", "family_name": "Hopper"}, {"firstName": None}),
        ({"email": "grace@example.com"}, {"email": None}),
        ({"email": "grace@example.com", "email_verified": "true"}, {"email": None}),
        ({"email": "nonsense", "email_verified": True}, {"email": None}),
        ({"picture": "http://id.example.com/grace.png"}, {"profilePictureUrl": None}),
        ({"picture": "javascript:alert(1)"}, {"profilePictureUrl": None}),
        ({"preferred_username": "grace@example.com"}, {"username": None}),
        ({"given_name": {"of": "another type"}}, {"firstName": None}),
    ],
)
def test_claims_that_do_not_fit_are_left_out(
    service: Service, claims: dict[str, Any], shown: dict[str, Any]
) -> None:
    answer = me(service, **claims)
    assert answer.status == 200
    assert shown.items() <= answer.json.items()


def test_what_others_have_is_left_out(service: Service) -> None:
    service.create_user(email="grace@example.com", username="grace")
    answer = me(service, **GRACE)
    assert (answer.json["email"], answer.json["username"]) == (None, None)
    assert answer.json["firstName"] == "Grace"


def test_fifty_first_calls_at_once_make_one_user(service: Service) -> None:
    before = service.with_key("GET", "/v1/users/count").json["total_count"]
    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(lambda _: me(service, **GRACE), range(50)))
    assert {(answer.status, answer.json["id"]) for answer in answers} == {(200, SUB)}
    assert service.with_key("GET", "/v1/users/count").json["total_count"] == before + 1


def test_a_deleted_user_is_not_made_again_by_a_token_from_before(service: Service) -> None:
    me(service)
    now = int(time.time())
    assert service.with_key("DELETE", f"{USERS}/{SUB}").status == 204
    assert me(service, iat=now - 30).code == "user_not_found"
    assert me(service, iat=now).code == "user_not_found"
    assert me(service, iat=int(time.time()) + 2).status == 200


@pytest.mark.parametrize(
    "issued_at", [None, int(time.time()) - 31 * 24 * 60 * 60], ids=["unknown", "old"]
)
def test_a_token_of_unknown_or_old_age_makes_nobody(
    service: Service, issued_at: int | None
) -> None:
    assert me(service, iat=issued_at).code == "user_not_found"


def test_a_user_who_is_there_costs_no_more_calls(service: Service) -> None:
    me(service)
    service.calls.clear()
    me(service)
    assert service.calls == ["GetItem"]


def test_the_key_may_create_a_deleted_user_again(service: Service) -> None:
    created = service.create_user(id=SUB)
    service.with_key("DELETE", f"{USERS}/{SUB}")
    assert service.create_user(id=SUB)["id"] == created["id"]
