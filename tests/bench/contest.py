"""Who answers which requests: this service, and what its users would write instead."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from tests.bench.runtime import Function, built, contender
from tests.bench.stack import Stack

_USER = "/api/v1/shared/users/{user_id}"
_ME = "/api/v1/users/me"
_CHANGE = {"firstName": "Grace"}
_UPLOAD = {"kind": "profile_picture", "contentType": "image/jpeg", "contentLength": 100_000}
_PICTURE = {"uploadId": "{upload_id}"}

type Line = tuple[str, str, str, str, Any]
OTHERS: list[Line] = [
    ("no-op GET", "noop", f"GET {_USER}", "key", None),
    ("boto3 GET", "bare", f"GET {_USER}", "key", None),
    ("boto3 PATCH", "bare", f"PATCH {_USER}", "key", _CHANGE),
    ("FastAPI GET", "fastapi", f"GET {_USER}", "key", None),
    ("FastAPI PATCH", "fastapi", f"PATCH {_USER}", "key", _CHANGE),
]
OWN: list[Line] = [
    ("GET user, key", "Profiles", f"GET {_USER}", "key", None),
    ("GET user, token", "Profiles", f"GET {_ME}", "token", None),
    ("PATCH user, key", "Profiles", f"PATCH {_USER}", "key", _CHANGE),
    ("PATCH user, token", "Profiles", f"PATCH {_ME}", "token", _CHANGE),
    ("GET upload, token", "Uploads", "GET /api/v1/uploads/{upload_id}", "token", None),
    ("POST upload, token", "Uploads", "POST /api/v1/uploads", "token", _UPLOAD),
    ("PATCH picture, token", "Pictures", f"PATCH {_ME}/profile-picture", "token", _PICTURE),
]


@dataclass(frozen=True, slots=True)
class Entry:
    """A function, its environment, and what makes the requests that it is sent.

    `verb` is that of the others' requests to compare with: one read, one write, or a photo.
    """

    name: str
    function: Function
    environment: Mapping[str, str]
    event: Callable[[], dict[str, Any]]
    verb: str


def entries(stack: Stack) -> list[Entry]:
    """Every request of this service, and those of the others that call DynamoDB like it."""
    others = {
        "noop": contender("noop"),
        "bare": contender("bare", "boto3"),
        "fastapi": contender("fastapi", "boto3", "fastapi", "mangum"),
    }
    photos = {"boto3": contender("photos", "boto3", "pillow"), "first": built("Thumbnails")}
    environment = stack.environment("Thumbnails")
    return [
        Entry(
            name,
            others.get(function) or built(function),
            stack.environment("Profiles" if function in others else function),
            partial(stack.event, route, credentials, body),
            "GET" if route.startswith("GET") else "PATCH",
        )
        for name, function, route, credentials, body in OTHERS + OWN
    ] + [
        Entry(f"{name} photo", function, environment, stack.photo_sent, "photo")
        for name, function in photos.items()
    ]
