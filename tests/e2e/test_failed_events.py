"""Events that cannot be processed are tried again, then kept in the dead-letter queue."""

import time

from tests.e2e.conftest import Client, eventually
from tests.e2e.failures import (
    deleted_upload,
    photo_event_ends_in_the_queue,
    record_ends_in_the_queue,
)
from tests.e2e.roles import Role


def test_a_photo_event_that_always_fails_ends_in_the_queue(client: Client) -> None:
    assert photo_event_ends_in_the_queue(client)


def test_objects_that_could_not_be_deleted_are_deleted_later(client: Client) -> None:
    with Role(client, "cleanup").without("s3:DeleteObject"):
        left = [deleted_upload(client) for _ in range(2)]
        time.sleep(2)  # tries that fail
        assert all(client.objects(prefix) for prefix in left)
    assert eventually(lambda: not any(client.objects(prefix) for prefix in left))


def test_a_record_whose_objects_can_never_be_deleted_ends_in_the_queue(client: Client) -> None:
    assert record_ends_in_the_queue(client)
