"""A deployment with other values of parameters takes effect, as SAM would expand the template."""

import json
import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.template import TEMPLATE, template
from tests.unit.conftest import ROOT
from tools.revision import Wrong, completed, given, revised

# Reads pairs of a template and values of its parameters, and prints each as SAM expands it.
_EXPAND = """
import json, sys
from tools.expand import expanded

print(json.dumps([expanded(*each) for each in json.load(sys.stdin)]))
"""


def versions(*deployments: tuple[str, dict[str, str]]) -> list[dict[str, str]]:
    """The version behind each function's alias, for templates with values of their parameters."""
    done = subprocess.run(
        [ROOT / ".local/venv/sam/bin/python", "-c", _EXPAND],
        input=json.dumps(deployments),
        cwd=ROOT,
        env={"AWS_DEFAULT_REGION": "us-east-1", "PYTHONPATH": str(ROOT)},
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


@pytest.mark.matrix
def test_every_parameter_is_in_effect_after_a_deployment_that_changes_it() -> None:
    text, declared = TEMPLATE.read_text(), template()["Parameters"]

    def deployment(values: dict[str, str]) -> tuple[str, dict[str, str]]:
        every = completed(declared, values)
        return revised(text, every), every

    before, *after = versions(deployment({}), *[deployment({name: "after"}) for name in declared])
    assert before.keys() >= {"Profiles", "Clerk", "AuthgearGraphql"}
    for name, versions_now in zip(declared, after, strict=True):
        same = [each for each, version in versions_now.items() if version == before[each]]
        assert not same, f"{name} has no effect on {same}"


def test_a_deployment_of_the_same_code_and_values_publishes_nothing() -> None:
    first, second = versions(*[(revised(TEMPLATE.read_text(), {"RequestRate": "7"}), {})] * 2)
    assert first == second


STAGING = """
version = 0.1
[staging.deploy.parameters.parameter_overrides]
RequestRate = 7
PublicPictures = false
AllowedOrigins = ["https://a.example.com", "https://b.example.com"]
JwtJwks = '{"keys": [{"kty": "RSA"}]}'
"""


def test_values_are_read_as_cloudformation_takes_them() -> None:
    assert given(STAGING, "staging") == {
        "RequestRate": "7",
        "PublicPictures": "false",
        "AllowedOrigins": "https://a.example.com,https://b.example.com",
        "JwtJwks": '{"keys": [{"kty": "RSA"}]}',
    }


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ("[staging.deploy.parameters]", "production.deploy.parameters"),
        ('[production.deploy.parameters]\nparameter_overrides = "A=b"', "as a table"),
    ],
    ids=["no stage", "no table"],
)
def test_a_stage_that_is_not_there_or_not_understood_is_an_error(config: str, said: str) -> None:
    with pytest.raises(Wrong, match=said):
        given(config, "production")


def test_a_parameter_that_is_not_given_has_its_default_and_a_misspelt_one_is_an_error() -> None:
    declared: dict[str, dict[str, Any]] = {
        "RequestRate": {"Default": 500},
        "JwtIssuer": {"Default": ""},
    }
    assert completed(declared, {}) == {"RequestRate": "500", "JwtIssuer": ""}
    assert completed(declared, {"RequestRate": "7"}) == {"RequestRate": "7", "JwtIssuer": ""}
    with pytest.raises(Wrong, match="JwtIsuer"):
        completed(declared, {"JwtIsuer": "https://id.example.com"})


def test_sam_is_told_the_value_of_every_parameter(tmp_path: Path) -> None:
    (tmp_path / "samconfig.toml").write_text(STAGING)
    build = tmp_path / ".aws-sam/build"
    build.mkdir(parents=True)
    (build / "template.yaml").write_text(TEMPLATE.read_text())
    python = ROOT / ".local/venv/sam/bin/python"
    subprocess.run([python, ROOT / "tools/revision.py", "staging"], cwd=tmp_path, check=True)
    script = """
import json
from samcli.cli.types import CfnParameterOverridesType
told = CfnParameterOverridesType().convert("file://.aws-sam/parameters.yaml", None, None)
print(json.dumps(told))
"""
    done = subprocess.run(
        [python, "-c", script], cwd=tmp_path, check=True, capture_output=True, text=True
    )
    told = json.loads(done.stdout)
    assert told == completed(template()["Parameters"], given(STAGING, "staging"))
    assert (build / "template.yaml").read_text() == revised(TEMPLATE.read_text(), told)


@pytest.mark.parametrize("stage", ["default", "staging", "production"])
def test_every_stage_can_be_built_and_deployed(stage: str) -> None:
    config = tomllib.loads((ROOT / "samconfig.toml").read_text())
    assert completed(template()["Parameters"], given((ROOT / "samconfig.toml").read_text(), stage))
    assert config[stage]["build"]["parameters"] == config["default"]["build"]["parameters"]
    deploy = dict(config[stage]["deploy"]["parameters"])
    assert deploy["capabilities"] == "CAPABILITY_IAM"
    names = {
        config[each]["deploy"]["parameters"]["stack_name"] for each in config if each != "version"
    }
    assert len(names) == 3


def test_main_goes_to_staging_and_from_there_to_production_if_somebody_approves() -> None:
    workflow = yaml.safe_load((ROOT / ".github/workflows/deploy.yml").read_text())
    jobs = workflow["jobs"]
    commands = {
        name: [step["run"] for step in job["steps"] if "run" in step] for name, job in jobs.items()
    }
    assert commands == {
        "test": ["bash .ci/run"],
        "staging": ["make deploy STAGE=staging", "make smoke STACK=vignette-staging"],
        "production": ["make deploy STAGE=production", "make smoke STACK=vignette-production"],
    }
    assert (jobs["staging"]["needs"], jobs["production"]["needs"]) == ("test", "staging")
    assert jobs["staging"]["if"].startswith("github.event_name == 'push'")
    # GitHub asks for the reviewer that the environment names.
    assert [job.get("environment") for job in jobs.values()] == [None, "staging", "production"]
    assert workflow["permissions"] == {}
    assert "id-token" not in jobs["test"]["permissions"]
    used = {step["uses"] for job in jobs.values() for step in job["steps"] if "uses" in step}
    assert all(re.fullmatch("[a-z-]+/[a-z-]+@[0-9a-f]{40}", each) for each in used)


def test_a_template_without_a_place_for_the_revision_is_an_error() -> None:
    with pytest.raises(ValueError, match="0 times"):
        revised("Resources: {}\n", {})
