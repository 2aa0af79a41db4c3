"""Which square of a photo shows the faces in it: pure geometry.

A picture is shown as a circle, so that what counts is the circle in the square.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import cos, hypot, pi, sin
from typing import TYPE_CHECKING

from vignette import settings
from vignette.crop import Crop

if TYPE_CHECKING:
    from vignette.images.faces import Face


# A face's box as the detector draws it reaches from the forehead to the chin. What follows is in
# heights of that box, and the circle in those of the crop's side.
_HAIR = 0.35  # above the box
_CHIN = 0.05  # below it
_LEVEL_EYES = 0.39  # below its top, of whoever looks straight ahead
_HALF_HEAD = 0.55  # from the middle of the head to an ear, with hair
_OUTLINE = 12  # points that stand for the outline of a head
_AIR = 1.15  # the circle is this many times larger than what it has to hold
_FACE = 0.45  # a face's height in the picture
_LARGEST_FACE, _SMALLEST_FACE = 0.6, 0.35
_SMALLEST_IN_A_GROUP = 1 / 6
_EYES = 0.45  # how far down the eyes are

_SMALLEST = 1 / 15  # of the photo's height: smaller faces are people who walked by
_COUNTS = 0.5  # of the largest face's height: smaller faces are in the background
_SURE = 0.8  # score: what is less surely a face takes no room from one that is

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

    The largest face counts. Others that are at least half its height, and surely faces, are taken
    in, the largest first, where all of them fit.
    """
    large = [face for face in faces if face.height >= _SMALLEST]
    large.sort(key=lambda face: (face.score >= _SURE, face.height), reverse=True)
    if not large:
        return None
    first = large[0]
    shown, circle = [first], _around_one(first, width, height)
    for face in large[1:]:
        if face.height >= _COUNTS * first.height and face.score >= _SURE:
            wider = _around_all([*shown, face], width, height)
            if wider:
                shown.append(face)
                circle = wider
    return Crop(circle.x / width, circle.y / height, 2 * circle.radius / min(width, height))


def _around_one(face: "Face", width: int, height: int) -> _Circle:
    """The circle around one face.

    The first that holds the whole head, with the eyes where they should be. Where the photo is too
    narrow for that, it is the one that holds most, around the middle of the head if need be.
    """
    points = list(_head(face, width, height))
    pixels = face.height * height
    middle = _middle(points)

    def circle(share: float, y: float) -> _Circle:
        return _inside(_Circle(middle[0], y, pixels / share / 2), width, height)

    shares = (_FACE, 0.5, 0.55, _LARGEST_FACE, 0.4, _SMALLEST_FACE)
    circles = [
        circle(share, face.eye_y * height + (0.5 - _EYES) * pixels / share) for share in shares
    ]
    whole = (each for each in circles if each.excess(points) <= 0)
    circles += (circle(share, middle[1]) for share in shares)
    return next(whole, None) or min(circles, key=lambda each: each.excess(points))


def _around_all(faces: Sequence["Face"], width: int, height: int) -> _Circle | None:
    """The circle around several faces, if there is room for all of them in one picture."""
    points = [point for face in faces for point in _head(face, width, height)]
    x, y = _middle(points)
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


def _middle(points: Sequence[tuple[float, float]]) -> tuple[float, float]:
    x, y = ((min(each) + max(each)) / 2 for each in zip(*points, strict=True))
    return x, y


def _head(face: "Face", width: int, height: int) -> Iterator[tuple[float, float]]:
    """Points of the photo, in pixels, that are inside the circle if the whole head is: its oval.

    Whoever looks to one side has the eyes there, and as much more of the head on the other; whoever
    looks down has more of it above.
    """
    pixels = face.height * height
    x = (2 * face.left + face.width - face.eye_x) * width
    lowered = (face.eye_y - face.top) * height - _LEVEL_EYES * pixels
    y = face.top * height + (1 + _CHIN - _HAIR) / 2 * pixels - lowered
    across, down = _HALF_HEAD * pixels, (1 + _CHIN + _HAIR) / 2 * pixels
    for step in range(_OUTLINE):
        turned = 2 * pi * step / _OUTLINE
        # A picture shows nothing outside of the photo.
        px, py = x + across * cos(turned), y + down * sin(turned)
        yield min(max(px, 0), width), min(max(py, 0), height)
