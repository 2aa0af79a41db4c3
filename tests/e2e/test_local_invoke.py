"""Every file of events/ works with `sam local invoke`, where Docker and Lambda's image are."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.conftest import ROOT

_IMAGES = "public.ecr.aws/lambda/python"
_EVENTS = sorted((ROOT / "events").glob("*.json"))


@pytest.fixture(scope="module")
def docker() -> None:
    """Skips, and says why, where there is nothing to run Lambda's image with."""
    if not shutil.which("docker"):
        pytest.skip("sam local invoke needs Docker, which is not installed")
    found = subprocess.run(
        ["docker", "images", "--quiet", _IMAGES], capture_output=True, text=True, check=False
    )
    if found.returncode:
        pytest.skip("sam local invoke needs a Docker engine, and none answers")
    if not found.stdout:
        pytest.skip(f"sam local invoke needs the image {_IMAGES}, which is not here")


@pytest.mark.usefixtures("docker")
@pytest.mark.parametrize("event", _EVENTS, ids=lambda path: path.stem)
def test_an_event_works_in_lambdas_image(
    stack: dict[str, Any], tmp_path: Path, event: Path
) -> None:
    facts = tmp_path / "stack.json"
    facts.write_text(json.dumps(stack))
    invoked = subprocess.run(
        [
            *(".local/venv/ministack/bin/python", "local/invoke.py", str(event)),
            *("--stack", str(facts), "--skip-pull-image"),
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
