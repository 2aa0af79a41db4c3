"""Presigned requests: what a form allows, and that S3 accepts form and picture address."""

import base64
import hashlib
import hmac
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from botocore.config import Config
from tests.unit.conftest import REGION, Service, new_environment

NOW = datetime(2026, 3, 4, 5, 6, 7)
MAX_BYTES = 10 * 1024 * 1024


@dataclass(frozen=True)
class Form:
    """A form, with its policy read."""

    upload_id: str
    url: str
    fields: dict[str, str]
    expires_at: datetime

    @property
    def policy(self) -> Any:
        return json.loads(base64.b64decode(self.fields["policy"]))


@pytest.fixture(params=["a user's credentials", "a role's credentials"])
def credentials(request: pytest.FixtureRequest, service: Service) -> Iterator[None]:
    """The functions' credentials: a role's come with a session token."""
    with pytest.MonkeyPatch.context() as environment:
        if request.param == "a role's credentials":
            environment.setenv("AWS_ACCESS_KEY_ID", "ASIAEXAMPLE")
            environment.setenv("AWS_SESSION_TOKEN", "session/token+=")
        new_environment()
        yield
    new_environment()


@pytest.fixture
def frozen(monkeypatch: pytest.MonkeyPatch) -> None:
    """The time at which botocore signs is `NOW`."""
    monkeypatch.setattr("botocore.auth.get_current_datetime", lambda: NOW)
    monkeypatch.setattr("botocore.signers.get_current_datetime", lambda: NOW)


def ask_for_form(service: Service, content_type: str = "image/jpeg") -> Form:
    body = {
        "kind": "profile_picture",
        "contentType": content_type,
        "contentLength": 1,
        "userId": service.create_user()["id"],
    }
    answer = service.with_key("POST", "/api/v1/uploads", body)
    assert answer.status == 201, answer.json
    return Form(
        answer.json["uploadId"],
        answer.json["url"],
        answer.json["fields"],
        datetime.fromisoformat(answer.json["expiresAt"]),
    )


def boto3s_client() -> Any:
    """A client that signs as the functions do, made as boto3's users make it."""
    config = Config(signature_version="s3v4", s3={"addressing_style": "virtual"})
    return boto3.Session().client("s3", region_name=REGION, config=config)


def signed(policy: str, secret: str, date: str) -> str:
    """The signature of a policy (Amazon S3 API reference, "Calculating a signature")."""
    key = f"AWS4{secret}".encode()
    for part in (date, REGION, "s3", "aws4_request"):
        key = hmac.digest(key, part.encode(), hashlib.sha256)
    return hmac.digest(key, policy.encode(), hashlib.sha256).hex()


def in_any_order(conditions: list[Any]) -> list[str]:
    return sorted(json.dumps(each) for each in conditions)


@pytest.mark.parametrize("content_type", ["image/jpeg", "image/heic", "application/octet-stream"])
def test_a_form_pins_bucket_key_type_and_size(service: Service, content_type: str) -> None:
    form = ask_for_form(service, content_type)
    assert form.fields["key"] == f"uploads/{form.upload_id}"
    assert form.fields["Content-Type"] == content_type
    pinned = [each for each in form.policy["conditions"] if not str(each).startswith("{'x-amz")]
    assert in_any_order(pinned) == in_any_order(
        [
            {"bucket": "pictures"},
            {"key": f"uploads/{form.upload_id}"},
            {"Content-Type": content_type},
            ["content-length-range", 1, MAX_BYTES],
        ]
    )


def test_a_form_lasts_fifteen_minutes(service: Service) -> None:
    before = datetime.now(UTC)
    form = ask_for_form(service)
    assert before < form.expires_at - timedelta(minutes=15) + timedelta(milliseconds=1)
    assert form.expires_at - timedelta(minutes=15) < datetime.now(UTC)
    enforced = datetime.fromisoformat(form.policy["expiration"])
    assert enforced == form.expires_at.replace(microsecond=0)


