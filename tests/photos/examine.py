"""Make the renditions of every file in a directory, and print what that took as JSON.

Run as `python -m tests.photos.examine DIRECTORY`, so that memory is measured in a new process.
With `--here` the files are decoded in this process, and it is told which formats were decoded, and
by which of Pillow's decoders. With `--costliest` everything that is ever made of a photo is made,
on one processor.
"""

import io
import json
import os
import resource
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from PIL import Image

from vignette import settings
from vignette.images import UnreadableImage, Wanted, formats, helper, isolation

RSS_UNIT = 1 if sys.platform == "darwin" else 1024  # bytes


EVERYTHING = Wanted(
    wholes={"whole": settings.WHOLE_PICTURE_SIDE, "preview": settings.PREVIEW_SIDE},
    find_faces=True,
)


def main(directory: Path, *, here: bool, wanted: Wanted) -> None:
    decoders = _record_decoders()
    process = helper.process if here else isolation.process
    files = {}
    for path in sorted(directory.iterdir()):
        data = path.read_bytes()
        try:
            outcome = "ready"
            bodies = list(process(data, wanted).renditions.values())
        except UnreadableImage as unreadable:
            outcome, bodies = unreadable.reason, []
        except Exception as error:
            outcome, bodies = f"bug: {error!r}", []
        files[path.name] = {
            "outcome": outcome,
            "clean": all(_is_clean(body) for body in bodies),
        }
    isolation.stop()
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    facts = {
        "files": files,
        "cpu_seconds": children.ru_utime + children.ru_stime,
        "peak_bytes": max(_peak_bytes(), children.ru_maxrss * RSS_UNIT),
        "decoders": sorted(decoders),
    }
    print(json.dumps(facts))


def _record_decoders() -> set[str]:
    """The formats that are decoded from now on, and the decoders of Pillow that are used."""
    used: set[str] = set()
    get_decoder: Callable[..., Any] = Image._getdecoder
    open_source = formats.open_source

    def recording(mode: str, name: str, *rest: object) -> object:
        used.add(name)
        return get_decoder(mode, name, *rest)

    def recorded(data: bytes) -> formats.Source:
        source = open_source(data)

        def noted[**P, R](decode: Callable[P, R]) -> Callable[P, R]:
            def run(*args: P.args, **kwargs: P.kwargs) -> R:
                used.add(source.format)
                return decode(*args, **kwargs)

            return run

        glance = source.glance and noted(source.glance)
        return replace(source, decode=noted(source.decode), glance=glance)

    setattr(Image, "_getdecoder", recording)  # noqa: B010
    setattr(formats, "open_source", recorded)  # noqa: B010
    return used


def _peak_bytes() -> int:
    """The most memory that this process ever held."""
    status = Path("/proc/self/status")
    if status.exists():  # Linux counts what the process held before it became this program, too
        (line,) = (line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * RSS_UNIT


def _is_clean(body: bytes) -> bool:
    """Whether these bytes are one WebP file, wholly, that holds pixels and nothing else."""
    at, size = 12, int.from_bytes(body[4:8], "little") + 8
    while at < size:
        if body[at : at + 4] not in (b"VP8 ", b"VP8L", b"VP8X", b"ALPH"):
            return False
        at += 8 + (int.from_bytes(body[at + 4 : at + 8], "little") + 1) // 2 * 2
    picture = Image.open(io.BytesIO(body), formats=["WEBP"])
    picture.load()
    return at == size == len(body) and body[:4] == b"RIFF"


if __name__ == "__main__":
    costliest = sys.argv[1] == "--costliest"
    if costliest and sys.platform == "linux":
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    wanted = EVERYTHING if costliest else Wanted()
    main(Path(sys.argv[-1]), here=sys.argv[1] == "--here", wanted=wanted)
