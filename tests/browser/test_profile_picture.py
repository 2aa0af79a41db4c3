"""<profile-picture>: choose, frame, save and remove a picture, and what may go wrong."""

import io
import re
from collections.abc import Callable
from typing import Any

import pytest
from PIL import Image
from playwright.sync_api import Locator, Page, Route, expect

from tests.browser.service import API, BUCKET, FACE, FakeService, photo_file, transfer
from tests.photos import HERE, STORED, encoded, exif, photo

PORTRAIT = (HERE / "astronaut.jpg").read_bytes()
LANDSCAPE = encoded(photo("china.jpg", (800, 600)), "JPEG")


def button(page: Page, name: str) -> Locator:
    return page.get_by_role("button", name=name, exact=True)


def choose(page: Page, data: bytes = LANDSCAPE, **file: str) -> None:
    with page.expect_file_chooser() as chooser:
        button(page, "Choose photo").click()
    chooser.value.set_files(photo_file(data, **file))


def cropper(page: Page) -> Locator:
    return page.get_by_label(re.compile("photo", re.IGNORECASE)).and_(page.locator("canvas"))


def framed(page: Page) -> None:
    expect(button(page, "Save")).to_be_enabled()


def saved_crop(page: Page, service: FakeService) -> dict[str, float]:
    """The crop that is sent where the photo was moved."""
    button(page, "Save").click()
    expect(button(page, "Remove")).to_be_visible()
    [body] = service.made("PATCH", "/uploads/upload-1")
    crop: dict[str, float] = body["crop"]
    return crop


# Choosing


def drop(page: Page) -> None:
    page.dispatch_event("profile-picture", "drop", {"dataTransfer": transfer(page, LANDSCAPE)})


def paste(page: Page) -> None:
    page.evaluate(
        """(clipboardData) => document.body.dispatchEvent(
            new ClipboardEvent("paste", { clipboardData, bubbles: true, composed: true }))""",
        transfer(page, LANDSCAPE),
    )


@pytest.mark.parametrize("bring", [choose, drop, paste])
def test_a_photo_is_framed_as_the_service_suggests_and_saved(
    service: FakeService, page: Page, bring: Callable[[Page], None]
) -> None:
    service.picker(page)
    bring(page)
    framed(page)
    button(page, "Save").click()
    expect(button(page, "Remove")).to_be_visible()
    assert service.made("PATCH", "/users/me/profile-picture") == [{"uploadId": "upload-1"}]
    assert service.made("PATCH", "/uploads/upload-1") == []  # the suggestion stays
    source = "profile-picture >> profile-avatar >> img"
    expect(page.locator(source)).to_have_js_property(
        "currentSrc", f"{API}/renditions/upload-1/256.webp"
    )


def test_text_can_still_be_pasted_into_a_field(service: FakeService, page: Page) -> None:
    service.open(page, f'<input aria-label="Name"><profile-picture api="{API}"></profile-picture>')
    page.evaluate(
        """(clipboardData) => document.querySelector("input").dispatchEvent(
            new ClipboardEvent("paste", { clipboardData, bubbles: true, composed: true }))""",
        transfer(page, LANDSCAPE),
    )
    expect(button(page, "Choose photo")).to_be_visible()
    assert service.uploads == {}


def test_a_phone_offers_its_camera(service: FakeService, browser: Any) -> None:
    context = browser.new_context(has_touch=True, is_mobile=True)
    phone = context.new_page()
    FakeService(context).picker(phone)
    with phone.expect_file_chooser() as chooser:
        button(phone, "Take photo").tap()
    assert chooser.value.element.get_attribute("capture") == "user"
    context.close()


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "AVIF", "GIF"])
def test_what_the_browser_can_decode_is_shown_at_once(
    service: FakeService, page: Page, kind: str
) -> None:
    service.polls_until_ready = 1000
    service.picker(page)
    red = Image.new("RGB", (300, 300), (220, 30, 30))
    choose(page, encoded(red, kind), kind=f"image/{kind.lower()}")
    expect(page.get_by_role("slider")).to_be_visible()
    assert centre_colour(page) == pytest.approx((220, 30, 30), abs=6)
    assert "preview" not in service.uploads["upload-1"]["asked"]


