"""Who may call: the service's secret key acts on any user, a user's token on its own subject.

An Admin API token, signed with a key that Authgear's clients hold, is worth the secret key.
"""

import hmac
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Any

from vignette import settings
from vignette.errors import Forbidden, InvalidToken, Unauthenticated, Unavailable
from vignette.runtime.telemetry import logger

if TYPE_CHECKING:
    from jwt import PyJWK

# RFC 8725, section 3.1: the algorithms are the service's choice, never the token's.
_USER_ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "ES256", "ES384", "EdDSA")
_ADMIN_ALGORITHMS = ("RS256",)
# An unknown key may be newer than the cached ones; ask again, but not for every wrong token.
_REFRESH_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Caller:
    """Whoever sent the request: the user `user_id`, or the holder of the secret key (None).

    `claims` are what the user's token says.
    """

    user_id: str | None
    claims: Mapping[str, Any] = field(default_factory=dict)

    @property
    def has_key(self) -> bool:
        """Whether the caller may act on any user."""
        return self.user_id is None


def authenticate(authorization: str | None) -> Caller:
    """Tell who sends an `Authorization` header (RFC 6750).

    Raises:
        Unauthenticated: There are no credentials, or they are not valid.
        Unavailable: Keys cannot be read.
    """
    token = _bearer_token(authorization)
    if token.count(".") == 2:
        claims = _user_claims(token)
        return Caller(claims["sub"], claims)
    if _is_secret_key(token):
        return Caller(None)
    raise Unauthenticated("The secret key is not valid.")


def authenticate_admin(authorization: str | None) -> None:
    """Check that an `Authorization` header has an Admin API token or the secret key.

    The token is what Authgear documents ("Admin API", "Authentication and Security"): RS256,
    `aud` the app's id, and `exp`.

    Raises:
        Unauthenticated: There are no credentials, or they are not valid.
        Unavailable: Keys cannot be read.
    """
    token = _bearer_token(authorization)
    if token.count(".") == 2:
        _claims(
            token,
            jwks=settings.admin_api_jwks(),
            algorithms=_ADMIN_ALGORITHMS,
            audience=settings.admin_api_app_id(),
            required=["exp", "aud"],
        )
    elif not _is_secret_key(token):
        raise Unauthenticated("The secret key is not valid.")


def sign(purpose: str, message: str) -> str:
    """A signature of the service's own on a message, which it can check later.

    The key is derived from the secret key, and is another one for every purpose.

    Raises:
        Unavailable: The secret key cannot be read.
    """
    from vignette.adapters import secret

    return _signature(next(secret.candidates()), purpose, message)


def is_signed(purpose: str, message: str, signature: str) -> bool:
    """Whether a signature is the service's own, made before or after the secret was rotated.

    Raises:
        Unavailable: The secret key cannot be read.
    """
    from vignette.adapters import secret

    given = signature.encode(errors="surrogatepass")
    return any(
        hmac.compare_digest(given, _signature(value, purpose, message).encode())
        for value in secret.candidates()
    )


def published_keys() -> list[dict[str, str]]:
    """The issuer's public keys that users' tokens are verified with, as JWKs (RFC 7517).

    A private key in the settings stays private: only its public half is given. There are none
    without an issuer.

    Raises:
        Unavailable: The issuer's keys cannot be read.
    """
    if not settings.jwt_issuer():
        return []
    return [
        _published(key)
        for key in next(_key_sets(settings.jwt_jwks()))
        if key.algorithm_name in _USER_ALGORITHMS and key.public_key_use in (None, "sig")
    ]


def challenge(error: Unauthenticated) -> str:
    """The `WWW-Authenticate` header of an answer (RFC 6750, section 3)."""
    if isinstance(error, InvalidToken):
        description = error.detail.replace('"', "'")
        return f'Bearer error="invalid_token", error_description="{description}"'
    return 'Bearer realm="vignette"'


def require_key(caller: Caller) -> None:
    """Refuse a caller who does not hold the secret key.

    Raises:
        Forbidden: The caller is a user.
    """
    if not caller.has_key:
        raise Forbidden("This call needs the secret key.")


def require_user(caller: Caller) -> str:
    """The id of the calling user.

    Raises:
        Forbidden: The caller holds the secret key, which is not a user.
    """
    if caller.user_id is None:
        raise Forbidden("This call needs a user's token, not the secret key.")
    return caller.user_id


