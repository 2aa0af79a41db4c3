"""Optimistic locking: a write on the condition that nobody else has written since the read."""

from collections.abc import Callable

from vignette.adapters import table
from vignette.errors import NotFound, Unavailable

_ATTEMPTS = 4


def until_gone[**Given, Found](find: Callable[Given, Found]) -> Callable[Given, Found | None]:
    """`find`, for the attempts of one deletion.

    The first attempt raises `NotFound` if nothing is there, as `find` does. If an attempt has found
    something and a later one finds nothing, the deletion was carried out and its answer was lost:
    then None is answered.
    """
    was_there = False

    def find_again(*args: Given.args, **kwargs: Given.kwargs) -> Found | None:
        nonlocal was_there
        try:
            found = find(*args, **kwargs)
        except NotFound:
            if was_there:
                return None
            raise
        was_there = True
        return found

    return find_again


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
    raise Unavailable("Other calls change the same data now; try again.")
