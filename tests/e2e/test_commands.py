"""The commands of whoever operates the service, run as they are typed, on the deployed stack."""

import json
import re
import signal
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from tests.e2e import failures
from tests.e2e.conftest import PHOTOS, Client, eventually
from tests.e2e.operators import Operator
from tests.e2e.roles import Role

PHOTO = (PHOTOS / "astronaut.jpg").read_bytes()


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


def test_smoke_sends_the_key_to_no_other_address(operator: Operator) -> None:
    asked: list[Any] = []

    class Stranger(BaseHTTPRequestHandler):
        def handle(self) -> None:
            asked.append(self.client_address)

    with ThreadingHTTPServer(("127.0.0.1", 0), Stranger) as server:
        threading.Thread(target=server.serve_forever, args=[0.01], daemon=True).start()
        done = operator.make("smoke", f"URL=http://localhost:{server.server_port}")
        server.shutdown()
    assert done.returncode != 0
    assert "STACK=NAME" in done.stdout
    assert asked == []


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


def waiting(client: Client, logical_id: str) -> int:
    """How many messages a queue holds that nobody works on."""
    return _count(client, logical_id, "ApproximateNumberOfMessages")


def _count(client: Client, logical_id: str, *attributes: str) -> int:
    found = client.aws("sqs").get_queue_attributes(
        QueueUrl=client.resource(logical_id), AttributeNames=["All"]
    )["Attributes"]
    return sum(int(found[each]) for each in attributes)


def forget_other_tests(client: Client) -> None:
    """Wait until nothing of other tests is under way, and empty the dead-letter queues of it."""
    left = failures.deleted_upload(client)  # after which all deletions before it are done
    under_way = ("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible")
    assert eventually(
        lambda: not client.objects(left) and not _count(client, "CleanupQueue", *under_way),
        seconds=60,
    )
    for logical_id in ("FailedEvents", "FailedCleanups"):
        client.failed_events(logical_id)


def sent(client: Client, number: int, photo: bytes = PHOTO) -> list[str]:
    """Uploads of photos that were sent."""
    me = client.user_headers(client.create_user()["id"])
    forms = [client.upload_form(me, photo) for _ in range(number)]
    for form in forms:
        assert client.send(form, photo).status_code == 204
    return [form["uploadId"] for form in forms]


def state(client: Client, upload_id: str) -> Any:
    return client.http.get(f"/api/v1/uploads/{upload_id}", headers=client.key).json()["state"]


@contextmanager
def outage_of_s3(client: Client) -> Iterator[None]:
    """While this lasts, no function that works on events can do anything in the bucket."""
    with ExitStack() as stack:
        stack.enter_context(client.impatient_queue(tries=2))
        for name in ("thumbnails", "failed_photos", "cleanup"):
            stack.enter_context(Role(client, name).without("s3:*"))
        yield


def orphan(client: Client) -> str:
    """An upload with one rendition, whose record goes now."""
    upload_id = str(uuid.uuid4())
    key = f"renditions/{upload_id}/{'0' * 32}/64.webp"
    client.aws("s3").put_object(Bucket=client.stack["bucket"], Key=key, Body=b"x")
    table = {"TableName": client.stack["uploadsTable"]}
    client.aws("dynamodb").put_item(**table, Item={"id": {"S": upload_id}})
    client.aws("dynamodb").delete_item(**table, Key={"id": {"S": upload_id}})
    return upload_id


