"""Thumbnails: turn what was uploaded into renditions."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote_plus

from vignette import images
from vignette.adapters import deadline
from vignette.domain import renditions
from vignette.domain.ids import upload_of_original
from vignette.runtime.telemetry import count, finish, logger

images.start()  # the decoder gets ready while this function does


def handler(event: Mapping[str, Any], context: Any) -> None:  # noqa: ANN401
    """Answer an `ObjectCreated` notification of S3, which encodes keys like a form."""
    logger.append_keys(function_request_id=context.aws_request_id)
    deadline.begin(context.get_remaining_time_in_millis())
    for record in event["Records"]:
        upload_id = upload_of_original(unquote_plus(record["s3"]["object"]["key"]))
        if upload_id is None:
            logger.warning("an object that belongs to no upload")
            count("UnknownObjects")
            continue
        outcome = renditions.make(upload_id)
        logger.info("photo processed", upload_id=upload_id, outcome=outcome)
        count(f"Uploads{outcome.capitalize()}")
    finish()
