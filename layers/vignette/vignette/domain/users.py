"""Users: their profiles, and the values that no two of them may share."""

import heapq
import json
import re
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import asdict, replace
from itertools import batched, islice
from typing import Any
from zlib import crc32

from vignette import settings
from vignette.adapters import table
from vignette.adapters.table import Attr, Item, Key
from vignette.domain import uploads
from vignette.domain.ids import is_id, new_id, upload_key, user_key
from vignette.domain.model import Identification, Password, Picture, User
from vignette.errors import NotFound, Taken, Unavailable

_ATTEMPTS = 4
# What one update may set without knowing what was there before.
_INDEPENDENT = frozenset(
    {
        "attributes",
        "banned",
        "create_organization_enabled",
        "created_at",
        "custom_attributes",
        "delete_self_enabled",
        "first_name",
        "last_login",
        "last_name",
        "legal_accepted_at",
        "locale",
        "locked",
        "password",
        "private_metadata",
        "provider_picture_url",
        "public_metadata",
        "role",
        "unsafe_metadata",
    }
)
_INDEXES = {"created_at": "byCreation", "updated_at": "byUpdate"}
# Kept as JSON, so that every key and number comes back as it was sent.
_DOCUMENTS = (
    "attributes",
    "custom_attributes",
    "private_metadata",
    "public_metadata",
    "unsafe_metadata",
)
_NUMBERS = ("created_at", "updated_at", "last_login", "legal_accepted_at")
_IDENTIFICATION = re.compile(
    r"idn_([0-9a-f]{8})([0-9a-f]{4})([0-9a-f]{4})([0-9a-f]{4})([0-9a-f]{12})[0-9a-f]{8}"
)
# No unique value is longer, and no longer one could be a key.
_MAX_CLAIM_CHARACTERS = 256


def identification(
    user_id: str, value: str, *, verified: bool, seed: str | None = None
) -> Identification:
    """A new e-mail address or phone number of a user; the same seed, a UUID, gives the same id."""
    now = _now()
    return Identification(
        id=f"idn_{user_id.replace('-', '')}{(seed or new_id())[:8]}",
        value=value,
        verified=verified,
        created_at=now,
        updated_at=now,
    )


def user_of_identification(identification_id: str) -> str | None:
    """The user that an address or number is of, or None for what cannot be an id of one."""
    found = _IDENTIFICATION.fullmatch(identification_id)
    return "-".join(found.groups()) if found else None


def blank(user_id: str | None = None) -> User:
    """A new user without any attributes, not stored yet."""
    now = _now()
    return User(id=user_id or new_id(), revision=new_id(), created_at=now, updated_at=now)


def create(user: User) -> User:
    """Store a new user; one who has this id already is the same, stored by an earlier attempt.

    Raises `Taken`, with every field whose value another user has, and `Unavailable`.
    """
    claims = _claims(user)
    try:
        table.transact(
            [
                table.Put(settings.users_table(), to_item(user), Attr("pk").not_exists()),
                *(_claim(claim, user.id) for claim in claims),
                _count(user.id, 1),
            ]
        )
    except table.ConditionFailed as failure:
        if 0 in failure.failed:
            return get(user.id)
        raise _taken(list(claims.values()), failure) from None
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
            {**_stored(changes), "updated_at": _now(), "revision": new_id()},
            condition=Attr("pk").exists(),
        )
        try:
            item = table.write(action)
        except table.ConditionFailed:
            raise NotFound("user") from None
        assert item is not None  # noqa: S101  (an update answers with its item)
        return from_item(item)
    return modify(user_id, lambda user: changed(user, changes))


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
        taken = _taken([has[claim] for claim in added], failure)
        # Where the user has changed too, whoever wrote may have been this very user.
        if taken.fields and 0 not in failure.failed:
            raise taken from None
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
            _count(user.id, -1),
        ]
        doomed = uploads.ids_of(user_id)
        if user.picture:  # first, so that it goes with the user and not before
            doomed = list(dict.fromkeys([user.picture.upload_id, *doomed]))
        room = table.MAX_TRANSACTION_ACTIONS - len(actions)
        for upload_id in doomed[room:]:
            uploads.discard(upload_id)
        actions += (
            table.Delete(settings.uploads_table(), upload_key(upload_id))
            for upload_id in doomed[:room]
        )
        try:
            table.transact(actions)
        except table.ConditionFailed:
            continue
        for upload_id in uploads.ids_of(user_id):
            if upload_id not in doomed:  # begun while this went on
                uploads.discard(upload_id)
        return
    raise Unavailable("The user is being changed by others.")


def find(field: str, values: Iterable[str]) -> list[str]:
    """The ids of the users who have one of some unique values.

    `field` is `email`, `phone`, `username` or `external_id`; costs one lookup a value. Raises
    `Unavailable`.
    """
    return _holders((field, value) for value in values)


def find_by_any(fields: Iterable[str], value: str) -> list[str]:
    """The ids of the users who have a value as one of some fields, like `find`."""
    return _holders((field, value) for field in fields)


def get_many(user_ids: Iterable[str]) -> list[User]:
    """The users among some ids who exist, in the order given. Raises `Unavailable`."""
    keys = [(settings.users_table(), user_key(each)) for each in user_ids if is_id(each)]
    return [from_item(item) for item in _get_all(keys) if item]


def matching(filters: Mapping[str, Collection[str]]) -> list[User]:
    """The users who have, for every filter, one of its values.

    A filter is `id` or a field that `find` takes; costs one lookup a value, and one a user
    found. Raises `Unavailable`.
    """
    found: list[str] | None = None
    for name, values in filters.items():
        ids = dict.fromkeys(values) if name == "id" else find(name, values)
        found = [each for each in ids if found is None or each in found]
    return get_many(found or [])


