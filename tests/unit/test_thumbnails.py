"""Thumbnails: a photo becomes renditions once, however often and late S3 tells of it."""

import io
from urllib.parse import quote_plus

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError
from PIL import Image
from tests.unit.conftest import PHOTO, ROOT, AwsAnswer, Service, aws_error

OTHER_PHOTO = (ROOT / "tests" / "photos" / "flower.jpg").read_bytes()
MAX_BYTES = 10 * 1024 * 1024


def blank(width: int, height: int) -> bytes:
    """A PNG of some pixels that takes little space."""
    file = io.BytesIO()
    Image.new("1", (width, height)).save(file, "PNG")
    return file.getvalue()


def renditions(service: Service, upload_id: str) -> dict[str, str]:
    """The renditions of an upload in the bucket."""
    return {
        key: tag
        for key, tag in service.objects().items()
        if key.startswith(f"renditions/{upload_id}/")
    }


def snapshot(service: Service, upload_id: str) -> tuple[str, dict[str, str]]:
    """All that is served: every record, and the renditions of an upload."""
    return service.everything(), renditions(service, upload_id)


@pytest.fixture
def upload_id(service: Service) -> str:
    return service.create_upload(service.create_user()["id"])


def test_a_photo_becomes_four_pictures_that_may_be_cached_for_ever(
    service: Service, upload_id: str
) -> None:
    service.send_photo(upload_id)
    sizes = []
    for key in renditions(service, upload_id):
        stored = service.s3.get_object(Bucket="pictures", Key=key)
        assert stored["ContentType"] == "image/webp"
        assert "immutable" in stored["CacheControl"]
        picture = Image.open(io.BytesIO(stored["Body"].read()))
        sizes.append((picture.format, *picture.size))
    assert sorted(sizes) == [("WEBP", size, size) for size in (64, 128, 256, 512)]


@pytest.mark.parametrize(
    ("photo", "reason"),
    [
        (b"", "empty"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "unsupported_format"),
        (PHOTO[:20_000], "corrupt_image"),
        (blank(10_000, 5_001), "too_many_pixels"),
        (PHOTO + bytes(MAX_BYTES + 1 - len(PHOTO)), "too_large"),
    ],
    ids=["empty", "SVG", "half a JPEG", "more than 50 megapixels", "more than 10 MiB"],
)
def test_a_photo_that_is_no_good_fails_its_upload_with_the_reason(
    service: Service, upload_id: str, photo: bytes, reason: str
) -> None:
    service.send_photo(upload_id, photo)
    upload = service.read_upload(upload_id)
    assert (upload["state"], upload.get("reason")) == ("failed", reason)
    assert upload["bytes"] == len(photo)
    assert renditions(service, upload_id) == {}


def test_a_photo_of_exactly_the_largest_size_is_accepted(service: Service, upload_id: str) -> None:
    service.send_photo(upload_id, PHOTO + bytes(MAX_BYTES - len(PHOTO)))
    assert service.read_upload(upload_id)["state"] == "ready"


def test_the_same_photo_of_two_users_has_addresses_that_do_not_tell(service: Service) -> None:
    digests = set()
    for _ in range(2):
        upload_id = service.ready_upload(service.create_user()["id"])
        digests |= {key.split("/")[2] for key in renditions(service, upload_id)}
    assert len(digests) == 2


# Failed for good


def test_an_upload_whose_photo_could_not_be_processed_has_failed(
    service: Service, upload_id: str
) -> None:
    service.put_photo(upload_id)
    service.give_up(upload_id)
    upload = service.read_upload(upload_id)
    assert (upload["state"], upload["reason"]) == ("failed", "processing_failed")
    answer = service.set_picture(upload["userId"], upload_id)
    assert (answer.status, answer.json["reason"]) == (409, "processing_failed")


@pytest.mark.parametrize("photo", [None, PHOTO, b"no photo"], ids=["no event", "ready", "failed"])
def test_giving_up_again_or_late_changes_nothing(
    service: Service, upload_id: str, photo: bytes | None
) -> None:
    if photo is None:
        service.give_up(upload_id)
    else:
        service.send_photo(upload_id, photo)
    before = snapshot(service, upload_id)
    service.give_up(upload_id)
    assert snapshot(service, upload_id) == before


