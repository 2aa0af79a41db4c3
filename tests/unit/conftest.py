"""AWS in memory, made from template.yaml, and the functions called as API Gateway calls them."""

import base64
import importlib.util
import io
import json
import os
import pickle
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import TYPE_CHECKING, Any

import boto3
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from moto import backend_index, backends, mock_aws
from moto.core.botocore_stubber import BotocoreStubber
from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.s3.models import s3_backends
from tests.template import functions, resource, routes, template

if TYPE_CHECKING:
    from tests.unit.clerk import Clerk

ROOT = Path(__file__).parent.parent.parent
REGION = "eu-central-1"
ISSUER = "https://id.example.com"
AUDIENCE = "vignette"
NOBODY = "b7d1f9a2-5c3e-4f60-9a1d-0e8c2b7a4d55"  # an id that nothing has
SECRET_KEY = uuid.uuid4().hex
PHOTO = (ROOT / "tests" / "photos" / "astronaut.jpg").read_bytes()

RSA_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
EC_KEY = ec.generate_private_key(ec.SECP256R1())
JWKS = {
    "keys": [
        {
            **jwt.algorithms.RSAAlgorithm.to_jwk(RSA_KEY.public_key(), as_dict=True),
            "kid": "rsa-key",
        },
        {**jwt.algorithms.ECAlgorithm.to_jwk(EC_KEY.public_key(), as_dict=True), "kid": "ec-key"},
    ]
}
ADMIN_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
ADMIN_JWKS = {
    "keys": [
        {
            **jwt.algorithms.RSAAlgorithm.to_jwk(ADMIN_KEY.public_key(), as_dict=True),
            "kid": "admin-key",
        }
    ]
}
APP_ID = "test-app"
ENVIRONMENT = {
    "ADMIN_API_APP_ID": APP_ID,
    "ADMIN_API_JWKS": json.dumps(ADMIN_JWKS),
    "AWS_REGION": REGION,
    "AWS_DEFAULT_REGION": REGION,
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "IDEMPOTENCY_TABLE": "idempotency",
    "USERS_TABLE": "users",
    "UPLOADS_TABLE": "uploads",
    "BUCKET": "pictures",
    "JWT_ISSUER": ISSUER,
    "JWT_AUDIENCE": AUDIENCE,
    "JWT_JWKS": json.dumps(JWKS),
    "CREATE_USERS_FROM_TOKENS": "true",
    "POWERTOOLS_METRICS_NAMESPACE": "Vignette",
    "PICTURES_ORIGIN": "",
    "POWERTOOLS_SERVICE_NAME": "test",
    "PUBLIC_ORIGIN": "",
    "PUBLIC_PICTURES": "true",
    "FACE_FRAMING": "true",
}
# What a deployed service's state is in, and under which name of a region moto has that.
BACKENDS = {"dynamodb": REGION, "s3": "aws", "secretsmanager": REGION}
# Moto looks for each request's address among those of all services that there are, one by one.
backend_index.backend_url_patterns = [
    (name, pattern)
    for name, pattern in backend_index.backend_url_patterns
    if name in {*BACKENDS, "sqs"}
]
# Powertools reads these when a function is imported, which any test may be the first to do.
os.environ |= {name: value for name, value in ENVIRONMENT.items() if name.startswith("POWERTOOLS_")}


@dataclass
class LambdaContext:
    """What the Lambda runtime passes beside the event."""

    function_name: str = "test"
    memory_limit_in_mb: int = 1024
    invoked_function_arn: str = f"arn:aws:lambda:{REGION}:123456789012:function:test"
    aws_request_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    remaining_milliseconds: int = 10_000

    def get_remaining_time_in_millis(self) -> int:
        return self.remaining_milliseconds


