"""A user's profile as a whole: attributes, primary address and number, and the picture."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, cast

from vignette import settings
from vignette.adapters import table
from vignette.domain import pictures, uploads, users
from vignette.domain.identifications import not_theirs, with_primary
from vignette.domain.locking import optimistically, until_gone
from vignette.domain.model import IdentificationKind, ProfileChanges, User, UserChanges
from vignette.errors import Invalid


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """What a user is known by, as a whole: None, or an empty `attributes`, clears what was there.

    An exception are `email`, `phone` and `username`: they are values that the user has, and None
    leaves them as they are. `picture` is the id of an upload, `provider_picture_url` the address of
    a picture elsewhere, of which one at most is given.
    """

    first_name: str | None
    last_name: str | None
    locale: str | None
    email: str | None
    phone: str | None
    username: str | None
    attributes: Mapping[str, Any]
    picture: str | None
    provider_picture_url: str | None


def update(user_id: str, changes: ProfileChanges) -> User:
    """Change a user's attributes, primary address and number, and picture: all or nothing.

    Raises:
        NotFound: There is no such user, or no such upload of this user.
        Invalid: A primary address or number is not the user's, or not verified.
        Taken: Another user has one of the unique values.
        VignetteError: What `pictures.set_picture` raises about the upload.
        Unavailable: DynamoDB did not do it, or others keep writing to the user.
    """
    primary = {
        IdentificationKind.EMAIL: changes.get("primary_email"),
        IdentificationKind.PHONE: changes.get("primary_phone"),
    }
    own = {name: value for name, value in changes.items() if name in UserChanges.__optional_keys__}
    user_changes = cast("UserChanges", own)

    def change(user: User) -> User:
        user = users.changed(user, user_changes)
        for kind, identification_id in primary.items():
            if identification_id is not None:
                user = with_primary(kind, user, identification_id)
        return user

    if "picture" in changes:
        if changes["picture"] is None:
            return pictures.remove_picture(user_id, change=change)
        return pictures.set_picture(user_id, changes["picture"], change=change)
    if any(each is not None for each in primary.values()):
        return users.modify(user_id, change)
    return users.update(user_id, user_changes)


def replace_profile(
    user_id: str, profile: Profile, *, custom_attributes: Mapping[str, Any] | None = None
) -> User:
    """Give a user another profile: all of it or nothing.

    The address and the number that the profile names become the primary ones. An upload without an
    owner becomes the user's. Without `custom_attributes` those stay as they are.

    Raises:
        NotFound: There is no such user, or no such upload of this user.
        Invalid: The address, number or username is not the user's; it names the first of them.
        VignetteError: What `pictures.set_picture` raises about the upload.
        Unavailable: DynamoDB did not do it, or others keep writing to the user.
    """

    def change(user: User) -> User:
        user = _with_profile(user, profile)
        if custom_attributes is None:
            return user
        return replace(user, custom_attributes=custom_attributes)

    if profile.picture is None:
        return pictures.remove_picture(user_id, change=change)
    return pictures.set_picture(user_id, profile.picture, change=change, may_have_no_owner=True)


def delete(user_id: str) -> None:
    """Delete a user with everything that is theirs.

    One transaction takes the user, the unique values and the record of the picture. Up to
    `settings.MAX_UPLOADS_DELETED_AT_ONCE` other uploads go with the same call, so that it ends in
    time however many there are; the rest expire. The objects go with the records, by the stream of
    their table.

    Raises:
        NotFound: There is no such user.
        Unavailable: DynamoDB did not do it, or others keep writing to this user.
    """
    find = until_gone(users.get)

    def read_and_delete() -> None:
        user = find(user_id)
        if user:
            table.transact([*users.removal(user), *pictures.removal(user)])

    optimistically(read_and_delete)
    uploads.discard(*uploads.ids_of(user_id, at_most=settings.MAX_UPLOADS_DELETED_AT_ONCE))


def _with_profile(user: User, profile: Profile) -> User:
    """A user with a profile, but for the upload that it names.

    Raises:
        Invalid: The address, number or username is not the user's.
    """
    username = profile.username
    if username is not None and username.lower() != (user.username or "").lower():
        raise Invalid(not_theirs("username"))
    user = _with_primary(IdentificationKind.EMAIL, user, profile.email)
    user = _with_primary(IdentificationKind.PHONE, user, profile.phone)
    if profile.picture is None:
        user = replace(user, provider_picture_url=profile.provider_picture_url)
    return replace(
        user,
        first_name=profile.first_name,
        last_name=profile.last_name,
        locale=profile.locale,
        attributes=profile.attributes,
    )


def _with_primary(kind: IdentificationKind, user: User, value: str | None) -> User:
    """A user whose primary address or number is the one with a value, if there is a value.

    Raises:
        Invalid: The user does not have it.
    """
    if value is None:
        return user
    wanted = next((each for each in kind.of(user) if each.value.lower() == value.lower()), None)
    if wanted is None:
        raise Invalid(not_theirs(kind))
    return kind.first(user, wanted)
