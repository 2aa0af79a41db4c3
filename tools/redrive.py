"""Run again what failed for good, and mark as failed the photos that cannot be processed.

    python -m tools.redrive [--stack NAME]

is `make redrive`. It lists what waits in the dead-letter queues and why, and lets the functions
try each once more. What succeeds is taken out of its queue. What fails because of AWS, a permission
or a deployment stays there: mend the cause and run it again. A photo that fails for another reason
would always do so, and is done with. Its upload is `failed`, unless the photo could be processed.

Ctrl-C ends it after the ten that are being tried. A run that is killed keeps its messages from
others for a quarter of an hour, which the next one says.
"""

import json
import signal
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import batched
from typing import Any
from urllib.parse import unquote_plus

from botocore.exceptions import BotoCoreError, ClientError
from tools import deployment
from tools.deployment import Deployment

from vignette.domain import renditions, uploads
from vignette.domain.ids import upload_of_original
from vignette.domain.model import UploadState
from vignette.errors import NotFound, VignetteError

type Message = dict[str, Any]

# Seconds that a message is nobody else's: longer than ten functions may take, one after the other.
_HELD_SECONDS = 900
_WAIT_SECONDS = 2  # for messages: SQS then asks all of its servers
_BATCH = 10  # limit of AWS, in one call of SQS
# How botocore begins what it says of a refusal of AWS, whatever class it gives it.
_REFUSED = "An error occurred ("
_OF_THE_PHOTO = ("Runtime.OutOfMemory", "Runtime.ExitError")  # other `Runtime.` are a deployment's


@dataclass(frozen=True)
class Outcome:
    """What became of a message: whether it is done with, and what to say."""

    done: bool
    said: str


