"""Events that cannot be processed are tried again, then kept in the dead-letter queue."""

import json
import time
import uuid

from tests.e2e.conftest import PHOTOS, Client, eventually
from tests.e2e.roles import Role

PHOTO = (PHOTOS / "astronaut.jpg").read_bytes()


def is_in_the_queue(client: Client, mark: str) -> bool:
    """Whether an event arrives in the dead-letter queue."""
    return eventually(lambda: any(mark in body for body in client.failed_events()), seconds=12)


def deleted_upload(client: Client) -> str:
    """The prefix of the objects of an upload that was ready, and whose record is gone."""
    me = client.user_headers(client.create_user()["id"])
    upload_id = client.upload(me, PHOTO)["id"]
    assert client.http.delete(f"/api/v1/uploads/{upload_id}", headers=me).status_code == 204
    return f"renditions/{upload_id}/"


def test_a_photo_event_that_always_fails_ends_in_the_queue(client: Client) -> None:
    mark = uuid.uuid4().hex
    client.aws("lambda").invoke(
        FunctionName=client.resource("Thumbnails"),
        InvocationType="Event",
        Payload=json.dumps({"Records": [{"no": mark}]}),
    )
    assert is_in_the_queue(client, mark)


def test_objects_that_could_not_be_deleted_are_deleted_later(client: Client) -> None:
    with Role(client, "cleanup").without("s3:DeleteObject"):
        left = [deleted_upload(client) for _ in range(2)]
        time.sleep(2)  # tries that fail
        assert all(client.objects(prefix) for prefix in left)
    assert eventually(lambda: not any(client.objects(prefix) for prefix in left))


def test_a_record_whose_objects_can_never_be_deleted_ends_in_the_queue(client: Client) -> None:
    client.failed_events()
    with (
        client.stream_reader({"MaximumRetryAttempts": 1}, {"MaximumRetryAttempts": 10}),
        Role(client, "cleanup").without("s3:DeleteObject"),
    ):
        deleted_upload(client)
        assert is_in_the_queue(client, "DDBStreamBatchInfo")
