"""Colour profiles, reduced to what a display profile needs (ICC.1:2022)."""

import struct

_HEADER_BYTES = 128
_ENTRY = struct.Struct(">4sII")  # signature, offset, size
_MAX_TAGS = 100

# What a conversion to sRGB reads: colorants and curves, or tables of measured colours. The work
# that these cause grows with their bytes. The other tags name pictures and people, convert the
# other way, or are programs of any length (D2B0, `multiProcessElements`, 10.16).
_TAGS = {
    *(b"rXYZ", b"gXYZ", b"bXYZ", b"rTRC", b"gTRC", b"bTRC", b"kTRC", b"wtpt", b"chad"),
    *(b"A2B0", b"A2B1", b"A2B2"),
}
_TYPES = {b"XYZ ", b"curv", b"para", b"sf32", b"mft1", b"mft2", b"mAB "}


def reduced(profile: bytes) -> bytes:
    """A profile with the tags that a display profile needs, or nothing if it has none of them.

    The tags themselves are not checked: a broken profile stays broken.
    """
    if len(profile) < _HEADER_BYTES + 4:
        return b""
    (count,) = struct.unpack_from(">I", profile, _HEADER_BYTES)
    begin = _HEADER_BYTES + 4
    kept = b""
    for at in range(begin, begin + min(count, _MAX_TAGS) * _ENTRY.size, _ENTRY.size):
        entry = profile[at : at + _ENTRY.size]
        if len(entry) < _ENTRY.size:
            break
        name, offset, _ = _ENTRY.unpack(entry)
        if name in _TAGS and profile[offset : offset + 4] in _TYPES:
            kept += entry
    if not kept:
        return b""
    # The table becomes shorter; the data that it points at are not moved.
    table = struct.pack(">I", len(kept) // _ENTRY.size) + kept
    return profile[:_HEADER_BYTES] + table + profile[_HEADER_BYTES + len(table) :]
