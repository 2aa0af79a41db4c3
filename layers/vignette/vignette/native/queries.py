"""The query of `GET /shared/users`: which users, and which page of them."""

import base64
import re
from dataclasses import dataclass

from vignette.domain.ids import is_user_id
from vignette.domain.users import Position
from vignette.errors import FieldProblem, Invalid
from vignette.http.api import Request

# The fields that one user is found by, as the API and the domain spell them.
FILTERS = {"email": "email", "username": "username", "externalId": "external_id"}
_CURSOR = re.compile(r"([0-9]{1,15}):(.+)")
DEFAULT_LIMIT, MAX_LIMIT = 20, 100  # users


@dataclass(frozen=True, slots=True)
class Query:
    """Users by the values of `filters`, in the domain's spelling, or a page of all users."""

    filters: dict[str, list[str]]
    limit: int
    after: Position | None


def read(request: Request) -> Query:
    """The query of a request.

    Raises:
        Invalid: It has a parameter that the API does not have, or a wrong value.
    """
    given = dict(request.query)
    known = {*FILTERS, "limit", "cursor"}
    unknown = [FieldProblem(name, "unknown_field", "is not known") for name in given.keys() - known]
    if unknown:
        raise Invalid(*unknown)
    filters = {FILTERS[name]: [given[name]] for name in FILTERS if name in given}
    return Query(filters, _limit(given), _position(given.get("cursor")))


def cursor(position: Position | None) -> str | None:
    """A position as the client gets it and sends it again."""
    if position is None:
        return None
    text = f"{position.created_at}:{position.user_id}"
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _limit(given: dict[str, str]) -> int:
    """How many users a page has.

    Raises:
        Invalid: It is not such a number.
    """
    text = given.get("limit", str(DEFAULT_LIMIT))
    limit = int(text) if re.fullmatch("[0-9]{1,4}", text) else 0
    if not 1 <= limit <= MAX_LIMIT:
        detail = f"must be a whole number from 1 to {MAX_LIMIT}"
        raise Invalid(FieldProblem("limit", "invalid_value", detail))
    return limit


def _position(text: str | None) -> Position | None:
    """The position that a cursor stands for.

    Raises:
        Invalid: This service has not made it.
    """
    if text is None:
        return None
    try:
        decoded = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode()
    except ValueError:
        decoded = ""
    found = _CURSOR.fullmatch(decoded)
    if not found or not is_user_id(found[2]):
        detail = "must be a `nextCursor` of an answer"
        raise Invalid(FieldProblem("cursor", "invalid_value", detail))
    return Position(int(found[1]), found[2])
