"""WebP without the libwebp that the package knows: Pillow's own plugin does the work."""

import ctypes
import logging
import sys
from collections.abc import Callable
from io import BytesIO

import pytest
from PIL import Image, _webp
from tests import photos

from vignette.images import libwebp


class Library:
    """A library that has everything but one symbol, or refuses the version of its interface."""

    def __init__(self, missing: str | None = None) -> None:
        self._library = ctypes.CDLL(_webp.__file__)
        self._missing = missing

    def __getattr__(self, name: str) -> object:
        if name == self._missing:
            raise AttributeError(name)
        if self._missing is None and name == "WebPConfigInitInternal":
            return lambda *_: 0
        return getattr(self._library, name)


@pytest.mark.parametrize("missing", [None, "WebPDecode", "WebPInitDecoderConfigInternal"])
def test_another_libwebp_is_not_used_and_said_so(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, missing: str | None
) -> None:
    library = Library(missing)
    monkeypatch.setattr(ctypes, "CDLL", lambda _: library)
    with caplog.at_level(logging.WARNING):
        assert libwebp._load() is None
    assert "libwebp has another interface" in caplog.text


def _without_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_webp, "__file__", "/no/such/library.so")


def _under_another_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "PIL._webp", None)
    monkeypatch.delattr("PIL._webp")


@pytest.mark.parametrize("change", [_without_library, _under_another_name])
def test_a_libwebp_that_cannot_be_loaded_is_said_so(
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    change: Callable[[pytest.MonkeyPatch], None],
) -> None:
    change(monkeypatch)
    with caplog.at_level(logging.WARNING):
        assert libwebp._load() is None
    assert "libwebp has another interface" in caplog.text


def test_the_libwebp_of_this_pillow_is_used() -> None:
    assert libwebp._libwebp is not None


def test_pictures_are_the_same_without_it(monkeypatch: pytest.MonkeyPatch) -> None:
    photo = photos.photo(size=(200, 160))
    known = libwebp.encode(photo, quality=80, effort=4, lossless=True)
    monkeypatch.setattr(libwebp, "_libwebp", None)
    plain = libwebp.encode(photo, quality=80, effort=4, lossless=True)
    with Image.open(BytesIO(known)) as one, Image.open(BytesIO(plain)) as other:
        assert one.tobytes() == other.tobytes()
    assert libwebp.read_features(known) == (200, 160, False)
    assert libwebp.decode(known, (20, 0, 180, 160), (80, 80)).size == (80, 80)
    with pytest.raises(ValueError, match="broken WebP"):
        libwebp.read_features(b"RIFF")
