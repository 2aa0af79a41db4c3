"""Photographs in, renditions out: the only module that decodes or encodes pictures.

What arrives is hostile until shown otherwise. A photo is identified by its own bytes, is given
to the one decoder of that format and to no other, and has its pixels counted from its header
before any is decoded. Whatever goes wrong is an `UnreadableImage` with a reason. What leaves is
encoded anew from pixels, so nothing of the original file is in it.
"""

import struct
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextlib import suppress
from dataclasses import dataclass
from io import BytesIO
from typing import Literal

from PIL import Image, ImageChops, ImageCms
from PIL.ImageFile import ImageFile

from vignette import settings

Reason = Literal["empty", "unsupported_format", "corrupt_image", "too_many_pixels"]
Format = Literal["JPEG", "PNG", "GIF", "WEBP", "AVIF", "HEIC", "ICO"]

# Pillow refuses twice its limit, and only warns of once. It applies this to every size that it
# learns while it reads: a canvas, a frame larger than its canvas, the picture inside an icon.
Image.MAX_IMAGE_PIXELS = settings.MAX_PIXELS // 2
warnings.simplefilter("ignore", Image.DecompressionBombWarning)

_AVIF_BRANDS = {b"avif", b"avis"}
_HEIC_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"}

# EXIF 2.32, tag 0x0112: how to turn what is stored into what was seen.
_ORIENTATION_TAG = 0x0112
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


