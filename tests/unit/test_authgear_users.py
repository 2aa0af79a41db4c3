"""Users through Authgear's Admin API: GraphQL queries and mutations."""

import base64
import json
import time
import uuid
from dataclasses import replace
from typing import Any

import pytest
from tests.unit.authgear import (
    CREATE,
    PORTAL_UPDATE,
    causes,
    created,
    data,
    error,
    node,
    send,
    update,
)
from tests.unit.conftest import Service, aws_error
from tests.wire import node_id

# Reading


def test_a_user_of_another_api_has_a_node(service: Service) -> None:
    user = service.create_user(
        email="ada@example.com", username="ada", profilePictureUrl="https://example.com/ada.png"
    )
    service.with_key(
        "PATCH",
        f"/api/v1/shared/users/{user['id']}",
        {"lastLogin": "2026-01-02T03:04:05Z", "emailVerified": True},
    )
    user = service.read_user(user["id"])
    assert node(service, user["id"]) == {
        "id": node_id(user["id"]),
        "createdAt": user["createdAt"],
        "updatedAt": user["updatedAt"],
        "lastLoginAt": "2026-01-02T03:04:05.000Z",
        "isDisabled": False,
        "formattedName": "Ada Lovelace",
        "endUserAccountID": "ada@example.com",
        "customAttributes": {},
        "standardAttributes": {
            "email": "ada@example.com",
            "email_verified": True,
            "family_name": "Lovelace",
            "given_name": "Ada",
            "picture": "https://example.com/ada.png",
            "preferred_username": "ada",
            "updated_at": node(service, user["id"])["standardAttributes"]["updated_at"],
        },
    }


def test_updated_at_is_in_seconds(service: Service) -> None:
    before = int(time.time())
    user_id = created(service)
    shown = node(service, user_id)["standardAttributes"]["updated_at"]
    assert before <= shown <= time.time()


def test_a_banned_user_is_disabled(service: Service) -> None:
    user_id = service.create_user()["id"]
    service.with_key("PATCH", f"/api/v1/shared/users/{user_id}", {"state": "banned"})
    assert node(service, user_id, "isDisabled") == {"isDisabled": True}


def test_a_node_that_does_not_exist_is_null(service: Service) -> None:
    assert node(service, str(uuid.uuid4())) is None
    assert node(service, "not-an-id") is None


@pytest.mark.parametrize("given", ["", "%", "VXNlcg", base64.b64encode(b"\xff\xfe").decode()])
def test_what_is_no_node_id_is_refused(service: Service, given: str) -> None:
    found = error(service, "query ($id: ID!) { node(id: $id) { id } }", id=given)
    assert found["message"] == "invalid ID"
    assert found["extensions"] == {"errorName": "Invalid", "reason": "Invalid"}


def test_a_node_of_another_type_is_refused(service: Service) -> None:
    other = base64.urlsafe_b64encode(b"AuditLog:1").decode().rstrip("=")
    found = error(service, "query ($id: ID!) { node(id: $id) { id } }", id=other)
    assert found["message"] == "unknown node type: AuditLog"


def test_a_node_id_may_be_padded(service: Service) -> None:
    user_id = created(service)
    given = base64.urlsafe_b64encode(f"User:{user_id}".encode()).decode()
    answer = data(service, "query ($id: ID!) { node(id: $id) { id __typename } }", id=given)
    assert answer["node"] == {"id": node_id(user_id), "__typename": "User"}


def test_nodes_come_in_the_order_asked_for(service: Service) -> None:
    one, two = created(service), created(service)
    ids = [node_id(two), node_id(str(uuid.uuid4())), "x", node_id(one), node_id(two)]
    answer = send(service, "query ($ids: [ID!]!) { nodes(ids: $ids) { id } }", ids=ids).json
    assert answer["data"]["nodes"] == [
        {"id": node_id(two)},
        None,
        None,
        {"id": node_id(one)},
        {"id": node_id(two)},
    ]
    assert [each["path"] for each in answer["errors"]] == [["nodes", 2]]


def test_at_most_100_nodes_at_once(service: Service) -> None:
    found = error(
        service, "query ($ids: [ID!]!) { nodes(ids: $ids) { id } }", ids=[node_id("x")] * 101
    )
    assert found["message"] == "at most 100 IDs"


