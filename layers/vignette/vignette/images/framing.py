"""Which square of a photo shows the faces in it: pure geometry.

A picture is shown as a circle, so that what counts is the circle in the square.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import hypot
from typing import TYPE_CHECKING

from vignette import settings
from vignette.crop import Crop

if TYPE_CHECKING:
    from vignette.images.faces import Face


# A face's box as the detector draws it reaches from the forehead to the chin. What follows is in
# heights of that box, and the circle in those of the crop's side.
_HAIR = 0.3  # above the box
_HALF_HEAD = 0.55  # from the middle of the face to an ear, with hair
_AIR = 1.15  # the circle is this many times larger than what it has to hold
_FACE = 0.45  # a face's height in the picture
_LARGEST_FACE, _SMALLEST_FACE = 0.6, 0.35
_SMALLEST_IN_A_GROUP = 1 / 6
_EYES = 0.45  # how far down the eyes are

_SMALLEST = 1 / 15  # of the photo's height: smaller faces are people who walked by
_COUNTS = 0.5  # of the largest face's height: smaller faces are in the background

_MOST_PIXELS = max(settings.RENDITION_SIZES)


@dataclass(frozen=True, slots=True)
class _Circle:
    """A circle in pixels of a photo."""

    x: float
    y: float
    radius: float

    def excess(self, points: Sequence[tuple[float, float]]) -> float:
        """How far the farthest of some points is outside, in radii; at most 0 if none is."""
        farthest = max(hypot(x - self.x, y - self.y) for x, y in points)
        return round(farthest / self.radius - 1, 6)


def frame_faces(faces: Sequence["Face"], width: int, height: int) -> Crop | None:
    """The square around the faces of a photo of some pixels, or None if there are none to show.

    The largest face counts. Others that are at least half its height are taken in, the largest
    first, where all of them fit.
    """
    large = [face for face in faces if face.height >= _SMALLEST]
    large.sort(key=lambda face: face.height, reverse=True)
    if not large:
        return None
    first = large[0]
    shown, circle = [first], _around_one(first, width, height)
    for face in large[1:]:
        if face.height >= _COUNTS * first.height:
            wider = _around_all([*shown, face], width, height)
            if wider:
                shown.append(face)
                circle = wider
    return Crop(circle.x / width, circle.y / height, 2 * circle.radius / min(width, height))


def _around_one(face: "Face", width: int, height: int) -> _Circle:
    """The circle around one face: of those that would do, the one that holds most of the head."""
    points = list(_head(face, width, height))
    pixels = face.height * height

    def circle(share: float) -> _Circle:
        side = pixels / share
        x = (face.left + face.width / 2) * width
        y = face.eye_y * height + (0.5 - _EYES) * side
        return _inside(_Circle(x, y, side / 2), width, height)

    shares = (_FACE, 0.5, 0.55, _LARGEST_FACE, 0.4, _SMALLEST_FACE)
    circles = [circle(share) for share in shares]
    whole = (each for each in circles if each.excess(points) <= 0)
    return next(whole, None) or min(circles, key=lambda each: each.excess(points))


def _around_all(faces: Sequence["Face"], width: int, height: int) -> _Circle | None:
    """The circle around several faces, if there is room for all of them in one picture."""
    points = [point for face in faces for point in _head(face, width, height)]
    x, y = ((min(each) + max(each)) / 2 for each in zip(*points, strict=True))
    radius = _AIR * max(hypot(px - x, py - y) for px, py in points)
    pixels = faces[0].height * height
    circle = _inside(_Circle(x, y, max(radius, pixels / _FACE / 2)), width, height)
    too_small = pixels < _SMALLEST_IN_A_GROUP * 2 * circle.radius
    return None if too_small or circle.excess(points) > 0 else circle


def _inside(circle: _Circle, width: int, height: int) -> _Circle:
    """A circle as near as it can be that is inside of the photo and of no fewer pixels than wanted.

    A picture is never enlarged beyond what the largest rendition needs, where the photo has that.
    """
    radius = min(max(2 * circle.radius, _MOST_PIXELS), width, height) / 2
    x = min(max(circle.x, radius), width - radius)
    y = min(max(circle.y, radius), height - radius)
    return _Circle(x, y, radius)


def _head(face: "Face", width: int, height: int) -> Iterator[tuple[float, float]]:
    """Points of the photo, in pixels, that are inside the circle if the whole head is."""
    pixels = face.height * height
    left, right = face.left * width, (face.left + face.width) * width
    top, bottom = face.top * height, face.top * height + pixels
    x, y = (left + right) / 2, (top + bottom) / 2
    reach = max(_HALF_HEAD * pixels, (right - left) / 2)
    points = [(x, top - _HAIR * pixels)]
    points += ((x + reach, y - 0.1 * pixels) for reach in (-reach, reach))
    points += ((each, bottom) for each in (left, right))
    for x, y in points:  # a picture shows nothing outside of the photo
        yield min(max(x, 0), width), min(max(y, 0), height)
