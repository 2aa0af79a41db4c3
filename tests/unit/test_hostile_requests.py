"""Whatever a request holds, the answer is one that the wire format has: never an unexpected error.

Every route of the template is called in memory, through its handler, with generated bodies, paths,
queries, headers and tokens. What arrives is what API Gateway lets through.
"""

import base64
import json
import re
import time
import uuid
from collections.abc import Mapping
from typing import Any

import jwt
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis_graphql import from_schema, nodes
from pydantic import BaseModel
from tests.template import routes
from tests.unit.conftest import (
    ADMIN_KEY,
    APP_ID,
    EC_KEY,
    ISSUER,
    PHOTO,
    ROOT,
    RSA_KEY,
    Service,
)
from tests.wire import base64url

pytestmark = pytest.mark.matrix

ROUTES = sorted(routes().by_key)
FORMS = ["POST /v1/users/{user_id}/profile_image", "POST /_images/{app_id}/{object_id}"]
GRAPHQL = "POST /_api/admin/graphql"

# The database of a `service` is shared by the examples, on purpose: they meet each other's data.
hostile = settings(
    max_examples=20,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

INJECTIONS = [
    "",
    " ",
    "\0",
    "a\0b",
    "\r\nset-cookie: a=b",
    "..",
    "../../users",
    "%2e%2e%2f",
    "%00",
    "%ff",
    "uploads/..",
    "user#1",
    "email#ada@example.com",
    "\ufffd",
    "\u202egpj.exe",
    "\N{PILE OF POO}",
    "ı" * 300,
    "a" * 9000,
    "' or 1=1 --",
    "${jndi:ldap://x}",
    "{{7*7}}",
    "<script>",
    "null",
    "-0",
    "1e999",
    str(uuid.UUID(int=0)),
    str(uuid.UUID(int=2**128 - 1)).upper(),
    "https://[::1",
    "https://a:99999/",
    f"authgearimages:///{APP_ID}/{uuid.UUID(int=0)}",
    f"authgearimages:///{APP_ID}/../x",
    "0001-01-01T00:00:00+23:59",
    "2026-02-30",
    base64.b64encode(b"User:" + b"\xff" * 9).decode(),
    "$argon2id$v=19$m=99999999,t=9999,p=99$YWFhYWFhYWE$YQ",
    "$2b$31$" + "a" * 53,
    "pbkdf2_sha256$999999999$salt$aGFzaA==",
    "scrypt:1073741824:8:1$salt$00",
]
words = st.one_of(st.sampled_from(INJECTIONS), st.text(max_size=40))
# JSON may name halves of surrogate pairs, which are no characters.
unpaired = st.text(st.characters(categories=["Cs", "L"]), max_size=5)


def parameters() -> list[str]:
    """Every name that a body of the native or the Clerk API may have."""
    from vignette.clerk import requests as clerk
    from vignette.native import requests as native

    models = [
        each
        for module in (clerk, native)
        for each in vars(module).values()
        if isinstance(each, type) and issubclass(each, BaseModel)
    ]
    return sorted(
        {field.alias or name for model in models for name, field in model.model_fields.items()}
    )


def documents(names: list[str]) -> st.SearchStrategy[Any]:
    """JSON values, some of them nearly what is expected."""
    scalars = st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.integers(min_value=10**30),
        st.floats(),
        words,
        unpaired,
    )
    return st.recursive(
        scalars,
        lambda inner: st.one_of(
            st.lists(inner, max_size=4),
            st.dictionaries(st.one_of(st.sampled_from(names), words, unpaired), inner, max_size=6),
        ),
        max_leaves=12,
    )


def bodies(names: list[str]) -> st.SearchStrategy[bytes]:
    """Request bodies: JSON, what is nearly JSON, and what is not at all."""
    written = st.builds(lambda value: json.dumps(value).encode(), documents(names))
    # As a rule an object of known names, so that validation is got through at times.
    fitting = st.dictionaries(
        st.sampled_from(names), st.one_of(words, st.booleans(), st.integers()), max_size=4
    )
    return st.one_of(
        st.builds(lambda value: json.dumps(value).encode(), fitting),
        written,
        st.builds(lambda text, end: text[:end], written, st.integers(0, 30)),
        st.binary(max_size=60),
        st.sampled_from(
            [
                b"[" * 60_000,
                b'{"a":' * 10_000,
                b"9" * 60_000,
                b"1e999",
                b'"\\ud800"',
                b"\xef\xbb\xbf{}",
            ]
        ),
    )


