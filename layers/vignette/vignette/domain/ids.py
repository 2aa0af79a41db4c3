"""Identifiers, and the table and object keys that are derived from them and from nothing else."""

import base64
import hashlib
import json
import re
from collections.abc import Sequence
from typing import Any
from uuid import NAMESPACE_OID, uuid4, uuid5

from vignette.errors import NotFound

_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
USER_ID = re.compile(r"[A-Za-z0-9._~:@|+=,-]{1,255}")
# Path segments with a meaning of their own (RFC 3986, section 3.3), and the route `/users/count`.
_PATH_SEGMENTS = frozenset({".", "..", "count"})
_IDENTIFICATION = re.compile(r"idn_([A-Za-z0-9_-]{2,340})[0-9a-f]{8}")
_ORIGINALS = "uploads/"
RENDITIONS = "renditions/"
_RENDITION = re.compile(rf"{RENDITIONS}({_UUID.pattern})/[^/]+/[^/]+")
_USED = "used/"
WHOLE = "whole"
PREVIEW = "preview"


def new_id() -> str:
    """A new identifier: a random UUID (RFC 9562, version 4)."""
    return str(uuid4())


def derived_id(*parts: str | None) -> str:
    """The identifier that the same parts always have (RFC 9562, version 5)."""
    return str(uuid5(NAMESPACE_OID, json.dumps(parts)))


def is_upload_id(text: str) -> bool:
    """Whether a text has the form of an upload's id: a UUID."""
    return _UUID.fullmatch(text) is not None


def is_user_id(text: str) -> bool:
    """Whether a text has the form of a user's id: what issuers of tokens put into `sub`."""
    return USER_ID.fullmatch(text) is not None and text not in _PATH_SEGMENTS


def loggable(any_id: str, *, is_there: bool = True) -> str:
    """An id as it may be logged: as a hash, unless it tells nothing of a person.

    A UUID tells nothing. Any other id may be an e-mail address or a phone number. If it is not sure
    that something with this id `is_there`, it may be any text. The id of an address or number
    contains the user's, which is logged then.
    """
    user_id = user_of_identification(any_id) or any_id
    is_address = not is_user_id(user_id) or "@" in user_id or user_id.startswith("+")
    is_plain = is_upload_id(user_id) or (is_there and not is_address)
    return user_id if is_plain else _hash(user_id)


def identification_id(user_id: str, seed: str) -> str:
    """The id of an address or number; it contains the user's, so that it needs no index.

    `seed` is a UUID; the same one gives the same id.
    """
    encoded = base64.urlsafe_b64encode(user_id.encode()).decode().rstrip("=")
    return f"idn_{encoded}{seed[:8]}"


def user_of_identification(identification_id: str) -> str | None:
    """The id of the user in the id of an address or number, or None if there is none."""
    found = _IDENTIFICATION.fullmatch(identification_id)
    if not found:
        return None
    try:
        user_id = base64.urlsafe_b64decode(found[1] + "=" * (-len(found[1]) % 4)).decode()
    except ValueError:
        return None
    return user_id if is_user_id(user_id) else None


def deleted_user_key(user_id: str) -> dict[str, Any]:
    """Key of the mark, in the users table, that a user was deleted."""
    return {"pk": f"deleted#{_hash(user_id)}"}


def user_key(user_id: str) -> dict[str, Any]:
    """Key of a user in the users table.

    Raises:
        NotFound: It cannot be an id of a user.
    """
    if not is_user_id(user_id):
        raise NotFound("user")
    return {"pk": f"user#{user_id}"}


def upload_key(upload_id: str) -> dict[str, Any]:
    """Key of a record in the uploads table.

    Raises:
        NotFound: It cannot be an id of an upload.
    """
    if not is_upload_id(upload_id):
        raise NotFound("upload")
    return {"id": upload_id}


def original_object_key(upload_id: str) -> str:
    """Object key that the photo of an upload is sent to."""
    return f"{_ORIGINALS}{upload_id}"


def upload_of_original(object_key: str) -> str | None:
    """The upload whose photo is at an object key, or None if it is not a key of that kind."""
    upload_id = object_key.removeprefix(_ORIGINALS)
    if upload_id == object_key or not is_upload_id(upload_id):
        return None
    return upload_id


def renditions_prefix(upload_id: str) -> str:
    """Prefix of the object keys of all renditions ever made for an upload."""
    return f"{RENDITIONS}{upload_id}/"


def rendition_object_key(upload_id: str, digest: str, name: int | str) -> str:
    """Object key of one rendition; `digest` tells apart different photos of one upload.

    `name` is the size of a square one in pixels, `WHOLE` or `PREVIEW`.
    """
    return f"{renditions_prefix(upload_id)}{digest}/{name}.webp"


def upload_of_rendition(object_key: str) -> str | None:
    """The upload that a rendition's object key is of, or None if it is not a key of that kind."""
    found = _RENDITION.fullmatch(object_key)
    return found[1] if found else None


def used_mark_key(upload_id: str) -> dict[str, Any]:
    """Key of the mark, in the uploads table, that an upload's address has taken its photo."""
    return {"id": f"{_USED}{upload_key(upload_id)['id']}"}


def nearest(sizes: Sequence[int], wanted: int) -> int:
    """The smallest of some sizes that is at least `wanted`, else the largest."""
    return min((size for size in sizes if size >= wanted), default=max(sizes))


def _hash(user_id: str) -> str:
    return hashlib.sha256(user_id.encode()).hexdigest()
