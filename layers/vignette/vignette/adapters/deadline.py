"""When the running invocation ends: no call of AWS is begun that could outlast it."""

import time

_ends_at = float("inf")


def begin(milliseconds: int) -> None:
    """Take note of how long the invocation that begins may take, as the Lambda runtime says."""
    global _ends_at
    _ends_at = time.monotonic() + milliseconds / 1000


def remaining() -> float:
    """The seconds that are left of the running invocation."""
    return _ends_at - time.monotonic()
