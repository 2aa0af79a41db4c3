"""What can go wrong, in the domain's terms; each wire format renders these in its own words."""

from dataclasses import dataclass


class VignetteError(Exception):
    """Base of every error the service answers with on purpose."""

    code = "error"

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


class Unauthenticated(VignetteError):
    """No credentials, or credentials that do not verify."""

    code = "unauthenticated"


class Forbidden(VignetteError):
    """Valid credentials that do not allow this call."""

    code = "forbidden"


class NotFound(VignetteError):
    """The resource does not exist, or must not be known to exist by the caller."""

    def __init__(self, resource: str) -> None:
        super().__init__(f"There is no such {resource}.")
        self.code = f"{resource}_not_found"


class Malformed(VignetteError):
    """The request cannot be read at all."""

    code = "malformed_request"


class TooLarge(VignetteError):
    """The request or the announced upload exceeds a limit in bytes."""

    code = "too_large"


@dataclass(frozen=True, slots=True)
class FieldProblem:
    """One thing that is wrong with one field of a request."""

    field: str
    code: str
    detail: str


class Invalid(VignetteError):
    """Unknown, missing or wrong fields, each one named."""

    code = "invalid_request"

    def __init__(self, *problems: FieldProblem) -> None:
        super().__init__("; ".join(f"{each.field}: {each.detail}" for each in problems))
        self.problems = problems


class Taken(VignetteError):
    """A unique value belongs to another user."""

    code = "already_exists"

    def __init__(self, *fields: str) -> None:
        super().__init__(f"Another user has this {' and this '.join(fields)}.")
        self.fields = fields


class NoPassword(VignetteError):
    """The user has no password that could be verified."""

    code = "no_password"


class WrongPassword(VignetteError):
    """The password is not the user's."""

    code = "wrong_password"


class UploadNotReady(VignetteError):
    """The upload is still pending, or has failed."""

    code = "upload_not_ready"


class UploadInUse(VignetteError):
    """The upload is somebody's picture."""

    code = "upload_in_use"


class UploadUsed(VignetteError):
    """The address that was issued for one photo has had it."""

    code = "upload_used"


class UploadWrongScope(VignetteError):
    """Only an upload of scope `user` can become a user's picture."""

    code = "upload_wrong_scope"


class UploadWrongKind(VignetteError):
    """Only an upload of kind `profile_picture` can become a user's picture."""

    code = "upload_wrong_kind"


class UnusablePhoto(VignetteError):
    """A photo that cannot become a picture; `code` is the reason that a failed upload gives."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"The photo cannot be used: {reason.replace('_', ' ')}.")
        self.code = reason


class IdempotencyKeyReused(VignetteError):
    """The key of an earlier request came with another body."""

    code = "idempotency_key_reused"


class IdempotencyKeyInUse(VignetteError):
    """The request is being answered already, or was cut off a moment ago; ask again soon."""

    code = "idempotency_key_in_use"


class Unavailable(VignetteError):
    """AWS throttled the request, failed, or did not answer in time; trying again is safe."""

    code = "unavailable"
