"""Formats of single attributes, the same in every wire format; for pydantic models."""

from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    AwareDatetime,
    PlainSerializer,
    StringConstraints,
    TypeAdapter,
    ValidationError,
    WithJsonSchema,
)
from pydantic_core import Url

from vignette.domain.ids import USER_ID, is_user_id
from vignette.http import characters

# The addresses that HTML accepts in <input type=email> (WHATWG HTML, "E-mail state"), which
# leaves out the quoted forms of RFC 5322 that nobody uses; 254 is the limit of RFC 5321.
EMAIL = (
    r"^[a-zA-Z0-9.!#$%&'*+/=?^_`{|}~-]+@[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?"
    r"(?:\.[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?)*$"
)
_PRINTABLE = r"^[^\x00-\x1f\x7f]*$"
_NAME = {"type": "string", "minLength": 1, "maxLength": 256, "pattern": characters.PATTERN}
# What JSON Schema can say of a web address.
_WEB_ADDRESS = {"type": "string", "format": "uri", "pattern": "^https?://", "maxLength": 2048}


def _web_address(value: str) -> str:
    """The value itself, if it is an http or https URL: what was sent is stored.

    Raises:
        ValueError: It is not.
    """
    try:
        scheme = Url(value).scheme
    except ValueError:  # its message is for developers
        scheme = None
    if scheme not in ("http", "https"):
        raise ValueError("must be an http or https URL")
    return value


def _name(value: str) -> str:
    """The value itself, if it can be shown as a name.

    Raises:
        ValueError: It cannot.
    """
    if not characters.is_name(value):
        raise ValueError(characters.RULE)
    return value


def _user_id(value: str) -> str:
    """The value itself, if it has the form of a user's id.

    Raises:
        ValueError: It has not.
    """
    if not is_user_id(value):
        raise ValueError("must have 1 to 255 letters, digits and . _ ~ : @ | + = , -")
    return value


def _in_utc(moment: datetime) -> datetime:
    """The moment in UTC.

    Raises:
        ValueError: The calendar does not reach that far: it has the years 1 to 9999.
    """
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("must be in the years 1 to 9999") from None


Email = Annotated[str, StringConstraints(pattern=EMAIL, max_length=254)]
# E.164: a plus sign and at most 15 digits, the first of them not 0.
Phone = Annotated[str, StringConstraints(pattern=r"^\+[1-9][0-9]{1,14}$")]
Name = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=256),
    AfterValidator(_name),
    WithJsonSchema(_NAME),
]
# The rule is that of `domain.ids`; the pattern is for the OpenAPI document.
UserId = Annotated[
    str,
    AfterValidator(_user_id),
    WithJsonSchema({"type": "string", "pattern": f"^{USER_ID.pattern}$"}),
]
USERNAME = r"^[A-Za-z0-9_.-]{1,64}$"
Username = Annotated[str, StringConstraints(pattern=USERNAME)]
ExternalId = Annotated[str, StringConstraints(min_length=1, max_length=256, pattern=_PRINTABLE)]
# RFC 5646 (BCP 47), well-formed: subtags of letters and digits, a language first.
Locale = Annotated[
    str, StringConstraints(pattern=r"^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*$", max_length=64)
]
# The characters of RFC 3986 (section 2). Parsers drop or encode all others, but the address is
# stored as it was sent.
WebAddress = Annotated[
    str,
    StringConstraints(max_length=2048, pattern=r"^[A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=%-]*$"),
    AfterValidator(_web_address),
    WithJsonSchema(_WEB_ADDRESS),
]
# RFC 3339 in, milliseconds since the epoch out.
Milliseconds = Annotated[
    AwareDatetime,
    AfterValidator(_in_utc),
    PlainSerializer(lambda moment: int(moment.timestamp() * 1000)),
]


def fitting(field: Any, value: object) -> str | None:  # noqa: ANN401  (an annotated type)
    """A value as a field of this kind has it, or None if it does not fit."""
    adapter: TypeAdapter[str] = TypeAdapter(field)
    try:
        return adapter.validate_python(value)
    except ValidationError:
        return None
