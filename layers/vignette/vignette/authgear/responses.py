"""What Authgear's Admin API says of a user: OpenID Connect's claims, and names to show.

The rules are those of Authgear (`pkg/lib/authn/stdattrs`).
"""

import unicodedata
from typing import Any

from vignette import settings
from vignette.authgear.addresses import image_path
from vignette.domain import pictures
from vignette.domain.model import User

_EAST_ASIAN = ("CJK", "HIRAGANA", "KATAKANA", "HANGUL")


def standard_attributes(user: User, origin: str) -> dict[str, Any]:
    """A user's standard attributes; `origin` is the service's own scheme and host."""
    attributes = dict(user.attributes)
    attributes |= {
        "given_name": user.first_name,
        "family_name": user.last_name,
        "locale": user.locale,
        "preferred_username": user.username,
    }
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
    """The address, username or number that names a user where there is room for one."""
    if user.email:
        return user.email.value
    return user.username or (user.phone.value if user.phone else None)


def _picture_url(user: User, origin: str) -> str | None:
    if user.picture is None:
        return user.provider_picture_url
    if not settings.public_pictures():
        return pictures.avatar_url(user, origin)
    return f"{pictures.public_root(origin)}{image_path(user.picture.upload_id)}/profile"


def _is_east_asian(parts: list[str]) -> bool:
    letters = [letter for part in parts for letter in part if letter.isalpha()]
    return bool(letters) and all(
        unicodedata.name(letter, "").startswith(_EAST_ASIAN) for letter in letters
    )
