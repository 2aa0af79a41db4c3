"""Structured logs and metrics. No token, key, e-mail address or presigned URL goes in here."""

from typing import Literal

from aws_lambda_powertools.logging import Logger
from aws_lambda_powertools.metrics import Metrics, MetricUnit

from vignette.runtime.startup import freeze_after_start

# Every metric there is; docs/operations.md says what each counts.
type Metric = Literal[
    "Requests",
    "ServerErrors",
    "UploadsReady",
    "UploadsFailed",
    "UploadsRepeated",
    "UploadsGone",
    "PhotosEmpty",
    "PhotosTooLarge",
    "PhotosTooManyPixels",
    "PhotosUnsupportedFormat",
    "PhotosCorruptImage",
    "PhotosGivenUp",
    "UnknownObjects",
    "ObjectsDeleted",
    "CleanupsPostponed",
    "RecordsFailed",
]

logger = Logger()
_metrics = Metrics()


def count(name: Metric, value: int = 1) -> None:
    """Add to a counter that is written with the log line of the invocation."""
    _metrics.add_metric(name=name, unit=MetricUnit.Count, value=value)


def finish() -> None:
    """End an invocation: write its counters."""
    _metrics.flush_metrics()
    freeze_after_start()
