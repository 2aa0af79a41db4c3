"""A user's e-mail addresses and phone numbers, each by its own id."""

from vignette import settings
from vignette.domain import users
from vignette.domain.ids import user_of_identification
from vignette.domain.locking import until_gone
from vignette.domain.model import Identification, IdentificationKind, User
from vignette.errors import FieldProblem, Invalid, NotFound, Taken


def get(kind: IdentificationKind, identification_id: str) -> Identification:
    """Read an address or number; costs one read.

    Raises:
        NotFound: There is no such address or number.
        Unavailable: DynamoDB did not do it.
    """
    return _of_id(kind, users.get(_owner(kind, identification_id)), identification_id)


def add(
    kind: IdentificationKind,
    user_id: str,
    value: str,
    *,
    verified: bool,
    primary: bool = False,
    seed: str | None = None,
) -> Identification:
    """Give a user one more; it becomes the primary one if it is the first, or `primary`.

    One with the same value and seed is the same one, added by an earlier attempt.

    Raises:
        NotFound: There is no such user.
        Taken: Another user has it, or this one has already.
        Invalid: The user has too many, or the primary one is not verified.
        Unavailable: DynamoDB did not do it, or others keep writing to the user.
    """
    new = users.identification(user_id, value, verified=verified, seed=seed)

    def change(user: User) -> User:
        existing = kind.of(user)
        if any((each.id, each.value) == (new.id, new.value) for each in existing):
            return user
        if any(each.value.lower() == value.lower() for each in existing):
            raise Taken(kind)
        if len(existing) >= settings.MAX_IDENTIFICATIONS:
            most = f"can be at most {settings.MAX_IDENTIFICATIONS}"
            raise Invalid(FieldProblem(kind, "too_many", most))
        user = kind.on(user, (*existing, new))
        return with_primary(kind, user, new.id) if primary else user

    return _of_id(kind, users.modify(user_id, change), new.id)


def update(
    kind: IdentificationKind, identification_id: str, *, verified: bool | None, primary: bool
) -> Identification:
    """Mark one as verified or not, and make it the primary one; None leaves that as it is.

    Raises:
        NotFound: There is no such address or number.
        Invalid: The primary one is not verified.
        Unavailable: DynamoDB did not do it, or others keep writing to the user.
    """

    def change(user: User) -> User:
        before = _of_id(kind, user, identification_id)
        after = before if verified is None else before.marked(verified=verified)
        user = kind.on(user, tuple(after if it == before else it for it in kind.of(user)))
        return with_primary(kind, user, after.id) if primary else user

    user = users.modify(_owner(kind, identification_id), change)
    return _of_id(kind, user, identification_id)


def remove(kind: IdentificationKind, identification_id: str) -> None:
    """Take one away; the first verified one follows the primary one.

    Raises:
        NotFound: There is no such address or number.
        Unavailable: DynamoDB did not do it, or others keep writing to the user.
    """
    find = until_gone(_of_id)

    def change(user: User) -> User:
        gone = find(kind, user, identification_id)
        if gone is None:
            return user
        left = tuple(each for each in kind.of(user) if each != gone)
        if gone == kind.of(user)[0]:
            left = tuple(sorted(left, key=lambda each: not each.verified))
        return kind.on(user, left)

    users.modify(_owner(kind, identification_id), change)


def with_primary(kind: IdentificationKind, user: User, identification_id: str) -> User:
    """A user with another primary address or number, which the user has and which is verified.

    Raises:
        Invalid: The user does not have it, or it is not verified; the field is `primary_email`
            or `primary_phone`.
    """
    field = f"primary_{kind}"
    existing = kind.of(user)
    wanted = next((each for each in existing if each.id == identification_id), None)
    if wanted is None:
        raise Invalid(not_theirs(field))
    if wanted == existing[0]:
        return user
    if not wanted.verified:
        raise Invalid(FieldProblem(field, "unverified", "must be verified first"))
    return kind.first(user, wanted)


def not_theirs(field: str) -> FieldProblem:
    """What is wrong with a field that names an address, number or username of another user."""
    return FieldProblem(field, "not_found", "is not one of the user's")


def _owner(kind: IdentificationKind, identification_id: str) -> str:
    """The user whose address or number an id is of.

    Raises:
        NotFound: It cannot be the id of one.
    """
    user_id = user_of_identification(identification_id)
    if user_id is None:
        raise NotFound(kind)
    return user_id


def _of_id(kind: IdentificationKind, user: User, identification_id: str) -> Identification:
    """The address or number of a user that has an id.

    Raises:
        NotFound: The user has none with it.
    """
    for each in kind.of(user):
        if each.id == identification_id:
            return each
    raise NotFound(kind)
