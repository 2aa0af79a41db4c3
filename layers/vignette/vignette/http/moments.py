"""Times as the wire formats spell them."""

from datetime import UTC, datetime


def moment(milliseconds: int) -> str:
    """A time since the epoch as RFC 3339 writes it, in UTC, to the millisecond."""
    at = datetime.fromtimestamp(milliseconds / 1000, UTC)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
