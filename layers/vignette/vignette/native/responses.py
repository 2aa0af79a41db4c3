"""What the native API answers with."""

from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from vignette import pictures, settings, uploads
from vignette.uploads import Ticket, Upload
from vignette.users import User


class State(StrEnum):
    """Whether a user may sign in; who is banned may not, locked or not."""

    ACTIVE = "active"
    LOCKED = "locked"
    BANNED = "banned"


def user(user: User) -> dict[str, Any]:
    """A user, with the address of the picture as it is served now."""
    return {
        "id": user.id,
        "email": user.email.value if user.email else None,
        "emailVerified": bool(user.email and user.email.verified),
        "firstName": user.first_name,
        "lastName": user.last_name,
        "username": user.username,
        "externalId": user.external_id,
        "profilePictureUrl": pictures.url(user),
        "hasCustomProfilePicture": user.picture is not None,
        "role": user.role,
        "state": _state(user),
        "lastLogin": _time(user.last_login),
        "createdAt": _time(user.created_at),
        "updatedAt": _time(user.updated_at),
    }


def ticket(ticket: Ticket) -> dict[str, Any]:
    """A new upload's form."""
    return {
        "uploadId": ticket.upload.id,
        "url": ticket.form.url,
        "fields": dict(ticket.form.fields),
        "expiresAt": _time(int(ticket.expires_at.timestamp() * 1000)),
        "maxBytes": settings.MAX_UPLOAD_BYTES,
    }


def upload(upload: Upload) -> dict[str, Any]:
    """An upload; what is not known yet is left out."""
    answer = {
        "id": upload.id,
        "userId": upload.user_id,
        "kind": upload.kind,
        "scope": upload.scope,
        "state": upload.state,
        "reason": upload.reason,
        "width": upload.width,
        "height": upload.height,
        "bytes": upload.bytes,
        "renditions": _renditions(upload),
    }
    return {
        **{name: value for name, value in answer.items() if value is not None},
        "createdAt": _time(upload.created_at),
        "expiresAt": _time(upload.expires_at * 1000 if upload.expires_at else None),
    }


def _renditions(upload: Upload) -> list[dict[str, Any]] | None:
    if upload.state != uploads.State.READY or not (
        upload.digest and upload.width and upload.height
    ):
        return None
    return [
        {
            "name": "thumb" if size == settings.THUMB_SIZE else str(size),
            "width": min(size, upload.width, upload.height),
            "height": min(size, upload.width, upload.height),
            "contentType": "image/webp",
            "url": pictures.rendition_url(upload.id, upload.digest, size),
        }
        for size in settings.RENDITION_SIZES
    ]


def _state(user: User) -> State:
    if user.banned:
        return State.BANNED
    return State.LOCKED if user.locked else State.ACTIVE


def _time(milliseconds: int | None) -> str | None:
    """RFC 3339, in UTC, to the millisecond."""
    if milliseconds is None:
        return None
    moment = datetime.fromtimestamp(milliseconds / 1000, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
