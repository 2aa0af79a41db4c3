"""Users and uploads as the domain sees them: plain values, without a way to store them."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, TypedDict

from vignette.crop import Crop


def now() -> int:
    """The time in milliseconds since the epoch."""
    return int(time.time() * 1000)


@dataclass(frozen=True, slots=True)
class Identification:
    """An e-mail address or phone number of a user, as it was written.

    Its id contains the user's, so that it is found without an index. Times are in milliseconds.
    """

    id: str
    value: str
    verified: bool
    created_at: int
    updated_at: int

    def marked(self, *, verified: bool) -> "Identification":
        """The same, verified or not; it is updated now if that changes anything."""
        if verified == self.verified:
            return self
        return replace(self, verified=verified, updated_at=now())

    def spelt(self, value: str) -> "Identification":
        """The same, in another spelling; it is updated now if that changes anything."""
        if value == self.value:
            return self
        return replace(self, value=value, updated_at=now())


@dataclass(frozen=True, slots=True)
class Password:
    """A password's digest, which algorithm made it, and when, in milliseconds."""

    hasher: str
    digest: str
    updated_at: int


@dataclass(frozen=True, slots=True)
class Picture:
    """A user's custom picture: the upload it came from, and the digest that names its renditions.

    `sizes` are the renditions that there are, in pixels; `placeholder` is what it looks like, a
    ThumbHash in base64.
    """

    upload_id: str
    digest: str
    sizes: tuple[int, ...]
    placeholder: str


class UserState(StrEnum):
    """Whether a user may sign in. A user who is banned and locked is `banned`."""

    ACTIVE = "active"
    LOCKED = "locked"
    BANNED = "banned"


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """One user.

    Times are in milliseconds since the epoch. The first of `emails` and of `phones` is the
    primary one. `attributes` are OpenID Connect's standard claims that have no place of their
    own here. `revision` is new with every write, so that a change based on an older one is
    noticed.
    """

    id: str
    revision: str
    created_at: int
    updated_at: int
    emails: tuple[Identification, ...] = ()
    phones: tuple[Identification, ...] = ()
    first_name: str | None = None
    last_name: str | None = None
    username: str | None = None
    external_id: str | None = None
    role: str = "user"
    banned: bool = False
    locked: bool = False
    last_login: int | None = None
    provider_picture_url: str | None = None
    picture: Picture | None = None
    password: Password | None = None
    wrong_passwords: int | None = None
    wrong_passwords_until: int | None = None
    locale: str | None = None
    delete_self_enabled: bool = True
    create_organization_enabled: bool = True
    legal_accepted_at: int | None = None
    public_metadata: Mapping[str, Any] = field(default_factory=dict)
    private_metadata: Mapping[str, Any] = field(default_factory=dict)
    unsafe_metadata: Mapping[str, Any] = field(default_factory=dict)
    attributes: Mapping[str, Any] = field(default_factory=dict)
    custom_attributes: Mapping[str, Any] = field(default_factory=dict)

    @property
    def state(self) -> UserState:
        """Whether the user may sign in."""
        if self.banned:
            return UserState.BANNED
        return UserState.LOCKED if self.locked else UserState.ACTIVE

    @property
    def email(self) -> Identification | None:
        """The primary e-mail address."""
        return self.emails[0] if self.emails else None

    @property
    def phone(self) -> Identification | None:
        """The primary phone number."""
        return self.phones[0] if self.phones else None


class IndependentChanges(TypedDict, total=False):
    """Changes of a user that can be written without reading the user first.

    None clears an attribute; what is absent stays. Times are in milliseconds since the epoch.
    """

    first_name: str | None
    last_name: str | None
    role: str
    banned: bool
    locked: bool
    last_login: int | None
    provider_picture_url: str | None
    password: Password | None
    locale: str | None
    delete_self_enabled: bool
    create_organization_enabled: bool
    legal_accepted_at: int | None
    created_at: int
    public_metadata: Mapping[str, Any]
    private_metadata: Mapping[str, Any]
    unsafe_metadata: Mapping[str, Any]
    attributes: Mapping[str, Any]
    custom_attributes: Mapping[str, Any]


