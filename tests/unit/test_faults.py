"""A fault at every call of AWS: whatever fails, what is sent again ends as if nothing had.

Every operation runs once as it should, then again for each of its calls and each fault of that
call, once and for good, until its client has an answer or its event is through. Then the rest of
AWS catches up: events arrive, what nobody finished expires, records that are gone take their
objects along. Tables and bucket must hold what they hold without the fault.
"""

import io
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest
from PIL import Image
from tests.unit.conftest import Answer, Service, forget_keys
from tests.unit.faults import Contents, Failure, Fault, Killed, Network

USERS = "/api/v1/shared/users"
UPLOADS = "/api/v1/uploads"
ME = "/api/v1/users/me"
PICTURE = f"{USERS}/{{ada}}/profile-picture"
NEW_USER = {
    "email": "grace@example.com",
    "firstName": "Grace",
    "lastName": "Hopper",
    "username": "grace",
    "externalId": "crm-9",
}
NEW_UPLOAD = {"kind": "profile_picture", "contentType": "image/png", "contentLength": 99}
# With a key, who was cut off is asked to come back when that request must be over.
IN_USE = "idempotency_key_in_use"
ASK_AGAIN = -1
REPEATABLE = {"idempotency-key": "b7e3f0d2"}


def photo(colour: str) -> bytes:
    """A photo that takes little time."""
    file = io.BytesIO()
    Image.new("RGB", (16, 16), colour).save(file, "PNG")
    return file.getvalue()


@dataclass
class World:
    """What an operation finds: ids by name, and all that is stored.

    Ada has the picture `picture`, an upload `ready`, and an upload `pending` whose photo S3 has
    and has not told of. Bob has an upload `his`.
    """

    service: Service
    names: dict[str, str]
    contents: Contents

    @classmethod
    def build(cls, service: Service) -> "World":
        ada = service.create_user(email="ada@example.com", username="ada")["id"]
        bob = service.create_user(email="bob@example.com")["id"]
        names = {"ada": ada, "bob": bob}
        for name, owner in {"picture": ada, "ready": ada, "his": bob}.items():
            names[name] = service.create_upload(owner)
            service.send_photo(names[name], photo("red"))
        service.set_picture(ada, names["picture"])
        names["pending"] = service.create_upload(ada)
        service.put_photo(names["pending"], photo("green"))
        return cls(service, names, Contents.of(restorable=True))

    def expire(self, name: str) -> None:
        """Delete an upload's record, as DynamoDB's TTL does."""
        self.service.dynamodb.delete_item(TableName="uploads", Key={"id": {"S": self.names[name]}})

    def clean_up(self, name: str) -> None:
        """Delete an upload's record and its objects."""
        self.expire(name)
        self.service.deliver_removal(self.names[name])

    def fill(self, value: Any) -> Any:
        """A value with `{name}`s replaced by ids."""
        match value:
            case str():
                for name, each in self.names.items():
                    value = value.replace(f"{{{name}}}", each)
                return value
            case dict():
                return {name: self.fill(each) for name, each in value.items()}
            case _:
                return value


@dataclass(frozen=True)
class Operation:
    """Something that a client or AWS asks of the service, as often as it takes.

    `run` answers None for an event; `also` are statuses that are right where an earlier attempt,
    whose answer was lost, did all there was to do. `given` comes first and is never disturbed.
    `late` is an upload whose photo's event comes last. `meanwhile` happens once, between its first
    call of AWS and the second.
    """

    name: str
    run: Callable[[World], Answer | None]
    also: frozenset[int] = frozenset()
    given: Callable[[World], object] = lambda world: None
    late: str | None = None
    meanwhile: Callable[[World], object] | None = None


def request(
    name: str,
    method: str,
    path: str,
    body: Any = None,
    *,
    caller: str | None = None,
    headers: dict[str, str] | None = None,
    also: int | None = None,
    late: str | None = None,
) -> Operation:
    """A request by the user `caller`, or with the secret key, with the ids of a world filled in."""

    def run(world: World) -> Answer:
        service = world.service
        token = service.token(world.names[caller]) if caller else service.secret_key
        return service.call(
            method, world.fill(path), world.fill(body), token=token, headers=headers
        )

    return Operation(name, run, frozenset() if also is None else frozenset({also}), late=late)


def photo_event(
    name: str,
    upload: str,
    given: Callable[[World], object] = lambda world: None,
    meanwhile: Callable[[World], object] | None = None,
) -> Operation:
    """S3 tells of the photo of an upload."""

    def run(world: World) -> None:
        world.service.deliver(world.names[upload])

    return Operation(name, run, given=given, meanwhile=meanwhile)


