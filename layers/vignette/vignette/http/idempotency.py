"""Creating calls that may be sent again: the `Idempotency-Key` header.

The header is that of draft-ietf-httpapi-idempotency-key-header. Powertools' idempotency utility
keeps the id of what a call has made in a table of its own, under a hash of caller, route and key.
The answer is made anew from that each time, so that it says nothing of who or what is gone.
"""

import hmac
import json
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any

from vignette import settings
from vignette.adapters import aws
from vignette.domain.ids import derived_id, new_id
from vignette.errors import FieldProblem, IdempotencyKeyInUse, IdempotencyKeyReused, Invalid
from vignette.http.api import Request

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.idempotency import DynamoDBPersistenceLayer

_HEADER = "idempotency-key"


def idempotently[Made](
    request: Request,
    create: Callable[[str], Made],
    *,
    name: Callable[[Made], str],
    find: Callable[[str], Made],
) -> Made:
    """Create something; a call repeated with the same key gets what the first one created.

    `create` gets the id for what it creates. Every attempt with the same key and body gets the
    same id, so that an attempt whose answer was lost is found and nothing is created twice.
    `name` gives the id of what was created, which is stored for `settings.IDEMPOTENCY_SECONDS`, and
    `find` reads what has such an id. Errors are not stored: the next attempt finds its own.

    Raises:
        Invalid: The key is empty or too long.
        IdempotencyKeyReused: The key was sent before with another body.
        IdempotencyKeyInUse: An earlier request with the key is still being answered.
        Unavailable: DynamoDB did not do it.
        VignetteError: What `create` and `find` raise; `find` does if what was created is gone.
    """
    key = request.headers.get(_HEADER)
    if key is None:
        return create(new_id())
    if not 1 <= len(key) <= settings.MAX_IDEMPOTENCY_KEY_CHARACTERS:
        detail = f"must have 1 to {settings.MAX_IDEMPOTENCY_KEY_CHARACTERS} characters"
        raise Invalid(FieldProblem("Idempotency-Key", "invalid_value", detail))
    made: list[Made] = []

    def create_and_name(new: str) -> str:
        made.append(create(new))
        return name(made[0])

    kept = _kept(request, key, create_and_name)
    return made[0] if made else find(kept)


def _kept(request: Request, key: str, create: Callable[[str], str]) -> str:
    """The id that `create` answers, or has answered to an earlier request with the same key.

    Raises:
        IdempotencyKeyReused: The key was sent before with another body.
        IdempotencyKeyInUse: An earlier request with the key is still being answered.
        Unavailable: DynamoDB did not do it.
    """
    from aws_lambda_powertools.utilities.idempotency import IdempotencyConfig, idempotent_function
    from aws_lambda_powertools.utilities.idempotency.exceptions import (
        IdempotencyAlreadyInProgressError,
        IdempotencyInconsistentStateError,
        IdempotencyPersistenceLayerError,
        IdempotencyValidationError,
    )

    # Bodies have passwords in them: a digest without the key, which is not stored, could be
    # guessed.
    sent_body = _canonical(request.body(max_bytes=settings.MAX_JSON_BODY_BYTES))
    body = hmac.digest(key.encode(errors="surrogatepass"), sent_body, "sha256").hex()
    scoped = [request.caller.user_id, key]  # None is the holder of the secret key
    answered = idempotent_function(
        lambda *, sent: create(derived_id(request.route, *sent["key"], sent["body"])),
        data_keyword_argument="sent",
        persistence_store=_store(settings.idempotency_table(), aws.client("dynamodb")),
        config=IdempotencyConfig(
            event_key_jmespath="key",
            payload_validation_jmespath="body",
            expires_after_seconds=settings.IDEMPOTENCY_SECONDS,
            hash_function="sha256",
            lambda_context=_Attempt(),  # type: ignore[arg-type] # all it asks for
        ),
        key_prefix=request.route,
    )
    try:
        with aws.aws_errors():
            try:
                return str(answered(sent={"key": scoped, "body": body}))
            except IdempotencyPersistenceLayerError as error:
                raise error.__cause__ or error from None
    except IdempotencyValidationError:
        raise IdempotencyKeyReused("The key was sent before with another body.") from None
    except (IdempotencyAlreadyInProgressError, IdempotencyInconsistentStateError):
        raise IdempotencyKeyInUse(
            "An earlier request with this key is still being answered."
        ) from None


def _canonical(body: bytes) -> bytes:
    """The same bytes for the same JSON, whatever the order of its names and its white space.

    Anything else is left as it is: `create` refuses it.
    """
    try:
        return json.dumps(json.loads(body), sort_keys=True).encode()
    except (ValueError, RecursionError):
        return body


class _Attempt:
    """What Powertools is told of an invocation: how long it keeps its key to itself.

    It is told `settings.ATTEMPT_SECONDS`, not the time the invocation has left: an attempt that was
    cut off would otherwise block its key for all of that. Two attempts at the same time do no harm:
    what both create has the same id.
    """

    def get_remaining_time_in_millis(self) -> int:
        """The time after which another attempt may begin, in milliseconds."""
        return settings.ATTEMPT_SECONDS * 1000


@cache
def _store(table: str, client: Any) -> "DynamoDBPersistenceLayer":  # noqa: ANN401
    from aws_lambda_powertools.utilities.idempotency import DynamoDBPersistenceLayer

    return DynamoDBPersistenceLayer(table, boto3_client=client)
