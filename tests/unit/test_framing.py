"""Framing: which square of a photo is shown, by geometry alone."""

from dataclasses import replace
from math import hypot

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vignette.crop import CENTRE, Crop
from vignette.images.faces import Face
from vignette.images.framing import frame_faces

sides = st.integers(1, 8000)


def box(crop: Crop, width: int, height: int) -> tuple[float, float, float, float]:
    """Left, top, right and bottom of a crop in pixels of the photo."""
    half = crop.size * min(width, height) / 2
    x, y = crop.x * width, crop.y * height
    return x - half, y - half, x + half, y + half


def face(x: float, y: float, height: float, photo: tuple[int, int]) -> Face:
    """A face with its middle at a place of a photo, as fractions of it, and so high."""
    width = 0.75 * height * photo[1] / photo[0]
    return Face(0.9, x - width / 2, y - height / 2, width, height, x, y - 0.12 * height)


def outside(crop: Crop, shown: Face, photo: tuple[int, int]) -> float:
    """How far the farthest corner of a face is outside of the circle, in its radii."""
    left, top, right, bottom = box(crop, *photo)
    x, y, radius = (left + right) / 2, (top + bottom) / 2, (right - left) / 2
    corners = [
        (each * photo[0], down * photo[1])
        for each in (shown.left, shown.left + shown.width)
        for down in (shown.top, shown.top + shown.height)
    ]
    return max(hypot(cx - x, cy - y) for cx, cy in corners) / radius - 1


@given(
    width=sides,
    height=sides,
    faces=st.lists(
        st.builds(
            Face,
            score=st.just(0.9),
            left=st.floats(-0.2, 1),
            top=st.floats(-0.2, 1),
            width=st.floats(0.001, 1.2),
            height=st.floats(0.001, 1.2),
            eye_x=st.floats(0, 1),
            eye_y=st.floats(0, 1),
        ),
        max_size=4,
    ),
)
def test_a_crop_is_always_inside_of_the_photo(width: int, height: int, faces: list[Face]) -> None:
    crop = frame_faces(faces, width, height) or CENTRE
    left, top, right, bottom = box(crop, width, height)
    assert -1e-6 <= left < right <= width + 1e-6
    assert -1e-6 <= top < bottom <= height + 1e-6
    assert right - left == pytest.approx(bottom - top)
    assert crop.side(width, height) >= min(512, width, height)


@given(
    x=st.floats(0, 1),
    y=st.floats(0, 1),
    size=st.floats(0.001, 1),
    width=sides,
    height=sides,
)
def test_a_crop_that_reaches_over_is_moved_inside(
    x: float, y: float, size: float, width: int, height: int
) -> None:
    crop = Crop(x, y, size).inside(width, height)
    left, top, right, bottom = box(crop, width, height)
    assert crop.size == pytest.approx(size, abs=1e-6)
    assert -1e-6 <= left < right <= width + 1e-6
    assert -1e-6 <= top < bottom <= height + 1e-6
    assert crop.inside(width, height).x == pytest.approx(crop.x)


@pytest.mark.parametrize("photo", [(3000, 4000), (4000, 3000), (2000, 6000), (6000, 2000)])
def test_a_face_with_room_around_it_is_framed_well(photo: tuple[int, int]) -> None:
    shown = face(0.4, 0.45, 0.2 * min(photo) / photo[1], photo)
    crop = frame_faces([shown], *photo)
    assert crop is not None
    left, top, right, _ = box(crop, *photo)
    side = right - left
    assert 0.35 <= shown.height * photo[1] / side <= 0.6
    assert 0.4 <= (shown.eye_y * photo[1] - top) / side < 0.5
    assert outside(crop, shown, photo) < -0.2


@pytest.mark.parametrize(("x", "y"), [(0.12, 0.5), (0.88, 0.5), (0.5, 0.16), (0.5, 0.88)])
def test_a_face_near_the_edge_stays_in_the_circle(x: float, y: float) -> None:
    photo = (3000, 3000)
    shown = face(x, y, 0.2, photo)
    crop = frame_faces([shown], *photo)
    assert crop is not None
    assert outside(crop, shown, photo) <= 0


def test_whoever_looks_to_one_side_has_the_rest_of_the_head_on_the_other() -> None:
    photo = (3000, 3000)
    shown = face(0.5, 0.5, 0.2, photo)
    crop = frame_faces([replace(shown, eye_x=0.53)], *photo)
    assert crop is not None
    assert crop.x == pytest.approx(0.47, abs=0.005)


def test_in_a_photo_too_narrow_for_air_the_hair_is_worth_more_than_the_place_of_the_eyes() -> None:
    photo = (600, 1000)
    shown = face(0.5, 0.5, 0.4, photo)
    crop = frame_faces([shown], *photo)
    assert crop is not None
    assert crop.size == 1
    _, top, _, bottom = box(crop, *photo)
    assert top <= (shown.top - 0.35 * shown.height) * photo[1]
    assert bottom >= (shown.top + shown.height) * photo[1]


def test_no_picture_is_enlarged() -> None:
    crop = frame_faces([face(0.5, 0.5, 0.1, (1600, 1200))], 1600, 1200)
    assert crop is not None
    assert crop.side(1600, 1200) == 512


def test_a_face_that_fills_the_photo_gets_all_of_it() -> None:
    crop = frame_faces([face(0.5, 0.5, 0.9, (600, 800))], 600, 800)
    assert crop is not None
    assert crop.size == 1


def test_whoever_is_small_is_ignored() -> None:
    photo = (3000, 2000)
    assert frame_faces([face(0.5, 0.5, 0.06, photo)], *photo) is None
    assert frame_faces([face(0.5, 0.5, 0.07, photo)], *photo) is not None
    assert frame_faces([], *photo) is None


def test_others_of_half_the_size_are_taken_in() -> None:
    photo = (4000, 3000)
    group = [face(0.45, 0.5, 0.2, photo), face(0.58, 0.52, 0.11, photo)]
    crop = frame_faces(group, *photo)
    assert crop is not None
    assert all(outside(crop, each, photo) <= 0 for each in group)


def test_whoever_is_in_the_background_is_not() -> None:
    photo = (4000, 3000)
    large = face(0.45, 0.5, 0.2, photo)
    alone = frame_faces([large], *photo)
    assert frame_faces([large, face(0.58, 0.52, 0.09, photo)], *photo) == alone


def test_others_for_whom_there_is_no_room_are_left_out() -> None:
    photo = (6000, 2000)
    large, far = face(0.1, 0.5, 0.3, photo), face(0.9, 0.5, 0.25, photo)
    assert frame_faces([far, large], *photo) == frame_faces([large], *photo)


def test_what_is_not_surely_a_face_takes_no_room_from_one_that_is() -> None:
    photo = (4000, 3000)
    sure, unsure = face(0.5, 0.5, 0.2, photo), replace(face(0.3, 0.5, 0.25, photo), score=0.72)
    assert frame_faces([sure, unsure], *photo) == frame_faces([sure], *photo)
    assert frame_faces([unsure], *photo)
