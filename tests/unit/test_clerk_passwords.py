"""Clerk's Backend API: passwords, and digests that were made elsewhere."""

import base64
import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import bcrypt
import pytest
from cryptography.hazmat.primitives.kdf.argon2 import Argon2i, Argon2id
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.clerk import Clerk, Refusal
from tests.unit.conftest import aws_error

from vignette.domain import passwords

PASSWORD = "correct horse"
CURRENT = "$argon2id$v=19$m=47104,t=1,p=1$"
SALT = b"sixteen bytes ok"


def pbkdf2(salt: bytes, written: str, iterations: int = 1000) -> str:
    """A digest whose salt is written in some way."""
    key = hashlib.pbkdf2_hmac("sha256", PASSWORD.encode(), salt, iterations)
    return f"pbkdf2_sha256${iterations}${written}${base64.b64encode(key).decode()}"


def scrypt(n: int = 1024, r: int = 8, p: int = 1) -> str:
    """A digest as Werkzeug writes it."""
    key = hashlib.scrypt(PASSWORD.encode(), salt=b"seasalt", n=n, r=r, p=p)
    return f"scrypt:{n}:{r}:{p}$seasalt${key.hex()}"


def argon2(variant: type[Argon2i | Argon2id], memory: int = 64, passes: int = 2) -> str:
    """A digest in the PHC string format."""
    kdf = variant(salt=SALT, length=32, iterations=passes, lanes=2, memory_cost=memory)
    return kdf.derive_phc_encoded(PASSWORD.encode())


DIGESTS = {
    "bcrypt 2b": ("bcrypt", bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()),
    "bcrypt 2a": (
        "bcrypt",
        bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4, b"2a")).decode(),
    ),
    "bcrypt 2y": (
        "bcrypt",
        bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode().replace("$2b$", "$2y$"),
    ),
    "argon2i": ("argon2i", argon2(Argon2i)),
    "argon2id": ("argon2id", argon2(Argon2id)),
    "pbkdf2 with a salt in base64": (
        "pbkdf2_sha256",
        pbkdf2(SALT, base64.b64encode(SALT).decode()),
    ),
    "pbkdf2 with a salt as Django writes it": ("pbkdf2_sha256", pbkdf2(b"seasalt", "seasalt")),
    "Django's pbkdf2": ("pbkdf2_sha256_django", pbkdf2(b"sea.salt!", "sea.salt!")),
    "Werkzeug's scrypt": ("scrypt_werkzeug", scrypt()),
}
every_digest = pytest.mark.parametrize(("hasher", "digest"), DIGESTS.values(), ids=DIGESTS.keys())


def verify(clerk: Clerk, user: dict[str, Any], password: str) -> Any:
    """What the service says of a password: true, or how it refuses."""
    answer = clerk.call("POST", f"/users/{user['id']}/verify_password", {"password": password})
    if answer.status == 200:
        assert answer.json == {"verified": True}
        return True
    return answer.json["errors"][0]["code"]


def stored(clerk: Clerk) -> dict[str, str]:
    """What the table holds of the only user's password."""
    for item in clerk.service.dynamodb.scan(TableName="users")["Items"]:
        if "password" in item:
            return {name: next(iter(v.values())) for name, v in item["password"]["M"].items()}
    return {}


def test_a_password_is_verified(clerk: Clerk) -> None:
    user = clerk.create(password=PASSWORD)
    assert user["password_enabled"] is True
    assert verify(clerk, user, PASSWORD) is True
    assert verify(clerk, user, "Correct horse") == "incorrect_password"
    assert verify(clerk, user, "") == "incorrect_password"


def test_a_password_is_kept_as_argon2id_only(clerk: Clerk) -> None:
    clerk.create(password=PASSWORD)
    assert stored(clerk)["digest"].startswith(CURRENT)
    assert PASSWORD not in clerk.service.everything()


def test_a_new_password_takes_the_place_of_the_old_one(clerk: Clerk) -> None:
    user = clerk.create(password=PASSWORD)
    updated = clerk.update(user["id"], password="another horse")
    assert updated["password_last_updated_at"] >= user["password_last_updated_at"]
    assert verify(clerk, user, PASSWORD) == "incorrect_password"
    assert verify(clerk, user, "another horse") is True


def test_two_users_with_one_password_have_different_digests(clerk: Clerk) -> None:
    assert passwords.hashed(PASSWORD).digest != passwords.hashed(PASSWORD).digest


