"""<profile-picture>: choose, frame, save and remove a picture, and what may go wrong."""

import base64
import io
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from PIL import Image
from playwright.sync_api import BrowserContext, FloatRect, Locator, Page, Request, Route, expect
from tests.e2e.browser import (
    button,
    choose,
    choose_file,
    colour,
    cropper,
    difference,
    framed,
    loaded,
    save,
    seen,
    unlike,
    unlike_crop,
)
from tests.e2e.conftest import eventually
from tests.e2e.site import (
    CREATE,
    FRAME,
    ME,
    POLL,
    SEND,
    SET,
    Call,
    Site,
    answer_with,
    hang,
    problem,
)
from tests.photos import STORED, encoded, exif, photo

PORTRAIT = photo("astronaut.jpg", (900, 1200))
FILE = encoded(PORTRAIT, "JPEG")
WHOLE = {"x": 0.5, "y": 0.5, "size": 1}
PHONE = {
    "viewport": {"width": 390, "height": 844},
    "device_scale_factor": 3,
    "has_touch": True,
    "is_mobile": True,
    "reduced_motion": "reduce",
}


@pytest.fixture
def face(site: Site, page: Page) -> dict[str, Any]:
    """The face that the service has framed, in the circle of a page."""
    site.picker(page)
    choose(page, FILE)
    framed(page)
    [upload] = site.uploads()
    assert upload["framing"] == "face"
    crop: dict[str, Any] = upload["crop"]
    return crop


def saved_crop(site: Site, page: Page) -> dict[str, float]:
    """The crop that is sent where the photo was moved, with which the picture is made."""
    shown = seen(page)
    save(page)
    [body] = site.made(FRAME)
    crop: dict[str, float] = body["crop"]
    [upload] = site.uploads()
    assert upload["framing"] == "user"
    assert upload["crop"] == pytest.approx(crop, abs=1e-5)
    assert unlike_crop(shown, PORTRAIT, crop) < 8
    picture = site.picture()
    assert picture
    assert unlike(shown, picture) < 8
    return crop


# Choosing


def bring_by_button(page: Page, file: Path) -> None:
    choose_file(page, file)


def drop(page: Page, file: Path) -> None:
    place = box(page.locator("profile-picture"))
    device = page.context.new_cdp_session(page)
    event = {
        "x": place["x"] + 100,
        "y": place["y"] + 100,
        "data": {"items": [], "files": [str(file)], "dragOperationsMask": 1},
    }
    for kind in ("dragEnter", "dragOver", "drop"):
        device.send("Input.dispatchDragEvent", {"type": kind, **event})


def paste(page: Page, file: Path) -> None:
    copy(page, file)
    page.evaluate("addEventListener('paste', () => { globalThis.pasted = true; })")
    page.keyboard.press("Control+V")
    page.wait_for_function("globalThis.pasted")


def copy(page: Page, file: Path) -> None:
    """Put a photo on the clipboard, as a program that shows it does."""
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    image = io.BytesIO()
    Image.open(file).save(image, "PNG")
    page.evaluate(
        """async (data) => {
            const bytes = Uint8Array.from(atob(data), (each) => each.charCodeAt(0));
            const blob = new Blob([bytes], { type: "image/png" });
            await navigator.clipboard.write([new ClipboardItem({ "image/png": blob })]);
        }""",
        base64.b64encode(image.getvalue()).decode(),
    )


@pytest.mark.parametrize("bring", [bring_by_button, drop, paste])
def test_a_photo_is_framed_as_the_service_suggests_and_saved(
    site: Site, page: Page, tmp_path: Path, bring: Callable[[Page, Path], None]
) -> None:
    file = tmp_path / "photo.jpg"
    file.write_bytes(FILE)
    site.picker(page)
    expect(button(page, "Choose photo")).to_be_enabled()
    bring(page, file)
    framed(page)
    [upload] = site.uploads()
    assert upload["framing"] == "face"
    shown = seen(page)
    assert unlike_crop(shown, PORTRAIT, upload["crop"]) < 8
    save(page)
    assert site.made(SET) == [{"uploadId": upload["id"]}]
    assert site.made(FRAME) == []  # the suggestion stays
    picture = site.picture()
    assert picture
    assert unlike(shown, picture) < 8
    [address] = re.findall(r"(\S+) 256w", site.as_served()["avatar"]["srcset"])
    image = page.locator("profile-picture >> profile-avatar >> img")
    expect(image).to_have_js_property("currentSrc", address)
    assert difference(loaded(image), picture) < 8