def removal_event(name: str, *uploads: str) -> Operation:
    """The stream of the uploads table tells of records that are gone, until all are dealt with."""

    def run(world: World) -> None:
        answer = world.service.deliver_removal(*(world.names[each] for each in uploads))
        if answer["batchItemFailures"]:
            raise RuntimeError("to be delivered again")

    def given(world: World) -> None:
        for each in uploads:
            world.expire(each)

    return Operation(name, run, given=given)


OPERATIONS = [
    request("a user is created", "POST", USERS, NEW_USER, also=409),
    request("a user is created, repeatably", "POST", USERS, NEW_USER, headers=REPEATABLE),
    request(
        "a user whose name is taken is refused", "POST", USERS, {**NEW_USER, "username": "ada"}
    ),
    request(
        "a user whose name is taken is refused, repeatably",
        "POST",
        USERS,
        {**NEW_USER, "username": "ada"},
        headers=REPEATABLE,
    ),
    request("a user is read", "GET", f"{USERS}/{{ada}}"),
    request("users read themselves", "GET", ME, caller="ada"),
    request("a user is changed", "PATCH", f"{USERS}/{{ada}}", {"firstName": "Augusta"}),
    request(
        "a user gets other unique values",
        "PATCH",
        f"{USERS}/{{ada}}",
        {"username": "augusta", "email": "augusta@example.com", "externalId": "crm-2"},
    ),
    request("users change themselves", "PATCH", ME, {"username": None}, caller="ada"),
    request("a user is deleted", "DELETE", f"{USERS}/{{ada}}", also=404, late="pending"),
    request("an upload is begun", "POST", UPLOADS, NEW_UPLOAD, caller="ada"),
    request(
        "an upload is begun, repeatably",
        "POST",
        UPLOADS,
        {**NEW_UPLOAD, "userId": "{ada}"},
        headers=REPEATABLE,
    ),
    request("an upload is read", "GET", f"{UPLOADS}/{{ready}}", caller="ada"),
    request("a ready upload is deleted", "DELETE", f"{UPLOADS}/{{ready}}", also=404),
    request(
        "a pending upload is deleted", "DELETE", f"{UPLOADS}/{{pending}}", also=404, late="pending"
    ),
    request("a picture is set", "PATCH", f"{USERS}/{{bob}}/profile-picture", {"uploadId": "{his}"}),
    request("a picture is replaced", "PATCH", PICTURE, {"uploadId": "{ready}"}),
    request("a picture is removed", "PATCH", PICTURE, {"uploadId": None}),
    request(
        "users set their picture",
        "PATCH",
        f"{ME}/profile-picture",
        {"uploadId": "{his}"},
        caller="bob",
    ),
    photo_event("a photo arrives", "pending"),
    photo_event(
        "something else arrives",
        "pending",
        given=lambda world: world.service.put_photo(world.names["pending"], b"<svg/>"),
    ),
    photo_event(
        "a second photo arrives",
        "ready",
        given=lambda world: world.service.put_photo(world.names["ready"], photo("blue")),
    ),
    photo_event(
        "a photo arrives for an upload that is gone",
        "pending",
        given=lambda world: world.expire("pending"),
    ),
    photo_event(
        "a photo arrives while its upload goes",
        "pending",
        meanwhile=lambda world: world.clean_up("pending"),
    ),
    removal_event("records are removed", "ready", "pending"),
]


# Operations that touch what others touch.
RACING = [
    request("a user gets a name", "PATCH", f"{USERS}/{{ada}}", {"username": "grace"}),
    *(
        operation
        for operation in OPERATIONS
        if operation.name
        in (
            "a user is created",
            "a user is changed",
            "a user is deleted",
            "an upload is begun",
            "a ready upload is deleted",
            "a pending upload is deleted",
            "a picture is replaced",
            "a picture is removed",
            "a photo arrives",
            "records are removed",
        )
    ),
]


def failures(calls: list[str]) -> Iterator[Failure]:
    """Every fault of every one of some calls."""
    for at in range(len(calls)):
        for fault in Fault:
            yield Failure(at, fault)
            if not fault.kills:
                yield Failure(at, fault, lasts=True)


