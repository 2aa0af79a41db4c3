"""Events that cannot be processed are tried again, then kept in the dead-letter queue."""

from tests.e2e.conftest import Client, eventually
from tests.e2e.failures import (
    PHOTO,
    given_up_photo_ends_in_the_queue,
    id_ends_in_the_queue,
    objects_are_deleted_later,
    record_ends_in_the_queue,
)
from tests.e2e.roles import Role


def test_an_upload_whose_photo_can_never_be_processed_fails_and_its_event_is_kept(
    client: Client,
) -> None:
    me = client.user_headers(client.create_user()["id"])
    client.failed_events()
    with Role(client, "thumbnails").without("s3:PutObject"):
        upload = client.upload(me, PHOTO)
    assert (upload["state"], upload["reason"]) == ("failed", "processing_failed")
    assert eventually(lambda: any(upload["id"] in body for body in client.failed_events()))
    refused = client.set_picture(me, upload["id"])
    assert (refused.status_code, refused.json()["reason"]) == (409, "processing_failed")
    assert client.upload(me, PHOTO)["state"] == "ready"


def test_what_is_told_of_photos_that_failed_is_kept_whether_it_can_be_read_or_not(
    client: Client,
) -> None:
    assert given_up_photo_ends_in_the_queue(client)


def test_objects_that_could_not_be_deleted_are_deleted_later(client: Client) -> None:
    assert objects_are_deleted_later(client)


def test_the_id_of_an_upload_whose_objects_can_never_be_deleted_is_kept(client: Client) -> None:
    assert id_ends_in_the_queue(client)


def test_a_record_that_could_not_even_be_handed_to_the_queue_is_told_of(client: Client) -> None:
    assert record_ends_in_the_queue(client)
