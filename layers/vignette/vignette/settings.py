"""The service's limits, and what the deployment tells it through the environment."""

import os

# Pictures
MAX_UPLOAD_BYTES = 10 * 1024 * 1024
MAX_PIXELS = 50_000_000
RENDITION_SIZES = (64, 128, 256, 512)  # pixels, square
THUMB_SIZE = 256  # pixels: the rendition behind `profilePictureUrl`
PUBLIC_SIZE = 512  # pixels: the rendition behind `avatar.url` and `image_url`
WHOLE_PICTURE_SIDE = 2048  # pixels: the longer side of a whole, uncropped picture at most
PREVIEW_SIDE = 1024  # pixels: the longer side of the preview of a photo that is framed by hand
WEBP_QUALITY = 80
# RFC 9111 and RFC 8246: the content of a picture's address never changes. Shared caches ask again
# after 300 seconds, since a removed picture has to disappear from them soon.
PUBLIC_CACHE = "public, max-age=31536000, s-maxage=300, immutable"
PRIVATE_CACHE = "private, max-age=31536000, immutable"

# Lifetimes, in seconds
UPLOAD_FORM_SECONDS = 15 * 60
UNUSED_UPLOAD_SECONDS = 24 * 60 * 60
PICTURE_URL_SECONDS = 60 * 60
DELETED_USER_SECONDS = 30 * 24 * 60 * 60  # how long tokens do not bring a deleted user back
SECRET_CACHE_SECONDS = 5 * 60
JWKS_CACHE_SECONDS = 5 * 60
JWKS_STALE_SECONDS = 24 * 60 * 60  # how long known keys serve while their issuer is down
RETRY_AFTER_SECONDS = 1
IDEMPOTENCY_SECONDS = 24 * 60 * 60  # how long a repeated creation finds what the first one made
ATTEMPT_SECONDS = 2  # how long others with the same key are refused

# Partitions of the indexes that list users. Another number needs a migration.
USER_SHARDS = 8
# Items whose sum is the number of users. Every creation and deletion changes one of them, and
# DynamoDB cancels one of two transactions that change the same. There may be more later, never
# fewer.
USER_COUNTERS = 256
# A user is deleted in one transaction (100 actions at most), with an item for each address and
# number.
MAX_IDENTIFICATIONS = 20  # e-mail addresses, and as many phone numbers
MAX_METADATA_BYTES = 8 * 1024  # each kind, as compact JSON

# Uploads of one user
MAX_UPLOADS_PER_HOUR = 60  # with a user's token; the secret key has no limit
MAX_FRAMINGS = 20  # of one upload, which are counted before the photo is decoded
MAX_PHOTOS_OF_AN_ADDRESS = 5  # that are decoded: an address takes one that can be used
MAX_UPLOADS_DELETED_AT_ONCE = 100  # with their user; the rest end by themselves

# Passwords, in characters: at least 8 (NIST SP 800-63B, 5.1.1.2), at most what is quickly read.
MIN_PASSWORD_CHARACTERS = 8
MAX_PASSWORD_CHARACTERS = 256

# After so many wrong passwords within this time, none is verified for as long again.
MAX_WRONG_PASSWORDS = 100
WRONG_PASSWORD_SECONDS = 60 * 60

# Requests
MAX_JSON_BODY_BYTES = 64 * 1024
MAX_FORM_PHOTO_BYTES = 4 * 1024 * 1024  # a larger one takes a presigned form
# Lambda's events and answers have at most 6 MiB, and bytes are in them as base64.
MAX_BODY_BYTES = 4_500_000
MAX_TOKEN_CHARACTERS = 8192
MAX_IDEMPOTENCY_KEY_CHARACTERS = 255
CLOCK_SKEW_SECONDS = 10


def users_table() -> str:
    """Name of the DynamoDB table of users."""
    return os.environ["USERS_TABLE"]


def uploads_table() -> str:
    """Name of the DynamoDB table of upload records."""
    return os.environ["UPLOADS_TABLE"]


def idempotency_table() -> str:
    """Name of the DynamoDB table of what ends soon: idempotent calls, and counts of uploads."""
    return os.environ["IDEMPOTENCY_TABLE"]


def bucket() -> str:
    """Name of the private bucket of uploads and renditions."""
    return os.environ["BUCKET"]


def cleanup_queue_url() -> str:
    """Address of the queue of what could not be deleted yet."""
    return os.environ["CLEANUP_QUEUE_URL"]


def secret_arn() -> str:
    """ARN of the Secrets Manager secret that holds the service's secret key."""
    return os.environ["SECRET_KEY_ARN"]


def jwt_issuer() -> str:
    """The `iss` that a user's token must carry; empty if users' tokens are not accepted."""
    return os.environ["JWT_ISSUER"]


def jwt_audiences() -> frozenset[str]:
    """The audiences of users' tokens, one of which a token must be for; `*` accepts any token."""
    return frozenset(filter(None, os.environ["JWT_AUDIENCE"].split(",")))


def jwt_jwks() -> str:
    """A JWKS document as JSON, or the https address of one (RFC 7517)."""
    return os.environ["JWT_JWKS"]


def create_users_from_tokens() -> bool:
    """Whether the first call with a user's token creates the user."""
    return os.environ["CREATE_USERS_FROM_TOKENS"] == "true"


def admin_api_app_id() -> str:
    """The app id in the addresses and tokens of Authgear's Admin API."""
    return os.environ["ADMIN_API_APP_ID"]


def admin_api_jwks() -> str:
    """The public Admin API keys: a JWKS as JSON or its https address; empty for none."""
    return os.environ["ADMIN_API_JWKS"]


def public_pictures() -> bool:
    """Whether a picture has an address that anybody may open; all are signed otherwise."""
    return os.environ["PUBLIC_PICTURES"] == "true"


def face_framing() -> bool:
    """Whether photos are framed on the faces in them, unless the user frames them."""
    return os.environ["FACE_FRAMING"] == "true"


def public_origin() -> str:
    """Scheme and host that the API is reached at; empty where that is API Gateway's own."""
    return os.environ["PUBLIC_ORIGIN"]


def pictures_origin() -> str:
    """Scheme and host of the CDN in front of public pictures; empty where there is none."""
    return os.environ["PICTURES_ORIGIN"]
