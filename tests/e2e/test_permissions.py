"""Every role of the template holds only what is needed: each permission is taken away once.

For every function there are requests and events that need all of its role's permissions. Without
any one of them something has to fail: a permission that nothing misses has no place in the
template.
"""

import io
import json
import re
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from PIL import Image
from tests.e2e.conftest import Client
from tests.template import functions, template

DIGEST = "0" * 32


def png(colour: str) -> bytes:
    written = io.BytesIO()
    Image.new("RGB", (8, 8), colour).save(written, "PNG")
    return written.getvalue()


class Exercises:
    """What each function needs its permissions for; an exercise is named like its function.

    What has to be there before is made by other functions, or behind the service's back.
    """

    def __init__(self, client: Client) -> None:
        self._client = client
        self._table = client.aws("dynamodb")
        self._bucket = client.aws("s3")

    def profiles(self) -> None:
        path = "/api/v1/shared/users"
        new = {"email": self._address(), "firstName": "Ada", "lastName": "Lovelace"}
        person = self._call(201, "POST", path, json=new, headers=self._repeatable())
        self._call(409, "POST", path, json=new, headers=self._repeatable())
        path = f"{path}/{person['id']}"
        self._call(200, "PATCH", path, json={"firstName": "Augusta"})
        self._call(200, "PATCH", path, json={"email": self._address()})
        picture = {"uploadId": self._ready(person["id"])}
        self._call(200, "PATCH", f"{path}/profile-picture", json=picture)
        self._open(self._call(200, "GET", path)["profilePictureUrl"])
        self._ready(person["id"])
        self._call(204, "DELETE", path)
        self._read_keys_again("/api/v1/users/me", 401)

    def uploads(self) -> None:
        path = "/api/v1/uploads"
        user_id = self._user()
        new = {"kind": "profile_picture", "contentType": "image/png", "contentLength": 99}
        mine = {**new, "userId": user_id}
        form = self._call(201, "POST", path, json=mine, headers=self._repeatable())
        assert self._client.send(form, png("red")).status_code == 204
        nobodys = {**new, "userId": str(uuid.uuid4())}
        self._call(404, "POST", path, json=nobodys, headers=self._repeatable())
        path = f"{path}/{self._ready(user_id)}"
        self._open(self._call(200, "GET", path)["renditions"][0]["url"])
        self._call(204, "DELETE", path)
        self._read_keys_again("/api/v1/uploads/x", 401)

    def pictures(self) -> None:
        user_id = self._user()
        path = f"/api/v1/shared/users/{user_id}/profile-picture"
        for upload_id in (self._ready(user_id), self._ready(user_id)):
            person = self._call(200, "PATCH", path, json={"uploadId": upload_id})
            self._open(person["profilePictureUrl"])
        self._call(200, "PATCH", path, json={"uploadId": None})
        self._read_keys_again(path, 401, method="PATCH")

    def thumbnails(self) -> None:
        upload_id = self._ready(self._user(), state="pending")
        self._put(f"uploads/{upload_id}", png("red"))
        self._deliver(upload_id)
        # A second photo in the place of one whose renditions are there.
        upload_id = self._ready(self._user())
        self._put(f"uploads/{upload_id}", png("blue"))
        self._deliver(upload_id)
        # An event that comes after the upload is gone.
        self._deliver(str(uuid.uuid4()))

    def cleanup(self) -> None:
        upload_id = str(uuid.uuid4())
        self._put(f"renditions/{upload_id}/{DIGEST}/64.webp")
        record = {
            "eventID": uuid.uuid4().hex,
            "eventName": "REMOVE",
            "eventSource": "aws:dynamodb",
            "dynamodb": {"Keys": {"id": {"S": upload_id}}, "SequenceNumber": "1"},
        }
        assert self._invoke("cleanup", {"Records": [record]}) == {"batchItemFailures": []}
        assert not self._client.objects(f"renditions/{upload_id}/")

    def clerk(self) -> None:
        path = "/v1/users"
        for order in ("created_at", "updated_at"):
            self._call(200, "GET", path, params={"order_by": order})
        self._call(200, "GET", f"{path}/count")
        new = {"username": self._name()}
        person = self._call(200, "POST", path, json=new, headers=self._repeatable())
        self._call(422, "POST", path, json=new, headers=self._repeatable())
        path = f"{path}/{person['id']}"
        self._call(200, "GET", path)
        self._call(200, "PATCH", path, json={"first_name": "Ada"})
        self._call(200, "PATCH", path, json={"username": self._name()})
        self._call(200, "PATCH", path, json={"profile_image_id": self._ready(person["id"])})
        self._call(200, "DELETE", f"{path}/profile_image")
        self._ready(person["id"])
        self._call(200, "DELETE", path)
        self._read_keys_again("/v1/users/count", 401)

    def clerk_pictures(self) -> None:
        path = f"/v1/users/{self._user()}/profile_image"
        for colour in ("red", "blue"):
            self._call(200, "POST", path, files={"file": png(colour)})
        self._read_keys_again(path, 401, method="POST")

    def renditions(self) -> None:
        path = f"/renditions/{self._ready(None)}/{DIGEST}"
        self._call(200, "GET", f"{path}/256.webp")
        self._call(404, "GET", f"{path.replace(DIGEST, 'f' * 32)}/256.webp")

    def avatars(self) -> None:
        self._call(200, "GET", "/avatars/9a3412/AL.webp")

    def authgear_graphql(self) -> None:
        self._query("{ users { edges { node { id } } } }")
        created = self._query(
            "mutation ($name: String!) { createUser(input: {definition: {loginID:"
            ' {key: "username", value: $name}}}) { user { id } } }',
            name=self._name(),
        )
        node = created["createUser"]["user"]["id"]
        app_id, upload_id = self._client.stack["appId"], self._ready(None)
        for picture in ({"picture": f"authgearimages:///{app_id}/{upload_id}"}, {}):
            self._query(
                "mutation ($node: ID!, $given: UserStandardAttributes!) { updateUser(input:"
                " {userID: $node, standardAttributes: $given}) { user { id } } }",
                node=node,
                given=picture,
            )
        self._query("query ($node: ID!) { node(id: $node) { id } }", node=node)
        self._query(
            "mutation ($node: ID!) { deleteUser(input: {userID: $node}) { deletedUserID } }",
            node=node,
        )
        self._read_keys_again("/_api/admin/graphql", 403, method="POST")

    def authgear_uploads(self) -> None:
        address = self._signed_address()
        for _ in range(2):
            self._call(200, "POST", address, files={"file": png("red")})
        # Deleted between claim and result: what it has left is its own to delete. A deletion that
        # came too late shows nothing, and is tried again.
        with self._no_cleanup():
            for _ in range(20):
                answer = self._send_and_delete(self._signed_address())
                if answer.status_code != 200:
                    break
        assert answer.status_code == 404, answer.text
        self._read_keys_again("/_api/admin/images/upload", 403)

    def authgear_images(self) -> None:
        upload_id = self._ready(None)
        path = f"/_images/{self._client.stack['appId']}/{upload_id}/profile"
        self._call(200, "GET", path)
        self._bucket.delete_object(
            Bucket=self._client.stack["bucket"], Key=f"renditions/{upload_id}/{DIGEST}/512.webp"
        )
        self._call(404, "GET", path)

    # Steps

    def _call(
        self,
        status: int,
        method: str,
        path: str,
        *,
        headers: dict[str, str] | None = None,
        **sent: Any,
    ) -> Any:
        """Send a request as the holder of the key; the JSON of the expected answer."""
        answer = self._client.http.request(
            method, path, headers={**self._client.key, **(headers or {})}, **sent
        )
        assert answer.status_code == status, answer.text
        is_json = answer.content and "json" in answer.headers["content-type"]
        return answer.json() if is_json else None

    def _query(self, document: str, **variables: Any) -> Any:
        answer = self._call(
            *(200, "POST", "/_api/admin/graphql"),
            json={"query": document, "variables": variables},
        )
        assert "errors" not in answer, answer
        return answer["data"]

    def _read_keys_again(self, path: str, status: int, *, method: str = "GET") -> None:
        """Send a wrong key, which may be a new one, once in a second."""
        time.sleep(1.1)
        self._call(status, method, path, headers={"Authorization": "Bearer notthekey"})

    def _open(self, address: str) -> None:
        assert httpx.get(address).status_code == 200

    def _invoke(self, name: str, event: Any) -> Any:
        answer = self._client.aws("lambda").invoke(
            FunctionName=physical_id(self._client, logical_id(name)),
            Payload=json.dumps(event),
        )
        result = json.load(answer["Payload"])
        assert "FunctionError" not in answer, result
        return result

    def _deliver(self, upload_id: str) -> None:
        event = {"Records": [{"s3": {"object": {"key": f"uploads/{upload_id}"}}}]}
        self._invoke("thumbnails", event)

    def _repeatable(self) -> dict[str, str]:
        return {"Idempotency-Key": uuid.uuid4().hex}

    def _name(self) -> str:
        return f"u-{uuid.uuid4().hex}"

    def _address(self) -> str:
        return f"{uuid.uuid4().hex}@example.com"

    def _user(self) -> str:
        return str(self._client.create_user()["id"])

    def _put(self, key: str, body: bytes = b"") -> None:
        self._bucket.put_object(Bucket=self._client.stack["bucket"], Key=key, Body=body)

    def _ready(self, user_id: str | None, *, state: str = "ready") -> str:
        """The id of an upload in the state that processing leaves it in, with its objects."""
        upload_id = str(uuid.uuid4())
        item = {
            "id": {"S": upload_id},
            **({"user_id": {"S": user_id}} if user_id else {}),
            "kind": {"S": "profile_picture"},
            "scope": {"S": "user"},
            "state": {"S": state},
            "digest": {"S": DIGEST},
            "width": {"N": "8"},
            "height": {"N": "8"},
            "created_at": {"N": "1"},
            "expires_at": {"N": str(int(time.time()) + 3600)},
        }
        self._table.put_item(TableName=self._client.stack["uploadsTable"], Item=item)
        for size in (64, 128, 256, 512):
            self._put(f"renditions/{upload_id}/{DIGEST}/{size}.webp")
        return upload_id

    def _signed_address(self) -> str:
        issued = self._call(200, "GET", "/_api/admin/images/upload")
        return str(issued["result"]["upload_url"])

    def _send_and_delete(self, address: str) -> httpx.Response:
        """Send a photo to a signed address, and delete its record once it is there."""
        record = {"id": {"S": urlsplit(address).path.split("/")[-1]}}
        with ThreadPoolExecutor() as pool:
            sent = pool.submit(httpx.post, address, files={"file": png("red")}, timeout=30)
            deleted: dict[str, Any] = {}
            while "Attributes" not in deleted and not sent.done():
                deleted = self._table.delete_item(
                    TableName=self._client.stack["uploadsTable"],
                    Key=record,
                    ReturnValues="ALL_OLD",
                )
        return sent.result()

    @contextmanager
    def _no_cleanup(self) -> Iterator[None]:
        """Keep the clean-up function from doing another function's work."""
        functions = self._client.aws("lambda")
        (mapping,) = functions.list_event_source_mappings()["EventSourceMappings"]
        functions.update_event_source_mapping(UUID=mapping["UUID"], Enabled=False)
        try:
            yield
        finally:
            functions.update_event_source_mapping(UUID=mapping["UUID"], Enabled=True)


