"""Values as Authgear's GraphQL spells them: node ids, cursors, objects of any JSON."""

import base64
import json
from collections.abc import Mapping
from typing import Any

from graphql import GraphQLError, StringValueNode, ValueNode, value_from_ast_untyped

from vignette.authgear.errors import InvalidInput


def node_id(user_id: str) -> str:
    """The node id of a user: base64url without padding."""
    return encoded(f"User:{user_id}")


def user_of(node: str) -> str:
    """The id of the user that a node id names.

    Raises:
        InvalidInput: It is not a node id, or one of something else.
    """
    kind, separator, user_id = (decoded(node) or "").partition(":")
    if not separator:
        raise InvalidInput("invalid ID")
    if kind != "User":
        raise InvalidInput(f"unknown node type: {kind}")
    return user_id


def encoded(text: str) -> str:
    """A text in base64url, without padding."""
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def decoded(text: str) -> str | None:
    """What is encoded in a text, or None; padding may be there."""
    try:
        padded = text.rstrip("=") + "=" * (-len(text.rstrip("=")) % 4)
        return base64.b64decode(padded, altchars=b"-_", validate=True).decode()
    except ValueError:
        return None


def json_object(value: object) -> Mapping[str, Any]:
    """The value of a variable: an object that JSON can hold, as it is stored and sent as JSON.

    Raises:
        GraphQLError: It is not the id of such an object.
    """
    try:
        json.dumps(value, allow_nan=False, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, Mapping):
        raise GraphQLError("Expected a JSON object.")
    return value


def json_object_literal(node: ValueNode) -> Mapping[str, Any]:
    """An object in a document: as GraphQL writes one or, like in Authgear, as JSON in a string.

    Raises:
        GraphQLError: It is not the id of such an object.
    """
    if isinstance(node, StringValueNode):
        try:
            return json_object(json.loads(node.value))
        except (ValueError, RecursionError):
            raise GraphQLError("Expected a JSON object.", node) from None
    return json_object(value_from_ast_untyped(node))
