"""Cost of a request: the calls to AWS that it makes once its key is cached."""

import pytest
from tests.unit.conftest import Service
from tests.unit.prepared import (
    Prepare,
    change_all_unique_fields,
    change_names,
    change_nothing,
    change_what_the_key_may,
    count_users,
    create_a_user,
    create_an_upload,
    delete_a_user,
    delete_an_upload,
    read_a_user,
    read_an_upload,
    read_oneself,
    remove_a_picture,
    replace_a_picture,
    set_a_picture,
)


@pytest.mark.parametrize(
    ("prepare", "calls"),
    [
        (read_a_user, ["GetItem"]),
        (read_oneself, ["GetItem"]),
        (create_a_user, ["TransactWriteItems"]),
        (count_users, ["BatchGetItem"] * 3),
        (change_names, ["UpdateItem"]),
        (change_what_the_key_may, ["UpdateItem"]),
        (change_nothing, ["GetItem"]),
        (change_all_unique_fields, ["GetItem", "TransactWriteItems"]),
        (create_an_upload, ["TransactWriteItems"]),
        (read_an_upload, ["BatchGetItem"]),
        (delete_an_upload, ["TransactWriteItems"]),
        (set_a_picture, ["BatchGetItem", "TransactWriteItems"]),
        (replace_a_picture, ["BatchGetItem", "TransactWriteItems"]),
        (remove_a_picture, ["GetItem", "TransactWriteItems"]),
        (delete_a_user, ["GetItem", "TransactWriteItems", "Query"]),
    ],
)
@pytest.mark.parametrize("others", [0, 3], ids=["alone", "among others"])
def test_a_request_makes_as_many_calls_whoever_else_there_is(
    service: Service, prepare: Prepare, calls: list[str], others: int
) -> None:
    for _ in range(others):
        service.create_upload(service.create_user()["id"])
    send = prepare(service, service.create_user()["id"])
    service.calls.clear()
    assert send().status < 300
    assert service.calls == calls


@pytest.mark.parametrize(
    ("photo", "calls"),
    [
        (None, ["GetItem", "GetObject", *["PutObject"] * 4, "UpdateItem"]),
        (b"no photo", ["GetItem", "GetObject", "UpdateItem"]),
    ],
    ids=["ready", "failed"],
)
def test_a_photo_costs_two_reads_a_write_for_each_rendition_and_one_update(
    service: Service, photo: bytes | None, calls: list[str]
) -> None:
    upload_id = service.create_upload(service.create_user()["id"])
    service.calls.clear()
    service.send_photo(upload_id, *([photo] if photo else []))
    assert service.calls == calls


def test_a_record_that_is_gone_costs_one_list_and_one_delete(service: Service) -> None:
    upload_id = service.ready_upload(service.create_user()["id"])
    service.calls.clear()
    service.deliver_removal(upload_id)
    assert service.calls == ["ListObjectsV2", "DeleteObjects"]
