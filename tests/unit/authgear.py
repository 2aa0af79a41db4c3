"""A client of Authgear's Admin API: queries and mutations, signed addresses and the pictures."""

import base64
import time
import uuid
from typing import Any
from urllib.parse import urlsplit

import httpx
import jwt
from tests.unit.conftest import ADMIN_KEY, APP_ID, PHOTO, Answer, Service
from tests.wire import node_id

GRAPHQL = "/_api/admin/graphql"
ISSUE = "/_api/admin/images/upload"
ORIGIN = "https://api.example.com"

# The document that Authgear's own portal sends.
PORTAL_UPDATE = """
mutation updateUserMutation(
  $userID: ID!
  $standardAttributes: UserStandardAttributes!
  $customAttributes: UserCustomAttributes!
) {
  updateUser(
    input: {
      userID: $userID
      standardAttributes: $standardAttributes
      customAttributes: $customAttributes
    }
  ) {
    user {
      id
      updatedAt
      standardAttributes
      customAttributes
    }
  }
}
"""
EVERYTHING = """
id createdAt updatedAt lastLoginAt isDisabled standardAttributes customAttributes formattedName
endUserAccountID
"""
CREATE = """
mutation ($key: String!, $value: String!) {
  createUser(input: {definition: {loginID: {key: $key, value: $value}}}) {
    user { id standardAttributes }
  }
}
"""


def send(service: Service, query: str, **variables: Any) -> Answer:
    return service.with_key("POST", GRAPHQL, {"query": query, "variables": variables})


def data(service: Service, query: str, **variables: Any) -> Any:
    answer = send(service, query, **variables)
    assert answer.status == 200, answer.json
    assert "errors" not in answer.json, answer.json
    return answer.json["data"]


def error(service: Service, query: str, **variables: Any) -> dict[str, Any]:
    answer = send(service, query, **variables)
    assert answer.status == 200, answer.json
    (only,) = answer.json["errors"]
    assert isinstance(only, dict)
    return only


def node(service: Service, user_id: str, fields: str = EVERYTHING) -> Any:
    query = f"query ($id: ID!) {{ node(id: $id) {{ ... on User {{ {fields} }} }} }}"
    return data(service, query, id=node_id(user_id))["node"]


def update(service: Service, user_id: str, standard: Any = None, custom: Any = None) -> Any:
    variables: dict[str, Any] = {"userID": node_id(user_id)}
    if standard is not None:
        variables["standardAttributes"] = standard
    if custom is not None:
        variables["customAttributes"] = custom
    query = "mutation ($input: UpdateUserInput!) { updateUser(input: $input) { user { id } } }"
    return send(service, query, input=variables).json


def created(service: Service, key: str = "email", value: str | None = None) -> str:
    value = value or f"{uuid.uuid4().hex}@example.com"
    user = data(service, CREATE, key=key, value=value)["createUser"]["user"]
    padded = user["id"] + "=" * (-len(user["id"]) % 4)
    return base64.urlsafe_b64decode(padded).decode().removeprefix("User:")


def causes(answer: Any) -> dict[str, str]:
    """What the one error of an answer finds wrong, by where it is."""
    (only,) = answer["errors"]
    assert only["extensions"]["errorName"] == "Invalid"
    assert only["extensions"]["reason"] == "ValidationFailed"
    found = {each["location"]: each["kind"] for each in only["extensions"]["info"]["causes"]}
    assert all(location in only["message"] for location in found)
    return found


def admin_token(
    key: Any = ADMIN_KEY,
    algorithm: str = "RS256",
    key_id: str | None = "admin-key",
    **claims: Any,
) -> str:
    """A token as Authgear documents it, with claims replaced or, where None, left out."""
    now = int(time.time())
    payload = {"aud": [APP_ID], "iat": now, "exp": now + 300, **claims}
    payload = {name: value for name, value in payload.items() if value is not None}
    headers = {"kid": key_id} if key_id else {}
    return jwt.encode(payload, key, algorithm, headers=headers)


def issue(service: Service, method: str = "GET") -> str:
    """The path and query of a new signed address."""
    answer = service.with_key(method, ISSUE)
    assert answer.status == 200, answer.json
    address = answer.json["result"]["upload_url"]
    assert isinstance(address, str)
    assert address.startswith(ORIGIN)
    return address.removeprefix(ORIGIN)


def object_of(address: str) -> str:
    return urlsplit(address).path.split("/")[3]


def form(*files: tuple[str, bytes]) -> tuple[bytes, str]:
    """A form as an HTTP client encodes it, and its content type."""
    content_type = "multipart/form-data; boundary=7d2a0c51e9b84f36"
    request = httpx.Request(
        *("POST", ORIGIN),
        headers={"content-type": content_type},
        files=[(name, ("photo.jpg", content)) for name, content in files],
    )
    return request.read(), content_type


def post(
    service: Service, address: str, body: bytes | None = None, content_type: str | None = None
) -> Answer:
    """Send a photo, or another body, to an address, without a token."""
    if body is None:
        body, content_type = form(("file", PHOTO))
    headers = {"content-type": content_type} if content_type else {}
    return service.call("POST", address, body, headers=headers)


def uploaded(service: Service, photo: bytes = PHOTO) -> str:
    """The id of a new object."""
    address = issue(service)
    answer = post(service, address, *form(("file", photo)))
    assert answer.status == 200, answer.json
    object_id = object_of(address)
    assert answer.json == {"result": {"url": f"authgearimages:///{APP_ID}/{object_id}"}}
    return object_id


def uri(object_id: str, app_id: str = APP_ID) -> str:
    return f"authgearimages:///{app_id}/{object_id}"


def get(
    service: Service,
    object_id: str,
    option: str = "profile",
    app_id: str = APP_ID,
    query: str = "",
) -> Answer:
    return service.call("GET", f"/_images/{app_id}/{object_id}/{option}{query}")
