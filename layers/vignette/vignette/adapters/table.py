"""DynamoDB: consistent reads, conditional writes and transactions on plain dictionaries."""

import random
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import batched
from typing import TYPE_CHECKING, Any

from boto3.dynamodb.conditions import Attr, ConditionBase, ConditionExpressionBuilder, Key
from boto3.dynamodb.types import TypeDeserializer, TypeSerializer
from botocore.exceptions import ClientError

from vignette.adapters.aws import aws_errors, client
from vignette.errors import Unavailable

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient

__all__ = [
    "CONFLICT_ATTEMPTS",
    "Action",
    "AddToAny",
    "Attr",
    "Check",
    "ConditionBase",
    "ConditionFailed",
    "Delete",
    "Item",
    "Key",
    "Put",
    "Update",
    "delete_many",
    "get",
    "get_many",
    "longest_wait",
    "query",
    "transact",
    "write",
]

type Item = dict[str, Any]

_MAX_BATCH_WRITES = 25  # limit of AWS, in one BatchWriteItem
# Of a thousand creations a second, one in eight attempts meets another over a counter.
CONFLICT_ATTEMPTS = 7
_BATCH_ATTEMPTS = 5

_serialize = TypeSerializer().serialize
_deserialize = TypeDeserializer().deserialize


class ConditionFailed(Exception):
    """The condition of one or more actions did not hold, so nothing was written.

    `failed` are those actions; `item` is what a single action found instead.
    """

    def __init__(self, failed: "Sequence[Action]", item: Item | None = None) -> None:
        super().__init__(f"{len(failed)} conditions did not hold")
        self.failed = failed
        self.item = item


@dataclass(frozen=True, slots=True)
class Put:
    """Write a whole item."""

    table: str
    item: Item
    condition: ConditionBase | None = None

    def parameters(self) -> dict[str, Any]:
        """The action in DynamoDB's terms."""
        return {
            "TableName": self.table,
            "Item": _to_wire(self.item),
            **_expressions(self.condition),
        }


@dataclass(frozen=True, slots=True)
class Update:
    """Set, add to and remove attributes of an item; None as a value removes the attribute."""

    table: str
    key: Item
    values: Mapping[str, Any]
    add: Mapping[str, int] = field(default_factory=dict)
    condition: ConditionBase | None = None

    def parameters(self) -> dict[str, Any]:
        """The action in DynamoDB's terms."""
        names: dict[str, str] = {}
        values: dict[str, Any] = {}
        clauses: dict[str, list[str]] = {"SET": [], "REMOVE": [], "ADD": []}
        for position, (name, value) in enumerate([*self.values.items(), *self.add.items()]):
            names[f"#u{position}"] = name
            if value is None:
                clauses["REMOVE"].append(f"#u{position}")
                continue
            values[f":u{position}"] = value
            if name in self.add:
                clauses["ADD"].append(f"#u{position} :u{position}")
            else:
                clauses["SET"].append(f"#u{position} = :u{position}")
        return {
            "TableName": self.table,
            "Key": _to_wire(self.key),
            "UpdateExpression": " ".join(
                f"{verb} {', '.join(parts)}" for verb, parts in clauses.items() if parts
            ),
            **_expressions(self.condition, names, values),
        }


@dataclass(frozen=True, slots=True)
class AddToAny:
    """Add to a number that is kept as the sum of several items.

    The item is chosen at random, and another time when a transaction is tried again: with enough
    items, transactions at the same time seldom meet.
    """

    table: str
    keys: Sequence[Item]
    numbers: Mapping[str, int]

    def parameters(self) -> dict[str, Any]:
        """The action in DynamoDB's terms, with an item of its own at every call."""
        key = random.choice(self.keys)  # noqa: S311  (not a secret)
        return Update(self.table, key, {}, add=self.numbers).parameters()


