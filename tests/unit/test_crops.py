"""Crops: the square of a photo that the user chose, a face did, or nobody, and its placeholder."""

import base64
import io
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import pytest
import thumbhash  # type: ignore[import-untyped]
from PIL import Image, ImageChops, ImageStat
from tests.photos import STORED, encoded, exif, photo
from tests.unit.conftest import Service, aws_error

CROP = {"x": 0.25, "y": 0.75, "size": 0.4}
# Four quarters of different colours, as a photo that has no face.
QUARTERS = ("red", "lime", "blue", "white")


def quarters(width: int = 1200, height: int = 800) -> Image.Image:
    image = Image.new("RGB", (width, height))
    for at, colour in enumerate(QUARTERS):
        left, top = at % 2 * width // 2, at // 2 * height // 2
        image.paste(colour, (left, top, left + width // 2, top + height // 2))
    return image


def ready(service: Service, data: bytes, **fields: Any) -> str:
    upload_id = service.create_upload(service.create_user()["id"], **fields)
    service.send_photo(upload_id, data)
    return upload_id


def frame(service: Service, upload_id: str, crop: Any) -> Any:
    return service.with_key("PATCH", f"/api/v1/uploads/{upload_id}", {"crop": crop})


def key_of(url: str) -> str:
    path = urlsplit(url).path
    return path[path.index("renditions/") :]


def shown(service: Service, upload: Any, name: str = "512") -> Image.Image:
    (url,) = (each["url"] for each in upload["renditions"] if each["name"] == name)
    body = service.s3.get_object(Bucket="pictures", Key=key_of(url))["Body"].read()
    return Image.open(io.BytesIO(body)).convert("RGB")


def colour(image: Image.Image) -> tuple[float, ...]:
    return tuple(ImageStat.Stat(image).mean)


def renditions_of(service: Service, upload_id: str) -> set[str]:
    return {key for key in service.objects() if key.startswith(f"renditions/{upload_id}/")}


def keys(upload: Any) -> set[str]:
    return {key_of(each["url"]) for each in upload["renditions"]}


# POST


def test_a_photo_shows_the_crop_that_was_asked_for(service: Service) -> None:
    upload_id = ready(service, encoded(quarters(), "PNG"), crop=CROP)
    upload = service.read_upload(upload_id)
    assert (upload["crop"], upload["framing"]) == (CROP, "user")
    assert [each["width"] for each in upload["renditions"]] == [64, 128, 256, 320]
    assert colour(shown(service, upload)) == pytest.approx((0, 0, 255), abs=3)


@pytest.mark.parametrize("size", [1e-9, 1 / 6])
def test_what_is_told_of_a_crop_is_what_was_cut_out(service: Service, size: float) -> None:
    upload_id = ready(service, encoded(photo(size=(1800, 1503)), "JPEG"))
    crop = {"x": 0.5, "y": 0.5, "size": size}
    upload = service.with_key("PATCH", f"/api/v1/uploads/{upload_id}", {"crop": crop}).json
    assert upload["crop"]["size"] > 0
    assert upload["crop"]["size"] == pytest.approx(size, abs=1e-6)
    for each in upload["renditions"]:
        assert shown(service, upload, each["name"]).width == each["width"]
    again = {"crop": upload["crop"]}
    assert service.with_key("PATCH", f"/api/v1/uploads/{upload_id}", again).json == upload


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("accepted", ["JPEG", "WEBP"])
def test_a_crop_is_of_the_upright_photo(service: Service, accepted: str, orientation: int) -> None:
    turn = STORED[orientation]
    stored = quarters() if turn is None else quarters().transpose(turn)
    data = encoded(stored, accepted, exif=exif(orientation), quality=95)
    upload = service.read_upload(ready(service, data, crop=CROP))
    assert colour(shown(service, upload)) == pytest.approx((0, 0, 255), abs=6)


def test_a_crop_has_all_the_pixels_that_the_photo_has(service: Service) -> None:
    large = photo("coffee.png", (2600, 2000))
    upload = service.read_upload(ready(service, encoded(large, "JPEG", quality=95), crop=CROP))
    # 800 pixels around (650, 1500).
    expected = large.crop((250, 1100, 1050, 1900)).resize((512, 512), Image.Resampling.LANCZOS)
    difference = ImageChops.difference(shown(service, upload).convert("L"), expected.convert("L"))
    assert colour(difference) < (3,)


def test_a_crop_that_reaches_over_is_moved_inside(service: Service) -> None:
    over = {"x": 1.0, "y": 0.0, "size": 0.5}
    upload = service.read_upload(ready(service, encoded(quarters(), "PNG"), crop=over))
    assert upload["crop"] == pytest.approx({"x": 1 - 1 / 6, "y": 0.25, "size": 0.5}, abs=1e-5)
    assert colour(shown(service, upload)) == pytest.approx((0, 255, 0), abs=3)


@pytest.mark.parametrize(
    ("crop", "field"),
    [
        ({"x": -0.1, "y": 0, "size": 1}, "crop.x"),
        ({"x": 0, "y": 1.1, "size": 1}, "crop.y"),
        ({"x": 0, "y": 0, "size": 0}, "crop.size"),
        ({"x": 0, "y": 0, "size": 1.01}, "crop.size"),
        ({"x": 0, "y": 0}, "crop.size"),
        ({"x": "0", "y": 0, "size": 1}, "crop.x"),
        ({"x": 0, "y": 0, "size": 1, "z": 1}, "crop.z"),
        ([], "crop"),
    ],
)
def test_what_is_no_crop_is_refused(service: Service, crop: Any, field: str) -> None:
    user_id = service.create_user()["id"]
    new = {"kind": "profile_picture", "contentType": "image/png", "contentLength": 1, "crop": crop}
    answer = service.as_user(user_id, "POST", "/api/v1/uploads", new)
    assert (answer.status, set(answer.fields)) == (422, {field})
    upload_id = ready(service, encoded(quarters(), "PNG"))
    again = frame(service, upload_id, crop)
    assert (again.status, set(again.fields)) == (422, {field})


def test_without_a_crop_a_face_is_framed(service: Service) -> None:
    upload = service.read_upload(ready(service, encoded(photo(size=(1200, 1200)), "JPEG")))
    assert upload["framing"] == "face"
    assert upload["crop"]["size"] < 0.6
    assert upload["crop"]["y"] < 0.4


def test_without_a_face_the_centre_is_shown(service: Service) -> None:
    upload = service.read_upload(ready(service, encoded(photo("coffee.png"), "JPEG")))
    assert (upload["framing"], upload["crop"]) == ("centre", {"x": 0.5, "y": 0.5, "size": 1})


def test_faces_are_left_alone_where_they_are_not_to_be_found(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FACE_FRAMING", "false")
    upload = service.read_upload(ready(service, encoded(photo(size=(1200, 1200)), "JPEG")))
    assert (upload["framing"], upload["crop"]["size"]) == ("centre", 1)


def test_what_is_not_known_yet_is_not_told(service: Service) -> None:
    upload = service.read_upload(service.create_upload(service.create_user()["id"], crop=CROP))
    assert not {"crop", "framing", "placeholder", "preview"} & upload.keys()


# PATCH


def test_a_ready_upload_is_framed_anew(service: Service) -> None:
    upload_id = ready(service, encoded(quarters(), "PNG"))
    before = service.read_upload(upload_id)
    answer = frame(service, upload_id, CROP)
    assert answer.status == 200
    assert answer.json == service.read_upload(upload_id)
    assert (answer.json["crop"], answer.json["framing"]) == (CROP, "user")
    assert answer.json["placeholder"] != before["placeholder"]
    assert colour(shown(service, answer.json)) == pytest.approx((0, 0, 255), abs=3)
    assert renditions_of(service, upload_id) == keys(answer.json)


def test_null_frames_as_if_nothing_had_been_chosen(service: Service) -> None:
    upload_id = ready(service, encoded(photo(size=(1200, 1200)), "JPEG"), crop=CROP)
    upload = frame(service, upload_id, None).json
    assert upload["framing"] == "face"
    service.calls.clear()
    assert frame(service, upload_id, None).json["crop"] == upload["crop"]
    assert "PutObject" not in service.calls


def test_a_change_that_was_made_is_not_made_again(service: Service) -> None:
    upload_id = ready(service, encoded(quarters(), "PNG"))
    first = frame(service, upload_id, CROP).json
    service.calls.clear()
    assert keys(frame(service, upload_id, CROP).json) == keys(first)
    assert service.calls == ["GetItem", "DeleteObjects"]


def test_a_crop_that_comes_back_has_its_renditions(service: Service) -> None:
    upload_id = ready(service, encoded(quarters(), "PNG"))
    for crop in (CROP, {**CROP, "y": 0.25}, CROP):
        upload = frame(service, upload_id, crop).json
        assert renditions_of(service, upload_id) == keys(upload)


# Without end


def decodes_of(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """What gets an entry each time that a photo is decoded."""
    from vignette.domain import renditions

    decodes: list[object] = []
    render = renditions.render

    def counted(*args: Any, **options: Any) -> Any:
        decodes.append(args)
        return render(*args, **options)

    monkeypatch.setattr(renditions, "render", counted)
    return decodes


def other_crop(at: int) -> dict[str, float]:
    """A crop that is not the one before it."""
    return {**CROP, "y": 0.25 + at % 2 / 2}


def test_an_upload_is_framed_twenty_times(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload_id = ready(service, encoded(quarters(), "PNG"))
    owner = service.read_upload(upload_id)["userId"]
    path = f"/api/v1/uploads/{upload_id}"
    decodes = decodes_of(monkeypatch)
    for at in range(20):
        crop = {"crop": other_crop(at)}
        assert service.as_user(owner, "PATCH", path, crop).status == 200
    before = (service.everything(), service.objects())
    service.calls.clear()
    for answer in (
        service.as_user(owner, "PATCH", path, {"crop": other_crop(20)}),
        frame(service, upload_id, other_crop(20)),
    ):
        assert (answer.status, answer.code) == (409, "too_many_framings")
        assert answer.json["detail"] == ("This upload was framed 20 times; create another upload.")
    assert service.calls == ["BatchGetItem", "UpdateItem", "GetItem", "UpdateItem"]
    assert len(decodes) == 20
    assert (service.everything(), service.objects()) == before
    # It can still be set, and asked for the crop that it has.
    assert frame(service, upload_id, other_crop(19)).status == 200
    assert service.set_picture(owner, upload_id).status == 200


def test_what_fails_while_a_photo_is_framed_is_counted_too(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload_id = ready(service, encoded(quarters(), "PNG"))
    decodes = decodes_of(monkeypatch)
    service.let_aws_answer("PutObject", aws_error("SlowDown", 503))
    answers = {frame(service, upload_id, CROP).status for _ in range(25)}
    assert (answers, len(decodes)) == ({503, 409}, 20)


def test_what_became_of_an_upload_meanwhile_is_told_before_its_photo_is_decoded(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    user_id = service.create_user()["id"]
    used, deleted = service.ready_upload(user_id), service.ready_upload(user_id)
    decodes = decodes_of(monkeypatch)
    service.meanwhile("UpdateItem", lambda: service.set_picture(user_id, used))
    assert frame(service, used, CROP).code == "upload_in_use"
    service.meanwhile("UpdateItem", lambda: service.delete_upload(deleted))
    assert frame(service, deleted, CROP).code == "upload_not_found"
    assert deleted not in service.upload_ids()
    assert decodes == []


def test_what_a_framing_costs(service: Service) -> None:
    upload_id = ready(service, encoded(quarters(), "PNG"))
    service.calls.clear()
    frame(service, upload_id, CROP)
    assert service.calls == [
        "GetItem",
        "UpdateItem",
        "GetObject",
        *["PutObject"] * 4,
        "UpdateItem",
        "DeleteObjects",
    ]


@pytest.mark.parametrize("times", [0, 1], ids=["the first time", "again"])
def test_a_photo_that_is_sent_after_the_first_was_processed_is_not_framed(
    service: Service, times: int
) -> None:
    first = encoded(quarters(), "PNG")
    upload_id = ready(service, first)
    for at in range(times):
        assert frame(service, upload_id, other_crop(at)).status == 200
    upload, before = service.read_upload(upload_id), renditions_of(service, upload_id)
    service.send_photo(upload_id, encoded(photo("coffee.png"), "JPEG"))
    answer = frame(service, upload_id, {**CROP, "size": 0.9})
    assert (answer.status, answer.code) == (404, "upload_not_found")
    assert without_addresses(service.read_upload(upload_id)) == without_addresses(upload)
    assert renditions_of(service, upload_id) == before
    # The same photo, sent again, is the one that was processed.
    service.send_photo(upload_id, first)
    assert frame(service, upload_id, {**CROP, "size": 0.9}).status == 200


def before_the_record_changes(service: Service, action: Callable[[], object]) -> None:
    """Do something once, when a photo is framed: after it was counted, stored, and no sooner."""
    service.meanwhile("UpdateItem", lambda: service.meanwhile("UpdateItem", action))


def without_addresses(upload: Any) -> Any:
    """An upload without its signed addresses, which are others after a minute."""
    return {**upload, "renditions": sorted(keys(upload))}


def test_users_frame_their_own_photos_only(service: Service) -> None:
    upload_id = ready(service, encoded(quarters(), "PNG"))
    path = f"/api/v1/uploads/{upload_id}"
    owner = service.read_upload(upload_id)["userId"]
    stranger = service.create_user()["id"]
    assert service.as_user(owner, "PATCH", path, {"crop": CROP}).status == 200
    answer = service.as_user(stranger, "PATCH", path, {"crop": None})
    assert (answer.status, answer.code) == (404, "upload_not_found")
    assert service.call("PATCH", path, {"crop": None}).status == 401


@pytest.mark.parametrize("data", [None, b"not a photo"])
def test_an_upload_that_is_not_ready_is_not_framed(service: Service, data: bytes | None) -> None:
    upload_id = service.create_upload(service.create_user()["id"])
    if data:
        service.send_photo(upload_id, data)
    answer = frame(service, upload_id, CROP)
    assert (answer.status, answer.code) == (409, "upload_not_ready")


def test_a_picture_is_not_framed_anew(service: Service) -> None:
    _, upload_id = service.user_with_picture()
    before = service.objects()
    answer = frame(service, upload_id, CROP)
    assert (answer.status, answer.code) == (409, "upload_in_use")
    assert service.objects() == before


def test_a_photo_that_is_gone_is_not_framed(service: Service) -> None:
    upload_id = ready(service, encoded(quarters(), "PNG"))
    service.s3.delete_object(Bucket="pictures", Key=f"uploads/{upload_id}")
    answer = frame(service, upload_id, CROP)
    assert (answer.status, answer.code) == (404, "upload_not_found")


def test_of_two_changes_at_once_one_is_the_last(service: Service) -> None:
    upload_id = ready(service, encoded(quarters(), "PNG"))
    other = {**CROP, "y": 0.25}
    before_the_record_changes(service, lambda: frame(service, upload_id, other))
    answer = frame(service, upload_id, CROP)
    assert answer.status == 200
    upload = service.read_upload(upload_id)
    assert upload["crop"] == answer.json["crop"] == CROP
    assert renditions_of(service, upload_id) == keys(upload)


def test_a_picture_that_is_set_meanwhile_keeps_its_renditions(service: Service) -> None:
    user_id = service.create_user()["id"]
    upload_id = service.create_upload(user_id)
    service.send_photo(upload_id, encoded(quarters(), "PNG"))
    before_the_record_changes(service, lambda: service.set_picture(user_id, upload_id))
    answer = frame(service, upload_id, CROP)
    assert (answer.status, answer.code) == (409, "upload_in_use")
    picture = key_of(service.read_user(user_id)["profilePictureUrl"])
    assert picture in renditions_of(service, upload_id)
    assert renditions_of(service, upload_id) == keys(service.read_upload(upload_id))


def test_a_picture_that_is_framed_while_it_is_set_has_the_new_renditions(
    service: Service,
) -> None:
    user_id = service.create_user()["id"]
    upload_id = service.create_upload(user_id)
    service.send_photo(upload_id, encoded(quarters(), "PNG"))
    service.meanwhile("TransactWriteItems", lambda: frame(service, upload_id, CROP))
    assert service.set_picture(user_id, upload_id).status == 200
    picture = key_of(service.read_user(user_id)["profilePictureUrl"])
    assert picture in renditions_of(service, upload_id)
    assert renditions_of(service, upload_id) == keys(service.read_upload(upload_id))
    assert service.read_upload(upload_id)["crop"] == CROP


def test_an_upload_that_is_deleted_meanwhile_leaves_nothing(service: Service) -> None:
    upload_id = ready(service, encoded(quarters(), "PNG"))
    before_the_record_changes(service, lambda: service.delete_upload(upload_id))
    answer = frame(service, upload_id, CROP)
    assert (answer.status, answer.code) == (404, "upload_not_found")
    assert service.objects() == {}


# The placeholder and the preview


def test_the_placeholder_is_a_thumbhash_of_the_picture(service: Service) -> None:
    upload = service.read_upload(ready(service, encoded(photo(size=(900, 900)), "JPEG")))
    hashed = base64.b64decode(upload["placeholder"])
    assert 20 <= len(hashed) <= 30
    mean = [255 * part for part in thumbhash.thumb_hash_to_average_rgba(list(hashed))]
    assert mean[:3] == pytest.approx(colour(shown(service, upload, "64")), abs=12)


def test_a_preview_is_the_whole_photo_upright_and_clean(service: Service) -> None:
    stored = quarters(3000, 2000).transpose(Image.Transpose.ROTATE_90)
    data = encoded(stored, "JPEG", exif=exif(6))
    upload = service.read_upload(ready(service, data, preview=True))
    key = key_of(upload["preview"])
    assert "X-Amz-Expires=3600" in upload["preview"]
    body = service.s3.get_object(Bucket="pictures", Key=key)["Body"].read()
    preview = Image.open(io.BytesIO(body))
    assert (preview.format, preview.size, dict(preview.getexif())) == ("WEBP", (1024, 683), {})
    assert preview.convert("RGB").getpixel((10, 600)) == pytest.approx((0, 0, 255), abs=12)


def test_a_preview_stays_when_the_photo_is_framed_anew(service: Service) -> None:
    upload_id = ready(service, encoded(quarters(), "PNG"), preview=True)
    upload = frame(service, upload_id, CROP).json
    key = key_of(upload["preview"])
    assert renditions_of(service, upload_id) == {*keys(upload), key}


def test_a_preview_is_made_only_if_it_was_asked_for(service: Service) -> None:
    upload_id = ready(service, encoded(quarters(), "PNG"))
    upload = service.read_upload(upload_id)
    assert "preview" not in upload
    assert renditions_of(service, upload_id) == keys(upload)


def test_a_preview_is_public_nowhere(service: Service) -> None:
    upload_id = ready(service, encoded(quarters(), "PNG"), preview=True)
    upload = service.read_upload(upload_id)
    service.set_picture(upload["userId"], upload_id)
    assert service.call("GET", f"/{key_of(upload['preview'])}").status == 404
    assert "preview" not in service.read_upload(upload_id)