def ask(service: Service, route: str, **sent: Any) -> dict[str, Any]:
    """Call a route as API Gateway does; fail where the answer is not one to send.

    `path`, `query`, `headers` and `body` may be anything; the secret key is sent unless there is
    another `authorization` header.
    """
    method, pattern = ("GET", "/v1/nothing") if route == "$default" else route.split()
    names = re.findall(r"{(\w+)}", pattern)
    path = {name: sent.get("path", {}).get(name, str(uuid.UUID(int=1))) for name in names}
    body: bytes = sent.get("body", b"")
    event = {
        "version": "2.0",
        "routeKey": route,
        "rawPath": pattern,
        "rawQueryString": sent.get("query", ""),
        "headers": {"authorization": f"Bearer {service.secret_key}", **sent.get("headers", {})},
        "requestContext": {
            "requestId": "request",
            "domainName": "api.example.com",
            "http": {"method": method, "path": pattern, "sourceIp": "192.0.2.1"},
        },
        "pathParameters": path,
        "body": base64.b64encode(body).decode(),
        "isBase64Encoded": True,
    }
    # Both go through Lambda as JSON in UTF-8.
    event = json.loads(json.dumps(event, ensure_ascii=False).encode())
    answer: dict[str, Any] = service.invoke(routes().by_key[route], event)
    json.dumps(answer, ensure_ascii=False).encode()
    assert answer["statusCode"] < 500, answer
    if "json" in answer["headers"].get("content-type", ""):
        json.loads(answer["body"], parse_constant=pytest.fail)
        assert "UnexpectedError" not in answer["body"]
    for name, value in answer["headers"].items():
        assert re.fullmatch(r"[\x20-\x7e]*", name + value), answer["headers"]
    return answer


@pytest.fixture
def names(service: Service) -> list[str]:
    return parameters()


@pytest.mark.parametrize("route", [route for route in ROUTES if not route.startswith("GET")])
def test_any_body_gets_a_clear_answer(service: Service, names: list[str], route: str) -> None:
    user_id = service.create_user()["id"]
    token = service.token(user_id) if "/me" in route else service.secret_key
    headers = {"authorization": f"Bearer {token}"}

    @hostile
    @given(bodies(names))
    def send(body: bytes) -> None:
        ask(service, route, body=body, headers=headers, path={"user_id": user_id})

    send()


places = st.one_of(
    words,
    st.sampled_from(["9a3412", "profile", "original", "64.webp", APP_ID]),
    st.builds("{}.webp".format, st.text(st.characters(categories=["L"]), max_size=2)),
)


@pytest.mark.parametrize("route", [route for route in ROUTES if "{" in route])
def test_any_path_gets_a_clear_answer(service: Service, route: str) -> None:
    @hostile
    @given(st.dictionaries(st.sampled_from(re.findall(r"{(\w+)}", route)), places))
    def send(path: dict[str, str]) -> None:
        ask(service, route, path=path, body=b"{}")

    send()


QUERY_NAMES = [
    *("limit", "offset", "order_by", "user_id", "email_address", "phone_number", "username"),
    *("external_id[]", "x-authgear-date", "x-authgear-expires", "x-authgear-signature"),
]


@pytest.mark.parametrize(
    "route", ["GET /v1/users", "GET /v1/users/count", "POST /_images/{app_id}/{object_id}"]
)
def test_any_query_gets_a_clear_answer(service: Service, route: str) -> None:
    service.create_user()
    pairs = st.lists(st.tuples(st.sampled_from(QUERY_NAMES), words), max_size=4)
    joined = st.builds(lambda them: "&".join("=".join(each) for each in them), pairs)

    @hostile
    @given(st.one_of(joined, st.text(max_size=40)))
    def send(query: str) -> None:
        ask(service, route, query=query)

    send()


