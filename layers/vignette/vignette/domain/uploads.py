"""Upload records: who may send a photo where, and what became of it."""

import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import islice
from typing import Any

from vignette import settings
from vignette.adapters import bucket, table
from vignette.adapters.table import Attr, ConditionBase, Item, Key
from vignette.crop import PLACES, Crop
from vignette.domain import users
from vignette.domain.ids import (
    derived_id,
    new_id,
    original_object_key,
    upload_key,
    used_mark_key,
    user_key,
)
from vignette.domain.model import Picture, Upload, UploadKind, UploadScope, UploadState, now
from vignette.errors import (
    NotFound,
    TooManyUploads,
    Unavailable,
    UploadFailed,
    UploadInUse,
    UploadNotReady,
    UploadUsed,
)

BY_USER = "byUser"
_HOUR = 3600  # seconds


@dataclass(frozen=True, slots=True)
class Ticket:
    """A new upload, and the form that sends its photo until `expires_at`."""

    upload: Upload
    form: bucket.PresignedPost
    expires_at: datetime


def create(
    user_id: str,
    *,
    kind: UploadKind,
    scope: UploadScope,
    content_type: str,
    by_themselves: bool = False,
    crop: Crop | None = None,
    preview: bool = False,
) -> Ticket:
    """Record a pending upload of a user and sign the form for its photo.

    The renditions will show the `crop`, if there is one; with `preview` the whole photo is kept as
    well, until the upload is a picture.

    Raises:
        NotFound: There is no such user.
        UserNotActive: The user is banned or locked, and begins it `by_themselves`.
        TooManyUploads: The user has begun too many in this hour.
        Unavailable: DynamoDB did not do it.
    """
    upload = begin(
        user_id, kind=kind, scope=scope, by_themselves=by_themselves, crop=crop, preview=preview
    )
    return ticket(upload, content_type=content_type)


def ticket(upload: Upload, *, content_type: str) -> Ticket:
    """Sign the form for an upload's photo, which ends a while after the upload began."""
    begun_at = datetime.fromtimestamp(upload.created_at / 1000, UTC)
    expires_at = begun_at + timedelta(seconds=settings.UPLOAD_FORM_SECONDS)
    form = bucket.presigned_post(
        original_object_key(upload.id),
        content_type=content_type,
        max_bytes=settings.MAX_UPLOAD_BYTES,
        expires_at=expires_at,
    )
    return Ticket(upload, form, expires_at)


def begin(
    user_id: str,
    *,
    kind: UploadKind,
    scope: UploadScope,
    by_themselves: bool = False,
    crop: Crop | None = None,
    preview: bool = False,
) -> Upload:
    """Record a pending upload of a user.

    Users who begin one `by_themselves` have to be active, and may begin
    `settings.MAX_UPLOADS_PER_HOUR` in each hour of the clock, counted in the same transaction.

    Raises:
        NotFound: There is no such user.
        UserNotActive: The user is banned or locked.
        TooManyUploads: The user has begun too many in this hour.
        Unavailable: DynamoDB did not do it.
    """
    created_at = now()
    seconds = created_at // 1000
    upload = Upload(
        id=new_id(),
        user_id=user_id,
        kind=kind,
        scope=scope,
        state=UploadState.PENDING,
        created_at=created_at,
        expires_at=seconds + settings.UNUSED_UPLOAD_SECONDS,
        crop=crop,
        preview=preview or None,
    )
    condition = users.exists(must_be_active=by_themselves)
    check = table.Check(settings.users_table(), user_key(user_id), condition)
    actions: list[table.Action] = [check, table.Put(settings.uploads_table(), to_item(upload))]
    if by_themselves:
        actions.append(_count(user_id, seconds))
    try:
        table.transact(actions)
    except table.ConditionFailed as failure:
        if check not in failure.failed:
            raise TooManyUploads(_HOUR - seconds % _HOUR) from None
        users.get(user_id, must_be_active=by_themselves)
        raise Unavailable("The user is being changed by others.") from None
    return upload


