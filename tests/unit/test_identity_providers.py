"""Tokens as identity providers issue them are accepted with the settings that the docs print."""

import time

import jwt
import pytest
from tests.identity_providers import SETTINGS, TOKENS
from tests.template import Deployment
from tests.unit.conftest import RSA_KEY, Service


@pytest.mark.parametrize("token", TOKENS)
def test_the_first_call_with_an_ordinary_token_is_answered(
    service: Service, monkeypatch: pytest.MonkeyPatch, token: str
) -> None:
    provider, claims = TOKENS[token]
    settings = SETTINGS[provider]
    monkeypatch.setenv("JWT_ISSUER", settings["JwtIssuer"])
    monkeypatch.setenv("JWT_AUDIENCE", settings["JwtAudience"])
    now = int(time.time())
    claims = {**claims, "iat": now, "exp": now + 60}
    signed = jwt.encode(claims, RSA_KEY, "RS256", headers={"kid": "rsa-key"})
    answer = service.call("GET", "/api/v1/users/me", token=signed)
    assert (answer.status, answer.json["id"]) == (200, claims["sub"])


def test_each_provider_of_the_page_has_a_token_here() -> None:
    assert {provider for provider, _ in TOKENS.values()} == SETTINGS.keys()
    assert all(each["JwtJwks"].startswith("https://") for each in SETTINGS.values())


@pytest.mark.parametrize(
    ("left_out", "missing"),
    [
        (set(), []),
        ({"JwtAudience"}, ["JwtAudience"]),
        ({"JwtJwks"}, ["JwtJwks"]),
        ({"JwtIssuer", "JwtAudience", "JwtJwks"}, []),
    ],
    ids=["nothing", "audience", "keys", "everything"],
)
@pytest.mark.parametrize("provider", SETTINGS)
def test_an_issuer_is_deployed_with_its_audience_and_its_keys(
    provider: str, left_out: set[str], missing: list[str]
) -> None:
    values = {name: each for name, each in SETTINGS[provider].items() if name not in left_out}
    refused = Deployment(values).refused()
    assert [text.split()[1] for text in refused] == missing
