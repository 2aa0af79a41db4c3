"""Clerk's Backend API: users, their e-mail addresses and phone numbers."""

from vignette.clerk import queries, responses
from vignette.clerk.errors import render
from vignette.domain import identifications, pictures, profiles, users
from vignette.domain.model import Identification, IdentificationKind, User, UserChanges
from vignette.http.access import published_keys, require_key
from vignette.http.api import Api, Request, Response
from vignette.http.idempotency import idempotently


def create(request: Request) -> Response:
    """`POST /users`."""
    from vignette.clerk import requests  # reading needs no validation

    require_key(request.caller)

    def create_user(attempt: str) -> User:
        return users.create(requests.new_user(request, attempt), attempt=attempt)

    user = idempotently(request, create_user, name=lambda user: user.id, find=users.get)
    request.target = user.id
    return _user(request, user)


def read(request: Request) -> Response:
    """`GET /users/{user_id}`."""
    require_key(request.caller)
    return _user(request, users.get(request.path("user_id")))


def update(request: Request) -> Response:
    """`PATCH /users/{user_id}`."""
    from vignette.clerk import requests

    require_key(request.caller)
    changes = requests.user_changes(request)
    return _user(request, profiles.update(request.path("user_id"), changes))


def delete(request: Request) -> Response:
    """`DELETE /users/{user_id}`."""
    require_key(request.caller)
    user_id = request.path("user_id")
    profiles.delete(user_id)
    return Response(200, responses.deleted("user", user_id))


def list_users(request: Request) -> Response:
    """`GET /users`."""
    require_key(request.caller)
    queries.refuse_unknown(request, paged=True)
    page, filters = queries.page(request), queries.filters(request)
    if filters:
        found = sorted(
            users.matching(filters),
            key=lambda user: (getattr(user, page.order_by), user.id),
            reverse=page.descending,
        )[page.offset : page.offset + page.limit]
    else:
        found = users.page(
            order_by=page.order_by,
            descending=page.descending,
            offset=page.offset,
            limit=page.limit,
        )
    return Response(200, [responses.user(user, request.origin) for user in found])


def count(request: Request) -> Response:
    """`GET /users/count`."""
    require_key(request.caller)
    queries.refuse_unknown(request, paged=False)
    filters = queries.filters(request)
    return Response(
        200, responses.count(len(users.matching(filters)) if filters else users.count())
    )


def read_keys(_: Request) -> Response:
    """`GET /jwks`, with which Clerk's SDKs verify tokens; public, as the issuer's own is."""
    return Response(200, {"keys": published_keys()})


def replace_metadata(request: Request) -> Response:
    """`PUT /users/{user_id}/metadata`."""
    from vignette.clerk import requests

    require_key(request.caller)
    return _user(request, users.update(request.path("user_id"), requests.new_metadata(request)))


def merge_metadata(request: Request) -> Response:
    """`PATCH /users/{user_id}/metadata`."""
    from vignette.clerk import requests

    require_key(request.caller)
    return _user(request, users.modify(request.path("user_id"), requests.metadata_patch(request)))


def verify_password(request: Request) -> Response:
    """`POST /users/{user_id}/verify_password`."""
    from vignette.clerk import requests
    from vignette.domain import passwords

    require_key(request.caller)
    passwords.verify(request.path("user_id"), requests.given_password(request))
    return Response(200, {"verified": True})


def ban(request: Request) -> Response:
    """`POST /users/{user_id}/ban`."""
    return _set(request, {"banned": True})


def unban(request: Request) -> Response:
    """`POST /users/{user_id}/unban`."""
    return _set(request, {"banned": False})


def lock(request: Request) -> Response:
    """`POST /users/{user_id}/lock`."""
    return _set(request, {"locked": True})


def unlock(request: Request) -> Response:
    """`POST /users/{user_id}/unlock`."""
    return _set(request, {"locked": False})


