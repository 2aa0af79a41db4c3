"""Profiles: create, read, update and delete users; and the description of the native API."""

from pathlib import Path

from vignette.domain import profiles, users
from vignette.domain.model import User
from vignette.http.access import require_key
from vignette.http.api import Api, Request, Response
from vignette.http.idempotency import idempotently
from vignette.http.provisioning import as_user
from vignette.native import responses
from vignette.native.errors import render


def create(request: Request) -> Response:
    """`POST /shared/users`."""
    from vignette.native import requests  # reading needs no validation

    require_key(request.caller)

    def create_user(attempt: str) -> User:
        user_id, attributes = requests.new_user(request)
        new = users.changed(users.blank(user_id or attempt), attributes)
        return users.create(new, attempt=attempt)

    user = idempotently(request, create_user, name=lambda user: user.id, find=users.get)
    request.target = user.id
    return Response(201, responses.user(user, request.origin))


def find(request: Request) -> Response:
    """`GET /shared/users`."""
    from vignette.native import queries

    require_key(request.caller)
    query = queries.read(request)
    if query.filters:
        found, end = users.matching(query.filters), None
    else:
        found, end = users.newest(after=query.after, limit=query.limit)
    answer = [responses.user(user, request.origin) for user in found]
    return Response(200, {"users": answer, "nextCursor": queries.cursor(end)})


def read(request: Request) -> Response:
    """`GET /shared/users/{user_id}`."""
    require_key(request.caller)
    user = users.get(request.path("user_id"))
    return Response(200, responses.user(user, request.origin))


def read_me(request: Request) -> Response:
    """`GET /users/me`."""
    user = as_user(request.caller, lambda user_id: users.get(user_id, must_be_active=True))
    return Response(200, responses.user(user, request.origin))


def update(request: Request) -> Response:
    """`PATCH /shared/users/{user_id}`."""
    require_key(request.caller)
    return _update(request, request.path("user_id"))


def update_me(request: Request) -> Response:
    """`PATCH /users/me`."""
    return as_user(request.caller, lambda user_id: _update(request, user_id))


def delete(request: Request) -> Response:
    """`DELETE /shared/users/{user_id}`."""
    require_key(request.caller)
    profiles.delete(request.path("user_id"))
    return Response(204)


def document(_: Request) -> Response:
    """`GET /openapi.json`, for anybody."""
    file = Path(responses.__file__).with_name("openapi.json")
    return Response(200, file.read_text("utf-8"), {"cache-control": "public, max-age=3600"})


def _update(request: Request, user_id: str) -> Response:
    from vignette.native import requests

    changes = requests.user_changes(request)
    by_themselves = not request.caller.has_key
    user = users.update(user_id, changes, must_be_active=by_themselves)
    return Response(200, responses.user(user, request.origin))


handler = Api(
    {
        "GET /api/v1/shared/users": find,
        "POST /api/v1/shared/users": create,
        "GET /api/v1/shared/users/{user_id}": read,
        "PATCH /api/v1/shared/users/{user_id}": update,
        "DELETE /api/v1/shared/users/{user_id}": delete,
        "GET /api/v1/users/me": read_me,
        "PATCH /api/v1/users/me": update_me,
        "GET /api/v1/openapi.json": document,
    },
    render,
    lazy=["vignette.native.requests"],
)
