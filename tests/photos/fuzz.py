"""Mutated photos: each has to end in renditions or in a reason, before the kernel ends it.

    make fuzz SECONDS=600

What does not is kept in `tests/photos/finds`, which the tests go through from then on.
"""

import argparse
import hashlib
import random
import resource
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image

from tests.photos import HERE, encoded, exif, photo, swapped_profile
from vignette.images import UnreadableImage, Wanted, helper, isolation, process

FINDS = HERE / "finds"

_EXTREMES = (0, 1, 0x7F, 0x80, 0xFE, 0xFF)


@dataclass
class Report:
    """What a run has tried, how long it took, and the files that it has found."""

    files: int = 0
    seconds: float = 0
    finds: dict[str, bytes] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.files} files in {self.seconds:.0f} seconds, {len(self.finds)} finds"


def fuzz(seconds: float, seed: int) -> Report:
    """Process mutated photos for some time; the same seed makes the same files."""
    chance = random.Random(seed)
    originals = _originals()
    report = Report()
    started = time.monotonic()
    while report.seconds < seconds:
        name = chance.choice(sorted(originals))
        data = _mutated(originals[name], sorted(originals.values()), chance)
        found = ""
        try:
            process(data, Wanted())
        except UnreadableImage as unreadable:
            # With a cause, the decoder has given no reason itself: it has crashed, or was ended.
            if unreadable.__cause__ and is_slow(data):
                found = "slow"
        except Exception as error:
            found = type(error).__name__
        if found:
            digest = hashlib.sha256(data).hexdigest()[:8]
            report.finds[f"{name}-{found}-{digest}".replace(" ", "-")] = data
        report.files += 1
        report.seconds = time.monotonic() - started
    return report


def is_slow(data: bytes) -> bool:
    """Whether a file takes as much of the processor as the kernel lets a photo have.

    The clock says nothing about that: the machine may be busy, or have stood still.
    """
    isolation.stop()
    before = _cpu_seconds_of_children()
    with suppress(UnreadableImage):
        process(data, Wanted())
    isolation.stop()  # what the decoder has taken is counted when its helper has ended
    return _cpu_seconds_of_children() - before >= helper.CPU_SECONDS


def _cpu_seconds_of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _originals() -> dict[str, bytes]:
    """A photo in every format, with all that may be in it."""
    image = photo(size=(160, 120))
    clear = image.convert("RGBA")
    clear.putalpha(Image.linear_gradient("L").resize(image.size))
    facts = {"exif": exif(6), "icc_profile": swapped_profile(), "xmp": b"<x:xmpmeta/>"}
    others = [Image.new("RGB", image.size, name) for name in ("blue", "black")]
    moving = {"save_all": True, "append_images": others, "duration": 100}
    return {
        "JPEG": encoded(image, "JPEG", **facts),
        "progressive JPEG": encoded(image, "JPEG", progressive=True, **facts),
        "CMYK JPEG": encoded(image.convert("CMYK"), "JPEG", **facts),
        "PNG": encoded(clear, "PNG", exif=facts["exif"], icc_profile=facts["icc_profile"]),
        "palette PNG": encoded(image.quantize(60), "PNG", transparency=3),
        "moving PNG": encoded(image, "PNG", **moving),
        "GIF": encoded(image, "GIF", comment=b"a comment", **moving),
        "WEBP": encoded(clear, "WEBP", **facts),
        "lossless WEBP": encoded(image, "WEBP", lossless=True, **facts),
        "moving WEBP": encoded(image, "WEBP", **moving),
        "AVIF": encoded(clear, "AVIF", **facts),
        "moving AVIF": encoded(image, "AVIF", **moving),
        "HEIC": encoded(clear, "HEIC", exif=facts["exif"], xmp=facts["xmp"]),
        "ICO": encoded(clear.resize((64, 64)), "ICO", sizes=[(64, 64), (16, 16)]),
        "bitmap ICO": encoded(clear.resize((64, 64)), "ICO", bitmap_format="bmp"),
    }


def _mutated(data: bytes, others: Sequence[bytes], chance: random.Random) -> bytes:
    """A file with one to eight changes, most of them where its structure is."""
    changed = bytearray(data)
    for _ in range(chance.choice((1, 1, 1, 2, 4, 8))):
        size = len(changed)
        at = chance.randrange(min(size, chance.choice((64, 1024, size))))
        end = min(size, at + chance.choice((1, 2, 4, 16, 256)))
        match chance.randrange(8):
            case 0:
                changed[at] ^= 1 << chance.randrange(8)
            case 1:
                changed[at] = chance.choice(_EXTREMES)
            case 2:  # a length, an offset or a size
                width = chance.choice((2, 4))
                value = chance.choice((0, 1, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF, size))
                number = (value & (1 << 8 * width) - 1).to_bytes(width)
                changed[at : at + width] = number if chance.randrange(2) else number[::-1]
            case 3:
                del changed[at:end]
            case 4:
                changed[at:at] = changed[at:end] * chance.choice((1, 2, 50))
            case 5:
                changed[at:end] = chance.randbytes(end - at)
            case 6:
                other = chance.choice(others)
                begin = chance.randrange(len(other))
                changed[at:end] = other[begin : begin + end - at]
            case _:
                del changed[max(at, 32) :]
        if not changed:
            return data
    return bytes(changed)


def keep(report: Report, folder: Path) -> list[Path]:
    """Write the files that were found into a folder."""
    paths = []
    for name, data in report.finds.items():
        paths.append(folder / name)
        paths[-1].write_bytes(data)
    return paths


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("seconds", type=float)
    parser.add_argument("--seed", type=int, default=time.time_ns())
    options = parser.parse_args()
    report = fuzz(options.seconds, options.seed)
    print(f"{report}; seed {options.seed}")
    for path in keep(report, FINDS):
        print(path)
    raise SystemExit(bool(report.finds))


if __name__ == "__main__":
    main()
