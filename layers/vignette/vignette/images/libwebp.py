"""Decoding WebP with the libwebp that Pillow ships, through its own interface.

Pillow's plugin decodes every WebP as an animation: it holds the whole canvas four times, which
for 50 megapixels is 800 MB. libwebp itself scales while it decodes, row by row and on two
threads, which takes a few megabytes and two thirds of the time. These are the declarations of
libwebp's `webp/decode.h`, decoder ABI version 2.16.
"""

import ctypes

from PIL import Image, _webp

_ABI_VERSION = 0x0210
_OK = 0
_MODE_RGB, _MODE_RGBA = 0, 1

# A library's handle also finds what the libraries it is linked to export.
_libwebp = ctypes.CDLL(_webp.__file__)


class _Features(ctypes.Structure):
    _fields_ = (
        ("width", ctypes.c_int),
        ("height", ctypes.c_int),
        ("has_alpha", ctypes.c_int),
        ("has_animation", ctypes.c_int),
        ("format", ctypes.c_int),
        ("pad", ctypes.c_uint32 * 5),
    )


class _RGBABuffer(ctypes.Structure):
    _fields_ = (
        ("rgba", ctypes.c_void_p),
        ("stride", ctypes.c_int),
        ("size", ctypes.c_size_t),
    )


class _YUVABuffer(ctypes.Structure):
    _fields_ = (
        ("planes", ctypes.c_void_p * 4),
        ("strides", ctypes.c_int * 4),
        ("sizes", ctypes.c_size_t * 4),
    )


class _BufferUnion(ctypes.Union):
    _fields_ = (("rgba", _RGBABuffer), ("yuva", _YUVABuffer))


class _DecBuffer(ctypes.Structure):
    _fields_ = (
        ("colorspace", ctypes.c_int),
        ("width", ctypes.c_int),
        ("height", ctypes.c_int),
        ("is_external_memory", ctypes.c_int),
        ("u", _BufferUnion),
        ("pad", ctypes.c_uint32 * 4),
        ("private_memory", ctypes.c_void_p),
    )


class _DecoderOptions(ctypes.Structure):
    _fields_ = (
        ("bypass_filtering", ctypes.c_int),
        ("no_fancy_upsampling", ctypes.c_int),
        ("use_cropping", ctypes.c_int),
        ("crop_left", ctypes.c_int),
        ("crop_top", ctypes.c_int),
        ("crop_width", ctypes.c_int),
        ("crop_height", ctypes.c_int),
        ("use_scaling", ctypes.c_int),
        ("scaled_width", ctypes.c_int),
        ("scaled_height", ctypes.c_int),
        ("use_threads", ctypes.c_int),
        ("dithering_strength", ctypes.c_int),
        ("flip", ctypes.c_int),
        ("alpha_dithering_strength", ctypes.c_int),
        ("pad", ctypes.c_uint32 * 5),
    )


class _DecoderConfig(ctypes.Structure):
    _fields_ = (
        ("input", _Features),
        ("output", _DecBuffer),
        ("options", _DecoderOptions),
    )


def read_features(data: bytes) -> tuple[int, int, bool]:
    """Width and height of the canvas in pixels, and whether the file is an animation.

    Raises `ValueError` for what is not the beginning of a WebP file.
    """
    features = _features(data)
    return features.width, features.height, bool(features.has_animation)


def decode(data: bytes, box: tuple[int, int, int, int], size: tuple[int, int]) -> Image.Image:
    """A box of a WebP file that is no animation, scaled to `size`: an RGB or RGBA image.

    The box is left, top, right, bottom, in pixels like the size.

    Raises `ValueError` for a broken file.
    """
    config = _DecoderConfig()
    if not _libwebp.WebPInitDecoderConfigInternal(ctypes.byref(config), _ABI_VERSION):
        raise ImportError("libwebp's decoder interface is another version")
    mode = "RGBA" if _features(data).has_alpha else "RGB"
    config.output.colorspace = _MODE_RGBA if mode == "RGBA" else _MODE_RGB
    left, top, right, bottom = box
    config.options.use_cropping = 1
    config.options.crop_left, config.options.crop_top = left, top
    config.options.crop_width, config.options.crop_height = right - left, bottom - top
    config.options.use_scaling = 1
    config.options.scaled_width, config.options.scaled_height = size
    config.options.use_threads = 1
    try:
        status = _libwebp.WebPDecode(data, ctypes.c_size_t(len(data)), ctypes.byref(config))
        if status != _OK:
            raise ValueError(f"libwebp status {status}")
        pixels = config.output.u.rgba
        buffer = (ctypes.c_char * pixels.size).from_address(pixels.rgba)
        return Image.frombytes(mode, size, buffer, "raw", mode, pixels.stride)  # copies
    finally:
        _libwebp.WebPFreeDecBuffer(ctypes.byref(config.output))


def _features(data: bytes) -> _Features:
    features = _Features()
    status = _libwebp.WebPGetFeaturesInternal(
        data, ctypes.c_size_t(len(data)), ctypes.byref(features), _ABI_VERSION
    )
    if status != _OK:
        raise ValueError(f"libwebp status {status}")
    return features
