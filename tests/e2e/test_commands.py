"""The commands of whoever operates the service, run as they are typed, on the deployed stack."""

import json
import os
import re
import signal
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.conftest import PHOTOS, ROOT, Client, eventually
from tests.e2e.roles import Role

PHOTO = (PHOTOS / "astronaut.jpg").read_bytes()
PYTHON = ROOT / ".local/venv/ministack/bin/python"


class Operator:
    """Somebody in a shell, in the checkout."""

    def __init__(self, client: Client, folder: Path) -> None:
        file = folder / "stack.json"
        file.write_text(json.dumps(client.stack))
        self.environment = {**os.environ, "STACK_FILE": str(file), "PYTHONPATH": "layers/vignette"}
        # What a stack of the caller's own would be reached with.
        self.environment |= {
            "AWS_ACCESS_KEY_ID": client.stack["accessKeyId"],
            "AWS_DEFAULT_REGION": client.stack["region"],
            "AWS_ENDPOINT_URL": client.stack["awsEndpointUrl"],
            "AWS_SECRET_ACCESS_KEY": client.stack["secretAccessKey"],
        }

    def make(self, *words: str) -> "subprocess.CompletedProcess[str]":
        """Run `make` with its output in one text."""
        return subprocess.run(
            ["make", "--no-print-directory", *words],
            cwd=ROOT,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=300,
        )

    def start(self, command: str, *options: str) -> "subprocess.Popen[str]":
        """Start a command, to interrupt it."""
        return subprocess.Popen(
            [PYTHON, "-m", f"tools.{command}", *options],
            cwd=ROOT,
            env=self.environment,
            stdout=subprocess.PIPE,
            text=True,
        )


@pytest.fixture
def operator(client: Client, tmp_path: Path) -> Operator:
    return Operator(client, tmp_path)


@pytest.fixture
def nothing_is_left(client: Client) -> Iterator[None]:
    before = users(client)
    yield
    assert users(client) == before


def users(client: Client) -> Any:
    return client.http.get("/v1/users/count", headers=client.key).json()["total_count"]


@pytest.mark.usefixtures("nothing_is_left")
@pytest.mark.parametrize("options", [[], ["STACK=vignette"]], ids=["local", "with credentials"])
def test_smoke_says_in_ten_lines_that_everything_works(
    client: Client, operator: Operator, options: list[str]
) -> None:
    token = client.user_headers(client.stack["userId"])["Authorization"].removeprefix("Bearer ")
    done = operator.make("smoke", f"URL={client.stack['baseUrl']}", f"TOKEN={token}", *options)
    lines = done.stdout.splitlines()
    assert (done.returncode, len(lines)) == (0, 10), done.stdout
    assert all(line.startswith("works ") for line in lines), done.stdout


@pytest.mark.usefixtures("nothing_is_left")
def test_smoke_says_what_does_not_work_and_cleans_up_all_the_same(
    client: Client, operator: Operator
) -> None:
    with Role(client, "clerk_pictures").without("s3:PutObject"):
        done = operator.make("smoke")
    verdicts = {line[11:30].strip(): line[:10].strip() for line in done.stdout.splitlines()}
    assert done.returncode != 0
    assert verdicts.pop("Clerk: picture") == "FAILS", done.stdout
    assert {name for name, verdict in verdicts.items() if verdict == "FAILS"} <= {""}
    assert verdicts["cleaned up"] == "works"


@pytest.mark.usefixtures("nothing_is_left")
def test_smoke_cleans_up_when_it_is_interrupted(client: Client, operator: Operator) -> None:
    before = users(client)
    smoke = operator.start("smoke")
    assert eventually(lambda: users(client) > before)
    smoke.send_signal(signal.SIGINT)
    output, _ = smoke.communicate(timeout=60)
    assert smoke.returncode == 130
    assert re.search("^works +cleaned up", output, re.MULTILINE), output


def test_smoke_sends_the_key_to_no_other_address(client: Client, operator: Operator) -> None:
    done = operator.make("smoke", "URL=http://localhost:9")
    assert done.returncode != 0
    assert "STACK=NAME" in done.stdout