def test_a_wrong_password_of_a_user_who_is_deleted_meanwhile_leaves_nothing(clerk: Clerk) -> None:
    user = clerk.create(password=PASSWORD)
    delete = f"/users/{user['id']}"
    clerk.service.meanwhile("UpdateItem", lambda: clerk.ok("DELETE", delete))
    assert verify(clerk, user, "Correct horse") == "resource_not_found"
    keys = [each["pk"]["S"] for each in clerk.service.dynamodb.scan(TableName="users")["Items"]]
    assert f"user#{user['id']}" not in keys


def test_a_user_without_a_password_has_none_to_verify(clerk: Clerk) -> None:
    user = clerk.create()
    assert user["password_enabled"] is False
    refusal = clerk.refused("POST", f"/users/{user['id']}/verify_password", {"password": PASSWORD})
    assert refusal == Refusal(400, "no_password_set")


@pytest.mark.parametrize("password", ["", "1234567", "äöü€äöü"])
def test_a_password_has_eight_characters_or_more(clerk: Clerk, password: str) -> None:
    short = Refusal(422, "form_password_length_too_short", "password")
    assert clerk.refused("POST", "/users", {"password": password}) == short
    user = clerk.create()
    assert clerk.refused("PATCH", f"/users/{user['id']}", {"password": password}) == short
    assert clerk.read(user["id"]) == user


def test_a_short_password_is_taken_where_its_checks_are_skipped(clerk: Clerk) -> None:
    user = clerk.create(password="1", skip_password_checks=True)
    assert verify(clerk, user, "1") is True
    refusal = clerk.refused("POST", "/users", {"password": "", "skip_password_checks": True})
    assert refusal == Refusal(422, "form_password_length_too_short", "password")


def test_a_password_may_be_long_but_not_endless(clerk: Clerk) -> None:
    user = clerk.create(password="ü" * 256)
    assert verify(clerk, user, "ü" * 256) is True
    assert verify(clerk, user, "ü" * 255) == "incorrect_password"
    refusal = clerk.refused("POST", "/users", {"password": "x" * 257})
    assert refusal == Refusal(422, "form_password_length_too_long", "password")


@pytest.mark.parametrize("password", ["null\x00inside", "🐎 horse 🐎", " spaces around "])
def test_every_character_of_a_password_counts(clerk: Clerk, password: str) -> None:
    user = clerk.create(password=password)
    assert verify(clerk, user, password) is True
    assert verify(clerk, user, password[:-1]) == "incorrect_password"


@every_digest
def test_a_digest_from_elsewhere_is_verified_as_such(
    clerk: Clerk, hasher: str, digest: str
) -> None:
    user = clerk.create(password_digest=digest, password_hasher=hasher)
    assert user["password_enabled"] is True
    assert stored(clerk)["digest"] == digest
    assert verify(clerk, user, "wrong horse") == "incorrect_password"
    assert stored(clerk)["digest"] == digest
    assert verify(clerk, user, PASSWORD) is True


@every_digest
def test_it_is_hashed_anew_at_the_first_success(clerk: Clerk, hasher: str, digest: str) -> None:
    user = clerk.create()
    user = clerk.update(user["id"], password_digest=digest, password_hasher=hasher)
    assert verify(clerk, user, PASSWORD) is True
    upgraded = stored(clerk)
    assert upgraded["digest"].startswith(CURRENT)
    assert int(upgraded["updated_at"]) == user["password_last_updated_at"]
    assert verify(clerk, user, PASSWORD) is True
    assert verify(clerk, user, "wrong horse") == "incorrect_password"
    assert stored(clerk) == upgraded


def test_an_upgrade_does_not_undo_a_change_of_the_password(clerk: Clerk) -> None:
    hasher, digest = DIGESTS["bcrypt 2b"]
    user = clerk.create(password_digest=digest, password_hasher=hasher)
    clerk.service.meanwhile(
        "TransactWriteItems", lambda: clerk.update(user["id"], password="another horse")
    )
    assert verify(clerk, user, PASSWORD) is True
    assert verify(clerk, user, "another horse") is True
    assert verify(clerk, user, PASSWORD) == "incorrect_password"


