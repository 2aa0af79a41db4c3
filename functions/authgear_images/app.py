"""Authgear's pictures, served to anyone who has the address."""

from vignette import settings
from vignette.authgear.errors import render
from vignette.domain import renditions
from vignette.errors import NotFound
from vignette.http.api import Api, Request, Response


def read(request: Request) -> Response:
    """`GET /_images/{app_id}/{object_id}/{option}`.

    Raises:
        NotFound: There is no such picture.
    """
    option = request.path("option")
    if request.path("app_id") != settings.admin_api_app_id() or option not in _OPTIONS:
        raise NotFound("image")
    picture = renditions.read_public(
        request.path("object_id"), whole=_OPTIONS[option], wanted=request.wanted_pixels
    )
    headers = {"cache-control": settings.PUBLIC_CACHE}
    return Response(200, picture, headers, content_type="image/webp")


_OPTIONS = {"profile": False, "original": True}

handler = Api({"GET /_images/{app_id}/{object_id}/{option}": read}, render)
