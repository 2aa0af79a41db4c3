"""What a run of faults looks for is noticed: the code is broken, one way at a time."""

import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from tests.chaos import run
from tests.chaos.proxy import Proxy
from tests.chaos.run import Run, violations
from tests.photos import plain
from tests.unit.conftest import Service
from tests.unit.faults import Contents, Failure, Fault, Killed, Network

from vignette import settings
from vignette.adapters import bucket, table
from vignette.domain import pictures, profiles, renditions, users
from vignette.domain.ids import new_id
from vignette.errors import NotFound, Unavailable
from vignette.http import idempotency

pytestmark = pytest.mark.matrix

GATEWAY_FAILED = httpx.Response(500, json=run.GATEWAY_FAILED)


class InMemory:
    """What a run asks of a client, answered by functions in memory, like API Gateway."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.stack = {"baseUrl": "https://api.example.com"}
        self.key = {"Authorization": f"Bearer {service.secret_key}"}
        transport = httpx.MockTransport(self._answer)
        self.http = httpx.Client(transport=transport, base_url=self.stack["baseUrl"])

    def send(self, form: dict[str, Any], photo: bytes) -> httpx.Response:
        """Take a photo, and tell Thumbnails of it."""
        self.service.send_photo(form["uploadId"], photo)
        return httpx.Response(204)

    def _answer(self, request: httpx.Request) -> httpx.Response:
        path = request.url.raw_path.decode()
        headers = {name.lower(): value for name, value in request.headers.items()}
        try:
            answer = self.service.call(
                request.method, path, request.read() or None, headers=headers
            )
        except Killed:
            return GATEWAY_FAILED
        return httpx.Response(answer.status, headers=answer.headers, content=answer.content)


@dataclass
class World:
    """A run of one client in memory, and what its code can be broken with."""

    this: Run
    network: Network
    patch: pytest.MonkeyPatch
    chance: random.Random

    def person(self) -> str:
        """A new user, by the id; empty if there is none."""
        before = set(self.this.alive)
        self.this.create(self.chance)
        return next(iter(set(self.this.alive) - before), "")

    def rename(self, user_id: str, name: str) -> None:
        """Change a user's name."""
        with self.this.history.change(user_id, "name", name) as change:
            self.this.ask("PATCH", f"{run.NATIVE}/{user_id}", change, json={"firstName": name})

    def found(self) -> str:
        """What is wrong once all events have arrived."""
        if self.network.removed:
            self.network.service.deliver_removal(*self.network.removed)
        return "\n".join(violations(self.this, Contents.of()))


def two_lives(world: World) -> None:
    """One user who changes, and one who is deleted in the end."""
    ada, bob = world.person(), world.person()
    for _ in range(6):
        world.this.rename(ada, world.chance)
    for user_id in (ada, ada, bob):
        world.this.take_picture(user_id, world.chance)
    world.this.remove_picture(bob, world.chance)
    world.this.send_picture(bob, world.chance)
    for upload_id in sorted(world.this.sent):
        world.this.ask("DELETE", f"/api/v1/uploads/{upload_id}")
    world.this.look(bob, world.chance)
    world.this.delete(bob, world.chance)


def one_photo(world: World) -> None:
    """A photo is sent, and nothing is deleted."""
    world.this.take_picture(world.person(), world.chance)


def killed_while_creating(call: int) -> Callable[[World], None]:
    """A creation that is sent again with its key, since its function was killed after a call."""

    def story(world: World) -> None:
        world.person()  # from here on the secret key is known
        moment = threading.Event()

        def go_on(_: float) -> None:
            moment.wait(0.05)
            world.network.fail(None)

        world.patch.setattr(time, "sleep", go_on)
        world.patch.setattr(run, "MAXIMUM_IN_USE_SECONDS", 3)
        world.network.fail(Failure(call, Fault.KILLED_AFTER))
        world.person()

    return story


def aws_fails(world: World) -> None:
    """A change for which DynamoDB answers 500 again and again."""
    ada = world.person()
    world.network.fail(Failure(0, Fault.BROKEN, lasts=True))
    world.rename(ada, "Augusta")
    world.network.fail(None)


def held_back(world: World) -> None:
    """A change that arrives after a later one, when its client has long been answered."""
    ada = world.person()
    held: list[Any] = []

    def hold(action: Any) -> None:
        held.append(action)
        raise Unavailable("The network is slow.")

    with world.patch.context() as patch:
        patch.setattr(table, "write", hold)
        world.rename(ada, "early")
    threading.Event().wait(0.01)  # its client waits for longer than the clock of changes ticks
    world.rename(ada, "late")
    with suppress(table.ConditionFailed):
        table.write(held[0])


STORIES = [two_lives, one_photo, *map(killed_while_creating, range(3)), aws_fails, held_back]


