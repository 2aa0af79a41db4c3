"""Store a new secret key; the one before it is accepted until the next rotation.

    python -m tools.rotate_key [--revoke] [--stack NAME]

is `make rotate-key`. The key is made by Secrets Manager and printed nowhere. Run again within an
hour it changes nothing, for that would take the key away that callers are still changing over from.
`--revoke` is for a key that has leaked: it stores two new ones, so that no older key is left.
"""

import json
import sys
import time
from datetime import UTC, datetime, timedelta
from typing import Any

from tools import deployment
from tools.deployment import Deployment, Failed
from tools.smoke import Service

CHANGE_OVER = timedelta(hours=1)
_ACCEPTED_SECONDS = 30


def age_of_rotation(secrets: Any, arn: str) -> timedelta | None:  # noqa: ANN401
    """How long ago the key was rotated, or None if it never was."""
    versions = secrets.list_secret_version_ids(SecretId=arn)["Versions"]
    by_stage = {stage: each for each in versions for stage in each["VersionStages"]}
    if "AWSPREVIOUS" not in by_stage:
        return None
    created: datetime = by_stage["AWSCURRENT"]["CreatedDate"]
    return datetime.now(UTC) - created


def rotate(secrets: Any, arn: str) -> str:  # noqa: ANN401
    """Store a new key and return it."""
    key = str(
        secrets.get_random_password(PasswordLength=48, ExcludePunctuation=True)["RandomPassword"]
    )
    secrets.put_secret_value(SecretId=arn, SecretString=key)
    return key


def tell_local_stack(target: Deployment, key: str) -> None:
    """Write the key of the local stack where its commands read it."""
    if target.facts:
        deployment.rewrite_local_facts({**target.facts, "secretKey": key})


def wait_until_accepted(target: Deployment, key: str) -> None:
    """Call the service with the new key until it is let in.

    Raises:
        Failed: It is not, for half a minute.
    """
    service = Service(target.url, key)
    deadline = time.monotonic() + _ACCEPTED_SECONDS
    while True:
        try:
            service.call(200, "GET", "/v1/users/count")
        except Failed:
            if time.monotonic() > deadline:
                raise
            time.sleep(1)
        else:
            return


def main() -> int:
    """Rotate the key; return the exit status."""
    options = deployment.parser(__doc__)
    options.add_argument("--revoke", action="store_true", help="leave no older key valid")
    given = options.parse_args()
    target = deployment.find(given.stack)
    secrets, arn = target.client("secretsmanager"), target.outputs["SecretKeyArn"]
    age = age_of_rotation(secrets, arn)
    if age is not None and age < CHANGE_OVER and not given.revoke:
        minutes = int(age.total_seconds() // 60)
        print(
            f"The key was rotated {minutes} minutes ago. Nothing was changed: callers have an hour"
        )
        print("to change over. If a key has leaked: make rotate-key REVOKE=yes")
        return 0
    for _ in range(2 if given.revoke else 1):
        key = rotate(secrets, arn)
    tell_local_stack(target, key)
    wait_until_accepted(target, key)
    print("The new key is stored, and the service accepts it. It is the value of", json.dumps(arn))
    if given.revoke:
        print("Every older key is refused, by functions that are running within five minutes.")
    else:
        print(
            "The one before it is accepted too, until the next rotation: change your servers over."
        )
    return 0


if __name__ == "__main__":
    sys.exit(deployment.run(main))
