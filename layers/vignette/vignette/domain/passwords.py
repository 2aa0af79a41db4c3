"""Passwords: kept as Argon2id, verified as whatever they were hashed with elsewhere.

An imported digest decides how much work its verification is, so it is accepted only if that is
bounded. No password is ever stored, logged or answered.
"""

import base64
import hashlib
import hmac
import os
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial

from vignette import settings
from vignette.adapters import table
from vignette.adapters.table import Attr
from vignette.domain import users
from vignette.domain.ids import user_key
from vignette.domain.locking import optimistically
from vignette.domain.model import Password, User, UserState, now
from vignette.errors import NoPassword, Unavailable, UserNotActive, WrongPassword

# OWASP's Password Storage Cheat Sheet, the first of its settings: 46 MiB, 1 pass, 1 lane.
_MEMORY_KIB, _PASSES, _LANES = 46 * 1024, 1, 1
_CURRENT = f"$argon2id$v=19$m={_MEMORY_KIB},t={_PASSES},p={_LANES}$"

# The most work that an imported digest may ask for: few seconds, and less memory than there is.
_MAX_DIGEST_CHARACTERS = 512
_MAX_ARGON2_KIB, _MAX_ARGON2_PASSES, _MAX_ARGON2_LANES = 128 * 1024, 10, 16
_MAX_BCRYPT_COST = 14
_MAX_PBKDF2_ITERATIONS = 2_000_000
_MAX_SCRYPT_BYTES = 128 * 1024 * 1024
# A very short hash matches many passwords, an empty one all.
_MIN_HASH_BYTES, _MAX_HASH_BYTES = 16, 64

_ARGON2 = re.compile(
    r"\$(argon2id?)\$v=19\$m=([0-9]{1,7}),t=([0-9]{1,4}),p=([0-9]{1,4})"
    r"\$([A-Za-z0-9+/]+)\$([A-Za-z0-9+/]+)"
)
# 16 bytes of salt leave two bits for the last of their 22 characters.
_BCRYPT = re.compile(r"\$2[aby]\$([0-9]{2})\$[./A-Za-z0-9]{21}[.Oeu][./A-Za-z0-9]{31}")
_PBKDF2 = re.compile(r"pbkdf2_sha256\$([0-9]{1,8})\$([^$]+)\$([A-Za-z0-9+/=]+)")
_SCRYPT = re.compile(r"scrypt:([0-9]{1,8}):([0-9]{1,4}):([0-9]{1,4})\$([^$]+)\$([0-9a-f]+)")


class UnacceptableDigest(ValueError):
    """A digest that is not in its hasher's form, or asks for too much work."""


def hashed(password: str) -> Password:
    """A password as it is stored: Argon2id with a salt of its own."""
    from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

    argon2 = Argon2id(
        salt=os.urandom(16),
        length=32,
        iterations=_PASSES,
        lanes=_LANES,
        memory_cost=_MEMORY_KIB,
    )
    return _password("argon2id", argon2.derive_phc_encoded(password.encode()))


def imported(hasher: str, digest: str) -> Password:
    """A digest that was made elsewhere, by one of `HASHERS`.

    Raises:
        UnacceptableDigest: It is not in its hasher's form, or asks for too much work.
    """
    if len(digest) > _MAX_DIGEST_CHARACTERS:
        raise UnacceptableDigest
    HASHERS[hasher].read(digest)
    return _password(hasher, digest)


def verify(user_id: str, given: str) -> None:
    """Check a user's password; one that was hashed in another way is hashed anew.

    After `settings.MAX_WRONG_PASSWORDS` wrong ones within an hour, all are refused for an hour.

    Raises:
        NotFound: There is no such user.
        UserNotActive: The user is banned or locked, or somebody has guessed too often.
        NoPassword: The user has no password.
        WrongPassword: The password is not the user's.
        Unavailable: DynamoDB did not do it.
    """
    # Counted before it is verified: of guesses at the same time, no more are verified either.
    user = optimistically(lambda: _count(user_id))
    stored = _password_of(user)
    if not HASHERS[stored.hasher].matches(stored.digest, given.encode()):
        if _wrong(user) >= settings.MAX_WRONG_PASSWORDS:
            _refuse_for_an_hour(user)
        raise WrongPassword("The password is not the user's.")
    # The answer is the same, whether that can be written or not.
    with suppress(table.ConditionFailed, Unavailable):
        _take_back(user)
    if not stored.digest.startswith(_CURRENT):
        upgraded = replace(hashed(given), updated_at=stored.updated_at)
        # If somebody else writes to the user, the next verification will do it.
        with suppress(table.ConditionFailed, Unavailable):
            users.save(user, replace(user, password=upgraded))


