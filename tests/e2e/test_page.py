"""The page of `make run`, which has the elements and three APIs, and holds the secret key."""

import io
import re
from itertools import pairwise
from typing import Any

import httpx
import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]
from PIL import Image
from playwright.sync_api import Page, expect
from tests.e2e.browser import button, choose, colour, loaded, save, screenshot
from tests.e2e.conftest import Client
from tests.photos import encoded


@pytest.fixture
def user(client: Client, page: Page) -> dict[str, Any]:
    """Somebody new, whose page is shown."""
    user = client.create_user(firstName="Grace", lastName="Hopper")
    page.goto(client.stack["baseUrl"])
    expect(page.locator("#name")).not_to_be_empty()  # the demo user, whom README renames
    page.get_by_label("User id").fill(user["id"])
    button(page, "Go").click()
    expect(page.locator("#name")).to_have_text("Grace Hopper")
    return user


def test_the_page_shows_the_same_user_in_three_apis(page: Page, user: dict[str, Any]) -> None:
    for name, path in (
        ("Native", f"/api/v1/shared/users/{user['id']}"),
        ("Clerk", f"/v1/users/{user['id']}"),
        ("Authgear", "/_api/admin/graphql"),
    ):
        page.get_by_role("tab", name=name).click()
        expect(page.locator("#request")).to_contain_text(path)
        expect(page.locator("#answer")).to_contain_text("Grace")
    document = page.frame_locator("iframe")
    expect(document.get_by_text("/api/v1/users/me/profile-picture")).to_be_attached()


def test_opening_the_page_asks_for_nothing_that_is_refused(client: Client, page: Page) -> None:
    refused: list[str] = []
    page.on("response", lambda got: refused.append(got.url) if got.status >= 400 else None)
    page.goto(client.stack["baseUrl"])
    expect(button(page, "Choose photo")).to_be_visible()
    page.wait_for_load_state("networkidle")
    assert refused == []


@pytest.mark.usefixtures("user")
def test_the_page_can_be_read_in_every_way(page: Page) -> None:
    page.emulate_media(color_scheme="dark")
    assert Axe().run(page).response["violations"] == []
    page.emulate_media(color_scheme="light")
    assert Axe().run(page).response["violations"] == []
    page.emulate_media(forced_colors="active")
    tab = screenshot(page.get_by_role("tab", name="Native")).convert("1")  # which is selected
    row = [tab.getpixel((x, tab.height // 2)) for x in range(tab.width)]
    assert sum(one != next_one for one, next_one in pairwise(row)) > 8  # strokes of letters


@pytest.mark.parametrize("path", ["/", "/_page/facts.json", "/_page/token?user=1"])
def test_another_name_of_this_machine_gets_neither_page_nor_key(client: Client, path: str) -> None:
    port = httpx.URL(client.stack["baseUrl"]).port
    answer = client.http.get(path, headers={"host": f"rebound.example:{port}"})
    assert answer.status_code == 421
    assert client.stack["secretKey"] not in answer.text


def test_another_site_cannot_read_the_key(client: Client) -> None:
    headers = {"origin": "https://site.example"}
    answer = client.http.get("/_page/facts.json", headers=headers)
    assert client.stack["secretKey"] in answer.text
    assert not any(re.match("access-control", name, re.IGNORECASE) for name in answer.headers)
    assert answer.headers["cross-origin-resource-policy"] == "same-origin"


def test_a_picture_is_saved_shown_by_avatars_and_apis_and_removed(
    client: Client, page: Page, user: dict[str, Any]
) -> None:
    choose(page, encoded(Image.new("RGB", (300, 300), (30, 200, 30)), "JPEG"))
    save(page)
    avatar = page.locator("#avatars profile-avatar >> img").first
    expect(page.locator("#answer")).to_contain_text('"hasCustomProfilePicture": true')
    assert client.picture(user["id"]) is not None
    assert colour(loaded(avatar)) == pytest.approx((30, 200, 30), abs=6)
    page.reload()
    expect(avatar).to_have_attribute("src", re.compile("/pictures/"))  # that of the demo user
    page.get_by_label("User id").fill(user["id"])
    button(page, "Go").click()
    address = re.compile(f"/pictures/{user['id']}")
    expect(avatar).to_have_attribute("src", address)
    expect(avatar).to_be_visible()
    answer = client.http.get(f"/pictures/{user['id']}?width=64", follow_redirects=True)
    assert Image.open(io.BytesIO(answer.content)).size == (64, 64)
    button(page, "Remove").click()
    expect(page.locator("#answer")).to_contain_text('"hasCustomProfilePicture": false')
    assert client.picture(user["id"]) is None
