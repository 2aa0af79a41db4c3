"""One botocore session per execution environment, and clients that are made when first used."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from vignette.adapters import deadline
from vignette.errors import Unavailable

if TYPE_CHECKING:
    from botocore.credentials import ReadOnlyCredentials

_CONNECT_SECONDS = 1
_READ_SECONDS = 2
# What an attempt without an answer takes, what botocore then waits at most before the second
# repetition, and a second to answer in.
_NEEDED_SECONDS = _CONNECT_SECONDS + _READ_SECONDS + 2 + 1

_CONFIG = Config(
    connect_timeout=_CONNECT_SECONDS,
    read_timeout=_READ_SECONDS,
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
    shared = boto3.Session()
    shared.events.register("before-send", _refuse_what_may_outlast_the_invocation)
    return shared


@cache
def client(service: str) -> Any:  # noqa: ANN401  (each adapter names its own client type)
    """The low-level client of an AWS service, made when it is first needed."""
    return session().client(service, config=_CONFIG)  # type: ignore[call-overload]


def _refuse_what_may_outlast_the_invocation(**_: object) -> None:
    """Called by botocore before every attempt. Raises `Unavailable`, which it does not repeat."""
    if deadline.remaining() < _NEEDED_SECONDS:
        raise Unavailable("The services behind this one take too long.")


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
