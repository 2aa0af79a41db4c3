"""Restore the tables as they were at a moment, into new tables that a deployment can adopt.

    python -m tools.restore AT [--stack NAME]

is `make restore AT=2026-11-25T02:30:00Z`. DynamoDB restores into new tables only, without the
stream, the expiry and the backups of the old ones, which are set up here. Nothing of the running
service changes: it goes on with its own tables until a deployment names the new ones. What is there
already is not done again, so the command can be interrupted and repeated.
"""

import sys
import time
from datetime import UTC, datetime
from typing import Any

from tools import deployment
from tools.deployment import Deployment, Failed

_POLL_SECONDS = 10.0
_TELL_SECONDS = 60.0
_USERS, _UPLOADS = "UsersTable", "UploadsTable"


def moment(text: str) -> datetime:
    """The time that a text says, in UTC if it says no zone.

    Raises:
        Failed: It says none, or one that is to come.
    """
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise Failed("AT has to be a time such as 2026-11-25T02:30:00Z.") from None
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    if at > datetime.now(UTC):
        raise Failed("AT is in the future.")
    return at.astimezone(UTC)


class Restore:
    """Restores tables of a stack."""

    def __init__(self, target: Deployment, at: datetime) -> None:
        self._dynamodb = target.client("dynamodb")
        self._target = target
        self._at = at

    def begin(self, output: str) -> str:
        """Have a table restored, if it is not yet; the name of the new one."""
        source = self._target.outputs[output]
        name = f"{self._target.stack_name}-{output}-{self._at:%Y%m%dT%H%M%SZ}"
        if self._describe(name) is None:
            self._dynamodb.restore_table_to_point_in_time(
                SourceTableName=source, TargetTableName=name, RestoreDateTime=self._at
            )
            deployment.say(f"{name} is being restored from {source}")
        return name

    def finish(self, name: str, *, stream: bool) -> Any:  # noqa: ANN401
        """Wait until a table is there, and set it up; its description."""
        self._wait_until_active(name)
        backups = self._dynamodb.describe_continuous_backups(TableName=name)
        backups = backups["ContinuousBackupsDescription"]["PointInTimeRecoveryDescription"]
        if backups["PointInTimeRecoveryStatus"] != "ENABLED":
            self._dynamodb.update_continuous_backups(
                TableName=name,
                PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True},
            )
        expiry = self._dynamodb.describe_time_to_live(TableName=name)["TimeToLiveDescription"]
        if expiry["TimeToLiveStatus"] not in ("ENABLED", "ENABLING"):
            self._dynamodb.update_time_to_live(
                TableName=name,
                TimeToLiveSpecification={"AttributeName": "expires_at", "Enabled": True},
            )
        if stream and not self._describe(name).get("StreamSpecification", {}).get("StreamEnabled"):
            self._dynamodb.update_table(
                TableName=name,
                StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"},
            )
            self._wait_until_active(name)
        return self._describe(name)

    def _wait_until_active(self, name: str) -> None:
        began = told = time.monotonic()
        while (table := self._describe(name)) is None or table["TableStatus"] != "ACTIVE":
            time.sleep(_POLL_SECONDS)
            if time.monotonic() - told > _TELL_SECONDS:
                told = time.monotonic()
                deployment.say(f"{name} is not there yet, after {told - began:.0f} s")

    def _describe(self, name: str) -> Any:  # noqa: ANN401
        try:
            return self._dynamodb.describe_table(TableName=name)["Table"]
        except self._dynamodb.exceptions.ResourceNotFoundException:
            return None


def main() -> int:
    """Restore both tables and print what adopts them; return the exit status."""
    options = deployment.parser(__doc__)
    options.add_argument("at", help="the moment, as 2026-11-25T02:30:00Z")
    given = options.parse_args()
    restore = Restore(deployment.find(given.stack), moment(given.at))
    names = [restore.begin(output) for output in (_USERS, _UPLOADS)]
    restore.finish(names[0], stream=False)
    uploads = restore.finish(names[1], stream=True)
    deployment.say(
        "Both tables are there; the service goes on with its own. To adopt them, add this"
    )
    deployment.say("to parameter_overrides in samconfig.toml, then make deploy, and make sweep:")
    print(f'ExistingUsersTable = "{names[0]}"')
    print(f'ExistingUploadsTable = "{names[1]}"')
    print(f'ExistingUploadsStreamArn = "{uploads["LatestStreamArn"]}"')
    return 0


if __name__ == "__main__":
    sys.exit(deployment.run(main))
