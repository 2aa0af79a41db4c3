"""The renditions of an upload: made, framed anew, read, and deleted with the upload."""

import hashlib
import re
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any, NamedTuple

from vignette import settings
from vignette.adapters import bucket, table
from vignette.adapters.table import Attr
from vignette.crop import Crop, Framing
from vignette.domain import uploads
from vignette.domain.ids import (
    PREVIEW,
    WHOLE,
    is_upload_id,
    nearest,
    original_object_key,
    rendition_object_key,
    renditions_prefix,
    upload_key,
)
from vignette.domain.locking import optimistically
from vignette.domain.model import Upload, UploadState
from vignette.errors import NotFound, TooManyFramings, UnusablePhoto

if TYPE_CHECKING:
    from vignette.images import Result

_DIGEST = re.compile(r"[0-9a-f]{32}")
_FILES = {f"{size}.webp": size for size in settings.RENDITION_SIZES}
_GIVEN_UP = "processing_failed"


class Outcome(StrEnum):
    """What became of one delivery of an event."""

    READY = "ready"
    FAILED = "failed"
    REPEATED = "repeated"
    GONE = "gone"


class Delivery(NamedTuple):
    """What became of a delivery, and if its photo failed, why."""

    outcome: Outcome
    reason: str | None = None


def make(upload_id: str) -> Delivery:
    """Make the renditions of an upload's photo and mark the upload ready, or failed.

    May be called for the same upload again, late and at the same time: the first photo that is
    finished stays, and what no record names is deleted. An upload that is not pending costs one
    read: its form can be posted again and again.

    Raises:
        Unavailable: AWS did not do it; calling again is right.
    """
    try:
        upload = uploads.get(upload_id)
    except NotFound:
        # An attempt that was cut off may have written renditions.
        delete_objects(upload_id)
        return Delivery(Outcome.GONE)
    if upload.state != UploadState.PENDING:
        return Delivery(Outcome.REPEATED)
    original = bucket.read(original_object_key(upload_id), max_bytes=settings.MAX_UPLOAD_BYTES)
    if original is None:
        return _fail(upload_id, "empty", 0)
    if original.body is None:
        return _fail(upload_id, "too_large", original.size)
    try:
        rendered = render(original.body, crop=upload.crop, preview=bool(upload.preview))
    except UnusablePhoto as unusable:
        return _fail(upload_id, unusable.code, original.size)
    facts = store(upload_id, digest_of(upload_id, original.body), rendered)
    return Delivery(_finish(upload_id, {"state": UploadState.READY, **facts}, original.size))


def give_up(upload_id: str) -> Delivery:
    """Let an upload fail whose photo could not be processed, however often that was tried.

    One that is not pending stays as it is, and may be given up again and late.

    Raises:
        Unavailable: AWS did not do it; calling again is right.
    """
    return _fail(upload_id, _GIVEN_UP)


def take_up_again(upload_id: str) -> None:
    """Let an upload be pending again whose photo was given up; any other stays as it is.

    Raises:
        Unavailable: AWS did not do it; calling again is right.
    """
    given_up = Attr("state").eq(UploadState.FAILED) & Attr("reason").eq(_GIVEN_UP)
    action = table.Update(
        settings.uploads_table(),
        upload_key(upload_id),
        {"state": UploadState.PENDING, "reason": None},
        condition=given_up & Attr("expires_at").gt(int(time.time())),
    )
    with suppress(table.ConditionFailed):
        table.write(action)


