"""The service deployed into MiniStack with IAM enforcement, called over HTTP as users call it."""

import io
import json
import os
import random
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import quote

import boto3
import httpx
import jwt
import pytest
from PIL import Image
from playwright.sync_api import BrowserContext
from tests.e2e import logs
from tests.e2e.browser import browser, context, page  # noqa: F401

if TYPE_CHECKING:
    from tests.e2e.kills import OwnStack
    from tests.e2e.operators import Operator
    from tests.e2e.site import Site

ROOT = Path(__file__).parent.parent.parent
PHOTOS = ROOT / "tests" / "photos"
_START_SECONDS = 600  # the first start builds everything
# Below those that systems give to connections by themselves, which tests open by the thousand.
_FIRST_PORT = 20_000
_PORTS = 500  # of each test process


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """What .local/stack.json says of a stack of this test process's own.

    Its tests run one after the other: they take permissions away and count what is stored. After
    the last of them nothing secret or personal may be in the logs of its functions.
    With STACK_FILE set to the stack.json of a running stack, that one is used instead.
    """
    running = os.environ.get("STACK_FILE")
    if running:
        yield json.loads(Path(running).read_text())
        return
    state = tmp_path_factory.mktemp("stack")
    process = start_stack(state, free_port())
    try:
        yield facts_of_stack(state, process)
    finally:
        process.terminate()
        process.wait(60)
    assert logs.leaks(state / "logs") == []


def start_stack(state: Path, port: int, *, own_group: bool = False) -> "subprocess.Popen[bytes]":
    """A stack with its state in a directory, maybe in a process group of its own."""
    (state / "stack.json").unlink(missing_ok=True)
    with (state / "output.log").open("a") as output:
        return subprocess.Popen(
            [
                *(sys.executable, "local/bootstrap.py", "ministack", "sam", "lambda", "--"),
                *("local/stack.py", "--state", str(state), "--port", str(port)),
            ],
            cwd=ROOT,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=own_group,
        )


def facts_of_stack(state: Path, process: "subprocess.Popen[bytes]") -> dict[str, Any]:
    """What the stack.json of a stack says, once it is up."""
    file = state / "stack.json"
    deadline = time.monotonic() + _START_SECONDS
    while not file.exists():
        assert process.poll() is None, (state / "output.log").read_text()
        assert time.monotonic() < deadline, (state / "output.log").read_text()
        time.sleep(0.2)
    facts: dict[str, Any] = json.loads(file.read_text())
    return facts


def _own_ports() -> Iterator[int]:
    """The ports that are this test process's own, in any order."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")
    first = _FIRST_PORT + int(worker) % 20 * _PORTS
    yield from random.sample(range(first, first + _PORTS), _PORTS)


_own = _own_ports()


def free_port() -> int:
    """A port of this machine that nobody uses, nor will before its server listens."""
    return next(port for port in _own if _is_free(port))


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


@pytest.fixture
def own_stack(tmp_path: Path) -> "Iterator[OwnStack]":
    """A stack of one test's own, not started yet, which may be killed."""
    from tests.e2e.kills import OwnStack

    stack = OwnStack(tmp_path)
    yield stack
    stack.kill()
    assert stack.leaks() == []


def signed(stack: dict[str, Any], kind: Literal["jwt", "admin"], claims: dict[str, Any]) -> str:
    """A token of a user or of Authgear's Admin API, with a signature that the stack trusts."""
    key = Path(stack[f"{kind}PrivateKeyFile"]).read_text()
    return jwt.encode(claims, key, "RS256", headers={"kid": stack[f"{kind}KeyId"]})


