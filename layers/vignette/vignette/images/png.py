"""Decoding PNG with libvips, through its C interface, while ISA-L inflates in another thread.

Undoing a PNG's row filters takes Pillow three times as long as the libpng in libvips, and
inflating takes zlib twice as long as ISA-L. So libvips is handed the file as it is, but for its
IDAT chunks, whose data is stored (RFC 1951, 3.2.4) in place of compressed. Palettes, key colours
and all depths come out as 8 bits of grey or RGB, with alpha where there is any.
"""

import ctypes
import os
import struct
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import suppress
from importlib.util import find_spec
from typing import NamedTuple

from isal import isal_zlib

from vignette.images.unreadable import UnreadableImage

# Pieces of a file to inflate at a time, in bytes; at most a thousand times that comes out.
_PIECE = 16 * 1024
_MAX_STORED = 65535  # bytes in a stored block
_MAX_CHUNKS = 100_000

# An interlaced picture is decoded as a whole before 16 bits become 8.
_MAX_INTERLACED_SAMPLES = 100_000_000

_MODES = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}  # Pillow's, by the number of bands

# libvips 8.18, vips/image.h and vips/foreign.h.
_FORMAT_UCHAR, _FORMAT_USHORT = 0, 2
_ACCESS_SEQUENTIAL = 1
_FAIL_ON_ERROR = 2
_OPTIONS = (
    b"access",
    ctypes.c_int(_ACCESS_SEQUENTIAL),
    b"fail_on",
    ctypes.c_int(_FAIL_ON_ERROR),
    None,
)


def _library() -> ctypes.CDLL:
    """libvips as the package pyvips-binary ships it, initialised."""
    binding = find_spec("_libvips")
    if binding is None or binding.origin is None:
        raise ImportError("pyvips-binary is not installed")
    # A library's handle also finds what the libraries it is linked to export.
    library = ctypes.CDLL(binding.origin)
    pointer, number = ctypes.c_void_p, ctypes.c_int
    for name, result, *arguments in (
        ("vips_pngload_buffer", number, ctypes.c_char_p, ctypes.c_size_t, pointer),
        ("vips_pngload_source", number, pointer, pointer),
        ("vips_source_new_from_descriptor", pointer, number),
        ("vips_extract_area", number, pointer, pointer, number, number, number, number),
        ("vips_cast", number, pointer, pointer, number),
        ("vips_image_write_to_memory", pointer, pointer, pointer),
        ("vips_image_get_width", number, pointer),
        ("vips_image_get_height", number, pointer),
        ("vips_image_get_bands", number, pointer),
        ("vips_image_get_format", number, pointer),
        ("vips_image_get_typeof", ctypes.c_size_t, pointer, ctypes.c_char_p),
        ("vips_image_get_blob", number, pointer, ctypes.c_char_p, pointer, pointer),
        ("g_object_unref", None, pointer),
        ("g_free", None, pointer),
    ):
        # Declared too because some platforms pass what follows these in another way.
        getattr(library, name).argtypes = arguments
        getattr(library, name).restype = result
    os.environ["VIPS_WARNING"] = "0"  # any value: warnings of broken files are no news
    if library.vips_init(b"vignette"):
        raise ImportError("libvips does not start")
    library.vips_concurrency_set(1)
    library.vips_cache_set_max(0)  # nothing is asked for twice
    return library


_vips = _library()


class Header(NamedTuple):
    """What a PNG says before its pixels; the size is in pixels."""

    size: tuple[int, int]
    icc_profile: bytes | None
    exif: bytes | None


def read_header(data: bytes) -> Header:
    """Raises `ValueError` for what is not the beginning of a PNG file."""
    image = ctypes.c_void_p()
    if _vips.vips_pngload_buffer(data, len(data), ctypes.byref(image), *_OPTIONS):
        raise ValueError("broken PNG")
    try:
        size = _vips.vips_image_get_width(image), _vips.vips_image_get_height(image)
        return Header(size, _blob(image, b"icc-profile-data"), _blob(image, b"exif-data"))
    finally:
        _vips.g_object_unref(image)


def _blob(image: ctypes.c_void_p, name: bytes) -> bytes | None:
    """A field of an image's metadata."""
    if not _vips.vips_image_get_typeof(image, name):
        return None
    address, size = ctypes.c_void_p(), ctypes.c_size_t()
    if _vips.vips_image_get_blob(image, name, ctypes.byref(address), ctypes.byref(size)):
        return None
    return ctypes.string_at(address, size.value)


