"""A deployment with other values of parameters takes effect, as SAM would expand the template."""

import json
import re
import subprocess
import tomllib
from collections.abc import Iterator
from graphlib import TopologicalSorter
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


def expanded(*deployments: tuple[str, dict[str, str]]) -> list[dict[str, Any]]:
    """The resources that SAM makes of templates with values of their parameters."""
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
    return [each["Resources"] for each in json.loads(done.stdout)]


def versions(*deployments: tuple[str, dict[str, str]]) -> list[dict[str, str]]:
    """The version behind each function's alias, for templates with values of their parameters."""
    return [
        {
            alias["Properties"]["FunctionName"]["Ref"]: alias["Properties"]["FunctionVersion"][
                "Fn::GetAtt"
            ][0]
            for alias in of_type(resources, "AWS::Lambda::Alias").values()
        }
        for resources in expanded(*deployments)
    ]


def of_type(resources: dict[str, Any], type_: str) -> dict[str, Any]:
    """The resources of a type, by logical id."""
    return {name: each for name, each in resources.items() if each["Type"] == type_}


def needed(part: object) -> Iterator[str]:
    """The logical ids that a part of a template refers to."""
    if isinstance(part, list):
        for each in part:
            yield from needed(each)
    if not isinstance(part, dict):
        return
    for name, value in part.items():
        if name in ("Ref", "Fn::GetAtt"):
            yield (value[0] if isinstance(value, list) else value).partition(".")[0]
        elif name == "Fn::Sub":
            text, values = value if isinstance(value, list) else (value, {})
            yield from (each for each in re.findall(r"\$\{(\w+)", text) if each not in values)
            yield from needed(values)
        else:
            yield from needed(value)


@pytest.fixture(scope="module")
def gradual() -> dict[str, Any]:
    """The resources of a deployment that moves requests step by step."""
    values = {"DeploymentPreference": "Canary10Percent5Minutes"}
    [resources] = expanded((TEMPLATE.read_text(), values))
    return resources


def test_requests_move_at_once_without_another_service() -> None:
    [resources] = expanded((TEMPLATE.read_text(), {}))
    assert not [each for each in resources.values() if "CodeDeploy" in each["Type"]]
    assert not [each for each in resources.values() if "UpdatePolicy" in each]


def test_every_way_to_move_requests_is_one_that_sam_knows() -> None:
    ways = template()["Parameters"]["DeploymentPreference"]["AllowedValues"]
    enabled = {way: each["Enabled"] for way, each in template()["Mappings"]["Gradually"].items()}
    assert enabled == {way: "false" if way == "AllAtOnce" else "true" for way in ways}


def test_a_gradual_deployment_moves_every_alias_and_goes_back_on_an_alarm(
    gradual: dict[str, Any],
) -> None:
    aliases = of_type(gradual, "AWS::Lambda::Alias")
    groups = of_type(gradual, "AWS::CodeDeploy::DeploymentGroup")
    used = {
        each["UpdatePolicy"]["CodeDeployLambdaAliasUpdate"]["DeploymentGroupName"]["Ref"]
        for each in aliases.values()
    }
    assert used == set(groups)
    assert len(used) == len(aliases) > 10
    for name, group in groups.items():
        properties = group["Properties"]
        assert "Canary10Percent5Minutes" in json.dumps(properties["DeploymentConfigName"])
        assert properties["AutoRollbackConfiguration"]["Enabled"]
        assert "DEPLOYMENT_STOP_ON_ALARM" in properties["AutoRollbackConfiguration"]["Events"]
        # A function that is not there is not deployed.
        assert group.get("Condition") == gradual[name.removesuffix("DeploymentGroup")].get(
            "Condition"
        )


def test_the_alarms_that_roll_a_deployment_back_are_there(gradual: dict[str, Any]) -> None:
    there = [
        each["Properties"].get("AlarmName", {"Ref": name})
        for name, each in of_type(gradual, "AWS::CloudWatch::Alarm").items()
    ]
    for group in of_type(gradual, "AWS::CodeDeploy::DeploymentGroup").values():
        alarms = group["Properties"]["AlarmConfiguration"]
        assert alarms["Enabled"]
        assert len(alarms["Alarms"]) == 3
        assert all(each["Name"] in there for each in alarms["Alarms"])


def test_no_resource_of_a_gradual_deployment_needs_itself(gradual: dict[str, Any]) -> None:
    graph = {name: set(needed(each)) & set(gradual) for name, each in gradual.items()}
    assert graph["ProfilesAliaslive"] >= {"Profiles", "ProfilesDeploymentGroup"}
    TopologicalSorter(graph).prepare()  # raises CycleError


def test_earlier_versions_stay_to_go_back_to(gradual: dict[str, Any]) -> None:
    published = of_type(gradual, "AWS::Lambda::Version")
    assert len(published) == len(of_type(gradual, "AWS::Lambda::Alias"))
    # A new version is another resource of the template, so that this decides on the one before.
    assert {each["DeletionPolicy"] for each in published.values()} == {"Retain"}


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


def test_a_template_that_says_the_same_in_other_words_changes_functions_and_versions() -> None:
    text = TEMPLATE.read_text()
    other = text.replace("MaxAge: 3600", "MaxAge: 3599")
    assert other != text
    before, after = versions((revised(text, {}), {}), (revised(other, {}), {}))
    assert before.keys() == after.keys()
    assert not [name for name in before if before[name] == after[name]]
    # What a template is told again does not count.
    assert revised(revised(text, {}), {}) == revised(text, {})


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
