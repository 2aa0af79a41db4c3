"""Hostile requests on the deployed stack: fuzzed, forged, injected and altered ones."""

import base64
import json
import os
import re
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from tests.e2e.conftest import PHOTOS, ROOT, Client
from tests.wire import base64url

PHOTO = (PHOTOS / "astronaut.jpg").read_bytes()
HERE = Path(__file__).parent

# Requests that the native API's own document describes, and those that it rules out


def test_answers_are_those_of_the_document(
    client: Client, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    user_id = client.create_user()["id"]
    facts = tmp_path / "stack.json"
    facts.write_text(json.dumps(client.stack))
    base = client.stack["baseUrl"]
    run = subprocess.run(
        [
            *(sys.executable, "-m", "schemathesis.cli"),
            *("--config-file", str(HERE / "schemathesis.toml"), "run", "--no-color"),
            *("--url", base, f"{base}/api/v1/openapi.json"),
        ],
        cwd=tmp_path,
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "SECRET_KEY": client.stack["secretKey"],
            "STACK_FILE": str(facts),
            "USER_ID": user_id,
            "USER_TOKEN": client.user_headers(user_id)["Authorization"].split()[1],
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    generated = sum(map(int, re.findall(r"(\d+) generated", run.stdout)))
    record_property("requests made up from the document", generated)
    assert all(f"✅ {phase}" in run.stdout for phase in ("Coverage", "Fuzzing", "Stateful"))


# Forged tokens


class Issuer:
    """Signs tokens for one of the APIs with the key that this trusts."""

    def __init__(self, stack: dict[str, Any], kind: str, subject: str) -> None:
        file, key_id = {
            "user": ("jwtPrivateKeyFile", "jwtKeyId"),
            "admin": ("adminPrivateKeyFile", "adminKeyId"),
        }[kind]
        self.key = Path(stack[file]).read_text()
        self.key_id = stack[key_id]
        self.claims = {
            "iss": stack["jwtIssuer"],
            "aud": stack["jwtAudience"] if kind == "user" else stack["appId"],
            "sub": subject,
            "exp": int(time.time()) + 600,
        }

    def token(self, **claims: Any) -> str:
        """A token whose claims are right but for these."""
        payload = self.claims | claims
        return jwt.encode(payload, self.key, "RS256", headers={"kid": self.key_id})

    def public_key(self) -> bytes:
        """What anybody may know of the key."""
        private = serialization.load_pem_private_key(self.key.encode(), password=None)
        return private.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )

    def forged(self) -> dict[str, str]:
        """Tokens that somebody could make or come by, with what is wrong with each."""
        from jwt.algorithms import HMACAlgorithm

        now = int(time.time())
        payload = base64url(self.claims)
        hmac = f"{base64url({'alg': 'HS256', 'kid': self.key_id})}.{payload}"
        tag = HMACAlgorithm(HMACAlgorithm.SHA256).sign(hmac.encode(), self.public_key())
        whole = self.token()
        head, _, signature = whole.split(".")
        other = base64url(self.claims | {"sub": str(uuid.uuid4())})
        return {
            "none": f"{base64url({'alg': 'none'})}.{payload}.",
            "hmac with the public key": f"{hmac}.{base64url(tag)}",
            "no signature": f"{head}.{payload}.",
            "other claims": f"{head}.{other}.{signature}",
            "expired": self.token(exp=now - 60),
            "not yet valid": self.token(nbf=now + 600),
            "for another audience": self.token(aud="another"),
            "huge": self.token(more="a" * 9000),
            "empty": "",
        }


CALLS = [
    ("user", "GET", "/api/v1/users/me", 401),
    ("user", "GET", "/v1/users/count", 401),
    ("admin", "GET", "/_api/admin/images/upload", 403),
    ("admin", "POST", "/_api/admin/graphql", 403),
]


@pytest.mark.parametrize(("kind", "method", "path", "status"), CALLS)
def test_forged_tokens_are_refused_by_every_api(
    client: Client, kind: str, method: str, path: str, status: int
) -> None:
    issuer = Issuer(client.stack, kind, client.create_user()["id"])
    body = {"query": "{ users { totalCount } }"}
    for what, token in issuer.forged().items():
        answer = client.http.request(
            method, path, json=body, headers={"Authorization": f"Bearer {token}".strip()}
        )
        assert answer.status_code == status, what
    right = client.http.request(
        method, path, json=body, headers={"Authorization": f"Bearer {issuer.token()}"}
    )
    assert right.status_code == (403 if path.startswith("/v1/") else 200)


@pytest.mark.parametrize(
    "altered",
    [
        lambda key: "",
        lambda key: key[:-1],
        lambda key: key + "a",
        lambda key: key[:8],
        lambda key: key.swapcase(),
        lambda key: f"{key},{key}",
        lambda key: key[:-1] + chr(ord(key[-1]) + 0xFEE0),
    ],
    ids=["empty", "shorter", "longer", "prefix", "case", "twice", "full width"],
)
@pytest.mark.parametrize(
    ("path", "status"),
    [("/api/v1/users/me", 401), ("/v1/users/count", 401), ("/_api/admin/images/upload", 403)],
)
def test_what_is_nearly_the_secret_key_is_refused_by_every_api(
    client: Client, altered: Any, path: str, status: int
) -> None:
    key = altered(client.stack["secretKey"])
    headers = {b"Authorization": f"Bearer {key}".strip().encode()}
    assert client.http.get(path, headers=headers).status_code == status


# Injections


def raw(client: Client, request: bytes) -> tuple[int, bytes]:
    """Send bytes that no HTTP client would; the status and the whole answer."""
    address = urlsplit(client.stack["baseUrl"])
    with socket.create_connection((address.hostname, address.port), timeout=30) as connection:
        connection.sendall(request)
        received = b""
        while chunk := connection.recv(65536):
            received += chunk
    return int(received.split(b" ", 2)[1]), received


def request_of(client: Client, target: bytes, *headers: bytes) -> bytes:
    key = client.stack["secretKey"].encode()
    lines = [
        b"GET " + target + b" HTTP/1.1",
        b"host: localhost",
        b"connection: close",
        *([] if headers else [b"authorization: Bearer " + key]),
        *headers,
    ]
    return b"\r\n".join([*lines, b"", b""])


TARGETS = [
    b"/api/v1/shared/users/..",
    b"/api/v1/shared/users/../../../v1/users",
    b"/api/v1/shared/users/%2e%2e%2f%2e%2e%2fx",
    b"/api/v1/shared/users/a%00b",
    b"/api/v1/shared/users/%0d%0aset-cookie:%20a=b",
    b"/api/v1/shared/users/%ff%fe",
    b"/api/v1/shared/users/%zz",
    b"/api/v1/shared/users/\xff",
    b"/api/v1/shared/users/" + b"a" * 8000,
    b"/api/v1/uploads/uploads%2f..%2fx",
    b"/api/v1/uploads/%00",
    b"/v1/users/%2e%2e",
    b"/v1/users?user_id=%00&order_by=%0d%0aset-cookie:%20a=b&limit=%ff",
    b"/v1/email_addresses/%0d%0aset-cookie:%20a=b",
    b"/_images/vignette/%2e%2e%2fuploads/profile",
    b"/_images/vignette/%0d%0aset-cookie:%20a=b/original",
    b"/renditions/%2e%2e/%2e%2e/64.webp",
    b"/renditions/a/b/%2e%2e%2f64.webp",
    b"/avatars/%2e%2e/%0d%0aset-cookie:%20a=b.webp",
    b"/avatars/9a3412/%ff.webp",
]


@pytest.mark.parametrize("target", TARGETS)
def test_a_hostile_path_finds_nothing_and_injects_nothing(client: Client, target: bytes) -> None:
    status, received = raw(client, request_of(client, target))
    assert 400 <= status < 500, received
    assert b"\nset-cookie" not in received.lower()


HEADERS = [
    b"authorization: Bearer \xff\xfe",
    b"authorization: Bearer a\0b",
    b"authorization: Bearer a\rset-cookie: a=b",
    b"authorization: Bearer " + b"a" * 60_000,
    b"authorization: Bearer a.b.c",
    b"authorization: Bearer \xc3\xa9.\xc3\xa9.\xc3\xa9",
    b"authorization: " + b"Bearer " * 500,
    b"authorization:",
]


@pytest.mark.parametrize("header", HEADERS, ids=range(len(HEADERS)))
@pytest.mark.parametrize("path", [b"/api/v1/users/me", b"/v1/users", b"/_api/admin/images/upload"])
def test_a_hostile_header_is_refused_and_injects_nothing(
    client: Client, path: bytes, header: bytes
) -> None:
    status, received = raw(client, request_of(client, path, header))
    assert status in (400, 401, 403, 431), received
    assert b"\nset-cookie" not in received.lower()


# Presigned forms


def extended(policy: str) -> str:
    """A policy with a later end and a larger size."""
    document = json.loads(base64.b64decode(policy))
    document["expiration"] = "2099-01-01T00:00:00Z"
    document["conditions"] = [
        ["content-length-range", 0, 10**9] if isinstance(each, list) else each
        for each in document["conditions"]
    ]
    return base64.b64encode(json.dumps(document).encode()).decode()


def test_a_form_altered_in_any_field_stores_nothing(client: Client) -> None:
    me = client.user_headers(client.create_user()["id"])
    form = client.upload_form(me, PHOTO)
    fields: dict[str, str] = form["fields"]
    forms: list[dict[str, Any]] = []
    for name, value in fields.items():
        last = "A" if value[-1] != "A" else "B"
        forms += ({**fields, name: value[:-1] + last}, {**fields, name: ""})
        forms.append({each: fields[each] for each in fields if each != name})
    key = fields["key"]
    keys = ("../x", f"{key}/../x", key + "\0", f"renditions/{key}", key.upper(), "${filename}")
    forms += ({**fields, "key": each} for each in keys)
    forms.append({**fields, "key": [key, "uploads/x"]})
    forms.append({**fields, "policy": extended(fields["policy"])})
    more = {
        "acl": "public-read",
        "bucket": "another",
        "Cache-Control": "public",
        "Content-Disposition": "inline",
        "Content-Encoding": "gzip",
        "Expires": "0",
        "success_action_redirect": "https://evil.example.com",
        "success_action_status": "201",
        "tagging": "<Tagging/>",
        "x-amz-meta-a": "b",
        "x-amz-server-side-encryption": "aws:kms",
        "x-amz-storage-class": "GLACIER",
        "x-amz-website-redirect-location": "https://evil.example.com",
    }
    forms += ({**fields, name: value} for name, value in more.items())

    before = client.objects("")
    for altered in forms:
        answer = httpx.post(form["url"], data=altered, files={"file": PHOTO})
        assert answer.status_code in (400, 403), altered

    # Photos that other tests have sent may be processed meanwhile.
    stored = client.objects("") - before
    assert {
        key for key in stored if not key.startswith("renditions/") or form["uploadId"] in key
    } == set()
    read = client.http.get(f"/api/v1/uploads/{form['uploadId']}", headers=me)
    assert read.json()["state"] == "pending"
    assert client.send(form, PHOTO).status_code == 204


def test_the_bucket_takes_and_gives_nothing_without_a_signature(client: Client) -> None:
    me = client.user_headers(client.create_user()["id"])
    form = client.upload_form(me, PHOTO)
    address = f"{form['url']}/{form['fields']['key']}"
    assert httpx.put(address, content=PHOTO).status_code == 403
    assert httpx.delete(address).status_code == 403
    assert httpx.get(address).status_code == 403
    assert httpx.get(form["url"]).status_code == 403
