"""What failed for good is run again: once in a run, whatever else fails meanwhile."""

import io
import json
import signal
import threading
import uuid
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from botocore.exceptions import ReadTimeoutError
from tests.unit.conftest import Service, aws_error
from tools import deployment, redrive
from tools.deployment import Deployment, Failed
from tools.redrive import may_succeed

from vignette.errors import Unavailable

REFUSED = "An error occurred (AccessDenied) when calling the GetObject operation: no"
QUEUES = ("FailedEvents", "FailedCleanups")


class Lambda:
    """Runs the functions of the service in memory, as Lambda does."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._one_at_a_time = threading.Lock()  # functions have globals, as on AWS
        self.before: Callable[[str], object] = lambda _: None
        self.invoked: list[str] = []

    def invoke(self, *, FunctionName: str, Payload: str) -> Mapping[str, Any]:  # noqa: N803
        self.invoked.append(Payload)
        self.before(Payload)
        try:
            with self._one_at_a_time:
                answer = self._service.invoke(FunctionName.lower(), json.loads(Payload))
        except Exception as error:
            told = {"errorType": type(error).__name__, "errorMessage": str(error)}
            return {"FunctionError": "Unhandled", "Payload": io.BytesIO(json.dumps(told).encode())}
        return {"Payload": io.BytesIO(json.dumps(answer).encode())}


class Stack:
    """The service in memory, as a command finds it."""

    def __init__(self, service: Service) -> None:
        self.functions = Lambda(service)
        self._clients = {"sqs": service.sqs, "lambda": self.functions, "dynamodbstreams": None}
        self._names = {
            name: service.sqs.create_queue(QueueName=name)["QueueUrl"] for name in QUEUES
        }

    def client(self, name: str) -> Any:
        return self._clients[name]

    def resource(self, logical_id: str) -> str:
        return str(self._names.get(logical_id, logical_id))

    def lend_environment(self) -> None:
        """The tests have it already."""


@pytest.fixture
def stack(service: Service, monkeypatch: pytest.MonkeyPatch) -> Stack:
    stack = Stack(service)
    monkeypatch.setattr(deployment, "find", lambda _: stack)
    monkeypatch.setattr(redrive, "_WAIT_SECONDS", 0)
    monkeypatch.setattr("sys.argv", ["redrive"])
    return stack


def failed_photos(service: Service, stack: Stack, number: int) -> list[str]:
    """Uploads whose photos could not be processed, and whose events wait in the queue."""
    user_id = service.create_user()["id"]
    uploads = [service.create_upload(user_id) for _ in range(number)]
    for each in uploads:
        service.put_photo(each)
        service.give_up(each)
        event = {"Records": [{"s3": {"object": {"key": f"uploads/{each}"}}}]}
        told = {"requestPayload": event, "responsePayload": {"errorType": "Unavailable"}}
        body = json.dumps({"requestPayload": told})
        service.sqs.send_message(QueueUrl=stack.resource("FailedEvents"), MessageBody=body)
    return uploads


def failed_cleanups(service: Service, stack: Stack, number: int) -> None:
    """Uploads that are gone, and whose objects could not be deleted."""
    for _ in range(number):
        body = json.dumps({"upload_id": str(uuid.uuid4()), "digest": None})
        service.sqs.send_message(QueueUrl=stack.resource("FailedCleanups"), MessageBody=body)


def run() -> int:
    return deployment.run(redrive.main)


def test_photos_are_ready_and_nothing_is_left_for_a_second_run(
    service: Service, stack: Stack, capsys: pytest.CaptureFixture[str]
) -> None:
    photos = failed_photos(service, stack, 12)
    assert run() == 0
    said = capsys.readouterr()
    assert {service.read_upload(each)["state"] for each in photos} == {"ready"}
    assert "==> 12 photos and records that failed for good" in said.err
    assert "12/12 the photo of " in said.out
    assert "12 dealt with, 0 stay" in said.out
    assert run() == 0
    assert "0 dealt with, 0 stay" in capsys.readouterr().out


def test_what_still_fails_is_tried_once_in_a_run_however_long_that_takes(
    service: Service, stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    photos = failed_photos(service, stack, 3)
    failed_cleanups(service, stack, 3)
    # As if each message came back while the run goes on.
    monkeypatch.setattr(redrive, "_HELD_SECONDS", 0)
    service.let_aws_answer("s3", aws_error("SlowDown", 503))
    assert run() == 1
    assert len(stack.functions.invoked) == 3 + 1
    assert {service.read_upload(each)["reason"] for each in photos} == {"processing_failed"}


def test_a_message_that_aws_refuses_to_work_on_keeps_none_of_the_others_from_it(
    service: Service, stack: Stack, capsys: pytest.CaptureFixture[str]
) -> None:
    photos = failed_photos(service, stack, 3)

    def break_off(payload: str) -> None:
        if photos[1] in payload:
            raise ReadTimeoutError(endpoint_url="https://lambda")

    stack.functions.before = break_off
    assert run() == 1
    assert [service.read_upload(each)["state"] for each in photos] == ["ready", "failed", "ready"]
    assert "2 dealt with, 1 stay" in capsys.readouterr().out


def test_a_database_that_does_not_answer_leaves_what_it_was_about_in_the_queue(
    service: Service, stack: Stack, capsys: pytest.CaptureFixture[str]
) -> None:
    photos = failed_photos(service, stack, 2)
    service.let_aws_answer("UpdateItem", aws_error("InternalServerError", 500))
    assert run() == 1
    assert "0 dealt with, 2 stay" in capsys.readouterr().out
    service.let_aws_answer("UpdateItem", None)
    assert run() == 0
    assert {service.read_upload(each)["state"] for each in photos} == {"ready"}


def test_messages_that_an_ended_run_has_taken_are_not_called_nothing(
    service: Service, stack: Stack, capsys: pytest.CaptureFixture[str]
) -> None:
    [photo] = failed_photos(service, stack, 1)
    service.sqs.receive_message(QueueUrl=stack.resource("FailedEvents"), VisibilityTimeout=900)
    assert run() == 1
    said = capsys.readouterr()
    assert "0 dealt with, 0 stay" in said.out
    assert "1 more are there, held by another run" in said.out
    assert service.read_upload(photo)["state"] == "failed"


def test_an_interrupt_ends_the_run_after_what_it_has_taken(
    service: Service, stack: Stack, capsys: pytest.CaptureFixture[str]
) -> None:
    photos = failed_photos(service, stack, 25)
    handler = signal.getsignal(signal.SIGINT)  # what runs in a shell's background ignores it

    def interrupt(_: str) -> None:
        stack.functions.before = lambda _: None
        signal.raise_signal(signal.SIGINT)

    stack.functions.before = interrupt
    assert run() == 130
    said = capsys.readouterr()
    assert "10 dealt with, 0 stay" in said.out
    assert "Run it again" in said.out + said.err
    assert signal.getsignal(signal.SIGINT) is handler
    assert sum(service.read_upload(each)["state"] == "ready" for each in photos) == 10
    assert run() == 0
    assert {service.read_upload(each)["state"] for each in photos} == {"ready"}


@pytest.mark.parametrize(
    "error", [Unavailable("A service behind this one is busy."), ReadTimeoutError(endpoint_url="x")]
)
def test_a_command_says_in_one_line_that_aws_does_not_do_it(
    error: Exception, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail() -> int:
        raise error

    assert deployment.run(fail) == 1
    assert capsys.readouterr().err.count("\n") == 1


def test_the_names_of_a_stack_s_resources_are_asked_for_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = []

    class Formation:
        def get_paginator(self, operation: str) -> Any:
            asked.append(operation)
            return self

        def paginate(self, **_: str) -> Any:
            names = {"LogicalResourceId": "FailedEvents", "PhysicalResourceId": "queue"}
            return [{"StackResourceSummaries": []}, {"StackResourceSummaries": [names]}]

    monkeypatch.setattr(Deployment, "client", lambda *_: Formation())
    target = Deployment("vignette", {})
    with pytest.raises(Failed, match="has no Thumbnails"):
        target.resource("Thumbnails")
    assert [target.resource("FailedEvents") for _ in range(9)] == ["queue"] * 9
    assert asked == ["list_stack_resources"]


@pytest.mark.parametrize("outputs", [{}, {"Outputs": [{"OutputKey": "x", "OutputValue": "y"}]}])
def test_a_stack_of_something_else_is_refused(
    outputs: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Formation:
        def describe_stacks(self, **_: str) -> Any:
            return {"Stacks": [outputs]}

    monkeypatch.setattr(Deployment, "client", lambda *_: Formation())
    with pytest.raises(Failed, match="other is not a deployed Vignette"):
        Deployment("other", {}).lend_environment()


@pytest.mark.parametrize(
    "error",
    [
        "Unavailable: A service behind this one is busy.",
        f"AccessDenied: {REFUSED}",
        f"ClientError: {REFUSED}",
        "Runtime.ImportModuleError: Unable to import module 'app'",
    ],
)
def test_what_is_about_aws_a_permission_or_a_deployment_may_succeed_later(error: str) -> None:
    assert may_succeed(error)


@pytest.mark.parametrize(
    "error",
    [
        "KeyError: 'digest'",
        "Runtime.ExitError: RequestId: 1 Error: Runtime exited with error: signal: killed",
        "Runtime.OutOfMemory: RequestId: 1 Error: Runtime exited",
        "Sandbox.Timedout: RequestId: 1 Error: Task timed out after 30.00 seconds",
    ],
)
def test_what_the_photo_itself_leads_to_always_does(error: str) -> None:
    assert not may_succeed(error)
