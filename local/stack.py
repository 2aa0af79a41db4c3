"""Run the service on this machine: build it, deploy it into MiniStack, serve it.

    python local/stack.py [--port 3000] [--state .local]

runs in the environment `ministack` (see bootstrap.py). Everything is kept under the state
directory; `stack.json` there says where the stack answers and is only there while it does.
"""

import argparse
import asyncio
import contextlib
import fcntl
import hashlib
import json
import os
import runpy
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
from botocore.exceptions import ClientError
from samtranslator.yaml_helper import yaml_parse

import data
import emulator
import keys
import routes
import welcome
from page import Page

if TYPE_CHECKING:
    from gateway import Gateway

ROOT = Path(__file__).resolve().parent.parent
LOCAL = ROOT / ".local"
BUILD = LOCAL / "build"
REGION = "us-east-1"
STACK = "vignette"
ISSUER = "https://identity.vignette.test"
AUDIENCE = "vignette"
APP_ID = "vignette"
INPUTS = ("template.yaml", "functions", "layers")
_START_SECONDS = 240  # that MiniStack may take to listen, on however busy a machine


class StackError(Exception):
    """A step failed; the message says which and where to read more."""


def say(text: str) -> None:
    """Report progress as one plain line."""
    print(f"==> {text}", flush=True)


