"""Profiles: create, read, update and delete users through the native API."""

import time
import uuid
from functools import partial
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.unit.conftest import Service, aws_answer, aws_error

from vignette.adapters import table

USERS = "/api/v1/shared/users"
ME = "/api/v1/users/me"
PROVIDER_PICTURE = "https://id.example.com/ada.png"
PROFILE = {
    "email": "Ada@example.com",
    "firstName": "Ada",
    "lastName": "Lovelace",
    "username": "ada.l",
    "externalId": "crm-1",
    "profilePictureUrl": PROVIDER_PICTURE,
}
OTHER_PROFILE = {
    "email": "countess@example.com",
    "firstName": "Augusta",
    "lastName": "King",
    "username": "countess",
    "externalId": "crm-2",
    "profilePictureUrl": "http://id.example.com/countess.png",
}


def without_avatar(user: dict[str, Any]) -> dict[str, Any]:
    """A user's own fields: the avatar follows from the name and the picture."""
    return {name: value for name, value in user.items() if name != "avatar"}


def test_a_created_user_is_answered_whole(service: Service) -> None:
    answer = service.with_key(
        "POST", USERS, {"email": "Ada@example.com", "firstName": "Ada", "lastName": "Lovelace"}
    )
    assert answer.status == 201
    user = answer.json
    assert user == {
        "id": user["id"],
        "email": "Ada@example.com",
        "emailVerified": False,
        "firstName": "Ada",
        "lastName": "Lovelace",
        "username": None,
        "externalId": None,
        "profilePictureUrl": None,
        "hasCustomProfilePicture": False,
        "avatar": user["avatar"],
        "role": "user",
        "state": "active",
        "lastLogin": None,
        "createdAt": user["createdAt"],
        "updatedAt": user["createdAt"],
    }
    assert str(uuid.UUID(user["id"])) == user["id"]
    assert service.with_key("GET", f"{USERS}/{user['id']}").json == user


def test_a_user_keeps_what_it_is_created_with(service: Service) -> None:
    user = service.create_user(**PROFILE, role="admin")
    expected = {**PROFILE, "role": "admin"}
    assert {name: user[name] for name in expected} == expected
    assert service.read_user(user["id"]) == user


def test_users_read_themselves(service: Service) -> None:
    user = service.create_user()
    answer = service.as_user(user["id"], "GET", ME)
    assert (answer.status, answer.json) == (200, user)


def test_the_providers_picture_is_served_where_there_is_no_custom_one(service: Service) -> None:
    user = service.create_user(profilePictureUrl=PROVIDER_PICTURE)
    assert user["profilePictureUrl"] == PROVIDER_PICTURE
    assert user["hasCustomProfilePicture"] is False


@pytest.mark.parametrize(("field", "value"), OTHER_PROFILE.items())
def test_a_patch_changes_the_field_it_names_and_no_other(
    service: Service, field: str, value: str
) -> None:
    user = service.create_user(**PROFILE)
    answer = service.with_key("PATCH", f"{USERS}/{user['id']}", {field: value})
    assert answer.status == 200
    assert without_avatar(answer.json) == {
        **without_avatar(user),
        field: value,
        "updatedAt": answer.json["updatedAt"],
    }
    assert service.read_user(user["id"]) == answer.json


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("email", "countess@example.com"),
        ("externalId", "crm-2"),
        ("profilePictureUrl", "http://id.example.com/countess.png"),
        ("role", "admin"),
        ("state", "locked"),
        ("state", "banned"),
        ("emailVerified", True),
        ("lastLogin", "2026-02-03T04:05:06.789Z"),
    ],
)
def test_only_the_key_changes_what_users_cannot_say_of_themselves(
    service: Service, field: str, value: Any
) -> None:
    user = service.create_user()
    refused = service.as_user(user["id"], "PATCH", ME, {"firstName": "Eve", field: value})
    assert (refused.status, refused.code) == (403, "forbidden")
    assert field in refused.json["detail"]
    assert service.read_user(user["id"]) == user
    answer = service.with_key("PATCH", f"{USERS}/{user['id']}", {field: value})
    assert without_avatar(answer.json) == {
        **without_avatar(user),
        field: value,
        "updatedAt": answer.json["updatedAt"],
    }


def test_a_banned_user_becomes_active_again(service: Service) -> None:
    path = f"{USERS}/{service.create_user()['id']}"
    for state in ("banned", "locked", "active"):
        assert service.with_key("PATCH", path, {"state": state}).json["state"] == state


