"""Clerk's SDK for Python, with only its URL changed, against the deployed service."""

import io
import json
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import bcrypt
import pytest
from clerk_backend_api import Clerk, models
from clerk_backend_api.security import verify_token
from clerk_backend_api.security.types import TokenVerificationError, VerifyTokenOptions
from clerk_backend_api.utils import BackoffStrategy, RetryConfig
from PIL import Image
from tests.e2e.conftest import PHOTOS, Client, create_with_id
from tests.ids import IDS

PASSWORD = "correct horse"


@pytest.fixture(scope="module")
def sdk(stack: dict[str, Any]) -> Iterator[Clerk]:
    """Clerk's client, as an application makes it, but for an hour of retries."""
    with Clerk(
        bearer_auth=stack["secretKey"],
        server_url=f"{stack['baseUrl']}/v1",
        retry_config=RetryConfig("backoff", BackoffStrategy(1, 1, 1, 1), False),
        timeout_ms=30_000,
    ) as client:
        yield client


def address() -> str:
    """An e-mail address that nobody has."""
    return f"{uuid.uuid4().hex}@example.com"


def number() -> str:
    """A phone number that nobody has."""
    return f"+1555{uuid.uuid4().int % 10**10:010}"


def person(sdk: Clerk, **attributes: Any) -> models.User:
    """A new user, with an address where none is given."""
    return sdk.users.create(**{"email_address": [address()], **attributes})


def refusal(call: Callable[[], object]) -> tuple[int, str, str | None]:
    """What the SDK says of a call that the service refuses."""
    with pytest.raises(models.ClerkBaseError) as refused:
        call()
    if isinstance(refused.value, models.ClerkErrors):
        first = refused.value.data.errors[0]
        return refused.value.status_code, first.code, (first.meta or {}).get("param_name")
    (entry,) = json.loads(refused.value.body)["errors"]  # of statuses that the SDK does not expect
    return refused.value.status_code, entry["code"], entry.get("meta", {}).get("param_name")


def picture(client: Client, url: str) -> Image.Image:
    """The picture at a public address."""
    answer = client.http.get(url)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "image/webp"
    assert answer.headers["cache-control"] == "public, max-age=31536000, s-maxage=300, immutable"
    return Image.open(io.BytesIO(answer.content))


def test_users_are_created_and_read(sdk: Clerk) -> None:
    emails, phone = [address(), address()], number()
    name = uuid.uuid4().hex
    user = sdk.users.create(
        email_address=emails,
        phone_number=[phone],
        username=name,
        external_id=f"legacy-{name}",
        first_name="Ada",
        last_name="Lovelace",
        locale="en-GB",
        password=PASSWORD,
        public_metadata={"planTier": {"snake_case": 1}},
        private_metadata={"crmId": [7]},
        created_at="2012-10-20T07:15:20.902Z",
    )
    assert (user.first_name, user.last_name, user.username) == ("Ada", "Lovelace", name)
    assert [each.email_address for each in user.email_addresses] == emails
    assert user.primary_email_address_id == user.email_addresses[0].id
    assert user.phone_numbers[0].phone_number == phone
    assert user.public_metadata == {"planTier": {"snake_case": 1}}
    assert user.private_metadata == {"crmId": [7]}
    assert user.created_at == 1350717320902
    assert user.password_enabled is True
    assert sdk.users.get(user_id=user.id) == user


def test_the_documented_update_works(sdk: Clerk) -> None:
    user = person(sdk)
    updated = sdk.users.update(user_id=user.id, first_name="John", last_name="Wick")
    assert (updated.first_name, updated.last_name) == ("John", "Wick")
    assert sdk.users.get(user_id=user.id) == updated


