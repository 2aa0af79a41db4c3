"""What no route leads to: Clerk's words below /v1/, else those of the native API."""

import pytest
from tests.template import routes
from tests.unit.conftest import Output, Service, handlers

SOMEBODY = "5f0d5c7e-1b1f-4c59-9d5b-0a8a3d6f7c11"


@pytest.mark.parametrize("path", ["/api/v1/nothing", "/api/v1/users/me/", "/api/v1/uploads//"])
def test_an_unknown_path_of_the_native_api_is_a_problem(service: Service, path: str) -> None:
    answer = service.call("GET", path)
    assert (answer.status, answer.code) == (404, "route_not_found")
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    "path", ["organizations", "sessions", "invitations", "users/", "users//ban"]
)
def test_a_call_of_clerk_that_is_not_there_has_clerks_form(service: Service, path: str) -> None:
    answer = service.call("GET", f"/v1/{path}")
    assert answer.status == 404
    assert answer.json["errors"][0]["code"] == "resource_not_found"
    assert answer.json["clerk_trace_id"] == answer.headers["x-request-id"]


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", "/api/v1/users/me", "GET, PATCH"),
        ("HEAD", "/api/v1/openapi.json", "GET"),
        ("POST", f"/api/v1/uploads/{SOMEBODY}", "DELETE, GET, PATCH"),
        ("DELETE", "/v1/users", "GET, POST"),
        ("POST", "/v1/users/count", "DELETE, GET, PATCH"),
        ("GET", f"/v1/users/{SOMEBODY}/ban", "POST"),
        ("HEAD", f"/pictures/{SOMEBODY}", "GET"),
        ("HEAD", "/avatars/374151/AL.webp", "GET"),
    ],
)
def test_another_method_is_told_those_that_there_are(
    service: Service, method: str, path: str, allowed: str
) -> None:
    answer = service.call(method, path)
    assert (answer.status, answer.headers["allow"]) == (405, allowed)
    error = answer.json["errors"][0] if path.startswith("/v1") else answer.json
    assert error["code"] == "method_not_allowed"


def test_nothing_is_asked_of_aws_and_nothing_is_logged_as_changed(
    service: Service, output: Output
) -> None:
    service.calls.clear()
    for method in ("GET", "POST"):
        service.call(method, "/v1/organizations", token="no token")
    assert service.calls == []
    written = output()
    assert written.count('"message":"answered"') == 2
    assert '"message":"change"' not in written


@pytest.mark.usefixtures("service")  # a function is imported with the settings of one
def test_it_knows_the_routes_of_the_template() -> None:
    known = handlers("unknown").METHODS
    paths = [key for key in routes().by_key if " /" in key and " /_" not in key]
    assert sorted(f"{each} {path}" for path in known for each in known[path]) == sorted(paths)
