"""Sizes: how large a picture is that is asked for, and one address for whoever a user is."""

import io
import uuid
from urllib.parse import urlsplit

import pytest
from PIL import Image
from tests.unit.authgear import get
from tests.unit.conftest import Service, handlers

from vignette import settings


def opened(content: bytes) -> Image.Image:
    return Image.open(io.BytesIO(content))


def find(service: Service, user_id: str, query: str = "") -> str:
    answer = service.call("GET", f"/pictures/{user_id}{query}")
    assert answer.status == 302
    assert answer.headers["cache-control"] == "public, max-age=60"
    return answer.headers["location"]


def path_of(address: str) -> str:
    parts = urlsplit(address)
    return f"{parts.path}?{parts.query}" if parts.query else parts.path


WANTED = [
    ("", 512),
    ("?width=1", 64),
    ("?width=64", 64),
    ("?width=65", 128),
    ("?height=200", 256),
    ("?width=64&height=300", 512),
    ("?width=4000", 512),
    ("?width=0064", 64),
    ("?width=0", 512),
    ("?width=-64", 512),
    ("?width=abc", 512),
    ("?width=1e2", 512),
    ("?width=", 512),
    ("?fit=crop&quality=1", 512),
    ("?width=99999999999999999999", 512),
]


@pytest.mark.parametrize(("query", "side"), WANTED)
def test_a_picture_is_as_large_as_it_is_asked_for(service: Service, query: str, side: int) -> None:
    user_id, upload_id = service.user_with_picture()
    address = path_of(find(service, user_id))
    for answer in (service.call("GET", address + query), get(service, upload_id, query=query)):
        assert answer.status == 200
        assert opened(answer.content).size == (side, side)


@pytest.mark.parametrize(("query", "side"), WANTED)
def test_a_default_picture_is_as_large_as_it_is_asked_for(
    service: Service, query: str, side: int
) -> None:
    address = path_of(find(service, service.create_user()["id"]))
    answer = service.call("GET", address + query)
    assert opened(answer.content).size == (side, side)


def test_a_new_size_breaks_no_picture_that_is_there(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    user_id, upload_id = service.user_with_picture()
    address = path_of(find(service, user_id))
    new = (*settings.RENDITION_SIZES, 1024)
    monkeypatch.setattr(settings, "RENDITION_SIZES", new)
    monkeypatch.setattr(settings, "PUBLIC_SIZE", 1024)
    monkeypatch.setattr(settings, "THUMB_SIZE", 1024)
    renditions = handlers("renditions").renditions
    monkeypatch.setattr(renditions, "_FILES", {f"{size}.webp": size for size in new})
    assert path_of(find(service, user_id)) == address
    assert service.read_user(user_id)["profilePictureUrl"]
    names = [each["name"] for each in service.read_upload(upload_id)["renditions"]]
    assert names == ["64", "128", "256", "512"]
    for path in (address, address.replace("512.webp", "1024.webp"), f"{address}?width=1024"):
        answer = service.call("GET", path)
        assert answer.status == 200
        assert opened(answer.content).size == (512, 512)


# GET /pictures/{user_id}


def test_the_address_of_a_user_leads_to_what_they_show_now(service: Service) -> None:
    user = service.create_user()
    default = find(service, user["id"])
    assert "/avatars/" in default
    upload_id = service.ready_upload(user["id"])
    service.set_picture(user["id"], upload_id)
    custom = find(service, user["id"])
    assert f"/renditions/{upload_id}/" in custom
    assert service.call("GET", path_of(custom)).status == 200
    service.set_picture(user["id"], None)
    assert find(service, user["id"]) == default


def test_an_address_that_leads_back_is_not_a_picture_of_the_provider(service: Service) -> None:
    user_id = service.create_user()["id"]
    initials = find(service, user_id)
    origin = initials.partition("/avatars/")[0]
    back = {"profilePictureUrl": f"{origin}/pictures/{user_id}"}
    assert service.with_key("PATCH", f"/api/v1/shared/users/{user_id}", back).status == 200
    assert find(service, user_id) == initials
    assert service.read_user(user_id)["avatar"]["source"] == "default"


@pytest.mark.parametrize("query", ["?width=100000", f"?height={'9' * 50}"])
def test_a_number_beyond_all_sizes_is_answered_with_the_largest(
    service: Service, query: str
) -> None:
    user_id, _ = service.user_with_picture()
    smallest = path_of(find(service, user_id)).replace("512.webp", "64.webp")
    assert opened(service.call("GET", smallest + query).content).size == (512, 512)


def test_how_large_it_has_to_be_is_passed_on(service: Service) -> None:
    user_id, _ = service.user_with_picture()
    address = find(service, user_id, "?width=100&height=90&x=y")
    assert address.endswith("/512.webp?width=100")
    assert opened(service.call("GET", path_of(address)).content).size == (128, 128)


def test_a_provider_s_address_stays_as_it_is(service: Service) -> None:
    theirs = "https://pictures.example.com/1.jpg?sz=50"
    user = service.create_user(profilePictureUrl=theirs)
    assert find(service, user["id"], "?width=100") == theirs


def test_nobody_is_seen_like_somebody_without_a_name(service: Service) -> None:
    user = service.create_user()
    service.dynamodb.update_item(
        TableName="users",
        Key={"pk": {"S": f"user#{user['id']}"}},
        UpdateExpression="REMOVE first_name, last_name",
    )
    nameless = find(service, user["id"])
    assert nameless.endswith("/outline.webp")
    service.with_key("DELETE", f"/api/v1/shared/users/{user['id']}")
    assert find(service, user["id"]) == nameless
    assert find(service, str(uuid.uuid4())).endswith("/outline.webp")


def test_finding_a_picture_costs_one_read(service: Service) -> None:
    user_id, _ = service.user_with_picture()
    for each in (user_id, str(uuid.uuid4())):
        service.calls.clear()
        find(service, each)
        assert service.calls == ["GetItem"]