def test_text_can_still_be_pasted_into_a_field(site: Site, page: Page, tmp_path: Path) -> None:
    file = tmp_path / "photo.jpg"
    file.write_bytes(FILE)
    site.open(
        page,
        f'<input aria-label="Name"><profile-picture api="{site.api}"></profile-picture>',
        site.give_token(),
    )
    page.get_by_label("Name").focus()
    paste(page, file)
    choose(page, FILE)
    framed(page)
    assert len(site.made(CREATE)) == 1  # none for what was pasted before


@pytest.mark.parametrize("context", [PHONE], indirect=True)
def test_a_phone_offers_its_camera_whose_photo_is_moved_by_touch(
    site: Site, page: Page, tmp_path: Path
) -> None:
    turned = STORED[6]
    assert turned is not None
    upright = photo("astronaut.jpg", (3000, 4000))
    file = tmp_path / "photo.jpg"
    file.write_bytes(encoded(upright.transpose(turned), "JPEG", quality=92, exif=exif(6)))
    site.picker(page)
    with page.expect_file_chooser() as chooser:
        button(page, "Take photo").tap()
    assert chooser.value.element.get_attribute("capture") == "user"
    chooser.value.set_files(file)
    framed(page)
    [upload] = site.uploads()
    assert (upload["width"], upload["height"]) == upright.size
    touch(page, [(0, 0)], [(-15, -10)], [(-30, -20)])
    touch(page, [(-40, 0), (40, 0)], [(-50, 0), (50, 0)], [(-60, 0), (60, 0)])
    shown = seen(page)
    button(page, "Save").tap()
    expect(button(page, "Remove")).to_be_visible()
    [body] = site.made(FRAME)
    assert body["crop"]["size"] == pytest.approx(upload["crop"]["size"] / 1.5, rel=0.05)
    assert body["crop"]["x"] > upload["crop"]["x"]
    assert body["crop"]["y"] > upload["crop"]["y"]
    assert unlike_crop(shown, upright, body["crop"]) < 8
    picture = site.picture()
    assert picture
    assert unlike(shown, picture) < 8


def centre(page: Page) -> tuple[float, float]:
    """Where the middle of the photo is that is moved."""
    place = box(cropper(page))
    return place["x"] + place["width"] / 2, place["y"] + place["height"] / 2


def touch(page: Page, *moves: list[tuple[int, int]]) -> None:
    """Put fingers on the photo, at places from its centre, move them, and lift them."""
    x, y = centre(page)
    device = page.context.new_cdp_session(page)
    for at, fingers in enumerate([*moves, []]):
        kind = "touchStart" if at == 0 else "touchMove" if fingers else "touchEnd"
        points = [{"x": x + right, "y": y + down} for right, down in fingers]
        device.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "AVIF", "GIF"])
def test_what_the_browser_can_decode_is_shown_at_once(site: Site, page: Page, kind: str) -> None:
    held = site.hold(POLL)
    site.picker(page)
    red = Image.new("RGB", (300, 300), (220, 30, 30))
    choose(page, encoded(red, kind), name=f"photo.{kind.lower()}", kind=f"image/{kind.lower()}")
    expect(page.get_by_role("slider")).to_be_visible()
    assert colour(seen(page)) == pytest.approx((220, 30, 30), abs=6)
    [asked] = site.made(CREATE)
    assert "preview" not in asked
    site.go_on(page, held)
    save(page)
    picture = site.picture()
    assert picture
    assert colour(picture) == pytest.approx((220, 30, 30), abs=6)
    button(page, "Remove").click()
    expect(button(page, "Remove")).to_be_hidden()
    assert site.picture() is None


