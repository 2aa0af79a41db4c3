"""Authgear's GraphQL endpoint: who may call, what is a request, limits, and the schema."""

import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLSchema,
    build_client_schema,
    build_schema,
    get_introspection_query,
    is_required_argument,
    is_required_input_field,
    is_specified_scalar_type,
)
from tests.contract import CONTRACTS
from tests.unit.authgear import GRAPHQL, admin_token
from tests.unit.conftest import (
    ADMIN_JWKS,
    APP_ID,
    JWKS,
    ROOT,
    RSA_KEY,
    Service,
    aws_error,
    forget_keys,
)

COUNT = {"query": "{ users { totalCount } }"}
COUNTED = {"data": {"users": {"totalCount": 0}}}


def call(service: Service, query: str, **rest: Any) -> Any:
    answer = service.with_key("POST", GRAPHQL, {"query": query, **rest})
    assert answer.status == 200, answer.json
    return answer.json


def messages(response: Mapping[str, Any]) -> list[str]:
    assert "data" not in response
    return [each["message"] for each in response["errors"]]


# Who may call


@pytest.mark.parametrize(
    "claims",
    [
        {},
        {"aud": APP_ID},
        {"aud": ["other", APP_ID]},
        {"iat": None},
    ],
)
def test_an_admin_api_token_is_accepted(service: Service, claims: dict[str, Any]) -> None:
    answer = service.call("POST", GRAPHQL, COUNT, token=admin_token(**claims))
    assert (answer.status, answer.json) == (200, COUNTED)
    assert "GetSecretValue" not in service.calls


def test_clocks_may_differ_a_little(service: Service) -> None:
    token = admin_token(exp=int(time.time()) - 5)
    assert service.call("POST", GRAPHQL, COUNT, token=token).status == 200


def test_the_secret_key_is_accepted(service: Service) -> None:
    answer = service.with_key("POST", GRAPHQL, COUNT)
    assert (answer.status, answer.json) == (200, COUNTED)
    assert answer.headers["content-type"] == "application/json"


def other_key() -> str:
    return admin_token(rsa.generate_private_key(public_exponent=65537, key_size=2048))


def users_own() -> str:
    return admin_token(RSA_KEY, key_id="rsa-key")


@pytest.mark.parametrize(
    "make",
    [
        lambda: "",
        lambda: "wrong",
        lambda: "a.b.c",
        lambda: admin_token(exp=int(time.time()) - 60),
        lambda: admin_token(exp=None),
        lambda: admin_token(nbf=int(time.time()) + 60),
        lambda: admin_token(aud=None),
        lambda: admin_token(aud=["other"]),
        lambda: admin_token(key_id="other"),
        lambda: admin_token(algorithm="RS512"),
        lambda: admin_token(algorithm="PS256"),
        lambda: admin_token(key="the public key of nobody, but long enough", algorithm="HS256"),
        lambda: admin_token(key=None, algorithm="none"),
        other_key,
        users_own,
    ],
)
def test_anything_else_is_forbidden(service: Service, make: Callable[[], str]) -> None:
    answer = service.call("POST", GRAPHQL, COUNT, token=make())
    assert (answer.status, answer.content) == (403, b"Forbidden")
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"


@pytest.mark.parametrize("headers", [{}, {"authorization": "Basic abc"}, {"authorization": "x"}])
def test_no_token_is_forbidden(service: Service, headers: dict[str, str]) -> None:
    answer = service.call("POST", GRAPHQL, COUNT, headers=headers)
    assert (answer.status, answer.content) == (403, b"Forbidden")
    assert service.calls == []


def test_a_users_token_is_forbidden(service: Service) -> None:
    user_id = service.create_user()["id"]
    answer = service.as_user(user_id, "POST", GRAPHQL, COUNT)
    assert (answer.status, answer.content) == (403, b"Forbidden")


def test_an_admin_api_token_is_none_for_the_other_apis(service: Service) -> None:
    user_id = service.create_user()["id"]
    token = admin_token(sub=user_id)
    assert service.call("GET", f"/api/v1/shared/users/{user_id}", token=token).status == 401


