"""Run one function in Lambda's image on one event, against the local stack that is running.

    python local/invoke.py events/profiles-create-user.json

is `sam local invoke` with the environment that the deployed function has, and with `${secretKey}`
and the like in the event replaced by what the stack's `stack.json` says. Needs Docker.
"""

import argparse
import ipaddress
import json
import os
import shutil
import socket
import socketserver
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from string import Template
from typing import Any
from urllib.parse import urlsplit

import boto3
from samtranslator.yaml_helper import yaml_parse

import data

ROOT = Path(__file__).resolve().parent.parent
LOCAL = ROOT / ".local"
BUILD = LOCAL / "build"
HOST = "host.docker.internal"  # this machine, as Docker Desktop's containers call it


def main() -> int:
    """Invoke the function whose name the event's file starts with; return sam's exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("event", type=Path, help="a file of events/")
    parser.add_argument("--stack", type=Path, default=data.FACTS, help="its stack.json")
    arguments = parser.parse_args()
    if not arguments.stack.exists():
        print("No stack is running; start one with `make run`.", file=sys.stderr)
        return 1
    facts = json.loads(arguments.stack.read_text())
    function = arguments.event.name.split("-")[0].title().replace("_", "")
    with (
        _reachable(urlsplit(facts["awsEndpointUrl"]).port or 80) as endpoint,
        tempfile.NamedTemporaryFile("w", suffix=".yaml", dir=BUILD) as template,
        tempfile.NamedTemporaryFile("w", suffix=".json") as event,
    ):
        json.dump(_deployed(facts, function, endpoint), template)
        event.write(Template(arguments.event.read_text()).safe_substitute(facts))
        for file in (template, event):
            file.flush()
        return subprocess.run(
            [
                *(str(LOCAL / "venv/sam/bin/sam"), "local", "invoke", function),
                *("--template", template.name, "--event", event.name),
                *("--add-host", f"{HOST}:host-gateway"),
                "--skip-pull-image",  # one that is here is not asked for again: works offline
            ],
            env=os.environ
            | {
                "AWS_ACCESS_KEY_ID": facts["accessKeyId"],
                "AWS_SECRET_ACCESS_KEY": facts["secretAccessKey"],
                "AWS_DEFAULT_REGION": facts["region"],
                # sam asks whose account it is: the stack answers, not AWS. The general variable
                # would also replace the address that the function has for the stack.
                "AWS_ENDPOINT_URL_STS": facts["awsEndpointUrl"],
                "SAM_CLI_TELEMETRY": "0",
            },
            check=False,
        ).returncode


def _deployed(facts: dict[str, Any], function: str, seen_from_container: str) -> dict[str, Any]:
    """The built template, with the environment that the deployed function has."""
    session = boto3.Session(
        facts["accessKeyId"], facts["secretAccessKey"], region_name=facts["region"]
    )
    endpoint = facts["awsEndpointUrl"]
    physical = session.client("cloudformation", endpoint_url=endpoint).describe_stack_resource(
        StackName=facts["stackName"], LogicalResourceId=function
    )["StackResourceDetail"]["PhysicalResourceId"]
    deployed = session.client("lambda", endpoint_url=endpoint).get_function_configuration(
        FunctionName=physical
    )
    template: dict[str, Any] = yaml_parse((BUILD / "template.yaml").read_text())
    template["Resources"][function]["Properties"]["Environment"] = {
        "Variables": deployed["Environment"]["Variables"]
        | {"AWS_ENDPOINT_URL": seen_from_container}
    }
    return template


@contextmanager
def _reachable(port: int) -> Iterator[str]:
    """The stack's address as containers call it, while this lasts.

    The stack listens on the loopback addresses only, so it is forwarded from Docker's bridge.
    Docker Desktop does that itself; there the bridge's address is not one of this machine.
    """
    subnet = subprocess.run(
        ["docker", "network", "inspect", "bridge", "--format", "{{(index .IPAM.Config 0).Subnet}}"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    bridge = str(ipaddress.ip_network(subnet)[1])  # what Docker calls host-gateway

    class Server(socketserver.ThreadingTCPServer):
        allow_reuse_address = True
        daemon_threads = True

    class Forward(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with socket.create_connection(("127.0.0.1", port)) as stack:
                back = threading.Thread(target=_copy, args=(stack, self.request), daemon=True)
                back.start()
                _copy(self.request, stack)
                back.join()

    try:
        server = Server((bridge, port), Forward)
    except OSError:
        yield f"http://{HOST}:{port}"
        return
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://{bridge}:{port}"
    finally:
        server.shutdown()
        server.server_close()


def _copy(source: socket.socket, sink: socket.socket) -> None:
    with source.makefile("rb", 0) as reading, sink.makefile("wb", 0) as writing:
        shutil.copyfileobj(reading, writing)
    sink.shutdown(socket.SHUT_WR)


if __name__ == "__main__":
    sys.exit(main())