class Redrive:
    """Works on the dead-letter queues of a stack."""

    def __init__(self, target: Deployment) -> None:
        self._target = target
        self._sqs = target.client("sqs")
        self._lambda = target.client("lambda")
        self._streams = target.client("dynamodbstreams")
        self.count: Counter[bool] = Counter()
        self.missing = 0  # messages that are in a queue, and that another run holds
        self.stopped = False
        self._held: dict[str, dict[str, str]] = {}  # where each message is, by its id

    @contextmanager
    def stoppable(self) -> Iterator[None]:
        """Let the first interrupt end the run when what it is trying is done."""

        def stop(*_: object) -> None:
            self.stopped = True
            signal.signal(signal.SIGINT, usual)
            deployment.say("Stopping: those that are being tried are waited for, a minute at most")

        usual = signal.signal(signal.SIGINT, stop)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, usual)

    def release(self) -> None:
        """Give back what stays, so that its alarm and another run see it at once."""
        for handles in batched(self._held.values(), _BATCH, strict=False):
            for queue in {each["QueueUrl"] for each in handles}:
                entries = [
                    {"Id": str(at), "ReceiptHandle": each["ReceiptHandle"], "VisibilityTimeout": 0}
                    for at, each in enumerate(handles)
                    if each["QueueUrl"] == queue
                ]
                self._sqs.change_message_visibility_batch(QueueUrl=queue, Entries=entries)

    def events(self) -> None:
        """Try photos again, and records of the stream that were not even handed to a queue."""
        queue = self._target.resource("FailedEvents")
        with ThreadPoolExecutor(_BATCH) as pool:
            for some in self._messages(queue, "photos and records that failed for good"):
                for message, outcome in zip(some, pool.map(self._event, some), strict=True):
                    self._finish(queue, message, outcome)

    def cleanups(self) -> None:
        """Delete again what could not be deleted for a day."""
        queue = self._target.resource("FailedCleanups")
        for some in self._messages(queue, "clean-ups that failed for a day"):
            records = [
                {"messageId": each["MessageId"], "body": each["Body"], "eventSource": "aws:sqs"}
                for each in some
            ]
            failed, why = self._clean_up(records)
            for each in some:
                upload_id = json.loads(each["Body"])["upload_id"]
                if each["MessageId"] in failed:
                    outcome = Outcome(False, f"objects of {upload_id} stay: {why}")
                else:
                    outcome = Outcome(True, f"objects of {upload_id} are deleted")
                self._finish(queue, each, outcome)

    def _event(self, message: Message) -> Outcome:
        failure = json.loads(message["Body"])
        if "DDBStreamBatchInfo" in failure:
            return self._batch(failure["DDBStreamBatchInfo"])
        # What Thumbnails failed on came here by way of FailedPhotos.
        failure = failure.get("requestPayload") or failure
        why = _why(failure)
        upload_id = _upload_of(failure.get("requestPayload"))
        if upload_id is None:
            return Outcome(True, f"not an event of a photo ({why}): nothing to do")
        name = f"the photo of {upload_id} had failed ({why})"
        try:
            return self._photo(name, upload_id, failure["requestPayload"])
        except (VignetteError, ClientError) as error:
            return Outcome(False, f"{name} and stays in the queue: {error}")

    def _photo(self, name: str, upload_id: str, event: Message) -> Outcome:
        """Process a photo again.

        Raises:
            Unavailable: DynamoDB did not do it.
        """
        renditions.take_up_again(upload_id)
        error = self._invoke("Thumbnails", event)[1]
        if error is None:
            return Outcome(True, f"{name}: {_state(upload_id)}")
        renditions.give_up(upload_id)
        if may_succeed(error):
            return Outcome(False, f"{name} and stays in the queue: {error}")
        return Outcome(True, f"{name} and cannot be processed: {error}")

    def _batch(self, batch: dict[str, Any]) -> Outcome:
        """Deal with records of the stream, which keeps them for a day."""
        name = f"{batch['batchSize']} records since {batch['approximateArrivalOfFirstRecord']}"
        try:
            iterator = self._streams.get_shard_iterator(
                StreamArn=batch["streamArn"],
                ShardId=batch["shardId"],
                ShardIteratorType="AT_SEQUENCE_NUMBER",
                SequenceNumber=batch["startSequenceNumber"],
            )["ShardIterator"]
            found = self._streams.get_records(ShardIterator=iterator, Limit=batch["batchSize"])
        except ClientError as error:
            why = error.response["Error"]["Code"]
            return Outcome(True, f"{name} cannot be read any more ({why}): run `make sweep`")
        failed, why = self._clean_up([each for each in found["Records"] if _is_for_cleanup(each)])
        if failed:
            return Outcome(False, f"{name} stay in the queue: {why}")
        return Outcome(True, f"{name} are cleaned up")

    def _clean_up(self, records: list[Any]) -> tuple[set[str], str]:
        """Let the function clean up; the identifiers of what it could not, and why."""
        if not records:
            return set(), ""
        answer, error = self._invoke("Cleanup", {"Records": records})
        if error is not None:
            return {each.get("messageId", each.get("eventID")) for each in records}, error
        failed = {each["itemIdentifier"] for each in answer["batchItemFailures"]}
        return failed, "the log of Cleanup says why"

    def _invoke(self, logical_id: str, event: Any) -> tuple[Any, str | None]:  # noqa: ANN401
        """What a function answers, and the error it ends with, if it does."""
        try:
            answer = self._lambda.invoke(
                FunctionName=self._target.resource(logical_id),
                Payload=json.dumps(event, default=str),
            )
        except (BotoCoreError, ClientError) as error:
            return None, f"Unavailable: {error}"
        told = json.load(answer["Payload"])
        if "FunctionError" not in answer:
            return told, None
        kind = told.get("errorType", "Unhandled")
        return None, f"{kind}: {told.get('errorMessage', '')[:200]}"

    def _messages(self, queue: str, what: str) -> Iterator[list[Message]]:
        """The messages of a queue, each once; others do not get them until they are released."""
        if self.stopped:
            return
        told = self._sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["All"])["Attributes"]
        self._waiting = int(told["ApproximateNumberOfMessages"]) + int(
            told["ApproximateNumberOfMessagesNotVisible"]
        )
        self._tried = 0
        deployment.say(f"{self._waiting:,} {what}")
        while not self.stopped:
            answer = self._sqs.receive_message(
                QueueUrl=queue,
                MaxNumberOfMessages=_BATCH,
                VisibilityTimeout=_HELD_SECONDS,
                WaitTimeSeconds=_WAIT_SECONDS,
            )
            found = answer.get("Messages", [])
            # What stays comes back by itself, if a run takes long.
            new = [each for each in found if each["MessageId"] not in self._held]
            for each in found:
                handle = {"QueueUrl": queue, "ReceiptHandle": each["ReceiptHandle"]}
                self._held[each["MessageId"]] = handle
            if not new:
                self.missing += max(0, self._waiting - self._tried)
                return
            yield new

    def _finish(self, queue: str, message: Message, outcome: Outcome) -> None:
        self.count[outcome.done] += 1
        self._tried += 1
        print(f"{self._tried}/{max(self._tried, self._waiting)} {outcome.said}", flush=True)
        if outcome.done:
            self._sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
            del self._held[message["MessageId"]]