def _count(user_id: str, seconds: int) -> table.Update:
    """The action that counts an upload which a user begins; the counter goes after its hour.

    `seconds` is the time since the epoch.
    """
    hour = seconds // _HOUR
    counter = f"uploads#{derived_id(user_id, str(hour))}"
    begun = Attr("begun")
    return table.Update(
        settings.idempotency_table(),
        {"id": counter},
        {"expiration": (hour + 1) * _HOUR},
        add={"begun": 1},
        condition=begun.not_exists() | begun.lt(settings.MAX_UPLOADS_PER_HOUR),
    )


def count_photo(upload_id: str, *, photo: str, usable_until: int) -> None:
    """Count that `photo`, which is a digest, was sent to an address for one photo.

    Before it is decoded: counted afterwards, any number at the same time would be. The mark that
    counts stays until `usable_until`, in seconds since the epoch. A call that is repeated since its
    answer was lost may count twice.

    Raises:
        UploadUsed: The address has taken another photo, or was sent too many.
        Unavailable: DynamoDB did not do it.
    """
    taken, sent = Attr("photo"), Attr("sent")
    action = table.Update(
        settings.uploads_table(),
        used_mark_key(upload_id),
        {"expires_at": usable_until},
        add={"sent": 1},
        condition=(taken.not_exists() | taken.eq(photo))
        & (sent.not_exists() | sent.lt(settings.MAX_PHOTOS_OF_AN_ADDRESS)),
    )
    try:
        table.write(action)
    except table.ConditionFailed as failure:
        raise UploadUsed(_why_used(failure.item or {})) from None


def _why_used(mark: Item) -> str:
    """Why an address with this mark takes no photo."""
    if "photo" in mark:
        return "This address takes one photo and has received it; ask for another address."
    times = settings.MAX_PHOTOS_OF_AN_ADDRESS
    return f"This address was tried {times} times; ask for another address."


def begin_without_owner(upload_id: str, *, photo: str, usable_until: int) -> bool:
    """Record a pending upload without an owner, for an address that takes one photo.

    Answers whether `photo`, which is a digest, is still to be stored: it is if an attempt to send
    it was cut off, and not if it was stored before. A mark stays until `usable_until`, in seconds
    since the epoch, even if the record goes earlier. Without it the address would take a second
    photo, and the clean-up after the first could delete the second one's renditions.

    Raises:
        UploadUsed: The address has taken another photo, or the upload was deleted.
        Unavailable: DynamoDB did not do it.
    """
    created_at = now()
    seconds = created_at // 1000
    upload = Upload(
        id=upload_id,
        kind=UploadKind.PROFILE_PICTURE,
        scope=UploadScope.USER,
        state=UploadState.PENDING,
        created_at=created_at,
        expires_at=seconds + settings.UNUSED_UPLOAD_SECONDS,
    )
    mark = table.Update(
        settings.uploads_table(),
        used_mark_key(upload_id),
        {"photo": photo, "expires_at": usable_until},
        condition=Attr("photo").not_exists(),
    )
    try:
        table.transact(
            [
                mark,
                table.Put(settings.uploads_table(), to_item(upload), Attr("id").not_exists()),
            ]
        )
    except table.ConditionFailed:
        return not has_photo(upload_id, photo=photo)
    return True


def has_photo(upload_id: str, *, photo: str) -> bool:
    """Whether `photo`, which is a digest, was sent to an address for one photo, and stored.

    Raises:
        UploadUsed: Another one was, or too many, or the upload was deleted.
        Unavailable: DynamoDB did not do it.
    """
    keys = (used_mark_key(upload_id), upload_key(upload_id))
    mark, item = table.get_many([(settings.uploads_table(), key) for key in keys])
    mark = mark or {}
    if (
        "photo" not in mark
        and item is None
        and mark.get("sent", 0) < settings.MAX_PHOTOS_OF_AN_ADDRESS
    ):
        return False
    if item is None or mark.get("photo") != photo:
        raise UploadUsed(_why_used(mark))
    return from_item(item).state != UploadState.PENDING


