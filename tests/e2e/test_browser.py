"""The page of `make run` and the elements on it, in a real browser, against the deployed stack."""

import io
import re
from typing import Any

import httpx
import pytest
from PIL import Image
from playwright.sync_api import Page, expect
from tests.browser.service import photo_file
from tests.browser.test_profile_picture import button, cropper, screenshot
from tests.e2e.conftest import PHOTOS, Client
from tests.photos import encoded, exif, photo

PORTRAIT = (PHOTOS / "astronaut.jpg").read_bytes()


@pytest.fixture
def user(client: Client, page: Page) -> dict[str, Any]:
    """Somebody new, whose page is shown."""
    user = client.create_user(firstName="Grace", lastName="Hopper")
    page.goto(client.stack["baseUrl"])
    expect(page.locator("#name")).to_have_text("Ada Lovelace")
    page.get_by_label("User id").fill(user["id"])
    button(page, "Go").click()
    expect(page.locator("#name")).to_have_text("Grace Hopper")
    return user


def choose(page: Page, data: bytes, **file: str) -> None:
    with page.expect_file_chooser() as chooser:
        button(page, "Choose photo").click()
    chooser.value.set_files(photo_file(data, **file))


def framed_portrait(page: Page) -> Image.Image:
    """The portrait in the circle, once its face is framed."""
    choose(page, PORTRAIT)
    expect(button(page, "Save")).to_be_enabled()
    page.wait_for_timeout(300)
    return screenshot(cropper(page))


def save(page: Page) -> None:
    expect(button(page, "Save")).to_be_enabled(timeout=60_000)  # the first photo starts functions
    button(page, "Save").click()
    expect(button(page, "Remove")).to_be_visible(timeout=30_000)


def picture_of(client: Client, user: dict[str, Any]) -> Image.Image | None:
    """The picture that is served for a user now, if it is a custom one."""
    now = client.http.get(f"/api/v1/shared/users/{user['id']}", headers=client.key).json()
    if not now["hasCustomProfilePicture"]:
        return None
    return Image.open(io.BytesIO(httpx.get(now["profilePictureUrl"]).content)).convert("RGB")


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


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "AVIF", "GIF"])
def test_a_photo_is_chosen_saved_served_and_removed(
    client: Client, page: Page, user: dict[str, Any], kind: str
) -> None:
    choose(page, encoded(photo(), kind), name=f"photo.{kind}", kind=f"image/{kind.lower()}")
    save(page)
    assert picture_of(client, user) is not None
    expect(page.locator("#answer")).to_contain_text('"hasCustomProfilePicture": true')
    button(page, "Remove").click()
    expect(button(page, "Remove")).to_be_hidden()
    assert picture_of(client, user) is None


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"no photo at all", "This is not a photo."),
        (PORTRAIT[:2000], "This photo is damaged."),
        (b"\xff" * (10 * 1024 * 1024 + 1), "This photo is too large."),
        (b"", "This file is empty."),
    ],
    ids=["no photo", "cut off", "too large", "empty"],
)
def test_what_cannot_be_a_picture_is_refused_in_words(
    page: Page, user: dict[str, Any], data: bytes, sentence: str
) -> None:
    choose(page, data)
    expect(page.get_by_role("alert")).to_contain_text(sentence, timeout=15_000)


def test_an_expired_token_is_replaced(client: Client, page: Page, user: dict[str, Any]) -> None:
    fresh = client.user_headers(user["id"])["Authorization"].removeprefix("Bearer ")
    page.evaluate(
        """(fresh) => {
            const tokens = ["expired"];
            document.querySelector("profile-picture").token = () => tokens.pop() ?? fresh;
        }""",
        fresh,
    )
    choose(page, PORTRAIT)
    save(page)
    assert picture_of(client, user) is not None


def test_the_upload_tells_how_far_it_is(page: Page, user: dict[str, Any]) -> None:
    page.evaluate(
        """() => {
            globalThis.told = [];
            document.querySelector("profile-picture").addEventListener("progress",
                ({ detail }) => told.push([detail.phase, detail.loaded, detail.total]));
        }"""
    )
    choose(page, PORTRAIT)
    expect(button(page, "Save")).to_be_enabled()
    told = page.evaluate("told")
    sent = [(loaded, total) for phase, loaded, total in told if phase == "upload"]
    assert sent
    assert sent[-1][0] == sent[-1][1] > len(PORTRAIT)
    assert told[-1][0] == "processing"


