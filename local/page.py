"""The page at `/`: the service to try in a browser, with what this machine's stack knows."""

import importlib.util
import json
import mimetypes
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

Message = dict[str, Any]
Send = Callable[[Message], Awaitable[None]]

FILES = Path(__file__).parent / "pages"
FACTS = ("secretKey", "userId", "appId")
# Only the bundle of Swagger UI needs styles of its own making and pictures in its style sheet.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: http: https:; connect-src 'self' http://127.0.0.1:{port}; "
    "frame-src 'self'; frame-ancestors 'self'; base-uri 'none'; form-action 'none'"
)


class Page:
    """Answers `/` and what is below `/_page`; it holds the secret key, so only on loopback."""

    def __init__(self, port: int, facts: dict[str, Any], token: Callable[[str], str]) -> None:
        """`token` makes the token of the user with an id."""
        self._hosts = {f"{host}:{port}".encode() for host in ("localhost", "127.0.0.1", "[::1]")}
        self._policy = POLICY.format(port=port).encode()
        self._facts = {name: facts[name] for name in FACTS}
        self._token = token
        # Of this package only the files: it is for Flask, which is never imported.
        spec = importlib.util.find_spec("flask_swagger_ui")
        assert spec  # noqa: S101
        self._swagger = Path(str(spec.origin)).with_name("dist")

    def has(self, scope: Message) -> bool:
        """Whether a request is the page's; S3 lists buckets at the same path, signed."""
        if scope["path"] == "/":
            signed = any(name == b"authorization" for name, _ in scope["headers"])
            return scope["method"] == "GET" and not signed and not scope["query_string"]
        return bool(scope["path"].startswith("/_page/"))

    async def answer(self, scope: Message, send: Send) -> None:
        """Answer one request."""
        status, kind, body = self._found(scope)
        headers = [
            (b"content-type", kind.encode()),
            (b"content-length", str(len(body)).encode()),
            (b"content-security-policy", self._policy),
            (b"x-content-type-options", b"nosniff"),
            (b"cache-control", b"no-store"),
            (b"cross-origin-resource-policy", b"same-origin"),
        ]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    def _found(self, scope: Message) -> tuple[int, str, bytes]:
        # A site whose name leads to this machine would read the key here.
        if not self._hosts.intersection(
            value for name, value in scope["headers"] if name == b"host"
        ):
            return 421, "text/plain", b"This page answers to localhost only.\n"
        path = scope["path"].removeprefix("/_page/")
        if path == "facts.json":
            return 200, "application/json", json.dumps(self._facts).encode()
        if path == "token":
            [user_id] = parse_qs(scope["query_string"].decode()).get("user", [""])
            return 200, "text/plain", self._token(user_id).encode()
        name = "index.html" if path == "/" else path
        folder = self._swagger if name.startswith("swagger/") else FILES
        file = folder / Path(name).name
        if not file.is_file():
            return 404, "text/plain", b"There is no such file.\n"
        kind = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
        return 200, kind, file.read_bytes()
