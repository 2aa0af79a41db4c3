"""WebP with the libwebp that Pillow ships, through its own interface.

Pillow's plugin decodes every WebP as an animation: it holds the whole canvas four times, which
for 50 megapixels is 800 MB. libwebp itself scales while it decodes, row by row and on two
threads, which takes a few megabytes and two thirds of the time. Of the encoder's settings Pillow
passes on a few only. These are the declarations of libwebp's `webp/decode.h` and `webp/encode.h`,
ABI version 2.16 of both. With any other libwebp Pillow's plugin does the work.
"""

import ctypes
import logging
from io import BytesIO

from PIL import Image, WebPImagePlugin

_ABI_VERSION = 0x0210
_OK = 0
_MODE_RGB, _MODE_RGBA = 0, 1
_PRESET_DEFAULT = 0

# How many bits the encoder saves where the eye sees few differences, 0 to 100: as in libwebp's
# presets for photographs. The default, 50, takes more bytes for pictures that are no better.
_SPATIAL_NOISE_SHAPING = 80


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


class _Config(ctypes.Structure):
    _fields_ = (
        ("lossless", ctypes.c_int),
        ("quality", ctypes.c_float),
        ("method", ctypes.c_int),
        ("image_hint", ctypes.c_int),
        ("target_size", ctypes.c_int),
        ("target_psnr", ctypes.c_float),
        ("segments", ctypes.c_int),
        ("sns_strength", ctypes.c_int),
        ("others", ctypes.c_int * 21),
    )


class _Picture(ctypes.Structure):
    _fields_ = (
        ("use_argb", ctypes.c_int),
        ("colorspace", ctypes.c_int),
        ("width", ctypes.c_int),
        ("height", ctypes.c_int),
        ("planes", ctypes.c_void_p * 3),
        ("strides", ctypes.c_int * 2),
        ("alpha", ctypes.c_void_p),
        ("alpha_stride", ctypes.c_int),
        ("pad1", ctypes.c_uint32 * 2),
        ("argb", ctypes.c_void_p),
        ("argb_stride", ctypes.c_int),
        ("pad2", ctypes.c_uint32 * 3),
        ("writer", ctypes.c_void_p),
        ("custom_ptr", ctypes.c_void_p),
        ("extra_info_type", ctypes.c_int),
        ("extra_info", ctypes.c_void_p),
        ("stats", ctypes.c_void_p),
        ("error_code", ctypes.c_int),
        ("progress_hook", ctypes.c_void_p),
        ("user_data", ctypes.c_void_p),
        ("pad3", ctypes.c_uint32 * 3),
        ("pad4", ctypes.c_void_p * 2),
        ("pad5", ctypes.c_uint32 * 8),
        ("private_memory", ctypes.c_void_p * 2),
        ("pad6", ctypes.c_void_p * 2),
    )


class _MemoryWriter(ctypes.Structure):
    _fields_ = (
        ("mem", ctypes.c_void_p),
        ("size", ctypes.c_size_t),
        ("max_size", ctypes.c_size_t),
        ("pad", ctypes.c_uint32),
    )


def _load() -> ctypes.CDLL | None:
    """The library, or None if its interface is not the one that is declared here."""
    try:
        # The handle of Pillow's module finds the functions of libwebp, which it is linked to.
        from PIL import _webp

        library = ctypes.CDLL(_webp.__file__)
        is_known = (
            library.WebPInitDecoderConfigInternal(ctypes.byref(_DecoderConfig()), _ABI_VERSION)
            and library.WebPPictureInitInternal(ctypes.byref(_Picture()), _ABI_VERSION)
            and library.WebPConfigInitInternal(
                ctypes.byref(_Config()), _PRESET_DEFAULT, ctypes.c_float(0), _ABI_VERSION
            )
            and all(hasattr(library, name) for name in _FUNCTIONS)
        )
    except (AttributeError, ImportError, OSError):
        is_known = False
    if not is_known:
        logging.getLogger(__name__).warning("libwebp has another interface; Pillow's is used")
        return None
    return library


_FUNCTIONS = (
    "WebPDecode",
    "WebPEncode",
    "WebPFreeDecBuffer",
    "WebPGetFeaturesInternal",
    "WebPMemoryWrite",
    "WebPMemoryWriterClear",
    "WebPMemoryWriterInit",
    "WebPPictureFree",
    "WebPPictureImportRGB",
    "WebPPictureImportRGBA",
)
_libwebp = _load()


