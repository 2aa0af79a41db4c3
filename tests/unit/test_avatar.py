"""A user always has an avatar: the own picture, the provider's, or initials."""

import pytest
from tests.unit.conftest import Service

PROVIDER = "https://id.example.com/grace.png"
SIZES = [64, 128, 256, 512]


def test_without_a_picture_it_is_the_initials(service: Service) -> None:
    avatar = service.create_user(firstName="Grace", lastName="Hopper")["avatar"]
    assert (avatar["source"], avatar["placeholder"]) == ("default", None)
    assert avatar["url"].endswith("/GH.webp")
    assert avatar["srcset"] == ", ".join(f"{avatar['url']}?width={size} {size}w" for size in SIZES)


def test_with_a_picture_of_the_provider_it_is_that(service: Service) -> None:
    avatar = service.create_user(profilePictureUrl=PROVIDER)["avatar"]
    assert avatar == {"url": PROVIDER, "srcset": "", "source": "provider", "placeholder": None}


@pytest.mark.parametrize("public", ["true", "false"])
def test_with_an_own_picture_it_is_that_in_all_sizes(
    service: Service, monkeypatch: pytest.MonkeyPatch, public: str
) -> None:
    monkeypatch.setenv("PUBLIC_PICTURES", public)
    user_id = service.create_user(profilePictureUrl=PROVIDER)["id"]
    upload_id = service.ready_upload(user_id)
    avatar = service.set_picture(user_id, upload_id).json["avatar"]
    assert avatar["source"] == "custom"
    assert avatar["placeholder"] == service.read_upload(upload_id)["placeholder"]
    addresses = [each.rpartition(" ")[0] for each in avatar["srcset"].split(", ")]
    assert [each.partition("?")[0].rpartition("/")[2] for each in addresses] == [
        f"{size}.webp" for size in SIZES
    ]
    assert avatar["url"] == addresses[-1]
    assert all(("X-Amz-Signature=" in each) == (public == "false") for each in addresses)