@pytest.mark.parametrize("orientation", [1, 6])
@pytest.mark.parametrize("name", ["photo.heic", "photo.jpg"], ids=["by its type", "by surprise"])
def test_what_the_browser_cannot_decode_is_shown_by_the_service_and_moved(
    site: Site, page: Page, name: str, orientation: int
) -> None:
    site.picker(page)
    kind = "" if name.endswith("heic") else "image/jpeg"
    choose(page, encoded(photo(), "HEIC", exif=exif(orientation)), name=name, kind=kind)
    framed(page)
    assert site.made(CREATE)[-1]["preview"] is True
    page.keyboard.press("+")
    shown = seen(page)
    save(page)
    picture = site.picture()
    assert picture
    assert unlike(shown, picture) < 6


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_turned_photo_is_shown_and_served_upright(
    site: Site, page: Page, orientation: int
) -> None:
    upright = Image.new("RGB", (300, 300), (30, 30, 200))
    upright.paste((30, 200, 30), (0, 0, 300, 150))
    upright.paste((200, 30, 30), (0, 0, 150, 150))
    turned = STORED[orientation]
    stored = upright.transpose(turned) if turned is not None else upright
    site.picker(page)
    choose(page, encoded(stored, "JPEG", exif=exif(orientation)))
    framed(page)
    shown = seen(page)
    save(page)
    picture = site.picture()
    assert picture
    for image in (shown, picture):
        found = [colour(image, *place) for place in ((0.3, 0.3), (0.7, 0.3), (0.5, 0.7))]
        assert found == [
            pytest.approx(each, abs=12) for each in ((200, 30, 30), (30, 200, 30), (30, 30, 200))
        ]


# Moving


def test_the_photo_glides_to_what_the_service_suggests(site: Site, page: Page) -> None:
    page.emulate_media(reduced_motion="no-preference")
    held = site.hold(POLL)
    site.picker(page)
    choose(page, FILE)
    expect(page.get_by_role("slider")).to_be_visible()
    assert unlike_crop(seen(page), PORTRAIT, WHOLE) < 8
    site.go_on(page, held)
    framed(page)
    [upload] = site.uploads()
    assert eventually(lambda: unlike_crop(seen(page), PORTRAIT, upload["crop"]) < 8)


def test_the_mouse_moves_the_photo_and_the_wheel_zooms(
    site: Site, page: Page, face: dict[str, float]
) -> None:
    before = seen(page)
    x, y = centre(page)
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 30, y - 20, steps=4)
    page.mouse.up()
    page.mouse.wheel(0, -200)
    crop = saved_crop(site, page)
    assert crop["size"] < face["size"]
    assert crop["x"] < face["x"]
    assert crop["y"] > face["y"]
    picture = site.picture()
    assert picture
    assert unlike(before, picture) > 8  # the comparison tells one crop from another


def test_the_arrows_move_the_photo_and_plus_and_minus_zoom(
    site: Site, page: Page, face: dict[str, float]
) -> None:
    expect(cropper(page)).to_be_focused()  # where the button was that is gone
    for key in ("ArrowRight", "ArrowDown", "ArrowDown", "+"):
        page.keyboard.press(key)
    crop = saved_crop(site, page)
    assert crop["x"] < face["x"]
    assert crop["y"] < face["y"]
    assert crop["size"] == pytest.approx(face["size"] * 0.9)


def test_a_double_click_centres(site: Site, page: Page, face: dict[str, float]) -> None:
    cropper(page).dblclick(position={"x": 100, "y": 144})
    assert saved_crop(site, page)["x"] < face["x"]


@pytest.mark.usefixtures("face")
@pytest.mark.parametrize(("value", "size"), [("0", 1), ("1", 256 / 900)], ids=["out", "in"])
def test_the_slider_zooms(site: Site, page: Page, value: str, size: float) -> None:
    page.get_by_role("slider", name="Zoom").fill(value)
    page.keyboard.press("-" if value == "0" else "+")  # there is no further
    assert saved_crop(site, page)["size"] == pytest.approx(size)


