"""Pages of a list of users (Relay, "GraphQL Cursor Connections Specification")."""

from collections.abc import Sequence
from typing import Any

from vignette.authgear.codecs import decoded, encoded
from vignette.authgear.errors import ApiError, InvalidInput
from vignette.domain.model import User

# Authgear's limit on a page (`pkg/util/graphqlutil`).
_MAX_PAGE = 20
_CURSOR = "offset:"


def positions(
    total: int, *, after: str | None, before: str | None, first: int | None, last: int | None
) -> range:
    """The positions that a page of a list of `total` users covers (section 4.4).

    Raises:
        InvalidInput: A number is negative.
        ApiError: A cursor is not one of this service's.
    """
    if first is None and last is None:
        first = _MAX_PAGE
    if (first or 0) < 0 or (last or 0) < 0:
        raise InvalidInput("first and last must not be negative")
    start = min(_offset(after) + 1, total) if after else 0
    stop = max(min(_offset(before), total), start) if before else total
    if first is not None:
        stop = min(stop, start + min(first, _MAX_PAGE))
    if last is not None:
        start = max(start, stop - min(last, _MAX_PAGE))
    return range(start, stop)


def connection(users: Sequence[User], page: range, total: int) -> dict[str, Any]:
    """The users of a page, with cursors and with what comes before and after them."""
    edges = [
        {"cursor": encoded(f"{_CURSOR}{position}"), "node": user}
        for position, user in enumerate(users, page.start)
    ]
    return {
        "edges": edges,
        "totalCount": total,
        "pageInfo": {
            "startCursor": edges[0]["cursor"] if edges else None,
            "endCursor": edges[-1]["cursor"] if edges else None,
            "hasPreviousPage": page.start > 0,
            "hasNextPage": page.stop < total,
        },
    }


def _offset(cursor: str) -> int:
    """The position that a cursor stands for.

    Raises:
        ApiError: This service has not made it.
    """
    text = decoded(cursor) or ""
    digits = text.removeprefix(_CURSOR)
    if not text.startswith(_CURSOR) or not digits.isdecimal() or len(digits) > 18:
        raise ApiError("Invalid", "InvalidCursor", "invalid pagination cursor")
    return int(digits)
