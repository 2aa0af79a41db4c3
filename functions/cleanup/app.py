"""Cleanup: delete the objects of upload records that are gone."""

from collections.abc import Mapping
from typing import Any

from aws_lambda_powertools.utilities.batch import (
    BatchProcessor,
    EventType,
    process_partial_response,
)
from aws_lambda_powertools.utilities.data_classes.dynamo_db_stream_event import DynamoDBRecord

from vignette.adapters import deadline
from vignette.domain import renditions
from vignette.domain.ids import is_id
from vignette.runtime.telemetry import count, finish, logger

# A record that fails is delivered again, the ones before it are not.
_processor = BatchProcessor(EventType.DynamoDBStreams, raise_on_entire_batch_failure=False)


def handler(event: Mapping[str, Any], context: Any) -> Mapping[str, Any]:  # noqa: ANN401
    """Answer `REMOVE` records of the stream of the uploads table."""
    logger.append_keys(function_request_id=context.aws_request_id)
    deadline.begin(context.get_remaining_time_in_millis())
    answer = process_partial_response(dict(event), _delete_objects, _processor, context)
    count("RecordsFailed", len(answer["batchItemFailures"]))
    finish()
    return answer


def _delete_objects(record: DynamoDBRecord) -> None:
    assert record.dynamodb is not None  # noqa: S101  (a record of a stream has one)
    upload_id = record.dynamodb.keys["id"]
    # The mark of a used address is a record without objects.
    objects = renditions.delete_objects(upload_id) if is_id(upload_id) else 0
    logger.info("objects deleted", upload_id=upload_id, objects=objects)
    count("ObjectsDeleted", objects)
