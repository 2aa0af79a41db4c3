"""Clerk's Backend API: lists of users, filters and counts."""

import time
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from tests.unit.clerk import Clerk, Refusal, refusals


def listed(clerk: Clerk, query: Any = "") -> list[str]:
    """The ids of the users that a query finds, in order."""
    text = query if isinstance(query, str) else urlencode(query)
    return [user["id"] for user in clerk.ok("GET", f"/users?{text}")]


def counted(clerk: Clerk, query: Any = "") -> int:
    """How many users a query finds."""
    text = query if isinstance(query, str) else urlencode(query)
    count = clerk.ok("GET", f"/users/count?{text}")
    assert count["object"] == "total_count"
    return int(count["total_count"])


def several(clerk: Clerk, number: int) -> list[str]:
    """The ids of new users, each created a minute after the one before."""
    return [
        clerk.create(created_at=f"2020-01-01T00:{minute:02}:00Z")["id"] for minute in range(number)
    ]


def test_nobody_is_an_empty_list(clerk: Clerk) -> None:
    assert listed(clerk) == []
    assert counted(clerk) == 0


def test_the_ten_newest_come_first(clerk: Clerk) -> None:
    ids = several(clerk, 12)
    assert listed(clerk) == ids[::-1][:10]
    assert counted(clerk) == 12


def test_pages_follow_each_other(clerk: Clerk) -> None:
    ids = several(clerk, 25)
    pages = [listed(clerk, {"limit": 10, "offset": offset}) for offset in (0, 10, 20, 30)]
    assert pages == [ids[::-1][:10], ids[::-1][10:20], ids[::-1][20:], []]


@pytest.mark.parametrize("order", ["created_at", "%2Bcreated_at", "+created_at"])
def test_the_oldest_may_come_first(clerk: Clerk, order: str) -> None:
    ids = several(clerk, 5)
    assert listed(clerk, f"order_by={order}&limit=3&offset=1") == ids[1:4]


def test_users_are_ordered_by_their_last_change(clerk: Clerk) -> None:
    ids = several(clerk, 3)
    for user_id in (ids[1], ids[0], ids[2]):
        time.sleep(0.002)  # times are in milliseconds
        clerk.update(user_id, first_name="Ada")
    assert listed(clerk, "order_by=-updated_at") == [ids[2], ids[0], ids[1]]
    assert listed(clerk, "order_by=updated_at") == [ids[1], ids[0], ids[2]]


def test_of_several_orders_the_first_counts(clerk: Clerk) -> None:
    ids = several(clerk, 3)
    assert listed(clerk, "order_by=created_at&order_by=-created_at") == ids


def test_deleted_users_are_not_listed_and_not_counted(clerk: Clerk) -> None:
    ids = several(clerk, 3)
    clerk.ok("DELETE", f"/users/{ids[1]}")
    assert listed(clerk) == [ids[2], ids[0]]
    assert counted(clerk) == 2


@pytest.mark.parametrize("brackets", ["", "[]"])
@pytest.mark.parametrize(
    ("name", "attribute", "values"),
    [
        ("email_address", "email_address", ["a@example.com", "b@example.com"]),
        ("phone_number", "phone_number", ["+15555550100", "+15555550101"]),
        ("username", "username", ["ada", "bob"]),
        ("external_id", "external_id", ["x/1 ü", "x-2"]),
    ],
)
def test_exact_filters_find_who_has_one_of_the_values(
    clerk: Clerk, brackets: str, name: str, attribute: str, values: list[str]
) -> None:
    many = attribute in ("email_address", "phone_number")
    ids = [
        clerk.create(
            **{attribute: [value] if many else value},
            created_at=f"2020-01-01T00:0{minute}:00Z",
        )["id"]
        for minute, value in enumerate(values)
    ]
    clerk.create()
    for value, user_id in zip(values, ids, strict=True):
        assert listed(clerk, [(name + brackets, value)]) == [user_id]
    every = [(name + brackets, value) for value in [*values, "nobody@example.com"]]
    assert listed(clerk, every) == ids[::-1]
    assert listed(clerk, [*every, ("order_by", "created_at")]) == ids
    assert listed(clerk, [*every, ("limit", 1), ("offset", 1)]) == ids[:1]
    assert counted(clerk, every) == 2
    assert counted(clerk, every[2:]) == 0


def test_users_are_found_by_their_ids(clerk: Clerk) -> None:
    ids = several(clerk, 3)
    query = [("user_id", ids[0]), ("user_id[]", ids[2]), ("user_id", "user_unknown")]
    assert listed(clerk, query) == [ids[2], ids[0]]
    assert counted(clerk, query) == 2
    assert listed(clerk, f"user_id=+{ids[1]}&user_id=%2B{ids[0]}") == [ids[1], ids[0]]


def test_addresses_and_usernames_are_found_however_they_are_written(clerk: Clerk) -> None:
    user = clerk.create(email_address=["Ada@Example.com", "second@example.com"], username="Ada")
    assert listed(clerk, {"email_address": "ada@example.COM"}) == [user["id"]]
    assert listed(clerk, {"email_address": "second@example.com"}) == [user["id"]]
    assert listed(clerk, {"username": "ADA"}) == [user["id"]]


