"""What the tests need of the contracts that Clerk and Authgear publish, without their prose.

    PYTHONPATH=layers/vignette python -m tools.contracts FOLDER

reads the published documents in FOLDER (`clerk-bapi-VERSION.yml` for each of `CLERK_VERSIONS`,
`authgear-admin.graphql`) and writes `tests/contracts`, whose README says where they come from. Of
Clerk's operations all are named, and those that template.yaml has a route for are kept with their
parameters, responses and schemas: run it again when a route of Clerk's API is added.
"""

import copy
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from graphql import Node, Visitor, parse, print_ast, visit
from tests.contract import CLERK_VERSIONS, CONTRACTS
from tests.template import routes

_PROSE = frozenset(
    {"deprecated", "description", "example", "examples", "externalDocs", "summary", "tags", "title"}
)
# What these hold is named by the contract's author: `title` may be a property there.
_NAMED = frozenset({"parameters", "properties", "responses", "schemas"})


def reduced_openapi(document: dict[str, Any], served: set[str]) -> dict[str, Any]:
    """A published OpenAPI document that names all operations, and describes those `served`.

    An operation is written as `GET /users`.
    """
    paths = {
        path: {
            method: without_prose(operation) if f"{method.upper()} {path}" in served else {}
            for method, operation in item.items()
        }
        for path, item in document["paths"].items()
    }
    components: dict[str, Any] = {"responses": {}, "schemas": {}, "parameters": {}}
    found = [*references(paths), "#/components/responses/ClerkErrors"]
    while found:
        _, _, kind, name = found.pop().split("/")
        if name not in components[kind]:
            components[kind][name] = without_prose(document["components"][kind][name])
            found += references(components[kind][name])
    return {
        "openapi": document["openapi"],
        "paths": paths,
        "components": {kind: dict(sorted(each.items())) for kind, each in components.items()},
    }


def without_prose(part: object, *, named: bool = False) -> object:
    """A part of an OpenAPI document without what is there for people only."""
    if isinstance(part, dict):
        return {
            name: without_prose(value, named=name in _NAMED)
            for name, value in part.items()
            if named or (name not in _PROSE and not str(name).startswith("x-"))
        }
    return [without_prose(each) for each in part] if isinstance(part, list) else part


def references(part: object) -> Iterator[str]:
    """Every `$ref` in a part of an OpenAPI document."""
    if isinstance(part, dict):
        if isinstance(part.get("$ref"), str):
            yield part["$ref"]
        for each in part.values():
            yield from references(each)
    elif isinstance(part, list):
        for each in part:
            yield from references(each)


class _WithoutDescriptions(Visitor):
    """Takes the descriptions out of a GraphQL document."""

    def enter(self, node: Node, *_: object) -> Node | None:
        has_one = getattr(node, "description", None)
        return copy.replace(node, **{"description": None}) if has_one else None


def main() -> None:
    """Write the reduced contracts."""
    folder = Path(sys.argv[1])
    served = {key.replace(" /v1/", " /") for key in routes().by_key if " /v1/" in key}
    for version in CLERK_VERSIONS:
        published = yaml.load((folder / f"clerk-bapi-{version}.yml").read_text(), yaml.CSafeLoader)
        kept = reduced_openapi(published, served)
        (CONTRACTS / f"clerk-{version}.json").write_text(json.dumps(kept, indent=1) + "\n")
    schema = parse((folder / "authgear-admin.graphql").read_text())
    kept_schema = print_ast(visit(schema, _WithoutDescriptions()))
    (CONTRACTS / "authgear-admin.graphql").write_text(kept_schema + "\n")


if __name__ == "__main__":
    main()
