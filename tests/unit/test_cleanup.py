"""Cleanup: the objects of an upload record that is gone are deleted."""

import json
import uuid
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import pytest
from tests.unit.conftest import (
    Answer,
    AwsAnswer,
    LambdaContext,
    Service,
    aws_answer,
    aws_error,
    handlers,
)

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
        ("DeleteObjects", aws_error("AccessDenied", 403)),
        ("DeleteObjects", aws_answer(Errors=[{"Key": "x", "Code": "InternalError"}])),
    ],
)
def test_a_record_that_fails_goes_to_the_queue_at_once_and_the_others_are_cleaned_up(
    service: Service, operation: str, answer: AwsAnswer
) -> None:
    user_id = service.create_user()["id"]
    first, second, third = (service.ready_upload(user_id) for _ in range(3))
    for each in (None, answer, None):
        service.meanwhile("ListObjectsV2", partial(service.let_aws_answer, operation, each))
    assert service.deliver_removal(first, second, third) == NO_FAILURES
    assert {key.split("/")[1] for key in service.objects()} == {second}
    records = service.postponed()
    assert len(records) == 1
    assert service.invoke("cleanup", {"Records": records}) == NO_FAILURES
    assert service.objects() == {}


def test_a_message_that_fails_stays_in_the_queue_and_the_others_are_cleaned_up(
    service: Service,
) -> None:
    user_id = service.create_user()["id"]
    uploads = [service.ready_upload(user_id) for _ in range(3)]
    service.let_aws_answer("DeleteObjects", aws_error("SlowDown", 503))
    service.deliver_removal(*uploads)
    first, second, third = service.postponed()
    for each in (None, aws_error("SlowDown", 503), None):
        service.meanwhile("ListObjectsV2", partial(service.let_aws_answer, "DeleteObjects", each))
    assert service.invoke("cleanup", {"Records": [first, second, third]}) == {
        "batchItemFailures": [{"itemIdentifier": second["messageId"]}]
    }
    assert {key.split("/")[1] for key in service.objects()} == {
        json.loads(second["body"])["upload_id"]
    }


@pytest.mark.filterwarnings("ignore:No application metrics")
def test_an_outage_of_s3_holds_up_no_record_however_many_there_are(service: Service) -> None:
    service.let_aws_answer("s3", aws_error("SlowDown", 503))
    uploads = {str(uuid.uuid4()) for _ in range(23)}
    assert service.deliver_removal(*uploads) == NO_FAILURES
    told = [json.loads(each["body"]) for _ in range(3) for each in service.postponed()]
    assert {each["upload_id"] for each in told} == uploads


def test_an_outage_that_takes_all_the_time_leaves_enough_to_tell_the_queue(
    service: Service, upload_id: str
) -> None:
    keys = {"Keys": {"id": {"S": upload_id}}, "SequenceNumber": "1"}
    record = {"eventName": "REMOVE", "eventSource": "aws:dynamodb", "dynamodb": keys}
    context = LambdaContext(remaining_milliseconds=25_000)
    assert handlers("cleanup").handler({"Records": [record]}, context) == NO_FAILURES
    assert upload_id in service.postponed()[0]["body"]


@pytest.mark.parametrize(
    "answer",
    [
        aws_error("ThrottlingException", 400),
        aws_answer(Failed=[{"Id": "0", "SenderFault": False, "Code": "InternalError"}]),
    ],
)
@pytest.mark.filterwarnings("ignore:No application metrics")
def test_records_stay_in_the_stream_only_if_the_queue_cannot_take_them_either(
    service: Service, answer: AwsAnswer
) -> None:
    service.let_aws_answer("s3", aws_error("SlowDown", 503))
    service.let_aws_answer("sqs", answer)
    answered = service.deliver_removal(str(uuid.uuid4()), str(uuid.uuid4()))
    assert answered == {"batchItemFailures": [{"itemIdentifier": "1"}, {"itemIdentifier": "2"}]}


def test_a_photo_as_it_was_sent_goes_once_it_is_somebody_s_picture(service: Service) -> None:
    user_id, upload_id = service.user_with_picture()
    assert f"uploads/{upload_id}" in service.objects()
    for _ in range(2):  # an event may come twice
        deliver_change(service, upload_id)
        assert f"uploads/{upload_id}" not in service.objects()
        assert len(service.objects()) == 4
    assert service.read_user(user_id)["hasCustomProfilePicture"] is True


