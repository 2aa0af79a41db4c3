"""Clerk's Backend API: create, read, update and delete users."""

import json
import time
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from tests.unit.clerk import Clerk, Refusal, refusals
from tests.unit.conftest import NOBODY, Service, aws_error

UNKNOWN = "form_param_unknown"


def test_a_created_user_is_answered_whole(clerk: Clerk) -> None:
    before = int(time.time() * 1000)
    user = clerk.ok(
        "POST",
        "/users",
        {
            "email_address": ["Ada@example.com", "lovelace@example.com"],
            "phone_number": ["+15555550100"],
            "first_name": "Ada",
            "last_name": "Lovelace",
            "username": "ada",
            "external_id": "legacy-1",
            "locale": "en-GB",
            "password": "correct horse",
            "public_metadata": {"plan": "pro"},
            "private_metadata": {"crmId": 7},
            "unsafe_metadata": {"Theme": "dark"},
        },
    )
    email, second = user["email_addresses"]
    (phone,) = user["phone_numbers"]
    assert before <= user["created_at"] <= time.time() * 1000
    assert user == {
        "id": str(uuid.UUID(user["id"])),
        "object": "user",
        "external_id": "legacy-1",
        "username": "ada",
        "first_name": "Ada",
        "last_name": "Lovelace",
        "locale": "en-GB",
        "has_image": False,
        "image_url": user["image_url"],
        "profile_image_url": user["image_url"],
        "primary_email_address_id": email["id"],
        "primary_phone_number_id": phone["id"],
        "primary_web3_wallet_id": None,
        "email_addresses": [email, second],
        "phone_numbers": [phone],
        "web3_wallets": [],
        "passkeys": [],
        "external_accounts": [],
        "saml_accounts": [],
        "enterprise_accounts": [],
        "public_metadata": {"plan": "pro"},
        "private_metadata": {"crmId": 7},
        "unsafe_metadata": {"Theme": "dark"},
        "password_enabled": True,
        "password_last_updated_at": user["password_last_updated_at"],
        "two_factor_enabled": False,
        "totp_enabled": False,
        "backup_code_enabled": False,
        "mfa_enabled_at": None,
        "mfa_disabled_at": None,
        "banned": False,
        "locked": False,
        "lockout_expires_in_seconds": None,
        "verification_attempts_remaining": None,
        "delete_self_enabled": True,
        "create_organization_enabled": True,
        "legal_accepted_at": None,
        "last_sign_in_at": None,
        "last_active_at": None,
        "created_at": user["created_at"],
        "updated_at": user["created_at"],
    }
    assert email["email_address"] == "Ada@example.com"
    assert second["email_address"] == "lovelace@example.com"
    assert phone["phone_number"] == "+15555550100"
    assert clerk.read(user["id"]) == user


def test_a_user_can_be_created_of_nothing(clerk: Clerk) -> None:
    user = clerk.ok("POST", "/users", {})
    assert user["email_addresses"] == []
    assert user["primary_email_address_id"] is None
    assert user["password_enabled"] is False
    assert user["password_last_updated_at"] is None


def test_addresses_are_created_verified_or_reserved(clerk: Clerk) -> None:
    user = clerk.create(
        email_address=["a@example.com", "b@example.com"],
        email_address_identification_status=["reserved", "verified"],
        phone_number=["+15555550100"],
    )
    reserved, verified = user["email_addresses"]
    assert (reserved["reserved"], reserved["verification"]["status"]) == (True, "unverified")
    assert (verified["reserved"], verified["verification"]["status"]) == (False, "verified")
    assert user["phone_numbers"][0]["verification"]["status"] == "verified"


def test_a_user_can_be_created_banned_locked_and_in_the_past(clerk: Clerk) -> None:
    user = clerk.create(
        banned=True,
        locked=True,
        created_at="2012-10-20T07:15:20.902Z",
        legal_accepted_at="2012-10-20T09:15:20+02:00",
        delete_self_enabled=False,
        create_organization_enabled=False,
    )
    assert (user["banned"], user["locked"]) == (True, True)
    assert user["created_at"] == 1350717320902
    assert user["legal_accepted_at"] == 1350717320000
    assert user["delete_self_enabled"] is False
    assert user["create_organization_enabled"] is False


def test_the_native_api_knows_the_same_user(clerk: Clerk, service: Service) -> None:
    user = clerk.create(
        email_address=["ada@example.com"], first_name="Ada", last_name="Lovelace", username="ada"
    )
    native = service.read_user(user["id"])
    assert native["email"] == "ada@example.com"
    assert native["emailVerified"] is True
    assert (native["firstName"], native["lastName"]) == ("Ada", "Lovelace")
    assert native["username"] == "ada"


