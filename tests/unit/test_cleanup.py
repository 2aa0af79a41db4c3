"""Cleanup: the objects of an upload record that is gone are deleted."""

import uuid
from functools import partial
from typing import Any

import pytest
from tests.unit.conftest import AwsAnswer, Service, aws_answer, aws_error

NO_FAILURES: dict[str, Any] = {"batchItemFailures": []}


@pytest.fixture
def upload_id(service: Service) -> str:
    return service.ready_upload(service.create_user()["id"])


def test_every_object_of_the_upload_is_deleted_and_no_other(
    service: Service, upload_id: str
) -> None:
    _, other = service.user_with_picture()
    assert service.deliver_removal(upload_id) == NO_FAILURES
    assert {key.split("/")[1] for key in service.objects()} == {other}
    assert len(service.objects()) == 5


def test_renditions_of_a_photo_that_was_never_finished_are_deleted(
    service: Service, upload_id: str
) -> None:
    key = f"renditions/{upload_id}/interrupted/64.webp"
    service.s3.put_object(Bucket="pictures", Key=key, Body=b"webp")
    service.deliver_removal(upload_id)
    assert service.objects() == {}


def test_an_upload_that_never_had_a_photo_is_no_failure(service: Service) -> None:
    assert service.deliver_removal(str(uuid.uuid4())) == NO_FAILURES


def test_the_same_event_again_changes_nothing(service: Service, upload_id: str) -> None:
    service.deliver_removal(upload_id)
    assert service.deliver_removal(upload_id) == NO_FAILURES
    assert service.objects() == {}


@pytest.mark.parametrize(
    ("operation", "answer"),
    [
        ("ListObjectsV2", aws_error("SlowDown", 503)),
        ("DeleteObjects", aws_error("SlowDown", 503)),
        ("DeleteObjects", aws_answer(Errors=[{"Key": "x", "Code": "InternalError"}])),
    ],
)
def test_only_the_record_that_fails_is_reported_and_the_others_are_cleaned_up(
    service: Service, operation: str, answer: AwsAnswer
) -> None:
    user_id = service.create_user()["id"]
    first, second, third = (service.ready_upload(user_id) for _ in range(3))
    for each in (None, answer, None):
        service.meanwhile("ListObjectsV2", partial(service.let_aws_answer, operation, each))
    assert service.deliver_removal(first, second, third) == {
        "batchItemFailures": [{"itemIdentifier": "2"}]
    }
    assert {key.split("/")[1] for key in service.objects()} == {second}
    assert service.deliver_removal(second) == NO_FAILURES
    assert service.objects() == {}


@pytest.mark.filterwarnings("ignore:No application metrics")
def test_a_batch_of_which_every_record_fails_is_reported_whole(service: Service) -> None:
    service.let_aws_answer("s3", aws_error("SlowDown", 503))
    answer = service.deliver_removal(str(uuid.uuid4()), str(uuid.uuid4()))
    assert answer == {"batchItemFailures": [{"itemIdentifier": "1"}, {"itemIdentifier": "2"}]}


def test_a_photo_as_it_was_sent_goes_once_it_is_somebody_s_picture(service: Service) -> None:
    user_id, upload_id = service.user_with_picture()
    assert f"uploads/{upload_id}" in service.objects()
    item = service.dynamodb.get_item(TableName="uploads", Key={"id": {"S": upload_id}})["Item"]
    record = {
        "eventID": "1",
        "eventName": "MODIFY",
        "eventSource": "aws:dynamodb",
        "dynamodb": {"Keys": {"id": item["id"]}, "NewImage": item, "SequenceNumber": "1"},
    }
    for _ in range(2):  # an event may come twice
        assert service.invoke("cleanup", {"Records": [record]}) == {"batchItemFailures": []}
        assert f"uploads/{upload_id}" not in service.objects()
        assert len(service.objects()) == 4
    assert "used_at" in item
    assert service.read_user(user_id)["hasCustomProfilePicture"] is True
