"""Drawing the pictures of initials."""

from functools import cache, lru_cache
from importlib.resources import as_file, files

from PIL import Image, ImageColor, ImageDraw, ImageFont

from vignette.images import libwebp

# Noto Sans: Latin, Greek, Cyrillic and Devanagari.
_FONT = files("fontpkg_noto_sans") / "files/NotoSans[wdth,wght].ttf"
_WEIGHT, _WIDTH = 600, 100
_NO_CHARACTER = "\U0010ffff"
_HEIGHT, _MOST_ACROSS = (
    0.42,
    0.72,
)  # of the side: the letters' size, and what the circle has room for


# Pictures with the same initials are asked for again and again.
@lru_cache(maxsize=256)
def draw(initials: str, colour: str, side: int) -> bytes:
    """A WebP picture, `side` pixels wide and high, of up to two letters on a colour, `#rrggbb`.

    Without letters, or with some that the font lacks, it shows a person's outline.
    """
    font = _font(round(side * _HEIGHT))
    if initials and all(_has(font, letter) for letter in initials):
        image = _letters(initials, font, colour, side)
    else:
        image = _person(colour, side)
    # There are few colours: more effort takes twice the time and saves no bytes.
    return libwebp.encode(image, quality=0, effort=1, lossless=True)


@cache
def _font(size: int) -> ImageFont.FreeTypeFont:
    """The font of the letters in a size, in pixels; loading it takes longer than drawing."""
    with as_file(_FONT) as path:
        font = ImageFont.truetype(path, size)
    font.set_variation_by_axes([_WEIGHT, _WIDTH])
    return font


def _has(font: ImageFont.FreeTypeFont, letter: str) -> bool:
    """Whether a font has a glyph for a letter."""
    return bytes(font.getmask(letter)) != bytes(font.getmask(_NO_CHARACTER))


def _letters(initials: str, font: ImageFont.FreeTypeFont, colour: str, side: int) -> Image.Image:
    image = Image.new("RGB", (side, side), colour)
    across = font.getlength(initials) / (_MOST_ACROSS * side)
    if across > 1:
        font = _font(round(side * _HEIGHT / across))
    # Capitals stand on the baseline; their height is what has to be centred.
    _, top, _, bottom = font.getbbox("H", anchor="ls")
    baseline = (side - top - bottom) / 2
    canvas = ImageDraw.Draw(image)
    canvas.text((side / 2, baseline), initials, fill="white", font=font, anchor="ms")
    return image


def _person(colour: str, side: int) -> Image.Image:
    side *= 2  # curves come out smooth when they are scaled down
    image = Image.new("RGB", (side, side), colour)
    canvas = ImageDraw.Draw(image)
    tint = tuple(round(0.25 * part + 0.75 * 255) for part in ImageColor.getrgb(colour))
    canvas.circle((0.5 * side, 0.38 * side), 0.17 * side, fill=tint)
    canvas.ellipse((0.18 * side, 0.62 * side, 0.82 * side, 1.3 * side), fill=tint)
    return image.reduce(2)
