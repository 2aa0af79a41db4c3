"""What one user's token, or none, can do to another user: nothing, through any route there is.

Every route of the template has a rule here; a route without one fails the first test.
"""

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import httpx
import pytest
from tests.e2e.conftest import PHOTOS, Client, eventually
from tests.template import routes

PHOTO = (PHOTOS / "chelsea.png").read_bytes()


class Person:
    """A user with something of everything that is a user's own."""

    def __init__(self, client: Client) -> None:
        mark = uuid.uuid4().hex
        self._client = client
        self.email = f"{mark}@example.com"
        self.phone = f"+1{int(mark[:12], 16):015d}"[:16]
        self.user = client.create_user(
            email=self.email,
            username=f"u-{mark}",
            externalId=f"x-{mark}",
            firstName=f"First-{mark}",
            lastName=f"Last-{mark}",
        )
        self.id: str = self.user["id"]
        self.headers = client.user_headers(self.id)

    @cached_property
    def upload(self) -> str:
        """The id of an upload that is ready, and nobody's picture."""
        return str(self._client.upload(self.headers, PHOTO)["id"])

    @cached_property
    def email_id(self) -> str:
        return str(self.as_clerk_shows()["email_addresses"][0]["id"])

    @cached_property
    def phone_id(self) -> str:
        new = {"user_id": self.id, "phone_number": self.phone}
        answer = self._client.http.post("/v1/phone_numbers", json=new, headers=self._client.key)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["id"])

    @cached_property
    def password(self) -> str:
        new = {"password": f"secret-{uuid.uuid4()}"}
        path = f"/v1/users/{self.id}"
        answer = self._client.http.patch(path, json=new, headers=self._client.key)
        assert answer.status_code == 200, answer.text
        return new["password"]

    def as_clerk_shows(self) -> Any:
        return self._client.http.get(f"/v1/users/{self.id}", headers=self._client.key).json()

    @property
    def words(self) -> list[str]:
        """What is in an answer about this user, and in no other."""
        return [*(self.user[name] for name in ("email", "username", "externalId")), self.phone]

    def state(self) -> list[Any]:
        """All that is stored of this user."""
        table = self._client.aws("dynamodb")
        stack = self._client.stack
        keys = [f"user#{self.id}", f"email#{self.email}", f"username#{self.user['username']}"]
        keys += [f"external_id#{self.user['externalId']}", f"phone#{self.phone}"]
        items = [table.get_item(TableName=stack["usersTable"], Key={"pk": {"S": k}}) for k in keys]
        key = {"id": {"S": self.upload}}
        items.append(table.get_item(TableName=stack["uploadsTable"], Key=key))
        objects = self._client.objects(f"renditions/{self.upload}/")
        return [*(item.get("Item") for item in items), objects]


def nothing(_: Person) -> dict[str, Any]:
    return {}


def here(person: Person) -> dict[str, str]:
    return {"user_id": person.id, "upload_id": person.upload}


@dataclass(frozen=True)
class Rule:
    """What a request about somebody is answered without credentials, to another, and rightly.

    `request` makes the rest of the request, and `place` its path's parameters. Who may send it
    is the person `themselves` or else the holder of the secret key; None is nobody.
    """

    nobody: int
    another: int
    rightly: int | None
    request: Callable[[Person], dict[str, Any]] = nothing
    place: Callable[[Person], dict[str, str]] = here
    themselves: bool = False


def json(content: Callable[[Person], Any]) -> Callable[[Person], dict[str, Any]]:
    return lambda person: {"json": content(person)}


def key_only(
    content: Callable[[Person], Any] | None = None,
    place: Callable[[Person], dict[str, str]] = here,
    *,
    status: int = 200,
) -> Rule:
    """For the holder of the secret key only."""
    return Rule(401, 403, status, json(content) if content else nothing, place)


def admin_only(content: Callable[[Person], Any] | None = None) -> Rule:
    """For the holder of an Admin API key, or of the secret key."""
    return Rule(403, 403, 200, json(content) if content else nothing)


def new_user(_: Person) -> dict[str, str]:
    return {"email": f"{uuid.uuid4().hex}@example.com", "firstName": "A", "lastName": "B"}


def new_upload(person: Person) -> dict[str, Any]:
    wanted = {"kind": "profile_picture", "contentType": "image/png", "contentLength": 1}
    return {**wanted, "userId": person.id}


def picture(person: Person) -> dict[str, str]:
    return {"uploadId": person.upload}


def new_number(person: Person) -> dict[str, str]:
    return {"user_id": person.id, "phone_number": person.phone}


