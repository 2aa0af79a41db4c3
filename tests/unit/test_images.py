"""Renditions: what each kind of photo looks like when it is served."""

import io
import logging
import struct
import sys
import zlib
from collections.abc import Callable
from dataclasses import astuple
from typing import Any
from unittest.mock import Mock

import pytest
from PIL import Image, ImageChops, ImageStat, _avif
from PIL.JpegImagePlugin import JpegImageFile
from tests import photos
from tests.photos import HERE, STORED, chunk, exif, photo, png, swapped_profile

from vignette.crop import Crop
from vignette.images import UnreadableImage, formats, icc
from vignette.images.helper import process
from vignette.images.messages import Wanted
from vignette.images.photo import Rendition, open_photo

PHOTO = photo()
# What makes an encoder quick; by default, files would take several times as long as what is tested.
QUICK: dict[str, dict[str, object]] = {
    "PNG": {"compress_level": 1},
    "AVIF": {"speed": 10},
    "HEIC": {"enc_params": {"preset": "ultrafast"}},
}


def encoded(image: Image.Image, image_format: str, **options: object) -> bytes:
    """An image as a file that is made quickly."""
    return photos.encoded(image, image_format, **QUICK.get(image_format, {}) | options)


def renditions(data: bytes) -> dict[int, Rendition]:
    return {rendition.size: rendition for rendition in open_photo(data).renditions()}


def picture(data: bytes, size: int = 256) -> Image.Image:
    """A rendition, decoded."""
    image = Image.open(io.BytesIO(renditions(data)[size].body))
    assert image.format == "WEBP"
    return image


def reference(image: Image.Image, size: int = 256) -> Image.Image:
    """What a rendition should look like: the middle of the photo, well scaled."""
    edge = min(image.size)
    left, top = (image.width - edge) / 2, (image.height - edge) / 2
    box = (left, top, left + edge, top + edge)
    return image.resize((size, size), Image.Resampling.LANCZOS, box=box)


def difference(one: Image.Image, other: Image.Image) -> float:
    """How much two pictures differ on average, of 255."""
    bands = ImageStat.Stat(ImageChops.difference(one.convert("RGB"), other.convert("RGB"))).mean
    return sum(bands) / len(bands)


