"""Users: their profiles, and the values that no two of them may share."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from vignette import settings, uploads
from vignette.adapters import table
from vignette.adapters.table import Attr, Item
from vignette.errors import NotFound, Taken, Unavailable
from vignette.ids import new_id, upload_key, user_key

_ATTEMPTS = 4
# What one update may set without knowing what was there before.
_INDEPENDENT = frozenset(
    {"first_name", "last_name", "role", "state", "last_login", "provider_picture_url"}
)


class State(StrEnum):
    """Whether a user may sign in."""

    ACTIVE = "active"
    LOCKED = "locked"
    BANNED = "banned"


@dataclass(frozen=True, slots=True)
class Email:
    """An e-mail address of a user, as it was written."""

    id: str
    address: str
    verified: bool


@dataclass(frozen=True, slots=True)
class Picture:
    """A user's custom picture: the upload it came from, and which photo that was."""

    upload_id: str
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """One user.

    Times are in milliseconds since the epoch. The first of `emails` is the primary one.
    `revision` is new with every write, so that a change based on an older one is noticed.
    """

    id: str
    revision: str
    created_at: int
    updated_at: int
    emails: tuple[Email, ...] = ()
    first_name: str | None = None
    last_name: str | None = None
    username: str | None = None
    external_id: str | None = None
    role: str = "user"
    state: str = State.ACTIVE
    last_login: int | None = None
    provider_picture_url: str | None = None
    picture: Picture | None = None

    @property
    def email(self) -> Email | None:
        """The primary e-mail address."""
        return self.emails[0] if self.emails else None


def create(values: Mapping[str, Any]) -> User:
    """Create a user from attributes of `User`, with `email` as the primary address.

    Raises `Taken`, with every field that another user has, and `Unavailable`.
    """
    now = _now()
    blank = User(id=new_id(), revision=new_id(), created_at=now, updated_at=now)
    user = _changed(blank, values)
    claims = _claims(user)
    try:
        table.transact(
            [
                table.Put(settings.users_table(), to_item(user), Attr("pk").not_exists()),
                *(_claim(claim, user.id) for claim in claims),
            ]
        )
    except table.ConditionFailed as failure:
        raise _taken(list(claims.values()), failure, offset=1) from None
    return user


def get(user_id: str) -> User:
    """Read a user. Raises `NotFound` and `Unavailable`."""
    item = table.get(settings.users_table(), user_key(user_id))
    if item is None:
        raise NotFound("user")
    return from_item(item)


def update(user_id: str, changes: Mapping[str, Any]) -> User:
    """Set attributes of a user, None clears one; `email` stands for the primary address.

    One write where nothing that must be unique changes. Raises `NotFound`, `Taken` and
    `Unavailable`.
    """
    if not changes:
        return get(user_id)
    if changes.keys() <= _INDEPENDENT:
        action = table.Update(
            settings.users_table(),
            user_key(user_id),
            {**changes, "updated_at": _now(), "revision": new_id()},
            condition=Attr("pk").exists(),
        )
        try:
            item = table.write(action)
        except table.ConditionFailed:
            raise NotFound("user") from None
        assert item is not None  # noqa: S101  (an update answers with its item)
        return from_item(item)
    return modify(user_id, lambda user: _changed(user, changes))


def modify(user_id: str, change: Callable[[User], User]) -> User:
    """Apply a change that depends on what the user is, as if nobody else wrote meanwhile.

    Raises `NotFound`, `Taken`, whatever `change` raises, and `Unavailable` where others keep
    writing to the same user.
    """
    for _ in range(_ATTEMPTS):
        before = get(user_id)
        after = change(before)
        if after == before:
            return before
        try:
            return save(before, after)
        except table.ConditionFailed:
            continue
    raise Unavailable("The user is being changed by others.")


