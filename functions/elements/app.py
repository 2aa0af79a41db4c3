"""Elements: the custom elements that web pages load, for anybody."""

import gzip
import hashlib
from pathlib import Path

from vignette.http.api import Api, Request, Response
from vignette.native.errors import render

_MODULE = Path(__file__).with_name("vignette.js").read_bytes()
_DIGEST = hashlib.sha256(_MODULE).hexdigest()[:16]
_COMPRESSED = gzip.compress(_MODULE, mtime=0)


def latest(_: Request) -> Response:
    """`GET /elements/vignette.js`: leads to the module that is deployed now."""
    return _lead_to(f"{_DIGEST}/vignette.js", "public, max-age=300")


def read(request: Request) -> Response:
    """`GET /elements/{digest}/vignette.js`."""
    if request.path("digest") != _DIGEST:
        # A page that was loaded before a deployment gets the module that is deployed now.
        return _lead_to(f"../{_DIGEST}/vignette.js", "no-store")
    # RFC 8246: what is at this address never changes.
    headers = {"cache-control": "public, max-age=31536000, immutable", "vary": "accept-encoding"}
    content = _MODULE
    if "gzip" in request.headers.get("accept-encoding", ""):
        content = _COMPRESSED
        headers["content-encoding"] = "gzip"
    return Response(200, content, headers, content_type="text/javascript; charset=utf-8")


def _lead_to(address: str, cache_control: str) -> Response:
    """Redirect to an address that is relative, so that it holds behind any host and path."""
    return Response(302, headers={"location": address, "cache-control": cache_control})


handler = Api(
    {"GET /elements/vignette.js": latest, "GET /elements/{digest}/vignette.js": read}, render
)
