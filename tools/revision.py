"""Write into the built template which values its parameters get, as a digest.

    python tools/revision.py STAGE

is a step of `make deploy`, after `sam build`; STAGE is a section of samconfig.toml. Functions are
called through an alias of a published version. SAM publishes another one when a property of the
function differs, but compares properties before parameters have values
(https://github.com/aws/serverless-application-model/issues/3820): with other values and the same
code, the alias would stay at the version that knows the old ones. The digest is a property.
"""

import hashlib
import re
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BUILT_TEMPLATE = ROOT / ".aws-sam/build/template.yaml"
_FILE = "file://"


def overrides(config: Path, stage: str) -> list[str]:
    """The values that a stage of samconfig.toml gives to parameters, as `sam deploy` takes them.

    Values may be in files of their own: then it is what the files say.

    Raises:
        KeyError: There is no such stage.
    """
    given = tomllib.loads(config.read_text())[stage]["deploy"]["parameters"].get(
        "parameter_overrides", []
    )
    values = given.split() if isinstance(given, str) else given
    return [
        (config.parent / value.removeprefix(_FILE)).read_text()
        if isinstance(value, str) and value.startswith(_FILE)
        else str(value)
        for value in (values if isinstance(values, list) else [values])
    ]


def revised(template: str, values: list[str]) -> str:
    """A template whose functions carry the digest of some values of parameters.

    Raises:
        ValueError: The template has no place for it, or several.
    """
    revision = hashlib.sha256("\0".join(values).encode()).hexdigest()[:16]
    template, places = re.subn(
        r"^(\s+CONFIG_REVISION:).*$", rf"\1 '{revision}'", template, flags=re.MULTILINE
    )
    if places != 1:
        raise ValueError(f"CONFIG_REVISION is in the template {places} times")
    return template


def main() -> int:
    """Write the digest; return the exit status."""
    [stage] = sys.argv[1:]
    try:
        values = overrides(ROOT / "samconfig.toml", stage)
    except KeyError:
        print(f"samconfig.toml has no section [{stage}.deploy.parameters].", file=sys.stderr)
        return 1
    BUILT_TEMPLATE.write_text(revised(BUILT_TEMPLATE.read_text(), values))
    return 0


if __name__ == "__main__":
    sys.exit(main())
