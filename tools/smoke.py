"""Try the whole main job in all three APIs on a deployed service, and say what works.

    python -m tools.smoke [--url URL] [--stack NAME]

is `make smoke`. It makes users and pictures of its own and deletes them again, also if it fails or
is interrupted. With a user's token in TOKEN it tries what that user may do too, and leaves the user
as they were.
"""

import json
import os
import signal
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import urllib3
from tools import deployment
from tools.deployment import Failed

PHOTO = deployment.ROOT / "tests/photos/astronaut.jpg"
WAIT_SECONDS = 60
_QUERY = "/_api/admin/graphql"


class _NotTried(Exception):
    """A check cannot be made; the message says what it needs."""


class Service:
    """The service, called over HTTP."""

    def __init__(self, url: str, key: str) -> None:
        self._url = url.rstrip("/")
        self.key = key
        self._http = urllib3.PoolManager(timeout=urllib3.Timeout(35), retries=False)

    def call(
        self,
        status: int,
        method: str,
        path: str,
        body: object = None,
        *,
        token: str | None = None,
        photo: bytes | None = None,
    ) -> Any:  # noqa: ANN401  (what an API answers)
        """Send JSON or a form with a photo, and return the JSON that is answered.

        With the secret key, unless there is a `token`. A path may be a whole address.

        Raises:
            Failed: The answer has another status, or there is none.
        """
        headers = {"Authorization": f"Bearer {token or self.key}"}
        sent: dict[str, Any] = {}
        if photo is not None:
            sent["fields"] = {"file": ("photo.jpg", photo, "image/jpeg")}
        elif body is not None:
            sent["body"] = json.dumps(body)
            headers["Content-Type"] = "application/json"
        address = path if "://" in path else self._url + path
        answer = self._send(method, address, headers=headers, **sent)
        if answer.status != status:
            # Without the query, which may be a signature.
            told = answer.data[:200].decode(errors="replace")
            raise Failed(f"{method} {path.partition('?')[0]}: {answer.status}, {told}")
        try:
            return json.loads(answer.data)
        except ValueError:
            return None

    def query(self, document: str, **variables: object) -> Any:  # noqa: ANN401
        """Send GraphQL to Authgear's Admin API and return its data.

        Raises:
            Failed: The service does not answer, or with something else.
        """
        answer = self.call(200, "POST", _QUERY, {"query": document, "variables": variables})
        if "errors" in answer:
            raise Failed(f"GraphQL: {answer['errors'][0]['message']}")
        return answer["data"]

    def is_picture(self, address: str) -> bool:
        """Whether there is a WebP picture at an address.

        Raises:
            Failed: The service does not answer.
        """
        answer = self._send("GET", address)
        return bool(answer.status == 200 and answer.headers.get("content-type") == "image/webp")

    def post(self, form: dict[str, Any], photo: bytes) -> None:
        """Send a photo with a presigned form.

        Raises:
            Failed: S3 does not take the photo.
        """
        fields = {**form["fields"], "file": ("photo.jpg", photo, "image/jpeg")}
        answer = self._send("POST", form["url"], fields=fields)
        if answer.status != 204:
            raise Failed(f"S3 does not take the photo: {answer.status}")

    def _send(self, method: str, address: str, **sent: Any) -> urllib3.BaseHTTPResponse:  # noqa: ANN401
        try:
            return self._http.request(method, address, **sent)
        except urllib3.exceptions.HTTPError as error:
            where = "/".join(address.split("/")[:3])
            raise Failed(f"{where} does not answer: {type(error).__name__}") from None


