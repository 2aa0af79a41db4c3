"""Standard attributes: OpenID Connect's claims about a user, shown and replaced as a whole.

The rules for each are those of Authgear (`pkg/lib/authn/stdattrs` and `pkg/util/validation`).
"""

import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import Any
from urllib.parse import SplitResult, urlsplit
from zoneinfo import ZoneInfo

from vignette import settings
from vignette.authgear.addresses import image_path
from vignette.authgear.errors import ApiError, Cause, validation_failed
from vignette.domain import pictures, users
from vignette.domain.ids import is_upload_id
from vignette.domain.model import Identification, User
from vignette.errors import (
    NotFound,
    UploadInUse,
    UploadNotReady,
    UploadWrongKind,
    UploadWrongScope,
)
from vignette.http import characters

type Attributes = Mapping[str, Any]

# Shown, but what they say follows from something else, so they are ignored where they are sent.
_DERIVED = frozenset({"email_verified", "phone_number_verified", "updated_at"})
_IDENTITIES = frozenset({"email", "phone_number", "preferred_username"})
# Attributes that are fields of every user.
_FIELDS = {"given_name": "first_name", "family_name": "last_name", "locale": "locale"}
# Attributes that only this API has.
_OTHERS = frozenset({"name", "middle_name", "nickname", "profile", "website", "gender"}) | {
    "birthdate",
    "zoneinfo",
    "address",
}
_NAMES = _IDENTITIES | _FIELDS.keys() | _OTHERS | {"picture"}
_DISPLAY_NAMES = {"name", "given_name", "family_name", "middle_name", "nickname"}
_HIDDEN = re.compile(characters.HIDDEN)
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
_EAST_ASIAN = ("CJK", "HIRAGANA", "KATAKANA", "HANGUL")


@dataclass(frozen=True, slots=True)
class PictureReference:
    """What `picture` names: an object of this service, an address elsewhere, or nothing."""

    object_id: str | None = None
    url: str | None = None


def shown(user: User, origin: str) -> dict[str, Any]:
    """A user's standard attributes; `origin` is the service's own scheme and host."""
    attributes = dict(user.attributes)
    attributes |= {name: getattr(user, field) for name, field in _FIELDS.items()}
    attributes["preferred_username"] = user.username
    attributes["picture"] = _picture_url(user, origin)
    if user.email:
        attributes |= {"email": user.email.value, "email_verified": user.email.verified}
    if user.phone:
        attributes |= {
            "phone_number": user.phone.value,
            "phone_number_verified": user.phone.verified,
        }
    attributes["updated_at"] = user.updated_at // 1000
    return {name: value for name, value in attributes.items() if value not in (None, "")}


def formatted_name(user: User) -> str | None:
    """A user's name for display, with the nickname in brackets.

    Without a `name` it is put together, the family name first and without spaces where all of
    it is written in Chinese, Japanese or Korean.
    """
    name, nickname = user.attributes.get("name"), user.attributes.get("nickname")
    if not name:
        parts = [user.first_name, user.attributes.get("middle_name"), user.last_name]
        written = [part for part in parts if part]
        name = "".join(reversed(written)) if _is_east_asian(written) else " ".join(written)
    if name and nickname:
        return f"{name} ({nickname})"
    return name or nickname or None


def account_id(user: User) -> str | None:
    """The identity that a user is shown by where there is room for one."""
    if user.email:
        return user.email.value
    return user.username or (user.phone.value if user.phone else None)


def update(
    user_id: str, *, standard: Attributes | None, custom: Attributes | None, origin: str
) -> User:
    """Replace a user's standard attributes, custom attributes, or both; None leaves them.

    All of it happens or nothing. Raises `ApiError`, `NotFound` and `Unavailable`.
    """
    if standard is None:
        return users.update(user_id, {} if custom is None else {"custom_attributes": custom})
    wanted = _validated(standard)
    picture = _picture(wanted.get("picture"), origin)

    def change(user: User) -> User:
        user = _replaced(user, wanted, picture)
        return user if custom is None else replace(user, custom_attributes=custom)

    if picture.object_id is None:
        return pictures.remove_picture(user_id, change=change)
    try:
        return pictures.set_picture(
            user_id, picture.object_id, change=change, may_have_no_owner=True
        )
    except (UploadInUse, UploadNotReady, UploadWrongKind, UploadWrongScope) as error:
        raise _unusable_picture(error.detail) from None
    except NotFound as error:
        if error.code == "user_not_found":
            raise
        raise _unusable_picture("there is no such image for this user") from None