class Leftovers:
    """One of everything that can be left over, and what of it is still there."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._table = client.aws("dynamodb")
        self.orphan = str(uuid.uuid4())
        self._put(f"renditions/{self.orphan}/{'0' * 32}/64.webp")
        self.hollow_user, self.hollow = self._user_with_picture()
        for key in client.objects(f"renditions/{self.hollow}/"):
            client.aws("s3").delete_object(Bucket=client.stack["bucket"], Key=key)
        self.broken_user, self.broken = self._user_with_picture()
        self._delete("uploadsTable", id=self.broken)
        self.lost_user, self.lost = self._user_with_picture()
        self._table.update_item(
            TableName=client.stack["usersTable"],
            Key={"pk": {"S": f"user#{self.lost_user}"}},
            UpdateExpression="REMOVE picture",
        )
        self.address = f"{uuid.uuid4().hex}@example.com"
        self._client.aws("dynamodb").put_item(
            TableName=client.stack["usersTable"],
            Item={"pk": {"S": f"email#{self.address}"}, "user_id": {"S": self.broken_user}},
        )

    @property
    def lines(self) -> list[str]:
        """What is said of each."""
        return [
            f"renditions without a record: {self.orphan}",
            f"records without their renditions: {self.hollow}",
            f"users whose picture has no record: {self.broken_user}",
            f"pictures that no user has: {self.lost}",
            f"unique values without their user: email of {self.broken_user}",
        ]

    def there(self) -> set[str]:
        """What is still as it was left."""
        found = {
            "orphan": self._client.objects(f"renditions/{self.orphan}/"),
            "hollow": self._shown(self.hollow_user) and self._item("uploadsTable", id=self.hollow),
            "broken": self._shown(self.broken_user),
            "lost": self._client.objects(f"renditions/{self.lost}/"),
            "address": self._item("usersTable", pk=f"email#{self.address}"),
        }
        return {name for name, value in found.items() if value}

    def _user_with_picture(self) -> tuple[str, str]:
        user_id = self._client.create_user()["id"]
        me = self._client.user_headers(user_id)
        upload_id = self._client.upload(me, PHOTO)["id"]
        assert self._client.set_picture(me, upload_id).status_code == 200
        return user_id, upload_id

    def _shown(self, user_id: str) -> bool:
        path = f"/api/v1/shared/users/{user_id}"
        answer = self._client.http.get(path, headers=self._client.key)
        return bool(answer.json()["hasCustomProfilePicture"])

    def _put(self, key: str) -> None:
        self._client.aws("s3").put_object(Bucket=self._client.stack["bucket"], Key=key, Body=b"x")

    def _item(self, table: str, **key: str) -> Any:
        wire = {name: {"S": value} for name, value in key.items()}
        found = self._table.get_item(TableName=self._client.stack[table], Key=wire)
        return found.get("Item")

    def _delete(self, table: str, **key: str) -> None:
        wire = {name: {"S": value} for name, value in key.items()}
        self._table.delete_item(TableName=self._client.stack[table], Key=wire)


def test_sweep_finds_what_belongs_to_nothing_and_mends_it_when_it_is_told_to(
    client: Client, operator: Operator
) -> None:
    left = Leftovers(client)
    whole, picture = left._user_with_picture()
    pending = client.create_user()
    form = client.upload_form(client.user_headers(pending["id"]), PHOTO)
    # The renditions of the record that was deleted go with it.
    assert eventually(lambda: not client.objects(f"renditions/{left.broken}/"))

    reported = operator.make("sweep")
    assert reported.returncode == 0, reported.stdout
    assert set(left.lines) <= set(reported.stdout.splitlines()), reported.stdout
    assert left.there() == {"orphan", "hollow", "broken", "lost", "address"}
    for innocent in (whole, picture, pending["id"], form["uploadId"]):
        assert innocent not in reported.stdout
    assert left.address not in reported.stdout

    mended = operator.make("sweep", "APPLY=yes")
    assert mended.returncode == 0, mended.stdout
    assert set(left.lines) <= set(mended.stdout.splitlines()), mended.stdout
    assert eventually(lambda: not left.there()), left.there()

    again = operator.make("sweep", "STACK=vignette")
    assert not set(left.lines) & set(again.stdout.splitlines()), again.stdout
    assert left._shown(whole)
    assert len(client.objects(f"renditions/{picture}/")) == 4
