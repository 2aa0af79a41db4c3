"""The accepted formats: how each is recognised, and how its header and its pixels are read.

Nothing here goes through `Image.open`, which would offer a file to every format that any module
of Pillow has registered. The modules of a format are imported when a photo needs them.
"""

import logging
import os
import re
import struct
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cache
from importlib import import_module
from io import BytesIO
from math import ceil
from typing import TYPE_CHECKING, Any, Literal

import PIL.ImageFile
from PIL import Image, ImageChops
from PIL.ImageFile import ImageFile

from vignette import settings
from vignette.images import libwebp
from vignette.images.messages import UnreadableImage

if TYPE_CHECKING:
    from PIL.JpegImagePlugin import JpegImageFile

Format = Literal["JPEG", "PNG", "GIF", "WEBP", "AVIF", "HEIC", "ICO"]
# How many bytes of a file tell its format.
SIGNATURE_BYTES = 256

Box = tuple[int, int, int, int]  # left, top, right, bottom, in pixels

# Pillow refuses more than twice its limit and only warns of more than its limit. It checks every
# size that it reads: a canvas, a frame larger than its canvas, the picture inside an icon.
Image.MAX_IMAGE_PIXELS = settings.MAX_PIXELS // 2
warnings.filterwarnings("ignore", module=r"PIL\.")

# Pillow's header parsers are loops over blocks that a file may have millions of.
_MAX_READS = 100_000

# A scan of a progressive JPEG costs time for every pixel and as little as 75 bytes. Real photos
# have about ten scans; this is twenty for the largest.
_MAX_SCANNED_PIXELS = 20 * settings.MAX_PIXELS

# From here on, another PNG decoder saves more time than importing it takes.
_LARGE_PNG_PIXELS = 2_000_000

# libwebp shrinks while it decodes, which costs no time, but it averages. It is asked for this many
# times the wanted pixels, so that a filter does the last step.
_WEBP_SCALE = 1.4

# Pixels to convert at a time: 4 MiB of them, which caches hold.
_BAND_PIXELS = 1 << 20

# ISO/IEC 23000-22 and the AV1 Image File Format: brands of still pictures and of sequences.
_AVIF_BRANDS = {b"avif", b"avis"}
_HEIC_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"}

_ORIENTATION_TAG = 0x0112


@dataclass(frozen=True, slots=True)
class Raster:
    """Decoded pixels, perhaps fewer than the photo has.

    `reduced(box, factor)` is the pixels of a box, averaged in squares of `factor` pixels, in
    mode L, RGB, RGBa or CMYK. `scale` is how many pixels across and down stand for one of the
    photo, and `origin` the pixel of the photo that they begin with. What is `rough` is good enough
    to look at, and not to be shown.
    """

    size: tuple[int, int]
    reduced: Callable[[Box, int], Image.Image]
    scale: tuple[float, float] = (1.0, 1.0)
    origin: tuple[int, int] = (0, 0)
    rough: bool = False

    def suffices(self, box: Box, side: int) -> bool:
        """Whether a whole photo has `side` pixels to show across and down a box."""
        across, down = (box[2] - box[0]) * self.scale[0], (box[3] - box[1]) * self.scale[1]
        return not self.rough and min(across, down) >= side


@dataclass(frozen=True, slots=True)
class Source:
    """What the header of a photo says, and how to decode the rest.

    `size` is in pixels before the orientation (EXIF, 1 to 8) is applied. `decode(box, side)` gives
    at least `side` pixels across and down for a box of the photo, or all there are.
    `glance(longer, side)` is the whole photo to look for a box in: its longer side of about so many
    pixels or more, and some more than a square of `side` pixels needs where that costs little.
    """

    format: Format
    size: tuple[int, int]
    decode: Callable[[Box, int], Raster]
    icc_profile: bytes | None = None
    orientation: int = 1
    glance: Callable[[int, int], Raster] | None = None  # None where `decode` does the same


def recognise(head: bytes) -> Format | None:
    """The format of a file by its first `SIGNATURE_BYTES`, or None for any other."""
    if head.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG"
    if head.startswith((b"GIF87a", b"GIF89a")):
        return "GIF"
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return "WEBP"
    if head.startswith(b"\0\0\1\0"):
        return "ICO"
    if head[4:8] == b"ftyp":
        # ISO/IEC 14496-12, 4.3: a major brand, a version, compatible brands.
        end = min(int.from_bytes(head[:4]), SIGNATURE_BYTES)
        for brand in (head[8:12], *(head[at : at + 4] for at in range(16, end, 4))):
            if brand in _AVIF_BRANDS:
                return "AVIF"
            if brand in _HEIC_BRANDS:
                return "HEIC"
    return None


