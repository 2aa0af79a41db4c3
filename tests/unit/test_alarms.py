"""Alarms: each tells somebody, watches what it says, and stands in the runbook."""

import json
import re

import pytest
from tests.template import functions, resource, template
from tests.unit.alarms import ALL_WATCHED, alarms
from tests.unit.conftest import ROOT

RUNBOOK = (ROOT / "docs/operations.md").read_text()


@pytest.mark.parametrize("name", sorted(alarms()))
def test_an_alarm_tells_whoever_is_to_be_told_when_it_begins_and_when_it_is_over(name: str) -> None:
    alarm = alarms()[name]
    told = [
        {"Fn::If": ["HasAlarmEmail", {"Ref": "AlarmTopic"}, {"Ref": "AWS::NoValue"}]},
        {"Fn::If": ["HasAlarmTopicArn", {"Ref": "AlarmTopicArn"}, {"Ref": "AWS::NoValue"}]},
    ]
    assert alarm["AlarmActions"] == alarm["OKActions"] == told
    # A service that nobody uses at night is not broken.
    assert alarm["TreatMissingData"] == "notBreaching"


@pytest.mark.parametrize("name", sorted(alarms()))
def test_an_alarm_says_in_its_message_what_has_happened(name: str) -> None:
    assert 20 < len(alarms()[name]["AlarmDescription"]) < 200


def test_the_address_of_alarms_is_told_by_mail() -> None:
    topic = template()["Resources"]["AlarmTopic"]
    assert topic["Condition"] == "HasAlarmEmail"
    [subscription] = topic["Properties"]["Subscription"]
    assert subscription == {"Protocol": "email", "Endpoint": {"Ref": "AlarmEmail"}}


def test_a_deployment_whose_alarms_nobody_hears_says_so() -> None:
    condition, somebody, nobody = template()["Outputs"]["AlarmRecipients"]["Value"]["Fn::If"]
    assert template()["Conditions"][condition] == {
        "Fn::Or": [{"Condition": "HasAlarmEmail"}, {"Condition": "HasAlarmTopicArn"}]
    }
    assert somebody == {"Fn::Sub": "${AlarmEmail} ${AlarmTopicArn}"}
    assert "NOBODY" in nobody


@pytest.mark.parametrize(
    ("namespace", "metric", "dimensions"),
    [
        ("AWS/ApiGateway", "5xx", [("ApiId", "Api")]),
        ("AWS/ApiGateway", "Latency", [("ApiId", "Api")]),
        ("AWS/ApiGateway", "5xx", [("ApiId", "PicturesApi")]),
        ("AWS/Lambda", "Errors", [("FunctionName", "Thumbnails")]),
        ("AWS/Lambda", "Errors", [("FunctionName", "Cleanup")]),
        ("AWS/Lambda", "Throttles", [("FunctionName", "Thumbnails")]),
        ("AWS/Lambda", "Throttles", [("FunctionName", "Cleanup")]),
        ("AWS/Lambda", "IteratorAge", [("FunctionName", "Cleanup")]),
        ("AWS/Lambda", "AsyncEventsDropped", [("FunctionName", "Thumbnails")]),
    ],
)
def test_what_can_fail_unseen_has_an_alarm(
    namespace: str, metric: str, dimensions: list[tuple[str, str]]
) -> None:
    wanted = (namespace, metric, tuple(dimensions))
    assert [name for name, metrics in ALL_WATCHED.items() if wanted in metrics]


def test_what_cannot_be_handed_on_where_failed_events_go_has_an_alarm() -> None:
    handing_on = {
        name
        for name, each in template()["Resources"].items()
        if each["Type"] == "AWS::Serverless::Function" and "OnFailure" in json.dumps(each)
    }
    assert handing_on >= {"Thumbnails", "Cleanup"}
    for name in handing_on:
        lost = ("AWS/Lambda", "DestinationDeliveryFailures", (("FunctionName", name),))
        assert [each for each, metrics in ALL_WATCHED.items() if lost in metrics], name


def test_every_queue_of_what_failed_has_an_alarm() -> None:
    queues = [
        name for name, each in template()["Resources"].items() if each["Type"] == "AWS::SQS::Queue"
    ]
    assert "FailedEvents" in queues
    for queue in queues:
        redrives = "RedrivePolicy" in template()["Resources"][queue].get("Properties", {})
        dimension = ("QueueName", f"{queue}.QueueName")
        metrics = {each for metrics in ALL_WATCHED.values() for each in metrics}
        has_alarm = ("AWS/SQS", "ApproximateNumberOfMessagesVisible", (dimension,)) in metrics
        assert has_alarm or redrives, queue


@pytest.mark.parametrize("table", ["UsersTable", "UploadsTable", "IdempotencyTable"])
def test_throttles_of_a_table_and_of_each_of_its_indexes_have_an_alarm(table: str) -> None:
    indexes = [each["IndexName"] for each in resource(table).get("GlobalSecondaryIndexes", ())]
    places = [(("TableName", table),)] + [
        (("TableName", table), ("GlobalSecondaryIndexName", index)) for index in indexes
    ]
    # Nothing reads the idempotency table: no role may.
    kinds = ["Write"] if table == "IdempotencyTable" else ["Read", "Write"]
    assert ALL_WATCHED[f"{table}ThrottlesAlarm"] == {
        ("AWS/DynamoDB", f"{kind}ThrottleEvents", place) for place in places for kind in kinds
    }


def test_the_longest_work_on_a_photo_has_an_alarm_before_it_is_cut_off() -> None:
    decoding = {
        each["Properties"]["CodeUri"].removeprefix("functions/"): name
        for name, each in template()["Resources"].items()
        if each["Type"] == "AWS::Serverless::Function" and "MemorySize" in each["Properties"]
    }
    assert "thumbnails" in decoding
    assert ALL_WATCHED["SlowPhotosAlarm"] == {
        ("AWS/Lambda", "Duration", (("FunctionName", name),)) for name in decoding.values()
    }
    threshold = alarms()["SlowPhotosAlarm"]["Threshold"]
    assert all(threshold < functions()[name]["Timeout"] * 1000 for name in decoding)


def test_unexpected_errors_are_counted_from_the_log() -> None:
    count = resource("UnexpectedErrors")
    assert count["LogGroupName"] == {"Ref": "Logs"}
    assert count["FilterPattern"] == '{ $.level = "ERROR" }'  # see test_logs.py
    [metric] = count["MetricTransformations"]
    counted = (metric["MetricNamespace"]["Fn::Sub"], metric["MetricName"], ())
    assert ALL_WATCHED["UnexpectedErrorsAlarm"] == {counted}


def runbook() -> dict[str, str]:
    """What docs/operations.md says of each alarm, by the alarm's logical id."""
    _, *parts = re.split(r"^### (\w+Alarm)$", RUNBOOK, flags=re.MULTILINE)
    return dict(zip(parts[::2], parts[1::2], strict=True))


def test_the_runbook_has_every_alarm_and_no_other() -> None:
    assert set(runbook()) == set(alarms())


@pytest.mark.parametrize("name", sorted(runbook()))
def test_the_runbook_says_what_an_alarm_means_how_to_look_and_what_to_do(name: str) -> None:
    text = re.split(r"^##", runbook()[name], flags=re.MULTILINE)[0]
    said = re.findall(r"^\*\*(\w+)\*\*: \S", text, re.MULTILINE)
    assert said == ["Means", "Look", "Do"]
