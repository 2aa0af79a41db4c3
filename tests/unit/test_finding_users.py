"""`GET /api/v1/shared/users`: one user by a value, or all of them page by page, newest first."""

from typing import Any

import pytest
from tests.unit.conftest import Service

USERS = "/api/v1/shared/users"


def find(service: Service, query: str = "") -> Any:
    return service.with_key("GET", f"{USERS}?{query}")


def ids(answer: Any) -> list[str]:
    return [user["id"] for user in answer.json["users"]]


@pytest.mark.parametrize(
    "query", ["email=Grace%40Example.com", "username=GRACE", "externalId=crm-17"]
)
def test_a_user_is_found_by_what_only_they_have(service: Service, query: str) -> None:
    service.create_user()
    grace = service.create_user(email="grace@example.com", username="grace", externalId="crm-17")
    answer = find(service, query)
    assert answer.json == {"users": [grace], "nextCursor": None}


def test_who_is_not_there_is_not_found(service: Service) -> None:
    service.create_user()
    answer = find(service, "email=nobody%40example.com")
    assert (answer.status, answer.json) == (200, {"users": [], "nextCursor": None})


def test_all_filters_have_to_fit(service: Service) -> None:
    service.create_user(username="grace")
    service.create_user(username="ada", externalId="crm-17")
    assert ids(find(service, "username=grace&externalId=crm-17")) == []


def test_pages_lead_through_all_users_once(service: Service) -> None:
    created = [service.create_user(id=f"user_{number}")["id"] for number in range(7)]
    seen: list[str] = []
    query = "limit=3"
    for length in (3, 3, 1):
        answer = find(service, query)
        assert len(answer.json["users"]) == length
        seen += ids(answer)
        query = f"limit=3&cursor={answer.json['nextCursor']}"
    assert answer.json["nextCursor"] is None
    assert sorted(seen) == sorted(created)
    times = {user["id"]: user["createdAt"] for user in find(service).json["users"]}
    assert seen == sorted(seen, key=lambda each: (times[each], each), reverse=True)


def test_who_comes_meanwhile_moves_no_page(service: Service) -> None:
    old = [service.create_user()["id"] for _ in range(4)]
    first = find(service, "limit=2")
    service.create_user()
    rest = find(service, f"cursor={first.json['nextCursor']}")
    assert sorted(ids(first) + ids(rest)) == sorted(old)


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("cursor=nonsense", "cursor"),
        ("cursor=%C3%A4", "cursor"),
        ("cursor=", "cursor"),
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("limit=ten", "limit"),
        ("page=2", "page"),
        ("external_id=crm-17", "external_id"),
    ],
)
def test_a_wrong_query_is_refused_by_name(service: Service, query: str, field: str) -> None:
    answer = find(service, query)
    assert (answer.status, list(answer.fields)) == (422, [field])


def test_the_list_is_for_the_key(service: Service) -> None:
    user_id = service.create_user()["id"]
    assert service.as_user(user_id, "GET", USERS).code == "forbidden"


def test_a_page_costs_a_query_a_partition_and_one_read(service: Service) -> None:
    for _ in range(3):
        service.create_user()
    service.calls.clear()
    find(service, "limit=2")
    assert service.calls == ["Query"] * 8 + ["BatchGetItem"]