def main() -> int:
    """Run the stack until it is interrupted; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--port", type=int, default=3000, help="port of everything")
    parser.add_argument("--state", type=Path, default=LOCAL, help="directory of state and logs")
    arguments = parser.parse_args()
    state: Path = arguments.state.resolve()
    state.mkdir(parents=True, exist_ok=True)
    with (state / "running").open("a+") as running:
        try:
            fcntl.flock(running, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(f"A stack with its state in {state} is running already.", file=sys.stderr)
            return 1
        (state / "stack.json").unlink(missing_ok=True)  # of a stack that was killed
        try:
            return asyncio.run(Stack(state, arguments.port).run())
        except StackError as error:
            print(f"\n{error}", file=sys.stderr)
            return 1
        finally:
            (state / "stack.json").unlink(missing_ok=True)


class Stack:
    """One MiniStack with the service deployed into it."""

    def __init__(self, state: Path, port: int) -> None:
        self._state = state
        self._port = port
        self._credentials = keys.admin_credentials(state / "keys")
        self._users_key = keys.signing_key(state / "keys", "users")
        self._admin_key = keys.signing_key(state / "keys", "admin-api")
        # SAM CLI gets what the person's shell has, for pip's sake, but not their AWS account, nor
        # what `make` was told: the layers have Makefiles of their own.
        foreign = ("AWS_", "MAKE", "MFLAGS")
        self._environment = {k: v for k, v in os.environ.items() if not k.startswith(foreign)}
        self._endpoint = f"http://127.0.0.1:{port}"
        self._children: set[subprocess.Popen[str]] = set()
        self._stopping = threading.Event()

    async def run(self) -> int:
        """Serve, deploy what changed, say how to use it, and wait to be stopped."""
        hosts = _loopback_hosts(self._port)
        emulator.configure(
            self._state, self._port, REGION, self._credentials, LOCAL / "venv/lambda/bin/python"
        )
        say("Starting MiniStack")
        from gateway import Gateway  # imports MiniStack, which `configure` has to precede

        emulator.mend(self._state)
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, self._stop, stop)
        front = Gateway(self._port)
        serving = asyncio.create_task(front.run(hosts, stop))
        starting = asyncio.create_task(asyncio.to_thread(self._start, front))
        try:
            await asyncio.wait({serving, starting}, return_when=asyncio.FIRST_COMPLETED)
            if not self._stopping.is_set():
                await starting
                await serving
        finally:
            self._stop(stop)
            await asyncio.gather(serving, starting, return_exceptions=True)
            say("Stopped")
        return 0

    def _stop(self, stop: asyncio.Event) -> None:
        self._stopping.set()
        stop.set()
        for child in self._children:
            child.terminate()

    def _start(self, front: "Gateway") -> None:
        self._wait_until_up()
        key_id, key = self._credentials
        session = boto3.Session(key_id, key, region_name=REGION)
        self._build_and_deploy(session)
        outputs = self._outputs(session)
        http_api = session.client("apigatewayv2")
        resource = session.client("cloudformation").describe_stack_resource(
            StackName=STACK, LogicalResourceId="Api"
        )
        api = resource["StackResourceDetail"]["PhysicalResourceId"]
        api_routes = http_api.get_routes(ApiId=api)["Items"]
        front.serve_api(api, [route["RouteKey"] for route in api_routes])
        emulator.deliver_kept_events(self._state, session)
        secret = session.client("secretsmanager").get_secret_value(SecretId=outputs["SecretKeyArn"])
        facts = {
            "baseUrl": f"http://localhost:{self._port}",
            "secretKey": secret["SecretString"],
            "awsEndpointUrl": self._endpoint,
            "region": REGION,
            "stackName": STACK,
            "accessKeyId": self._credentials[0],
            "secretAccessKey": self._credentials[1],
            "jwtPrivateKeyFile": str(self._users_key.file),
            "jwtKeyId": self._users_key.key_id,
            "jwtIssuer": ISSUER,
            "jwtAudience": AUDIENCE,
            "appId": APP_ID,
            "adminKeyId": self._admin_key.key_id,
            "adminPrivateKeyFile": str(self._admin_key.file),
            "usersTable": outputs["UsersTable"],
            "uploadsTable": outputs["UploadsTable"],
            "bucket": outputs["BucketName"],
            "logs": str(self._state / "logs"),
            "pid": os.getpid(),
        }
        user = self._demo_user(facts)
        facts["userId"] = user
        facts["userToken"] = self._token(user)
        front.serve_page(Page(self._port, facts, self._token))
        if not self._stopping.is_set():
            keys.write_private(self._state / "stack.json", json.dumps(facts, indent=2) + "\n")
            print(welcome.text(facts), flush=True)

    def _token(self, user_id: str) -> str:
        token: str = self._users_key.token(issuer=ISSUER, audience=AUDIENCE, subject=user_id)
        return token

    def _wait_until_up(self) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", self._port), timeout=1).close()
                return
            time.sleep(0.05)
        raise StackError(f"MiniStack did not start; see {self._state / 'logs/ministack.log'}")

    def _build_and_deploy(self, session: boto3.Session) -> None:
        """Build what changed since the last build, deploy what changed since the last deploy."""
        with (LOCAL / "build.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # two stacks of one checkout share the build
            built = _digest(sys.version, *_inputs())
            stamp = LOCAL / "built"
            if not BUILD.exists() or not stamp.exists() or stamp.read_text() != built:
                stamp.unlink(missing_ok=True)
                self._sam_build()
                data.write(stamp, built)
            parameters = self._parameters()
            deployed = _digest(built, json.dumps(parameters))
            stamp = self._state / "deployed"
            if stamp.exists() and stamp.read_text() == deployed and self._is_deployed(session):
                return
            if stamp.exists():
                data.write(stamp, "not finished")
            emulator.expand_templates_with(parameters)
            self._sam_deploy(session, parameters)
            routes.create_routes(session, STACK)
            emulator.save_all()
            data.write(stamp, deployed)

    def _sam_build(self) -> None:
        say("Building functions and layers (sam build)")
        self._sam(
            "build",
            ["--cached", "--cache-dir", str(LOCAL / "build-cache"), "--build-dir", str(BUILD)],
            progress="Building ",
        )

    def _sam_deploy(self, session: boto3.Session, parameters: dict[str, str]) -> None:
        say("Deploying template.yaml into MiniStack (sam deploy)")
        artefacts = f"{STACK}-artefacts"
        session.client("s3").create_bucket(Bucket=artefacts)
        # As `make deploy` does.
        revised = runpy.run_path(str(ROOT / "tools/revision.py"))["revised"]
        template = BUILD / "template.yaml"
        data.write(template, revised(template.read_text(), parameters))
        self._sam(
            "deploy",
            [
                *("--template-file", str(template)),
                *("--stack-name", STACK),
                *("--s3-bucket", artefacts),
                *("--region", REGION),
                *("--capabilities", "CAPABILITY_IAM"),
                *("--no-confirm-changeset", "--no-fail-on-empty-changeset", "--no-progressbar"),
                "--parameter-overrides",
                *(f"{name}={json.dumps(value)}" for name, value in parameters.items()),
            ],
        )

    def _sam(self, command: str, options: list[str], progress: str = "\0") -> None:
        """Run a SAM CLI command, its output in a log file, lines of progress on the screen.

        Raises:
            StackError: The command failed.
        """
        log = self._state / f"logs/sam-{command}.log"
        tools = str(LOCAL / "venv/ministack/bin")
        environment = self._environment | {
            "AWS_ACCESS_KEY_ID": self._credentials[0],
            "AWS_ENDPOINT_URL": self._endpoint,
            "AWS_SECRET_ACCESS_KEY": self._credentials[1],
            "NO_PROXY": "127.0.0.1",
            "PATH": tools + os.pathsep + os.environ["PATH"],  # python3.13, for sam build
            "PYTHON": sys.prefix + "/bin/python",  # for the layers' Makefiles
            "WHEELS": "lambda" if _runs_lambda_wheels() else "host",
            "SAM_CLI_TELEMETRY": "0",
            "__SAM_CLI_APP_DIR": str(LOCAL / "sam"),
            "SAM_CLI_POLL_DELAY": "0.2",
        }
        sam = str(LOCAL / "venv/sam/bin/sam")
        with log.open("w") as output:
            child = subprocess.Popen(
                [sam, command, *options, "--config-env", "local"],
                cwd=ROOT,
                env=environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
            self._children.add(child)
            assert child.stdout  # noqa: S101
            for line in child.stdout:
                output.write(line)
                if line.startswith(progress):
                    say("  " + line.split(" runtime:")[0].split(" metadata:")[0].strip())
            self._children.discard(child)
        if child.wait():
            last = "".join(log.read_text().splitlines(keepends=True)[-15:])
            raise StackError(f"sam {command} failed; all of its output is in {log}\n{last}")

    def _parameters(self) -> dict[str, str]:
        """The values of those parameters of the template that this stack provides."""
        values = {
            "JwtIssuer": ISSUER,
            "JwtAudience": AUDIENCE,
            "JwtJwks": self._users_key.jwks(),
            "AdminApiAppId": APP_ID,
            "AdminApiJwks": self._admin_key.jwks(),
            "PublicOrigin": f"http://localhost:{self._port}",
        }
        declared = yaml_parse((ROOT / "template.yaml").read_text())["Parameters"]
        return {name: value for name, value in values.items() if name in declared}

    def _is_deployed(self, session: boto3.Session) -> bool:
        try:
            self._outputs(session)
        except ClientError:
            return False
        return True

    def _outputs(self, session: boto3.Session) -> dict[str, str]:
        stacks = session.client("cloudformation").describe_stacks(StackName=STACK)["Stacks"]
        return {o["OutputKey"]: o["OutputValue"] for o in stacks[0]["Outputs"]}

    def _demo_user(self, facts: dict[str, Any]) -> str:
        """The id of the user that the printed commands act as, created once.

        Raises:
            StackError: The user could not be created.
        """
        kept = self._state / "demo-user"
        users = facts["baseUrl"] + "/api/v1/shared/users"
        if kept.exists() and _call(f"{users}/{kept.read_text()}", facts["secretKey"])[0] == 200:
            return kept.read_text()
        person = {"firstName": "Ada", "lastName": "Lovelace", "email": "ada@example.com"}
        status, user = _call(users, facts["secretKey"], person)
        if status == 409:  # created by a stack that was killed before it wrote down whom
            found = f"{facts['baseUrl']}/v1/users?email_address={person['email']}"
            status, (user,) = _call(found, facts["secretKey"])
        if status not in (200, 201):
            raise StackError(f"The demo user could not be created: {status} {user}")
        data.write(kept, user["id"])
        return str(user["id"])


def _call(url: str, key: str, body: dict[str, str] | None = None) -> tuple[int, Any]:
    request = urllib.request.Request(  # noqa: S310
        url,
        data=json.dumps(body).encode() if body else None,
        headers={"Authorization": f"Bearer {key}", "Content-Type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode(errors="replace")


def _inputs() -> Iterator[bytes]:
    """The name and content of every file that goes into the build."""
    for name in INPUTS:
        top = ROOT / name
        for path in sorted([top] if top.is_file() else top.rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                yield str(path.relative_to(ROOT)).encode()
                yield path.read_bytes()


def _digest(*parts: str | bytes) -> str:
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        digest.update(len(data).to_bytes(8, "big") + data)
    return digest.hexdigest()


def _runs_lambda_wheels() -> bool:
    """Whether this machine can run the wheels that are built for Lambda."""
    machine = os.uname()
    return machine.sysname == "Linux" and machine.machine == "x86_64"


def _loopback_hosts(port: int) -> list[str]:
    """The addresses of `localhost` to listen on.

    Raises:
        StackError: Another program listens on the port.
    """
    hosts = []
    for family, host in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
        try:
            with socket.socket(family) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind((host, port))
        except OSError as error:
            if family == socket.AF_INET:
                raise StackError(
                    f"Port {port} cannot be used ({error.strerror}). "
                    f"Another can: make run PORT={port + 1}"
                ) from error
        else:
            hosts.append(f"[{host}]" if ":" in host else host)
    return hosts


if __name__ == "__main__":
    sys.exit(main())