HEADERS = [
    *("authorization", "content-type", "host", "x-forwarded-proto", "idempotency-key"),
    *("clerk-api-version", "content-length", "transfer-encoding", "origin"),
]


@pytest.mark.parametrize("route", ROUTES)
def test_any_header_gets_a_clear_answer(service: Service, route: str) -> None:
    @hostile
    @given(st.dictionaries(st.sampled_from(HEADERS), words, max_size=4))
    def send(headers: dict[str, str]) -> None:
        ask(service, route, headers=headers, body=b"{}")

    send()


# Forms


def form(boundary: str, disposition: str, content: bytes) -> bytes:
    """A form with one part, as browsers send it."""
    head = f"--{boundary}\r\ncontent-disposition: {disposition}\r\ncontent-type: image/jpeg\r\n\r\n"
    return head.encode() + content + f"\r\n--{boundary}--\r\n".encode()


@pytest.mark.parametrize("route", FORMS)
def test_any_form_gets_a_clear_answer(service: Service, route: str) -> None:
    user_id = service.create_user()["id"]
    issued = ask(service, "GET /_api/admin/images/upload")
    path, _, query = json.loads(issued["body"])["result"]["upload_url"].partition("?")
    sent = {
        "path": {"user_id": user_id, "app_id": APP_ID, "object_id": path.rpartition("/")[2]},
        "query": query,
    }
    boundaries = st.one_of(st.just("b"), words)
    dispositions = st.one_of(
        st.just('form-data; name="file"; filename="a.jpg"'),
        st.builds('form-data; name="{}"; filename="{}"'.format, words, words),
        words,
    )
    contents = st.one_of(st.binary(max_size=80), st.just(PHOTO[:200]))
    whole = st.builds(form, boundaries, dispositions, contents)

    @hostile
    @given(
        st.one_of(
            whole,
            st.builds(bytes.__add__, whole, whole),
            st.builds(lambda text, end: text[:end], whole, st.integers(0, 120)),
            st.binary(max_size=80),
        ),
        st.one_of(st.builds("multipart/form-data; boundary={}".format, boundaries), words),
    )
    def send(body: bytes, content_type: str) -> None:
        answer = ask(service, route, body=body, headers={"content-type": content_type}, **sent)
        assert answer["statusCode"] in (400, 413)  # there is no picture in any of them

    send()


# GraphQL


def literal(value: Any) -> Any:
    return nodes.String(value)


def test_any_query_of_the_schema_gets_an_answer(service: Service) -> None:
    schema = (ROOT / "layers/vignette/vignette/authgear/schema.graphql").read_text()
    attributes = st.one_of(words, documents(["email", "picture", "address"]).map(json.dumps))
    queries = from_schema(
        schema,
        custom_scalars={
            "UserStandardAttributes": attributes.map(literal),
            "UserCustomAttributes": attributes.map(literal),
            "DateTime": words.map(literal),
        },
    )

    @settings(hostile, max_examples=150)
    @given(queries)
    def send(query: str) -> None:
        answer = ask(service, GRAPHQL, body=json.dumps({"query": query}).encode())
        assert answer["statusCode"] == 200

    send()


def update(attributes: str) -> str:
    """A mutation of the user NODE with attributes as they are written in a document."""
    written = f'{{userID: "NODE", customAttributes: {attributes}}}'
    return f"mutation {{ updateUser(input: {written}) {{ user {{ customAttributes }} }} }}"


