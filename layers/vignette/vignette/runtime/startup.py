"""What makes a cold start fast; it comes before the imports that it speeds up.

docs/decisions.md says how much each part saves.
"""

import gc
import importlib.util
import logging
import os
import re
import sys
from functools import cache
from typing import Any

# A start makes up to 90,000 objects that stay, and the collector would look at all of them again
# and again.
gc.set_threshold(200_000)


@cache
def freeze_after_start() -> None:
    """Collect garbage after the first invocation, but leave out all that is loaded by then.

    What is left is so little that every collection is a whole one. With generations, the garbage of
    requests would wait for thousands of other requests, and take 0.3 MiB meanwhile.
    """
    gc.freeze()
    gc.set_threshold(1000, 0, 0)


def preload(*modules: str) -> None:
    """Load what the first requests will need, where SnapStart is about to take a snapshot.

    A snapshot holds no connection and no secret, which would be out of date when it is used.
    """
    if os.environ.get("AWS_LAMBDA_INITIALIZATION_TYPE") != "snap-start":
        return
    for module in ("jwt", "vignette.adapters.secret", *modules):
        importlib.import_module(module)
    from vignette.adapters import aws

    for service in ("dynamodb", "secretsmanager"):
        aws.client(service)


def _take_compiled_patterns() -> None:
    """Put the regular expressions that the dependencies layer has compiled into re's cache.

    Without the layer, or on a Python whose machine code for regular expressions differs, they are
    compiled when they are needed, as ever.
    """
    from compiled_patterns import MAGIC, PATTERNS  # type: ignore[import-not-found]

    compiler: Any = re._compiler  # type: ignore[attr-defined]
    if compiler.MAGIC == MAGIC:
        cache: dict[Any, re.Pattern[Any]] = re._cache  # type: ignore[attr-defined]
        make = compiler._sre.compile
        for (pattern, flags), machine_code, names in PATTERNS:
            cache[type(pattern), pattern, flags] = make(pattern, *machine_code, names)
    del sys.modules["compiled_patterns"]


if importlib.util.find_spec("compiled_patterns"):
    try:
        _take_compiled_patterns()
    except Exception as error:
        # Private parts of `re` have changed: what is missing is compiled when it is needed.
        logging.getLogger(__name__).warning("compiled patterns are not used: %r", error)
