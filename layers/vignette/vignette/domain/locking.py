"""Optimistic locking: a write on the condition that nobody else has written since the read."""

from collections.abc import Callable

from vignette.adapters import table
from vignette.errors import Unavailable

_ATTEMPTS = 4


def optimistically[Result](read_and_write: Callable[[], Result]) -> Result:
    """Read and write again for as long as somebody else writes in between.

    Raises:
        Unavailable: Others wrote in between at every attempt.
        VignetteError: Whatever `read_and_write` raises.
    """
    for _ in range(_ATTEMPTS):
        try:
            return read_and_write()
        except table.ConditionFailed:
            continue
    raise Unavailable("Others keep changing the same thing.")
