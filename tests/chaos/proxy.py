"""A proxy between the functions and AWS that fails some of their calls, in the ways AWS does."""

import http.client
import json
import random
import socket
import struct
import threading
import time
from collections import Counter
from enum import Enum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

HELD_SECONDS = 4.0  # longer than the functions wait for an answer
HANGING_SECONDS = 20.0  # longer than any function runs


class Fault(Enum):
    """What may happen to a call."""

    ERROR = "answered 500"
    THROTTLED = "throttled"
    CONFLICT = "conflicts with another transaction"
    CUT_BEFORE = "cut before the effect"
    CUT_AFTER = "cut after the effect"
    CUT_WITHIN = "cut within the answer"
    SLOW = "answered late"
    HANGING = "never answered"
    HELD = "carried out when nobody waits any more"


class Proxy(ThreadingHTTPServer):
    """Carries calls to an endpoint of AWS; `rate` of them, a number from 0 to 1, fail.

    `calls` and `faults` count what it has carried and failed; `held` are the paths of calls that
    were carried out when nobody waited any more.
    """

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, endpoint: str, seed: int) -> None:
        super().__init__(("127.0.0.1", 0), _Call)
        self.endpoint = urlsplit(endpoint).netloc
        self.rate = 0.0
        self.calls = 0
        self.faults: Counter[str] = Counter()
        self.held: set[str] = set()
        self._chance = random.Random(seed)
        self._lock = threading.Lock()

    @property
    def url(self) -> str:
        """Where the proxy listens."""
        return f"http://127.0.0.1:{self.server_address[1]}"

    def choose(self, operation: str) -> Fault | None:
        """The fault of the next call, if it has one."""
        with self._lock:
            self.calls += 1
            if self._chance.random() >= self.rate:
                return None
            fault = self._chance.choice(list(Fault))
            if fault is Fault.CONFLICT and operation != "TransactWriteItems":
                fault = Fault.ERROR
            self.faults[fault.value] += 1
            return fault

    def handle_error(self, *_: Any) -> None:
        """Say nothing about functions that were killed while they called."""


class _Call(BaseHTTPRequestHandler):
    """One connection of a function, and its calls."""

    server: Proxy
    protocol_version = "HTTP/1.1"

    def handle_one_request(self) -> None:
        self.raw_requestline = self.rfile.readline(65537)
        if not self.raw_requestline or not self.parse_request():
            self.close_connection = True
            return
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        operation = self.headers.get("X-Amz-Target", "").rpartition(".")[2]
        # What clients post to the bucket is theirs: they are not functions.
        is_form = self.headers.get("Content-Type", "").startswith("multipart/")
        self._carry(None if is_form else self.server.choose(operation), body)

    def _carry(self, fault: Fault | None, body: bytes) -> None:
        match fault:
            case Fault.CUT_BEFORE:
                self._cut()
            case Fault.HANGING:
                time.sleep(HANGING_SECONDS)
                self._cut()
            case Fault.HELD:
                time.sleep(HELD_SECONDS)
                self.server.held.add(self.path)
                self._send_on(body)
                self._cut()
            case Fault.CUT_AFTER:
                self._send_on(body)
                self._cut()
            case Fault.CUT_WITHIN:
                status, headers, content = self._send_on(body)
                self._answer(status, headers, content[: len(content) // 2], len(content))
                self._cut()
            case Fault.ERROR | Fault.THROTTLED | Fault.CONFLICT:
                self._refuse(fault)
            case _:
                answer = self._send_on(body)
                if fault is Fault.SLOW:
                    time.sleep(1)
                self._answer(*answer)

    def _send_on(self, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
        connection = http.client.HTTPConnection(self.server.endpoint, timeout=60)
        try:
            connection.putrequest(
                self.command, self.path, skip_host=True, skip_accept_encoding=True
            )
            for name, value in self.headers.items():
                connection.putheader(name, value)
            connection.endheaders(body)
            answer = connection.getresponse()
            content = answer.read()
            kept = [
                (name, value)
                for name, value in answer.getheaders()
                if name.lower() not in ("connection", "content-length", "transfer-encoding")
            ]
            return answer.status, kept, content
        finally:
            connection.close()

    def _refuse(self, fault: Fault) -> None:
        is_s3 = "X-Amz-Target" not in self.headers
        status, code = {
            Fault.ERROR: (500, "InternalError" if is_s3 else "InternalServerError"),
            Fault.THROTTLED: (503, "SlowDown") if is_s3 else (400, "ThrottlingException"),
            Fault.CONFLICT: (400, "TransactionCanceledException"),
        }[fault]
        if is_s3:
            text = f"<Error><Code>{code}</Code><Message>chaos</Message></Error>"
        else:
            reasons = [{"Code": "TransactionConflict"}]
            error = {"__type": f"com.amazonaws.dynamodb.v20120810#{code}", "message": "chaos"}
            text = json.dumps({**error, "CancellationReasons": reasons})
        self._answer(status, [], text.encode())

    def _answer(
        self,
        status: int,
        headers: list[tuple[str, str]],
        content: bytes,
        length: int | None = None,
    ) -> None:
        self.send_response_only(status)
        for name, value in headers:
            self.send_header(name, value)
        if status != 204:
            self.send_header("Content-Length", str(len(content) if length is None else length))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def _cut(self) -> None:
        """Reset the connection."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
