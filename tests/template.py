"""What template.yaml says: resources, and the function behind each route."""

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

TEMPLATE = Path(__file__).parent.parent / "template.yaml"


class _Loader(yaml.SafeLoader):
    """Reads CloudFormation's short forms (`!Ref x`) as their long ones."""


def _intrinsic(loader: _Loader, suffix: str, node: yaml.Node) -> dict[str, Any]:
    name = suffix if suffix in ("Ref", "Condition") else f"Fn::{suffix}"
    if isinstance(node, yaml.ScalarNode):
        return {name: loader.construct_scalar(node)}
    if isinstance(node, yaml.SequenceNode):
        return {name: loader.construct_sequence(node, deep=True)}
    assert isinstance(node, yaml.MappingNode)
    return {name: loader.construct_mapping(node, deep=True)}


_Loader.add_multi_constructor("!", _intrinsic)


@cache
def template() -> dict[str, Any]:
    """The whole template."""
    document: dict[str, Any] = yaml.load(TEMPLATE.read_text(), _Loader)  # a SafeLoader
    return document


def resource(name: str) -> dict[str, Any]:
    """The properties of a resource."""
    properties: dict[str, Any] = template()["Resources"][name]["Properties"]
    return properties


@cache
def functions() -> dict[str, dict[str, Any]]:
    """The properties of every Lambda function, by the name of its folder."""
    return {
        Path(each["Properties"]["CodeUri"]).name: each["Properties"]
        for each in template()["Resources"].values()
        if each["Type"] == "AWS::Serverless::Function"
    }


@dataclass(frozen=True)
class Routes:
    """The routes of the HTTP API: route key to function."""

    by_key: dict[str, str]

    def match(self, method: str, path: str) -> tuple[str, str, dict[str, str]]:
        """The route key, function and path parameters that API Gateway would choose."""
        for key in sorted(self.by_key, key=lambda key: key.count("{")):
            verb, _, pattern = key.partition(" ")
            expression = re.sub(r"\\{(\w+)\\}", r"(?P<\1>[^/]+)", re.escape(pattern))
            found = re.fullmatch(expression, path, re.DOTALL)
            if verb == method and found:
                return key, self.by_key[key], found.groupdict()
        return "$default", self.by_key["$default"], {}


def _key(event: dict[str, Any]) -> str:
    """The route key of an event, as API Gateway names it."""
    path: str = event["Path"]
    return path if path == "$default" else f"{event['Method']} {path}"


@cache
def routes() -> Routes:
    """All routes of the template."""
    return Routes(
        {
            _key(event["Properties"]): name
            for name, properties in functions().items()
            for event in properties.get("Events", {}).values()
            if event["Type"] == "HttpApi"
        }
    )
