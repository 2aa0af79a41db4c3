"""The stack is killed while photos are on their way, and started again.

What S3, DynamoDB and Lambda's queue have accepted is on disk, as it is on AWS. Functions die where
they are, and clients get no answers. What the local DynamoDB does not do is expire items: the test
deletes what nobody finished, as the TTL service does, and the stream tells cleanup.
"""

import os
import queue
import signal
import subprocess
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.e2e.conftest import (
    PHOTOS,
    Client,
    eventually,
    facts_of_stack,
    free_port,
    start_stack,
)

UPLOADS = 50
SENT_BEFORE = 25  # photos that S3 has accepted when everything is killed
PHOTO = (PHOTOS / "china.jpg").read_bytes()
JUNK = b"no photo"
SIZES = (64, 128, 256, 512)


class Stack:
    """A stack of this test's own, whose state outlives it."""

    def __init__(self, state: Path) -> None:
        self._state = state
        self._port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> Client:
        """A client of the stack, started with all that it had."""
        self._process = start_stack(self._state, self._port, own_group=True)
        return Client(facts_of_stack(self._state, self._process))

    def kill(self) -> None:
        """End the stack and its functions where they are."""
        if self._process:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait(10)


@pytest.fixture
def own_stack(tmp_path: Path) -> Iterator[Stack]:
    stack = Stack(tmp_path)
    yield stack
    stack.kill()


def send_all(client: Client, forms: list[dict[str, Any]], accepted: queue.Queue[str]) -> None:
    """Send a photo to every form; those that S3 has taken are `accepted`."""

    def send(number: int) -> None:
        try:
            answer = client.send(forms[number], JUNK if number % 5 == 0 else PHOTO)
        except httpx.HTTPError:
            return  # nobody there any more
        assert answer.status_code == 204, answer.text
        accepted.put(forms[number]["uploadId"])

    with ThreadPoolExecutor(10) as clients:
        list(clients.map(send, range(len(forms))))


def states(client: Client, upload_ids: list[str]) -> dict[str, dict[str, Any]]:
    """The uploads; every one that was begun is there."""
    found = {}
    for upload_id in upload_ids:
        answer = client.http.get(f"/api/v1/uploads/{upload_id}", headers=client.key)
        assert answer.status_code == 200, answer.text
        found[upload_id] = answer.json()
    return found


def pending(client: Client) -> set[str]:
    """The uploads that are neither ready nor failed, in one call."""
    items = client.aws("dynamodb").scan(TableName=client.stack["uploadsTable"])["Items"]
    return {item["id"]["S"] for item in items if item["state"]["S"] == "pending"}


def test_uploads_in_flight_end_when_the_stack_is_back(
    own_stack: Stack, capsys: pytest.CaptureFixture[str]
) -> None:
    client = own_stack.start()
    user = client.create_user()
    me = client.user_headers(user["id"])
    forms = [client.upload_form(me, PHOTO) for _ in range(UPLOADS)]
    ids = [form["uploadId"] for form in forms]

    accepted: queue.Queue[str] = queue.Queue()
    sending = threading.Thread(target=send_all, args=(client, forms, accepted))
    sending.start()
    sent = {accepted.get(timeout=60) for _ in range(SENT_BEFORE)}
    unfinished = pending(client)
    own_stack.kill()
    sending.join()
    while not accepted.empty():
        sent.add(accepted.get())

    client = own_stack.start()

    def all_that_were_sent_have_ended() -> bool:
        found = states(client, ids)
        return all(found[each]["state"] != "pending" for each in sent)

    assert eventually(all_that_were_sent_have_ended, seconds=90), Counter(
        each["state"] for each in states(client, ids).values()
    )
    found = states(client, ids)
    for number, (upload_id, upload) in enumerate(found.items()):
        if upload["state"] == "failed":
            assert (number % 5, upload["reason"]) == (0, "unsupported_format")
        elif upload["state"] == "ready":
            assert number % 5
            keys = {key.rpartition("/")[2] for key in client.objects(f"renditions/{upload_id}/")}
            assert keys == {f"{size}.webp" for size in SIZES}

    gone = pending(client)
    for upload_id in gone:
        client.aws("dynamodb").delete_item(
            TableName=client.stack["uploadsTable"], Key={"id": {"S": upload_id}}
        )
    ready = next(each for each in ids if found[each]["state"] == "ready")
    assert client.set_picture(me, ready).status_code == 200
    assert client.http.get("/api/v1/users/me", headers=me).json()["hasCustomProfilePicture"]

    def nothing_is_orphaned() -> bool:
        keys = client.objects("uploads/") | client.objects("renditions/")
        return gone.isdisjoint(key.split("/")[1] for key in keys)

    assert eventually(nothing_is_orphaned)
    keys = client.objects("uploads/") | client.objects("renditions/")
    assert {key.split("/")[1] for key in keys} <= set(ids) - gone

    with capsys.disabled():
        ended = Counter(each["state"] for each in found.values())
        print(
            f"\n{UPLOADS} uploads in flight, {len(sent)} sent, {len(sent & unfinished)} of those"
            f" unfinished when all was killed: {dict(ended)}; the pending have expired"
        )
