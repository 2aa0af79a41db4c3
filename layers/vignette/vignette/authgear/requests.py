"""What Authgear's Admin API accepts as a user's standard attributes: OpenID Connect's claims.

They are sent as a whole and take the place of what was there. The rules for each are those of
Authgear (`pkg/lib/authn/stdattrs` and `pkg/util/validation`).
"""

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import date
from typing import Any
from urllib.parse import SplitResult, urlsplit
from zoneinfo import ZoneInfo

from vignette import settings
from vignette.authgear.errors import Cause, UnusablePicture, ValidationFailed
from vignette.domain import pictures
from vignette.domain.ids import is_upload_id
from vignette.domain.profiles import Profile
from vignette.http import characters

type Attributes = Mapping[str, Any]

# Answered, but derived from other values: they are ignored in requests.
_DERIVED = frozenset({"email_verified", "phone_number_verified", "updated_at"})
_UNIQUE_VALUES = frozenset({"email", "phone_number", "preferred_username"})
# Attributes that are fields of every user.
_FIELDS = frozenset({"given_name", "family_name", "locale"})
# Attributes that only this API has.
_OTHERS = frozenset(
    {
        "name",
        "middle_name",
        "nickname",
        "profile",
        "website",
        "gender",
        "birthdate",
        "zoneinfo",
        "address",
    }
)
_NAMES = _UNIQUE_VALUES | _FIELDS | _OTHERS | {"picture"}
_DISPLAY_NAMES = {"name", "given_name", "family_name", "middle_name", "nickname"}
_ADDRESS_PARTS = frozenset(
    {"formatted", "street_address", "locality", "region", "postal_code", "country"}
)
# RFC 5646 (BCP 47), with the capitals of its section 2.1.1: language, script, region, variants,
# extensions, private use.
_LOCALE = re.compile(
    r"[a-z]{2,3}(-[A-Z][a-z]{3})?(-([A-Z]{2}|[0-9]{3}))?(-([a-z0-9]{5,8}|[0-9][a-z0-9]{3}))*"
    r"(-[0-9a-wy-z](-[a-z0-9]{2,8})+)*(-x(-[a-z0-9]{1,8})+)?|x(-[a-z0-9]{1,8})+"
)
# OpenID Connect Core 1.0, section 5.1: a date, one of an unknown year, or only the year.
_BIRTHDATE = re.compile(r"([0-9]{4}|-)-([0-9]{2})-([0-9]{2})|[0-9]{4}")
_LEAP_YEAR = "2000"


def profile(standard: Attributes, origin: str) -> Profile:
    """The profile that standard attributes describe; `origin` is the service's own.

    Raises:
        ValidationFailed: Attributes are unknown or wrong, each one named, or `picture` is not
            of this app.
    """
    wanted = _validated(standard)
    upload_id, url = _picture(wanted.get("picture"), origin)
    return Profile(
        first_name=wanted.get("given_name"),
        last_name=wanted.get("family_name"),
        locale=wanted.get("locale"),
        email=wanted.get("email"),
        phone=wanted.get("phone_number"),
        username=wanted.get("preferred_username"),
        attributes={name: value for name, value in wanted.items() if name in _OTHERS and value},
        picture=upload_id,
        provider_picture_url=url,
    )


def _picture(value: str | None, origin: str) -> tuple[str | None, str | None]:
    """The upload that a valid `picture` names, or its address if it is somewhere else.

    Raises:
        UnusablePicture: It is an object of another app.
    """
    if value is None:
        return None, None
    parts = urlsplit(value)
    path = parts.path.split("/")[1:]
    if parts.scheme != "authgearimages":
        upload_id = pictures.upload_at(value, origin)
        if upload_id:
            return upload_id, None
        if not pictures.is_public_address(value, origin) or path[:1] != ["_images"]:
            return None, value
        path = path[1:3]
    match path:
        case [app_id, object_id] if app_id == settings.admin_api_app_id() and is_upload_id(
            object_id
        ):
            return object_id, None
        case [app_id, *_] if app_id != settings.admin_api_app_id():
            raise UnusablePicture("the image belongs to another app")
    raise UnusablePicture("there is no such image")


