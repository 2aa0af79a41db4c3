"""The picture in the README: photos before and after, and a list of pictures beside initials.

    PYTHONPATH=layers/vignette python -m tools.renditions

writes `docs/renditions.webp` from test photographs in the public domain (tests/photos/README.md).
"""

import io
from importlib.resources import as_file, files
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont
from tests.photos import HERE, encoded, photo

from vignette.domain import avatars
from vignette.images.photo import open_photo

SHEET = Path(__file__).parents[1] / "docs" / "renditions.webp"
INK, FAINT, PAPER = "#1f2328", "#59636e", "#ffffff"

# Pixels, as are the numbers below.
WIDTH, HEIGHT, MARGIN = 1120, 645, 20
COLUMN = (WIDTH - 2 * MARGIN) // 3
PHOTO = (COLUMN - 40, 220)
LARGE, SMALL = 150, 64
TEXT = 15
# Photos of cameras have many times more pixels than a rendition; the portrait has 512.
ENLARGED = 4


def portrait(left: int = 0, top: int = 0, right: int = 512, bottom: int = 512) -> Image.Image:
    """A part of the portrait, as large as if a camera of today had taken it."""
    whole = photo(size=(512 * ENLARGED, 512 * ENLARGED))
    left, top, right, bottom = (ENLARGED * each for each in (left, top, right, bottom))
    return whole.crop((left, top, right, bottom))


def group() -> Image.Image:
    """Two people out of a row of seven, likewise."""
    people = Image.open(HERE / "portraits/citizens.jpg").convert("RGB").crop((20, 0, 580, 820))
    size = (ENLARGED * people.width, ENLARGED * people.height)
    return people.resize(size, Image.Resampling.LANCZOS)


def served(image: Image.Image, size: int, *, find_faces: bool = True) -> Image.Image:
    """A rendition of a photo, as the service makes it."""
    opened = open_photo(encoded(image, "JPEG", quality=92))
    framed = opened.framed(find_faces=find_faces)
    (rendition,) = opened.renditions((size,), framed=framed)
    return Image.open(io.BytesIO(rendition.body))


def default(colour: int, letters: str) -> Image.Image:
    """A default picture, as the service draws it."""
    body = avatars.draw(avatars.COLOURS[colour], f"{letters}.webp", wanted=2 * SMALL)
    return Image.open(io.BytesIO(body))


class Sheet:
    """The picture that all others are put on."""

    def __init__(self) -> None:
        self.image = Image.new("RGB", (WIDTH, HEIGHT), PAPER)
        self._canvas = ImageDraw.Draw(self.image)
        with as_file(files("fontpkg_noto_sans") / "files/NotoSans[wdth,wght].ttf") as path:
            self._font = ImageFont.truetype(path, TEXT)

    def text(self, place: tuple[int, int], text: str, colour: str, anchor: str = "mm") -> None:
        """A line of text at a place; the anchor is Pillow's."""
        self._canvas.text(place, text, fill=colour, font=self._font, anchor=anchor)

    def circle(self, middle: tuple[int, int], picture: Image.Image, side: int) -> None:
        """A picture in a circle, as applications show it."""
        mask = Image.new("L", (4 * side, 4 * side))
        ImageDraw.Draw(mask).ellipse((0, 0, 4 * side - 1, 4 * side - 1), fill=255)
        shown = picture.convert("RGB").resize((side, side), Image.Resampling.LANCZOS)
        corner = (middle[0] - side // 2, middle[1] - side // 2)
        self.image.paste(shown, corner, mask.resize((side, side), Image.Resampling.LANCZOS))

    def comparison(self, middle: int, name: str, image: Image.Image) -> None:
        """A photo, its centre and what faces make of it, one column around `middle`."""
        small = image.copy()
        small.thumbnail(PHOTO, Image.Resampling.LANCZOS)
        self.image.paste(small, (middle - small.width // 2, MARGIN + PHOTO[1] - small.height))
        self.text((middle, MARGIN + PHOTO[1] + 18), name, INK)
        below = MARGIN + PHOTO[1] + 44
        for side, label, find_faces in (
            (-1, "before: the centre", False),
            (1, "after: the face", True),
        ):
            across = middle + side * (LARGE // 2 + 8)
            picture = served(image, 256, find_faces=find_faces)
            self.circle((across, below + LARGE // 2), picture, LARGE)
            self.text((across, below + LARGE + 16), label, FAINT)


def main() -> None:
    """Draw the sheet."""
    sheet = Sheet()
    photos = (
        ("A tall photo", portrait(64, 0, 384, 512)),
        ("A wide photo", portrait(150, 20, 512, 250)),
        ("A group", group()),
    )
    for number, (name, image) in enumerate(photos):
        sheet.comparison(MARGIN + COLUMN * number + COLUMN // 2, name, image)

    people = (
        ("Eileen Collins", served(portrait(), 2 * SMALL)),
        ("Grace Hopper", default(6, "GH")),
        ("Chelsea", served(photo("chelsea.png", (451, 300)), 2 * SMALL)),
        ("Юрий Гагарин", default(8, "ЮГ")),
        ("Coffee", served(photo("coffee.png", (600, 400)), 2 * SMALL)),
        ("no name", default(4, "outline")),
    )
    for number, (name, picture) in enumerate(people):
        left = MARGIN + COLUMN * (number % 3) + 48
        middle = HEIGHT - MARGIN - SMALL // 2 - (SMALL + 12) * (number < 3)
        sheet.circle((left + SMALL // 2, middle), picture, SMALL)
        sheet.text((left + SMALL + 14, middle), name, INK, "lm")
    sheet.image.save(SHEET, "WEBP", quality=88, method=6)


if __name__ == "__main__":
    main()
