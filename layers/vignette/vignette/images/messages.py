"""What a function and its decoder tell each other, and how it is written down.

The decoder may have been taken over by the photo that it has read, so its answer is JSON and raw
bytes, and is believed only as far as it was checked.
"""

import json
import re
import struct
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, get_args

from vignette import settings
from vignette.crop import Crop, Framing

Reason = Literal["empty", "unsupported_format", "corrupt_image", "too_many_pixels"]

_LENGTH = struct.Struct(">I")  # of the JSON that an answer begins with, in bytes
_MAX_JSON_BYTES = 64 * 1024


class UnreadableImage(Exception):
    """A photo that cannot become a picture. `reason` says why and is safe to show."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason)
        self.reason: Reason = reason


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to make of a photo.

    `squares` are the sides of square renditions, and `wholes` the longer sides of uncropped ones
    by their names, all in pixels. No photo is enlarged. `quality` is WebP's, 0 to 100. The squares
    show the `crop`; without one, what faces there are if they are to be found, else the centre.
    """

    squares: tuple[int, ...] = settings.RENDITION_SIZES
    wholes: Mapping[str, int] = field(default_factory=dict)
    quality: int = settings.WEBP_QUALITY
    crop: Crop | None = None
    find_faces: bool = False

    @property
    def names(self) -> set[str]:
        """The names of the renditions: those of squares are their sides."""
        return {*map(str, self.squares), *self.wholes}

    def pack(self) -> bytes:
        """What is wanted, as a decoder reads it."""
        return json.dumps(asdict(self)).encode()

    @classmethod
    def unpack(cls, message: bytes) -> "Wanted":
        """What `pack` wrote."""
        fields = json.loads(message)
        crop = fields["crop"]
        return cls(**{**fields, "crop": Crop(**crop) if crop else None})


@dataclass(frozen=True, slots=True)
class Result:
    """What became of a photo: its width and height in pixels, upright, and its renditions.

    Each rendition is a WebP file, under its name; the squares show the `crop`. The `placeholder` is
    a ThumbHash in base64.
    """

    width: int
    height: int
    crop: Crop
    framing: Framing
    placeholder: str
    renditions: Mapping[str, bytes]

    def pack(self) -> bytes:
        """The result as an answer."""
        sizes = {name: len(body) for name, body in self.renditions.items()}
        head = {
            "width": self.width,
            "height": self.height,
            "crop": asdict(self.crop),
            "framing": self.framing,
            "placeholder": self.placeholder,
            "renditions": sizes,
        }
        return _packed(head) + b"".join(self.renditions.values())


def pack_reason(reason: Reason) -> bytes:
    """An answer that a photo cannot become a picture."""
    return _packed({"reason": reason})


def unpack_answer(answer: bytes, wanted: Wanted) -> Result:
    """The result in an answer of the decoder.

    Raises:
        UnreadableImage: for the reason that the answer gives.
        ValueError: It is not a whole answer to what was wanted.
    """
    try:
        (length,) = _LENGTH.unpack_from(answer)
        body = answer[_LENGTH.size + length :]
        if length > _MAX_JSON_BYTES:
            raise ValueError("a long answer")
        head = json.loads(answer[_LENGTH.size : _LENGTH.size + length])
        if (reason := head.get("reason")) in get_args(Reason):
            raise UnreadableImage(reason)
        width, height, sizes = head["width"], head["height"], head["renditions"]
        if not (_is_count(width) and _is_count(height) and sizes.keys() == wanted.names):
            raise ValueError("another answer")
        crop, placeholder = Crop(**head["crop"]), head["placeholder"]
        if not (all(map(_is_share, (crop.x, crop.y, crop.size))) and _is_placeholder(placeholder)):
            raise ValueError("another answer")
        renditions = {}
        for name, size in sizes.items():
            renditions[name], body = body[:size], body[size:]
            _check_webp(renditions[name])
        if body:
            raise ValueError("bytes left over")
    except (struct.error, AttributeError, KeyError, TypeError, RecursionError) as error:
        raise ValueError("not an answer") from error
    return Result(width, height, crop, Framing(head["framing"]), placeholder, renditions)


def _packed(head: Mapping[str, Any]) -> bytes:
    text = json.dumps(head).encode()
    return _LENGTH.pack(len(text)) + text


def _is_count(value: object) -> bool:
    return type(value) is int and 0 < value <= settings.MAX_PIXELS


def _is_share(value: object) -> bool:
    return isinstance(value, int | float) and 0 <= value <= 1


def _is_placeholder(value: object) -> bool:
    return isinstance(value, str) and re.fullmatch(r"[A-Za-z0-9+/]{20,60}={0,2}", value) is not None


def _check_webp(body: bytes) -> None:
    """Check that these bytes are one RIFF file of the kind WEBP.

    Raises:
        ValueError: They are not.
    """
    if body[:4] != b"RIFF" or body[8:12] != b"WEBP":
        raise ValueError("not a WebP file")
    if int.from_bytes(body[4:8], "little") + 8 != len(body):
        raise ValueError("not one WebP file")