@pytest.mark.usefixtures("face")
def test_the_photo_cannot_be_moved_out_of_the_circle(site: Site, page: Page) -> None:
    for _ in range(60):
        page.keyboard.press("Shift+ArrowUp")
    crop = saved_crop(site, page)
    assert crop["y"] == pytest.approx(1 - crop["size"] * 900 / 1200 / 2)


@pytest.mark.usefixtures("face")
def test_reset_goes_back_to_the_suggestion(site: Site, page: Page) -> None:
    before = seen(page)
    for _ in range(4):
        page.keyboard.press("Shift+ArrowRight")
    assert difference(before, seen(page)) > 8
    button(page, "Reset").click()
    expect(button(page, "Reset")).to_be_hidden()
    assert difference(before, seen(page)) < 1
    save(page)
    assert site.made(FRAME) == []


def test_a_photo_that_was_moved_meanwhile_stays_where_it_is(site: Site, page: Page) -> None:
    held = site.hold(POLL)
    site.picker(page)
    choose(page, FILE)
    expect(page.get_by_role("slider")).to_be_visible()
    page.keyboard.press("+")
    site.go_on(page, held)
    framed(page)
    assert saved_crop(site, page)["size"] == pytest.approx(0.9)


# Saving, removing, cancelling


def test_a_picture_is_replaced_and_removed(site: Site, page: Page, face: dict[str, float]) -> None:
    save(page)
    first = site.picture()
    choose(page, encoded(photo("coffee.png"), "JPEG"))
    save(page)
    second = site.picture()
    assert first
    assert second
    assert first.tobytes() != second.tobytes()
    button(page, "Remove").click()
    expect(page.get_by_role("status")).to_have_text("Your picture is removed.")
    expect(button(page, "Remove")).to_be_hidden()
    assert site.made(SET)[-1] == {"uploadId": None}
    assert site.picture() is None


def test_events_tell_the_page_what_happens(site: Site, page: Page) -> None:
    site.picker(page)
    page.evaluate(
        """() => {
            globalThis.told = [];
            for (const type of ["change", "progress", "error"])
                document.querySelector("profile-picture").addEventListener(type,
                    ({ detail }) => told.push([type, detail]));
        }"""
    )
    site.change(state="locked")
    choose(page, FILE)
    expect(page.get_by_role("alert")).to_contain_text("Your account is locked.")
    site.change(state="active")
    choose(page, FILE)
    framed(page)
    page.get_by_role("slider", name="Zoom").fill("0.5")  # tells the page nothing
    save(page)
    told = page.evaluate("told")
    assert told[0][0] == "error"
    assert (told[0][1]["code"], told[0][1]["status"]) == ("user_not_active", 403)
    progress = [detail for type_, detail in told if type_ == "progress"]
    sent = [each for each in progress if each["phase"] == "upload"]
    assert sent
    assert sent[-1]["loaded"] == sent[-1]["total"] > len(FILE)
    assert progress[-1] == {"phase": "processing", "loaded": 0, "total": 0}
    assert [type_ for type_, _ in told].count("change") == 1
    [upload] = site.uploads()
    type_, detail = told[-1]
    assert (type_, detail["uploadId"]) == ("change", upload["id"])
    served = site.as_served()
    assert detail["user"]["avatar"] == served["avatar"]
    assert detail["user"]["hasCustomProfilePicture"] is True
    assert detail["user"].keys() == served.keys()


def test_a_form_carries_the_upload(site: Site, page: Page) -> None:
    site.open(
        page,
        f'<form><profile-picture api="{site.api}" name="picture"></profile-picture>'
        "<button>Go</button></form>",
        site.give_token(),
    )
    value = "Object.fromEntries(new FormData(document.querySelector('form')))"
    assert page.evaluate(value) == {}
    choose(page, FILE)
    framed(page)
    button(page, "Go").click()  # neither saved nor cancelled
    assert page.evaluate("document.querySelector('form').checkValidity()") is False
    expect(button(page, "Save")).to_be_visible()
    save(page)
    [upload] = site.uploads()
    assert page.evaluate(value) == {"picture": upload["id"]}
    button(page, "Go").click()
    page.wait_for_url("**/?*")
    assert parse_qs(urlsplit(page.url).query) == {"picture": [upload["id"]]}
    assert upload["id"] in site.as_served()["avatar"]["url"]