def test_redrive_brings_back_what_an_outage_of_s3_has_left(
    client: Client, operator: Operator
) -> None:
    forget_other_tests(client)
    user_id = client.create_user()["id"]
    me = client.user_headers(user_id)
    with outage_of_s3(client):
        photos, others = sent(client, 15), sent(client, 3, b"no photo")
        deleted = [client.upload_form(me, PHOTO) for _ in range(3)]
        assert {client.send(form, PHOTO).status_code for form in deleted} == {204}
        path = f"/api/v1/shared/users/{user_id}"
        assert client.http.delete(path, headers=client.key).status_code == 204
        gone = [*(form["uploadId"] for form in deleted), *(orphan(client) for _ in range(40))]
        failed = {"FailedEvents": 21, "FailedCleanups": 43}
        assert eventually(
            lambda: {name: waiting(client, name) for name in failed} == failed, seconds=120
        )
        too_early = operator.make("redrive")
        assert too_early.returncode != 0
        assert "0 dealt with, 64 stay" in too_early.stdout
    assert {state(client, each) for each in photos + others} == {"failed"}
    assert all(client.objects(f"renditions/{each}/") for each in gone[3:])

    interrupted = operator.start("redrive")
    assert interrupted.stdout
    assert "1/21 " in interrupted.stdout.readline()
    interrupted.send_signal(signal.SIGINT)
    output, _ = interrupted.communicate(timeout=60)
    assert interrupted.returncode == 130
    [dealt_with] = map(int, re.findall(r"^(\d+) dealt with, 0 stay", output, re.MULTILINE))
    assert 10 <= dealt_with < 64  # those that were being tried when it was interrupted, or more
    done = operator.make("redrive", "STACK=vignette")
    assert done.returncode == 0, done.stdout
    assert f"{64 - dealt_with} dealt with, 0 stay" in done.stdout
    said = output + done.stdout
    assert f"the photo of {photos[-1]} had failed (AccessDenied): it is ready" in said
    assert (
        f"{others[-1]} had failed (AccessDenied): it is not a picture (unsupported_format)" in said
    )
    assert f"{gone[0]} had failed (AccessDenied): its upload is gone" in said
    assert f"objects of {gone[-1]} are deleted" in said
    assert "0 dealt with, 0 stay" in operator.make("redrive").stdout

    assert {state(client, each) for each in photos} == {"ready"}
    assert all(len(client.objects(f"renditions/{each}/")) == 4 for each in photos)
    assert {state(client, each) for each in others} == {"failed"}
    swept = operator.make("sweep").stdout
    assert not [each for each in (*photos, *others, *gone) if each in swept], swept
    left = client.objects("renditions/") | client.objects("uploads/")
    assert not {key.split("/")[1] for key in left} & {*gone}
    log = Path(client.stack["logs"], "ministack.log").read_text()
    assert "failed to save" not in log


def test_redrive_marks_a_photo_that_cannot_be_processed_as_failed(
    client: Client, operator: Operator
) -> None:
    forget_other_tests(client)
    functions, name = client.aws("lambda"), client.resource("Thumbnails")
    usual = functions.get_function_configuration(FunctionName=name)["Environment"]
    broken = {**usual["Variables"], "FACE_FRAMING": None}
    variables = {key: value for key, value in broken.items() if value is not None}
    functions.update_function_configuration(FunctionName=name, Environment={"Variables": variables})
    try:
        [photo] = sent(client, 1)
        assert eventually(lambda: waiting(client, "FailedEvents") == 1, seconds=60)
        done = operator.make("redrive")
    finally:
        functions.update_function_configuration(FunctionName=name, Environment=usual)
    assert done.returncode == 0, done.stdout
    assert f"the photo of {photo} had failed (KeyError) and cannot be processed" in done.stdout
    assert state(client, photo) == "failed"
    assert waiting(client, "FailedEvents") == 0


def test_redrive_deletes_what_could_not_be_deleted_for_a_day(
    client: Client, operator: Operator
) -> None:
    forget_other_tests(client)
    with client.impatient_queue(tries=2), Role(client, "cleanup").without("s3:DeleteObject"):
        left = failures.deleted_upload(client)
        assert eventually(lambda: waiting(client, "FailedCleanups") == 1)
        assert "0 dealt with, 1 stay" in operator.make("redrive").stdout
    assert client.objects(left)
    done = operator.make("redrive")
    assert done.returncode == 0, done.stdout
    assert f"objects of {left.split('/')[1]} are deleted" in done.stdout
    assert not client.objects(left)
    assert waiting(client, "FailedCleanups") == 0


