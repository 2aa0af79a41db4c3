"""Clerk's Backend API: metadata, which is the application's own."""

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.unit.clerk import Clerk, Refusal, compact, refusals

KINDS = ("public_metadata", "private_metadata", "unsafe_metadata")
LIMIT = 8192

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=8,
)
OBJECTS = st.dictionaries(st.text(max_size=4), JSON, max_size=4)


def of_size(size: int) -> dict[str, str]:
    """A document of a size in bytes, as compact JSON."""
    document = {"text": "x" * (size - compact({"text": ""}))}
    assert compact(document) == size
    return document


@pytest.mark.parametrize("kind", KINDS)
def test_replacing_replaces_a_kind_as_a_whole_and_no_other(clerk: Clerk, kind: str) -> None:
    before = {each: {"kept": True} for each in KINDS}
    user = clerk.create(**before)
    document = {"Nested": {"snake_case": [1, 2.5, None], "camelCase": "ü"}, "empty": {}}
    replaced = clerk.ok("PUT", f"/users/{user['id']}/metadata", {kind: document})
    assert {each: replaced[each] for each in KINDS} == {**before, kind: document}
    assert clerk.read(user["id"]) == replaced


@pytest.mark.parametrize("nothing", [{}, None])
def test_replacing_with_nothing_empties_a_kind(clerk: Clerk, nothing: Any) -> None:
    user = clerk.create(public_metadata={"a": 1})
    path = f"/users/{user['id']}/metadata"
    assert clerk.ok("PUT", path, {"public_metadata": nothing})["public_metadata"] == {}


@pytest.mark.parametrize("kind", KINDS)
def test_merging_is_deep_and_null_removes_a_key(clerk: Clerk, kind: str) -> None:
    user = clerk.create(
        **{kind: {"a": {"b": {"c": 1, "d": 2}}, "list": [1, 2], "gone": 1, "text": "x"}}
    )
    patch = {
        "a": {"b": {"d": None, "e": 3}},
        "list": [3],
        "gone": None,
        "text": {"now": "an object", "never": None},
        "absent": None,
        "New": {"x": {"y": None}},
    }
    merged = clerk.ok("PATCH", f"/users/{user['id']}/metadata", {kind: patch})
    assert merged[kind] == {
        "a": {"b": {"c": 1, "e": 3}},
        "list": [3],
        "text": {"now": "an object"},
        "New": {"x": {}},
    }
    assert clerk.read(user["id"]) == merged


def test_a_merge_sees_what_somebody_else_merged_at_once(clerk: Clerk) -> None:
    user = clerk.create(public_metadata={"a": 1})
    path = f"/users/{user['id']}/metadata"
    clerk.service.meanwhile(
        "TransactWriteItems", lambda: clerk.ok("PATCH", path, {"public_metadata": {"b": 2}})
    )
    merged = clerk.ok("PATCH", path, {"public_metadata": {"c": 3}})
    assert merged["public_metadata"] == {"a": 1, "b": 2, "c": 3}


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_has_at_most_8_kib(clerk: Clerk, kind: str) -> None:
    too_large = Refusal(422, "form_param_exceeds_allowed_size", kind)
    assert clerk.refused("POST", "/users", {kind: of_size(LIMIT + 1)}) == too_large
    user = clerk.create(**{each: of_size(LIMIT) for each in KINDS})
    path = f"/users/{user['id']}/metadata"
    assert clerk.refused("PUT", path, {kind: of_size(LIMIT + 1)}) == too_large
    assert clerk.refused("PATCH", path, {kind: {"n": 1}}) == too_large
    assert clerk.read(user["id"]) == user
    assert clerk.ok("PATCH", path, {kind: {"text": "short"}})[kind] == {"text": "short"}


