"""What is counted is written down, and what becomes of photos is on the dashboard."""

import json
import re
from typing import Any, get_args

import pytest
from tests.template import resource
from tests.unit.alarms import alarms, optional
from tests.unit.conftest import ROOT, Output, Service, entries, handlers

from vignette.domain.renditions import Outcome
from vignette.images.messages import Reason
from vignette.native.responses import FailureReason
from vignette.runtime.telemetry import Metric

METRICS = set(get_args(Metric.__value__))


def test_every_metric_is_in_the_documentation_and_no_other() -> None:
    page = (ROOT / "docs/operations.md").read_text()
    _, section = page.split("\n## Metrics\n")
    rows = section.split("\n## ")[0].splitlines()
    cells = [row.split("|")[1] for row in rows if row.startswith("| `")]
    documented = [name for cell in cells for name in re.findall(r"`(\w+)`", cell)]
    assert len(documented) == len(set(documented))
    counted_from_the_log = resource("UnexpectedErrors")["MetricTransformations"][0]["MetricName"]
    assert set(documented) == METRICS | {counted_from_the_log}


def test_readme_names_every_metric_and_no_other() -> None:
    _, section = (ROOT / "README.md").read_text().split("\n## What is counted\n")
    named = re.findall(r"`(\w+)`", section.split("\n## ")[0])
    counted_from_the_log = resource("UnexpectedErrors")["MetricTransformations"][0]["MetricName"]
    assert sorted(named) == sorted(METRICS | {counted_from_the_log})


def test_every_outcome_of_a_photo_and_every_reason_has_a_metric() -> None:
    app = handlers("thumbnails")
    assert set(app.OUTCOMES) == set(Outcome)
    assert set(app.REASONS) == {*get_args(Reason), "too_large"}
    assert {*app.REASONS, "processing_failed"} == set(get_args(FailureReason.__value__))


@pytest.mark.parametrize(
    ("photo", "metric"), [(b"no photo", "PhotosUnsupportedFormat"), (b"", "PhotosEmpty")]
)
def test_a_photo_that_fails_is_counted_with_its_reason(
    service: Service, output: Output, photo: bytes, metric: str
) -> None:
    service.send_photo(service.create_upload(service.create_user()["id"]), photo)
    written = entries(output())
    assert [each for each in written if each.get("UploadsFailed") == [1.0] and metric in each]
    [line] = [each for each in written if each.get("message") == "photo processed"]
    assert line["outcome"] == "failed"
    assert f"Photos{line['reason'].title().replace('_', '')}" == metric


def widgets() -> list[dict[str, Any]]:
    """What the dashboard shows."""
    body = json.loads(resource("Dashboard")["DashboardBody"]["Fn::Sub"])
    found: list[dict[str, Any]] = body["widgets"]
    return found


def shown(title: str) -> dict[str, Any]:
    """The properties of a widget."""
    [found] = [each["properties"] for each in widgets() if each["properties"]["title"] == title]
    properties: dict[str, Any] = found
    return properties


def test_the_dashboard_shows_what_becomes_of_photos_and_why() -> None:
    app = handlers("thumbnails")
    namespace = "Vignette/${AWS::StackName}"
    of_thumbnails = ["service", "thumbnails"]
    assert shown("Photos by outcome")["metrics"] == [
        *([namespace, metric, *of_thumbnails] for metric in app.OUTCOMES.values()),
        [namespace, "PhotosGivenUp", "service", "failed_photos"],
    ]
    assert shown("Failed photos by reason")["metrics"] == [
        [namespace, metric, *of_thumbnails] for metric in app.REASONS.values()
    ]


def test_the_dashboard_shows_requests_latency_and_cold_starts() -> None:
    assert [each[1] for each in shown("Requests")["metrics"]] == ["Count", "4xx", "5xx"]
    latency = shown("Latency of requests, ms")["metrics"]
    assert [each[-1]["stat"] for each in latency if each[1] == "Latency"] == ["p50", "p95", "p99"]
    assert shown("Cold starts")["query"].startswith("SOURCE '${Logs}' | filter @type = \"REPORT\"")


def test_the_dashboard_shows_every_alarm_that_is_always_there() -> None:
    always = [name for name in alarms() if name not in optional()]
    assert shown("Alarms")["alarms"] == [f"${{{name}.Arn}}" for name in always]


def test_no_two_widgets_of_the_dashboard_cover_each_other() -> None:
    cells = [
        (x, y)
        for each in widgets()
        for x in range(each["x"], each["x"] + each["width"])
        for y in range(each["y"], each["y"] + each["height"])
    ]
    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) == 23  # as wide as a dashboard
