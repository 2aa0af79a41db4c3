"""The few system calls that are left to a process which decodes a photo.

Decoding needs memory, threads and the channel. With all formats that is eighteen calls on x86_64,
one of which does no more than name a thread. They are allowed, with those that another C library
may make in their place, and all others are refused. A list of what is refused would be longer, and
never complete: processes and signals, but also a priority, a link in /tmp, a queue, a key that the
kernel keeps, an owner of the channel to whom signals go.

Sources: seccomp(2), prctl(2), clone(2), and the headers of Linux: linux/seccomp.h, linux/filter.h,
linux/audit.h, asm/unistd_64.h for x86_64, asm-generic/unistd.h for arm64.
"""

import ctypes
import errno
import os
import struct
import sys

# The calls that are allowed: their numbers on x86_64, and on arm64.
_ALLOWED = {
    # memory
    "mmap": (9, 222),
    "mprotect": (10, 226),
    "munmap": (11, 215),
    "brk": (12, 214),
    "mremap": (25, 216),
    "madvise": (28, 233),
    # threads; `clone` may make them, and no processes: see `program`
    "futex": (202, 98),
    "set_robust_list": (273, 99),
    "rseq": (334, 293),
    "sched_yield": (24, 124),
    "sched_getaffinity": (204, 123),
    "exit": (60, 93),
    "exit_group": (231, 94),
    # what is open: the channel, and /dev/null
    "read": (0, 63),
    "write": (1, 64),
    "sendto": (44, 206),
    "recvfrom": (45, 207),
    # its own handling of signals
    "rt_sigaction": (13, 134),
    "rt_sigprocmask": (14, 135),
    "rt_sigreturn": (15, 139),
    "sigaltstack": (131, 132),
    # time
    "restart_syscall": (219, 128),
    "nanosleep": (35, 101),
    "clock_gettime": (228, 113),
    "clock_getres": (229, 114),
    "clock_nanosleep": (230, 115),
    "gettimeofday": (96, 169),
    # chance, the machine, and itself
    "getrandom": (318, 278),
    "getcpu": (309, 168),
    "sysinfo": (99, 179),
    "getpid": (39, 172),
    "getppid": (110, 173),
    "gettid": (186, 178),
    "getuid": (102, 174),
}
_CLONE = (56, 220)
_SECCOMP = (317, 277)
_NEWER = 435  # clone3, and what came to Linux after it: the same numbers on both
_X32 = 0x40000000  # from here on the numbers of another ABI of x86_64

# AUDIT_ARCH_*, which is how the kernel tells whose numbers it gets; and whose column above that is.
_MACHINES = {"x86_64": (0xC000003E, 0), "aarch64": (0xC00000B7, 1)}

_PR_SET_NO_NEW_PRIVS = 38
_SET_MODE_FILTER, _SPEC_ALLOW = 1, 4
_CLONE_THREAD = 0x00010000

# Instructions of BPF: load a word, compare it, return.
_LOAD, _EQUAL, _AT_LEAST, _HAS_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
# What there is to load, as offsets in struct seccomp_data; of an argument the lower half.
_NUMBER, _ARCHITECTURE, _FIRST_ARGUMENT = 0, 4, 16
# What becomes of a call.
_ALLOW, _KILL, _FAIL = 0x7FFF0000, 0x80000000, 0x00050000

_Instruction = tuple[int, int, int, int]  # what, how many to skip if so and if not, a value

_libc = ctypes.CDLL(None, use_errno=True)


class _Program(ctypes.Structure):
    """`struct sock_fprog` of linux/filter.h."""

    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p))


class Filter:
    """The filter for this machine, made once for many processes."""

    def __init__(self, machine: str) -> None:
        instructions = program(machine)
        self._program = _Program(len(instructions) // 8, instructions)
        _, column = _MACHINES[machine]
        # Without _SPEC_ALLOW, a kernel before 5.16 slows the process down in order to keep its
        # secrets from code that it runs itself. It has no secrets.
        self._arguments = (
            *(_SECCOMP[column], _SET_MODE_FILTER, _SPEC_ALLOW),
            ctypes.byref(self._program),
        )
        self._syscall = _libc.syscall

    def apply(self) -> None:
        """Leave this process, while it has one thread, nothing but what is allowed.

        Raises:
            OSError: The kernel does not take the filter.
        """
        if self._syscall(*self._arguments):
            raise OSError(ctypes.get_errno(), "seccomp")


def prepare() -> Filter | None:
    """A filter for children of this process, or None where the kernel does not take it.

    This process and its children can gain no privileges from then on, as the kernel demands.
    """
    machine = os.uname().machine
    if sys.platform != "linux" or machine not in _MACHINES:
        return None
    _libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    prepared = Filter(machine)
    # Whether it works, a child tries: a container may forbid it, and an emulator of this machine
    # may give the kernel the numbers of another.
    child = os.fork()
    if child == 0:
        try:
            prepared.apply()
            os._exit(0)
        finally:
            os._exit(1)
    _, status = os.waitpid(child, 0)
    return prepared if status == 0 else None


def program(machine: str) -> bytes:
    """The filter for a machine, "x86_64" or "aarch64": instructions of BPF, 8 bytes each.

    A refused call fails with EPERM. A call that is newer than the tables fails with ENOSYS, as on
    an older kernel: the C library then makes threads with `clone` in place of `clone3`. The number
    of another architecture ends the process.
    """
    architecture, column = _MACHINES[machine]
    refusing = _returning(_FAIL | errno.EPERM)
    answers = {numbers[column]: _returning(_ALLOW) for numbers in _ALLOWED.values()}
    answers[_CLONE[column]] = [
        (_LOAD, 0, 0, _FIRST_ARGUMENT),
        (_HAS_BIT, 0, 1, _CLONE_THREAD),
        *_returning(_ALLOW),
        *refusing,
    ]
    ranges = [(0, refusing)]
    for number in range(_NEWER):
        answer = answers.get(number, refusing)
        if answer != ranges[-1][1]:
            ranges.append((number, answer))
    ranges += [(_NEWER, _returning(_FAIL | errno.ENOSYS)), (_X32, _returning(_KILL))]
    instructions = [
        (_LOAD, 0, 0, _ARCHITECTURE),
        (_EQUAL, 1, 0, architecture),
        *_returning(_KILL),
        (_LOAD, 0, 0, _NUMBER),
        *_looking_up(ranges),
    ]
    return b"".join(struct.pack("=HBBI", *each) for each in instructions)


def _returning(outcome: int) -> list[_Instruction]:
    return [(_RETURN, 0, 0, outcome)]


def _looking_up(ranges: list[tuple[int, list[_Instruction]]]) -> list[_Instruction]:
    """Halve the ranges of numbers, each given by its first one and an answer, until one is left.

    The kernel runs a new filter once for every number there is, so it has to be short.
    """
    if len(ranges) == 1:
        return ranges[0][1]
    middle = len(ranges) // 2
    below, above = _looking_up(ranges[:middle]), _looking_up(ranges[middle:])
    return [(_AT_LEAST, len(below), 0, ranges[middle][0]), *below, *above]