@pytest.mark.parametrize("name", ["photo.heic", "photo.jpg"], ids=["by its type", "by surprise"])
def test_what_the_browser_cannot_decode_is_shown_by_the_service(
    service: FakeService, page: Page, name: str
) -> None:
    service.picker(page)
    kind = "" if name.endswith("heic") else "image/jpeg"
    choose(page, encoded(photo(), "HEIC"), name=name, kind=kind)
    framed(page)
    assert [each["asked"].get("preview") for each in service.uploads.values()][-1] is True
    assert centre_colour(page) == pytest.approx((60, 90, 200), abs=6)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_turned_photo_is_shown_upright(
    service: FakeService, page: Page, orientation: int
) -> None:
    upright = Image.new("RGB", (300, 300), (30, 30, 200))
    upright.paste((30, 200, 30), (0, 0, 300, 150))
    upright.paste((200, 30, 30), (0, 0, 150, 150))
    turned = STORED[orientation]
    stored = upright.transpose(turned) if turned is not None else upright
    service.outcome = {"state": "ready", "crop": {"x": 0.5, "y": 0.5, "size": 1}}
    service.picker(page)
    choose(page, encoded(stored, "JPEG", exif=exif(orientation)))
    framed(page)
    shown = screenshot(cropper(page))
    places = [(0.3, 0.3), (0.7, 0.3), (0.5, 0.7)]
    found = [shown.getpixel((int(x * shown.width), int(y * shown.height))) for x, y in places]
    assert found == [
        pytest.approx(colour, abs=12) for colour in ((200, 30, 30), (30, 200, 30), (30, 30, 200))
    ]


# Moving


def test_the_circle_shows_what_the_service_suggests(service: FakeService, page: Page) -> None:
    service.picker(page)
    choose(page)
    framed(page)
    assert shown_like(page, LANDSCAPE, FACE) < 8


def test_the_crop_that_was_seen_is_the_crop_that_is_saved(service: FakeService, page: Page) -> None:
    service.picker(page)
    choose(page)
    framed(page)
    box = cropper(page).bounding_box()
    assert box
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 30, y - 20, steps=4)
    page.mouse.up()
    page.mouse.wheel(0, -200)
    page.wait_for_timeout(100)
    seen = screenshot(cropper(page))
    crop = saved_crop(page, service)
    assert crop["size"] < FACE["size"]
    assert crop["x"] < FACE["x"]
    assert crop["y"] > FACE["y"]
    assert difference(seen, LANDSCAPE, crop) < 8


def test_the_arrows_move_the_photo_and_plus_and_minus_zoom(
    service: FakeService, page: Page
) -> None:
    service.picker(page)
    choose(page)
    framed(page)
    expect(cropper(page)).to_be_focused()  # where the button was that is gone
    for key in ("ArrowRight", "ArrowDown", "ArrowDown", "+"):
        page.keyboard.press(key)
    crop = saved_crop(page, service)
    assert crop["x"] < FACE["x"]
    assert crop["y"] < FACE["y"]
    assert crop["size"] < FACE["size"]


def test_two_fingers_zoom(service: FakeService, page: Page) -> None:
    service.picker(page)
    choose(page)
    framed(page)
    page.evaluate(
        """(canvas) => {
            const box = canvas.getBoundingClientRect();
            canvas.setPointerCapture = () => {}; // these pointers are none of the browser's
            const send = (type, pointerId, x) => canvas.dispatchEvent(new PointerEvent(type, {
                pointerId, pointerType: "touch",
                clientX: box.x + box.width / 2 + x, clientY: box.y + box.height / 2 }));
            send("pointerdown", 1, -40); send("pointerdown", 2, 40);
            for (const far of [50, 60, 80]) {
                send("pointermove", 1, -far);
                send("pointermove", 2, far);
            }
            send("pointerup", 1, -80); send("pointerup", 2, 80);
        }""",
        cropper(page).element_handle(),
    )
    assert saved_crop(page, service)["size"] == pytest.approx(
        max(FACE["size"] / 2, 256 / 600), abs=0.01
    )


def test_a_double_click_centres(service: FakeService, page: Page) -> None:
    service.picker(page)
    choose(page)
    framed(page)
    cropper(page).dblclick(position={"x": 100, "y": 144})
    assert saved_crop(page, service)["x"] < FACE["x"]


