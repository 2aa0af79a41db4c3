"""Structured logs and metrics. No token, key, e-mail address or presigned URL goes in here."""

import re
from hashlib import sha256

from aws_lambda_powertools.logging import Logger
from aws_lambda_powertools.metrics import Metrics, MetricUnit

from vignette.runtime.startup import settle

# Our own ids and those of identity providers; an e-mail address is none of them.
_ID = re.compile(r"[A-Za-z0-9_.:|-]{1,255}")

logger = Logger()
_metrics = Metrics()


def count(name: str, value: int = 1) -> None:
    """Add to a counter that is written with the log line of the invocation."""
    _metrics.add_metric(name=name, unit=MetricUnit.Count, value=value)


def audit(*, who: str, whom: str | None, kind: str, outcome: str) -> None:
    """Write the line of a change, tried or done: ids only; the request's is in every line.

    An id that could be an address or a name is written as a hash.
    """
    logger.info(
        "change", who=_written(who), whom=whom and _written(whom), kind=kind, outcome=outcome
    )


def _written(text: str) -> str:
    return text if _ID.fullmatch(text) else f"sha256:{sha256(text.encode()).hexdigest()[:32]}"


def finish() -> None:
    """End an invocation: write its counters."""
    _metrics.flush_metrics()
    settle()
