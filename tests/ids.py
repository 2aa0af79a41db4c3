"""Ids of users, as identity providers and applications have them."""

IDS = [
    "auth0|5f7c8ec7c33c6c004bbafe82",
    "google-oauth2|113290457265209812345",
    "user_2abCdEfGhIjKlMnOpQrStUvWxYz",
    "f:8d3bd7a0-2c62-4f1a-a6f0-6a2d3c7e1b11:grace",
    "Xk3bV0cWq1TzYp8rLm5NsHd7GfJ2",
    "grace.hopper+test@example.com",
    "CN=Grace,OU=People~1",
    "42",
    "-",
    "...",
    "x" * 255,
]