class UnreadableImage(Exception):  # noqa: N818, the name callers read
    """A photo that cannot become a picture. `reason` says why and is safe to show."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason)
        self.reason: Reason = reason


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
    """A photo whose header was read and found acceptable; its pixels are not decoded yet."""

    def __init__(self, image_format: Format, image: ImageFile) -> None:
        self.format = image_format
        self._image = image
        self._orientation = _orientation(image) if image_format != "HEIC" else 1
        width, height = image.size
        if self._orientation in _SIDEWAYS:
            width, height = height, width
        self.width, self.height = width, height  # pixels, upright

    def renditions(
        self,
        sizes: Sequence[int] = settings.RENDITION_SIZES,
        quality: int = settings.WEBP_QUALITY,
    ) -> Iterator[Rendition]:
        """Square, centre-cropped, upright sRGB WebP pictures, each as soon as it is encoded.

        Decoding is over when the first one comes out. To be iterated once: the decoded photo is
        let go of on the way.

        Raises:
            UnreadableImage: `corrupt_image` or `too_many_pixels`, before the first rendition.
        """
        with _decoding():
            largest = self._square(min(max(sizes), self.width, self.height))
        with ThreadPoolExecutor(2) as encoders:
            encoding: dict[Future[bytes], list[int]] = {}
            sides: dict[int, Future[bytes]] = {}
            for size in sorted(sizes, reverse=True):
                side = min(size, largest.width)
                if side not in sides:
                    picture = largest.resize((side, side), Image.Resampling.LANCZOS)
                    sides[side] = encoders.submit(_webp, picture, quality)
                encoding.setdefault(sides[side], []).append(size)
            for done in as_completed(encoding):
                for size in encoding[done]:
                    side = min(size, largest.width)
                    yield Rendition(size, side, side, done.result())

    def _square(self, side: int) -> Image.Image:
        """The centre of the photo, decoded, `side` pixels square, upright, RGB or RGBA."""
        image: Image.Image = self._image
        # A JPEG can be decoded at 1/2, 1/4 or 1/8 of its size; other formats ignore this.
        image.draft(None, (2 * side, 2 * side))
        image.load()
        edge = min(image.size)
        left, top = (image.width - edge) / 2, (image.height - edge) / 2
        image = _continuous(image)
        image = image.resize(
            (side, side),
            Image.Resampling.LANCZOS,
            box=(left, top, left + edge, top + edge),
            reducing_gap=3.0,
        )
        image = _srgb(image, self._image.info.get("icc_profile"))
        if self._orientation in _UPRIGHT:
            image = image.transpose(_UPRIGHT[self._orientation])
        return image


def open_photo(data: bytes) -> Photo:
    """Identify a photo by its bytes and read its header.

    Raises:
        UnreadableImage: `empty`, `unsupported_format`, `corrupt_image`, or `too_many_pixels`
            where its width times its height is over `settings.MAX_PIXELS`.
    """
    if not data:
        raise UnreadableImage("empty")
    image_format = _identify(data)
    if image_format is None:
        raise UnreadableImage("unsupported_format")
    with _decoding():
        image = _DECODERS[image_format](data)
        if image.width * image.height > settings.MAX_PIXELS:
            raise UnreadableImage("too_many_pixels")
        return Photo(image_format, image)


def _identify(data: bytes) -> Format | None:
    """The format that the first bytes of a file announce, where it is an accepted one."""
    if data.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG"
    if data.startswith((b"GIF87a", b"GIF89a")):
        return "GIF"
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return "WEBP"
    if data.startswith(b"\0\0\1\0"):
        return "ICO"
    if data[4:8] == b"ftyp":
        # ISO/IEC 14496-12, 4.3: a major brand, a version, compatible brands.
        end = min(int.from_bytes(data[:4]), 256)
        brands = [data[8:12], *(data[at : at + 4] for at in range(16, end, 4))]
        for brand in brands:
            if brand in _AVIF_BRANDS:
                return "AVIF"
            if brand in _HEIC_BRANDS:
                return "HEIC"
    return None


# One decoder per format, imported when a photo needs it. `Image.open` is not used: it would try
# every format that any module of Pillow has registered.


def _open_jpeg(data: bytes) -> ImageFile:
    from PIL.JpegImagePlugin import JpegImageFile

    return JpegImageFile(BytesIO(data))


def _open_png(data: bytes) -> ImageFile:
    from PIL.PngImagePlugin import PngImageFile

    return PngImageFile(BytesIO(data))


def _open_gif(data: bytes) -> ImageFile:
    from PIL.GifImagePlugin import GifImageFile

    return GifImageFile(BytesIO(data))


def _open_webp(data: bytes) -> ImageFile:
    from PIL.WebPImagePlugin import WebPImageFile

    return WebPImageFile(BytesIO(data))


def _open_avif(data: bytes) -> ImageFile:
    from PIL.AvifImagePlugin import AvifImageFile

    return AvifImageFile(BytesIO(data))


def _open_heic(data: bytes) -> ImageFile:
    from pillow_heif import HeifImageFile

    return HeifImageFile(BytesIO(data))  # type: ignore[no-untyped-call]


def _open_ico(data: bytes) -> ImageFile:
    from PIL.IcoImagePlugin import IcoFile

    icon = IcoFile(BytesIO(data))
    best = max(range(len(icon.entry)), key=lambda i: (icon.entry[i].square, icon.entry[i].bpp))
    return icon.frame(best)  # type: ignore[return-value]


_DECODERS: dict[Format, Callable[[bytes], ImageFile]] = {
    "JPEG": _open_jpeg,
    "PNG": _open_png,
    "GIF": _open_gif,
    "WEBP": _open_webp,
    "AVIF": _open_avif,
    "HEIC": _open_heic,
    "ICO": _open_ico,
}


class _decoding:  # noqa: N801
    """Whatever a decoder says of a bad file becomes an `UnreadableImage`."""

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, Image.DecompressionBombError):
            raise UnreadableImage("too_many_pixels") from error
        if isinstance(error, Exception) and not isinstance(error, UnreadableImage):
            # Decoders of broken files raise nearly anything, MemoryError included.
            raise UnreadableImage("corrupt_image") from error


def _orientation(image: Image.Image) -> int:
    """The EXIF orientation, 1 to 8; 1 where there is none or the EXIF is broken.

    Reads the first directory only (TIFF 6.0, section 2), so there is nothing to loop through.
    """
    exif = image.info.get("exif")
    if not isinstance(exif, bytes):
        return 1
    tiff = exif.removeprefix(b"Exif\0\0")
    order = {b"II": "<", b"MM": ">"}.get(tiff[:2])
    if order is None:
        return 1
    try:
        (directory,) = struct.unpack_from(f"{order}I", tiff, 4)
        (entries,) = struct.unpack_from(f"{order}H", tiff, directory)
        for entry in range(directory + 2, directory + 2 + 12 * entries, 12):
            tag, _, _, value = struct.unpack_from(f"{order}HHIH", tiff, entry)
            if tag == _ORIENTATION_TAG:
                return value if 1 <= value <= 8 else 1
    except struct.error:
        pass
    return 1


def _continuous(image: Image.Image) -> Image.Image:
    """The image in a mode whose pixels can be averaged: no palette, no key colour, 8 bits."""
    transparent = image.info.get("transparency")
    if image.mode == "I;16":
        # Little-endian 16-bit grey reads as pairs of a low and a high byte.
        low, high = Image.frombytes("LA", image.size, image.tobytes()).split()
        if transparent is None:
            return high
        low_matches = low.point(lambda value: 255 * (value == transparent & 0xFF))
        high_matches = high.point(lambda value: 255 * (value == transparent >> 8))
        clear = ImageChops.multiply(low_matches, high_matches)
        return Image.merge("LA", (high, ImageChops.invert(clear)))
    if image.has_transparency_data and image.mode not in ("RGBA", "LA", "RGBa", "La"):
        return image.convert("RGBA")
    if image.mode == "P":
        return image.convert("RGB")
    if image.mode == "1":
        return image.convert("L")
    return image


def _srgb(image: Image.Image, profile: object) -> Image.Image:
    """The image as sRGB, RGB or RGBA, converted from the embedded ICC profile if it is usable."""
    alpha = image.getchannel("A") if image.mode in ("RGBA", "LA") else None
    colours = image.convert({"RGBA": "RGB", "LA": "L"}.get(image.mode, image.mode))
    if isinstance(profile, bytes) and colours.mode in ("RGB", "L", "CMYK"):
        # A broken profile, or one for another kind of pixels, is as good as none.
        with suppress(ImageCms.PyCMSError, OSError, ValueError, TypeError):
            colours = ImageCms.profileToProfile(  # type: ignore[assignment]
                colours,
                ImageCms.ImageCmsProfile(BytesIO(profile)),
                ImageCms.createProfile("sRGB"),
                outputMode="RGB",
            )
    colours = colours.convert("RGB")
    if alpha is not None:
        colours.putalpha(alpha)
    return colours


def _webp(picture: Image.Image, quality: int) -> bytes:
    """The pixels as WebP and nothing else: Pillow writes metadata only where it is handed some."""
    body = BytesIO()
    picture.save(body, "WEBP", quality=quality)
    return body.getvalue()
