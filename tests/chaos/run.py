"""Clients of a stack whose calls of AWS fail and whose functions die, and what comes of it."""

import json
import os
import random
import signal
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from tests.chaos.history import ANYTHING, Change, History
from tests.chaos.proxy import Proxy
from tests.e2e.conftest import PHOTOS, Client, eventually
from tests.e2e.roles import logical_id
from tests.template import functions
from tests.unit.faults import Contents

CLIENTS = 4
RATE = 0.1  # of the functions' calls
KILL_SECONDS = 3.0  # from one kill of a function to the next, on average
USERS = 12  # at the same time, shared by all clients
PHOTO = (PHOTOS / "chelsea.png").read_bytes()
DOMAIN = "@chaos.example.com"  # of everybody who is created
NATIVE = "/api/v1/shared/users"
# What the gateway says of a function that was killed.
GATEWAY_FAILED = {"message": "Internal Server Error"}
# A key is kept for 2 s by an attempt that died, and asked for again once a second.
MAXIMUM_IN_USE_SECONDS = 8


@dataclass
class Run:
    """What a run has done to a stack, for as long as it lasts."""

    client: Client
    proxy: Proxy
    history: History = field(default_factory=History)
    sent: set[str] = field(default_factory=set)  # uploads whose photos S3 has taken
    alive: list[str] = field(default_factory=list)  # users, by their ids
    answers: Counter[int] = field(default_factory=Counter)
    kills: int = 0
    is_over: threading.Event = field(default_factory=threading.Event)

    def ask(
        self, method: str, path: str, change: Change | None = None, **sent: Any
    ) -> httpx.Response | None:
        """Send a request as the holder of the key; None where nobody knows what came of it."""
        try:
            headers = {**self.client.key, **sent.pop("headers", {})}
            answer = self.client.http.request(method, path, headers=headers, timeout=60, **sent)
        except httpx.HTTPError:
            return None
        self.answers[answer.status_code] += 1
        if answer.status_code < 500:
            if change:
                change.happened = answer.status_code < 400
            return answer
        is_refused = answer.status_code == 503 and "retry-after" in answer.headers
        if not is_refused and not _is_of_the_gateway(answer):
            told = f"{method} {path} is answered {answer.status_code}: {answer.text}"
            self.history.wrong.append(told)
        return None

    def create(self, chance: random.Random) -> None:
        """Create a user, with the same key until there is an answer."""
        name = f"u{chance.getrandbits(40):x}"
        body = {"email": f"{name}{DOMAIN}", "firstName": name, "lastName": "X"}
        key = {"Idempotency-Key": name}
        in_use_since = None
        while True:
            began = time.monotonic()
            answer = self.ask("POST", NATIVE, json=body, headers=key)
            if answer is not None and answer.status_code != 409:
                break
            if answer is None:
                in_use_since = None
            elif in_use_since is None:
                in_use_since = began
            elif began - in_use_since > MAXIMUM_IN_USE_SECONDS:
                self.history.wrong.append(f"key {name} stays in use: {answer.text}")
                return
            time.sleep(0.5)
        if answer.status_code != 201:
            self.history.wrong.append(f"creation is answered {answer.status_code}: {answer.text}")
            return
        user_id = answer.json()["id"]
        with self.history.change(user_id, "name", name) as change:
            change.happened = True
        self.alive.append(user_id)

    def rename(self, user_id: str, chance: random.Random) -> None:
        """Change a name, which no other user can have, or need not be unique."""
        value = f"n{chance.getrandbits(40):x}"
        kind, path, body = chance.choice(
            [
                ("name", f"{NATIVE}/{user_id}", {"firstName": value}),
                ("name", f"/v1/users/{user_id}", {"first_name": value}),
                ("username", f"{NATIVE}/{user_id}", {"username": value}),
            ]
        )
        with self.history.change(user_id, kind, value) as change:
            self.ask("PATCH", path, change, json=body)

    def take_picture(self, user_id: str, _: random.Random) -> None:
        """Upload a photo, wait until it is ready, and make it a user's picture."""
        body = {
            "kind": "profile_picture",
            "contentType": "image/png",
            "contentLength": len(PHOTO),
            "userId": user_id,
        }
        begun = self.ask("POST", "/api/v1/uploads", json=body)
        if begun is None or begun.status_code != 201:
            return
        upload_id = begun.json()["uploadId"]
        with suppress(httpx.HTTPError):
            if self.client.send(begun.json(), PHOTO).status_code == 204:
                self.sent.add(upload_id)
        for _attempt in range(40):
            answer = self.ask("GET", f"/api/v1/uploads/{upload_id}")
            if answer is not None and answer.json().get("state") != "pending":
                break
            time.sleep(0.25)
        with self.history.change(user_id, "picture", upload_id) as change:
            path = f"{NATIVE}/{user_id}/profile-picture"
            self.ask("PATCH", path, change, json={"uploadId": upload_id})

    def send_picture(self, user_id: str, _: random.Random) -> None:
        """Send a picture through Clerk's API."""
        with self.history.change(user_id, "picture", ANYTHING) as change:
            self.ask("POST", f"/v1/users/{user_id}/profile_image", change, files={"file": PHOTO})

    def remove_picture(self, user_id: str, _: random.Random) -> None:
        """Remove a user's picture."""
        with self.history.change(user_id, "picture") as change:
            path = f"{NATIVE}/{user_id}/profile-picture"
            self.ask("PATCH", path, change, json={"uploadId": None})

    def look(self, user_id: str, _: random.Random) -> None:
        """Read a user, and the picture."""
        answer = self.ask("GET", f"{NATIVE}/{user_id}")
        address = answer.json().get("profilePictureUrl") if answer is not None else None
        if address and address.startswith(self.client.stack["baseUrl"]):
            self.ask("GET", address)

    def delete_upload(self, _: str, chance: random.Random) -> None:
        """Delete an upload whose photo was taken, unless it is a picture."""
        if self.sent:
            self.ask("DELETE", f"/api/v1/uploads/{chance.choice(sorted(self.sent))}")

    def delete(self, user_id: str, _: random.Random) -> None:
        """Delete a user."""
        with self.history.change(user_id, "deletion") as change:
            self.ask("DELETE", f"{NATIVE}/{user_id}", change)
        if change.happened is not None and user_id in self.alive:
            with suppress(ValueError):  # another client was first
                self.alive.remove(user_id)

    def until_over(self, activity: Callable[[random.Random], None], chance: random.Random) -> None:
        """Do something that lasts as long as the run; that it fails is wrong."""
        try:
            activity(chance)
        except Exception as error:
            self.history.wrong.append(f"{activity.__name__} has failed: {error!r}")

    def work(self, chance: random.Random) -> None:
        """Be a client until the run is over."""
        actions: list[Callable[[str, random.Random], None]] = [
            *(self.rename, self.rename, self.rename, self.look, self.delete),
            *(self.take_picture, self.send_picture, self.remove_picture, self.delete_upload),
        ]
        while not self.is_over.is_set():
            known = list(self.alive)
            if len(known) < USERS:
                self.create(chance)
            else:
                chance.choice(actions)(chance.choice(known), chance)

    def kill(self, chance: random.Random) -> None:
        """Kill processes of functions until the run is over."""
        tasks = Path(f"/proc/{self.client.stack['pid']}/task")
        while not self.is_over.wait(chance.uniform(0, 2 * KILL_SECONDS)):
            found = [pid for task in tasks.iterdir() for pid in _children(task)]
            if found:
                with suppress(ProcessLookupError):
                    os.kill(chance.choice(found), signal.SIGKILL)
                    self.kills += 1


