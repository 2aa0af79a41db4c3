"""Errors in Authgear's words: a name, which stands for an HTTP status, and a reason."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from vignette import errors
from vignette.http.api import Response

_STATUS = {
    "Invalid": 400,
    "BadRequest": 400,
    "NotFound": 404,
    "AlreadyExists": 409,
    "RequestEntityTooLarge": 413,
    "InternalError": 500,
    "ServiceUnavailable": 503,
}
# What the domain calls a field, where Authgear calls the attribute otherwise.
_ATTRIBUTES = {"phone": "phone_number", "username": "preferred_username"}


class ApiError(errors.VignetteError):
    """An error that only Authgear's API has; `info` are details that programs read."""

    def __init__(
        self, name: str, reason: str, message: str, info: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(message)
        self.name = name
        self.code = reason
        self.info = info or {}


@dataclass(frozen=True, slots=True)
class Cause:
    """One thing that is wrong with one attribute, found at a JSON pointer (RFC 6901)."""

    location: str
    kind: str
    details: Mapping[str, Any]

    def __str__(self) -> str:
        """The cause for a person."""
        said = self.details.get("error") or self.details.get("msg") or dict(self.details)
        return f"{self.location}: {self.kind}: {said}"


class ValidationFailed(ApiError):
    """Attributes that are unknown or wrong, each one named."""

    def __init__(self, *causes: Cause) -> None:
        super().__init__(
            "Invalid",
            "ValidationFailed",
            "\n".join(["invalid value:", *map(str, causes)]),
            {
                "causes": [
                    {"location": each.location, "kind": each.kind, "details": each.details}
                    for each in causes
                ]
            },
        )


class UnusablePicture(ValidationFailed):
    """A `picture` that names nothing that could be one."""

    def __init__(self, reason: str) -> None:
        super().__init__(Cause("/picture", "format", {"format": "x_picture", "error": reason}))


class InvalidInput(ApiError):
    """An invalid request for which Authgear has no reason of its own."""

    def __init__(self, message: str) -> None:
        super().__init__("Invalid", "Invalid", message)


def attribute_error(error: errors.VignetteError) -> errors.VignetteError:
    """An error of `profiles.replace_profile`, with the attribute that it is about.

    One that is about no attribute stays as it is.
    """
    match error:
        case errors.Invalid(problems=(problem,)):
            name = _ATTRIBUTES.get(problem.field, problem.field)
            detail = {"msg": "is not an identity of the user"}
            return ValidationFailed(Cause(f"/{name}", "general", detail))
        case errors.NotFound(code="upload_not_found"):
            return UnusablePicture("there is no such image for this user")
        case (
            errors.UploadInUse()
            | errors.UploadNotReady()
            | errors.UploadWrongKind()
            | errors.UploadWrongScope()
        ):
            return UnusablePicture(error.detail)
    return error


@dataclass(frozen=True, slots=True)
class Description:
    """What both kinds of answer, GraphQL and JSON, say about an error."""

    name: str
    reason: str
    message: str
    info: Mapping[str, Any] = field(default_factory=dict)

    @property
    def status(self) -> int:
        """The HTTP status that the name stands for."""
        return _STATUS[self.name]


def described(error: errors.VignetteError | None) -> Description:
    """An error in Authgear's words; None is an error that nobody expected."""
    match error:
        case None:
            return Description("InternalError", "UnexpectedError", "unexpected error occurred")
        case ApiError():
            return Description(error.name, error.code, error.detail, error.info)
        case errors.NotFound(code="user_not_found"):
            return Description("NotFound", "UserNotFound", "user not found")
        case errors.NotFound():
            return Description("NotFound", "NotFound", error.detail)
        case errors.Taken():
            cause = {"cause": {"kind": "DuplicatedIdentity"}}
            return Description("Invalid", "InvariantViolated", "identity already exists", cause)
        case errors.TooLarge():
            return Description("RequestEntityTooLarge", "RequestEntityTooLarge", error.detail)
        case errors.UnusablePhoto():
            return Description(
                "Invalid", "UnusableImage", error.detail, {"cause": {"kind": error.code}}
            )
        case errors.UploadUsed():
            return Description("AlreadyExists", "ImageAlreadyUploaded", error.detail)
        case errors.Conflict():
            return Description("AlreadyExists", "Conflict", error.detail)
        case errors.Unavailable():
            return Description("ServiceUnavailable", "ServiceUnavailable", error.detail)
        case _:
            return Description("Invalid", "Invalid", error.detail)


def render(error: errors.VignetteError | None) -> Response:
    """The HTTP response to an error; one to wrong credentials says no more than `Forbidden`."""
    if isinstance(error, errors.Unauthenticated):
        return Response(403, "Forbidden", content_type="text/plain; charset=utf-8")
    found = described(error)
    document: dict[str, Any] = {
        "name": found.name,
        "reason": found.reason,
        "message": found.message,
        "code": found.status,
    }
    if found.info:
        document["info"] = found.info
    headers = {}
    if error and error.retry_after_seconds is not None:
        headers["retry-after"] = str(error.retry_after_seconds)
    return Response(found.status, {"error": document}, headers)