def colour(data: bytes, size: int = 64) -> tuple[int, ...]:
    """The colour in the middle of a rendition, with its alpha."""
    value = picture(data, size).convert("RGBA").getpixel((size // 2, size // 2))
    assert isinstance(value, tuple)
    return tuple(int(sample) for sample in value)


def near(one: tuple[int, ...], other: tuple[int, ...]) -> bool:
    return max(abs(a - b) for a, b in zip(one, other, strict=True)) <= 8


# Formats


@pytest.mark.parametrize("accepted", ["JPEG", "PNG", "GIF", "WEBP", "AVIF", "HEIC"])
def test_every_accepted_format_is_recognised_by_its_bytes(accepted: str) -> None:
    data = encoded(PHOTO, accepted)
    opened = open_photo(data)
    assert (opened.format, opened.width, opened.height) == (accepted, 512, 400)
    assert difference(picture(data), reference(PHOTO)) < 5


@pytest.mark.parametrize("bitmap_format", ["png", "bmp"])
def test_an_icon_gives_its_largest_picture(bitmap_format: str) -> None:
    square = photo(size=(256, 256))
    sizes = [(16, 16), (256, 256), (32, 32)]
    data = encoded(square, "ICO", sizes=sizes, bitmap_format=bitmap_format)
    opened = open_photo(data)
    assert (opened.format, opened.width, opened.height) == ("ICO", 256, 256)
    assert difference(picture(data), square) < 5


def test_an_icon_gives_the_deepest_of_its_largest_pictures() -> None:
    square = photo(size=(32, 32))
    grey = encoded(square.convert("1"), "ICO", sizes=[(32, 32)], bitmap_format="bmp")
    full = encoded(square.convert("RGBA"), "ICO", sizes=[(32, 32)], bitmap_format="bmp")
    entries, bodies = b"", b""
    for icon in (grey, full):
        fields = list(struct.unpack("<4BHHII", icon[6:22]))
        fields[7] = 6 + 2 * 16 + len(bodies)
        entries += struct.pack("<4BHHII", *fields)
        bodies += icon[22:]
    both = struct.pack("<3H", 0, 1, 2) + entries + bodies
    assert difference(picture(both, 64), square) < 8
    assert difference(square.convert("1"), square) > 50


@pytest.mark.parametrize("brand", [b"avif", b"heic"])
def test_a_general_container_is_recognised_by_its_compatible_brands(brand: bytes) -> None:
    data = encoded(PHOTO, {b"avif": "AVIF", b"heic": "HEIC"}[brand])
    assert data[8:12] == brand
    end = int.from_bytes(data[:4])
    assert brand in data[16:end]
    assert difference(picture(data[:8] + b"mif1" + data[12:]), reference(PHOTO)) < 5


@pytest.mark.parametrize("name", ["china.jpg", "flower.jpg", "chelsea.png", "coffee.png"])
def test_photographs_as_they_were_published(name: str) -> None:
    data = (HERE / name).read_bytes()
    original = Image.open(HERE / name).convert("RGB")
    for size, rendition in renditions(data).items():
        shown = picture(data, size)
        assert (rendition.width, rendition.height) == shown.size
        assert difference(shown, reference(original, shown.width)) < 6


# Sizes


def test_renditions_are_squares_of_four_sizes() -> None:
    made = renditions(encoded(photo(size=(1400, 1000)), "JPEG"))
    assert {size: (each.width, each.height) for size, each in made.items()} == {
        64: (64, 64),
        128: (128, 128),
        256: (256, 256),
        512: (512, 512),
    }
    for each in made.values():
        assert Image.open(io.BytesIO(each.body)).size == (each.width, each.height)


def test_a_small_photo_is_not_enlarged() -> None:
    made = renditions(encoded(photo(size=(100, 80)), "PNG"))
    assert {size: each.width for size, each in made.items()} == {64: 64, 128: 80, 256: 80, 512: 80}
    for each in made.values():
        assert Image.open(io.BytesIO(each.body)).size == (each.width, each.height)


@pytest.mark.parametrize("size", [(1, 1), (1, 3000), (3000, 1), (63, 65)])
def test_the_smallest_photos_keep_their_short_side(size: tuple[int, int]) -> None:
    made = renditions(encoded(Image.new("RGB", size, "teal"), "PNG"))
    assert {each.width for each in made.values()} == {min(size)}


@pytest.mark.parametrize("side", [2, 16, 48])
def test_the_smallest_pictures_keep_the_colour_of_every_pixel(side: int) -> None:
    pixels = Image.new("RGB", (side, side))
    colours = ((255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255))
    for at in range(side * side):
        pixels.putpixel((at % side, at // side), colours[(at + at // side) % 4])
    shown = picture(encoded(pixels, "PNG"), 64).convert("RGB")
    assert ImageChops.difference(shown, pixels).getbbox() is None


@pytest.mark.parametrize("across", [True, False])
@pytest.mark.parametrize("accepted", ["JPEG", "PNG", "WEBP", "AVIF"])
def test_the_middle_is_shown(accepted: str, across: bool) -> None:
    # Three squares in a row, the outer two of other colours.
    row = Image.new("RGB", (3000, 1000), "red")
    row.paste("lime", (1000, 0, 2000, 1000))
    row.paste("blue", (2000, 0, 3000, 1000))
    data = encoded(row if across else row.transpose(Image.Transpose.ROTATE_90), accepted)
    shown = picture(data).convert("RGB")
    assert difference(shown, Image.new("RGB", shown.size, "lime")) < 3


@pytest.mark.parametrize(
    ("accepted", "options"),
    [
        ("JPEG", {"quality": 95, "subsampling": 0}),
        ("PNG", {"compress_level": 1}),
        ("WEBP", {"quality": 95, "method": 0}),
        ("AVIF", {"quality": 95, "speed": 10, "subsampling": "4:4:4"}),
    ],
)
@pytest.mark.parametrize("size", [(1703, 1601), (2333, 2501)])
def test_large_photos_look_as_if_one_filter_had_seen_all_their_pixels(
    accepted: str, options: dict[str, object], size: tuple[int, int]
) -> None:
    large = photo("coffee.png", size)
    data = encoded(large, accepted, **options)
    for made in open_photo(data).renditions(quality=100):
        # Lightness alone: WebP stores colours at half the resolution.
        shown = Image.open(io.BytesIO(made.body)).convert("L")
        assert difference(shown, reference(large, made.size).convert("L")) < 1.3


@pytest.mark.parametrize("missing", ["kornia_rs.io", "numpy"])
def test_a_large_png_is_the_same_picture_without_its_own_decoder(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, missing: str
) -> None:
    data = encoded(photo(size=(1700, 1600)), "PNG", compress_level=1)
    with_it = renditions(data)
    formats._png_decoder.cache_clear()
    monkeypatch.setitem(sys.modules, missing, None)
    with caplog.at_level(logging.WARNING):
        formats.load(data[: formats.SIGNATURE_BYTES])
        assert renditions(data) == with_it
    formats._png_decoder.cache_clear()
    assert [record.message.split(":")[0] for record in caplog.records] == ["kornia-rs is not used"]


@pytest.mark.parametrize("orientation", [1, 6])
def test_an_avif_is_the_same_picture_if_pillows_decoder_has_another_name(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, orientation: int
) -> None:
    data = encoded(PHOTO, "AVIF", exif=exif(orientation))
    with_it = renditions(data)
    formats._avif_decoder.cache_clear()
    # The plugin knows the new name.
    monkeypatch.setattr("PIL.AvifImagePlugin._avif", Mock(AvifDecoder=_avif.AvifDecoder))
    monkeypatch.delattr("PIL._avif.AvifDecoder")
    with caplog.at_level(logging.WARNING):
        formats.load(data[: formats.SIGNATURE_BYTES])
        assert renditions(data) == with_it
    formats._avif_decoder.cache_clear()
    assert [record.message.split(":")[0] for record in caplog.records] == [
        "AVIF is decoded by Pillow's plugin"
    ]


# Orientation


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("accepted", ["JPEG", "PNG", "WEBP", "AVIF", "HEIC"])
def test_a_photo_is_shown_upright_however_the_camera_was_held(
    accepted: str, orientation: int
) -> None:
    turn = STORED[orientation]
    stored = PHOTO if turn is None else PHOTO.transpose(turn)
    data = encoded(stored, accepted, exif=exif(orientation))
    opened = open_photo(data)
    assert (opened.width, opened.height) == PHOTO.size
    assert difference(picture(data), reference(PHOTO)) < 5


def test_orientation_is_read_in_either_byte_order() -> None:
    stored = PHOTO.transpose(Image.Transpose.ROTATE_90)
    for byte_order in "<>":
        data = encoded(stored, "JPEG", exif=exif(6, byte_order))
        assert difference(picture(data), reference(PHOTO)) < 5


@pytest.mark.parametrize("size", [PHOTO.size, (1800, 1500)])
def test_a_png_may_say_after_its_pixels_how_the_camera_was_held(size: tuple[int, int]) -> None:
    image = photo(size=size)
    stored = encoded(image.transpose(Image.Transpose.ROTATE_90), "PNG", compress_level=1)
    end = stored.rindex(b"IEND") - 4
    data = stored[:end] + chunk(b"eXIf", exif(6).removeprefix(b"Exif\0\0")) + stored[end:]
    opened = open_photo(data)
    assert (opened.width, opened.height) == size
    assert difference(picture(data), reference(image)) < 5


LOOP = b"II*\0\x08\0\0\0\x01\0\x32\x01\x02\0\x04\0\0\0\x08\0\0\0\x08\0\0\0"


@pytest.mark.parametrize(
    "broken",
    [
        exif(0),
        exif(9),
        exif(6)[:14],
        exif(6)[:20],
        b"Exif\0\0",
        b"Exif\0\0II*\0\xff\xff\xff\x7f",
        b"Exif\0\0not a directory at all",
        b"Exif\0\0" + LOOP,
    ],
    ids=["0", "9", "cut off", "cut in a tag", "empty", "far away", "nonsense", "a loop"],
)
@pytest.mark.parametrize("accepted", ["JPEG", "PNG", "WEBP"])
def test_broken_exif_leaves_a_photo_as_it_is_stored(accepted: str, broken: bytes) -> None:
    data = encoded(PHOTO, accepted, exif=broken)
    opened = open_photo(data)
    assert (opened.width, opened.height) == PHOTO.size
    assert difference(picture(data), reference(PHOTO)) < 5


# Colour


@pytest.mark.parametrize("accepted", ["JPEG", "PNG", "WEBP", "AVIF", "HEIC"])
def test_colours_are_converted_from_the_embedded_profile(accepted: str) -> None:
    red, green, blue = PHOTO.split()
    stored = Image.merge("RGB", (green, red, blue))
    if accepted == "HEIC":
        stored.info["icc_profile"] = swapped_profile()
        data = encoded(stored, accepted, quality=90)
    else:
        data = encoded(stored, accepted, icc_profile=swapped_profile(), quality=90)
    assert difference(picture(data), reference(PHOTO)) < 6


@pytest.mark.parametrize(
    "profile",
    [b"\xff" * 300, swapped_profile()[:200], swapped_profile()[:128] + b"\xff" * 400],
    ids=["nonsense", "cut off", "a bad table"],
)
def test_a_broken_profile_is_ignored(profile: bytes) -> None:
    for accepted in ("JPEG", "PNG", "WEBP"):
        data = encoded(PHOTO, accepted, icc_profile=profile)
        assert difference(picture(data), reference(PHOTO)) < 5


def test_a_profile_for_another_kind_of_pixels_is_ignored() -> None:
    grey = PHOTO.convert("L")
    data = encoded(grey, "JPEG", icc_profile=swapped_profile())
    assert difference(picture(data), reference(grey)) < 5
    inks = PHOTO.convert("CMYK")
    data = encoded(inks, "JPEG", icc_profile=swapped_profile())
    assert difference(picture(data), reference(PHOTO)) < 5


def test_a_profile_of_tables_is_used() -> None:
    # A table (ICC.1:2022, 10.11) that makes everything the same grey.
    grey = bytes([0x40, 0x42, 0x36]) * 8  # X, Y and Z for every corner of its grid of 2 x 2 x 2
    straight = bytes(range(256)) * 3
    matrix = struct.pack(">9i", 1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 16)
    table = b"mft1" + bytes(4) + bytes([3, 3, 2, 0]) + matrix + straight + grey + straight
    plain = swapped_profile()
    profile = plain[:128] + struct.pack(">I4sII", 1, b"A2B0", 144, len(table)) + table
    profile = struct.pack(">I", len(profile)) + profile[4:]
    for accepted in ("JPEG", "PNG", "WEBP"):
        shown = picture(encoded(PHOTO, accepted, icc_profile=profile)).convert("RGB")
        assert max(ImageStat.Stat(shown).stddev) < 2


def test_a_profile_keeps_what_a_display_profile_needs_and_nothing_else() -> None:
    reduced = icc.reduced(swapped_profile())
    kept = {reduced[at : at + 4] for at in range(132, 132 + 12 * reduced[131], 12)}
    assert kept == {b"wtpt", b"rXYZ", b"gXYZ", b"bXYZ", b"rTRC", b"gTRC", b"bTRC"}
    assert icc.reduced(swapped_profile()[:100]) == b""
    assert icc.reduced(swapped_profile()[:128] + bytes(4)) == b""


ADOBE = b"\xff\xee\x00\x0eAdobe\x00\x64\x00\x00\x00\x00"


def test_cmyk_is_shown_in_its_colours() -> None:
    data = encoded(PHOTO.convert("CMYK"), "JPEG")
    assert ADOBE in data
    assert difference(picture(data), reference(PHOTO)) < 5


def test_cmyk_without_adobe_s_marker_is_not_inverted() -> None:
    data = encoded(ImageChops.invert(PHOTO.convert("CMYK")), "JPEG").replace(ADOBE + b"\0", b"")
    assert b"Adobe" not in data
    assert difference(picture(data), reference(PHOTO)) < 5


def test_ycck_is_shown_in_its_colours() -> None:
    # Pillow writes no YCCK: hand it those four planes as if they were ink, then say what they are.
    y, cb, cr = ImageChops.invert(PHOTO).convert("YCbCr").split()
    planes = Image.merge("CMYK", (y, cb, cr, Image.new("L", PHOTO.size, 255)))
    data = encoded(ImageChops.invert(planes), "JPEG", quality=90)
    ycck = data.replace(ADOBE + b"\0", ADOBE + b"\2")
    assert ycck != data
    assert difference(picture(ycck), reference(PHOTO)) < 6


def test_grey_stays_grey() -> None:
    grey = PHOTO.convert("L")
    for accepted in ("JPEG", "PNG", "GIF", "AVIF", "HEIC"):
        assert difference(picture(encoded(grey, accepted)), reference(grey)) < 5


def test_black_and_white_is_averaged() -> None:
    # Every other pixel white: half grey from afar.
    board = Image.new("1", (1024, 1024))
    board.putdata([255 * ((x + y) % 2) for y in range(1024) for x in range(1024)])
    assert near(colour(encoded(board, "PNG")), (128, 128, 128, 255))


def test_a_palette_is_averaged_by_colour_and_not_by_index() -> None:
    stripes = Image.new("P", (1024, 1024))
    stripes.putpalette([255, 0, 0, 0, 0, 0, 0, 0, 255])
    for x in range(0, 1024, 2):
        stripes.paste(2, (x, 0, x + 1, 1024))
    assert near(colour(encoded(stripes, "PNG")), (128, 0, 128, 255))


@pytest.mark.parametrize(
    ("colour_type", "sample", "seen"),
    [
        (0, (0x80FF,), (128, 128, 128, 255)),
        (2, (0x2010, 0x9020, 0xF0FF), (32, 144, 240, 255)),
        (4, (0x80FF, 0xFFFF), (128, 128, 128, 255)),
        (6, (0x2010, 0x9020, 0xF0FF, 0xFFFF), (32, 144, 240, 255)),
    ],
    ids=["grey", "RGB", "grey with alpha", "RGB with alpha"],
)
def test_sixteen_bits_become_eight(
    colour_type: int, sample: tuple[int, ...], seen: tuple[int, ...]
) -> None:
    pixel = struct.pack(f">{len(sample)}H", *sample)
    for edge in (80, 1100):  # as it is, and averaged first
        data = png((edge, edge), 16, colour_type, pixel * edge * edge)
        assert near(colour(data), seen)


# Transparency


@pytest.mark.parametrize("accepted", ["PNG", "WEBP", "AVIF", "HEIC", "ICO"])
def test_transparency_is_kept(accepted: str) -> None:
    edge = 256 if accepted == "ICO" else 1100
    clear = photo(size=(edge, edge)).convert("RGBA")
    clear.putalpha(Image.linear_gradient("L").resize((edge, edge)))
    options = {"sizes": [(256, 256)]} if accepted == "ICO" else {}
    shown = picture(encoded(clear, accepted, **options))
    assert shown.mode == "RGBA"
    assert difference(shown.getchannel("A"), reference(clear.getchannel("A"))) < 3
    background = Image.new("RGBA", (256, 256), "white")
    assert (
        difference(
            Image.alpha_composite(background, shown),
            Image.alpha_composite(background, reference(clear)),
        )
        < 4
    )


def test_large_photos_keep_their_transparency_too() -> None:
    clear = photo(size=(1800, 1500)).convert("RGBA")
    clear.putalpha(Image.linear_gradient("L").resize(clear.size))
    for accepted, options in (("PNG", {"compress_level": 1}), ("WEBP", {"method": 0})):
        shown = picture(encoded(clear, accepted, **options))
        assert difference(shown.getchannel("A"), reference(clear.getchannel("A"))) < 3
        assert difference(shown, reference(clear)) < 6


def test_the_colour_of_clear_pixels_does_not_bleed() -> None:
    # A white disc on clear black: its edge must not turn grey.
    stripes = Image.new("RGBA", (1024, 1024), (0, 0, 0, 0))
    for x in range(0, 1024, 2):
        stripes.paste((255, 255, 255, 255), (x, 0, x + 1, 1024))
    assert near(colour(encoded(stripes, "PNG")), (255, 255, 255, 128))


def test_grey_with_alpha_keeps_both() -> None:
    grey = Image.new("LA", (600, 600), (90, 60))
    assert near(colour(encoded(grey, "PNG")), (90, 90, 90, 60))


def test_a_palette_keeps_its_transparent_entries() -> None:
    image = Image.new("P", (600, 600), 1)
    image.putpalette([255, 0, 0, 0, 160, 0])
    assert near(colour(encoded(image, "PNG", transparency=bytes([255, 100]))), (0, 160, 0, 100))
    for accepted in ("PNG", "GIF"):
        assert colour(encoded(image, accepted, transparency=1))[3] == 0
        assert colour(encoded(image, accepted, transparency=0))[3] == 255


@pytest.mark.parametrize(
    ("depth", "colour_type", "pixel", "key"),
    [
        (1, 0, b"\xff", (1,)),
        (2, 0, b"\xaa", (2,)),
        (4, 0, b"\x77", (7,)),
        (8, 0, b"\x77", (0x77,)),
        (16, 0, b"\x77\x01", (0x7701,)),
        (8, 2, b"\x11\x22\x33", (0x11, 0x22, 0x33)),
        (16, 2, b"\x11\x01\x22\x02\x33\x03", (0x1101, 0x2202, 0x3303)),
    ],
)
def test_a_png_s_key_colour_is_clear_at_every_depth(
    depth: int, colour_type: int, pixel: bytes, key: tuple[int, ...]
) -> None:
    rows = pixel * (80 * 80 * depth * (1 if colour_type == 0 else 3) // 8 // len(pixel))
    trns = chunk(b"tRNS", struct.pack(f">{len(key)}H", *key))
    assert colour(png((80, 80), depth, colour_type, rows, trns))[3] == 0
    other = chunk(b"tRNS", struct.pack(f">{len(key)}H", *(0 for _ in key)))
    assert colour(png((80, 80), depth, colour_type, rows, other))[3] == 255


def test_an_interlaced_png_is_shown_like_any_other() -> None:
    # Adam7, written pass by pass (PNG 3rd edition, 8.2).
    image = photo(size=(300, 240))
    rows = b""
    for x, y, across, down in (
        (0, 0, 8, 8),
        (4, 0, 8, 8),
        (0, 4, 4, 8),
        (2, 0, 4, 4),
        (0, 2, 2, 4),
        (1, 0, 2, 2),
        (0, 1, 1, 2),
    ):
        for row in range(y, image.height, down):
            line = image.crop((0, row, image.width, row + 1)).tobytes()
            rows += b"\0" + b"".join(
                line[3 * column : 3 * column + 3] for column in range(x, image.width, across)
            )
    header = struct.pack(">IIBBBBB", *image.size, 8, 2, 0, 0, 1)
    parts = chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b"")
    data = b"\x89PNG\r\n\x1a\n" + b"".join(parts)
    assert difference(picture(data, 128), reference(image, 128)) < 6


@pytest.mark.parametrize("kind", ["deep", "palette"])
def test_a_png_in_an_icon_is_read_as_a_png(kind: str) -> None:
    if kind == "deep":
        inside = png((80, 80), 16, 2, struct.pack(">3H", 0x2010, 0x9020, 0xF0FF) * 6400)
    else:
        inside = encoded(photo(size=(80, 80)).quantize(200), "PNG")
    data = struct.pack("<3H4BHHII", 0, 1, 1, 80, 80, 0, 0, 0, 32, len(inside), 22) + inside
    opened = open_photo(data)
    assert (opened.format, opened.width, opened.height) == ("ICO", 80, 80)
    assert difference(picture(data, 64), picture(inside, 64)) == 0


# Animations


@pytest.mark.parametrize("accepted", ["GIF", "WEBP", "PNG", "AVIF"])
def test_the_first_frame_of_an_animation_is_shown(accepted: str) -> None:
    others = [Image.new("RGB", PHOTO.size, name) for name in ("blue", "black")]
    data = encoded(PHOTO, accepted, save_all=True, append_images=others, duration=100)
    assert getattr(Image.open(io.BytesIO(data)), "n_frames") == 3  # noqa: B009
    assert difference(picture(data), reference(PHOTO)) < 5


def test_a_first_frame_smaller_than_its_canvas_is_shown_in_its_place() -> None:
    # A 100 x 60 frame at 20, 40 on a canvas of 200 x 200.
    frame = encoded(Image.new("RGB", (100, 60), "red"), "WEBP")[12:]
    anmf = b"".join(value.to_bytes(3, "little") for value in (10, 20, 99, 59, 100)) + b"\0" + frame
    chunks = b"VP8X" + struct.pack("<I", 10) + b"\x02\0\0\0" + b"\xc7\0\0" * 2
    chunks += b"ANIM" + struct.pack("<I", 6) + bytes(6)
    chunks += b"ANMF" + struct.pack("<I", len(anmf)) + anmf
    data = b"RIFF" + struct.pack("<I", 4 + len(chunks)) + b"WEBP" + chunks
    shown = picture(data).convert("RGBA")
    assert shown.size == (200, 200)
    for point, alpha in {(70, 70): 255, (22, 42): 255, (10, 70): 0, (130, 70): 0}.items():
        pixel = shown.getpixel(point)
        assert isinstance(pixel, tuple)
        assert pixel[3] == alpha


# What is served


def riff_chunks(webp: bytes) -> list[bytes]:
    """The names of the chunks of a WebP file, which must be all that it is."""
    assert webp[:4] == b"RIFF"
    assert struct.unpack("<I", webp[4:8])[0] + 8 == len(webp)
    at, names = 12, []
    while at < len(webp):
        names.append(webp[at : at + 4])
        at += 8 + (struct.unpack("<I", webp[at + 4 : at + 8])[0] + 1) // 2 * 2
    return names


def jpeg_with_metadata() -> bytes:
    xmp = b"<x:xmpmeta xmlns:x='adobe:ns:meta/'>SECRET</x:xmpmeta>"
    profile = swapped_profile()
    return encoded(
        PHOTO, "JPEG", exif=exif(1), xmp=xmp, icc_profile=profile, comment=b"SECRET comment"
    )


def png_with_metadata() -> bytes:
    text = chunk(b"tEXt", b"Comment\0SECRET") + chunk(b"eXIf", exif(1)[6:])
    plain = encoded(PHOTO, "PNG")
    return plain[:33] + text + plain[33:-12] + text[:29] + plain[-12:]


def webp_with_metadata() -> bytes:
    return encoded(PHOTO, "WEBP", exif=exif(1), xmp=b"SECRET", icc_profile=swapped_profile())


def avif_with_metadata() -> bytes:
    return encoded(PHOTO, "AVIF", exif=exif(1), xmp=b"SECRET", icc_profile=swapped_profile())


def heic_with_metadata() -> bytes:
    return encoded(PHOTO, "HEIC", exif=exif(1), xmp=b"SECRET")


def gif_with_metadata() -> bytes:
    return encoded(PHOTO, "GIF", comment=b"SECRET")


@pytest.mark.parametrize(
    "make",
    [
        jpeg_with_metadata,
        png_with_metadata,
        webp_with_metadata,
        avif_with_metadata,
        heic_with_metadata,
        gif_with_metadata,
    ],
)
def test_no_metadata_is_served(make: Callable[[], bytes]) -> None:
    data = make()
    assert b"SECRET" in data
    for rendition in renditions(data).values():
        assert riff_chunks(rendition.body) == [b"VP8 "]
        assert b"SECRET" not in rendition.body


def test_a_clear_picture_has_no_metadata_either() -> None:
    image = Image.new("RGBA", (300, 300), (10, 20, 30, 100))
    data = encoded(image, "PNG", exif=exif(1), icc_profile=swapped_profile())
    for rendition in renditions(data).values():
        assert set(riff_chunks(rendition.body)) <= {b"VP8X", b"ALPH", b"VP8 ", b"VP8L"}
        assert not {"exif", "icc_profile", "xmp"} & set(Image.open(io.BytesIO(rendition.body)).info)


@pytest.mark.parametrize("accepted", ["JPEG", "PNG", "GIF", "WEBP", "AVIF", "HEIC"])
def test_the_same_photo_gives_the_same_bytes(accepted: str) -> None:
    data = encoded(PHOTO, accepted)
    assert renditions(data) == renditions(data)


# Faces


@pytest.mark.parametrize("accepted", ["JPEG", "PNG", "GIF", "WEBP", "AVIF", "HEIC"])
@pytest.mark.parametrize("size", [(900, 600), (1400, 2100)])
def test_without_a_face_looking_for_one_changes_no_byte(
    accepted: str, size: tuple[int, int]
) -> None:
    data = encoded(photo("china.jpg", size), accepted)
    result = process(data, Wanted(find_faces=True))
    assert result.framing == "centre"
    assert result == process(data, Wanted(find_faces=False))


@pytest.mark.parametrize("before", [{}, {"whole": 1024}])
def test_without_a_face_a_jpeg_is_decoded_as_if_none_was_looked_for(before: dict[str, int]) -> None:
    data = encoded(photo("china.jpg", (2800, 2100)), "JPEG")
    assert process(data, Wanted(wholes=before, find_faces=True)) == process(
        data, Wanted(wholes=before)
    )


@pytest.mark.parametrize(("side", "decodings"), [(4000, 1), (1000, 2)])
def test_a_jpeg_is_decoded_once_more_for_a_small_face_only(
    side: int, decodings: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = photo("china.jpg", (2800, 2100))
    whole.paste(photo(size=(side, side)), (1150 - side * 43 // 100, 1000 - side // 4))
    decoded = []
    draft = JpegImageFile.draft

    def counted(image: JpegImageFile, *wanted: Any) -> object:
        decoded.append(wanted)
        return draft(image, *wanted)

    monkeypatch.setattr(JpegImageFile, "draft", counted)
    framed = open_photo(encoded(whole, "JPEG")).framed(find_faces=True)
    assert framed.framing == "face"
    assert framed.picture.width == 512
    assert len(decoded) == decodings


@pytest.mark.parametrize("animated", [False, True])
@pytest.mark.parametrize("accepted", ["PNG", "GIF", "WEBP", "AVIF"])
def test_a_face_is_framed_alike_in_every_format(accepted: str, animated: bool) -> None:
    image = photo(size=(1200, 1400))
    others = {"save_all": True, "append_images": [Image.new("RGB", image.size)]} if animated else {}
    result = process(encoded(image, accepted, **others), Wanted(find_faces=True))
    expected = process(encoded(image, "JPEG", quality=95), Wanted(find_faces=True)).crop
    assert result.framing == "face"
    # A pixel of the first look makes this much of a difference: the square's side takes steps.
    assert astuple(result.crop) == pytest.approx(astuple(expected), abs=0.05)


# What is no photo


def test_more_than_50_megapixels_are_too_many() -> None:
    assert open_photo(png((10_000, 5_000), 1, 0, bytes(1250 * 5000))).width == 10_000
    with pytest.raises(UnreadableImage) as caught:
        open_photo(png((10_000, 5_001), 1, 0, bytes(1250 * 5001)))
    assert caught.value.reason == "too_many_pixels"


# A JPEG that is decoded twice


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("orientation", [1, 3, 6])
@pytest.mark.parametrize("place", [(0.5, 0.0), (0.3, 0.45), (1.0, 1.0)])
def test_a_square_is_the_same_if_the_photo_was_decoded_before(
    place: tuple[float, float], orientation: int, progressive: bool
) -> None:
    stored = photo(size=(1203, 1601))
    data = encoded(stored, "JPEG", exif=exif(orientation), progressive=progressive)
    crop = Crop(*place, 0.33)
    again = open_photo(data)
    again.whole(128)  # this time the whole photo in few pixels, then the upper part in all
    assert again.framed(crop=crop) == open_photo(data).framed(crop=crop)


def test_what_follows_a_second_decoding_is_decoded_whole() -> None:
    data = encoded(photo(size=(1600, 1600)), "JPEG")
    several = open_photo(data)
    several.whole(128)
    several.framed(crop=Crop(0.5, 0.1, 0.2))
    below = Crop(0.5, 0.9, 0.2)
    assert several.framed(crop=below) == open_photo(data).framed(crop=below)
    with pytest.raises(UnreadableImage, match="corrupt_image"):
        open_photo(data[: len(data) // 2]).framed()
