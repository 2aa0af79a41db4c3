"""From an uploaded photo to its renditions, and away with them when the upload is gone."""

import hashlib
import re
import time
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
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
    from vignette.images import Photo

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
    finished stays, and what no record names is deleted. Raises `Unavailable`, after which
    calling again is right.
    """
    original = bucket.read(original_object_key(upload_id), max_bytes=settings.MAX_UPLOAD_BYTES)
    if original is None:
        # Gone with its record, as a rule: what an attempt that was cut off has written goes too.
        return _finish(upload_id, {"state": UploadState.FAILED, "reason": "empty"}, 0)
    if original.body is None:
        too_large = {"state": UploadState.FAILED, "reason": "too_large"}
        return _finish(upload_id, too_large, original.size)
    try:
        prepared = prepare(original.body)
        store(upload_id, prepared)
    except UnusablePhoto as unusable:
        failed = {"state": UploadState.FAILED, "reason": unusable.code}
        return _finish(upload_id, failed, original.size)
    return _finish(upload_id, {"state": UploadState.READY, **prepared.facts()}, original.size)


@dataclass(frozen=True, slots=True)
class Prepared:
    """A photo whose header is acceptable, and the digest that names its renditions."""

    photo: "Photo"
    digest: str

    def facts(self) -> dict[str, str | int]:
        """What the upload record says about a photo that is ready; pixels, upright."""
        return {"digest": self.digest, "width": self.photo.width, "height": self.photo.height}


def prepare(data: bytes) -> Prepared:
    """Read a photo's header. Raises `UnusablePhoto`."""
    from vignette.images import UnreadableImage, open_photo  # needs the imaging layer

    try:
        return Prepared(open_photo(data), hashlib.sha256(data).hexdigest()[:32])
    except UnreadableImage as unreadable:
        raise UnusablePhoto(unreadable.reason) from None


def store(upload_id: str, prepared: Prepared) -> None:
    """Write the renditions of a photo, each while the next is being encoded.

    Raises `UnusablePhoto`, then nothing was written, and `Unavailable`.
    """
    _write(upload_id, prepared.digest, _squares(prepared))


def receive(upload_id: str, data: bytes, *, usable_until: int) -> None:
    """Make a ready upload that is nobody's of a photo that the service has in hand.

    For an id that was given out to be used once, until `usable_until`, in seconds since the
    epoch. The photo is kept whole as well, unless that is more than one answer can carry. The same
    photo may be sent again, and changes nothing. Raises `UnusablePhoto` and `UploadUsed`, then
    nothing was written, and `Unavailable`.
    """
    from vignette.images import UnreadableImage

    prepared = prepare(data)
    try:
        whole = prepared.photo.whole(settings.WHOLE_PICTURE_SIDE)
    except UnreadableImage as unreadable:
        raise UnusablePhoto(unreadable.reason) from None
    pictures: list[tuple[int | str, bytes]] = list(_squares(prepared))
    keeps_whole = len(whole) <= settings.MAX_BODY_BYTES
    if keeps_whole:
        pictures.append((WHOLE, whole))
    if not uploads.begin_once(upload_id, photo=prepared.digest, usable_until=usable_until):
        return
    _write(upload_id, prepared.digest, pictures)
    result = {"state": UploadState.READY, "whole": keeps_whole, **prepared.facts()}
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


def _squares(prepared: Prepared) -> Iterator[tuple[int, bytes]]:
    """The square renditions by size. Raises `UnusablePhoto`, before the first one."""
    from vignette.images import UnreadableImage

    try:
        for rendition in prepared.photo.renditions():
            yield rendition.size, rendition.body
    except UnreadableImage as unreadable:
        raise UnusablePhoto(unreadable.reason) from None


def _write(upload_id: str, digest: str, pictures: Iterable[tuple[int | str, bytes]]) -> None:
    with ThreadPoolExecutor(len(settings.RENDITION_SIZES) + 1) as pool:
        writes = [
            pool.submit(
                bucket.put,
                rendition_object_key(upload_id, digest, name),
                body,
                content_type="image/webp",
                cache_control=settings.PRIVATE_CACHE,
            )
            for name, body in pictures
        ]
    for write in writes:
        write.result()


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
