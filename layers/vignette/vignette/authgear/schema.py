"""The GraphQL schema of Authgear's Admin API, as much of it as this service has.

Only the function that answers GraphQL carries the library that this imports.
"""

import re
from functools import cache
from pathlib import Path

from graphql import (
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLScalarType,
    GraphQLSchema,
    build_schema,
)

from vignette.authgear.codecs import json_object, json_object_literal
from vignette.authgear.resolvers import RESOLVERS

_CAPITALS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]")


@cache
def schema() -> GraphQLSchema:
    """The schema that is served, with its resolvers."""
    built = build_schema(Path(__file__).with_name("schema.graphql").read_text())
    for type_name, resolvers in RESOLVERS.items():
        owner = built.type_map[type_name]
        assert isinstance(owner, GraphQLObjectType)  # noqa: S101  (it is one in the file)
        for field, resolver in resolvers.items():
            owner.fields[field].resolve = resolver
            for name, argument in owner.fields[field].args.items():
                argument.out_name = _CAPITALS.sub(r"_\g<0>", name).lower()
    for each in built.type_map.values():
        if isinstance(each, GraphQLInterfaceType):
            each.resolve_type = lambda *_: "User"
    for name in ("UserStandardAttributes", "UserCustomAttributes"):
        scalar = built.type_map[name]
        assert isinstance(scalar, GraphQLScalarType)  # noqa: S101
        scalar.coerce_input_value = json_object
        scalar.coerce_input_literal = json_object_literal
    return built