@dataclass(frozen=True)
class Permission:
    """One action on one resource, and the role's policy that allows it."""

    policy: str
    action: str
    resource: str


class Role:
    """The role of a deployed function."""

    def __init__(self, client: Client, name: str) -> None:
        self._iam = client.aws("iam")
        self._name = physical_id(client, f"{logical_id(name)}Role")
        # SAM adds policies of its own; those of the template are numbered.
        self._policies = {
            policy: self._iam.get_role_policy(RoleName=self._name, PolicyName=policy)
            for policy in self._iam.list_role_policies(RoleName=self._name)["PolicyNames"]
            if re.search(r"RolePolicy\d+$", policy)
        }
        self.permissions = [
            Permission(policy, action, resource)
            for policy, found in self._policies.items()
            for statement in found["PolicyDocument"]["Statement"]
            for action in as_list(statement["Action"])
            for resource in as_list(statement["Resource"])
        ]

    @contextmanager
    def without(self, *taken: Permission) -> Iterator[None]:
        """Take permissions of one policy away for a while."""
        (policy,) = {each.policy for each in taken}
        statements = [
            {"Effect": "Allow", "Action": each.action, "Resource": each.resource}
            for each in self.permissions
            if each.policy == policy and each not in taken
        ]
        original = self._policies[policy]["PolicyDocument"]
        self._put(policy, {**original, "Statement": statements})
        try:
            yield
        finally:
            self._put(policy, original)

    def _put(self, policy: str, document: Any) -> None:
        self._iam.put_role_policy(
            RoleName=self._name, PolicyName=policy, PolicyDocument=json.dumps(document)
        )


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def logical_id(name: str) -> str:
    """The name that the template gives a function, by that of its folder."""
    return next(
        str(each)
        for each, resource in template()["Resources"].items()
        if resource["Properties"].get("CodeUri") == f"functions/{name}"
    )


def physical_id(client: Client, resource: str) -> str:
    answer = client.aws("cloudformation").describe_stack_resource(
        StackName=client.stack["stackName"], LogicalResourceId=resource
    )
    return str(answer["StackResourceDetail"]["PhysicalResourceId"])


def fails(exercise: Callable[[], None]) -> bool:
    try:
        exercise()
    except AssertionError:
        return True
    return False


@pytest.mark.parametrize("name", sorted(functions()))
def test_no_permission_of_a_role_can_be_missed(client: Client, name: str) -> None:
    exercise: Callable[[], None] = getattr(Exercises(client), name)
    role = Role(client, name)
    exercise()
    unneeded = []
    for permission in role.permissions:
        with role.without(permission):
            if not fails(exercise):
                unneeded.append(permission)
    print(f"{name}: {len(role.permissions)} permissions")
    assert unneeded == []
    exercise()
