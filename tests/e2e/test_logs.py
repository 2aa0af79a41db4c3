"""Nothing in the functions' logs is secret or personal, whatever is done with the service.

What is sent here has words that are nowhere else. The logs of every stack are searched for what
secrets and addresses look like when its last test is over (`conftest.py`).
"""

import json
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import jwt
import pytest
from tests.e2e import logs
from tests.e2e.conftest import PHOTOS, Client, eventually, signed
from tests.e2e.roles import Role, logical_id
from tests.template import functions

PHOTO = (PHOTOS / "astronaut.jpg").read_bytes()
ANOTHER_PHOTO = (PHOTOS / "china.jpg").read_bytes()
# Of everything that is looked for, as it could stand in a line.
EXAMPLES = {
    "a token": "token eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ4In0.AAAA",
    "an e-mail address": "user grace@example.com",
    "a phone number": "call +15005550006",
    "a presigned address": "GET /key?X-Amz-Signature=0123",
    "a signed address": "POST /upload?x-authgear-signature=0123",
    "credentials of AWS": "key ASIA0123456789ABCDEF",
    "a password's digest": "digest $2b$10$0123",
    "credentials": "Authorization: Bearer 0123456789",
}


def logged(client: Client) -> dict[str, str]:
    """What each function of the template has logged, by its name there."""
    written = logs.written(Path(client.stack["logs"]))
    ids = map(logical_id, functions())
    return {name: written.get(client.resource(name), "") for name in ids}


