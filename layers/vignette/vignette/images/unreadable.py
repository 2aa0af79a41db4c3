"""The one way in which a photo fails."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

from PIL.Image import DecompressionBombError

Reason = Literal["empty", "unsupported_format", "corrupt_image", "too_many_pixels"]


class UnreadableImage(Exception):
    """A photo that cannot become a picture. `reason` says why and is safe to show."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason)
        self.reason: Reason = reason


@contextmanager
def reading() -> Iterator[None]:
    """Turn whatever a decoder says of a bad file into an `UnreadableImage`."""
    try:
        yield
    except (UnreadableImage, ImportError):
        raise  # a decoder that is not installed is no fault of the photo
    except DecompressionBombError as error:
        raise UnreadableImage("too_many_pixels") from error
    except Exception as error:  # of broken files, decoders raise nearly anything
        raise UnreadableImage("corrupt_image") from error
