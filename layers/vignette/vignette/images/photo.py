"""A photograph in, renditions out.

What arrives is hostile until shown otherwise. A photo is identified by its own bytes, is given
to the one decoder of that format and to no other, and has its pixels counted from its header
before any is decoded. Whatever goes wrong is an `UnreadableImage` with a reason. What leaves is
encoded anew from pixels, so nothing of the original file is in it.
"""

import base64
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from io import BytesIO
from math import ceil, floor

import thumbhash  # type: ignore[import-untyped]
from PIL import Image, ImageCms

from vignette import settings
from vignette.crop import CENTRE, Crop, Framing
from vignette.images import formats, icc, libwebp
from vignette.images.framing import frame_faces
from vignette.images.messages import UnreadableImage

# A photo that is much too large is first shrunk by averaging blocks of pixels, which is many times
# cheaper than a filter. At least this many times the wanted pixels are left for the filter.
# Averaging makes a picture softer, so that a sharper filter follows it.
_FILTER_GAP = 1.5
_FILTER, _FILTER_AFTER_AVERAGING = Image.Resampling.BICUBIC, Image.Resampling.LANCZOS

# EXIF 2.32, tag 0x0112: how to turn a photo upright.
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_SIDEWAYS = (5, 6, 7, 8)
# From a place in the upright photo to the place in the stored one, as fractions of width and
# height.
_STORED: dict[int, Callable[[float, float], tuple[float, float]]] = {
    1: lambda x, y: (x, y),
    2: lambda x, y: (1 - x, y),
    3: lambda x, y: (1 - x, 1 - y),
    4: lambda x, y: (x, 1 - y),
    5: lambda x, y: (y, x),
    6: lambda x, y: (y, 1 - x),
    7: lambda x, y: (1 - y, 1 - x),
    8: lambda x, y: (1 - y, x),
}

# libwebp's method, 0 to 6. Everything waits for the largest picture: there, half of the time is
# worth three percent more bytes. The others are encoded at the same time, and more thoroughly, but
# not of a JPEG: it is decoded so fast that they would be finished last.
_QUICK, _THOROUGH = 2, 4

# Pixels across, below which a picture is kept exactly: icons and pixel art are this small, and WebP
# otherwise stores colours at half the resolution.
_LOSSLESS_BELOW = 64

# ThumbHash keeps seven waves across at most, which this many pixels show: more would cost time and
# change next to nothing.
_PLACEHOLDER_SIDE = 16


@dataclass(frozen=True, slots=True)
class Rendition:
    """One finished WebP picture.

    `size` is the one asked for; `width` and `height` are its pixels, fewer where the photo is
    smaller than that, for a photo is never enlarged.
    """

    size: int
    width: int
    height: int
    body: bytes


@dataclass(frozen=True, slots=True)
class Framed:
    """The square of a photo that is shown: its pixels, upright, sRGB, in RGB or RGBA."""

    picture: Image.Image
    crop: Crop
    framing: Framing


