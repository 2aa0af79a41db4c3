"""Uploads: issue presigned forms, report what became of them, delete them."""

from vignette.domain import uploads
from vignette.http.api import Api, Request, Response
from vignette.http.idempotency import idempotently
from vignette.http.provisioning import as_user
from vignette.native import responses
from vignette.native.errors import render


def create(request: Request) -> Response:
    """`POST /uploads`."""
    from vignette.native import requests  # reading and deleting need no validation

    # Each attempt makes a record of its own; the record of a form that was lost expires.
    def create_upload(_: str) -> uploads.Ticket:
        named, wanted = requests.new_upload(request)
        caller = request.caller

        def begin(user_id: str) -> uploads.Ticket:
            return uploads.create(
                user_id,
                kind=wanted.kind,
                scope=wanted.scope,
                content_type=wanted.content_type,
                by_themselves=not caller.has_key,
                crop=requests.domain_crop(wanted.crop),
                preview=wanted.preview,
            )

        return begin(named) if caller.has_key else as_user(caller, begin)

    def find_upload(upload_id: str) -> uploads.Ticket:
        _, wanted = requests.new_upload(request)
        upload = uploads.get(upload_id, owner=request.caller.user_id)
        return uploads.ticket(upload, content_type=wanted.content_type)

    ticket = idempotently(
        request, create_upload, name=lambda made: made.upload.id, find=find_upload
    )
    request.target = ticket.upload.id
    return Response(201, responses.ticket(ticket))


def read(request: Request) -> Response:
    """`GET /uploads/{upload_id}`."""
    owner = request.caller.user_id
    return Response(200, responses.upload(uploads.get(request.path("upload_id"), owner=owner)))


def delete(request: Request) -> Response:
    """`DELETE /uploads/{upload_id}`."""
    uploads.delete(request.path("upload_id"), owner=request.caller.user_id)
    return Response(204)


handler = Api(
    {
        "POST /api/v1/uploads": create,
        "GET /api/v1/uploads/{upload_id}": read,
        "DELETE /api/v1/uploads/{upload_id}": delete,
    },
    render,
    lazy=["vignette.native.requests"],
)
