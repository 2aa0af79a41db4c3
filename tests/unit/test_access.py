"""Who may call: the secret key acts on any user, a user's token on its own subject."""

import hmac
import io
import json
import re
import ssl
import time
import uuid
from collections.abc import Callable
from datetime import datetime, timedelta
from http.client import IncompleteRead
from types import SimpleNamespace
from typing import Any
from urllib.error import URLError

import jwt
import pytest
from botocore.exceptions import EndpointConnectionError
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from tests.unit.conftest import (
    EC_KEY,
    ISSUER,
    JWKS,
    RSA_KEY,
    Answer,
    AwsAnswer,
    Service,
    aws_error,
    forget_keys,
)
from tests.wire import base64url

from vignette import settings

ME = "/api/v1/users/me"
SOMEBODY = str(uuid.uuid4())
OTHER_RSA_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
OTHER_EC_KEY = ec.generate_private_key(ec.SECP256R1())


@pytest.fixture
def user_id(service: Service) -> str:
    return str(service.create_user()["id"])


def refused(answer: Answer) -> bool:
    """Whether an answer says that the credentials are no good (RFC 6750, section 3)."""
    return (
        (answer.status, answer.json.get("code")) == (401, "unauthenticated")
        and answer.headers["www-authenticate"].startswith("Bearer")
        and answer.headers["content-type"] == "application/problem+json"
    )


def signed_with_hmac(claims: dict[str, Any], key: bytes, kid: str) -> str:
    """A token as an attacker makes it, whom no library keeps from using a public key."""
    head = {"alg": "HS256", "typ": "JWT", "kid": kid}
    message = f"{base64url(head)}.{base64url(claims)}"
    return f"{message}.{base64url(hmac.digest(key, message.encode(), 'sha256'))}"


# Users' tokens


def rs256(claims: dict[str, Any], key: Any = RSA_KEY, **header: Any) -> str:
    return jwt.encode(claims, key, "RS256", headers={"kid": "rsa-key", **header})


def es256(claims: dict[str, Any], key: Any = EC_KEY, **header: Any) -> str:
    return jwt.encode(claims, key, "ES256", headers={"kid": "ec-key", **header})


@pytest.mark.parametrize(
    "sign",
    [
        rs256,
        es256,
        lambda claims: jwt.encode(claims, RSA_KEY, "RS256"),
        lambda claims: jwt.encode(claims, EC_KEY, "ES256"),
        lambda claims: rs256({**claims, "aud": ["another", claims["aud"]]}),
        lambda claims: rs256({name: claims[name] for name in claims if name not in ("nbf", "iat")}),
        lambda claims: rs256({**claims, "exp": claims["iat"] - 5}),
        lambda claims: rs256({**claims, "nbf": claims["iat"] + 5}),
    ],
    ids=[
        "RS256",
        "ES256",
        "RS256 without key id",
        "ES256 without key id",
        "several audiences",
        "neither nbf nor iat",
        "expired a moment ago by another clock",
        "valid in a moment by another clock",
    ],
)
def test_a_token_that_verifies_is_its_subjects(
    service: Service, user_id: str, sign: Callable[[dict[str, Any]], str]
) -> None:
    answer = service.call("GET", ME, token=sign(service.claims(user_id)))
    assert (answer.status, answer.json.get("id")) == (200, user_id)


PUBLIC_PEM = RSA_KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
PUBLIC_DER = RSA_KEY.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
OWN_JWK = jwt.algorithms.RSAAlgorithm.to_jwk(OTHER_RSA_KEY.public_key(), as_dict=True)


