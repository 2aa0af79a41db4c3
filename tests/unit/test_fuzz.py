"""Mutated photos, for a minute; and all that was ever found that way."""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from tests.photos import fuzz

from vignette.images import UnreadableImage, Wanted, process

SECONDS = 60
SEED = 1  # `make fuzz` takes another each time


@pytest.mark.matrix
def test_a_mutated_photo_ends_in_renditions_or_in_a_reason(
    record_property: Callable[[str, object], None], tmp_path: Path
) -> None:
    report = fuzz.fuzz(SECONDS, SEED)
    record_property("mutated photos", report.files)
    record_property("seconds of mutated photos", round(report.seconds))
    record_property("finds among mutated photos", len(report.finds))
    assert report.files
    # Whoever mends the cause moves a find to the others that were found once.
    assert fuzz.keep(report, tmp_path) == []


@pytest.mark.parametrize("path", sorted(fuzz.FINDS.iterdir()), ids=lambda path: path.name)
def test_what_was_found_once_ends_in_renditions_or_in_a_reason(path: Path) -> None:
    data = path.read_bytes()
    with suppress(UnreadableImage):
        assert process(data, Wanted()).renditions.keys() == Wanted().names
    assert not fuzz.is_slow(data)
