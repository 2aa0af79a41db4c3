"""What Clerk's Backend API accepts as JSON; a body that fits is put into the domain's terms.

An attribute that the service does not have is refused by its name, unless it asks for nothing:
SDKs send some of them on their own, with null or false.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal, cast

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails, PydanticCustomError

from vignette import settings
from vignette.clerk.queries import UNKNOWN_PARAMETER
from vignette.domain import passwords, users
from vignette.domain.identifications import not_theirs
from vignette.domain.model import (
    Identification,
    IdentificationKind,
    Password,
    ProfileChanges,
    User,
    UserChanges,
)
from vignette.errors import FieldProblem, Invalid, Malformed
from vignette.http.api import Request
from vignette.http.fields import Email, ExternalId, Locale, Milliseconds, Name, Phone, Username

# From this version on metadata has routes of its own.
# https://clerk.com/docs/guides/development/upgrading/upgrade-guides/2026-05-12
_METADATA_APART = "2026-05-12"
_METADATA = ("public_metadata", "private_metadata", "unsafe_metadata")
_CLEARABLE = (
    "external_id",
    "first_name",
    "last_name",
    "username",
    "locale",
    "legal_accepted_at",
)
# Null leaves these as they are.
_NEVER_NULL = (
    "created_at",
    "delete_self_enabled",
    "create_organization_enabled",
    "banned",
    "locked",
)


def _nothing(value: object) -> None:
    """Accept only values that ask for nothing.

    Raises:
        PydanticCustomError: The value asks for something.
    """
    if value:
        raise PydanticCustomError("form_param_unknown", "")


def _none_if_blank(value: object) -> object:
    return None if isinstance(value, str) and not value.strip() else value


def _metadata(document: dict[str, Any]) -> dict[str, Any]:
    problem = _metadata_problem(document)
    if problem:
        raise PydanticCustomError(*problem)
    return document


type Nothing = Annotated[Any, AfterValidator(_nothing)]
type Flag = bool | None
type Metadata = Annotated[dict[str, Any], AfterValidator(_metadata)]
type Clearable[Text] = Annotated[Text | None, BeforeValidator(_none_if_blank)]
type Statuses = list[Literal["verified", "reserved"]]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, hide_input_in_errors=True)


class _Profile(_Body):
    """What a user is created with and updated with: absent is unchanged, null is cleared."""

    external_id: Clearable[ExternalId] = None
    first_name: Clearable[Name] = None
    last_name: Clearable[Name] = None
    username: Clearable[Username] = None
    locale: Clearable[Locale] = None
    legal_accepted_at: Milliseconds | None = None
    created_at: Milliseconds | None = None
    delete_self_enabled: Flag = None
    create_organization_enabled: Flag = None
    password: str | None = None
    password_digest: str | None = None
    password_hasher: str | None = None
    skip_password_checks: Flag = None
    skip_legal_checks: Flag = None  # there are none
    backup_codes: Nothing = None
    bypass_client_trust: Nothing = None
    create_organizations_limit: Nothing = None
    totp_secret: Nothing = None


class NewUser(_Profile):
    """`POST /users`."""

    email_address: Annotated[list[Email], Field(max_length=settings.MAX_IDENTIFICATIONS)] = []
    email_address_identification_status: Statuses = []
    phone_number: Annotated[list[Phone], Field(max_length=settings.MAX_IDENTIFICATIONS)] = []
    phone_number_identification_status: Statuses = []
    public_metadata: Metadata | None = None
    private_metadata: Metadata | None = None
    unsafe_metadata: Metadata | None = None
    banned: Flag = None
    locked: Flag = None
    skip_password_requirement: Flag = None  # a user needs no password
    skip_user_requirement: Flag = None  # nor an address
    web3_wallet: Nothing = None


class UserPatch(_Profile):
    """`PATCH /users/{user_id}`."""

    primary_email_address_id: str | None = None
    primary_phone_number_id: str | None = None
    primary_web3_wallet_id: str | None = None
    profile_image_id: str | None = None
    notify_primary_email_address_changed: Nothing = None
    sign_out_of_other_sessions: Nothing = None


class UserPatchWithMetadata(UserPatch):
    """`PATCH /users/{user_id}` as it was before metadata had routes of its own."""

    public_metadata: Metadata | None = None
    private_metadata: Metadata | None = None
    unsafe_metadata: Metadata | None = None


class NewMetadata(_Body):
    """`PUT /users/{user_id}/metadata`: null empties a document, as `{}` does."""

    public_metadata: Metadata | None = None
    private_metadata: Metadata | None = None
    unsafe_metadata: Metadata | None = None


class MetadataPatch(_Body):
    """`PATCH /users/{user_id}/metadata`."""

    public_metadata: dict[str, Any] = {}
    private_metadata: dict[str, Any] = {}
    unsafe_metadata: dict[str, Any] = {}


class _IdentificationChanges(_Body):
    verified: Flag = None
    primary: Flag = None


class EmailAddressChanges(_IdentificationChanges):
    """`PATCH /email_addresses/{email_address_id}`."""

    notify_primary_email_address_changed: Nothing = None


class PhoneNumberChanges(_IdentificationChanges):
    """`PATCH /phone_numbers/{phone_number_id}`."""

    reserved_for_second_factor: Nothing = None


class NewEmailAddress(EmailAddressChanges):
    """`POST /email_addresses`."""

    user_id: str
    email_address: Email


class NewPhoneNumber(PhoneNumberChanges):
    """`POST /phone_numbers`."""

    user_id: str
    phone_number: Phone


class GivenPassword(_Body):
    """`POST /users/{user_id}/verify_password`."""

    password: str


@dataclass(frozen=True, slots=True)
class NewIdentification:
    """An address or number to add to a user."""

    user_id: str
    value: str
    verified: bool
    primary: bool


def new_user(request: Request, user_id: str) -> User:
    """The user to create.

    Raises:
        Invalid: Parameters are unknown, missing or wrong.
        Malformed: The body is not a JSON object.
        TooLarge: The body is too long.
    """
    body = _parse(NewUser, request)
    user = users.blank(user_id)
    emails = _identifications(
        user.id, "email_address", body.email_address, body.email_address_identification_status
    )
    phones = _identifications(
        user.id, "phone_number", body.phone_number, body.phone_number_identification_status
    )
    return replace(users.changed(user, _attributes(body)), emails=emails, phones=phones)


def user_changes(request: Request) -> ProfileChanges:
    """What to change of a user.

    Raises:
        Invalid: Parameters are unknown, missing or wrong.
        Malformed: The body is not a JSON object.
        TooLarge: The body is too long.
    """
    metadata_apart = _api_version(request) >= _METADATA_APART
    body = _parse(UserPatch if metadata_apart else UserPatchWithMetadata, request)
    if body.primary_web3_wallet_id is not None:
        raise Invalid(not_theirs("primary_web3_wallet_id"))
    changes = cast("ProfileChanges", _attributes(body))
    if body.primary_email_address_id is not None:
        changes["primary_email"] = body.primary_email_address_id
    if body.primary_phone_number_id is not None:
        changes["primary_phone"] = body.primary_phone_number_id
    if "profile_image_id" in body.model_fields_set:
        changes["picture"] = body.profile_image_id
    return changes


def new_metadata(request: Request) -> UserChanges:
    """Metadata that replaces what is there, each kind as a whole.

    Raises:
        Invalid: Parameters are unknown, missing or wrong.
        Malformed: The body is not a JSON object.
        TooLarge: The body is too long.
    """
    given = _parse(NewMetadata, request).model_dump(exclude_unset=True)
    return cast("UserChanges", {name: document or {} for name, document in given.items()})


def metadata_patch(request: Request) -> Callable[[User], User]:
    """A change that merges metadata into a user's: deeply, and null removes a key.

    Raises:
        Invalid: Parameters are unknown, missing or wrong.
        Malformed: The body is not a JSON object.
        TooLarge: The body is too long.
    """
    patches = _parse(MetadataPatch, request).model_dump(exclude_unset=True)

    def change(user: User) -> User:
        documents = {name: _merged(getattr(user, name), patch) for name, patch in patches.items()}
        found = {name: _metadata_problem(document) for name, document in documents.items()}
        problems = [FieldProblem(name, *problem) for name, problem in found.items() if problem]
        if problems:
            raise Invalid(*problems)
        return users.changed(user, cast("UserChanges", documents))

    return change


def new_identification(request: Request, kind: IdentificationKind) -> NewIdentification:
    """The address or number to add, and the id of its user.

    Raises:
        Invalid: Parameters are unknown, missing or wrong.
        Malformed: The body is not a JSON object.
        TooLarge: The body is too long.
    """
    body: NewEmailAddress | NewPhoneNumber
    if kind == IdentificationKind.EMAIL:
        body = _parse(NewEmailAddress, request)
        value = body.email_address
    else:
        body = _parse(NewPhoneNumber, request)
        value = body.phone_number
    return NewIdentification(body.user_id, value, bool(body.verified), bool(body.primary))


def identification_changes(request: Request, kind: IdentificationKind) -> tuple[bool | None, bool]:
    """Whether to mark an address or number as verified, None for no change, and as primary.

    Raises:
        Invalid: Parameters are unknown, missing or wrong.
        Malformed: The body is not a JSON object.
        TooLarge: The body is too long.
    """
    model = EmailAddressChanges if kind == IdentificationKind.EMAIL else PhoneNumberChanges
    body: _IdentificationChanges = _parse(model, request)
    return body.verified, bool(body.primary)


def given_password(request: Request) -> str:
    """The password to verify.

    Raises:
        Invalid: Parameters are unknown, missing or wrong.
        Malformed: The body is not a JSON object.
        TooLarge: The body is too long.
    """
    return _parse(GivenPassword, request).password


def _api_version(request: Request) -> str:
    """The version of Clerk's API that the client speaks; the oldest has no name."""
    in_query = dict(request.query).get("__clerk_api_version", "")
    return request.headers.get("clerk-api-version", in_query)


