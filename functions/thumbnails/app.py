"""Thumbnails: turn what was uploaded into renditions."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote_plus

from vignette import images
from vignette.adapters import deadline
from vignette.domain import renditions
from vignette.domain.ids import upload_of_original
from vignette.domain.renditions import Outcome
from vignette.runtime.telemetry import Metric, count, finish, logger

OUTCOMES: Mapping[Outcome, Metric] = {
    Outcome.READY: "UploadsReady",
    Outcome.FAILED: "UploadsFailed",
    Outcome.REPEATED: "UploadsRepeated",
    Outcome.GONE: "UploadsGone",
}
REASONS: Mapping[str, Metric] = {
    "empty": "PhotosEmpty",
    "too_large": "PhotosTooLarge",
    "too_many_pixels": "PhotosTooManyPixels",
    "unsupported_format": "PhotosUnsupportedFormat",
    "corrupt_image": "PhotosCorruptImage",
}

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
        outcome, reason = renditions.make(upload_id)
        logger.info("photo processed", upload_id=upload_id, outcome=outcome, reason=reason)
        count(OUTCOMES[outcome])
        if reason is not None:
            count(REASONS[reason])
    finish()
