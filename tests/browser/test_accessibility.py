"""axe-core finds nothing, in each state and each way of seeing; and nothing asks for more width."""

from collections.abc import Callable

import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]
from playwright.sync_api import Browser, Page, expect

from tests.browser.service import API, USER, FakeService
from tests.browser.test_profile_picture import button, choose, framed, hang, lose

WAYS = {
    "light": {},
    "dark": {"color_scheme": "dark"},
    "forced colours": {"forced_colors": "active"},
    "320 px": {"viewport": {"width": 320, "height": 600}},
    "200 %": {"viewport": {"width": 400, "height": 350}, "device_scale_factor": 2},
}
SCHEME = """
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(":root { color-scheme: light dark }");
    document.adoptedStyleSheets = [sheet];
    document.querySelector("profile-picture").token = "first";
"""


def nothing(_: FakeService, page: Page) -> None:
    expect(button(page, "Choose photo")).to_be_enabled()


def custom(service: FakeService, page: Page) -> None:
    choose(page)
    framed(page)
    button(page, "Save").click()
    expect(button(page, "Remove")).to_be_visible()


def uploading(service: FakeService, page: Page) -> None:
    service.once("POST", hang)
    choose(page)
    expect(page.get_by_role("progressbar")).to_be_visible()


def ready(_: FakeService, page: Page) -> None:
    choose(page)
    framed(page)
    page.keyboard.press("+")
    expect(button(page, "Reset")).to_be_visible()


def saving(service: FakeService, page: Page) -> None:
    service.once("PATCH", hang)
    choose(page)
    framed(page)
    button(page, "Save").click()
    expect(button(page, "Save")).to_be_disabled()


def lost(service: FakeService, page: Page) -> None:
    service.once("POST", lose)
    choose(page)
    expect(page.get_by_role("alert")).to_contain_text("lost")


def refused(service: FakeService, page: Page) -> None:
    choose(page, b"%PDF", kind="application/pdf")
    expect(page.get_by_role("alert")).to_contain_text("not a photo")


STATES = [nothing, custom, uploading, ready, saving, lost, refused]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("state", STATES, ids=lambda state: state.__name__)
def test_axe_finds_nothing(
    browser: Browser, state: Callable[[FakeService, Page], None], way: str
) -> None:
    context = browser.new_context(reduced_motion="reduce", bypass_csp=True, **WAYS[way])  # type: ignore[arg-type]
    service, page = FakeService(context), context.new_page()
    service.open(
        page,
        f'<profile-picture api="{API}"></profile-picture>'
        f'<profile-avatar api="{API}" user="{USER}" alt="Ada"></profile-avatar>',
        SCHEME,
    )
    state(service, page)
    assert Axe().run(page).response["violations"] == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    context.close()


def test_the_keyboard_alone_sets_a_picture(service: FakeService, page: Page) -> None:
    service.picker(page)
    expect(button(page, "Choose photo")).to_be_enabled()
    page.keyboard.press("Tab")
    expect(button(page, "Choose photo")).to_be_focused()
    with page.expect_file_chooser() as chooser:
        page.keyboard.press("Enter")
    chooser.value.set_files("tests/photos/flower.jpg")
    framed(page)
    page.keyboard.press("ArrowLeft")
    for _ in range(2):  # past the slider
        page.keyboard.press("Tab")
    expect(button(page, "Save")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_have_text("Your picture is saved.")
    expect(button(page, "Choose photo")).to_be_focused()
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.localName") == "body"  # no trap


def test_progress_is_heard(service: FakeService, page: Page) -> None:
    service.picker(page)
    page.evaluate(
        """() => {
            globalThis.heard = [];
            const status = document.querySelector("profile-picture").shadowRoot
                .querySelector("[role=status]");
            new MutationObserver(() => heard.push(status.textContent))
                .observe(status, { childList: true, subtree: true });
        }"""
    )
    custom(service, page)
    heard = page.evaluate("heard")
    assert heard[0] == "Uploading, 0 %"
    assert heard[-1] == "Your picture is saved."
    assert "Preparing…" in heard


def test_a_strict_policy_is_not_violated(service: FakeService, page: Page) -> None:
    violations: list[str] = []
    page.expose_function("violated", lambda text: violations.append(text))
    page.add_init_script(
        """addEventListener("securitypolicyviolation",
            (event) => violated(`${event.violatedDirective} ${event.blockedURI}`))"""
    )
    service.picker(page)
    custom(service, page)
    assert violations == []
