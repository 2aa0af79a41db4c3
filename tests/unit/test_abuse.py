"""What a user may not do to others, nor after being banned, nor without end."""

import re
import sys
import threading
import time
import unicodedata
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from tests.unit.authgear import causes, update
from tests.unit.clerk import Clerk, Refusal
from tests.unit.conftest import Answer, Service

from vignette import settings
from vignette.domain import passwords, uploads
from vignette.errors import VignetteError
from vignette.http import characters

ME = "/api/v1/users/me"
UPLOADS = "/api/v1/uploads"
NEW_UPLOAD = {"kind": "profile_picture", "contentType": "image/png", "contentLength": 1}
PASSWORD = "correct horse battery staple"


# Identifiers belong to the key


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("email", "victim@example.com"),
        ("email", None),
        ("externalId", "crm-of-somebody-else"),
        ("profilePictureUrl", "http://tracker.example/pixel.png"),
    ],
)
def test_a_token_sets_no_identifier_and_learns_nobody_s(
    service: Service, field: str, value: str | None
) -> None:
    victim = service.create_user(email="victim@example.com")
    user = service.create_user()
    before = service.everything()
    answer = service.as_user(user["id"], "PATCH", ME, {"firstName": "Eve", field: value})
    assert (answer.status, answer.code) == (403, "forbidden")
    assert field in answer.json["detail"]
    assert victim["id"] not in str(answer.json)
    assert service.everything() == before


def test_a_token_changes_names_username_and_picture(service: Service) -> None:
    user = service.create_user()
    changes = {"firstName": "Augusta", "lastName": None, "username": "augusta"}
    answer = service.as_user(user["id"], "PATCH", ME, changes)
    assert answer.status == 200
    assert changes.items() <= answer.json.items()


# Who is banned or locked

type Call = Callable[[Service, str, str], Answer]

CALLS: dict[str, Call] = {
    "reading oneself": lambda service, user, _: service.as_user(user, "GET", ME),
    "changing nothing": lambda service, user, _: service.as_user(user, "PATCH", ME, {}),
    "changing names": lambda service, user, _: service.as_user(
        user, "PATCH", ME, {"firstName": "Eve"}
    ),
    "changing the username": lambda service, user, _: service.as_user(
        user, "PATCH", ME, {"username": "eve"}
    ),
    "beginning an upload": lambda service, user, _: service.as_user(
        user, "POST", UPLOADS, NEW_UPLOAD
    ),
    "reading an upload": lambda service, user, upload: service.as_user(
        user, "GET", f"{UPLOADS}/{upload}"
    ),
    "deleting an upload": lambda service, user, upload: service.as_user(
        user, "DELETE", f"{UPLOADS}/{upload}"
    ),
    "setting a picture": lambda service, user, upload: service.as_user(
        user, "PATCH", f"{ME}/profile-picture", {"uploadId": upload}
    ),
    "removing the picture": lambda service, user, _: service.as_user(
        user, "PATCH", f"{ME}/profile-picture", {"uploadId": None}
    ),
}


@pytest.mark.parametrize("state", ["banned", "locked"])
@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_a_user_who_is_not_active_does_nothing(service: Service, call: Call, state: str) -> None:
    user_id = service.create_user()["id"]
    upload_id = service.ready_upload(user_id)
    path = f"/api/v1/shared/users/{user_id}"
    service.with_key("PATCH", path, {"state": state})
    before = service.everything()
    answer = call(service, user_id, upload_id)
    assert (answer.status, answer.code) == (403, "user_not_active")
    assert service.everything() == before
    service.with_key("PATCH", path, {"state": "active"})
    assert call(service, user_id, upload_id).status < 300


def test_the_key_acts_on_a_banned_user_as_before(service: Service) -> None:
    user_id = service.create_user()["id"]
    path = f"/api/v1/shared/users/{user_id}"
    service.with_key("PATCH", path, {"state": "banned"})
    assert service.with_key("PATCH", path, {"firstName": "Eve"}).status == 200
    assert service.set_picture(user_id, service.ready_upload(user_id)).status == 200
    assert service.with_key("DELETE", path).status == 204


@pytest.mark.parametrize(("action", "code"), [("ban", "user_banned"), ("lock", "user_locked")])
def test_no_password_is_verified_for_who_is_not_active(
    clerk: Clerk, action: str, code: str
) -> None:
    user = clerk.create(password=PASSWORD)
    clerk.ok("POST", f"/users/{user['id']}/{action}")
    answer = verify(clerk, user, PASSWORD)
    assert (answer.status, answer.json["errors"][0]["code"]) == (403, code)


# Guessing