def _validated(standard: Attributes) -> Attributes:
    """The attributes without those that are derived.

    Raises:
        ValidationFailed: Some are unknown or wrong; it names each.
    """
    wanted = {name: value for name, value in standard.items() if name not in _DERIVED}
    causes = [cause for name, value in wanted.items() for cause in _causes(name, value)]
    if causes:
        raise ValidationFailed(*causes)
    return wanted


def _causes(name: str, value: object) -> Iterator[Cause]:
    if name not in _NAMES:
        yield Cause(f"/{name}", "general", {"msg": "is not a standard attribute"})
    elif name == "address":
        yield from _address_causes(value)
    elif not isinstance(value, str):
        yield _wrong_type(f"/{name}", "string", value)
    elif name in _FORMATS:
        format_name, check = _FORMATS[name]
        error = check(value)
        if error:
            yield Cause(f"/{name}", "format", {"format": format_name, "error": error})
    elif not value:
        yield _too_short(f"/{name}")
    elif name in _DISPLAY_NAMES and not characters.is_name(value):
        yield Cause(f"/{name}", "general", {"msg": characters.RULE})


def _address_causes(address: object) -> Iterator[Cause]:
    if not isinstance(address, Mapping):
        yield _wrong_type("/address", "object", address)
        return
    for part, value in address.items():
        location = f"/address/{part}"
        if part not in _ADDRESS_PARTS:
            yield Cause(location, "general", {"msg": "is not a part of an address"})
        elif not isinstance(value, str):
            yield _wrong_type(location, "string", value)
        elif not value:
            yield _too_short(location)


def _wrong_type(location: str, expected: str, value: object) -> Cause:
    names = {bool: "boolean", dict: "object", list: "array", str: "string", type(None): "null"}
    actual = names.get(type(value), "number")
    return Cause(location, "type", {"expected": [expected], "actual": [actual]})


def _too_short(location: str) -> Cause:
    return Cause(location, "minLength", {"expected": 1, "actual": 0})


def _uri_error(value: str) -> str | None:
    parts = _split(value)
    if parts is None or not parts.scheme or not parts.netloc:
        return "input URL must be absolute"
    if parts.scheme not in ("http", "https"):  # applications make a link of it
        return f"invalid scheme: {parts.scheme}"
    return _path_error(parts.path)


def _picture_error(value: str) -> str | None:
    parts = _split(value)
    if parts is not None and parts.scheme in ("http", "https"):
        return _uri_error(value)
    if parts is None or parts.scheme != "authgearimages":
        return f"invalid scheme: {parts.scheme if parts else ''}"
    if parts.netloc:
        return "authgearimages URI does not have host"
    return _path_error(parts.path)


def _split(value: str) -> SplitResult | None:
    """The parts of a URI, or None for what cannot be one: RFC 3986 has no spaces in it."""
    if any(character <= " " or character == "\x7f" for character in value):
        return None
    try:
        return urlsplit(value)
    except ValueError:
        return None


def _path_error(path: str) -> str | None:
    """What is wrong with a path: it must not have dot segments or empty ones."""
    segments = path.split("/")[1:]
    if any(segment in (".", "..") for segment in segments) or "" in segments[:-1]:
        return f"invalid path: {path}"
    return None


def _birthdate_error(value: str) -> str | None:
    found = _BIRTHDATE.fullmatch(value)
    if found and found[2]:
        year = _LEAP_YEAR if found[1] in ("-", "0000") else found[1]
        try:
            date.fromisoformat(f"{year}-{found[2]}-{found[3]}")
        except ValueError:
            found = None
    return None if found else "must be YYYY-MM-DD, 0000-MM-DD, --MM-DD or YYYY"


def _timezone_error(value: str) -> str | None:
    if "/" not in value:
        return "valid timezone name has at least 1 slash"
    try:
        ZoneInfo(value)
    except (KeyError, ValueError, OSError):  # unknown, no name, or a directory
        return "invalid timezone name"
    return None


def _locale_error(value: str) -> str | None:
    return None if _LOCALE.fullmatch(value) else "invalid or non-canonical BCP 47 tag"


_FORMATS: dict[str, tuple[str, Callable[[str], str | None]]] = {
    "picture": ("x_picture", _picture_error),
    "profile": ("uri", _uri_error),
    "website": ("uri", _uri_error),
    "birthdate": ("birthdate", _birthdate_error),
    "zoneinfo": ("timezone", _timezone_error),
    "locale": ("bcp47", _locale_error),
}
