"""Users: their profiles, and the values that no two of them may share."""

import heapq
import json
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from itertools import batched, islice
from typing import Any
from zlib import crc32

from vignette import settings
from vignette.adapters import table
from vignette.adapters.table import Attr, ConditionBase, Item, Key
from vignette.domain.ids import (
    deleted_user_key,
    identification_id,
    is_user_id,
    new_id,
    user_key,
)
from vignette.domain.locking import optimistically
from vignette.domain.model import (
    Identification,
    IndependentChanges,
    Password,
    Picture,
    User,
    UserChanges,
    UserState,
    now,
)
from vignette.errors import NotFound, Taken, UserNotActive

_INDEXES = {"created_at": "byCreation", "updated_at": "byUpdate"}
# Kept as JSON, so that every key and number comes back as it was sent.
_DOCUMENTS = (
    "attributes",
    "custom_attributes",
    "private_metadata",
    "public_metadata",
    "unsafe_metadata",
)
_NUMBERS = (
    "created_at",
    "updated_at",
    "last_login",
    "legal_accepted_at",
    "wrong_passwords",
    "wrong_passwords_until",
)
# No unique value is longer; DynamoDB refuses much longer keys.
_MAX_UNIQUE_CHARACTERS = 256


def identification(
    user_id: str, value: str, *, verified: bool, seed: str | None = None
) -> Identification:
    """A new e-mail address or phone number of a user; the same seed, a UUID, gives the same id."""
    created_at = now()
    return Identification(
        id=identification_id(user_id, seed or new_id()),
        value=value,
        verified=verified,
        created_at=created_at,
        updated_at=created_at,
    )


def blank(user_id: str | None = None) -> User:
    """A new user without any attributes, not stored yet."""
    created_at = now()
    return User(
        id=user_id or new_id(), revision=new_id(), created_at=created_at, updated_at=created_at
    )


def create(user: User, *, attempt: str) -> User:
    """Store a new user.

    A user of this id that was stored by the same `attempt` is the same user: the answer to the
    first attempt was lost.

    Raises:
        Taken: Other users have the id or some of the unique values; it names every such field.
        Unavailable: DynamoDB did not do it.
    """
    # An id that is the attempt's own need not be stored twice.
    mark = {} if attempt == user.id else {"attempt": attempt}
    put = table.Put(settings.users_table(), {**to_item(user), **mark}, Attr("pk").not_exists())
    unique_values = unique_keys(user)
    reserved = _reservations(user.id, unique_values)
    try:
        table.transact([put, *reserved.values(), _count(1)])
    except table.ConditionFailed as failure:
        if put not in failure.failed:
            raise Taken(*_taken(unique_values, reserved, failure)) from None
        item = table.get(settings.users_table(), user_key(user.id))
        if item is None or item.get("attempt", user.id) != attempt:
            raise Taken("id") from None
        return from_item(item)
    return user


def provision(user: User, *, issued_at: int) -> bool:
    """Store a user whom an identity provider vouches for; False if they are there already.

    Unique values that other users have are left out. `issued_at` is when the provider did so, in
    seconds since the epoch: it does not bring back a user who was deleted later.

    Raises:
        NotFound: The user was deleted since.
        Unavailable: DynamoDB did not do it.
    """
    while True:
        put = table.Put(settings.users_table(), to_item(user), Attr("pk").not_exists())
        not_deleted = table.Check(
            settings.users_table(),
            deleted_user_key(user.id),
            Attr("pk").not_exists() | Attr("deleted_at").lt(issued_at),
        )
        unique_values = unique_keys(user)
        reserved = _reservations(user.id, unique_values)
        try:
            table.transact([put, not_deleted, *reserved.values(), _count(1)])
        except table.ConditionFailed as failure:
            if not_deleted in failure.failed:
                raise NotFound("user") from None
            if put in failure.failed:
                return False
            taken = _taken(unique_values, reserved, failure)
            user = replace(
                user,
                emails=() if "email" in taken else user.emails,
                username=None if "username" in taken else user.username,
            )
        else:
            return True


