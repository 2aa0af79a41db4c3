"""People in photos, and where their heads are: what framing faces is measured on.

Photographs are in `portraits`. Scenes are composed of the portrait in this directory and of the
landscapes, and LFW's faces come with scikit-image; photographs of the White House are in the source
of packages, which `tests.bench.faces` fetches. Where the heads are was marked by hand.
"""

import importlib
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import cos, hypot, pi, sin

from PIL import Image

from tests.photos import HERE, STORED, encoded, exif, photo
from vignette.crop import Crop
from vignette.images.faces import Face, find_faces

type Box = tuple[int, int, int, int]  # left, top, right and bottom

_STEPS = 40  # points that stand for an outline
_TOUCHING = 1.01  # of a radius: an outline may touch the circle


@dataclass(frozen=True, slots=True)
class Head:
    """A head, from the hair to the chin and from ear to ear, as fractions of a photo's sides."""

    left: float
    top: float
    right: float
    bottom: float

    def mirrored(self) -> "Head":
        """The head in the mirror image of its photo."""
        return Head(1 - self.right, self.top, 1 - self.left, self.bottom)

    def outline(self, width: int, height: int) -> Iterator[tuple[float, float]]:
        """The oval of the head, in pixels of a photo of so many."""
        for step in range(_STEPS):
            turned = 2 * pi * step / _STEPS
            x = (self.left + self.right + (self.right - self.left) * cos(turned)) / 2
            y = (self.top + self.bottom + (self.bottom - self.top) * sin(turned)) / 2
            yield x * width, y * height


@dataclass(frozen=True, slots=True)
class Scene:
    """A photo with people in it: the file, its pixels when upright, and who is to be shown."""

    kind: str
    data: bytes
    size: tuple[int, int]
    heads: Sequence[Head]

    def shows(self, crop: Crop) -> bool:
        """Whether the circle in a square of the photo holds every head."""
        width, height = self.size
        radius = crop.size * min(self.size) / 2
        return self._is_inside(crop.x * width, crop.y * height, radius)

    def has_room(self) -> bool:
        """Whether any circle inside of the photo holds every head."""
        width, height = self.size
        points = [point for head in self.heads for point in head.outline(width, height)]
        x, y = ((min(each) + max(each)) / 2 for each in zip(*points, strict=True))
        largest = min(self.size) / 2
        return any(
            self._is_inside(
                min(max(x, radius), width - radius), min(max(y, radius), height - radius), radius
            )
            for radius in (largest * share / 100 for share in range(1, 101))
        )

    def _is_inside(self, x: float, y: float, radius: float) -> bool:
        points = [point for head in self.heads for point in head.outline(*self.size)]
        return all(hypot(px - x, py - y) <= _TOUCHING * radius for px, py in points)


# The portrait of `astronaut.jpg`, 512 pixels across.
PORTRAIT = Head(152 / 512, 14 / 512, 302 / 512, 190 / 512)
_CUT_OUT = (90, 0, 330, 380)  # of it: somebody to put into a landscape
_PLACES = ((0.25, 0.3), (0.5, 0.5), (0.8, 0.35), (0.15, 0.65), (0.7, 0.6))
_GROUPS = (  # whoever stands behind comes first
    ((2400, 1600), [((0.42, 0.45), 0.2), ((0.6, 0.45), 0.2)]),
    ((2400, 1600), [((0.42, 0.4), 0.2), ((0.57, 0.5), 0.13)]),
    ((2400, 1600), [((0.5, 0.3), 0.2), ((0.41, 0.55), 0.18), ((0.58, 0.55), 0.16)]),
    ((1200, 1600), [((0.3, 0.4), 0.2), ((0.68, 0.42), 0.18)]),
)
# Where the head is in a photograph, in its pixels.
_PORTRAITS = {
    "hopper.jpg": (152, 20, 374, 338),
    "tesla.jpg": (38, 18, 195, 210),
    "tesla-seated.jpg": (80, 22, 183, 168),
    "tesla-profile.webp": (196, 68, 283, 167),
    "maher.jpg": (235, 45, 605, 360),
    "rossum.jpg": (222, 20, 535, 440),
    "henner.jpg": (48, 0, 458, 428),
    "giunchedi.jpg": (297, 53, 487, 305),
}
# Those in the front row of `citizens.jpg`, likewise.
_CITIZENS = (
    (66, 146, 192, 345),
    (415, 165, 545, 325),
    (710, 200, 850, 345),
    (940, 205, 1055, 378),
    (1215, 215, 1345, 360),
    (1488, 145, 1595, 295),
    (1735, 205, 1840, 340),
)
# Photos within it: from where to where across, and who of them is in it.
_OF_CITIZENS = (
    (0, 330, (0,)),
    (290, 620, (1,)),
    (640, 900, (2,)),
    (860, 1110, (3,)),
    (1100, 1410, (4,)),
    (1400, 1690, (5,)),
    (1640, 1900, (6,)),
    (0, 620, (0, 1)),
    (620, 1110, (2, 3)),
    (860, 1410, (3, 4)),
)
_ENLARGED = 3  # times: as if a camera of today had taken them
_LANDSCAPES = ("china.jpg", "flower.jpg", "coffee.png", "chelsea.png")


def photographs() -> Iterator[Scene]:
    """Photographs of people as they were published, and single people and pairs out of a group."""
    for name, box in _PORTRAITS.items():
        yield published("photographs", (HERE / "portraits" / name).read_bytes(), [box])
    group = (HERE / "portraits/citizens.jpg").read_bytes()
    yield published("photographs of several", group, _CITIZENS[:2])  # more of the row do not fit
    image = Image.open(io.BytesIO(group)).convert("RGB")
    for left, right, people in _OF_CITIZENS:
        part = image.crop((left, 0, right, image.height))
        heads = [marked(_CITIZENS[each], part.size, left) for each in people]
        size = (_ENLARGED * part.width, _ENLARGED * part.height)
        kind = "photographs of several" if len(people) > 1 else "photographs"
        yield _scene(kind, part.resize(size, Image.Resampling.LANCZOS), heads)


