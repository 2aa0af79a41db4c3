"""Ids are whatever an identity provider or an application has, in all three APIs."""

import base64
from typing import Any
from urllib.parse import quote

import pytest
from tests.ids import IDS
from tests.unit.clerk import Clerk
from tests.unit.conftest import NOBODY, Service

USERS = "/api/v1/shared/users"
NEW = {"email": "grace@example.com", "firstName": "Grace", "lastName": "Hopper"}


@pytest.mark.parametrize("user_id", IDS)
@pytest.mark.parametrize("spelled", [str, lambda text: quote(text, safe="")], ids=["raw", "quoted"])
def test_a_user_has_the_id_that_was_given(service: Service, user_id: str, spelled: Any) -> None:
    created = service.with_key("POST", USERS, {**NEW, "id": user_id})
    assert (created.status, created.json["id"]) == (201, user_id)
    path = f"{USERS}/{spelled(user_id)}"
    assert service.with_key("GET", path).json["id"] == user_id
    assert service.with_key("PATCH", path, {"role": "admin"}).json["role"] == "admin"
    assert service.as_user(user_id, "GET", "/api/v1/users/me").json["id"] == user_id
    assert service.with_key("DELETE", path).status == 204
    assert service.with_key("GET", path).code == "user_not_found"


@pytest.mark.parametrize("user_id", IDS)
def test_the_other_apis_know_the_same_id(service: Service, clerk: Clerk, user_id: str) -> None:
    service.with_key("POST", USERS, {**NEW, "id": user_id})
    path = f"/v1/users/{quote(user_id, safe='')}"
    person = service.with_key("GET", path).json
    assert person["id"] == user_id
    (address,) = person["email_addresses"]
    assert service.with_key("GET", f"/v1/email_addresses/{address['id']}").json == address
    node = base64.urlsafe_b64encode(f"User:{user_id}".encode()).decode().rstrip("=")
    query = {"query": "query ($id: ID!) { node(id: $id) { id } }", "variables": {"id": node}}
    answer = service.with_key("POST", "/_api/admin/graphql", query)
    assert answer.json == {"data": {"node": {"id": node}}}


@pytest.mark.parametrize(
    "user_id", ["", ".", "..", "count", "x" * 256, "a b", "a/b", "a%2Fb", "ä", "a#b", 'a"b', "a\nb"]
)
def test_other_ids_are_refused_by_name(service: Service, user_id: str) -> None:
    answer = service.with_key("POST", USERS, {**NEW, "id": user_id})
    assert (answer.status, answer.fields) == (422, {"id": "invalid_value"})


def test_the_same_id_again_is_a_conflict(service: Service) -> None:
    user_id = IDS[0]
    assert service.create_user(id=user_id)["id"] == user_id
    answer = service.with_key("POST", USERS, {**NEW, "id": user_id})
    assert (answer.status, answer.fields) == (409, {"id": "already_exists"})


def test_the_same_attempt_again_is_not(service: Service) -> None:
    body = {**NEW, "id": IDS[0]}
    headers = {"idempotency-key": "one"}
    first = service.call("POST", USERS, body, token=service.secret_key, headers=headers)
    (answer,) = service.dynamodb.scan(TableName="idempotency")["Items"]
    service.dynamodb.delete_item(TableName="idempotency", Key={"id": answer["id"]})
    again = service.call("POST", USERS, body, token=service.secret_key, headers=headers)
    assert (first.status, again.status) == (201, 201)
    assert again.json == first.json


def test_ids_are_compared_exactly(service: Service) -> None:
    service.create_user(id="Grace")
    assert service.with_key("GET", f"{USERS}/grace").status == 404
    assert service.create_user(id="grace")["id"] == "grace"


def test_an_id_that_may_be_an_address_or_a_number_is_logged_as_a_hash() -> None:
    from vignette.domain.ids import loggable

    assert loggable("auth0|1") == "auth0|1"
    assert "grace" not in loggable("grace@example.com")
    assert "1500" not in loggable("+15005550006")
    assert "Grace" not in loggable("Grace Hopper")


def test_an_id_that_nobody_may_have_is_logged_as_a_hash_unless_it_is_a_uuid() -> None:
    from vignette.domain.ids import loggable

    assert "grace" not in loggable("grace", is_there=False)
    assert loggable(NOBODY, is_there=False) == NOBODY