def test_without_admin_api_keys_only_the_secret_key_is_accepted(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ADMIN_API_JWKS", "")
    assert service.call("POST", GRAPHQL, COUNT, token=admin_token()).status == 403
    assert service.with_key("POST", GRAPHQL, COUNT).status == 200


def test_several_keys_are_accepted_while_they_are_rotated(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = {"keys": [*JWKS["keys"], *ADMIN_JWKS["keys"]]}
    monkeypatch.setenv("ADMIN_API_JWKS", json.dumps(keys))
    assert service.call("POST", GRAPHQL, COUNT, token=admin_token()).status == 200
    assert service.call("POST", GRAPHQL, COUNT, token=users_own()).status == 200
    assert service.call("POST", GRAPHQL, COUNT, token=admin_token(key_id=None)).status == 403


def test_the_secret_being_out_of_reach_is_told(service: Service) -> None:
    forget_keys()
    service.let_aws_answer("secretsmanager", aws_error("InternalServiceError", 500))
    answer = service.with_key("POST", GRAPHQL, COUNT)
    assert answer.status == 503
    assert answer.headers["retry-after"] == "1"
    assert answer.json["error"]["name"] == "ServiceUnavailable"
    assert answer.json["error"]["code"] == 503


# Requests


def test_a_document_may_be_sent_as_it_is(service: Service) -> None:
    answer = service.call(
        "POST",
        GRAPHQL,
        COUNT["query"],
        token=service.secret_key,
        headers={"content-type": "application/graphql; charset=utf-8"},
    )
    assert answer.json == COUNTED


def test_variables_may_be_json_in_a_string(service: Service) -> None:
    query = "query ($first: Int) { users(first: $first) { totalCount } }"
    assert call(service, query, variables='{"first": 1}') == COUNTED
    assert call(service, query, variables="") == COUNTED


def test_one_of_several_operations_is_chosen_by_name(service: Service) -> None:
    query = 'query A { users { totalCount } } query B { node(id: "VXNlcjox") { id } }'
    assert call(service, query, operationName="B") == {"data": {"node": None}}
    found = call(service, query)
    assert messages({"errors": found["errors"]}) == [
        "Must provide operation name if query contains multiple operations."
    ]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"\xff",
        b'{"query": "{ users { totalCount } }", "variables": {"a": NaN}}',
        b'{"query": "{ users { totalCount } }", "variables": {"a": 1e999}}',
        b'{"query": "{ users { totalCount } }", "variables": {"a": "\\ud800"}}',
        b'{"query": "{ users { totalCount } }", "variables": "{"}',
        b"[" * 60_000,
    ],
)
def test_what_is_no_json_is_refused(service: Service, body: bytes) -> None:
    answer = service.with_key("POST", GRAPHQL, body)
    assert answer.status == 400
    assert answer.json == {
        "error": {
            "name": "BadRequest",
            "reason": "InvalidJSON",
            "message": "the body is not valid JSON",
            "code": 400,
        }
    }


@pytest.mark.parametrize(
    "body",
    [
        [],
        "x",
        {},
        {"query": 5},
        {"query": None},
        {**COUNT, "variables": [1]},
        {**COUNT, "operationName": 5},
        [COUNT, COUNT],
    ],
)
def test_what_is_no_graphql_request_is_refused(service: Service, body: object) -> None:
    answer = service.with_key("POST", GRAPHQL, json.dumps(body))
    assert answer.status == 400
    assert answer.json["error"]["name"] == "BadRequest"


def test_a_body_over_64_kib_is_refused(service: Service) -> None:
    answer = service.with_key("POST", GRAPHQL, {**COUNT, "variables": {"a": "x" * 65_536}})
    assert answer.status == 413
    assert answer.json["error"]["name"] == "RequestEntityTooLarge"


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("{", "Syntax Error: Expected Name, found <EOF>."),
        ("{ users { total } }", "Cannot query field 'total' on type 'UserConnection'."),
        ("{ auditLogs { totalCount } }", "Cannot query field 'auditLogs' on type 'Query'."),
        (
            "{ users { edges { node { isAnonymous } } } }",
            "Cannot query field 'isAnonymous' on type 'User'.",
        ),
        (
            "{ users(sortBy: LAST_LOGIN_AT) { totalCount } }",
            "Value 'LAST_LOGIN_AT' does not exist in 'UserSortBy' enum.",
        ),
        ("subscription { users }", "The subscription operation is not supported by the schema."),
    ],
)
def test_what_is_not_there_gets_graphqls_own_error(
    service: Service, query: str, message: str
) -> None:
    found = messages(call(service, query))
    assert any(message in each for each in found), found
    assert set(service.calls) <= {"GetSecretValue"}


# Limits


def test_a_document_has_at_most_1000_tokens(service: Service) -> None:
    fields = " ".join(["id"] * 1000)
    found = messages(call(service, f'{{ node(id: "VXNlcjox") {{ {fields} }} }}'))
    assert found == ["Syntax Error: Document contains more than 1000 tokens. Parsing aborted."]


def aliases(number: int) -> str:
    return " ".join(f'a{each}: node(id: "VXNlcjox") {{ id }}' for each in range(number))


def test_a_document_has_at_most_20_aliases(service: Service) -> None:
    assert "errors" not in call(service, f"{{ {aliases(20)} }}")
    assert messages(call(service, f"{{ {aliases(21)} }}")) == ["More than 20 aliases are used."]