def decode(data: bytes, box: tuple[int, int, int, int]) -> tuple[str, memoryview]:
    """The pixels of a box (left, top, right, bottom) of a PNG row by row, and their Pillow mode.

    Raises `ValueError` for a broken file, and `UnreadableImage` (`too_many_pixels`) for one that
    takes too much memory.
    """
    readable, writable = os.pipe()
    done = threading.Event()
    feeder = threading.Thread(target=_feed, args=(data, writable, done))
    feeder.start()
    references = [_vips.vips_source_new_from_descriptor(readable)]
    try:
        image = _made(references, _vips.vips_pngload_source, references[0], *_OPTIONS)
        bands = _vips.vips_image_get_bands(image)
        deep = _vips.vips_image_get_format(image) == _FORMAT_USHORT
        samples = _vips.vips_image_get_width(image) * _vips.vips_image_get_height(image) * bands
        interlaced = _vips.vips_image_get_typeof(image, b"interlaced")
        if deep and interlaced and samples > _MAX_INTERLACED_SAMPLES:
            raise UnreadableImage("too_many_pixels")
        left, top, right, bottom = box
        place = (left, top, right - left, bottom - top)
        image = _made(references, _vips.vips_extract_area, image, *place, None)
        if deep:
            shift = (b"shift", ctypes.c_int(1), None)
            image = _made(references, _vips.vips_cast, image, _FORMAT_UCHAR, *shift)
        size = ctypes.c_size_t()
        address = _vips.vips_image_write_to_memory(image, ctypes.byref(size))
        if not address:
            raise ValueError("broken PNG")
        pixels = (ctypes.c_ubyte * size.value).from_address(address)
        weakref.finalize(pixels, _vips.g_free, address)
        return _MODES[bands], memoryview(pixels).cast("B")
    finally:
        done.set()
        while os.read(readable, 1 << 16):  # whatever libvips had no use for
            pass
        feeder.join()
        for reference in reversed(references):
            _vips.g_object_unref(reference)
        os.close(readable)


def _made(references: list[int], operation: Callable[..., int], source: int, *rest: object) -> int:
    """The image that an operation makes of a source or image, noted among the references."""
    image = ctypes.c_void_p()
    if operation(source, ctypes.byref(image), *rest) or image.value is None:
        raise ValueError("broken PNG")
    references.append(image.value)
    return image.value


def _feed(data: bytes, writable: int, done: threading.Event) -> None:
    """Write a PNG with its pixels inflated, until `done`, or until where it is broken."""
    broken = suppress(isal_zlib.error, struct.error, ValueError)  # type: ignore[arg-type]
    with open(writable, "wb", buffering=0) as pipe, broken:
        for part in _inflated(data):
            rest = memoryview(part)
            while rest:
                if done.is_set():
                    return
                rest = rest[pipe.write(rest) :]


def _inflated(data: bytes) -> Iterator[bytes]:
    """The parts of a PNG file whose IDAT chunks hold stored instead of compressed blocks."""
    yield data[:8]
    pixels = isal_zlib.decompressobj()
    checksum = 1
    begun = ended = False
    for name, body in _chunks(data):
        if name == b"IDAT":
            for at in range(0, len(body), _PIECE):
                inflated = pixels.decompress(body[at : at + _PIECE])
                checksum = isal_zlib.adler32(inflated, checksum)
                # The first begins a zlib stream (RFC 1950).
                yield _chunk(b"IDAT", b"" if begun else b"\x78\x01", *_stored(inflated))
                begun = True
        else:
            if begun and not ended:
                # The last ends it with an empty block.
                yield _chunk(b"IDAT", b"\x01\0\0\xff\xff", struct.pack(">I", checksum))
                ended = True
            yield _chunk(name, body)


def _stored(raw: bytes) -> Iterator[bytes]:
    """Bytes as stored blocks, none of them the last."""
    for start in range(0, len(raw), _MAX_STORED):
        block = raw[start : start + _MAX_STORED]
        yield struct.pack("<BHH", 0, len(block), len(block) ^ 0xFFFF)
        yield block


def _chunks(data: bytes) -> Iterator[tuple[bytes, memoryview]]:
    """The chunks of a PNG file. Raises `struct.error` where it is cut off."""
    view = memoryview(data)
    at = 8
    for _ in range(_MAX_CHUNKS):
        length, name = struct.unpack_from(">I4s", view, at)
        yield name, view[at + 8 : at + 8 + length]
        if name == b"IEND":
            return
        at += 12 + length
    raise ValueError("too many chunks")


def _chunk(name: bytes, *parts: bytes | memoryview) -> bytes:
    body = b"".join((name, *parts))
    return struct.pack(">I", len(body) - 4) + body + struct.pack(">I", isal_zlib.crc32(body))
