"""Attacks on the deployed service that have worked once, each under the promise that it broke."""

from urllib.parse import urlsplit

from tests.e2e.conftest import PHOTOS, Client

PHOTO = (PHOTOS / "astronaut.jpg").read_bytes()


def without_signature(address: str) -> str:
    """The path of a presigned address, for the API instead of the bucket."""
    path = urlsplit(address).path
    return path[path.index("/renditions/") :]


def test_a_signed_address_without_its_signature_opens_what_is_public_and_nothing_else(
    client: Client,
) -> None:
    user = client.create_user()
    headers = client.user_headers(user["id"])
    upload = client.upload(headers, PHOTO)
    path = without_signature(upload["renditions"][0]["url"])
    shown = f"/_images/{client.stack['appId']}/{upload['id']}/profile"
    assert client.http.get(path).status_code == client.http.get(shown).status_code == 404
    assert client.set_picture(headers, upload["id"]).status_code == 200
    assert client.http.get(path).status_code == client.http.get(shown).status_code == 200
    assert client.set_picture(headers, None).status_code == 200
    assert client.http.get(path).status_code == client.http.get(shown).status_code == 404