def test_a_disabled_one_is_left_alone(site: Site, page: Page, tmp_path: Path) -> None:
    file = tmp_path / "photo.jpg"
    file.write_bytes(FILE)
    site.picker(page, "disabled")
    paste(page, file)
    drop(page, file)
    page.keyboard.press("Tab")
    expect(button(page, "Choose photo")).not_to_be_focused()
    page.evaluate("document.querySelector('profile-picture').removeAttribute('disabled')")
    choose(page, FILE)
    framed(page)
    assert len(site.made(CREATE)) == 1  # none for what came before


def act(page: Page, step: Call) -> None:
    """Choose a photo, and where it is about saving, move and save it."""
    choose(page, FILE)
    if step in (FRAME, SET):
        framed(page)
        page.keyboard.press("+")
        button(page, "Save").click()


def is_step(request: Request, step: Call) -> bool:
    return request.method == step[0] and bool(re.search(step[1], request.url))


EVERY_STEP = pytest.mark.parametrize(
    "step", [CREATE, SEND, POLL, FRAME, SET], ids=["create", "send", "poll", "frame", "set"]
)


@EVERY_STEP
def test_cancelling_at_each_step_leaves_nothing(site: Site, page: Page, step: Call) -> None:
    site.picker(page)
    site.once(step, hang)
    with page.expect_request(lambda request: is_step(request, step)):
        act(page, step)
    assert len(site.uploads()) == (0 if step == CREATE else 1)
    button(page, "Cancel").click()
    expect(button(page, "Choose photo")).to_be_enabled()
    expect(page.get_by_role("alert")).to_be_empty()
    assert eventually(lambda: site.uploads() == [])
    assert site.picture() is None
    choose(page, FILE)  # and the next one works
    framed(page)


def test_two_tabs_save_one_after_the_other(site: Site, page: Page, context: BrowserContext) -> None:
    site.picker(page)
    second = context.new_page()
    second.on("filechooser", lambda _: None)
    site.picker(second)
    page.bring_to_front()
    choose(page, encoded(photo(), "PNG"), "photo.png", "image/png")
    second.bring_to_front()
    choose(second, encoded(photo("coffee.png"), "JPEG"))
    for tab in (page, second):
        tab.bring_to_front()
        framed(tab)
        shown = seen(tab)
        save(tab)
        picture = site.picture()
        assert picture
        assert unlike(shown, picture) < 8


# Failing


@EVERY_STEP
def test_who_was_offline_in_the_middle_can_go_on(site: Site, page: Page, step: Call) -> None:
    site.picker(page)
    site.once(step, site.offline)
    act(page, step)
    expect(page.get_by_role("alert")).to_have_text(
        "The connection was lost. Check it, then try again."
    )
    site.online()
    button(page, "Try again").click()
    expect(page.get_by_role("alert")).to_be_empty()
    if step in (CREATE, SEND, POLL):
        save(page)
    expect(button(page, "Remove")).to_be_visible()
    assert len(site.made(SET)) == 1
    assert site.picture() is not None


def test_an_expired_form_is_replaced(site: Site, page: Page) -> None:
    """S3 itself says that it has expired."""

    def expire(route: Route) -> None:
        response = route.fetch()
        form = response.json()
        client = site.client
        old = client.aws("s3").generate_presigned_post(
            client.stack["bucket"], form["fields"]["key"], ExpiresIn=-60
        )
        route.fulfill(response=response, json={**form, "fields": old["fields"]})

    answers: list[int] = []
    page.on(
        "response",
        lambda each: answers.append(each.status) if is_step(each.request, SEND) else None,
    )
    site.once(CREATE, expire)
    site.picker(page)
    choose(page, FILE)
    save(page)
    assert answers == [403, 204]
    [_, second] = site.uploads()
    assert second["id"] in site.as_served()["avatar"]["url"]