@pytest.mark.parametrize(
    "sign",
    [
        lambda claims: f"{base64url({'alg': 'none'})}.{base64url(claims)}.",
        lambda claims: f"{base64url({'alg': 'none', 'kid': 'rsa-key'})}.{base64url(claims)}.",
        lambda claims: f"{base64url({'alg': 'None', 'kid': 'rsa-key'})}.{base64url(claims)}.",
        lambda claims: signed_with_hmac(claims, PUBLIC_PEM, "rsa-key"),
        lambda claims: signed_with_hmac(claims, PUBLIC_DER, "rsa-key"),
        lambda claims: signed_with_hmac(claims, b"", "rsa-key"),
        lambda claims: jwt.encode(claims, RSA_KEY, "RS512", headers={"kid": "rsa-key"}),
        lambda claims: jwt.encode(claims, RSA_KEY, "PS256", headers={"kid": "rsa-key"}),
        lambda claims: rs256(claims, key=OTHER_RSA_KEY),
        lambda claims: es256(claims, key=OTHER_EC_KEY),
        lambda claims: rs256(claims, kid="unknown"),
        lambda claims: rs256(claims, kid="ec-key"),
        lambda claims: es256(claims, kid="rsa-key"),
        lambda claims: rs256(claims, key=OTHER_RSA_KEY, jwk=OWN_JWK),
        lambda claims: rs256(claims, key=OTHER_RSA_KEY, jku="https://evil.example.com/jwks.json"),
        lambda claims: rs256(claims, crit=["x-unknown"]),
    ],
    ids=[
        "none",
        "none with a key id",
        "None",
        "HMAC with the public key as PEM",
        "HMAC with the public key as DER",
        "HMAC with nothing",
        "RS512",
        "PS256",
        "another RSA key",
        "another EC key",
        "unknown key id",
        "the EC key's id on RS256",
        "the RSA key's id on ES256",
        "a key of its own",
        "an address of its own",
        "a critical extension",
    ],
)
def test_a_token_that_the_issuer_did_not_sign_is_refused(
    service: Service, user_id: str, sign: Callable[[dict[str, Any]], str]
) -> None:
    assert refused(service.call("GET", ME, token=sign(service.claims(user_id))))


@pytest.mark.parametrize(
    "claims",
    [
        {"exp": int(time.time()) - 60},
        {"exp": 0},
        {"exp": "soon"},
        {"exp": float("inf")},
        {"nbf": int(time.time()) + 3600},
        {"nbf": float("inf")},
        {"iat": float("inf")},
        {"iss": "https://evil.example.com"},
        {"iss": f"{ISSUER}/"},
        {"aud": "another"},
        {"aud": ["another"]},
        {"aud": []},
        {"aud": 5},
        {"aud": [5]},
        {"aud": {"vignette": True}},
        {"aud": None, "client_id": 5},
        {"exp": None},
        {"iss": None},
        {"aud": None},
        {"sub": None},
        {"sub": ""},
        {"sub": 5},
        {"sub": "\ud800"},
        {"padding": "x" * 8192},
    ],
    ids=lambda claims: re.sub(r"\d{10}", "TIME", ascii(claims))[:40],
)
def test_a_token_with_wrong_claims_is_refused(
    service: Service, user_id: str, claims: dict[str, Any]
) -> None:
    assert refused(service.call("GET", ME, token=service.token(user_id, **claims)))


def publish(monkeypatch: pytest.MonkeyPatch, **jwk: str) -> None:
    """Have the issuer publish one more key, with the id `other`."""
    keys = [*JWKS["keys"], {**jwk, "kid": "other"}]
    monkeypatch.setenv("JWT_JWKS", json.dumps({"keys": keys}))


def test_an_algorithm_is_not_accepted_because_the_issuer_has_a_key_for_it(
    service: Service, monkeypatch: pytest.MonkeyPatch, user_id: str
) -> None:
    secret = b"0123456789abcdef" * 2
    publish(monkeypatch, kty="oct", k=base64url(secret), alg="HS256")
    token = jwt.encode(service.claims(user_id), secret, "HS256", headers={"kid": "other"})
    assert refused(service.call("GET", ME, token=token))


KEYS: dict[str, Any] = {
    "RS": OTHER_RSA_KEY,
    "PS": OTHER_RSA_KEY,
    "ES256": ec.generate_private_key(ec.SECP256R1()),
    "ES384": ec.generate_private_key(ec.SECP384R1()),
    "EdDSA": ed25519.Ed25519PrivateKey.generate(),
}


@pytest.mark.parametrize("algorithm", ["RS384", "RS512", "PS256", "ES256", "ES384", "EdDSA"])
def test_a_key_is_used_as_the_issuer_publishes_it(
    service: Service, monkeypatch: pytest.MonkeyPatch, user_id: str, algorithm: str
) -> None:
    key = KEYS.get(algorithm) or KEYS[algorithm[:2]]
    public = jwt.get_algorithm_by_name(algorithm).to_jwk(key.public_key(), as_dict=True)
    publish(monkeypatch, **public, alg=algorithm)
    token = jwt.encode(service.claims(user_id), key, algorithm, headers={"kid": "other"})
    assert service.call("GET", ME, token=token).status == 200


