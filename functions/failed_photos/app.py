"""FailedPhotos: an upload whose photo could not be processed at any attempt is failed."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote_plus

from vignette.adapters import deadline
from vignette.domain import renditions
from vignette.domain.ids import upload_of_original
from vignette.runtime.telemetry import count, finish, logger


def handler(event: Mapping[str, Any], context: Any) -> None:  # noqa: ANN401
    """Take what Lambda says of an event of S3 that `thumbnails` failed on for good."""
    logger.append_keys(function_request_id=context.aws_request_id)
    deadline.begin(context.get_remaining_time_in_millis())
    for record in event["requestPayload"]["Records"]:
        upload_id = upload_of_original(unquote_plus(record["s3"]["object"]["key"]))
        if upload_id is None:
            continue
        outcome, reason = renditions.give_up(upload_id)
        logger.warning("photo given up", upload_id=upload_id, outcome=outcome, reason=reason)
        count("PhotosGivenUp")
    finish()