def test_an_event_that_comes_after_its_upload_was_given_up_changes_nothing(
    service: Service, upload_id: str
) -> None:
    service.put_photo(upload_id)
    service.give_up(upload_id)
    before = snapshot(service, upload_id)
    service.deliver(upload_id)
    assert snapshot(service, upload_id) == before


def test_giving_up_while_the_photo_is_processed_leaves_no_rendition(
    service: Service, upload_id: str
) -> None:
    service.meanwhile("UpdateItem", lambda: service.give_up(upload_id))
    service.send_photo(upload_id)
    assert service.read_upload(upload_id)["reason"] == "processing_failed"
    assert renditions(service, upload_id) == {}


def test_giving_up_an_upload_that_is_gone_leaves_nothing_of_it(
    service: Service, upload_id: str
) -> None:
    service.send_photo(upload_id)
    service.with_key("DELETE", f"/api/v1/uploads/{upload_id}")
    service.give_up(upload_id)
    assert service.objects() == {}
    assert upload_id not in service.upload_ids()


@pytest.mark.filterwarnings("ignore:No application metrics")
def test_giving_up_an_object_that_belongs_to_no_upload_does_nothing(
    service: Service, upload_id: str
) -> None:
    before = service.everything()
    service.give_up(f"{upload_id}/x")
    assert service.everything() == before


# Again, late, out of order


@pytest.mark.parametrize("photo", [PHOTO, b"no photo"], ids=["ready", "failed"])
def test_the_same_event_again_changes_nothing(
    service: Service, upload_id: str, photo: bytes
) -> None:
    service.send_photo(upload_id, photo)
    before = snapshot(service, upload_id)
    service.calls.clear()
    service.deliver(upload_id)
    assert snapshot(service, upload_id) == before
    assert service.calls == ["GetItem"]


def test_an_event_that_comes_after_the_picture_is_set_changes_nothing(service: Service) -> None:
    _, upload_id = service.user_with_picture()
    before = snapshot(service, upload_id)
    service.deliver(upload_id)
    assert snapshot(service, upload_id) == before


def test_an_event_that_comes_after_the_photo_is_gone_changes_nothing(
    service: Service, upload_id: str
) -> None:
    service.send_photo(upload_id)
    service.s3.delete_object(Bucket="pictures", Key=f"uploads/{upload_id}")
    before = snapshot(service, upload_id)
    service.deliver(upload_id)
    assert snapshot(service, upload_id) == before


def test_an_event_that_comes_after_the_upload_is_gone_leaves_no_object(
    service: Service, upload_id: str
) -> None:
    service.put_photo(upload_id)
    service.with_key("DELETE", f"/api/v1/uploads/{upload_id}")
    service.deliver_removal(upload_id)
    service.send_photo(upload_id)
    assert service.objects() == {}
    assert upload_id not in service.upload_ids()


@pytest.mark.parametrize("second", [OTHER_PHOTO, b"no photo", b""], ids=["photo", "junk", "empty"])
def test_a_second_object_under_the_key_changes_nothing_that_is_served(
    service: Service, second: bytes
) -> None:
    _, upload_id = service.user_with_picture()
    before = snapshot(service, upload_id)
    service.send_photo(upload_id, second)
    assert snapshot(service, upload_id) == before


def test_a_failed_upload_stays_failed_whatever_is_sent_next(
    service: Service, upload_id: str
) -> None:
    service.send_photo(upload_id, b"no photo")
    before = snapshot(service, upload_id)
    service.send_photo(upload_id, PHOTO)
    assert snapshot(service, upload_id) == before


def test_of_two_objects_sent_before_any_event_the_last_is_the_picture(
    service: Service, upload_id: str
) -> None:
    service.put_photo(upload_id, PHOTO)
    service.put_photo(upload_id, OTHER_PHOTO)
    service.deliver(upload_id)
    before = snapshot(service, upload_id)
    service.deliver(upload_id)
    assert snapshot(service, upload_id) == before
    upload = service.read_upload(upload_id)
    assert (upload["width"], upload["height"]) == (640, 427)