@dataclass(frozen=True)
class Answer:
    """A response, with its body, and what that says where it is JSON."""

    status: int
    headers: dict[str, str]
    json: Any
    content: bytes = b""

    @property
    def code(self) -> Any:
        """The `code` of a problem document."""
        return self.json["code"]

    @property
    def fields(self) -> dict[str, str]:
        """The fields that a problem document names, each with its code."""
        return {each["field"]: each["code"] for each in self.json["errors"]}


class Service:
    """The deployed service: its tables and bucket, and its functions by route.

    `calls` are the operations of AWS that the functions have called.
    """

    def __init__(self) -> None:
        self.dynamodb = _admin("dynamodb")
        self.s3 = _admin("s3")
        self.secrets = _admin("secretsmanager")
        self.sqs = _admin("sqs")
        self.secret_key = SECRET_KEY
        self.calls: list[str] = []
        self._interruptions: list[tuple[str, Callable[[], object]]] = []
        self._answers: dict[str, AwsAnswer | Exception | None] = {}

    def invoke(self, name: str, event: dict[str, Any]) -> Any:
        """Call a function with an event."""
        seconds = functions()[name].get("Timeout", template()["Globals"]["Function"]["Timeout"])
        return handlers(name).handler(event, LambdaContext(remaining_milliseconds=seconds * 1000))

    def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        token: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> Answer:
        """Send a request through the route that API Gateway would choose; None sends no token."""
        path, _, query = path.partition("?")
        route, name, parameters = routes().match(method, path)
        content = body if isinstance(body, (bytes, str)) or body is None else json.dumps(body)
        encoded = isinstance(content, bytes)
        event = {
            "version": "2.0",
            "routeKey": route,
            "rawPath": path,
            "rawQueryString": query,
            "headers": {
                **({"authorization": f"Bearer {token}"} if token is not None else {}),
                **(headers or {}),
            },
            "requestContext": {
                "requestId": uuid.uuid4().hex,
                "domainName": "api.example.com",
                "http": {"method": method, "path": path, "sourceIp": "192.0.2.1"},
            },
            "pathParameters": parameters,
            "body": base64.b64encode(content).decode() if isinstance(content, bytes) else content,
            "isBase64Encoded": encoded,
        }
        answer = self.invoke(name, event)
        text = answer.get("body") or ""
        sent = base64.b64decode(text) if answer.get("isBase64Encoded") else text.encode()
        is_json = sent and "json" in answer["headers"]["content-type"]
        document = json.loads(sent) if is_json else None
        return Answer(answer["statusCode"], answer["headers"], document, sent)

    def with_key(self, method: str, path: str, body: Any = None) -> Answer:
        """Send a request as the holder of the secret key."""
        return self.call(method, path, body, token=self.secret_key)

    def as_user(self, user_id: str, method: str, path: str, body: Any = None) -> Answer:
        """Send a request as a user."""
        return self.call(method, path, body, token=self.token(user_id))

    def token(self, user_id: str, **claims: Any) -> str:
        """A user's token, with claims replaced or, where None, left out."""
        return jwt.encode(
            self.claims(user_id, **claims), RSA_KEY, "RS256", headers={"kid": "rsa-key"}
        )

    def claims(self, user_id: str, **claims: Any) -> dict[str, Any]:
        """The claims of a user's token."""
        now = int(time.time())
        payload = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": user_id,
            "iat": now,
            "nbf": now,
            "exp": now + 300,
            **claims,
        }
        return {name: value for name, value in payload.items() if value is not None}

    def create_user(self, **fields: Any) -> dict[str, Any]:
        """A new user, with a unique e-mail address where none is given."""
        body = {
            "email": f"{uuid.uuid4().hex}@example.com",
            "firstName": "Ada",
            "lastName": "Lovelace",
            **fields,
        }
        answer = self.with_key("POST", "/api/v1/shared/users", body)
        assert answer.status == 201, answer.json
        user: dict[str, Any] = answer.json
        return user

    def read_user(self, user_id: str) -> dict[str, Any]:
        """A user as the API answers it."""
        answer = self.with_key("GET", f"/api/v1/shared/users/{user_id}")
        assert answer.status == 200, answer.json
        user: dict[str, Any] = answer.json
        return user

    def create_upload(self, user_id: str, **fields: Any) -> str:
        """A new pending upload of a user."""
        body = {
            "kind": "profile_picture",
            "contentType": "image/jpeg",
            "contentLength": len(PHOTO),
            "userId": user_id,
            **fields,
        }
        answer = self.with_key("POST", "/api/v1/uploads", body)
        assert answer.status == 201, answer.json
        return str(answer.json["uploadId"])

    def read_upload(self, upload_id: str) -> dict[str, Any]:
        """An upload as the API answers it."""
        answer = self.with_key("GET", f"/api/v1/uploads/{upload_id}")
        assert answer.status == 200, answer.json
        upload: dict[str, Any] = answer.json
        return upload

    def alter_upload(self, upload_id: str, **values: Any) -> None:
        """Change an upload's record behind the service's back."""
        self.dynamodb.update_item(
            TableName="uploads",
            Key={"id": {"S": upload_id}},
            AttributeUpdates={
                name: {"Value": {"N": str(value)} if isinstance(value, int) else {"S": value}}
                for name, value in values.items()
            },
        )

    def put_photo(self, upload_id: str, photo: bytes = PHOTO) -> None:
        """Store a photo as a client's form would."""
        self.s3.put_object(Bucket="pictures", Key=f"uploads/{upload_id}", Body=photo)

    def deliver(self, upload_id: str) -> None:
        """Deliver the event that S3 sends for an upload's photo."""
        key = f"uploads/{upload_id}"
        self.invoke("thumbnails", {"Records": [{"s3": {"object": {"key": key}}}]})

    def give_up(self, upload_id: str) -> None:
        """Deliver what Lambda tells of an upload whose photo could not be processed."""
        event = {"Records": [{"s3": {"object": {"key": f"uploads/{upload_id}"}}}]}
        self.invoke("failed_photos", {"requestPayload": event})

    def send_photo(self, upload_id: str, photo: bytes = PHOTO) -> None:
        """Store a photo, and deliver the event of S3."""
        self.put_photo(upload_id, photo)
        self.deliver(upload_id)

    def ready_upload(self, user_id: str, **fields: Any) -> str:
        """A new upload of a user, whose photo is processed."""
        upload_id = self.create_upload(user_id, **fields)
        self.send_photo(upload_id)
        return upload_id

    def delete_upload(self, upload_id: str) -> None:
        """Delete an upload, and what is stored of it."""
        self.with_key("DELETE", f"/api/v1/uploads/{upload_id}")
        self.deliver_removal(upload_id)

    def set_picture(self, user_id: str, upload_id: str | None) -> Answer:
        """Make an upload a user's picture, or remove the picture."""
        path = f"/api/v1/shared/users/{user_id}/profile-picture"
        return self.with_key("PATCH", path, {"uploadId": upload_id})

    def user_with_picture(self) -> tuple[str, str]:
        """The ids of a new user and of the upload that is their picture."""
        user_id = self.create_user()["id"]
        upload_id = self.ready_upload(user_id)
        assert self.set_picture(user_id, upload_id).status == 200
        return user_id, upload_id

    def deliver_removal(self, *upload_ids: str) -> Any:
        """Deliver what the stream of the uploads table sends for records that are gone."""
        records = [
            {
                "eventID": uuid.uuid4().hex,
                "eventName": "REMOVE",
                "eventSource": "aws:dynamodb",
                "dynamodb": {"Keys": {"id": {"S": each}}, "SequenceNumber": str(at)},
            }
            for at, each in enumerate(upload_ids, 1)
        ]
        return self.invoke("cleanup", {"Records": records})

    def postponed(self) -> list[dict[str, Any]]:
        """The records of an event with what the clean-up queue holds, which is taken out of it."""
        queue = {"QueueUrl": os.environ["CLEANUP_QUEUE_URL"]}
        found = self.sqs.receive_message(**queue, MaxNumberOfMessages=10).get("Messages", [])
        for each in found:
            self.sqs.delete_message(**queue, ReceiptHandle=each["ReceiptHandle"])
        return [
            {"messageId": each["MessageId"], "body": each["Body"], "eventSource": "aws:sqs"}
            for each in found
        ]

    def objects(self) -> dict[str, str]:
        """The keys of all objects in the bucket, each with what tells its bytes apart."""
        found = self.s3.list_objects_v2(Bucket="pictures").get("Contents", [])
        return {entry["Key"]: entry["ETag"] for entry in found}

    def upload_ids(self) -> set[str]:
        """The ids of all upload records."""
        return {item["id"]["S"] for item in self.dynamodb.scan(TableName="uploads")["Items"]}

    def everything(self) -> str:
        """All that the tables hold."""
        return json.dumps(
            [self.dynamodb.scan(TableName=name)["Items"] for name in ("users", "uploads")]
        )

    def meanwhile(self, operation: str, action: Callable[[], object]) -> None:
        """Do something once, just before a function next calls an operation of AWS."""
        self._interruptions.append((operation, action))

    def let_aws_answer(self, target: str, answer: "AwsAnswer | Exception | None") -> None:
        """Answer every call of an operation or a service from now on; None stops that."""
        self._answers[target] = answer

    def on_call(self, model: Any) -> "AwsAnswer | None":
        """Called by botocore before every call of a function; None lets it go on."""
        self.calls.append(model.name)
        for interruption in self._interruptions:
            operation, action = interruption
            if operation == model.name:
                self._interruptions.remove(interruption)
                action()
                break
        for target in (model.name, model.service_model.service_name):
            answer = self._answers.get(target)
            if isinstance(answer, Exception):
                raise answer
            if answer:
                return answer
        return None