def get(user_id: str, *, must_be_active: bool = False) -> User:
    """Read a user.

    Raises:
        NotFound: There is no such user.
        UserNotActive: The user is banned or locked, and `must_be_active`.
        Unavailable: DynamoDB did not do it.
    """
    item = table.get(settings.users_table(), user_key(user_id))
    return known(item, must_be_active=must_be_active)


def known(item: Item | None, *, must_be_active: bool = False) -> User:
    """The user of an item that was read.

    Raises:
        NotFound: There is no item.
        UserNotActive: The user is banned or locked, and `must_be_active`.
    """
    if item is None:
        raise NotFound("user")
    user = from_item(item)
    if must_be_active and user.state != UserState.ACTIVE:
        raise UserNotActive(user.state)
    return user


def exists(*, must_be_active: bool = False) -> ConditionBase:
    """The condition that a user exists and, if `must_be_active`, is neither banned nor locked."""
    if not must_be_active:
        return Attr("pk").exists()
    return Attr("banned").eq(value=False) & Attr("locked").eq(value=False)


def update(user_id: str, changes: UserChanges, *, must_be_active: bool = False) -> User:
    """Set attributes of a user; one write if nothing depends on what was there.

    Raises:
        NotFound: There is no such user.
        UserNotActive: The user is banned or locked, and `must_be_active`.
        Taken: Another user has one of the unique values.
        Unavailable: DynamoDB did not do it, or others keep writing to this user.
    """
    if not changes:
        return get(user_id, must_be_active=must_be_active)
    if not changes.keys() <= IndependentChanges.__optional_keys__:
        return modify(user_id, lambda user: changed(user, changes), must_be_active=must_be_active)
    updated_at = now()
    # A copy of this call that the network delivers late must not undo a newer change.
    is_newest = Attr("updated_at").lte(updated_at)
    action = table.Update(
        settings.users_table(),
        user_key(user_id),
        {**_stored(changes), "updated_at": updated_at, "revision": new_id()},
        condition=exists(must_be_active=must_be_active) & is_newest,
    )
    try:
        item = table.write(action)
    except table.ConditionFailed as failure:
        known(failure.item, must_be_active=must_be_active)
        return modify(user_id, lambda user: changed(user, changes), must_be_active=must_be_active)
    return known(item)


def modify(user_id: str, change: Callable[[User], User], *, must_be_active: bool = False) -> User:
    """Apply a change that depends on what the user is, as if nobody else wrote meanwhile.

    Raises:
        NotFound: There is no such user.
        UserNotActive: The user is banned or locked, and `must_be_active`.
        Taken: Another user has one of the unique values.
        Unavailable: DynamoDB did not do it, or others keep writing to this user.
        VignetteError: Whatever `change` raises.
    """

    def read_and_save() -> User:
        before = get(user_id, must_be_active=must_be_active)
        after = change(before)
        return before if after == before else save(before, after)

    return optimistically(read_and_save)


def save(before: User, after: User, *more: table.Action) -> User:
    """Write a changed user, and do `more`, in one transaction or not at all.

    Raises:
        Taken: Another user has one of the unique values.
        ConditionFailed: Somebody else has written the user since `before` was read, or an action
            of `more` did not hold.
        Unavailable: DynamoDB did not do it.
    """
    after = replace(after, revision=new_id(), updated_at=now())
    old, new = to_item(before), to_item(after)
    values = {name: new[name] for name in new if new[name] != old[name]}
    unchanged = Attr("revision").eq(before.revision)
    update = table.Update(settings.users_table(), user_key(before.id), values, condition=unchanged)
    had, has = unique_keys(before), unique_keys(after)
    reserved = _reservations(before.id, [key for key in has if key not in had])
    released = [table.Delete(settings.users_table(), {"pk": key}) for key in had if key not in has]
    try:
        table.transact([update, *reserved.values(), *released, *more])
    except table.ConditionFailed as failure:
        taken = _taken(has, reserved, failure)
        # If the user was changed meanwhile as well, the values may be this user's own by now.
        if taken and update not in failure.failed:
            raise Taken(*taken) from None
        raise
    return after


