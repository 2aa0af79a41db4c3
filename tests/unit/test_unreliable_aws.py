"""AWS as a server that does not answer, or not whole: clients get an answer, and in time."""

import socket
import socketserver
import struct
import threading
from collections.abc import Iterator

import pytest
from tests.unit import conftest
from tests.unit.conftest import ENVIRONMENT, LambdaContext, Service, new_environment

from vignette.adapters import aws, bucket, deadline, table
from vignette.errors import Unavailable

BODY = b"a picture"


def whole(body: bytes) -> bytes:
    """An answer of AWS."""
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)


WHOLE = whole(BODY)
BROKEN = WHOLE[:-4]
ITEM = whole(b'{"Item": {"name": {"S": "Ada"}}}')
KEYS = whole(b"<ListBucketResult><Contents><Key>some/key</Key></Contents></ListBucketResult>")
HANGING = b""


class Clock:
    """Passes only while a server is waited for: a busy machine takes nothing of an invocation."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def monotonic(self) -> float:
        return self.seconds


class Server(socketserver.ThreadingTCPServer):
    """Answers its first requests with what it was told to, and all others with the last of that.

    After an answer that is not whole it closes the connection, with a reset or as if all was said,
    or keeps it open and says nothing, for which its clients wait as long as they ever do.
    """

    daemon_threads = True
    address_family = socket.AF_INET

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Conversation)
        self.answers: list[bytes] = [WHOLE]
        self.keeps_open = False
        self.resets = True
        self.is_over = threading.Event()
        self.requests = 0
        self.clock = Clock()


class Conversation(socketserver.BaseRequestHandler):
    """One connection, which carries one request."""

    server: Server

    def handle(self) -> None:
        self.request.recv(65536)
        self.server.requests += 1
        answers = self.server.answers
        if self.server.keeps_open:
            self.server.clock.seconds += aws._READ_SECONDS
        self.request.sendall(answers.pop(0) if len(answers) > 1 else answers[0])
        if self.server.keeps_open:
            self.server.is_over.wait(20)
        elif self.server.resets:
            self.request.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """AWS for the functions of this test."""
    with Server() as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        for name, value in ENVIRONMENT.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(conftest, "_deployed", [Service()])
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.server_address[1]}")
        monkeypatch.setenv("SECRET_KEY_ARN", "arn:aws:secretsmanager:eu-central-1:1:secret:key")
        new_environment()
        monkeypatch.setattr(deadline, "time", server.clock)
        deadline.begin(60_000)
        yield server
        server.is_over.set()
        server.shutdown()
    monkeypatch.undo()
    new_environment()


def test_a_body_that_breaks_off_is_read_again(server: Server) -> None:
    server.answers = [BROKEN, BROKEN, WHOLE]
    found = bucket.read("some/key", max_bytes=100)
    assert found == bucket.StoredObject(len(BODY), BODY)
    assert server.requests == 3


def test_a_body_that_always_breaks_off_is_unavailable(server: Server) -> None:
    server.answers = [BROKEN]
    with pytest.raises(Unavailable):
        bucket.read("some/key", max_bytes=100)
    assert server.requests == 3


def test_a_body_that_stops_coming_is_unavailable_while_there_is_time(server: Server) -> None:
    server.answers, server.keeps_open = [BROKEN], True
    deadline.begin(7_500)
    with pytest.raises(Unavailable):
        bucket.read("some/key", max_bytes=100)
    assert server.requests == 1
    assert deadline.remaining() > 1


@pytest.mark.parametrize("resets", [True, False])
def test_an_answer_of_a_table_that_breaks_off_is_asked_for_again(
    server: Server, *, resets: bool
) -> None:
    server.answers, server.resets = [ITEM[:-9], ITEM[:-9], ITEM], resets
    assert table.get("users", {"pk": "user#ada"}) == {"name": "Ada"}
    assert server.requests == 3


@pytest.mark.parametrize("resets", [True, False])
def test_an_answer_of_a_table_that_always_breaks_off_is_unavailable(
    server: Server, *, resets: bool
) -> None:
    server.answers, server.resets = [ITEM[:-9]], resets
    with pytest.raises(Unavailable):
        table.get("users", {"pk": "user#ada"})
    assert server.requests == 3


def test_a_list_of_objects_that_breaks_off_is_asked_for_again(server: Server) -> None:
    server.answers, server.resets = [KEYS[:-9], KEYS[:-9], KEYS], False
    assert bucket.keys("some/") == ["some/key"]
    assert server.requests == 3


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/api/v1/shared/users/x"),
        ("GET", "/v1/users/x"),
        ("POST", "/_api/admin/graphql"),
    ],
)
def test_a_call_that_hangs_is_answered_before_the_function_ends(
    server: Server, monkeypatch: pytest.MonkeyPatch, method: str, path: str
) -> None:
    server.answers, server.keeps_open = [HANGING], True
    context = LambdaContext(remaining_milliseconds=7_500)
    monkeypatch.setattr(conftest, "LambdaContext", lambda **_: context)
    answer = conftest._deployed[-1].call(method, path, "{}", token="any key")
    assert (answer.status, answer.headers["retry-after"]) == (503, "1")
    assert server.requests == 1
    assert deadline.remaining() > 1


def test_an_empty_key_of_s3_is_sent_to_nobody(server: Server) -> None:
    with pytest.raises(Unavailable):
        bucket.put("", BODY, content_type="image/webp", cache_control="private")
    with pytest.raises(Unavailable):
        bucket.read("", max_bytes=100)
    assert server.requests == 0
