"""What a photo does that has taken over its decoder: each of these is run in place of `process`.

`begin` makes a helper of it: see the fixture `taken_over` of the tests of hostile pictures.
"""

import ctypes
import json
import os
import socket
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from vignette.crop import CENTRE, Framing
from vignette.images import Result, Wanted, helper

PLACEHOLDER = "3EgKFwhpaIVPh2aHVnh5aIdp+SVif0IG"

PROGRAM = """
import sys
sys.path[:] = sys.argv[2:]
from tests.photos import intruder
intruder.begin("{action}", int(sys.argv[1]))
"""


def begin(action: str, control_fd: int) -> None:
    helper.CPU_SECONDS, helper.SECONDS = 1, 2
    helper.process = globals()[action]
    helper.serve(control_fd)


def answer(width: int, height: int, renditions: Mapping[str, bytes]) -> Result:
    """An answer in which all but these is as it should be."""
    return Result(width, height, CENTRE, Framing.CENTRE, PLACEHOLDER, renditions)


def told(findings: object) -> Result:
    """Findings, as renditions that the function accepts."""
    body = json.dumps(findings).encode()
    file = b"RIFF" + (4 + len(body)).to_bytes(4, "little") + b"WEBP" + body
    return answer(1, 1, {str(size): file for size in Wanted().squares})


def sleeping(data: bytes, wanted: Wanted) -> Result:
    while True:
        time.sleep(1)


def computing(data: bytes, wanted: Wanted) -> Result:
    while True:
        pass


def hoarding(data: bytes, wanted: Wanted) -> Result:
    held = []
    while True:
        held.append(bytearray(1 << 20))


def crashing(data: bytes, wanted: Wanted) -> Result:
    os.abort()


def failing(data: bytes, wanted: Wanted) -> Result:
    raise KeyError("anything at all")


def writing(data: bytes, wanted: Wanted) -> Result:
    """Fill the log, and the function's memory."""
    os.write(1, b"written by a photo\n")
    os.write(2, b"written by a photo\n")
    return answer(1, 1, {"512": bytes(100 << 20)})


def remembering(data: bytes, wanted: Wanted) -> Result:
    """Leave something for the next photo to find."""
    found = getattr(helper, "left", None)
    helper.left = "left by the photo before"  # type: ignore[attr-defined]
    return told(found)


def spying(data: bytes, wanted: Wanted) -> Result:
    """Look for all that is not the photo's business."""
    libc = ctypes.CDLL(None, use_errno=True)
    above = [os.getppid(), int(data)]  # the helper, and the function

    def attempt(action: Callable[[], object]) -> str:
        try:
            return f"done: {action()!r}"
        except OSError as error:
            return type(error).__name__

    def attach(process: int) -> None:
        if libc.ptrace(16, process, 0, 0):  # PTRACE_ATTACH
            raise OSError(ctypes.get_errno(), "ptrace")

    def read_memory(process: int) -> None:
        buffer = ctypes.create_string_buffer(8)
        part = (ctypes.c_size_t * 2)(ctypes.addressof(buffer), 8)
        other = (ctypes.c_size_t * 2)(id(None), 8)
        if libc.process_vm_readv(process, part, 1, other, 1, 0) < 0:
            raise OSError(ctypes.get_errno(), "process_vm_readv")

    open_files = []
    for descriptor in range(256):
        try:
            os.fstat(descriptor)
        except OSError:
            continue
        open_files.append(descriptor)
    return told(
        {
            "environment": dict(os.environ),
            "modules": sorted(sys.modules),
            "open files": open_files,
            "user": os.getuid(),
            "attempts": {
                "open a file": attempt(lambda: Path("/etc/passwd").read_bytes()),
                "open a file to write": attempt(lambda: Path("/tmp/intruder").write_bytes(b"")),
                "connect": attempt(socket.socket),
                **{
                    f"{name} of {who}": attempt(lambda act=act, who=who: act(who))  # type: ignore[misc]
                    for name, act in (("attach", attach), ("memory", read_memory))
                    for who in above
                },
            },
        }
    )
