"""What the filter of system calls answers, on both architectures: its program is run here."""

import errno
import struct

import pytest

from vignette.images import seccomp

ALLOWED, KILLED, REFUSED, UNKNOWN = (
    0x7FFF0000,
    0x80000000,
    0x00050000 | errno.EPERM,
    0x00050000 | errno.ENOSYS,
)
AUDIT_ARCHITECTURE = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}

# asm/unistd_64.h and asm-generic/unistd.h; arm64 has no fork and no vfork of its own.
CLONE = {"x86_64": 56, "aarch64": 220}
HARMFUL = {
    "x86_64": {
        "fork": 57,
        "vfork": 58,
        "execve": 59,
        "execveat": 322,
        "kill": 62,
        "tkill": 200,
        "tgkill": 234,
        "rt_sigqueueinfo": 129,
        "rt_tgsigqueueinfo": 297,
        "pidfd_send_signal": 424,
        "prlimit64": 302,
        "setsid": 112,
        "setpgid": 109,
        "setpriority": 141,
        "ptrace": 101,
        "process_vm_readv": 310,
        "process_vm_writev": 311,
        "prctl": 157,
        "fcntl": 72,
        "ioctl": 16,
        "shmget": 29,
        "msgget": 68,
        "semget": 64,
        "memfd_create": 319,
        "io_uring_setup": 425,
        "add_key": 248,
        "unshare": 272,
        "openat": 257,
        "socket": 41,
        "sendmsg": 46,
        "symlinkat": 266,
    },
    "aarch64": {
        "execve": 221,
        "execveat": 281,
        "kill": 129,
        "tkill": 130,
        "tgkill": 131,
        "rt_sigqueueinfo": 138,
        "rt_tgsigqueueinfo": 240,
        "pidfd_send_signal": 424,
        "prlimit64": 261,
        "setsid": 157,
        "setpgid": 154,
        "setpriority": 140,
        "ptrace": 117,
        "process_vm_readv": 270,
        "process_vm_writev": 271,
        "prctl": 167,
        "fcntl": 25,
        "ioctl": 29,
        "shmget": 194,
        "msgget": 186,
        "semget": 190,
        "memfd_create": 279,
        "io_uring_setup": 425,
        "add_key": 217,
        "unshare": 97,
        "openat": 56,
        "socket": 198,
        "sendmsg": 211,
        "symlinkat": 36,
    },
}
THREAD = 0x003D0F00  # the flags that glibc and musl make threads with
FORK = 0x01200011
VFORK = 0x00004111

both = pytest.mark.parametrize("machine", ["x86_64", "aarch64"])


def outcome(machine: str, number: int, first: int = 0, *, architecture: int | None = None) -> int:
    """What the kernel would do with a call: linux/filter.h, as far as it is used."""
    if architecture is None:
        architecture = AUDIT_ARCHITECTURE[machine]
    call = struct.pack("=IIQ6Q", number, architecture, 0, first, *5 * [0])
    steps = list(struct.iter_unpack("=HBBI", seccomp.program(machine)))
    at = word = 0
    while True:
        code, if_so, if_not, value = steps[at]
        at += 1
        match code:
            case 0x20:  # BPF_LD | BPF_W | BPF_ABS
                (word,) = struct.unpack_from("=I", call, value)
            case 0x15:  # BPF_JMP | BPF_JEQ
                at += if_so if word == value else if_not
            case 0x35:  # BPF_JMP | BPF_JGE
                at += if_so if word >= value else if_not
            case 0x45:  # BPF_JMP | BPF_JSET
                at += if_so if word & value else if_not
            case 0x06:  # BPF_RET
                return int(value)
            case _:
                raise AssertionError(hex(code))


@both
def test_threads_can_be_made_and_processes_cannot(machine: str) -> None:
    assert outcome(machine, CLONE[machine], THREAD) == ALLOWED
    for flags in (FORK, VFORK, 0, THREAD & ~0x00010000, 0xFFFEFFFF):
        assert outcome(machine, CLONE[machine], flags) == REFUSED
    assert outcome(machine, CLONE[machine], 0x00010000 << 32) == REFUSED


@both
def test_harm_is_refused(machine: str) -> None:
    answers = {name: outcome(machine, number) for name, number in HARMFUL[machine].items()}
    assert answers == dict.fromkeys(answers, REFUSED)


def test_the_same_harm_was_looked_at_on_both() -> None:
    assert HARMFUL["x86_64"].keys() - {"fork", "vfork"} == HARMFUL["aarch64"].keys()


@both
def test_only_what_is_named_is_allowed(machine: str) -> None:
    column = list(AUDIT_ARCHITECTURE).index(machine)
    allowed = [number for number in range(1000) if outcome(machine, number) == ALLOWED]
    assert allowed == sorted(numbers[column] for numbers in seccomp._ALLOWED.values())
    assert len(allowed) == len(seccomp._ALLOWED)


@both
def test_new_calls_fail_as_on_an_older_kernel(machine: str) -> None:
    assert outcome(machine, 435, THREAD) == UNKNOWN  # clone3
    assert outcome(machine, 0x3FFFFFFF) == UNKNOWN


@both
def test_numbers_of_another_architecture_end_the_process(machine: str) -> None:
    for architecture in {*AUDIT_ARCHITECTURE.values(), 0x40000003, 0x40000028, 0}:
        if architecture != AUDIT_ARCHITECTURE[machine]:
            assert outcome(machine, 0, architecture=architecture) == KILLED
    assert outcome(machine, 0x40000000) == KILLED  # x32's read
    assert outcome(machine, 0xFFFFFFFF) == KILLED
