"""A decoder in a process of its own, for formats whose files can ask for any amount of work.

AVIF and HEIC hold video frames. A file of a few kilobytes can hold thousands of frames of which
none is shown, frames larger than the container says, and pictures pasted from other pictures;
their decoders bound none of this. A child process can be limited by the kernel, and ended.
"""

import os
import resource
import select
import signal
import struct
import time
from collections.abc import Callable
from pathlib import Path

from PIL import Image

from vignette.images.unreadable import UnreadableImage, reading

SECONDS = 8
DATA_BYTES = 420 * 1024 * 1024  # on top of what the function holds already

_HEADER = struct.Struct("<4sII")  # Pillow's mode, width, height
_OUT_OF_MEMORY = b"out of memory"


def isolated(make: Callable[[], Image.Image]) -> Image.Image:
    """What `make` returns, made in a child process: an RGB or RGBA image of some pixels.

    Raises:
        UnreadableImage: `too_many_pixels` where `make` ran out of memory (`DATA_BYTES`),
            `corrupt_image` where it failed, crashed, or took longer than `SECONDS`.
    """
    readable, writable = os.pipe()
    child = os.fork()
    if child == 0:
        _run_and_exit(make, writable)
    os.close(writable)
    try:
        answer = _read_all(readable, time.monotonic() + SECONDS)
    finally:
        os.close(readable)
        os.kill(child, signal.SIGKILL)  # it has answered, or is not going to
        os.waitpid(child, 0)
    if answer == _OUT_OF_MEMORY:
        raise UnreadableImage("too_many_pixels")
    with reading():
        mode, width, height = _HEADER.unpack_from(answer)
        return Image.frombytes(
            mode.decode().strip(), (width, height), memoryview(answer)[_HEADER.size :]
        )


def _run_and_exit(make: Callable[[], Image.Image], writable: int) -> None:
    """The child's whole life. It leaves by `_exit`: nothing of the parent's is flushed twice."""
    try:
        limit = _data_in_use() + DATA_BYTES
        resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        try:
            image = make()
            answer = _HEADER.pack(image.mode.ljust(4).encode(), *image.size) + image.tobytes()
        except Exception as error:
            # libavif and libheif report it in words.
            if not isinstance(error, MemoryError) and "memory" not in str(error).lower():
                raise
            answer = _OUT_OF_MEMORY
        rest = memoryview(answer)
        while rest:
            rest = rest[os.write(writable, rest) :]
    finally:
        os._exit(0)


def _data_in_use() -> int:
    """The bytes that count towards RLIMIT_DATA: proc(5), statm; where there is none, nothing."""
    try:
        pages = Path("/proc/self/statm").read_text().split()[5]
    except FileNotFoundError:
        return 0
    return int(pages) * resource.getpagesize()


def _read_all(readable: int, deadline: float) -> bytes:
    """Everything until the other end closes, or nothing if that is later than the deadline."""
    parts: list[bytes] = []
    while select.select([readable], [], [], max(0.0, deadline - time.monotonic()))[0]:
        part = os.read(readable, 1 << 20)
        if not part:
            return b"".join(parts)
        parts.append(part)
    return b""
