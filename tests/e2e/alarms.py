"""Alarms of deployed stacks."""

from tests.e2e.conftest import Client


def goes_off_and_is_over(client: Client, alarm: str, name: str) -> None:
    """Give an alarm, by its id in the template and its name in a stack, one state and another."""
    cloudwatch = client.aws("cloudwatch")
    assert alarm in name  # whoever is told finds it in the runbook
    for state in ("ALARM", "OK"):
        cloudwatch.set_alarm_state(AlarmName=name, StateValue=state, StateReason="a test")
        history = cloudwatch.describe_alarm_history(AlarmName=name, MaxRecords=100)
        latest = history["AlarmHistoryItems"][0]["HistorySummary"]
        assert latest.endswith(f"to {state}")