# What botocore passes on: the status, and the parsed body.
type AwsAnswer = tuple[SimpleNamespace, dict[str, Any]]


def aws_answer(**content: Any) -> AwsAnswer:
    """A successful answer of AWS."""
    return SimpleNamespace(status_code=200), content


def aws_error(code: str, status: int = 400, **content: Any) -> AwsAnswer:
    """An answer of AWS that is an error."""
    error = {"Code": code, "Message": "from a test"}
    metadata = {"HTTPStatusCode": status}
    return SimpleNamespace(status_code=status), {
        "Error": error,
        "ResponseMetadata": metadata,
        **content,
    }


@cache
def handlers(name: str) -> ModuleType:
    """The handler module of functions/NAME."""
    path = ROOT / "functions" / name / "app.py"
    spec = importlib.util.spec_from_file_location(f"functions.{name}.app", path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@cache
def _admin(service: str) -> Any:
    """A client of the tests' own, whose calls are not counted."""
    return boto3.Session(region_name=REGION).client(service)  # type: ignore[call-overload]


_deployed: list[Service] = []


@cache
def _observed_session() -> None:
    """Have the functions' session, which lives as long as the tests, tell of every call."""
    from vignette.adapters import aws

    hooks: Any = aws.session().events
    hooks.register("before-call", lambda model, **_: _deployed[-1].on_call(model))


def new_environment() -> None:
    """Make the next invocation one of a new execution environment: nothing is cached."""
    from vignette.adapters import aws

    aws.session.cache_clear()
    aws.client.cache_clear()
    _observed_session.cache_clear()
    _observed_session()
    forget_keys()


def forget_keys() -> None:
    """Let the functions forget the secret key and the issuer's keys."""
    from vignette.adapters import secret
    from vignette.http import access

    secret._provider.cache_clear()
    secret._refreshed_at = float("-inf")
    access._remote.cache_clear()


def _answer_in_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let moto answer one call after the other, since it was not made for threads.

    When a transaction fails it restores whole tables, without what another thread has written
    meanwhile, and it closes an object that is deleted while another thread still writes it.
    """
    lock, answer = threading.RLock(), BotocoreStubber.process_request

    def answer_in_turn(stubber: BotocoreStubber, request: Any) -> Any:
        with lock:
            return answer(stubber, request)

    monkeypatch.setattr(BotocoreStubber, "process_request", answer_in_turn)


def _create_table(name: str, properties: dict[str, Any]) -> None:
    wanted = ("AttributeDefinitions", "KeySchema", "BillingMode")
    indexes = [
        {key: each[key] for key in ("IndexName", "KeySchema", "Projection")}
        for each in properties.get("GlobalSecondaryIndexes", [])
    ]
    _admin("dynamodb").create_table(
        TableName=name,
        **{key: properties[key] for key in wanted},
        **({"GlobalSecondaryIndexes": indexes} if indexes else {}),
    )


@cache
def _fresh_state() -> tuple[str, dict[str, bytes]]:
    """The ARN of the secret key, and what moto holds once the service is deployed, pickled.

    To deploy it anew for every test takes four times as long, which was a fifth of all tests.
    """
    with mock_aws():
        _create_table("idempotency", resource("IdempotencyTable"))
        _create_table("users", resource("UsersTable"))
        _create_table("uploads", resource("UploadsTable"))
        _admin("s3").create_bucket(
            Bucket="pictures", CreateBucketConfiguration={"LocationConstraint": REGION}
        )
        arn = _admin("secretsmanager").create_secret(Name="key", SecretString=SECRET_KEY)["ARN"]
        return arn, {name: pickle.dumps(vars(_backend(name))) for name in BACKENDS}


def _backend(name: str) -> Any:
    """What moto holds of a service of AWS."""
    found: Any = backends.get_backend(name)  # type: ignore[call-overload]
    return found[DEFAULT_ACCOUNT_ID][BACKENDS[name]]


@contextmanager
def deployed_service(monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    """A freshly deployed service; its environment variables are those of this process."""
    arn, state = _fresh_state()
    with mock_aws():
        for name, value in ENVIRONMENT.items():
            monkeypatch.setenv(name, value)
        monkeypatch.delenv("AWS_SESSION_TOKEN", raising=False)
        monkeypatch.setenv("SECRET_KEY_ARN", arn)
        for name, pickled in state.items():
            vars(_backend(name)).update(pickle.loads(pickled))
        s3_backends.bucket_accounts["pictures"] = (BACKENDS["s3"], DEFAULT_ACCOUNT_ID)
        _answer_in_turn(monkeypatch)
        _observed_session()
        forget_keys()
        deployed = Service()
        _deployed.append(deployed)
        queue = deployed.sqs.create_queue(QueueName="cleanups")["QueueUrl"]
        monkeypatch.setenv("CLEANUP_QUEUE_URL", queue)
        yield deployed
        _deployed.remove(deployed)


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    """A freshly deployed service."""
    with deployed_service(monkeypatch) as deployed:
        yield deployed


@pytest.fixture
def clerk(service: Service) -> "Clerk":
    """A back end that calls Clerk's Backend API."""
    from tests.unit.clerk import Clerk

    return Clerk(service)


type Output = Callable[[], str]


def entries(written: str) -> list[dict[str, Any]]:
    """What is written as JSON, a line each."""
    return [json.loads(line) for line in written.splitlines() if line.startswith("{")]


class CurrentOutput(io.TextIOBase):
    """What is the output when something is written; pytest changes it within a test."""

    def write(self, text: str) -> int:
        return sys.stdout.write(text)


@pytest.fixture
def output(
    service: Service, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> Iterator[Output]:
    """What the functions have written to their log since it was last asked for."""
    from vignette.runtime.telemetry import logger

    handler: Any = logger.registered_handler
    before, handler.stream = handler.stream, CurrentOutput()

    def read() -> str:
        written = capsys.readouterr()
        return written.out + written.err + caplog.text

    yield read
    handler.stream = before