def published(kind: str, data: bytes, boxes: Sequence[Box]) -> Scene:
    """A photograph as it is, with heads marked in its pixels."""
    size = Image.open(io.BytesIO(data)).size
    return Scene(kind, data, size, [marked(box, size) for box in boxes])


def marked(box: Box, size: tuple[int, int], begin: int = 0) -> Head:
    """A head marked in the pixels of a photo whose left edge is at `begin`."""
    width, height = size
    left, top, right, bottom = box
    return Head((left - begin) / width, top / height, (right - begin) / width, bottom / height)


def scenes() -> Iterator[Scene]:
    """Photos made of the portrait: every way that people are in photos."""
    for kind, size, shares in (
        ("tall", (1200, 2000), (0.15, 0.25, 0.4)),
        ("wide", (2400, 1000), (0.2, 0.4, 0.6)),
        ("off-centre", (2000, 1500), (0.2, 0.3)),
        ("small in a landscape", (2400, 1600), (0.12, 0.14, 0.17)),
    ):
        for share in shares:
            for number, place in enumerate(_PLACES):
                image, heads = _composed(_LANDSCAPES[number % 4], size, [(place, share)])
                yield _scene(kind, image, heads)
    for number, (size, group) in enumerate(_GROUPS):
        image, heads = _composed(_LANDSCAPES[number], size, group)
        yield _scene("several people", image, heads)
    for number, place in enumerate(_PLACES):
        image, heads = _composed(_LANDSCAPES[number % 4], (1600, 1200), [(place, 0.3)])
        turned = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        yield _scene("mirrored", turned, [head.mirrored() for head in heads])
        yield _scene("grey", image.convert("L"), heads)
    for orientation, stored in STORED.items():
        image, heads = _composed("china.jpg", (1200, 1600), [((0.4, 0.3), 0.2)])
        data = encoded(
            image.transpose(stored) if stored is not None else image, "JPEG", exif=exif(orientation)
        )
        yield Scene("turned by EXIF", data, image.size, heads)
    for left, top, right, bottom in ((0, 0, 512, 512), (64, 0, 384, 512), (100, 0, 512, 240)):
        box = (4 * left, 4 * top, 4 * right, 4 * bottom)
        image = photo(size=(2048, 2048)).crop(box)
        yield _scene("portrait", image, [_within(PORTRAIT, (left, top, right, bottom))])


def lfw() -> tuple[list[Image.Image], list[Image.Image]]:
    """Labeled Faces in the Wild, as scikit-image has it: 100 faces, 100 pictures without one."""
    subset = importlib.import_module("skimage.data").lfw_subset()
    pictures = [Image.fromarray((each * 255).astype("uint8")).convert("RGB") for each in subset]
    return pictures[:100], pictures[100:]


def strangers() -> Iterator[Scene]:
    """LFW's faces, of 25 pixels each, somewhere in landscapes."""
    for number, face in enumerate(lfw()[0]):
        width, height = (1500, 1000) if number % 2 else (1000, 1500)
        share = (0.12, 0.2, 0.3)[number % 3]
        x, y = _PLACES[number % len(_PLACES)]
        side = round(share * height)
        left, top = round(x * width - side / 2), round(y * height - side / 2)
        image = photo(_LANDSCAPES[number % 4], (width, height))
        image.paste(face.resize((side, side), Image.Resampling.BICUBIC), (left, top))
        head = Head(left / width, top / height, (left + side) / width, (top + side) / height)
        yield _scene("LFW in landscapes", image, [head])


def faces_in(picture: Image.Image) -> list[Face]:
    """The faces that are found in an upright RGB picture."""
    return find_faces(max(picture.size), lambda _: picture)


def _composed(
    landscape: str, size: tuple[int, int], people: Sequence[tuple[tuple[float, float], float]]
) -> tuple[Image.Image, list[Head]]:
    """A landscape with people: where the middle of each head is, and how high it is."""
    image = photo(landscape, size)
    person = photo(size=(512, 512)).crop(_CUT_OUT)
    head = _within(PORTRAIT, _CUT_OUT)
    heads = []
    for (x, y), share in people:
        scale = share * size[1] / ((head.bottom - head.top) * person.height)
        width, height = (max(1, round(scale * each)) for each in person.size)
        left = round(x * size[0] - (head.left + head.right) / 2 * width)
        top = round(y * size[1] - (head.top + head.bottom) / 2 * height)
        image.paste(person.resize((width, height), Image.Resampling.LANCZOS), (left, top))
        heads.append(
            Head(
                (left + head.left * width) / size[0],
                (top + head.top * height) / size[1],
                (left + head.right * width) / size[0],
                (top + head.bottom * height) / size[1],
            )
        )
    return image, heads


def _within(head: Head, box: tuple[int, int, int, int]) -> Head:
    """The head in a part of the portrait, 512 pixels across."""
    left, top, right, bottom = box
    return Head(
        (head.left * 512 - left) / (right - left),
        (head.top * 512 - top) / (bottom - top),
        (head.right * 512 - left) / (right - left),
        (head.bottom * 512 - top) / (bottom - top),
    )


def _scene(kind: str, image: Image.Image, heads: Sequence[Head]) -> Scene:
    return Scene(kind, encoded(image, "JPEG", quality=90), image.size, heads)