def _attributes(body: _Profile) -> UserChanges:
    """Attributes of a user, by the names they have in the domain too."""
    given = body.model_dump(exclude_unset=True)
    attributes = {name: given[name] for name in _CLEARABLE if name in given}
    attributes |= {name: given[name] for name in _NEVER_NULL if given.get(name) is not None}
    attributes |= {name: given[name] or {} for name in _METADATA if name in given}
    changes = cast("UserChanges", attributes)
    password = _password(body)
    if password:
        changes["password"] = password
    return changes


def _password(body: _Profile) -> Password | None:
    """The password that a user is to have, given as it is or as a digest, or None.

    Raises:
        Invalid: It is too short or too long, or the digest cannot be used.
    """
    hasher, digest, password = body.password_hasher, body.password_digest, body.password
    if digest is None and hasher is not None:
        raise Invalid(_required("password_digest", "is required when `password_hasher` is present"))
    if digest is not None:
        if password is not None:
            code, detail = (
                "form_conditional_param_disallowed",
                "isn't allowed when `password` is present",
            )
            raise Invalid(FieldProblem("password_digest", code, detail))
        if hasher is None:
            raise Invalid(
                _required("password_hasher", "is required when `password_digest` is present")
            )
        if hasher not in passwords.HASHERS:
            names = ", ".join(passwords.HASHERS)
            detail = f"must be one of {names}"
            raise Invalid(FieldProblem("password_hasher", "form_param_value_invalid", detail))
        try:
            return passwords.imported(hasher, digest)
        except passwords.UnacceptableDigest:
            code, detail = "form_password_digest_invalid_code", f"is not a valid {hasher} digest"
            raise Invalid(FieldProblem("password_digest", code, detail)) from None
    if password is None:
        return None
    least = 1 if body.skip_password_checks else settings.MIN_PASSWORD_CHARACTERS
    if len(password) < least:
        code, detail = "form_password_length_too_short", f"must have {least} characters or more"
        raise Invalid(FieldProblem("password", code, detail))
    most = settings.MAX_PASSWORD_CHARACTERS
    if len(password) > most:
        code, detail = "form_password_length_too_long", f"must have at most {most} characters"
        raise Invalid(FieldProblem("password", code, detail))
    return passwords.hashed(password)


