"""Pictures: set, replace or remove a user's profile picture."""

from vignette.domain import pictures
from vignette.http.access import require_key
from vignette.http.api import Api, Request, Response
from vignette.http.provisioning import as_user
from vignette.native import requests, responses
from vignette.native.errors import render


def update(request: Request) -> Response:
    """`PATCH /shared/users/{user_id}/profile-picture`."""
    require_key(request.caller)
    return _update(request, request.path("user_id"))


def update_me(request: Request) -> Response:
    """`PATCH /users/me/profile-picture`."""
    return as_user(request.caller, lambda user_id: _update(request, user_id))


def _update(request: Request, user_id: str) -> Response:
    upload_id = requests.new_picture(request)
    by_themselves = not request.caller.has_key
    if upload_id is None:
        user = pictures.remove_picture(user_id, must_be_active=by_themselves)
    else:
        user = pictures.set_picture(user_id, upload_id, must_be_active=by_themselves)
    return Response(200, responses.user(user, request.origin))


handler = Api(
    {
        "PATCH /api/v1/shared/users/{user_id}/profile-picture": update,
        "PATCH /api/v1/users/me/profile-picture": update_me,
    },
    render,
)
