"""The service deployed into MiniStack, and requests to it as API Gateway hands them over."""

import json
import shutil
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import boto3
from tests.bench import thumbnails
from tests.bench.runtime import ROOT, WORK

from vignette import settings

_START_SECONDS = 600  # the first start builds everything
_PORT = 3790


class Stack:
    """A deployed stack with one user."""

    def __init__(self, facts: Mapping[str, str]) -> None:
        self._facts = facts
        self.user_id = facts["userId"]
        self.base_url = facts["baseUrl"]

    def ready_upload(self) -> str:
        """The id of a new upload of the user, ready to become a picture."""
        upload_id = str(uuid.uuid4())
        photo = {
            "state": {"S": "ready"},
            "digest": {"S": "0" * 32},
            "width": {"N": "1024"},
            "height": {"N": "768"},
            "bytes": {"N": "100000"},
            "sizes": {"L": [{"N": str(size)} for size in settings.RENDITION_SIZES]},
            "placeholder": {"S": "3OcRJYB4d3h/iIeHeEh3eIhw+j3A"},
        }
        self._put_upload(upload_id, photo)
        return upload_id

    def photo_sent(self) -> dict[str, Any]:
        """The event of S3 for a photo of 12 megapixels that an upload of the user waits for."""
        self._put_upload(self._photo_id(), {"state": {"S": "pending"}})
        return {"Records": [{"s3": {"object": {"key": f"uploads/{self._photo_id()}"}}}]}

    @cache  # noqa: B019  (there is one stack)
    def _photo_id(self) -> str:
        """The id of an upload whose photo is in the bucket, and was processed by the stack."""
        upload_id = str(uuid.uuid4())
        self._put_upload(upload_id, {"state": {"S": "pending"}})
        body = thumbnails.PHOTOS["12 MP JPEG"]()
        key = f"uploads/{upload_id}"
        self._client("s3").put_object(Bucket=self._facts["bucket"], Key=key, Body=body)
        while self._state(upload_id) == "pending":
            time.sleep(0.1)
        return upload_id

    def _state(self, upload_id: str) -> str:
        item = self._client("dynamodb").get_item(
            TableName=self._facts["uploadsTable"], Key={"id": {"S": upload_id}}
        )["Item"]
        return str(item["state"]["S"])

    def _put_upload(self, upload_id: str, fields: Mapping[str, Any]) -> None:
        now = int(time.time())
        self._client("dynamodb").put_item(
            TableName=self._facts["uploadsTable"],
            Item={
                "id": {"S": upload_id},
                "user_id": {"S": self.user_id},
                "kind": {"S": "profile_picture"},
                "scope": {"S": "user"},
                "created_at": {"N": str(now * 1000)},
                "expires_at": {"N": str(now + 86400)},
                **fields,
            },
        )

    @cache  # noqa: B019  (there is one stack)
    def environment(self, logical_id: str) -> dict[str, str]:
        """The environment that a function has in the stack."""
        client = self._client("lambda")
        (name,) = (
            each["FunctionName"]
            for each in client.list_functions()["Functions"]
            if each["FunctionName"].startswith(f"{self._facts['stackName']}-{logical_id}-")
        )
        configured = client.get_function_configuration(FunctionName=name)["Environment"]
        return {
            **configured["Variables"],
            "AWS_ACCESS_KEY_ID": self._facts["accessKeyId"],
            "AWS_SECRET_ACCESS_KEY": self._facts["secretAccessKey"],
            "AWS_REGION": self._facts["region"],
            "AWS_DEFAULT_REGION": self._facts["region"],
            "AWS_ENDPOINT_URL": self._facts["awsEndpointUrl"],
        }

    def event(self, route: str, credentials: str, body: Any) -> dict[str, Any]:
        """A request with the secret `key` or the user's `token`, about the user or a new upload."""
        method, path = route.split()
        token = self._facts[{"key": "secretKey", "token": "userToken"}[credentials]]
        content = json.dumps(body)
        ids = {"user_id": self.user_id}
        if "{upload_id}" in path + content:
            ids["upload_id"] = self.ready_upload()
        return {
            "version": "2.0",
            "routeKey": route,
            "rawPath": path.format(**ids),
            "rawQueryString": "",
            "headers": {
                "authorization": f"Bearer {token}",
                "content-type": "application/json",
                "host": "api.example.com",
            },
            "requestContext": {
                "accountId": "000000000000",
                "apiId": "bench",
                "domainName": "api.example.com",
                "requestId": uuid.uuid4().hex,
                "stage": "$default",
                "http": {
                    "method": method,
                    "path": path.format(**ids),
                    "protocol": "HTTP/1.1",
                    "sourceIp": "192.0.2.1",
                    "userAgent": "bench",
                },
            },
            "pathParameters": ids,
            "body": content.replace("{upload_id}", ids.get("upload_id", "")) if body else None,
            "isBase64Encoded": False,
        }

    def _client(self, service: str) -> Any:
        return boto3.client(  # type: ignore[call-overload]
            service,
            endpoint_url=self._facts["awsEndpointUrl"],
            region_name=self._facts["region"],
            aws_access_key_id=self._facts["accessKeyId"],
            aws_secret_access_key=self._facts["secretAccessKey"],
        )


@contextmanager
def running() -> Iterator[Stack]:
    """A stack of the bench's own, built and deployed from what is in the checkout, and empty.

    MiniStack answers the later, now and then, the more it has kept.
    """
    state = WORK / "stack"
    shutil.rmtree(state, ignore_errors=True)
    facts = state / "stack.json"
    state.mkdir(parents=True, exist_ok=True)
    output = state / "output.log"
    with output.open("w") as log:
        process = subprocess.Popen(
            [
                *(sys.executable, "local/bootstrap.py", "ministack", "sam", "lambda", "--"),
                *("local/stack.py", "--state", str(state), "--port", str(_PORT)),
            ],
            cwd=ROOT,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        deadline = time.monotonic() + _START_SECONDS
        while not facts.exists():
            assert process.poll() is None, Path(output).read_text()
            assert time.monotonic() < deadline, Path(output).read_text()
            time.sleep(0.2)
        yield Stack(json.loads(facts.read_text()))
    finally:
        process.terminate()
        process.wait(60)