def _is_of_the_gateway(answer: httpx.Response) -> bool:
    try:
        return answer.status_code == 500 and answer.json() == GATEWAY_FAILED
    except ValueError:
        return False


def _children(task: Path) -> list[int]:
    try:
        return [int(pid) for pid in (task / "children").read_text().split()]
    except OSError:  # the thread has ended
        return []


@contextmanager
def through_a_proxy(client: Client, seed: int) -> Iterator[Proxy]:
    """Send the functions' calls through a proxy; how it was before does not come back."""
    lambdas = client.aws("lambda")
    with Proxy(client.stack["awsEndpointUrl"], seed) as proxy:
        threading.Thread(target=proxy.serve_forever, args=(0.05,), daemon=True).start()
        for each, properties in functions().items():
            name = client.resource(logical_id(each))
            usual = lambdas.get_function_configuration(FunctionName=name)
            variables = {**usual["Environment"]["Variables"], "AWS_ENDPOINT_URL": proxy.url}
            lambdas.update_function_configuration(
                FunctionName=name, Environment={"Variables": variables}
            )
            if alias := properties.get("AutoPublishAlias"):
                version = lambdas.publish_version(FunctionName=name)["Version"]
                lambdas.update_alias(FunctionName=name, Name=alias, FunctionVersion=version)
        yield proxy
        proxy.shutdown()