WRONG = {
    "of another algorithm": ("bcrypt", argon2(Argon2id)),
    "of the other variant": ("argon2id", argon2(Argon2i)),
    "cut off": ("bcrypt", DIGESTS["bcrypt 2b"][1][:-1]),
    "with a salt that cannot be": ("bcrypt", "$2b$04$" + "a" * 53),
    "with more behind it": ("scrypt_werkzeug", scrypt() + "00\n"),
    "without a hash": ("pbkdf2_sha256", "pbkdf2_sha256$1000$c2FsdA==$"),
    "with an empty hash": ("pbkdf2_sha256_django", "pbkdf2_sha256$1000$salt$===="),
    "with a short hash": ("scrypt_werkzeug", "scrypt:1024:8:1$salt$00ff"),
    "with half a byte": ("scrypt_werkzeug", scrypt()[:-1]),
    "with a broken base64": ("pbkdf2_sha256", pbkdf2(b"a", "a")[:-1]),
    "with a short salt": ("argon2id", "$argon2id$v=19$m=64,t=2,p=1$c2FsdA$" + "a" * 43),
    "empty": ("bcrypt", ""),
    "endless": ("pbkdf2_sha256_django", pbkdf2(b"s", "s" * 600)),
}
COSTLY = {
    "bcrypt cost 31": ("bcrypt", DIGESTS["bcrypt 2b"][1].replace("$04$", "$31$")),
    "bcrypt cost 15": ("bcrypt", DIGESTS["bcrypt 2b"][1].replace("$04$", "$15$")),
    "argon2 of 1 GiB": ("argon2id", argon2(Argon2id).replace("m=64", "m=1048576")),
    "argon2 of 11 passes": ("argon2i", argon2(Argon2i).replace("t=2", "t=11")),
    "argon2 of 17 lanes": ("argon2i", argon2(Argon2i, memory=200).replace("p=2", "p=17")),
    "argon2 with less memory than lanes": ("argon2i", argon2(Argon2i).replace("p=2", "p=9")),
    "argon2 of no passes": ("argon2id", argon2(Argon2id).replace("t=2", "t=0")),
    "argon2 of no lanes": ("argon2id", argon2(Argon2id).replace("p=2", "p=0")),
    "pbkdf2 of 99,999,999 iterations": (
        "pbkdf2_sha256",
        pbkdf2(b"s", "s").replace("1000", "99999999", 1),
    ),
    "pbkdf2 of no iterations": ("pbkdf2_sha256", pbkdf2(b"s", "s").replace("1000", "0", 1)),
    "scrypt of 1 GiB": ("scrypt_werkzeug", scrypt().replace("1024", "1048576", 1)),
    "scrypt of 9,999 times the work": ("scrypt_werkzeug", scrypt().replace(":8:1", ":8:9999")),
    "scrypt of no power of two": ("scrypt_werkzeug", scrypt().replace("1024", "1000", 1)),
    "scrypt of N = 1": ("scrypt_werkzeug", scrypt().replace("1024", "1", 1)),
    "scrypt of r = 0": ("scrypt_werkzeug", scrypt().replace(":8:1", ":0:1")),
}


@pytest.mark.parametrize(
    ("hasher", "digest"), [*WRONG.values(), *COSTLY.values()], ids=[*WRONG, *COSTLY]
)
def test_a_digest_that_is_wrong_or_asks_for_too_much_is_refused(
    clerk: Clerk, hasher: str, digest: str
) -> None:
    body = {"password_digest": digest, "password_hasher": hasher}
    invalid = Refusal(422, "form_password_digest_invalid_code", "password_digest")
    assert clerk.refused("POST", "/users", body) == invalid
    assert clerk.ok("GET", "/users/count")["total_count"] == 0


@settings(max_examples=60)
@given(st.sampled_from(sorted(passwords.HASHERS)), st.data())
def test_what_is_accepted_can_be_verified(hasher: str, data: st.DataObject) -> None:
    """A digest whose reading has succeeded makes no comparison fail."""
    known = sorted(digest for name, digest in DIGESTS.values() if name == hasher)
    digest = list(data.draw(st.sampled_from(known)))
    for _ in range(data.draw(st.integers(0, 3))):
        at = data.draw(st.integers(0, len(digest) - 1))
        digest[at] = data.draw(st.sampled_from("$=:,./+azAZ09\u0661 é"))
    text = "".join(digest)
    try:
        kept = passwords.imported(hasher, text)
    except passwords.UnacceptableDigest:
        return
    assert kept.digest == text
    assert not passwords.HASHERS[hasher].matches(text, b"no such password")