@pytest.mark.parametrize(
    ("data", "code", "sentence"),
    [
        (b"no photo at all", "unsupported_format", "This is not a photo."),
        (FILE[:4000], "corrupt_image", "This photo is damaged."),
        (b"\xff" * (10 * 1024 * 1024 + 1), "too_large", "This photo is too large."),
        (
            encoded(Image.new("1", (8000, 7000)), "PNG"),
            "too_many_pixels",
            "This photo has too many pixels.",
        ),
        (b"", "empty", "This file is empty."),
    ],
    ids=["no photo", "cut off", "too large", "too many pixels", "empty"],
)
def test_what_cannot_be_a_picture_is_refused_in_words(
    site: Site, page: Page, tmp_path: Path, data: bytes, code: str, sentence: str
) -> None:
    file = tmp_path / "photo.jpg"
    file.write_bytes(data)
    site.picker(page)
    page.evaluate(
        """() => document.querySelector("profile-picture").addEventListener("error",
            ({ detail }) => (globalThis.code = detail.code))"""
    )
    choose_file(page, file)
    expect(page.get_by_role("alert")).to_contain_text(sentence)
    assert page.evaluate("code") == code
    expect(button(page, "Try again")).to_have_count(0)
    choose(page, FILE)
    framed(page)


@pytest.mark.parametrize(
    ("reason", "sentence"),
    [
        ("processing_failed", "Something went wrong. Try again, or"),
        ("some_new_reason", "Something went wrong. Try again."),
    ],
)
def test_a_photo_whose_processing_failed_is_sent_again(
    site: Site, page: Page, reason: str, sentence: str
) -> None:
    site.once(POLL, answer_with(state="failed", reason=reason))
    site.picker(page)
    choose(page, FILE)
    expect(page.get_by_role("alert")).to_contain_text(sentence)
    button(page, "Try again").click()
    save(page)
    assert len(site.made(CREATE)) == 2
    assert site.picture() is not None


def test_a_file_that_is_no_photo_is_not_sent(site: Site, page: Page) -> None:
    site.picker(page)
    choose(page, b"%PDF-1.7", name="letter.pdf", kind="application/pdf")
    expect(page.get_by_role("alert")).to_contain_text("This is not a photo.")
    assert site.uploads() == []


def test_a_busy_service_is_asked_again_after_the_time_it_names(site: Site, page: Page) -> None:
    site.once(CREATE, problem(503, "unavailable", **{"retry-after": "0.1"}))
    site.once(POLL, problem(429, "throttled", **{"retry-after": "0.1"}))
    site.picker(page)
    choose(page, FILE)
    framed(page)


def test_who_has_sent_too_many_photos_is_told_at_once(site: Site, page: Page) -> None:
    site.once(CREATE, problem(429, "too_many_uploads", **{"retry-after": "3600"}))
    site.picker(page)
    choose(page, FILE)
    expect(page.get_by_role("alert")).to_have_text("Too many photos. Try again in an hour.")


# Tokens


def test_an_expired_token_is_renewed_once_for_all_calls(site: Site, page: Page) -> None:
    site.open(page, f'<profile-picture api="{site.api}"></profile-picture>')
    page.evaluate(
        """([expired, fresh]) => {
            globalThis.given = 0;
            const picture = document.querySelector("profile-picture");
            picture.token = async () => (given++ ? fresh : expired);
            picture.setAttribute("api", picture.getAttribute("api")); // reads the user once more
        }""",
        [site.token(-60), site.token()],
    )
    expect(page.get_by_role("img", name="Ada Lovelace")).to_be_visible()
    assert page.evaluate("given") == 2
    choose(page, FILE)
    save(page)
    assert page.evaluate("given") == 2
    assert site.picture() is not None


def test_a_token_that_expires_in_the_middle_is_renewed(site: Site, page: Page) -> None:
    site.open(page, f'<profile-picture api="{site.api}"></profile-picture>')
    page.evaluate(
        """(tokens) => {
            globalThis.given = 0;
            document.querySelector("profile-picture").token = () => tokens[given++];
        }""",
        [site.token(), site.token(), site.token()],
    )
    for step in (POLL, SET):
        site.once(step, site.send_old_token)
    choose(page, FILE)
    save(page)
    assert page.evaluate("given") == 3
    assert site.picture() is not None


