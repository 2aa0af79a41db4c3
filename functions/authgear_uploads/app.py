"""Authgear's Admin API: pictures come in, each at a signed address of its own."""

from vignette import settings
from vignette.authgear import addresses
from vignette.authgear.errors import InvalidInput, render
from vignette.domain.ids import new_id
from vignette.http.api import Api, Request, Response


def issue(request: Request) -> Response:
    """`/_api/admin/images/upload`: an address that takes one picture."""
    request.authenticate_admin()
    request.target = new_id()
    path = addresses.signed(addresses.image_path(request.target))
    return Response(200, {"result": {"upload_url": f"{request.origin}{path}"}})


def receive(request: Request) -> Response:
    """`POST /_images/{app_id}/{object_id}`: the picture, as the file of a form.

    Raises:
        InvalidInput: The form does not have exactly one file, or it has another name.
    """
    # Issuing an address needs neither.
    from vignette.domain import renditions
    from vignette.http import forms

    object_id = request.path("object_id")
    path = f"/_images/{request.path('app_id')}/{object_id}"
    usable_until = addresses.verify(path, request.query)
    request.actor = "signed_address"
    body = request.body(max_bytes=settings.MAX_BODY_BYTES)
    files = forms.files(request.headers.get("content-type"), body)
    if len(files) != 1:
        raise InvalidInput("expected exactly 1 file part")
    if files[0].field != "file":
        raise InvalidInput("invalid file field: it has to be named file")
    renditions.receive(object_id, files[0].content, usable_until=usable_until)
    return Response(200, {"result": {"url": addresses.image_uri(object_id)}})


handler = Api(
    {
        "GET /_api/admin/images/upload": issue,
        "POST /_api/admin/images/upload": issue,
        "POST /_images/{app_id}/{object_id}": receive,
    },
    render,
)