def test_the_slider_zooms(service: FakeService, page: Page) -> None:
    service.picker(page)
    choose(page)
    framed(page)
    page.get_by_role("slider", name="Zoom").fill("0")
    assert saved_crop(page, service)["size"] == 1


def test_the_photo_cannot_be_moved_out_of_the_circle(service: FakeService, page: Page) -> None:
    service.picker(page)
    choose(page)
    framed(page)
    for _ in range(60):
        page.keyboard.press("Shift+ArrowLeft")
    crop = saved_crop(page, service)
    assert crop["x"] == pytest.approx(1 - crop["size"] * 600 / 800 / 2)


def test_reset_goes_back_to_the_suggestion(service: FakeService, page: Page) -> None:
    service.picker(page)
    choose(page)
    framed(page)
    page.keyboard.press("ArrowRight")
    button(page, "Reset").click()
    expect(button(page, "Reset")).to_be_hidden()
    button(page, "Save").click()
    expect(button(page, "Remove")).to_be_visible()
    assert service.made("PATCH", "/uploads/upload-1") == []


def test_a_photo_that_was_moved_meanwhile_stays_where_it_is(
    service: FakeService, page: Page
) -> None:
    service.polls_until_ready = 4
    service.picker(page)
    choose(page)
    expect(page.get_by_role("slider")).to_be_visible()
    page.keyboard.press("+")
    framed(page)
    assert saved_crop(page, service)["size"] == pytest.approx(0.9)


# Saving, removing, cancelling


def test_a_picture_is_removed(service: FakeService, page: Page) -> None:
    service.user["hasCustomProfilePicture"] = True
    service.picker(page)
    button(page, "Remove").click()
    expect(page.get_by_role("status")).to_have_text("Your picture is removed.")
    expect(button(page, "Remove")).to_be_hidden()
    assert service.made("PATCH", "/users/me/profile-picture") == [{"uploadId": None}]


def test_events_tell_the_page_what_happens(service: FakeService, page: Page) -> None:
    service.picker(page)
    page.evaluate(
        """() => {
            globalThis.told = [];
            for (const type of ["change", "progress", "error"])
                document.querySelector("profile-picture").addEventListener(type, (event) =>
                    told.push([type, event.detail.phase ?? event.detail.code
                        ?? event.detail.uploadId]));
        }"""
    )
    service.once("POST .*/uploads$", service.problem(403, "forbidden"), times=2)
    choose(page)
    expect(page.get_by_role("alert")).not_to_be_empty()
    choose(page)
    framed(page)
    page.get_by_role("slider", name="Zoom").fill("0.5")  # tells the page nothing
    button(page, "Save").click()
    expect(button(page, "Remove")).to_be_visible()
    told = page.evaluate("told")
    assert told[0] == ["error", "forbidden"]
    assert ["progress", "processing"] in told
    assert told[-1] == ["change", "upload-1"]
    assert [type_ for type_, _ in told].count("change") == 1


def test_a_form_carries_the_upload(service: FakeService, page: Page) -> None:
    service.open(
        page,
        f'<form><profile-picture api="{API}" name="picture"></profile-picture><button>Go</button>'
        "</form>",
        'document.querySelector("profile-picture").token = "first";',
    )
    value = "Object.fromEntries(new FormData(document.querySelector('form')))"
    valid = "document.querySelector('form').checkValidity()"
    assert page.evaluate(value) == {}
    choose(page)
    framed(page)
    assert page.evaluate(valid) is False  # neither saved nor cancelled
    button(page, "Save").click()
    expect(button(page, "Remove")).to_be_visible()
    assert page.evaluate(value) == {"picture": "upload-1"}
    assert page.evaluate(valid) is True
    page.evaluate("document.querySelector('profile-picture').setAttribute('disabled', '')")
    page.keyboard.press("Tab")
    expect(button(page, "Choose photo")).not_to_be_focused()


def hang(_: Route) -> None:
    """An answer that never comes."""