class Photo:
    """A photo whose header was read and found acceptable; its pixels are not decoded yet.

    `width` and `height` are its pixels when upright.
    """

    def __init__(self, source: formats.Source) -> None:
        self._source = source
        self.format = source.format
        self.width, self.height = source.size
        if source.orientation in _SIDEWAYS:
            self.width, self.height = self.height, self.width
        self._effort = _QUICK if source.format == "JPEG" else _THOROUGH

    def renditions(
        self,
        sizes: Sequence[int] = settings.RENDITION_SIZES,
        quality: int = settings.WEBP_QUALITY,
        framed: "Framed | None" = None,
    ) -> list[Rendition]:
        """Square, upright sRGB WebP pictures of what is framed: of the centre unless told.

        Raises:
            UnreadableImage: `corrupt_image` or `too_many_pixels`.
        """
        picture = (framed or self.framed(max(sizes))).picture
        with ThreadPoolExecutor(2) as encoders:
            encoding: list[tuple[int, int, Future[bytes]]] = []
            for size in sorted(sizes, reverse=True):
                if not encoding or size < picture.width:
                    side = min(size, picture.width)
                    picture = picture.resize((side, side), Image.Resampling.LANCZOS)
                    effort = self._effort if encoding else _QUICK
                    current = encoders.submit(_webp, picture, quality, effort)
                encoding.append((size, picture.width, current))
        return [Rendition(size, side, side, body.result()) for size, side, body in encoding]

    def framed(
        self,
        side: int = max(settings.RENDITION_SIZES),
        *,
        crop: Crop | None = None,
        find_faces: bool = False,
    ) -> "Framed":
        """The square that is shown, decoded: at most `side` pixels across, never enlarged.

        That of the `crop`; without one around the faces, if they are to be found and there are
        some, else the centre.

        Raises:
            UnreadableImage: `corrupt_image` or `too_many_pixels`.
        """
        with _reading():
            framing, seen = Framing.USER, None
            if crop is None and find_faces:
                seen = _glance(self._source, side)
                crop, framing = self._around_faces(seen), Framing.FACE
            if crop is None:  # and then no picture depends on whether faces are to be found
                crop, framing, seen = CENTRE, Framing.CENTRE, None
            crop = crop.inside(self.width, self.height)
            side = min(side, crop.side(self.width, self.height))
            return Framed(_square(self._source, self._stored(crop), side, seen), crop, framing)

    def _around_faces(self, seen: formats.Raster) -> Crop | None:
        """The crop that shows the faces in a photo, if there are any."""
        from vignette.images.faces import find_faces  # NumPy takes long to import

        longer = max(seen.size)

        def picture(side: int) -> Image.Image:
            reduced = seen.reduced((0, 0, *seen.size), longer // side)
            if reduced.mode == "RGBa":
                reduced = reduced.convert("RGBA")
            return _upright(reduced.convert("RGB"), self._source.orientation)

        return frame_faces(find_faces(longer, picture), self.width, self.height)

    def _stored(self, crop: Crop) -> tuple[float, float, int]:
        """Where the centre of a crop is in the photo as it is stored, and how wide that is."""
        x, y = _STORED[self._source.orientation](crop.x, crop.y)
        return x, y, crop.side(self.width, self.height)

    def whole(self, side: int, quality: int = settings.WEBP_QUALITY) -> bytes:
        """The uncropped photo as an upright sRGB WebP picture, its longer side at most `side`.

        Before `renditions`, which then work on what this has decoded where that is possible.

        Raises:
            UnreadableImage: `corrupt_image` or `too_many_pixels`.
        """
        with _reading():
            picture = _whole(self._source, side)
        return _webp(picture, quality, _QUICK)


def open_photo(data: bytes) -> Photo:
    """Identify a photo by its bytes and read its header.

    Raises:
        UnreadableImage: `empty`, `unsupported_format`, `corrupt_image`, or `too_many_pixels`
            where its width times its height is over `settings.MAX_PIXELS`.
    """
    if not data:
        raise UnreadableImage("empty")
    with _reading():
        source = formats.open_source(data)
        width, height = source.size
        if width * height > settings.MAX_PIXELS:
            raise UnreadableImage("too_many_pixels")
        return Photo(source)


def placeholder(rendition: bytes) -> str:
    """What a square rendition looks like: a ThumbHash in base64, about 25 bytes."""
    side, _, _ = libwebp.read_features(rendition)
    picture = libwebp.decode(rendition, (0, 0, side, side), (side, side)).convert("RGBA")
    # The library (0.1.2) fails on transparent pixels.
    opaque = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture)
    size = (min(side, _PLACEHOLDER_SIDE),) * 2
    small = opaque.resize(size, Image.Resampling.BOX)
    hashed = thumbhash.rgba_to_thumb_hash(*size, list(small.tobytes()))
    return base64.b64encode(bytes(hashed)).decode()


@contextmanager
def _reading() -> Iterator[None]:
    """Turn whatever a decoder says of a bad file into one error.

    Raises:
        UnreadableImage: `corrupt_image` or `too_many_pixels`.
    """
    try:
        yield
    except UnreadableImage:
        raise
    except Image.DecompressionBombError as error:
        raise UnreadableImage("too_many_pixels") from error
    except Exception as error:  # decoders raise nearly anything for broken files
        # libavif and libheif report it in words.
        if isinstance(error, MemoryError) or "memory" in str(error).lower():
            raise UnreadableImage("too_many_pixels") from error
        raise UnreadableImage("corrupt_image") from error


def _square(
    source: formats.Source,
    place: tuple[float, float, int],
    side: int,
    seen: formats.Raster | None = None,
) -> Image.Image:
    """A square of a photo, decoded, `side` pixels across, upright, sRGB, in RGB or RGBA.

    Its place is its centre, as fractions of the width and height that are stored, and its pixels
    across in the photo. It is cut out of what was `seen` of the photo if that will do.
    """
    width, height = source.size
    x, y, edge = place
    left, top = x * width - edge / 2, y * height - edge / 2
    if (x, y) != (0.5, 0.5):  # whole pixels, so that a small crop is not blurred
        left, top = round(left), round(top)
    outer = _whole_pixels((left, top, left + edge, top + edge))
    raster = seen if seen and seen.suffices(outer, side) else source.decode(outer, side)
    left, top = left - raster.origin[0], top - raster.origin[1]
    (across, down), (right, bottom) = raster.scale, raster.size
    box = (
        left * across,
        top * down,
        min((left + edge) * across, right),
        min((top + edge) * down, bottom),
    )
    return _cut(source, raster, box, (side, side))