def delete_picture(request: Request) -> Response:
    """`DELETE /users/{user_id}/profile_image`."""
    require_key(request.caller)
    return _user(request, pictures.remove_picture(request.path("user_id")))


class Identifications:
    """The routes of e-mail addresses, or of phone numbers."""

    def __init__(self, kind: IdentificationKind, parameter: str, name: str) -> None:
        self._kind = kind
        self._parameter = parameter
        self._name = name

    def create(self, request: Request) -> Response:
        """`POST /email_addresses`, `POST /phone_numbers`."""
        from vignette.clerk import requests

        require_key(request.caller)

        def add(seed: str) -> Identification:
            new = requests.new_identification(request, self._kind)
            return identifications.add(
                self._kind,
                new.user_id,
                new.value,
                verified=new.verified,
                primary=new.primary,
                seed=seed,
            )

        def find(identification_id: str) -> Identification:
            return identifications.get(self._kind, identification_id)

        added = idempotently(request, add, name=lambda added: added.id, find=find)
        request.target = added.id
        return Response(200, responses.identification(self._kind, added))

    def read(self, request: Request) -> Response:
        """`GET /email_addresses/{email_address_id}`, `GET /phone_numbers/{phone_number_id}`."""
        require_key(request.caller)
        found = identifications.get(self._kind, request.path(self._parameter))
        return Response(200, responses.identification(self._kind, found))

    def update(self, request: Request) -> Response:
        """`PATCH` of the same."""
        from vignette.clerk import requests

        require_key(request.caller)
        verified, primary = requests.identification_changes(request, self._kind)
        updated = identifications.update(
            self._kind, request.path(self._parameter), verified=verified, primary=primary
        )
        return Response(200, responses.identification(self._kind, updated))

    def delete(self, request: Request) -> Response:
        """`DELETE` of the same."""
        require_key(request.caller)
        identification_id = request.path(self._parameter)
        identifications.remove(self._kind, identification_id)
        return Response(200, responses.deleted(self._name, identification_id))


def _set(request: Request, changes: UserChanges) -> Response:
    require_key(request.caller)
    return _user(request, users.update(request.path("user_id"), changes))


def _user(request: Request, user: User) -> Response:
    return Response(200, responses.user(user, request.origin))


_emails = Identifications(IdentificationKind.EMAIL, "email_address_id", "email_address")
_phones = Identifications(IdentificationKind.PHONE, "phone_number_id", "phone_number")

handler = Api(
    {
        "GET /v1/jwks": read_keys,
        "GET /v1/users": list_users,
        "POST /v1/users": create,
        "GET /v1/users/count": count,
        "GET /v1/users/{user_id}": read,
        "PATCH /v1/users/{user_id}": update,
        "DELETE /v1/users/{user_id}": delete,
        "PUT /v1/users/{user_id}/metadata": replace_metadata,
        "PATCH /v1/users/{user_id}/metadata": merge_metadata,
        "DELETE /v1/users/{user_id}/profile_image": delete_picture,
        "POST /v1/users/{user_id}/verify_password": verify_password,
        "POST /v1/users/{user_id}/ban": ban,
        "POST /v1/users/{user_id}/unban": unban,
        "POST /v1/users/{user_id}/lock": lock,
        "POST /v1/users/{user_id}/unlock": unlock,
        "POST /v1/email_addresses": _emails.create,
        "GET /v1/email_addresses/{email_address_id}": _emails.read,
        "PATCH /v1/email_addresses/{email_address_id}": _emails.update,
        "DELETE /v1/email_addresses/{email_address_id}": _emails.delete,
        "POST /v1/phone_numbers": _phones.create,
        "GET /v1/phone_numbers/{phone_number_id}": _phones.read,
        "PATCH /v1/phone_numbers/{phone_number_id}": _phones.update,
        "DELETE /v1/phone_numbers/{phone_number_id}": _phones.delete,
    },
    render,
    lazy=["vignette.clerk.requests"],
)
