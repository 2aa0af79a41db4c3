"""Tables are restored to a moment, set up like the ones that they stand in for."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.unit.conftest import Service
from tools.deployment import Deployment, Failed
from tools.restore import Restore, moment

AT = datetime(2026, 11, 25, 2, 30, tzinfo=UTC)
OUTPUTS = {"UsersTable": "users", "UploadsTable": "uploads"}


@pytest.fixture
def restore(service: Service, monkeypatch: pytest.MonkeyPatch) -> Restore:
    target = Deployment("vignette", {})
    monkeypatch.setitem(vars(target), "outputs", OUTPUTS)
    for name in OUTPUTS.values():
        service.dynamodb.update_continuous_backups(
            TableName=name,
            PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True},
        )
    return Restore(target, AT)


def settings_of(service: Service, name: str) -> dict[str, Any]:
    dynamodb = service.dynamodb
    table = dynamodb.describe_table(TableName=name)["Table"]
    backups = dynamodb.describe_continuous_backups(TableName=name)["ContinuousBackupsDescription"]
    return {
        "stream": table.get("StreamSpecification", {}).get("StreamViewType"),
        "backups": backups["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"],
        "expiry": dynamodb.describe_time_to_live(TableName=name)["TimeToLiveDescription"],
    }


def test_restored_tables_hold_the_items_and_are_set_up(restore: Restore, service: Service) -> None:
    user_id, upload_id = service.user_with_picture()
    for _ in range(2):  # interrupted and repeated
        users, uploads = restore.begin("UsersTable"), restore.begin("UploadsTable")
        restore.finish(users, stream=False)
        description = restore.finish(uploads, stream=True)
    assert (users, uploads) == (
        "vignette-UsersTable-20261125T023000Z",
        "vignette-UploadsTable-20261125T023000Z",
    )
    found = service.dynamodb.get_item(TableName=users, Key={"pk": {"S": f"user#{user_id}"}})
    assert "Item" in found
    assert upload_id in str(service.dynamodb.scan(TableName=uploads)["Items"])
    expiry = {"AttributeName": "expires_at", "TimeToLiveStatus": "ENABLED"}
    common = {"backups": "ENABLED", "expiry": expiry}
    assert settings_of(service, users) == {**common, "stream": None}
    assert settings_of(service, uploads) == {**common, "stream": "NEW_IMAGE"}
    assert uploads in description["LatestStreamArn"]


@pytest.mark.parametrize("text", ["", "yesterday", "2026-13-01"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(Failed, match="such as"):
        moment(text)


def test_a_moment_to_come_is_refused() -> None:
    with pytest.raises(Failed, match="future"):
        moment((datetime.now(UTC) + timedelta(minutes=1)).isoformat())


@pytest.mark.parametrize(
    "text", ["2026-11-25T02:30:00Z", "2026-11-25T02:30", "2026-11-25T03:30:00+01:00"]
)
def test_a_moment_is_in_utc_unless_it_says_otherwise(text: str) -> None:
    assert moment(text) == AT
