"""The test photographs, and what is made from them: formats, profiles, metadata, single chunks."""

import io
import struct
import zlib
from pathlib import Path

import pillow_heif
from PIL import Image

HERE = Path(__file__).parent

# EXIF 2.32, tag 0x0112: how a camera held each way stores an upright picture.
STORED = {
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


def photo(name: str = "astronaut.jpg", size: tuple[int, int] = (512, 400)) -> Image.Image:
    """The middle of a test photograph, scaled to a size in pixels: RGB, without metadata."""
    image = Image.open(HERE / name).convert("RGB")
    scale = min(image.width / size[0], image.height / size[1])
    width, height = size[0] * scale, size[1] * scale
    left, top = max(0.0, (image.width - width) / 2), max(0.0, (image.height - height) / 2)
    box = (left, top, min(left + width, image.width), min(top + height, image.height))
    resized = image.resize(size, Image.Resampling.LANCZOS, box=box)
    return Image.frombytes("RGB", size, resized.tobytes())


def encoded(image: Image.Image, image_format: str, **options: object) -> bytes:
    """An image as a file, in one of Pillow's formats or as HEIC."""
    file = io.BytesIO()
    if image_format == "HEIC":
        pillow_heif.from_pillow(image).save(file, **options)
    else:
        image.save(file, image_format, **options)
    return file.getvalue()


def plain(colour: str) -> bytes:
    """A photo of one colour, which takes little time."""
    return encoded(Image.new("RGB", (16, 16), colour), "PNG")


def exif(orientation: int, byte_order: str = "<") -> bytes:
    """EXIF with an orientation and a position on earth."""
    tags = Image.Exif()
    tags.endian = byte_order
    tags[0x0112] = orientation
    tags[0x010F] = "Camera maker"
    tags[0x8825] = {1: "N", 2: (48.0, 8.0, 14.0), 3: "E", 4: (11.0, 34.0, 31.0)}
    return tags.tobytes()


def chunk(name: bytes, data: bytes) -> bytes:
    """A PNG chunk."""
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png(
    size: tuple[int, int],
    depth: int,
    colour_type: int,
    rows: bytes,
    *before: bytes,
    after: bytes = b"",
) -> bytes:
    """A PNG of any depth and colour type, with chunks before and after its pixels.

    `rows` are the bytes of its pixels, without the filter type that begins each row.
    """
    stride = len(rows) // size[1] or 1
    filtered = b"".join(b"\0" + rows[at : at + stride] for at in range(0, len(rows), stride))
    return b"".join(
        (
            b"\x89PNG\r\n\x1a\n",
            chunk(b"IHDR", struct.pack(">IIBBBBB", *size, depth, colour_type, 0, 0, 0)),
            *before,
            chunk(b"IDAT", zlib.compress(filtered)),
            after,
            chunk(b"IEND", b""),
        )
    )


def swapped_profile() -> bytes:
    """An ICC profile (ICC.1:2001-04) of sRGB's primaries with red and green exchanged."""

    def fixed(*values: float) -> bytes:
        return b"".join(struct.pack(">i", round(value * 65536)) for value in values)

    white = b"XYZ \0\0\0\0" + fixed(0.9642, 1.0, 0.8249)
    red = b"XYZ \0\0\0\0" + fixed(0.3851, 0.7169, 0.0971)
    green = b"XYZ \0\0\0\0" + fixed(0.4361, 0.2225, 0.0139)
    blue = b"XYZ \0\0\0\0" + fixed(0.1431, 0.0606, 0.7141)
    gamma = b"curv\0\0\0\0" + struct.pack(">IH", 1, round(2.2 * 256)) + b"\0\0"
    text = b"desc\0\0\0\0" + struct.pack(">I", 8) + b"swapped\0" + bytes(79)
    tags = {
        b"desc": text,
        b"cprt": b"text\0\0\0\0none\0\0\0\0",
        b"wtpt": white,
        b"rXYZ": red,
        b"gXYZ": green,
        b"bXYZ": blue,
        b"rTRC": gamma,
        b"gTRC": gamma,
        b"bTRC": gamma,
    }
    at = 128 + 4 + 12 * len(tags)
    table, body = struct.pack(">I", len(tags)), b""
    for name, data in tags.items():
        data += bytes(-len(data) % 4)
        table += name + struct.pack(">II", at + len(body), len(data))
        body += data
    header = struct.pack(
        ">I4sI4s4s4s12x4s4x4x4x4x8xI12s4x44x",
        at + len(body),
        b"none",
        0x02400000,
        b"mntr",
        b"RGB ",
        b"XYZ ",
        b"acsp",
        0,
        fixed(0.9642, 1.0, 0.8249),
    )
    return header + table + body


def laborious_profile(elements: int, kind: bytes = b"clut") -> bytes:
    """An ICC profile (ICC.1:2022, 10.16) that sends colours through one element again and again."""
    if kind == b"clut":
        grid = struct.pack(">HH", 3, 3) + bytes([2, 2, 2]) + bytes(13)
        corners = ((r, g, b) for r in (0, 1) for g in (0, 1) for b in (0, 1))
        body = grid + b"".join(struct.pack(">3f", *each) for each in corners)
    else:  # cvst: three curves that are one
        curve = b"curf" + bytes(4) + struct.pack(">HH", 1, 0)
        curve += b"parf" + bytes(4) + struct.pack(">HH4f", 0, 0, 1, 1, 0, 0)
        place = struct.pack(">II", 12 + 3 * 8, len(curve))
        body = struct.pack(">HH", 3, 3) + 3 * place + curve
    element = kind + bytes(4) + body
    head = b"mpet" + bytes(4) + struct.pack(">HHI", 3, 3, elements)
    place = struct.pack(">II", len(head) + 8 * elements, len(element))
    steps = head + place * elements + element

    plain = swapped_profile()
    (count,) = struct.unpack_from(">I", plain, 128)
    entries = [struct.unpack_from(">4sII", plain, at) for at in range(132, 132 + 12 * count, 12)]
    table = b"".join(struct.pack(">4sII", name, at + 12, size) for name, at, size in entries)
    begin = len(plain) + 12
    table += struct.pack(">4sII", b"D2B0", begin, len(steps))
    profile = plain[:128] + struct.pack(">I", count + 1) + table + plain[132 + 12 * count :] + steps
    version = bytes([4, 0x30, 0, 0])
    return struct.pack(">I", len(profile)) + profile[4:8] + version + profile[12:]