def test_redrive_reads_the_stream_for_records_that_no_queue_has(
    client: Client, operator: Operator
) -> None:
    forget_other_tests(client)
    with failures.record_that_nothing_deals_with(client) as left:
        assert eventually(lambda: waiting(client, "FailedEvents") > 0)
    assert client.objects(left)
    done = operator.make("redrive")
    assert done.returncode == 0, done.stdout
    assert "are cleaned up" in done.stdout
    assert not client.objects(left)


@pytest.fixture
def key_of_others(client: Client) -> Iterator[None]:
    """Puts the secret back that the rest of the tests use."""
    yield
    secrets = client.aws("secretsmanager")
    for _ in range(2):
        secrets.put_secret_value(
            SecretId=client.resource("SecretKey"), SecretString=client.stack["secretKey"]
        )
    time.sleep(1.1)  # after which every function reads the secret again for a key it does not know


def accepts(client: Client, key: str) -> bool:
    answer = client.http.get("/v1/users/count", headers={"Authorization": f"Bearer {key}"})
    return answer.status_code == 200


@pytest.mark.usefixtures("key_of_others")
def test_rotate_key_leaves_the_key_before_valid_and_revokes_it_if_told_to(
    client: Client, operator: Operator
) -> None:
    old = client.stack["secretKey"]
    secrets, secret = client.aws("secretsmanager"), client.resource("SecretKey")

    def stored() -> str:
        return str(secrets.get_secret_value(SecretId=secret)["SecretString"])

    # A key that was rotated just now is left alone; another test may have done so.
    secrets.put_secret_value(SecretId=secret, SecretString=old)
    secrets.put_secret_value(SecretId=secret, SecretString=old)
    again = operator.make("rotate-key")
    assert again.returncode == 0, again.stdout
    assert "Nothing was changed" in again.stdout
    assert stored() == old

    revoked = operator.make("rotate-key", "REVOKE=yes")
    assert revoked.returncode == 0, revoked.stdout
    new = stored()
    assert new != old
    assert len(new) == 48
    assert new not in revoked.stdout
    assert accepts(client, new)
    versions = secrets.list_secret_version_ids(SecretId=secret)["Versions"]
    staged = [each["VersionId"] for each in versions if each["VersionStages"]]
    values = {
        secrets.get_secret_value(SecretId=secret, VersionId=each)["SecretString"] for each in staged
    }
    assert new in values
    assert old not in values


@pytest.mark.usefixtures("key_of_others")
def test_rotate_key_tells_the_commands_of_the_local_stack(
    client: Client, operator: Operator
) -> None:
    done = operator.make("rotate-key", "REVOKE=yes")
    assert done.returncode == 0, done.stdout
    facts = json.loads(Path(operator.environment["STACK_FILE"]).read_text())
    assert facts["secretKey"] != client.stack["secretKey"]
    assert accepts(client, facts["secretKey"])


def test_restore_makes_tables_that_hold_what_the_old_ones_do(
    client: Client, operator: Operator
) -> None:
    user = client.create_user()
    at = datetime.now(UTC).isoformat(timespec="seconds")
    done = operator.make("restore", f"AT={at}", "STACK=vignette")
    assert done.returncode == 0, done.stdout
    adopt = dict(re.findall(r'^(\w+) = "(\S+)"$', done.stdout, re.MULTILINE))
    assert adopt.keys() == {
        "ExistingUsersTable",
        "ExistingUploadsTable",
        "ExistingUploadsStreamArn",
    }
    dynamodb = client.aws("dynamodb")
    key = {"pk": {"S": f"user#{user['id']}"}}
    assert "Item" in dynamodb.get_item(TableName=adopt["ExistingUsersTable"], Key=key)
    described = dynamodb.describe_table(TableName=adopt["ExistingUploadsTable"])["Table"]
    assert described["LatestStreamArn"] == adopt["ExistingUploadsStreamArn"]
    for name in (adopt["ExistingUsersTable"], adopt["ExistingUploadsTable"]):
        dynamodb.delete_table(TableName=name)
