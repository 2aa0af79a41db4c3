"""Twenty clients want the same thing at the same moment: exactly one gets it."""

import base64
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
from tests.e2e.conftest import PHOTOS, Client, eventually

CLIENTS = 20
PHOTO = (PHOTOS / "astronaut.jpg").read_bytes()
SET_PICTURE = """
mutation ($userID: ID!, $attributes: UserStandardAttributes!) {
  updateUser(input: {userID: $userID, standardAttributes: $attributes}) { user { id } }
}
"""

type Request = Callable[[], httpx.Response]


def at_once(requests: Iterable[Request]) -> list[httpx.Response]:
    """The answers to requests that are sent at the same moment.

    A client that is told to come back does so: too many wrote at once, or its key is in use.
    """
    wanted = list(requests)
    start = threading.Barrier(len(wanted))

    def send(request: Request) -> httpx.Response:
        start.wait()
        for _ in range(40):
            answer = request()
            if "retry-after" not in answer.headers:
                break
            time.sleep(0.25)
        return answer

    with ThreadPoolExecutor(len(wanted)) as clients:
        return list(clients.map(send, wanted))


def caller(client: Client, method: str, path: str, body: Any, **headers: str) -> Request:
    """A client of its own that sends a request, with the secret key where no other is given."""
    address = client.stack["baseUrl"] + path
    sent = {**client.key, **headers}
    return lambda: httpx.request(method, address, json=body, headers=sent, timeout=60)


def new_user(**fields: Any) -> dict[str, Any]:
    address = f"{uuid.uuid4().hex}@example.com"
    return {"email": address, "firstName": "Ada", "lastName": "Lovelace", **fields}


def statuses(answers: Iterable[httpx.Response]) -> Counter[int]:
    return Counter(answer.status_code for answer in answers)


def fields(answers: Iterable[httpx.Response]) -> set[str]:
    """What those were told who lost."""
    return {
        error["field"]
        for answer in answers
        if answer.status_code == 409
        for error in answer.json()["errors"]
    }


def test_one_username(client: Client) -> None:
    name = uuid.uuid4().hex
    cases = [name.upper() if number % 2 else name for number in range(CLIENTS)]
    people = [new_user(username=each) for each in cases]
    answers = at_once(caller(client, "POST", "/api/v1/shared/users", each) for each in people)
    assert statuses(answers) == {201: 1, 409: CLIENTS - 1}
    assert fields(answers) == {"username"}
    for person, answer in zip(people, answers, strict=True):
        if answer.status_code == 409:  # of a loser nothing is left
            client.create_user(email=person["email"])


def test_one_username_for_users_who_are_there(client: Client) -> None:
    name = uuid.uuid4().hex
    with ThreadPoolExecutor(4) as pool:
        ids = list(pool.map(lambda _: client.create_user()["id"], range(CLIENTS)))
    answers = at_once(
        caller(client, "PATCH", f"/api/v1/shared/users/{each}", {"username": name}) for each in ids
    )
    assert statuses(answers) == {200: 1, 409: CLIENTS - 1}
    assert fields(answers) == {"username"}
    found = [client.http.get(f"/api/v1/shared/users/{i}", headers=client.key).json() for i in ids]
    assert [user["username"] for user in found].count(name) == 1


def test_one_email_address(client: Client) -> None:
    address = f"{uuid.uuid4().hex}@Example.com"
    answers = at_once(
        caller(client, "POST", "/api/v1/shared/users", new_user(email=each))
        for each in [address, address.lower()] * (CLIENTS // 2)
    )
    assert statuses(answers) == {201: 1, 409: CLIENTS - 1}
    assert fields(answers) == {"email"}


def test_one_request_with_a_key(client: Client) -> None:
    request = caller(
        client, "POST", "/api/v1/shared/users", new_user(), **{"Idempotency-Key": uuid.uuid4().hex}
    )
    answers = at_once([request] * CLIENTS)
    assert statuses(answers) == {201: CLIENTS}
    assert len({answer.text for answer in answers}) == 1


def test_one_upload_wanted_as_a_picture_and_wanted_away(client: Client) -> None:
    user = client.create_user()
    me = client.user_headers(user["id"])
    upload = client.upload(me, PHOTO)
    shared = f"/api/v1/shared/users/{user['id']}/profile-picture"
    body = {"uploadId": upload["id"]}
    half = CLIENTS // 4
    set_it = [
        *[caller(client, "PATCH", "/api/v1/users/me/profile-picture", body, **me)] * half,
        *[caller(client, "PATCH", shared, body)] * half,
    ]
    delete_it = [caller(client, "DELETE", f"/api/v1/uploads/{upload['id']}", None)] * (2 * half)
    answers = at_once(each for pair in zip(set_it, delete_it, strict=True) for each in pair)
    setters, deleters = statuses(answers[::2]), statuses(answers[1::2])
    picture = client.http.get("/api/v1/users/me", headers=me).json()["profilePictureUrl"]
    if setters[200]:
        assert (setters, deleters) == ({200: 2 * half}, {409: 2 * half})
        assert httpx.get(picture).status_code == 200
    else:
        assert (setters, deleters) == ({404: 2 * half}, {204: 1, 404: 2 * half - 1})
        assert picture is None
        assert eventually(lambda: not client.objects(f"renditions/{upload['id']}/"))


def test_one_upload_of_nobodys_wanted_by_twenty_users(client: Client) -> None:
    with ThreadPoolExecutor(4) as pool:
        ids = list(pool.map(lambda _: client.create_user()["id"], range(CLIENTS)))
    issued = client.http.get("/_api/admin/images/upload", headers=client.key).json()
    sent = httpx.post(issued["result"]["upload_url"], files={"file": PHOTO}, timeout=30).json()
    picture = sent["result"]["url"]

    def take(user_id: str) -> Request:
        node = base64.urlsafe_b64encode(f"User:{user_id}".encode()).decode().rstrip("=")
        variables = {"userID": node, "attributes": {"picture": picture}}
        body = {"query": SET_PICTURE, "variables": variables}
        return caller(client, "POST", "/_api/admin/graphql", body)

    answers = at_once(map(take, ids))
    assert statuses(answers) == {200: CLIENTS}
    winners = [
        each for each, answer in zip(ids, answers, strict=True) if "errors" not in answer.json()
    ]
    assert len(winners) == 1
    found = [client.http.get(f"/api/v1/shared/users/{i}", headers=client.key).json() for i in ids]
    assert [user["id"] for user in found if user["hasCustomProfilePicture"]] == winners


def test_one_picture(client: Client) -> None:
    user = client.create_user()
    me = client.user_headers(user["id"])
    with ThreadPoolExecutor(4) as pool:
        ids = list(pool.map(lambda _: client.upload(me, PHOTO)["id"], range(CLIENTS)))
    answers = at_once(
        caller(client, "PATCH", "/api/v1/users/me/profile-picture", {"uploadId": each}, **me)
        for each in ids
    )
    assert statuses(answers) == {200: CLIENTS}
    picture = client.http.get("/api/v1/users/me", headers=me).json()["profilePictureUrl"]
    assert httpx.get(picture).status_code == 200
    (winner,) = [each for each in ids if each in picture]
    for upload_id in ids:
        status = client.http.get(f"/api/v1/uploads/{upload_id}", headers=me).status_code
        assert status == (200 if upload_id == winner else 404)
    assert eventually(lambda: not any(client.objects(f"uploads/{i}") for i in ids if i != winner))
    assert not any(client.objects(f"renditions/{each}/") for each in ids if each != winner)
    assert len(client.objects(f"renditions/{winner}/")) == 4
