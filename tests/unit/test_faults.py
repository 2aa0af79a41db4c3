"""A fault at every call of AWS: whatever fails, what is sent again ends as if nothing had.

Every operation runs once as it should, then again for each of its calls and each fault of that
call, once and for good, until its client has an answer or its event is through. Then the rest of
AWS catches up: events arrive, what nobody finished expires, records that are gone take their
objects along. Tables and bucket must hold what they hold without the fault.
"""

import base64
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import httpx
import pytest
from tests.photos import plain
from tests.template import routes
from tests.unit.conftest import APP_ID, Answer, Service, forget_keys
from tests.unit.faults import Contents, Failure, Fault, Killed, Network

pytestmark = pytest.mark.matrix

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
CLERK_USER = {
    "email_address": ["grace@example.com"],
    "phone_number": ["+15005550009"],
    "username": "grace",
}
CLERK_EMAIL = {"user_id": "{ada}", "email_address": "grace@example.com"}
CLERK_PHONE = {"user_id": "{ada}", "phone_number": "+15005550009"}
ADDRESSES = "/_api/admin/images/upload"
UPDATE = "mutation ($input: UpdateUserInput!) { updateUser(input: $input) { user { id } } }"
NAMED = {"Invalid": 400, "NotFound": 404, "InternalError": 500, "ServiceUnavailable": 503}
PASSWORD = "correct horse battery staple"
NEW_UPLOAD = {"kind": "profile_picture", "contentType": "image/png", "contentLength": 99}
# With a key, who was cut off is asked to come back when that request must be over.
IN_USE = "idempotency_key_in_use"
ASK_AGAIN = -1
CROP = {"x": 0.25, "y": 0.5, "size": 0.5}
REPEATABLE = {"idempotency-key": "b7e3f0d2"}


def form(content: bytes) -> tuple[bytes, dict[str, str]]:
    """A form with a photo, and its content type."""
    sent = httpx.Request("POST", "https://api.example.com", files={"file": ("me.png", content)})
    return sent.read(), {"content-type": sent.headers["content-type"]}


PHOTO_FORM, FORM = form(plain("yellow"))
OTHER_FORM, OTHER = form(plain("orange"))


@dataclass
class World:
    """What an operation finds: ids by name, and all that is stored.

    Ada has the picture `picture`, an upload `ready`, and an upload `pending` whose photo S3 has
    and has not told of. Bob has an upload `his`. The object `nobodys` came in through Authgear's
    API, `address` takes another one. Ada's password is PASSWORD, `email` and `phone` are the ids of
    addresses and numbers that are not their primary ones. `digest` is that of `picture`.
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
            service.send_photo(names[name], plain("red"))
        service.set_picture(ada, names["picture"])
        names["digest"] = Contents.of().uploads()[names["picture"]]["digest"]
        names["pending"] = service.create_upload(ada)
        service.put_photo(names["pending"], plain("green"))
        for name in ("nobodys", "object"):
            issued = service.with_key("POST", ADDRESSES).json["result"]["upload_url"]
            names["address"] = issued.removeprefix("https://api.example.com")
            names[name] = names["address"].partition("?")[0].rpartition("/")[2]
            if name == "nobodys":
                service.call("POST", names["address"], PHOTO_FORM, headers=FORM)
        service.with_key("PATCH", f"/v1/users/{ada}", {"password": PASSWORD})
        for name, field, value in (
            ("email", "email_address", "ada@example.org"),
            ("phone", "phone_number", "+15005550001"),
            ("phone", "phone_number", "+15005550002"),
        ):
            path = {"email": "/v1/email_addresses", "phone": "/v1/phone_numbers"}[name]
            body = {"user_id": ada, field: value, "verified": True}
            names[name] = service.with_key("POST", path, body).json["id"]
        for name in ("ada", "bob"):
            node = base64.urlsafe_b64encode(f"User:{names[name]}".encode()).decode()
            names[f"{name}_node"] = node.rstrip("=")
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

    `run` answers None for an event; `also` are statuses that are right for a second attempt, where
    the first, whose answer was lost, did all there was to do. `given` comes first and is never
    disturbed. `late` is an upload whose photo's event comes last. `meanwhile` happens once, between
    its first call of AWS and the second. Where it is not `cold`, the environment knows the secret
    key.
    """

    name: str
    run: Callable[[World], Answer | None]
    also: frozenset[int] = frozenset()
    given: Callable[[World], object] = lambda world: None
    late: str | None = None
    meanwhile: Callable[[World], object] | None = None
    cold: bool = True


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
    cold: bool = True,
) -> Operation:
    """A request by the user `caller`, or with the secret key, with the ids of a world filled in."""

    def run(world: World) -> Answer:
        service = world.service
        token = service.token(world.names[caller]) if caller else service.secret_key
        return service.call(
            method, world.fill(path), world.fill(body), token=token, headers=headers
        )

    right = frozenset() if also is None else frozenset({also})
    return Operation(name, run, right, late=late, cold=cold)


