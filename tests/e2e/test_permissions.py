"""Every role of the template holds only what is needed: each permission is taken away once.

For every function there are requests and events that need all of its role's permissions. Without
any one of them something has to fail: a permission that nothing misses has no place in the
template.
"""

import base64
import json
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from fnmatch import fnmatchcase
from functools import partial
from itertools import permutations
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from tests.e2e import failures
from tests.e2e.conftest import Client, eventually
from tests.e2e.roles import Role, logical_id
from tests.photos import plain
from tests.template import functions

from vignette import settings
from vignette.domain.renditions import digest_of

DIGEST = "0" * 32


def _photo_event(upload_id: str) -> dict[str, Any]:
    return {"Records": [{"s3": {"object": {"key": f"uploads/{upload_id}"}}}]}


class Exercises:
    """What each function needs its permissions for; an exercise is named like its function.

    What has to be there before is made by other functions, or behind the service's back. While a
    permission is missing, `is_disturbed`: what does not come soon then does not come at all.
    """

    def __init__(self, client: Client, *, is_disturbed: bool = False) -> None:
        self._client = client
        self._is_disturbed = is_disturbed
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
        assert self._call(200, "GET", "/api/v1/shared/users")["users"]
        self._first_call("GET", "/api/v1/users/me")
        self._read_keys_again("/api/v1/users/me", 401)

    def uploads(self) -> None:
        path = "/api/v1/uploads"
        user_id = self._user()
        new = {"kind": "profile_picture", "contentType": "image/png", "contentLength": 99}
        mine = {**new, "userId": user_id}
        form = self._call(201, "POST", path, json=mine, headers=self._repeatable())
        assert self._client.send(form, plain("red")).status_code == 204
        nobodys = {**new, "userId": str(uuid.uuid4())}
        self._call(404, "POST", path, json=nobodys, headers=self._repeatable())
        path = f"{path}/{self._ready(user_id)}"
        self._open(self._call(200, "GET", path)["renditions"][0]["url"])
        self._call(200, "GET", path, headers=self._client.user_headers(user_id))
        self._call(204, "DELETE", path)
        self._first_call("POST", "/api/v1/uploads", json=new)
        self._read_keys_again("/api/v1/uploads/x", 401)

    def crops(self) -> None:
        user_id = self._user()
        upload_id = self._ready(user_id)
        self._table.update_item(
            TableName=self._client.stack["uploadsTable"],
            Key={"id": {"S": upload_id}},
            UpdateExpression="SET #first = :first",
            ExpressionAttributeNames={"#first": "first"},
            ExpressionAttributeValues={":first": {"S": digest_of(upload_id, plain("red"))}},
        )
        path = f"/api/v1/uploads/{upload_id}"
        crops = ({"x": 0.5, "y": 0.5, "size": 0.5}, {"x": 0.5, "y": 0.5, "size": 0.25})
        self._call(404, "PATCH", path, json={"crop": crops[0]})  # its photo is not there
        self._put(f"uploads/{upload_id}", plain("red"))
        framed = self._call(200, "PATCH", path, json={"crop": crops[0]})
        self._open(framed["renditions"][0]["url"])
        mine = self._client.user_headers(user_id)
        self._call(200, "PATCH", path, json={"crop": crops[1]}, headers=mine)
        self._read_keys_again(path, 401, method="PATCH")

    def pictures(self) -> None:
        user_id = self._user()
        path = f"/api/v1/shared/users/{user_id}/profile-picture"
        for upload_id in (self._ready(user_id), self._ready(user_id)):
            person = self._call(200, "PATCH", path, json={"uploadId": upload_id})
            self._open(person["profilePictureUrl"])
        self._call(200, "PATCH", path, json={"uploadId": None})
        mine = "/api/v1/users/me/profile-picture"
        self._first_call("PATCH", mine, json={"uploadId": None})
        self._read_keys_again(path, 401, method="PATCH")

    def thumbnails(self) -> None:
        upload_id = self._ready(self._user(), state="pending")
        self._put(f"uploads/{upload_id}", plain("red"))
        self._deliver(upload_id)
        # A second photo in the place of one whose renditions are there.
        upload_id = self._ready(self._user())
        self._put(f"uploads/{upload_id}", plain("blue"))
        self._deliver(upload_id)
        # An event that comes after the upload is gone, of which a rendition was left.
        upload_id = str(uuid.uuid4())
        self._put(f"renditions/{upload_id}/{DIGEST}/64.webp")
        self._deliver(upload_id)
        assert not self._client.objects(f"renditions/{upload_id}/")
        # What no version of the service can read fails for good.
        upload_id = self._ready(self._user(), state="pending", no_such_attribute={"BOOL": True})
        self._invoke("thumbnails", _photo_event(upload_id), asynchronously=True)
        is_marked = eventually(lambda: self._state(upload_id) == "failed", seconds=self._within(12))
        assert is_marked

    def failed_photos(self) -> None:
        upload_id = self._ready(self._user(), state="pending")
        self._invoke("failed_photos", {"requestPayload": _photo_event(upload_id)})
        assert self._state(upload_id) == "failed"
        # One that is gone, of which a rendition was left.
        upload_id = str(uuid.uuid4())
        self._put(f"renditions/{upload_id}/{DIGEST}/64.webp")
        self._invoke("failed_photos", {"requestPayload": _photo_event(upload_id)})
        assert not self._client.objects(f"renditions/{upload_id}/")
        seconds = self._within(12)
        assert failures.given_up_photo_ends_in_the_queue(self._client, seconds=seconds)

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
        left = failures.deleted_upload(self._client)
        assert eventually(lambda: not self._client.objects(left), seconds=self._within(5))
        seconds = self._within(12)
        assert failures.objects_are_deleted_later(self._client, seconds=seconds)
        assert failures.id_ends_in_the_queue(self._client, seconds=seconds)
        assert failures.record_ends_in_the_queue(self._client, seconds=seconds)

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
            self._call(200, "POST", path, files={"file": plain(colour)})
        self._read_keys_again(path, 401, method="POST")

    def renditions(self) -> None:
        upload_id = self._ready(None, in_use=True)
        path = f"/renditions/{upload_id}/{DIGEST}/256.webp"
        self._call(200, "GET", path)
        assert httpx.get(f"{self._client.stack['baseUrl']}/pictures/{self._user()}").is_redirect
        self._delete(f"renditions/{upload_id}/{DIGEST}/256.webp")
        self._call(404, "GET", path)

    def unknown(self) -> None:
        self._call(404, "GET", "/v1/organizations")

    def elements(self) -> None:
        assert httpx.get(f"{self._client.stack['baseUrl']}/elements/vignette.js").is_redirect

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
        self._ready(base64.urlsafe_b64decode(node + "==").decode().removeprefix("User:"))
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
            self._call(200, "POST", address, files={"file": plain("red")})
        # The upload is deleted while its photo is processed: the function deletes what it has
        # written. A deletion that comes too late shows nothing, and is tried again.
        with self._client.stream_reader({"Enabled": False}, {"Enabled": True}):
            for _ in range(20):
                answer = self._send_and_delete(self._signed_address())
                if answer.status_code != 200:
                    break
        assert answer.status_code == 404, answer.text
        self._read_keys_again("/_api/admin/images/upload", 403)

    def authgear_images(self) -> None:
        upload_id = self._ready(None, in_use=True)
        path = f"/_images/{self._client.stack['appId']}/{upload_id}/profile"
        self._call(200, "GET", path)
        self._delete(f"renditions/{upload_id}/{DIGEST}/512.webp")
        self._call(404, "GET", path)

    def logs(self, name: str) -> None:
        """Any function: it writes to its log group, which Lambda makes where there is none."""
        functions, logs = self._client.aws("lambda"), self._client.aws("logs")
        function = self._client.resource(logical_id(name))
        usual = functions.get_function_configuration(FunctionName=function)["LoggingConfig"]
        group = f"/vignette/{uuid.uuid4()}"
        functions.update_function_configuration(
            FunctionName=function, LoggingConfig={"LogGroup": group}
        )
        try:
            functions.invoke(FunctionName=function, Payload="{}")
        finally:
            functions.update_function_configuration(FunctionName=function, LoggingConfig=usual)
        assert logs.describe_log_groups(logGroupNamePrefix=group)["logGroups"]
        logs.delete_log_group(logGroupName=group)

    # Steps

    def _within(self, seconds: float) -> float:
        """The seconds that something may take which comes after an answer."""
        return seconds if self._is_disturbed else failures.PATIENCE

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

    def _first_call(self, method: str, path: str, **sent: Any) -> None:
        """Send a request with the token of a user who is not there yet."""
        headers = self._client.user_headers(f"auth0|{uuid.uuid4().hex}")
        answer = self._client.http.request(method, path, headers=headers, **sent)
        assert answer.is_success, answer.text

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

    def _invoke(self, name: str, event: Any, *, asynchronously: bool = False) -> Any:
        answer = self._client.aws("lambda").invoke(
            FunctionName=self._client.resource(logical_id(name)),
            InvocationType="Event" if asynchronously else "RequestResponse",
            Payload=json.dumps(event),
        )
        if asynchronously:
            return None
        result = json.load(answer["Payload"])
        assert "FunctionError" not in answer, result
        return result

    def _deliver(self, upload_id: str) -> None:
        self._invoke("thumbnails", _photo_event(upload_id))

    def _state(self, upload_id: str) -> Any:
        """What the record of an upload says of itself."""
        item = self._table.get_item(
            TableName=self._client.stack["uploadsTable"], Key={"id": {"S": upload_id}}
        )["Item"]
        return item["state"]["S"]

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

    def _delete(self, key: str) -> None:
        self._bucket.delete_object(Bucket=self._client.stack["bucket"], Key=key)

    def _ready(
        self, user_id: str | None, *, state: str = "ready", in_use: bool = False, **others: Any
    ) -> str:
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
            "sizes": {"L": [{"N": str(size)} for size in settings.RENDITION_SIZES]},
            "crop": {"L": [{"N": "0.5"}, {"N": "0.5"}, {"N": "1"}]},
            "framing": {"S": "centre"},
            "placeholder": {"S": "3EgKFwhpaIVPh2aHVnh5aIdp+SVif0IG"},
            "created_at": {"N": "1"},
            **({} if in_use else {"expires_at": {"N": str(int(time.time()) + 3600)}}),
            **others,
        }
        self._table.put_item(TableName=self._client.stack["uploadsTable"], Item=item)
        for size in settings.RENDITION_SIZES:
            self._put(f"renditions/{upload_id}/{DIGEST}/{size}.webp")
        return upload_id

    def _signed_address(self) -> str:
        issued = self._call(200, "GET", "/_api/admin/images/upload")
        return str(issued["result"]["upload_url"])

    def _send_and_delete(self, address: str) -> httpx.Response:
        """Send a photo to a signed address, and delete its record once it is there."""
        record = {"id": {"S": urlsplit(address).path.split("/")[-1]}}
        with ThreadPoolExecutor() as pool:
            sent = pool.submit(httpx.post, address, files={"file": plain("red")}, timeout=30)
            deleted: dict[str, Any] = {}
            while "Attributes" not in deleted and not sent.done():
                deleted = self._table.delete_item(
                    TableName=self._client.stack["uploadsTable"],
                    Key=record,
                    ReturnValues="ALL_OLD",
                )
        return sent.result()


