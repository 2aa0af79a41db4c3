"""Profiles: create, read, update and delete users through the native API."""

from tests.unit.conftest import Service


def test_a_created_user_is_answered_whole(service: Service) -> None:
    answer = service.with_key(
        "POST",
        "/api/v1/shared/users",
        {"email": "Ada@example.com", "firstName": "Ada", "lastName": "Lovelace"},
    )
    assert answer.status == 201
    user = answer.json
    assert user == {
        "id": user["id"],
        "email": "Ada@example.com",
        "emailVerified": False,
        "firstName": "Ada",
        "lastName": "Lovelace",
        "username": None,
        "externalId": None,
        "profilePictureUrl": None,
        "hasCustomProfilePicture": False,
        "role": "user",
        "state": "active",
        "lastLogin": None,
        "createdAt": user["createdAt"],
        "updatedAt": user["createdAt"],
    }
    assert service.with_key("GET", f"/api/v1/shared/users/{user['id']}").json == user