def test_a_user_is_read_once_however_often_a_query_names_them(service: Service) -> None:
    user_id = service.create_user(email="ada@example.com")["id"]
    query = """
    query ($id: ID!) {
      a: node(id: $id) { id }
      b: node(id: $id) { ... on User { standardAttributes } }
      nodes(ids: [$id, $id]) { id }
      getUserByLoginID(loginIDKey: "email", loginIDValue: "ada@example.com") { id }
    }
    """
    service.calls.clear()
    answer = data(service, query, id=node_id(user_id))
    assert answer["a"] == answer["nodes"][1] == answer["getUserByLoginID"]
    # One for the user, one for whose the address is; the secret key is cached.
    assert service.calls == ["BatchGetItem", "BatchGetItem"]


# Finding


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("email", "Ada@Example.com"),
        ("email", "ada@example.com"),
        ("preferred_username", "ada"),
        ("phone_number", "+4915123456789"),
    ],
)
def test_users_are_found_by_standard_attribute(service: Service, name: str, value: str) -> None:
    service.create_user(email="Ada@example.com", username="Ada")
    created(service, "phone", "+4915123456789")
    query = """
    query ($name: String!, $value: String!) {
      users: getUsersByStandardAttribute(attributeName: $name, attributeValue: $value) {
        standardAttributes
      }
    }
    """
    service.calls.clear()
    (found,) = data(service, query, name=name, value=value)["users"]
    assert found["standardAttributes"][name].lower() == value.lower()
    assert service.calls == ["BatchGetItem", "BatchGetItem"]


def test_nobody_is_found(service: Service) -> None:
    query = """{
      attribute: getUsersByStandardAttribute(
        attributeName: "email", attributeValue: "nobody@example.com"
      ) { id }
      login: getUserByLoginID(loginIDKey: "username", loginIDValue: "nobody") { id }
    }"""
    assert data(service, query) == {"attribute": [], "login": None}


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("name", "Ada", "attributeName must be email, phone_number or preferred_username"),
        ("email", "nonsense", "invalid attributeValue"),
        ("phone_number", "ada@example.com", "invalid attributeValue"),
    ],
)
def test_a_standard_attribute_that_cannot_be_looked_up(
    service: Service, name: str, value: str, message: str
) -> None:
    query = """
    query ($name: String!, $value: String!) {
      getUsersByStandardAttribute(attributeName: $name, attributeValue: $value) { id }
    }
    """
    found = error(service, query, name=name, value=value)
    assert found["message"] == message
    assert found["extensions"] == {"errorName": "Invalid", "reason": "GetUsersInvalidArgument"}
    assert found["path"] == ["getUsersByStandardAttribute"]


@pytest.mark.parametrize(
    ("key", "value"),
    [("email", "ada@example.com"), ("username", "ada"), ("phone", "+4915123456789")],
)
def test_a_user_is_found_by_login_id(service: Service, key: str, value: str) -> None:
    user_id = created(service, key, value)
    query = """
    query ($key: String!, $value: String!) {
      getUserByLoginID(loginIDKey: $key, loginIDValue: $value) { id }
    }
    """
    assert data(service, query, key=key, value=value)["getUserByLoginID"]["id"] == node_id(user_id)


def test_an_unknown_login_id_key_is_refused(service: Service) -> None:
    found = error(service, '{ getUserByLoginID(loginIDKey: "name", loginIDValue: "Ada") { id } }')
    assert found["message"] == "invalid Login ID key"
    assert found["extensions"]["reason"] == "GetUsersInvalidArgument"


@pytest.mark.parametrize("keyword", ["ada@example.com", "ADA", "+4915123456789"])
def test_a_search_matches_address_username_or_number_exactly(
    service: Service, keyword: str
) -> None:
    created(service, "email", "ada@example.com")
    created(service, "username", "ada")
    created(service, "phone", "+4915123456789")
    query = """
    query ($keyword: String) {
      users(searchKeyword: $keyword) { totalCount edges { node { endUserAccountID } } }
    }
    """
    service.calls.clear()
    found = data(service, query, keyword=keyword)["users"]
    assert found["totalCount"] == 1
    assert found["edges"][0]["node"]["endUserAccountID"] == keyword.lower()
    assert service.calls == ["BatchGetItem", "BatchGetItem"]


