"""The audit log: a line for every change that was done or refused."""

from vignette.domain.ids import is_user_id, loggable, user_of_identification
from vignette.runtime.telemetry import logger


def audit(
    *, who: str, whom: str | None, kind: str, outcome: str, status: int | None = None
) -> None:
    """Write a line of the audit log.

    `whom` is an id as a verified caller has sent it, which may be any text. It is left out if it
    has no form of an id, or nothing has this id. `status` is that of the answer, unless it answers
    several changes.
    """
    if whom is not None:
        user_id = user_of_identification(whom) or whom
        is_there = outcome == "done" or user_id == who
        is_logged = is_user_id(user_id) and not outcome.endswith("_not_found")
        whom = loggable(whom, is_there=is_there) if is_logged else None
    logger.info("change", who=loggable(who), whom=whom, kind=kind, outcome=outcome, status=status)
