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


class Deployment:
    """What CloudFormation makes of conditions and values, with some values of parameters."""

    def __init__(self, values: dict[str, str]) -> None:
        declared = template()["Parameters"]
        assert values.keys() <= declared.keys()
        self._values = {name: str(each["Default"]) for name, each in declared.items()} | values

    def has(self, name: str) -> bool:
        """Whether a resource is there."""
        condition = template()["Resources"][name].get("Condition")
        return condition is None or self._holds({"Condition": condition})

    def value(self, of: Any) -> Any:
        """A value, with attributes of resources as `${NAME}`."""
        match of:
            case {"Fn::If": [condition, yes, no]}:
                return self.value(yes if self._holds({"Condition": condition}) else no)
            case {"Ref": name}:
                return self._values.get(name, f"${{{name}}}")
            case {"Fn::GetAtt": name}:
                return f"${{{name}}}"
            case {"Fn::Sub": str(text)}:
                for name, value in self._values.items():
                    text = text.replace(f"${{{name}}}", value)
                return text
            case [*items]:
                return [self.value(one) for one in items]
            case {**values}:
                return {name: self.value(one) for name, one in values.items()}
        return of

    def refused(self) -> list[str]:
        """What CloudFormation says of the values, by the rules of the template."""
        return [
            assertion["AssertDescription"]
            for rule in template()["Rules"].values()
            if self._holds(rule["RuleCondition"])
            for assertion in rule["Assertions"]
            if not self._holds(assertion["Assert"])
        ]

    def _holds(self, condition: Any) -> bool:
        match condition:
            case {"Condition": name}:
                return self._holds(template()["Conditions"][name])
            case {"Fn::And": conditions}:
                return all(map(self._holds, conditions))
            case {"Fn::Not": [one]}:
                return not self._holds(one)
            case {"Fn::Equals": [left, right]}:
                return bool(self.value(left) == self.value(right))
        raise AssertionError(condition)