@pytest.mark.parametrize(
    "step",
    [rf"POST {API}/api/v1/uploads$", f"POST {BUCKET}", "GET .*/uploads/", "PATCH .*/uploads/"],
)
def test_cancelling_at_each_step_leaves_nothing(
    service: FakeService, page: Page, step: str
) -> None:
    service.picker(page)
    service.once(step, hang)
    with page.expect_request(lambda request: bool(re.search(step, _line(request)))):
        choose(page)
        if step.startswith("PATCH"):
            framed(page)
            page.keyboard.press("+")
            button(page, "Save").click()
    button(page, "Cancel").click()
    expect(button(page, "Choose photo")).to_be_enabled()
    expect(page.get_by_role("alert")).to_be_empty()
    page.wait_for_timeout(200)
    assert service.uploads == {}
    choose(page)  # and the next one works
    framed(page)


def _line(request: Any) -> str:
    return f"{request.method} {request.url}"


# Failing


def lose(route: Route) -> None:
    """The connection is lost."""
    route.abort("connectionfailed")


@pytest.mark.parametrize(
    "step",
    [
        rf"POST {API}/api/v1/uploads$",
        f"POST {BUCKET}",
        "GET .*/uploads/",
        "PATCH .*/uploads/",
        "PATCH .*/profile-picture",
    ],
)
def test_after_a_lost_connection_one_can_go_on(service: FakeService, page: Page, step: str) -> None:
    service.picker(page)
    service.once(step, lose)
    choose(page)
    if step.startswith("PATCH"):
        framed(page)
        page.keyboard.press("+")
        button(page, "Save").click()
    expect(page.get_by_role("alert")).to_have_text(
        "The connection was lost. Check it, then try again."
    )
    button(page, "Try again").click()
    expect(page.get_by_role("alert")).to_be_empty()
    if not step.startswith("PATCH"):
        framed(page)
        button(page, "Save").click()
    expect(button(page, "Remove")).to_be_visible()
    assert len(service.made("PATCH", "/users/me/profile-picture")) == 1


def refuse(code: str, status: int) -> Callable[[Route], None]:
    """What S3 answers to a form that it does not take."""
    return lambda route: route.fulfill(
        status=status,
        body=f"<Error><Code>{code}</Code></Error>",
        headers={"access-control-allow-origin": "*"},
    )


def test_an_expired_form_is_replaced(service: FakeService, page: Page) -> None:
    service.picker(page)
    service.once(f"POST {BUCKET}", refuse("AccessDenied", 403))
    choose(page)
    framed(page)
    assert list(service.uploads) == ["upload-1", "upload-2"]


@pytest.mark.parametrize(
    ("reason", "sentence"),
    [
        ("unsupported_format", "This is not a photo."),
        ("corrupt_image", "This photo is damaged."),
        ("too_many_pixels", "This photo has too many pixels."),
        ("too_large", "This photo is too large."),
        ("empty", "This file is empty."),
        ("processing_failed", "Something went wrong. Try again, or"),
        ("some_new_reason", "Something went wrong. Try again."),
    ],
)
def test_every_reason_has_a_sentence_that_says_what_to_do(
    service: FakeService, page: Page, reason: str, sentence: str
) -> None:
    service.outcome = {"state": "failed", "reason": reason}
    service.picker(page)
    choose(page)
    expect(page.get_by_role("alert")).to_contain_text(sentence)
    again = reason in ("processing_failed", "some_new_reason")
    expect(button(page, "Try again")).to_have_count(1 if again else 0)
    service.outcome = {"state": "ready", "crop": FACE}
    button(page, "Try again").click() if again else choose(page)
    framed(page)


def test_a_photo_that_is_too_large_for_s3_is_told_so(service: FakeService, page: Page) -> None:
    service.picker(page)
    service.once(f"POST {BUCKET}", refuse("EntityTooLarge", 400))
    choose(page)
    expect(page.get_by_role("alert")).to_contain_text("This photo is too large.")


def test_a_file_that_is_no_photo_is_not_sent(service: FakeService, page: Page) -> None:
    service.picker(page)
    choose(page, b"%PDF-1.7", name="letter.pdf", kind="application/pdf")
    expect(page.get_by_role("alert")).to_contain_text("This is not a photo.")
    assert service.uploads == {}


