"""What Clerk's Backend API answers with. The service has nothing behind some fields."""

from typing import Any

from vignette.domain import pictures
from vignette.domain.model import Identification, IdentificationKind, User


def user(user: User, origin: str) -> dict[str, Any]:
    """A user; `origin` is where the client reached the service."""
    picture = pictures.avatar_url(user, origin)
    return {
        "id": user.id,
        "object": "user",
        "external_id": user.external_id,
        "username": user.username,
        "first_name": user.first_name,
        "last_name": user.last_name,
        "locale": user.locale,
        "has_image": user.picture is not None or user.provider_picture_url is not None,
        "image_url": picture,
        "profile_image_url": picture,
        "primary_email_address_id": user.email.id if user.email else None,
        "primary_phone_number_id": user.phone.id if user.phone else None,
        "primary_web3_wallet_id": None,
        "email_addresses": [identification(IdentificationKind.EMAIL, each) for each in user.emails],
        "phone_numbers": [identification(IdentificationKind.PHONE, each) for each in user.phones],
        "web3_wallets": [],
        "passkeys": [],
        "external_accounts": [],
        "saml_accounts": [],
        "enterprise_accounts": [],
        "public_metadata": user.public_metadata,
        "private_metadata": user.private_metadata,
        "unsafe_metadata": user.unsafe_metadata,
        "password_enabled": user.password is not None,
        "password_last_updated_at": user.password.updated_at if user.password else None,
        "two_factor_enabled": False,
        "totp_enabled": False,
        "backup_code_enabled": False,
        "mfa_enabled_at": None,
        "mfa_disabled_at": None,
        "banned": user.banned,
        "locked": user.locked,
        "lockout_expires_in_seconds": None,
        "verification_attempts_remaining": None,
        "delete_self_enabled": user.delete_self_enabled,
        "create_organization_enabled": user.create_organization_enabled,
        "legal_accepted_at": user.legal_accepted_at,
        "last_sign_in_at": user.last_login,
        "last_active_at": None,
        "created_at": user.created_at,
        "updated_at": user.updated_at,
    }


def identification(kind: IdentificationKind, identification: Identification) -> dict[str, Any]:
    """An e-mail address or a phone number, whose value only its user can have."""
    is_email = kind == IdentificationKind.EMAIL
    name = "email_address" if is_email else "phone_number"
    if identification.verified:
        verification = {"object": "verification_admin", "status": "verified", "strategy": "admin"}
    else:
        strategy = "email_code" if is_email else "phone_code"
        verification = {
            "object": "verification_otp",
            "status": "unverified",
            "strategy": strategy,
        }
    second_factor = {"reserved_for_second_factor": False, "default_second_factor": False}
    return {
        "id": identification.id,
        "object": name,
        name: identification.value,
        "reserved": not identification.verified,
        "verification": {**verification, "attempts": None, "expire_at": None},
        "linked_to": [],
        **({} if is_email else second_factor),
        "created_at": identification.created_at,
        "updated_at": identification.updated_at,
    }


def deleted(kind: str, deleted_id: str) -> dict[str, Any]:
    """What is left of an object of some kind."""
    return {"id": deleted_id, "object": kind, "deleted": True}


def count(users: int) -> dict[str, Any]:
    """How many users there are."""
    return {"object": "total_count", "total_count": users}
