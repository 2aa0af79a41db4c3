"""Somebody's web page, at an origin of its own, whose elements talk to the deployed service.

What the service does not do when it is asked, such as being slow, is done to single requests.
"""

import json
import re
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import quote

from PIL import Image
from playwright.sync_api import BrowserContext, Page, Request, Route
from tests.e2e.conftest import Client, eventually

# What a strict site sends; the hosts are those that docs/browser.md lists.
POLICY = (
    "default-src 'none'; script-src 'self' {api}; connect-src {api} {bucket}; img-src {api}; "
    "require-trusted-types-for 'script'; base-uri 'none'; form-action 'self'"
)

type Fault = Callable[[Route], None]
type Call = tuple[str, str]  # a method, and what an address has to match

CREATE: Call = ("POST", r"/api/v1/uploads$")
SEND: Call = ("POST", r"//[^/]+/(?!api/)[^/]+$")  # to the bucket
ME: Call = ("GET", r"/api/v1/users/me$")
POLL: Call = ("GET", r"/api/v1/uploads/[^/]+$")
FRAME: Call = ("PATCH", r"/api/v1/uploads/[^/]+$")
SET: Call = ("PATCH", r"/api/v1/users/me/profile-picture$")
PICTURE: Call = ("GET", r"/pictures/")


class Site:
    """A folder of files that are served with a strict policy, and a user of the service."""

    def __init__(self, context: BrowserContext, client: Client, folder: Path, origin: str) -> None:
        self.client = client
        self.folder = folder
        self.origin = origin
        self.api: str = client.stack["baseUrl"]
        user_id = f"auth0|{uuid.uuid4().hex}"
        self.user = client.create_user(id=user_id, firstName="Ada", lastName="Lovelace")
        self._context = context
        self._requests: list[Request] = []
        self._broken: list[Request] = []
        context.on("request", lambda request: self._requests.append(request))

    def open(self, page: Page, body: str, script: str = "") -> None:
        """Show a page with the elements; its script runs after the module."""
        (self.folder / "page.js").write_text(script)
        (self.folder / "index.html").write_text(
            '<!doctype html><html lang="en"><meta charset="utf-8"><title>A page</title>'
            '<meta name="viewport" content="width=device-width">'
            f'<script type="module" src="{self.api}/elements/vignette.js"></script>'
            '<script type="module" src="/page.js"></script>'
            f"<main><h1>Settings</h1>{body}</main></html>"
        )
        page.goto(self.origin)

    def picker(self, page: Page, attributes: str = "") -> None:
        """Show a page with one <profile-picture>, which has a token."""
        element = f'<profile-picture api="{self.api}" {attributes}></profile-picture>'
        self.open(page, element, self.give_token())

    def give_token(self) -> str:
        """The script that gives the element its token."""
        return f'document.querySelector("profile-picture").token = "{self.token()}";'

    def token(self, seconds: int = 600) -> str:
        """A token of the user, which ends in so many seconds."""
        return self.client.user_token(self.user["id"], seconds)

    def once(self, call: Call, fault: Fault, times: int = 1) -> None:
        """Let something happen to a request instead of, or before, what the service does."""
        method, address = call
        left = [times]

        def handle(route: Route) -> None:
            if route.request.method != method or not left[0]:
                return route.fallback()
            left[0] -= 1
            self._broken.append(route.request)
            return fault(route)

        self._context.route(re.compile(address), handle)

    def hold(self, call: Call) -> list[Route]:
        """Let a request wait, which is found here, until it may go on."""
        held: list[Route] = []
        self.once(call, held.append)
        return held

    def offline(self, route: Route) -> None:
        """The network goes while a request is sent."""
        self._context.set_offline(True)
        route.continue_()

    def go_on(self, page: Page, held: list[Route]) -> None:
        """Let a request that has to wait go on."""

        def is_there() -> bool:
            page.wait_for_timeout(20)
            return bool(held)

        assert eventually(is_there)
        held[0].continue_()

    def send_old_token(self, route: Route) -> None:
        """The token has expired when a request is sent."""
        authorization = f"Bearer {self.token(-60)}"
        route.continue_(headers={**route.request.headers, "authorization": authorization})

    def online(self) -> None:
        """The network is there again."""
        self._context.set_offline(False)

    def made(self, call: Call) -> list[Any]:
        """The bodies of the requests that nothing was done to."""
        return [
            json.loads(request.post_data or "null")
            for request in self._requests
            if request.method == call[0]
            and re.search(call[1], request.url)
            and request not in self._broken
        ]

    def authorizations(self) -> list[str]:
        """What the requests have said of who they are from."""
        headers = (request.headers.get("authorization") for request in self._requests)
        return [each for each in headers if each]

    def uploads(self) -> list[dict[str, Any]]:
        """The user's uploads that are stored now, the oldest first."""
        found = self.client.aws("dynamodb").query(
            TableName=self.client.stack["uploadsTable"],
            IndexName="byUser",
            KeyConditionExpression="user_id = :user",
            ExpressionAttributeValues={":user": {"S": self.user["id"]}},
        )
        answers = [
            self.client.http.get(f"/api/v1/uploads/{item['id']['S']}", headers=self.client.key)
            for item in found["Items"]
        ]
        uploads = [answer.json() for answer in answers if answer.status_code == 200]
        return sorted(uploads, key=lambda upload: upload["createdAt"])

    def as_served(self) -> dict[str, Any]:
        """The user as the API answers now."""
        return self.client.user(self.user["id"])

    def change(self, **fields: Any) -> None:
        """Change the user, as the application does."""
        path = f"/api/v1/shared/users/{quote(self.user['id'], safe='')}"
        assert self.client.http.patch(path, json=fields, headers=self.client.key).is_success

    def picture(self) -> Image.Image | None:
        """The picture that is served for the user now, if it is a custom one."""
        return self.client.picture(self.user["id"])


@contextmanager
def serving(folder: Path, client: Client) -> Iterator[str]:
    """The origin of a server of a folder's files, which sends a strict policy with them."""
    stack = client.stack
    policy = POLICY.format(api=stack["baseUrl"], bucket=stack["awsEndpointUrl"])

    class Handler(SimpleHTTPRequestHandler):
        def end_headers(self) -> None:
            self.send_header("content-security-policy", policy)
            self.send_header("cache-control", "no-store")
            super().end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(folder)))
    threading.Thread(target=server.serve_forever, args=[0.01], daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def hang(_: Route) -> None:
    """An answer that never comes."""


def problem(status: int, code: str, **headers: str) -> Fault:
    """A problem document instead of the answer."""
    return lambda route: route.fulfill(
        status=status,
        json={"code": code, "detail": code},
        headers={
            "access-control-allow-origin": "*",
            "access-control-expose-headers": "retry-after",
            **headers,
        },
    )


def answer_with(**fields: Any) -> Fault:
    """The service's own answer, in which some fields are others."""

    def answer(route: Route) -> None:
        response = route.fetch()
        route.fulfill(response=response, json={**response.json(), **fields})

    return answer
