"""Serve MiniStack and the HTTP API on one port, the API at the root as on AWS.

Everything below works inside MiniStack's own process. Its environment variables are read at
import, so `configure` comes before the first import of `ministack`.
"""

import asyncio
import logging
import os
import shutil
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

FUNCTION_FAILED = b'{"message":"Internal Server Error"}'

SERVICES = [
    "apigateway",
    "cloudformation",
    "cloudfront",
    "dynamodb",
    "dynamodbstreams",
    "events",
    "iam",
    "kms",
    "lambda",
    "logs",
    "monitoring",
    "s3",
    "secretsmanager",
    "sns",
    "sqs",
    "sts",
]


def configure(
    state: Path, port: int, region: str, credentials: tuple[str, str], function_python: Path
) -> None:
    """Set this process up as a MiniStack that keeps everything under `state`."""
    shutil.rmtree(state / "tmp", ignore_errors=True)
    (state / "tmp").mkdir(parents=True)
    (state / "logs").mkdir(exist_ok=True)
    # Functions inherit this environment: nothing of the account, proxies or settings of whoever
    # starts the stack belongs in it.
    kept = {name: os.environ[name] for name in ("HOME", "LANG", "PATH") if name in os.environ}
    os.environ.clear()
    os.environ |= kept | {
        "AUTH": "true",  # signatures verified, IAM policies enforced
        "AWS_ACCESS_KEY_ID": credentials[0],
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "AWS_SECRET_ACCESS_KEY": credentials[1],
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "GATEWAY_PORT": str(port),
        "IOT_MTLS_ENABLED": "0",  # would listen on a fixed port
        "LOG_LEVEL": "WARNING",
        "MINISTACK_REGION": region,
        "PERSIST_STATE": "1",
        "S3_DATA_DIR": str(state / "s3"),
        "S3_PERSIST": "1",
        "SERVICES": ",".join(SERVICES),
        "SFTP_ENABLED": "0",  # would listen on a fixed port
        "STATE_DIR": str(state / "services"),
        "TMPDIR": str(state / "tmp"),
        "TZ": "UTC",
    }
    # MiniStack runs functions with its own interpreter. One without packages shows what a layer
    # forgot to bring, as Lambda would.
    sys.executable = str(function_python)


class Gateway:
    """MiniStack's ASGI application, with an HTTP API at the root once one is given."""

    def __init__(self, state: Path, port: int) -> None:
        import ministack.app
        from ministack.services import lambda_svc

        self._ministack = ministack.app
        self._logs = state / "logs"
        self._port = str(port).encode()
        self._api = ""
        self._prefixes: frozenset[str] = frozenset()
        logging.basicConfig(
            filename=self._logs / "ministack.log",
            format="%(asctime)s %(levelname)s %(name)s %(message)s",
            force=True,
        )
        self._emit_logs = lambda_svc._emit_lambda_logs
        lambda_svc._emit_lambda_logs = self._log_invocation

    def expand_with(self, parameters: dict[str, str]) -> None:
        """Expand templates with these parameters, as CloudFormation does.

        MiniStack leaves them out, and SAM then puts the defaults in their places for good.
        """
        from samtranslator.translator import transform

        expand = transform.transform

        def expand_with_parameters(template: Any, _: Any, policies: Any) -> Any:
            return expand(template, dict(parameters), policies)

        transform.transform = expand_with_parameters

    def serve_api(self, api_id: str, route_keys: list[str]) -> None:
        """Answer the first path segments of these routes with the HTTP API `api_id`."""
        self._api = api_id
        self._prefixes = frozenset(key.split("/")[1] for key in route_keys if "/" in key)

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Hand a request to MiniStack, addressed to the API if it is the API's."""
        if scope["type"] == "http":
            segment = scope["path"].split("/")[1:2]
            if self._prefixes.issuperset(segment):
                stage = f"/_aws/execute-api/{self._api}/$default"
                scope |= {
                    "path": stage + scope["path"],
                    "raw_path": stage.encode() + scope["raw_path"],
                    "headers": _forwarded(scope, self._port, b"http"),
                }
                send = _without_stack_traces(send)
            else:
                # AWS is called over TLS, and the bucket's policy denies all else. This connection
                # stays within the machine.
                scope |= {"headers": _forwarded(scope, b"443", b"https")}
        await self._ministack.app(scope, receive, send)

    async def serve(self, hosts: list[str], stop: asyncio.Event) -> None:
        """Listen until `stop` is set, then save the state and end the functions' processes."""
        from hypercorn.asyncio import serve
        from hypercorn.config import Config
        from ministack.core import lambda_runtime

        config = Config()
        config.bind = [f"{host}:{self._port.decode()}" for host in hosts]
        config.errorlog = logging.getLogger("hypercorn.error")
        config.keep_alive_timeout = 75
        try:
            await serve(self, config, shutdown_trigger=stop.wait)  # type: ignore[arg-type]
        finally:
            lambda_runtime.reset()

    def save(self) -> None:
        """Write the state of every service to disk, as a clean stop does."""
        from ministack.core.persistence import save_all

        save_all(self._ministack._build_persistence_save_dict())

    def _log_invocation(
        self, function: dict[str, Any], request_id: str, text: str, *rest: Any, **named: Any
    ) -> None:
        """Keep what a function logged in a file too, beside its CloudWatch log group."""
        self._emit_logs(function, request_id, text, *rest, **named)
        name = (function.get("config") or function)["FunctionName"]
        if text:
            with (self._logs / f"{name}.log").open("a") as log:
                log.write(text + "\n")


def _forwarded(scope: Message, port: bytes, protocol: bytes) -> list[tuple[bytes, bytes]]:
    """Return the request's headers with those that API Gateway's and AWS's front ends add."""
    headers = [h for h in scope["headers"] if not h[0].startswith(b"x-forwarded-")]
    return [
        *headers,
        (b"x-forwarded-for", scope["client"][0].encode()),
        (b"x-forwarded-port", port),
        (b"x-forwarded-proto", protocol),
    ]


def _without_stack_traces(send: Send) -> Send:
    """Answer what API Gateway answers when a function fails, where MiniStack tells the error."""
    failed = False

    async def send_or_hide(message: Message) -> None:
        nonlocal failed
        if message["type"] == "http.response.start" and message["status"] == 502:
            failed = True
            length = str(len(FUNCTION_FAILED)).encode()
            headers = [h for h in message["headers"] if h[0].lower() != b"content-length"]
            message |= {"status": 500, "headers": [*headers, (b"content-length", length)]}
        elif failed:
            message |= {"body": FUNCTION_FAILED}
        await send(message)

    return send_or_hide
