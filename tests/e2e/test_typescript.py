"""TypeScript: a client generated from the OpenAPI document, and the types of the elements."""

import json
import shutil
import subprocess
import uuid
from pathlib import Path

import pytest
from tests.e2e import npm
from tests.e2e.conftest import PHOTOS, ROOT, Client

PROJECT = Path(__file__).parent / "typescript"
DOCUMENT = ROOT / "layers/vignette/vignette/native/openapi.json"
ELEMENTS = ROOT / "functions/elements/vignette.d.ts"
RUN = """
import { openAsBlob, readFileSync } from "node:fs";
import { manageUsers, setPicture } from "./main_job.js";
const { url, key, token, photo, email } = JSON.parse(readFileSync(0));
await manageUsers(url, key, email);
console.log(await setPicture(url, token, await openAsBlob(photo)));
"""


def run(folder: Path, *command: str, sent: str = "") -> str:
    """What a command prints; it has to succeed."""
    done = subprocess.run(
        command, cwd=folder, input=sent, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture
def built(tmp_path: Path) -> Path:
    """The client and the scripts that use it, type-checked and compiled."""
    npm.install(PROJECT)
    for file in (*PROJECT.glob("*.ts"), PROJECT / "tsconfig.json", PROJECT / "package.json"):
        shutil.copy(file, tmp_path)
    shutil.copy(ELEMENTS, tmp_path)
    (tmp_path / "node_modules").symlink_to(PROJECT / "node_modules")
    tools = tmp_path / "node_modules/.bin"
    run(tmp_path, f"{tools}/openapi-typescript", str(DOCUMENT), "--output", "api.ts")
    run(tmp_path, f"{tools}/tsc", "--project", ".")
    return tmp_path


def test_a_generated_client_does_the_main_job(built: Path, client: Client) -> None:
    user = client.create_user()
    facts = {
        "url": client.stack["baseUrl"],
        "key": client.stack["secretKey"],
        "token": client.user_headers(user["id"])["Authorization"].removeprefix("Bearer "),
        "photo": str(PHOTOS / "astronaut.jpg"),
        "email": f"{uuid.uuid4().hex}@example.com",
    }
    address = run(
        built, "node", "--input-type=module", "--eval", RUN, sent=json.dumps(facts)
    ).strip()
    picture = client.http.get(address)
    assert (picture.status_code, picture.headers["content-type"]) == (200, "image/webp")
