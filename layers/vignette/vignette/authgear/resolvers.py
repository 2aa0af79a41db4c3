"""Where the answers of Authgear's Admin API come from: a function for each field that needs one."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

from graphql import GraphQLResolveInfo

from vignette.authgear import connections, requests, responses
from vignette.authgear.codecs import node_id, user_of
from vignette.authgear.errors import (
    ApiError,
    Cause,
    InvalidInput,
    ValidationFailed,
    attribute_error,
)
from vignette.domain import profiles, users
from vignette.domain.model import User
from vignette.errors import VignetteError
from vignette.http.audit import audit
from vignette.http.moments import moment

# DynamoDB's limit on one BatchGetItem.
_MAX_NODES = 100
_LOGIN_IDS = ("email", "phone", "username")
_ATTRIBUTES = {"email": "email", "phone_number": "phone", "preferred_username": "username"}


class Context:
    """One request: where it was sent, and the users that it has read."""

    def __init__(self, origin: str) -> None:
        self.origin = origin
        self._users: dict[str, User | None] = {}

    def load(self, user_ids: Iterable[str]) -> list[User | None]:
        """Users by id, None for one who does not exist; each is read once a request."""
        wanted = list(user_ids)
        unread = [each for each in dict.fromkeys(wanted) if each not in self._users]
        if unread:
            self._users |= dict.fromkeys(unread)
            self.keep(*users.get_many(unread))
        return [self._users[each] for each in wanted]

    def keep(self, *read: User) -> None:
        """Remember users as they are now."""
        self._users |= {user.id: user for user in read}

    def forget(self, user_id: str) -> None:
        """Remember that a user does not exist."""
        self._users[user_id] = None


type Info = GraphQLResolveInfo
type Resolver = Callable[..., Any]  # of an object, Info, and arguments in Python's spelling


def _target(given: Mapping[str, Any]) -> str:
    """The id of the user that the input of a mutation names.

    Raises:
        InvalidInput: It names none.
    """
    try:
        return user_of(given["userID"])
    except ApiError:
        raise InvalidInput("invalid user ID") from None


def _node(_: object, info: Info, id: str) -> User | None:
    return _context(info).load([user_of(id)])[0]


def _nodes(_: object, info: Info, ids: list[str]) -> list[User | ApiError | None]:
    if len(ids) > _MAX_NODES:
        raise InvalidInput(f"at most {_MAX_NODES} IDs")
    found: list[str | ApiError] = []
    for each in ids:
        try:
            found.append(user_of(each))
        except ApiError as error:
            found.append(error)
    known = [each for each in found if isinstance(each, str)]
    loaded = dict(zip(known, _context(info).load(known), strict=True))
    return [loaded[each] if isinstance(each, str) else each for each in found]


def _users(
    _: object,
    info: Info,
    *,
    after: str | None = None,
    before: str | None = None,
    first: int | None = None,
    last: int | None = None,
    search_keyword: str | None = None,
    sort_by: str | None = None,
    sort_direction: str | None = None,
) -> dict[str, Any]:
    descending = sort_direction != "ASC"
    matches: list[User] | None = None
    if search_keyword:
        ids = users.find_by_any(_LOGIN_IDS, search_keyword)
        matches = [user for user in _context(info).load(ids) if user]
        matches.sort(key=lambda user: (user.created_at, user.id), reverse=descending)
    total = users.count() if matches is None else len(matches)
    page = connections.positions(total, after=after, before=before, first=first, last=last)
    if matches is not None:
        chosen = matches[page.start : page.stop]
    elif page:
        chosen = users.page(
            order_by="created_at", descending=descending, offset=page.start, limit=len(page)
        )
        _context(info).keep(*chosen)
    else:
        chosen = []
    return connections.connection(chosen, page, total)


def _users_by_attribute(
    _: object,
    info: Info,
    attribute_name: str,
    attribute_value: str,
) -> list[User]:
    field = _ATTRIBUTES.get(attribute_name)
    if field is None:
        raise _wrong_argument("attributeName must be email, phone_number or preferred_username")
    if _format_error(field, attribute_value):
        raise _wrong_argument("invalid attributeValue")
    found = _context(info).load(users.find(field, [attribute_value]))
    return [user for user in found if user]


def _user_by_login_id(
    _: object,
    info: Info,
    login_id_key: str,
    login_id_value: str,
) -> User | None:
    if login_id_key not in _LOGIN_IDS:
        raise _wrong_argument("invalid Login ID key")
    found = _context(info).load(users.find(login_id_key, [login_id_value]))
    return next(iter(found), None)


def _wrong_argument(message: str) -> ApiError:
    return ApiError("Invalid", "GetUsersInvalidArgument", message)


def _create_user(_: object, info: Info, input: Mapping[str, Any]) -> dict[str, Any]:
    login_id = input["definition"].get("loginID")
    if not login_id:
        raise InvalidInput("exactly 1 field must be present in identity definition")
    key, value = login_id["key"], login_id["value"]
    if not key or not value:
        raise InvalidInput("login ID key & value is required")
    if key not in _LOGIN_IDS:
        cause = {"cause": {"kind": "InvalidLoginIDKey"}}
        raise ApiError("Invalid", "InvariantViolated", "invalid login ID key", cause)
    error = _format_error(key, value)
    if error:
        raise ValidationFailed(Cause(f"/{key}", "format", {"format": key, "error": error}))
    user = users.blank()
    identifications = (users.identification(user.id, value, verified=False),)
    match key:
        case "username":
            user = replace(user, username=value)
        case "email":
            user = replace(user, emails=identifications)
        case _:
            user = replace(user, phones=identifications)
    user = users.create(user, attempt=user.id)
    _context(info).keep(user)
    return {"user": user}


def _format_error(key: str, value: str) -> str | None:
    """What is wrong with a login id, or None."""
    from pydantic import TypeAdapter, ValidationError  # most requests need no validation

    from vignette.http import fields

    types = {"email": fields.Email, "phone": fields.Phone, "username": fields.Username}
    adapter: TypeAdapter[str] = TypeAdapter(types[key])
    try:
        adapter.validate_python(value)
    except ValidationError as error:
        return error.errors(include_url=False, include_context=False, include_input=False)[0]["msg"]
    return None


def _update_user(_: object, info: Info, input: Mapping[str, Any]) -> dict[str, Any]:
    context = _context(info)
    user_id = _target(input)
    standard, custom = input.get("standardAttributes"), input.get("customAttributes")
    if standard is None:
        user = users.update(user_id, {} if custom is None else {"custom_attributes": custom})
    else:
        profile = requests.profile(standard, context.origin)
        try:
            user = profiles.replace_profile(user_id, profile, custom_attributes=custom)
        except VignetteError as error:
            raise attribute_error(error) from None
    context.keep(user)
    return {"user": user}


def _delete_user(_: object, info: Info, input: Mapping[str, Any]) -> dict[str, Any]:
    user_id = _target(input)
    profiles.delete(user_id)
    _context(info).forget(user_id)
    return {"deletedUserID": input["userID"]}


def _audited(kind: str, resolver: Resolver) -> Resolver:
    """A mutation that also writes a line of the audit log, whether it succeeds or not."""

    def resolve(root: object, info: Info, input: Mapping[str, Any]) -> Any:  # noqa: ANN401
        whom, outcome = None, "done"
        try:
            if "userID" in input:
                whom = _target(input)
            result = resolver(root, info, input)
            whom = whom or result["user"].id
        except VignetteError as error:
            outcome = error.code
            raise
        except Exception:
            outcome = "internal_error"
            raise
        finally:
            audit(who="admin_api", whom=whom, kind=kind, outcome=outcome)
        return result

    return resolve


def _standard_attributes(user: User, info: Info) -> dict[str, Any]:
    return responses.standard_attributes(user, _context(info).origin)


def _last_login(user: User, _: Info) -> str | None:
    return None if user.last_login is None else moment(user.last_login)


def _context(info: Info) -> Context:
    context: Context = info.context
    return context


RESOLVERS: dict[str, dict[str, Resolver]] = {
    "Query": {
        "node": _node,
        "nodes": _nodes,
        "users": _users,
        "getUsersByStandardAttribute": _users_by_attribute,
        "getUserByLoginID": _user_by_login_id,
    },
    "Mutation": {
        "createUser": _audited("createUser", _create_user),
        "updateUser": _audited("updateUser", _update_user),
        "deleteUser": _audited("deleteUser", _delete_user),
    },
    "User": {
        "id": lambda user, _: node_id(user.id),
        "createdAt": lambda user, _: moment(user.created_at),
        "updatedAt": lambda user, _: moment(user.updated_at),
        "lastLoginAt": _last_login,
        "isDisabled": lambda user, _: user.banned,
        "standardAttributes": _standard_attributes,
        "customAttributes": lambda user, _: user.custom_attributes,
        "formattedName": lambda user, _: responses.formatted_name(user),
        "endUserAccountID": lambda user, _: responses.account_id(user),
    },
}