def frame_anew(upload_id: str, crop: Crop | None, *, owner: str | None = None) -> Upload:
    """Make the renditions of a ready upload again with another crop, before it is a picture.

    Without a crop it is framed as if the user had never done it. Of several changes at the same
    time one is the last, and the renditions of all others are deleted. With `owner`, only an
    upload of that user. A photo that was sent later to the same form is not the upload's.

    Raises:
        NotFound: There is no such upload, or its photo is gone.
        TooManyFramings: It was framed anew as often as is allowed.
        UploadNotReady: It is pending.
        UploadFailed: It has failed.
        UploadInUse: It is a picture, perhaps since a moment ago.
        UnusablePhoto: The photo cannot be decoded this time.
        Unavailable: AWS did not do it, or others keep framing the same upload.
    """
    upload = _framable(uploads.get(upload_id, owner=owner))
    if _is_framed(upload, crop):
        if upload.replaced:  # by an attempt that was perhaps cut off
            _delete(upload_id, upload.replaced)
        return upload
    _count_framing(upload_id)
    original = bucket.read(original_object_key(upload_id), max_bytes=settings.MAX_UPLOAD_BYTES)
    if original is None or original.body is None:
        raise NotFound("upload")
    photo = original.body
    first = upload.first or upload.digest
    if digest_of(upload_id, photo) != first:  # the form has taken another photo since
        raise NotFound("upload")
    rendered = render(photo, crop=crop, preview=bool(upload.preview))

    def write_renditions() -> Upload:
        nonlocal upload
        # Each digest is derived from the one before it. So none is used twice, replaced renditions
        # can be deleted, and a repeated attempt writes the same objects.
        digest = digest_of(upload_id, f"{upload.digest}{crop}".encode())
        stored = store(upload_id, digest, rendered)
        facts = {**stored, "replaced": upload.digest, "first": first}
        unchanged = Attr("digest").eq(upload.digest) & Attr("expires_at").gt(int(time.time()))
        action = table.Update(
            settings.uploads_table(), upload_key(upload_id), facts, condition=unchanged
        )
        try:
            item = table.write(action)
        except table.ConditionFailed as failure:
            item = failure.item
            if item is None or uploads.from_item(item).digest != digest:
                _delete(upload_id, digest)
                upload = _framable(uploads.from_item(item) if item else None)
                raise
        assert item is not None  # noqa: S101, an update answers with its item
        _delete(upload_id, str(upload.digest))
        return uploads.from_item(item)

    return optimistically(write_renditions)


def render(
    data: bytes, *, whole: bool = False, preview: bool = False, crop: Crop | None = None
) -> "Result":
    """Make the square renditions of a photo, with `whole` and `preview` also uncropped ones.

    The squares show the `crop`, without one the faces in the photo, else its centre.

    Raises:
        UnusablePhoto: The photo cannot become a picture.
        Unavailable: There is no decoder just now.
    """
    from vignette.images import UnreadableImage, Wanted, process  # most calls take no photo

    wholes = {WHOLE: settings.WHOLE_PICTURE_SIDE} if whole else {}
    if preview:
        wholes[PREVIEW] = settings.PREVIEW_SIDE
    wanted = Wanted(wholes=wholes, crop=crop, find_faces=settings.face_framing())
    try:
        return process(data, wanted)
    except UnreadableImage as unreadable:
        raise UnusablePhoto(unreadable.reason) from None


def store(upload_id: str, digest: str, rendered: "Result") -> dict[str, Any]:
    """Write the renditions of a photo of an upload under a digest.

    Answers what the upload's record says about a photo that is ready; width and height in
    pixels, upright.

    Raises:
        Unavailable: S3 did not do it.
    """
    with ThreadPoolExecutor(len(rendered.renditions)) as pool:
        writes = [
            pool.submit(
                bucket.put,
                rendition_object_key(upload_id, digest, name),
                body,
                content_type="image/webp",
                cache_control=settings.PRIVATE_CACHE,
            )
            for name, body in rendered.renditions.items()
        ]
    for write in writes:
        write.result()
    return {
        "digest": digest,
        "width": rendered.width,
        "height": rendered.height,
        "sizes": sorted(int(name) for name in rendered.renditions if name.isdecimal()),
        "crop": uploads.stored_crop(rendered.crop),
        "framing": rendered.framing,
        "placeholder": rendered.placeholder,
    }