@pytest.mark.parametrize("field", PROFILE)
def test_null_clears_a_field(service: Service, field: str) -> None:
    user = service.create_user(**PROFILE)
    answer = service.with_key("PATCH", f"{USERS}/{user['id']}", {field: None})
    assert answer.status == 200
    assert without_avatar(answer.json) == {
        **without_avatar(user),
        field: None,
        "updatedAt": answer.json["updatedAt"],
    }
    assert service.read_user(user["id"]) == answer.json


def test_an_empty_patch_changes_nothing(service: Service) -> None:
    user = service.create_user(**PROFILE)
    answer = service.as_user(user["id"], "PATCH", ME, {})
    assert (answer.status, answer.json) == (200, user)


def test_a_new_email_address_is_not_verified(service: Service) -> None:
    path = f"{USERS}/{service.create_user()['id']}"
    service.with_key("PATCH", path, {"emailVerified": True})
    answer = service.with_key("PATCH", path, {"email": "new@example.com"})
    assert answer.json["emailVerified"] is False


def test_an_email_address_that_is_sent_again_stays_verified(service: Service) -> None:
    user = service.create_user()
    path = f"{USERS}/{user['id']}"
    service.with_key("PATCH", path, {"emailVerified": True})
    answer = service.with_key("PATCH", path, {"email": user["email"]})
    assert answer.json["emailVerified"] is True


@pytest.mark.parametrize("moment", ["0001-01-01T00:00:00+01:00", "9999-12-31T23:59:59-01:00"])
def test_a_last_login_outside_the_calendar_is_refused(service: Service, moment: str) -> None:
    user = service.create_user()
    answer = service.with_key("PATCH", f"{USERS}/{user['id']}", {"lastLogin": moment})
    assert (answer.status, answer.fields) == (422, {"lastLogin": "invalid_value"})
    assert service.read_user(user["id"]) == user


@pytest.mark.parametrize("milliseconds", [0, 1, 57, 999])
def test_times_are_kept_to_the_millisecond(service: Service, milliseconds: int) -> None:
    path = f"{USERS}/{service.create_user()['id']}"
    moment = f"2031-12-31T23:59:59.{milliseconds:03}Z"
    assert service.with_key("PATCH", path, {"lastLogin": moment}).json["lastLogin"] == moment


# Uniqueness


@pytest.mark.parametrize(
    ("field", "value", "same"),
    [
        ("email", "ada@example.com", "ada@example.com"),
        ("email", "ada@example.com", "ADA@Example.com"),
        ("username", "ada", "ada"),
        ("username", "ada", "Ada"),
        ("externalId", "crm-1", "crm-1"),
    ],
)
@pytest.mark.parametrize("call", ["POST", "PATCH"])
def test_a_value_that_another_user_has_is_refused(
    service: Service, call: str, field: str, value: str, same: str
) -> None:
    service.create_user(**{field: value})
    before = service.everything()
    if call == "POST":
        body = {"email": "new@example.com", "firstName": "E", "lastName": "E", field: same}
        answer = service.with_key("POST", USERS, body)
    else:
        other = service.create_user()
        before = service.everything()
        answer = service.with_key("PATCH", f"{USERS}/{other['id']}", {field: same})
    assert (answer.status, answer.code) == (409, "already_exists")
    assert answer.fields == {field: "already_exists"}
    assert service.everything() == before


def test_external_ids_that_differ_in_case_are_different(service: Service) -> None:
    service.create_user(externalId="crm-a")
    assert service.create_user(externalId="CRM-A")["externalId"] == "CRM-A"


def test_every_field_that_is_taken_is_named(service: Service) -> None:
    service.create_user(**PROFILE)
    service.create_user(username="grace")
    answer = service.with_key("POST", USERS, {**PROFILE, "username": "grace"})
    assert answer.status == 409
    assert set(answer.fields) == {"email", "username", "externalId"}


def test_users_may_write_their_own_values_in_another_case(service: Service) -> None:
    user = service.create_user(email="ada@example.com", username="ada")
    path = f"{USERS}/{user['id']}"
    answer = service.with_key("PATCH", path, {"email": "ADA@example.com", "username": "A"})
    assert answer.status == 200
    answer = service.as_user(user["id"], "PATCH", ME, {"username": "a"})
    assert (answer.json["email"], answer.json["username"]) == ("ADA@example.com", "a")