def _bearer_token(authorization: str | None) -> str:
    scheme, _, token = (authorization or "").partition(" ")
    token = token.strip()
    if scheme.lower() != "bearer" or not token:
        raise Unauthenticated("Send `Authorization: Bearer` and a secret key or a token.")
    return token


def _signature(value: str, purpose: str, message: str) -> str:
    key = hmac.digest(value.encode(), purpose.encode(), "sha256")
    return hmac.digest(key, message.encode(), "sha256").hex()


def _is_secret_key(token: str) -> bool:
    from vignette.adapters import secret  # a user's token needs no secret store

    given = token.encode(errors="surrogatepass")
    return any(hmac.compare_digest(given, value.encode()) for value in secret.candidates())


def _user_claims(token: str) -> dict[str, Any]:
    """What a user's token says.

    Raises:
        InvalidToken: The token is refused.
        Unavailable: The issuer's keys cannot be read.
    """
    issuer, audiences = settings.jwt_issuer(), settings.jwt_audiences()
    if not issuer:
        raise InvalidToken("Tokens are not accepted: this service has no issuer (`JwtIssuer`).")
    claims = _claims(
        token,
        jwks=settings.jwt_jwks(),
        algorithms=_USER_ALGORITHMS,
        issuer=issuer,
        required=["exp", "iss", "sub"],
    )
    if "*" not in audiences and audiences.isdisjoint(_audiences(claims)):
        raise InvalidToken("The token is for another audience (`aud`, `client_id` or `azp`).")
    if not claims["sub"]:
        raise InvalidToken("The token has no subject (`sub`).")
    if not _is_unicode(claims["sub"]):
        raise InvalidToken("The token's subject (`sub`) is not text.")
    return claims


def _is_unicode(text: str) -> bool:
    """Whether a text can be written down: JSON can name halves of surrogate pairs."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _audiences(claims: Mapping[str, Any]) -> set[str]:
    """Whom a token is for: `aud`, else `client_id` (Cognito's access tokens) or `azp` (Clerk's)."""
    for name in ("aud", "client_id", "azp"):
        found = claims.get(name)
        if found:
            named = found if isinstance(found, list) else [found]
            return {each for each in named if isinstance(each, str)}
    return set()


def _claims(
    token: str,
    *,
    jwks: str,
    algorithms: Sequence[str],
    audience: str | None = None,
    issuer: str | None = None,
    required: Sequence[str],
) -> dict[str, Any]:
    """What a token says, after its signature, its times and, if given, the rest were verified.

    Raises:
        InvalidToken: The token is refused.
        Unavailable: The issuer's keys cannot be read.
    """
    import jwt  # a secret key needs no cryptography

    if len(token) > settings.MAX_TOKEN_CHARACTERS:
        raise InvalidToken("The token is too long.")
    # The header alone: decode() reads the rest, and PyJWT takes its time for each letter.
    header, _, _ = token.partition(".")
    try:
        key = _verification_key(jwt.get_unverified_header(f"{header}.."), jwks, algorithms)
        claims: dict[str, Any] = jwt.decode(
            token,
            key,
            algorithms=[key.algorithm_name],
            audience=audience,
            issuer=issuer,
            leeway=settings.CLOCK_SKEW_SECONDS,
            options={"require": list(required), "verify_aud": audience is not None},
        )
    except (jwt.PyJWTError, ValueError) as error:
        raise InvalidToken(_why_refused(error, token)) from error
    return claims


def _why_refused(error: Exception, token: str) -> str:
    """Why a token is refused, in words for the developer who sent it."""
    import jwt

    match error:
        case jwt.ExpiredSignatureError():
            # The signature was verified before the times: the issuer has written `exp`.
            expired_at = int(jwt.decode(token, options={"verify_signature": False})["exp"])
            moment = datetime.fromtimestamp(max(0, expired_at), UTC)
            return f"The token expired at {moment:%Y-%m-%dT%H:%M:%SZ} (`exp`)."
        case jwt.ImmatureSignatureError():
            return "The token is not yet valid (`nbf` or `iat`); is the issuer's clock right?"
        case jwt.InvalidIssuerError():
            return "The token is from another issuer (`iss`)."
        case jwt.InvalidAudienceError():
            return "The token is for another audience (`aud`)."
        case jwt.MissingRequiredClaimError(claim="sub"):
            return "The token has no subject (`sub`)."
        case jwt.MissingRequiredClaimError(claim="aud"):
            return "The token has no audience (`aud`)."
        case jwt.MissingRequiredClaimError(claim="iss"):
            return "The token has no issuer (`iss`)."
        case jwt.MissingRequiredClaimError():
            return "The token does not say when it expires (`exp`)."
        case jwt.exceptions.InvalidSubjectError():
            return "The token's subject (`sub`) is not a string."
        case jwt.InvalidKeyError():
            return "The token's key (`kid`) is not one of the issuer's."
        case jwt.InvalidAlgorithmError():
            return "The token's algorithm (`alg`) is not accepted."
        case jwt.InvalidSignatureError():
            return "The token's signature is not that of its key."
    return "The token is not valid."


def _verification_key(header: dict[str, Any], jwks: str, algorithms: Sequence[str]) -> "PyJWK":
    import jwt

    if header.get("alg") not in algorithms:
        raise jwt.InvalidAlgorithmError("The token's algorithm is not accepted.")
    for keys in _key_sets(jwks):
        for key in keys:
            if (
                key.algorithm_name == header["alg"]
                and key.public_key_use in (None, "sig")  # RFC 7517, section 4.2
                and header.get("kid") in (None, key.key_id)
            ):
                return key
    raise jwt.InvalidKeyError("The token's key is not known.")


def _key_sets(jwks: str) -> "Iterator[list[PyJWK]]":
    """The issuer's keys as they are known and, where they have an address, as they are now."""
    if not jwks.startswith("https://"):
        yield _parsed(jwks)
        return
    issuer = _remote(jwks)
    yield issuer.known()
    yield issuer.newest()


