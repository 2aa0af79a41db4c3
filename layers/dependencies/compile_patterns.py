"""Compile the regular expressions of the libraries once, at build time.

    python compile_patterns.py PACKAGE_DIRECTORY SERVICE...

writes a module `compiled_patterns` with the machine code of every expression that importing the
libraries and making clients compiles, for `vignette.runtime.startup`.
"""

import importlib
import re
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

LIBRARIES = (
    "aws_lambda_powertools.logging",
    "aws_lambda_powertools.metrics",
    "aws_lambda_powertools.utilities.parameters",
    "boto3.dynamodb.conditions",
    "jwt",
    "pydantic.types",
)
NO_CREDENTIALS = {"aws_access_key_id": "none", "aws_secret_access_key": "none"}


def main() -> None:
    """Write down what the libraries of a directory compile."""
    packages = Path(sys.argv[1])
    sys.path.insert(0, str(packages))
    for library in LIBRARIES:
        # One that is made of C for Lambda's machine is only imported on a machine like that.
        with suppress(ImportError):
            importlib.import_module(library)
    session = importlib.import_module("botocore.session").get_session()
    for service in sys.argv[2:]:
        session.create_client(service, "us-east-1", **NO_CREDENTIALS)
    cache: Any = re._cache  # type: ignore[attr-defined]
    (packages / "compiled_patterns.py").write_text(machine_code(cache))


def machine_code(cache: Mapping[tuple[type, Any, int], re.Pattern[Any]]) -> str:
    """A module that holds what the patterns in a cache like re's were compiled to."""
    compiler: Any = re._compiler  # type: ignore[attr-defined]
    patterns = []
    for (_, pattern, flags), made in cache.items():
        code = compiler._code(compiler._parser.parse(pattern, flags), flags)
        names = {index: name for name, index in made.groupindex.items()}
        patterns.append(
            (
                (pattern, flags),
                (made.flags, list(map(int, code)), made.groups, dict(made.groupindex)),
                tuple(names.get(index) for index in range(made.groups + 1)),
            )
        )
    return f"MAGIC = {compiler.MAGIC}\nPATTERNS = {patterns!a}\n"


if __name__ == "__main__":
    main()