@pytest.mark.parametrize("field", ["email", "username", "externalId"])
@pytest.mark.parametrize("change", ["replaced", "cleared", "deleted"])
def test_a_value_nobody_has_any_more_is_free(service: Service, field: str, change: str) -> None:
    user = service.create_user(**PROFILE)
    path = f"{USERS}/{user['id']}"
    match change:
        case "replaced":
            service.with_key("PATCH", path, {field: OTHER_PROFILE[field]})
        case "cleared":
            service.with_key("PATCH", path, {field: None})
        case _:
            service.with_key("DELETE", path)
    assert service.create_user(**{field: PROFILE[field]})[field] == PROFILE[field]


@pytest.mark.parametrize("field", ["email", "username", "externalId"])
def test_of_two_users_created_at_once_with_the_same_value_one_is_refused(
    service: Service, field: str
) -> None:
    winner: dict[str, Any] = {}
    service.meanwhile(
        "TransactWriteItems",
        lambda: winner.update(service.create_user(**{field: PROFILE[field]})),
    )
    body = {"email": "e@example.com", "firstName": "E", "lastName": "E", field: PROFILE[field]}
    answer = service.with_key("POST", USERS, body)
    assert (answer.status, answer.fields) == (409, {field: "already_exists"})
    assert service.read_user(winner["id"])[field] == PROFILE[field]


@pytest.mark.parametrize("field", ["email", "username", "externalId"])
def test_of_two_users_who_take_the_same_value_at_once_one_is_refused(
    service: Service, field: str
) -> None:
    mine, theirs = (f"{USERS}/{service.create_user()['id']}" for _ in range(2))
    change = {field: PROFILE[field]}
    service.meanwhile("TransactWriteItems", lambda: service.with_key("PATCH", theirs, change))
    answer = service.with_key("PATCH", mine, change)
    assert (answer.status, answer.fields) == (409, {field: "already_exists"})
    assert service.with_key("GET", theirs).json[field] == PROFILE[field]


# Concurrent changes


def test_changes_made_at_once_are_all_kept(service: Service) -> None:
    user = service.create_user()
    path = f"{USERS}/{user['id']}"
    service.meanwhile(
        "TransactWriteItems", lambda: service.with_key("PATCH", path, {"lastName": "King"}) and None
    )
    answer = service.with_key("PATCH", path, {"username": "ada"})
    assert (answer.json["lastName"], answer.json["username"]) == ("King", "ada")


def test_the_same_change_made_twice_at_once_is_no_conflict(service: Service) -> None:
    path = f"{USERS}/{service.create_user()['id']}"
    change = {"username": "ada"}
    service.meanwhile(
        "TransactWriteItems", lambda: service.with_key("PATCH", path, change) and None
    )
    answer = service.with_key("PATCH", path, change)
    assert (answer.status, answer.json.get("username")) == (200, "ada")


def test_a_user_who_is_deleted_meanwhile_does_not_come_back(service: Service) -> None:
    user = service.create_user()
    path = f"{USERS}/{user['id']}"
    service.meanwhile("TransactWriteItems", lambda: service.with_key("DELETE", path))
    answer = service.with_key("PATCH", path, {"username": "ada"})
    assert (answer.status, answer.code) == (404, "user_not_found")
    assert user["id"] not in service.everything()


# Deletion


def test_deleting_a_user_leaves_nothing_of_theirs(service: Service) -> None:
    other, others_upload = service.user_with_picture()
    others_objects = service.objects()
    user = service.create_user(**PROFILE)
    picture = service.ready_upload(user["id"])
    service.set_picture(user["id"], picture)
    pending = service.create_upload(user["id"])
    answer = service.with_key("DELETE", f"{USERS}/{user['id']}")
    assert (answer.status, answer.json) == (204, None)
    service.deliver_removal(picture, pending)
    for trace in (user["id"], "ada@", "ada.l", "crm-1", picture, pending):
        assert trace not in service.everything().lower()
    assert service.objects() == others_objects
    assert service.upload_ids() == {others_upload}
    assert service.read_user(other)["hasCustomProfilePicture"] is True