def verify(clerk: Clerk, user: Any, password: str) -> Answer:
    return clerk.call("POST", f"/users/{user['id']}/verify_password", {"password": password})


@pytest.fixture
def few_guesses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three instead of a hundred: each takes the time of an Argon2."""
    monkeypatch.setattr(settings, "MAX_WRONG_PASSWORDS", 3)


@pytest.mark.usefixtures("few_guesses")
def test_a_password_cannot_be_guessed_without_end(
    clerk: Clerk, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    user = clerk.create(password=PASSWORD)
    for _ in range(3):
        assert verify(clerk, user, "wrong-password").status == 422
    for password in ("wrong-password", PASSWORD):
        answer = verify(clerk, user, password)
        assert (answer.status, answer.json["errors"][0]["code"]) == (403, "user_locked")
    # Nobody is locked out by a guesser.
    assert service.as_user(user["id"], "GET", ME).json["state"] == "active"
    assert clerk.read(user["id"])["locked"] is False
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 3590)
    assert verify(clerk, user, PASSWORD).status == 403
    monkeypatch.setattr(time, "time", lambda: now + 3610)
    assert verify(clerk, user, PASSWORD).status == 200


@pytest.mark.usefixtures("few_guesses")
def test_wrong_passwords_of_an_hour_ago_do_not_count(
    clerk: Clerk, monkeypatch: pytest.MonkeyPatch
) -> None:
    user = clerk.create(password=PASSWORD)
    now = time.time()
    for _ in range(2):
        verify(clerk, user, "wrong-password")
    monkeypatch.setattr(time, "time", lambda: now + 3610)
    for _ in range(2):
        verify(clerk, user, "wrong-password")
    assert verify(clerk, user, PASSWORD).status == 200


@pytest.mark.usefixtures("few_guesses")
@pytest.mark.parametrize("before", [0, 2])
def test_guesses_at_the_same_time_are_no_more_than_one_after_the_other(
    clerk: Clerk, monkeypatch: pytest.MonkeyPatch, before: int
) -> None:
    user = clerk.create(password=PASSWORD)
    for _ in range(before):
        verify(clerk, user, "wrong-password")
    checked: list[bytes] = []
    hasher = passwords.HASHERS["argon2id"]
    all_sent = threading.Barrier(20)

    def matches(digest: str, given: bytes) -> bool:
        checked.append(given)
        with suppress(threading.BrokenBarrierError):
            all_sent.wait(1)  # nobody knows whether it is right before all have asked
        return hasher.matches(digest, given)

    monkeypatch.setitem(passwords.HASHERS, "argon2id", replace(hasher, matches=matches))

    def guess(at: int) -> str:
        with pytest.raises(VignetteError) as refused:
            passwords.verify(user["id"], f"wrong-{at}")
        all_sent.abort()
        return refused.value.code

    with ThreadPoolExecutor(20) as pool:
        codes = Counter(pool.map(guess, range(20)))
    assert len(checked) == codes["wrong_password"] == 3 - before
    assert verify(clerk, user, PASSWORD).status == 403


@pytest.mark.usefixtures("few_guesses")
def test_a_right_password_is_no_guess(clerk: Clerk) -> None:
    user = clerk.create(password=PASSWORD)
    for _ in range(2):
        assert verify(clerk, user, "wrong-password").status == 422
    for _ in range(5):
        assert verify(clerk, user, PASSWORD).status == 200
    assert verify(clerk, user, "wrong-password").status == 422
    assert verify(clerk, user, PASSWORD).status == 403


@pytest.mark.usefixtures("few_guesses")
def test_the_hour_of_a_refusal_begins_with_the_last_wrong_password(
    clerk: Clerk, monkeypatch: pytest.MonkeyPatch
) -> None:
    user = clerk.create(password=PASSWORD)
    now = time.time()
    for minutes in (0, 30, 50):
        monkeypatch.setattr(time, "time", lambda at=now + minutes * 60: at)
        assert verify(clerk, user, "wrong-password").status == 422
    monkeypatch.setattr(time, "time", lambda: now + 109 * 60)
    assert verify(clerk, user, PASSWORD).status == 403
    monkeypatch.setattr(time, "time", lambda: now + 111 * 60)
    assert verify(clerk, user, PASSWORD).status == 200


@pytest.mark.parametrize("state", ["banned", "locked"])
def test_no_guess_is_counted_for_who_is_not_active(
    clerk: Clerk, service: Service, state: str
) -> None:
    user = clerk.create(password=PASSWORD, **{state: True})
    before = service.everything()
    assert verify(clerk, user, PASSWORD).status == 403
    assert service.everything() == before


def test_a_hundred_wrong_passwords_an_hour_are_allowed() -> None:
    assert (settings.MAX_WRONG_PASSWORDS, settings.WRONG_PASSWORD_SECONDS) == (100, 3600)


# Uploads without end


def test_a_user_begins_sixty_uploads_an_hour_with_their_tokens(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    hour = int(time.time()) // 3600 * 3600
    clock = SimpleNamespace(seconds=hour + 600)
    monkeypatch.setattr(uploads, "now", lambda: clock.seconds * 1000)
    user_id, other_id = (service.create_user()["id"] for _ in range(2))
    for _ in range(60):
        assert service.as_user(user_id, "POST", UPLOADS, NEW_UPLOAD).status == 201
    before = service.upload_ids()
    answer = service.as_user(user_id, "POST", UPLOADS, NEW_UPLOAD)
    assert (answer.status, answer.code) == (429, "too_many_uploads")
    assert answer.headers["retry-after"] == "3000"
    assert service.upload_ids() == before
    # The key is free, and so are others.
    assert service.create_upload(user_id)
    assert service.as_user(other_id, "POST", UPLOADS, NEW_UPLOAD).status == 201
    clock.seconds = hour + 3600
    assert service.as_user(user_id, "POST", UPLOADS, NEW_UPLOAD).status == 201


def test_counting_uploads_names_nobody(service: Service) -> None:
    user_id = service.create_user()["id"]
    service.as_user(user_id, "POST", UPLOADS, NEW_UPLOAD)
    [counter] = service.dynamodb.scan(TableName="idempotency")["Items"]
    assert user_id not in str(counter)
    assert int(counter["expiration"]["N"]) <= time.time() + 3600


# What is shown to others

HIDDEN = {
    "right-to-left override": "Ada\u202eexe",
    "isolate": "\u2066Ada",
    "mark": "A\u200fda",
    "zero-width space": "A\u200bda",
    "word joiner": "A\u2060da",
    "byte order mark": "Ada\ufeff",
    "soft hyphen": "A\u00adda",
    "grapheme joiner": "A\u034fda",
    "Mongolian vowel separator": "A\u180eda",
    "Arabic letter mark": "A\u061cda",
    "Arabic letter mark after a joiner": "A\u200d\u061cda",
    "Arabic number sign": "A\u0600da",
    "Hangul filler": "\u3164",
    "Hangul filler of half width": "Ada\uffa0",
    "Hangul filler of a syllable": "\u115f\u1160",
    "Khmer vowel without a form": "A\u17b4da",
    "blank in Braille": "\u2800",
    "line separator": "A\u2028da",
    "paragraph separator": "A\u2029da",
    "control": "A\x07da",
    "line feed": "A\nda",
    "control of C1": "A\x9bda",
    "next line": "A\x85da",
    "annotation": "A\ufff9da",
    "unassigned, and ignored": "A\ufff0da",
    "shorthand control": "A\U0001bca0da",
    "musical control": "A\U0001d173da",
    "tag": "Ada\U000e0045\U000e0076",
    "joiner of nothing": "Ada\u200d",
    "joiner of Latin letters": "A\u200dda",
    "two joiners": "ک\u200c\u200cه",
    "variation of nothing": "\ufe0f",
    "variation of a space": "Ada \ufe0f",
    "variation of a Latin letter": "A\ufe0fda",
    "variation of a variation": "辻\ufe00\ufe00",
    "ideographic variation of a Latin letter": "A\U000e0100da",
}


@pytest.mark.parametrize("name", HIDDEN.values(), ids=HIDDEN)
def test_a_name_has_no_characters_that_cannot_be_seen(
    service: Service, clerk: Clerk, name: str
) -> None:
    user_id = service.create_user()["id"]
    before = service.everything()
    native = service.as_user(user_id, "PATCH", ME, {"firstName": name})
    assert (native.status, native.fields) == (422, {"firstName": "invalid_value"})
    refusal = clerk.refused("PATCH", f"/users/{user_id}", {"last_name": name})
    assert refusal == Refusal(422, "form_param_format_invalid", "last_name")
    for attribute in ("name", "nickname", "given_name", "family_name", "middle_name"):
        wrong = {f"/{attribute}": "general"}
        assert causes(update(service, user_id, {attribute: name})) == wrong
    assert service.everything() == before
    claims = {"given_name": name, "family_name": "Lovelace"}
    made = service.call("GET", ME, token=service.token("auth0|1", **claims)).json
    assert (made["firstName"], made["lastName"]) == (None, "Lovelace")


def test_no_control_and_no_format_is_in_a_name() -> None:
    every = map(chr, range(sys.maxunicode + 1))
    hidden = [each for each in every if unicodedata.category(each) in ("Cc", "Cf", "Zl", "Zp")]
    assert len(hidden) > 200
    assert not [each for each in hidden if characters.is_name(f"A{each}da")]


@pytest.mark.parametrize("name", [" ", "\u3000", "\u00a0", "\t"])
def test_a_name_that_is_only_a_space_is_none(service: Service, clerk: Clerk, name: str) -> None:
    user_id = service.create_user()["id"]
    assert service.as_user(user_id, "PATCH", ME, {"firstName": name}).status == 422
    assert clerk.update(user_id, last_name=name)["last_name"] is None
    assert causes(update(service, user_id, {"given_name": name})) == {"/given_name": "general"}
    made = service.call("GET", ME, token=service.token("auth0|1", given_name=name)).json
    assert made["firstName"] is None


@pytest.mark.parametrize(
    "name",
    [
        "علی\u200cرضا",
        "PDF\u200cها",
        "ක්\u200dරිෂාන්",
        "\u200d\u0c15\u0c2e\u0c32",
        "နေ\u1000\ufe00",
        "محمد",
        "Žofie",
        "O'Brien-Łuk",
        "山田 太郎",
        "辻\U000e0100",
        "ᠠ\u180b",
        "김철수",
        "Ada ❤\ufe0f",
        "1\ufe0f\u20e3 ©\ufe0f",
        "🎉👍🏽",
    ],
)
def test_names_of_every_script_stay_as_they_are(service: Service, name: str) -> None:
    user_id = service.create_user()["id"]
    assert service.as_user(user_id, "PATCH", ME, {"firstName": name}).json["firstName"] == name
    assert "errors" not in update(service, user_id, {"nickname": name})


def test_the_document_lets_through_every_name_that_is_taken(service: Service) -> None:
    schema = service.call("GET", "/api/v1/openapi.json").json["components"]["schemas"]["UserPatch"]
    [pattern] = {
        each["pattern"] for each in schema["properties"]["firstName"]["anyOf"] if "pattern" in each
    }
    assert all(
        re.search(pattern, name) for name in ("Ada", "علی\u200cرضا", "辻\U000e0100", "❤\ufe0f")
    )
    refused = [name for name in HIDDEN.values() if not re.search(pattern, name)]
    assert len(refused) > len(HIDDEN) / 2


@pytest.mark.parametrize("attribute", ["website", "profile"])
@pytest.mark.parametrize("address", ["javascript://example.com/%0aalert(1)", "data://x/y"])
def test_an_address_that_becomes_a_link_is_one_of_the_web(
    service: Service, attribute: str, address: str
) -> None:
    user_id = service.create_user()["id"]
    assert causes(update(service, user_id, {attribute: address})) == {f"/{attribute}": "format"}


def test_a_second_address_that_becomes_the_first_is_listed_once_and_stays_verified(
    service: Service, clerk: Clerk
) -> None:
    user = service.create_user(email="first@example.com")
    second = {"user_id": user["id"], "email_address": "second@example.com", "verified": True}
    clerk.ok("POST", "/email_addresses", second)
    path = f"/api/v1/shared/users/{user['id']}"
    changed = service.with_key("PATCH", path, {"email": "second@example.com"}).json
    assert (changed["email"], changed["emailVerified"]) == ("second@example.com", True)
    listed = [each["email_address"] for each in clerk.read(user["id"])["email_addresses"]]
    assert listed == ["second@example.com", "first@example.com"]


@pytest.mark.parametrize(("own", "other"), [("Second", "First"), ("First", "Second")])
def test_an_address_that_is_written_in_another_case_is_the_same_one(
    service: Service, clerk: Clerk, own: str, other: str
) -> None:
    user = clerk.create(email_address=["First@example.com", "Second@example.com"])
    before = {each["email_address"]: each for each in user["email_addresses"]}
    path = f"/api/v1/shared/users/{user['id']}"
    address = f"{own.upper()}@example.com"
    changed = service.with_key("PATCH", path, {"email": address}).json
    assert (changed["email"], changed["emailVerified"]) == (address, True)
    [first, second] = clerk.read(user["id"])["email_addresses"]
    assert (first["email_address"], second) == (address, before[f"{other}@example.com"])
    kept = ("id", "verification", "created_at")
    assert [first[each] for each in kept] == [before[f"{own}@example.com"][each] for each in kept]
    again = {"email": address, "firstName": "Ada", "lastName": "Lovelace"}
    assert service.with_key("POST", "/api/v1/shared/users", again).status == 409