@dataclass(frozen=True, slots=True)
class Delete:
    """Delete an item."""

    table: str
    key: Item
    condition: ConditionBase | None = None

    def parameters(self) -> dict[str, Any]:
        """The action in DynamoDB's terms."""
        return {
            "TableName": self.table,
            "Key": _to_wire(self.key),
            **_expressions(self.condition),
        }


@dataclass(frozen=True, slots=True)
class Check:
    """Write nothing, but let the transaction fail where the condition does not hold."""

    table: str
    key: Item
    condition: ConditionBase

    def parameters(self) -> dict[str, Any]:
        """The action in DynamoDB's terms."""
        return {
            "TableName": self.table,
            "Key": _to_wire(self.key),
            **_expressions(self.condition),
        }


type Action = Put | Update | AddToAny | Delete | Check

# Actions that have another name in DynamoDB's transactions.
_TRANSACTION_NAMES = {"AddToAny": "Update", "Check": "ConditionCheck"}


def get(table: str, key: Item) -> Item | None:
    """Read one item, consistently.

    Raises:
        Unavailable: DynamoDB did not do it.
    """
    with aws_errors():
        answer = _client().get_item(TableName=table, Key=_to_wire(key), ConsistentRead=True)
    return _from_wire(answer["Item"]) if "Item" in answer else None


def get_many(keys: Sequence[tuple[str, Item]]) -> list[Item | None]:
    """Read up to 100 items of one or more tables consistently, in the order of `keys`.

    Raises:
        Unavailable: DynamoDB did not do it, or keeps returning keys unprocessed.
    """
    wanted: dict[str, Any] = {}
    for table, key in keys:
        request = wanted.setdefault(table, {"Keys": [], "ConsistentRead": True})
        wire_key = _to_wire(key)
        if wire_key not in request["Keys"]:
            request["Keys"].append(wire_key)
    found: list[tuple[str, Item]] = []
    for attempt in range(_BATCH_ATTEMPTS):
        if not wanted:
            break
        if attempt:
            _back_off(attempt)
        with aws_errors():
            answer = _client().batch_get_item(RequestItems=wanted)
        for table, items in answer["Responses"].items():
            found.extend((table, _from_wire(item)) for item in items)
        wanted = answer.get("UnprocessedKeys", {})
    else:
        if wanted:
            raise Unavailable("The service is busy; try again.")
    return [
        next(
            (item for at, item in found if at == table and key.items() <= item.items()),
            None,
        )
        for table, key in keys
    ]


def query(
    table: str,
    index: str,
    condition: ConditionBase,
    *,
    descending: bool = False,
    page_size: int | None = None,
) -> Iterator[Item]:
    """The items of an index that match a key condition, read page by page as they are wanted.

    Raises:
        Unavailable: DynamoDB did not do it.
    """
    request: dict[str, Any] = {
        "TableName": table,
        "IndexName": index,
        "ScanIndexForward": not descending,
        **_expressions(condition, clause="KeyConditionExpression"),
    }
    if page_size is not None:
        request["Limit"] = page_size
    while True:
        with aws_errors():
            answer = _client().query(**request)
        yield from map(_from_wire, answer["Items"])
        if "LastEvaluatedKey" not in answer:
            return
        request["ExclusiveStartKey"] = answer["LastEvaluatedKey"]


def write(action: Put | Update | Delete) -> Item | None:
    """Do one conditional write; an update answers with the item as it is afterwards.

    Raises:
        ConditionFailed: The condition did not hold; it has the item that was found instead.
        Unavailable: DynamoDB did not do it.
        ClientError: DynamoDB refused the call for another reason.
    """
    request = action.parameters()
    request["ReturnValuesOnConditionCheckFailure"] = "ALL_OLD"
    try:
        with aws_errors():
            match action:
                case Put():
                    _client().put_item(**request)
                case Delete():
                    _client().delete_item(**request)
                case Update():
                    answer = _client().update_item(**request, ReturnValues="ALL_NEW")
                    return _from_wire(answer["Attributes"])
    except ClientError as error:
        if error.response["Error"]["Code"] != "ConditionalCheckFailedException":
            raise
        found: Any = error.response.get("Item")
        raise ConditionFailed([action], _from_wire(found) if found else None) from None
    return None


