"""The servers of docs/browser.md that forward for the session's user, as they are printed there."""

import os
import re
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest
from playwright.sync_api import Page, expect
from tests.e2e import npm
from tests.e2e.browser import button, choose, framed, save
from tests.e2e.conftest import PHOTOS, ROOT, Client, eventually, free_port

EXPRESS = Path(__file__).parent / "express"
DOCUMENT = (ROOT / "docs/browser.md").read_text()
MODULE = ROOT / "functions/elements/vignette.js"
PAGE = (
    '<!doctype html><script type="module" src="/vignette.js"></script>'
    '<profile-picture api="/vignette"></profile-picture>'
)
# What an application has besides: a way to sign in, a page, and the module.
FLASK = f"""

@app.get("/login/<user_id>")
def login(user_id):
    session["user_id"] = user_id
    return "signed in"


@app.get("/")
def page():
    return {PAGE!r}


@app.get("/vignette.js")
def module():
    return Response(open({str(MODULE)!r}).read(), content_type="text/javascript")


app.run(port=int(os.environ["PORT"]))
"""
OTHER_ROUTES = f"""
app.get("/login/:id", (request, response) => {{
  request.session.userId = request.params.id;
  response.send("signed in");
}});
app.get("/", (request, response) => response.send({PAGE!r}));
app.get("/vignette.js", (request, response) => response.sendFile({str(MODULE)!r}));
app.listen(process.env.PORT, "127.0.0.1");
"""


def printed(server: str, language: str) -> str:
    """The code of a server in the document."""
    found = re.search(rf"{server}:\n\n```{language}\n(.*?)```", DOCUMENT, re.DOTALL)
    assert found
    return found[1]


@contextmanager
def running(command: list[str], folder: Path, client: Client) -> Iterator[httpx.Client]:
    """A server, once it answers."""
    port = free_port()
    variables = {
        "PORT": str(port),
        "SESSION_KEY": "the test's",
        "VIGNETTE_URL": client.stack["baseUrl"],
        "VIGNETTE_KEY": client.stack["secretKey"],
    }
    with (folder / "server.log").open("w") as log:
        server = subprocess.Popen(
            command, cwd=folder, env={**os.environ, **variables}, stdout=log, stderr=log
        )
    with httpx.Client(base_url=f"http://127.0.0.1:{port}") as http:
        try:

            def answers() -> bool:
                assert server.poll() is None, (folder / "server.log").read_text()
                try:
                    return http.get("/").status_code == 200
                except httpx.TransportError:
                    return False

            assert eventually(answers)
            yield http
        finally:
            server.kill()
            server.wait()


@pytest.fixture(params=["Flask", "Express"])
def server(
    request: pytest.FixtureRequest, tmp_path: Path, client: Client
) -> Iterator[httpx.Client]:
    """An application with a session cookie, which forwards."""
    if request.param == "Flask":
        (tmp_path / "server.py").write_text(printed("Flask", "python") + FLASK)
        command = [sys.executable, "server.py"]
    else:
        npm.install(EXPRESS)
        (tmp_path / "node_modules").symlink_to(EXPRESS / "node_modules")
        (tmp_path / "server.mjs").write_text(printed("Express", "js") + OTHER_ROUTES)
        command = ["node", "server.mjs"]
    with running(command, tmp_path, client) as http:
        yield http


def test_a_picture_is_set_without_a_token(server: httpx.Client, client: Client, page: Page) -> None:
    user = client.create_user(id=f"auth0|{uuid.uuid4().hex}")
    page.goto(f"{server.base_url}/login/{quote(user['id'])}")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(str(server.base_url))
    expect(page.get_by_role("img", name="Grace Hopper")).to_be_visible()
    assert len([each for each in asked if each.endswith("/users/me")]) == 1
    choose(page, (PHOTOS / "astronaut.jpg").read_bytes())
    framed(page)
    page.keyboard.press("+")  # so that it is framed anew
    save(page)
    assert client.picture(user["id"]) is not None
    button(page, "Remove").click()
    expect(button(page, "Remove")).to_be_hidden()
    assert client.picture(user["id"]) is None


def test_nobody_reaches_what_is_not_theirs(server: httpx.Client, client: Client) -> None:
    address = "/vignette/api/v1"
    assert server.get(f"{address}/users/me").status_code == 401
    ada, eve = client.create_user()["id"], client.create_user()["id"]
    photo = (PHOTOS / "chelsea.png").read_bytes()
    upload = client.upload_form(client.user_headers(ada), photo)["uploadId"]
    assert server.get(f"/login/{eve}").status_code == 200
    assert server.get(f"{address}/users/me").json()["id"] == eve
    for method in ("GET", "DELETE", "PATCH"):
        body = {"crop": None} if method == "PATCH" else None
        answer = server.request(method, f"{address}/uploads/{upload}", json=body)
        assert answer.status_code == 404
    begun = {"kind": "profile_picture", "contentType": "image/png", "userId": ada}
    own = server.post(f"{address}/uploads", json=begun).json()["uploadId"]
    answer = client.http.get(f"/api/v1/uploads/{own}", headers=client.key)
    assert answer.json()["userId"] == eve