@pytest.mark.parametrize(
    ("claims", "word"),
    [
        ({"exp": 1_700_000_000}, "expired at 2023-11-14T22:13:20Z"),
        ({"nbf": int(time.time()) + 3600}, "not yet"),
        ({"aud": "another"}, "audience"),
        ({"aud": None}, "audience"),
        ({"iss": "https://evil.example.com"}, "issuer"),
        ({"sub": None}, "sub"),
        ({"sub": ""}, "sub"),
    ],
    ids=lambda value: re.sub(r"\d{10}", "TIME", str(value)),
)
def test_a_refused_token_says_why(
    service: Service, user_id: str, claims: dict[str, Any], word: str
) -> None:
    answer = service.call("GET", ME, token=service.token(user_id, **claims))
    assert word in answer.json["detail"]
    challenge = answer.headers["www-authenticate"]
    assert challenge.startswith('Bearer error="invalid_token", error_description="')
    assert answer.json["detail"] in challenge


@pytest.mark.parametrize(
    ("sign", "word"),
    [
        (lambda claims: rs256(claims, kid="unknown"), "key"),
        (lambda claims: signed_with_hmac(claims, PUBLIC_PEM, "rsa-key"), "algorithm"),
        (lambda claims: rs256(claims, key=OTHER_RSA_KEY), "signature"),
    ],
)
def test_a_token_of_another_key_says_no_more_than_that(
    service: Service, user_id: str, sign: Callable[[dict[str, Any]], str], word: str
) -> None:
    answer = service.call("GET", ME, token=sign(service.claims(user_id)))
    assert answer.status == 401
    assert word in answer.json["detail"]


def test_without_credentials_there_is_no_error_to_name(service: Service) -> None:
    # RFC 6750, section 3.1
    answer = service.call("GET", ME)
    assert answer.headers["www-authenticate"] == 'Bearer realm="vignette"'


@pytest.mark.parametrize(
    ("accepted", "claims", "status"),
    [
        ("one,two", {"aud": "two"}, 200),
        ("one,two", {"aud": ["three", "one"]}, 200),
        ("one,two", {"aud": "three"}, 401),
        ("one", {"aud": None, "client_id": "one"}, 200),
        ("one", {"aud": None, "azp": "one"}, 200),
        ("one", {"aud": "three", "client_id": "one", "azp": "one"}, 401),
        ("one", {"aud": None, "client_id": "three", "azp": "one"}, 401),
        ("*", {"aud": None}, 200),
        ("*", {"aud": "three"}, 200),
    ],
)
def test_a_token_is_for_one_of_the_audiences(
    service: Service,
    monkeypatch: pytest.MonkeyPatch,
    user_id: str,
    accepted: str,
    claims: dict[str, Any],
    status: int,
) -> None:
    monkeypatch.setenv("JWT_AUDIENCE", accepted)
    token = service.token(user_id, **claims)
    assert service.call("GET", ME, token=token).status == status


def test_without_an_issuer_only_the_key_is_accepted(
    service: Service, monkeypatch: pytest.MonkeyPatch, user_id: str
) -> None:
    monkeypatch.setenv("JWT_ISSUER", "")
    answer = service.call("GET", ME, token=service.token(user_id))
    assert (answer.status, "issuer" in answer.json["detail"]) == (401, True)
    assert service.with_key("GET", f"/api/v1/shared/users/{user_id}").status == 200


def other_subject(token: str, service: Service) -> str:
    head, _, signature = token.split(".")
    return f"{head}.{base64url(service.claims(SOMEBODY))}.{signature}"


@pytest.mark.parametrize(
    "spoil",
    [
        other_subject,
        lambda token, _: token.rpartition(".")[0] + ".",
        lambda token, _: token[:-8],
        lambda token, _: token[:-8] + "AAAAAAAA",
        lambda token, _: token.replace(".", "..", 1)[:-1],
        lambda *_: "..",
        lambda *_: "a.b.c",
        lambda *_: "ü.ü.ü",
        lambda *_: f"{base64url(b'[' * 6000)}.e30.AA",
        lambda *_: f"{base64url(b'[]')}.e30.AA",
        lambda *_: f"{base64url({'alg': ['RS256']})}.e30.AA",
        lambda *_: f"{base64url({'alg': 'RS256', 'kid': {}})}.e30.AA",
    ],
    ids=[
        "another subject",
        "without signature",
        "cut off",
        "another signature",
        "four parts",
        "dots",
        "letters",
        "umlauts",
        "a deep header",
        "a header that is a list",
        "a list of algorithms",
        "an object as key id",
    ],
)
def test_a_spoilt_token_is_refused(
    service: Service, user_id: str, spoil: Callable[[str, Service], str]
) -> None:
    assert refused(service.call("GET", ME, token=spoil(service.token(user_id), service)))


