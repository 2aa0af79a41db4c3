"""Packages of npm that tests run against."""

import fcntl
import shutil
import subprocess
from pathlib import Path

import pytest


def install(folder: Path) -> None:
    """Have what a folder's package-lock.json pins, installed once for every version of it."""
    if shutil.which("npm") is None:
        pytest.fail("there is no npm: install Node.js with npm, as with apt-get install npm")
    with (folder / "package-lock.json").open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # tests run in several processes
        lock = file.read()
        installed = folder / "node_modules" / "installed-lock.json"
        if installed.exists() and installed.read_bytes() == lock:
            return
        subprocess.run(
            ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"],
            cwd=folder,
            check=True,
            timeout=300,
        )
        installed.write_bytes(lock)
