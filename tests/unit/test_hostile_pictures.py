"""Hostile pictures: each becomes a clean rendition or fails with a reason, in bounded memory and in
the time that the kernel allows, and nothing of it is served."""

import json
import os
import random
import signal
import struct
import subprocess
import sys
import tempfile
import time
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from tests.photos import (
    HERE,
    chunk,
    encoded,
    exif,
    intruder,
    laborious_profile,
    photo,
    png,
    swapped_profile,
)
from tests.photos.intruder import answer as whole_answer

from vignette.crop import Crop
from vignette.errors import Unavailable
from vignette.images import Result, UnreadableImage, Wanted, helper, isolation, process
from vignette.images.messages import unpack_answer

pytestmark = pytest.mark.matrix

ROOT = HERE.parent.parent
MAX_BYTES = 768 * 1024 * 1024
MAX_UPLOAD_BYTES = 10 * 1024 * 1024
FORMATS = ("JPEG", "PNG", "GIF", "WEBP", "AVIF", "HEIC", "ICO")

# Large PNGs have a decoder of their own.
DAMAGED = (*FORMATS, "large PNG")

PHOTO = photo(size=(160, 120))
WEBP = encoded(PHOTO, "WEBP")


@dataclass
class Examined:
    """What became of some files in a process of their own, and what all of them took."""

    outcomes: dict[str, str]
    decoders: list[str]
    cpu_seconds: float
    peak_bytes: int

    def all_are(self, *outcomes: str) -> bool:
        return set(self.outcomes.values()) <= set(outcomes)


Examine = Callable[..., Examined]