def run(client: Client, seconds: float, seed: int) -> tuple[Run, list[str]]:
    """Let clients work for a while, with faults; then what is wrong, of what has to be so."""
    with through_a_proxy(client, seed) as proxy, client.impatient_queue(tries=1000):
        this = Run(client, proxy)
        activities = [(this.work, str(number)) for number in range(CLIENTS)] + [(this.kill, "kill")]
        workers = [
            threading.Thread(target=this.until_over, args=(each, random.Random(f"{seed} {name}")))
            for each, name in activities
        ]
        proxy.rate = RATE
        for each in workers:
            each.start()
        time.sleep(seconds)
        this.is_over.set()
        workers[-1].join()
        proxy.rate = 0.0
        for each in workers:
            each.join()
        found: list[str] = []

        def all_is_well() -> bool:
            _deliver_failed_photos_again(client)
            found[:] = violations(this, _contents(client))
            return not found

        eventually(all_is_well, seconds=90)
    return this, found


def violations(this: Run, contents: Contents) -> list[str]:
    """What is wrong with what the tables and the bucket hold after a run, and what is answered."""
    users, uploads = contents.users(), contents.uploads()
    found = {
        user_id: {
            "name": user.get("first_name"),
            "username": user.get("username"),
            "picture": user["picture"]["upload_id"] if "picture" in user else None,
        }
        for user_id, user in users.items()
        if any(each["value"].endswith(DOMAIN) for each in user.get("emails", ()))
    }
    # A rendition that was on its way for longer than its upload was there belongs to nothing.
    held = [path for path in this.proxy.held if "/renditions/" in path]
    late = {path.split("/renditions/")[1].split("/")[0] for path in held}
    wrong = [*this.history.violations(found), *contents.violations(excused=late)]
    wrong += [
        f"the photo of {each} was accepted, and the upload is pending"
        for each in this.sent
        if uploads.get(each, {}).get("state") == "pending"
    ]
    for user_id in this.history.changes:
        answer = this.client.http.get(f"{NATIVE}/{user_id}", headers=this.client.key)
        if (answer.status_code == 200) != (user_id in found):
            wrong.append(f"user {user_id} is answered {answer.status_code}")
    return wrong


def timeouts(client: Client) -> list[str]:
    """The lines of the log that tell of a function that ran into its time-out.

    That is wrong on a machine that has nothing else to do. On a busy one it may happen.
    """
    log = Path(client.stack["logs"], "ministack.log").read_text()
    return [line for line in log.splitlines() if "timed out after" in line]


def _contents(client: Client) -> Contents:
    """All that the tables and the bucket hold."""
    dynamodb, s3 = client.aws("dynamodb"), client.aws("s3")
    tables = {}
    for table, (logical, key) in {
        "users": ("UsersTable", "pk"),
        "uploads": ("UploadsTable", "id"),
        "idempotency": ("IdempotencyTable", "id"),
    }.items():
        pages = dynamodb.get_paginator("scan").paginate(TableName=client.resource(logical))
        tables[table] = {item[key]["S"]: item for page in pages for item in page["Items"]}
    listed = s3.get_paginator("list_objects_v2").paginate(Bucket=client.stack["bucket"])
    objects = {each["Key"]: each["ETag"] for page in listed for each in page.get("Contents", [])}
    return Contents(tables, objects)


def _deliver_failed_photos_again(client: Client) -> None:
    """Do with the dead-letter queue what an operator does."""
    for body in client.failed_events():
        event = json.loads(body).get("requestPayload", {}).get("requestPayload", {})
        if "Records" in event:
            client.aws("lambda").invoke(
                FunctionName=client.resource("Thumbnails"),
                InvocationType="Event",
                Payload=json.dumps(event),
            )


def new_seed() -> int:
    """A seed for who has none."""
    return uuid.uuid4().int % 10**6
