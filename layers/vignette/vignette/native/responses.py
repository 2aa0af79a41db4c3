"""What the native API answers with."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Literal, NotRequired, TypedDict, cast

from vignette import settings
from vignette.crop import Framing
from vignette.domain import model, pictures, uploads
from vignette.domain.ids import PREVIEW
from vignette.domain.model import UploadKind, UploadScope, UploadState, UserState
from vignette.http.moments import moment

# Formats, by the names that the OpenAPI document knows them by.
type DateTime = str
type Url = str
type Uuid = str
type UserId = str

type FailureReason = Literal[
    "unsupported_format",
    "corrupt_image",
    "too_many_pixels",
    "too_large",
    "empty",
    "processing_failed",
]


class Avatar(TypedDict):
    """What to show of a user; there is always something.

    `url` stays the same for as long as the picture does. `srcset` has all sizes, as the attribute
    of `<img>` takes them; it is empty for the identity provider's picture. `placeholder` is a
    ThumbHash in base64 of the user's own picture.
    """

    url: Url
    srcset: str
    source: pictures.AvatarSource
    placeholder: str | None


class User(TypedDict):
    """A user.

    `profilePictureUrl` is the picture with 256 pixels, null if there is none; it is presigned if
    the picture is the user's own, and ends after an hour. Show `avatar`, and store neither.
    """

    id: UserId
    email: str | None
    emailVerified: bool
    firstName: str | None
    lastName: str | None
    username: str | None
    externalId: str | None
    profilePictureUrl: Url | None
    hasCustomProfilePicture: bool
    avatar: Avatar
    role: str
    state: UserState
    lastLogin: DateTime | None
    createdAt: DateTime
    updatedAt: DateTime


class Users(TypedDict):
    """Users, newest first; `nextCursor` leads to the next page, and is null on the last one."""

    users: list[User]
    nextCursor: str | None


class UploadForm(TypedDict):
    """Where to post a photo: a form with all of `fields`, and then the photo as `file`."""

    uploadId: Uuid
    url: Url
    fields: Mapping[str, str]
    expiresAt: DateTime
    maxBytes: int


class Rendition(TypedDict):
    """A square picture made of a photo. `url` is valid for an hour.

    Its name is the number of pixels it was made for; `width` and `height` are smaller if the
    photo was.
    """

    name: str
    width: int
    height: int
    contentType: Literal["image/webp"]
    url: Url


class Crop(TypedDict):
    """A square of the upright photo.

    `x` and `y` are its centre, as parts of the width and the height; `size` is its side, as a part
    of the shorter side.
    """

    x: float
    y: float
    size: float


class Upload(TypedDict):
    """An upload; what is not known yet is left out.

    `width` and `height` are pixels of the upright photo. `crop` is the square that the renditions
    show, and `framing` says whether the user chose it, a face did, or it is the centre.
    `placeholder` is what they look like, a ThumbHash in base64. `preview` is the address of the
    whole photo, for an hour, if it was asked for. An upload that has failed gives its `reason`;
    after `processing_failed`, which is no fault of the photo, it may be sent again as another
    upload. An upload that is a user's picture does not expire.
    """

    id: Uuid
    userId: NotRequired[UserId]
    kind: UploadKind
    scope: UploadScope
    state: UploadState
    reason: NotRequired[FailureReason]
    width: NotRequired[int]
    height: NotRequired[int]
    bytes: NotRequired[int]
    renditions: NotRequired[list[Rendition]]
    crop: NotRequired[Crop]
    framing: NotRequired[Framing]
    placeholder: NotRequired[str]
    preview: NotRequired[Url]
    createdAt: DateTime
    expiresAt: DateTime | None


def user(user: model.User, origin: str) -> User:
    """A user, with the addresses of the picture as it is served now; `origin` is the API's."""
    avatar = pictures.avatar(user, origin)
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
        "avatar": {
            "url": avatar.url,
            "srcset": avatar.srcset,
            "source": avatar.source,
            "placeholder": avatar.placeholder,
        },
        "role": user.role,
        "state": user.state,
        "lastLogin": moment(user.last_login) if user.last_login is not None else None,
        "createdAt": moment(user.created_at),
        "updatedAt": moment(user.updated_at),
    }


def ticket(ticket: uploads.Ticket) -> UploadForm:
    """A new upload's form."""
    return {
        "uploadId": ticket.upload.id,
        "url": ticket.form.url,
        "fields": dict(ticket.form.fields),
        "expiresAt": moment(int(ticket.expires_at.timestamp() * 1000)),
        "maxBytes": settings.MAX_UPLOAD_BYTES,
    }


def upload(upload: model.Upload) -> Upload:
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
        "crop": asdict(upload.crop) if upload.crop and upload.framing else None,
        "framing": upload.framing,
        "placeholder": upload.placeholder,
        "preview": _preview(upload),
    }
    known: dict[str, object] = {name: value for name, value in answer.items() if value is not None}
    known |= {
        "createdAt": moment(upload.created_at),
        "expiresAt": moment(upload.expires_at * 1000) if upload.expires_at else None,
    }
    return cast("Upload", known)


def _renditions(upload: model.Upload) -> list[Rendition] | None:
    if not (upload.digest and upload.crop and upload.width and upload.height):
        return None
    most = upload.crop.side(upload.width, upload.height)
    return [
        {
            "name": str(size),
            "width": min(size, most),
            "height": min(size, most),
            "contentType": "image/webp",
            "url": pictures.rendition_url(upload.id, upload.digest, size),
        }
        for size in upload.sizes
    ]


def _preview(upload: model.Upload) -> Url | None:
    if not (upload.preview and upload.digest) or upload.in_use:
        return None
    return pictures.rendition_url(upload.id, upload.digest, PREVIEW)
