"""Functions as Lambda runs them, without Docker: AWS's runtime interface emulator and client.

The emulator comes with SAM CLI, the client from the package index; a function runs in the empty
environment `lambda` with what `sam build` made, its layers merged into one directory like /opt.
"""

import http.client
import importlib.metadata
import json
import os
import platform
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from packaging.requirements import Requirement
from tests.template import template

ROOT = Path(__file__).parent.parent.parent
LOCAL = ROOT / ".local"
BUILD = LOCAL / "build"
WORK = LOCAL / "bench"
PYTHON = LOCAL / "venv/lambda/bin/python"
CONTENDERS = Path(__file__).parent / "contenders"
_EMULATOR = LOCAL / "venv/sam/lib/python3.13/site-packages/samcli/local/rapid"
_MACHINES = {"x86_64": "x86_64", "aarch64": "arm64"}
_START_SECONDS = 30


@dataclass(frozen=True, slots=True)
class Function:
    """A function's code, and the directories that its packages are found in."""

    code: Path
    packages: tuple[Path, ...]


@dataclass(frozen=True, slots=True)
class Usage:
    """What a function's processes use: CPU time in ms until now, memory in MiB at present."""

    cpu: float
    memory: float


class Lambda:
    """One execution environment of a function."""

    def __init__(self, function: Function, environment: Mapping[str, str]) -> None:
        port, other = _free_ports()
        self._address = ("127.0.0.1", port)
        path = os.pathsep.join(map(str, (function.code, *function.packages)))
        self._process = subprocess.Popen(
            [
                *(_EMULATOR / f"aws-lambda-rie-{_MACHINES[platform.machine()]}",),
                *("--log-level", "fatal"),
                *("--runtime-interface-emulator-address", f"127.0.0.1:{port}"),
                *("--runtime-api-address", f"127.0.0.1:{other}"),
                *(PYTHON, "-m", "awslambdaric", "app.handler"),
            ],
            cwd=function.code,
            env={
                "PATH": os.environ["PATH"],
                "LANG": "en_US.UTF-8",
                "TZ": ":UTC",
                "PYTHONPATH": path,
                "PYTHONDONTWRITEBYTECODE": "1",  # /opt and /var/task are read-only
                "LAMBDA_TASK_ROOT": str(function.code),
                "AWS_LAMBDA_FUNCTION_NAME": "bench",
                "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "1024",
                "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
                **environment,
            },
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for process in (*_children(self._process.pid), self._process.pid):
            try:
                os.kill(process, signal.SIGKILL)
            except ProcessLookupError:
                continue
        self._process.wait()

    def invoke(self, event: Mapping[str, Any]) -> float:
        """Send an event, and answer with the milliseconds until its successful answer."""
        body = json.dumps(event)
        started = time.perf_counter()
        deadline = started + _START_SECONDS
        while True:
            connection = http.client.HTTPConnection(*self._address, timeout=_START_SECONDS)
            try:
                connection.request("POST", "/2015-03-31/functions/function/invocations", body)
                break
            except ConnectionRefusedError:
                assert time.perf_counter() < deadline, "the emulator does not start"
                time.sleep(0.001)
        with connection.getresponse() as response:
            answer = json.load(response)
        took = 1000 * (time.perf_counter() - started)
        connection.close()
        # An event of S3 is answered with nothing.
        assert answer is None or answer.get("statusCode", 500) < 300, answer
        return took

    def usage(self) -> Usage:
        """What the function's process and those that it has started have used until now."""
        (pid,) = _children(self._process.pid)
        usages = [_usage(each) for each in (pid, *_children(pid))]
        return Usage(sum(each.cpu for each in usages), sum(each.memory for each in usages))


def built(logical_id: str) -> Function:
    """A function that `sam build` made, with its layers."""
    document = template()
    properties = document["Resources"][logical_id]["Properties"]
    layers = [
        layer["Ref"]
        for each in (document["Globals"]["Function"], properties)
        for layer in each.get("Layers", [])
    ]
    merged = WORK / "opt" / "-".join(layers)
    if not merged.exists():
        for layer in layers:
            shutil.copytree(BUILD / layer, merged, copy_function=os.link, dirs_exist_ok=True)
    return Function(BUILD / logical_id, (merged / "python", _runtime()))


def contender(name: str, *distributions: str) -> Function:
    """Another function, with packages as its developers would ship them, and with bytecode."""
    return Function(CONTENDERS / name, (_packaged(name, *distributions), _runtime()))


def reset() -> None:
    """Forget the directories that earlier runs have put together."""
    shutil.rmtree(WORK / "opt", ignore_errors=True)
    shutil.rmtree(WORK / "packages", ignore_errors=True)


def _runtime() -> Path:
    return _packaged("runtime", "awslambdaric")


def _packaged(name: str, *distributions: str) -> Path:
    """A directory with some distributions of this environment and all that they require."""
    directory = WORK / "packages" / name
    if directory.exists():
        return directory
    directory.mkdir(parents=True)
    wanted, seen = list(distributions), set[str]()
    while wanted:
        distribution = importlib.metadata.distribution(wanted.pop())
        if distribution.name in seen:
            continue
        seen.add(distribution.name)
        for file in distribution.files or ():
            if ".." not in file.parts and "__pycache__" not in file.parts:
                copy = directory / file
                copy.parent.mkdir(parents=True, exist_ok=True)
                os.link(Path(str(file.locate())), copy)
        for line in distribution.requires or ():
            requirement = Requirement(line)
            if not requirement.marker or requirement.marker.evaluate({"extra": ""}):
                wanted.append(requirement.name)
    compile_all = ["-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash"]
    subprocess.run([PYTHON, *compile_all, directory], check=True)
    return directory


def _usage(pid: int) -> Usage:
    """What a process has used, the processor time of its children that have ended included."""
    tasks = Path(f"/proc/{pid}/task").iterdir()
    nanoseconds = sum(int((task / "schedstat").read_text().split()[0]) for task in tasks)
    # proc(5): cutime and cstime, the 14th and 15th fields behind the name.
    numbers = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    children = (int(numbers[13]) + int(numbers[14])) / os.sysconf("SC_CLK_TCK")
    status = Path(f"/proc/{pid}/status").read_text().splitlines()
    (memory,) = (line.split()[1] for line in status if line.startswith("VmRSS:"))
    return Usage(nanoseconds / 1e6 + 1000 * children, int(memory) / 1024)


def _children(pid: int) -> Iterator[int]:
    for task in Path(f"/proc/{pid}/task").iterdir():
        yield from map(int, (task / "children").read_text().split())


@contextmanager
def _reserved() -> Iterator[int]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        yield int(probe.getsockname()[1])


def _free_ports() -> tuple[int, int]:
    with _reserved() as one, _reserved() as other:
        return one, other