def removal(user: User) -> list[table.Action]:
    """The actions that delete a user with the unique values, if the user was not changed since."""
    unchanged = Attr("revision").eq(user.revision)
    return [
        table.Delete(settings.users_table(), user_key(user.id), unchanged),
        *(table.Delete(settings.users_table(), {"pk": key}) for key in unique_keys(user)),
        _count(-1),
        _deletion_mark(user.id),
    ]


def find(field: str, values: Iterable[str]) -> list[str]:
    """The ids of the users who have one of some unique values.

    `field` is `email`, `phone`, `username` or `external_id`; costs one lookup a value.

    Raises:
        Unavailable: DynamoDB did not do it.
    """
    return _holders((field, value) for value in values)


def find_by_any(fields: Iterable[str], value: str) -> list[str]:
    """The ids of the users who have a value as one of some fields, like `find`.

    Raises:
        Unavailable: DynamoDB did not do it.
    """
    return _holders((field, value) for field in fields)


def get_many(user_ids: Iterable[str]) -> list[User]:
    """The users among some ids who exist, in the order given.

    Raises:
        Unavailable: DynamoDB did not do it.
    """
    keys = [(settings.users_table(), user_key(each)) for each in user_ids if is_user_id(each)]
    return [from_item(item) for item in _get_all(keys) if item]


