"""People come with the tokens they have: the first call makes the user, and a picture follows."""

import secrets
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
from tests.e2e.conftest import PHOTOS, Client, signed
from tests.e2e.roles import logical_id
from tests.identity_providers import SETTINGS, TOKENS

PHOTO = (PHOTOS / "astronaut.jpg").read_bytes()
USERS_OWN = ("profiles", "uploads", "pictures")


@contextmanager
def accepting(client: Client, issuer: str, audience: str) -> Iterator[None]:
    """While this lasts, users' functions have been deployed for another identity provider."""
    lambdas = client.aws("lambda")
    names = [client.resource(logical_id(each)) for each in USERS_OWN]
    before = {}
    for name in names:
        alias = lambdas.get_alias(FunctionName=name, Name="live")["FunctionVersion"]
        usual = lambdas.get_function_configuration(FunctionName=name)["Environment"]["Variables"]
        before[name] = alias, usual
        variables = {**usual, "JWT_ISSUER": issuer, "JWT_AUDIENCE": audience}
        lambdas.update_function_configuration(
            FunctionName=name, Environment={"Variables": variables}
        )
        version = lambdas.publish_version(FunctionName=name)["Version"]
        lambdas.update_alias(FunctionName=name, Name="live", FunctionVersion=version)
    try:
        yield
    finally:
        for name, (alias, usual) in before.items():
            lambdas.update_function_configuration(
                FunctionName=name, Environment={"Variables": usual}
            )
            lambdas.update_alias(FunctionName=name, Name="live", FunctionVersion=alias)


def holding(client: Client, claims: dict[str, Any]) -> dict[str, str]:
    """The header with a token that has these claims, times and an issuer's signature."""
    now = int(time.time())
    token = signed(client.stack, "jwt", {**claims, "iat": now, "exp": now + 600})
    return {"Authorization": f"Bearer {token}"}


@pytest.mark.parametrize("token", TOKENS)
def test_a_provider_s_token_leads_from_the_first_call_to_a_picture(
    client: Client, token: str
) -> None:
    provider, claims = TOKENS[token]
    sub = f"{claims['sub'][:-6]}{secrets.randbelow(10**6):06}"  # of this run
    settings = SETTINGS[provider]
    with accepting(client, settings["JwtIssuer"], settings["JwtAudience"]):
        me = holding(client, {**claims, "sub": sub})
        first = client.http.get("/api/v1/users/me", headers=me)
        assert (first.status_code, first.json()["id"]) == (200, sub), first.text
        assert first.json()["firstName"] == claims.get("given_name", claims.get("name"))
        upload = client.upload(me, PHOTO)
        picture = client.set_picture(me, upload["id"])
        assert picture.status_code == 200, picture.text
    shown = httpx.get(picture.json()["avatar"]["url"])
    assert (shown.status_code, shown.headers["content-type"]) == (200, "image/webp")


def test_fifty_first_calls_at_once_make_one_user(client: Client) -> None:
    def count() -> int:
        answer = client.http.get("/v1/users/count", headers=client.key)
        return int(answer.json()["total_count"])

    before = count()
    sub = f"auth0|{uuid.uuid4().hex[:24]}"
    me = holding(
        client,
        {
            "iss": client.stack["jwtIssuer"],
            "aud": client.stack["jwtAudience"],
            "sub": sub,
            "name": "Grace Hopper",
            "email": f"{uuid.uuid4().hex}@example.com",
            "email_verified": True,
        },
    )
    address = f"{client.stack['baseUrl']}/api/v1/users/me"
    with ThreadPoolExecutor(50) as callers:
        answers = list(callers.map(lambda _: httpx.get(address, headers=me, timeout=60), range(50)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.text for answer in answers}) == 1
    assert answers[0].json()["id"] == sub
    assert count() == before + 1