def test_a_busy_service_is_asked_again_after_the_time_it_names(
    service: FakeService, page: Page
) -> None:
    service.picker(page)
    service.once("POST .*/uploads$", service.problem(503, "unavailable", **{"retry-after": "0.1"}))
    service.once("GET .*/uploads/", service.problem(429, "throttled", **{"retry-after": "0.1"}))
    choose(page)
    framed(page)


def test_who_has_sent_too_many_photos_is_told_at_once(service: FakeService, page: Page) -> None:
    service.picker(page)
    hour = {"retry-after": "3600"}
    service.once("POST .*/uploads$", service.problem(429, "too_many_uploads", **hour))
    choose(page)
    expect(page.get_by_role("alert")).to_have_text("Too many photos. Try again in an hour.")


# Tokens


def test_a_token_is_renewed_once_for_all_calls_that_it_was_too_old_for(
    service: FakeService, page: Page
) -> None:
    service.picker(page, token=False)
    service.once("/api/", service.problem(401, "unauthenticated"), times=2)
    page.evaluate(
        """() => {
            globalThis.given = 0;
            const picture = document.querySelector("profile-picture");
            const next = document.createElement("profile-picture");
            picture.token = async () => `token ${++given}`;
        }"""
    )
    expect(page.locator("profile-picture >> img")).to_have_js_property("complete", True)
    service.once("/api/", service.problem(401, "unauthenticated"))
    choose(page)
    framed(page)
    assert page.evaluate("given") >= 2
    assert service.tokens[-1] == f"Bearer token {page.evaluate('given')}"


def test_who_is_signed_out_is_told_so(service: FakeService, page: Page) -> None:
    service.picker(page)
    service.once("/uploads$", service.problem(401, "unauthenticated"))
    choose(page)
    expect(page.get_by_role("alert")).to_have_text("You are signed out. Sign in, then try again.")
    button(page, "Try again").click()
    framed(page)


# Words


def test_every_word_can_be_replaced_and_runs_from_right_to_left(
    service: FakeService, page: Page
) -> None:
    service.picker(page)
    page.evaluate(
        """() => {
            document.documentElement.dir = "rtl";
            document.querySelector("profile-picture").strings = { choose: "اختر صورة" };
        }"""
    )
    box, host = (
        button(page, "اختر صورة").bounding_box(),
        page.locator("profile-picture").bounding_box(),
    )
    assert box
    assert host
    assert host["x"] + host["width"] == pytest.approx(792, abs=1)
    assert host["x"] <= box["x"] <= host["x"] + host["width"]


# What is seen


def screenshot(locator: Locator) -> Image.Image:
    return Image.open(io.BytesIO(locator.screenshot())).convert("RGB")


def centre_colour(page: Page) -> tuple[int, ...]:
    page.wait_for_timeout(100)
    image = screenshot(cropper(page))
    colour = image.getpixel((image.width // 2, image.height // 2))
    assert isinstance(colour, tuple)
    return colour


def shown_like(page: Page, data: bytes, crop: dict[str, float]) -> float:
    page.wait_for_timeout(100)
    return difference(screenshot(cropper(page)), data, crop)


def difference(seen: Image.Image, data: bytes, crop: dict[str, float]) -> float:
    """Mean difference, 0 to 255, of what is inside the circle from the crop of the photo."""
    source = Image.open(io.BytesIO(data)).convert("RGB")
    side = crop["size"] * min(source.size)
    left, top = crop["x"] * source.width - side / 2, crop["y"] * source.height - side / 2
    scale = side / (seen.width * (1 - 2 * 0.07))  # the circle has a margin
    inset = round(seen.width * 0.21)  # a square that lies in the circle
    seen = seen.crop((inset, inset, seen.width - inset, seen.width - inset))
    middle = (left + side / 2, top + side / 2)
    half = seen.width * scale / 2
    box = (middle[0] - half, middle[1] - half, middle[0] + half, middle[1] + half)
    small = (48, 48)  # at which half a pixel of the screen makes no difference
    pairs = zip(
        seen.resize(small, Image.Resampling.BOX).tobytes(),
        source.resize(small, Image.Resampling.BOX, box).tobytes(),
        strict=True,
    )
    return sum(abs(a - b) for a, b in pairs) / (48 * 48 * 3)
