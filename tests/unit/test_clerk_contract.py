"""What the service says it answers, beside what Clerk publishes.

Every answer in the other tests of Clerk's API is checked against the contract too, by the client
that they share.
"""

from typing import Any

import pytest
from tests import contract
from tests.template import routes
from tests.unit.clerk import Clerk
from tools.contracts import reduced_openapi


def served() -> set[str]:
    """The operations that the service has of Clerk's."""
    return {key.replace(" /v1/", " /") for key in routes().by_key if " /v1/" in key}


@pytest.mark.parametrize("version", contract.CLERK_VERSIONS)
def test_every_route_is_an_operation_of_the_contract(version: str) -> None:
    assert len(served()) == 24
    assert served() <= contract.operations(version)


@pytest.mark.parametrize("version", contract.CLERK_VERSIONS)
def test_an_answer_that_breaks_the_contract_is_noticed(clerk: Clerk, version: str) -> None:
    user = clerk.create()
    operation = "GET /users/{user_id}"
    assert contract.violations(version, operation, 200, user) == []
    assert contract.violations(version, operation, 200, {**user, "more": 1})
    assert contract.violations(version, operation, 200, {**user, "banned": None})
    assert contract.violations(version, "GET /users", 200, [{**user, "image_url": None}])
    assert contract.violations(version, operation, 404, {"message": "Not Found"})
    del user["email_addresses"][0]["linked_to"]
    assert contract.violations(version, operation, 200, user)


def test_what_is_kept_of_the_contract_is_what_is_needed_and_no_prose() -> None:
    user: dict[str, Any] = {
        "type": "object",
        "description": "A person",
        "required": ["title"],
        "properties": {
            "title": {"type": "string", "example": "Dr", "x-order": 1},
            "next": {"$ref": "#/components/schemas/User"},
        },
    }
    error = {"description": "Bad", "content": {"application/json": {"schema": {"type": "object"}}}}
    answer = {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/User"}}}}
    read = {"summary": "Read", "tags": ["Users"], "responses": {"200": answer}}
    published = {
        "openapi": "3.0.3",
        "info": {"title": "An API"},
        "paths": {"/me": {"get": read, "delete": {"summary": "Delete", "responses": {}}}},
        "components": {
            "responses": {"ClerkErrors": error, "Other": error},
            "schemas": {"Other": user, "User": user},
        },
    }
    kept = reduced_openapi(published, {"GET /me"})
    assert kept["paths"] == {"/me": {"get": {"responses": {"200": answer}}, "delete": {}}}
    assert kept["components"] == {
        "responses": {"ClerkErrors": {"content": error["content"]}},
        "schemas": {
            "User": {
                "type": "object",
                "required": ["title"],
                "properties": {"title": {"type": "string"}, "next": user["properties"]["next"]},
            }
        },
        "parameters": {},
    }
