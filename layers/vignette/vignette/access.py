"""Who may call: the service's secret key acts on any user, a user's token on its own subject."""

import hmac
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from vignette import settings
from vignette.errors import Forbidden, Unauthenticated, Unavailable

if TYPE_CHECKING:
    from jwt import PyJWK, PyJWKClient

# RFC 8725, section 3.1: the algorithms are the service's choice, never the token's.
_ALGORITHMS = ("RS256", "ES256")
# An unknown key may be newer than the cached ones; ask again, but not for every wrong token.
_REFRESH_SECONDS = 10.0
_refreshed_at = float("-inf")


@dataclass(frozen=True, slots=True)
class Caller:
    """Whoever sent the request: the user `user_id`, or the holder of the secret key (None)."""

    user_id: str | None

    @property
    def has_key(self) -> bool:
        """Whether the caller may act on any user."""
        return self.user_id is None


def authenticate(authorization: str | None) -> Caller:
    """Tell who sends an `Authorization` header (RFC 6750).

    Raises `Unauthenticated`, and `Unavailable` where keys cannot be read.
    """
    scheme, _, token = (authorization or "").partition(" ")
    token = token.strip()
    if scheme.lower() != "bearer" or not token:
        raise Unauthenticated("Send `Authorization: Bearer` and a secret key or a user's token.")
    if token.count(".") == 2:
        return Caller(_subject(token))
    if _is_secret_key(token):
        return Caller(None)
    raise Unauthenticated("The secret key is not valid.")


def require_key(caller: Caller) -> None:
    """Raise `Forbidden` unless the caller holds the secret key."""
    if not caller.has_key:
        raise Forbidden("This call needs the secret key.")


def require_user(caller: Caller) -> str:
    """The id of the calling user. Raises `Forbidden` for the secret key, which is nobody."""
    if caller.user_id is None:
        raise Forbidden("This call needs a user's token; the secret key names no user.")
    return caller.user_id


def _is_secret_key(token: str) -> bool:
    from vignette.adapters import secret  # a user's token needs no secret store

    given = token.encode()
    return any(hmac.compare_digest(given, value.encode()) for value in secret.candidates())


def _subject(token: str) -> str:
    import jwt  # a secret key needs no cryptography

    if len(token) > settings.MAX_TOKEN_CHARACTERS:
        raise Unauthenticated("The token is too long.")
    try:
        header = jwt.get_unverified_header(token)
        key = _verification_key(header)
        claims: dict[str, Any] = jwt.decode(
            token,
            key,
            algorithms=[key.algorithm_name],
            audience=settings.jwt_audience(),
            issuer=settings.jwt_issuer(),
            leeway=settings.CLOCK_SKEW_SECONDS,
            options={"require": ["exp", "iss", "aud", "sub"]},
        )
    except (jwt.InvalidTokenError, jwt.PyJWKError, ValueError) as error:
        raise Unauthenticated("The token is not valid.") from error
    subject = claims["sub"]
    if not subject:
        raise Unauthenticated("The token names no subject.")
    return str(subject)


def _verification_key(header: dict[str, Any]) -> "PyJWK":
    import jwt

    if header.get("alg") not in _ALGORITHMS:
        raise jwt.InvalidAlgorithmError("The token's algorithm is not accepted.")
    for keys in _key_sets(settings.jwt_jwks()):
        for key in keys:
            if key.algorithm_name == header["alg"] and header.get("kid") in (None, key.key_id):
                return key
    raise jwt.InvalidKeyError("The token's key is not known.")


def _key_sets(jwks: str) -> "Iterator[list[PyJWK]]":
    """The issuer's keys as they are known and, where they have an address, as they are now."""
    import jwt

    if not jwks.startswith("https://"):
        yield _parsed(jwks)
        return
    global _refreshed_at
    try:
        yield _remote(jwks).get_jwk_set().keys
        if time.monotonic() - _refreshed_at > _REFRESH_SECONDS:
            _refreshed_at = time.monotonic()
            yield _remote(jwks).get_jwk_set(refresh=True).keys
    except jwt.PyJWKClientConnectionError as error:
        raise Unavailable("The issuer's keys cannot be read.") from error


@cache
def _parsed(jwks: str) -> "list[PyJWK]":
    import jwt

    return jwt.PyJWKSet.from_dict(json.loads(jwks)).keys


@cache
def _remote(address: str) -> "PyJWKClient":
    import jwt

    return jwt.PyJWKClient(address, lifespan=settings.JWKS_CACHE_SECONDS, timeout=3)