class UserChanges(IndependentChanges, total=False):
    """Changes of a user, including those that depend on other values.

    `email` is the primary address, which is not verified if it is new; `email_verified` says
    whether it is.
    """

    username: str | None
    external_id: str | None
    email: str | None
    email_verified: bool


class ProfileChanges(UserChanges, total=False):
    """Changes of a user's attributes, primary address and number, and picture.

    `primary_email` and `primary_phone` are ids of identifications of the user. `picture` is the id
    of an upload to set as the picture, None removes the picture.
    """

    primary_email: str
    primary_phone: str
    picture: str | None


class IdentificationKind(StrEnum):
    """A kind of identification; the value is the field that an error names."""

    EMAIL = "email"
    PHONE = "phone"

    def of(self, user: User) -> tuple[Identification, ...]:
        """The identifications of this kind that a user has, the primary one first."""
        return user.emails if self == IdentificationKind.EMAIL else user.phones

    def on(self, user: User, identifications: tuple[Identification, ...]) -> User:
        """A user with other identifications of this kind."""
        if self == IdentificationKind.EMAIL:
            return replace(user, emails=identifications)
        return replace(user, phones=identifications)

    def first(self, user: User, wanted: Identification) -> User:
        """A user with one of their identifications of this kind as the primary one."""
        return self.on(user, (wanted, *(each for each in self.of(user) if each != wanted)))


class UploadKind(StrEnum):
    """What an upload is for."""

    PROFILE_PICTURE = "profile_picture"


class UploadScope(StrEnum):
    """Whether an upload is a user's own or an organization's."""

    USER = "user"
    ORGANIZATION = "organization"


class UploadState(StrEnum):
    """How far an upload has come; `ready` and `failed` are final."""

    PENDING = "pending"
    READY = "ready"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """One upload record.

    Attributes:
        user_id: The owner; None until somebody sets the picture.
        created_at: In milliseconds since the epoch.
        expires_at: In seconds since the epoch; None while the upload is in use.
        reason: Why it has failed.
        digest: What names the renditions made of the photo.
        width: In pixels of the upright photo.
        height: In pixels of the upright photo.
        bytes: The size of the photo as it was sent.
        whole: Whether the uncropped picture is one of the renditions.
        used_at: When it became a picture, in milliseconds; the photo as it was sent goes then.
        preview: Whether a smaller uncropped picture was asked for.
        sizes: The square renditions that there are, in pixels.
        crop: The square that they show; while the upload is pending, the one that was asked for.
        framing: Who chose the crop.
        placeholder: What they look like, a ThumbHash in base64.
        replaced: The digest before the photo was framed anew, whose renditions are deleted.
        first: The digest before it was framed anew for the first time, which is made of nothing but
            the photo.
        framings: How often it was to be framed anew, whatever became of that.
    """

    id: str
    kind: str
    scope: str
    state: str
    created_at: int
    expires_at: int | None = None
    user_id: str | None = None
    reason: str | None = None
    digest: str | None = None
    width: int | None = None
    height: int | None = None
    bytes: int | None = None
    whole: bool | None = None
    used_at: int | None = None
    preview: bool | None = None
    sizes: tuple[int, ...] = ()
    crop: Crop | None = None
    framing: str | None = None
    placeholder: str | None = None
    replaced: str | None = None
    first: str | None = None
    framings: int | None = None

    @property
    def in_use(self) -> bool:
        """Whether the upload is a user's picture."""
        return self.expires_at is None

    @property
    def expired(self) -> bool:
        """Whether the upload is gone, even though DynamoDB may take days to delete it."""
        return self.expires_at is not None and self.expires_at <= time.time()
