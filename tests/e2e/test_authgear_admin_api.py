"""Authgear's Admin API on the deployed stack, called the way Authgear documents it."""

import io
import json
import subprocess
import uuid
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest
from PIL import Image
from tests.e2e.conftest import PHOTOS, Client, create_with_id, eventually, signed
from tests.ids import IDS
from tests.unit.authgear import PORTAL_UPDATE
from tests.wire import node_id


@pytest.fixture
def token(stack: dict[str, Any]) -> str:
    """A token as the Python sample in Authgear's documentation makes it."""
    now = datetime.now()
    payload = {
        "aud": [stack["appId"]],
        "iat": int(now.timestamp()),
        "exp": int((now + timedelta(minutes=5)).timestamp()),
    }
    return signed(stack, "admin", payload)


@pytest.fixture
def admin(stack: dict[str, Any], token: str) -> httpx.Client:
    return httpx.Client(
        base_url=stack["baseUrl"], headers={"Authorization": f"Bearer {token}"}, timeout=30
    )


def curl(*arguments: str) -> Any:
    """The JSON that curl gets."""
    found = subprocess.run(
        ["curl", "--silent", "--show-error", "--fail-with-body", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert found.returncode == 0, found.stdout + found.stderr
    return json.loads(found.stdout)


def query(admin: httpx.Client, document: str, **variables: Any) -> Any:
    answer = admin.post("/_api/admin/graphql", json={"query": document, "variables": variables})
    assert answer.status_code == 200, answer.text
    response = answer.json()
    assert "errors" not in response, response
    return response["data"]


def picture_at(address: str) -> Image.Image:
    answer = httpx.get(address, timeout=30)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "image/webp"
    assert answer.headers["cache-control"] == "public, max-age=31536000, s-maxage=300, immutable"
    return Image.open(io.BytesIO(answer.content))


def upload(admin: httpx.Client, photo: bytes) -> str:
    """The `authgearimages` name of a new object."""
    address = admin.get("/_api/admin/images/upload").json()["result"]["upload_url"]
    answer = httpx.post(address, files={"file": ("image.jpg", photo, "image/jpeg")}, timeout=30)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["result"]["url"])


def test_the_three_documented_requests(client: Client, stack: dict[str, Any], token: str) -> None:
    user = client.create_user()
    base, authorization = stack["baseUrl"], f"Authorization: Bearer {token}"

    issued = curl(f"{base}/_api/admin/images/upload", "-H", authorization)
    address = issued["result"]["upload_url"]
    assert address.startswith(f"{base}/_images/{stack['appId']}/")

    sent = curl(address, "-F", f"file=@{PHOTOS / 'flower.jpg'};filename=image.png;type=image/png")
    picture = sent["result"]["url"]
    assert picture.startswith(f"authgearimages:///{stack['appId']}/")

    document = """
    mutation ($userID: ID!, $standardAttributes: UserStandardAttributes!) {
      updateUser(input: {userID: $userID, standardAttributes: $standardAttributes}) {
        user {
          id
          standardAttributes
          updatedAt
        }
      }
    }
    """
    variables = {
        "userID": node_id(user["id"]),
        "standardAttributes": {"name": "Grace Hopper", "picture": picture},
    }
    answered = curl(
        f"{base}/_api/admin/graphql",
        *("-H", authorization, "-H", "Content-Type: application/json"),
        *("--data", json.dumps({"query": document, "variables": variables})),
    )
    changed = answered["data"]["updateUser"]["user"]
    shown = changed["standardAttributes"]
    object_id = picture.rpartition("/")[2]
    assert changed == {
        "id": node_id(user["id"]),
        "updatedAt": changed["updatedAt"],
        "standardAttributes": {
            "email": user["email"],
            "email_verified": False,
            "name": "Grace Hopper",
            "picture": f"{base}/_images/{stack['appId']}/{object_id}/profile",
            "updated_at": shown["updated_at"],
        },
    }
    assert picture_at(shown["picture"]).size == (427, 427)
    assert picture_at(shown["picture"].replace("/profile", "/original")).size == (640, 427)
    native = client.http.get(f"/api/v1/shared/users/{user['id']}", headers=client.key).json()
    assert native["hasCustomProfilePicture"] is True
    assert httpx.get(native["profilePictureUrl"]).headers["content-type"] == "image/webp"


def test_the_portals_update_of_a_user(client: Client, admin: httpx.Client) -> None:
    user = client.create_user()
    standard = {
        "given_name": "Grace",
        "family_name": "Hopper",
        "birthdate": "1906-12-09",
        "zoneinfo": "America/New_York",
        "locale": "en-US",
        "address": {"locality": "New York", "country": "US"},
        "picture": "https://example.com/grace.png",
    }
    custom = {"rank": "rear admiral", "languages": ["COBOL", "FLOW-MATIC"], "active": None}
    changed = query(
        admin,
        PORTAL_UPDATE,
        userID=node_id(user["id"]),
        standardAttributes=standard,
        customAttributes=custom,
    )["updateUser"]["user"]
    assert changed == {
        "id": node_id(user["id"]),
        "updatedAt": changed["updatedAt"],
        "customAttributes": custom,
        "standardAttributes": {
            **standard,
            "email": user["email"],
            "email_verified": False,
            "updated_at": changed["standardAttributes"]["updated_at"],
        },
    }


def test_a_user_from_creation_to_deletion(client: Client, admin: httpx.Client) -> None:
    name = f"u{uuid.uuid4().hex[:12]}"
    create = """
    mutation ($name: String!) {
      createUser(input: {definition: {loginID: {key: "username", value: $name}}}) {
        user { id }
      }
    }
    """
    user = query(admin, create, name=name)["createUser"]["user"]
    picture = upload(admin, (PHOTOS / "astronaut.jpg").read_bytes())
    object_id = picture.rpartition("/")[2]
    update = """
    mutation ($id: ID!, $picture: UserStandardAttributes!) {
      updateUser(input: {userID: $id, standardAttributes: $picture}) { user { id } }
    }
    """
    query(admin, update, id=user["id"], picture={"picture": picture})
    find = """
    query ($id: ID!, $name: String!) {
      node(id: $id) { ... on User { isDisabled lastLoginAt } }
      nodes(ids: [$id]) { id }
      getUserByLoginID(loginIDKey: "username", loginIDValue: $name) { id }
      getUsersByStandardAttribute(
        attributeName: "preferred_username", attributeValue: $name
      ) { id }
      users(searchKeyword: $name) { totalCount edges { node { id formattedName } } }
    }
    """
    assert query(admin, find, id=user["id"], name=name) == {
        "node": {"isDisabled": False, "lastLoginAt": None},
        "nodes": [user],
        "getUserByLoginID": user,
        "getUsersByStandardAttribute": [user],
        "users": {"totalCount": 1, "edges": [{"node": {**user, "formattedName": None}}]},
    }
    page = query(admin, "{ users(first: 1) { totalCount edges { node { id } } } }")["users"]
    assert page["totalCount"] >= 1
    assert len(page["edges"]) == 1

    delete = "mutation ($id: ID!) { deleteUser(input: {userID: $id}) { deletedUserID } }"
    assert query(admin, delete, id=user["id"])["deleteUser"] == {"deletedUserID": user["id"]}
    assert query(admin, find, id=user["id"], name=name)["node"] is None
    assert (
        client.http.get(f"/_images/{client.stack['appId']}/{object_id}/profile").status_code == 404
    )
    assert eventually(lambda: not client.objects(f"renditions/{object_id}/"))


@pytest.mark.parametrize("user_id", IDS)
def test_a_user_has_the_id_that_an_identity_provider_made(
    client: Client, admin: httpx.Client, user_id: str
) -> None:
    create_with_id(client, user_id)
    node = node_id(user_id)
    found = query(admin, "query ($node: ID!) { node(id: $node) { id } }", node=node)
    assert found == {"node": {"id": node}}
    picture = upload(admin, (PHOTOS / "astronaut.jpg").read_bytes())
    attributes = {"given_name": "Amazing", "picture": picture}
    updated = query(
        admin, PORTAL_UPDATE, userID=node, standardAttributes=attributes, customAttributes={}
    )["updateUser"]["user"]
    assert (updated["id"], updated["standardAttributes"]["given_name"]) == (node, "Amazing")
    seen = client.http.get("/api/v1/users/me", headers=client.user_headers(user_id)).json()
    assert (seen["id"], seen["hasCustomProfilePicture"]) == (user_id, True)
    deleted = query(
        admin,
        "mutation ($node: ID!) { deleteUser(input: {userID: $node}) { deletedUserID } }",
        node=node,
    )
    assert deleted == {"deleteUser": {"deletedUserID": node}}


def test_who_has_no_token_is_forbidden(client: Client, stack: dict[str, Any]) -> None:
    now = datetime.now()
    forged = jwt.encode(
        {"aud": stack["appId"], "exp": int(now.timestamp()) + 300},
        Path(stack["jwtPrivateKeyFile"]).read_text(),
        "RS256",
        headers={"kid": stack["adminKeyId"]},
    )
    for headers in ({}, {"Authorization": f"Bearer {forged}"}):
        for method, path in (
            ("POST", "/_api/admin/graphql"),
            ("GET", "/_api/admin/images/upload"),
            ("POST", "/_api/admin/images/upload"),
        ):
            answer = client.http.request(method, path, headers=headers, json={})
            assert (answer.status_code, answer.text) == (403, "Forbidden")


def test_the_secret_key_works_too(client: Client) -> None:
    answer = client.http.post(
        "/_api/admin/graphql", json={"query": "{ __typename }"}, headers=client.key
    )
    assert answer.json() == {"data": {"__typename": "Query"}}
    issued = client.http.post("/_api/admin/images/upload", headers=client.key)
    assert "upload_url" in issued.json()["result"]


def test_bad_forms_store_nothing(client: Client, admin: httpx.Client) -> None:
    address = admin.get("/_api/admin/images/upload").json()["result"]["upload_url"]
    object_id = address.partition("?")[0].rpartition("/")[2]
    photo = ("image.jpg", (PHOTOS / "astronaut.jpg").read_bytes(), "image/jpeg")
    refused = [
        httpx.post(address.replace("x-authgear-signature=", "x-authgear-signature=0")),
        httpx.post(address, files={"photo": photo}),
        httpx.post(address, files=[("file", photo), ("file", photo)]),
        httpx.post(address, content=photo[1], headers={"content-type": "multipart/form-data"}),
        httpx.post(address, files={"file": ("image.jpg", b"no picture")}),
    ]
    for answer in refused:
        assert answer.status_code == 400, answer.text
        assert answer.json()["error"].keys() >= {"name", "reason", "message", "code"}
    assert client.objects(f"renditions/{object_id}/") == set()
    for _ in range(2):
        assert httpx.post(address, files={"file": photo}, timeout=30).status_code == 200
    another = ("image.jpg", (PHOTOS / "china.jpg").read_bytes(), "image/jpeg")
    again = httpx.post(address, files={"file": another}, timeout=30)
    assert (again.status_code, again.json()["error"]["reason"]) == (409, "ImageAlreadyUploaded")
    assert len(client.objects(f"renditions/{object_id}/")) == 5


def test_a_large_photo_goes_through(client: Client, admin: httpx.Client) -> None:
    photo = io.BytesIO()
    Image.effect_noise((4000, 3000), 60).convert("RGB").save(photo, "JPEG", quality=35)
    assert 2_000_000 < len(photo.getvalue()) < 4_400_000
    name = upload(admin, photo.getvalue())
    user_id, picture = node_id(client.create_user()["id"]), {"picture": name}
    query(admin, PORTAL_UPDATE, userID=user_id, standardAttributes=picture, customAttributes={})
    base = f"{admin.base_url}".rstrip("/")
    path = name.removeprefix("authgearimages://")
    assert picture_at(f"{base}/_images{path}/original").size == (2048, 1536)
    assert picture_at(f"{base}/_images{path}/profile").size == (512, 512)