def delete_many(table: str, keys: Sequence[Item]) -> None:
    """Delete items whatever they are, 25 in a call; one that is not there counts as deleted.

    Raises:
        Unavailable: DynamoDB did not do it, or keeps returning keys unprocessed.
    """
    for some in batched(keys, _MAX_BATCH_WRITES, strict=False):
        wanted: Any = {table: [{"DeleteRequest": {"Key": _to_wire(key)}} for key in some]}
        for attempt in range(_BATCH_ATTEMPTS):
            if attempt:
                _back_off(attempt)
            with aws_errors():
                wanted = _client().batch_write_item(RequestItems=wanted).get("UnprocessedItems")
            if not wanted:
                break
        else:
            raise Unavailable("The service is busy; try again.")


def transact(actions: Sequence[Action]) -> None:
    """Do all of the actions or none.

    botocore sends a ClientRequestToken, so that its own retries cannot apply them twice.

    Raises:
        ConditionFailed: The conditions of some actions did not hold; it has those actions.
        Unavailable: DynamoDB did not do it, or other transactions keep touching the same items.
        ClientError: DynamoDB refused the call for another reason.
    """
    names = [type(action).__name__ for action in actions]
    for attempt in range(1, CONFLICT_ATTEMPTS + 1):
        items = [
            {_TRANSACTION_NAMES.get(name, name): action.parameters()}
            for name, action in zip(names, actions, strict=True)
        ]
        try:
            with aws_errors():
                _client().transact_write_items(TransactItems=items)  # type: ignore[arg-type]
        except ClientError as error:
            if error.response["Error"]["Code"] != "TransactionCanceledException":
                raise
            reasons = [
                reason.get("Code", "None")
                for reason in error.response.get("CancellationReasons", [])
            ]
            # DynamoDB gives a reason for each action, in the same order.
            failed = [
                action
                for action, code in zip(actions, reasons, strict=False)
                if code == "ConditionalCheckFailed"
            ]
            if failed:
                raise ConditionFailed(failed) from None
            if "ValidationError" in reasons:
                raise
            if attempt == CONFLICT_ATTEMPTS:
                raise Unavailable("The service is busy; try again.") from error
            _back_off(attempt)
        else:
            return


def _client() -> "DynamoDBClient":
    dynamodb: DynamoDBClient = client("dynamodb")
    return dynamodb


def longest_wait(attempt: int) -> float:
    """The seconds that are waited at most after an attempt; together less than ATTEMPT_SECONDS."""
    return min(0.025 * 2.0**attempt, 0.4)


def _back_off(attempt: int) -> None:
    time.sleep(random.uniform(0, longest_wait(attempt)))  # noqa: S311  (full jitter, not a secret)


def _expressions(
    condition: ConditionBase | None,
    names: dict[str, str] | None = None,
    values: dict[str, Any] | None = None,
    clause: str = "ConditionExpression",
) -> dict[str, Any]:
    parameters: dict[str, Any] = {}
    names = dict(names or {})
    values = dict(values or {})
    if condition is not None:
        built = ConditionExpressionBuilder().build_expression(
            condition, is_key_condition=clause == "KeyConditionExpression"
        )
        parameters[clause] = built.condition_expression
        names |= built.attribute_name_placeholders
        values |= built.attribute_value_placeholders
    if names:
        parameters["ExpressionAttributeNames"] = names
    if values:
        parameters["ExpressionAttributeValues"] = _to_wire(values)
    return parameters


def _to_wire(item: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _serialize(value) for name, value in item.items() if value is not None}


def _from_wire(item: Mapping[str, Any]) -> Item:
    return {name: _deserialize(value) for name, value in item.items()}