def test_every_kind_of_attribute_is_updated(sdk: Clerk) -> None:
    user = person(sdk, email_address=[address(), address()], phone_number=[number(), number()])
    email, phone = user.email_addresses[1].id, user.phone_numbers[1].id
    name = uuid.uuid4().hex
    updated = sdk.users.update(
        user_id=user.id,
        username=name,
        external_id=name,
        locale="de",
        primary_email_address_id=email,
        primary_phone_number_id=phone,
        delete_self_enabled=False,
        create_organization_enabled=False,
        legal_accepted_at="2020-01-01T00:00:00Z",
        created_at="2020-02-02T02:02:02.020Z",
        password=PASSWORD,
        skip_password_checks=True,
        skip_legal_checks=True,
    )
    assert (updated.username, updated.external_id, updated.locale) == (name, name, "de")
    assert updated.primary_email_address_id == email
    assert updated.primary_phone_number_id == phone
    assert (updated.delete_self_enabled, updated.create_organization_enabled) == (False, False)
    assert (updated.legal_accepted_at, updated.created_at) == (1577836800000, 1580608922020)
    assert updated.password_enabled is True
    assert sdk.users.update(user_id=user.id, username=None).username is None


def test_metadata_is_merged_and_replaced(sdk: Clerk) -> None:
    user = person(sdk, public_metadata={"a": {"b": 1, "c": 2}}, private_metadata={"p": 1})
    merged = sdk.users.update_metadata(
        user_id=user.id, public_metadata={"a": {"b": None, "camelCase": 3}}
    )
    assert merged.public_metadata == {"a": {"c": 2, "camelCase": 3}}
    assert merged.private_metadata == {"p": 1}
    replaced = sdk.users.replace_metadata(user_id=user.id, public_metadata={"d": 4})
    assert (replaced.public_metadata, replaced.private_metadata) == ({"d": 4}, {"p": 1})


def test_a_profile_image_is_set_replaced_and_deleted(sdk: Clerk, client: Client) -> None:
    user = person(sdk, first_name="Élodie", last_name="Łuk")
    addresses = []
    for name in ("astronaut.jpg", "coffee.png"):
        with (PHOTOS / name).open("rb") as content:
            file = models.File(file_name=name, content=content)
            shown = sdk.users.set_profile_image(user_id=user.id, file=file)
        assert shown.has_image is True
        assert shown.image_url
        assert picture(client, shown.image_url).size in {(512, 512), (400, 400)}
        addresses.append(shown.image_url)
    assert addresses[0] != addresses[1]
    removed = sdk.users.delete_profile_image(user_id=user.id)
    assert (removed.has_image, removed.image_url) == (False, user.image_url)
    assert removed.image_url
    default = picture(client, removed.image_url)
    assert default.size == (512, 512)
    assert len(default.getcolors(9999) or []) > 2  # letters, not a plain square


def test_an_upload_becomes_the_profile_image(sdk: Clerk, client: Client) -> None:
    user = person(sdk)
    photo = (PHOTOS / "astronaut.jpg").read_bytes()
    upload = client.upload(client.user_headers(user.id), photo)
    updated = sdk.users.update(user_id=user.id, profile_image_id=upload["id"])
    assert updated.image_url
    assert picture(client, updated.image_url).size == (512, 512)


def test_the_documented_text_is_no_profile_image(sdk: Clerk) -> None:
    user = person(sdk)
    file = models.File(file_name="profile-pic.png", content=b"profile-pic-content")
    refused = refusal(lambda: sdk.users.set_profile_image(user_id=user.id, file=file))
    assert refused == (400, "request_body_invalid", "file")
    large = models.File(file_name="large.jpg", content=b"x" * (4 * 1024 * 1024 + 1))
    refused = refusal(lambda: sdk.users.set_profile_image(user_id=user.id, file=large))
    assert refused == (413, "image_too_large", "file")


