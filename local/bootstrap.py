"""Find the Python this project runs on and give every tool an environment in the checkout.

    python3 local/bootstrap.py ministack sam -- local/stack.py --port 3000

makes sure that the named environments exist and are up to date, then runs the command after
``--`` with the Python of the first one. It uses the standard library only and runs on whatever
Python 3.8 or newer the machine has: the right one is what it looks for.
"""

from __future__ import annotations

import fcntl
import glob
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOCAL = ROOT / ".local"
WANTED = (ROOT / ".python-version").read_text().strip()

# Environment -> (its directory, its lock file). The tools' pins contradict each other's, so each
# has an environment of its own. `lambda` stays empty: it is the runtime that functions get, which
# carries no package that their layers do not bring.
ENVIRONMENTS = {
    "dev": (ROOT / ".venv", ROOT / "tests/requirements.txt"),
    "ministack": (LOCAL / "venv/ministack", ROOT / "local/ministack.txt"),
    "sam": (LOCAL / "venv/sam", ROOT / "local/sam.txt"),
    "checkov": (LOCAL / "venv/checkov", ROOT / "local/checkov.txt"),
    "uv": (LOCAL / "venv/uv", ROOT / "local/uv.txt"),
    "lambda": (LOCAL / "venv/lambda", None),
}

# Fails where environments cannot be made, as with Debian's Python without its venv package.
PROBE = "import ensurepip, sys, venv; print('%d.%d' % sys.version_info[:2])"

HELP = """Python {wanted} is needed and was not found on this machine. Install it one of these ways:
  Debian, Ubuntu   apt install python{wanted} python{wanted}-venv
  Fedora           dnf install python{wanted}
  macOS            brew install python@{wanted}
  pyenv            pyenv install {wanted}
  uv               uv python install {wanted}"""


def say(text: str) -> None:
    """Report progress as one plain line."""
    print("==> " + text, flush=True)


def is_wanted(candidate: str) -> bool:
    """Whether this is a Python of the wanted version that can make environments."""
    try:
        answer = subprocess.run(
            [candidate, "-c", PROBE],
            cwd=str(ROOT),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=60,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return False
    return answer.stdout.decode().strip() == WANTED


def find_uv() -> str | None:
    """The path of an installed uv, or None."""
    home = str(Path.home())
    places = [home + "/.local/bin/uv", home + "/.cargo/bin/uv", str(LOCAL / "venv/uv/bin/uv")]
    return shutil.which("uv") or next((p for p in places if os.access(p, os.X_OK)), None)


def candidates() -> Iterator[str]:
    """Paths that may be a Python of the wanted version, the nearest first."""
    name = "python" + WANTED
    yield sys.executable
    yield name
    roots = [os.environ.get("PYENV_ROOT"), str(Path.home() / ".pyenv")]
    for root in filter(None, roots):
        yield from sorted(glob.glob(root + "/versions/" + WANTED + "*/bin/" + name), reverse=True)
    yield from sorted(glob.glob(str(LOCAL / "python/*/bin" / name)), reverse=True)
    for prefix in ("/opt/homebrew", "/usr/local"):
        yield prefix + "/opt/python@" + WANTED + "/bin/" + name
    yield "/Library/Frameworks/Python.framework/Versions/" + WANTED + "/bin/" + name
    uv = find_uv()
    if uv:
        found = subprocess.run(
            [uv, "python", "find", "--no-project", WANTED],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        yield found.stdout.decode().strip() or name


def fetch_python() -> None:
    """Let uv fetch a Python into the checkout; without a uv, get one with pip first."""
    if not find_uv():
        say("No Python " + WANTED + " here; getting uv to fetch one")
        try:
            install("uv", sys.executable)
        except (OSError, subprocess.SubprocessError, SystemExit):
            return
    uv = find_uv()
    if uv:
        say("Fetching Python " + WANTED + " with uv")
        subprocess.run([uv, "python", "install", "--install-dir", str(LOCAL / "python"), WANTED])


def find_python() -> str:
    """The path of a Python of the wanted version, or exit saying what to install."""
    for fetch in (False, True):
        if fetch:
            fetch_python()
        for candidate in candidates():
            if is_wanted(candidate):
                return candidate
    sys.exit(HELP.format(wanted=WANTED))


def stamp(name: str) -> str:
    """What identifies the environment `name` as it should be."""
    directory, lock = ENVIRONMENTS[name]
    wanted = hashlib.sha256(lock.read_bytes() if lock else b"")
    wanted.update((WANTED + str(directory)).encode())
    return wanted.hexdigest()


def is_ready(name: str) -> bool:
    """Whether the environment `name` is there and up to date."""
    directory = ENVIRONMENTS[name][0]
    mark = directory / "installed"
    works = os.access(str(directory / "bin/python"), os.X_OK)
    return works and mark.exists() and mark.read_text() == stamp(name)


def install(name: str, python: str) -> None:
    """Create the environment `name` from its lock file; exit with pip's words if that fails."""
    directory, lock = ENVIRONMENTS[name]
    say("Setting up " + str(directory.relative_to(ROOT)))
    bare = [] if lock else ["--without-pip"]
    subprocess.run([python, "-m", "venv", "--clear", *bare, str(directory)], check=True)
    if lock:
        pip = [str(directory / "bin/python"), "-m", "pip", "--disable-pip-version-check", "install"]
        only = ["--require-hashes", "--no-deps", "--only-binary", ":all:", "--no-compile"]
        with open(str(LOCAL / "install.log"), "w") as log:
            done = subprocess.run([*pip, *only, "--requirement", str(lock)], stdout=log, stderr=log)
        if done.returncode:
            last = "\n".join((LOCAL / "install.log").read_text().splitlines()[-15:])
            sys.exit(last + "\nInstalling " + lock.name + " failed; see .local/install.log")
    if name == "dev":
        # Like the build of the imaging layer: the face detector is tested here too.
        (packages,) = glob.glob(str(directory / "lib/python*/site-packages"))
        take_weights = str(ROOT / "layers/imaging/take_weights.py")
        subprocess.run([sys.executable, take_weights, packages, packages], check=True)
    (directory / "installed").write_text(stamp(name))


def main() -> None:
    """Set up the environments named on the command line, then run the command after ``--``."""
    words = sys.argv[1:]
    at = words.index("--") if "--" in words else len(words)
    names, command = words[:at], words[at + 1 :]
    LOCAL.mkdir(exist_ok=True)
    with open(str(LOCAL / "bootstrap.lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two starts in one checkout must not install twice
        missing = [name for name in names if not is_ready(name)]
        python = find_python() if missing else ""
        for name in missing:
            install(name, python)
    if command:
        interpreter = str(ENVIRONMENTS[names[0]][0] / "bin/python")
        os.chdir(str(ROOT))
        os.execv(interpreter, [interpreter, *command])  # noqa: S606


if __name__ == "__main__":
    main()
