"""Secrets Manager: the current and the previous version of the service's secret key."""

import time
from collections.abc import Iterator
from functools import cache

from aws_lambda_powertools.utilities.parameters import SecretsProvider
from aws_lambda_powertools.utilities.parameters.exceptions import GetParameterError
from botocore.exceptions import ClientError

from vignette import settings
from vignette.adapters import aws

_STAGES = ("AWSCURRENT", "AWSPREVIOUS")
# A key that matches no cached version may be newer than the cache; read again, but not for
# every wrong key that somebody sends.
_REFRESH_SECONDS = 1.0
_refreshed_at = float("-inf")


def candidates() -> Iterator[str]:
    """The values of the secret that are accepted, the most likely first.

    The first are cached for `settings.SECRET_CACHE_SECONDS`. When these are used up, the secret is
    read again, so that a key works as soon as the secret is rotated.

    Raises:
        Unavailable: Secrets Manager did not do it.
    """
    global _refreshed_at
    for stage in _STAGES:
        yield from _version(stage)
    if time.monotonic() - _refreshed_at > _REFRESH_SECONDS:
        _refreshed_at = time.monotonic()
        for stage in _STAGES:
            yield from _version(stage, force_fetch=True)


def _version(stage: str, *, force_fetch: bool = False) -> Iterator[str]:
    provider = _provider(stage)
    name = settings.secret_arn()
    try:
        with aws.aws_errors():
            try:
                value = provider.get(
                    name,
                    max_age=settings.SECRET_CACHE_SECONDS,
                    force_fetch=force_fetch,
                    VersionStage=stage,
                )
            except GetParameterError as error:
                raise error.__context__ or error from None
    except ClientError as error:
        if error.response["Error"]["Code"] != "ResourceNotFoundException":
            raise
        value = ""  # never rotated, so there is no previous version
        provider.add_to_cache((name, None, False), value, settings.SECRET_CACHE_SECONDS)
    if value:
        yield str(value)


@cache
def _provider(stage: str) -> SecretsProvider:
    """One provider a stage, since the cache of Powertools does not tell stages apart."""
    return SecretsProvider(boto3_client=aws.client("secretsmanager"))
