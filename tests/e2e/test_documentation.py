"""Every command that README and docs print runs as printed, top to bottom in one shell."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from tests.e2e import docker
from tests.e2e.conftest import ROOT

_BLOCK = re.compile(r"^```sh(?: (\w+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_PAGES = ["README.md", *sorted(str(page.relative_to(ROOT)) for page in ROOT.glob("docs/*.md"))]
# What the stack of this test is started by, and what this test is a part of.
_TWO_COMMANDS = re.compile(r"^make (run|test)\b.*$", re.MULTILINE)


def _script(page: str, *left_out: str) -> str:
    """The blocks of a page but those that need what is not here."""
    blocks = _BLOCK.findall((ROOT / page).read_text("utf-8"))
    return "\n".join(_TWO_COMMANDS.sub("", text) for mark, text in blocks if mark not in left_out)


@pytest.fixture
def checkout(stack: dict[str, Any], tmp_path: Path) -> Path:
    """The files of the project, with the facts of this test's stack where `make run` puts them."""
    for entry in ROOT.iterdir():
        if entry.name != ".local":
            (tmp_path / entry.name).symlink_to(entry)
    local = tmp_path / ".local"
    local.mkdir()
    for entry in (ROOT / ".local").iterdir():
        if entry.name != "stack.json":
            (local / entry.name).symlink_to(entry)
    (local / "stack.json").write_text(json.dumps(stack))
    return tmp_path


@pytest.mark.parametrize("page", [page for page in _PAGES if _script(page, "aws").strip()])
def test_the_commands_of_a_page_run_as_printed(
    page: str, stack: dict[str, Any], checkout: Path
) -> None:
    left_out = ["aws"] if docker.has_engine() else ["aws", "docker"]
    script = _script(page, *left_out).replace("http://localhost:3000", stack["baseUrl"])
    # curl fails where the service refuses, which it does not do by itself.
    strict = 'set -euo pipefail\ncurl() { command curl --fail-with-body --show-error "$@"; }\n'
    done = subprocess.run(
        ["bash", "-c", strict + script],
        cwd=checkout,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout


def test_the_two_commands_are_targets_of_the_makefile() -> None:
    first = _BLOCK.findall((ROOT / "README.md").read_text("utf-8"))[0][1]
    targets = re.findall(r"^(\w+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
    assert re.findall(r"^make (\w+)", first, re.MULTILINE) == ["run", "test"]
    assert {"run", "test"} <= set(targets)