def test_deleting_a_user_is_bounded_however_many_uploads_there_are(service: Service) -> None:
    user_id, picture = service.user_with_picture()
    for _ in range(110):
        service.create_upload(user_id)
    service.calls.clear()
    assert service.with_key("DELETE", f"{USERS}/{user_id}").status == 204
    assert service.calls == ["GetItem", "TransactWriteItems", "Query", *["BatchWriteItem"] * 4]
    assert picture not in service.upload_ids()
    assert len(service.upload_ids()) == 10  # which end by themselves
    for upload_id in service.upload_ids():
        assert service.as_user(user_id, "GET", f"/api/v1/uploads/{upload_id}").status == 404


def test_uploads_beyond_the_first_page_of_the_index_are_deleted_too(service: Service) -> None:
    user_id = service.create_user()["id"]
    upload_id = service.create_upload(user_id)
    first = aws_answer(Items=[], LastEvaluatedKey={"id": {"S": "0"}, "user_id": {"S": user_id}})
    second = aws_answer(Items=[{"id": {"S": upload_id}}])
    for page in (first, second):
        service.meanwhile("Query", partial(service.let_aws_answer, "Query", page))
    assert service.with_key("DELETE", f"{USERS}/{user_id}").status == 204
    assert upload_id not in service.upload_ids()


def test_a_user_who_cannot_be_deleted_now_keeps_the_picture(service: Service) -> None:
    user_id, upload_id = service.user_with_picture()
    others = [str(uuid.uuid4()) for _ in range(110)]
    found = [{"id": {"S": each}} for each in (*others, upload_id)]
    service.let_aws_answer("Query", aws_answer(Items=found))
    service.let_aws_answer("TransactWriteItems", aws_error("ThrottlingException"))
    assert service.with_key("DELETE", f"{USERS}/{user_id}").status == 503
    assert upload_id in service.upload_ids()


def test_a_picture_set_while_its_user_is_deleted_goes_too(service: Service) -> None:
    user_id = service.create_user()["id"]
    upload_id = service.ready_upload(user_id)
    service.meanwhile(
        "TransactWriteItems", lambda: service.set_picture(user_id, upload_id) and None
    )
    assert service.with_key("DELETE", f"{USERS}/{user_id}").status == 204
    assert user_id not in service.everything()


@pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE"])
def test_a_deleted_user_is_not_found(service: Service, method: str) -> None:
    user_id = service.create_user()["id"]
    service.with_key("DELETE", f"{USERS}/{user_id}")
    answer = service.with_key(method, f"{USERS}/{user_id}", {"firstName": "Eve"})
    assert (answer.status, answer.code) == (404, "user_not_found")


@pytest.mark.parametrize("method", ["GET", "PATCH"])
def test_a_token_of_nobody_known_finds_no_user(
    service: Service, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    monkeypatch.setenv("CREATE_USERS_FROM_TOKENS", "false")
    answer = service.as_user(str(uuid.uuid4()), method, ME, {"firstName": "Eve"})
    assert (answer.status, answer.code) == (404, "user_not_found")


def test_a_copy_of_a_change_that_arrives_late_undoes_nothing(service: Service) -> None:
    user = service.create_user(firstName="Ada")
    path = f"{USERS}/{user['id']}"
    sent: list[dict[str, Any]] = []
    write = table.write

    def write_and_remember(action: table.Put | table.Update | table.Delete) -> Any:
        sent.append(action.parameters())
        return write(action)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(table, "write", write_and_remember)
        service.with_key("PATCH", path, {"firstName": "Augusta"})
    time.sleep(0.002)  # times are in milliseconds
    service.with_key("PATCH", path, {"firstName": "Ada Augusta"})
    with pytest.raises(ClientError, match="ConditionalCheckFailedException"):
        service.dynamodb.update_item(**sent[0])
    assert service.read_user(user["id"])["firstName"] == "Ada Augusta"


def test_a_change_by_a_clock_that_is_behind_is_made_all_the_same(service: Service) -> None:
    user = service.create_user(firstName="Ada")
    service.dynamodb.update_item(
        TableName="users",
        Key={"pk": {"S": f"user#{user['id']}"}},
        UpdateExpression="SET updated_at = :ahead",
        ExpressionAttributeValues={":ahead": {"N": str(int(time.time() * 1000) + 60_000)}},
    )
    answer = service.with_key("PATCH", f"{USERS}/{user['id']}", {"firstName": "Augusta"})
    assert (answer.status, answer.json["firstName"]) == (200, "Augusta")
