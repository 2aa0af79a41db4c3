"""Cleanup: delete what the records of uploads no longer need.

The objects of a record that is gone, and the photo as it was sent once its upload is a picture.
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

from vignette.adapters import deadline
from vignette.domain import renditions
from vignette.domain.ids import is_upload_id
from vignette.runtime.telemetry import count, finish, logger

# A record that fails is delivered again, the ones before it are not.
_processor = BatchProcessor(EventType.DynamoDBStreams, raise_on_entire_batch_failure=False)


def handler(event: Mapping[str, Any], context: Any) -> Mapping[str, Any]:  # noqa: ANN401
    """Answer records of the stream of the uploads table: `REMOVE`, and `MODIFY` of pictures."""
    logger.append_keys(function_request_id=context.aws_request_id)
    deadline.begin(context.get_remaining_time_in_millis())
    answer = process_partial_response(dict(event), _delete_objects, _processor, context)
    count("RecordsFailed", len(answer["batchItemFailures"]))
    finish()
    return answer


def _delete_objects(record: DynamoDBRecord) -> None:
    assert record.dynamodb is not None  # noqa: S101  (a record of a stream has one)
    upload_id = record.dynamodb.keys["id"]
    if not is_upload_id(upload_id):
        objects = 0  # the mark of a used address
    elif record.event_name == DynamoDBRecordEventName.MODIFY:
        objects = renditions.delete_original(upload_id)
    else:
        objects = renditions.delete_objects(upload_id)
    logger.info("objects deleted", upload_id=upload_id, objects=objects)
    count("ObjectsDeleted", objects)