def test_a_user_of_the_native_api_is_a_user_here(clerk: Clerk, service: Service) -> None:
    native = service.create_user(email="ada@example.com", externalId="x-1")
    user = clerk.read(native["id"])
    assert user["external_id"] == "x-1"
    assert user["email_addresses"][0]["email_address"] == "ada@example.com"
    assert user["email_addresses"][0]["reserved"] is True


def test_the_documented_update_changes_the_name_only(clerk: Clerk) -> None:
    user = clerk.create(username="john", locale="en-US")
    updated = clerk.update(user["id"], first_name="John", last_name="Wick")
    assert updated == {
        **user,
        "first_name": "John",
        "last_name": "Wick",
        "image_url": updated["image_url"],
        "profile_image_url": updated["image_url"],
        "updated_at": updated["updated_at"],
    }
    assert updated["updated_at"] >= user["updated_at"]
    assert clerk.read(user["id"]) == updated


@pytest.mark.parametrize("nothing", [None, "", "  "])
def test_null_and_blank_clear_a_text(clerk: Clerk, nothing: str | None) -> None:
    attributes = {
        "first_name": "Ada",
        "last_name": "Lovelace",
        "username": "ada",
        "external_id": "x",
        "locale": "en",
    }
    user = clerk.create(**attributes)
    cleared = clerk.update(user["id"], **dict.fromkeys(attributes, nothing))
    assert [cleared[name] for name in attributes] == [None] * len(attributes)


def test_null_clears_when_legal_requirements_were_accepted(clerk: Clerk) -> None:
    user = clerk.create(legal_accepted_at="2024-01-01T00:00:00Z")
    assert clerk.update(user["id"], legal_accepted_at=None)["legal_accepted_at"] is None


def test_null_leaves_what_cannot_be_cleared(clerk: Clerk) -> None:
    user = clerk.create(
        password="correct horse", delete_self_enabled=False, create_organization_enabled=False
    )
    same = clerk.update(
        user["id"],
        password=None,
        created_at=None,
        delete_self_enabled=None,
        create_organization_enabled=None,
        primary_email_address_id=None,
    )
    assert same == user


def test_an_update_without_a_body_changes_nothing(clerk: Clerk) -> None:
    user = clerk.create()
    assert clerk.ok("PATCH", f"/users/{user['id']}") == user


def test_a_username_is_free_again_when_it_is_removed(clerk: Clerk) -> None:
    first = clerk.create(username="ada")
    second = clerk.create()
    clerk.update(first["id"], username="")
    assert clerk.update(second["id"], username="ada")["username"] == "ada"


def test_settings_of_a_user_are_kept(clerk: Clerk) -> None:
    user = clerk.create()
    updated = clerk.update(
        user["id"],
        delete_self_enabled=False,
        create_organization_enabled=False,
        created_at="2020-02-02T02:02:02.020Z",
        legal_accepted_at="2021-01-01T00:00:00Z",
        skip_legal_checks=True,
    )
    assert updated["delete_self_enabled"] is False
    assert updated["create_organization_enabled"] is False
    assert updated["created_at"] == 1580608922020
    assert updated["legal_accepted_at"] == 1609459200000


@pytest.mark.parametrize(
    ("attribute", "value"),
    [
        ("email_address", ["ada@example.com"]),
        ("email_address", ["ADA@Example.com"]),
        ("phone_number", ["+15555550100"]),
        ("username", "Ada"),
        ("external_id", "x-1"),
    ],
)
def test_what_another_user_has_is_taken(clerk: Clerk, attribute: str, value: Any) -> None:
    clerk.create(
        email_address=["ada@example.com"],
        phone_number=["+15555550100"],
        username="ada",
        external_id="x-1",
    )
    taken = Refusal(422, "form_identifier_exists", attribute)
    assert clerk.refused("POST", "/users", {attribute: value}) == taken
    if attribute in ("username", "external_id"):
        other = clerk.create()
        path = f"/users/{other['id']}"
        assert clerk.refused("PATCH", path, {attribute: value}) == taken
        assert clerk.read(other["id"]) == other


