"""Cleanup: delete what the records of uploads no longer need.

The objects of a record that is gone, and all but the picture once an upload is one. What cannot be
deleted goes to a queue at once, which brings it back here for a day: no record holds up the ones
behind it.
"""

from collections.abc import Mapping
from typing import Any

from aws_lambda_powertools.utilities.batch import (
    BatchProcessor,
    EventType,
    process_partial_response,
)
from aws_lambda_powertools.utilities.data_classes.dynamo_db_stream_event import (
    DynamoDBRecord,
    DynamoDBRecordEventName,
)
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord

from vignette.adapters import deadline
from vignette.domain import cleanup
from vignette.domain.ids import is_upload_id
from vignette.errors import Unavailable
from vignette.runtime.telemetry import count, finish, logger

# Enough to tell the queue about a whole batch, if S3 has taken all the time before.
_HAND_OVER_MILLISECONDS = 20_000

_records = BatchProcessor(EventType.DynamoDBStreams, raise_on_entire_batch_failure=False)
_messages = BatchProcessor(EventType.SQS, raise_on_entire_batch_failure=False)


def handler(event: Mapping[str, Any], context: Any) -> Mapping[str, Any]:  # noqa: ANN401
    """Answer messages of the queue, or records of the stream of the uploads table.

    The records are `REMOVE`, and `MODIFY` of pictures.
    """
    logger.append_keys(function_request_id=context.aws_request_id)
    milliseconds = context.get_remaining_time_in_millis()
    answer: Mapping[str, Any]
    if event["Records"][0]["eventSource"] == "aws:sqs":
        deadline.begin(milliseconds)
        answer = process_partial_response(dict(event), _read_message, _messages, context)
    else:
        deadline.begin(milliseconds - _HAND_OVER_MILLISECONDS)
        answer = process_partial_response(dict(event), _read_record, _records, context)
        deadline.begin(context.get_remaining_time_in_millis())
        answer = _hand_over(event, answer)
    count("RecordsFailed", len(answer["batchItemFailures"]))
    finish()
    return answer


def _read_message(record: SQSRecord) -> None:
    _delete(cleanup.from_message(record.body))


def _read_record(record: DynamoDBRecord) -> None:
    if task := _task(record):
        _delete(task)


def _task(record: DynamoDBRecord) -> cleanup.Task | None:
    assert record.dynamodb is not None  # noqa: S101  (a record of a stream has one)
    upload_id = record.dynamodb.keys["id"]
    if not is_upload_id(upload_id):
        return None  # the mark of a used address
    if record.event_name == DynamoDBRecordEventName.MODIFY:
        return cleanup.Task(upload_id, digest=record.dynamodb.new_image["digest"])
    return cleanup.Task(upload_id)


def _delete(task: cleanup.Task) -> None:
    try:
        objects = cleanup.delete(task)
    except Exception as error:
        reason = type(error).__name__
        logger.warning("objects not deleted yet", upload_id=task.upload_id, reason=reason)
        raise
    logger.info("objects deleted", upload_id=task.upload_id, objects=objects)
    count("ObjectsDeleted", objects)


def _hand_over(event: Mapping[str, Any], answer: Mapping[str, Any]) -> Mapping[str, Any]:
    """Give the records that failed to the queue; the stream keeps them if that fails too."""
    numbers = {each["itemIdentifier"] for each in answer["batchItemFailures"]}
    failed = [
        DynamoDBRecord(each)
        for each in event["Records"]
        if each["dynamodb"]["SequenceNumber"] in numbers
    ]
    try:
        cleanup.delete_later(task for task in map(_task, failed) if task)
    except Unavailable:
        return answer
    count("CleanupsPostponed", len(failed))
    return {"batchItemFailures": []}
