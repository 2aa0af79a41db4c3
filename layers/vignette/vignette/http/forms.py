"""Forms as browsers send them: the files of a `multipart/form-data` body (RFC 7578)."""

from dataclasses import dataclass
from io import BytesIO

from multipart import (  # type: ignore[import-untyped]
    MultipartError,
    MultipartParser,
    parse_options_header,
)

from vignette.errors import Malformed

# More than a form has that the service accepts.
_MAX_PARTS = 20


@dataclass(frozen=True, slots=True)
class File:
    """A part of a form that has a file name: the field it was sent in, and its bytes."""

    field: str
    content: bytes


def files(content_type: str | None, body: bytes) -> list[File]:
    """The files of a form, in order; values of other fields are left out.

    Raises:
        Malformed: It is not a form, has no boundary, or breaks off.
    """
    media_type, options = parse_options_header(content_type or "")
    if media_type != "multipart/form-data":
        raise Malformed("The content type must be multipart/form-data.")
    boundary = options.get("boundary")
    if not boundary:
        raise Malformed("The content type must have a boundary.")
    limits = {"memory_limit": len(body), "spool_limit": len(body), "part_limit": _MAX_PARTS}
    try:
        parts = list(MultipartParser(BytesIO(body), boundary, **limits))
    except MultipartError as error:
        raise Malformed(f"The form is broken: {error}.") from None
    return [File(part.name, part.raw) for part in parts if part.filename is not None]
