"""What a photo does that has taken over its decoder: each of these is run in place of `process`.

`begin` makes a helper of it: see the fixture `taken_over` of the tests of hostile pictures.
"""

import ctypes
import errno
import fcntl
import json
import mmap
import os
import resource
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from vignette.crop import CENTRE, Framing
from vignette.images import Result, Wanted, helper

PLACEHOLDER = "3EgKFwhpaIVPh2aHVnh5aIdp+SVif0IG"

MUCH, PART = 1200 << 20, 50 << 20  # bytes
PRIVATE = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
GROWS_DOWN = 0x100
LIFE_SECONDS = 5

libc: Any = ctypes.CDLL(None, use_errno=True)
libc.mmap.restype = ctypes.c_void_p
libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_long]
libc.mprotect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]

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


def attempt(action: Callable[[], object]) -> str:
    """What comes of an attempt: the name of an error if it is refused."""
    try:
        return f"done: {action()!r}"
    except OSError as error:
        return type(error).__name__


def checked(result: int | None) -> int:
    """What a function of libc has answered, unless it has failed."""
    if result is None or result in (-1, ctypes.c_size_t(-1).value):
        raise OSError(ctypes.get_errno(), "refused")
    return result


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
    above = [os.getppid(), int(data)]  # the helper, and the function

    def attach(process: int) -> None:
        checked(libc.ptrace(16, process, 0, 0))  # PTRACE_ATTACH

    def read_memory(process: int) -> None:
        buffer = ctypes.create_string_buffer(8)
        part = (ctypes.c_size_t * 2)(ctypes.addressof(buffer), 8)
        other = (ctypes.c_size_t * 2)(id(None), 8)
        checked(libc.process_vm_readv(process, part, 1, other, 1, 0))

    open_files = []
    for descriptor in range(256):
        if libc.recv(descriptor, None, 0, socket.MSG_DONTWAIT) == 0 or (
            ctypes.get_errno() != errno.EBADF
        ):
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


def forking(data: bytes, wanted: Wanted) -> Result:
    """Stay after the photo, in a process with time of its own."""

    def fork() -> int:
        child = os.fork()
        if child == 0:
            time.sleep(LIFE_SECONDS)
            os._exit(0)
        return child

    sleep = ["/bin/sleep", str(LIFE_SECONDS)]
    return told(
        {
            "fork": attempt(fork),
            "vfork": attempt(lambda: os.posix_spawn(sleep[0], sleep, {})),
            "leave the group": attempt(lambda: os.setpgid(0, 0)),
            "leave the session": attempt(os.setsid),
            "become another program": attempt(lambda: os.execv("/bin/false", ["false"])),
        }
    )


def killing(data: bytes, wanted: Wanted) -> Result:
    """End and slow down others: this tries what it might do to any process of its user."""
    me = os.getpid()
    return told(
        {
            "kill": attempt(lambda: os.kill(me, 0)),
            "kill all": attempt(lambda: os.kill(-1, 0)),
            "queue a signal": attempt(lambda: checked(libc.sigqueue(me, signal.SIGCHLD, None))),
            "signal a thread": attempt(
                lambda: signal.pthread_kill(threading.get_ident(), signal.SIGCHLD)
            ),
            "have signals sent": attempt(lambda: fcntl.fcntl(0, fcntl.F_SETOWN, me)),
            "limit": attempt(lambda: resource.prlimit(me, resource.RLIMIT_CORE, (0, 0))),
            "slow down": attempt(lambda: os.setpriority(os.PRIO_PROCESS, me, 19)),
            "bind to a processor": attempt(lambda: os.sched_setaffinity(me, {0, 1})),
            "live without the helper": attempt(lambda: checked(libc.prctl(1, 0, 0, 0, 0))),
        }
    )


def sharing(data: bytes, wanted: Wanted) -> Result:
    """Take memory that is not counted as data."""

    def take(flags: int) -> int:
        return checked(libc.mmap(None, MUCH, mmap.PROT_READ | mmap.PROT_WRITE, flags, -1, 0))

    def write_protected() -> None:
        for _ in range(MUCH // PART):
            part = libc.mmap(None, PART, mmap.PROT_READ | mmap.PROT_WRITE, PRIVATE, -1, 0)
            checked(libc.mprotect(checked(part), PART, mmap.PROT_READ))

    return told(
        {
            "shared": attempt(lambda: take(mmap.MAP_SHARED | mmap.MAP_ANONYMOUS)),
            "a stack": attempt(lambda: take(PRIVATE | GROWS_DOWN)),
            "write-protected": attempt(write_protected),
        }
    )


def leaving(data: bytes, wanted: Wanted) -> Result:
    """Leave something for the next photo, where it needs to open nothing."""
    return told(
        {
            "a link": attempt(lambda: os.symlink("left by a photo", "/tmp/intruder-link")),
            "a directory": attempt(lambda: os.mkdir("/tmp/intruder-directory")),
            "shared memory": attempt(lambda: checked(libc.shmget(0, 4096, 0))),
            "a queue": attempt(lambda: checked(libc.msgget(0, 0))),
            "a semaphore": attempt(lambda: checked(libc.semget(0, 1, 0))),
        }
    )


def outstaying(data: bytes, wanted: Wanted) -> Result:
    """Heed no signal that can be blocked."""
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    return sleeping(data, wanted)
