"""What the native API accepts; a body that fits is turned into the domain's terms."""

from collections.abc import Mapping
from typing import Annotated, Any, cast

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
)
from pydantic.alias_generators import to_camel
from pydantic_core import ErrorDetails

from vignette import crop, settings
from vignette.domain.model import UploadKind, UploadScope, UserChanges, UserState
from vignette.errors import FieldProblem, Forbidden, Invalid, Malformed, TooLarge
from vignette.http import fields
from vignette.http.access import Caller, require_key
from vignette.http.api import Request
from vignette.http.fields import (
    Email,
    ExternalId,
    Milliseconds,
    Name,
    UserId,
    Username,
    WebAddress,
)

# Bytes of an unknown type (RFC 2046, section 4.5.1): a photo is recognised by its bytes.
_ANY_BYTES = "application/octet-stream"

_UUID = r"^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$"
_ROLE = r"^[A-Za-z0-9_.:-]{1,64}$"
_CONTENT_TYPE = r"^(image/[A-Za-z0-9][A-Za-z0-9.+-]{0,63}|application/octet-stream)?$"

Role = Annotated[str, StringConstraints(pattern=_ROLE)]
Uuid = Annotated[str, StringConstraints(pattern=_UUID, to_lower=True)]

# Words for the errors of pydantic (docs.pydantic.dev, "Validation Errors") with their limits.
_WORDS = {
    "missing": "must be given",
    "extra_forbidden": "is not known here; leave it out",
    "string_type": "must be text",
    "string_too_short": "must not be blank",
    "string_too_long": "must have at most {max_length} characters",
    "enum": "must be {expected}",
    "bool_type": "must be true or false",
    "int_type": "must be a whole number",
    "float_type": "must be a number",
    "finite_number": "must be a number",
    "greater_than": "must be more than {gt}",
    "greater_than_equal": "must be at least {ge}",
    "less_than_equal": "must be at most {le}",
    "model_type": "must be an object",
    "model_attributes_type": "must be an object",
}
_PATTERNS = {
    fields.EMAIL: "must be an e-mail address",
    fields.USERNAME: "must have 1 to 64 letters, digits and . _ -",
    _ROLE: "must have 1 to 64 letters, digits and . _ : -",
    _CONTENT_TYPE: "must be the type of an image, such as image/jpeg",
    _UUID: "must be a UUID",
}