def test_users_are_listed_filtered_and_counted(sdk: Clerk) -> None:
    users = [
        person(
            sdk,
            phone_number=[number()],
            username=uuid.uuid4().hex,
            external_id=uuid.uuid4().hex,
            created_at=f"2020-01-0{day}T00:00:00Z",
        )
        for day in (1, 2, 3)
    ]
    newest_first = [user.id for user in reversed(users)]
    filters: dict[str, list[Any]] = {
        "user_id": [user.id for user in users],
        "email_address": [user.email_addresses[0].email_address for user in users],
        "phone_number": [user.phone_numbers[0].phone_number for user in users],
        "username": [user.username for user in users],
        "external_id": [user.external_id for user in users],
    }
    for name, values in filters.items():
        found = sdk.users.list(request=models.GetUserListRequest.model_validate({name: values}))
        assert [user.id for user in found] == newest_first, name
        counted = sdk.users.count(
            request=models.GetUsersCountRequest.model_validate({name: values[1:]})
        )
        assert counted.total_count == 2
    request = models.GetUserListRequest(
        user_id=filters["user_id"], order_by="+created_at", limit=1, offset=1
    )
    assert [user.id for user in sdk.users.list(request=request)] == [users[1].id]
    everybody = sdk.users.list(request=models.GetUserListRequest(limit=2, order_by="-updated_at"))
    assert len(everybody) == 2
    assert sdk.users.count().total_count >= 3
    refused = refusal(lambda: sdk.users.list(request=models.GetUserListRequest(query="ada")))
    assert refused == (422, "form_param_unknown", "query")


def test_passwords_are_verified(sdk: Clerk) -> None:
    digest = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()
    for user in (
        person(sdk, password=PASSWORD),
        person(sdk, password_digest=digest, password_hasher="bcrypt"),
    ):
        for _ in range(2):
            verified = sdk.users.verify_password(user_id=user.id, password=PASSWORD)
            assert verified.verified is True
        call = partial(sdk.users.verify_password, user_id=user.id, password="wrong")
        wrong = refusal(call)
        assert wrong == (422, "incorrect_password", None)


def test_email_addresses_are_managed(sdk: Clerk) -> None:
    user, value = person(sdk), address()
    created = sdk.email_addresses.create(
        request={"user_id": user.id, "email_address": value, "verified": False}
    )
    assert created is not None
    assert created.id
    assert (created.email_address, created.reserved) == (value, True)
    assert sdk.email_addresses.get(email_address_id=created.id) == created
    updated = sdk.email_addresses.update(email_address_id=created.id, verified=True, primary=True)
    assert updated.reserved is False
    assert sdk.users.get(user_id=user.id).primary_email_address_id == created.id
    deleted = sdk.email_addresses.delete(email_address_id=created.id)
    assert (deleted.id, deleted.deleted) == (created.id, True)
    gone = refusal(partial(sdk.email_addresses.get, email_address_id=created.id))
    assert gone[:2] == (404, "resource_not_found")


def test_phone_numbers_are_managed(sdk: Clerk) -> None:
    user, value = person(sdk), number()
    created = sdk.phone_numbers.create(
        request={"user_id": user.id, "phone_number": value, "verified": True}
    )
    assert created is not None
    assert created.id
    assert created.phone_number == value
    assert sdk.phone_numbers.get(phone_number_id=created.id) == created
    updated = sdk.phone_numbers.update(phone_number_id=created.id, primary=True)
    assert updated == created
    assert sdk.users.get(user_id=user.id).primary_phone_number_id == created.id
    deleted = sdk.phone_numbers.delete(phone_number_id=created.id)
    assert (deleted.id, deleted.deleted) == (created.id, True)


def test_users_are_banned_and_locked_and_let_in_again(sdk: Clerk) -> None:
    user = person(sdk)
    assert sdk.users.ban(user_id=user.id).banned is True
    assert sdk.users.unban(user_id=user.id).banned is False
    assert sdk.users.lock(user_id=user.id).locked is True
    assert sdk.users.unlock(user_id=user.id).locked is False


def test_users_are_deleted(sdk: Clerk) -> None:
    user = person(sdk)
    deleted = sdk.users.delete(user_id=user.id)
    assert (deleted.id, deleted.object, deleted.deleted) == (user.id, "user", True)
    gone = refusal(lambda: sdk.users.get(user_id=user.id))
    assert gone == (404, "resource_not_found", None)