@pytest.mark.parametrize(
    "query",
    [
        "{a" * 499,
        "{users" * 400 + "}" * 400,
        "{node(id:" + "[" * 900,
        "{node(id:" + "[" * 450 + "]" * 450 + "){id}}",
        "query($a:" + "[" * 450 + "Int" + "]" * 450 + "){users{totalCount}}",
        update("{a:" * 300 + "1" + "}" * 300),
        update('"' + "[" * 60_000 + '"'),
        update(r'"{\"a\": NaN}"'),
        update(r'"{\"a\": 1e999}"'),
        update("{a: 1e999}"),
        update(r'"{\"a\": \"\\ud800\"}"'),
        update(r'"{\"\\ud800\": 1}"'),
        update("{a: 1" + "0" * 5000 + "}"),
        "fragment a on User{...a} {users{edges{node{...a}}}}",
        "{users(first:99999999999999999999){totalCount}}",
        "{users(first:1e9){totalCount}}",
        r'{node(id:"\ud800"){id}}',
        r'{getUserByLoginID(loginIDKey:"email",loginIDValue:"\u0000"){id}}',
        '{users(searchKeyword:"' + "a" * 3000 + '"){totalCount}}',
        '{getUserByLoginID(loginIDKey:"email",loginIDValue:"' + "a" * 3000 + '"){id}}',
        "\ufeff",
        "{" * 60_000,
    ],
    ids=lambda query: query[:30],
)
def test_a_hostile_query_gets_an_answer(service: Service, query: str) -> None:
    node = base64.urlsafe_b64encode(f"User:{service.create_user()['id']}".encode()).decode()
    for each in (query, "{users {edges {node {customAttributes}}}}"):
        body = json.dumps({"query": each.replace("NODE", node)}).encode()
        assert ask(service, GRAPHQL, body=body)["statusCode"] in (200, 400)


def test_any_variables_get_an_answer(service: Service, names: list[str]) -> None:
    node = base64.urlsafe_b64encode(f"User:{service.create_user()['id']}".encode()).decode()
    query = "mutation($input: UpdateUserInput!) { updateUser(input: $input) { user { id } } }"
    attributes = documents(
        ["email", "phone_number", "picture", "address", "birthdate", "zoneinfo", "locale", "name"]
    )

    @settings(hostile, max_examples=100)
    @given(attributes, attributes)
    def send(standard: Any, custom: Any) -> None:
        given = {"userID": node, "standardAttributes": standard, "customAttributes": custom}
        body = json.dumps({"query": query, "variables": {"input": given}}).encode()
        ask(service, GRAPHQL, body=body)

    send()


# Tokens

claims = st.dictionaries(
    st.sampled_from(["iss", "aud", "sub", "exp", "nbf", "iat", "jti", "crit"]),
    st.one_of(
        st.sampled_from([ISSUER, "vignette", APP_ID, 4_000_000_000]), documents(["sub", "aud"])
    ),
)
headers = st.dictionaries(
    st.sampled_from(["kid", "typ", "cty", "crit", "b64", "jku", "jwk", "x5u", "zip"]),
    st.one_of(st.sampled_from(["rsa-key", "ec-key", "admin-key"]), documents(["kid", "alg"])),
)


def signed(header: Mapping[str, Any], payload: Mapping[str, Any], key: str) -> str:
    """A token that the issuer has signed, whatever it says."""
    algorithm, private = {
        "rsa-key": ("RS256", RSA_KEY),
        "ec-key": ("ES256", EC_KEY),
        "admin-key": ("RS256", ADMIN_KEY),
    }[key]
    text = f"{base64url({'alg': algorithm, 'kid': key, **header})}.{base64url(payload)}"
    signer: Any = jwt.get_algorithm_by_name(algorithm)
    return f"{text}.{base64url(signer.sign(text.encode(), private))}"


@pytest.mark.parametrize("route", ["GET /api/v1/users/me", "GET /v1/users/count", GRAPHQL])
def test_any_token_gets_a_clear_answer(service: Service, route: str) -> None:
    user_id = service.create_user()["id"]
    right = {
        "iss": ISSUER,
        "aud": ["vignette", APP_ID],
        "sub": user_id,
        "exp": int(time.time()) + 600,
    }
    keys = st.sampled_from(["rsa-key", "ec-key", "admin-key"])
    wrong = st.builds(lambda more: {**right, **more}, claims)

    @settings(hostile, max_examples=100)
    @given(
        st.one_of(
            st.builds(signed, headers, wrong, keys),
            st.builds(lambda *parts: ".".join(map(base64url, parts)), headers, wrong, st.binary()),
            st.builds(
                lambda *parts: ".".join(map(base64url, parts)), *[st.binary(max_size=60)] * 3
            ),
            st.builds(lambda *parts: ".".join(parts), words, words, words),
            st.just(f"{base64url(b'[' * 5000)}.e30.e30"),
        )
    )
    def send(token: str) -> None:
        ask(service, route, headers={"authorization": f"Bearer {token}"}, body=b"{}")

    send()
