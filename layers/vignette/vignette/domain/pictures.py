"""A user's custom profile picture: set it, replace it, remove it, and where it is served."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from enum import StrEnum
from urllib.parse import urlsplit

from vignette import settings
from vignette.adapters import bucket, table
from vignette.adapters.table import Attr
from vignette.domain import avatars, renditions, uploads, users
from vignette.domain.ids import (
    nearest,
    rendition_object_key,
    upload_key,
    upload_of_rendition,
    user_key,
)
from vignette.domain.locking import optimistically
from vignette.domain.model import Picture, Upload, UploadKind, UploadScope, UploadState, User, now
from vignette.errors import NotFound, UploadWrongKind, UploadWrongScope


def url(user: User) -> str | None:
    """Address of a user's picture, or None: the custom one, else the identity provider's.

    Costs no network call.
    """
    if user.picture is None:
        return user.provider_picture_url
    size = nearest(user.picture.sizes, settings.THUMB_SIZE)
    return rendition_url(user.picture.upload_id, user.picture.digest, size)


class AvatarSource(StrEnum):
    """Where an avatar comes from."""

    CUSTOM = "custom"
    PROVIDER = "provider"
    DEFAULT = "default"


@dataclass(frozen=True, slots=True)
class Avatar:
    """What to show of a user; there is always something.

    `srcset` has the address of each size (HTML, "srcset attribute"), and is empty for a picture of
    the identity provider. `placeholder` is a ThumbHash in base64, if there is one.
    """

    url: str
    srcset: str
    source: AvatarSource
    placeholder: str | None = None


def avatar(user: User, origin: str) -> Avatar:
    """What to show of a user: their own picture, else the provider's, else the default one.

    The addresses of their own picture are public, and last as long as the user has it; without
    public pictures they are presigned. `origin` is that of the API. Costs no network call.
    """
    if user.picture is None:
        theirs = _provider_picture(user, origin)
        if theirs:
            return Avatar(theirs, "", AvatarSource.PROVIDER)
        default = f"{public_root(origin)}{avatars.path(user)}"
        sizes = {size: f"{default}?width={size}" for size in settings.RENDITION_SIZES}
        return Avatar(default, _srcset(sizes), AvatarSource.DEFAULT)
    picture = user.picture
    sizes = {size: _rendition_address(picture, size, origin) for size in picture.sizes}
    url = sizes[nearest(picture.sizes, settings.PUBLIC_SIZE)]
    return Avatar(url, _srcset(sizes), AvatarSource.CUSTOM, picture.placeholder)


def avatar_url(user: User, origin: str) -> str:
    """The `url` of a user's avatar. Costs no network call."""
    return avatar(user, origin).url


def _provider_picture(user: User, origin: str) -> str | None:
    """The picture of the identity provider, unless that is the address that leads to the avatar."""
    address = user.provider_picture_url
    if address and is_public_address(address, origin):
        return None if urlsplit(address).path.startswith("/pictures/") else address
    return address


def _rendition_address(picture: Picture, size: int, origin: str) -> str:
    if not settings.public_pictures():
        return rendition_url(picture.upload_id, picture.digest, size)
    key = rendition_object_key(picture.upload_id, picture.digest, size)
    return f"{public_root(origin)}/{key}"


def _srcset(addresses: Mapping[int, str]) -> str:
    return ", ".join(f"{address} {size}w" for size, address in addresses.items())


def find(user_id: str, origin: str, wanted: int | None = None) -> str:
    """The address of a user's avatar, like `avatar_url`.

    A user who does not exist has the avatar of one without a name. The address asks for a
    picture of `wanted` pixels if it is this service's.

    Raises:
        Unavailable: DynamoDB did not do it.
    """
    try:
        user = users.get(user_id)
    except NotFound:
        user = users.blank(user_id)
    shown = avatar(user, origin)
    own = shown.source != AvatarSource.PROVIDER
    return f"{shown.url}?width={wanted}" if wanted and own else shown.url


def public_root(origin: str) -> str:
    """Scheme and host of public pictures: the CDN's where there is one, else the API's own."""
    return settings.pictures_origin() or origin


def is_public_address(address: str, origin: str) -> bool:
    """Whether an address is at the API, or at the CDN in front of it."""
    hosts = {urlsplit(root).netloc.lower() for root in (origin, public_root(origin))}
    return urlsplit(address).netloc.lower() in hosts


def upload_at(address: str, origin: str) -> str | None:
    """The upload whose rendition is at an address, public or signed by anybody, or None.

    The query does not matter: a signature that has expired still names its object.
    """
    key = bucket.key_of(address)
    if key is None and is_public_address(address, origin):
        key = urlsplit(address).path.removeprefix("/")
    return upload_of_rendition(key) if key else None


def rendition_url(upload_id: str, digest: str, name: int | str) -> str:
    """A presigned address of one rendition, by the name in its key; costs no network call."""
    return bucket.presigned_url(
        rendition_object_key(upload_id, digest, name),
        lifetime=timedelta(seconds=settings.PICTURE_URL_SECONDS),
    )


