"""Every error of the service is rendered by every wire format."""

import json
import sys
from collections.abc import Iterator
from http import HTTPStatus
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

import pytest
from tests.unit.conftest import Service

from vignette import errors


class Unheard(errors.VignetteError):
    """An error that no wire format has words for."""


def subclasses(kind: type[errors.VignetteError]) -> Iterator[type[errors.VignetteError]]:
    # Other tests have loaded modules of their own, which are gone.
    if getattr(sys.modules.get(kind.__module__), kind.__name__, None) is kind:
        yield kind
    for each in kind.__subclasses__():
        yield from subclasses(each)


# How an error is made whose arguments are not one word; the wire formats have some of their own.
ARGUMENTS: dict[str, tuple[Any, ...]] = {
    "ApiError": ("Invalid", "teapot", "a pot"),
    "ClerkError": (HTTPStatus.GONE, "teapot", "A teapot"),
    "PhotoTooLarge": (),
    "ValidationFailed": (),
    "Invalid": (errors.FieldProblem("email", "invalid_value", "must be one"),),
    "TooManyUploads": (60,),
}
WIRE_FORMATS = ["native", "clerk", "authgear"]


def rendered(wire_format: str, error: errors.VignetteError | None) -> dict[str, Any]:
    """What API Gateway is given. The renderers log, so that they need a function's environment."""
    response = import_module(f"vignette.{wire_format}.errors").render(error)
    event: dict[str, Any] = response.to_event("request-1")
    return event


def code(wire_format: str, event: dict[str, Any]) -> Any:
    body = json.loads(event["body"])
    match wire_format:
        case "native":
            return body["code"]
        case "clerk":
            return body["errors"][0]["code"]
        case _:
            return body["error"]["reason"]


@pytest.mark.parametrize("wire_format", WIRE_FORMATS)
def test_every_error_is_rendered_by_every_wire_format(service: Service, wire_format: str) -> None:
    for each in WIRE_FORMATS:
        for module in iter_modules(import_module(f"vignette.{each}").__path__):
            import_module(f"vignette.{each}.{module.name}")
    for kind in subclasses(errors.VignetteError):
        error = kind(*ARGUMENTS.get(kind.__name__, ("word",)))
        event = rendered(wire_format, error)
        expected = range(503, 504) if kind is errors.Unavailable else range(400, 500)
        assert event["statusCode"] in expected, kind
        if wire_format == "authgear" and issubclass(kind, errors.Unauthenticated):
            assert event["body"] == "Forbidden"  # as Authgear, it says no more
        else:
            assert code(wire_format, event), kind


@pytest.mark.parametrize("wire_format", WIRE_FORMATS)
def test_what_only_one_wire_format_refuses_has_words_in_all(
    service: Service, wire_format: str
) -> None:
    from vignette.authgear.errors import ApiError
    from vignette.clerk.errors import ClerkError

    for error in (
        ClerkError(HTTPStatus.GONE, "teapot", "A teapot"),
        ApiError("Invalid", "teapot", "a pot"),
    ):
        assert code(wire_format, rendered(wire_format, error))


@pytest.mark.parametrize("wire_format", WIRE_FORMATS)
def test_an_error_that_may_pass_says_when_to_ask_again(service: Service, wire_format: str) -> None:
    for error in (errors.Unavailable("busy"), errors.IdempotencyKeyInUse("in use")):
        assert rendered(wire_format, error)["headers"]["retry-after"] == "1"


@pytest.mark.parametrize("wire_format", WIRE_FORMATS)
def test_an_error_that_nobody_expected_is_a_500(service: Service, wire_format: str) -> None:
    assert rendered(wire_format, None)["statusCode"] == 500
