"""Pictures: set, replace and remove a user's picture, whoever else writes at the same time."""

import io
import time
import uuid
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import pytest
from PIL import Image
from tests.unit.conftest import AwsAnswer, Service, aws_answer, aws_error

PROVIDER_PICTURE = "https://id.example.com/ada.png"
MY_PICTURE = "/api/v1/users/me/profile-picture"


def picture_key(user: dict[str, Any]) -> str:
    """The key of the object that a user's picture is served from."""
    return urlsplit(str(user["profilePictureUrl"])).path.lstrip("/")


@pytest.fixture
def user_id(service: Service) -> str:
    return str(service.create_user(profilePictureUrl=PROVIDER_PICTURE)["id"])


# Set


@pytest.mark.parametrize("with_key", [True, False], ids=["with the key", "as the user"])
def test_a_ready_upload_becomes_the_picture(service: Service, user_id: str, with_key: bool) -> None:
    upload_id = service.ready_upload(user_id)
    if with_key:
        answer = service.set_picture(user_id, upload_id)
    else:
        answer = service.as_user(user_id, "PATCH", MY_PICTURE, {"uploadId": upload_id})
    assert answer.status == 200
    assert answer.json["hasCustomProfilePicture"] is True
    assert answer.json["profilePictureUrl"] != PROVIDER_PICTURE
    stored = service.s3.get_object(Bucket="pictures", Key=picture_key(answer.json))
    assert Image.open(io.BytesIO(stored["Body"].read())).size == (256, 256)


def test_an_upload_id_may_be_written_in_capitals(service: Service, user_id: str) -> None:
    assert service.set_picture(user_id, service.ready_upload(user_id).upper()).status == 200


def test_setting_the_same_picture_again_changes_nothing(service: Service, user_id: str) -> None:
    upload_id = service.ready_upload(user_id)
    first = service.set_picture(user_id, upload_id)
    before = service.everything()
    again = service.set_picture(user_id, upload_id)
    assert again.status == 200
    assert again.json["updatedAt"] == first.json["updatedAt"]
    assert service.everything() == before


def test_a_new_picture_replaces_the_one_before_and_its_record(service: Service) -> None:
    user_id, _ = service.user_with_picture()
    new = service.ready_upload(user_id)
    answer = service.set_picture(user_id, new)
    assert answer.status == 200
    assert new in picture_key(answer.json)
    assert service.upload_ids() == {new}


def test_what_else_is_in_the_profile_stays(service: Service, user_id: str) -> None:
    before = service.read_user(user_id)
    after = service.set_picture(user_id, service.ready_upload(user_id)).json
    changed = {name for name in before if before[name] != after[name]}
    assert changed <= {"profilePictureUrl", "hasCustomProfilePicture", "avatar", "updatedAt"}


@pytest.mark.parametrize("body", [{}, {"uploadId": "no uuid"}, {"uploadId": 1}])
def test_the_upload_has_to_be_named(service: Service, user_id: str, body: dict[str, Any]) -> None:
    answer = service.as_user(user_id, "PATCH", MY_PICTURE, body)
    assert answer.status == 422
    assert answer.fields.keys() == {"uploadId"}


# Refuse


def ask_for_an_organizations(service: Service, user_id: str) -> str:
    return service.ready_upload(user_id, scope="organization")


def alter_the_kind(service: Service, user_id: str) -> str:
    upload_id = service.ready_upload(user_id)
    service.alter_upload(upload_id, kind="attachment")
    return upload_id


def send_no_photo(service: Service, user_id: str) -> str:
    return service.create_upload(user_id)


def send_a_bad_photo(service: Service, user_id: str) -> str:
    upload_id = service.create_upload(user_id)
    service.send_photo(upload_id, b"no photo")
    return upload_id


def wait_too_long(service: Service, user_id: str) -> str:
    upload_id = service.ready_upload(user_id)
    service.alter_upload(upload_id, expires_at=int(time.time()) - 1)
    return upload_id


def take_another_users(service: Service, _: str) -> str:
    return service.ready_upload(service.create_user()["id"])


def take_another_users_picture(service: Service, _: str) -> str:
    return service.user_with_picture()[1]


def name_none_that_exists(_: Service, __: str) -> str:
    return str(uuid.uuid4())


@pytest.mark.parametrize("had_picture", [False, True], ids=["without picture", "with picture"])
@pytest.mark.parametrize(
    ("upload", "status", "code"),
    [
        (ask_for_an_organizations, 422, "upload_wrong_scope"),
        (alter_the_kind, 422, "upload_wrong_kind"),
        (send_no_photo, 409, "upload_not_ready"),
        (send_a_bad_photo, 409, "upload_not_ready"),
        (wait_too_long, 404, "upload_not_found"),
        (take_another_users, 404, "upload_not_found"),
        (take_another_users_picture, 404, "upload_not_found"),
        (name_none_that_exists, 404, "upload_not_found"),
    ],
)
def test_what_cannot_be_a_picture_is_refused_and_nothing_changes(
    service: Service,
    upload: Callable[[Service, str], str],
    status: int,
    code: str,
    had_picture: bool,
) -> None:
    user_id = service.user_with_picture()[0] if had_picture else service.create_user()["id"]
    upload_id = upload(service, user_id)
    before = service.everything()
    answer = service.set_picture(user_id, upload_id)
    assert (answer.status, answer.code) == (status, code)
    assert service.everything() == before


