"""A user's custom profile picture: set it, replace it, remove it, and where it is served."""

import time
from dataclasses import replace
from datetime import timedelta

from vignette import settings, uploads, users
from vignette.adapters import bucket, table
from vignette.adapters.table import Attr
from vignette.errors import (
    NotFound,
    Unavailable,
    UploadInUse,
    UploadNotReady,
    UploadWrongKind,
    UploadWrongScope,
)
from vignette.ids import rendition_object_key, upload_key, user_key
from vignette.uploads import Kind, Scope, State, Upload
from vignette.users import Picture, User

_ATTEMPTS = 4


def url(user: User) -> str | None:
    """Address of a user's picture, or None: the custom one, else the identity provider's.

    Costs no network call.
    """
    if user.picture is None:
        return user.provider_picture_url
    return rendition_url(user.picture.upload_id, user.picture.digest, settings.THUMB_SIZE)


def rendition_url(upload_id: str, digest: str, size: int) -> str:
    """A presigned address of one rendition, `size` in pixels; costs no network call."""
    return bucket.presigned_url(
        rendition_object_key(upload_id, digest, size),
        lifetime=timedelta(seconds=settings.PICTURE_URL_SECONDS),
    )


def set_picture(user_id: str, upload_id: str) -> User:
    """Make a ready upload a user's picture; the record of the picture before it goes with that.

    Setting the same picture again changes nothing. Raises `NotFound`, `UploadWrongScope`,
    `UploadWrongKind`, `UploadNotReady`, `UploadInUse` and `Unavailable`.
    """
    for _ in range(_ATTEMPTS):
        user_item, upload_item = table.get_many(
            [
                (settings.users_table(), user_key(user_id)),
                (settings.uploads_table(), upload_key(upload_id)),
            ]
        )
        if user_item is None:
            raise NotFound("user")
        if upload_item is None:
            raise NotFound("upload")
        user, upload = users.from_item(user_item), uploads.from_item(upload_item)
        if user.picture and user.picture.upload_id == upload.id:
            return user
        picture = _usable(upload, user)
        take = table.Update(
            settings.uploads_table(),
            upload_key(upload.id),
            {"expires_at": None},
            condition=Attr("state").eq(State.READY)
            & Attr("user_id").eq(user.id)
            & Attr("scope").eq(Scope.USER)
            & Attr("kind").eq(Kind.PROFILE_PICTURE)
            & Attr("expires_at").gt(int(time.time())),
        )
        try:
            return users.save(user, replace(user, picture=picture), take, *_drop(user))
        except table.ConditionFailed:
            continue  # somebody else changed the user or the upload: look again
    raise Unavailable("The user is being changed by others.")


def remove_picture(user_id: str) -> User:
    """Remove a user's custom picture with its record; without one nothing changes.

    Raises `NotFound` and `Unavailable`.
    """
    for _ in range(_ATTEMPTS):
        user = users.get(user_id)
        if user.picture is None:
            return user
        try:
            return users.save(user, replace(user, picture=None), *_drop(user))
        except table.ConditionFailed:
            continue
    raise Unavailable("The user is being changed by others.")


def _usable(upload: Upload, user: User) -> Picture:
    if upload.expired or upload.user_id != user.id:
        raise NotFound("upload")
    if upload.scope != Scope.USER:
        raise UploadWrongScope("Only an upload of scope `user` can become a profile picture.")
    if upload.kind != Kind.PROFILE_PICTURE:
        raise UploadWrongKind("Only a `profile_picture` upload can become a profile picture.")
    if upload.state != State.READY or upload.digest is None:
        raise UploadNotReady(f"The upload is {upload.state}, not ready.")
    if upload.in_use:
        raise UploadInUse("The upload is a picture already.")
    return Picture(upload.id, upload.digest)


def _drop(user: User) -> list[table.Action]:
    """Deletes the record behind the picture that a user has now."""
    if user.picture is None:
        return []
    return [table.Delete(settings.uploads_table(), upload_key(user.picture.upload_id))]
