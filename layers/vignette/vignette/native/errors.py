"""Errors as problem documents with a stable `code` (RFC 9457)."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import NotRequired, TypedDict

from vignette import errors
from vignette.http.access import challenge
from vignette.http.api import Response

STATUS: Mapping[type[errors.VignetteError], HTTPStatus] = {
    errors.Malformed: HTTPStatus.BAD_REQUEST,
    errors.Unauthenticated: HTTPStatus.UNAUTHORIZED,
    errors.Forbidden: HTTPStatus.FORBIDDEN,
    errors.NotFound: HTTPStatus.NOT_FOUND,
    errors.MethodNotAllowed: HTTPStatus.METHOD_NOT_ALLOWED,
    errors.Conflict: HTTPStatus.CONFLICT,
    errors.TooLarge: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    errors.Unprocessable: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.TooManyUploads: HTTPStatus.TOO_MANY_REQUESTS,
    errors.Unavailable: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.VignetteError: HTTPStatus.BAD_REQUEST,
}
_FIELD_NAMES = {"external_id": "externalId"}


class FieldError(TypedDict):
    """One thing that is wrong with one field."""

    field: str
    code: str
    detail: str


class Problem(TypedDict):
    """What went wrong (RFC 9457).

    `errors` names the fields that it was about, `reason` is that of an upload that has failed.
    """

    type: str
    title: str
    status: int
    code: str
    detail: str
    errors: NotRequired[list[FieldError]]
    reason: NotRequired[str]


def render(error: errors.VignetteError | None) -> Response:
    """The problem document of an error; None is an error that nobody expected."""
    status = HTTPStatus.INTERNAL_SERVER_ERROR if error is None else errors.entry_for(STATUS, error)
    document: Problem = {
        "type": "about:blank",
        "title": status.phrase,
        "status": status.value,
        "code": error.code if error else "internal_error",
        "detail": error.detail if error else "The service failed; the log has the cause.",
    }
    headers = {}
    match error:
        case errors.Invalid():
            document["errors"] = [
                {"field": each.field, "code": each.code, "detail": each.detail}
                for each in error.problems
            ]
        case errors.Taken():
            document["errors"] = [
                {
                    "field": _FIELD_NAMES.get(field, field),
                    "code": error.code,
                    "detail": "Another user has this value.",
                }
                for field in error.fields
            ]
        case errors.UploadFailed():
            document["reason"] = error.reason
        case errors.Unauthenticated():
            headers["www-authenticate"] = challenge(error)
    if error and error.retry_after_seconds is not None:
        headers["retry-after"] = str(error.retry_after_seconds)
    return Response(status, document, headers, content_type="application/problem+json")