def test_a_failed_upload_says_its_reason_when_it_is_set(service: Service, user_id: str) -> None:
    answer = service.set_picture(user_id, send_a_bad_photo(service, user_id))
    assert (answer.status, answer.code) == (409, "upload_not_ready")
    assert answer.json["reason"] == "unsupported_format"
    assert answer.json["detail"] == "The upload has failed: unsupported format."


def test_an_upload_that_some_other_record_holds_is_in_use(service: Service, user_id: str) -> None:
    other, upload_id = service.user_with_picture()
    service.alter_upload(upload_id, user_id=user_id)
    answer = service.set_picture(user_id, upload_id)
    assert (answer.status, answer.code) == (409, "upload_in_use")
    assert service.read_user(other)["hasCustomProfilePicture"] is True


def test_nobody_gets_a_picture_who_does_not_exist(service: Service, user_id: str) -> None:
    answer = service.set_picture(str(uuid.uuid4()), service.ready_upload(user_id))
    assert (answer.status, answer.code) == (404, "user_not_found")


# Remove


@pytest.mark.parametrize("with_key", [True, False], ids=["with the key", "as the user"])
def test_null_removes_the_picture_and_its_record(
    service: Service, user_id: str, with_key: bool
) -> None:
    upload_id = service.ready_upload(user_id)
    service.set_picture(user_id, upload_id)
    if with_key:
        answer = service.set_picture(user_id, None)
    else:
        answer = service.as_user(user_id, "PATCH", MY_PICTURE, {"uploadId": None})
    assert answer.status == 200
    assert answer.json["hasCustomProfilePicture"] is False
    assert answer.json["profilePictureUrl"] == PROVIDER_PICTURE
    assert service.read_user(user_id) == answer.json
    assert service.upload_ids() == set()


def test_removing_a_picture_that_is_not_there_changes_nothing(
    service: Service, user_id: str
) -> None:
    before = service.everything()
    answer = service.set_picture(user_id, None)
    assert (answer.status, answer.json["profilePictureUrl"]) == (200, PROVIDER_PICTURE)
    assert service.everything() == before


def test_nobodys_picture_cannot_be_removed(service: Service) -> None:
    answer = service.set_picture(str(uuid.uuid4()), None)
    assert (answer.status, answer.code) == (404, "user_not_found")


def test_the_photo_of_a_removed_picture_is_deleted(service: Service) -> None:
    user_id, upload_id = service.user_with_picture()
    service.set_picture(user_id, None)
    service.deliver_removal(upload_id)
    assert service.objects() == {}


# Others write between the check and the write


def serves_its_picture(service: Service, user_id: str) -> bool:
    """Whether the picture that a user points at has its record and its object."""
    user = service.read_user(user_id)
    key = picture_key(user)
    return (
        user["hasCustomProfilePicture"]
        and key in service.objects()
        and key.split("/")[1] in service.upload_ids()
    )


def test_an_upload_deleted_meanwhile_does_not_become_a_picture(service: Service) -> None:
    user_id, old = service.user_with_picture()
    new = service.ready_upload(user_id)
    service.meanwhile(
        "TransactWriteItems", lambda: service.with_key("DELETE", f"/api/v1/uploads/{new}")
    )
    answer = service.set_picture(user_id, new)
    assert (answer.status, answer.code) == (404, "upload_not_found")
    assert old in picture_key(service.read_user(user_id))
    assert serves_its_picture(service, user_id)


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"expires_at": 1}, 404, "upload_not_found"),
        ({"user_id": str(uuid.uuid4())}, 404, "upload_not_found"),
        ({"state": "failed", "reason": "too_large"}, 409, "upload_not_ready"),
    ],
    ids=["expires", "changes hands", "fails"],
)
def test_an_upload_that_changes_meanwhile_is_looked_at_again(
    service: Service, user_id: str, change: dict[str, Any], status: int, code: str
) -> None:
    upload_id = service.ready_upload(user_id)
    service.meanwhile("TransactWriteItems", lambda: service.alter_upload(upload_id, **change))
    answer = service.set_picture(user_id, upload_id)
    assert (answer.status, answer.code) == (status, code)
    assert service.read_user(user_id)["hasCustomProfilePicture"] is False


def test_of_two_pictures_set_at_once_the_later_stays_and_the_other_goes(service: Service) -> None:
    user_id, _ = service.user_with_picture()
    mine, theirs = service.ready_upload(user_id), service.ready_upload(user_id)
    service.meanwhile("TransactWriteItems", lambda: service.set_picture(user_id, theirs))
    answer = service.set_picture(user_id, mine)
    assert (answer.status, mine in picture_key(answer.json)) == (200, True)
    assert service.upload_ids() == {mine}
    assert serves_its_picture(service, user_id)


