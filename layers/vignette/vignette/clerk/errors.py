"""Errors in Clerk's form, with its codes where it has one for the case.

Source: https://clerk.com/docs/guides/development/errors/backend-api.
"""

from collections.abc import Mapping
from dataclasses import replace
from http import HTTPStatus
from typing import Any

from vignette import errors, settings
from vignette.http.access import challenge
from vignette.http.api import Response

# What the domain calls a field, where Clerk calls the parameter otherwise.
_PARAMETERS = {
    "email": "email_address",
    "phone": "phone_number",
    "primary_email": "primary_email_address_id",
    "primary_phone": "primary_phone_number_id",
}
# Clerk's codes for the domain's.
_CODES = {
    "not_found": "form_resource_not_found",
    "too_many": "form_param_array_size_exceeded",
    "unverified": "form_verification_needed",
}
# Why a photo cannot be used: status, code and the two messages.
_PHOTOS = {
    "empty": (
        HTTPStatus.BAD_REQUEST,
        "form_param_missing",
        "Image file missing",
        "The file is empty.",
    ),
    "unsupported_format": (
        HTTPStatus.BAD_REQUEST,
        "request_body_invalid",
        "Unsupported image type",
        "The file must be a JPEG, PNG, GIF, WebP, AVIF, HEIC or ICO image.",
    ),
    "corrupt_image": (
        HTTPStatus.BAD_REQUEST,
        "request_body_invalid",
        "Image decode error",
        "The image could not be decoded.",
    ),
    "too_many_pixels": (
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        "image_too_large",
        "Image too large",
        f"The image has more than {settings.MAX_PIXELS // 1_000_000} megapixels.",
    ),
}


class ClerkError(errors.VignetteError):
    """What only this wire format refuses, or has its own words for."""

    def __init__(
        self,
        status: HTTPStatus,
        code: str,
        message: str,
        long_message: str | None = None,
        *,
        parameter: str | None = None,
    ) -> None:
        super().__init__(long_message or message)
        self.status = status
        self.code = code
        self.message = message
        self.parameter = parameter


class _ErrorResponse(Response):
    """A response whose body names the request."""

    def to_event(self, request_id: str) -> dict[str, Any]:
        """The response in API Gateway's terms."""
        assert isinstance(self.content, dict)  # noqa: S101
        traced = {**self.content, "clerk_trace_id": request_id}
        return super(_ErrorResponse, replace(self, content=traced)).to_event(request_id)


def render(error: errors.VignetteError | None) -> Response:
    """The answer to an error; None is one that nobody expected."""
    match error:
        case None:
            return _respond(
                HTTPStatus.INTERNAL_SERVER_ERROR,
                _entry("internal_clerk_error", "The service failed; the log has the cause."),
            )
        case ClerkError():
            entry = _entry(error.code, error.message, error.detail, error.parameter)
            return _respond(error.status, entry)
        case errors.Invalid():
            return _respond(HTTPStatus.UNPROCESSABLE_ENTITY, *map(_field_entry, error.problems))
        case errors.Taken():
            return _respond(HTTPStatus.UNPROCESSABLE_ENTITY, *map(_taken, error.fields))
        case errors.UnusablePhoto():
            refused = HTTPStatus.BAD_REQUEST, "request_body_invalid", "Image refused", error.detail
            status, code, message, long_message = _PHOTOS.get(error.code, refused)
            return _respond(status, _entry(code, message, long_message, "file"))
        case errors.UserNotActive():
            entry = _entry(f"user_{error.state}", f"User {error.state}", error.detail)
            return _respond(HTTPStatus.FORBIDDEN, entry)
        case errors.NotFound(code="upload_not_found"):
            entry = _entry("image_not_found", "Image not found", None, "profile_image_id")
            return _respond(HTTPStatus.NOT_FOUND, entry)
    headers = {}
    if isinstance(error, errors.Unauthenticated):
        headers["www-authenticate"] = challenge(error)
    if error.retry_after_seconds is not None:
        headers["retry-after"] = str(error.retry_after_seconds)
    status, known_code, message = errors.entry_for(_WORDS, error)
    entry = _entry(known_code or error.code, message, error.detail)
    return _respond(status, entry, headers=headers)


# Status, Clerk's code or None if it has none for the case, and the short message.
_WORDS: Mapping[type[errors.VignetteError], tuple[HTTPStatus, str | None, str]] = {
    errors.Malformed: (HTTPStatus.BAD_REQUEST, "request_body_invalid", "Request body invalid"),
    errors.Unauthenticated: (
        HTTPStatus.UNAUTHORIZED,
        "authentication_invalid",
        "Invalid authentication",
    ),
    errors.Forbidden: (HTTPStatus.FORBIDDEN, "authorization_invalid", "Unauthorized request"),
    errors.NotFound: (HTTPStatus.NOT_FOUND, "resource_not_found", "not found"),
    errors.MethodNotAllowed: (HTTPStatus.METHOD_NOT_ALLOWED, None, "method not allowed"),
    errors.TooLarge: (
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        "request_body_too_large",
        "Request body too large",
    ),
    errors.NoPassword: (HTTPStatus.BAD_REQUEST, "no_password_set", "no password set"),
    errors.WrongPassword: (
        HTTPStatus.UNPROCESSABLE_ENTITY,
        "incorrect_password",
        "incorrect password",
    ),
    errors.Unprocessable: (HTTPStatus.UNPROCESSABLE_ENTITY, None, "unprocessable request"),
    errors.Conflict: (HTTPStatus.CONFLICT, None, "conflict"),
    errors.Unavailable: (
        HTTPStatus.SERVICE_UNAVAILABLE,
        "service_unavailable",
        "Service unavailable",
    ),
    errors.VignetteError: (HTTPStatus.BAD_REQUEST, None, "request refused"),
}


def _field_entry(problem: errors.FieldProblem) -> dict[str, Any]:
    parameter = _PARAMETERS.get(problem.field, problem.field)
    code = _CODES.get(problem.code, problem.code)
    return _entry(code, problem.detail, f"{parameter} {problem.detail}.", parameter)


def _taken(field: str) -> dict[str, Any]:
    parameter = _PARAMETERS.get(field, field)
    message = f"That {parameter.replace('_', ' ')} is taken. Please try another."
    return _entry("form_identifier_exists", message, message, parameter)


def _entry(
    code: str, message: str, long_message: str | None = None, parameter: str | None = None
) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "message": message,
        "long_message": long_message or message,
        "code": code,
    }
    if parameter is not None:
        entry["meta"] = {"param_name": parameter}
    return entry


def _respond(
    status: HTTPStatus, *entries: dict[str, Any], headers: Mapping[str, str] | None = None
) -> Response:
    return _ErrorResponse(status, {"errors": list(entries)}, headers or {})