def test_aliases_in_fragments_count_wherever_they_are_spread(service: Service) -> None:
    query = """
    { one: users { ...page } two: users { ...page } ... on Query { three: users { ...page } } }
    fragment page on UserConnection { a: totalCount b: totalCount c: totalCount ...more }
    fragment more on UserConnection { d: totalCount e: totalCount f: totalCount }
    """
    assert messages(call(service, query)) == ["More than 20 aliases are used."]


def test_fragments_that_multiply_are_measured_quickly(service: Service) -> None:
    fragments = "".join(
        f"fragment f{at} on Query {{ ...f{at + 1} ...f{at + 1} }}\n" for at in range(60)
    )
    query = "{ ...f0 } " + fragments + "fragment f60 on Query { a: users { totalCount } }"
    assert messages(call(service, query)) == ["More than 20 aliases are used."]


def levels(number: int) -> str:
    """A query of that many levels, a part of them in a fragment."""
    inner = "name"
    for _ in range(number - 3):
        inner = f"ofType {{ {inner} }}"
    return f"{{ __schema {{ types {{ ...type }} }} }} fragment type on __Type {{ {inner} }}"


def test_a_query_has_at_most_16_levels(service: Service) -> None:
    assert "errors" not in call(service, levels(16))
    assert messages(call(service, levels(17))) == ["The query is deeper than 16 levels."]


def test_a_fragment_within_itself_is_refused(service: Service) -> None:
    query = "{ users { ...a } } fragment a on UserConnection { ...a }"
    assert "Cannot spread fragment 'a' within itself." in messages(call(service, query))[0]


def test_at_most_20_errors_are_told(service: Service) -> None:
    found = messages(call(service, "{ " + " ".join(f"x{each}" for each in range(100)) + " }"))
    assert len(found) == 21
    assert "Too many validation errors" in found[-1]


# The schema


def served(service: Service) -> GraphQLSchema:
    """The schema as a client sees it."""
    response = call(service, get_introspection_query())
    assert "errors" not in response
    return build_client_schema(response["data"])


def test_introspection_tells_the_whole_schema(service: Service) -> None:
    schema = served(service)
    assert schema.query_type
    assert set(schema.query_type.fields) == {
        "node",
        "nodes",
        "users",
        "getUsersByStandardAttribute",
        "getUserByLoginID",
    }
    assert schema.mutation_type
    assert set(schema.mutation_type.fields) == {"createUser", "updateUser", "deleteUser"}


def test_the_schema_is_a_subset_of_authgears(service: Service) -> None:
    published = (CONTRACTS / "authgear-admin.graphql").read_text()
    original = build_schema(published, assume_valid_sdl=True)
    for name, ours in served(service).type_map.items():
        if name.startswith("__") or is_specified_scalar_type(ours):
            continue
        theirs = original.type_map[name]
        assert type(ours).__name__ == type(theirs).__name__, name
        if isinstance(ours, GraphQLEnumType):
            assert isinstance(theirs, GraphQLEnumType)
            assert ours.values.keys() <= theirs.values.keys(), name
        elif isinstance(ours, GraphQLInputObjectType):
            assert isinstance(theirs, GraphQLInputObjectType)
            assert_subset(name, ours.fields, theirs.fields)
            required = {
                each for each, field in theirs.fields.items() if is_required_input_field(field)
            }
            assert required <= ours.fields.keys(), name
        elif isinstance(ours, GraphQLObjectType | GraphQLInterfaceType):
            assert isinstance(theirs, GraphQLObjectType | GraphQLInterfaceType)
            assert {each.name for each in ours.interfaces} <= {
                each.name for each in theirs.interfaces
            }
            assert_subset(name, ours.fields, theirs.fields)
            for field in ours.fields:
                at = f"{name}.{field}"
                arguments = theirs.fields[field].args
                assert_subset(at, ours.fields[field].args, arguments)
                required = {
                    each for each, argument in arguments.items() if is_required_argument(argument)
                }
                assert required <= ours.fields[field].args.keys(), at


def assert_subset(at: str, ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> None:
    """All of ours are theirs too, and of the same type."""
    assert ours.keys() <= theirs.keys(), at
    for name, each in ours.items():
        assert str(each.type) == str(theirs[name].type), f"{at}.{name}"


def test_the_library_is_carried_by_no_other_function() -> None:
    from tests.template import functions

    layers = {name: properties.get("Layers", []) for name, properties in functions().items()}
    carriers = [name for name, used in layers.items() if {"Ref": "GraphqlLayer"} in used]
    assert carriers == ["authgear_graphql"]
    requirements = Path(ROOT / "layers" / "dependencies" / "requirements.txt").read_text()
    assert "graphql" not in requirements
