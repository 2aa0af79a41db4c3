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
    from botocore.awsrequest import AWSResponse
    from botocore.credentials import ReadOnlyCredentials
    from botocore.model import OperationModel

_CONNECT_SECONDS = 1
_READ_SECONDS = 2
_ATTEMPTS = 3
# What an attempt without an answer takes, what botocore then waits at most before the second
# repetition, and a second to answer in.
_NEEDED_SECONDS = _CONNECT_SECONDS + _READ_SECONDS + 2 + 1

_CONFIG = Config(
    connect_timeout=_CONNECT_SECONDS,
    read_timeout=_READ_SECONDS,
    retries={"mode": "standard", "total_max_attempts": _ATTEMPTS},
    tcp_keepalive=True,
    signature_version="v4",
    user_agent="vignette",  # without one, botocore puts its own together twice in every call
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
    shared.events.register("needs-retry", _repeat_what_broke_off)  # type: ignore[arg-type]
    return shared


@cache
def client(service: str) -> Any:  # noqa: ANN401  (each adapter names its own client type)
    """The low-level client of an AWS service, made when it is first needed."""
    # DynamoDB looks at each parameter itself. An empty key of S3 would be the bucket's address.
    config = _CONFIG.merge(Config(parameter_validation=service != "dynamodb"))
    return session().client(service, config=config)  # type: ignore[call-overload]


def _refuse_what_may_outlast_the_invocation(**_: object) -> None:
    """Refuse an attempt that could outlast the invocation; botocore calls this before each.

    Raises:
        Unavailable: There is too little time left; botocore does not repeat that.
    """
    if deadline.remaining() < _NEEDED_SECONDS:
        raise Unavailable("The services behind this one take too long.")


def _repeat_what_broke_off(
    response: "tuple[AWSResponse, object] | None",
    operation: "OperationModel",
    attempts: int,
    **_: object,
) -> float | None:
    """The seconds after which an attempt is repeated, or None; botocore calls this after each.

    botocore takes a body that is shorter than its Content-Length for the whole, so that an item
    that is there seems not to be (`enforce_content_length` in botocore/httpsession.py). Bodies that
    are streamed are read later.

    Raises:
        Unavailable: The last attempt broke off as well.
    """
    if response is None or operation.has_streaming_output:
        return None
    answer, _parsed = response
    if len(answer.content) >= int(answer.headers.get("Content-Length", 0)):
        return None
    if attempts >= _ATTEMPTS:
        raise Unavailable("A service behind this one broke off its answer.")
    return 0.0


def region() -> str:
    """The region the function runs in."""
    return os.environ["AWS_REGION"]


def credentials() -> "ReadOnlyCredentials":
    """The credentials of the function's role as they are now, refreshed where they expire.

    Raises:
        Unavailable: The function has no credentials.
    """
    found = session().get_credentials()
    if found is None:
        raise Unavailable("The service has no AWS credentials.")
    return found.get_frozen_credentials()


@contextmanager
def aws_errors() -> Iterator[None]:
    """Turn AWS being throttled, broken or out of reach into `Unavailable`.

    Raises:
        Unavailable: AWS was throttled, failed, or did not answer.
        ClientError: AWS refused the call for another reason, which is a fault of ours.
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
