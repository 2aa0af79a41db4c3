"""Attacks on the deployed service that have worked once, each under the promise that it broke."""

import uuid

from tests.e2e.conftest import PHOTOS, Client, eventually
from tests.wire import unsigned

PHOTO = (PHOTOS / "astronaut.jpg").read_bytes()


def test_a_signed_address_without_its_signature_opens_what_is_public_and_nothing_else(
    client: Client,
) -> None:
    user = client.create_user()
    headers = client.user_headers(user["id"])
    upload = client.upload(headers, PHOTO)
    path = unsigned(upload["renditions"][0]["url"])
    shown = f"/_images/{client.stack['appId']}/{upload['id']}/profile"
    assert client.http.get(path).status_code == client.http.get(shown).status_code == 404
    assert client.set_picture(headers, upload["id"]).status_code == 200
    assert client.http.get(path).status_code == client.http.get(shown).status_code == 200
    assert client.set_picture(headers, None).status_code == 200
    assert client.http.get(path).status_code == client.http.get(shown).status_code == 404


def test_a_token_takes_nobody_s_identifiers(client: Client) -> None:
    victim, mallory = client.create_user(), client.create_user()
    headers = client.user_headers(mallory["id"])
    for field, value in (
        ("email", victim["email"]),
        ("externalId", f"crm-{mallory['id']}"),
        ("profilePictureUrl", "http://tracker.example/pixel.png"),
    ):
        answer = client.http.patch("/api/v1/users/me", json={field: value}, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
        assert field in answer.json()["detail"]
    found = client.http.get(
        "/v1/users", params={"external_id": f"crm-{mallory['id']}"}, headers=client.key
    )
    assert found.json() == []


def test_a_banned_user_does_nothing_more(client: Client) -> None:
    user = client.create_user()
    headers = client.user_headers(user["id"])
    upload = client.upload(headers, PHOTO)
    banned = client.http.post(f"/v1/users/{user['id']}/ban", headers=client.key)
    assert banned.status_code == 200
    path = f"/api/v1/uploads/{upload['id']}"
    ask = {"kind": "profile_picture", "contentType": "image/png", "contentLength": 1}
    answers = [
        client.http.get("/api/v1/users/me", headers=headers),
        client.http.patch("/api/v1/users/me", json={"firstName": "Eve"}, headers=headers),
        client.http.post("/api/v1/uploads", json=ask, headers=headers),
        client.http.get(path, headers=headers),
        client.http.delete(path, headers=headers),
        client.set_picture(headers, upload["id"]),
        client.set_picture(headers, None),
    ]
    for answer in answers:
        assert (answer.status_code, answer.json()["code"]) == (403, "user_not_active")
    assert client.http.get(path, headers=client.key).status_code == 200


def test_a_token_does_not_begin_uploads_without_end(client: Client) -> None:
    headers = client.user_headers(client.create_user()["id"])
    ask = {"kind": "profile_picture", "contentType": "image/png", "contentLength": 1}
    # An hour of the clock may end within the test, and so may the next one's sixty.
    for _ in range(121):
        answer = client.http.post("/api/v1/uploads", json=ask, headers=headers)
        if answer.status_code != 201:
            break
    assert (answer.status_code, answer.json()["code"]) == (429, "too_many_uploads")
    assert 1 <= int(answer.headers["retry-after"]) <= 3600


def test_a_photo_as_it_was_sent_is_gone_soon_after_it_is_a_picture(client: Client) -> None:
    headers = client.user_headers(client.create_user()["id"])
    upload = client.upload(headers, PHOTO, preview=True)
    original, renditions = f"uploads/{upload['id']}", f"renditions/{upload['id']}/"
    assert client.objects(original)  # until then, it may be framed anew
    assert len(client.objects(renditions)) == 5  # with the preview, which shows as much
    assert client.set_picture(headers, upload["id"]).status_code == 200
    assert eventually(lambda: not client.objects(original))
    assert eventually(lambda: len(client.objects(renditions)) == 4)


def test_a_deleted_person_is_answered_to_nobody(client: Client) -> None:
    person = {"email": f"{uuid.uuid4().hex}@example.com", "firstName": "Ada", "lastName": "L"}
    headers = {**client.key, "Idempotency-Key": uuid.uuid4().hex}
    made = client.http.post("/api/v1/shared/users", json=person, headers=headers)
    path = f"/api/v1/shared/users/{made.json()['id']}"
    assert client.http.delete(path, headers=client.key).status_code == 204
    again = client.http.post("/api/v1/shared/users", json=person, headers=headers)
    assert again.status_code == 404
    assert person["email"] not in again.text
