"""Creating calls that are sent again with an `Idempotency-Key`."""

import json
import time
from typing import Any

import pytest
from tests.template import template
from tests.unit.conftest import Answer, Service, aws_error

USERS = "/api/v1/shared/users"
UPLOADS = "/api/v1/uploads"
ADA = {"email": "ada@example.com", "firstName": "Ada", "lastName": "Lovelace"}
PHOTO = {"kind": "profile_picture", "contentType": "image/jpeg", "contentLength": 1000}
KEY = "b7e3f0d2 of 2026-05-01"
DAY = 24 * 60 * 60


def create(
    service: Service, body: dict[str, Any], key: str = KEY, *, path: str = USERS, **caller: str
) -> Answer:
    token = service.token(caller["user_id"]) if caller else service.secret_key
    return service.call("POST", path, body, token=token, headers={"idempotency-key": key})


def records(service: Service) -> list[dict[str, Any]]:
    """What is kept of answers; the table counts uploads as well."""
    items = service.dynamodb.scan(TableName="idempotency")["Items"]
    return [item for item in items if "begun" not in item]


def alter_record(service: Service, **values: int) -> None:
    (record,) = records(service)
    service.dynamodb.update_item(
        TableName="idempotency",
        Key={"id": record["id"]},
        AttributeUpdates={name: {"Value": {"N": str(value)}} for name, value in values.items()},
    )


def test_what_was_made_first_is_answered_again_as_it_is_now(service: Service) -> None:
    first = create(service, ADA)
    again = create(service, ADA)
    assert (again.status, again.json) == (first.status, first.json) == (201, first.json)
    assert list(again.json) == list(first.json)
    service.with_key("PATCH", f"{USERS}/{first.json['id']}", {"firstName": "Augusta"})
    service.calls.clear()
    again = create(service, ADA)
    assert (again.status, again.json["firstName"]) == (201, "Augusta")
    assert service.calls == ["PutItem", "GetItem"]


def test_a_deleted_person_is_answered_to_nobody(service: Service) -> None:
    first = create(service, ADA)
    assert ADA["email"] not in json.dumps(records(service))
    service.with_key("DELETE", f"{USERS}/{first.json['id']}")
    again = create(service, ADA)
    assert (again.status, again.code) == (404, "user_not_found")
    assert ADA["email"] not in again.content.decode()


def test_a_form_is_not_given_again_to_who_was_banned(service: Service) -> None:
    user_id = service.create_user()["id"]
    create(service, PHOTO, path=UPLOADS, user_id=user_id)
    service.with_key("PATCH", f"{USERS}/{user_id}", {"state": "banned"})
    assert create(service, PHOTO, path=UPLOADS, user_id=user_id).code == "user_not_active"


def test_a_repeated_upload_gets_the_same_form(service: Service) -> None:
    user_id = service.create_user()["id"]
    first, again = (create(service, PHOTO, path=UPLOADS, user_id=user_id) for _ in range(2))
    assert first.status == again.status == 201
    for answer in (first, again):  # signed anew, with what the time makes different
        for name in ("policy", "x-amz-date", "x-amz-signature"):
            del answer.json["fields"][name]
    assert again.json == first.json
    assert service.upload_ids() == {first.json["uploadId"]}


def test_another_body_under_the_same_key_is_refused(service: Service) -> None:
    create(service, ADA)
    answer = create(service, {**ADA, "email": "augusta@example.com"})
    assert (answer.status, answer.code) == (422, "idempotency_key_reused")
    assert "augusta" not in service.everything()


def test_the_same_json_in_another_order_is_the_same_request(service: Service) -> None:
    first = create(service, ADA)
    again = create(service, dict(reversed(ADA.items())))
    assert (again.status, again.json) == (201, first.json)


def test_an_attempt_in_another_order_makes_no_second_user(service: Service) -> None:
    first = create(service, ADA)
    (record,) = records(service)
    service.dynamodb.delete_item(TableName="idempotency", Key={"id": record["id"]})
    again = create(service, dict(reversed(ADA.items())))
    assert (again.status, again.json["id"]) == (201, first.json["id"])


def test_another_key_is_another_request(service: Service) -> None:
    create(service, ADA)
    answer = create(service, ADA, "another key")
    assert (answer.status, answer.code) == (409, "already_exists")


def test_callers_and_routes_do_not_share_keys(service: Service) -> None:
    ada, eve = (service.create_user()["id"] for _ in range(2))
    answers = [
        create(service, PHOTO, path=UPLOADS, user_id=ada),
        create(service, PHOTO, path=UPLOADS, user_id=eve),
        create(service, {**PHOTO, "userId": ada}, path=UPLOADS),
        create(service, ADA),
    ]
    assert [answer.status for answer in answers] == [201] * 4
    assert len({answer.json.get("uploadId") for answer in answers}) == 4
    assert len(records(service)) == 4


def test_a_key_is_worth_nothing_to_who_may_not_call(service: Service) -> None:
    user_id = service.create_user()["id"]
    create(service, ADA)
    assert create(service, ADA, user_id=user_id).status == 403


