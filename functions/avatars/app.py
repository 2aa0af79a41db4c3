"""Avatars: the pictures of users who have none, for anybody."""

from vignette import settings
from vignette.domain import avatars
from vignette.http.api import Api, Request, Response
from vignette.native.errors import render


def read(request: Request) -> Response:
    """`GET /avatars/{colour}/{file}`."""
    picture = avatars.draw(
        request.path("colour"), request.path("file"), wanted=request.wanted_pixels
    )
    headers = {"cache-control": settings.PUBLIC_CACHE}
    return Response(200, picture, headers, content_type="image/webp")


handler = Api({"GET /avatars/{colour}/{file}": read}, render)