# At the same time


@pytest.mark.parametrize("operation", ["PutObject", "UpdateItem"])
def test_an_upload_deleted_while_its_photo_is_processed_leaves_no_object(
    service: Service, upload_id: str, operation: str
) -> None:
    service.meanwhile(operation, lambda: service.delete_upload(upload_id))
    service.send_photo(upload_id)
    assert service.objects() == {}
    assert upload_id not in service.upload_ids()


def test_the_same_event_twice_at_once_gives_one_result(service: Service, upload_id: str) -> None:
    service.meanwhile("UpdateItem", lambda: service.deliver(upload_id))
    service.send_photo(upload_id)
    assert service.read_upload(upload_id)["state"] == "ready"
    assert len(renditions(service, upload_id)) == 4


def test_of_two_photos_processed_at_once_one_is_kept(service: Service, upload_id: str) -> None:
    service.meanwhile("UpdateItem", lambda: service.send_photo(upload_id, OTHER_PHOTO))
    service.send_photo(upload_id, PHOTO)
    upload = service.read_upload(upload_id)
    assert (upload["state"], upload["width"]) == ("ready", 640)
    served = {each["url"].split("?")[0].split("/", 3)[3] for each in upload["renditions"]}
    assert renditions(service, upload_id).keys() == served


# Events of other kinds


def test_keys_arrive_encoded_as_in_a_form(service: Service, upload_id: str) -> None:
    service.put_photo(upload_id)
    key = quote_plus(f"uploads/{upload_id}")
    service.invoke("thumbnails", {"Records": [{"s3": {"object": {"key": key}}}]})
    assert service.read_upload(upload_id)["state"] == "ready"


def test_every_record_of_an_event_is_processed(service: Service, upload_id: str) -> None:
    other = service.create_upload(service.create_user()["id"])
    for each in (upload_id, other):
        service.put_photo(each)
    keys = ("uploads/", "uploads/no-uuid", f"uploads/{upload_id}", f"uploads/{other}")
    records = [{"s3": {"object": {"key": key}}} for key in keys]
    service.invoke("thumbnails", {"Records": records})
    for each in (upload_id, other):
        assert service.read_upload(each)["state"] == "ready"


@pytest.mark.filterwarnings("ignore:No application metrics")
@pytest.mark.parametrize("key", ["uploads/", "uploads/no-uuid", "uploads/{}/x", "{}", "x/{}"])
def test_an_object_that_belongs_to_no_upload_is_left_alone(
    service: Service, upload_id: str, key: str
) -> None:
    key = key.format(upload_id)
    service.s3.put_object(Bucket="pictures", Key=key, Body=PHOTO)
    before = service.everything(), service.objects()
    service.invoke("thumbnails", {"Records": [{"s3": {"object": {"key": key}}}]})
    assert (service.everything(), service.objects()) == before


# AWS fails


@pytest.mark.parametrize(
    ("operation", "answer"),
    [
        ("GetObject", aws_error("SlowDown", 503)),
        ("GetObject", aws_error("AccessDenied", 403)),
        ("PutObject", aws_error("InternalError", 500)),
        ("UpdateItem", aws_error("ThrottlingException")),
        ("UpdateItem", ReadTimeoutError(endpoint_url="https://dynamodb.example.com")),
    ],
)
def test_where_aws_fails_the_event_fails_and_succeeds_when_it_is_delivered_again(
    service: Service, upload_id: str, operation: str, answer: AwsAnswer | Exception
) -> None:
    from vignette.errors import Unavailable

    service.let_aws_answer(operation, answer)
    with pytest.raises((Unavailable, ClientError)):
        service.send_photo(upload_id)
    assert service.read_upload(upload_id)["state"] == "pending"
    service.let_aws_answer(operation, None)
    service.deliver(upload_id)
    assert service.read_upload(upload_id)["state"] == "ready"
    assert len(renditions(service, upload_id)) == 4
