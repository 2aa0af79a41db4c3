"""Mutated photos, for a minute; and all that was ever found that way."""

import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from tests.photos import fuzz

from vignette.images import UnreadableImage, Wanted, process

SECONDS = 60


@pytest.mark.matrix
def test_a_mutated_photo_ends_in_renditions_or_in_a_reason(
    record_property: Callable[[str, object], None],
) -> None:
    seed = time.time_ns()
    report = fuzz.fuzz(SECONDS, seed)
    record_property("mutated photos", report.files)
    record_property("seconds of mutated photos", round(report.seconds))
    record_property("finds among mutated photos", len(report.finds))
    assert report.files > SECONDS
    assert fuzz.keep(report) == [], f"seed {seed}"


@pytest.mark.parametrize("path", sorted(fuzz.FINDS.iterdir()), ids=lambda path: path.name)
def test_what_was_found_once_ends_in_renditions_or_in_a_reason(path: Path) -> None:
    started = time.monotonic()
    with suppress(UnreadableImage):
        assert process(path.read_bytes(), Wanted()).renditions.keys() == Wanted().names
    assert time.monotonic() - started < fuzz.SLOW_SECONDS
