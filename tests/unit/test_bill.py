"""The bill of a month: what `make bench` makes of the price of each operation."""

import pytest
from tests.bench import bill, prices
from tests.unit.alarms import ALL_WATCHED, optional

# A million of each operation costs a dollar of Lambda's.
OPERATIONS = {name: {"Lambda": 1.0} for name in (*bill.HABITS, bill.SHOW)}


def test_every_operation_of_a_month_has_its_price() -> None:
    times = sum(bill.HABITS.values()) + bill.VIEWS
    assert bill.month(1_000_000, OPERATIONS, cdn=False)["Lambda"] == pytest.approx(times)


def test_nobody_costs_what_alarms_metrics_and_the_secret_cost() -> None:
    costs = {name: each for name, each in bill.month(0, OPERATIONS, cdn=False).items() if each}
    assert costs.keys() == {"CloudWatch", "Secrets Manager"}


def test_an_alarm_costs_as_often_as_it_watches_metrics() -> None:
    always = [metrics for name, metrics in ALL_WATCHED.items() if name not in optional()]
    assert bill.alarm_metrics() == sum(map(len, always)) > len(always)


def test_a_cdn_takes_its_hits_from_the_api_and_all_bytes_of_pictures() -> None:
    without, behind = (bill.month(1_000_000, OPERATIONS, cdn=cdn) for cdn in (False, True))
    assert without["Lambda"] - behind["Lambda"] == pytest.approx(bill.VIEWS * bill.hits())
    gigabytes = 1_000_000 * bill.VIEWS * bill.PICTURE_BYTES / 1024**3
    saved = without["Data transfer"] - behind["Data transfer"]
    assert saved == pytest.approx(gigabytes * prices.TRANSFER_GB)
    views = 1_000_000 * bill.VIEWS * prices.CLOUDFRONT_REQUEST
    assert behind["CloudFront"] == pytest.approx(gigabytes * prices.CLOUDFRONT_GB + views)


def test_a_cdn_answers_more_the_more_often_a_picture_is_looked_at(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seldom = bill.hits()
    monkeypatch.setattr(bill, "VIEWS", 100_000)
    assert 0 < seldom < 0.5 < bill.hits() < 1