def test_of_two_updates_to_one_username_one_wins(clerk: Clerk, service: Service) -> None:
    first, second = clerk.create(), clerk.create()
    service.meanwhile("TransactWriteItems", lambda: clerk.update(second["id"], username="neo"))
    answer = clerk.refused("PATCH", f"/users/{first['id']}", {"username": "neo"})
    assert answer == Refusal(422, "form_identifier_exists", "username")
    assert clerk.read(first["id"])["username"] is None
    assert clerk.read(second["id"])["username"] == "neo"


def test_a_deleted_user_is_gone_with_all_that_was_theirs(clerk: Clerk, service: Service) -> None:
    attributes = {
        "email_address": ["ada@example.com", "lovelace@example.com"],
        "phone_number": ["+15555550100"],
        "username": "ada",
        "external_id": "x-1",
    }
    user = clerk.create(**attributes)
    traces = (user["id"], "ada@", "lovelace", "15555550100", '"ada"', "x-1")
    assert all(trace in service.everything() for trace in traces)
    deleted = clerk.ok("DELETE", f"/users/{user['id']}")
    assert deleted == {"id": user["id"], "object": "user", "deleted": True}
    assert clerk.refused("GET", f"/users/{user['id']}") == Refusal(404, "resource_not_found")
    assert clerk.refused("DELETE", f"/users/{user['id']}") == Refusal(404, "resource_not_found")
    assert clerk.ok("GET", "/users/count")["total_count"] == 0
    assert not any(trace in service.everything() for trace in traces)
    clerk.create(**attributes)


@pytest.mark.parametrize("user_id", [NOBODY, "user_29w9IptNja3mP8GDXpquBwN2qR9", "%00"])
@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "", None),
        ("PATCH", "", {"first_name": "Ada"}),
        ("PATCH", "", {"username": "ada"}),
        ("DELETE", "", None),
        ("PATCH", "/metadata", {"public_metadata": {"a": 1}}),
        ("PUT", "/metadata", {"public_metadata": {"a": 1}}),
        ("POST", "/verify_password", {"password": "correct horse"}),
        ("POST", "/ban", None),
        ("POST", "/unban", None),
        ("POST", "/lock", None),
        ("POST", "/unlock", None),
        ("DELETE", "/profile_image", None),
    ],
)
def test_an_unknown_user_is_not_found(
    clerk: Clerk, user_id: str, method: str, path: str, body: Any
) -> None:
    refusal = clerk.refused(method, f"/users/{user_id}{path}", body)
    assert refusal == Refusal(404, "resource_not_found")


@pytest.mark.parametrize(
    ("route", "attribute", "value"),
    [
        ("ban", "banned", True),
        ("unban", "banned", False),
        ("lock", "locked", True),
        ("unlock", "locked", False),
    ],
)
def test_users_are_banned_and_locked_and_let_in_again(
    clerk: Clerk, route: str, attribute: str, value: bool
) -> None:
    user = clerk.create(**{attribute: not value})
    changed = clerk.ok("POST", f"/users/{user['id']}/{route}")
    assert changed == {**user, attribute: value, "updated_at": changed["updated_at"]}
    assert clerk.ok("POST", f"/users/{user['id']}/{route}")[attribute] is value


@pytest.mark.parametrize(
    ("attribute", "value", "code"),
    [
        ("first_name", 7, "form_param_type_invalid"),
        ("first_name", "a" * 257, "form_param_max_length_exceeded"),
        ("first_name", "a\u0000b", "form_param_format_invalid"),
        ("username", "not a name", "form_username_invalid_character"),
        ("username", "a" * 65, "form_username_invalid_character"),
        ("locale", "en_GB", "form_param_format_invalid"),
        ("created_at", 1350717320902, "form_param_type_invalid"),
        ("created_at", "yesterday", "form_param_invalid_time"),
        ("created_at", "2012-10-20T07:15:20", "form_param_invalid_time"),
        ("created_at", "0001-01-01T00:00:00+14:00", "form_param_invalid_time"),
        ("legal_accepted_at", "2012-13-20T07:15:20Z", "form_param_invalid_time"),
        ("delete_self_enabled", "yes", "form_param_type_invalid"),
    ],
)
@pytest.mark.parametrize("method", ["POST", "PATCH"])
def test_a_wrong_value_is_refused_by_its_name(
    clerk: Clerk, method: str, attribute: str, value: Any, code: str
) -> None:
    path = "/users" if method == "POST" else f"/users/{clerk.create()['id']}"
    assert clerk.refused(method, path, {attribute: value}) == Refusal(422, code, attribute)


