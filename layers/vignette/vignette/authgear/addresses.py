"""Where pictures are, and signed addresses that take one, like Authgear's."""

import time
from collections.abc import Sequence
from datetime import UTC, datetime
from urllib.parse import urlencode

from vignette import settings
from vignette.authgear.errors import ApiError
from vignette.http import access

_PURPOSE = "authgear image upload"
_DATE = "x-authgear-date"
_EXPIRES = "x-authgear-expires"
_SIGNATURE = "x-authgear-signature"
_DATE_FORMAT = "%Y-%m-%dT%H:%M:%SZ"


def image_path(object_id: str) -> str:
    """The path of an object, below which its variants are."""
    return f"/_images/{settings.admin_api_app_id()}/{object_id}"


def image_uri(object_id: str) -> str:
    """The name of an object that `picture` takes."""
    return f"authgearimages:///{settings.admin_api_app_id()}/{object_id}"


def signed(path: str) -> str:
    """A path with a query that lets anybody who has it POST there for 15 minutes.

    It needs no `Authorization`.

    Raises:
        Unavailable: The secret key cannot be read.
    """
    now = datetime.fromtimestamp(int(time.time()), UTC)
    query = [
        (_DATE, now.strftime(_DATE_FORMAT)),
        (_EXPIRES, str(settings.UPLOAD_FORM_SECONDS)),
    ]
    signature = access.sign(_PURPOSE, _message(path, query))
    return f"{path}?{urlencode([*query, (_SIGNATURE, signature)])}"


def verify(path: str, query: Sequence[tuple[str, str]]) -> int:
    """When a signed address expires, in seconds since the epoch.

    Raises:
        ApiError: The address was altered, or has expired.
        Unavailable: The secret key cannot be read.
    """
    values = dict(query)
    try:
        date = datetime.strptime(values[_DATE], _DATE_FORMAT).replace(tzinfo=UTC)
        lifetime = int(values[_EXPIRES])
        signature = values[_SIGNATURE]
    except (KeyError, ValueError):
        raise ApiError(
            "Invalid",
            "InvalidSignatureQueryParam",
            f"{_DATE}, {_EXPIRES} and {_SIGNATURE} are required",
        ) from None
    unsigned = [each for each in query if each[0] != _SIGNATURE]
    if not access.is_signed(_PURPOSE, _message(path, unsigned), signature):
        raise ApiError("Invalid", "InvalidSignature", "invalid signature")
    expires_at = int(date.timestamp()) + lifetime
    if expires_at <= time.time():
        raise ApiError("Invalid", "ExpiredSignature", "expired signature")
    return expires_at


def _message(path: str, query: Sequence[tuple[str, str]]) -> str:
    """Everything about a request that the signature stands for."""
    return f"POST\n{path}\n{urlencode(sorted(query))}"
