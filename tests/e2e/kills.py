"""Kills of a stack of one's own at random moments, under load, and what has to be there after.

    PYTHONPATH=layers/vignette .venv/bin/python -m tests.e2e.kills --times 30

kills a new stack 30 times and says what came of what its clients had been told. What S3, DynamoDB
and Lambda's queue have accepted is on disk, as it is on AWS; functions die where they are, and
clients get no answers. What the local DynamoDB does not do is expire items: `check` deletes what
nobody finished, as the TTL service does, and the stream tells cleanup.
"""

import argparse
import os
import random
import signal
import subprocess
import tempfile
import threading
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from tests.e2e import logs
from tests.e2e.conftest import (
    PHOTOS,
    Client,
    eventually,
    facts_of_stack,
    free_port,
    start_stack,
)

from vignette import settings

CLIENTS = 4
PHOTO = (PHOTOS / "china.jpg").read_bytes()
JUNK = b"no photo"
# How long the stack may live once it starts, or once so many photos have been sent.
MAXIMUM_SECONDS = 3.0
MAXIMUM_PHOTOS = 10


class OwnStack:
    """A stack whose state outlives it."""

    def __init__(self, state: Path) -> None:
        self._state = state
        self._port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it with all that it had."""
        self._process = start_stack(self._state, self._port, own_group=True)

    def client(self) -> Client:
        """A client, once the stack is up."""
        assert self._process
        return Client(facts_of_stack(self._state, self._process))

    def kill(self) -> None:
        """End the stack and its functions where they are."""
        if self._process:
            with suppress(ProcessLookupError):  # it has ended by itself
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait(10)

    def leaks(self) -> list[str]:
        """What its functions have logged and should not have."""
        return logs.leaks(self._state / "logs")


@dataclass
class Told:
    """What clients have been told: users and uploads that are there, photos that S3 took."""

    users: set[str] = field(default_factory=set)
    uploads: dict[str, bool] = field(default_factory=dict)  # id -> whether its photo is one
    sent: set[str] = field(default_factory=set)
    pictures: dict[str, str] = field(default_factory=dict)  # user id -> upload id


class Load:
    """Clients that begin users, uploads and pictures until they are stopped."""

    def __init__(self, client: Client, told: Told, seed: int) -> None:
        self._stopped = threading.Event()
        self._failures: list[Exception] = []
        client.http.event_hooks["response"] = [_take_failure_for_no_answer]
        self._clients = [
            threading.Thread(target=self._work, args=(client, told, random.Random(seed + number)))
            for number in range(CLIENTS)
        ]
        for each in self._clients:
            each.start()

    def stop(self) -> None:
        """Wait until every client has its answer, or has none.

        Raises:
            ExceptionGroup: Clients were answered what they never should have been.
        """
        self._stopped.set()
        for each in self._clients:
            each.join()
        if self._failures:
            raise ExceptionGroup("clients have failed", self._failures)

    def _work(self, client: Client, told: Told, chance: random.Random) -> None:
        try:
            while not self._stopped.is_set():
                with suppress(httpx.HTTPError):  # nobody there any more
                    self._one_user(client, told, chance)
        except Exception as failure:
            self._failures.append(failure)

    def _one_user(self, client: Client, told: Told, chance: random.Random) -> None:
        user_id = client.create_user()["id"]
        told.users.add(user_id)
        is_photo = chance.random() < 0.8
        form = client.upload_form(client.user_headers(user_id), PHOTO)
        upload_id = form["uploadId"]
        told.uploads[upload_id] = is_photo
        sent = client.send(form, PHOTO if is_photo else JUNK)
        _take_failure_for_no_answer(sent)
        assert sent.status_code == 204, sent.text
        told.sent.add(upload_id)
        if is_photo and chance.random() < 0.5:
            me = client.user_headers(user_id)
            if client.finished(upload_id, me)["state"] == "ready":
                answer = client.set_picture(me, upload_id)
                assert answer.status_code == 200, answer.text
                told.pictures[user_id] = upload_id


def _take_failure_for_no_answer(answer: httpx.Response) -> None:
    """Raise where the stack says that it cannot answer: it may be about to end."""
    if answer.is_server_error:
        answer.raise_for_status()


def kill_often(stack: OwnStack, times: int, seed: int) -> Told:
    """Start a stack and kill it, again and again; what its clients were told meanwhile.

    The stack is down at the end. Every third time it is killed while it starts, else under load,
    once a few photos are on their way.
    """
    chance = random.Random(seed)
    told = Told()
    for number in range(times):
        stack.start()
        load = None
        if number % 3 != 1:
            load = Load(stack.client(), told, seed + 100 * number)
            wanted = len(told.sent) + chance.randint(1, MAXIMUM_PHOTOS)
            assert eventually(lambda wanted=wanted: len(told.sent) >= wanted, seconds=120)
        time.sleep(chance.uniform(0, MAXIMUM_SECONDS))
        stack.kill()
        if load:
            load.stop()
    return told


def check(client: Client, told: Told) -> Counter[str]:
    """How many uploads ended how, after all that was told has been found to be so."""
    for user_id in told.users:
        answer = client.http.get(f"/api/v1/shared/users/{user_id}", headers=client.key)
        assert answer.status_code == 200, answer.text
        assert user_id not in told.pictures or answer.json()["hasCustomProfilePicture"]

    found: dict[str, dict[str, Any]] = {}

    def all_that_were_sent_have_ended() -> bool:
        for upload_id in told.uploads:
            if found.get(upload_id, {}).get("state", "pending") == "pending":
                answer = client.http.get(f"/api/v1/uploads/{upload_id}", headers=client.key)
                assert answer.status_code == 200, answer.text
                found[upload_id] = answer.json()
        return all(found[each]["state"] != "pending" for each in told.sent)

    assert eventually(all_that_were_sent_have_ended, seconds=90), [
        each for each in told.sent if found[each]["state"] == "pending"
    ]
    for upload_id, upload in found.items():
        if upload["state"] == "failed" and upload["reason"] == "empty":
            # S3 was killed before it had the photo, and has not accepted it.
            assert upload_id not in told.sent
        elif upload["state"] == "failed":
            assert (upload["reason"], told.uploads[upload_id]) == ("unsupported_format", False)
        elif upload["state"] == "ready":
            assert told.uploads[upload_id]
            keys = {key.rpartition("/")[2] for key in client.objects(f"renditions/{upload_id}/")}
            assert keys == {f"{size}.webp" for size in settings.RENDITION_SIZES}
    _nothing_is_left_of_what_expires(client)
    return Counter(each["state"] for each in found.values())


def _nothing_is_left_of_what_expires(client: Client) -> None:
    """Expire what is pending; then every object belongs to a record."""
    table = {"TableName": client.stack["uploadsTable"]}
    dynamodb = client.aws("dynamodb")
    for item in _all_items(dynamodb, **table):
        if item.get("state", {}).get("S") == "pending":
            dynamodb.delete_item(**table, Key={"id": item["id"]})

    def nothing_is_orphaned() -> bool:
        records = {item["id"]["S"] for item in _all_items(dynamodb, **table)}
        keys = client.objects("uploads/") | client.objects("renditions/")
        return {key.split("/")[1] for key in keys} <= records

    assert eventually(nothing_is_orphaned)


def _all_items(dynamodb: Any, **table: str) -> list[dict[str, Any]]:
    pages = dynamodb.get_paginator("scan").paginate(**table)
    return [item for page in pages for item in page["Items"]]


def main() -> None:
    """Kill a new stack as often as the command line says, and print what came of it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--times", type=int, default=30, help="how often it is killed")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    arguments = parser.parse_args()
    print(f"{arguments.times} kills, seed {arguments.seed}", flush=True)
    with tempfile.TemporaryDirectory() as directory:
        stack = OwnStack(Path(directory))
        try:
            told = kill_often(stack, arguments.times, arguments.seed)
            stack.start()
            ended = check(stack.client(), told)
        finally:
            stack.kill()
    print(
        f"{len(told.users)} users, {len(told.uploads)} uploads, {len(told.sent)} photos sent,"
        f" {len(told.pictures)} pictures set: all there; uploads are {dict(ended)}"
    )


if __name__ == "__main__":
    main()