def test_a_search_may_match_more_than_one(service: Service) -> None:
    one = service.create_user(username="same.name")["id"]
    other = service.create_user(email="same.name@example.com")["id"]
    query = '{ users(searchKeyword: "same.name") { edges { node { id } } } }'
    assert data(service, query)["users"]["edges"] == [{"node": {"id": node_id(one)}}]
    assert other not in json.dumps(data(service, query))


def test_a_search_for_nothing_lists_everybody(service: Service) -> None:
    created(service)
    assert data(service, '{ users(searchKeyword: "") { totalCount } }')["users"]["totalCount"] == 1


def test_what_is_too_long_for_anybody_finds_nobody(service: Service) -> None:
    query = "query ($keyword: String) { users(searchKeyword: $keyword) { totalCount } }"
    assert data(service, query, keyword="x" * 5000)["users"] == {"totalCount": 0}


def test_a_search_that_finds_nobody(service: Service) -> None:
    query = (
        '{ users(searchKeyword: "nobody") { totalCount edges { cursor } pageInfo { endCursor } } }'
    )
    assert data(service, query)["users"] == {
        "totalCount": 0,
        "edges": [],
        "pageInfo": {"endCursor": None},
    }


# Listing

LIST = """
query ($first: Int, $last: Int, $after: String, $before: String, $direction: SortDirection) {
  users(
    first: $first, last: $last, after: $after, before: $before
    sortBy: CREATED_AT, sortDirection: $direction
  ) {
    totalCount
    edges { cursor node { id } }
    pageInfo { startCursor endCursor hasNextPage hasPreviousPage }
  }
}
"""