def test_a_plus_sign_that_is_not_encoded_is_one(clerk: Clerk) -> None:
    user = clerk.create(phone_number=["+15555550100"])
    assert listed(clerk, "phone_number=+15555550100") == [user["id"]]


def test_somebody_with_two_of_the_values_is_found_once(clerk: Clerk) -> None:
    user = clerk.create(email_address=["a@example.com", "b@example.com"])
    query = [("email_address", "a@example.com"), ("email_address", "b@example.com")]
    assert listed(clerk, query) == [user["id"]]
    assert counted(clerk, query) == 1


def test_several_filters_have_all_to_hold(clerk: Clerk) -> None:
    ada = clerk.create(username="ada", external_id="x")["id"]
    clerk.create(username="bob")
    assert listed(clerk, {"username": "ada", "external_id": "x"}) == [ada]
    assert listed(clerk, {"username": "bob", "external_id": "x"}) == []
    assert listed(clerk, {"username": "ada", "user_id": ada}) == [ada]
    assert counted(clerk, {"username": "bob", "external_id": "x"}) == 0


def test_a_value_that_nobody_can_have_finds_nobody(clerk: Clerk) -> None:
    clerk.create()
    for value in ("", "x" * 3000, "\x00", "ü" * 300):
        assert listed(clerk, {"external_id": value}) == []
        assert counted(clerk, {"username": value}) == 0


@pytest.mark.parametrize(
    ("query", "code", "parameter"),
    [
        ("limit=0", "form_param_value_invalid", "limit"),
        ("limit=501", "form_param_value_too_large", "limit"),
        ("limit=ten", "form_param_value_invalid", "limit"),
        ("limit=1.5", "form_param_value_invalid", "limit"),
        ("limit=", "form_param_value_invalid", "limit"),
        ("limit=%C2%B2", "form_param_value_invalid", "limit"),
        ("offset=-1", "form_param_value_invalid", "offset"),
        (f"offset={'9' * 5000}", "form_param_value_invalid", "offset"),
        ("order_by=email_address", "form_param_value_invalid", "order_by"),
        ("order_by=", "form_param_value_invalid", "order_by"),
        ("user_id=-user_1", "form_param_value_invalid", "user_id"),
        ("external_id=-x", "form_param_value_invalid", "external_id"),
        ("query=ada", "form_param_unknown", "query"),
        ("email_address_query=ada", "form_param_unknown", "email_address_query"),
        ("last_active_at_since=1", "form_param_unknown", "last_active_at_since"),
        ("organization_id=org_1", "form_param_unknown", "organization_id"),
        ("web3_wallet=0x", "form_param_unknown", "web3_wallet"),
        ("banned=true", "form_param_unknown", "banned"),
        ("starting_after=x", "form_param_unknown", "starting_after"),
        ("limit[]=1", "form_param_unknown", "limit[]"),
    ],
)
def test_a_wrong_parameter_is_refused_by_its_name(
    clerk: Clerk, query: str, code: str, parameter: str
) -> None:
    assert clerk.refused("GET", f"/users?{query}") == Refusal(422, code, parameter)


def test_a_count_has_no_pages(clerk: Clerk) -> None:
    answer = clerk.call("GET", "/users/count?limit=1&offset=0&order_by=created_at&query=x")
    assert [each.parameter for each in refusals(answer)] == ["limit", "offset", "order_by", "query"]


def test_a_filter_takes_a_hundred_values(clerk: Clerk) -> None:
    ids = several(clerk, 2)
    values = [("user_id", user_id) for user_id in ids] + [("user_id", str(n)) for n in range(98)]
    assert listed(clerk, values) == ids[::-1]
    too_many = Refusal(422, "form_param_array_size_exceeded", "user_id")
    for path in ("/users", "/users/count"):
        assert clerk.refused("GET", f"{path}?{urlencode([*values, ('user_id', 'x')])}") == too_many


def test_the_version_in_the_query_is_no_filter(clerk: Clerk) -> None:
    clerk.create()
    assert counted(clerk, "__clerk_api_version=2026-05-12") == 1
    assert len(listed(clerk, "__clerk_api_version=2026-05-12")) == 1


def test_a_page_costs_what_it_shows_whatever_there_is_besides(clerk: Clerk) -> None:
    several(clerk, 8)
    clerk.cost()
    listed(clerk, "limit=2")
    few = clerk.cost()
    several(clerk, 30)
    clerk.cost()
    listed(clerk, "limit=2")
    assert clerk.cost() == few == ["Query"] * 8 + ["BatchGetItem"]


def test_an_exact_filter_costs_one_call_and_one_for_who_is_found(clerk: Clerk) -> None:
    clerk.create(username="ada")
    clerk.cost()
    listed(clerk, {"username": "ada"})
    assert clerk.cost() == ["BatchGetItem", "BatchGetItem"]
    listed(clerk, {"username": "nobody"})
    assert clerk.cost() == ["BatchGetItem"]


def test_a_count_costs_three_calls(clerk: Clerk) -> None:
    several(clerk, 20)
    clerk.cost()
    assert counted(clerk) == 20
    assert clerk.cost() == ["BatchGetItem"] * 3


def test_a_value_with_signs_of_a_query_is_a_value(clerk: Clerk) -> None:
    user = clerk.create(external_id="a&b=c%")
    assert listed(clerk, f"external_id={quote('a&b=c%')}") == [user["id"]]
