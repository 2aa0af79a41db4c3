"""From an uploaded photo to its renditions, and away with them when the upload is gone."""

import hashlib
import re
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from enum import StrEnum
from typing import TYPE_CHECKING

from vignette import settings
from vignette.adapters import bucket, table
from vignette.adapters.table import Attr
from vignette.domain import uploads
from vignette.domain.ids import (
    WHOLE,
    is_id,
    original_object_key,
    rendition_object_key,
    renditions_prefix,
    upload_key,
)
from vignette.domain.model import Upload, UploadState
from vignette.errors import NotFound, UnusablePhoto

if TYPE_CHECKING:
    from vignette.images import Result

_DIGEST = re.compile(r"[0-9a-f]{32}")
_FILES = {f"{size}.webp": size for size in settings.RENDITION_SIZES}


class Outcome(StrEnum):
    """What became of one delivery of an event."""

    READY = "ready"
    FAILED = "failed"
    REPEATED = "repeated"
    GONE = "gone"


def make(upload_id: str) -> Outcome:
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
        # What an attempt that was cut off has written goes too.
        delete_objects(upload_id)
        return Outcome.GONE
    if upload.state != UploadState.PENDING:
        return Outcome.REPEATED
    original = bucket.read(original_object_key(upload_id), max_bytes=settings.MAX_UPLOAD_BYTES)
    if original is None:
        return _finish(upload_id, {"state": UploadState.FAILED, "reason": "empty"}, 0)
    if original.body is None:
        too_large = {"state": UploadState.FAILED, "reason": "too_large"}
        return _finish(upload_id, too_large, original.size)
    try:
        rendered = render(original.body)
    except UnusablePhoto as unusable:
        failed = {"state": UploadState.FAILED, "reason": unusable.code}
        return _finish(upload_id, failed, original.size)
    facts = store(upload_id, original.body, rendered)
    return _finish(upload_id, {"state": UploadState.READY, **facts}, original.size)


def render(data: bytes, *, whole: bool = False) -> "Result":
    """Make the square renditions of a photo, and with `whole` one that is not cropped.

    Raises:
        UnusablePhoto: The photo cannot become a picture.
        Unavailable: There is no decoder just now.
    """
    from vignette.images import Request, UnreadableImage, process  # most calls take no photo

    request = Request(wholes={WHOLE: settings.WHOLE_PICTURE_SIDE} if whole else {})
    try:
        return process(data, request)
    except UnreadableImage as unreadable:
        raise UnusablePhoto(unreadable.reason) from None


def store(upload_id: str, data: bytes, rendered: "Result") -> dict[str, str | int]:
    """Write the renditions of a photo of an upload.

    Answers what the upload's record says about a photo that is ready; width and height in
    pixels, upright.

    Raises:
        Unavailable: S3 did not do it.
    """
    digest = _digest(upload_id, data)
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
    return {"digest": digest, "width": rendered.width, "height": rendered.height}


def receive(upload_id: str, data: bytes, *, usable_until: int) -> None:
    """Make a ready upload that is nobody's of a photo that the service has in hand.

    For an id that was given out to be used once, until `usable_until`, in seconds since the
    epoch. The photo is kept whole as well, unless that is more than one answer can carry. The same
    photo may be sent again, and costs one read.

    Raises:
        UnusablePhoto: The photo cannot become a picture; nothing was written.
        UploadUsed: The id was used for another photo; nothing was written.
        NotFound: The upload was deleted meanwhile.
        Unavailable: AWS did not do it.
    """
    photo = _digest(upload_id, data)
    if uploads.has_photo(upload_id, photo=photo):
        return
    rendered = render(data, whole=True)
    keeps_whole = len(rendered.renditions[WHOLE]) <= settings.MAX_BODY_BYTES
    if not keeps_whole:
        squares = {name: body for name, body in rendered.renditions.items() if name != WHOLE}
        rendered = replace(rendered, renditions=squares)
    if not uploads.begin_once(upload_id, photo=photo, usable_until=usable_until):
        return
    facts = store(upload_id, data, rendered)
    result = {"state": UploadState.READY, "whole": keeps_whole, **facts}
    if _finish(upload_id, result, len(data)) == Outcome.GONE:
        raise NotFound("upload")  # deleted meanwhile


def read_public(upload_id: str, *, whole: bool) -> bytes:
    """The largest square rendition, or the whole picture where it was kept, as WebP.

    Only of what is somebody's picture now. Raises `NotFound` and `Unavailable`.
    """
    upload = _shown(upload_id)
    return _read(upload, WHOLE if whole and upload.whole else max(settings.RENDITION_SIZES))


def read_square(upload_id: str, digest: str, file: str) -> bytes:
    """A square rendition by the parts of its object key.

    Only of what is somebody's picture now. Raises `NotFound` and `Unavailable`.
    """
    size = _FILES.get(file)
    if size is None or not is_id(upload_id) or not _DIGEST.fullmatch(digest):
        raise NotFound("picture")
    upload = _shown(upload_id)
    if upload.digest != digest:
        raise NotFound("picture")
    return _read(upload, size)


def _shown(upload_id: str) -> Upload:
    """The upload that is somebody's picture now. Raises `NotFound` and `Unavailable`."""
    try:
        upload = uploads.get(upload_id)
    except NotFound:
        raise NotFound("picture") from None
    if not upload.in_use:
        raise NotFound("picture")
    return upload


def _read(upload: Upload, name: int | str) -> bytes:
    """A rendition of an upload. Raises `NotFound` and `Unavailable`."""
    key = rendition_object_key(upload.id, str(upload.digest), name)
    stored = bucket.read(key, max_bytes=settings.MAX_BODY_BYTES)
    if stored is None or stored.body is None:
        raise NotFound("picture")  # deleted meanwhile
    return stored.body


def _digest(upload_id: str, data: bytes) -> str:
    """What tells photos of one upload apart in addresses, and nothing about those of others."""
    return hashlib.sha256(upload_id.encode() + data).hexdigest()[:32]


def delete_original(upload_id: str) -> int:
    """Delete the photo of an upload as it was sent; answers 1, for one object.

    Raises `Unavailable`.
    """
    bucket.delete([original_object_key(upload_id)])
    return 1


def delete_objects(upload_id: str) -> int:
    """Delete every object of an upload that is gone; answers how many there were.

    The renditions are listed rather than derived, so that those of an interrupted or superseded
    photo go too. Raises `Unavailable`.
    """
    doomed = [*bucket.keys(renditions_prefix(upload_id)), original_object_key(upload_id)]
    bucket.delete(doomed)
    return len(doomed)


def _finish(upload_id: str, result: Mapping[str, object], size: int) -> Outcome:
    """Record the result on a pending upload; otherwise tidy up after this delivery."""
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
            bucket.delete(
                rendition_object_key(upload_id, str(digest), each)
                for each in settings.RENDITION_SIZES
            )
        return Outcome.REPEATED
    return Outcome.READY if result["state"] == UploadState.READY else Outcome.FAILED