@pytest.mark.usefixtures("frozen", "credentials")
def test_a_form_is_the_one_that_boto3_would_make(service: Service) -> None:
    form = ask_for_form(service)
    client = boto3s_client()
    expected = client.generate_presigned_post(
        "pictures",
        form.fields["key"],
        Fields={"Content-Type": "image/jpeg"},
        Conditions=[{"Content-Type": "image/jpeg"}, ["content-length-range", 1, MAX_BYTES]],
        ExpiresIn=15 * 60,
    )
    # The order of a policy's conditions is free, so the policies are compared as sets.
    own = ("policy", "x-amz-signature")
    assert form.url.rstrip("/") == expected["url"].rstrip("/")
    assert {name: value for name, value in form.fields.items() if name not in own} == {
        name: value for name, value in expected["fields"].items() if name not in own
    }
    policy = json.loads(base64.b64decode(expected["fields"]["policy"]))
    assert in_any_order(form.policy["conditions"]) == in_any_order(policy["conditions"])
    assert form.fields["x-amz-signature"] == signed(form.fields["policy"], "testing", "20260304")
    assert expected["fields"]["x-amz-signature"] == signed(
        expected["fields"]["policy"], "testing", "20260304"
    )


@pytest.mark.usefixtures("frozen", "credentials")
def test_a_picture_address_is_the_one_that_boto3_would_make(service: Service) -> None:
    user_id, upload_id = service.user_with_picture()
    [key] = [key for key in service.objects() if key.endswith("/256.webp")]
    address = boto3s_client().generate_presigned_url(
        "get_object", Params={"Bucket": "pictures", "Key": key}, ExpiresIn=60 * 60
    )
    assert service.read_user(user_id)["profilePictureUrl"] == address
    assert address in {each["url"] for each in service.read_upload(upload_id)["renditions"]}


def test_a_picture_address_stays_the_same_for_a_minute(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    def address(seconds: int) -> str:
        now = NOW.replace(second=0) + timedelta(seconds=seconds)
        monkeypatch.setattr("botocore.auth.get_current_datetime", lambda: now)
        monkeypatch.setattr("time.time", now.timestamp)
        return str(service.read_user(user_id)["profilePictureUrl"])

    user_id, _ = service.user_with_picture()
    assert address(1) == address(59)
    assert address(60) not in (address(1), address(120))


@pytest.mark.parametrize(
    ("region", "host"),
    [
        ("us-east-1", "pictures.s3.us-east-1.amazonaws.com"),
        ("cn-north-1", "pictures.s3.cn-north-1.amazonaws.com.cn"),
    ],
)
def test_addresses_are_those_of_the_region(
    service: Service, monkeypatch: pytest.MonkeyPatch, region: str, host: str
) -> None:
    user_id, _ = service.user_with_picture()
    monkeypatch.setenv("AWS_REGION", region)
    assert ask_for_form(service).url == f"https://{host}"
    assert service.read_user(user_id)["profilePictureUrl"].startswith(f"https://{host}/renditions/")


def test_addresses_follow_another_endpoint(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    user_id, _ = service.user_with_picture()
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://localhost:4566/")
    assert ask_for_form(service).url == "http://localhost:4566/pictures"
    picture = service.read_user(user_id)["profilePictureUrl"]
    assert picture.startswith("http://localhost:4566/pictures/renditions/")


def test_what_is_presigned_costs_no_call(service: Service) -> None:
    user_id, upload_id = service.user_with_picture()
    service.calls.clear()
    ask = {"kind": "profile_picture", "contentType": "image/png", "contentLength": 1}
    service.as_user(user_id, "POST", "/api/v1/uploads", ask)
    service.as_user(user_id, "GET", "/api/v1/users/me")
    service.as_user(user_id, "GET", f"/api/v1/uploads/{upload_id}")
    assert service.calls == ["TransactWriteItems", "GetItem", "BatchGetItem"]
