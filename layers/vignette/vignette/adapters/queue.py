"""SQS: messages about what is to be done later."""

from collections.abc import Iterable
from itertools import batched

from vignette.adapters import aws
from vignette.errors import Unavailable

_MAX_BATCH = 10  # limit of AWS, in one SendMessageBatch


def send(url: str, bodies: Iterable[str]) -> None:
    """Send messages to the queue at an address, ten in a call.

    Raises:
        Unavailable: SQS did not take all of them; it may have taken some.
    """
    for some in batched(bodies, _MAX_BATCH, strict=False):
        entries = [{"Id": str(at), "MessageBody": body} for at, body in enumerate(some)]
        with aws.aws_errors():
            answer = aws.client("sqs").send_message_batch(QueueUrl=url, Entries=entries)
        if answer.get("Failed"):
            raise Unavailable("Some messages could not be sent.")