def page(*, order_by: str, descending: bool, offset: int, limit: int) -> list[User]:
    """A part of all users, ordered by `created_at` or `updated_at`.

    The index has as many partitions as `settings.USER_SHARDS`, which are merged. Read are about
    twice as many of its entries as `offset` and `limit` together, but in one query for each
    partition, however the users are spread over them. Raises `Unavailable`.
    """
    wanted = offset + limit
    chunk = min(wanted, 2 * wanted // settings.USER_SHARDS + 20)
    entries = heapq.merge(
        *(
            table.query(
                settings.users_table(),
                _INDEXES[order_by],
                Key("shard").eq(shard),
                descending=descending,
                page_size=chunk,
            )
            for shard in range(settings.USER_SHARDS)
        ),
        key=lambda entry: (entry[order_by], entry["pk"]),
        reverse=descending,
    )
    chosen = islice(entries, offset, wanted)
    return get_many(entry["pk"].removeprefix("user#") for entry in chosen)


def count() -> int:
    """How many users there are, exactly, for a fixed number of reads. Raises `Unavailable`."""
    keys = [(settings.users_table(), _counter(shard)) for shard in range(settings.USER_SHARDS)]
    return sum(int(item["users"]) for item in table.get_many(keys) if item)


def from_item(item: Item) -> User:
    """The user that an item of the table holds."""
    values = {name: item[name] for name in User.__slots__ if name in item}
    values |= {name: int(values[name]) for name in _NUMBERS if name in values}
    values |= {name: json.loads(values[name]) for name in _DOCUMENTS if name in values}
    for name in ("emails", "phones"):
        values[name] = tuple(_identification(each) for each in item.get(name, ()))
    if "picture" in item:
        values["picture"] = Picture(**item["picture"])
    if "password" in item:
        stored = item["password"]
        values["password"] = Password(**{**stored, "updated_at": int(stored["updated_at"])})
    return User(**values)


def to_item(user: User) -> Item:
    """The item of the table that holds a user."""
    values = {name: getattr(user, name) for name in User.__slots__}
    return {**user_key(user.id), **_stored(values), "shard": _shard(user.id)}


def changed(user: User, changes: Mapping[str, Any]) -> User:
    """A user with attributes replaced, None clears one.

    `email` stands for the primary address, which is not verified when it is new, and
    `email_verified` for whether it is.
    """
    plain = dict(changes)
    if "email" in plain:
        address = plain.pop("email")
        if address is None:
            user = replace(user, emails=user.emails[1:])
        elif user.email is None or address != user.email.value:
            primary = identification(user.id, address, verified=False)
            user = replace(user, emails=(primary, *user.emails[1:]))
    if "email_verified" in plain:
        verified = plain.pop("email_verified")
        if user.email:
            user = replace(user, emails=(replace(user.email, verified=verified), *user.emails[1:]))
    return replace(user, **plain)


def _stored(values: Mapping[str, Any]) -> Item:
    """Attributes as they are kept in an item; None and empty documents are left out of it."""
    item = dict(values)
    for name in _DOCUMENTS:
        if name in item:
            item[name] = json.dumps(item[name]) if item[name] else None
    for name in ("emails", "phones"):
        if name in item:
            item[name] = [asdict(each) for each in item[name]]
    for name in ("picture", "password"):
        if item.get(name):
            item[name] = asdict(item[name])
    return item


def _identification(stored: Mapping[str, Any]) -> Identification:
    times = {name: int(stored[name]) for name in ("created_at", "updated_at")}
    return Identification(**{**stored, **times})


def _holders(claims: Iterable[tuple[str, str]]) -> list[str]:
    keys = [
        (settings.users_table(), {"pk": _claim_key(field, value)})
        for field, value in claims
        if len(value) <= _MAX_CLAIM_CHARACTERS
    ]
    return list(dict.fromkeys(item["user_id"] for item in _get_all(keys) if item))


def _get_all(keys: list[tuple[str, Item]]) -> list[Item | None]:
    return [item for some in batched(keys, 100, strict=False) for item in table.get_many(some)]


def _shard(user_id: str) -> int:
    """Which partition of the indexes, and which counter, a user belongs to."""
    return crc32(user_id.encode()) % settings.USER_SHARDS


def _counter(shard: int) -> Item:
    return {"pk": f"count#{shard}"}


def _count(user_id: str, difference: int) -> table.Update:
    return table.Update(
        settings.users_table(), _counter(_shard(user_id)), {}, add={"users": difference}
    )


def _claims(user: User) -> dict[str, str]:
    """The keys of the items that keep a user's unique values, with the field of each."""
    values = [
        *(("email", each.value) for each in user.emails),
        *(("phone", each.value) for each in user.phones),
        ("username", user.username),
        ("external_id", user.external_id),
    ]
    return {_claim_key(field, value): field for field, value in values if value is not None}


def _claim_key(field: str, value: str) -> str:
    """Key of a unique value; addresses and usernames that differ in case only are the same."""
    return f"{field}#{value if field == 'external_id' else value.lower()}"


def _claim(claim: str, user_id: str) -> table.Put:
    return table.Put(
        settings.users_table(), {"pk": claim, "user_id": user_id}, Attr("pk").not_exists()
    )


def _taken(fields: list[str], failure: table.ConditionFailed) -> Taken:
    """Which claims failed; they are the actions right behind the user's own."""
    return Taken(*(field for at, field in enumerate(fields, 1) if at in failure.failed))


def _now() -> int:
    return int(time.time() * 1000)
