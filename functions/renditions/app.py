"""Renditions: pictures at their public addresses, for anybody who has one."""

from vignette import settings
from vignette.domain import pictures, renditions
from vignette.http.api import Api, Request, Response
from vignette.native.errors import render


def read(request: Request) -> Response:
    """`GET /renditions/{upload_id}/{digest}/{file}`."""
    picture = renditions.read_square(
        request.path("upload_id"),
        request.path("digest"),
        request.path("file"),
        wanted=request.wanted_pixels,
    )
    headers = {"cache-control": settings.PUBLIC_CACHE}
    return Response(200, picture, headers, content_type="image/webp")


def find(request: Request) -> Response:
    """`GET /pictures/{user_id}`."""
    address = pictures.find(request.path("user_id"), request.origin, request.wanted_pixels)
    return Response(302, headers={"location": address, "cache-control": _CACHE})


# A new picture is seen a minute later at the latest.
_CACHE = "public, max-age=60"

handler = Api(
    {
        "GET /renditions/{upload_id}/{digest}/{file}": read,
        "GET /pictures/{user_id}": find,
    },
    render,
)