def _password_of(user: User) -> Password:
    """A user's password.

    Raises:
        NoPassword: The user has none.
    """
    if user.password is None:
        raise NoPassword("The user has no password.")
    return user.password


def _wrong(user: User) -> int:
    """How many wrong passwords are counted in the hour that goes on, or 0 if none does."""
    until = user.wrong_passwords_until
    return user.wrong_passwords or 0 if until is not None and until > now() else 0


def _count(user_id: str) -> User:
    """Count a password as wrong, and read the user; with the first one an hour begins.

    That is one write, or two if some are counted already. No `revision` is written, so that guesses
    do not get in the way of changes.

    Raises:
        NotFound: There is no such user.
        UserNotActive: The user is banned or locked, or as many are counted as are allowed.
        NoPassword: The user has no password.
        ConditionFailed: Another hour has begun at the same moment, or the last one was counted.
        Unavailable: DynamoDB did not do it.
    """
    moment = now()
    number, until = Attr("wrong_passwords"), Attr("wrong_passwords_until")
    may_guess = users.exists(must_be_active=True) & Attr("password").exists()
    # Right passwords are taken back: then an hour goes on in which none is counted.
    is_first = until.not_exists() | until.lte(moment) | number.lte(0)
    hour = {"wrong_passwords_until": moment + settings.WRONG_PASSWORD_SECONDS * 1000}
    try:
        return _written(user_id, {**hour, "wrong_passwords": 1}, condition=may_guess & is_first)
    except table.ConditionFailed as failure:
        user = users.known(failure.item, must_be_active=True)
    _password_of(user)
    if _wrong(user) >= settings.MAX_WRONG_PASSWORDS:
        raise UserNotActive(UserState.LOCKED)
    is_allowed = until.eq(user.wrong_passwords_until) & number.lt(settings.MAX_WRONG_PASSWORDS)
    return _written(user_id, {}, add=1, condition=may_guess & is_allowed)


def _take_back(user: User) -> None:
    """Count one wrong password less: it was counted before it was verified, and is right.

    Raises:
        ConditionFailed: Another hour has begun, or the user was deleted.
        Unavailable: DynamoDB did not do it.
    """
    is_same_hour = Attr("wrong_passwords_until").eq(user.wrong_passwords_until)
    # The network may repeat this call, which takes one back each time.
    is_counted = Attr("wrong_passwords").gt(0)
    _written(user.id, {}, add=-1, condition=is_same_hour & is_counted)


def _refuse_for_an_hour(user: User) -> None:
    """Let the hour in which no more passwords are verified begin now.

    Raises:
        Unavailable: DynamoDB did not do it.
    """
    hour = {"wrong_passwords_until": now() + settings.WRONG_PASSWORD_SECONDS * 1000}
    is_same_hour = Attr("wrong_passwords_until").eq(user.wrong_passwords_until)
    with suppress(table.ConditionFailed):  # another hour has begun, or the user was deleted
        _written(user.id, hour, condition=is_same_hour)


def _written(
    user_id: str, values: Mapping[str, int], *, condition: table.ConditionBase, add: int = 0
) -> User:
    """Write what is counted of a user, who is answered as they are then.

    Raises:
        ConditionFailed: The condition did not hold.
        Unavailable: DynamoDB did not do it.
    """
    numbers = {"wrong_passwords": add} if add else {}
    key = user_key(user_id)
    action = table.Update(settings.users_table(), key, values, add=numbers, condition=condition)
    return users.known(table.write(action))


@dataclass(frozen=True, slots=True)
class _Hasher:
    """How to read a kind of digest, and how to compare a password with it."""

    read: Callable[[str], object]
    matches: Callable[[str, bytes], bool]


def _read_argon2(variant: str, digest: str) -> None:
    """Check a digest in the PHC string format."""
    found = _fields(_ARGON2, digest)
    _require(found[0] == variant)
    memory, passes, lanes = map(int, found[1:4])
    _require(memory <= _MAX_ARGON2_KIB and 1 <= passes <= _MAX_ARGON2_PASSES)
    _require(1 <= lanes <= _MAX_ARGON2_LANES and memory >= 8 * lanes)  # RFC 9106, section 3.1
    salt, tag = (_base64(each + "=" * (-len(each) % 4)) for each in found[4:])
    _require(len(salt) >= 8 and _MIN_HASH_BYTES <= len(tag) <= _MAX_HASH_BYTES)