def load_detector() -> None:
    """Load the face detector, which reads files."""
    from vignette.images import faces

    faces.load()


def _glance(source: formats.Source, side: int) -> formats.Raster:
    """A whole photo to look for faces in, and for a square of `side` pixels around them."""
    from vignette.images.faces import LOOKS

    side = min(side, *source.size)
    if source.glance is None:
        return source.decode((0, 0, *source.size), side)
    return source.glance(max(LOOKS), side)


def _whole(source: formats.Source, side: int) -> Image.Image:
    """A whole photo, decoded, its longer side at most `side` pixels, like `_square` otherwise."""
    scale = min(1.0, side / max(source.size))
    width, height = (max(1, round(pixels * scale)) for pixels in source.size)
    raster = source.decode((0, 0, *source.size), min(width, height))
    return _cut(source, raster, (0, 0, *raster.size), (width, height))


def _cut(
    source: formats.Source,
    raster: formats.Raster,
    box: tuple[float, float, float, float],
    size: tuple[int, int],
) -> Image.Image:
    """A box of decoded pixels, scaled to `size` pixels, upright, sRGB, in RGB or RGBA."""
    # First averaging, by a whole factor; the filter does the rest.
    gap = min((box[2] - box[0]) / size[0], (box[3] - box[1]) / size[1])
    factor = int(gap / _FILTER_GAP) or 1
    outer = _whole_pixels(box)
    averaged = raster.reduced(outer, factor)
    image = _resize(
        averaged,
        size,
        (
            (box[0] - outer[0]) / factor,
            (box[1] - outer[1]) / factor,
            (box[2] - outer[0]) / factor,
            (box[3] - outer[1]) / factor,
        ),
        _FILTER if factor == 1 else _FILTER_AFTER_AVERAGING,
    )
    return _upright(_srgb(image, source.icc_profile), source.orientation)


def _upright(image: Image.Image, orientation: int) -> Image.Image:
    return image.transpose(_UPRIGHT[orientation]) if orientation in _UPRIGHT else image


def _whole_pixels(box: tuple[float, float, float, float]) -> formats.Box:
    """A box with all pixels that another one has parts of."""
    return floor(box[0]), floor(box[1]), ceil(box[2]), ceil(box[3])


def _resize(
    image: Image.Image,
    size: tuple[int, int],
    box: tuple[float, float, float, float],
    resample: Image.Resampling,
) -> Image.Image:
    """A box of an image, scaled to `size` pixels: its upper and lower half at the same time."""
    left, top, right, bottom = box
    width, height = size
    upper = height // 2
    middle = top + (bottom - top) * upper / height

    def part(rows: int, first: float, last: float) -> Image.Image:
        return image.resize((width, rows), resample, box=(left, first, right, last))

    if not upper:
        return part(height, top, bottom)
    whole = Image.new(image.mode, size)
    with ThreadPoolExecutor(1) as other:
        below = other.submit(part, height - upper, middle, bottom)
        whole.paste(part(upper, top, middle), (0, 0))
        whole.paste(below.result(), (0, upper))
    return whole


def _srgb(image: Image.Image, icc_profile: bytes | None) -> Image.Image:
    """The image as sRGB, RGB or RGBA, converted from the embedded profile if it is usable."""
    if image.mode == "RGBa":
        image = image.convert("RGBA")
    alpha = image.getchannel("A") if image.mode == "RGBA" else None
    colours = image.convert("RGB") if alpha else image
    if icc_profile and (profile := icc.reduced(icc_profile)):
        # A broken profile, or one for another kind of pixels, is ignored.
        with suppress(ImageCms.PyCMSError, OSError, ValueError, TypeError):
            colours = ImageCms.profileToProfile(  # type: ignore[assignment]
                colours,
                ImageCms.ImageCmsProfile(BytesIO(profile)),
                ImageCms.createProfile("sRGB"),
                outputMode="RGB",
            )
    colours = colours.convert("RGB")
    if alpha:
        colours.putalpha(alpha)
    return colours


def _webp(picture: Image.Image, quality: int, effort: int) -> bytes:
    lossless = max(picture.size) < _LOSSLESS_BELOW
    return libwebp.encode(picture, quality=quality, effort=effort, lossless=lossless)