def _whole(value: object) -> object:
    """To JSON Schema a number without a fraction is an integer, however it is written."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


class _Body(BaseModel):
    model_config = ConfigDict(
        alias_generator=to_camel, extra="forbid", strict=True, hide_input_in_errors=True
    )


class NewUser(_Body):
    """`POST /shared/users`."""

    id: UserId | None = None
    email: Email
    first_name: Name
    last_name: Name
    username: Username | None = None
    external_id: ExternalId | None = None
    role: Role = "user"
    provider_picture_url: WebAddress | None = Field(None, alias="profilePictureUrl")


class UserPatch(_Body):
    """`PATCH` of a user: absent is unchanged, null is cleared."""

    email: Email | None = None
    first_name: Name | None = None
    last_name: Name | None = None
    username: Username | None = None
    external_id: ExternalId | None = None
    provider_picture_url: WebAddress | None = Field(None, alias="profilePictureUrl")
    role: Role = "user"
    state: UserState = UserState.ACTIVE
    email_verified: bool = False
    last_login: Milliseconds | None = None


# What users may change themselves; the rest needs the secret key.
_OWN_FIELDS = ("firstName", "lastName", "username")


class NewCrop(_Body):
    """A square of the upright photo: its centre, and its side as a part of the shorter side."""

    x: Annotated[float, Field(ge=0, le=1)]
    y: Annotated[float, Field(ge=0, le=1)]
    size: Annotated[float, Field(gt=0, le=1)]


class NewUpload(_Body):
    """`POST /uploads`.

    The pictures show the `crop`; without one the faces in the photo, else its centre. With
    `preview` there is a picture of the whole photo too, for browsers that cannot show the photo
    itself. The content type may be left out or empty, as browsers have none for HEIC. The length,
    in bytes, is only to refuse a photo before it is sent: the form takes any photo that is not too
    large.
    """

    kind: UploadKind
    content_type: Annotated[
        str,
        StringConstraints(pattern=_CONTENT_TYPE),
        AfterValidator(lambda sent: sent or _ANY_BYTES),
    ] = _ANY_BYTES
    content_length: Annotated[int, Field(ge=1), BeforeValidator(_whole)] | None = None
    scope: UploadScope = UploadScope.USER
    user_id: UserId | None = None
    crop: NewCrop | None = None
    preview: bool = False


class UploadChanges(_Body):
    """`PATCH /uploads/{upload_id}`: null frames the photo as if no crop had been chosen."""

    crop: NewCrop | None


class NewPicture(_Body):
    """`PATCH` of a profile picture; null removes the custom one."""

    upload_id: Uuid | None


def new_user(request: Request) -> tuple[str | None, UserChanges]:
    """The id that a new user is to have, None for any, and their attributes.

    Raises:
        TooLarge: The body is too long.
        Malformed: The body is not JSON.
        Invalid: Fields are unknown, missing or wrong.
    """
    body = _parse(NewUser, request)
    attributes = body.model_dump(exclude_unset=True, exclude={"id"})
    return body.id, cast("UserChanges", attributes)


def user_changes(request: Request) -> UserChanges:
    """The attributes of a user to change.

    Raises:
        Forbidden: Only the secret key may set some of them.
        TooLarge: The body is too long.
        Malformed: The body is not JSON.
        Invalid: Fields are unknown, missing or wrong.
    """
    patch = _parse(UserPatch, request)
    if not request.caller.has_key:
        names = patch.model_dump(exclude_unset=True, by_alias=True)
        refused = [name for name in names if name not in _OWN_FIELDS]
        if refused:
            raise Forbidden(f"Only the secret key may set {' and '.join(refused)}.")
    changes = patch.model_dump(exclude_unset=True)
    if "state" in changes:
        state = changes.pop("state")
        changes |= {"banned": state == UserState.BANNED, "locked": state == UserState.LOCKED}
    return cast("UserChanges", changes)


def new_upload(request: Request) -> tuple[str, NewUpload]:
    """The id of the user who will have a new upload, and the upload.

    Raises:
        Forbidden: A user names another one.
        TooLarge: The announced length is too large.
        Malformed: The body is not JSON.
        Invalid: Fields are unknown, missing or wrong.
    """
    caller = request.caller
    upload = _parse(NewUpload, request)
    user_id = _owner(caller, upload.user_id)
    if (upload.content_length or 0) > settings.MAX_UPLOAD_BYTES:
        raise TooLarge(f"A photo has at most {settings.MAX_UPLOAD_BYTES} bytes.")
    return user_id, upload


def new_crop(request: Request) -> crop.Crop | None:
    """The crop that an upload is to show, or None to leave that to the service.

    Raises:
        TooLarge: The body is too long.
        Malformed: The body is not JSON.
        Invalid: Fields are unknown, missing or wrong.
    """
    return domain_crop(_parse(UploadChanges, request).crop)


def domain_crop(wanted: NewCrop | None) -> crop.Crop | None:
    """A crop in the domain's terms."""
    return crop.Crop(wanted.x, wanted.y, wanted.size) if wanted else None


def new_picture(request: Request) -> str | None:
    """The id of the upload to set, or None to remove the custom picture.

    Raises:
        TooLarge: The body is too long.
        Malformed: The body is not JSON.
        Invalid: Fields are unknown, missing or wrong.
    """
    return _parse(NewPicture, request).upload_id


def _owner(caller: Caller, named: str | None) -> str:
    """The id of the user whose upload it will be; `named` is what the body says.

    Raises:
        Invalid: The caller holds the secret key, and nobody is named.
        Forbidden: A user names another one.
    """
    if caller.user_id is None:
        if named is None:
            raise Invalid(
                FieldProblem(
                    "userId", "missing", "must be given if the caller holds the secret key"
                )
            )
        return named
    if named not in (None, caller.user_id):
        require_key(caller)
    return caller.user_id


def _parse[Model: BaseModel](model: type[Model], request: Request) -> Model:
    """The body of a request.

    Raises:
        TooLarge: The body is too long.
        Malformed: The body is not JSON.
        Invalid: Fields are unknown, missing or wrong.
    """
    try:
        return model.model_validate_json(request.body(max_bytes=settings.MAX_JSON_BODY_BYTES))
    except ValidationError as error:
        details = error.errors(include_url=False, include_input=False)
        if details[0]["type"] == "json_invalid":
            raise Malformed("The body is not valid JSON.") from None
        raise Invalid(*map(_field_problem, details)) from None


def _field_problem(detail: ErrorDetails) -> FieldProblem:
    codes = {"missing": "missing", "extra_forbidden": "unknown_field"}
    return FieldProblem(
        field=".".join(map(str, detail["loc"])) or "body",
        code=codes.get(detail["type"], "invalid_value"),
        detail=_in_words(detail["type"], detail.get("ctx", {})),
    )


def _in_words(kind: str, limits: Mapping[str, Any]) -> str:
    """What is wrong with a value, in words for a person; those of pydantic are for developers."""
    if kind == "string_pattern_mismatch":
        return _PATTERNS.get(limits["pattern"], "has characters that are not allowed here")
    if kind == "value_error":
        return str(limits["error"])
    if kind.startswith(("datetime", "timezone")):
        return "must be a date and time with its zone, such as 2026-01-31T12:00:00Z"
    return _WORDS.get(kind, "is not a valid value").format_map(limits)