def test_a_users_token_costs_no_call(service: Service, user_id: str) -> None:
    forget_keys()
    service.calls.clear()
    service.as_user(user_id, "GET", ME)
    assert service.calls == ["GetItem"]


# The issuer's keys at an address


class Issuer:
    """An identity provider's JWKS address, which counts how often it is asked."""

    address = "https://id.example.com/.well-known/jwks.json"

    def __init__(self) -> None:
        self.body = json.dumps(JWKS).encode()
        self.up = True
        self.fault: Exception = URLError("down")
        self.requests = 0

    def open(self, _: object, request: Any, *__: object, **___: object) -> io.BytesIO:
        assert request.full_url == self.address
        self.requests += 1
        if not self.up:
            raise self.fault
        return io.BytesIO(self.body)


@pytest.fixture
def issuer(service: Service, monkeypatch: pytest.MonkeyPatch) -> Issuer:
    issuer = Issuer()
    monkeypatch.setenv("JWT_JWKS", issuer.address)
    monkeypatch.setattr(
        "urllib.request.OpenerDirector.open",
        lambda *arguments, **options: issuer.open(*arguments, **options),
    )
    return issuer


def test_the_issuers_keys_are_read_once_from_their_address(
    service: Service, user_id: str, issuer: Issuer
) -> None:
    for _ in range(3):
        assert service.as_user(user_id, "GET", ME).status == 200
    assert issuer.requests == 1


def test_a_key_the_issuer_has_just_begun_to_use_is_read_at_once(
    service: Service, user_id: str, issuer: Issuer
) -> None:
    service.as_user(user_id, "GET", ME)
    issuer.body = json.dumps({"keys": [{**OWN_JWK, "kid": "new"}]}).encode()
    token = rs256(service.claims(user_id), key=OTHER_RSA_KEY, kid="new")
    assert service.call("GET", ME, token=token).status == 200


def test_wrong_tokens_do_not_make_the_service_ask_the_issuer_each_time(
    service: Service, user_id: str, issuer: Issuer
) -> None:
    for _ in range(20):
        assert refused(service.call("GET", ME, token=rs256(service.claims(user_id), kid="?")))
    assert issuer.requests <= 2


def test_known_keys_serve_while_the_issuer_is_down(
    service: Service, user_id: str, issuer: Issuer
) -> None:
    service.as_user(user_id, "GET", ME)
    issuer.up = False
    assert service.as_user(user_id, "GET", ME).status == 200


@pytest.mark.parametrize(
    "body",
    [None, b"<html>", b"[]", b"{}", b'{"keys": {}}', b"[" * 100_000, b"\xff"],
    ids=["down", "HTML", "a list", "nothing", "no list of keys", "a deep document", "no text"],
)
def test_where_the_issuers_keys_cannot_be_read_the_caller_is_asked_to_come_back(
    service: Service, user_id: str, issuer: Issuer, body: bytes | None
) -> None:
    issuer.up, issuer.body = body is not None, body or b""
    answer = service.as_user(user_id, "GET", ME)
    assert (answer.status, answer.code) == (503, "unavailable")
    assert int(answer.headers["retry-after"]) > 0


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """What the service takes for the time of a clock that only runs when it is told to."""
    clock = SimpleNamespace(now=1000.0)
    monkeypatch.setattr("vignette.http.access.time", SimpleNamespace(monotonic=lambda: clock.now))
    return clock


