"""Finding faces with YuNet, in NumPy alone.

YuNet (Wu, Peng and Yu, "YuNet: A Tiny Millisecond-level Face Detector", 2023) is a network of
53,104 parameters. Each of its cells, 8, 16 and 32 pixels wide, says how likely a face is there, and
where that face and its eyes are. The build of the imaging layer takes the parameters out of the
file that OpenCV publishes (`yunet_weights`, see layers/imaging).

A map of features is an array of channels by pixels, row after row, with one pixel of nothing
behind each row: a neighbour outside of the picture is then always a zero, and a convolution is a
sum of shifted copies of one flat array, which NumPy computes at the speed of the memory.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

type Array = NDArray[np.float32]

WEIGHTS = "yunet_weights"  # a package of one file

# Pixels that the longer side of a photo is scaled to, one look after the other until one finds a
# face. The first is the cheapest. Small faces are found when more is seen; faces that fill a photo
# when less is seen. One more look before the last finds nothing more (`make bench`).
LOOKS = (160, 320, 96, 720)
# The first look counts if it is this sure of a face of at least so many pixels: others of half
# that height, which are shown with it, are then found as often as in the next look.
_SURE, _LARGE_FACE = 0.85, 24
# Enlarging a photo more than this shows no more faces.
_MOST_ENLARGED = 4
# Of the 100 faces in LFW's subset all score more in one of the looks, of its 100 others none.
_SCORE = 0.7
# The last look sees the most detail, and in it the most that only resembles a face.
_LAST_SCORE = 0.76
# Two boxes that share more of their area than this are one face.
_SAME_FACE = 0.3

# Numbers that a convolution works on at a time: 256 KiB of them, which caches hold.
_CACHED = 1 << 16

_STRIDES = (8, 16, 32)
_GRID = 32  # pixels: the sides of what the network sees are multiples of this
# Channels of the blocks of the network, which are a 1x1 and a depthwise 3x3 convolution each.
_STEM = (3, 16)
_BLOCKS = (
    *((16, 16), (16, 16), (16, 32), (32, 32), (32, 64)),
    *((64, 64), (64, 64), (64, 64), (64, 64), (64, 64), (64, 64)),
    *((64, 64), (64, 64), (64, 64)),
)
# What a cell says, in the order of the file, and how many of its channels are of use here: of the
# five landmarks only the eyes.
_HEADS = (("class", 1, 1), ("box", 4, 4), ("object", 1, 1), ("landmarks", 10, 4))


@dataclass(frozen=True, slots=True)
class Face:
    """A face in a picture, as fractions of its width and height.

    `left`, `top`, `width` and `height` are a box from the forehead to the chin, `eye_x` and `eye_y`
    the middle between the eyes. `score` is how sure that is, 0 to 1.
    """

    score: float
    left: float
    top: float
    width: float
    height: float
    eye_x: float
    eye_y: float


@dataclass(frozen=True, slots=True)
class _Block:
    """A 1x1 convolution and the depthwise 3x3 convolution behind it."""

    point: Array
    point_bias: Array
    depth: Array
    depth_bias: Array


@dataclass(frozen=True, slots=True)
class _Network:
    stem: Array
    stem_bias: Array
    blocks: tuple[_Block, ...]
    heads: tuple[_Block, ...]  # one for each stride


def find_faces(longer: int, picture: Callable[[int], Image.Image]) -> list[Face]:
    """The faces in a photo whose longer side has so many pixels, the surest first.

    `picture(side)` is the photo, upright, in RGB, its longer side of `side` pixels or some more.
    """
    seen = cache(picture)
    looks = LOOKS if longer > LOOKS[1] else LOOKS[:-1]
    sides = list(dict.fromkeys(min(side, _MOST_ENLARGED * longer) for side in looks))
    for side in sides:
        shown = seen(min(max(side, LOOKS[1]), longer))
        found = look(shown, side)
        if side == LOOKS[-1]:
            found = [face for face in found if face.score >= _LAST_SCORE]
        if found and side == sides[0] < max(sides):
            least = _LARGE_FACE * max(shown.size) / (side * shown.height)
            if not any(face.height >= least and face.score >= _SURE for face in found):
                continue
        if found:
            return found
    return []


@cache
def load() -> _Network:
    """The parameters of the network; reads a file.

    Raises:
        ValueError: The file has another network's parameters.
    """
    # `importlib.resources` would load a dozen modules more, for 5 ms of every start.
    package = Path(str(import_module(WEIGHTS).__file__)).parent
    parameters = np.frombuffer((package / "yunet.f32").read_bytes(), "<f4")
    at = 0

    def take(*shape: int) -> Array:
        nonlocal at
        at += int(np.prod(shape))
        return parameters[at - int(np.prod(shape)) : at].reshape(shape)

    def block(inputs: int, outputs: int) -> _Block:
        point, point_bias = take(outputs, inputs), take(outputs, 1)
        return _Block(point, point_bias, take(outputs, 9), take(outputs, 1))

    def some(blocks: Sequence[_Block]) -> _Block:
        """One block for all heads of a stride, without the channels that are not used."""
        rows = [slice(0, used) for _, _, used in _HEADS]
        parts = list(zip(blocks, rows, strict=True))
        return _Block(
            np.concatenate([each.point[used] for each, used in parts]),
            np.concatenate([each.point_bias[used] for each, used in parts]),
            np.concatenate([each.depth[used] for each, used in parts]),
            np.concatenate([each.depth_bias[used] for each, used in parts]),
        )

    # OpenCV's pictures are blue, green, red.
    stem = take(_STEM[1], _STEM[0], 9)[:, ::-1].reshape(_STEM[1], -1)
    stem_bias = take(_STEM[1], 1)
    blocks = tuple(block(*channels) for channels in _BLOCKS)
    heads = [[block(64, outputs) for _ in _STRIDES] for _, outputs, _ in _HEADS]
    if at != len(parameters):
        raise ValueError("the file of weights is another network's")
    return _Network(stem, stem_bias, blocks, tuple(map(some, zip(*heads, strict=True))))


def look(picture: Image.Image, side: int) -> list[Face]:
    """The faces that are seen when a picture's longer side is scaled to `side` pixels."""
    scale = side / max(picture.size)
    width, height = (max(1, round(pixels * scale)) for pixels in picture.size)
    enlarged = Image.Resampling.BICUBIC if scale > 1 else Image.Resampling.BOX
    seen = picture.resize((width, height), enlarged)
    pixels = np.zeros((-(-height // _GRID) * _GRID, -(-width // _GRID) * _GRID, 3), np.uint8)
    pixels[:height, :width] = np.asarray(seen)
    found = []
    for stride, cells in zip(_STRIDES, run(pixels), strict=True):
        scores = np.sqrt(_sigmoid(cells[0]) * _sigmoid(cells[5]))
        for row, column in zip(*np.nonzero(scores > _SCORE), strict=True):
            cell = cells[:, row, column]
            across, down = np.exp(cell[3:5])
            x, y = column + cell[1], row + cell[2]
            eyes = column + (cell[6] + cell[8]) / 2, row + (cell[7] + cell[9]) / 2
            box = x - across / 2, y - down / 2, across, down, *eyes
            sides = (width, height) * 3
            shares = (
                float(number * stride / pixels) for number, pixels in zip(box, sides, strict=True)
            )
            found.append(Face(float(scores[row, column]), *shares))
    return list(_distinct(sorted(found, key=lambda face: face.score, reverse=True)))


def run(pixels: NDArray[np.uint8]) -> list[Array]:
    """What the network says of a picture, rows by columns by red, green and blue.

    Its sides are multiples of 32. For each stride an array of channels, rows and columns of cells:
    class, x, y, width and height of the box, object, x and y of the right eye and of the left one.
    """
    network = load()
    blocks = iter(network.blocks)
    height, width = pixels.shape[0] // 2, pixels.shape[1] // 2

    def through(features: Array, shrink: int, times: int) -> Array:
        for _ in range(times):
            features = _convolved(features, height // shrink, width // shrink, next(blocks))
        return features

    stem = _stem(pixels, network)
    features = _pooled(through(stem, 1, 1), height, width)
    features = _pooled(through(features, 2, 4), height // 2, width // 2)
    fine = through(features, 4, 2)
    middle = through(_pooled(fine, height // 4, width // 4), 8, 2)
    coarse = through(_pooled(middle, height // 8, width // 8), 16, 2)
    # From coarse to fine: each level gets what the coarser one has found around it.
    coarse = through(coarse, 16, 1)
    middle = through(middle + _doubled(coarse, height // 16, width // 16), 8, 1)
    fine = through(fine + _doubled(middle, height // 8, width // 8), 4, 1)
    answers = []
    for features, shrink, head in zip(
        (fine, middle, coarse), (4, 8, 16), network.heads, strict=True
    ):
        rows, columns = height // shrink, width // shrink
        cells = _convolved(features, rows, columns, head, rectify=False)
        answers.append(cells.reshape(len(cells), rows, columns + 1)[:, :, :columns])
    return answers


def _stem(pixels: NDArray[np.uint8], network: _Network) -> Array:
    """The first convolution, 3x3 and of every other pixel, as one product of matrices."""
    height, width = pixels.shape[0] // 2, pixels.shape[1] // 2
    # Every other column of the padded picture, the even and the odd ones.
    padded = np.zeros((2, 3, 2 * height + 2, width + 2), np.float32)
    padded[1, :, 1:-1, :width] = pixels[:, ::2].transpose(2, 0, 1)
    padded[0, :, 1:-1, 1 : width + 1] = pixels[:, 1::2].transpose(2, 0, 1)
    patches = np.empty((3, 3, 3, height, width + 1), np.float32)
    for row in range(3):
        for column in range(3):
            every_other = padded[column % 2, :, row : row + 2 * height : 2]
            patches[:, row, column] = every_other[:, :, column // 2 : column // 2 + width + 1]
    features: Array = network.stem @ patches.reshape(27, -1)
    features += network.stem_bias
    return _rectified(features)


def _convolved(
    features: Array, height: int, width: int, block: _Block, *, rectify: bool = True
) -> Array:
    row = width + 1
    size = height * row
    channels = len(block.point)
    # Between the two convolutions there is a row of nothing above and below as well.
    between = np.empty((channels, size + 2 * row + 2), np.float32)
    between[:, : row + 1] = between[:, row + 1 + size :] = 0
    inside = between[:, row + 1 : row + 1 + size]
    np.matmul(block.point, features, out=inside)
    inside += block.point_bias
    inside[:, width::row] = 0
    convolved = np.empty((channels, size), np.float32)
    some = max(1, _CACHED // size)  # channels at a time, which stay in the cache
    product = np.empty((min(some, channels), size), np.float32)
    for first in range(0, channels, some):
        these = slice(first, first + some)
        total, taken, depth = convolved[these], between[these], block.depth[these]
        part = product[: len(total)]
        np.multiply(taken[:, :size], depth[:, :1], out=total)
        for tap in range(1, 9):
            at = tap // 3 * row + tap % 3
            np.multiply(taken[:, at : at + size], depth[:, tap : tap + 1], out=part)
            total += part
        total += block.depth_bias[these]
        if rectify:
            _rectified(total)
    return convolved


def _rectified(features: Array) -> Array:
    """The features, those below zero set to that; NumPy compares with a row four times as fast."""
    return np.maximum(features, np.zeros((1, features.shape[1]), np.float32), out=features)


def _pooled(features: Array, height: int, width: int) -> Array:
    """The largest of each two by two pixels."""
    rows = features.reshape(len(features), height, width + 1)
    larger = np.maximum(rows[:, ::2], rows[:, 1::2])
    pooled = np.zeros((len(features), height // 2, width // 2 + 1), np.float32)
    np.maximum(larger[:, :, :width:2], larger[:, :, 1:width:2], out=pooled[:, :, :-1])
    return pooled.reshape(len(features), -1)


def _doubled(features: Array, height: int, width: int) -> Array:
    """Each pixel doubled in both directions."""
    rows = features.reshape(len(features), height, width + 1)[:, :, :width]
    doubled = np.zeros((len(features), 2 * height, 2 * width + 1), np.float32)
    doubled[:, :, :-1] = rows.repeat(2, axis=1).repeat(2, axis=2)
    return doubled.reshape(len(features), -1)


def _sigmoid(values: Array) -> Array:
    return np.reciprocal(np.exp(-values) + np.float32(1))


def _distinct(faces: Sequence[Face]) -> Iterator[Face]:
    """The faces that are not the same as one before them."""
    kept: list[Face] = []
    for face in faces:
        if not any(_overlap(face, other) > _SAME_FACE for other in kept):
            kept.append(face)
            yield face


def _overlap(one: Face, other: Face) -> float:
    """What two boxes share, as a fraction of what they cover together."""
    width = min(one.left + one.width, other.left + other.width) - max(one.left, other.left)
    height = min(one.top + one.height, other.top + other.height) - max(one.top, other.top)
    shared = max(0.0, width) * max(0.0, height)
    return shared / (one.width * one.height + other.width * other.height - shared)