def _published(key: "PyJWK") -> dict[str, str]:
    public = key.key.public_key() if hasattr(key.key, "public_key") else key.key
    named = {"kid": key.key_id} if key.key_id else {}
    jwk: dict[str, str] = key.Algorithm.to_jwk(public, as_dict=True)
    return {**jwk, **named, "use": "sig", "alg": key.algorithm_name}


@cache
def _parsed(jwks: str) -> "list[PyJWK]":
    return _usable(json.loads(jwks))


def _usable(document: Mapping[str, Any]) -> "list[PyJWK]":
    """The keys of a JWKS document that can be used; there may be none.

    Raises:
        ValueError: It is not a JWKS document.
        TypeError: A key has a value of a type that no key has.
    """
    import jwt

    listed = document.get("keys")
    if not isinstance(listed, list):
        raise ValueError("A JWKS document has a list of keys.")
    try:
        return jwt.PyJWKSet(listed).keys
    except jwt.PyJWKSetError:  # the set may be empty, or have keys of other kinds only
        return []


class _Issuer:
    """An issuer whose keys have an address; it is asked every few seconds at most."""

    def __init__(self, address: str) -> None:
        import jwt

        self._client = jwt.PyJWKClient(address, cache_jwk_set=False, timeout=3)
        self._keys: list[PyJWK] = []
        self._read_at = self._failed_at = self._refreshed_at = float("-inf")

    def known(self) -> "list[PyJWK]":
        """The keys of a few minutes ago or, while they cannot be read, of a day at most.

        Raises:
            Unavailable: The keys are older.
        """
        if time.monotonic() - self._read_at > settings.JWKS_CACHE_SECONDS:
            self._read()
        if time.monotonic() - self._read_at > settings.JWKS_STALE_SECONDS:
            raise Unavailable("The issuer's keys cannot be read.")
        return self._keys

    def newest(self) -> "list[PyJWK]":
        """The keys as they are now, or were some seconds ago.

        Raises:
            Unavailable: The issuer was down then.
        """
        if time.monotonic() - self._refreshed_at > _REFRESH_SECONDS:
            self._refreshed_at = time.monotonic()
            self._read()
        if self._failed_at > self._read_at:
            raise Unavailable("The issuer's keys cannot be read.")
        return self._keys

    def _read(self) -> None:
        """Ask the issuer, unless it was down some seconds ago."""
        import jwt

        if time.monotonic() - self._failed_at <= _REFRESH_SECONDS:
            return
        try:
            # A set without keys is an answer like any other: they were revoked.
            self._keys = _usable(self._client.fetch_data())
        except (jwt.PyJWKClientError, OSError, RecursionError, TypeError, ValueError) as error:
            self._failed_at = time.monotonic()
            logger.warning("the issuer's keys cannot be read", cause=type(error).__name__)
        else:
            self._read_at = time.monotonic()


@cache
def _remote(address: str) -> _Issuer:
    return _Issuer(address)