def test_known_keys_serve_for_a_day_while_the_issuer_is_down(
    service: Service, user_id: str, issuer: Issuer, clock: SimpleNamespace
) -> None:
    token = service.token(user_id, exp=int(time.time()) + 3 * 86_400)
    assert service.call("GET", ME, token=token).status == 200
    issuer.up, issuer.requests = False, 0
    clock.now += 23 * 3600
    for _ in range(20):
        assert service.call("GET", ME, token=token).status == 200
    assert issuer.requests == 1  # and not once for every request, 3 seconds each
    clock.now += 2 * 3600
    assert service.call("GET", ME, token=token).status == 503
    issuer.up = True
    clock.now += 11
    assert service.call("GET", ME, token=token).status == 200


@pytest.mark.parametrize(
    "fault",
    [
        ConnectionResetError("reset"),
        ssl.SSLEOFError(8, "EOF occurred in violation of protocol"),
        TimeoutError("timed out"),
        IncompleteRead(b"{"),
    ],
    ids=lambda fault: type(fault).__name__,
)
def test_known_keys_serve_however_the_issuer_fails(
    service: Service, user_id: str, issuer: Issuer, clock: SimpleNamespace, fault: Exception
) -> None:
    token = service.token(user_id, exp=int(time.time()) + 86_400)
    assert service.call("GET", ME, token=token).status == 200
    issuer.up, issuer.fault, issuer.requests = False, fault, 0
    clock.now += 3600
    for _ in range(10):
        assert service.call("GET", ME, token=token).status == 200
    assert issuer.requests == 1


@pytest.mark.parametrize(
    "body",
    [b'{"keys": []}', b'{"keys": [{"kty": "x"}]}', b'{"keys": [5]}'],
    ids=["no key", "no usable key", "no key at all"],
)
def test_a_key_that_is_taken_out_of_the_issuers_set_is_refused_even_if_it_was_the_only_one(
    service: Service, user_id: str, issuer: Issuer, clock: SimpleNamespace, body: bytes
) -> None:
    token = service.token(user_id, exp=int(time.time()) + 86_400)
    assert service.call("GET", ME, token=token).status == 200
    issuer.body = body
    clock.now += settings.JWKS_CACHE_SECONDS + 1
    assert refused(service.call("GET", ME, token=token))
    assert service.call("GET", "/v1/jwks").json == {"keys": []}
    issuer.body = json.dumps(JWKS).encode()
    clock.now += 11
    assert service.call("GET", ME, token=token).status == 200


def test_an_issuer_that_is_down_is_asked_at_a_bounded_rate(
    service: Service, user_id: str, issuer: Issuer, clock: SimpleNamespace
) -> None:
    issuer.up = False
    for _ in range(60):
        assert service.as_user(user_id, "GET", ME).status == 503
        clock.now += 1
    assert issuer.requests <= 6


@pytest.mark.parametrize(("use", "status"), [("enc", 401), ("sig", 200), (None, 200)])
def test_a_key_for_encryption_signs_nothing(
    service: Service, user_id: str, monkeypatch: pytest.MonkeyPatch, use: str | None, status: int
) -> None:
    key = {**OWN_JWK, "kid": "mine", **({"use": use} if use else {})}
    monkeypatch.setenv("JWT_JWKS", json.dumps({"keys": [key]}))
    token = rs256(service.claims(user_id), key=OTHER_RSA_KEY, kid="mine")
    assert service.call("GET", ME, token=token).status == status


# The secret key


def works(service: Service, key: str) -> bool:
    """Whether a key is accepted as the secret key."""
    answer = service.call("GET", f"/api/v1/shared/users/{SOMEBODY}", token=key)
    assert answer.status == 404 or refused(answer)
    return answer.status == 404


def rotate(service: Service) -> str:
    """A new secret key, which makes the one before the previous one."""
    key = uuid.uuid4().hex
    service.secrets.put_secret_value(SecretId="key", SecretString=key)
    return key


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_the_scheme_may_be_written_in_any_case(service: Service, scheme: str) -> None:
    headers = {"authorization": f"{scheme} {service.secret_key}"}
    path = f"/api/v1/shared/users/{service.create_user()['id']}"
    assert service.call("GET", path, headers=headers).status == 200


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Bearer",
        "Bearer ",
        "{key}",
        "Basic {key}",
        "Bearer{key}",
        "Bearer {key}x",
        "Bearer x{key}",
        "Bearer {key} {key}",
        'Bearer "{key}"',
        "Bearer {upper}",
        "Bearer {half}",
        "Bearer ü",
        "Bearer \ud800",
        "Bearer *",
    ],
)
def test_anything_but_the_secret_key_is_refused(service: Service, header: str) -> None:
    service.secret_key = "abcdef0123456789" * 2
    service.secrets.put_secret_value(SecretId="key", SecretString=service.secret_key)
    key = service.secret_key
    headers = {"authorization": header.format(key=key, upper=key.upper(), half=key[:16])}
    assert refused(service.call("GET", f"/api/v1/shared/users/{SOMEBODY}", headers=headers))


