"""Find the Python this project runs on and give every tool an environment in the checkout.

    python3 local/bootstrap.py ministack sam -- local/stack.py --port 3000

makes sure that the named environments exist and are up to date, then runs the command after
``--`` with the Python of the first one. It uses the standard library only and runs on whatever
Python 3.8 or newer the machine has: the right one is what it looks for.
"""

import fcntl
import glob
import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
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
    "uv": (LOCAL / "venv/uv", ROOT / "local/uv.txt"),
    "lambda": (LOCAL / "venv/lambda", None),
}

PROBE = """
import ensurepip, json, sys, venv
print(json.dumps(["%d.%d" % sys.version_info[:2], sys.version.split()[0], sys.executable]))
"""

HELP = """Python {wanted} is needed and was not found on this machine. Install it one of these ways:
  Debian, Ubuntu   apt install python{wanted} python{wanted}-venv
  Fedora           dnf install python{wanted}
  macOS            brew install python@{wanted}
  pyenv            pyenv install {wanted}
  uv               uv python install {wanted}"""


def say(text):
    """Report progress as one plain line."""
    print("==> " + text, flush=True)


def probe(candidate):
    """Return (version, path) of a Python of the wanted version that can make environments."""
    try:
        answer = subprocess.run(
            [candidate, "-c", PROBE],
            cwd=str(ROOT),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=60,
            check=True,
        )
        series, version, path = json.loads(answer.stdout.decode())
    except (OSError, ValueError, subprocess.SubprocessError):
        return None
    return (version, path) if series == WANTED else None


def find_uv():
    """Return the path of an installed uv, or None."""
    home = str(Path.home())
    places = [home + "/.local/bin/uv", home + "/.cargo/bin/uv", str(LOCAL / "venv/uv/bin/uv")]
    return shutil.which("uv") or next((p for p in places if os.access(p, os.X_OK)), None)


def candidates():
    """Yield paths that may be a Python of the wanted version, the nearest first."""
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


def fetch_python():
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


def find_python():
    """Return (version, path) of a Python of the wanted version, or exit saying what to install."""
    for attempt in (None, fetch_python):
        if attempt:
            attempt()
        for candidate in candidates():
            found = probe(candidate)
            if found:
                return found
    sys.exit(HELP.format(wanted=WANTED))


def install(name, python, version=""):
    """Create the environment `name` from its lock file, or leave it if it is up to date."""
    directory, lock = ENVIRONMENTS[name]
    wanted = hashlib.sha256((lock.read_bytes() if lock else b"") + version.encode()).hexdigest()
    stamp = directory / "installed"
    if stamp.exists() and stamp.read_text() == wanted:
        return
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
    stamp.write_text(wanted)


def main():
    """Set up the environments named on the command line, then run the command after ``--``."""
    words = sys.argv[1:]
    at = words.index("--") if "--" in words else len(words)
    names, command = words[:at], words[at + 1 :]
    LOCAL.mkdir(exist_ok=True)
    with open(str(LOCAL / "bootstrap.lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two starts in one checkout must not install twice
        started = time.monotonic()
        python = None
        for name in names:
            python = python or find_python()
            install(name, python[1], python[0])
        if time.monotonic() - started > 5:
            say("Environments are ready (Python %s, %s)" % python[:2])
    if command:
        interpreter = str(ENVIRONMENTS[names[0]][0] / "bin/python")
        os.chdir(str(ROOT))
        os.execv(interpreter, [interpreter, *command])


if __name__ == "__main__":
    main()
