"""What can go wrong, in the domain's terms; each wire format renders these in its own words.

A wire format has words for the classes that it tells apart and, through `entry_for`, for all others
by the class above them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from vignette import settings


class VignetteError(Exception):
    """Base of every error the service answers with on purpose.

    `code` is stable, for programs; `detail` is a sentence for people. `retry_after_seconds` says
    when the same request may succeed, None if only another request can.
    """

    code = "error"
    retry_after_seconds: int | None = None

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


def entry_for[Words](
    words: Mapping[type[VignetteError], Words], error: VignetteError | type[VignetteError]
) -> Words:
    """The entry of `words` for an error's class, or for the nearest class above it.

    `words` has an entry for `VignetteError`, so that there is always one.
    """
    kind = error if isinstance(error, type) else type(error)
    return next(words[each] for each in kind.__mro__ if each in words)


class Unauthenticated(VignetteError):
    """No credentials, or credentials that do not verify."""

    code = "unauthenticated"


class InvalidToken(Unauthenticated):
    """A user's token that is refused; the detail says why, without what would help a forger."""


class Forbidden(VignetteError):
    """Valid credentials that do not allow this call."""

    code = "forbidden"


class UserNotActive(Forbidden):
    """The user is banned or locked, and cannot act; `state` says which."""

    code = "user_not_active"

    def __init__(self, state: str) -> None:
        super().__init__(f"The user is {state}.")
        self.state = state


class TooManyUploads(VignetteError):
    """The user has begun as many uploads as are allowed within an hour."""

    code = "too_many_uploads"

    def __init__(self, retry_after_seconds: int) -> None:
        super().__init__(
            f"The user has begun too many uploads; try again in {retry_after_seconds} seconds."
        )
        self.retry_after_seconds = retry_after_seconds


class NotFound(VignetteError):
    """The resource does not exist, or the caller must not know that it does."""

    def __init__(self, resource: str) -> None:
        super().__init__(f"There is no such {resource}.")
        self.code = f"{resource}_not_found"


class MethodNotAllowed(VignetteError):
    """The path exists, but not with this method; `allowed` are those that it has."""

    code = "method_not_allowed"

    def __init__(self, allowed: Sequence[str]) -> None:
        super().__init__(f"The methods of this path are: {', '.join(allowed)}.")
        self.allowed = allowed


class Malformed(VignetteError):
    """The request cannot be read at all."""

    code = "malformed_request"


class TooLarge(VignetteError):
    """The request or the announced upload exceeds a limit in bytes."""

    code = "too_large"


class Unavailable(VignetteError):
    """AWS throttled the request, failed, or did not answer in time; trying again is safe."""

    code = "unavailable"
    retry_after_seconds = settings.RETRY_AFTER_SECONDS


class Unprocessable(VignetteError):
    """A request that can be read, but cannot be done."""


@dataclass(frozen=True, slots=True)
class FieldProblem:
    """One thing that is wrong with one field of a request."""

    field: str
    code: str
    detail: str


class Invalid(Unprocessable):
    """Unknown, missing or wrong fields, each one named."""

    code = "invalid_request"

    def __init__(self, *problems: FieldProblem) -> None:
        super().__init__("; ".join(f"{each.field}: {each.detail}" for each in problems))
        self.problems = problems


class NoPassword(Unprocessable):
    """The user has no password that could be verified."""

    code = "no_password"


class WrongPassword(Unprocessable):
    """The password is not the user's."""

    code = "wrong_password"


class UploadWrongScope(Unprocessable):
    """Only an upload of scope `user` can become a user's picture."""

    code = "upload_wrong_scope"


class UploadWrongKind(Unprocessable):
    """Only an upload of kind `profile_picture` can become a user's picture."""

    code = "upload_wrong_kind"


class UnusablePhoto(Unprocessable):
    """A photo that cannot become a picture; `code` is the reason that a failed upload gives."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"The photo cannot be used: {reason.replace('_', ' ')}.")
        self.code = reason


class IdempotencyKeyReused(Unprocessable):
    """The key of an earlier request came with another body."""

    code = "idempotency_key_reused"


class Conflict(VignetteError):
    """A request that does not fit the present state of something."""


class Taken(Conflict):
    """A unique value belongs to another user."""

    code = "already_exists"

    def __init__(self, *fields: str) -> None:
        super().__init__(f"Another user has this {' and this '.join(fields)}.")
        self.fields = fields


class UploadNotReady(Conflict):
    """The upload is still pending, or has failed."""

    code = "upload_not_ready"


class UploadFailed(UploadNotReady):
    """The upload has failed, and stays so; `reason` is what it says of itself."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"The upload has failed: {reason.replace('_', ' ')}.")
        self.reason = reason


class UploadInUse(Conflict):
    """The upload is a user's picture."""

    code = "upload_in_use"


class TooManyFramings(Conflict):
    """The upload was framed anew as often as is allowed; only another upload can be."""

    code = "too_many_framings"


class UploadUsed(Conflict):
    """An address that takes one photo has taken one already, or was sent too many."""

    code = "upload_used"


class IdempotencyKeyInUse(Conflict):
    """The request is being answered already, or was cut off a moment ago; ask again soon."""

    code = "idempotency_key_in_use"
    retry_after_seconds = settings.RETRY_AFTER_SECONDS