class Someone:
    """Uses all of the APIs, and remembers every word that belongs in no log."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.words: dict[str, str] = {"the secret key": client.stack["secretKey"]}
        self.request_ids: list[str] = []

    def word(self, what: str, form: str = "{}") -> str:
        self.words[what] = form.format(f"w{uuid.uuid4().hex}")
        return self.words[what]

    def phone(self) -> str:
        self.words["phone"] = f"+1{uuid.uuid4().int % 10**13:013d}"
        return self.words["phone"]

    def send(self, status: int, method: str, path: str, **sent: Any) -> Any:
        """Send a request, as the holder of the key unless there are other headers."""
        sent.setdefault("headers", self.client.key)
        answer = self.client.http.request(method, path, **sent)
        assert answer.status_code == status, answer.text
        self.request_ids.append(answer.headers["x-request-id"])
        is_json = answer.content and "json" in answer.headers["content-type"]
        return answer.json() if is_json else answer

    def remember_address(self, what: str, address: str) -> None:
        self.words[what] = urlsplit(address).query

    def uses_the_native_api(self) -> None:
        path = "/api/v1/shared/users"
        new = {
            "email": self.word("email", "{}@example.com"),
            "firstName": self.word("first name"),
            "lastName": self.word("last name"),
            "username": self.word("username"),
            "externalId": self.word("external id"),
            "profilePictureUrl": self.word("picture", "https://id.example.com/{}.png"),
        }
        headers = {**self.client.key, "Idempotency-Key": self.word("idempotency key")}
        user = self.send(201, "POST", path, json=new, headers=headers)
        self.send(201, "POST", path, json=new, headers=headers)
        self.send(409, "POST", path, json=new)
        self.send(422, "POST", path, json={**new, self.word("unknown field"): "x", "email": "x"})
        self.send(422, "POST", path, json={**new, "email": self.word("invalid email", "{}@@")})
        self.send(400, "POST", path, content=f'{{"email": "{self.word("broken JSON")}')
        self.send(404, "GET", f"{path}/{self.word('unknown id')}")
        unknown = f"{path}/{self.word('unknown id in an invalid call')}"
        self.send(422, "PATCH", unknown, json={"firstName": 1})
        self.send(200, "PATCH", f"{path}/{user['id']}", json={"firstName": self.word("new name")})

        me = self.client.user_headers(user["id"])
        self.words["user token"] = me["Authorization"].split()[1]
        form = self.client.upload_form(me, PHOTO)
        for name in ("policy", "x-amz-signature", "x-amz-security-token"):
            self.words[f"form {name}"] = form["fields"][name]
        assert self.client.send(form, PHOTO).status_code == 204
        upload = self.client.finished(form["uploadId"], me)
        self.remember_address("rendition", upload["renditions"][0]["url"])
        picture = {"uploadId": upload["id"]}
        shown = self.send(
            200, "PATCH", "/api/v1/users/me/profile-picture", json=picture, headers=me
        )
        self.remember_address("picture", shown["profilePictureUrl"])
        self.send(204, "DELETE", f"{path}/{user['id']}")

    def is_refused(self) -> None:
        forged = jwt.encode({"sub": self.word("forged subject")}, "k" * 32, "HS256")
        self.words["forged token"] = forged
        for credentials in (forged, self.word("wrong key")):
            headers = {"Authorization": f"Bearer {credentials}"}
            self.send(401, "GET", "/api/v1/users/me", headers=headers)
            self.send(401, "GET", "/v1/users", headers=headers)
            self.send(403, "POST", "/_api/admin/graphql", headers=headers)
            self.send(403, "GET", "/_api/admin/images/upload", headers=headers)
        target = f"/api/v1/shared/users/{self.word('target of nobody known')}"
        self.send(401, "DELETE", target, headers=headers)

    def uses_clerks_api(self) -> None:
        new = {
            "email_address": [self.word("clerk email", "{}@example.com")],
            "phone_number": [self.phone()],
            "first_name": self.word("clerk name"),
            "password": self.word("password"),
            "public_metadata": {self.word("metadata key"): self.word("metadata")},
            "private_metadata": {"note": self.word("private metadata")},
        }
        path = f"/v1/users/{self.send(200, 'POST', '/v1/users', json=new)['id']}"
        self.send(422, "POST", "/v1/users", json=new)
        self.send(422, "POST", "/v1/users", json={self.word("unknown parameter"): "x"})
        self.send(200, "GET", "/v1/users", params={"email_address": new["email_address"]})
        self.send(422, "GET", "/v1/users", params={self.word("unknown filter"): "x"})
        verify = f"{path}/verify_password"
        self.send(200, "POST", verify, json={"password": new["password"]})
        self.send(422, "POST", verify, json={"password": self.word("wrong password")})
        self.send(422, "PATCH", path, json={"password": self.word("short", "{:.6}")[:6]})
        digest = {"password_hasher": "bcrypt", "password_digest": self.word("digest", "$2b$10${}")}
        self.send(422, "PATCH", path, json=digest)
        named = (self.word("file name", "{}.jpg"), PHOTO, "image/jpeg")
        self.send(200, "POST", f"{path}/profile_image", files={"file": named})
        broken = (named[0], self.word("no photo").encode(), "image/jpeg")
        self.send(400, "POST", f"{path}/profile_image", files={"file": broken})
        self.send(200, "DELETE", path)

    def uses_authgears_api(self) -> None:
        stack = self.client.stack
        claims = {"aud": [stack["appId"]], "exp": int(time.time()) + 300}
        token = signed(stack, "admin", claims)
        self.words["admin token"] = token
        headers = {"Authorization": f"Bearer {token}"}
        issued = self.send(200, "GET", "/_api/admin/images/upload", headers=headers)
        address = issued["result"]["upload_url"]
        self.remember_address("signed address", address)
        path = address.removeprefix(stack["baseUrl"])
        self.send(200, "POST", path, files={"file": PHOTO}, headers={})
        self.send(409, "POST", path, files={"file": ANOTHER_PHOTO}, headers={})
        self.send(400, "POST", path + "0", files={"file": PHOTO}, headers={})
        node = self.ask(
            "mutation ($value: String!) { createUser(input: {definition: {loginID:"
            ' {key: "email", value: $value}}}) { user { id } } }',
            value=self.word("login id", "{}@example.com"),
        )["data"]["createUser"]["user"]["id"]
        update = (
            "mutation ($node: ID!, $standard: UserStandardAttributes!,"
            " $custom: UserCustomAttributes!) { updateUser(input: {userID: $node,"
            " standardAttributes: $standard, customAttributes: $custom})"
            " { user { standardAttributes } } }"
        )
        for standard in (
            {"name": self.word("attribute"), "address": {"locality": self.word("address")}},
            {"birthdate": self.word("birth date"), self.word("unknown attribute"): "x"},
        ):
            custom = {"note": self.word("custom attribute")}
            self.ask(update, node=node, standard=standard, custom=custom)
        self.ask(f'{{ users(searchKeyword: "{self.word("keyword")}") {{ totalCount }} }}')
        self.ask(f"{{ {self.word('unknown name')} }}")
        self.ask(f'{{ "{self.word("broken query")}')
        self.ask(
            "mutation ($node: ID!) { deleteUser(input: {userID: $node}) {deletedUserID} }",
            node=node,
        )

    def ask(self, document: str, **variables: Any) -> Any:
        query = {"query": document, "variables": variables}
        return self.send(200, "POST", "/_api/admin/graphql", json=query)

    def meets_faults(self) -> None:
        """Nobody expects a permission to be missing: what was asked for ends in a traceback."""
        email = self.word("email in a fault", "{}@example.com")
        native = {"email": email, "firstName": self.word("name in a fault"), "lastName": "X"}
        with Role(self.client, "profiles").without("dynamodb:PutItem"):
            self.send(500, "POST", "/api/v1/shared/users", json=native)
            repeatable = {**self.client.key, "Idempotency-Key": uuid.uuid4().hex}
            self.send(500, "POST", "/api/v1/shared/users", json=native, headers=repeatable)
        with Role(self.client, "clerk").without("dynamodb:PutItem"):
            clerk = {
                "email_address": [email],
                "password": self.word("password in a fault"),
                "public_metadata": {"note": self.word("metadata in a fault")},
            }
            self.send(500, "POST", "/v1/users", json=clerk)
        with Role(self.client, "authgear_graphql").without("dynamodb:PutItem"):
            failed = self.ask(
                'mutation { createUser(input: {definition: {loginID: {key: "email", '
                f'value: "{email}"}}}}}}) {{ user {{ id }} }} }}'
            )
            assert failed["errors"][0]["extensions"]["reason"] == "UnexpectedError"
        with Role(self.client, "clerk_pictures").without("s3:PutObject"):
            user_id = self.client.create_user()["id"]
            path = f"/v1/users/{user_id}/profile_image"
            self.send(500, "POST", path, files={"file": PHOTO})
        for name in ("profiles", "clerk", "authgear_graphql"):
            with Role(self.client, name).without("secretsmanager:GetSecretValue"):
                time.sleep(1.1)  # after which an unknown key may be a new one
                self.is_refused_in_a_fault(name)

    def is_refused_in_a_fault(self, name: str) -> None:
        path = {
            "profiles": "/api/v1/users/me",
            "clerk": "/v1/users/count",
            "authgear_graphql": "/_api/admin/graphql",
        }[name]
        headers = {"Authorization": f"Bearer {self.word(f'wrong key of {name}')}"}
        method = "POST" if name == "authgear_graphql" else "GET"
        self.send(500, method, path, headers=headers)


@pytest.fixture(scope="module")
def someone(client: Client) -> Someone:
    """Who has used everything, and whose last request is in the logs."""
    someone = Someone(client)
    someone.uses_the_native_api()
    someone.is_refused()
    someone.uses_clerks_api()
    someone.uses_authgears_api()
    someone.meets_faults()
    someone.send(404, "GET", "/avatars/x/y.webp")
    someone.send(404, "GET", "/api/v1/nothing")
    someone.send(302, "GET", "/elements/vignette.js")
    someone.send(404, "PATCH", f"/api/v1/uploads/{uuid.uuid4()}", json={"crop": None})
    photo = {"Records": [{"s3": {"object": {"key": f"uploads/{uuid.uuid4()}"}}}]}
    client.aws("lambda").invoke(
        FunctionName=client.resource("FailedPhotos"),
        Payload=json.dumps({"requestPayload": photo}),
    )
    someone.send(404, "GET", f"/renditions/{uuid.uuid4()}/{'0' * 32}/64.webp")
    someone.send(404, "GET", f"/_images/{client.stack['appId']}/{uuid.uuid4()}/profile")

    def missing() -> list[str]:
        written = "".join(logged(client).values())
        return [each for each in someone.request_ids if each not in written]

    assert eventually(lambda: not missing()), missing()
    return someone


def test_every_function_has_logged(client: Client, someone: Someone) -> None:
    assert [name for name, written in logged(client).items() if not written] == []


def test_faults_are_logged_with_their_cause(client: Client, someone: Someone) -> None:
    written = logged(client)
    for name in ("Profiles", "Clerk", "AuthgearGraphql", "ClerkPictures"):
        assert "AccessDenied" in written[name], name


def test_no_word_of_somebodys_is_in_the_logs(
    client: Client, someone: Someone, record_property: Callable[[str, object], None]
) -> None:
    written = "".join(logged(client).values())
    assert [what for what, word in someone.words.items() if word in written] == []
    record_property("words that are in no log", len(someone.words))


def test_what_looks_secret_or_personal_is_found(tmp_path: Path) -> None:
    (tmp_path / "ministack.log").write_text("\n".join(EXAMPLES.values()))  # the emulator's own
    assert logs.leaks(tmp_path) == []
    for what, line in EXAMPLES.items():
        (tmp_path / "Profiles.log").write_text(f"INFO\n{line}\n")
        assert logs.leaks(tmp_path) == [f"{what} in the log of Profiles: {line}"]
    assert EXAMPLES.keys() == logs.LOOKS.keys()
