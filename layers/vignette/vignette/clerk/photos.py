"""The photo in a request to Clerk's Backend API."""

from http import HTTPStatus

from vignette import settings
from vignette.clerk.errors import ClerkError
from vignette.errors import TooLarge
from vignette.http import forms
from vignette.http.api import Request

_MIB = 1024 * 1024


def photo(request: Request) -> bytes:
    """The bytes of the form's field `file`.

    Raises:
        PhotoTooLarge: It is larger than a request can bring.
        ClerkError: There is not exactly one file.
        Malformed: The body is not a form.
    """
    try:
        body = request.body(max_bytes=settings.MAX_BODY_BYTES)
    except TooLarge:
        raise PhotoTooLarge from None
    files = [
        each.content
        for each in forms.files(request.headers.get("content-type"), body)
        if each.field == "file"
    ]
    if len(files) != 1:
        raise ClerkError(
            HTTPStatus.BAD_REQUEST,
            "form_param_missing",
            "Image file missing",
            "The form must have one image in its field `file`.",
            parameter="file",
        )
    if len(files[0]) > settings.MAX_FORM_PHOTO_BYTES:
        raise PhotoTooLarge
    return files[0]


class PhotoTooLarge(ClerkError):
    """A photo that takes a presigned form, because a request cannot bring it."""

    def __init__(self) -> None:
        super().__init__(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            "image_too_large",
            "Image too large",
            f"A request can bring an image of at most {settings.MAX_FORM_PHOTO_BYTES // _MIB} MiB. "
            f"Up to {settings.MAX_UPLOAD_BYTES // _MIB} MiB can be sent with a presigned form: "
            "POST /api/v1/uploads, send the image to the `url` it answers, then update the user "
            "with the `uploadId` as `profile_image_id`.",
            parameter="file",
        )
