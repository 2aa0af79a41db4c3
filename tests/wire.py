"""How tokens, ids and addresses are written where they are sent."""

import base64
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit


def base64url(part: bytes | Mapping[str, Any]) -> str:
    """A part of a token (RFC 7515, section 2): bytes, or what is written as JSON."""
    content = part if isinstance(part, bytes) else json.dumps(part).encode()
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


def node_id(user_id: str) -> str:
    """The id that a user has in Authgear's Admin API."""
    return base64url(f"User:{user_id}".encode())


def unsigned(address: str) -> str:
    """The path of a presigned address of a rendition, for the API instead of the bucket."""
    path = urlsplit(address).path
    return path[path.index("/renditions/") :]