def new_address(person: Person) -> dict[str, str]:
    return {"user_id": person.id, "email_address": f"{uuid.uuid4().hex}@example.com"}


def the_address(person: Person) -> dict[str, str]:
    return {"email_address_id": person.email_id}


def the_number(person: Person) -> dict[str, str]:
    return {"phone_number_id": person.phone_id}


NAME = {"firstName": "Mallory"}
RULES = {
    # The native API
    "GET /api/v1/openapi.json": Rule(200, 200, 200),
    "POST /api/v1/shared/users": key_only(new_user, status=201),
    "GET /api/v1/shared/users": key_only(),
    "GET /api/v1/shared/users/{user_id}": key_only(),
    "PATCH /api/v1/shared/users/{user_id}": key_only(lambda _: NAME),
    "DELETE /api/v1/shared/users/{user_id}": key_only(status=204),
    "PATCH /api/v1/shared/users/{user_id}/profile-picture": key_only(picture),
    "GET /api/v1/users/me": Rule(401, 200, 200, themselves=True),
    "PATCH /api/v1/users/me": Rule(401, 200, 200, json(lambda _: NAME), themselves=True),
    "PATCH /api/v1/users/me/profile-picture": Rule(401, 404, 200, json(picture), themselves=True),
    "POST /api/v1/uploads": Rule(401, 403, 201, json(new_upload), themselves=True),
    "GET /api/v1/uploads/{upload_id}": Rule(401, 404, 200, themselves=True),
    "PATCH /api/v1/uploads/{upload_id}": Rule(
        401, 404, 200, json(lambda _: {"crop": None}), themselves=True
    ),
    "DELETE /api/v1/uploads/{upload_id}": Rule(401, 404, 204, themselves=True),
    # Clerk's Backend API
    "GET /v1/jwks": Rule(200, 200, 200),
    "GET /v1/users": key_only(),
    "POST /v1/users": key_only(lambda _: {"first_name": "Ada"}),
    "GET /v1/users/count": key_only(),
    "GET /v1/users/{user_id}": key_only(),
    "PATCH /v1/users/{user_id}": key_only(lambda person: {"profile_image_id": person.upload}),
    "DELETE /v1/users/{user_id}": key_only(),
    "PUT /v1/users/{user_id}/metadata": key_only(lambda _: {"private_metadata": {"a": 1}}),
    "PATCH /v1/users/{user_id}/metadata": key_only(lambda _: {"public_metadata": {"a": 1}}),
    "POST /v1/users/{user_id}/profile_image": Rule(
        401, 403, 200, lambda _: {"files": {"file": PHOTO}}
    ),
    "DELETE /v1/users/{user_id}/profile_image": key_only(),
    "POST /v1/users/{user_id}/verify_password": key_only(
        lambda person: {"password": person.password}
    ),
    "POST /v1/users/{user_id}/ban": key_only(),
    "POST /v1/users/{user_id}/unban": key_only(),
    "POST /v1/users/{user_id}/lock": key_only(),
    "POST /v1/users/{user_id}/unlock": key_only(),
    "POST /v1/email_addresses": key_only(new_address),
    "GET /v1/email_addresses/{email_address_id}": key_only(place=the_address),
    "PATCH /v1/email_addresses/{email_address_id}": key_only(
        lambda _: {"verified": True}, the_address
    ),
    "DELETE /v1/email_addresses/{email_address_id}": key_only(place=the_address),
    "POST /v1/phone_numbers": key_only(new_number),
    "GET /v1/phone_numbers/{phone_number_id}": key_only(place=the_number),
    "PATCH /v1/phone_numbers/{phone_number_id}": key_only(lambda _: {"verified": True}, the_number),
    "DELETE /v1/phone_numbers/{phone_number_id}": key_only(place=the_number),
    # Authgear's Admin API. What is sent to a signed address needs that address; a photo that is
    # nobody's picture is shown to nobody.
    "POST /_api/admin/graphql": admin_only(
        lambda person: {
            "query": "query ($value: String!) {"
            ' getUserByLoginID(loginIDKey: "email", loginIDValue: $value) { id } }',
            "variables": {"value": person.email},
        }
    ),
    "GET /_api/admin/images/upload": admin_only(),
    "POST /_api/admin/images/upload": admin_only(),
    "POST /_images/{app_id}/{object_id}": Rule(
        *(400, 400, None),
        lambda _: {"files": {"file": PHOTO}},
        lambda person: {"object_id": person.upload},
    ),
    "GET /_images/{app_id}/{object_id}/{option}": Rule(
        404, 404, None, place=lambda person: {"object_id": person.upload, "option": "original"}
    ),
    # Public addresses: they answer for what is somebody's picture now.
    "GET /renditions/{upload_id}/{digest}/{file}": Rule(
        *(404, 404, None),
        place=lambda person: {
            "upload_id": person.upload,
            "digest": "0" * 32,
            "file": "256.webp",
        },
    ),
    "GET /avatars/{colour}/{file}": Rule(
        200, 200, 200, place=lambda _: {"colour": "9a3412", "file": "AL.webp"}
    ),
    "GET /pictures/{user_id}": Rule(302, 302, 302),
    "GET /elements/vignette.js": Rule(302, 302, 302),
    "GET /elements/{digest}/vignette.js": Rule(302, 302, 302, place=lambda _: {"digest": "0"}),
}