def clerk(name: str, method: str, path: str, body: Any = None, **options: Any) -> Operation:
    """A request to Clerk's API."""
    return request(f"Clerk: {name}", method, f"/v1{path}", body, cold=False, **options)


def graphql(name: str, query: str, also: int | None = None, **variables: Any) -> Operation:
    """A query or mutation of Authgear's API; its errors count as the statuses they stand for."""
    body = {"query": query, "variables": variables}
    sent = request("", "POST", "/_api/admin/graphql", body, also=also)

    def run(world: World) -> Answer:
        answer = sent.run(world)
        assert answer
        for error in answer.json.get("errors", ()):
            return replace(answer, status=NAMED[error["extensions"]["errorName"]])
        return answer

    return Operation(f"Authgear: {name}", run, sent.also, cold=False)


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


def given_up_event(name: str, upload: str) -> Operation:
    """Lambda tells of a photo that could not be processed."""

    def run(world: World) -> None:
        world.service.give_up(world.names[upload])

    return Operation(name, run)


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
    request("users are listed", "GET", USERS),
    request("a user is found", "GET", f"{USERS}?username=ada"),
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
    request("a photo is framed anew", "PATCH", f"{UPLOADS}/{{ready}}", {"crop": CROP}),
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
        given=lambda world: world.service.put_photo(world.names["ready"], plain("blue")),
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
    given_up_event("a photo is given up", "pending"),
    removal_event("records are removed", "ready", "pending"),
    clerk("a user is created", "POST", "/users", CLERK_USER, also=422),
    clerk("a user is created, repeatably", "POST", "/users", CLERK_USER, headers=REPEATABLE),
    clerk("users are listed", "GET", "/users?limit=2"),
    clerk("users are found", "GET", "/users?username=ada&email_address=ada@example.com"),
    clerk("users are counted", "GET", "/users/count"),
    clerk("a user is read", "GET", "/users/{ada}"),
    clerk("a user is changed", "PATCH", "/users/{ada}", {"first_name": "Augusta"}),
    clerk(
        "a user gets another name, number and picture",
        "PATCH",
        "/users/{ada}",
        {
            "username": "augusta",
            "primary_phone_number_id": "{phone}",
            "profile_image_id": "{ready}",
        },
    ),
    clerk("a user is deleted", "DELETE", "/users/{ada}", also=404, late="pending"),
    clerk(
        "metadata are replaced", "PUT", "/users/{ada}/metadata", {"public_metadata": {"plan": "a"}}
    ),
    clerk(
        "metadata are merged", "PATCH", "/users/{ada}/metadata", {"public_metadata": {"plan": "b"}}
    ),
    clerk("a picture is removed", "DELETE", "/users/{ada}/profile_image"),
    clerk("a picture is sent", "POST", "/users/{ada}/profile_image", PHOTO_FORM, headers=FORM),
    clerk("a password is verified", "POST", "/users/{ada}/verify_password", {"password": PASSWORD}),
    *(
        clerk(f"POST {action}", "POST", f"/users/{{ada}}/{action}")
        for action in ("ban", "unban", "lock", "unlock")
    ),
    clerk("an address is added", "POST", "/email_addresses", CLERK_EMAIL, also=422),
    clerk(
        "an address is added, repeatably",
        "POST",
        "/email_addresses",
        CLERK_EMAIL,
        headers=REPEATABLE,
    ),
    clerk("an address is read", "GET", "/email_addresses/{email}"),
    clerk("an address becomes primary", "PATCH", "/email_addresses/{email}", {"primary": True}),
    clerk("an address is deleted", "DELETE", "/email_addresses/{email}", also=404),
    clerk("a number is added", "POST", "/phone_numbers", CLERK_PHONE, also=422),
    clerk("a number is read", "GET", "/phone_numbers/{phone}"),
    clerk("a number becomes primary", "PATCH", "/phone_numbers/{phone}", {"primary": True}),
    clerk("a number is deleted", "DELETE", "/phone_numbers/{phone}", also=404),
    request("a user's picture is found", "GET", "/pictures/{ada}", cold=False),
    request("a rendition is served", "GET", "/renditions/{picture}/{digest}/256.webp", cold=False),
    graphql("users are listed", "{ users(first: 2) { edges { node { id } } } }"),
    graphql("a user is read", "query ($id: ID!) { node(id: $id) { id } }", id="{ada_node}"),
    graphql(
        "users are found",
        '{ getUserByLoginID(loginIDKey: "username", loginIDValue: "ada") { id } }',
    ),
    graphql(
        "a user is created",
        'mutation { createUser(input: {definition: {loginID: {key: "username", value: "grace"}}})'
        " { user { id } } }",
        also=400,
    ),
    graphql(
        "a user is changed", UPDATE, input={"userID": "{ada_node}", "customAttributes": {"a": 1}}
    ),
    graphql(
        "a picture is set",
        UPDATE,
        input={
            "userID": "{ada_node}",
            "standardAttributes": {
                "name": "Ada",
                "picture": f"authgearimages:///{APP_ID}/{{nobodys}}",
            },
        },
    ),
    graphql(
        "a picture is removed", UPDATE, input={"userID": "{ada_node}", "standardAttributes": {}}
    ),
    graphql(
        "a user is deleted",
        "mutation ($id: ID!) { deleteUser(input: {userID: $id}) { deletedUserID } }",
        id="{ada_node}",
        also=404,
    ),
    request("an address is issued", "GET", ADDRESSES),
    request("an address is issued by POST", "POST", ADDRESSES),
    request("a photo is sent to its address", "POST", "{address}", PHOTO_FORM, headers=FORM),
    request("an object is served", "GET", f"/_images/{APP_ID}/{{picture}}/profile", cold=False),
]


