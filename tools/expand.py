"""Write the template as SAM expands it, which is what CloudFormation gets and linters look at.

    python -m tools.expand FILE

is a step of `make audit`.
"""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tools.revision import completed

TEMPLATE = Path(__file__).resolve().parent.parent / "template.yaml"


class _NoManagedPolicies:
    """The template names no policy of AWS's, so that none has to be asked for."""

    def load(self) -> dict[str, str]:
        return {}


def expanded(text: str, values: Mapping[str, str]) -> dict[str, Any]:
    """A template as CloudFormation gets it, with some values of parameters.

    What `sam build` writes instead of a folder is an object of S3, always of the same name here.

    Raises:
        Wrong: The template does not have a parameter that is given.
    """
    from samtranslator.translator.transform import transform
    from samtranslator.yaml_helper import yaml_parse

    template = yaml_parse(text)
    parameters = completed(template["Parameters"], values)
    for resource in template["Resources"].values():
        for name in ("CodeUri", "ContentUri"):
            if name in resource["Properties"]:
                resource["Properties"][name] = "s3://bucket/" + resource["Properties"][name]
    found: dict[str, Any] = transform(template, parameters, _NoManagedPolicies())
    return found


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(json.dumps(expanded(TEMPLATE.read_text(), {}), indent=1))
