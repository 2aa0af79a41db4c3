"""What a million of each operation costs: calls to AWS, capacity of DynamoDB, and dollars.

The functions run here against AWS in memory. The calls are counted; capacity is computed from the
items that they read and write, by the rules that DynamoDB publishes ("Read and write operations"
and "Global secondary indexes" in its developer guide), since no emulator follows all of them.
"""

import copy
import io
import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from zipfile import ZIP_DEFLATED, ZipFile

import pytest
from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.dynamodb.models import dynamodb_backends
from moto.dynamodb.models.dynamo_type import DynamoType
from moto.dynamodb.models.table import Table
from tests.bench import prices
from tests.bench.runtime import BUILD
from tests.template import functions, resource, template
from tests.unit import prepared
from tests.unit.conftest import REGION, Service, deployed_service

CROWD = 100_000
_TABLES = {
    "users": "UsersTable",
    "uploads": "UploadsTable",
    "idempotency": "IdempotencyTable",
}
_READ_BLOCK, _WRITE_BLOCK = 4096, 1024  # bytes

type Item = Mapping[str, Any]
type Key = tuple[str, str]  # table, value of its partition key


def process_a_photo(service: Service, user_id: str) -> Callable[[], object]:
    upload_id = service.create_upload(user_id)
    service.put_photo(upload_id)
    return lambda: service.deliver(upload_id)


def clean_up_an_upload(service: Service, user_id: str) -> Callable[[], object]:
    upload_id = service.ready_upload(user_id)
    return lambda: service.deliver_removal(upload_id)


def show_a_picture(service: Service, user_id: str) -> Callable[[], object]:
    service.set_picture(user_id, service.ready_upload(user_id))
    path = urlsplit(service.read_user(user_id)["avatar"]["url"]).path
    return lambda: service.call("GET", path)


# What prepares each operation, and the function that does it.
OPERATIONS: dict[str, tuple[Callable[[Service, str], Callable[[], object]], str]] = {
    "create a user": (prepared.create_a_user, "profiles"),
    "read a user": (prepared.read_a_user, "profiles"),
    "change a profile": (prepared.change_names, "profiles"),
    "change all unique fields": (prepared.change_all_unique_fields, "profiles"),
    "delete a user with a picture": (prepared.delete_a_user, "profiles"),
    "create an upload": (prepared.create_an_upload, "uploads"),
    "read an upload": (prepared.read_an_upload, "uploads"),
    "delete an upload": (prepared.delete_an_upload, "uploads"),
    "send and process a photo": (process_a_photo, "thumbnails"),
    "set a picture": (prepared.set_a_picture, "pictures"),
    "replace a picture": (prepared.replace_a_picture, "pictures"),
    "remove a picture": (prepared.remove_a_picture, "pictures"),
    "clean up after an upload": (clean_up_an_upload, "cleanup"),
    "show a picture": (show_a_picture, "renditions"),
}


@dataclass
class Used:
    """What one operation used."""

    calls: Counter[str] = field(default_factory=Counter)
    read_units: float = 0
    write_units: float = 0
    log_bytes: int = 0

    def dollars(self, function: str) -> float:
        """The price of a million of them."""
        return sum(self.dollars_by_service(function).values())

    def dollars_by_service(self, function: str) -> dict[str, float]:
        """The price of a million of them, by the service of AWS that charges it."""
        properties = functions()[function]
        memory = properties.get("MemorySize", template()["Globals"]["Function"]["MemorySize"])
        own = prices.PHOTO_MILLISECONDS if function == "thumbnails" else prices.OWN_MILLISECONDS
        seconds = (own + prices.AWS_CALL_MILLISECONDS * self.calls.total()) / 1000
        by_request = any(each["Type"] == "HttpApi" for each in properties["Events"].values())
        logged = self.log_bytes + (prices.ACCESS_LOG_BYTES if by_request else 0)
        once = {
            "API Gateway": prices.HTTP_API_REQUEST if by_request else 0,
            "Lambda": prices.LAMBDA_REQUEST + seconds * memory / 1024 * prices.LAMBDA_GB_SECOND,
            "DynamoDB": self.read_units * prices.DYNAMODB_READ_UNIT
            + self.write_units * prices.DYNAMODB_WRITE_UNIT,
            "S3": sum(prices.S3_REQUEST.get(call, 0) * n for call, n in self.calls.items()),
            "CloudWatch": logged * prices.LOG_BYTE,
        }
        return {service: prices.MILLION * price for service, price in once.items()}


