"""Run again what failed for good, and mark as failed the photos that cannot be processed.

    python -m tools.redrive [--stack NAME]

is `make redrive`. It lists what waits in the dead-letter queues and why, and lets the functions
try each once more. What succeeds is taken out of its queue. What fails because of AWS, a permission
or a deployment stays there: mend the cause and run it again. A photo that fails for another reason
would always do so, and is done with. Its upload is `failed`, unless the photo could be processed.
"""

import json
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_plus

from botocore.exceptions import ClientError
from tools import deployment
from tools.deployment import Deployment

from vignette.domain import renditions, uploads
from vignette.domain.ids import upload_of_original
from vignette.domain.model import UploadState
from vignette.errors import NotFound

type Message = dict[str, Any]

# Seconds that a message is nobody else's: longer than ten functions may take, one after the other.
_HELD_SECONDS = 900
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
        self._held: list[dict[str, str]] = []

    def release(self) -> None:
        """Give back what stays, so that its alarm and another run see it at once."""
        for handle in self._held:
            self._sqs.change_message_visibility(**handle, VisibilityTimeout=0)

    def events(self) -> None:
        """Try photos again, and records of the stream that were not even handed to a queue."""
        queue = self._target.resource("FailedEvents")
        with ThreadPoolExecutor(10) as pool:
            for some in self._messages(queue):
                for message, outcome in zip(some, pool.map(self._event, some), strict=True):
                    self._finish(queue, message, outcome)

    def cleanups(self) -> None:
        """Delete again what could not be deleted for a day."""
        queue = self._target.resource("FailedCleanups")
        for some in self._messages(queue):
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
            return Outcome(True, f"an event that is no photo's ({why}): nothing to do")
        name = f"the photo of {upload_id}"
        renditions.take_up_again(upload_id)
        error = self._invoke("Thumbnails", failure["requestPayload"])[1]
        if error is None:
            return Outcome(True, f"{name} had failed ({why}): {_state(upload_id)}")
        renditions.give_up(upload_id)
        if may_succeed(error):
            return Outcome(False, f"{name} had failed ({why}) and stays in the queue: {error}")
        return Outcome(True, f"{name} had failed ({why}) and cannot be processed: {error}")

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
        except ClientError as error:
            return None, f"ClientError: {error}"
        told = json.load(answer["Payload"])
        if "FunctionError" not in answer:
            return told, None
        kind = told.get("errorType", "Unhandled")
        return None, f"{kind}: {told.get('errorMessage', '')[:200]}"

    def _messages(self, queue: str) -> Iterator[list[Message]]:
        """The messages of a queue, which others do not get until they are released."""
        while True:
            answer = self._sqs.receive_message(
                QueueUrl=queue,
                MaxNumberOfMessages=10,
                VisibilityTimeout=_HELD_SECONDS,
                WaitTimeSeconds=2,
            )
            if not (found := answer.get("Messages")):
                return
            for each in found:
                self._held.append({"QueueUrl": queue, "ReceiptHandle": each["ReceiptHandle"]})
            yield found

    def _finish(self, queue: str, message: Message, outcome: Outcome) -> None:
        self.count[outcome.done] += 1
        print(outcome.said, flush=True)
        if outcome.done:
            handle = {"QueueUrl": queue, "ReceiptHandle": message["ReceiptHandle"]}
            self._sqs.delete_message(**handle)
            self._held.remove(handle)


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
        return f"it is no picture ({upload.reason})"
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
    """Try everything once; return the exit status: 1 if something stays in its queue."""
    given = deployment.parser(__doc__).parse_args()
    target = deployment.find(given.stack)
    target.lend_environment()
    redrive = Redrive(target)
    try:
        deployment.say("Photos and records that failed for good")
        redrive.events()
        deployment.say("Objects that could not be deleted for a day")
        redrive.cleanups()
    finally:
        redrive.release()
    print(f"{redrive.count[True]} dealt with, {redrive.count[False]} stay in their queues.")
    return 1 if redrive.count[False] else 0


if __name__ == "__main__":
    sys.exit(deployment.run(main))
