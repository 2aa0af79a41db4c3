"""Users who have a token of their identity provider, but were not created here yet.

Just-in-time provisioning: the first call creates the user from the token's claims, which are those
of OpenID Connect Core 1.0, section 5.1.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from vignette import settings
from vignette.domain import users
from vignette.domain.model import User
from vignette.errors import NotFound
from vignette.http.access import Caller, require_user
from vignette.http.audit import audit


def as_user[Result](caller: Caller, act: Callable[[str], Result]) -> Result:
    """Do something as the calling user, who is created from the token if they are not there yet.

    Costs nothing if the user is there.

    Raises:
        Forbidden: The caller is not a user.
        NotFound: The user is not there, and is not to be created.
        Unavailable: DynamoDB did not do it.
        VignetteError: Whatever `act` raises.
    """
    user_id = require_user(caller)
    try:
        return act(user_id)
    except NotFound as missing:
        issued_at = _issued_at(caller.claims)
        if missing.code != "user_not_found" or issued_at is None:
            raise
    if users.provision(_user(user_id, caller.claims), issued_at=issued_at):
        # A change of its own: the call may only read, or be refused.
        audit(who=user_id, whom=user_id, kind="provision", outcome="done")
    return act(user_id)


def _issued_at(claims: Mapping[str, Any]) -> int | None:
    """When a token was issued that may create its user, in seconds since the epoch, or None.

    How long ago a user was deleted is known for as long as `settings.DELETED_USER_SECONDS`.
    """
    issued_at = claims.get("iat")
    if not settings.create_users_from_tokens() or not isinstance(issued_at, (int, float)):
        return None
    age = time.time() - issued_at
    return int(issued_at) if age < settings.DELETED_USER_SECONDS else None


def _user(user_id: str, claims: Mapping[str, Any]) -> User:
    """A user as the claims describe them; what does not fit is left out."""
    from vignette.http import fields  # only a user's first call needs validation

    def claim(name: str, field: Any) -> str | None:  # noqa: ANN401  (an annotated type)
        return fields.fitting(field, claims.get(name))

    first, last = claim("given_name", fields.Name), claim("family_name", fields.Name)
    user = users.blank(user_id)
    picture = claim("picture", fields.WebAddress)
    email = claim("email", fields.Email) if claims.get("email_verified") is True else None
    return replace(
        user,
        first_name=first if first or last else claim("name", fields.Name),
        last_name=last,
        username=claim("preferred_username", fields.Username),
        provider_picture_url=picture if picture and picture.startswith("https://") else None,
        emails=(users.identification(user_id, email, verified=True),) if email else (),
    )