def _why(failure: dict[str, Any]) -> str:
    """What a function failed with: the class of the error, or why Lambda did not even call it."""
    told = failure.get("responsePayload") or {}
    condition = failure.get("requestContext", {}).get("condition", "unknown")
    return str(told.get("errorType") or condition)


def _upload_of(event: Any) -> str | None:  # noqa: ANN401
    """The upload that an event of S3 is about, or None for another event."""
    try:
        return upload_of_original(unquote_plus(event["Records"][0]["s3"]["object"]["key"]))
    except (KeyError, TypeError, IndexError):
        return None


def _state(upload_id: str) -> str:
    """What became of an upload whose event went through."""
    try:
        upload = uploads.get(upload_id)
    except NotFound:
        return "its upload is gone"
    if upload.state == UploadState.FAILED:
        return f"it is not a picture ({upload.reason})"
    return f"it is {upload.state}"


def may_succeed(error: str) -> bool:
    """Whether a photo could be processed later, by the class and message of the function's error.

    It says nothing about the photo if it is about AWS, a permission or a deployment.
    """
    kind, _, message = error.partition(": ")
    of_deployment = kind.startswith("Runtime.") and kind not in _OF_THE_PHOTO
    return kind == "Unavailable" or message.startswith(_REFUSED) or of_deployment


def _is_for_cleanup(record: Any) -> bool:  # noqa: ANN401
    """Whether a record of the stream is one that the function is called for."""
    image = record["dynamodb"].get("NewImage", {})
    return record["eventName"] == "REMOVE" or (
        record["eventName"] == "MODIFY" and "used_at" in image
    )


def main() -> int:
    """Try everything once; return the exit status: 1 if something stays in its queue.

    Raises:
        KeyboardInterrupt: The run was interrupted, after what it had begun.
    """
    given = deployment.parser(__doc__).parse_args()
    target = deployment.find(given.stack)
    target.lend_environment()
    redrive = Redrive(target)
    try:
        with redrive.stoppable():
            redrive.events()
            redrive.cleanups()
    finally:
        redrive.release()
    stay = redrive.count[False]
    print(f"{redrive.count[True]:,} dealt with, {stay:,} stay in their queues.")
    if stay:
        print("The logs of Thumbnails and Cleanup say why. Mend that first, then run it again.")
    if redrive.missing:
        print(
            f"By SQS's count {redrive.missing:,} more are there, held by another run or by one that"
        )
        print(f"was killed: run it again in {_HELD_SECONDS // 60} minutes.")
    if redrive.stopped:
        raise KeyboardInterrupt
    return 1 if stay or redrive.missing else 0


if __name__ == "__main__":
    sys.exit(deployment.run(main))