class Smoke:
    """The checks, in their order; each returns what it saw."""

    def __init__(self, service: Service, token: str | None) -> None:
        self._service = service
        self._token = token
        self._photo = PHOTO.read_bytes()
        self._usernames: list[str] = []  # of the users that are made
        self._user: dict[str, Any] | None = None
        self._upload: str | None = None
        self._picture: str | None = None
        self._person: str | None = None

    def checks(self) -> Iterator[tuple[str, Callable[[], str]]]:
        """The names of the checks, and the checks."""
        yield "service", self._answers
        yield "native: users", self._users
        yield "native: photo", self._send_photo
        yield "native: picture", self._set_picture
        yield "Clerk: users", self._clerk_users
        yield "Clerk: picture", self._clerk_picture
        yield "Authgear: users", self._authgear_users
        yield "Authgear: picture", self._authgear_picture
        yield "a user's token", self._users_half

    def clean_up(self) -> str:
        """Delete the users that were made; their pictures go with them."""
        left = []
        for username in self._usernames:
            try:
                path = f"/api/v1/shared/users?username={username}"
                for user in self._service.call(200, "GET", path)["users"]:
                    path = f"/api/v1/shared/users/{user['id']}"
                    self._service.call(204, "DELETE", path)
                    self._service.call(404, "GET", path)
            except Failed as error:
                left.append(f"{username} ({error})")
        _expect(not left, f"users that could not be deleted: {', '.join(left)}")
        picture = self._picture
        if picture:
            _wait(lambda: not self._service.is_picture(picture), "the picture's objects are gone")
        return "users and pictures of this run are deleted"

    def _answers(self) -> str:
        document = self._service.call(200, "GET", "/api/v1/openapi.json")
        self._service.call(401, "GET", "/api/v1/shared/users", token=uuid.uuid4().hex)
        return f"answers, refuses a wrong key, {len(document['paths'])} paths in its document"

    def _users(self) -> str:
        with self._new_username() as username:
            new = {
                "username": username,
                "email": f"{username}@example.com",
                "firstName": "Smoke",
                "lastName": "Test",
            }
            self._user = user = self._service.call(201, "POST", "/api/v1/shared/users", new)
        path = f"/api/v1/shared/users/{user['id']}"
        changed = self._service.call(200, "PATCH", path, {"lastName": "Tested"})
        _expect(changed["lastName"] == "Tested", "a change is not in its answer")
        found = self._service.call(200, "GET", f"/api/v1/shared/users?email={new['email']}")
        _expect([each["id"] for each in found["users"]] == [user["id"]], "an e-mail finds nobody")
        return "created, changed, found by e-mail address"

    def _send_photo(self) -> str:
        user = _needed(self._user, "a user")
        began = time.monotonic()
        upload = self._ready_upload({"userId": user["id"]})
        self._upload = upload["id"]
        seconds = time.monotonic() - began
        return f"sent, and ready with {len(upload['renditions'])} renditions in {seconds:.1f} s"

    def _set_picture(self) -> str:
        user, upload_id = _needed(self._user, "a user"), _needed(self._upload, "a photo")
        path = f"/api/v1/shared/users/{user['id']}/profile-picture"
        shown = self._service.call(200, "PATCH", path, {"uploadId": upload_id})
        self._picture = shown["profilePictureUrl"]
        for address in (shown["profilePictureUrl"], shown["avatar"]["url"]):
            self._expect_picture(address)
        return "set, and opens"

    def _clerk_users(self) -> str:
        user = _needed(self._user, "a user")
        path = f"/v1/users/{user['id']}"
        changed = self._service.call(200, "PATCH", path, {"first_name": "Smoked"})
        _expect(changed["first_name"] == "Smoked", "a change is not in its answer")
        same = self._service.call(200, "GET", f"/api/v1/shared/users/{user['id']}")
        _expect(same["firstName"] == "Smoked", "the native API does not see the change")
        count = self._service.call(200, "GET", "/v1/users/count")["total_count"]
        return f"the same user, changed; {count} users in all"

    def _clerk_picture(self) -> str:
        user = _needed(self._user, "a user")
        path = f"/v1/users/{user['id']}/profile_image"
        shown = self._service.call(200, "POST", path, photo=self._photo)
        self._expect_picture(shown["image_url"])
        left = self._service.call(200, "DELETE", path)
        _expect(not left["has_image"], "the picture is still there")
        self._expect_picture(left["image_url"])
        return "sent, opens, removed; initials instead"

    def _authgear_users(self) -> str:
        with self._new_username() as username:
            created = self._service.query(
                "mutation ($name: String!) { createUser(input: {definition: {loginID:"
                ' {key: "username", value: $name}}}) { user { id } } }',
                name=username,
            )
        self._person = node = created["createUser"]["user"]["id"]
        found = self._service.query(
            "query ($node: ID!) { node(id: $node) { ... on User { id } } }", node=node
        )
        _expect(found["node"]["id"] == node, "the new user is not found")
        return "created, read"

    def _authgear_picture(self) -> str:
        person = _needed(self._person, "a user")
        issued = self._service.call(200, "GET", "/_api/admin/images/upload")
        stored = self._service.call(200, "POST", issued["result"]["upload_url"], photo=self._photo)
        changed = self._service.query(
            "mutation ($id: ID!, $given: UserStandardAttributes!) { updateUser(input:"
            " {userID: $id, standardAttributes: $given}) { user { standardAttributes } } }",
            id=person,
            given={"picture": stored["result"]["url"]},
        )
        self._expect_picture(changed["updateUser"]["user"]["standardAttributes"]["picture"])
        return "sent, set, opens"

    def _users_half(self) -> str:
        token = _needed(self._token, "TOKEN=…, a token of a user")
        me = self._service.call(200, "GET", "/api/v1/users/me", token=token)
        upload = self._ready_upload({}, token)
        if me["hasCustomProfilePicture"]:
            path = f"/api/v1/uploads/{upload['id']}"
            self._service.call(204, "DELETE", path, token=token)
            return "accepted, photo sent; the user has a picture, which stays"
        path = "/api/v1/users/me/profile-picture"
        try:
            shown = self._service.call(200, "PATCH", path, {"uploadId": upload["id"]}, token=token)
            self._expect_picture(shown["profilePictureUrl"])
        finally:
            self._service.call(200, "PATCH", path, {"uploadId": None}, token=token)
        return "accepted; photo sent, set, opens, removed"

    @contextmanager
    def _new_username(self) -> Iterator[str]:
        """The name of a user to make. Ctrl-C waits meanwhile, so that nobody comes afterwards."""
        username = f"smoke-{uuid.uuid4().hex}"
        self._usernames.append(username)
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
        try:
            yield username
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])

    def _ready_upload(self, owner: dict[str, str], token: str | None = None) -> Any:  # noqa: ANN401
        """An upload of the photo, once it is ready.

        Raises:
            Failed: The service does not answer, or with something else.
        """
        new = {"kind": "profile_picture", "contentType": "image/jpeg", **owner}
        form = self._service.call(201, "POST", "/api/v1/uploads", new, token=token)
        self._service.post(form, self._photo)
        path = f"/api/v1/uploads/{form['uploadId']}"
        upload: dict[str, Any] = {}

        def is_finished() -> bool:
            upload.update(self._service.call(200, "GET", path, token=token))
            return bool(upload["state"] != "pending")

        _wait(is_finished, "the photo is processed")
        _expect(upload["state"] == "ready", f"the photo is {upload['state']}")
        return upload

    def _expect_picture(self, address: str) -> None:
        _expect(self._service.is_picture(address), f"no picture at {address.partition('?')[0]}")