@pytest.mark.parametrize(
    ("attribute", "value", "code"),
    [
        ("email_address", "ada@example.com", "form_param_type_invalid"),
        ("email_address", ["ada"], "form_param_format_invalid"),
        ("email_address", ["a@example.com", "A@example.com"], "form_param_duplicate"),
        (
            "email_address",
            [f"{n}@example.com" for n in range(21)],
            "form_param_array_size_exceeded",
        ),
        ("phone_number", ["5555550100"], "form_param_format_invalid"),
        ("phone_number", ["+05555550100"], "form_param_format_invalid"),
        (
            "email_address_identification_status",
            ["verified"],
            "form_param_array_length_mismatch",
        ),
        ("phone_number_identification_status", ["unknown"], "form_param_value_invalid"),
    ],
)
def test_a_wrong_address_is_refused_by_its_name(
    clerk: Clerk, attribute: str, value: Any, code: str
) -> None:
    assert clerk.refused("POST", "/users", {attribute: value}) == Refusal(422, code, attribute)


@pytest.mark.parametrize(
    ("attribute", "value"),
    [
        ("timezone", "Europe/Berlin"),
        ("nickname", None),
        ("totp_secret", "AICJ3HCXKO4KOY6NDH6RII4E3ZYL5ZBH"),
        ("backup_codes", ["a1b2c3d4"]),
        ("create_organizations_limit", 5),
        ("bypass_client_trust", True),
    ],
)
@pytest.mark.parametrize("method", ["POST", "PATCH"])
def test_an_attribute_that_is_not_there_is_refused_by_its_name(
    clerk: Clerk, method: str, attribute: str, value: Any
) -> None:
    path = "/users" if method == "POST" else f"/users/{clerk.create()['id']}"
    body = {"first_name": "Ada", attribute: value}
    assert clerk.refused(method, path, body) == Refusal(422, UNKNOWN, attribute)


@pytest.mark.parametrize(
    "attribute", ["notify_primary_email_address_changed", "sign_out_of_other_sessions"]
)
def test_an_update_that_asks_for_what_is_not_there_is_refused(clerk: Clerk, attribute: str) -> None:
    user = clerk.create()
    path = f"/users/{user['id']}"
    assert clerk.refused("PATCH", path, {attribute: True}) == Refusal(422, UNKNOWN, attribute)
    assert clerk.ok("PATCH", path, {attribute: False}) == user
    assert clerk.refused("POST", "/users", {attribute: False}) == Refusal(422, UNKNOWN, attribute)


def test_every_wrong_attribute_is_named(clerk: Clerk) -> None:
    user = clerk.create()
    answer = clerk.call("PATCH", f"/users/{user['id']}", {"nickname": "A", "first_name": 1})
    assert set(refusals(answer)) == {
        Refusal(422, "form_param_type_invalid", "first_name"),
        Refusal(422, UNKNOWN, "nickname"),
    }


@pytest.mark.parametrize("body", ["{", '{"first_name": "\\ud800"}', "[]", '"text"', "null", "1"])
def test_a_body_that_is_no_json_object_is_refused(clerk: Clerk, body: str) -> None:
    assert clerk.refused("POST", "/users", body) == Refusal(400, "request_body_invalid")


def test_a_body_that_is_too_large_is_refused(clerk: Clerk) -> None:
    refusal = clerk.refused("POST", "/users", {"first_name": "a" * 70_000})
    assert refusal == Refusal(413, "request_body_too_large")


@pytest.mark.parametrize("token", ["", "wrong", "a.b.c"])
def test_a_wrong_key_is_refused(clerk: Clerk, token: str) -> None:
    answer = clerk.call("GET", "/users", token=token)
    assert refusals(answer) == [Refusal(401, "authentication_invalid")]
    assert answer.headers["www-authenticate"].startswith("Bearer")


