"""One botocore session per execution environment, and clients that are made when first used."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from vignette.errors import Unavailable

if TYPE_CHECKING:
    from botocore.credentials import ReadOnlyCredentials

# API Gateway gives up on an integration after 30 seconds; three attempts stay well inside that.
_CONFIG = Config(
    connect_timeout=2,
    read_timeout=5,
    retries={"mode": "standard", "total_max_attempts": 3},
    tcp_keepalive=True,
    signature_version="v4",
)

_TEMPORARY = frozenset(
    {
        "InternalError",
        "InternalServerError",
        "InternalServiceError",
        "ItemCollectionSizeLimitExceededException",
        "LimitExceededException",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "RequestTimeout",
        "ServiceUnavailable",
        "SlowDown",
        "ThrottledException",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
        "TransactionConflictException",
        "TransactionInProgressException",
    }
)


@cache
def session() -> boto3.Session:
    """The session that every client and every signature shares."""
    return boto3.Session()


@cache
def client(service: str) -> Any:  # noqa: ANN401  (each adapter names its own client type)
    """The low-level client of an AWS service, made when it is first needed."""
    return session().client(service, config=_CONFIG)  # type: ignore[call-overload]


def region() -> str:
    """The region the function runs in."""
    return os.environ["AWS_REGION"]


def credentials() -> "ReadOnlyCredentials":
    """The credentials of the function's role as they are now, refreshed where they expire."""
    found = session().get_credentials()
    if found is None:
        raise Unavailable("The service has no AWS credentials.")
    return found.get_frozen_credentials()


@contextmanager
def aws_errors() -> Iterator[None]:
    """Turn AWS being throttled, broken or out of reach into `Unavailable`.

    Other errors of AWS are faults of ours and pass through.
    """
    try:
        yield
    except ClientError as error:
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        if error.response["Error"]["Code"] in _TEMPORARY or status >= 500:
            raise Unavailable("A service behind this one is busy.") from error
        raise
    except BotoCoreError as error:
        raise Unavailable("A service behind this one does not answer.") from error
