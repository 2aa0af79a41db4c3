"""Crops: frame an uploaded photo anew."""

from vignette import images
from vignette.domain import renditions
from vignette.http.api import Api, Request, Response
from vignette.native import requests, responses
from vignette.native.errors import render


def update(request: Request) -> Response:
    """`PATCH /uploads/{upload_id}`."""
    owner = request.caller.user_id
    crop = requests.new_crop(request)
    upload = renditions.frame_anew(request.path("upload_id"), crop, owner=owner)
    return Response(200, responses.upload(upload))


images.start()  # the decoder gets ready while this function does
handler = Api({"PATCH /api/v1/uploads/{upload_id}": update}, render)