def receive(upload_id: str, data: bytes, *, usable_until: int) -> None:
    """Make a ready upload without an owner of a photo that was sent to the service itself.

    Its id was given out for one photo, until `usable_until`, in seconds since the epoch. The photo
    is kept whole as well, unless that is more than one answer can carry. The same photo may be sent
    again, and costs one read once it is stored. Others may be sent until one can be used, but not
    without end.

    Raises:
        UnusablePhoto: The photo cannot become a picture; it was counted, and nothing stored.
        UploadUsed: The id was used for another photo, or too many were sent; nothing was written.
        NotFound: The upload was deleted meanwhile.
        Unavailable: AWS did not do it.
    """
    photo = digest_of(upload_id, data)
    if uploads.has_photo(upload_id, photo=photo):
        return
    uploads.count_photo(upload_id, photo=photo, usable_until=usable_until)
    rendered = render(data, whole=True)
    keeps_whole = len(rendered.renditions[WHOLE]) <= settings.MAX_BODY_BYTES
    if not keeps_whole:
        squares = {name: body for name, body in rendered.renditions.items() if name != WHOLE}
        rendered = replace(rendered, renditions=squares)
    if not uploads.begin_without_owner(upload_id, photo=photo, usable_until=usable_until):
        return
    facts = store(upload_id, photo, rendered)
    result = {"state": UploadState.READY, "whole": keeps_whole, **facts}
    if _finish(upload_id, result, len(data)) == Outcome.GONE:
        raise NotFound("upload")  # deleted meanwhile


def read_public(upload_id: str, *, whole: bool, wanted: int | None = None) -> bytes:
    """A square rendition, or the whole picture if it was kept, as WebP.

    The largest square, or the smallest that is at least `wanted` pixels wide. Only of an upload
    that is a picture now.

    Raises:
        NotFound: There is no such picture, or it is not shown any more.
        Unavailable: AWS did not do it.
    """
    upload = _shown(upload_id)
    if whole and upload.whole:
        return _read(upload, WHOLE)
    return _read(upload, nearest(upload.sizes, wanted or max(upload.sizes)))


def read_square(upload_id: str, digest: str, file: str, *, wanted: int | None = None) -> bytes:
    """A square rendition by the parts of its object key, or the one that is `wanted` pixels wide.

    If there is none of exactly that size, the smallest that is larger, else the largest. Only of
    an upload that is a picture now.

    Raises:
        NotFound: There is no such picture, or it is not shown any more.
        Unavailable: AWS did not do it.
    """
    size = _FILES.get(file)
    if size is None or not is_upload_id(upload_id) or not _DIGEST.fullmatch(digest):
        raise NotFound("picture")
    upload = _shown(upload_id)
    if upload.digest != digest:
        raise NotFound("picture")
    return _read(upload, nearest(upload.sizes, wanted or size))


def _shown(upload_id: str) -> Upload:
    """The upload, if it is a picture now.

    Raises:
        NotFound: There is no such picture, or it is not shown any more.
        Unavailable: DynamoDB did not do it.
    """
    try:
        upload = uploads.get(upload_id)
    except NotFound:
        raise NotFound("picture") from None
    if not upload.in_use:
        raise NotFound("picture")
    return upload


def _read(upload: Upload, name: int | str) -> bytes:
    """A rendition of an upload.

    Raises:
        NotFound: It was deleted meanwhile.
        Unavailable: S3 did not do it.
    """
    key = rendition_object_key(upload.id, str(upload.digest), name)
    stored = bucket.read(key, max_bytes=settings.MAX_BODY_BYTES)
    if stored is None or stored.body is None:
        raise NotFound("picture")  # deleted meanwhile
    return stored.body


def digest_of(upload_id: str, data: bytes) -> str:
    """What tells photos of one upload apart in addresses, and nothing about those of others."""
    return hashlib.sha256(upload_id.encode() + data).hexdigest()[:32]


def delete_all_but_picture(upload_id: str, digest: str) -> int:
    """Delete what is stored of an upload beside the picture it is; answers how many keys.

    The photo as it was sent, and its preview. Then what has another digest: a framing that was cut
    off may have left renditions, and a preview among them. The picture keeps its digest, for a
    picture is not framed anew: a framing that is still running finds the upload in use, and deletes
    what it has written.

    Raises:
        Unavailable: S3 did not do it.
    """
    prefix = renditions_prefix(upload_id)
    shown, preview = f"{prefix}{digest}/", rendition_object_key(upload_id, digest, PREVIEW)
    stored = bucket.keys(prefix)
    unneeded = [each for each in stored if each == preview or not each.startswith(shown)]
    keys = [*unneeded, original_object_key(upload_id)]
    bucket.delete(keys)
    return len(keys)