def _replaced(user: User, wanted: Attributes, picture: PictureReference) -> User:
    """The user with these standard attributes and no others, but for a custom picture."""
    username = wanted.get("preferred_username")
    if username is not None and username.lower() != (user.username or "").lower():
        raise _unowned("preferred_username")
    fields: dict[str, Any] = {field: wanted.get(name) for name, field in _FIELDS.items()}
    return replace(
        user,
        **fields,
        emails=_chosen("email", user.emails, wanted),
        phones=_chosen("phone_number", user.phones, wanted),
        provider_picture_url=user.provider_picture_url if picture.object_id else picture.url,
        attributes={name: value for name, value in wanted.items() if name in _OTHERS and value},
    )


def _chosen(
    name: str, identities: tuple[Identification, ...], wanted: Attributes
) -> tuple[Identification, ...]:
    """A user's identities with the wanted one first; the first stays where none is named."""
    value = wanted.get(name)
    if value is None:
        return identities
    first = next((each for each in identities if each.value.lower() == value.lower()), None)
    if first is None:
        raise _unowned(name)
    return (first, *(each for each in identities if each is not first))


def _unowned(name: str) -> ApiError:
    return validation_failed(
        Cause(f"/{name}", "general", {"msg": "is not an identity of the user"})
    )


def _unusable_picture(reason: str) -> ApiError:
    return validation_failed(Cause("/picture", "format", {"format": "x_picture", "error": reason}))


def _picture(value: str | None, origin: str) -> PictureReference:
    """What a valid `picture` names. Raises `ApiError` for an object of another app."""
    if value is None:
        return PictureReference()
    parts = urlsplit(value)
    path = parts.path.split("/")[1:]
    if parts.scheme != "authgearimages":
        upload_id = pictures.upload_at(value, origin)
        if upload_id:
            return PictureReference(object_id=upload_id)
        if not pictures.is_public_address(value, origin) or path[:1] != ["_images"]:
            return PictureReference(url=value)
        path = path[1:3]
    match path:
        case [app_id, object_id] if app_id == settings.admin_api_app_id() and is_upload_id(
            object_id
        ):
            return PictureReference(object_id=object_id)
        case [app_id, *_] if app_id != settings.admin_api_app_id():
            raise _unusable_picture("the image belongs to another app")
    raise _unusable_picture("there is no such image")


def _picture_url(user: User, origin: str) -> str | None:
    if user.picture is None:
        return user.provider_picture_url
    if not settings.public_pictures():
        return pictures.avatar_url(user, origin)
    return f"{pictures.public_root(origin)}{image_path(user.picture.upload_id)}/profile"


def _validated(standard: Attributes) -> Attributes:
    """The attributes without those that are derived. Raises `ApiError` with all that is wrong."""
    wanted = {name: value for name, value in standard.items() if name not in _DERIVED}
    causes = [cause for name, value in wanted.items() for cause in _causes(name, value)]
    if causes:
        raise validation_failed(*causes)
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
    elif name in _DISPLAY_NAMES and _HIDDEN.search(value):
        yield Cause(f"/{name}", "general", {"msg": "has characters that cannot be seen"})


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
    if parts.scheme not in ("http", "https"):  # it ends as a link on somebody's page
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
    """A path has to be in the form that removing dot segments and empty ones leaves it in."""
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
    except (KeyError, ValueError, OSError):  # unknown, not a name, a folder of names
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


def _is_east_asian(parts: list[str]) -> bool:
    letters = [letter for part in parts for letter in part if letter.isalpha()]
    return bool(letters) and all(
        unicodedata.name(letter, "").startswith(_EAST_ASIAN) for letter in letters
    )