def _expect(condition: bool, otherwise: str) -> None:
    if not condition:
        raise Failed(otherwise)


def _needed[T](value: T | None, what: str) -> T:
    if value is None:
        raise _NotTried(f"needs {what}")
    return value


def _wait(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            raise Failed(f"after {WAIT_SECONDS} s it is not so yet: {what}")
        time.sleep(0.3)


def service_of(stack: str | None, url: str | None) -> tuple[Service, str | None]:
    """The service at an address or of a stack, with its key; and a token that the caller has.

    Raises:
        Failed: There is no such stack, or nobody knows the key for the address.
    """
    token = os.environ.get("TOKEN") or None
    target = deployment.find(stack)
    if not stack and url and url.rstrip("/") != target.url:
        raise Failed("STACK=NAME has to say which stack's secret key is for this address.")
    return Service(url or target.url, target.secret_key()), token or target.facts.get("userToken")


def works(name: str, check: Callable[[], str]) -> bool:
    """Make a check and print a line about it; answers whether it did not fail."""
    try:
        verdict, seen = "works", check()
    except _NotTried as reason:
        verdict, seen = "not tried", str(reason)
    except (KeyError, TypeError) as error:
        verdict, seen = "FAILS", f"the answer has another form: {error!r}"
    except Failed as error:
        verdict, seen = "FAILS", str(error)
    print(f"{verdict:<10} {name:<18} {seen}", flush=True)
    return verdict != "FAILS"


def main() -> int:
    """Make all checks; return the exit status: 1 if something does not work."""
    options = deployment.parser(__doc__)
    options.add_argument("--url", help="where the service answers, if not at its own address")
    given = options.parse_args()
    service, token = service_of(given.stack, given.url)
    smoke = Smoke(service, token)
    done: list[bool] = []
    try:
        done.extend(works(name, check) for name, check in smoke.checks())
    finally:
        done.append(works("cleaned up", smoke.clean_up))
    return 0 if all(done) else 1


if __name__ == "__main__":
    sys.exit(deployment.run(main))
