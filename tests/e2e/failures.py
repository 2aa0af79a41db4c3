"""Events that cannot be processed, made for the tests that want one."""

import json
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

from tests.e2e.conftest import PHOTOS, Client, eventually
from tests.e2e.roles import Role

PHOTO = (PHOTOS / "astronaut.jpg").read_bytes()
PATIENCE = 30.0  # seconds that are waited for what has to come, on however busy a machine


def deleted_upload(client: Client) -> str:
    """The prefix of the objects of an upload that was ready, and whose record is gone."""
    me = client.user_headers(client.create_user()["id"])
    upload_id = client.upload(me, PHOTO)["id"]
    assert client.http.delete(f"/api/v1/uploads/{upload_id}", headers=me).status_code == 204
    return f"renditions/{upload_id}/"


def given_up_photo_ends_in_the_queue(client: Client, *, seconds: float = PATIENCE) -> bool:
    """Whether an event arrives in the dead-letter queue that the marking of uploads takes, or not.

    Both of them, one after the other.
    """
    taken, refused = uuid.uuid4().hex, uuid.uuid4().hex
    for payload in ({"Records": [], "mark": taken}, {"mark": refused}):
        client.aws("lambda").invoke(
            FunctionName=client.resource("FailedPhotos"),
            InvocationType="Event",
            Payload=json.dumps({"requestPayload": payload}),
        )
    return _is_in_the_queue(client, taken, refused, seconds=seconds)


def objects_are_deleted_later(client: Client, *, seconds: float = PATIENCE) -> bool:
    """Whether objects that could not be deleted at once are deleted when they can be."""
    with client.impatient_queue(tries=100):
        with Role(client, "cleanup").without("s3:DeleteObject"):
            left = [deleted_upload(client) for _ in range(2)]
            time.sleep(2)  # tries that fail
            assert all(client.objects(prefix) for prefix in left)
        return eventually(
            lambda: not any(client.objects(prefix) for prefix in left), seconds=seconds
        )


def id_ends_in_the_queue(client: Client, *, seconds: float = PATIENCE) -> bool:
    """Whether the id of an upload whose objects can never be deleted is kept in the end."""
    with client.impatient_queue(tries=2), Role(client, "cleanup").without("s3:DeleteObject"):
        upload_id = deleted_upload(client).split("/")[1]
        return _is_in_the_queue(client, upload_id, queue="FailedCleanups", seconds=seconds)


def record_ends_in_the_queue(client: Client, *, seconds: float = PATIENCE) -> bool:
    """Whether a record that could be dealt with in no way arrives in the dead-letter queue."""
    client.failed_events()
    with record_that_nothing_deals_with(client):
        return _is_in_the_queue(client, "DDBStreamBatchInfo", seconds=seconds)


@contextmanager
def record_that_nothing_deals_with(client: Client) -> Iterator[str]:
    """While this lasts, nothing can be deleted nor handed over; the prefix of what was to be."""
    role = Role(client, "cleanup")
    (queue,) = (
        each.resource
        for each in role.permissions
        if each.action == "sqs:SendMessage" and "CleanupQueue" in each.resource
    )
    with (
        client.stream_reader({"MaximumRetryAttempts": 1}, {"MaximumRetryAttempts": 10}),
        role.without("s3:DeleteObject"),
        role.without("sqs:SendMessage", resource=queue),
    ):
        yield deleted_upload(client)


def _is_in_the_queue(
    client: Client, *marks: str, queue: str = "FailedEvents", seconds: float
) -> bool:
    """Whether messages with all of these marks arrive within a time."""
    missing = set(marks)

    def all_are_there() -> bool:
        for body in client.failed_events(queue):
            missing.difference_update(mark for mark in marks if mark in body)
        return not missing

    return eventually(all_are_there, seconds=seconds)
