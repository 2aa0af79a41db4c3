"""A stack of the template through its life: deployed, changed, failed, deleted, deployed again.

It stands beside the stack that the other tests use, in the same account.
"""

import json
import re
import time
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import yaml
from botocore.exceptions import ClientError
from tests.e2e.alarms import goes_off_and_is_over
from tests.e2e.conftest import Client, eventually
from tests.e2e.operators import Operator
from tools.revision import revised

DEPLOYMENT_SECONDS = 300  # at most
CAPABILITIES = ["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"]


class Stack:
    """A stack of the deployed template under a name of its own, capitals and all."""

    name = "Vignette-Second"

    def __init__(self, client: Client) -> None:
        self.client = client
        self._formation = client.aws("cloudformation")
        self._template: str = self._formation.get_template(
            StackName=client.stack["stackName"], TemplateStage="Original"
        )["TemplateBody"]

    def create(self, more: dict[str, Any] | None = None, **parameters: str) -> str:
        """Create it, perhaps with more resources; answers the status that it ends in."""
        self._formation.create_stack(**self._deployment(parameters, more), StackName=self.name)
        return self._ended()

    def update(self, **parameters: str) -> str:
        """Deploy other values of parameters, as `make deploy` does."""
        self._formation.update_stack(**self._deployment(parameters), StackName=self.name)
        return self._ended()

    def delete(self) -> None:
        """Delete it, if it is there."""
        self._formation.delete_stack(StackName=self.name)
        assert self._ended() == "gone"

    def import_bucket(self, bucket: str) -> str:
        """Begin it with a bucket that is there, as docs/operations.md says."""
        resource = {
            "Type": "AWS::S3::Bucket",
            "DeletionPolicy": "Retain",
            "Properties": {"BucketName": bucket},
        }
        change = {"StackName": self.name, "ChangeSetName": "bucket"}
        self._formation.create_change_set(
            **change,
            ChangeSetType="IMPORT",
            TemplateBody=json.dumps({"Resources": {"Bucket": resource}}),
            ResourcesToImport=[
                {
                    "ResourceType": "AWS::S3::Bucket",
                    "LogicalResourceId": "Bucket",
                    "ResourceIdentifier": {"BucketName": bucket},
                }
            ],
        )
        self._formation.get_waiter("change_set_create_complete").wait(
            **change, WaiterConfig={"Delay": 1}
        )
        self._formation.execute_change_set(**change)
        return self._ended()

    def outputs(self) -> dict[str, str]:
        (stack,) = self._formation.describe_stacks(StackName=self.name)["Stacks"]
        return {each["OutputKey"]: each["OutputValue"] for each in stack["Outputs"]}

    def resource(self, logical_id: str) -> str:
        answer = self._formation.describe_stack_resource(
            StackName=self.name, LogicalResourceId=logical_id
        )
        return str(answer["StackResourceDetail"]["PhysicalResourceId"])

    def environment(self, logical_id: str) -> Any:
        """The environment of the version of a function that is called."""
        functions, name = self.client.aws("lambda"), self.resource(logical_id)
        found = functions.get_function_configuration(FunctionName=name, Qualifier="live")
        return found["Environment"]["Variables"]

    def read_user(self, user_id: str) -> Any:
        """What the function behind the API answers about a user, to the holder of the key."""
        secrets = self.client.aws("secretsmanager")
        key = secrets.get_secret_value(SecretId=self.resource("SecretKey"))["SecretString"]
        path = f"/api/v1/shared/users/{user_id}"
        event = {
            "version": "2.0",
            "routeKey": "GET /api/v1/shared/users/{user_id}",
            "rawPath": path,
            "rawQueryString": "",
            "headers": {"authorization": f"Bearer {key}"},
            "requestContext": {
                "requestId": "1",
                "domainName": "api.example.com",
                "http": {"method": "GET", "path": path, "sourceIp": "192.0.2.1"},
            },
            "pathParameters": {"user_id": user_id},
            "isBase64Encoded": False,
        }
        answer = self.client.aws("lambda").invoke(
            FunctionName=self.resource("Profiles"), Payload=json.dumps(event)
        )
        return json.load(answer["Payload"])

    def _deployment(
        self, parameters: dict[str, str], more: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        template = revised(self._template, parameters)
        if more:
            document = yaml.safe_load(template)
            document["Resources"] |= more
            template = json.dumps(document)
        artefacts, key = f"{self.client.stack['stackName']}-artefacts", f"{uuid.uuid4()}.template"
        self.client.aws("s3").put_object(Bucket=artefacts, Key=key, Body=template.encode())
        return {
            "TemplateURL": f"{self.client.stack['awsEndpointUrl']}/{artefacts}/{key}",
            "Capabilities": CAPABILITIES,
            "Parameters": [
                {"ParameterKey": name, "ParameterValue": value}
                for name, value in parameters.items()
            ],
        }

    def _ended(self) -> str:
        deadline = time.monotonic() + DEPLOYMENT_SECONDS
        while True:
            try:
                (stack,) = self._formation.describe_stacks(StackName=self.name)["Stacks"]
            except ClientError:
                return "gone"
            if not stack["StackStatus"].endswith("_IN_PROGRESS"):
                return str(stack["StackStatus"])
            assert time.monotonic() < deadline, stack["StackStatus"]
            time.sleep(0.3)


@pytest.fixture
def second(client: Client) -> Iterator[Stack]:
    """A stack that is not there yet, and nothing of it is there afterwards."""
    before = {kind: names(client) for kind, names in KEPT.items()}
    stack = Stack(client)
    yield stack
    stack.delete()
    for name in KEPT["tables"](client) - before["tables"]:
        client.aws("dynamodb").delete_table(TableName=name)
    s3 = client.aws("s3")
    for bucket in KEPT["buckets"](client) - before["buckets"]:
        for each in s3.list_objects_v2(Bucket=bucket).get("Contents", ()):
            s3.delete_object(Bucket=bucket, Key=each["Key"])
        s3.delete_bucket(Bucket=bucket)


def tables(client: Client) -> set[str]:
    return set(client.aws("dynamodb").list_tables()["TableNames"])


def buckets(client: Client) -> set[str]:
    return {each["Name"] for each in client.aws("s3").list_buckets()["Buckets"]}


KEPT: dict[str, Callable[[Client], set[str]]] = {"tables": tables, "buckets": buckets}


def test_another_value_of_a_parameter_takes_effect(second: Stack) -> None:
    assert second.create() == "CREATE_COMPLETE"
    assert second.environment("Crops")["FACE_FRAMING"] == "true"
    assert second.update(FaceFraming="false") == "UPDATE_COMPLETE"
    assert second.environment("Crops")["FACE_FRAMING"] == "false"


def test_a_stack_without_public_pictures_has_no_function_that_serves_photos(
    client: Client, second: Stack
) -> None:
    assert second.create(PublicPictures="false") == "CREATE_COMPLETE"
    usual = deployed_functions(client, client.stack["stackName"])
    assert usual - deployed_functions(client, second.name) == {"Renditions", "AuthgearImages"}
    assert second.environment("Profiles")["PUBLIC_PICTURES"] == "false"


def deployed_functions(client: Client, stack: str) -> set[str]:
    """The functions of a stack, by their names in the template."""
    pages = client.aws("cloudformation").get_paginator("list_stack_resources")
    return {
        each["LogicalResourceId"]
        for page in pages.paginate(StackName=stack)
        for each in page["StackResourceSummaries"]
        if each["ResourceType"] == "AWS::Lambda::Function"
    }


def test_a_stack_with_a_cdn_has_an_alarm_for_it(client: Client, second: Stack) -> None:
    assert second.create(PicturesCdn="true") == "CREATE_COMPLETE"
    alarm = "PicturesErrorsAlarm"
    goes_off_and_is_over(client, alarm, second.resource(alarm))


def test_a_first_deployment_that_fails_leaves_nothing_that_is_in_the_way(
    client: Client, second: Stack
) -> None:
    before = [names(client) for names in KEPT.values()]
    taken = {
        "Type": "AWS::S3::Bucket",
        "DependsOn": ["Bucket", "UsersTable", "UploadsTable"],
        "Properties": {"BucketName": client.stack["bucket"]},
    }
    assert second.create(more={"Taken": taken}) == "ROLLBACK_COMPLETE"
    assert [names(client) for names in KEPT.values()] == before
    second.delete()
    assert second.create() == "CREATE_COMPLETE"


def test_data_stay_when_a_stack_is_deleted_and_the_next_one_finds_its_place(
    client: Client, second: Stack
) -> None:
    assert second.create() == "CREATE_COMPLETE"
    left = second.outputs()
    second.delete()
    assert {left["UsersTable"], left["UploadsTable"]} <= tables(client)
    assert left["BucketName"] in buckets(client)
    assert second.create() == "CREATE_COMPLETE"
    assert second.outputs()["BucketName"] != left["BucketName"]


def test_a_stack_begins_with_the_bucket_and_the_tables_that_another_has_left(
    client: Client, second: Stack
) -> None:
    assert second.create() == "CREATE_COMPLETE"
    left = second.outputs()
    upload_id = _orphaned_upload(client, left)
    second.delete()
    described = client.aws("dynamodb").describe_table(TableName=left["UploadsTable"])["Table"]

    assert second.import_bucket(left["BucketName"]) == "IMPORT_COMPLETE"
    adopted = {
        "ExistingUsersTable": left["UsersTable"],
        "ExistingUploadsTable": left["UploadsTable"],
        "ExistingUploadsStreamArn": described["LatestStreamArn"],
        "ExistingBucketId": left["BucketName"].removeprefix("vignette-"),
    }
    assert second.update(**adopted) == "UPDATE_COMPLETE"
    assert second.resource("Bucket") == left["BucketName"]
    kept = {name: second.outputs()[name] for name in ("BucketName", "UsersTable", "UploadsTable")}
    assert kept.items() <= left.items()
    assert _is_cleaned_up(client, left, upload_id)


def test_restored_tables_take_the_place_of_a_stacks_own(
    client: Client, second: Stack, operator: Operator
) -> None:
    assert second.create() == "CREATE_COMPLETE"
    own = second.outputs()
    # A user as the other stack's service stores one.
    user = client.create_user()
    dynamodb, key = client.aws("dynamodb"), {"pk": {"S": f"user#{user['id']}"}}
    item = dynamodb.get_item(TableName=client.stack["usersTable"], Key=key)["Item"]
    dynamodb.put_item(TableName=own["UsersTable"], Item=item)
    upload_id = _orphaned_upload(client, own)
    at = datetime.now(UTC).isoformat(timespec="seconds")

    restored = operator.make("restore", f"AT={at}", f"STACK={second.name}")
    assert restored.returncode == 0, restored.stdout
    adopted = dict(re.findall(r'^(\w+) = "(\S+)"$', restored.stdout, re.MULTILINE))
    assert second.update(**adopted) == "UPDATE_COMPLETE"

    assert second.outputs()["UsersTable"] == adopted["ExistingUsersTable"] != own["UsersTable"]
    assert second.environment("Profiles")["USERS_TABLE"] == adopted["ExistingUsersTable"]
    answer = second.read_user(user["id"])
    assert answer["statusCode"] == 200, answer
    assert json.loads(answer["body"])["email"] == user["email"]
    assert {own["UsersTable"], own["UploadsTable"]} <= tables(client)
    assert _is_cleaned_up(client, second.outputs(), upload_id)


def _orphaned_upload(client: Client, outputs: dict[str, str]) -> str:
    """An upload with one rendition, as simple as can be."""
    upload_id = str(uuid.uuid4())
    client.aws("dynamodb").put_item(
        TableName=outputs["UploadsTable"], Item={"id": {"S": upload_id}}
    )
    client.aws("s3").put_object(
        Bucket=outputs["BucketName"], Key=f"renditions/{upload_id}/x/64.webp", Body=b"x"
    )
    return upload_id


def _is_cleaned_up(client: Client, outputs: dict[str, str], upload_id: str) -> bool:
    """Whether the rendition of an upload goes when its record does."""
    client.aws("dynamodb").delete_item(
        TableName=outputs["UploadsTable"], Key={"id": {"S": upload_id}}
    )
    s3, prefix = client.aws("s3"), f"renditions/{upload_id}/"
    listing = {"Bucket": outputs["BucketName"], "Prefix": prefix}
    return eventually(lambda: not s3.list_objects_v2(**listing).get("Contents"))