def save(before: User, after: User, *more: table.Action) -> User:
    """Write a changed user, and do `more`, in one transaction or not at all.

    Raises `Taken`, and `ConditionFailed` where somebody else has written `before` in the
    meantime or an action of `more` did not hold.
    """
    after = replace(after, revision=new_id(), updated_at=_now())
    old, new = to_item(before), to_item(after)
    values = {name: new[name] for name in new if new[name] != old[name]}
    key = user_key(before.id)
    had, has = _claims(before), _claims(after)
    added = [claim for claim in has if claim not in had]
    removed = [claim for claim in had if claim not in has]
    actions: list[table.Action] = [
        table.Update(
            settings.users_table(),
            key,
            values,
            condition=Attr("revision").eq(before.revision),
        ),
        *(_claim(claim, before.id) for claim in added),
        *(table.Delete(settings.users_table(), {"pk": claim}) for claim in removed),
        *more,
    ]
    try:
        table.transact(actions)
    except table.ConditionFailed as failure:
        taken = [has[claim] for at, claim in enumerate(added, 1) if at in failure.failed]
        if taken:
            raise Taken(*taken) from None
        raise
    return after


def delete(user_id: str) -> None:
    """Delete a user with everything that is theirs: unique values, uploads and pictures.

    The objects go with the upload records, by the stream of their table. Raises `NotFound` and
    `Unavailable`.
    """
    for _ in range(_ATTEMPTS):
        user = get(user_id)
        actions: list[table.Action] = [
            table.Delete(
                settings.users_table(), user_key(user_id), Attr("revision").eq(user.revision)
            ),
            *(table.Delete(settings.users_table(), {"pk": claim}) for claim in _claims(user)),
        ]
        doomed = uploads.ids_of(user_id)
        if user.picture and user.picture.upload_id not in doomed:
            doomed.append(user.picture.upload_id)
        room = table.MAX_TRANSACTION_ACTIONS - len(actions)
        for upload_id in doomed[room:]:
            uploads.discard(upload_id)
        actions += (
            table.Delete(settings.uploads_table(), upload_key(upload_id))
            for upload_id in doomed[:room]
        )
        try:
            return table.transact(actions)
        except table.ConditionFailed:
            continue
    raise Unavailable("The user is being changed by others.")


def from_item(item: Item) -> User:
    """The user that an item of the table holds."""
    values = {name: item[name] for name in User.__slots__ if name in item}
    for name in ("created_at", "updated_at", "last_login"):
        if name in values:
            values[name] = int(values[name])
    values["emails"] = tuple(Email(**email) for email in item.get("emails", ()))
    if "picture" in values:
        values["picture"] = Picture(**values["picture"])
    return User(**values)


def to_item(user: User) -> Item:
    """The item of the table that holds a user."""
    item = {name: getattr(user, name) for name in User.__slots__}
    item["emails"] = [
        {"id": email.id, "address": email.address, "verified": email.verified}
        for email in user.emails
    ]
    if user.picture:
        item["picture"] = {"upload_id": user.picture.upload_id, "digest": user.picture.digest}
    return {**user_key(user.id), **item}


def _changed(user: User, changes: Mapping[str, Any]) -> User:
    """The user with attributes replaced; a new primary address is not verified yet."""
    plain = dict(changes)
    if "email" in plain:
        address = plain.pop("email")
        if address is None:
            user = replace(user, emails=user.emails[1:])
        elif user.email is None or address != user.email.address:
            primary = Email(id=new_id(), address=address, verified=False)
            user = replace(user, emails=(primary, *user.emails[1:]))
    if "email_verified" in plain:
        verified = plain.pop("email_verified")
        if user.email:
            user = replace(user, emails=(replace(user.email, verified=verified), *user.emails[1:]))
    return replace(user, **plain)


def _claims(user: User) -> dict[str, str]:
    """The keys of the items that keep a user's unique values, with the field of each.

    Addresses and usernames that differ in case only are the same.
    """
    claims = {f"email#{email.address.lower()}": "email" for email in user.emails}
    if user.username is not None:
        claims[f"username#{user.username.lower()}"] = "username"
    if user.external_id is not None:
        claims[f"external_id#{user.external_id}"] = "external_id"
    return claims


def _claim(claim: str, user_id: str) -> table.Put:
    return table.Put(
        settings.users_table(), {"pk": claim, "user_id": user_id}, Attr("pk").not_exists()
    )


def _taken(fields: list[str], failure: table.ConditionFailed, *, offset: int) -> Taken:
    return Taken(*(field for at, field in enumerate(fields, offset) if at in failure.failed))


def _now() -> int:
    return int(time.time() * 1000)
