"""The commands of whoever operates the service, run as they are typed, on the deployed stack."""

import json
import os
import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.conftest import ROOT, Client, eventually
from tests.e2e.roles import Role

PYTHON = ROOT / ".local/venv/ministack/bin/python"


class Operator:
    """Somebody in a shell, in the checkout."""

    def __init__(self, client: Client, folder: Path) -> None:
        file = folder / "stack.json"
        file.write_text(json.dumps(client.stack))
        self.environment = {**os.environ, "STACK_FILE": str(file), "PYTHONPATH": "layers/vignette"}
        # What a stack of the caller's own would be reached with.
        self.environment |= {
            "AWS_ACCESS_KEY_ID": client.stack["accessKeyId"],
            "AWS_DEFAULT_REGION": client.stack["region"],
            "AWS_ENDPOINT_URL": client.stack["awsEndpointUrl"],
            "AWS_SECRET_ACCESS_KEY": client.stack["secretAccessKey"],
        }

    def make(self, *words: str) -> "subprocess.CompletedProcess[str]":
        """Run `make` with its output in one text."""
        return subprocess.run(
            ["make", "--no-print-directory", *words],
            cwd=ROOT,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=300,
        )

    def start(self, command: str, *options: str) -> "subprocess.Popen[str]":
        """Start a command, to interrupt it."""
        return subprocess.Popen(
            [PYTHON, "-m", f"tools.{command}", *options],
            cwd=ROOT,
            env=self.environment,
            stdout=subprocess.PIPE,
            text=True,
        )


@pytest.fixture
def operator(client: Client, tmp_path: Path) -> Operator:
    return Operator(client, tmp_path)


@pytest.fixture
def nothing_is_left(client: Client) -> Iterator[None]:
    before = users(client)
    yield
    assert users(client) == before


def users(client: Client) -> Any:
    return client.http.get("/v1/users/count", headers=client.key).json()["total_count"]


@pytest.mark.usefixtures("nothing_is_left")
@pytest.mark.parametrize("options", [[], ["STACK=vignette"]], ids=["local", "with credentials"])
def test_smoke_says_in_ten_lines_that_everything_works(
    client: Client, operator: Operator, options: list[str]
) -> None:
    token = client.user_headers(client.stack["userId"])["Authorization"].removeprefix("Bearer ")
    done = operator.make("smoke", f"URL={client.stack['baseUrl']}", f"TOKEN={token}", *options)
    lines = done.stdout.splitlines()
    assert (done.returncode, len(lines)) == (0, 10), done.stdout
    assert all(line.startswith("works ") for line in lines), done.stdout


@pytest.mark.usefixtures("nothing_is_left")
def test_smoke_says_what_does_not_work_and_cleans_up_all_the_same(
    client: Client, operator: Operator
) -> None:
    with Role(client, "clerk_pictures").without("s3:PutObject"):
        done = operator.make("smoke")
    verdicts = {line[11:30].strip(): line[:10].strip() for line in done.stdout.splitlines()}
    assert done.returncode != 0
    assert verdicts.pop("Clerk: picture") == "FAILS", done.stdout
    assert {name for name, verdict in verdicts.items() if verdict == "FAILS"} <= {""}
    assert verdicts["cleaned up"] == "works"


@pytest.mark.usefixtures("nothing_is_left")
def test_smoke_cleans_up_when_it_is_interrupted(client: Client, operator: Operator) -> None:
    before = users(client)
    smoke = operator.start("smoke")
    assert eventually(lambda: users(client) > before)
    smoke.send_signal(signal.SIGINT)
    output, _ = smoke.communicate(timeout=60)
    assert smoke.returncode == 130
    assert re.search("^works +cleaned up", output, re.MULTILINE), output


def test_smoke_sends_the_key_to_no_other_address(client: Client, operator: Operator) -> None:
    done = operator.make("smoke", "URL=http://localhost:9")
    assert done.returncode != 0
    assert "STACK=NAME" in done.stdout
