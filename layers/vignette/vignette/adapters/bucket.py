"""S3: presigned requests signed without a client, and the objects of the private bucket."""

import os
import time
from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING

from botocore.auth import S3SigV4PostAuth, S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.exceptions import BotoCoreError, ClientError

from vignette import settings
from vignette.adapters import aws
from vignette.errors import Unavailable

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

# botocore repeats a call until its answer begins. A body that breaks off is read again here.
_READ_ATTEMPTS = 3


@dataclass(frozen=True, slots=True)
class PresignedPost:
    """A form that uploads one object: where to send it, and its fields in order."""

    url: str
    fields: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class StoredObject:
    """An object's size in bytes and, where it is within the limit, its bytes."""

    size: int
    body: bytes | None


def presigned_post(
    key: str, *, content_type: str, max_bytes: int, expires_at: datetime
) -> PresignedPost:
    """Sign a form for one object of 1 to `max_bytes` bytes; costs no network call.

    The policy pins key, type and size range (Amazon S3, "Creating an HTML form using AWS
    Signature Version 4").
    """
    pinned = {"key": key, "Content-Type": content_type}
    request = AWSRequest(method="POST", url=_url())
    request.context["s3-presign-post-fields"] = dict(pinned)
    request.context["s3-presign-post-policy"] = {
        "expiration": expires_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "conditions": [
            {"bucket": settings.bucket()},
            *({name: value} for name, value in pinned.items()),
            ["content-length-range", 1, max_bytes],
        ],
    }
    S3SigV4PostAuth(aws.credentials(), "s3", aws.region()).add_auth(request)
    return PresignedPost(url=_url(), fields=request.context["s3-presign-post-fields"])


def presigned_url(key: str, *, lifetime: timedelta) -> str:
    """Sign a GET of one object; costs no network call.

    It stays the same for a minute, so that a browser finds the object in its cache.
    """
    return _presigned_url(f"{_url()}/{key}", lifetime, int(time.time()) // 60)


@lru_cache
def _presigned_url(url: str, lifetime: timedelta, _minute: int) -> str:
    request = AWSRequest(method="GET", url=url)
    S3SigV4QueryAuth(
        aws.credentials(), "s3", aws.region(), expires=int(lifetime.total_seconds())
    ).add_auth(request)
    return str(request.url)


def key_of(url: str) -> str | None:
    """The key of the object that an address in the bucket names, whatever signed it, or None."""
    address = url.partition("?")[0]
    key = address.removeprefix(f"{_url()}/")
    return None if key == address else key


def read(key: str, *, max_bytes: int) -> StoredObject | None:
    """Read an object, or None where there is none; its body only up to `max_bytes`.

    Raises:
        Unavailable: S3 did not do it.
        ClientError: S3 refused the call.
        BotoCoreError: The body broke off at every attempt; `aws_errors` turns it into
            `Unavailable`.
    """
    try:
        with aws.aws_errors():
            for attempt in range(1, _READ_ATTEMPTS + 1):
                answer = _client().get_object(Bucket=settings.bucket(), Key=key)
                # `with` on the stream would give urllib3's stream, which raises urllib3's errors.
                with closing(answer["Body"]) as body:
                    size = answer["ContentLength"]
                    if size > max_bytes:
                        return StoredObject(size, None)
                    try:
                        return StoredObject(size, body.read())
                    except BotoCoreError:
                        if attempt == _READ_ATTEMPTS:
                            raise
    except ClientError as error:
        if error.response["Error"]["Code"] != "NoSuchKey":
            raise
    return None


def put(key: str, body: bytes, *, content_type: str, cache_control: str) -> None:
    """Write an object.

    Raises:
        Unavailable: S3 did not do it.
    """
    with aws.aws_errors():
        _client().put_object(
            Bucket=settings.bucket(),
            Key=key,
            Body=body,
            ContentType=content_type,
            CacheControl=cache_control,
        )


def keys(prefix: str) -> list[str]:
    """The keys under a prefix, at most 1,000 (one call).

    Raises:
        Unavailable: S3 did not do it.
    """
    with aws.aws_errors():
        answer = _client().list_objects_v2(Bucket=settings.bucket(), Prefix=prefix)
    return [entry["Key"] for entry in answer.get("Contents", [])]


def delete(keys: Iterable[str]) -> None:
    """Delete up to 1,000 objects; one that is not there counts as deleted.

    Raises:
        Unavailable: S3 could not delete all of them.
    """
    with aws.aws_errors():
        answer = _client().delete_objects(
            Bucket=settings.bucket(),
            Delete={"Objects": [{"Key": key} for key in keys], "Quiet": True},
        )
    if answer.get("Errors"):
        raise Unavailable("Some objects could not be deleted.")


def _client() -> "S3Client":
    s3: S3Client = aws.client("s3")
    return s3


def _url() -> str:
    """The bucket's address: its regional host on AWS, a path where another endpoint is set."""
    endpoint = os.environ.get("AWS_ENDPOINT_URL")
    if endpoint:
        return f"{endpoint.rstrip('/')}/{settings.bucket()}"
    suffix = "amazonaws.com.cn" if aws.region().startswith("cn-") else "amazonaws.com"
    return f"https://{settings.bucket()}.s3.{aws.region()}.{suffix}"
