"""Clerk's Backend API: e-mail addresses and phone numbers by their own ids."""

import time
import uuid
from dataclasses import dataclass
from typing import Any

import pytest
from tests.unit.clerk import Clerk, Refusal
from tests.unit.conftest import NOBODY, Service


@dataclass(frozen=True)
class Kind:
    """E-mail addresses, or phone numbers."""

    path: str
    name: str
    values: tuple[str, str, str]

    @property
    def primary(self) -> str:
        """The attribute of a user that names the primary one."""
        return f"primary_{self.name}_id"

    def of(self, user: dict[str, Any]) -> list[dict[str, Any]]:
        """Those of a user."""
        each: list[dict[str, Any]] = user[
            f"{self.name}es" if self.name[0] == "e" else "phone_numbers"
        ]
        return each

    def add(self, clerk: Clerk, user: dict[str, Any], value: str, **options: Any) -> dict[str, Any]:
        """Give a user another one."""
        body = {"user_id": user["id"], self.name: value, **options}
        added: dict[str, Any] = clerk.ok("POST", self.path, body)
        return added


EMAILS = Kind(
    "/email_addresses", "email_address", ("a@example.com", "b@example.com", "c@example.com")
)
PHONES = Kind("/phone_numbers", "phone_number", ("+15555550100", "+15555550101", "+15555550102"))

both = pytest.mark.parametrize("kind", [EMAILS, PHONES], ids=["email", "phone"])


@both
def test_one_is_created_and_read_by_its_id(clerk: Clerk, kind: Kind) -> None:
    user = clerk.create()
    added = kind.add(clerk, user, kind.values[0], verified=True)
    second_factor = {"reserved_for_second_factor": False, "default_second_factor": False}
    assert added == {
        "id": added["id"],
        "object": kind.name,
        kind.name: kind.values[0],
        "reserved": False,
        "verification": {
            "object": "verification_admin",
            "status": "verified",
            "strategy": "admin",
            "attempts": None,
            "expire_at": None,
        },
        "linked_to": [],
        **(second_factor if kind == PHONES else {}),
        "created_at": added["created_at"],
        "updated_at": added["created_at"],
    }
    assert clerk.ok("GET", f"{kind.path}/{added['id']}") == added
    assert added in kind.of(clerk.read(user["id"]))


@both
def test_one_is_not_verified_unless_that_is_said(clerk: Clerk, kind: Kind) -> None:
    added = kind.add(clerk, clerk.create(), kind.values[0])
    assert added["reserved"] is True
    assert added["verification"]["status"] == "unverified"


@both
def test_the_first_one_is_the_primary_one(clerk: Clerk, kind: Kind) -> None:
    user = clerk.ok("POST", "/users", {})
    first = kind.add(clerk, user, kind.values[0])
    kind.add(clerk, user, kind.values[1], verified=True)
    assert clerk.read(user["id"])[kind.primary] == first["id"]


@both
def test_one_can_be_created_as_the_primary_one(clerk: Clerk, kind: Kind) -> None:
    user = clerk.ok("POST", "/users", {kind.name: [kind.values[0]]})
    added = kind.add(clerk, user, kind.values[1], verified=True, primary=True)
    assert clerk.read(user["id"])[kind.primary] == added["id"]