def test_a_user_cannot_call_it(clerk: Clerk, service: Service) -> None:
    user = clerk.create(private_metadata={"secret": "plan"})
    token = service.token(user["id"])
    every: list[tuple[str, str]] = [
        ("GET", f"/users/{user['id']}"),
        ("PATCH", f"/users/{user['id']}"),
        ("DELETE", f"/users/{user['id']}"),
        ("GET", "/users"),
        ("POST", "/users"),
        ("GET", "/users/count"),
        ("PUT", f"/users/{user['id']}/metadata"),
        ("PATCH", f"/users/{user['id']}/metadata"),
        ("POST", f"/users/{user['id']}/ban"),
        ("POST", f"/users/{user['id']}/unban"),
        ("POST", f"/users/{user['id']}/lock"),
        ("POST", f"/users/{user['id']}/unlock"),
        ("POST", f"/users/{user['id']}/verify_password"),
        ("POST", f"/users/{user['id']}/profile_image"),
        ("DELETE", f"/users/{user['id']}/profile_image"),
        ("POST", "/email_addresses"),
        ("GET", f"/email_addresses/{user['primary_email_address_id']}"),
        ("PATCH", f"/email_addresses/{user['primary_email_address_id']}"),
        ("DELETE", f"/email_addresses/{user['primary_email_address_id']}"),
        ("POST", "/phone_numbers"),
        ("GET", "/phone_numbers/x"),
        ("PATCH", "/phone_numbers/x"),
        ("DELETE", "/phone_numbers/x"),
    ]
    for method, path in every:
        answer = clerk.call(method, path, {}, token=token)
        assert refusals(answer) == [Refusal(403, "authorization_invalid")]
        assert "plan" not in json.dumps(answer.json)
    assert clerk.read(user["id"]) == user


def test_a_user_does_not_see_their_private_metadata(clerk: Clerk, service: Service) -> None:
    user = clerk.create(private_metadata={"note": "only-for-the-back-end"})
    answer = service.as_user(user["id"], "GET", "/api/v1/users/me")
    assert answer.status == 200
    assert "only-for-the-back-end" not in json.dumps(answer.json)


def test_aws_out_of_reach_is_a_503_that_says_when_to_try_again(
    clerk: Clerk, service: Service
) -> None:
    user = clerk.create()
    service.let_aws_answer("GetItem", aws_error("ThrottlingException"))
    answer = clerk.call("GET", f"/users/{user['id']}")
    assert refusals(answer) == [Refusal(503, "service_unavailable")]
    assert int(answer.headers["retry-after"]) >= 1


def test_an_unexpected_error_says_nothing_of_its_cause(
    clerk: Clerk, service: Service, output: Callable[[], str]
) -> None:
    user = clerk.create()
    service.let_aws_answer("GetItem", aws_error("ValidationException", message="the cause"))
    answer = clerk.call("GET", f"/users/{user['id']}")
    assert refusals(answer) == [Refusal(500, "internal_clerk_error")]
    assert "ValidationException" not in json.dumps(answer.json)
    assert "ValidationException" in output()


def test_no_call_logs_what_is_personal(clerk: Clerk, output: Callable[[], str]) -> None:
    user = clerk.create(
        email_address=["ada@example.com"], phone_number=["+15555550100"], first_name="Augusta"
    )
    clerk.refused("POST", "/users", {"email_address": ["ada@example.com"]})
    clerk.refused("POST", "/users", {"email_address": ["ada@example"], "password": 1})
    clerk.ok("GET", "/users?email_address=ada@example.com")
    clerk.update(user["id"], last_name="Byron")
    logged = output()
    assert "answered" in logged
    for secret in ("ada@example", "5555550100", "Augusta", "Byron", clerk.service.secret_key):
        assert secret not in logged


def test_reading_costs_one_call(clerk: Clerk) -> None:
    user = clerk.create()
    clerk.cost()
    clerk.read(user["id"])
    assert clerk.cost() == ["GetItem"]


def test_creating_costs_one_call(clerk: Clerk) -> None:
    clerk.cost()
    clerk.create(username="ada")
    assert clerk.cost() == ["TransactWriteItems"]


def test_updating_costs_one_call_or_two_where_something_unique_changes(clerk: Clerk) -> None:
    user = clerk.create(email_address=["a@example.com", "b@example.com"])
    clerk.cost()
    clerk.update(user["id"], first_name="Ada", locale="en", password="correct horse")
    assert clerk.cost() == ["UpdateItem"]
    clerk.update(user["id"], first_name="Augusta", username="ada", external_id="x")
    assert clerk.cost() == ["GetItem", "TransactWriteItems"]
    clerk.update(user["id"], primary_email_address_id=user["email_addresses"][1]["id"])
    assert clerk.cost() == ["GetItem", "TransactWriteItems"]
    clerk.ok("POST", f"/users/{user['id']}/ban")
    assert clerk.cost() == ["UpdateItem"]


def test_deleting_costs_three_calls(clerk: Clerk) -> None:
    user = clerk.create(username="ada")
    clerk.cost()
    clerk.ok("DELETE", f"/users/{user['id']}")
    assert clerk.cost() == ["GetItem", "TransactWriteItems", "Query"]