def delete_objects(upload_id: str) -> int:
    """Delete every object of an upload that is gone; answers how many keys.

    The renditions are listed rather than derived, so that those of an interrupted or replaced
    photo go too.

    Raises:
        Unavailable: S3 did not do it.
    """
    keys = [*bucket.keys(renditions_prefix(upload_id)), original_object_key(upload_id)]
    bucket.delete(keys)
    return len(keys)


def _delete(upload_id: str, digest: str) -> None:
    """Delete the renditions of one digest.

    Raises:
        Unavailable: S3 did not do it.
    """
    names = (*settings.RENDITION_SIZES, WHOLE, PREVIEW)
    bucket.delete(rendition_object_key(upload_id, digest, each) for each in names)


def _framable(upload: Upload | None) -> Upload:
    """The upload, if it can be framed anew.

    Raises:
        NotFound: It is gone.
        UploadNotReady: It is pending.
        UploadFailed: It has failed.
        UploadInUse: It is a picture already.
    """
    if upload is None or upload.expired:
        raise NotFound("upload")
    uploads.unused_picture(upload)  # anything else is refused
    return upload


def _count_framing(upload_id: str) -> None:
    """Count that a ready upload is framed anew, before its photo is read and decoded for that.

    Counted afterwards, any number at the same time would be decoded. A call that is repeated
    since its answer was lost may count twice.

    Raises:
        NotFound: The upload is gone.
        UploadInUse: It is a picture, perhaps since a moment ago.
        TooManyFramings: It was framed anew as often as is allowed.
        Unavailable: DynamoDB did not do it.
    """
    framings = Attr("framings")
    action = table.Update(
        settings.uploads_table(),
        upload_key(upload_id),
        {},
        add={"framings": 1},
        condition=Attr("expires_at").gt(int(time.time()))
        & (framings.not_exists() | framings.lt(settings.MAX_FRAMINGS)),
    )
    try:
        table.write(action)
    except table.ConditionFailed as failure:
        _framable(uploads.from_item(failure.item) if failure.item else None)
        raise TooManyFramings(
            f"This upload was framed {settings.MAX_FRAMINGS} times; create another upload."
        ) from None


def _is_framed(upload: Upload, crop: Crop | None) -> bool:
    """Whether a ready upload is framed like this already."""
    if crop is None:
        return upload.framing != Framing.USER
    if upload.framing != Framing.USER or not (upload.crop and upload.width and upload.height):
        return False
    moved = crop.inside(upload.width, upload.height)
    return uploads.stored_crop(moved) == uploads.stored_crop(upload.crop)


def _fail(upload_id: str, reason: str, size: int | None = None) -> Delivery:
    """Record on a pending upload that its photo, of a size in bytes, cannot be used.

    Raises:
        Unavailable: AWS did not do it.
    """
    outcome = _finish(upload_id, {"state": UploadState.FAILED, "reason": reason}, size)
    return Delivery(outcome, reason if outcome == Outcome.FAILED else None)


def _finish(upload_id: str, result: Mapping[str, object], size: int | None) -> Outcome:
    """Record the result on a pending upload; else delete what this delivery has written.

    Raises:
        Unavailable: AWS did not do it.
    """
    expires_at = int(time.time()) + settings.UNUSED_UPLOAD_SECONDS
    action = table.Update(
        settings.uploads_table(),
        upload_key(upload_id),
        {**result, "bytes": size, "expires_at": expires_at},
        condition=Attr("state").eq(UploadState.PENDING),
    )
    try:
        table.write(action)
    except table.ConditionFailed as failure:
        digest = result.get("digest")
        if failure.item is None:
            delete_objects(upload_id)
            return Outcome.GONE
        if digest and uploads.from_item(failure.item).digest != digest:
            _delete(upload_id, str(digest))
        return Outcome.REPEATED
    return Outcome.READY if result["state"] == UploadState.READY else Outcome.FAILED
