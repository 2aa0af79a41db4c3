"""<profile-avatar>: shows a user's picture, and something sensible where there is none."""

import base64

import pytest
from playwright.sync_api import Page, Route, expect

from tests.browser.service import API, USER, FakeService

ADDRESS = f"{API}/pictures/auth0%7C5f7c"
# What rgbaToThumbHash of npm's thumbhash makes of a picture whose left half is red, right blue.
RED_AND_BLUE = "FfYC9yiIeHd3d4iAh4d3WIeM+HiIj4gI"


def avatar(attributes: str) -> str:
    return f'<profile-avatar api="{API}" {attributes}></profile-avatar>'


def test_the_picture_of_a_user_needs_no_token(service: FakeService, page: Page) -> None:
    service.open(page, avatar(f'user="{USER}" alt="Ada Lovelace"'))
    image = page.get_by_role("img", name="Ada Lovelace")
    expect(image).to_have_js_property("currentSrc", f"{ADDRESS}?width=64")
    expect(image).to_have_attribute("loading", "lazy")
    assert service.tokens == []


def test_a_larger_avatar_asks_for_a_larger_rendition(service: FakeService, page: Page) -> None:
    service.open(
        page,
        avatar(f'user="{USER}" alt="Ada"'),
        """
        const sheet = new CSSStyleSheet();
        sheet.replaceSync("profile-avatar { --vignette-avatar-size: 200px }");
        document.adoptedStyleSheets = [sheet];
        """,
    )
    image = page.get_by_role("img", name="Ada")
    expect(image).to_have_js_property("currentSrc", f"{ADDRESS}?width=256")
    expect(image).to_have_attribute("sizes", "200px")


def test_without_an_alternative_text_it_is_decoration(service: FakeService, page: Page) -> None:
    service.open(page, avatar(f'user="{USER}"'))
    expect(page.locator("profile-avatar >> img")).to_have_attribute("alt", "")


@pytest.mark.parametrize(
    ("alt", "initials"),
    [("Ada Lovelace", "AL"), ("Grace Brewster Murray Hopper", "GH"), ("Øyvind", "Ø"), ("", "")],
)
def test_who_has_no_picture_any_more_gets_initials(
    service: FakeService, page: Page, alt: str, initials: str
) -> None:
    service.once("/pictures/", lambda route: route.fulfill(status=404), times=9)
    service.open(page, avatar(f'user="{USER}" alt="{alt}"'))
    expect(page.locator("profile-avatar >> [part=initials]")).to_have_text(initials)
    if alt:
        expect(page.get_by_role("img", name=alt)).to_be_visible()


def test_the_address_of_an_answer_can_be_given(service: FakeService, page: Page) -> None:
    address = f"{API}/renditions/1/512.webp"
    service.open(page, f'<profile-avatar src="{address}" alt="Ada"></profile-avatar>')
    expect(page.get_by_role("img", name="Ada")).to_have_js_property("currentSrc", address)


def test_a_placeholder_is_shown_until_the_picture_is_there(
    service: FakeService, page: Page
) -> None:
    held: list[Route] = []
    service.once("/pictures/", held.append)
    service.open(page, avatar(f'user="{USER}" alt="Ada" placeholder="{RED_AND_BLUE}"'))
    canvas = page.locator("profile-avatar >> canvas")
    expect(canvas).to_be_visible()
    left, right = (
        page.evaluate(
            "([canvas, x]) => [...canvas.getContext('2d').getImageData(x, 16, 1, 1).data]",
            [canvas.element_handle(), x],
        )
        for x in (4, 27)
    )
    assert left[0] > 180 > 90 > left[2]
    assert right[2] > 180 > 90 > right[0]
    held[0].fulfill(status=200, body=base64.b64decode(GIF), content_type="image/gif")
    expect(canvas).to_be_hidden()


GIF = "R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7"


def test_what_is_no_placeholder_does_no_harm(service: FakeService, page: Page) -> None:
    service.open(page, avatar(f'user="{USER}" alt="Ada" placeholder="?"'))
    expect(page.get_by_role("img", name="Ada")).to_be_visible()


def test_nothing_moves_when_the_picture_arrives(service: FakeService, page: Page) -> None:
    held: list[Route] = []
    service.once("/pictures/", held.append)
    service.open(page, avatar(f'user="{USER}" alt="Ada"') + "<p>After it</p>")
    before = page.get_by_text("After it").bounding_box()
    page.wait_for_timeout(100)
    held[0].fulfill(status=200, body=base64.b64decode(GIF), content_type="image/gif")
    expect(page.get_by_role("img", name="Ada")).to_have_js_property("complete", True)
    assert page.get_by_text("After it").bounding_box() == before


def test_a_saved_picture_is_shown_by_the_avatars_of_the_page(
    service: FakeService, page: Page
) -> None:
    service.user["hasCustomProfilePicture"] = True
    service.open(
        page,
        avatar(f'user="{USER}" alt="Ada"') + f'<profile-picture api="{API}"></profile-picture>',
        'document.querySelector("profile-picture").token = "first";',
    )
    page.get_by_role("button", name="Remove").click()
    expect(page.get_by_role("img", name="Ada", exact=True)).to_have_attribute(
        "src", f"{API}/avatars/AL/512.webp"
    )
