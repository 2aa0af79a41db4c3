"""`GET /v1/jwks`: the keys with which Clerk's SDKs verify users' tokens."""

import json
from urllib.error import URLError

import jwt
import pytest
from tests.unit.conftest import EC_KEY, JWKS, RSA_KEY, Service, forget_keys


def keys(service: Service) -> list[dict[str, str]]:
    answer = service.call("GET", "/v1/jwks")
    assert answer.status == 200, answer.json
    assert answer.json.keys() == {"keys"}
    found: list[dict[str, str]] = answer.json["keys"]
    return found


def test_a_token_is_verified_with_the_key_that_it_names(service: Service) -> None:
    token = service.token("user_2abC")
    found = {key["kid"]: key for key in keys(service)}
    key = jwt.PyJWK(found[jwt.get_unverified_header(token)["kid"]])
    claims = jwt.decode(token, key, [key.algorithm_name], options={"verify_aud": False})
    assert claims["sub"] == "user_2abC"


def test_every_key_says_what_it_is_for(service: Service) -> None:
    assert [(key["kid"], key["kty"], key["alg"], key["use"]) for key in keys(service)] == [
        ("rsa-key", "RSA", "RS256", "sig"),
        ("ec-key", "EC", "ES256", "sig"),
    ]


def test_nothing_secret_is_published(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    public = keys(service)
    private = [
        {**jwt.algorithms.RSAAlgorithm.to_jwk(RSA_KEY, as_dict=True), "kid": "rsa-key"},
        {**jwt.algorithms.ECAlgorithm.to_jwk(EC_KEY, as_dict=True), "kid": "ec-key"},
        {"kty": "oct", "k": "c2VjcmV0", "alg": "HS256", "kid": "shared"},
        {**JWKS["keys"][0], "use": "enc", "kid": "for encryption"},
    ]
    monkeypatch.setenv("JWT_JWKS", json.dumps({"keys": private}))
    forget_keys()
    assert keys(service) == public


def test_without_an_issuer_there_are_none(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JWT_ISSUER", "")
    monkeypatch.setenv("JWT_JWKS", "")
    assert keys(service) == []


def test_while_the_issuer_is_down_the_caller_is_asked_to_come_back(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    def down(*_: object, **__: object) -> None:
        raise URLError("down")

    monkeypatch.setattr("urllib.request.OpenerDirector.open", down)
    monkeypatch.setenv("JWT_JWKS", "https://issuer.example.com/down.json")
    answer = service.call("GET", "/v1/jwks")
    assert answer.status == 503
    assert answer.json["errors"][0]["code"]
    assert answer.headers["retry-after"]


def test_it_costs_no_call_of_aws(service: Service) -> None:
    service.calls.clear()
    keys(service)
    assert service.calls == []
