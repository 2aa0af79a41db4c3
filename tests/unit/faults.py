"""Faults between the functions and AWS, and the state that they must not leave behind."""

import copy
import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from enum import Enum
from functools import partial
from typing import Any

import pytest
from boto3.dynamodb.types import TypeDeserializer
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.exceptions import ConnectTimeoutError, ReadTimeoutError
from botocore.retries.quota import RetryQuota
from moto.backends import get_backend
from moto.core.botocore_stubber import BotocoreStubber, MockRawResponse
from moto.core.models import DEFAULT_ACCOUNT_ID
from tests.unit.conftest import REGION, Service

from vignette import settings
from vignette.domain import renditions

_TABLES = {"users": "pk", "uploads": "id", "idempotency": "id"}
# What two runs of the same operation may differ in.
_OWN_TO_A_RUN = frozenset(
    {
        "attempt",
        "created_at",
        "framings",
        "id",
        "pk",
        "revision",
        "shard",
        "updated_at",
        "used_at",
    }
)
# An operation that fails is done over, and botocore repeats each call a few times.
_MOST_ATTEMPTS = 8


class Fault(Enum):
    """What may happen to a call of AWS."""

    THROTTLED = "throttled"
    BROKEN = "answered 500"
    TIMEOUT_BEFORE = "timed out before the effect"
    TIMEOUT_AFTER = "timed out after the effect"
    KILLED_BEFORE = "killed before the effect"
    KILLED_AFTER = "killed after the effect"
    CONFLICT_AFTER = "timed out after the effect, and its repetition conflicts"

    @property
    def may_last(self) -> bool:
        """Whether it may happen to every call from one on."""
        return self not in (Fault.KILLED_BEFORE, Fault.KILLED_AFTER, Fault.CONFLICT_AFTER)

    def may_happen_to(self, operation: str) -> bool:
        """Whether it may happen to calls of an operation of AWS."""
        return self is not Fault.CONFLICT_AFTER or operation == "TransactWriteItems"


@dataclass(frozen=True)
class Failure:
    """A fault of the call number `at`: of its first attempt, or of every attempt from there on."""

    at: int
    fault: Fault
    lasts: bool = False

    def __str__(self) -> str:
        return f"{self.fault.value}{', and all after it' if self.lasts else ''}"


class Killed(BaseException):
    """Ends a function where it stands, as the end of its process does."""