def _matches_argon2(variant: str, digest: str, given: bytes) -> bool:
    from cryptography.exceptions import InvalidKey
    from cryptography.hazmat.primitives.kdf.argon2 import Argon2i, Argon2id

    kdf = Argon2id if variant == "argon2id" else Argon2i
    try:
        kdf.verify_phc_encoded(given, digest)
    except InvalidKey:
        return False
    return True


def _read_bcrypt(digest: str) -> None:
    (cost,) = _fields(_BCRYPT, digest)
    _require(4 <= int(cost) <= _MAX_BCRYPT_COST)


def _matches_bcrypt(digest: str, given: bytes) -> bool:
    import bcrypt

    return bcrypt.checkpw(given[:72], digest.encode())  # bcrypt reads no more of a password


def _read_pbkdf2(digest: str) -> tuple[int, str, bytes]:
    """Iterations, the salt as it is written, and the hash."""
    iterations, salt, expected = _fields(_PBKDF2, digest)
    _require(1 <= int(iterations) <= _MAX_PBKDF2_ITERATIONS)
    key = _base64(expected)
    _require(_MIN_HASH_BYTES <= len(key) <= _MAX_HASH_BYTES)
    return int(iterations), salt, key


def _matches_django(digest: str, given: bytes) -> bool:
    """Django's form, in which the salt is the text itself."""
    iterations, salt, expected = _read_pbkdf2(digest)
    return _is_pbkdf2(expected, given, salt.encode(), iterations)


def _matches_pbkdf2(digest: str, given: bytes) -> bool:
    """The form in which Clerk documents the salt as base64; one that is Django's passes too."""
    iterations, salt, expected = _read_pbkdf2(digest)
    with suppress(UnacceptableDigest):
        if _is_pbkdf2(expected, given, _base64(salt), iterations):
            return True
    return _matches_django(digest, given)


def _is_pbkdf2(expected: bytes, given: bytes, salt: bytes, iterations: int) -> bool:
    key = hashlib.pbkdf2_hmac("sha256", given, salt, iterations, dklen=len(expected))
    return hmac.compare_digest(key, expected)


def _read_scrypt(digest: str) -> tuple[int, int, int, str, bytes]:
    """N, r, p (RFC 7914), the salt and the hash of a digest of Werkzeug's."""
    *cost, salt, expected = _fields(_SCRYPT, digest)
    n, r, p = map(int, cost)
    _require(n >= 2 and n & (n - 1) == 0 and r >= 1 and p >= 1)
    _require(128 * n * r * p <= _MAX_SCRYPT_BYTES)
    _require(2 * _MIN_HASH_BYTES <= len(expected) <= 2 * _MAX_HASH_BYTES)
    _require(len(expected) % 2 == 0)
    return n, r, p, salt, bytes.fromhex(expected)


def _matches_scrypt(digest: str, given: bytes) -> bool:
    n, r, p, salt, expected = _read_scrypt(digest)
    key = hashlib.scrypt(
        given, salt=salt.encode(), n=n, r=r, p=p, maxmem=2 * _MAX_SCRYPT_BYTES, dklen=len(expected)
    )
    return hmac.compare_digest(key, expected)


def _argon2(variant: str) -> _Hasher:
    return _Hasher(partial(_read_argon2, variant), partial(_matches_argon2, variant))


HASHERS = {
    "argon2i": _argon2("argon2i"),
    "argon2id": _argon2("argon2id"),
    "bcrypt": _Hasher(_read_bcrypt, _matches_bcrypt),
    "pbkdf2_sha256": _Hasher(_read_pbkdf2, _matches_pbkdf2),
    "pbkdf2_sha256_django": _Hasher(_read_pbkdf2, _matches_django),
    "scrypt_werkzeug": _Hasher(_read_scrypt, _matches_scrypt),
}


def _password(hasher: str, digest: str) -> Password:
    return Password(hasher=hasher, digest=digest, updated_at=now())


def _fields(form: re.Pattern[str], digest: str) -> tuple[str, ...]:
    found = form.fullmatch(digest)
    if found is None:
        raise UnacceptableDigest
    return found.groups()


def _base64(text: str) -> bytes:
    try:
        decoded = base64.b64decode(text, validate=True)
    except ValueError:
        raise UnacceptableDigest from None
    _require(base64.b64encode(decoded).decode() == text)  # the only spelling of these bytes
    return decoded


def _require(holds: bool) -> None:
    if not holds:
        raise UnacceptableDigest
