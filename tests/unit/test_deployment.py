"""A deployment with other values of parameters takes effect, as SAM would expand the template."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from tests.template import TEMPLATE, template
from tests.unit.conftest import ROOT
from tools.revision import overrides, revised

# Reads {name: template} and prints {name: the template as SAM expands it}. What `sam build` writes
# instead of folders is an object of S3; which one is the same for every template here.
_EXPAND = """
import json, sys
from samtranslator.translator.transform import transform
from samtranslator.yaml_helper import yaml_parse

class Policies:
    def load(self):
        return {}

def expand(text, parameters):
    template = yaml_parse(text)
    for resource in template["Resources"].values():
        for name in ("CodeUri", "ContentUri"):
            if name in resource["Properties"]:
                resource["Properties"][name] = "s3://bucket/" + resource["Properties"][name]
    return transform(template, parameters, Policies())

print(json.dumps([expand(*each) for each in json.load(sys.stdin)]))
"""


def versions(*deployments: tuple[str, dict[str, str]]) -> list[dict[str, str]]:
    """The version behind each function's alias, for templates with values of their parameters."""
    done = subprocess.run(
        [ROOT / ".local/venv/sam/bin/python", "-c", _EXPAND],
        input=json.dumps(deployments),
        env={"AWS_DEFAULT_REGION": "us-east-1"},
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )
    expanded: list[dict[str, Any]] = json.loads(done.stdout)
    return [
        {
            alias["Properties"]["FunctionName"]["Ref"]: alias["Properties"]["FunctionVersion"][
                "Fn::GetAtt"
            ][0]
            for alias in each["Resources"].values()
            if alias["Type"] == "AWS::Lambda::Alias"
        }
        for each in expanded
    ]


def samconfig(folder: Path, given: str) -> Path:
    file = folder / "samconfig.toml"
    file.write_text(f"version = 0.1\n[staging.deploy.parameters]\n{given}\n")
    return file


@pytest.mark.matrix
def test_every_parameter_is_in_effect_after_a_deployment_that_changes_it(tmp_path: Path) -> None:
    text = TEMPLATE.read_text()

    def deployment(values: dict[str, str]) -> tuple[str, dict[str, str]]:
        given = [f"{name}={value}" for name, value in values.items()]
        file = samconfig(tmp_path, f"parameter_overrides = {json.dumps(given)}")
        return revised(text, overrides(file, "staging")), values

    declared = template()["Parameters"]
    values = {name: str(each["Default"]) or "before" for name, each in declared.items()}
    changed = [{**values, name: "after"} for name in values]
    before, *after = versions(deployment(values), *map(deployment, changed))
    assert before.keys() >= {"Profiles", "Clerk", "AuthgearGraphql"}
    for name, versions_now in zip(values, after, strict=True):
        same = [each for each, version in versions_now.items() if version == before[each]]
        assert not same, f"{name} has no effect on {same}"


def test_a_deployment_of_the_same_code_and_values_publishes_nothing() -> None:
    first, second = versions(*[(revised(TEMPLATE.read_text(), ["RequestRate=7"]), {})] * 2)
    assert first == second


@pytest.mark.parametrize(
    "given",
    [
        'parameter_overrides = "RequestRate=7 JwtIssuer=https://id.example.com"',
        'parameter_overrides = ["RequestRate=7", "JwtIssuer=https://id.example.com"]',
    ],
)
def test_overrides_are_read_in_every_form_that_sam_takes(tmp_path: Path, given: str) -> None:
    found = overrides(samconfig(tmp_path, given), "staging")
    assert found == ["RequestRate=7", "JwtIssuer=https://id.example.com"]


def test_overrides_in_a_file_are_what_the_file_says(tmp_path: Path) -> None:
    (tmp_path / "staging.yaml").write_text("RequestRate: 7\n")
    file = samconfig(tmp_path, 'parameter_overrides = "file://staging.yaml"')
    assert overrides(file, "staging") == ["RequestRate: 7\n"]


def test_a_stage_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(KeyError):
        overrides(samconfig(tmp_path, ""), "production")


def test_a_template_without_a_place_for_the_revision_is_an_error() -> None:
    with pytest.raises(ValueError, match="0 times"):
        revised("Resources: {}\n", [])
