"""From an uploaded photo to its renditions, and away with them when the upload is gone."""

import hashlib
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from vignette import settings, uploads
from vignette.adapters import bucket, table
from vignette.adapters.table import Attr
from vignette.errors import UnusablePhoto
from vignette.ids import (
    original_object_key,
    rendition_object_key,
    renditions_prefix,
    upload_key,
)
from vignette.uploads import State

if TYPE_CHECKING:
    from vignette.images import Photo

# RFC 9111 and RFC 8246: what is at one address never changes.
CACHE_FOR_EVER = "public, max-age=31536000, immutable"


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
        return Outcome.GONE
    if original.body is None:
        return _finish(upload_id, {"state": State.FAILED, "reason": "too_large"}, original.size)
    try:
        prepared = prepare(original.body)
        store(upload_id, prepared)
    except UnusablePhoto as unusable:
        failed = {"state": State.FAILED, "reason": unusable.code}
        return _finish(upload_id, failed, original.size)
    return _finish(upload_id, {"state": State.READY, **prepared.facts()}, original.size)


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
    from vignette.images import UnreadableImage

    try:
        with ThreadPoolExecutor(len(settings.RENDITION_SIZES)) as pool:
            writes = [
                pool.submit(
                    bucket.put,
                    rendition_object_key(upload_id, prepared.digest, rendition.size),
                    rendition.body,
                    content_type="image/webp",
                    cache_control=CACHE_FOR_EVER,
                )
                for rendition in prepared.photo.renditions()
            ]
    except UnreadableImage as unreadable:
        raise UnusablePhoto(unreadable.reason) from None
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
        condition=Attr("state").eq(State.PENDING),
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
    return Outcome.READY if result["state"] == State.READY else Outcome.FAILED