@pytest.mark.parametrize("user_id", IDS)
def test_a_user_has_the_id_that_an_identity_provider_made(
    sdk: Clerk, client: Client, user_id: str
) -> None:
    create_with_id(client, user_id)
    user = sdk.users.get(user_id=user_id)
    assert (user.id, user.first_name) == (user_id, "Grace")
    assert sdk.users.update(user_id=user_id, last_name="King").last_name == "King"
    assert sdk.users.ban(user_id=user_id).banned is True
    assert user.email_addresses
    email = sdk.email_addresses.get(email_address_id=str(user.email_addresses[0].id))
    assert email.email_address == user.email_addresses[0].email_address
    # A sign says whether to include or to leave out, so that an id may begin with one.
    assert [each.id for each in sdk.users.list(request={"user_id": [f"+{user_id}"]})] == [user_id]
    assert sdk.users.delete(user_id=user_id).id == user_id
    assert refusal(lambda: sdk.users.get(user_id=user_id))[0] == 404


def test_a_token_is_verified_with_the_keys_that_the_service_publishes(client: Client) -> None:
    user_id = f"user_{uuid.uuid4().hex[:27]}"
    token = client.user_headers(user_id)["Authorization"].removeprefix("Bearer ")
    options = VerifyTokenOptions(
        secret_key=client.stack["secretKey"],
        api_url=client.stack["baseUrl"],
        audience=client.stack["jwtAudience"],
    )
    assert verify_token(token, options)["sub"] == user_id
    with pytest.raises(TokenVerificationError):
        verify_token(f"{token[:-8]}AAAAAAAA", options)


def test_errors_say_what_happened(sdk: Clerk, stack: dict[str, Any]) -> None:
    user = person(sdk)
    taken = [user.email_addresses[0].email_address]
    refused = refusal(lambda: sdk.users.create(email_address=taken))
    assert refused == (422, "form_identifier_exists", "email_address")
    refused = refusal(lambda: sdk.users.update(user_id=user.id, password="short"))
    assert refused == (422, "form_password_length_too_short", "password")
    refused = refusal(lambda: sdk.users.update(user_id=user.id, create_organizations_limit=5))
    assert refused == (422, "form_param_unknown", "create_organizations_limit")
    stranger = Clerk(bearer_auth="sk_test_wrong", server_url=f"{stack['baseUrl']}/v1")
    assert refusal(lambda: stranger.users.get(user_id=user.id))[:2] == (
        401,
        "authentication_invalid",
    )


def test_of_two_updates_to_one_username_one_wins(sdk: Clerk) -> None:
    for _ in range(3):
        name = uuid.uuid4().hex
        both = [person(sdk), person(sdk)]

        def update(user: models.User, name: str = name) -> str | None:
            try:
                return sdk.users.update(user_id=user.id, username=name).username
            except models.ClerkErrors as error:
                return error.data.errors[0].code

        with ThreadPoolExecutor(2) as pool:
            outcomes = list(pool.map(update, both))
        assert sorted(map(str, outcomes)) == sorted([name, "form_identifier_exists"])


def test_a_user_s_own_token_is_refused(sdk: Clerk, client: Client) -> None:
    user = person(sdk, private_metadata={"note": "for the back end"})
    answer = client.http.get(f"/v1/users/{user.id}", headers=client.user_headers(user.id))
    assert answer.status_code == 403
    assert answer.json()["errors"][0]["code"] == "authorization_invalid"
    assert "for the back end" not in answer.text


def test_no_log_has_what_is_personal(sdk: Clerk, client: Client) -> None:
    email, name = address(), uuid.uuid4().hex
    user = person(sdk, email_address=[email], username=name, password=f"{PASSWORD} {name}")
    sdk.users.verify_password(user_id=user.id, password=f"{PASSWORD} {name}")
    sdk.users.list(request=models.GetUserListRequest(email_address=[email]))
    refusal(lambda: sdk.users.create(email_address=[email]))
    logs = Path(client.stack["logs"]).glob("*lerk*.log")
    logged = "".join(log.read_text() for log in logs)
    assert '"service":"clerk"' in logged
    for secret in (email, name, client.stack["secretKey"]):
        assert secret not in logged
