"""The parameters of Clerk's lists of users."""

from dataclasses import dataclass

from vignette.errors import FieldProblem, Invalid
from vignette.http.api import Request

# The code and the words of Clerk's for a parameter that a call does not have.
UNKNOWN_PARAMETER = ("form_param_unknown", "is not a valid parameter for this request")
# Clerk's names of the exact filters, and the domain's.
_FILTERS = {
    "user_id": "id",
    "email_address": "email",
    "phone_number": "phone",
    "username": "username",
    "external_id": "external_id",
}
# These may be marked with a plus or minus sign, for users to include or leave out.
_SIGNED = {"user_id", "external_id"}
_PAGE = ("limit", "offset", "order_by")
_ORDERS = ("created_at", "updated_at")
_MAX_VALUES = 100
_DEFAULT_LIMIT, _MAX_LIMIT = 10, 500
_VERSION = "__clerk_api_version"


@dataclass(frozen=True, slots=True)
class Page:
    """A part of a list, and how the list is ordered."""

    limit: int
    offset: int
    order_by: str
    descending: bool


def filters(request: Request) -> dict[str, list[str]]:
    """The exact filters, as `users.matching` takes them.

    A name may end with `[]`, and be repeated.

    Raises:
        Invalid: A filter has too many values, or one that cannot be used.
    """
    found: dict[str, list[str]] = {}
    for name, value in request.query:
        parameter = name.removesuffix("[]")
        if parameter in _FILTERS:
            found.setdefault(parameter, []).append(_value(parameter, value))
    for parameter, values in found.items():
        if len(values) > _MAX_VALUES:
            code, detail = "form_param_array_size_exceeded", f"takes at most {_MAX_VALUES} values"
            raise Invalid(FieldProblem(parameter, code, detail))
    return {_FILTERS[parameter]: values for parameter, values in found.items()}


def page(request: Request) -> Page:
    """The part of a list that is asked for: by default the ten newest.

    Raises:
        Invalid: A number or the order is not one that the API has.
    """
    given = dict(reversed(request.query))  # of a repeated name the first
    order = given.get("order_by", "-created_at").replace(" ", "+")
    order_by = order.removeprefix("-").removeprefix("+")
    if order_by not in _ORDERS:
        detail = f"must be {' or '.join(_ORDERS)}, with a plus or minus sign before it"
        raise Invalid(FieldProblem("order_by", "form_param_value_invalid", detail))
    return Page(
        limit=_number(given, "limit", default=_DEFAULT_LIMIT, least=1, most=_MAX_LIMIT),
        offset=_number(given, "offset", default=0, least=0, most=None),
        order_by=order_by,
        descending=order.startswith("-"),
    )


def refuse_unknown(request: Request, *, paged: bool) -> None:
    """Refuse a query with parameters that the service does not have.

    Raises:
        Invalid: It has some; each is named.
    """
    known = {*_FILTERS, *(f"{name}[]" for name in _FILTERS), _VERSION, *(_PAGE if paged else ())}
    unknown = dict.fromkeys(name for name, _ in request.query if name not in known)
    if unknown:
        raise Invalid(*(FieldProblem(name, *UNKNOWN_PARAMETER) for name in unknown))


def _value(parameter: str, value: str) -> str:
    """A value to filter by, without the sign that says to include it.

    Raises:
        Invalid: The sign excludes users, which this service cannot do.
    """
    if parameter == "phone_number" and value.startswith(" "):
        return f"+{value[1:]}"  # a plus sign that the client did not encode
    if parameter in _SIGNED:
        if value.startswith("-"):
            code, detail = "form_param_value_invalid", "cannot exclude users"
            raise Invalid(FieldProblem(parameter, code, detail))
        return value.removeprefix("+").removeprefix(" ")
    return value


def _number(given: dict[str, str], name: str, *, default: int, least: int, most: int | None) -> int:
    text = given.get(name, str(default))
    if not text.isascii() or not text.isdigit() or len(text) > 9 or int(text) < least:
        detail = f"must be a whole number of at least {least}"
        raise Invalid(FieldProblem(name, "form_param_value_invalid", detail))
    if most is not None and int(text) > most:
        detail = f"can't be greater than {most}"
        raise Invalid(FieldProblem(name, "form_param_value_too_large", detail))
    return int(text)
