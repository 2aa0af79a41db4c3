"""A user's profile as a whole: attributes, primary address and number, and the picture."""

from collections.abc import Mapping
from typing import Any

from vignette.domain import pictures, users
from vignette.domain.identifications import with_primary
from vignette.domain.model import IdentificationKind, User


def update(user_id: str, changes: Mapping[str, Any]) -> User:
    """Change attributes like `users.update`, and more than those, all of it or nothing.

    `primary_email` and `primary_phone` are ids of the user's own; `picture` is the id of an
    upload to set, or None to remove the picture. Raises what `users.update`, `with_primary` and
    `pictures.set_picture` raise.
    """
    plain = dict(changes)
    primary = {
        kind: plain.pop(f"primary_{kind}")
        for kind in IdentificationKind
        if f"primary_{kind}" in plain
    }

    def change(user: User) -> User:
        user = users.changed(user, plain)
        for kind, identification_id in primary.items():
            user = with_primary(kind, user, identification_id)
        return user

    if "picture" not in plain:
        return users.modify(user_id, change) if primary else users.update(user_id, plain)
    upload_id = plain.pop("picture")
    if upload_id is None:
        return pictures.remove_picture(user_id, also=change)
    return pictures.set_picture(user_id, upload_id, also=change)