class Network:
    """Carries the functions' calls to AWS in memory, or fails to.

    `calls` are the operations called since it was last told what to do; botocore's repetitions of
    a call count as that call. `removed` are the upload records whose removal the stream of their
    table has not told of yet. `routes` are the routes that were ever called.
    """

    def __init__(self, service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
        self.service = service
        self.calls: list[str] = []
        self.removed: list[str] = []
        self.routes: set[str] = set()
        self._failure: Failure | None = None
        self._numbers: dict[str, int] = {}
        self._transactions: dict[str, Any] = {}
        self._dead = False
        self._runs = 0  # functions: one, or one that interrupts another
        self._interrupting = False
        self._interruption: tuple[int, Callable[[], object]] | None = None
        self._lock = threading.RLock()
        invoke = service.invoke
        network = self

        def invoked(name: str, event: dict[str, Any]) -> Any:
            network.routes.add(event.get("routeKey", name))
            runs, network._runs = network._runs, network._runs + 1
            try:
                return invoke(name, event)
            finally:
                network._runs = runs

        def carry(stubber: Any, event_name: str, request: AWSPreparedRequest, **_: Any) -> Any:
            send = partial(stubber.process_request, request)
            return network._carry(event_name.rpartition(".")[2], request, send)

        monkeypatch.setattr(service, "invoke", invoked)
        monkeypatch.setattr(BotocoreStubber, "__call__", carry)
        monkeypatch.setattr(time, "sleep", lambda _: None)  # botocore waits before it repeats
        # and repeats less once a client has seen many faults, which is not to be about the next.
        monkeypatch.setattr(RetryQuota, "acquire", lambda *_: True)
        # Calls come in the same order every time.
        monkeypatch.setattr(renditions, "ThreadPoolExecutor", lambda _: ThreadPoolExecutor(1))

    def fail(self, failure: Failure | None) -> None:
        """From now on, let a call fail, or none."""
        self.calls = []
        self._numbers = {}
        self._dead = False
        self._failure = failure

    def interrupt(self, at: int, action: Callable[[], object]) -> None:
        """Do something once, undisturbed, just before the call number `at` of an invocation."""
        self._interruption = (at, action)

    @property
    def interrupted(self) -> bool:
        """Whether what was to be done has been done."""
        return self._interruption is None

    def _carry(
        self, operation: str, request: AWSPreparedRequest, send: Callable[[], Any]
    ) -> AWSResponse:
        if self._runs == 0 or (self._runs == 1 and self._interrupting):
            return _response(request, send())  # a test's own
        if self._interrupting:
            return _response(request, self._effect(operation, request, send))
        call_id = str(request.headers["amz-sdk-invocation-id"])
        with self._lock:
            repeated = call_id in self._numbers
            number = self._numbers.setdefault(call_id, len(self._numbers))
            if not repeated:
                self.calls.append(operation)
            if self._interruption and self._interruption[0] == number:
                action = self._interruption[1]
                self._interruption = None
                self._interrupting = True
                try:
                    action()
                finally:
                    self._interrupting = False
            fault = self._fault(number, repeated)
            if self._dead or fault is Fault.KILLED_BEFORE:
                self._dead = True
                raise Killed
            if fault is Fault.TIMEOUT_BEFORE:
                raise ConnectTimeoutError(endpoint_url=request.url)
            if fault is Fault.THROTTLED:
                return _error(request, 503 if _is_s3(request) else 400, "SlowDown")
            if fault is Fault.BROKEN:
                return _error(request, 500, "InternalError")
            if fault is Fault.CONFLICT_AFTER and repeated:
                return _conflict(request)
            answer = self._effect(operation, request, send)
            if fault in (Fault.TIMEOUT_AFTER, Fault.CONFLICT_AFTER):
                raise ReadTimeoutError(endpoint_url=request.url)
            if fault is Fault.KILLED_AFTER:
                self._dead = True
                raise Killed
        return _response(request, answer)

    def _fault(self, number: int, repeated: bool) -> Fault | None:
        failure = self._failure
        if failure is None:
            return None
        if failure.lasts:
            return failure.fault if number >= failure.at else None
        happens_again = failure.fault is Fault.CONFLICT_AFTER
        return failure.fault if number == failure.at and (happens_again or not repeated) else None

    def _effect(self, operation: str, request: AWSPreparedRequest, send: Callable[[], Any]) -> Any:
        """Let AWS do what is asked for.

        A transaction with the token of an earlier one is answered as that was and does nothing
        (Amazon DynamoDB API reference, TransactWriteItems, ClientRequestToken), which moto does
        not know.
        """
        if operation not in ("BatchWriteItem", "DeleteItem", "TransactWriteItems"):
            return send()
        token = json.loads(_text(request.body)).get("ClientRequestToken")
        if token in self._transactions:
            return self._transactions[token]
        before = Contents.of().uploads().keys()
        answer = send()
        self.removed += sorted(before - Contents.of().uploads().keys())
        if token and answer[0] == 200:
            self._transactions[token] = answer
        return answer


def _text(body: Any) -> str | bytes:
    assert isinstance(body, str | bytes)
    return body


def _is_s3(request: AWSPreparedRequest) -> bool:
    return "X-Amz-Target" not in request.headers


def _response(request: AWSPreparedRequest, answer: Any) -> AWSResponse:
    status, headers, body = answer
    return AWSResponse(request.url, status, headers, MockRawResponse(body))


def _error(request: AWSPreparedRequest, status: int, code: str) -> AWSResponse:
    if _is_s3(request):
        body = f"<Error><Code>{code}</Code><Message>from a test</Message></Error>"
    else:
        code = {"SlowDown": "ThrottlingException", "InternalError": "InternalServerError"}[code]
        body = json.dumps({"__type": f"com.amazonaws#{code}", "message": "from a test"})
    return _response(request, (status, {}, body))


def _conflict(request: AWSPreparedRequest) -> AWSResponse:
    """What DynamoDB answers if another transaction has one of the items just now."""
    error = {
        "__type": "com.amazonaws.dynamodb.v20120810#TransactionCanceledException",
        "Message": "from a test",
        "CancellationReasons": [{"Code": "TransactionConflict"}],
    }
    return _response(request, (400, {}, json.dumps(error)))


@dataclass
class Contents:
    """All that the tables and the bucket hold.

    They are read and restored in moto's memory, since through its API that takes most of the time
    of a test that does it a thousand times.
    """

    tables: dict[str, dict[str, dict[str, Any]]]
    objects: dict[str, str]
    _items: dict[str, Any] = field(default_factory=dict)
    _bodies: dict[str, bytes] = field(default_factory=dict)

    @classmethod
    def of(cls, *, restorable: bool = False) -> "Contents":
        """What they hold now."""
        tables, keys = _tables(), _bucket().keys
        contents = cls(
            {
                name: {
                    item.hash_key.value: item.to_json()["Attributes"]
                    for item in tables[name].all_items()
                }
                for name in _TABLES
            },
            {key: keys[key].etag for key in list(keys)},
        )
        if restorable:
            contents._items = {name: copy.deepcopy(tables[name].items) for name in _TABLES}
            contents._bodies = {key: keys[key].value for key in list(keys)}
        return contents

    def restore(self, service: Service) -> None:
        """Make the tables and the bucket hold this again."""
        for name, items in self._items.items():
            _tables()[name].items = copy.deepcopy(items)
        now = Contents.of().objects
        for key, tag in self.objects.items():
            if now.get(key) != tag:
                service.s3.put_object(Bucket="pictures", Key=key, Body=self._bodies[key])
        for key in now.keys() - self.objects.keys():
            service.s3.delete_object(Bucket="pictures", Key=key)

    def plain(self, name: str) -> dict[str, dict[str, Any]]:
        """The items of a table as plain values, by key."""
        deserialize = TypeDeserializer().deserialize
        return {
            key: {name: deserialize(value) for name, value in item.items()}
            for key, item in self.tables[name].items()
        }

    def users(self) -> dict[str, dict[str, Any]]:
        """The users by id."""
        items = self.plain("users").items()
        return {item["id"]: item for key, item in items if key.startswith("user#")}

    def uploads(self) -> dict[str, dict[str, Any]]:
        """The upload records by id, without the marks of used addresses."""
        items = self.plain("uploads").items()
        return {key: item for key, item in items if not key.startswith("used/")}

    def comparable(self) -> dict[str, Any]:
        """The contents without what no two runs share: ids, digests, revisions, times."""
        users, uploads = self.users(), self.uploads()
        claims: dict[str, list[str]] = {}
        for key, item in self.plain("users").items():
            if "user_id" in item:
                claims.setdefault(item["user_id"], []).append(key)
        names = {user_id: " ".join(sorted(claims.get(user_id, []))) for user_id in users}
        records = {
            upload_id: {
                **_comparable(item),
                "user_id": names.get(item.get("user_id", ""), "nobody"),
                "expires_at": "expires_at" in item,
                "digest": "digest" in item,
                "replaced": "replaced" in item,
                "first": "first" in item,
                "objects": {
                    key.replace(upload_id, "ID").replace(item.get("digest", "-"), "-"): tag
                    for key, tag in self.objects.items()
                    if _upload_of(key) == upload_id
                },
            }
            for upload_id, item in uploads.items()
        }
        for user in users.values():
            if "picture" in user:
                user["picture"] = records.get(user["picture"]["upload_id"], "missing")
            if "password" in user:
                user["password"] = user["password"]["hasher"]
            # A password that was verified in vain may count as wrong.
            for name in ("wrong_passwords", "wrong_passwords_until"):
                user.pop(name, None)
        return {
            "users": _sorted(
                {**_comparable(user), "claims": names[user["id"]]} for user in users.values()
            ),
            "claims": sorted(key for keys in claims.values() for key in keys),
            "uploads": _sorted(records.values()),
            "marks": len(self.tables["uploads"]) - len(uploads),
            "others": sorted(key for key in self.objects if _upload_of(key) not in uploads),
            "answers": sorted(
                item["status"]["S"]
                for item in self.tables["idempotency"].values()
                if "status" in item
            ),
        }

    def violations(self, excused: Iterable[str] = ()) -> list[str]:
        """What must never be so; `excused` are uploads of which an event is still to come."""
        return [*self._wrong_users(), *self._wrong_uploads(frozenset(excused))]

    def _wrong_users(self) -> Iterator[str]:
        users, uploads = self.users(), self.uploads()
        claimed: Counter[tuple[str, str]] = Counter()
        counted = 0
        for key, item in self.plain("users").items():
            if key.startswith("count#"):
                counted += int(item["users"])
            elif "user_id" in item:
                claimed[item["user_id"], key] += 1
        values: Counter[tuple[str, str]] = Counter()
        for user_id, user in users.items():
            for name in ("email", "phone"):
                for each in user.get(f"{name}s", ()):
                    values[user_id, f"{name}#{each['value'].lower()}"] += 1
            if "username" in user:
                values[user_id, f"username#{user['username'].lower()}"] += 1
            if "external_id" in user:
                values[user_id, f"external_id#{user['external_id']}"] += 1
            if not 0 <= user.get("wrong_passwords", 0) <= _MOST_ATTEMPTS:
                yield f"{user['wrong_passwords']} wrong passwords of {user_id} are counted"
            if "picture" in user:
                record = uploads.get(user["picture"]["upload_id"])
                if record is None:
                    yield f"the picture of {user_id} is no upload"
                elif (
                    record["state"] != "ready"
                    or record["digest"] != user["picture"]["digest"]
                    or record["user_id"] != user_id
                    or "expires_at" in record
                ):
                    yield f"the picture of {user_id} is {record}"
        if values != claimed:
            yield f"unique values {values - claimed} are not kept, {claimed - values} are nobody's"
        if counted != len(users):
            yield f"{len(users)} users are counted as {counted}"

    def _wrong_uploads(self, excused: frozenset[str]) -> Iterator[str]:
        users, uploads = self.users(), self.uploads()
        pictures = {user["picture"]["upload_id"] for user in users.values() if "picture" in user}
        for upload_id, record in uploads.items():
            # An upload that nobody has set ends by itself, after its user if it has to.
            if "expires_at" not in record and upload_id not in pictures:
                yield f"upload {upload_id} stays and is nobody's picture"
            # What has expired is not there for anybody, and its objects may go before it does.
            is_there = float(record.get("expires_at", "inf")) > time.time()
            if record["state"] == "ready" and is_there:
                keys = {
                    f"renditions/{upload_id}/{record['digest']}/{size}.webp"
                    for size in settings.RENDITION_SIZES
                }
                if missing := keys - self.objects.keys():
                    yield f"upload {upload_id} lacks {missing}"
        for key in self.objects:
            if _upload_of(key) not in uploads.keys() | excused:
                yield f"object {key} belongs to nothing"


def _tables() -> Any:
    return get_backend("dynamodb")[DEFAULT_ACCOUNT_ID][REGION].tables


def _bucket() -> Any:
    return get_backend("s3")[DEFAULT_ACCOUNT_ID]["aws"].buckets["pictures"]


def _upload_of(object_key: str) -> str:
    return object_key.split("/")[1]


def _comparable(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            name: _comparable(each) for name, each in value.items() if name not in _OWN_TO_A_RUN
        }
    return [_comparable(each) for each in value] if isinstance(value, list) else value


def _sorted(values: Iterable[Any]) -> list[Any]:
    return sorted(values, key=lambda value: json.dumps(value, sort_keys=True, default=str))
