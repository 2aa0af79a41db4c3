"""Identity providers: the settings that the docs print for each, and tokens as they issue them.

The claims are those of each provider's own documentation.
"""

import re
from pathlib import Path
from typing import Any

_PAGE = (Path(__file__).parents[1] / "docs/identity-providers.md").read_text("utf-8")
SETTINGS = {
    name: dict(line.split("=", 1) for line in block.splitlines())
    for name, block in re.findall(r"^### ([^\n]+)\n.*?^```ini\n(.*?)^```", _PAGE, re.M | re.S)
}
_COGNITO = "https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_EXAMPLE"

# The provider and the claims of each.
TOKENS: dict[str, tuple[str, dict[str, Any]]] = {
    "Auth0 access token": (
        "Auth0",
        {
            "iss": "https://example.eu.auth0.com/",
            "sub": "auth0|5f7c8ec7c33c6c004bbafe82",
            "aud": ["https://api.example.com", "https://example.eu.auth0.com/userinfo"],
            "azp": "CLIENT_ID",
            "scope": "openid profile email",
        },
    ),
    "Auth0 ID token": (
        "Auth0",
        {
            "iss": "https://example.eu.auth0.com/",
            "sub": "google-oauth2|113290457265209812345",
            "aud": "CLIENT_ID",
            "given_name": "Grace",
            "family_name": "Hopper",
            "name": "Grace Hopper",
            "nickname": "grace",
            "picture": "https://lh3.googleusercontent.com/a/grace=s96-c",
            "updated_at": "2026-11-24T10:00:00.000Z",
            "email": "grace.auth0@example.com",
            "email_verified": True,
            "sid": "J4Qr8sdGFf1a",
        },
    ),
    "Clerk session token": (
        "Clerk",
        {
            "azp": "https://www.example.com",
            "fva": [0, -1],
            "iss": "https://clerk.example.com",
            "sid": "sess_2fGrT1xKjFp0Z0wBfGhYzqI3mNE",
            "sts": "active",
            "sub": "user_2abCdEfGhIjKlMnOpQrStUvWxYz",
            "v": 2,
        },
    ),
    "Cognito access token": (
        "Amazon Cognito",
        {
            "sub": "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee",
            "iss": _COGNITO,
            "client_id": "CLIENT_ID",
            "origin_jti": "11111111-2222-3333-4444-555555555555",
            "event_id": "64f513be-32db-42b0-b78e-b02127b4f463",
            "token_use": "access",
            "scope": "aws.cognito.signin.user.admin",
            "username": "grace",
        },
    ),
    "Cognito ID token": (
        "Amazon Cognito",
        {
            "sub": "aaaaaaaa-bbbb-cccc-dddd-ffffffffffff",
            "iss": _COGNITO,
            "aud": "CLIENT_ID",
            "token_use": "id",
            "cognito:username": "grace",
            "email": "grace.cognito@example.com",
            "email_verified": True,
            "given_name": "Grace",
        },
    ),
    "Supabase": (
        "Supabase",
        {
            "iss": "https://example.supabase.co/auth/v1",
            "sub": "9fb1a5e0-4a3f-4f6c-8f2f-0c7b5b0f5f10",
            "aud": "authenticated",
            "role": "authenticated",
            "aal": "aal1",
            "session_id": "b62a4f4c-5b6c-4b31-8b0c-5b1d4a6a1a11",
            "email": "grace.supabase@example.com",
            "phone": "",
            "is_anonymous": False,
            "user_metadata": {"email_verified": True},
            "app_metadata": {"provider": "email", "providers": ["email"]},
        },
    ),
    "Keycloak": (
        "Keycloak",
        {
            "iss": "https://keycloak.example.com/realms/example",
            "sub": "f:8d3bd7a0-2c62-4f1a-a6f0-6a2d3c7e1b11:grace",
            "aud": "account",
            "typ": "Bearer",
            "azp": "web",
            "session_state": "8c1b7f5a-7b0a-4f0e-9a2c-0c9c1f7a2b33",
            "realm_access": {"roles": ["offline_access", "uma_authorization"]},
            "scope": "openid profile email",
            "email_verified": False,
            "name": "Grace Hopper",
            "preferred_username": "grace",
            "given_name": "Grace",
            "family_name": "Hopper",
            "email": "grace.keycloak@example.com",
        },
    ),
    "Firebase": (
        "Firebase",
        {
            "iss": "https://securetoken.google.com/example-project",
            "aud": "example-project",
            "auth_time": 1_700_000_000,
            "user_id": "Xk3bV0cWq1TzYp8rLm5NsHd7GfJ2",
            "sub": "Xk3bV0cWq1TzYp8rLm5NsHd7GfJ2",
            "name": "Grace Hopper",
            "picture": "https://lh3.googleusercontent.com/a/grace",
            "email": "grace.firebase@example.com",
            "email_verified": True,
            "firebase": {"identities": {}, "sign_in_provider": "google.com"},
        },
    ),
    "WorkOS": (
        "WorkOS",
        {
            "iss": "https://api.workos.com",
            "sub": "user_01HBEQKA6K4QJAS93VPE39W1JT",
            "sid": "session_01HQSXZGF8FHF7A9ZZFCW4387R",
            "jti": "01HQSXZXPPFPKMDD32RKTFY6PV",
            "org_id": "org_01HRDMC6CM357W30QMHMQ96Q0S",
            "role": "member",
            "permissions": ["posts:read"],
        },
    ),
    "Google": (
        "Google",
        {
            "iss": "https://accounts.google.com",
            "azp": "CLIENT_ID.apps.googleusercontent.com",
            "aud": "CLIENT_ID.apps.googleusercontent.com",
            "sub": "110169484474386276334",
            "email": "grace.google@example.com",
            "email_verified": True,
            "name": "Grace Hopper",
            "picture": "https://lh3.googleusercontent.com/a-/grace=s96-c",
            "given_name": "Grace",
            "family_name": "Hopper",
        },
    ),
    "Okta": (
        "Okta",
        {
            "ver": 1,
            "jti": "AT.0mP4JKAZX1iACIT4vbEDF7LpvDVjxypPMf0D7uX39RE",
            "iss": "https://example.okta.com/oauth2/default",
            "aud": "api://default",
            "cid": "0oabucvyc38HLL1ef0h7",
            "uid": "00ub1w3abcDEF2ghi0h7",
            "scp": ["openid"],
            "sub": "grace.hopper@example.com",
        },
    ),
    "Entra ID": (
        "Entra ID",
        {
            "aud": "CLIENT_ID",
            "iss": "https://login.microsoftonline.com/TENANT_ID/v2.0",
            "azp": "OTHER_CLIENT_ID",
            "name": "Grace Hopper",
            "oid": "690222be-ff1a-4d56-abd1-7e4f7d38e474",
            "preferred_username": "grace@example.com",
            "scp": "access_as_user",
            "sub": "AAAAAAAAAAAAAAAAAAAAAIkzqFVrSaSaFHy782bbtaQ",
            "tid": "TENANT_ID",
            "ver": "2.0",
        },
    ),
}
