"""Clerk's SDK for JavaScript, with only its URL changed, against the deployed service."""

import json
import os
import re
import subprocess
import uuid
from pathlib import Path
from typing import Any

from tests.e2e import npm
from tests.e2e.conftest import PHOTOS, Client
from tests.ids import IDS

SDK = Path(__file__).parent / "clerk"


def test_every_call_of_the_javascript_sdk_works(stack: dict[str, Any], client: Client) -> None:
    """The calls and what they have to answer are in clerk/sdk.test.mjs."""
    npm.install(SDK)
    me = client.user_headers(f"user_{uuid.uuid4().hex[:27]}")
    environment = {
        **os.environ,
        "API_URL": stack["baseUrl"],
        "SECRET_KEY": stack["secretKey"],
        "PHOTOS": str(PHOTOS),
        "IDS": json.dumps(IDS),
        "TOKEN": me["Authorization"].removeprefix("Bearer "),
    }
    done = subprocess.run(
        ["node", "--test", "--test-reporter=spec"],
        cwd=SDK,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    passed = re.search(r"pass (\d+)", done.stdout)
    assert passed, done.stdout
    assert int(passed[1]) == (SDK / "sdk.test.mjs").read_text().count("\ntest(")
