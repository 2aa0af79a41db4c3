"""A client of Clerk's Backend API, whose every answer has to be what the contract says."""

import json
import uuid
from dataclasses import dataclass
from typing import Any

from tests import contract
from tests.template import routes
from tests.unit.conftest import PHOTO, Answer, Service

VERSION = "2026-05-12"


@dataclass(frozen=True)
class Refusal:
    """What an error says: the status, and of its first entry the code and the parameter."""

    status: int
    code: str
    parameter: str | None = None


class Clerk:
    """A back end that has the secret key."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.version: str | None = VERSION

    def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        token: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> Answer:
        """Send a request, and check the answer against both versions of the contract."""
        version = {"clerk-api-version": self.version} if self.version else {}
        answer = self.service.call(
            method,
            f"/v1{path}",
            body,
            token=self.service.secret_key if token is None else token,
            headers={**version, **(headers or {})},
        )
        route, _, _ = routes().match(method, f"/v1{path.partition('?')[0]}")
        operation = route.replace(" /v1", " ")
        if answer.status >= 400:
            assert answer.json["clerk_trace_id"] == answer.headers["x-request-id"]
        for each in contract.CLERK_VERSIONS:
            assert contract.violations(each, operation, answer.status, answer.json) == []
        return answer

    def ok(self, method: str, path: str, body: Any = None, **options: Any) -> Any:
        """The content of a successful answer."""
        answer = self.call(method, path, body, **options)
        assert answer.status == 200, answer.json
        return answer.json

    def refused(self, method: str, path: str, body: Any = None, **options: Any) -> Refusal:
        """What the service says of a request that it refuses."""
        return refusals(self.call(method, path, body, **options))[0]

    def create(self, **attributes: Any) -> dict[str, Any]:
        """A new user, with an e-mail address where none is given."""
        body = {"email_address": [f"{uuid.uuid4().hex}@example.com"], **attributes}
        user: dict[str, Any] = self.ok("POST", "/users", body)
        return user

    def read(self, user_id: str) -> dict[str, Any]:
        """A user as they are now."""
        user: dict[str, Any] = self.ok("GET", f"/users/{user_id}")
        return user

    def update(self, user_id: str, **attributes: Any) -> dict[str, Any]:
        """A user after an update."""
        user: dict[str, Any] = self.ok("PATCH", f"/users/{user_id}", attributes)
        return user

    def send_photo(
        self, user_id: str, photo: bytes = PHOTO, *, field: str = "file", name: str = "me.jpg"
    ) -> Answer:
        """Send a photo as the SDKs do."""
        boundary = uuid.uuid4().hex
        disposition = f'form-data; name="{field}"; filename="{name}"'
        head = f"Content-Disposition: {disposition}\r\nContent-Type: image/jpeg\r\n\r\n"
        body = b"".join(
            [f"--{boundary}\r\n{head}".encode(), photo, f"\r\n--{boundary}--\r\n".encode()]
        )
        return self.call(
            "POST",
            f"/users/{user_id}/profile_image",
            body,
            headers={"content-type": f"multipart/form-data; boundary={boundary}"},
        )

    def cost(self) -> list[str]:
        """The operations of AWS since this was last asked."""
        calls = [each for each in self.service.calls if each != "GetSecretValue"]
        self.service.calls.clear()
        return calls


def refusals(answer: Answer) -> list[Refusal]:
    """All that an error says."""
    assert answer.status >= 400, answer.json
    for entry in answer.json["errors"]:
        assert entry["message"]
        assert entry["long_message"]
    return [
        Refusal(answer.status, entry["code"], entry.get("meta", {}).get("param_name"))
        for entry in answer.json["errors"]
    ]


def compact(document: Any) -> int:
    """The size of a document as compact JSON, in bytes."""
    return len(json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode())