@pytest.mark.parametrize("first", ["of another user", "expired"])
def test_what_is_answered_to_the_token_before_does_not_count(
    site: Site, page: Page, first: str
) -> None:
    other = site.client.create_user(firstName="Grace", lastName="Hopper")
    token = site.token(-60) if first == "expired" else site.client.user_token(other["id"])
    held = site.hold(ME)
    script = f'document.querySelector("profile-picture").token = "{token}";'
    site.open(page, f'<profile-picture api="{site.api}"></profile-picture>', script)
    page.evaluate(site.give_token())
    expect(page.get_by_role("img", name="Ada Lovelace")).to_be_visible()
    with page.expect_response(lambda answer: is_step(answer.request, ME)) as answered:
        site.go_on(page, held)
    answered.value.finished()
    page.wait_for_timeout(100)  # in which the element would take it
    expect(page.get_by_role("img", name="Ada Lovelace")).to_be_visible()
    expect(page.get_by_role("alert")).to_be_empty()


@pytest.mark.parametrize("signs_in_again", [False, True])
def test_who_is_signed_out_is_told_so_and_can_go_on(
    site: Site, page: Page, signs_in_again: bool
) -> None:
    site.once(CREATE, site.send_old_token)
    site.picker(page)
    choose(page, FILE)
    alert = page.get_by_role("alert")
    expect(alert).to_have_text("You are signed out. Sign in, then try again.")
    if signs_in_again:  # which is enough
        page.evaluate(site.give_token())
    else:
        button(page, "Try again").click()
    framed(page)
    expect(alert).to_be_empty()


def test_who_was_signed_out_before_the_page_was_opened_is_told_so(site: Site, page: Page) -> None:
    site.open(
        page,
        f'<profile-picture api="{site.api}"></profile-picture>',
        f'document.querySelector("profile-picture").token = "{site.token(-60)}";',
    )
    alert = page.get_by_role("alert")
    expect(alert).to_have_text("You are signed out. Sign in, then try again.")
    page.evaluate(site.give_token())
    expect(alert).to_be_empty()
    choose(page, FILE)
    save(page)


# Words


def test_what_was_set_before_the_module_was_there_counts(site: Site, page: Page) -> None:
    strings = 'document.querySelector("profile-picture").strings = { choose: "Choisir" };'
    (site.folder / "early.js").write_text(site.give_token() + strings)
    element = f'<profile-picture api="{site.api}"></profile-picture>'
    site.open(page, f'{element}<script src="/early.js"></script>')
    expect(page.get_by_role("img", name="Ada Lovelace")).to_be_visible()
    expect(button(page, "Choisir")).to_be_visible()
    assert len(site.made(ME)) == 1


def test_every_word_can_be_replaced_and_runs_from_right_to_left(site: Site, page: Page) -> None:
    site.picker(page)
    page.evaluate(
        """() => {
            document.documentElement.dir = "rtl";
            document.querySelector("profile-picture").strings =
                { choose: "اختر صورة", save: "حفظ", remove: "إزالة", saved: "تم حفظ صورتك." };
        }"""
    )
    host = box(page.locator("profile-picture"))
    assert host["x"] + host["width"] == pytest.approx(792, abs=1)
    assert host["x"] <= box(button(page, "اختر صورة"))["x"] <= host["x"] + host["width"]
    with page.expect_file_chooser() as chooser:
        button(page, "اختر صورة").click()
    chooser.value.set_files({"name": "صورة.jpg", "mimeType": "image/jpeg", "buffer": FILE})
    expect(button(page, "حفظ")).to_be_enabled()
    [upload] = site.uploads()
    page.keyboard.press("Shift+ArrowRight")  # right is right
    assert box(button(page, "حفظ"))["x"] > box(button(page, "Cancel"))["x"]
    button(page, "حفظ").click()
    expect(button(page, "إزالة")).to_be_visible()
    expect(page.get_by_role("status")).to_have_text("تم حفظ صورتك.")
    [body] = site.made(FRAME)
    assert body["crop"]["x"] < upload["crop"]["x"]


def box(locator: Locator) -> FloatRect:
    found = locator.bounding_box()
    assert found
    return found
