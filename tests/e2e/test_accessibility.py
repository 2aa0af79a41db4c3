"""axe-core finds nothing, in each state and each way of seeing; and nothing asks for more width."""

from collections.abc import Callable

import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]
from playwright.sync_api import Page, expect
from tests.e2e.browser import button, choose, cropper, framed, save
from tests.e2e.site import CREATE, POLL, SET, Site, answer_with, hang
from tests.photos import HERE, encoded, photo

FILE = encoded(photo("astronaut.jpg", (900, 1200)), "JPEG")
SCHEME = """
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(":root { color-scheme: light dark }");
    document.adoptedStyleSheets = [sheet];
"""


def light(page: Page) -> None:
    page.emulate_media(color_scheme="light")


def dark(page: Page) -> None:
    page.emulate_media(color_scheme="dark")


def forced_colours(page: Page) -> None:
    page.emulate_media(color_scheme="light", forced_colors="active")


def narrow(page: Page) -> None:
    page.emulate_media(forced_colors="none")
    page.set_viewport_size({"width": 320, "height": 600})


def right_to_left(page: Page) -> None:
    page.evaluate("document.documentElement.dir = 'rtl'")


def twice_as_large(page: Page) -> None:
    page.evaluate("document.documentElement.dir = 'ltr'")
    page.context.new_cdp_session(page).send(
        "Emulation.setDeviceMetricsOverride",
        {"width": 400, "height": 350, "deviceScaleFactor": 2, "mobile": False},
    )
    assert page.evaluate("[innerWidth, devicePixelRatio]") == [400, 2]


WAYS = (light, dark, forced_colours, narrow, right_to_left, twice_as_large)


def nothing(_: Site, page: Page) -> None:
    expect(button(page, "Choose photo")).to_be_enabled()


def custom(_: Site, page: Page) -> None:
    choose(page, FILE)
    save(page)


def dragged_over(_: Site, page: Page) -> None:
    page.evaluate(
        """() => {
            const dataTransfer = new DataTransfer();
            dataTransfer.items.add(new File([""], "photo.jpg", { type: "image/jpeg" }));
            document.querySelector("profile-picture")
                .dispatchEvent(new DragEvent("dragover", { dataTransfer }));
        }"""
    )
    expect(page.locator("profile-picture >> .over")).to_be_visible()


def uploading(site: Site, page: Page) -> None:
    site.once(CREATE, hang)
    choose(page, FILE)
    expect(page.get_by_role("progressbar")).to_be_visible()


def processing(site: Site, page: Page) -> None:
    site.once(POLL, hang)
    choose(page, FILE)
    expect(page.get_by_role("status")).to_have_text("Preparing…")


def ready(_: Site, page: Page) -> None:
    choose(page, FILE)
    framed(page)
    page.keyboard.press("+")
    expect(button(page, "Reset")).to_be_visible()


def saving(site: Site, page: Page) -> None:
    site.once(SET, hang)
    choose(page, FILE)
    framed(page)
    button(page, "Save").click()
    expect(button(page, "Save")).to_be_disabled()
    expect(page.get_by_role("slider")).to_be_disabled()  # the photo stays as it is saved


def removing(site: Site, page: Page) -> None:
    custom(site, page)
    site.once(SET, hang)
    button(page, "Remove").click()
    expect(page.get_by_role("status")).to_have_text("Removing…")


def lost(site: Site, page: Page) -> None:
    site.once(CREATE, site.offline)
    choose(page, FILE)
    expect(page.get_by_role("alert")).to_contain_text("lost")


def failed(site: Site, page: Page) -> None:
    site.once(POLL, answer_with(state="failed", reason="processing_failed"))
    choose(page, FILE)
    expect(page.get_by_role("alert")).to_contain_text("went wrong")


def refused(_: Site, page: Page) -> None:
    choose(page, b"%PDF", kind="application/pdf")
    expect(page.get_by_role("alert")).to_contain_text("not a photo")


def signed_out(site: Site, page: Page) -> None:
    page.evaluate(f"document.querySelector('profile-picture').token = '{site.token(-60)}'")
    expect(page.get_by_role("alert")).to_contain_text("signed out")


def disabled(_: Site, page: Page) -> None:
    page.evaluate("document.querySelector('profile-picture').setAttribute('disabled', '')")


STATES = (
    *(nothing, custom, dragged_over, uploading, processing, ready, saving, removing),
    *(lost, failed, refused, signed_out, disabled),
)


@pytest.mark.parametrize("state", STATES, ids=lambda state: state.__name__)
def test_axe_finds_nothing(site: Site, page: Page, state: Callable[[Site, Page], None]) -> None:
    site.open(
        page,
        f'<profile-picture api="{site.api}"></profile-picture>'
        f'<profile-avatar api="{site.api}" user="{site.user["id"]}" alt="Ada"></profile-avatar>',
        SCHEME + site.give_token(),
    )
    expect(page.get_by_role("img", name="Ada Lovelace")).to_be_visible()
    state(site, page)
    for way in WAYS:
        way(page)
        assert Axe().run(page).response["violations"] == [], way.__name__
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), way.__name__


def test_the_keyboard_alone_sets_a_picture(site: Site, page: Page) -> None:
    site.picker(page)
    expect(button(page, "Choose photo")).to_be_enabled()
    page.keyboard.press("Tab")
    expect(button(page, "Choose photo")).to_be_focused()
    with page.expect_file_chooser() as chooser:
        page.keyboard.press("Enter")
    chooser.value.set_files(HERE / "flower.jpg")
    framed(page)
    expect(cropper(page)).to_be_focused()
    page.keyboard.press("ArrowLeft")
    for _ in range(2):  # past the slider
        page.keyboard.press("Tab")
    expect(button(page, "Save")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_have_text("Your picture is saved.")
    expect(button(page, "Choose photo")).to_be_focused()
    assert len(site.made(SET)) == 1
    assert site.picture() is not None
    page.keyboard.press("Tab")
    expect(button(page, "Remove")).to_be_focused()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.localName") == "body"  # no trap
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_have_text("Your picture is removed.")
    assert site.picture() is None


def test_a_disabled_button_is_not_faded_in_forced_colours(site: Site, page: Page) -> None:
    page.emulate_media(forced_colors="active")
    site.picker(page)
    saving(site, page)
    expect(button(page, "Save")).to_have_css("opacity", "1")


def test_progress_is_heard(site: Site, page: Page) -> None:
    site.picker(page)
    page.evaluate(
        """() => {
            globalThis.heard = [];
            const status = document.querySelector("profile-picture").shadowRoot
                .querySelector("[role=status]");
            new MutationObserver(() => heard.push(status.textContent))
                .observe(status, { childList: true, subtree: true });
        }"""
    )
    custom(site, page)
    heard = page.evaluate("heard")
    assert heard[0] == "Uploading, 0 %"
    assert heard[-1] == "Your picture is saved."
    assert "Preparing…" in heard


def test_a_strict_policy_is_not_violated(site: Site, page: Page) -> None:
    page.add_init_script(
        """globalThis.violations = [];
        addEventListener("securitypolicyviolation",
            (event) => violations.push(`${event.violatedDirective} ${event.blockedURI}`))"""
    )
    site.picker(page)
    custom(site, page)
    choose(page, encoded(photo(), "HEIC"), "photo.heic", "")  # whose preview is loaded
    save(page)
    assert page.evaluate("violations") == []
    page.evaluate("document.body.setAttribute('style', 'color: red')")
    page.wait_for_function("violations.length")
    assert page.evaluate("violations") == ["style-src-attr inline"]  # and it would have been
