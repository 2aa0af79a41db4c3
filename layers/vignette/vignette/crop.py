"""The square of a photo that is shown: what users choose, records keep and images are cut by."""

from dataclasses import dataclass
from enum import StrEnum


class Framing(StrEnum):
    """Who chose the square."""

    FACE = "face"
    USER = "user"
    CENTRE = "centre"


PLACES = 6  # decimal places that records keep: less than a pixel of any photo
_SMALLEST = 10.0**-PLACES


@dataclass(frozen=True, slots=True)
class Crop:
    """A square of an upright photo.

    `x` and `y` are its centre, as fractions of the photo's width and height; `size` is its side, as
    a fraction of the photo's shorter side.
    """

    x: float
    y: float
    size: float

    def inside(self, width: int, height: int) -> "Crop":
        """The crop moved inside a photo of some pixels, if it reaches over.

        Its size is rounded as records keep it, so that what is cut out has the size that they tell.
        """
        size = max(round(self.size, PLACES), _SMALLEST)
        half = size * min(width, height) / 2

        def moved(centre: float, pixels: int) -> float:
            return min(max(centre * pixels, half), pixels - half) / pixels

        return Crop(moved(self.x, width), moved(self.y, height), size)

    def side(self, width: int, height: int) -> int:
        """Pixels across the crop in a photo of so many: at least one."""
        return max(1, round(self.size * min(width, height)))


CENTRE = Crop(0.5, 0.5, 1.0)
