"""Every file of events/ works with `sam local invoke`, where there is a Docker engine."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from tests.e2e import docker
from tests.e2e.conftest import ROOT

_EVENTS = sorted((ROOT / "events").glob("*.json"))


@pytest.fixture(scope="module")
def image(stack: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> None:
    """Lambda's image is here, in its newest version; skips where nothing can run it."""
    if not docker.has_engine():
        pytest.skip("sam local invoke needs a Docker engine, and none answers")
    pulled = invoke(stack, tmp_path_factory.mktemp("facts"), _EVENTS[0])
    assert pulled.returncode == 0, pulled.stderr


def invoke(
    stack: dict[str, Any], folder: Path, event: Path, *options: str
) -> "subprocess.CompletedProcess[str]":
    facts = folder / "stack.json"
    facts.write_text(json.dumps(stack))
    return subprocess.run(
        [
            *(".local/venv/ministack/bin/python", "local/invoke.py", str(event)),
            *("--stack", str(facts), *options),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.mark.usefixtures("image")
@pytest.mark.parametrize("event", _EVENTS, ids=lambda path: path.stem)
def test_an_event_works_in_lambdas_image(
    stack: dict[str, Any], tmp_path: Path, event: Path
) -> None:
    invoked = invoke(stack, tmp_path, event, "--skip-pull-image")
    assert invoked.returncode == 0, invoked.stderr
    answer = json.loads(invoked.stdout)
    if event.stem.startswith(("thumbnails-", "failed_photos-")):
        assert answer is None
    elif event.stem.startswith("cleanup-"):
        assert answer == {"batchItemFailures": []}
    else:
        assert answer["statusCode"] < 500, answer