class Runner:
    """Runs operations in the same world again and again."""

    def __init__(self, world: World, network: Network) -> None:
        self.world = world
        self.network = network
        self.cases = 0
        self._known: set[str] = set()

    def start(self, operation: Operation) -> None:
        """A world in which nothing has happened, for an environment that knows nothing."""
        self.world.contents.restore(self.world.service)
        operation.given(self.world)
        forget_keys()
        if operation.meanwhile:
            self.network.interrupt(1, partial(operation.meanwhile, self.world))
        self.network.removed = []
        self._known = set(self.world.names.values())

    def attempt(self, operation: Operation, failure: Failure | None) -> int | None:
        """The status of one attempt, 200 for an event that went through, None for no answer."""
        self.network.fail(failure)
        try:
            answer = operation.run(self.world)
        except Killed:
            return None
        except Exception as error:  # as AWS sees it, the event has failed
            self.error = error
            return None
        finally:
            self.calls = self.network.calls
            self.network.fail(None)
        if answer is None:
            return 200
        if IN_USE in json.dumps(answer.json):
            return ASK_AGAIN
        if answer.status == 201 and "uploadId" in answer.json:
            self._known.add(answer.json["uploadId"])
        return answer.status

    def finish(self, operation: Operation) -> Contents:
        """What is left when all events have arrived and what nobody knows of has expired."""
        for upload_id in sorted(Contents.of().uploads().keys() - self._known):
            self.world.service.dynamodb.delete_item(
                TableName="uploads", Key={"id": {"S": upload_id}}
            )
            self.network.removed.append(upload_id)
        return self.catch_up(operation)

    def catch_up(self, *operations: Operation) -> Contents:
        """What is left when all events have arrived."""
        service = self.world.service
        for late in {operation.late for operation in operations if operation.late}:
            service.deliver(self.world.names[late])
        if self.network.removed:
            service.deliver_removal(*self.network.removed)
        return Contents.of()

    def case(self, operation: Operation, failure: Failure, wanted: int) -> Contents:
        """What is left of an operation with a fault; every answer on the way must be right."""
        self.cases += 1
        self.start(operation)
        right = {wanted, *operation.also}
        status = self.attempt(operation, failure)
        if status not in right:
            assert status in (None, ASK_AGAIN, 503), f"answers {status}"
            if status == 503:
                assert failure.lasts, "is not repeated by botocore"
            status = self.attempt(operation, None)
            if status == ASK_AGAIN:
                self.time_out()
                status = self.attempt(operation, None)
            assert status in right, f"answers {status} to the second attempt"
        return self.finish(operation)

    def race(self, first: Operation, at: int, second: Operation) -> Contents:
        """What is left of an operation when another one comes between two of its calls."""
        self.start(first)
        second.given(self.world)
        self.network.interrupt(at, lambda: second.run(self.world))
        status = self.attempt(first, None)
        assert status in range(200, 500), f"answers {status}"
        if not self.network.interrupted:  # the first was over before
            second.run(self.world)
        return self.catch_up(first, second)

    def time_out(self) -> None:
        """Let the time pass that an invocation has at most."""
        for key in Contents.of().tables["idempotency"]:
            self.world.service.dynamodb.update_item(
                TableName="idempotency",
                Key={"id": {"S": key}},
                AttributeUpdates={
                    "in_progress_expiration": {"Value": {"N": str(int(time.time() * 1000) - 1)}}
                },
            )


@pytest.fixture
def runner(service: Service, monkeypatch: pytest.MonkeyPatch) -> Runner:
    return Runner(World.build(service), Network(service, monkeypatch))


@pytest.fixture(scope="module")
def total(request: pytest.FixtureRequest) -> Iterator[dict[str, int]]:
    """The number of cases of every operation, printed at the end."""
    cases: dict[str, int] = {}
    yield cases
    capture: Any = request.config.pluginmanager.get_plugin("capturemanager")
    with capture.global_and_fixture_disabled():
        print(f"\n{sum(cases.values())} faults in {len(cases)} operations")


@pytest.mark.filterwarnings("ignore:No application metrics")
@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)
def test_nothing_is_lost_when(operation: Operation, runner: Runner, total: dict[str, int]) -> None:
    runner.start(operation)
    status = runner.attempt(operation, None)
    assert status is not None
    calls = runner.calls
    clean = runner.finish(operation)
    assert clean.violations() == []
    wanted = clean.comparable()

    wrong = []
    for failure in failures(calls):
        label = f"{calls[failure.at]} (call {failure.at + 1}) {failure}"
        try:
            left = runner.case(operation, failure, status)
        except AssertionError as error:
            wrong.append(f"{label}: {error}")
            continue
        wrong += [f"{label}: {each}" for each in left.violations()]
        found = left.comparable()
        wrong += [
            f"{label}: {name} are {found[name]}, not {wanted[name]}"
            for name in wanted
            if found[name] != wanted[name]
        ]
    total[operation.name] = runner.cases
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("first", RACING, ids=lambda operation: operation.name)
def test_nothing_is_lost_when_something_else_happens_while(
    first: Operation, runner: Runner
) -> None:
    runner.start(first)
    runner.attempt(first, None)
    calls = runner.calls
    wrong = []
    for at in range(1, len(calls)):
        for second in RACING:
            label = f"{second.name} before {calls[at]} (call {at + 1})"
            try:
                left = runner.race(first, at, second)
            except AssertionError as error:
                wrong.append(f"{label}: {error}")
            else:
                wrong += [f"{label}: {each}" for each in left.violations()]
    assert not wrong, "\n".join(wrong)