def matching(filters: Mapping[str, Collection[str]]) -> list[User]:
    """The users who have, for every filter, one of its values.

    A filter is `id` or a field that `find` takes; costs one lookup a value, and one a user
    found.

    Raises:
        Unavailable: DynamoDB did not do it.
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
    partition, however the users are spread over them.

    Raises:
        Unavailable: DynamoDB did not do it.
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


@dataclass(frozen=True, slots=True)
class Position:
    """A place in the list of all users, newest first: that of the user who comes before it.

    `created_at` is in milliseconds since the epoch.
    """

    created_at: int
    user_id: str


def newest(*, after: Position | None, limit: int) -> tuple[list[User], Position | None]:
    """Up to `limit` users, newest first, and where the next ones begin, None if there are none.

    One query for each partition of the index and one read for each hundred users, wherever in the
    list. A user who was created or deleted a moment ago may be missing.

    Raises:
        Unavailable: DynamoDB did not do it.
    """
    shards = range(settings.USER_SHARDS)
    begin = Key("created_at").lte(after.created_at) if after else None
    found = heapq.merge(
        *(
            table.query(
                settings.users_table(),
                _INDEXES["created_at"],
                Key("shard").eq(shard) & begin if begin else Key("shard").eq(shard),
                descending=True,
                page_size=limit + 1,
            )
            for shard in shards
        ),
        key=_order,
        reverse=True,
    )
    passed = (after.created_at, f"user#{after.user_id}") if after else None
    entries = (entry for entry in found if passed is None or _order(entry) < passed)
    chosen = list(islice(entries, limit + 1))
    ids = [entry["pk"].removeprefix("user#") for entry in chosen[:limit]]
    is_last = len(chosen) <= limit
    end = None if is_last else Position(int(chosen[limit - 1]["created_at"]), ids[-1])
    return get_many(ids), end


def _order(entry: Item) -> tuple[int, str]:
    return int(entry["created_at"]), entry["pk"]


def count() -> int:
    """How many users there are, exactly; costs three reads of many items.

    Raises:
        Unavailable: DynamoDB did not do it.
    """
    keys = [(settings.users_table(), key) for key in _counters()]
    return sum(int(item["users"]) for item in _get_all(keys) if item)


def from_item(item: Item) -> User:
    """The user that an item of the table holds."""
    values = {name: item[name] for name in User.__slots__ if name in item}
    values |= {name: int(values[name]) for name in _NUMBERS if name in values}
    values |= {name: json.loads(values[name]) for name in _DOCUMENTS if name in values}
    for name in ("emails", "phones"):
        values[name] = tuple(_identification(each) for each in item.get(name, ()))
    if "picture" in item:
        stored = item["picture"]
        values["picture"] = Picture(**{**stored, "sizes": tuple(map(int, stored["sizes"]))})
    if "password" in item:
        stored = item["password"]
        values["password"] = Password(**{**stored, "updated_at": int(stored["updated_at"])})
    return User(**values)


def to_item(user: User) -> Item:
    """The item of the table that holds a user."""
    values = {name: getattr(user, name) for name in User.__slots__}
    return {**user_key(user.id), **_stored(values), "shard": _shard(user.id)}


def changed(user: User, changes: UserChanges) -> User:
    """A user with attributes replaced, as `UserChanges` says."""
    attributes: dict[str, Any] = dict(changes)
    if "email" in attributes:
        user = replace(user, emails=_with_first(user, attributes.pop("email")))
    if "email_verified" in attributes:
        verified = attributes.pop("email_verified")
        if user.email:
            user = replace(user, emails=(user.email.marked(verified=verified), *user.emails[1:]))
    return replace(user, **attributes)


def _with_first(user: User, address: str | None) -> tuple[Identification, ...]:
    """The addresses of a user with a first one, without it if there is none.

    One that the user has already comes first as it is, but in the new spelling: no two addresses
    differ in case only. A new one takes the place of the first.
    """
    if address is None:
        return user.emails[1:]
    own = next((each for each in user.emails if each.value.lower() == address.lower()), None)
    if own is None:
        return (identification(user.id, address, verified=False), *user.emails[1:])
    return (own.spelt(address), *(each for each in user.emails if each is not own))


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


def _holders(unique_values: Iterable[tuple[str, str]]) -> list[str]:
    keys = [
        (settings.users_table(), {"pk": _unique_key(field, value)})
        for field, value in unique_values
        if len(value) <= _MAX_UNIQUE_CHARACTERS
    ]
    return list(dict.fromkeys(item["user_id"] for item in _get_all(keys) if item))


def _get_all(keys: list[tuple[str, Item]]) -> list[Item | None]:
    return [item for some in batched(keys, 100, strict=False) for item in table.get_many(some)]


def _shard(user_id: str) -> int:
    """Which partition of the indexes a user belongs to."""
    return crc32(user_id.encode()) % settings.USER_SHARDS


def _counters() -> list[Item]:
    """The keys of the items whose sum is the number of users."""
    return [{"pk": f"count#{number}"} for number in range(settings.USER_COUNTERS)]


def _count(difference: int) -> table.AddToAny:
    return table.AddToAny(settings.users_table(), _counters(), {"users": difference})


def unique_keys(user: User) -> dict[str, str]:
    """The keys of the items that keep a user's unique values, with the field of each."""
    values = [
        *(("email", each.value) for each in user.emails),
        *(("phone", each.value) for each in user.phones),
        ("username", user.username),
        ("external_id", user.external_id),
    ]
    return {_unique_key(field, value): field for field, value in values if value is not None}


def _unique_key(field: str, value: str) -> str:
    """Key of a unique value; addresses and usernames that differ in case only are the same."""
    return f"{field}#{value if field == 'external_id' else value.lower()}"


def _reservations(user_id: str, keys: Iterable[str]) -> dict[str, table.Put]:
    """The actions that reserve unique values for a user, if they are free; by their keys."""
    return {
        key: table.Put(
            settings.users_table(),
            {"pk": key, "user_id": user_id},
            Attr("pk").not_exists(),
        )
        for key in keys
    }


def _taken(
    unique_values: Mapping[str, str],
    reserved: Mapping[str, table.Put],
    failure: table.ConditionFailed,
) -> list[str]:
    """The fields whose values other users have."""
    return [unique_values[key] for key, put in reserved.items() if put in failure.failed]


def _deletion_mark(user_id: str) -> table.Put:
    """The mark that keeps a token of before the deletion from creating the user again."""
    seconds = int(time.time())
    times = {"deleted_at": seconds, "expires_at": seconds + settings.DELETED_USER_SECONDS}
    return table.Put(settings.users_table(), {**deleted_user_key(user_id), **times})
