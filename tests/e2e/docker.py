"""Whether there is a Docker engine, which not every machine that runs the tests has."""

import shutil
import subprocess
from functools import cache

_SECONDS = 20  # after which an engine is none


@cache
def has_engine() -> bool:
    """Whether an engine answers."""
    docker = shutil.which("docker")
    if docker is None:
        return False
    try:
        asked = subprocess.run([docker, "info"], capture_output=True, timeout=_SECONDS)
    except subprocess.TimeoutExpired:
        return False
    return asked.returncode == 0
