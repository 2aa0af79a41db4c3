"""The alarms of the template, and the metrics that they watch."""

from collections.abc import Iterator
from typing import Any

from tests.template import template

type Metric = tuple[str, str, tuple[tuple[str, str], ...]]


def alarms() -> dict[str, dict[str, Any]]:
    """The properties of every alarm, by logical id."""
    return {
        name: each["Properties"]
        for name, each in template()["Resources"].items()
        if each["Type"] == "AWS::CloudWatch::Alarm"
    }


def watched(alarm: dict[str, Any]) -> Iterator[Metric]:
    """The metrics that an alarm is computed from: namespace, name, dimensions."""
    queries = alarm.get("Metrics", [{"MetricStat": {"Metric": alarm}}])
    for metric in (each["MetricStat"]["Metric"] for each in queries if "MetricStat" in each):
        dimensions = (
            (each["Name"], _resource(each["Value"])) for each in metric.get("Dimensions", ())
        )
        namespace = metric["Namespace"]
        name = namespace if isinstance(namespace, str) else namespace["Fn::Sub"]
        yield name, metric["MetricName"], tuple(dimensions)


def optional() -> set[str]:
    """The alarms that only some deployments have."""
    return {name for name in alarms() if "Condition" in template()["Resources"][name]}


def _resource(value: Any) -> str:
    """The resource that a dimension is about: the stack's own, where another can take its place."""
    while isinstance(value, dict):
        (named,) = value.values()
        value = named[1] if "Fn::If" in value else named
    return str(value)


ALL_WATCHED = {name: set(watched(alarm)) for name, alarm in alarms().items()}
