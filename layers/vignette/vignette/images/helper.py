"""The decoder's own program: it loads the decoders, and forks once for every photo.

It is started by `isolation`, with an empty environment. It never looks at more of a photo than
the bytes that tell the format. A child reads the rest, after it has given up all that it can do
but compute: the kernel limits its time and memory, and refuses it files, connections, processes and
signals to others. It ends with its photo.
"""

import ctypes
import gc
import logging
import os
import resource
import signal
import socket
import sys

from vignette.images import formats, seccomp
from vignette.images.isolation import forbid_inspection
from vignette.images.messages import Result, UnreadableImage, Wanted, pack_reason
from vignette.images.photo import load_detector, open_photo, placeholder

# What a child may use: at most twice what the costliest photos take that people send. Those are of
# 50 megapixels and 10 MiB: HEIC for time, AVIF with all of its colours for memory (SECURITY.md).
CPU_SECONDS = 4
SECONDS = 20  # of the clock, on however busy a machine
MEMORY_BYTES = 640 * 1024 * 1024

# Parameters of mallopt(3), and of madvise(2).
_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -2, -3, -8
_MADV_HUGEPAGE = 14
_HUGE_PAGE = 2 * 1024 * 1024
_HEAP_BYTES = 64 * 1024 * 1024
_MORE_THAN_LEFT = 512 * 1024  # bytes that a heap without those has to grow for

_MAX_REQUEST_BYTES = 64 * 1024
_PR_SET_PDEATHSIG = 1  # prctl(2)
_NOBODY = 65534

_libc = ctypes.CDLL(None)
_libc.malloc.restype, _libc.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
_libc.madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]


def serve(control_fd: int) -> None:
    """Fork for every photo that the function tells of, until it ends."""
    control = socket.socket(fileno=control_fd)
    forbid_inspection()
    # What is loaded stays, and no child lives long enough to need a collection.
    gc.freeze()
    gc.disable()
    has_own_heap = hasattr(_libc, "mallopt")  # glibc's
    if not has_own_heap:
        logging.getLogger(__name__).warning("no heap of large pages: there is no mallopt")
    filter_ = seccomp.prepare()
    if filter_ is None:
        logging.getLogger(__name__).warning("system calls are not filtered: there is no seccomp")
    child: int
    signal.signal(signal.SIGALRM, lambda *_: os.kill(child, signal.SIGKILL))
    while True:
        try:
            message, descriptors, _, _ = socket.recv_fds(control, _MAX_REQUEST_BYTES, 1)
        except ConnectionError:  # the function has given up before it heard of the fork
            return
        if not descriptors:
            return
        with socket.socket(fileno=descriptors[0]) as channel:
            # A child can open no file: what it will need is loaded here.
            formats.load(channel.recv(formats.SIGNATURE_BYTES, socket.MSG_PEEK))
            wanted = Wanted.unpack(message[4:])
            if wanted.find_faces and wanted.crop is None:
                load_detector()
            child = os.fork()
            if child == 0:
                control.close()
                size = int.from_bytes(message[:4])
                _process_and_exit(channel, size, wanted, filter_, has_own_heap=has_own_heap)
        control.send(b"\0")
        signal.alarm(SECONDS)  # for a child that heeds no alarm of its own
        os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
        signal.alarm(0)
        os.waitpid(child, 0)  # until here no other process can have its number


def _set_up_heap() -> None:
    """Give this process a heap of large pages, on top of what it has.

    A child begins without memory, and the kernel has to clear it page by page. With large pages
    that is next to nothing (docs/decisions.md). The child does it: a page that its parent has used
    is copied in small ones.
    """
    for name, value in (
        (_M_ARENA_MAX, 1),  # threads use the same heap
        (_M_MMAP_THRESHOLD, _HEAP_BYTES // 2),
        (_M_TRIM_THRESHOLD, 2 * _HEAP_BYTES),
        (_M_TOP_PAD, _HEAP_BYTES),
    ):
        _libc.mallopt(name, value)
    block = _libc.malloc(_MORE_THAN_LEFT)  # the heap grows
    end = block + _MORE_THAN_LEFT
    begin = -(-end // _HUGE_PAGE) * _HUGE_PAGE
    _libc.madvise(begin, _HEAP_BYTES, _MADV_HUGEPAGE)
    _libc.malloc(begin - end)  # nobody uses it: what is used are large pages


def _process_and_exit(
    channel: socket.socket,
    size: int,
    wanted: Wanted,
    filter_: seccomp.Filter | None,
    *,
    has_own_heap: bool,
) -> None:
    """What a child does, from beginning to end."""
    try:
        if has_own_heap:
            _set_up_heap()
        _give_up_rights(filter_)
        data = channel.recv(size, socket.MSG_WAITALL)
        channel.sendall(_answer(data, wanted))
    finally:
        os._exit(0)


def _answer(data: bytes, wanted: Wanted) -> bytes:
    try:
        return process(data, wanted).pack()
    except UnreadableImage as unreadable:
        return pack_reason(unreadable.reason)


def process(data: bytes, wanted: Wanted) -> Result:
    """Make the renditions of a photo in this process.

    Raises:
        UnreadableImage: `unsupported_format`, `corrupt_image` or `too_many_pixels`.
    """
    photo = open_photo(data)
    renditions = {name: photo.whole(side, wanted.quality) for name, side in wanted.wholes.items()}
    framed = photo.framed(max(wanted.squares), crop=wanted.crop, find_faces=wanted.find_faces)
    renditions |= {
        str(made.size): made.body
        for made in photo.renditions(wanted.squares, wanted.quality, framed)
    }
    smallest = renditions[str(min(wanted.squares))]
    return Result(
        photo.width, photo.height, framed.crop, framed.framing, placeholder(smallest), renditions
    )


def _give_up_rights(filter_: seccomp.Filter | None) -> None:
    """Leave this process nothing but a processor, some memory and the channel."""
    os.dup2(1, 2)  # no messages of decoders, nor of an attacker, in the log
    most_address_space = _most_address_space()
    if os.geteuid() == 0:  # on a developer's machine, where the kernel would forbid root little
        os.setgroups([])
        os.setgid(_NOBODY)
        os.setuid(_NOBODY)
    if sys.platform == "linux":
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)  # not as the helper does
    signal.alarm(SECONDS)
    for limit, most in (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_CPU, CPU_SECONDS),
        (resource.RLIMIT_AS, most_address_space),
        (resource.RLIMIT_NOFILE, 0),  # open files stay open
    ):
        resource.setrlimit(limit, (most, most))
    if filter_ is not None:
        filter_.apply()


def _most_address_space() -> int:
    """The most that RLIMIT_AS lets this process have; where there is no proc(5), any amount.

    Not RLIMIT_DATA: memory that is shared, or that nothing writes to any more, is not data.
    """
    try:
        with open("/proc/self/statm", "rb", buffering=0) as file:
            pages = file.read().split()[0]
    except FileNotFoundError:
        return resource.RLIM_INFINITY
    return int(pages) * resource.getpagesize() + MEMORY_BYTES
