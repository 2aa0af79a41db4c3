"""A real browser, Debian's Chromium driven by Playwright, and what a person does in it."""

import io
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import (
    Browser,
    BrowserContext,
    FilePayload,
    Locator,
    Page,
    expect,
    sync_playwright,
)

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
_MARGIN = 0.07  # around the circle, of the frame's side
_PATIENCE = 30_000  # milliseconds; the first photo of a stack starts functions
expect.set_options(timeout=_PATIENCE)


def chromium() -> str | None:
    """Where Chromium is: what CHROMIUM names, else the first on the PATH."""
    return os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """The browser of this test run."""
    found = chromium()
    if found is None:
        pytest.fail("there is no Chromium: apt-get install chromium, or set CHROMIUM to its path")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=list(FLAGS))
        yield browser
        browser.close()


@pytest.fixture
def context(request: pytest.FixtureRequest, browser: Browser) -> Iterator[BrowserContext]:
    """A browser profile of the test's own, with a failing test for every error on a page.

    Its options can be given as an indirect parameter.
    """
    options = {"viewport": {"width": 800, "height": 700}, "reduced_motion": "reduce"}
    context = browser.new_context(**{**options, **getattr(request, "param", {})})
    context.set_default_timeout(_PATIENCE)
    errors: list[str] = []
    context.on("weberror", lambda error: errors.append(str(error.error)))
    yield context
    context.close()
    assert errors == []


@pytest.fixture
def page(context: BrowserContext) -> Page:
    """A page."""
    page = context.new_page()
    # From the start: the browser hears of the first listener later than of a pressed key.
    page.on("filechooser", lambda _: None)
    return page


def button(page: Page, name: str) -> Locator:
    """The button with a name."""
    return page.get_by_role("button", name=name, exact=True)


def choose(page: Page, data: bytes, name: str = "photo.jpg", kind: str = "image/jpeg") -> None:
    """Choose a photo with the button."""
    choose_file(page, photo_file(data, name, kind))


def choose_file(page: Page, file: FilePayload | Path) -> None:
    """Choose a file with the button; one on disk may be as large as it likes."""
    with page.expect_file_chooser() as chooser:
        button(page, "Choose photo").click()
    chooser.value.set_files(file)


def photo_file(data: bytes, name: str = "photo.jpg", kind: str = "image/jpeg") -> FilePayload:
    """A file as Playwright hands it to an input."""
    return {"name": name, "mimeType": kind, "buffer": data}


def framed(page: Page) -> None:
    """Wait until the photo is ready and in its place."""
    expect(button(page, "Save")).to_be_enabled()


def save(page: Page) -> None:
    """Save the photo, once it is ready."""
    framed(page)
    button(page, "Save").click()
    expect(button(page, "Remove")).to_be_visible()


def cropper(page: Page) -> Locator:
    """The photo that is moved."""
    return page.get_by_label(re.compile("photo", re.IGNORECASE)).and_(page.locator("canvas"))


def screenshot(locator: Locator) -> Image.Image:
    """What is seen of an element."""
    return Image.open(io.BytesIO(locator.screenshot())).convert("RGB")


def seen(page: Page) -> Image.Image:
    """What is seen of the photo that is moved, once it is drawn."""
    page.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
    return screenshot(cropper(page))


def loaded(image: Locator) -> Image.Image:
    """What is seen of an image, once it is there."""
    image.evaluate("(image) => image.decode()")
    return screenshot(image)


def colour(image: Image.Image, x: float = 0.5, y: float = 0.5) -> tuple[int, ...]:
    """The colour of a picture at a place, in parts of its width and height."""
    found = image.getpixel((int(x * image.width), int(y * image.height)))
    assert isinstance(found, tuple)
    return found


def unlike(seen: Image.Image, served: Image.Image) -> float:
    """Mean difference, 0 to 255, of a picture from what the circle shows, inside of it."""
    edge = round(seen.width * _MARGIN)
    circle = seen.crop((edge, edge, seen.width - edge, seen.width - edge))
    return difference(circle, served)


def unlike_crop(seen: Image.Image, photo: Image.Image, crop: dict[str, float]) -> float:
    """Mean difference, 0 to 255, of a crop of a photo from what the circle shows, inside of it."""
    half = crop["size"] * min(photo.size) / 2
    x, y = crop["x"] * photo.width, crop["y"] * photo.height
    right, below = min(x + half, photo.width), min(y + half, photo.height)  # crops are rounded
    box = (max(x - half, 0), max(y - half, 0), right, below)
    return unlike(seen, photo.resize((256, 256), Image.Resampling.BICUBIC, box))


def difference(one: Image.Image, other: Image.Image) -> float:
    """Mean difference, 0 to 255, of two pictures, in a square that lies in their circle."""
    small = (32, 32)  # at which half a pixel of the screen makes no difference
    pictures = []
    for each in (one, other):
        inset = round(each.width * 0.16)
        box = (inset, inset, each.width - inset, each.width - inset)
        pictures.append(each.resize(small, Image.Resampling.BOX, box).tobytes())
    pairs = zip(*pictures, strict=True)
    total: int = sum(abs(a - b) for a, b in pairs)
    return total / (small[0] * small[1] * 3)
