"""Whoever operates the service, with the commands of the Makefile."""

import json
import os
import signal
import subprocess
from pathlib import Path

from tests.e2e.conftest import ROOT, Client

_PYTHON = ROOT / ".local/venv/ministack/bin/python"


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
            [_PYTHON, "-m", f"tools.{command}", *options],
            cwd=ROOT,
            env=self.environment,
            stdout=subprocess.PIPE,
            text=True,
            # What a shell starts in the background ignores it.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        )