def test_what_the_native_api_verifies_was_updated_then(
    clerk: Clerk, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    user = service.create_user()
    path = f"/email_addresses/{clerk.read(user['id'])['email_addresses'][0]['id']}"
    added = clerk.ok("GET", path)
    later = time.time() + 10
    monkeypatch.setattr(time, "time", lambda: later)
    change = {"emailVerified": True}
    assert service.with_key("PATCH", f"/api/v1/shared/users/{user['id']}", change).status == 200
    verified = clerk.ok("GET", path)
    assert verified["verification"]["status"] == "verified"
    assert verified["updated_at"] > added["updated_at"]


@both
def test_one_is_marked_as_verified_or_not(clerk: Clerk, kind: Kind) -> None:
    added = kind.add(clerk, clerk.create(), kind.values[0])
    path = f"{kind.path}/{added['id']}"
    verified = clerk.ok("PATCH", path, {"verified": True})
    assert verified["verification"]["status"] == "verified"
    assert verified["updated_at"] >= added["updated_at"]
    assert clerk.ok("GET", path) == verified
    assert clerk.ok("PATCH", path, {"verified": None}) == verified
    assert clerk.ok("PATCH", path) == verified
    unverified = clerk.ok("PATCH", path, {"verified": False})
    assert unverified["verification"]["status"] == "unverified"


@both
def test_another_one_becomes_the_primary_one(clerk: Clerk, kind: Kind) -> None:
    user = clerk.ok("POST", "/users", {kind.name: list(kind.values)})
    third = kind.of(user)[2]["id"]
    clerk.ok("PATCH", f"{kind.path}/{third}", {"primary": True})
    updated = clerk.read(user["id"])
    assert updated[kind.primary] == third
    assert {each["id"] for each in kind.of(updated)} == {each["id"] for each in kind.of(user)}
    second = kind.of(user)[1]["id"]
    assert clerk.update(user["id"], **{kind.primary: second})[kind.primary] == second
    assert clerk.update(user["id"], **{kind.primary: second})[kind.primary] == second


@both
def test_one_can_be_verified_and_made_primary_at_once(clerk: Clerk, kind: Kind) -> None:
    user = clerk.ok("POST", "/users", {kind.name: [kind.values[0]]})
    added = kind.add(clerk, user, kind.values[1])
    clerk.ok("PATCH", f"{kind.path}/{added['id']}", {"verified": True, "primary": True})
    assert clerk.read(user["id"])[kind.primary] == added["id"]


@both
def test_what_is_not_verified_does_not_become_primary(clerk: Clerk, kind: Kind) -> None:
    user = clerk.ok("POST", "/users", {kind.name: [kind.values[0]]})
    added = kind.add(clerk, user, kind.values[1])
    before = clerk.read(user["id"])
    needed = Refusal(422, "form_verification_needed", kind.primary)
    path = f"{kind.path}/{added['id']}"
    assert clerk.refused("PATCH", path, {"primary": True}) == needed
    assert clerk.refused("PATCH", f"/users/{user['id']}", {kind.primary: added["id"]}) == needed
    body = {"user_id": user["id"], kind.name: kind.values[2], "primary": True}
    assert clerk.refused("POST", kind.path, body) == needed
    assert clerk.read(user["id"]) == before


@both
def test_the_primary_one_has_to_be_the_user_s(clerk: Clerk, kind: Kind) -> None:
    user = clerk.ok("POST", "/users", {kind.name: [kind.values[0]]})
    other = clerk.ok("POST", "/users", {kind.name: [kind.values[1]]})
    missing = Refusal(422, "form_resource_not_found", kind.primary)
    for wrong in (kind.of(other)[0]["id"], "idn_unknown", ""):
        assert clerk.refused("PATCH", f"/users/{user['id']}", {kind.primary: wrong}) == missing
    assert clerk.read(user["id"]) == user


def test_no_wallet_is_the_user_s(clerk: Clerk) -> None:
    user = clerk.create()
    path = f"/users/{user['id']}"
    missing = Refusal(422, "form_resource_not_found", "primary_web3_wallet_id")
    assert clerk.refused("PATCH", path, {"primary_web3_wallet_id": "idn_x"}) == missing
    assert clerk.ok("PATCH", path, {"primary_web3_wallet_id": None}) == user


@both
def test_a_deleted_one_is_gone_and_free_again(clerk: Clerk, kind: Kind) -> None:
    user = clerk.create()
    added = kind.add(clerk, user, kind.values[0])
    path = f"{kind.path}/{added['id']}"
    deleted = {"id": added["id"], "object": kind.name, "deleted": True}
    assert clerk.ok("DELETE", path) == deleted
    for method in ("GET", "PATCH", "DELETE"):
        assert clerk.refused(method, path) == Refusal(404, "resource_not_found")
    kind.add(clerk, clerk.create(), kind.values[0])


@both
def test_after_the_primary_one_the_first_verified_one_is_primary(clerk: Clerk, kind: Kind) -> None:
    user = clerk.ok("POST", "/users", {kind.name: [kind.values[0]]})
    kind.add(clerk, user, kind.values[1])
    verified = kind.add(clerk, user, kind.values[2], verified=True)
    clerk.ok("DELETE", f"{kind.path}/{kind.of(user)[0]['id']}")
    assert clerk.read(user["id"])[kind.primary] == verified["id"]


@both
def test_the_last_one_can_be_deleted(clerk: Clerk, kind: Kind) -> None:
    user = clerk.ok("POST", "/users", {kind.name: [kind.values[0]]})
    clerk.ok("DELETE", f"{kind.path}/{kind.of(user)[0]['id']}")
    assert clerk.read(user["id"])[kind.primary] is None


@both
def test_one_that_a_user_has_is_taken(clerk: Clerk, kind: Kind) -> None:
    user = clerk.ok("POST", "/users", {kind.name: [kind.values[0]]})
    other = clerk.create()
    taken = Refusal(422, "form_identifier_exists", kind.name)
    for each in (user, other):
        for value in (kind.values[0], kind.values[0].upper()):
            body = {"user_id": each["id"], kind.name: value}
            assert clerk.refused("POST", kind.path, body) == taken


@both
def test_of_two_users_who_add_the_same_at_once_one_wins(clerk: Clerk, kind: Kind) -> None:
    first, second = clerk.create(), clerk.create()
    clerk.service.meanwhile("TransactWriteItems", lambda: kind.add(clerk, second, kind.values[0]))
    body = {"user_id": first["id"], kind.name: kind.values[0]}
    taken = Refusal(422, "form_identifier_exists", kind.name)
    assert clerk.refused("POST", kind.path, body) == taken


def test_a_user_has_at_most_twenty_of_a_kind(clerk: Clerk) -> None:
    user = clerk.create(
        email_address=[f"{n}@example.com" for n in range(20)],
        phone_number=[f"+155555501{n:02}" for n in range(20)],
    )
    for kind in (EMAILS, PHONES):
        value = kind.values[0].replace("5555550100", "5555550199")
        body = {"user_id": user["id"], kind.name: value}
        too_many = Refusal(422, "form_param_array_size_exceeded", kind.name)
        assert clerk.refused("POST", kind.path, body) == too_many
    clerk.ok("DELETE", f"/users/{user['id']}")


@both
def test_an_id_of_the_other_kind_is_not_found(clerk: Clerk, kind: Kind) -> None:
    user = clerk.create(phone_number=["+15555550100"])
    other = PHONES if kind == EMAILS else EMAILS
    path = f"{kind.path}/{other.of(user)[0]['id']}"
    for method in ("GET", "PATCH", "DELETE"):
        assert clerk.refused(method, path) == Refusal(404, "resource_not_found")


@both
@pytest.mark.parametrize("unknown", [f"idn_{'0' * 40}", "idn_", "x", f"idn_{NOBODY}"])
def test_an_unknown_id_is_not_found(clerk: Clerk, kind: Kind, unknown: str) -> None:
    for method in ("GET", "PATCH", "DELETE"):
        refusal = clerk.refused(method, f"{kind.path}/{unknown}")
        assert refusal == Refusal(404, "resource_not_found")


@both
def test_an_unknown_user_is_not_found(clerk: Clerk, kind: Kind) -> None:
    for user_id in (str(uuid.uuid4()), "user_1"):
        body = {"user_id": user_id, kind.name: kind.values[0]}
        assert clerk.refused("POST", kind.path, body) == Refusal(404, "resource_not_found")


@both
def test_a_wrong_request_is_refused_by_the_name_of_what_is_wrong(clerk: Clerk, kind: Kind) -> None:
    user = clerk.create()
    good = {"user_id": user["id"], kind.name: kind.values[0]}
    other = (
        "reserved_for_second_factor" if kind == PHONES else "notify_primary_email_address_changed"
    )
    for changed, code, parameter in (
        ({kind.name: "x"}, "form_param_format_invalid", kind.name),
        ({kind.name: 1}, "form_param_type_invalid", kind.name),
        ({"verified": "yes"}, "form_param_type_invalid", "verified"),
        ({"linked_to": []}, "form_param_unknown", "linked_to"),
        ({other: True}, "form_param_unknown", other),
    ):
        refusal = clerk.refused("POST", kind.path, {**good, **changed})
        assert refusal == Refusal(422, code, parameter)
    for missing in good:
        body = {name: value for name, value in good.items() if name != missing}
        refusal = clerk.refused("POST", kind.path, body)
        assert refusal == Refusal(422, "form_param_missing", missing)
    assert clerk.ok("POST", kind.path, {**good, other: False})["object"] == kind.name


def test_what_is_said_here_shows_in_the_native_api(clerk: Clerk, service: Service) -> None:
    user = clerk.create(email_address=["old@example.com"])
    EMAILS.add(clerk, user, "new@example.com", verified=True, primary=True)
    native = service.read_user(user["id"])
    assert (native["email"], native["emailVerified"]) == ("new@example.com", True)


@both
def test_reading_costs_one_call_and_changing_two(clerk: Clerk, kind: Kind) -> None:
    user = clerk.create()
    clerk.cost()
    added = kind.add(clerk, user, kind.values[0], verified=True)
    assert clerk.cost() == ["GetItem", "TransactWriteItems"]
    path = f"{kind.path}/{added['id']}"
    clerk.ok("GET", path)
    assert clerk.cost() == ["GetItem"]
    clerk.ok("PATCH", path, {"verified": False})
    assert clerk.cost() == ["GetItem", "TransactWriteItems"]
    clerk.ok("DELETE", path)
    assert clerk.cost() == ["GetItem", "TransactWriteItems"]
