"""What a stack keeps on disk: whether it can be used, and what is set aside because it cannot."""

import json
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

# Another one sets aside what is there. Raised when items, object keys or addresses change.
FORMAT = "4"
# What commands are told of the running stack. It is below the folder that make works in, which may
# be a copy with links to this one.
FACTS = Path(".local/stack.json")


def prepare(state: Path) -> None:
    """Make the directories of a stack; set aside what it could not work with.

    A killed stack leaves parts of files, which nobody was told of, and maybe a deployment that was
    never finished.
    """
    services, deployed, format_file = state / "services", state / "deployed", state / "format"
    if deployed.exists():
        broken = [file.name for file in services.glob("*.json") if not _is_json(file)]
        if broken:
            _set_aside(state, f"{', '.join(broken)} cannot be read")
        elif not format_file.exists() or format_file.read_text() != FORMAT:
            _set_aside(state, "it is of another version of the project")
    if not deployed.exists():
        for each in ("services", "s3", "events"):
            shutil.rmtree(state / each, ignore_errors=True)
    shutil.rmtree(state / "tmp", ignore_errors=True)
    for name in ("events", "logs", "services", "tmp/layers"):
        (state / name).mkdir(parents=True, exist_ok=True)
    write(format_file, FORMAT)


def write(file: Path, text: str) -> None:
    """Write a file whole or not at all."""
    part = file.with_suffix(".part")
    part.write_text(text)
    part.replace(file)


def kept_events(state: Path) -> Iterator[tuple[Path, Any]]:
    """Every event that was accepted and not dealt with, and its file."""
    for file in sorted((state / "events").iterdir()):
        if file.suffix == ".part":
            file.unlink()  # accepted is what has its own name
        elif file.suffix == ".json":
            if _is_json(file):
                yield file, json.loads(file.read_text())
            else:
                _warn(f"The event {file} cannot be read; it is set aside")
                file.rename(file.with_suffix(".broken"))


def _set_aside(state: Path, why: str) -> None:
    place = state / f"set-aside-{time.strftime('%Y%m%d-%H%M%S')}"
    place.mkdir()
    for name in ("services", "s3", "events", "deployed"):
        if (state / name).exists():
            (state / name).rename(place / name)
    _warn(f"The data of the last stack are now in {place}: {why}")


def _warn(text: str) -> None:
    print(f"==> Warning: {text}", file=sys.stderr, flush=True)


def _is_json(file: Path) -> bool:
    try:
        json.loads(file.read_bytes())
    except ValueError:
        return False
    return True
