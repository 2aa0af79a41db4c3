"""Authgear's Admin API: users, in GraphQL."""

from vignette import settings
from vignette.authgear.errors import render
from vignette.authgear.execution import execute, read_request
from vignette.authgear.resolvers import Context
from vignette.http.api import Api, Request, Response


def query(request: Request) -> Response:
    """`POST /_api/admin/graphql`."""
    request.authenticate_admin()
    body = request.body(max_bytes=settings.MAX_JSON_BODY_BYTES)
    wanted = read_request(request.headers.get("content-type", ""), body)
    return Response(200, execute(wanted, Context(request.origin)))


# A request may have several changes, or none.
handler = Api({"POST /_api/admin/graphql": query}, render, audited=False)
