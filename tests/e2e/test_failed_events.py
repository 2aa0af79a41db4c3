"""Events that cannot be processed are tried again, then kept in the dead-letter queue."""

from tests.e2e.conftest import Client
from tests.e2e.failures import (
    id_ends_in_the_queue,
    objects_are_deleted_later,
    photo_event_ends_in_the_queue,
    record_ends_in_the_queue,
)


def test_a_photo_event_that_always_fails_ends_in_the_queue(client: Client) -> None:
    assert photo_event_ends_in_the_queue(client)


def test_objects_that_could_not_be_deleted_are_deleted_later(client: Client) -> None:
    assert objects_are_deleted_later(client)


def test_the_id_of_an_upload_whose_objects_can_never_be_deleted_is_kept(client: Client) -> None:
    assert id_ends_in_the_queue(client)


def test_a_record_that_could_not_even_be_handed_to_the_queue_is_told_of(client: Client) -> None:
    assert record_ends_in_the_queue(client)
