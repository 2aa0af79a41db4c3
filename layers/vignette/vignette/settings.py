"""The service's limits, and what the deployment tells it through the environment."""

import os

# Pictures
MAX_UPLOAD_BYTES = 10 * 1024 * 1024
MAX_PIXELS = 50_000_000
RENDITION_SIZES = (64, 128, 256, 512)  # pixels, square
THUMB_SIZE = 256  # pixels: the rendition behind `profilePictureUrl`
WEBP_QUALITY = 80

# Lifetimes, in seconds
UPLOAD_FORM_SECONDS = 15 * 60
UNUSED_UPLOAD_SECONDS = 24 * 60 * 60
PICTURE_URL_SECONDS = 60 * 60
SECRET_CACHE_SECONDS = 5 * 60
JWKS_CACHE_SECONDS = 5 * 60
RETRY_AFTER_SECONDS = 1

# Users: partitions of the indexes that list them. Changing this needs a migration.
USER_SHARDS = 8

# Requests
MAX_JSON_BODY_BYTES = 64 * 1024
MAX_TOKEN_CHARACTERS = 8192
CLOCK_SKEW_SECONDS = 10


def users_table() -> str:
    """Name of the DynamoDB table of users."""
    return os.environ["USERS_TABLE"]


def uploads_table() -> str:
    """Name of the DynamoDB table of upload records."""
    return os.environ["UPLOADS_TABLE"]


def bucket() -> str:
    """Name of the private bucket of uploads and renditions."""
    return os.environ["BUCKET"]


def secret_arn() -> str:
    """ARN of the Secrets Manager secret that holds the service's secret key."""
    return os.environ["SECRET_KEY_ARN"]


def jwt_issuer() -> str:
    """The `iss` that a user's token must carry."""
    return os.environ["JWT_ISSUER"]


def jwt_audience() -> str:
    """The `aud` that a user's token must contain."""
    return os.environ["JWT_AUDIENCE"]


def jwt_jwks() -> str:
    """A JWKS document as JSON, or the https address of one (RFC 7517)."""
    return os.environ["JWT_JWKS"]