def _required(parameter: str, detail: str) -> FieldProblem:
    return FieldProblem(parameter, "form_conditional_param_missing", detail)


def _identifications(
    user_id: str, parameter: str, values: Sequence[str], statuses: Sequence[str]
) -> tuple[Identification, ...]:
    """The addresses or numbers of a new user, verified unless `statuses` says otherwise.

    Raises:
        Invalid: A value is there twice, or there is not one status for each.
    """
    if len({value.lower() for value in values}) < len(values):
        raise Invalid(FieldProblem(parameter, "form_param_duplicate", "has a value twice"))
    if statuses and len(statuses) != len(values):
        code, detail = "form_param_array_length_mismatch", f"must have an item for each {parameter}"
        raise Invalid(FieldProblem(f"{parameter}_identification_status", code, detail))
    return tuple(
        users.identification(user_id, value, verified=status == "verified")
        for value, status in zip(values, statuses or ["verified"] * len(values), strict=True)
    )


def _merged(document: Mapping[str, Any], patch: Mapping[str, Any]) -> dict[str, Any]:
    """RFC 7396, the JSON merge patch, of one object onto another."""
    result = dict(document)
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        elif isinstance(value, dict):
            before = result.get(key)
            result[key] = _merged(before if isinstance(before, dict) else {}, value)
        else:
            result[key] = value
    return result


