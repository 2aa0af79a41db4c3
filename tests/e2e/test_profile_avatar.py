"""<profile-avatar>: shows a user's picture, and something sensible where there is none."""

import uuid
from urllib.parse import quote

import pytest
from PIL import Image
from playwright.sync_api import Page, expect
from tests.e2e.browser import button, colour, loaded
from tests.e2e.site import PICTURE, Site
from tests.photos import encoded

# What rgbaToThumbHash of npm's thumbhash makes of a picture whose left half is red, right blue.
RED_AND_BLUE = "FfYC9yiIeHd3d4iAh4d3WIeM+HiIj4gI"
GREEN = (30, 200, 30)


def avatar(site: Site, attributes: str) -> str:
    return f'<profile-avatar api="{site.api}" {attributes}></profile-avatar>'


def address(site: Site) -> str:
    return f"{site.api}/pictures/{quote(site.user['id'], safe='')}"


def set_picture(site: Site) -> None:
    headers = site.client.user_headers(site.user["id"])
    upload = site.client.upload(headers, encoded(Image.new("RGB", (300, 300), GREEN), "JPEG"))
    assert site.client.set_picture(headers, upload["id"]).is_success


def test_the_picture_of_a_user_needs_no_token(site: Site, page: Page) -> None:
    set_picture(site)
    site.open(page, avatar(site, f'user="{site.user["id"]}" alt="Ada Lovelace"'))
    image = page.get_by_role("img", name="Ada Lovelace")
    expect(image).to_have_js_property("currentSrc", f"{address(site)}?width=64")
    expect(image).to_have_attribute("loading", "lazy")
    assert colour(loaded(image)) == pytest.approx(GREEN, abs=6)
    assert site.authorizations() == []


def test_a_larger_avatar_asks_for_a_larger_rendition(site: Site, page: Page) -> None:
    site.open(
        page,
        avatar(site, f'user="{site.user["id"]}" alt="Ada"'),
        """
        const sheet = new CSSStyleSheet();
        sheet.replaceSync("profile-avatar { --vignette-avatar-size: 200px }");
        document.adoptedStyleSheets = [sheet];
        """,
    )
    image = page.get_by_role("img", name="Ada")
    expect(image).to_have_js_property("currentSrc", f"{address(site)}?width=256")
    expect(image).to_have_attribute("sizes", "200px")


def test_without_an_alternative_text_it_is_decoration(site: Site, page: Page) -> None:
    site.open(page, avatar(site, f'user="{site.user["id"]}"'))
    expect(page.locator("profile-avatar >> img")).to_have_attribute("alt", "")


@pytest.mark.parametrize(
    ("alt", "initials"),
    [("Ada Lovelace", "AL"), ("Grace Brewster Murray Hopper", "GH"), ("Øyvind", "Ø"), ("", "")],
)
def test_where_the_picture_is_gone_there_are_initials(
    site: Site, page: Page, alt: str, initials: str
) -> None:
    gone = f"{site.api}/renditions/{uuid.uuid4()}/{uuid.uuid4().hex}/512.webp"
    site.open(page, f'<profile-avatar src="{gone}" alt="{alt}"></profile-avatar>')
    expect(page.locator("profile-avatar >> [part=initials]")).to_have_text(initials)
    if alt:
        expect(page.get_by_role("img", name=alt)).to_be_visible()


def test_the_address_of_an_answer_can_be_given(site: Site, page: Page) -> None:
    set_picture(site)
    url = site.as_served()["avatar"]["url"]
    site.open(page, f'<profile-avatar src="{url}" alt="Ada"></profile-avatar>')
    image = page.get_by_role("img", name="Ada")
    expect(image).to_have_js_property("currentSrc", url)
    assert colour(loaded(image)) == pytest.approx(GREEN, abs=6)


def test_a_placeholder_is_shown_until_the_picture_is_there(site: Site, page: Page) -> None:
    held = site.hold(PICTURE)
    attributes = f'user="{site.user["id"]}" alt="Ada" placeholder="{RED_AND_BLUE}"'
    site.open(page, avatar(site, attributes))
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
    site.go_on(page, held)
    expect(canvas).to_be_hidden()


def test_what_is_no_placeholder_does_no_harm(site: Site, page: Page) -> None:
    site.open(page, avatar(site, f'user="{site.user["id"]}" alt="Ada" placeholder="?"'))
    expect(page.get_by_role("img", name="Ada")).to_be_visible()


def test_nothing_moves_when_the_picture_arrives(site: Site, page: Page) -> None:
    held = site.hold(PICTURE)
    site.open(page, avatar(site, f'user="{site.user["id"]}" alt="Ada"') + "<p>After it</p>")
    before = page.get_by_text("After it").bounding_box()
    page.wait_for_timeout(100)
    site.go_on(page, held)
    loaded(page.get_by_role("img", name="Ada"))
    assert page.get_by_text("After it").bounding_box() == before


def test_a_picture_that_changes_is_shown_by_the_avatars_of_the_page(site: Site, page: Page) -> None:
    set_picture(site)
    site.open(
        page,
        avatar(site, f'user="{site.user["id"]}" alt="Ada"')
        + f'<profile-picture api="{site.api}"></profile-picture>',
        site.give_token(),
    )
    button(page, "Remove").click()
    expect(button(page, "Remove")).to_be_hidden()
    url = site.as_served()["avatar"]["url"]
    expect(page.get_by_role("img", name="Ada", exact=True)).to_have_attribute("src", url)