@pytest.fixture
def examine(tmp_path: Path, record_property: Callable[[str, object], None]) -> Examine:
    """Put files through the service's pictures; check what holds for every file there is."""

    def run(files: Mapping[str, bytes], *options: str) -> Examined:
        record_property("hostile pictures", len(files))
        directory = Path(tempfile.mkdtemp(dir=tmp_path))
        for name, data in files.items():
            assert len(data) <= MAX_UPLOAD_BYTES, name
            (directory / name).write_bytes(data)
        path = os.pathsep.join((str(ROOT), str(ROOT / "layers" / "vignette")))
        done = subprocess.run(
            [sys.executable, "-m", "tests.photos.examine", *options, str(directory)],
            env={**os.environ, "PYTHONPATH": path},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert done.stderr == ""
        result = json.loads(done.stdout)
        assert result["files"].keys() == files.keys()
        assert result["peak_bytes"] < MAX_BYTES
        for name, file in result["files"].items():
            assert not file["outcome"].startswith("bug"), f"{name}: {file['outcome']}"
            assert file["clean"], name
        outcomes = {name: file["outcome"] for name, file in result["files"].items()}
        return Examined(outcomes, result["decoders"], result["cpu_seconds"], result["peak_bytes"])

    return run


@cache
def small(accepted: str) -> bytes:
    """A small file in a format."""
    if accepted == "large PNG":
        canvas = Image.new("RGB", (1600, 1400))
        canvas.paste(PHOTO, (700, 600))
        return encoded(canvas, "PNG")
    if accepted == "ICO":
        return encoded(PHOTO.resize((128, 128)), "ICO", sizes=[(128, 128)], bitmap_format="bmp")
    return encoded(PHOTO, accepted)


def sized_ispe(data: bytes, width: int, height: int) -> bytes:
    """An AVIF or HEIC file whose container states another size (ISO/IEC 23008-12, ispe)."""
    at = data.index(b"ispe") + 8
    return data[:at] + struct.pack(">II", width, height) + data[at + 8 :]


# Damage


@pytest.mark.parametrize("accepted", DAMAGED)
def test_photos_cut_off_at_every_kilobyte_fail_as_corrupt(examine: Examine, accepted: str) -> None:
    own = accepted in ("ICO", "large PNG")
    data = small(accepted) if own else encoded(photo(size=(256, 256)), accepted)
    cuts = {f"{end:06}": data[:end] for end in (16, *range(1024, len(data), 1024))}
    examined = examine(cuts)
    assert len(cuts) > 5
    assert examined.all_are("corrupt_image")


@pytest.mark.parametrize("accepted", DAMAGED)
def test_flipped_bits_end_in_a_rendition_or_a_reason(examine: Examine, accepted: str) -> None:
    data = small(accepted)
    chance = random.Random(accepted)
    damaged = {}
    for number in range(80):
        bytes_ = bytearray(data)
        # The header is where damage does most.
        end = len(data) if number % 2 else min(len(data), 600)
        for _ in range(chance.choice((1, 1, 4))):
            bytes_[chance.randrange(end)] ^= 1 << chance.randrange(8)
        damaged[f"{number:03}"] = bytes(bytes_)
    examined = examine(damaged)
    assert examined.all_are("ready", "corrupt_image", "too_many_pixels", "unsupported_format")
    assert len(Counter(examined.outcomes.values())) > 1


def test_nonsense_after_a_good_beginning_fails_as_corrupt(examine: Examine) -> None:
    noise = random.Random(1).randbytes(20_000)
    begun = {each: small(each)[:64] + noise for each in FORMATS}
    examined = examine(begun)
    assert examined.outcomes.pop("WEBP") == "ready"  # all bits mean something to its decoder
    assert examined.all_are("corrupt_image")


# Bombs


def huge_headers() -> dict[str, bytes]:
    """A file of each format that says it has far more pixels than it has bytes."""
    jpeg = small("JPEG")
    at = jpeg.index(b"\xff\xc0") + 5
    gif = small("GIF")
    webp = small("WEBP")
    wide = png((65535, 65535), 8, 2, b"")
    return {
        "JPEG": jpeg[:at] + b"\xff\xff\xff\xff" + jpeg[at + 4 :],
        "PNG": wide,
        "PNG of 2 to the 31": png((2**31 - 1, 2**31 - 1), 8, 2, b""),
        "GIF": gif[:6] + b"\xff\xff\xff\xff" + gif[10:],
        "GIF with a huge frame": gif_with_frame(65535, 65535),
        "WEBP": webp[:26] + b"\xff\x3f\xff\x3f" + webp[30:],
        "WEBP lossless": encoded(Image.new("RGB", (16383, 3100)), "WEBP", lossless=True, method=0),
        "WEBP canvas": b"RIFF\x16\0\0\0WEBPVP8X\x0a\0\0\0\x02\0\0\0" + b"\xff\x3f\0\xff\x3f\0",
        "AVIF": sized_ispe(small("AVIF"), 16000, 16000),
        "HEIC": sized_ispe(small("HEIC"), 65535, 65535),
        "ICO of a PNG": icon(wide),
        "ICO of a bitmap": icon(
            struct.pack("<IiiHHIIiiII", 40, 30000, 60000, 1, 8, 1, 0, 0, 0, 0, 0)
        ),
    }


def gif_with_frame(width: int, height: int) -> bytes:
    """A GIF of one pixel whose frame is larger than that."""
    head = b"GIF89a\x01\0\x01\0\x80\0\0\0\0\0\xff\xff\xff"
    frame = b"," + struct.pack("<4HB", 0, 0, width, height, 0)
    return head + frame + b"\x02\x02\x44\x01\0;"


def icon(body: bytes) -> bytes:
    """An ICO file with one entry."""
    return struct.pack("<3H4BHHII", 0, 1, 1, 0, 0, 0, 0, 1, 32, len(body), 22) + body


def test_more_pixels_than_are_accepted_are_never_decoded(examine: Examine) -> None:
    examined = examine(huge_headers(), "--here")
    assert examined.all_are("too_many_pixels"), examined.outcomes
    assert examined.decoders == []


def flat(accepted: str) -> bytes:
    """49 megapixels of one colour in a few kilobytes."""
    size = (7000, 7000)
    match accepted:
        case "JPEG":
            return encoded(Image.new("CMYK", size, (9, 99, 200, 3)), "JPEG", progressive=True)
        case "PNG":
            return png(size, 16, 6, b"\x11\x22" * 4 * size[0] * size[1])
        case "WEBP":
            return encoded(Image.new("RGBA", size, (9, 99, 200, 3)), "WEBP", method=0, quality=0)
        case "WEBP lossless":
            clear = Image.new("RGBA", size, (9, 99, 200, 3))
            return encoded(clear, "WEBP", lossless=True, method=0, quality=0)
        case "AVIF":
            return encoded(Image.new("RGB", size, (9, 99, 200)), "AVIF", speed=10, quality=10)
        case "ICO":
            return icon(png(size, 8, 2, b"\x09\x63\xc8" * size[0] * size[1]))
        case _:
            return encoded(Image.new("P", size, 3), "GIF")


@pytest.mark.parametrize("accepted", ["JPEG", "PNG", "GIF", "WEBP", "WEBP lossless", "AVIF", "ICO"])
def test_nearly_too_many_pixels_of_one_colour_are_decoded(examine: Examine, accepted: str) -> None:
    data = flat(accepted)
    assert len(data) < MAX_UPLOAD_BYTES / 4
    assert examine({accepted: data}).all_are("ready")


def test_the_costliest_photos_that_people_send_are_decoded_on_one_processor(
    examine: Examine, record_property: Callable[[str, object], None]
) -> None:
    size = (8000, 6240)
    grain = Image.effect_noise((4000, 3120), 40).resize(size).convert("RGB")
    photos = {
        "JPEG": encoded(grain, "JPEG", quality=55, progressive=True),
        "AVIF": encoded(grain, "AVIF", speed=10, quality=60, subsampling="4:4:4"),
        "HEIC": encoded(grain, "HEIC", quality=35, chroma=444, enc_params={"preset": "ultrafast"}),
    }
    costs = [examine({name: data}, "--costliest") for name, data in photos.items()]
    assert all(each.all_are("ready") for each in costs)
    milliseconds = round(1000 * max(each.cpu_seconds for each in costs))
    mebibytes = max(each.peak_bytes for each in costs) >> 20
    record_property("ms of CPU for the costliest photo that people send", milliseconds)
    record_property("ms of CPU that the kernel lets a photo have", 1000 * helper.CPU_SECONDS)
    record_property("MiB for the largest photo that people send", mebibytes)
    record_property("MiB that the kernel lets a photo have", helper.MEMORY_BYTES >> 20)


def test_strips_become_pictures_of_their_width(examine: Examine) -> None:
    strips = {
        "PNG across": png((65535, 1), 8, 0, bytes(65535)),
        "PNG down": png((1, 65535), 8, 0, bytes(65535)),
        "JPEG": encoded(Image.new("RGB", (65500, 1), "red"), "JPEG"),
        "GIF": encoded(Image.new("P", (65535, 1)), "GIF"),
        "WEBP": encoded(Image.new("RGB", (1, 16383), "red"), "WEBP"),
        "AVIF": encoded(Image.new("RGB", (16384, 1), "red"), "AVIF", speed=10),
        "one pixel": png((1, 1), 1, 0, b"\x80"),
    }
    assert examine(strips).all_are("ready")


def test_a_container_that_lies_about_its_frame_is_bounded(examine: Examine) -> None:
    frame = encoded(Image.new("RGB", (9000, 9000), "red"), "AVIF", speed=10, quality=10)
    lies = {
        "AVIF says smaller": sized_ispe(frame, 64, 64),
        "AVIF says larger": sized_ispe(small("AVIF"), 7000, 7000),
        "HEIC says smaller": sized_ispe(small("HEIC"), 16, 16),
        "HEIC says larger": sized_ispe(small("HEIC"), 7000, 7000),
    }
    examined = examine(lies)
    assert examined.all_are("ready", "corrupt_image", "too_many_pixels")


def test_ten_thousand_frames_cost_as_much_as_the_first(examine: Examine) -> None:
    # What follows the first frame is not even looked at: it may be nonsense.
    first = small("GIF")[:-1]
    frame = first[first.index(b",", 13 + 768) :]
    again = (
        b"!\xf9\x04\0\x05\0\0\0" + b"," + struct.pack("<4HB", 0, 0, 1, 1, 0) + b"\x02\x02\x44\x01\0"
    )
    animations = {
        "GIF": first + again * 10_000 + b";",
        "GIF then nonsense": first + frame[: len(frame) // 2] + b"\xff" * 1000,
        "WEBP": animated_webp(10_000),
        "PNG": encoded(
            PHOTO, "PNG", save_all=True, append_images=[Image.new("RGB", PHOTO.size)] * 99
        ),
    }
    assert examine(animations).all_are("ready")


def animated_webp(frames: int) -> bytes:
    """An animation of which all frames but the first are one pixel."""

    def anmf(image: Image.Image) -> bytes:
        still = encoded(image, "WEBP")[12:]
        place = b"".join(
            value.to_bytes(3, "little") for value in (0, 0, *(n - 1 for n in image.size), 9)
        )
        body = place + b"\0" + still
        return b"ANMF" + struct.pack("<I", len(body)) + body

    canvas = b"".join((n - 1).to_bytes(3, "little") for n in PHOTO.size)
    body = b"VP8X" + struct.pack("<I", 10) + b"\x02\0\0\0" + canvas
    body += b"ANIM" + struct.pack("<I", 6) + bytes(6)
    body += anmf(PHOTO) + anmf(Image.new("RGB", (1, 1))) * (frames - 1)
    return b"RIFF" + struct.pack("<I", 4 + len(body)) + b"WEBP" + body


def test_a_jpeg_of_thousands_of_scans_is_not_decoded(examine: Examine) -> None:
    data = encoded(Image.new("L", (7000, 7000), 77), "JPEG", progressive=True, quality=50)
    start = data.rindex(b"\xff\xda")
    scan = data[start:-2]
    assert len(scan) < 100
    examined = examine({"5000 scans": data[:-2] + scan * 5000 + b"\xff\xd9", "as it was": data})
    assert examined.outcomes == {"5000 scans": "corrupt_image", "as it was": "ready"}


def test_millions_of_empty_blocks_are_given_up_on(examine: Examine) -> None:
    def fill(before: bytes, block: bytes, after: bytes) -> bytes:
        room = MAX_UPLOAD_BYTES - len(before) - len(after)
        return before + block * (room // len(block)) + after

    jpeg, picture, gif = small("JPEG"), small("PNG"), small("GIF")
    pixels = picture.index(b"IDAT") - 4
    frame = 13 + 768
    images = {
        "JPEG segments": fill(jpeg[:2], b"\xff\xe5\0\2", jpeg[2:]),
        "JPEG comments": fill(jpeg[:2], b"\xff\xfe\0\3x", jpeg[2:]),
        "JPEG padding": fill(jpeg[:2], b"\xff", jpeg[2:]),
        "PNG chunks": fill(picture[:33], chunk(b"prVt", b""), picture[33:]),
        "PNG texts": fill(picture[:33], chunk(b"tEXt", b"a\0b"), picture[33:]),
        "PNG empty pixels": fill(picture[:pixels], chunk(b"IDAT", b""), picture[pixels:]),
        "PNG chunks at the end": fill(picture[:-12], chunk(b"prVt", b""), picture[-12:]),
        "GIF extensions": fill(gif[:frame], b"!\1\0", gif[frame:]),
        "GIF comment": fill(gif[:frame] + b"!\xfe", b"\1x", b"\0" + gif[frame:]),
        "ICO entries": fill(
            b"\0\0\1\0\xff\xff", struct.pack("<4BHHII", *bytes(4), 1, 32, 9, 6), b""
        ),
    }
    for name in ("AVIF", "HEIC"):
        box = int.from_bytes(small(name)[:4])
        images[f"{name} boxes"] = fill(small(name)[:box], b"\0\0\0\x08free", small(name)[box:])
    assert examine(images).all_are("corrupt_image")


def test_blocks_that_inflate_are_given_up_on(examine: Examine) -> None:
    picture = small("PNG")
    bomb = zlib.compress(bytes(256 * 1024 * 1024))
    images = {
        "text": picture[:33] + chunk(b"zTXt", b"a\0\0" + bomb) + picture[33:],
        "profile": picture[:33] + chunk(b"iCCP", b"a\0\0" + bomb) + picture[33:],
        "pixels": picture[: picture.index(b"IDAT") - 4]
        + chunk(b"IDAT", bomb)
        + chunk(b"IEND", b""),
    }
    assert examine(images).all_are("corrupt_image", "ready")


# Disguises


SCRIPT = b"<html><script>alert(document.domain)</script>"


def test_nothing_of_a_polyglot_is_served() -> None:
    picture, gif, jpeg = small("PNG"), small("GIF"), small("JPEG")
    polyglots = [
        picture[:33] + chunk(b"tEXt", b"Comment\0" + SCRIPT) + picture[33:],
        picture + SCRIPT,
        gif[:-1] + b"!\xfe" + bytes([len(SCRIPT)]) + SCRIPT + b"\0;",
        gif + b"/*" + SCRIPT,
        jpeg[:2] + b"\xff\xfe" + struct.pack(">H", 2 + len(SCRIPT)) + SCRIPT + jpeg[2:],
        jpeg + SCRIPT,
        small("WEBP") + SCRIPT,
        encoded(PHOTO, "JPEG", exif=exif(1), xmp=SCRIPT),
    ]
    for data in polyglots:
        assert SCRIPT in data
        bodies = process(data, Wanted()).renditions.values()
        assert len(bodies) == 4
        for body in bodies:
            assert b"script" not in body
            assert body.startswith(b"RIFF")


def test_gif_that_is_also_javascript_becomes_a_picture(examine: Examine) -> None:
    # GIF89a=1;/* ... */ : the size 0x2a2f by ... of the screen is a comment's beginning.
    gif = small("GIF")
    screen = b"=\0" + b"/*"  # 61 x 10799 pixels
    data = gif[:6] + screen + gif[10:-1] + b";*/alert(1)"
    assert examine({"polyglot": data}).all_are("ready", "corrupt_image")


OTHER_FORMATS: dict[str, Callable[[], bytes]] = {
    "SVG": lambda: b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>",
    "HTML": lambda: SCRIPT,
    "TIFF": lambda: encoded(PHOTO, "TIFF"),
    "TIFF, other order": lambda: b"MM\0*" + encoded(PHOTO, "TIFF")[4:],
    "PSD": lambda: b"8BPS\0\1" + bytes(6) + struct.pack(">HIIHH", 3, 8, 8, 8, 3) + bytes(300),
    "BMP": lambda: encoded(PHOTO, "BMP"),
    "CUR": lambda: b"\0\0\2\0" + small("ICO")[4:],
    "JPEG 2000": lambda: encoded(PHOTO, "JPEG2000"),
    "PDF": lambda: encoded(PHOTO, "PDF"),
    "EPS": lambda: encoded(PHOTO, "EPS"),
    "PPM": lambda: encoded(PHOTO, "PPM"),
    "TGA": lambda: encoded(PHOTO, "TGA"),
    "PCX": lambda: encoded(PHOTO, "PCX"),
    "DDS": lambda: encoded(PHOTO, "DDS"),
    "ICNS": lambda: encoded(PHOTO.resize((128, 128)), "ICNS"),
    "QOI": lambda: b"qoif" + struct.pack(">IIBB", 8, 8, 3, 0) + bytes(200),
    "JPEG XL": lambda: b"\xff\x0a" + bytes(100),
    "WAVE": lambda: b"RIFF\x24\0\0\0WAVEfmt " + bytes(28),
    "MP4": lambda: b"\0\0\0\x18ftypisom\0\0\0\0isommp42" + bytes(100),
    "a byte": lambda: b"\xff",
    "zeros": lambda: bytes(1000),
    "white space, then PNG": lambda: b"\n" + small("PNG"),
}


def test_only_accepted_formats_reach_a_decoder(examine: Examine) -> None:
    examined = examine({name: make() for name, make in OTHER_FORMATS.items()}, "--here")
    assert examined.all_are("unsupported_format"), examined.outcomes
    assert examined.decoders == []


def test_only_the_decoder_of_its_own_format_reads_a_photo(examine: Examine) -> None:
    nested = {
        "PNG as JPEG": b"\xff\xd8\xff" + small("PNG"),
        "TIFF as PNG": b"\x89PNG\r\n\x1a\n" + encoded(PHOTO, "TIFF"),
        "JPEG in ICO": icon(small("JPEG")),
        "GIF in ICO": icon(small("GIF")),
        "ICO in ICO": icon(small("ICO")),
        "TIFF in ICO": icon(encoded(PHOTO, "TIFF")),
        "BMP of a JPEG in ICO": icon(
            struct.pack("<IiiHHIIiiII", 40, 8, 16, 1, 24, 4, 900, 0, 0, 0, 0) + small("JPEG")
        ),
        "BMP of a PNG in ICO": icon(
            struct.pack("<IiiHHIIiiII", 40, 8, 16, 1, 32, 5, 900, 0, 0, 0, 0) + small("PNG")
        ),
        "PNG in WEBP": b"RIFF\xff\0\0\0WEBPVP8 \xff\0\0\0" + small("PNG"),
        "JPEG in AVIF": small("AVIF")[:32] + small("JPEG"),
        "HEVC in AVIF": b"\0\0\0\x18ftypavif\0\0\0\0mif1heic" + small("HEIC")[24:],
        "AV1 in HEIC": small("AVIF").replace(b"avif", b"heic"),
    }
    examined = examine(nested, "--here")
    assert examined.all_are("corrupt_image"), examined.outcomes
    assert examined.decoders == ["HEIC"]  # which the last of them says it is


def test_photos_use_the_decoders_of_the_accepted_formats_only(examine: Examine) -> None:
    examined = examine({each: small(each) for each in FORMATS}, "--here")
    assert examined.all_are("ready")
    assert set(examined.decoders) == {*FORMATS, "jpeg", "zip", "gif", "raw"}


def test_profiles_and_exif_that_lie_are_ignored(examine: Examine) -> None:
    profile = bytearray(swapped_profile())
    chance = random.Random(2)
    files = {}
    for number in range(40):
        broken = bytearray(profile)
        for _ in range(3):
            broken[chance.randrange(len(broken))] = chance.randrange(256)
        files[f"profile {number}"] = encoded(PHOTO, "JPEG", icc_profile=bytes(broken))
    count = profile[:128] + b"\xff\xff\xff\xff" + profile[132:]
    files["profile of too many tags"] = encoded(PHOTO, "JPEG", icc_profile=bytes(count))
    # A directory that is its own next directory, and its own sub-directory.
    loop = (
        b"Exif\0\0II*\0\x08\0\0\0\x02\0"
        + b"\x69\x87\4\0\1\0\0\0\x08\0\0\0"
        + b"\x25\x88\4\0\1\0\0\0\x08\0\0\0"
        + b"\x08\0\0\0"
    )
    for accepted in ("JPEG", "PNG", "WEBP"):
        files[f"EXIF that loops in {accepted}"] = encoded(PHOTO, accepted, exif=loop)
    many = b"Exif\0\0II*\0\x08\0\0\0\xff\xff" + b"\x0f\1\2\0\xff\xff\xff\xff\0\0\0\0" * 5000
    files["EXIF of 65535 tags"] = encoded(PHOTO, "JPEG", exif=many)
    assert examine(files).all_are("ready")


@pytest.mark.parametrize("kind", [b"clut", b"cvst"])
def test_a_profile_that_asks_for_more_than_a_display_needs_is_left_out(
    examine: Examine, kind: bytes
) -> None:
    # Its steps would take 20 seconds, or 2 GB.
    profile = laborious_profile(20_000, kind)
    files = {
        accepted: encoded(PHOTO, accepted, icc_profile=profile)
        for accepted in ("JPEG", "PNG", "WEBP", "AVIF")
    }
    assert examine(files).all_are("ready")


# A photo that has taken over its decoder


Answer = Callable[[], Result]


@pytest.fixture
def taken_over(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], Answer]]:
    """Have photos do what one of the functions of `tests.photos.intruder` does."""

    def prepare(action: str) -> Answer:
        isolation.stop()
        monkeypatch.setattr(isolation, "_PROGRAM", intruder.PROGRAM.format(action=action))
        return lambda: process(str(os.getpid()).encode(), Wanted())

    yield prepare
    monkeypatch.undo()
    isolation.stop()


def findings(result: Result) -> Any:
    return json.loads(result.renditions["64"][12:])


@pytest.mark.parametrize(
    "action", ["sleeping", "computing", "hoarding", "crashing", "failing", "writing"]
)
def test_a_decoder_that_does_not_end_well_is_ended(
    taken_over: Callable[[str], Answer], action: str, capfd: pytest.CaptureFixture[str]
) -> None:
    answer = taken_over(action)
    for _ in range(2):  # the helper goes on
        with pytest.raises(UnreadableImage) as caught:
            answer()
        assert caught.value.reason == "corrupt_image"
    assert capfd.readouterr().err == ""


def test_a_decoder_finds_no_credentials_and_can_open_nothing(
    taken_over: Callable[[str], Answer], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "a secret of the function")
    found = findings(taken_over("spying")())
    assert found["environment"].keys() <= {"LD_LIBRARY_PATH", "LC_CTYPE", "OPENBLAS_NUM_THREADS"}
    assert not [name for name in found["modules"] if name.startswith(("boto", "vignette.adapters"))]
    *standard, _channel = found["open files"]
    assert standard == [0, 1, 2]  # which are /dev/null
    assert found["user"] != 0
    assert len(found["attempts"]) == 7
    assert set(found["attempts"].values()) == {"PermissionError"}, found["attempts"]


@pytest.mark.parametrize(("action", "attempts"), [("forking", 5), ("killing", 9), ("leaving", 5)])
def test_a_decoder_can_reach_no_process_and_leave_nothing_behind(
    taken_over: Callable[[str], Answer], action: str, attempts: int
) -> None:
    answer = taken_over(action)
    for _ in range(2):  # the helper goes on
        found = findings(answer())
        assert len(found) == attempts
        assert set(found.values()) == {"PermissionError"}, found
    assert isolation._helper is not None
    assert running(action) == [isolation._helper._process.pid]


def running(action: str) -> list[int]:
    """The processes that photos have taken over, and their helper."""
    found = []
    for directory in Path("/proc").glob("[0-9]*"):
        with suppress(FileNotFoundError, ProcessLookupError):
            if f'begin("{action}"'.encode() in (directory / "cmdline").read_bytes():
                found.append(int(directory.name))
    return found


def test_a_decoder_that_heeds_no_signal_is_ended_in_time(
    taken_over: Callable[[str], Answer],
) -> None:
    answer = taken_over("outstaying")
    begun = time.monotonic()
    for _ in range(2):
        with pytest.raises(UnreadableImage):
            answer()
    assert helper.SECONDS < isolation._SECONDS
    assert time.monotonic() - begun < isolation._SECONDS  # of which the helper gives each 2


def test_all_memory_counts(taken_over: Callable[[str], Answer]) -> None:
    found = findings(taken_over("sharing")())
    assert found == dict.fromkeys(("shared", "a stack", "write-protected"), "OSError")


def test_a_photo_leaves_nothing_for_the_next_to_find(
    taken_over: Callable[[str], Answer],
) -> None:
    answer = taken_over("remembering")
    assert [findings(answer()), findings(answer())] == [None, None]


def test_a_helper_that_has_ended_is_started_again() -> None:
    data = small("JPEG")
    before = process(data, Wanted())
    assert isolation._helper is not None
    running = isolation._helper._process.pid
    os.kill(running, signal.SIGKILL)
    os.waitid(os.P_PID, running, os.WEXITED | os.WNOWAIT)  # it has ended, and is not waited for
    assert process(data, Wanted()) == before


def test_where_there_is_no_heap_to_set_up_pictures_are_the_same(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    data = small("JPEG")
    before = process(data, Wanted())
    isolation.stop()
    monkeypatch.setattr(isolation, "_PROGRAM", _WITHOUT_MALLOPT + isolation._PROGRAM)
    assert process(data, Wanted()) == before
    isolation.stop()
    assert capfd.readouterr().err == "no heap of large pages: there is no mallopt\n"


_WITHOUT_MALLOPT = """
import ctypes


class WithoutMallopt(ctypes.CDLL):
    def __getattr__(self, name):
        if name == "mallopt":
            raise AttributeError(name)
        return super().__getattr__(name)


ctypes.CDLL = WithoutMallopt
"""


@pytest.mark.parametrize("machine", ["without the call", "of another kind", "of other numbers"])
def test_where_there_is_no_seccomp_the_rest_holds(
    taken_over: Callable[[str], Answer],
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    machine: str,
) -> None:
    data = small("JPEG")
    before = process(data, Wanted())
    isolation.stop()
    without = _WITHOUT_SECCOMP[machine]
    with monkeypatch.context() as patched:
        patched.setattr(isolation, "_PROGRAM", without + isolation._PROGRAM)
        assert [process(data, Wanted()) for _ in range(2)] == [before, before]
        isolation.stop()
    answer = taken_over("spying")
    monkeypatch.setattr(isolation, "_PROGRAM", without + isolation._PROGRAM)
    found = findings(answer())
    assert found["user"] != 0
    assert set(found["attempts"].values()) <= {"OSError", "PermissionError"}, found["attempts"]
    isolation.stop()
    warning = "system calls are not filtered: there is no seccomp\n"
    assert capfd.readouterr().err == 2 * warning  # of two helpers


_OTHER_MACHINE = """
import os, types
os.uname = lambda: types.SimpleNamespace(machine="{}")
"""
_WITHOUT_SECCOMP = {
    "without the call": """
import ctypes


class WithoutSeccomp(ctypes.CDLL):
    def __getattr__(self, name):
        return (lambda *_: -1) if name == "syscall" else super().__getattr__(name)


ctypes.CDLL = WithoutSeccomp
""",
    "of another kind": _OTHER_MACHINE.format("riscv64"),
    "of other numbers": _OTHER_MACHINE.format(
        "x86_64" if os.uname().machine == "aarch64" else "aarch64"
    ),
}


def test_where_no_helper_can_start_nothing_is_said_about_the_photo(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    isolation.stop()
    monkeypatch.setattr(isolation, "_PROGRAM", "raise SystemExit(1)")
    with pytest.raises(Unavailable):
        process(small("JPEG"), Wanted())


def test_no_bytes_are_no_photo() -> None:
    with pytest.raises(UnreadableImage) as caught:
        process(b"", Wanted())
    assert caught.value.reason == "empty"


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"\0\0",
        b"\xff\xff\xff\xff{}",
        b"\0\0\0\x02[]",
        b"\0\0\0\x02{}",
        b'\0\0\0\x11{"reason": "mine"}',
        b"\x00\x00\x9c\x40" + b"[" * 40_000,
        whole_answer(1, 1, {}).pack(),
        whole_answer(1, 1, {"64": b"<script>"}).pack(),
        whole_answer(0, 1, {"64": WEBP}).pack(),
        whole_answer(1, 1, {"64": WEBP[:-1]}).pack(),
        whole_answer(1, 1, {"64": WEBP, "../../64": WEBP}).pack(),
        whole_answer(1, 1, {"64": WEBP}).pack() + b"more",
        whole_answer(1, True, {"64": WEBP}).pack(),
        replace(whole_answer(1, 1, {"64": WEBP}), crop=Crop(-0.1, 0, 1)).pack(),
        replace(whole_answer(1, 1, {"64": WEBP}), crop=Crop(0, float("nan"), 1)).pack(),
        replace(whole_answer(1, 1, {"64": WEBP}), crop=Crop(0, 0, "1")).pack(),  # type: ignore[arg-type]
        replace(whole_answer(1, 1, {"64": WEBP}), framing="<b>").pack(),  # type: ignore[arg-type]
        replace(whole_answer(1, 1, {"64": WEBP}), placeholder="<script>").pack(),
        replace(whole_answer(1, 1, {"64": WEBP}), placeholder="A" * 400).pack(),
    ],
)
def test_an_answer_is_believed_only_as_far_as_it_was_checked(answer: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011, whatever it says
        unpack_answer(answer, Wanted((64,)))


def test_a_whole_answer_is_believed() -> None:
    whole = whole_answer(30, 20, {"64": WEBP, "whole": WEBP})
    assert unpack_answer(whole.pack(), Wanted((64,), {"whole": 10})) == whole