def measure(crowd: int = CROWD) -> list[dict[str, Any]]:
    """A row for every operation with one user in the table, and with `crowd` more."""
    alone, among = _measure(0), _measure(crowd)
    return [
        {
            "operation": name,
            "calls": dict(used.calls),
            "read_units": used.read_units,
            "write_units": used.write_units,
            "log_bytes": used.log_bytes,
            "dollars_by_service": used.dollars_by_service(function),
            "dollars_per_million": used.dollars(function),
            "dollars_per_million_in_a_crowd": among[name].dollars(function),
        }
        for name, used in alone.items()
        for _, function in [OPERATIONS[name]]
    ]


def sizes() -> dict[str, int]:
    """Bytes of every function and layer as it is uploaded: zipped."""
    return {
        directory.name: _zipped(directory)
        for directory in sorted(BUILD.iterdir())
        if directory.is_dir()
    }


def _measure(crowd: int) -> dict[str, Used]:
    used = {}
    output = io.StringIO()
    with (
        pytest.MonkeyPatch.context() as patch,
        redirect_stdout(output),
        deployed_service(patch) as service,
    ):
        from vignette.runtime.telemetry import logger  # reads the environment

        patch.setattr(Table, "__deepcopy__", _shallow_table, raising=False)
        patch.setattr(logger.registered_handler, "stream", output)
        _add_users(service, service.create_user(username="ada")["id"], crowd)
        for name, (prepare, _) in OPERATIONS.items():
            send = prepare(service, service.create_user()["id"])
            logged = output.tell()
            used[name] = _observe(service, send)
            used[name].log_bytes = output.tell() - logged + prices.PLATFORM_LOG_BYTES
    used["send and process a photo"].calls["PostObject"] = 1  # by the client
    return used


def _observe(service: Service, send: Callable[[], object]) -> Used:
    """Do an operation, and tell what it used."""
    from vignette.adapters import aws

    used = Used()
    before: dict[Key, Item] = {}

    def note_items(params: dict[str, Any], model: Any, **_: Any) -> None:
        before.clear()
        before.update({key: _item(service, key) for key in _keys(model.name, params)})
        wanted.append(params)

    def count_units(parsed: dict[str, Any], model: Any, **_: Any) -> None:
        params = wanted.pop()
        used.read_units += _read_units(model.name, params, parsed)
        factor = 2 if model.name == "TransactWriteItems" else 1
        for key, old in before.items():
            used.write_units += _write_units(key[0], old, _item(service, key), factor)

    wanted: list[dict[str, Any]] = []
    hooks: Any = aws.session().events
    # For the clients that there are, too: each has a copy of its session's hooks.
    events = [hooks, aws.client("dynamodb").meta.events]
    for each in events:
        each.register("before-parameter-build.dynamodb", note_items)
        each.register("after-call.dynamodb", count_units)
    service.calls.clear()
    send()
    used.calls = Counter(service.calls)
    for each in events:
        each.unregister("before-parameter-build.dynamodb", note_items)
        each.unregister("after-call.dynamodb", count_units)
    return used


def _read_units(operation: str, params: dict[str, Any], answer: dict[str, Any]) -> float:
    match operation:
        case "GetItem":
            return _read(params, [answer.get("Item", {})])
        case "BatchGetItem":
            return sum(
                _read(request, [item])
                for table, request in params["RequestItems"].items()
                for item in _padded(answer["Responses"].get(table, []), len(request["Keys"]))
            )
        case "Query":
            return _read(params, answer["Items"])
    return 0


