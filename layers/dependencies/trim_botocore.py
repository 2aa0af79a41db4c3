"""Reduce botocore's data to the services that functions call, in a form that loads fast.

    python trim_botocore.py PACKAGE_DIRECTORY SERVICE...

takes CPU time off every cold start (docs/decisions.md): botocore reads the endpoints of all 400
services (1.2 MB of JSON) and models whose documentation is four fifths of their size and
compressed. What is left says the same about the services kept.
"""

import gzip
import json
import shutil
import sys
from pathlib import Path
from typing import Any


def main() -> None:
    """Trim the botocore in a directory of packages."""
    data = Path(sys.argv[1], "botocore", "data")
    services = sys.argv[2:]
    for directory in data.iterdir():
        if directory.is_dir() and directory.name not in services:
            shutil.rmtree(directory)
    for examples in data.rglob("examples-1.json"):
        examples.unlink()
    for packed in data.rglob("*.json.gz"):
        with gzip.open(packed) as stream:
            _write(packed.with_suffix(""), _without_documentation(json.load(stream)))
        packed.unlink()
    endpoints = json.loads((data / "endpoints.json").read_text())
    for partition in endpoints["partitions"]:
        partition["services"] = {
            name: known for name, known in partition["services"].items() if name in services
        }
    _write(data / "endpoints.json", endpoints)


def _without_documentation(model: Any) -> Any:  # noqa: ANN401
    match model:
        case dict():
            return {
                # botocore reads the documentation of these, and of nothing else.
                name: value if name == "clientContextParams" else _without_documentation(value)
                for name, value in model.items()
                if not (name == "documentation" and isinstance(value, str))
            }
        case list():
            return [_without_documentation(value) for value in model]
    return model


def _write(file: Path, content: Any) -> None:  # noqa: ANN401
    file.write_text(json.dumps(content, separators=(",", ":")))


if __name__ == "__main__":
    main()