def prepare(client: Client, route: str, person: Person) -> Callable[[Any], httpx.Response]:
    """A request about a person, to be sent with the headers of one caller or another."""
    rule = RULES[route]
    method, path = route.split()
    path = path.format(app_id=client.stack["appId"], **rule.place(person))
    rest = rule.request(person)
    return lambda headers: client.http.request(method, path, headers=headers, **rest)


def test_every_route_has_a_rule() -> None:
    assert RULES.keys() == routes().by_key.keys() - {"$default"}  # which reads nothing


@pytest.fixture(scope="module")
def alice(client: Client) -> Person:
    return Person(client)


@pytest.fixture(scope="module")
def mallory(client: Client) -> Person:
    return Person(client)


@pytest.mark.parametrize("route", RULES)
def test_nobody_reads_or_changes_what_is_somebody_elses(
    client: Client, alice: Person, mallory: Person, route: str
) -> None:
    rule = RULES[route]
    send = prepare(client, route, alice)
    before = alice.state()
    for headers, status in (({}, rule.nobody), (mallory.headers, rule.another)):
        answer = send(headers)
        assert answer.status_code == status, answer.text
        assert not [word for word in alice.words if word in answer.text]
        assert alice.state() == before


@pytest.mark.parametrize("route", [route for route in RULES if RULES[route].rightly])
def test_the_very_same_request_is_answered_to_those_who_may(client: Client, route: str) -> None:
    person = Person(client)
    headers = person.headers if RULES[route].themselves else client.key
    answer = prepare(client, route, person)(headers)
    assert answer.status_code == RULES[route].rightly, answer.text
    assert not answer.text.startswith('{"errors"')


def test_private_metadata_never_leaves_through_a_users_own_token(client: Client) -> None:
    person = Person(client)
    secret = {"private_metadata": {"note": f"note-{uuid.uuid4()}"}}
    path = f"/v1/users/{person.id}/metadata"
    assert client.http.put(path, json=secret, headers=client.key).status_code == 200
    for method, content in (("GET", None), ("PATCH", {"firstName": "Ada"})):
        answer = client.http.request(
            method, "/api/v1/users/me", json=content, headers=person.headers
        )
        assert answer.status_code == 200
        assert "note-" not in answer.text


def test_a_repeated_request_is_answered_to_who_sent_it_first_and_nobody_else(
    client: Client, mallory: Person
) -> None:
    person = Person(client)
    wanted = {"kind": "profile_picture", "contentType": "image/png", "contentLength": 1}
    key = {"Idempotency-Key": uuid.uuid4().hex}
    forms = [
        client.http.post("/api/v1/uploads", json=wanted, headers={**headers, **key}).json()
        for headers in (person.headers, mallory.headers, person.headers)
    ]
    first, others, again = (form["uploadId"] for form in forms)
    assert first == again != others


def test_an_upload_is_hidden_in_every_spelling_of_its_id(
    client: Client, alice: Person, mallory: Person
) -> None:
    before = alice.state()
    for spelling in (alice.upload.upper(), f"{{{alice.upload}}}", alice.upload.replace("-", "")):
        for method in ("GET", "DELETE"):
            path = f"/api/v1/uploads/{spelling}"
            assert client.http.request(method, path, headers=mallory.headers).status_code == 404
    assert alice.state() == before


def test_a_picture_that_was_removed_is_shown_to_nobody(client: Client) -> None:
    person = Person(client)
    assert client.set_picture(person.headers, person.upload).status_code == 200
    shown = f"/_images/{client.stack['appId']}/{person.upload}/profile"
    assert client.http.get(shown).status_code == 200
    assert client.set_picture(person.headers, None).status_code == 200
    assert eventually(lambda: client.http.get(shown).status_code == 404)
