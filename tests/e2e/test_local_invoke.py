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
def engine() -> None:
    """Skips where nothing can run Lambda's image."""
    if not docker.has_engine():
        pytest.skip("sam local invoke needs a Docker engine, and none answers")


@pytest.mark.usefixtures("engine")
@pytest.mark.parametrize("event", _EVENTS, ids=lambda path: path.stem)
def test_an_event_works_in_lambdas_image(
    stack: dict[str, Any], tmp_path: Path, event: Path
) -> None:
    facts = tmp_path / "stack.json"
    facts.write_text(json.dumps(stack))
    invoked = subprocess.run(
        [
            *(".local/venv/ministack/bin/python", "local/invoke.py", str(event)),
            *("--stack", str(facts)),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert invoked.returncode == 0, invoked.stderr
    answer = json.loads(invoked.stdout)
    if event.stem.startswith(("thumbnails-", "failed_photos-")):
        assert answer is None
    elif event.stem.startswith("cleanup-"):
        assert answer == {"batchItemFailures": []}
    else:
        assert answer["statusCode"] < 500, answer