class Client:
    """An application that calls the deployed service."""

    def __init__(self, stack: dict[str, Any]) -> None:
        self.stack = stack
        self.http = httpx.Client(base_url=stack["baseUrl"], timeout=30)
        self.key = {"Authorization": f"Bearer {stack['secretKey']}"}

    def user_token(self, user_id: str, seconds: int = 600) -> str:
        """A token of a user, which ends in so many seconds."""
        now = int(time.time())
        claims = {
            "iss": self.stack["jwtIssuer"],
            "aud": self.stack["jwtAudience"],
            "sub": user_id,
            "iat": now,
            "exp": now + seconds,
        }
        return signed(self.stack, "jwt", claims)

    def user_headers(self, user_id: str) -> dict[str, str]:
        """The header that a user's own application sends."""
        return {"Authorization": f"Bearer {self.user_token(user_id)}"}

    def create_user(self, **fields: Any) -> dict[str, Any]:
        """A new user."""
        body = {
            "email": f"{uuid.uuid4().hex}@example.com",
            "firstName": "Grace",
            "lastName": "Hopper",
            **fields,
        }
        answer = self.http.post("/api/v1/shared/users", json=body, headers=self.key)
        assert answer.status_code == 201, answer.text
        user: dict[str, Any] = answer.json()
        return user

    def upload_form(self, headers: dict[str, str], photo: bytes, **fields: Any) -> dict[str, Any]:
        """A presigned form for a photo."""
        body = {
            "kind": "profile_picture",
            "contentType": "image/jpeg",
            "contentLength": len(photo),
            **fields,
        }
        answer = self.http.post("/api/v1/uploads", json=body, headers=headers)
        assert answer.status_code == 201, answer.text
        form: dict[str, Any] = answer.json()
        return form

    def send(
        self,
        form: dict[str, Any],
        photo: bytes,
        *,
        of_type: str = "image/jpeg",
        **changed: str,
    ) -> httpx.Response:
        """Post a photo to the form's address, as a browser does."""
        return httpx.post(
            form["url"],
            data={**form["fields"], **changed},
            files={"file": ("photo.jpg", photo, of_type)},
            timeout=30,
        )

    def upload(self, headers: dict[str, str], photo: bytes, **fields: Any) -> dict[str, Any]:
        """Upload a photo and wait until it is ready or failed."""
        form = self.upload_form(headers, photo, **fields)
        sent = self.send(form, photo)
        assert sent.status_code == 204, sent.text
        return self.finished(form["uploadId"], headers)

    def finished(self, upload_id: str, headers: dict[str, str]) -> dict[str, Any]:
        """An upload once it is no longer pending."""
        deadline = time.monotonic() + 60
        while True:
            answer = self.http.get(f"/api/v1/uploads/{upload_id}", headers=headers)
            assert answer.status_code == 200, answer.text
            upload: dict[str, Any] = answer.json()
            if upload["state"] != "pending":
                return upload
            assert time.monotonic() < deadline, "the upload stays pending"
            time.sleep(0.1)

    def set_picture(self, headers: dict[str, str], upload_id: str | None) -> httpx.Response:
        """Set or, with None, remove the picture of the calling user."""
        return self.http.patch(
            "/api/v1/users/me/profile-picture", json={"uploadId": upload_id}, headers=headers
        )

    def user(self, user_id: str) -> dict[str, Any]:
        """A user as the API answers now."""
        path = f"/api/v1/shared/users/{quote(user_id, safe='')}"
        user: dict[str, Any] = self.http.get(path, headers=self.key).json()
        return user

    def picture(self, user_id: str) -> Image.Image | None:
        """The picture that a user is shown with now, if it is a custom one."""
        user = self.user(user_id)
        if not user["hasCustomProfilePicture"]:
            return None
        return Image.open(io.BytesIO(httpx.get(user["avatar"]["url"]).content)).convert("RGB")

    def aws(self, service: str) -> Any:
        """An AWS client with the rights of the account's administrator."""
        return boto3.client(  # type: ignore[call-overload]
            service,
            endpoint_url=self.stack["awsEndpointUrl"],
            region_name=self.stack["region"],
            aws_access_key_id=self.stack["accessKeyId"],
            aws_secret_access_key=self.stack["secretAccessKey"],
        )

    def resource(self, logical_id: str) -> str:
        """The name that a resource of the template has in the deployed stack."""
        answer = self.aws("cloudformation").describe_stack_resource(
            StackName=self.stack["stackName"], LogicalResourceId=logical_id
        )
        return str(answer["StackResourceDetail"]["PhysicalResourceId"])

    def failed_events(self, logical_id: str = "FailedEvents") -> list[str]:
        """What a dead-letter queue holds, which is taken out of it."""
        sqs, queue = self.aws("sqs"), self.resource(logical_id)
        bodies: list[str] = []
        while found := sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages"):
            for message in found:
                bodies.append(message["Body"])
                sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
        return bodies

    @contextmanager
    def stream_reader(self, during: dict[str, Any], after: dict[str, Any]) -> Iterator[None]:
        """Read the stream of the uploads table with other settings for a while."""
        functions = self.aws("lambda")
        table = self.stack["uploadsTable"]
        (mapping,) = (
            each
            for each in functions.list_event_source_mappings()["EventSourceMappings"]
            if f"table/{table}/" in each["EventSourceArn"]
        )
        functions.update_event_source_mapping(UUID=mapping["UUID"], **during)
        try:
            yield
        finally:
            functions.update_event_source_mapping(UUID=mapping["UUID"], **after)

    @contextmanager
    def impatient_queue(self, tries: int) -> Iterator[None]:
        """Let the clean-up queue try every second, and only so often, for a while."""
        sqs, queue = self.aws("sqs"), self.resource("CleanupQueue")
        usual = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["All"])["Attributes"]
        policy = {**json.loads(usual["RedrivePolicy"]), "maxReceiveCount": tries}
        sqs.set_queue_attributes(
            QueueUrl=queue,
            Attributes={"VisibilityTimeout": "1", "RedrivePolicy": json.dumps(policy)},
        )
        try:
            yield
        finally:
            kept = {name: usual[name] for name in ("VisibilityTimeout", "RedrivePolicy")}
            sqs.set_queue_attributes(QueueUrl=queue, Attributes=kept)

    def objects(self, prefix: str) -> set[str]:
        """The keys of the bucket's objects under a prefix."""
        paginator = self.aws("s3").get_paginator("list_objects_v2")
        pages = paginator.paginate(Bucket=self.stack["bucket"], Prefix=prefix)
        return {entry["Key"] for each in pages for entry in each.get("Contents", [])}


def create_with_id(client: Client, user_id: str) -> None:
    """A user with a certain id, in the place of whom an earlier run has left under it."""
    path = f"/api/v1/shared/users/{quote(user_id, safe='')}"
    assert client.http.delete(path, headers=client.key).status_code in (204, 404)
    assert client.create_user(id=user_id)["id"] == user_id


def eventually(condition: Any, *, seconds: float = 30) -> bool:
    """Whether a condition becomes true within a time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.2)
    return True


@pytest.fixture(scope="session")
def client(stack: dict[str, Any]) -> Client:
    """A client of the deployed service."""
    return Client(stack)


@pytest.fixture
def operator(client: Client, tmp_path: Path) -> "Operator":
    """Whoever operates the deployed service."""
    from tests.e2e.operators import Operator

    return Operator(client, tmp_path)


@pytest.fixture
def site(context: BrowserContext, client: Client, tmp_path: Path) -> "Iterator[Site]":  # noqa: F811
    """A web page of an application, and somebody new who uses it."""
    from tests.e2e.site import Site, serving

    with serving(tmp_path, client) as origin:
        yield Site(context, client, tmp_path, origin)
