"""What stays where, for how long: the sentences of SECURITY.md that the template decides."""

import hashlib
import time

import pytest
from tests.template import resource, template
from tests.unit.conftest import ROOT, Service

from vignette import settings

DAY = 24 * 60 * 60
TEXT = " ".join((ROOT / "SECURITY.md").read_text().split())


def test_an_upload_that_nobody_set_expires_a_day_after_its_photo_was_processed(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    def expires_at() -> int:
        [item] = service.dynamodb.scan(TableName="uploads")["Items"]
        return int(item["expires_at"]["N"])

    begun_at = int(time.time())
    monkeypatch.setattr(time, "time", lambda: begun_at)
    upload_id = service.create_upload(service.create_user()["id"])
    assert expires_at() == begun_at + DAY
    processed_at = begun_at + 600
    monkeypatch.setattr(time, "time", lambda: processed_at)
    service.send_photo(upload_id)
    assert expires_at() == processed_at + DAY
    monkeypatch.setattr(time, "time", lambda: processed_at + DAY)
    assert service.with_key("GET", f"/api/v1/uploads/{upload_id}").status == 404
    assert resource("UploadsTable")["TimeToLiveSpecification"]["AttributeName"] == "expires_at"
    assert "a day after its photo was processed, or after it began if no photo came" in TEXT
    assert "is not answered from then on" in TEXT


def test_deleting_a_user_takes_as_many_uploads_as_is_said() -> None:
    assert f"up to {settings.MAX_UPLOADS_DELETED_AT_ONCE} other uploads" in TEXT


def test_the_lifecycle_of_the_bucket_ends_within_three_days() -> None:
    # S3 rounds up to the next midnight, UTC, and may take a day until it deletes.
    [rule] = resource("Bucket")["LifecycleConfiguration"]["Rules"]
    assert (rule["Prefix"], rule["ExpirationInDays"]) == ("uploads/", 2)
    assert "within three days" in TEXT


def test_what_is_kept_of_a_repeatable_call_is_an_id_under_a_hash_for_a_day(
    service: Service,
) -> None:
    person = {"email": "ada@example.com", "firstName": "Ada-Name", "lastName": "Byron"}
    answer = service.call(
        "POST",
        "/api/v1/shared/users",
        person,
        token=service.secret_key,
        headers={"idempotency-key": "once"},
    )
    [kept] = service.dynamodb.scan(TableName="idempotency")["Items"]
    assert answer.json["id"] in kept["data"]["S"]
    assert not [word for word in (*person.values(), "once") if word in str(kept)]
    assert int(kept["expiration"]["N"]) <= time.time() + DAY


def test_of_a_deleted_user_a_hash_of_the_id_is_kept_for_a_month(service: Service) -> None:
    user_id = "grace@example.org"
    service.create_user(id=user_id, email=user_id, firstName="Grace")
    before = time.time()
    assert service.with_key("DELETE", "/api/v1/shared/users/grace%40example.org").status == 204
    items = service.dynamodb.scan(TableName="users")["Items"]
    [mark] = [each for each in items if not each["pk"]["S"].startswith("count#")]
    hashed = hashlib.sha256(user_id.encode()).hexdigest()
    assert mark["pk"]["S"] == f"deleted#{hashed}"
    assert mark.keys() == {"pk", "deleted_at", "expires_at"}
    days = settings.DELETED_USER_SECONDS // DAY
    assert 0 <= int(mark["expires_at"]["N"]) - int(before) - days * DAY <= 60
    assert resource("UsersTable")["TimeToLiveSpecification"]["AttributeName"] == "expires_at"
    assert f"is kept for {days} days, under a SHA-256 of the id and with the time" in TEXT
    assert "35 days, the hashes of deleted users too" in TEXT


def test_longer_copies_are_those_that_are_said() -> None:
    for name in ("UsersTable", "UploadsTable"):
        assert resource(name)["PointInTimeRecoverySpecification"]["PointInTimeRecoveryEnabled"]
    assert "PointInTimeRecoverySpecification" not in resource("IdempotencyTable")
    assert "for 35 days" in TEXT
    days = resource("FailedEvents")["MessageRetentionPeriod"] // DAY
    assert f"waits for {days} days" in TEXT
    assert resource("Logs")["RetentionInDays"] == {"Ref": "LogRetentionDays"}
    days = template()["Parameters"]["LogRetentionDays"]["Default"]
    assert f"Logs stay for {days} days" in TEXT
