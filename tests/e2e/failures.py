"""Events that cannot be processed, made for the tests that want one."""

import json
import uuid

from tests.e2e.conftest import PHOTOS, Client, eventually
from tests.e2e.roles import Role

PHOTO = (PHOTOS / "astronaut.jpg").read_bytes()


def deleted_upload(client: Client) -> str:
    """The prefix of the objects of an upload that was ready, and whose record is gone."""
    me = client.user_headers(client.create_user()["id"])
    upload_id = client.upload(me, PHOTO)["id"]
    assert client.http.delete(f"/api/v1/uploads/{upload_id}", headers=me).status_code == 204
    return f"renditions/{upload_id}/"


def photo_event_ends_in_the_queue(client: Client) -> bool:
    """Whether a photo event that always fails arrives in the dead-letter queue."""
    mark = uuid.uuid4().hex
    client.aws("lambda").invoke(
        FunctionName=client.resource("Thumbnails"),
        InvocationType="Event",
        Payload=json.dumps({"Records": [{"no": mark}]}),
    )
    return _is_in_the_queue(client, mark)


def record_ends_in_the_queue(client: Client) -> bool:
    """Whether a record whose objects can never be deleted arrives in the dead-letter queue."""
    client.failed_events()
    with (
        client.stream_reader({"MaximumRetryAttempts": 1}, {"MaximumRetryAttempts": 10}),
        Role(client, "cleanup").without("s3:DeleteObject"),
    ):
        deleted_upload(client)
        return _is_in_the_queue(client, "DDBStreamBatchInfo")


def _is_in_the_queue(client: Client, mark: str) -> bool:
    return eventually(lambda: any(mark in body for body in client.failed_events()), seconds=12)