def five(service: Service, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The node ids of five users, the newest first."""
    from vignette.domain import users

    clock = iter(range(1_700_000_000_000, 1_800_000_000_000, 1000))
    monkeypatch.setattr(users, "now", lambda: next(clock))
    return [node_id(created(service)) for _ in range(5)][::-1]


def listed(page: Any) -> list[str]:
    return [each["node"]["id"] for each in page["users"]["edges"]]


def test_users_are_listed_newest_first(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = five(service, monkeypatch)
    page = data(service, LIST)
    assert listed(page) == ids
    assert page["users"]["totalCount"] == 5
    assert page["users"]["pageInfo"] == {
        "startCursor": page["users"]["edges"][0]["cursor"],
        "endCursor": page["users"]["edges"][4]["cursor"],
        "hasNextPage": False,
        "hasPreviousPage": False,
    }
    assert listed(data(service, LIST, direction="ASC")) == ids[::-1]


def test_a_list_is_paged_forward(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = five(service, monkeypatch)
    seen, after = [], None
    flags = []
    while True:
        page = data(service, LIST, first=2, after=after)
        seen += listed(page)
        info = page["users"]["pageInfo"]
        flags.append((info["hasPreviousPage"], info["hasNextPage"]))
        if not info["hasNextPage"]:
            break
        after = info["endCursor"]
    assert seen == ids
    assert flags == [(False, True), (True, True), (True, False)]


def test_a_list_is_paged_backward(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = five(service, monkeypatch)
    seen: list[str] = []
    before = None
    while True:
        page = data(service, LIST, last=2, before=before)
        seen = listed(page) + seen
        info = page["users"]["pageInfo"]
        if not info["hasPreviousPage"]:
            break
        before = info["startCursor"]
    assert seen == ids


def test_a_list_between_two_cursors(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = five(service, monkeypatch)
    cursors = [each["cursor"] for each in data(service, LIST)["users"]["edges"]]
    page = data(service, LIST, after=cursors[0], before=cursors[4])
    assert listed(page) == ids[1:4]
    assert listed(data(service, LIST, after=cursors[0], before=cursors[4], first=1)) == ids[1:2]
    assert listed(data(service, LIST, after=cursors[0], before=cursors[4], last=1)) == ids[3:4]
    assert listed(data(service, LIST, after=cursors[3], before=cursors[1])) == []


def test_a_list_beyond_its_end_is_empty(service: Service) -> None:
    created(service)
    cursor = base64.urlsafe_b64encode(b"offset:1000000").decode().rstrip("=")
    service.calls.clear()
    page = data(service, LIST, first=2, after=cursor)["users"]
    assert (page["edges"], page["totalCount"]) == ([], 1)
    assert service.calls == ["BatchGetItem"] * 3  # the counters


def test_cursors_are_authgears(service: Service) -> None:
    created(service)
    assert data(service, LIST)["users"]["edges"][0]["cursor"] == "b2Zmc2V0OjA"


@pytest.mark.parametrize("cursor", ["x", "b2Zmc2V0OngE", base64.b64encode(b"offset:-1").decode()])
def test_a_broken_cursor_is_refused(service: Service, cursor: str) -> None:
    found = error(service, LIST, first=1, after=cursor)
    assert found["extensions"] == {"errorName": "Invalid", "reason": "InvalidCursor"}


@pytest.mark.parametrize("sizes", [{"first": -1}, {"last": -1}])
def test_a_negative_page_is_refused(service: Service, sizes: dict[str, int]) -> None:
    assert error(service, LIST, **sizes)["message"] == "first and last must not be negative"


def test_a_page_has_at_most_20_users_and_costs_as_many_calls_whatever_their_number(
    service: Service,
) -> None:
    for _ in range(22):
        created(service)
    for size in (1, 100):
        service.calls.clear()
        page = data(service, LIST, first=size)["users"]
        assert len(page["edges"]) == min(size, 20)
        assert page["totalCount"] == 22
        assert page["pageInfo"]["hasNextPage"] is True
        # The counters, one query for each partition of the index, and the users.
        assert sorted(service.calls) == ["BatchGetItem"] * (3 + 1) + ["Query"] * 8


# Creating


@pytest.mark.parametrize(
    ("key", "value", "attributes"),
    [
        ("email", "Ada@example.com", {"email": "Ada@example.com", "email_verified": False}),
        (
            "phone",
            "+4915123456789",
            {"phone_number": "+4915123456789", "phone_number_verified": False},
        ),
        ("username", "ada", {"preferred_username": "ada"}),
    ],
)
def test_a_user_is_created_with_a_login_id(
    service: Service, key: str, value: str, attributes: dict[str, Any]
) -> None:
    created(service)  # the secret key is cached now
    service.calls.clear()
    user = data(service, CREATE, key=key, value=value)["createUser"]["user"]
    assert service.calls == ["TransactWriteItems"]
    shown = user["standardAttributes"]
    assert shown.pop("updated_at")
    assert shown == attributes
    query = "query ($id: ID!) { node(id: $id) { id } }"
    assert data(service, query, id=user["id"])["node"] == {"id": user["id"]}


def test_an_identity_belongs_to_one_user(service: Service) -> None:
    service.create_user(email="ada@example.com")
    found = error(service, CREATE, key="email", value="ADA@example.com")
    assert found["message"] == "identity already exists"
    assert found["extensions"] == {
        "errorName": "Invalid",
        "reason": "InvariantViolated",
        "info": {"cause": {"kind": "DuplicatedIdentity"}},
    }


def test_an_unknown_login_id_key_creates_nobody(service: Service) -> None:
    found = error(service, CREATE, key="name", value="Ada")
    assert found["extensions"]["info"] == {"cause": {"kind": "InvalidLoginIDKey"}}
    assert data(service, "{ users { totalCount } }")["users"]["totalCount"] == 0


@pytest.mark.parametrize(
    ("key", "value"), [("email", "ada"), ("phone", "0151"), ("username", "no spaces")]
)
def test_a_wrong_login_id_is_refused_by_name(service: Service, key: str, value: str) -> None:
    answer = send(service, CREATE, key=key, value=value).json
    assert causes(answer) == {f"/{key}": "format"}


@pytest.mark.parametrize(("key", "value"), [("", "ada"), ("email", "")])
def test_a_login_id_needs_key_and_value(service: Service, key: str, value: str) -> None:
    assert error(service, CREATE, key=key, value=value)["message"] == (
        "login ID key & value is required"
    )


def test_a_definition_needs_an_identity(service: Service) -> None:
    query = "mutation { createUser(input: {definition: {}}) { user { id } } }"
    assert error(service, query)["message"] == (
        "exactly 1 field must be present in identity definition"
    )


# Deleting

DELETE = "mutation ($id: ID!) { deleteUser(input: {userID: $id}) { deletedUserID } }"


def test_a_deleted_user_is_gone_from_every_api(service: Service) -> None:
    user_id = service.create_user(email="ada@example.com")["id"]
    answer = data(service, DELETE, id=node_id(user_id))
    assert answer["deleteUser"] == {"deletedUserID": node_id(user_id)}
    assert node(service, user_id) is None
    assert service.with_key("GET", f"/api/v1/shared/users/{user_id}").status == 404
    assert created(service, "email", "ada@example.com") != user_id


def test_who_is_deleted_or_changed_in_a_request_is_so_for_the_rest_of_it(service: Service) -> None:
    user_id = created(service)
    query = """
    mutation ($id: ID!) {
      updateUser(input: {userID: $id, standardAttributes: "{\\"name\\": \\"Ada\\"}"}) {
        user { formattedName }
      }
      again: updateUser(input: {userID: $id, customAttributes: {a: 1}}) {
        user { formattedName customAttributes }
      }
      deleteUser(input: {userID: $id}) { deletedUserID }
    }
    """
    answer = data(service, query, id=node_id(user_id))
    assert answer["updateUser"]["user"] == {"formattedName": "Ada"}
    assert answer["again"]["user"] == {"formattedName": "Ada", "customAttributes": {"a": 1}}
    assert node(service, user_id) is None


def test_an_unknown_user_cannot_be_deleted_or_updated(service: Service) -> None:
    unknown = str(uuid.uuid4())
    found = error(service, DELETE, id=node_id(unknown))
    assert found["message"] == "user not found"
    assert found["extensions"] == {"errorName": "NotFound", "reason": "UserNotFound"}
    changes: list[dict[str, Any]] = [
        {"standard": {}},
        {"custom": {}},
        {"standard": {"picture": "https://example.com/a.png"}},
    ]
    for change in changes:
        (found,) = update(service, unknown, **change)["errors"]
        assert found["extensions"]["reason"] == "UserNotFound"


def test_a_mutation_needs_a_users_node_id(service: Service) -> None:
    assert error(service, DELETE, id="x")["message"] == "invalid user ID"
    other = base64.urlsafe_b64encode(b"Role:1").decode()
    assert error(service, DELETE, id=other)["message"] == "invalid user ID"


# Updating


def test_the_portals_own_update_gets_the_documented_answer(service: Service) -> None:
    user_id = created(service, "email", "ada@example.com")
    standard = {
        "name": "Ada King",
        "given_name": "Ada",
        "family_name": "King",
        "middle_name": "Augusta",
        "nickname": "Countess",
        "profile": "https://example.com/ada",
        "picture": "https://example.com/ada.png",
        "website": "https://ada.example.com/",
        "gender": "female",
        "birthdate": "1815-12-10",
        "zoneinfo": "Europe/London",
        "locale": "en-GB",
        "address": {
            "formatted": "12 St James's Square\nLondon",
            "street_address": "12 St James's Square",
            "locality": "London",
            "region": "England",
            "postal_code": "SW1Y 4JH",
            "country": "GB",
        },
    }
    custom = {"tier": "gold", "points": 12, "ratio": 1.5, "nested": {"list": [1, None, True]}}
    answer = data(
        service,
        PORTAL_UPDATE,
        userID=node_id(user_id),
        standardAttributes=standard,
        customAttributes=custom,
    )
    user = answer["updateUser"]["user"]
    shown = user["standardAttributes"]
    assert user == {
        "id": node_id(user_id),
        "updatedAt": user["updatedAt"],
        "customAttributes": custom,
        "standardAttributes": {
            **standard,
            "email": "ada@example.com",
            "email_verified": False,
            "updated_at": shown["updated_at"],
        },
    }
    assert node(service, user_id, "standardAttributes customAttributes") == {
        "standardAttributes": shown,
        "customAttributes": custom,
    }


def test_the_apis_share_one_user(service: Service) -> None:
    user_id = service.create_user(username="ada", email="ada@example.com")["id"]
    update(
        service,
        user_id,
        {
            "given_name": "Augusta",
            "family_name": "King",
            "picture": "https://example.com/a.png",
            "preferred_username": "ADA",
        },
    )
    native = service.read_user(user_id)
    assert (native["firstName"], native["lastName"]) == ("Augusta", "King")
    assert native["username"] == "ada"
    assert native["profilePictureUrl"] == "https://example.com/a.png"
    service.with_key("PATCH", f"/api/v1/shared/users/{user_id}", {"firstName": "Ada"})
    assert node(service, user_id)["standardAttributes"]["given_name"] == "Ada"


def test_what_is_missing_from_the_standard_attributes_is_removed(service: Service) -> None:
    user_id = service.create_user(
        username="ada", email="ada@example.com", profilePictureUrl="https://example.com/a.png"
    )["id"]
    update(service, user_id, {"name": "Ada", "locale": "en"}, {"a": 1})
    update(service, user_id, {"nickname": "Countess"})
    shown = node(service, user_id)["standardAttributes"]
    assert shown == {
        "nickname": "Countess",
        "email": "ada@example.com",
        "email_verified": False,
        "preferred_username": "ada",
        "updated_at": shown["updated_at"],
    }
    native = service.read_user(user_id)
    assert (native["firstName"], native["profilePictureUrl"]) == (None, None)


def test_custom_attributes_are_replaced_as_a_whole(service: Service) -> None:
    user_id = created(service)
    update(service, user_id, {"name": "Ada"}, {"a": 1, "b": 2})
    update(service, user_id, custom={"b": 3})
    assert node(service, user_id, "customAttributes formattedName") == {
        "customAttributes": {"b": 3},
        "formattedName": "Ada",
    }
    update(service, user_id, custom={})
    assert node(service, user_id, "customAttributes") == {"customAttributes": {}}


def test_what_is_left_out_altogether_is_unchanged(service: Service) -> None:
    user_id = created(service)
    update(service, user_id, {"name": "Ada"}, {"a": 1})
    before = node(service, user_id)
    assert update(service, user_id) == {"data": {"updateUser": {"user": {"id": node_id(user_id)}}}}
    variables = {"userID": node_id(user_id), "standardAttributes": None, "customAttributes": None}
    query = "mutation ($input: UpdateUserInput!) { updateUser(input: $input) { user { id } } }"
    data(service, query, input=variables)
    assert node(service, user_id) == before


def test_the_attributes_shown_may_be_sent_back(service: Service) -> None:
    user_id = service.create_user(username="ada", email="ada@example.com")["id"]
    update(
        service,
        user_id,
        {"name": "Ada", "address": {"country": "GB"}, "picture": "https://example.com/a.png"},
    )
    before = node(service, user_id)["standardAttributes"]
    assert "errors" not in update(service, user_id, before)
    after = node(service, user_id)["standardAttributes"]
    assert {**after, "updated_at": 0} == {**before, "updated_at": 0}


def test_derived_attributes_are_ignored(service: Service) -> None:
    user_id = created(service)
    derived = {"email_verified": True, "phone_number_verified": "x", "updated_at": None}
    assert "errors" not in update(service, user_id, derived)
    assert node(service, user_id)["standardAttributes"]["email_verified"] is False


def test_what_a_change_costs(service: Service) -> None:
    user_id = created(service)
    service.calls.clear()
    update(service, user_id, custom={"a": 1})
    assert service.calls == ["UpdateItem"]
    service.calls.clear()
    update(service, user_id, {"name": "Ada"}, {"a": 2})
    assert service.calls == ["GetItem", "TransactWriteItems"]
    service.calls.clear()
    update(service, user_id, {"name": "Ada"}, {"a": 2})
    assert service.calls == ["GetItem"]


@pytest.mark.parametrize(
    ("name", "value", "kind"),
    [
        ("age", 5, "general"),
        ("sub", "x", "general"),
        ("name", "", "minLength"),
        ("given_name", "", "minLength"),
        ("nickname", None, "type"),
        ("family_name", 5, "type"),
        ("email", True, "type"),
        ("gender", ["x"], "type"),
        ("profile", "/ada", "format"),
        ("profile", "", "format"),
        ("website", "example.com", "format"),
        ("website", "https://example.com/a/../b", "format"),
        ("website", "https://exa mple.com", "format"),
        ("website", "http://[", "format"),
        ("picture", "", "format"),
        ("picture", "data:image/png;base64,AAAA", "format"),
        ("picture", "file:///etc/passwd", "format"),
        ("picture", "javascript:alert(1)", "format"),
        ("picture", "https:///no-host", "format"),
        ("picture", "authgearimages://host/app/object", "format"),
        ("picture", "authgearimages:///../app/object", "format"),
        ("birthdate", "10.12.1815", "format"),
        ("birthdate", "1815-13-01", "format"),
        ("birthdate", "1815-02-29", "format"),
        ("birthdate", "1815-12", "format"),
        ("birthdate", "18151210", "format"),
        ("birthdate", "", "format"),
        ("zoneinfo", "UTC", "format"),
        ("zoneinfo", "Europe/Atlantis", "format"),
        ("zoneinfo", "../etc/passwd", "format"),
        ("zoneinfo", "America/Argentina", "format"),
        ("zoneinfo", "Europe/London\0", "format"),
        ("locale", "", "format"),
        ("locale", "e", "format"),
        ("locale", "english", "format"),
        ("locale", "en_GB", "format"),
        ("locale", "en-gb", "format"),
        ("locale", "en-", "format"),
        ("address", "London", "type"),
        ("address", None, "type"),
    ],
)
def test_a_wrong_attribute_is_refused_by_name(
    service: Service, name: str, value: object, kind: str
) -> None:
    user_id = created(service)
    before = node(service, user_id)
    service.calls.clear()
    answer = update(service, user_id, {"nickname": "x", name: value}, {"a": 1})
    assert causes(answer) == {f"/{name}": kind}
    assert service.calls == []
    assert node(service, user_id) == before


@pytest.mark.parametrize(
    ("part", "value", "kind"),
    [("country", "", "minLength"), ("locality", 5, "type"), ("planet", "Earth", "general")],
)
def test_a_wrong_part_of_an_address_is_refused_by_name(
    service: Service, part: str, value: object, kind: str
) -> None:
    answer = update(service, created(service), {"address": {"region": "England", part: value}})
    assert causes(answer) == {f"/address/{part}": kind}


def test_all_that_is_wrong_is_named_at_once(service: Service) -> None:
    answer = update(
        service, created(service), {"x": 1, "name": "", "birthdate": "?", "address": {"a": 1}}
    )
    assert causes(answer) == {
        "/x": "general",
        "/name": "minLength",
        "/birthdate": "format",
        "/address/a": "general",
    }


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("birthdate", "1815-12-10"),
        ("birthdate", "0000-02-29"),
        ("birthdate", "--02-29"),
        ("birthdate", "1815"),
        ("zoneinfo", "Asia/Hong_Kong"),
        ("zoneinfo", "America/Argentina/Buenos_Aires"),
        ("zoneinfo", "Etc/UTC"),
        ("locale", "en"),
        ("locale", "zh-Hant-HK"),
        ("locale", "es-419"),
        ("locale", "de-CH-1996"),
        ("locale", "en-u-ca-gregory-x-own"),
        ("website", "http://example.com"),
        ("website", "https://example.com/a/?q=1#f"),
        ("profile", "http://example.com/ada"),
        ("picture", "http://example.com/a/b.png?size=3"),
    ],
)
def test_right_formats_are_kept_as_they_are(service: Service, name: str, value: str) -> None:
    user_id = created(service)
    assert "errors" not in update(service, user_id, {name: value})
    assert node(service, user_id)["standardAttributes"][name] == value


def test_an_address_without_parts_is_none(service: Service) -> None:
    user_id = created(service)
    assert "errors" not in update(service, user_id, {"address": {}})
    assert "address" not in node(service, user_id)["standardAttributes"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("email", "grace@example.com"),
        ("phone_number", "+4915123456789"),
        ("preferred_username", "grace"),
    ],
)
def test_an_identity_has_to_be_the_users_own(service: Service, name: str, value: str) -> None:
    created(service, "email", "grace@example.com")
    created(service, "phone", "+4915123456789")
    created(service, "username", "grace")
    user_id = service.create_user(email="ada@example.com")["id"]
    before = node(service, user_id)
    answer = update(service, user_id, {name: value, "name": "Grace"}, {"a": 1})
    assert causes(answer) == {f"/{name}": "general"}
    assert node(service, user_id) == before


def test_a_user_without_a_username_cannot_be_given_one(service: Service) -> None:
    answer = update(service, created(service), {"preferred_username": ""})
    assert causes(answer) == {"/preferred_username": "minLength"}


def test_naming_another_of_ones_addresses_makes_it_the_first(service: Service) -> None:
    from vignette.domain import users

    user_id = created(service, "email", "one@example.com")
    second = users.identification(user_id, "two@example.com", verified=True)
    users.modify(user_id, lambda user: replace(user, emails=(*user.emails, second)))
    assert "errors" not in update(service, user_id, {"email": "Two@example.com"})
    shown = node(service, user_id)["standardAttributes"]
    assert (shown["email"], shown["email_verified"]) == ("two@example.com", True)
    assert service.read_user(user_id)["email"] == "two@example.com"
    update(service, user_id, {})
    assert node(service, user_id)["standardAttributes"]["email"] == "two@example.com"


@pytest.mark.parametrize("given", [[], "x", 5, True])
def test_attributes_have_to_be_an_object(service: Service, given: object) -> None:
    query = """
    mutation ($a: UserCustomAttributes) {
      updateUser(input: {userID: "x", customAttributes: $a}) { user { id } }
    }
    """
    assert "Expected a JSON object" in error(service, query, a=given)["message"]


@pytest.mark.parametrize("given", ['"x"', '"[]"', "5", "[1]", '"{"'])
def test_attributes_in_a_document_have_to_be_an_object(service: Service, given: str) -> None:
    query = (
        'mutation { updateUser(input: {userID: "x", customAttributes: '
        + given
        + "}) { user { id } } }"
    )
    assert "Expected a JSON object" in error(service, query)["message"]


def test_variables_inside_of_a_documents_object(service: Service) -> None:
    user_id = created(service)
    query = """
    mutation ($id: ID!, $points: Int!) {
      updateUser(input: {userID: $id, customAttributes: {points: $points, tags: ["a"]}}) {
        user { customAttributes }
      }
    }
    """
    answer = data(service, query, id=node_id(user_id), points=3)
    assert answer["updateUser"]["user"]["customAttributes"] == {"points": 3, "tags": ["a"]}


def test_a_change_meanwhile_is_not_lost(service: Service) -> None:
    user_id = service.create_user(username="ada")["id"]
    service.meanwhile(
        "TransactWriteItems",
        lambda: service.with_key(
            "PATCH", f"/api/v1/shared/users/{user_id}", {"username": "countess"}
        ),
    )
    assert "errors" not in update(service, user_id, {"name": "Ada"})
    assert service.read_user(user_id)["username"] == "countess"
    assert node(service, user_id)["formattedName"] == "Ada"


# Names


@pytest.mark.parametrize(
    ("attributes", "name"),
    [
        ({"name": "Ada King", "given_name": "Ada"}, "Ada King"),
        (
            {"given_name": "Ada", "middle_name": "Augusta", "family_name": "King"},
            "Ada Augusta King",
        ),
        ({"given_name": "Ada", "nickname": "Countess"}, "Ada (Countess)"),
        ({"nickname": "Countess"}, "Countess"),
        ({"given_name": "大文", "family_name": "陳"}, "陳大文"),
        ({"given_name": "さくら", "family_name": "山田"}, "山田さくら"),
        ({"given_name": "민준", "family_name": "김"}, "김민준"),
        ({"given_name": "David", "family_name": "陳"}, "David 陳"),
        ({}, None),
    ],
)
def test_names_are_formatted(
    service: Service, attributes: dict[str, str], name: str | None
) -> None:
    user_id = created(service)
    update(service, user_id, attributes)
    assert node(service, user_id, "formattedName") == {"formattedName": name}


@pytest.mark.parametrize(
    ("key", "value"), [("username", "ada"), ("phone", "+4915123456789"), ("email", "a@b.example")]
)
def test_an_account_is_called_by_its_identity(service: Service, key: str, value: str) -> None:
    user_id = created(service, key, value)
    assert node(service, user_id, "endUserAccountID") == {"endUserAccountID": value}


# AWS


def test_aws_being_down_is_an_error_in_the_answer(service: Service) -> None:
    user_id = created(service)
    service.let_aws_answer("dynamodb", aws_error("ThrottlingException"))
    found = error(service, "query ($id: ID!) { node(id: $id) { id } }", id=node_id(user_id))
    assert found["extensions"] == {
        "errorName": "ServiceUnavailable",
        "reason": "ServiceUnavailable",
    }


def test_an_unexpected_error_is_logged_and_not_told(
    service: Service, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    user_id = created(service)
    service.let_aws_answer("dynamodb", aws_error("ValidationException"))
    found = error(service, "query ($id: ID!) { node(id: $id) { id } }", id=node_id(user_id))
    assert found["message"] == "unexpected error occurred"
    assert found["extensions"] == {"errorName": "InternalError", "reason": "UnexpectedError"}
    assert "ValidationException" in caplog.text
    assert '"ServerErrors"' in capsys.readouterr().out