def get(upload_id: str, *, owner: str | None = None) -> Upload:
    """Read an upload; with `owner`, only if it is that user's, who has to be active.

    Raises:
        NotFound: There is no such upload, or none of this user.
        UserNotActive: The owner is banned or locked.
        Unavailable: DynamoDB did not do it.
    """
    key = upload_key(upload_id)
    if owner is None:
        item = table.get(settings.uploads_table(), key)
    else:
        user_item, item = table.get_many(
            [(settings.users_table(), user_key(owner)), (settings.uploads_table(), key)]
        )
        users.known(user_item, must_be_active=True)
    if item is None:
        raise NotFound("upload")
    upload = from_item(item)
    if upload.expired or (owner is not None and upload.user_id != owner):
        raise NotFound("upload")
    return upload


def unused_picture(upload: Upload) -> Picture:
    """The picture that an upload shows, which is ready and nobody's yet.

    Raises:
        UploadFailed: It has failed.
        UploadNotReady: It is pending.
        UploadInUse: It is a picture already.
    """
    if upload.reason:
        raise UploadFailed(upload.reason)
    if upload.state != UploadState.READY or not (upload.digest and upload.placeholder):
        raise UploadNotReady(f"The upload is {upload.state}, not ready.")
    if upload.in_use:
        raise UploadInUse("The upload is a picture already.")
    return Picture(upload.id, upload.digest, upload.sizes, upload.placeholder)


def delete(upload_id: str, *, owner: str | None = None) -> None:
    """Delete an upload that is not a picture; with `owner`, only if it is that user's.

    The owner has to be active. The upload's objects go with the record, by the table's stream.

    Raises:
        NotFound: There is no such upload, or none of this user.
        UserNotActive: The owner is banned or locked.
        UploadInUse: The upload is a picture.
        Unavailable: DynamoDB did not do it.
    """
    condition: ConditionBase = Attr("expires_at").gt(int(time.time()))
    if owner is not None:
        condition &= Attr("user_id").eq(owner)
    delete = table.Delete(settings.uploads_table(), upload_key(upload_id), condition)
    try:
        if owner is None:
            table.write(delete)
        else:
            active = users.exists(must_be_active=True)
            table.transact([table.Check(settings.users_table(), user_key(owner), active), delete])
    except table.ConditionFailed:
        if get(upload_id, owner=owner).in_use:
            raise UploadInUse("The upload is a profile picture; remove that first.") from None
        raise NotFound("upload") from None


def clean_up_again(upload: Upload) -> None:
    """Delete the objects that were written after the record of an upload had been deleted.

    The record is written and deleted once more: the stream tells of it.

    Raises:
        Unavailable: DynamoDB did not do it.
    """
    table.write(table.Put(settings.uploads_table(), to_item(upload)))
    table.write(table.Delete(settings.uploads_table(), upload_key(upload.id)))


def discard(*upload_ids: str) -> None:
    """Delete uploads, in use or not.

    Raises:
        Unavailable: DynamoDB did not do it.
    """
    table.delete_many(settings.uploads_table(), [upload_key(each) for each in upload_ids])


def ids_of(user_id: str, *, at_most: int) -> list[str]:
    """The ids of uploads of a user, from the index by user.

    Raises:
        Unavailable: DynamoDB did not do it.
    """
    found = table.query(
        settings.uploads_table(), BY_USER, Key("user_id").eq(user_id), page_size=at_most
    )
    return [item["id"] for item in islice(found, at_most)]


def from_item(item: Item) -> Upload:
    """The upload that an item of the table holds."""
    numbers = ("created_at", "expires_at", "width", "height", "bytes", "used_at", "framings")
    values: dict[str, Any] = {name: int(item[name]) for name in numbers if name in item}
    values["sizes"] = tuple(map(int, item.get("sizes", ())))
    if "crop" in item:
        values["crop"] = Crop(*map(float, item["crop"]))
    return Upload(**{**item, **values})


def to_item(upload: Upload) -> Item:
    """The item of the table that holds an upload."""
    values = {name: getattr(upload, name) for name in Upload.__slots__}
    crop = stored_crop(upload.crop) if upload.crop else None
    return {**values, "crop": crop, "sizes": upload.sizes or None}


def stored_crop(crop: Crop) -> list[Decimal]:
    """A crop as an item holds it."""
    return [round(Decimal(share), PLACES) for share in (crop.x, crop.y, crop.size)]