def test_the_same_picture_set_twice_at_once_is_set(service: Service) -> None:
    user_id, _ = service.user_with_picture()
    upload_id = service.ready_upload(user_id)
    service.meanwhile("TransactWriteItems", lambda: service.set_picture(user_id, upload_id))
    assert service.set_picture(user_id, upload_id).status == 200
    assert service.upload_ids() == {upload_id}
    assert serves_its_picture(service, user_id)


def test_a_picture_set_while_another_is_removed_goes_too(service: Service) -> None:
    user_id, _ = service.user_with_picture()
    new = service.ready_upload(user_id)
    service.meanwhile("TransactWriteItems", lambda: service.set_picture(user_id, new))
    answer = service.set_picture(user_id, None)
    assert (answer.status, answer.json["hasCustomProfilePicture"]) == (200, False)
    assert service.upload_ids() == set()


def test_a_profile_changed_meanwhile_keeps_the_change(service: Service, user_id: str) -> None:
    upload_id = service.ready_upload(user_id)
    path = f"/api/v1/shared/users/{user_id}"
    service.meanwhile(
        "TransactWriteItems", lambda: service.with_key("PATCH", path, {"firstName": "Augusta"})
    )
    assert service.set_picture(user_id, upload_id).json["firstName"] == "Augusta"
    assert serves_its_picture(service, user_id)


@pytest.mark.parametrize("remove", [False, True], ids=["set", "remove"])
def test_a_user_deleted_meanwhile_is_not_found(service: Service, remove: bool) -> None:
    user_id, _ = service.user_with_picture()
    upload_id = None if remove else service.ready_upload(user_id)
    path = f"/api/v1/shared/users/{user_id}"
    service.meanwhile("TransactWriteItems", lambda: service.with_key("DELETE", path))
    answer = service.set_picture(user_id, upload_id)
    assert (answer.status, answer.code) == (404, "user_not_found")
    assert user_id not in service.everything()


def conflict(*codes: str) -> AwsAnswer:
    reasons = [{"Code": code} for code in codes]
    return aws_error("TransactionCanceledException", CancellationReasons=reasons)


@pytest.mark.parametrize("remove", [False, True], ids=["set", "remove"])
@pytest.mark.parametrize("reason", ["ConditionalCheckFailed", "TransactionConflict"])
def test_where_others_never_stop_writing_the_caller_is_asked_to_come_back(
    service: Service, monkeypatch: pytest.MonkeyPatch, remove: bool, reason: str
) -> None:
    monkeypatch.setattr("time.sleep", lambda _: None)
    user_id, _ = service.user_with_picture()
    upload_id = None if remove else service.ready_upload(user_id)
    before = service.everything()
    service.let_aws_answer("TransactWriteItems", conflict(reason, "None"))
    answer = service.set_picture(user_id, upload_id)
    assert (answer.status, answer.code) == (503, "unavailable")
    assert int(answer.headers["retry-after"]) > 0
    assert service.everything() == before


def unprocessed(user_id: str, upload_id: str) -> AwsAnswer:
    """What DynamoDB answers to a BatchGetItem when it is busy."""
    keys = {
        "users": {"Keys": [{"pk": {"S": f"user#{user_id}"}}], "ConsistentRead": True},
        "uploads": {"Keys": [{"id": {"S": upload_id}}], "ConsistentRead": True},
    }
    return aws_answer(Responses={}, UnprocessedKeys=keys)


def test_keys_that_dynamodb_leaves_unprocessed_are_not_asked_for_for_ever(
    service: Service, monkeypatch: pytest.MonkeyPatch, user_id: str
) -> None:
    monkeypatch.setattr("time.sleep", lambda _: None)
    upload_id = service.ready_upload(user_id)
    service.let_aws_answer("BatchGetItem", unprocessed(user_id, upload_id))
    service.calls.clear()
    answer = service.set_picture(user_id, upload_id)
    assert (answer.status, answer.code) == (503, "unavailable")
    assert 1 < service.calls.count("BatchGetItem") < 10


@pytest.mark.parametrize("operation", ["BatchGetItem", "TransactWriteItems"])
def test_a_short_moment_of_being_busy_is_waited_out(
    service: Service, monkeypatch: pytest.MonkeyPatch, user_id: str, operation: str
) -> None:
    upload_id = service.ready_upload(user_id)
    busy = {
        "BatchGetItem": unprocessed(user_id, upload_id),
        "TransactWriteItems": conflict("TransactionConflict", "None"),
    }
    service.let_aws_answer(operation, busy[operation])
    monkeypatch.setattr("time.sleep", lambda _: service.let_aws_answer(operation, None))
    service.calls.clear()
    assert service.set_picture(user_id, upload_id).status == 200
    assert service.calls.count(operation) == 2
