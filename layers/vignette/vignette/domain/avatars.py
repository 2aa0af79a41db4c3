"""Pictures of users who have none: their initials on a colour of their own.

The address of one contains everything that it shows, so what is at it never changes.
"""

import unicodedata
from typing import TYPE_CHECKING
from urllib.parse import quote
from zlib import crc32

from vignette import settings
from vignette.domain.ids import nearest
from vignette.errors import NotFound

if TYPE_CHECKING:
    from vignette.domain.model import User

# White text on each of these has a contrast of 4.5 or more (WCAG 2.2, 1.4.3).
COLOURS = (
    "9a3412",
    "92400e",
    "3f6212",
    "166534",
    "115e59",
    "155e75",
    "1e40af",
    "3730a3",
    "5b21b6",
    "86198f",
    "9d174d",
    "9f1239",
    "374151",
)
_OUTLINE = "outline"  # of a person, instead of initials


def path(user: "User") -> str:
    """Where the picture of a user's initials is: the colour follows from their id."""
    colour = COLOURS[crc32(user.id.encode()) % len(COLOURS)]
    return f"/avatars/{colour}/{quote(_initials(user) or _OUTLINE)}.webp"


def draw(colour: str, file: str, *, wanted: int | None = None) -> bytes:
    """The WebP picture at an address that `path` can give.

    It has one of the sizes that renditions have: the smallest that is at least `wanted` pixels.

    Raises:
        NotFound: It is not such an address.
    """
    text, _, extension = file.rpartition(".")
    initials = "" if text == _OUTLINE else text
    if (
        colour not in COLOURS
        or extension != "webp"
        or len(initials) > 2
        or (not initials and text != _OUTLINE)
        or any(_initial(each) != each for each in initials)
    ):
        raise NotFound("picture")

    side = nearest(settings.RENDITION_SIZES, wanted or settings.PUBLIC_SIZE)
    from vignette.images.initials import draw as draw_initials  # needs the imaging layer

    return draw_initials(initials, f"#{colour}", side)


def _initials(user: "User") -> str:
    names = (user.first_name, user.last_name)
    initials = "".join(_initial(name) for name in names if name)
    return initials or _initial(user.username or "")


def _initial(name: str) -> str:
    """The first letter of a name as a capital, or nothing if it has no letter."""
    composed = unicodedata.normalize("NFC", name)
    letter = next((each for each in composed if each.isalpha()), "")
    capital = letter.upper()
    return capital if len(capital) == 1 else letter
