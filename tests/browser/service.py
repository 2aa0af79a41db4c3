"""The native API as far as the elements call it, answered inside the browser.

It is for what a deployed service does not do when it is asked: failing, being slow, refusing.
"""

import base64
import io
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import BrowserContext, FilePayload, Page, Request, Route

ROOT = Path(__file__).parent.parent.parent
MODULE = ROOT / "functions/elements/vignette.js"

SITE = "https://site.example"
API = "https://api.example"
BUCKET = "https://bucket.example"
USER = "auth0|5f7c"
FACE = {"x": 0.5, "y": 0.4, "size": 0.5}
# What a strict site sends; the hosts are those that docs/browser.md lists.
POLICY = (
    f"default-src 'none'; script-src {API} {SITE}; connect-src {API} {BUCKET}; img-src {API}; "
    "require-trusted-types-for 'script'; base-uri 'none'; form-action 'self'"
)

type Answer = tuple[int, Any]
type Fault = Callable[[Route], bool]


class FakeService:
    """One user, their uploads, and faults: each handles a request, or lets it pass with False."""

    def __init__(self, context: BrowserContext) -> None:
        self.user: dict[str, Any] = {"id": USER, "firstName": "Ada", "lastName": "Lovelace"}
        self.uploads: dict[str, dict[str, Any]] = {}
        self.calls: list[tuple[str, str, Any]] = []
        self.tokens: list[str | None] = []
        self.faults: list[Fault] = []
        self.polls_until_ready = 1
        self.outcome: dict[str, Any] = {"state": "ready", "crop": FACE, "framing": "face"}
        self.body = ""
        self.script = ""
        self.policy = POLICY
        self._set_picture(None)
        for host in (SITE, API, BUCKET):
            context.route(re.compile(rf"^{re.escape(host)}/"), self._answer)

    def open(self, page: Page, body: str, script: str = "") -> None:
        """Show a page with the elements; its script runs after the module."""
        self.body, self.script = body, script
        page.goto(SITE + "/")

    def picker(self, page: Page, *, token: bool = True, attributes: str = "") -> None:
        """Show a page with one <profile-picture> that has a token."""
        script = 'document.querySelector("profile-picture").token = "first";' if token else ""
        self.open(page, f'<profile-picture api="{API}" {attributes}></profile-picture>', script)

    def once(self, pattern: str, fault: Callable[[Route], None], times: int = 1) -> None:
        """Let a request fail; `pattern` is searched in "METHOD address"."""
        left = [times]

        def handle(route: Route) -> bool:
            request = route.request
            if not left[0] or not re.search(pattern, f"{request.method} {request.url}"):
                return False
            left[0] -= 1
            fault(route)
            return True

        self.faults.append(handle)

    def problem(self, status: int, code: str, **headers: str) -> Callable[[Route], None]:
        """A fault that answers with a problem document."""
        return lambda route: self._send(route, status, {"code": code, "detail": code}, headers)

    def made(self, method: str, path: str) -> list[Any]:
        """The bodies of the calls that were answered."""
        return [body for verb, called, body in self.calls if (verb, called) == (method, path)]

    def _answer(self, route: Route) -> None:
        request = route.request
        if request.method == "OPTIONS":
            self._send(route, 204, None)
        elif not any(fault(route) for fault in self.faults):
            self._send(route, *self._response(request))

    def _response(self, request: Request) -> Answer:
        host, path = re.match(r"(https://[^/]+)(/[^?]*)", request.url).groups()  # type: ignore[union-attr]
        if host == SITE:
            return (200, self._site(path))
        if host == BUCKET and request.method == "POST":
            return self._receive(request)
        if path.endswith((".webp", ".png")) or "/pictures/" in path:
            return (200, picture(path))
        if path.endswith("vignette.js"):
            return (200, MODULE.read_text())
        body = json.loads(request.post_data) if request.post_data else None
        self.tokens.append(request.headers.get("authorization"))
        self.calls.append((request.method, path.removeprefix("/api/v1"), body))
        return self._api(request.method, path.removeprefix("/api/v1"), body)

    def _site(self, path: str) -> str:
        if path == "/page.js":
            return self.script
        return (
            '<!doctype html><html lang="en"><meta charset="utf-8"><title>A page</title>'
            '<meta name="viewport" content="width=device-width">'
            f'<script type="module" src="{API}/elements/vignette.js"></script>'
            '<script type="module" src="/page.js"></script>'
            f"<main><h1>Settings</h1>{self.body}</main></html>"
        )

    def _api(self, method: str, path: str, body: Any) -> Answer:
        match method, path.split("/")[1:]:
            case "GET", ["users", "me"]:
                return 200, self.user
            case "PATCH", ["users", "me", "profile-picture"]:
                self._set_picture(body["uploadId"])
                return 200, self.user
            case "POST", ["uploads"]:
                upload_id = f"upload-{len(self.uploads) + 1}"
                self.uploads[upload_id] = {"id": upload_id, "state": "pending", "asked": body}
                fields = {"key": f"uploads/{upload_id}", "policy": "signed"}
                return 201, {"uploadId": upload_id, "url": f"{BUCKET}/", "fields": fields}
            case "GET", ["uploads", upload_id]:
                return 200, self._progressed(self.uploads[upload_id])
            case "PATCH", ["uploads", upload_id]:
                self.uploads[upload_id] |= {"crop": body["crop"], "framing": "user"}
                return 200, self.uploads[upload_id]
            case "DELETE", ["uploads", upload_id]:
                del self.uploads[upload_id]
                return 204, None
        raise AssertionError(f"the elements do not call {method} {path}")

    def _receive(self, request: Request) -> Answer:
        form = request.post_data_buffer or b""
        upload_id = re.search(rb"uploads/(upload-\d+)", form)
        assert upload_id
        self.uploads[upload_id[1].decode()]["polls"] = 0
        return 204, None

    def _progressed(self, upload: dict[str, Any]) -> dict[str, Any]:
        upload["polls"] += 1
        if upload["state"] == "pending" and upload["polls"] >= self.polls_until_ready:
            upload |= {"width": 800, "height": 600, **self.outcome}
            rendition = f"{BUCKET}/renditions/{upload['id']}/512.webp"
            upload["renditions"] = [{"name": "512", "url": rendition}]
            if upload["asked"].get("preview"):
                upload["preview"] = f"{BUCKET}/previews/{upload['id']}.webp"
        return upload

    def _set_picture(self, upload_id: str | None) -> None:
        address = f"{API}/renditions/{upload_id}" if upload_id else f"{API}/avatars/AL"
        self.user["hasCustomProfilePicture"] = upload_id is not None
        self.user["avatar"] = {
            "url": f"{address}/512.webp",
            "srcset": ", ".join(f"{address}/{size}.webp {size}w" for size in (64, 128, 256, 512)),
            "source": "custom" if upload_id else "default",
            "placeholder": None,
        }

    def _send(
        self, route: Route, status: int, content: Any, headers: dict[str, str] | None = None
    ) -> None:
        kind = "application/json"
        if isinstance(content, str):
            kind = "text/html" if content.startswith("<!doctype") else "text/javascript"
        elif isinstance(content, bytes):
            kind = "image/webp"
        body = content if isinstance(content, str | bytes) else json.dumps(content)
        route.fulfill(
            status=status,
            body="" if content is None else body,
            headers={
                "content-type": kind,
                "access-control-allow-origin": "*",
                "access-control-allow-headers": "authorization, content-type",
                "access-control-allow-methods": "*",
                "access-control-expose-headers": "retry-after",
                **({"content-security-policy": self.policy} if kind == "text/html" else {}),
                **(headers or {}),
            },
        )


def picture(path: str) -> bytes:
    """A picture whose colour tells which address it is from."""
    colour = (200, 80, 60) if "/renditions/" in path else (60, 90, 200)
    file = io.BytesIO()
    Image.new("RGB", (64, 64), colour).save(file, "WEBP")
    return file.getvalue()


def photo_file(data: bytes, name: str = "photo.jpg", kind: str = "image/jpeg") -> FilePayload:
    """A file as Playwright hands it to an input."""
    return {"name": name, "mimeType": kind, "buffer": data}


def transfer(page: Page, data: bytes, name: str = "photo.jpg", kind: str = "image/jpeg") -> Any:
    """What a drop or a paste of a file carries."""
    return page.evaluate_handle(
        """([data, name, type]) => {
            const transfer = new DataTransfer();
            const bytes = Uint8Array.from(atob(data), (each) => each.charCodeAt(0));
            transfer.items.add(new File([bytes], name, { type }));
            return transfer;
        }""",
        [base64.b64encode(data).decode(), name, kind],
    )
