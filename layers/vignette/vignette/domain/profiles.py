"""A user's profile as a whole: attributes, primary address and number, and the picture."""

from typing import cast

from vignette import settings
from vignette.adapters import table
from vignette.domain import pictures, uploads, users
from vignette.domain.identifications import with_primary
from vignette.domain.model import IdentificationKind, ProfileChanges, User, UserChanges


def update(user_id: str, changes: ProfileChanges) -> User:
    """Change a user and what is theirs: all of it or nothing.

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


def delete(user_id: str) -> None:
    """Delete a user with everything that is theirs.

    One transaction takes the user, the unique values and the record of the picture. Up to
    `settings.MAX_UPLOADS_DELETED_AT_ONCE` other uploads go with the same call, so that it ends in
    time however many there are; the rest end by themselves, a day after they began. The objects
    go with the records, by the stream of their table.

    Raises:
        NotFound: There is no such user.
        Unavailable: DynamoDB did not do it, or others keep writing to this user.
    """

    def read_and_delete() -> None:
        user = users.get(user_id)
        table.transact([*users.removal(user), *pictures.removal(user)])

    users.optimistically(read_and_delete)
    uploads.discard(*uploads.ids_of(user_id, at_most=settings.MAX_UPLOADS_DELETED_AT_ONCE))