@pytest.mark.parametrize(
    ("body", "code", "parameter"),
    [
        ({"password_digest": "x"}, "form_conditional_param_missing", "password_hasher"),
        ({"password_hasher": "bcrypt"}, "form_conditional_param_missing", "password_digest"),
        (
            {"password": PASSWORD, "password_digest": "x", "password_hasher": "bcrypt"},
            "form_conditional_param_disallowed",
            "password_digest",
        ),
        (
            {"password_digest": "x", "password_hasher": "md5"},
            "form_param_value_invalid",
            "password_hasher",
        ),
        ({"password": 12345678}, "form_param_type_invalid", "password"),
    ],
)
@pytest.mark.parametrize("method", ["POST", "PATCH"])
def test_parameters_of_a_password_belong_together(
    clerk: Clerk, method: str, body: dict[str, Any], code: str, parameter: str
) -> None:
    path = "/users" if method == "POST" else f"/users/{clerk.create()['id']}"
    assert clerk.refused(method, path, body) == Refusal(422, code, parameter)


@pytest.mark.parametrize(
    ("body", "refusal"),
    [
        ({}, Refusal(422, "form_param_missing", "password")),
        ({"password": None}, Refusal(422, "form_param_type_invalid", "password")),
        ({"password": "x", "code": "1"}, Refusal(422, "form_param_unknown", "code")),
    ],
)
def test_a_verification_takes_a_password(clerk: Clerk, body: Any, refusal: Refusal) -> None:
    user = clerk.create(password=PASSWORD)
    assert clerk.refused("POST", f"/users/{user['id']}/verify_password", body) == refusal


def test_no_password_and_no_digest_is_answered_or_logged(
    clerk: Clerk, output: Callable[[], str]
) -> None:
    hasher, digest = DIGESTS["bcrypt 2b"]
    answers = [
        clerk.create(password=PASSWORD),
        clerk.create(password_digest=digest, password_hasher=hasher),
        clerk.call("POST", "/users", {"password": PASSWORD, "password_hasher": 1}).json,
        clerk.call("POST", "/users", {"password": [PASSWORD]}).json,
        clerk.call("POST", "/users", f'{{"password": "{PASSWORD}').json,
        clerk.call("POST", "/users", {"password_digest": digest, "password_hasher": "md5"}).json,
    ]
    answers.append(verify(clerk, answers[0], PASSWORD))
    answers.append(verify(clerk, answers[0], f"{PASSWORD}s"))
    for text in (json.dumps(answers), output()):
        for secret in (PASSWORD, digest, "argon2id$", "$2b$"):
            assert secret not in text


def test_verifying_costs_one_call_and_one_for_a_right_password(clerk: Clerk) -> None:
    user = clerk.create(password=PASSWORD)
    clerk.cost()
    for _ in range(2):
        verify(clerk, user, PASSWORD)
        assert clerk.cost() == ["UpdateItem", "UpdateItem"]
    verify(clerk, user, "wrong horse")
    assert clerk.cost() == ["UpdateItem"]
    # Wrong ones are counted now: the first call finds that out.
    verify(clerk, user, PASSWORD)
    assert clerk.cost() == ["UpdateItem", "UpdateItem", "UpdateItem"]


def test_an_upgrade_costs_one_call_more(clerk: Clerk) -> None:
    hasher, digest = DIGESTS["bcrypt 2b"]
    user = clerk.create(password_digest=digest, password_hasher=hasher)
    clerk.cost()
    verify(clerk, user, PASSWORD)
    assert clerk.cost() == ["UpdateItem", "UpdateItem", "TransactWriteItems"]


@pytest.mark.parametrize("call", ["UpdateItem", "TransactWriteItems"])
def test_a_right_password_is_right_even_if_nothing_can_be_written_after_it(
    clerk: Clerk, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    hasher, digest = DIGESTS["bcrypt 2b"]
    user = clerk.create(password_digest=digest, password_hasher=hasher)
    matches = passwords.HASHERS[hasher].matches

    def match_and_fail(digest: str, given: bytes) -> bool:
        clerk.service.let_aws_answer(call, aws_error("ThrottlingException"))
        return matches(digest, given)

    failing = replace(passwords.HASHERS[hasher], matches=match_and_fail)
    monkeypatch.setitem(passwords.HASHERS, hasher, failing)
    assert verify(clerk, user, PASSWORD) is True