def fails(exercise: Callable[[], None]) -> bool:
    try:
        exercise()
    except AssertionError:
        return True
    return False


@pytest.mark.parametrize("name", sorted(functions()))
def test_no_permission_of_a_role_can_be_missed(
    client: Client, name: str, record_property: Callable[[str, object], None]
) -> None:
    exercise: Callable[[], None] = getattr(Exercises(client), name)
    disturbed = Exercises(client, is_disturbed=True)
    needed: Callable[[], None] = getattr(disturbed, name)
    role = Role(client, name)
    exercise()
    Exercises(client).logs(name)
    unneeded = []
    for permission in role.permissions:
        is_for_logs = permission.action.startswith("logs:")
        with role.without(permission.action, resource=permission.resource):
            if not fails(partial(disturbed.logs, name) if is_for_logs else needed):
                unneeded.append(permission)
    record_property("permissions", len(role.permissions))
    assert unneeded == []
    exercise()


@pytest.mark.parametrize("name", sorted(functions()))
def test_no_permission_of_a_role_contains_another(client: Client, name: str) -> None:
    permissions = Role(client, name).permissions
    contained = [
        each
        for each, other in permutations(permissions, 2)
        if each.action == other.action and fnmatchcase(each.resource, other.resource)
    ]
    assert contained == []