def load(head: bytes) -> None:
    """Import what a file that begins like this is decoded with."""
    accepted = recognise(head)
    if accepted is None:
        return
    # IHDR comes first in a PNG (PNG 3rd edition, 11.2.1).
    if accepted == "PNG" and _is_large(*struct.unpack_from(">II", head.ljust(24), 16)):
        _png_decoder()
    if accepted == "AVIF":
        _avif_decoder()
    for module in _MODULES[accepted]:
        import_module(module)


def open_source(data: bytes) -> Source:
    """Recognise a photo's format by its first bytes and read its header.

    Raises:
        UnreadableImage: `unsupported_format`. Whatever a decoder raises goes through.
    """
    accepted = recognise(data[:SIGNATURE_BYTES])
    if accepted is None:
        raise UnreadableImage("unsupported_format")
    return _OPENERS[accepted](data)


def _open_jpeg(data: bytes) -> Source:
    image = _jpeg_image(data)
    width, height = image.size
    # What was decoded to be shown is kept: more than one picture may be cut out of it.
    whole: Raster | None = None
    is_decoded = False

    def shrunk(factor: int, bottom: int | None = None) -> Raster:
        """The photo, shrunk by a factor; down to a row of it if that is given.

        Raises:
            ValueError: It has too many scans.
        """
        nonlocal is_decoded
        if not is_decoded and _jpeg_scans(data) * width * height > _MAX_SCANNED_PIXELS:
            raise ValueError("too many scans")
        current = _jpeg_image(data) if is_decoded else image
        is_decoded = True
        current.draft(None, (width // factor, height // factor))
        across = max(1, round(width / current.width))
        if bottom is not None:
            _load_upper_rows(current, ceil(bottom / across))
        return replace(_raster(current), scale=(1 / across, 1 / across))

    def decode(box: Box, side: int) -> Raster:
        nonlocal whole
        most = max(1, min(box[2] - box[0], box[3] - box[1]) // max(1, side))
        if whole and 1 / whole.scale[0] <= most:
            return whole
        if is_decoded:  # the file is whole: what is below the box would be of no use
            return shrunk(_jpeg_factor(most), box[3])
        whole = shrunk(_jpeg_factor(most))
        return whole

    def glance(longer: int, side: int) -> Raster:
        if whole:
            return whole
        # Twice the pixels across cost an eighth more time, and spare most faces another decode.
        most = min(max(width, height) // longer, min(width, height) // (2 * side))
        return shrunk(_jpeg_factor(most))

    return _source("JPEG", image, decode, glance)


def _jpeg_image(data: bytes) -> "JpegImageFile":
    from PIL.JpegImagePlugin import JpegImageFile

    image = JpegImageFile(_File(data))
    if image.mode == "CMYK" and "adobe" not in image.info:
        # Pillow takes every CMYK for Adobe's, which stores ink the other way round.
        image.tile = [tile._replace(args=("CMYK", "")) for tile in image.tile]
    return image


def _jpeg_factor(most: int) -> int:
    """What libjpeg can shrink a photo by while it decodes it, for a fraction of the work."""
    return next((factor for factor in (8, 4, 2) if factor <= most), 1)


def _load_upper_rows(image: ImageFile, rows: int) -> None:
    """Decode so many rows of an image from above, which is then no higher."""
    bottom = min(rows, image.height)
    image._size = image.width, bottom  # as Pillow's handbook has it for plugins
    image.tile = [tile._replace(extents=(0, 0, image.width, bottom)) for tile in image.tile]
    try:
        PIL.ImageFile.LOAD_TRUNCATED_IMAGES = True  # libjpeg complains of the rows that are left
        image.load()
    finally:
        PIL.ImageFile.LOAD_TRUNCATED_IMAGES = False


def _jpeg_scans(data: bytes) -> int:
    """How many scans a JPEG has before its end (ITU-T T.81, annex B)."""
    scans = 0
    at = 2
    # In a scan, 0xFF is followed by 0x00 or by one of the restart markers 0xD0 to 0xD7.
    marker = re.compile(rb"\xff[\xc0-\xcf\xd9-\xfe]")
    while (found := marker.search(data, at)) and found[0] != b"\xff\xd9":
        scans += found[0] == b"\xff\xda"
        at = found.end() + int.from_bytes(data[found.end() : found.end() + 2])
    return scans


def _open_png(data: bytes) -> Source:
    from PIL.PngImagePlugin import PngImageFile

    image = PngImageFile(_File(data))
    image.info["exif"] = _png_exif(data)
    _scale_key_colour(image)
    mode, size = image.mode, image.size
    is_plain = _png_depth(image) in ("RGB", "RGBA") and not _has_key_colour(image)
    if not is_plain or not _is_large(*size) or _png_decoder() is None:
        return _source("PNG", image)

    pixels = cache(lambda: _decode_large_png(data, mode, size))

    def decode(_: Box, side: int) -> Raster:
        return _raw_raster(mode, size, pixels(), size[0] * len(mode))

    return _source("PNG", image, decode)


def _is_large(width: int, height: int) -> bool:
    return width * height >= _LARGE_PNG_PIXELS


def _png_exif(data: bytes) -> bytes | None:
    """The EXIF of a PNG, which may also come after its pixels.

    Extensions to the PNG 1.2 Specification, version 1.5.0, 3.7; Pillow finds that when it decodes.
    """
    at = 8
    for _ in range(_MAX_READS):
        if at + 8 > len(data):
            break
        length, name = struct.unpack_from(">I4s", data, at)
        if name == b"eXIf":
            return data[at + 8 : at + 8 + length]
        at += 12 + length
    return None


@cache
def _png_decoder() -> Callable[..., Any] | None:
    """The decoder of kornia-rs, or None if it has none: then Pillow decodes."""
    try:
        import_module("numpy")  # kornia-rs imports it at its first answer
        from kornia_rs.io import decode_image_png_u8
    except ImportError as error:
        logging.getLogger(__name__).warning("kornia-rs is not used: %s", error)
        return None
    decode: Callable[..., Any] = decode_image_png_u8
    return decode


def _decode_large_png(data: bytes, mode: str, size: tuple[int, int]) -> memoryview:
    """The rows of an RGB or RGBA PNG of 8 bits a sample, in a third of Pillow's time.

    Raises:
        ValueError: The PNG is broken.
    """
    width, height = size
    decoder = _png_decoder()
    assert decoder  # noqa: S101, `_open_png` has looked
    try:
        pixels = decoder(data, (height, width), mode.lower())
    except BaseException as error:
        if type(error).__name__ != "PanicException":  # Rust's, which is no `Exception`
            raise
        raise ValueError("broken PNG") from error
    return memoryview(pixels).cast("B")


def _open_gif(data: bytes) -> Source:
    from PIL.GifImagePlugin import GifImageFile

    return _source("GIF", GifImageFile(_File(data)))


def _open_ico(data: bytes) -> Source:
    from PIL.IcoImagePlugin import IcoFile

    icon = IcoFile(_File(data))
    best = max(range(len(icon.entry)), key=lambda i: (icon.entry[i].square, icon.entry[i].bpp))
    image = icon.frame(best)
    if isinstance(image, ImageFile):
        _scale_key_colour(image)
    return _source("ICO", image)


def _open_webp(data: bytes) -> Source:
    width, height, animated = libwebp.read_features(data)
    chunks = _riff_chunks(data)

    def decode(box: Box, side: int) -> Raster:
        if animated:
            box = (0, 0, width, height)
        left, top, right, bottom = box
        left, top = left - left % 2, top - top % 2  # libwebp crops at even pixels only
        across, down = right - left, bottom - top
        scale = min(1.0, _WEBP_SCALE * side / min(across, down))
        size = ceil(across * scale), ceil(down * scale)
        if animated:
            image = _webp_frame(chunks[b"ANMF"], (width, height), size)
        else:
            image = libwebp.decode(data, (left, top, right, bottom), size)
        scales = size[0] / across, size[1] / down
        return Raster(size, _raster(image).reduced, scales, (left, top))

    def glance(longer: int, _: int) -> Raster:
        scale = min(1.0, longer / max(width, height))
        size = ceil(width * scale), ceil(height * scale)
        if animated:
            image = _webp_frame(chunks[b"ANMF"], (width, height), size)
        else:
            image = libwebp.decode(data, (0, 0, width, height), size, quick=True)
        return replace(_raster(image), rough=True)

    orientation = _orientation(chunks.get(b"EXIF"))
    return Source("WEBP", (width, height), decode, chunks.get(b"ICCP"), orientation, glance)


def _riff_chunks(data: bytes) -> dict[bytes, bytes]:
    """The first of each chunk of a WebP file that is of interest here."""
    chunks: dict[bytes, bytes] = {}
    at = 12
    while at + 8 <= len(data):
        name, length = struct.unpack_from("<4sI", data, at)
        if name in (b"ANMF", b"EXIF", b"ICCP") and name not in chunks:
            chunks[name] = data[at + 8 : at + 8 + length]
        at += 8 + length + length % 2
    return chunks


def _webp_frame(frame: bytes, canvas: tuple[int, int], size: tuple[int, int]) -> Image.Image:
    """An animation's frame on its canvas, the canvas scaled to `size`.

    The frame is made a file of its own (WebP Container Specification, ANMF and VP8X).

    Raises:
        ValueError: The frame is outside of its canvas.
    """

    def triple(at: int) -> int:
        return int.from_bytes(frame[at : at + 3], "little")

    left, top, width, height = 2 * triple(0), 2 * triple(3), triple(6) + 1, triple(9) + 1
    if left + width > canvas[0] or top + height > canvas[1]:
        raise ValueError("a frame outside of its canvas")
    pictures = frame[16:]
    alpha_flag = 0x10 * pictures.startswith(b"ALPH")
    extended = struct.pack("<4sIB3x", b"VP8X", 10, alpha_flag) + frame[6:12]
    body = b"WEBP" + extended + pictures
    still = struct.pack("<4sI", b"RIFF", len(body)) + body

    across, down = size[0] / canvas[0], size[1] / canvas[1]
    scaled = max(1, round(width * across)), max(1, round(height * down))
    image = libwebp.decode(still, (0, 0, width, height), scaled)
    if scaled == size:
        return image
    whole = Image.new("RGBA", size)
    whole.paste(image, (round(left * across), round(top * down)))
    return whole


@cache
def _avif_decoder() -> Callable[..., Any] | None:
    """The decoder of Pillow's plugin, or None if it has another name: then the plugin decodes."""
    try:
        from PIL._avif import AvifDecoder
    except ImportError as error:
        logging.getLogger(__name__).warning("AVIF is decoded by Pillow's plugin: %s", error)
        import_module("PIL.AvifImagePlugin")
        return None
    decoder: Callable[..., Any] = AvifDecoder
    return decoder


def _open_avif(data: bytes) -> Source:
    open_decoder = _avif_decoder()
    if open_decoder is None:
        from PIL.AvifImagePlugin import AvifImageFile

        return _source("AVIF", AvifImageFile(BytesIO(data)))

    decoder = open_decoder(data, "auto", os.process_cpu_count() or 1)
    # The orientation here is the container's (irot and imir); EXIF's counts for nothing.
    size, _, mode, icc_profile, _, orientation, _ = decoder.get_info()

    frame = cache(lambda: decoder.get_frame(0)[0])

    def decode(_: Box, side: int) -> Raster:
        pixels = frame()
        return _raw_raster(mode, size, pixels, len(pixels) // size[1])

    return Source("AVIF", size, decode, icc_profile, orientation)


def _open_heic(data: bytes) -> Source:
    import pillow_heif

    options = pillow_heif.options
    options.THUMBNAILS = options.DEPTH_IMAGES = options.AUX_IMAGES = False
    photo = pillow_heif.open_heif(data)

    def decode(_: Box, side: int) -> Raster:
        return _raw_raster(photo.mode, photo.size, photo.data, photo.stride)

    # libheif turns the picture upright itself.
    return Source("HEIC", photo.size, decode, photo.info.get("icc_profile"))


class _File(BytesIO):
    """A file in memory that gives up on a parser which reads it in too many pieces."""

    _reads = 0

    def read(self, size: int | None = -1, /) -> bytes:
        self._reads += 1
        if self._reads > _MAX_READS:
            raise ValueError("too many blocks")
        return super().read(size)


def _source(
    image_format: Format,
    image: Image.Image,
    decode: Callable[[Box, int], Raster] | None = None,
    glance: Callable[[int, int], Raster] | None = None,
) -> Source:
    """A source from one of Pillow's images, not loaded yet."""
    return Source(
        image_format,
        image.size,
        decode or (lambda box, side: _raster(image)),
        image.info.get("icc_profile"),
        _orientation(image.info.get("exif")),
        glance,
    )


def _raster(image: Image.Image) -> Raster:
    """A raster of one of Pillow's images."""
    image.load()
    if image.mode in ("L", "RGB", "CMYK") and "transparency" not in image.info:
        return Raster(image.size, lambda box, factor: image.reduce(factor, box))
    return _banded_raster(image.size, image.crop)


def _raw_raster(
    mode: str, size: tuple[int, int], pixels: bytes | memoryview, stride: int
) -> Raster:
    """A raster of rows of pixels, `stride` bytes each, and a byte for each letter of the mode."""
    view = memoryview(pixels)

    def crop(box: Box) -> Image.Image:
        left, top, right, bottom = box
        begin = view[top * stride + left * len(mode) :]
        return Image.frombytes(mode, (right - left, bottom - top), begin, "raw", mode, stride)

    return _banded_raster(size, crop)


def _banded_raster(size: tuple[int, int], crop: Callable[[Box], Image.Image]) -> Raster:
    """A raster that converts two bands at a time, so that no second copy of a photo is needed."""

    def reduced(box: Box, factor: int) -> Image.Image:
        left, top, right, bottom = box
        step = factor * max(1, _BAND_PIXELS // ((right - left) * factor))

        def band(upper: int) -> Image.Image:
            lower = min(upper + step, bottom)
            return _continuous(crop((left, upper, right, lower))).reduce(factor)

        height = -(-(bottom - top) // factor)
        whole: Image.Image | None = None
        with ThreadPoolExecutor(2) as pool:
            for number, part in enumerate(pool.map(band, range(top, bottom, step))):
                if whole is None:
                    whole = Image.new(part.mode, (part.width, height))
                whole.paste(part, (0, number * step // factor))
        assert whole is not None  # noqa: S101, a box has pixels
        return whole

    return Raster(size, reduced)


def _continuous(image: Image.Image) -> Image.Image:
    """The image in a mode whose pixels can be averaged: L, RGB, CMYK or premultiplied RGBa."""
    if image.mode == "I;16":
        image = _grey_from_16_bits(image)
    if image.mode == "RGBa" or (image.mode in ("L", "RGB", "CMYK") and not _has_key_colour(image)):
        return image
    if image.has_transparency_data:
        return image.convert("RGBA").convert("RGBa")
    return image.convert("L" if image.mode == "1" else "RGB")


def _has_key_colour(image: Image.Image) -> bool:
    return "transparency" in image.info


def _grey_from_16_bits(image: Image.Image) -> Image.Image:
    """L or LA from I;16, which Pillow would clip rather than divide."""
    # Read as pairs of a low and a high byte.
    low, high = Image.frombytes("LA", image.size, image.tobytes()).split()
    clear = image.info.get("transparency")
    if clear is None:
        return high
    is_clear = ImageChops.multiply(
        low.point([255 * (value == clear & 0xFF) for value in range(256)]),
        high.point([255 * (value == clear >> 8) for value in range(256)]),
    )
    return Image.merge("LA", (high, ImageChops.invert(is_clear)))


def _png_depth(image: ImageFile) -> object:
    """Pillow's name for how a PNG stores a pixel: its mode, and its depth unless that is 8 bits."""
    return image.tile[0].args if image.tile else None


def _scale_key_colour(image: ImageFile) -> None:
    """Bring a PNG's transparent colour to the depth that Pillow brings its pixels to."""
    clear = image.info.get("transparency")
    depth = _png_depth(image)
    if isinstance(clear, int) and depth in ("L;2", "L;4"):
        image.info["transparency"] = clear * {"L;2": 85, "L;4": 17}[depth]
    elif isinstance(clear, tuple) and depth == "RGB;16B":
        image.info["transparency"] = tuple(sample >> 8 for sample in clear)


def _orientation(exif: object) -> int:
    """The EXIF orientation, 1 to 8; 1 where there is none or the EXIF is broken.

    Reads the first directory only (TIFF 6.0, section 2), so there is nothing to loop through.
    """
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


_OPENERS: dict[Format, Callable[[bytes], Source]] = {
    "JPEG": _open_jpeg,
    "PNG": _open_png,
    "GIF": _open_gif,
    "WEBP": _open_webp,
    "AVIF": _open_avif,
    "HEIC": _open_heic,
    "ICO": _open_ico,
}

# What the openers import, and what Pillow imports later, for some files only.
_MODULES: dict[Format, tuple[str, ...]] = {
    "JPEG": ("PIL.JpegImagePlugin", "PIL.TiffImagePlugin"),
    "PNG": ("PIL.PngImagePlugin",),
    "GIF": ("PIL.GifImagePlugin",),
    "WEBP": (),
    "AVIF": (),
    "HEIC": ("pillow_heif",),
    "ICO": ("PIL.IcoImagePlugin",),
}
