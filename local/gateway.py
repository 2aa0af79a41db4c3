"""The stack's one port: the HTTP API at the root, as on AWS, and MiniStack for everything else."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any

from hypercorn.asyncio import serve
from hypercorn.config import Config

import emulator
import journal
from page import Page

Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

FUNCTION_FAILED = b'{"message":"Internal Server Error"}'
READS = ("BatchGet", "Describe", "Get", "List", "Query", "Scan", "TransactGet")
DRAIN_SECONDS = 10.0


class Gateway:
    """An ASGI application in front of MiniStack's."""

    def __init__(self, port: int) -> None:
        from ministack.app import app

        self._ministack = app
        self._port = port
        self._api = ""
        self._prefixes: frozenset[str] = frozenset()
        self._page: Page | None = None

    def serve_api(self, api_id: str, route_keys: list[str]) -> None:
        """Answer paths that begin like one of these routes with the HTTP API `api_id`."""
        self._api = api_id
        self._prefixes = frozenset(key.split("/")[1] for key in route_keys if "/" in key)

    def serve_page(self, page: Page) -> None:
        """Answer `/` with a page to try the service on."""
        self._page = page

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Hand a request to MiniStack, addressed to the API if it is the API's."""
        if scope["type"] == "http":
            if self._page and self._page.has(scope):
                await self._page.answer(scope, send)
                return
            if scope["path"].split("/")[1] in self._prefixes:
                stage = f"/_aws/execute-api/{self._api}/$default"
                scope |= {
                    "path": stage + scope["path"],
                    "raw_path": stage.encode() + scope["raw_path"],
                    "headers": _forwarded(scope, self._port, "http"),
                }
                send = _hide_errors(send)
            else:
                # AWS is called over TLS, and the bucket's policy denies all else. This connection
                # does not leave the machine.
                scope |= {"headers": _forwarded(scope, 443, "https")}
                if _writes(scope):
                    send = _save_first(send)
        await self._ministack(scope, receive, send)

    async def run(self, hosts: list[str], stop: asyncio.Event) -> None:
        """Listen until `stop` is set, and then until no function runs or 10 s have passed."""
        config = Config()
        config.bind = [f"{host}:{self._port}" for host in hosts]
        config.errorlog = logging.getLogger("hypercorn.error")
        config.keep_alive_timeout = 75

        async def drained() -> None:
            await stop.wait()
            deadline = time.monotonic() + DRAIN_SECONDS
            while emulator.busy() and time.monotonic() < deadline:
                await asyncio.sleep(0.05)

        try:
            await serve(self, config, shutdown_trigger=drained)
        finally:
            emulator.stop_functions()


def _save_first(send: Send) -> Send:
    """Answer a write once it is on disk, so that a killed stack has forgotten nothing."""

    async def save_and_send(message: Message) -> None:
        if message["type"] == "http.response.start":
            emulator.save_data()
        await send(message)

    return save_and_send


def _writes(scope: Message) -> bool:
    """Whether a request to AWS changes something that is not on disk when it is done."""
    target = dict(scope["headers"]).get(b"x-amz-target", b"").decode("latin-1")
    operation = target.rpartition(".")[2]
    writes = scope["method"] in ("POST", "PUT", "PATCH", "DELETE")
    return writes and not operation.startswith(READS) and operation not in journal.WRITES


def _forwarded(scope: Message, port: int, protocol: str) -> list[tuple[bytes, bytes]]:
    """The request's headers with those that AWS's own front ends add."""
    return [
        *(header for header in scope["headers"] if not header[0].startswith(b"x-forwarded-")),
        (b"x-forwarded-for", scope["client"][0].encode()),
        (b"x-forwarded-port", str(port).encode()),
        (b"x-forwarded-proto", protocol.encode()),
    ]


def _hide_errors(send: Send) -> Send:
    """Answer what API Gateway answers when a function fails; MiniStack tells what went wrong."""
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