def encode(image: Image.Image, *, quality: int, effort: int, lossless: bool) -> bytes:
    """An RGB or RGBA image as a WebP file of its pixels and nothing else.

    The quality is 0 to 100, where nothing is lost that of the compression; the effort (libwebp's
    method) is 0, the quickest, to 6, the smallest.

    Raises:
        MemoryError: libwebp did not do it.
    """
    if _libwebp is None:
        written = BytesIO()
        image.save(written, "WEBP", quality=quality, method=effort, lossless=lossless)
        return written.getvalue()
    config, picture, file = _Config(), _Picture(), _MemoryWriter()
    _libwebp.WebPConfigInitInternal(
        ctypes.byref(config), _PRESET_DEFAULT, ctypes.c_float(quality), _ABI_VERSION
    )
    _libwebp.WebPPictureInitInternal(ctypes.byref(picture), _ABI_VERSION)
    config.method, config.lossless = effort, lossless
    config.sns_strength = _SPATIAL_NOISE_SHAPING
    picture.use_argb = lossless
    picture.width, picture.height = image.size
    picture.writer = ctypes.cast(_libwebp.WebPMemoryWrite, ctypes.c_void_p)
    picture.custom_ptr = ctypes.addressof(file)
    _libwebp.WebPMemoryWriterInit(ctypes.byref(file))
    load = getattr(_libwebp, f"WebPPictureImport{image.mode}")
    try:
        if not (
            load(ctypes.byref(picture), image.tobytes(), image.width * len(image.mode))
            and _libwebp.WebPEncode(ctypes.byref(config), ctypes.byref(picture))
        ):
            raise MemoryError(f"libwebp error {picture.error_code}")
        return ctypes.string_at(file.mem, file.size)
    finally:
        _libwebp.WebPPictureFree(ctypes.byref(picture))
        _libwebp.WebPMemoryWriterClear(ctypes.byref(file))


def read_features(data: bytes) -> tuple[int, int, bool]:
    """Width and height of the canvas in pixels, and whether the file is an animation.

    Raises:
        ValueError: It is not the beginning of a WebP file.
    """
    if _libwebp is None:
        image = _open(data)
        return image.width, image.height, getattr(image, "is_animated", False)
    features = _features(_libwebp, data)
    return features.width, features.height, bool(features.has_animation)


def decode(
    data: bytes, box: tuple[int, int, int, int], size: tuple[int, int], *, quick: bool = False
) -> Image.Image:
    """A box of a WebP file that is not an animation, scaled to `size`: an RGB or RGBA image.

    The box is left, top, right, bottom, in pixels like the size. If `quick`, edges between blocks
    are not smoothed, which takes less time.

    Raises:
        ValueError: The file is broken.
    """
    if _libwebp is None:
        return _open(data).resize(size, box=box)
    config = _DecoderConfig()
    _libwebp.WebPInitDecoderConfigInternal(ctypes.byref(config), _ABI_VERSION)
    mode = "RGBA" if _features(_libwebp, data).has_alpha else "RGB"
    config.output.colorspace = _MODE_RGBA if mode == "RGBA" else _MODE_RGB
    left, top, right, bottom = box
    config.options.use_cropping = 1
    config.options.crop_left, config.options.crop_top = left, top
    config.options.crop_width, config.options.crop_height = right - left, bottom - top
    config.options.use_scaling = 1
    config.options.scaled_width, config.options.scaled_height = size
    config.options.use_threads = 1
    config.options.bypass_filtering = config.options.no_fancy_upsampling = quick
    try:
        status = _libwebp.WebPDecode(data, ctypes.c_size_t(len(data)), ctypes.byref(config))
        if status != _OK:
            raise ValueError(f"libwebp status {status}")
        pixels = config.output.u.rgba
        buffer = (ctypes.c_char * pixels.size).from_address(pixels.rgba)
        return Image.frombytes(mode, size, buffer, "raw", mode, pixels.stride)  # copies
    finally:
        _libwebp.WebPFreeDecBuffer(ctypes.byref(config.output))


def _open(data: bytes) -> Image.Image:
    try:
        return WebPImagePlugin.WebPImageFile(BytesIO(data))
    except (OSError, SyntaxError) as error:
        raise ValueError("broken WebP") from error


def _features(library: ctypes.CDLL, data: bytes) -> _Features:
    features = _Features()
    status = library.WebPGetFeaturesInternal(
        data, ctypes.c_size_t(len(data)), ctypes.byref(features), _ABI_VERSION
    )
    if status != _OK:
        raise ValueError(f"libwebp status {status}")
    return features
