"""Renditions: pictures at their public addresses, for anybody who has one."""

from vignette import settings
from vignette.domain import renditions
from vignette.http.api import Api, Request, Response
from vignette.native.errors import render


def read(request: Request) -> Response:
    """`GET /renditions/{upload_id}/{digest}/{file}`."""
    picture = renditions.read_square(
        request.path("upload_id"), request.path("digest"), request.path("file")
    )
    headers = {"cache-control": settings.PUBLIC_CACHE}
    return Response(200, picture, headers, content_type="image/webp")


handler = Api({"GET /renditions/{upload_id}/{digest}/{file}": read}, render)
