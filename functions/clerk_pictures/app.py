"""Clerk's Backend API: a user's picture, sent and set in one request."""

from vignette import images
from vignette.clerk import responses
from vignette.clerk.errors import render
from vignette.clerk.photos import photo
from vignette.domain import pictures
from vignette.http.access import require_key
from vignette.http.api import Api, Request, Response


def update(request: Request) -> Response:
    """`POST /users/{user_id}/profile_image`."""
    require_key(request.caller)
    user = pictures.set_photo(request.path("user_id"), photo(request))
    return Response(200, responses.user(user, request.origin))


images.start()  # the decoder gets ready while this function does
handler = Api({"POST /v1/users/{user_id}/profile_image": update}, render)
