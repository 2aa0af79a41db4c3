"""Write what values a stage gives to the parameters, and a digest of all into the built template.

    python tools/revision.py STAGE

is a step of `make deploy`, after `sam build`; STAGE is a section of samconfig.toml. Four things
would surprise otherwise:

- Functions are called through an alias of a published version. SAM publishes another one when a
  property of the function differs, but compares properties before parameters have values
  (https://github.com/aws/serverless-application-model/issues/3820): with other values and the same
  code, the alias would stay at the version that knows the old ones. The digest is a property.
- Where a property is written in another way and comes to the same, SAM publishes a version, and
  CloudFormation fails: "A version for this Lambda function exists". The digest is also one of the
  template, so that the function differs wherever its property does.
- `sam deploy` lets a parameter that is not in samconfig.toml keep the value it had. Here it gets
  its default: what is deployed is what the file says.
- SAM cuts `JwtJwks={"keys": ...}` at the first quotation mark. Values are given as a table instead.
"""

import hashlib
import json
import re
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

# Below the checkout, where make works.
CONFIG = Path("samconfig.toml")
BUILT_TEMPLATE = Path(".aws-sam/build/template.yaml")
VALUES = Path(".aws-sam/parameters.yaml")  # SAM reads YAML, which JSON is


class Wrong(Exception):
    """samconfig.toml does not fit the template; the message says how."""


def given(config: str, stage: str) -> dict[str, str]:
    """The values that a stage gives to parameters, as CloudFormation takes them.

    Raises:
        Wrong: There is no such stage, or its values are no table.
    """
    try:
        parameters = tomllib.loads(config)[stage]["deploy"]["parameters"]
    except KeyError:
        raise Wrong(f"samconfig.toml has no section [{stage}.deploy.parameters].") from None
    overrides = parameters.get("parameter_overrides", {})
    if not isinstance(overrides, dict):
        raise Wrong(f"Give values as a table: [{stage}.deploy.parameters.parameter_overrides].")
    return {name: _text(value) for name, value in overrides.items()}


def completed(
    declared: Mapping[str, Mapping[str, Any]], values: Mapping[str, str]
) -> dict[str, str]:
    """A value for each parameter that a template declares: the given one, else the default.

    Raises:
        Wrong: The template does not have a parameter that is given.
    """
    unknown = values.keys() - declared.keys()
    if unknown:
        raise Wrong(f"The template has no parameter {', '.join(sorted(unknown))}.")
    return {name: values.get(name, str(each["Default"])) for name, each in declared.items()}


def revised(template: str, values: Mapping[str, str]) -> str:
    """A template whose functions carry the digest of itself and of some values of parameters.

    Raises:
        ValueError: The template has no place for it, or several.
    """
    before, *after = re.split(r"(?<=CONFIG_REVISION:) .*$", template, flags=re.MULTILINE)
    if len(after) != 1:
        raise ValueError(f"CONFIG_REVISION is in the template {len(after)} times")
    whole = json.dumps([before, *after, values], sort_keys=True)
    revision = hashlib.sha256(whole.encode()).hexdigest()[:16]
    return f"{before} '{revision}'{after[0]}"


def _text(value: object) -> str:
    if isinstance(value, list):
        return ",".join(map(_text, value))
    return str(value).lower() if isinstance(value, bool) else str(value)


def main() -> int:
    """Write both; return the exit status."""
    from samtranslator.yaml_helper import yaml_parse

    [stage] = sys.argv[1:]
    template = BUILT_TEMPLATE.read_text()
    try:
        values = completed(yaml_parse(template)["Parameters"], given(CONFIG.read_text(), stage))
    except Wrong as error:
        print(error, file=sys.stderr)
        return 1
    BUILT_TEMPLATE.write_text(revised(template, values))
    VALUES.write_text(json.dumps(values, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
