"""Every alarm that is always there is in the deployed stack, and goes off."""

import pytest
from tests.e2e.alarms import goes_off_and_is_over
from tests.e2e.conftest import Client
from tests.template import template

ALARMS = sorted(
    name
    for name, each in template()["Resources"].items()
    if each["Type"] == "AWS::CloudWatch::Alarm" and "Condition" not in each
)


@pytest.mark.parametrize("alarm", ALARMS)
def test_an_alarm_goes_off_and_is_over(client: Client, alarm: str) -> None:
    goes_off_and_is_over(client, alarm, client.resource(alarm))