def test_the_same_request_at_the_same_time_is_refused(service: Service) -> None:
    meanwhile: list[Answer] = []
    service.meanwhile("TransactWriteItems", lambda: meanwhile.append(create(service, ADA)))
    assert create(service, ADA).status == 201
    (answer,) = meanwhile
    assert (answer.status, answer.code) == (409, "idempotency_key_in_use")
    assert answer.headers["retry-after"] == "1"


def test_a_key_is_free_two_seconds_after_an_attempt_began(service: Service) -> None:
    service.let_aws_answer("UpdateItem", aws_error("InternalServerError", 500))
    before = int(time.time() * 1000)
    assert create(service, ADA).status == 503
    (record,) = records(service)
    free = int(record["in_progress_expiration"]["N"])
    assert before + 2_000 <= free <= time.time() * 1000 + 2_000


def test_errors_are_found_anew(service: Service) -> None:
    other = service.create_user(email=ADA["email"])
    assert create(service, ADA).code == "already_exists"
    service.with_key("DELETE", f"{USERS}/{other['id']}")
    assert create(service, ADA).status == 201


def test_an_attempt_that_was_cut_off_is_finished_by_the_next(service: Service) -> None:
    service.let_aws_answer("UpdateItem", aws_error("InternalServerError", 500))
    assert create(service, ADA).status == 503  # the user is stored, the answer is not
    service._answers.clear()
    alter_record(service, in_progress_expiration=int(time.time() * 1000) + 60_000)
    assert create(service, ADA).code == "idempotency_key_in_use"
    alter_record(service, in_progress_expiration=int(time.time() * 1000) - 1)
    answer = create(service, ADA)
    assert answer.status == 201
    assert service.read_user(answer.json["id"]) == answer.json
    assert create(service, ADA).json == answer.json


def test_answers_are_kept_for_a_day(service: Service) -> None:
    before = int(time.time())
    first = create(service, ADA)
    (record,) = records(service)
    assert before + DAY <= int(record["expiration"]["N"]) <= time.time() + DAY
    service.with_key("DELETE", f"{USERS}/{first.json['id']}")
    alter_record(service, expiration=before - 1)
    assert create(service, {**ADA, "firstName": "Augusta"}).status == 201


def test_dynamodb_deletes_what_has_expired() -> None:
    properties = template()["Resources"]["IdempotencyTable"]["Properties"]
    assert properties["TimeToLiveSpecification"] == {
        "AttributeName": "expiration",
        "Enabled": True,
    }


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/users", {"email_address": ["ada@example.com"], "password": "correct horse"}),
        ("/v1/email_addresses", {"email_address": "countess@example.com"}),
        ("/v1/phone_numbers", {"phone_number": "+15005550006"}),
    ],
)
def test_clerks_creating_calls_are_answered_once_too(
    service: Service, path: str, body: dict[str, Any]
) -> None:
    if path != "/v1/users":
        body = {**body, "user_id": service.create_user()["id"]}
    first = create(service, body, path=path)
    assert first.status == 200, first.json
    assert create(service, body, path=path).json == first.json
    reused = create(service, {**body, "extra": 1}, path=path)
    assert (reused.status, reused.json["errors"][0]["code"]) == (422, "idempotency_key_reused")
    # An attempt whose answer was not kept is found.
    (record,) = records(service)
    service.dynamodb.delete_item(TableName="idempotency", Key={"id": record["id"]})
    assert create(service, body, path=path).json == first.json


def test_clerk_is_told_that_a_key_is_in_use(service: Service) -> None:
    meanwhile: list[Answer] = []
    body = {"username": "ada"}
    service.meanwhile(
        "TransactWriteItems", lambda: meanwhile.append(create(service, body, path="/v1/users"))
    )
    assert create(service, body, path="/v1/users").status == 200
    (answer,) = meanwhile
    assert (answer.status, answer.headers["retry-after"]) == (409, "1")
    assert answer.json["errors"][0]["code"] == "idempotency_key_in_use"


def test_neither_keys_nor_bodies_are_stored_in_clear(service: Service) -> None:
    create(service, {**ADA, "externalId": "crm-1"})
    stored = json.dumps(records(service))
    assert KEY not in stored
    assert "crm-1" not in stored


@pytest.mark.parametrize("key", ["", "k" * 256])
def test_a_key_has_1_to_255_characters(service: Service, key: str) -> None:
    answer = create(service, ADA, key)
    assert (answer.status, answer.fields) == (422, {"Idempotency-Key": "invalid_value"})
    assert create(service, ADA, "k" * 255).status == 201


def test_aws_failing_is_answered_as_ever(service: Service) -> None:
    for operation in ("PutItem", "TransactWriteItems", "UpdateItem"):
        service.let_aws_answer(operation, aws_error("ThrottlingException"))
        answer = create(service, ADA, operation)
        service._answers.clear()
        assert (answer.status, answer.code) == (503, "unavailable")


def test_without_a_key_nothing_is_kept(service: Service) -> None:
    service.create_upload(service.create_user()["id"])
    assert records(service) == []
    assert service.calls == ["GetSecretValue", "TransactWriteItems", "TransactWriteItems"]