def _metadata_problem(document: Mapping[str, Any]) -> tuple[Any, Any] | None:
    """Why a document cannot be kept: a code and words for it, or None."""
    try:
        text = json.dumps(document, allow_nan=False, ensure_ascii=False, separators=(",", ":"))
    except ValueError:
        return "form_param_value_invalid", "has a number that JSON does not have"
    if len(text.encode()) > settings.MAX_METADATA_BYTES:
        most = f"must have at most {settings.MAX_METADATA_BYTES} bytes as JSON"
        return "form_param_exceeds_allowed_size", most
    return None


def _parse[Model: BaseModel](model: type[Model], request: Request) -> Model:
    """The body of a request.

    Raises:
        Invalid: Parameters are unknown, missing or wrong.
        Malformed: The body is not a JSON object.
        TooLarge: The body is too long.
    """
    body = request.body(max_bytes=settings.MAX_JSON_BODY_BYTES)
    try:
        return model.model_validate_json(body or b"{}")
    except ValidationError as error:
        details = error.errors(include_url=False, include_context=False, include_input=False)
        if not details[0]["loc"]:
            raise Malformed("The body must be a JSON object.") from None
        raise Invalid(*map(_field_problem, details)) from None


# Codes and messages by pydantic's type of an error, or by the parameter.
_PROBLEMS = {
    "extra_forbidden": UNKNOWN_PARAMETER,
    "form_param_unknown": UNKNOWN_PARAMETER,
    "missing": ("form_param_missing", "must be included"),
}
_FORMATS = {
    "email_address": ("form_param_format_invalid", "must be a valid email address"),
    "phone_number": (
        "form_param_format_invalid",
        "must be a valid phone number in the form of E.164, as +15555550100",
    ),
    "locale": ("form_param_format_invalid", "must be a valid BCP 47 language tag"),
    "username": (
        "form_username_invalid_character",
        "must have 1 to 64 letters, digits, dots, dashes and underscores",
    ),
    "created_at": ("form_param_invalid_time", "must be a date and time in the form of RFC 3339"),
    "legal_accepted_at": (
        "form_param_invalid_time",
        "must be a date and time in the form of RFC 3339",
    ),
}
_CODES = {
    "string_too_long": "form_param_max_length_exceeded",
    "string_too_short": "form_param_min_length_exceeded",
    "too_long": "form_param_array_size_exceeded",
    "string_pattern_mismatch": "form_param_format_invalid",
    "value_error": "form_param_format_invalid",
}


def _field_problem(detail: ErrorDetails) -> FieldProblem:
    parameter, kind = str(detail["loc"][0]), detail["type"]
    if kind in _PROBLEMS:
        return FieldProblem(parameter, *_PROBLEMS[kind])
    words = detail["msg"]
    if kind.startswith("form_"):
        return FieldProblem(parameter, kind, words)
    is_type = kind.endswith("_type")
    if parameter in _FORMATS and not is_type and kind != "too_long":
        return FieldProblem(parameter, *_FORMATS[parameter])
    if kind == "value_error":  # in the words of `fields`
        return FieldProblem(parameter, _CODES[kind], words.removeprefix("Value error, "))
    code = "form_param_type_invalid" if is_type else _CODES.get(kind, "form_param_value_invalid")
    return FieldProblem(parameter, code, f"is invalid: {words[:1].lower()}{words[1:]}")
