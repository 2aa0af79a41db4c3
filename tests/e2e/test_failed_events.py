"""Events that cannot be processed are retried, then kept in the dead-letter queue."""

import json
import uuid
from typing import Any

from tests.e2e.conftest import Client, eventually


def _resource(client: Client, logical_id: str) -> str:
    answer = client.aws("cloudformation").describe_stack_resource(
        StackName=client.stack["stackName"], LogicalResourceId=logical_id
    )
    return str(answer["StackResourceDetail"]["PhysicalResourceId"])


def _kept(client: Client, mark: str) -> bool:
    queue = client.aws("sqs")
    messages: list[dict[str, Any]] = queue.receive_message(
        QueueUrl=_resource(client, "FailedEvents"), MaxNumberOfMessages=10, VisibilityTimeout=0
    ).get("Messages", [])
    return any(mark in message["Body"] for message in messages)


def test_a_photo_event_that_always_fails_ends_in_the_queue(client: Client) -> None:
    mark = uuid.uuid4().hex
    client.aws("lambda").invoke(
        FunctionName=_resource(client, "Thumbnails"),
        InvocationType="Event",
        Payload=json.dumps({"Records": [{"no": mark}]}),
    )
    assert eventually(lambda: _kept(client, mark), seconds=60)