@pytest.fixture
def world(service: Service, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    network = Network(service, monkeypatch)
    monkeypatch.setattr(run, "PHOTO", plain("red"))
    client: Any = InMemory(service)
    with Proxy(client.stack["baseUrl"], seed=0) as proxy:
        yield World(Run(client, proxy), network, monkeypatch, random.Random(1))


@pytest.mark.parametrize("story", STORIES)
def test_nothing_is_wrong_as_the_code_is(story: Callable[[World], None], world: World) -> None:
    story(world)
    assert world.found() == ""


def unconditional(action: Any) -> Any:
    """An action of a table, without its condition."""
    return replace(action, condition=None) if hasattr(action, "condition") else action


def reads_are_old(patch: pytest.MonkeyPatch) -> None:
    """An item that is gone is read as it was, as from an old replica."""
    read = table.get
    kept: dict[str, Any] = {}

    def read_or_remember(name: str, key: dict[str, Any]) -> Any:
        if found := read(name, key):
            kept[str(key)] = found
        return kept.get(str(key))

    patch.setattr(table, "get", read_or_remember)


def conditions_are_left_out(patch: pytest.MonkeyPatch) -> None:
    write = table.write
    patch.setattr(table, "write", lambda action: write(unconditional(action)))


def small_renditions_are_left_out(patch: pytest.MonkeyPatch) -> None:
    put = bucket.put

    def put_large(key: str, *arguments: Any, **named: Any) -> None:
        if not key.endswith("/64.webp"):
            put(key, *arguments, **named)

    patch.setattr(bucket, "put", put_large)


def unique_values_stay(patch: pytest.MonkeyPatch) -> None:
    whole = users.removal
    patch.setattr(users, "removal", lambda user: whole(user)[:1])


def keys_are_ignored(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(idempotency, "_kept", lambda _request, _key, create: create(new_id()))


def keys_and_reservations_are_ignored(patch: pytest.MonkeyPatch) -> None:
    keys_are_ignored(patch)
    patch.setattr(users, "_reservations", lambda *_: {})


def raise_not_found(*_: Any, **__: Any) -> None:
    raise NotFound("user")


def instead(target: Any, name: str, value: Any) -> Callable[[pytest.MonkeyPatch], None]:
    """Breaks the code: something else is there instead of a function of it."""
    return lambda patch: patch.setattr(target, name, value)


@dataclass(frozen=True)
class Mutation:
    """One way to break the code, and what is then noticed in a story."""

    name: str
    breaks: Callable[[pytest.MonkeyPatch], None]
    noticed: str
    story: Callable[[World], None] = two_lives


MUTATIONS = [
    Mutation(
        "a creation is not written",
        instead(users, "create", lambda user, attempt: user),
        "is not there",
    ),
    Mutation(
        "a deletion is not written",
        instead(profiles, "delete", lambda user_id: None),
        "was deleted and is there",
    ),
    Mutation(
        "a change is not written",
        instead(users, "update", lambda user_id, *_, **__: users.get(user_id)),
        "name of",
    ),
    Mutation(
        "a picture is not written",
        instead(pictures, "set_picture", lambda user_id, *_, **__: users.get(user_id)),
        "picture of",
    ),
    Mutation(
        "unique values are not reserved",
        instead(users, "_reservations", lambda *_: {}),
        "are not kept",
    ),
    Mutation(
        "unique values stay",
        unique_values_stay,
        "are nobody's",
    ),
    Mutation(
        "users are not counted",
        instead(users, "_count", lambda _, count=users._count: count(0)),
        "are counted as",
    ),
    Mutation(
        "the picture before stays",
        instead(pictures, "removal", lambda _: []),
        "stays and is nobody's picture",
    ),
    Mutation(
        "a picture expires",
        instead(pictures, "_in_use", lambda: {"used_at": 1}),
        "the picture of",
    ),
    Mutation("conditions are left out", conditions_are_left_out, "is no upload"),
    Mutation("small renditions are left out", small_renditions_are_left_out, "lacks"),
    Mutation(
        "objects are not deleted",
        instead(renditions, "delete_objects", lambda _: 0),
        "belongs to nothing",
    ),
    Mutation(
        "photos are not looked at",
        instead(renditions, "make", lambda _: (renditions.Outcome.REPEATED, None)),
        "the upload is pending",
        one_photo,
    ),
    Mutation("reads are old", reads_are_old, "is answered 200"),
    Mutation(
        "errors of AWS are not known",
        instead(table, "aws_errors", nullcontext),
        "is answered 500",
        aws_fails,
    ),
    Mutation(
        "a late write needs nothing to be older", conditions_are_left_out, "name of", held_back
    ),
    Mutation(
        "a key stays in use",
        instead(settings, "ATTEMPT_SECONDS", 3600),
        "stays in use",
        killed_while_creating(1),
    ),
    Mutation("keys are ignored", keys_are_ignored, "stays in use", killed_while_creating(0)),
    Mutation(
        "keys and reservations are ignored",
        keys_and_reservations_are_ignored,
        "was made by nobody",
        killed_while_creating(0),
    ),
    Mutation(
        "what was created is not found",
        instead(users, "get", raise_not_found),
        "creation is answered 404",
        killed_while_creating(2),
    ),
]


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.name)
def test_it_is_noticed_that(mutation: Mutation, world: World) -> None:
    mutation.breaks(world.patch)
    mutation.story(world)
    assert mutation.noticed in world.found()


def test_a_function_that_ran_into_its_time_out_is_noticed(tmp_path: Path) -> None:
    client: Any = SimpleNamespace(stack={"logs": str(tmp_path)})
    log = tmp_path / "ministack.log"
    log.write_text("START\nEND\n")
    assert run.timeouts(client) == []
    log.write_text("START\nTask timed out after 10.00 seconds\nEND\n")
    assert run.timeouts(client) == ["Task timed out after 10.00 seconds"]