def test_two_tabs_save_one_after_the_other(
    client: Client, page: Page, user: dict[str, Any]
) -> None:
    second = page.context.new_page()
    second.goto(client.stack["baseUrl"])
    expect(second.locator("#name")).to_have_text("Ada Lovelace")
    second.get_by_label("User id").fill(user["id"])
    button(second, "Go").click()
    expect(second.locator("#name")).to_have_text("Grace Hopper")
    for tab in (page, second):
        choose(tab, encoded(photo(), "PNG" if tab is page else "JPEG"))
    for tab in (page, second):
        save(tab)
    assert picture_of(client, user) is not None


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


def test_the_face_is_framed_and_the_crop_that_was_seen_is_the_one_that_is_served(
    client: Client, page: Page, user: dict[str, Any]
) -> None:
    framed = framed_portrait(page)
    for key in ("+", "+", "+", "Shift+ArrowRight", "Shift+ArrowDown"):
        page.keyboard.press(key)
    page.wait_for_timeout(300)
    seen = screenshot(cropper(page))
    save(page)
    served = picture_of(client, user)
    assert served
    assert unlike(seen, served) < 8 < unlike(framed, served)


def test_a_suggested_crop_is_served_as_it_was_seen(
    client: Client, page: Page, user: dict[str, Any]
) -> None:
    seen = framed_portrait(page)
    save(page)
    served = picture_of(client, user)
    assert served
    assert unlike(seen, served) < 6


@pytest.mark.parametrize("orientation", [1, 6])
def test_a_heic_photo_is_shown_from_the_preview_and_moved(
    client: Client, page: Page, user: dict[str, Any], orientation: int
) -> None:
    data = encoded(photo(), "HEIC", exif=exif(orientation))
    choose(page, data, name="photo.heic", kind="")
    expect(button(page, "Save")).to_be_enabled(timeout=15_000)
    page.keyboard.press("+")
    page.wait_for_timeout(300)
    seen = screenshot(cropper(page))
    save(page)
    served = picture_of(client, user)
    assert served
    assert unlike(seen, served) < 6


def test_avatars_show_what_was_saved_and_the_address_leads_to_it(
    client: Client, page: Page, user: dict[str, Any]
) -> None:
    choose(page, PORTRAIT)
    save(page)
    avatar = page.locator("#avatars profile-avatar >> img").first
    expect(avatar).to_have_js_property("complete", True)
    assert avatar.evaluate("(image) => image.naturalWidth") > 0
    page.reload()
    expect(avatar).to_have_attribute("src", re.compile("/pictures/"))  # that of the demo user
    page.get_by_label("User id").fill(user["id"])
    button(page, "Go").click()
    address = re.compile(f"/pictures/{user['id']}")
    expect(avatar).to_have_attribute("src", address)
    expect(avatar).to_be_visible()
    answer = client.http.get(f"/pictures/{user['id']}?width=64", follow_redirects=True)
    assert Image.open(io.BytesIO(answer.content)).size == (64, 64)


def unlike(seen: Image.Image, served: Image.Image) -> float:
    """Mean difference, 0 to 255, of a picture from what the circle shows, inside of it."""
    edge = round(seen.width * 0.07)
    circle = seen.crop((edge, edge, seen.width - edge, seen.width - edge)).resize(served.size)
    inset = round(served.width * 0.16)  # a square that lies in the circle
    box = (inset, inset, served.width - inset, served.width - inset)
    small = (32, 32)  # at which half a pixel of the screen makes no difference
    pairs = zip(
        circle.crop(box).resize(small, Image.Resampling.BOX).tobytes(),
        served.crop(box).resize(small, Image.Resampling.BOX).tobytes(),
        strict=True,
    )
    return sum(abs(a - b) for a, b in pairs) / (32 * 32 * 3)