def test_the_limit_counts_bytes_of_what_is_no_ascii(clerk: Clerk) -> None:
    document = {"text": "ü" * ((LIMIT - compact({"text": ""})) // 2)}
    user = clerk.create(public_metadata=document)
    assert clerk.read(user["id"])["public_metadata"] == document
    body = {"public_metadata": {"text": document["text"] + "ü"}}
    refusal = clerk.refused("PUT", f"/users/{user['id']}/metadata", body)
    assert refusal == Refusal(422, "form_param_exceeds_allowed_size", "public_metadata")


def test_every_kind_that_a_merge_makes_too_large_is_named(clerk: Clerk) -> None:
    user = clerk.create(**{kind: of_size(LIMIT) for kind in KINDS})
    path = f"/users/{user['id']}/metadata"
    answer = clerk.call("PATCH", path, {kind: {"n": 1} for kind in KINDS})
    assert [each.parameter for each in refusals(answer)] == list(KINDS)


@pytest.mark.parametrize("version", [None, "2021-02-05", "2025-11-10"])
def test_before_its_own_routes_metadata_was_set_with_the_user(
    clerk: Clerk, version: str | None
) -> None:
    user = clerk.create(public_metadata={"a": 1, "b": 2}, private_metadata={"p": 1})
    clerk.version = version
    updated = clerk.update(
        user["id"], first_name="Ada", public_metadata={"b": 3}, unsafe_metadata=None
    )
    assert updated["public_metadata"] == {"b": 3}
    assert updated["private_metadata"] == {"p": 1}
    assert updated["first_name"] == "Ada"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("version", ["2026-05-12", "2027-01-01"])
def test_since_then_an_update_refuses_it_by_its_name(clerk: Clerk, kind: str, version: str) -> None:
    user = clerk.create()
    clerk.version = version
    refusal = clerk.refused("PATCH", f"/users/{user['id']}", {"first_name": "A", kind: {}})
    assert refusal == Refusal(422, "form_param_unknown", kind)
    assert clerk.read(user["id"]) == user


def test_the_version_may_be_in_the_query(clerk: Clerk) -> None:
    user = clerk.create()
    clerk.version = None
    path = f"/users/{user['id']}?__clerk_api_version=2026-05-12"
    assert clerk.refused("PATCH", path, {"public_metadata": {}}).parameter == "public_metadata"


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
@pytest.mark.parametrize(
    ("body", "refusal"),
    [
        ({"metadata": {}}, Refusal(422, "form_param_unknown", "metadata")),
        ({"public_metadata": []}, Refusal(422, "form_param_type_invalid", "public_metadata")),
        ({"public_metadata": "{}"}, Refusal(422, "form_param_type_invalid", "public_metadata")),
    ],
)
def test_wrong_metadata_is_refused_by_its_name(
    clerk: Clerk, method: str, body: Any, refusal: Refusal
) -> None:
    user = clerk.create()
    assert clerk.refused(method, f"/users/{user['id']}/metadata", body) == refusal


def test_a_merge_does_not_take_null_for_a_whole_kind(clerk: Clerk) -> None:
    user = clerk.create(public_metadata={"a": 1})
    path = f"/users/{user['id']}/metadata"
    refusal = clerk.refused("PATCH", path, {"public_metadata": None})
    assert refusal == Refusal(422, "form_param_type_invalid", "public_metadata")
    assert clerk.read(user["id"]) == user


@pytest.mark.parametrize("number", ["NaN", "Infinity", "1e999"])
@pytest.mark.parametrize("method", ["PUT", "PATCH"])
def test_a_number_that_json_does_not_have_is_refused(
    clerk: Clerk, method: str, number: str
) -> None:
    user = clerk.create()
    body = f'{{"public_metadata": {{"n": {number}}}}}'
    answer = clerk.call(method, f"/users/{user['id']}/metadata", body)
    assert answer.status in (400, 422)
    assert clerk.read(user["id"]) == user


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
def test_deep_nesting_is_refused_or_kept(clerk: Clerk, method: str) -> None:
    user = clerk.create()
    path = f"/users/{user['id']}/metadata"
    for depth in (100, 1500):
        body = f'{{"public_metadata": {'{"a":' * depth}1{"}" * depth}}}'
        answer = clerk.call(method, path, body)
        assert answer.status in (200, 400)
    assert answer.status == 400


@settings(
    max_examples=30,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(before=OBJECTS, patch=OBJECTS)
def test_a_merge_of_anything_is_a_json_merge_patch(
    clerk: Clerk, before: dict[str, Any], patch: dict[str, Any]
) -> None:
    user = clerk.create(public_metadata=before)
    merged = clerk.ok("PATCH", f"/users/{user['id']}/metadata", {"public_metadata": patch})
    assert merged["public_metadata"] == merge_patch(before, patch)
    assert json.dumps(clerk.read(user["id"])["public_metadata"]) == json.dumps(
        merged["public_metadata"]
    )


def merge_patch(target: Any, patch: Any) -> Any:
    """The algorithm as RFC 7396 gives it in section 2."""
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = merge_patch(result.get(name), value)
    return result


def test_replacing_costs_one_call_and_merging_two(clerk: Clerk) -> None:
    user = clerk.create(public_metadata={"a": 1})
    path = f"/users/{user['id']}/metadata"
    clerk.cost()
    clerk.ok("PUT", path, {kind: {"b": 1} for kind in KINDS})
    assert clerk.cost() == ["UpdateItem"]
    clerk.ok("PATCH", path, {kind: {"c": 1} for kind in KINDS})
    assert clerk.cost() == ["GetItem", "TransactWriteItems"]
    clerk.ok("PATCH", path, {"public_metadata": {"c": 1}})
    assert clerk.cost() == ["GetItem"]
