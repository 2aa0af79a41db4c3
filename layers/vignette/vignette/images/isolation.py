"""The decoder seen from the function: a process that has no credentials and cannot get at any.

A decoder is a hundred thousand lines of C that read a stranger's bytes. Files exist that ask it
for any amount of work or memory, and some take it over. So the functions load no decoder. They
start a helper (`helper`), which is another program: nothing of this one's memory is in it, and its
environment is empty. For every photo it forks a child, which the kernel limits and ends.
"""

import ctypes
import os
import socket
import subprocess
import sys
from contextlib import suppress

from vignette.errors import Unavailable
from vignette.images.messages import Result, UnreadableImage, Wanted, unpack_answer

# Longer than a child lives (`helper`): after that no answer comes any more.
_SECONDS = 22
_GRACE_SECONDS = 1
_MAX_ANSWER_BYTES = 32 * 1024 * 1024

_PROGRAM = """
import sys
sys.path[:] = sys.argv[2:]
from vignette.images.helper import serve
serve(int(sys.argv[1]))
"""

# The helper gets the variable that finds shared libraries, without which Lambda's Python does not
# start. NumPy must not start threads of its own for algebra.
_ENVIRONMENT = {
    **{name: os.environ[name] for name in ("LD_LIBRARY_PATH",) if name in os.environ},
    "OPENBLAS_NUM_THREADS": "1",
}

_PR_SET_DUMPABLE = 4  # prctl(2)


def process(data: bytes, wanted: Wanted) -> Result:
    """Make the renditions of a photo, in a process of its own.

    One photo at a time, as a function has one event at a time.

    Raises:
        UnreadableImage: `empty`, `unsupported_format`, `too_many_pixels` where its width times
            its height is over `settings.MAX_PIXELS` or where decoding takes more memory than a
            photo needs, `corrupt_image` where decoding fails, crashes or takes more time than that.
        Unavailable: where there is no decoder; trying again is safe.
    """
    if not data:
        raise UnreadableImage("empty")
    try:
        return unpack_answer(start().ask(data, wanted), wanted)
    except ValueError as error:
        raise UnreadableImage("corrupt_image") from error


def start() -> "Helper":
    """Start the helper unless it runs, so that it is ready when the first photo comes."""
    global _helper
    if _helper is None or not _helper.is_running():
        stop()
        _helper = Helper()
    return _helper


def stop() -> None:
    """End the helper, if there is one."""
    global _helper
    if _helper is not None:
        _helper.stop()
        _helper = None


def forbid_inspection() -> None:
    """Forbid other processes of the same user to read this one's memory or environment."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)


class Helper:
    """The helper's process, and the socket that tells it of photos."""

    def __init__(self) -> None:
        forbid_inspection()
        self._control, others = socket.socketpair()
        with others:
            number = others.fileno()
            self._process = subprocess.Popen(  # noqa: S603, of fixed words
                [sys.executable, "-I", "-S", "-c", _PROGRAM, str(number), *sys.path],
                env=_ENVIRONMENT,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=[number],
            )
        self._control.settimeout(_SECONDS)

    def is_running(self) -> bool:
        """Whether it can be told of a photo."""
        return self._process.poll() is None

    def stop(self) -> None:
        """End it, and wait for its end."""
        self._control.close()  # it ends then, unless its child holds the socket open
        try:
            self._process.wait(_GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()  # and the child with it
            self._process.wait()

    def ask(self, data: bytes, wanted: Wanted) -> bytes:
        """Send a photo to a child and return the bytes of its answer, which may be incomplete.

        Raises:
            Unavailable: The decoder does not run.
        """  # noqa: DOC501  (TimeoutError is caught)
        channel, others = socket.socketpair()
        with channel:
            channel.settimeout(_SECONDS)
            with others, suppress(OSError):  # the helper has ended; that is noticed below
                socket.send_fds(
                    self._control,
                    [len(data).to_bytes(4) + wanted.pack()],
                    [others.fileno()],
                )
            answer = bytearray()
            try:
                with suppress(ConnectionError):  # the child has ended
                    channel.sendall(data)
                    while part := channel.recv(1 << 20):
                        answer += part
                        if len(answer) > _MAX_ANSWER_BYTES:
                            raise TimeoutError
            except TimeoutError:
                stop()
                return b""
        # The helper tells when it has forked: whatever goes wrong after that, the photo has caused.
        try:
            forked = self._control.recv(1)
        except OSError:
            forked = b""
        if not forked:
            raise Unavailable("The decoder does not run.")
        return bytes(answer)


_helper: Helper | None = None