def _read(request: dict[str, Any], items: Sequence[Item]) -> float:
    blocks = _blocks(sum(map(_size, items)), _READ_BLOCK)
    return blocks if request.get("ConsistentRead") else blocks / 2


def _padded(items: list[Item], length: int) -> list[Item]:
    """As many items as were asked for: one that is not there costs a read too."""
    return [*items, *([{}] * (length - len(items)))]


def _keys(operation: str, params: dict[str, Any]) -> Iterator[Key]:
    """The items that a write touches."""
    actions = {
        "PutItem": [params],
        "UpdateItem": [params],
        "DeleteItem": [params],
        "TransactWriteItems": [
            action for each in params.get("TransactItems", []) for action in each.values()
        ],
    }
    for action in actions.get(operation, []):
        name = _key_name(action["TableName"])
        yield action["TableName"], action.get("Key", action.get("Item"))[name]["S"]


def _write_units(table: str, old: Item, new: Item, factor: int) -> int:
    """Units of one write with those of the indexes, which take no part in a transaction."""
    units = factor * _blocks(max(_size(old), _size(new)), _WRITE_BLOCK)
    for index in resource(_TABLES[table]).get("GlobalSecondaryIndexes", []):
        assert index["Projection"]["ProjectionType"] == "KEYS_ONLY"
        names = {_key_name(table), *(each["AttributeName"] for each in index["KeySchema"])}
        entries = [
            {name: item[name] for name in names} if names <= item.keys() else {}
            for item in (old, new)
        ]
        if entries[0] != entries[1]:
            units += sum(_blocks(_size(entry), _WRITE_BLOCK) for entry in entries if entry)
    return units


def _key_name(table: str) -> str:
    return str(resource(_TABLES[table])["KeySchema"][0]["AttributeName"])


def _blocks(size: int, block: int) -> int:
    return max(1, math.ceil(size / block))


def _size(item: Item) -> int:
    """Bytes of an item, as "DynamoDB item sizes and formats" counts them."""
    return sum(len(name.encode()) + _value_size(value) for name, value in item.items())


def _value_size(value: Mapping[str, Any]) -> int:
    ((kind, content),) = value.items()
    match kind:
        case "S":
            return len(content.encode())
        case "N":
            return math.ceil(len(content.strip("-").replace(".", "").strip("0")) / 2) + 1
        case "L":
            return 3 + sum(1 + _value_size(each) for each in content)
        case "M":
            return 3 + sum(
                1 + len(name.encode()) + _value_size(each) for name, each in content.items()
            )
    return 1  # BOOL and NULL


def _item(service: Service, key: Key) -> Item:
    table, value = key
    found = service.dynamodb.get_item(TableName=table, Key={_key_name(table): {"S": value}})
    item: Item = found.get("Item", {})
    return item


def _add_users(service: Service, user_id: str, crowd: int) -> None:
    """Put copies of a user, each with an address of its own, right into the table."""
    items: Any = dynamodb_backends[DEFAULT_ACCOUNT_ID][REGION].tables["users"].items
    user = items[DynamoType({"S": f"user#{user_id}"})]
    reserved = items[DynamoType({"S": "username#ada"})]
    for number in range(crowd):
        for original, name in ((user, f"user#{number:032}"), (reserved, f"username#{number:032}")):
            key = DynamoType({"S": name})
            item = copy.copy(original)
            item.hash_key = key
            item.attrs = copy.copy(original.attrs)
            item.attrs["pk"] = key
            items[key] = item


def _shallow_table(self: Table, _: object) -> Table:
    """What moto goes back to where a transaction fails: none does here, and copies take long."""
    table = copy.copy(self)
    table.items = copy.copy(self.items)
    return table


def _zipped(directory: Path) -> int:
    archive = io.BytesIO()
    with ZipFile(archive, "w", ZIP_DEFLATED) as files:
        for path in directory.rglob("*"):
            if path.is_file():
                files.write(path, path.relative_to(directory))
    return len(archive.getvalue())
