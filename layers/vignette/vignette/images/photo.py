"""A photograph in, renditions out.

What arrives is hostile until shown otherwise. A photo is identified by its own bytes, is given
to the one decoder of that format and to no other, and has its pixels counted from its header
before any is decoded. Whatever goes wrong is an `UnreadableImage` with a reason. What leaves is
encoded anew from pixels, so nothing of the original file is in it.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from io import BytesIO
from math import ceil, floor

from PIL import Image, ImageCms

from vignette import settings
from vignette.images import formats, icc, libwebp
from vignette.images.messages import UnreadableImage

# Where a photo is much too large, averaging whole blocks of pixels comes first, which is many
# times cheaper than a filter, and leaves at least this many times the pixels to the filter.
# Averaging softens, so that a sharper filter follows it.
_FILTER_GAP = 1.5
_FILTER, _FILTER_AFTER_AVERAGING = Image.Resampling.BICUBIC, Image.Resampling.LANCZOS

# EXIF 2.32, tag 0x0112: how to turn what is stored into what was seen.
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

# libwebp's method, 0 to 6. The largest picture is what everything waits for: there half of the time
# is worth three percent of the bytes. The others are encoded meanwhile, and more thoroughly, but a
# JPEG is decoded so fast that they would be late.
_QUICK, _THOROUGH = 2, 4

# Pixels across, below which a picture is kept exactly: icons and pixel art are this small, and WebP
# otherwise stores colours at half the resolution.
_LOSSLESS_BELOW = 64


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
    ) -> list[Rendition]:
        """Square, centre-cropped, upright sRGB WebP pictures. To be called once.

        Raises:
            UnreadableImage: `corrupt_image` or `too_many_pixels`.
        """
        side = min(max(sizes), self.width, self.height)
        with _reading():
            picture = _square(self._source, side)
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


@contextmanager
def _reading() -> Iterator[None]:
    """Turn whatever a decoder says of a bad file into an `UnreadableImage`."""
    try:
        yield
    except UnreadableImage:
        raise
    except Image.DecompressionBombError as error:
        raise UnreadableImage("too_many_pixels") from error
    except Exception as error:  # of broken files, decoders raise nearly anything
        # libavif and libheif report it in words.
        if isinstance(error, MemoryError) or "memory" in str(error).lower():
            raise UnreadableImage("too_many_pixels") from error
        raise UnreadableImage("corrupt_image") from error


def _square(source: formats.Source, side: int) -> Image.Image:
    """The centre of a photo, decoded, `side` pixels square, upright, sRGB, in RGB or RGBA."""
    width, height = source.size
    edge = min(width, height)
    left, top = (width - edge) / 2, (height - edge) / 2
    raster = source.decode(_whole_pixels((left, top, left + edge, top + edge)), side)
    left, top = left - raster.origin[0], top - raster.origin[1]
    (across, down), (right, bottom) = raster.scale, raster.size
    box = (
        left * across,
        top * down,
        min((left + edge) * across, right),
        min((top + edge) * down, bottom),
    )
    return _cut(source, raster, box, (side, side))


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
    # Whole pixels first, by averaging; what is left over is the filter's.
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
    image = _srgb(image, source.icc_profile)
    if source.orientation in _UPRIGHT:
        image = image.transpose(_UPRIGHT[source.orientation])
    return image


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
        # A broken profile, or one for another kind of pixels, is as good as none.
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