def test_a_preview_goes_with_the_photo_and_nothing_else_does(service: Service) -> None:
    user_id = service.create_user()["id"]
    upload_id = service.ready_upload(user_id, preview=True)
    before = service.objects()
    preview = {key for key in before if key.endswith("/preview.webp")}
    assert len(preview) == 1
    service.set_picture(user_id, upload_id)
    deliver_change(service, upload_id)
    assert service.objects().keys() == before.keys() - preview - {f"uploads/{upload_id}"}


def test_what_a_framing_has_left_that_was_cut_off_goes_with_the_photo(service: Service) -> None:
    user_id = service.create_user()["id"]
    upload_id = service.ready_upload(user_id, preview=True)
    kept = {key for key in service.objects() if not key.endswith("/preview.webp")}
    throttled = aws_error("ThrottlingException")
    service.meanwhile("PutObject", lambda: service.let_aws_answer("UpdateItem", throttled))
    assert frame(service, upload_id).status == 503
    service.let_aws_answer("UpdateItem", None)
    left = {key for key in service.objects() if key.endswith("/preview.webp")}
    assert len(left) == 2
    assert service.set_picture(user_id, upload_id).status == 200
    for _ in range(2):  # an event may come twice
        deliver_change(service, upload_id)
        assert service.objects().keys() == kept - {f"uploads/{upload_id}"}


def test_a_framing_that_is_still_running_leaves_the_picture_as_it_is(service: Service) -> None:
    user_id = service.create_user()["id"]
    upload_id = service.ready_upload(user_id, preview=True)
    kept = {key for key in service.objects() if not key.endswith("/preview.webp")}

    def set_and_clean_up() -> None:
        assert service.set_picture(user_id, upload_id).status == 200
        deliver_change(service, upload_id)

    # Once it is counted, and before it changes the record.
    service.meanwhile("UpdateItem", lambda: service.meanwhile("UpdateItem", set_and_clean_up))
    answer = frame(service, upload_id)
    assert (answer.status, answer.code) == (409, "upload_in_use")
    assert service.objects().keys() == kept - {f"uploads/{upload_id}"}


def test_a_picture_that_was_framed_anew_keeps_what_was_made_last(service: Service) -> None:
    user_id = service.create_user()["id"]
    upload_id = service.ready_upload(user_id, preview=True)
    assert frame(service, upload_id).status == 200
    assert service.set_picture(user_id, upload_id).status == 200
    service.calls.clear()
    deliver_change(service, upload_id)
    assert service.calls == ["ListObjectsV2", "DeleteObjects"]
    urls = [each["url"] for each in service.read_upload(upload_id)["renditions"]]
    named = {f"renditions/{urlsplit(each).path.partition('renditions/')[2]}" for each in urls}
    assert service.objects().keys() == named
    assert len(named) == 4


def frame(service: Service, upload_id: str) -> Answer:
    """Frame a photo anew."""
    crop = {"x": 0.5, "y": 0.5, "size": 1}
    return service.with_key("PATCH", f"/api/v1/uploads/{upload_id}", {"crop": crop})


def test_a_photo_that_cannot_be_deleted_yet_goes_later_and_its_renditions_stay(
    service: Service,
) -> None:
    _, upload_id = service.user_with_picture()
    service.let_aws_answer("DeleteObjects", aws_error("SlowDown", 503))
    deliver_change(service, upload_id)
    service.let_aws_answer("DeleteObjects", None)
    assert service.invoke("cleanup", {"Records": service.postponed()}) == NO_FAILURES
    assert f"uploads/{upload_id}" not in service.objects()
    assert len(service.objects()) == 4


def deliver_change(service: Service, upload_id: str) -> None:
    """Have the stream tell that an upload's record has changed to what it is now."""
    item = service.dynamodb.get_item(TableName="uploads", Key={"id": {"S": upload_id}})["Item"]
    assert "used_at" in item  # only of pictures it tells that
    change = {"Keys": {"id": item["id"]}, "NewImage": item, "SequenceNumber": "1"}
    record = {"eventName": "MODIFY", "eventSource": "aws:dynamodb", "dynamodb": change}
    assert service.invoke("cleanup", {"Records": [record]}) == NO_FAILURES