def test_a_rotated_key_works_at_once_and_the_previous_one_still_does(service: Service) -> None:
    assert works(service, service.secret_key)
    new = rotate(service)
    assert works(service, new)
    assert works(service, service.secret_key)


def test_a_key_older_than_the_previous_one_is_refused(service: Service) -> None:
    previous, current = rotate(service), rotate(service)
    assert works(service, current)
    assert works(service, previous)
    assert not works(service, service.secret_key)


def test_a_key_rotated_out_twice_is_refused_as_soon_as_the_cache_is_five_minutes_old(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Later(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:  # type: ignore[override]
            return datetime.now(tz) + timedelta(minutes=5, seconds=1)

    assert works(service, service.secret_key)
    rotate(service)
    rotate(service)
    monkeypatch.setattr("aws_lambda_powertools.utilities.parameters.base.datetime", Later)
    assert not works(service, service.secret_key)


@pytest.mark.parametrize("rotated", [False, True], ids=["never rotated", "rotated"])
def test_wrong_keys_do_not_cost_a_call_each(
    service: Service, monkeypatch: pytest.MonkeyPatch, rotated: bool
) -> None:
    clock = SimpleNamespace(monotonic=lambda: 1000.0)
    monkeypatch.setattr("vignette.adapters.secret.time", clock)
    current = rotate(service) if rotated else service.secret_key
    for at in range(20):
        assert not works(service, f"wrong-{at}")
    assert service.calls.count("GetSecretValue") <= 4
    service.calls.clear()
    clock.monotonic = lambda: 1002.0
    for at in range(20):
        assert not works(service, f"wrong-{at}")
    assert service.calls.count("GetSecretValue") <= 2
    assert works(service, current)


def test_the_secret_key_is_cached(service: Service) -> None:
    assert works(service, service.secret_key)
    service.calls.clear()
    assert works(service, service.secret_key)
    assert service.calls == ["GetItem"]


@pytest.mark.parametrize(
    "failure",
    [
        aws_error("ThrottlingException"),
        aws_error("InternalServiceError", 500),
        EndpointConnectionError(endpoint_url="https://secretsmanager.example.com"),
    ],
)
def test_where_the_secret_cannot_be_read_the_caller_is_asked_to_come_back(
    service: Service, failure: AwsAnswer | Exception
) -> None:
    service.let_aws_answer("secretsmanager", failure)
    answer = service.with_key("GET", f"/api/v1/shared/users/{SOMEBODY}")
    assert (answer.status, answer.code) == (503, "unavailable")
    assert int(answer.headers["retry-after"]) > 0


def test_a_cached_key_serves_while_the_secret_cannot_be_read(service: Service) -> None:
    assert works(service, service.secret_key)
    service.let_aws_answer("secretsmanager", aws_error("ThrottlingException"))
    assert works(service, service.secret_key)


# What each may do


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/api/v1/shared/users"),
        ("GET", "/api/v1/shared/users/{user_id}"),
        ("PATCH", "/api/v1/shared/users/{user_id}"),
        ("DELETE", "/api/v1/shared/users/{user_id}"),
        ("PATCH", "/api/v1/shared/users/{user_id}/profile-picture"),
    ],
)
def test_a_user_may_not_make_the_calls_of_the_key_not_even_for_themselves(
    service: Service, user_id: str, method: str, path: str
) -> None:
    before = service.everything()
    answer = service.as_user(user_id, method, path.format(user_id=user_id), {})
    assert (answer.status, answer.code) == (403, "forbidden")
    assert service.everything() == before


@pytest.mark.parametrize(
    ("method", "path"), [("GET", ME), ("PATCH", ME), ("PATCH", f"{ME}/profile-picture")]
)
def test_the_key_is_nobody_and_has_no_profile_of_its_own(
    service: Service, method: str, path: str
) -> None:
    answer = service.with_key(method, path, {})
    assert (answer.status, answer.code) == (403, "forbidden")
