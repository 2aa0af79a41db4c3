"""The contracts that Clerk and Authgear publish: what Clerk's schemas say of an answer."""

import json
from functools import cache
from pathlib import Path
from typing import Any

from openapi_schema_validator import OAS30Validator
from referencing import Registry
from referencing.jsonschema import DRAFT202012

CONTRACTS = Path(__file__).with_name("contracts")
CLERK_VERSIONS = ("2026-05-12", "2025-11-10")
_ANY_ERROR = {"$ref": "#/components/responses/ClerkErrors"}


def violations(version: str, operation: str, status: int, answer: Any) -> list[str]:
    """What is wrong with an answer to an operation, as `GET /users`."""
    document = _document(version)
    method, _, path = operation.partition(" ")
    responses = document["paths"][path][method.lower()]["responses"]
    # Not every error that is documented elsewhere is repeated with every operation.
    response = responses.get(str(status), _ANY_ERROR if status >= 400 else None)
    if response is None:
        return [f"{operation} does not answer {status}"]
    if "$ref" in response:
        response = document["components"]["responses"][response["$ref"].rpartition("/")[2]]
    if "content" not in response:  # the contract has only words for it
        return []
    schema = response["content"]["application/json"]["schema"]
    if "$ref" in schema:
        schema = {"$ref": f"clerk:{version}{schema['$ref']}"}
    elif "$ref" in schema.get("items", {}):
        schema = {**schema, "items": {"$ref": f"clerk:{version}{schema['items']['$ref']}"}}
    validator = OAS30Validator(schema, registry=_registry())
    return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(answer)]


def operations(version: str) -> set[str]:
    """All operations, as `GET /users`."""
    return {
        f"{method.upper()} {path}"
        for path, methods in _document(version)["paths"].items()
        for method in methods
    }


@cache
def _document(version: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((CONTRACTS / f"clerk-{version}.json").read_text())
    return document


@cache
def _registry() -> Registry[Any]:
    resources = (
        (f"clerk:{version}", DRAFT202012.create_resource(_document(version)))
        for version in CLERK_VERSIONS
    )
    return Registry().with_resources(resources)