def set_picture(
    user_id: str,
    upload_id: str,
    *,
    change: Callable[[User], User] = lambda user: user,
    may_have_no_owner: bool = False,
    must_be_active: bool = False,
) -> User:
    """Make a ready upload a user's picture; the record of the picture before it goes with that.

    Setting the same picture again changes nothing. `change` changes the user in the same
    transaction. If the upload `may_have_no_owner`, one without an owner becomes the user's.

    Raises:
        NotFound: There is no such user, or no such upload of this user.
        UserNotActive: The user is banned or locked, and `must_be_active`.
        UploadWrongScope: The upload is not a user's.
        UploadWrongKind: The upload is not a profile picture.
        UploadNotReady: The upload is pending.
        UploadFailed: The upload has failed.
        UploadInUse: The upload is a picture already.
        Taken: Another user has a unique value that `change` sets.
        Unavailable: DynamoDB did not do it, or others keep writing to the user or the upload.
    """

    def read_and_save() -> User:
        user_item, upload_item = table.get_many(
            [
                (settings.users_table(), user_key(user_id)),
                (settings.uploads_table(), upload_key(upload_id)),
            ]
        )
        user = users.known(user_item, must_be_active=must_be_active)
        if upload_item is None:
            raise NotFound("upload")
        upload = uploads.from_item(upload_item)
        wanted, actions = change(user), []
        if not user.picture or user.picture.upload_id != upload.id:
            picture = _usable(upload, user, may_have_no_owner=may_have_no_owner)
            wanted = replace(wanted, picture=picture)
            actions = [_take(upload, user), *removal(user)]
        return user if wanted == user else users.save(user, wanted, *actions)

    return optimistically(read_and_save)


def set_photo(user_id: str, data: bytes) -> User:
    """Make a photo that was sent to the service itself a user's picture.

    Its record is pending until the user has the picture, so that it expires with its objects
    if this is interrupted.

    Raises:
        UnusablePhoto: The photo cannot become a picture.
        NotFound: There is no such user.
        Unavailable: DynamoDB or S3 did not do it, or others keep writing to the user.
    """
    rendered = renditions.render(data)
    upload = uploads.begin(user_id, kind=UploadKind.PROFILE_PICTURE, scope=UploadScope.USER)
    facts = renditions.store(upload.id, renditions.digest_of(upload.id, data), rendered)
    finish = table.Update(
        settings.uploads_table(),
        upload_key(upload.id),
        {"state": UploadState.READY, "bytes": len(data), **facts, **_in_use()},
        condition=Attr("state").eq(UploadState.PENDING),
    )
    picture = Picture(upload.id, facts["digest"], tuple(facts["sizes"]), facts["placeholder"])

    def read_and_save() -> User:
        try:
            user = users.get(user_id)
        except NotFound:  # deleted meanwhile, and the objects so far
            uploads.clean_up_again(upload)
            raise
        if user.picture and user.picture.upload_id == upload.id:
            return user  # an attempt was carried out, and its answer was lost
        return users.save(user, replace(user, picture=picture), finish, *removal(user))

    return optimistically(read_and_save)


def remove_picture(
    user_id: str,
    *,
    change: Callable[[User], User] = lambda user: user,
    must_be_active: bool = False,
) -> User:
    """Remove a user's own picture with its record; without one nothing changes.

    `change` changes the user in the same transaction.

    Raises:
        NotFound: There is no such user.
        UserNotActive: The user is banned or locked, and `must_be_active`.
        Taken: Another user has a unique value that `change` sets.
        Unavailable: DynamoDB did not do it, or others keep writing to the user.
    """

    def read_and_save() -> User:
        user = users.get(user_id, must_be_active=must_be_active)
        wanted = replace(change(user), picture=None)
        return user if wanted == user else users.save(user, wanted, *removal(user))

    return optimistically(read_and_save)


def _take(upload: Upload, user: User) -> table.Update:
    """The action that makes an upload the user's picture, if it is still as it was read."""
    owner = Attr("user_id")
    return table.Update(
        settings.uploads_table(),
        upload_key(upload.id),
        {"user_id": user.id, **_in_use()},
        condition=Attr("state").eq(UploadState.READY)
        & Attr("digest").eq(upload.digest)
        & (owner.eq(upload.user_id) if upload.user_id else owner.not_exists())
        & Attr("expires_at").gt(int(time.time())),
    )


def _in_use() -> dict[str, int | None]:
    """The attributes of the record of an upload that becomes a picture now."""
    return {"expires_at": None, "used_at": now()}


def _usable(upload: Upload, user: User, *, may_have_no_owner: bool) -> Picture:
    """The picture that an upload can become now.

    Raises:
        NotFound: It is gone, or not this user's.
        UploadWrongScope: It is not a user's.
        UploadWrongKind: It is not a profile picture.
        UploadNotReady: It is pending.
        UploadFailed: It has failed.
        UploadInUse: It is a picture already.
    """
    has_no_owner = may_have_no_owner and upload.user_id is None
    if upload.expired or not (upload.user_id == user.id or has_no_owner):
        raise NotFound("upload")
    if upload.scope != UploadScope.USER:
        raise UploadWrongScope("Only an upload of scope `user` can become a profile picture.")
    if upload.kind != UploadKind.PROFILE_PICTURE:
        raise UploadWrongKind("Only a `profile_picture` upload can become a profile picture.")
    return uploads.unused_picture(upload)


def removal(user: User) -> list[table.Action]:
    """The action that deletes the record behind a user's picture, if there is one."""
    if user.picture is None:
        return []
    return [table.Delete(settings.uploads_table(), upload_key(user.picture.upload_id))]