# Operations that touch what others touch.
RACING = [
    request("a user gets a name", "PATCH", f"{USERS}/{{ada}}", {"username": "grace"}),
    clerk("another is sent", "POST", "/users/{ada}/profile_image", OTHER_FORM, headers=OTHER),
    *(
        operation
        for operation in OPERATIONS
        if operation.name
        in (
            "a user is created",
            "a user is changed",
            "a user is deleted",
            "an upload is begun",
            "a photo is framed anew",
            "a ready upload is deleted",
            "a pending upload is deleted",
            "a picture is replaced",
            "a picture is removed",
            "a photo arrives",
            "a photo is given up",
            "records are removed",
            "Clerk: a picture is sent",
            "Authgear: a picture is set",
            "a photo is sent to its address",
        )
    ),
]
# What is answered from the function's own files, or from the issuer's keys.
WITHOUT_AWS = {
    "$default",
    "GET /api/v1/openapi.json",
    "GET /avatars/{colour}/{file}",
    "GET /elements/vignette.js",
    "GET /elements/{digest}/vignette.js",
    "GET /v1/jwks",
}


def failures(calls: list[str]) -> Iterator[Failure]:
    """Every fault of every one of some calls."""
    for at in range(len(calls)):
        for fault in Fault:
            if fault.may_happen_to(calls[at]):
                yield Failure(at, fault)
            if fault.may_last:
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
        if operation.cold:
            forget_keys()
        else:
            self.world.service.with_key("GET", ADDRESSES)
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
        contents = Contents.of()
        for upload_id, record in contents.uploads().items():
            owner = record.get("user_id")
            is_known = upload_id in self._known and (owner is None or owner in contents.users())
            if "expires_at" in record and not is_known:
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
        self.clean_up()
        return Contents.of()

    def clean_up(self) -> None:
        """Tell of all records that are gone."""
        removed, self.network.removed = self.network.removed, []
        if removed:
            self.world.service.deliver_removal(*removed)

    def case(self, operation: Operation, failure: Failure, wanted: int) -> Contents:
        """What is left of an operation with a fault; every answer on the way must be right."""
        self.cases += 1
        self.start(operation)
        status = self.attempt(operation, failure)
        # DeleteItem has no token by which DynamoDB knows a repetition of botocore's.
        is_repeated_unknown = self.calls[failure.at] == "DeleteItem"
        if status not in {wanted, *(operation.also if is_repeated_unknown else ())}:
            assert status in (None, ASK_AGAIN, 503), f"answers {status}"
            if status == 503:
                assert failure.lasts, "is not repeated by botocore"
            status = self.attempt(operation, None)
            if status == ASK_AGAIN:
                self.time_out()
                status = self.attempt(operation, None)
            assert status in {wanted, *operation.also}, f"answers {status} to the second attempt"
        return self.finish(operation)

    def race(self, first: Operation, at: int, second: Operation) -> Contents:
        """What is left of an operation when another one, and cleanup, come between two calls."""
        self.start(first)
        second.given(self.world)

        def interrupt() -> None:
            second.run(self.world)
            self.clean_up()

        self.network.interrupt(at, interrupt)
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


def test_every_route_and_every_event_is_among_the_operations(runner: Runner) -> None:
    for operation in OPERATIONS:
        runner.start(operation)
        assert runner.attempt(operation, None) is not None
        assert runner.calls
    all_of_them = {*routes().by_key, "thumbnails", "failed_photos", "cleanup"}
    assert runner.network.routes >= all_of_them - WITHOUT_AWS


@pytest.mark.filterwarnings("ignore:No application metrics")
@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)
def test_nothing_is_lost_when(
    operation: Operation, runner: Runner, record_property: Callable[[str, object], None]
) -> None:
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
    record_property("faults", runner.cases)
    record_property("operations", 1)
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
