"""How many users are created and changed in a second: docs/scale.md, in small."""

import pytest
from tests.bench.scale import CHANGE, CREATION, NEW_PARTITIONS, Write, index_limits, run
from tests.template import functions, resource, template

from vignette import settings
from vignette.adapters import table

WARM = 16  # partitions, with WarmWrites=16000


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_million_users_an_hour_are_created_without_a_503(seed: int) -> None:
    found = run(CREATION, rate=278, seconds=30, partitions=NEW_PARTITIONS, seed=seed)
    assert (found["done"], found["refused"]) == (8340, 0)


@pytest.mark.parametrize("write", [CREATION, CHANGE], ids=["created", "changed"])
def test_warm_tables_take_a_thousand_a_second_without_a_503(write: Write) -> None:
    found = run(write, rate=1000, seconds=20, partitions=WARM, seed=1)
    assert (found["done"], found["refused"]) == (20_000, 0)


def test_the_simulation_finds_tables_that_are_too_cold() -> None:
    assert run(CREATION, rate=1000, seconds=5, partitions=NEW_PARTITIONS, seed=1)["refused"] > 0


def test_the_simulation_finds_attempts_that_are_too_few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.bench.scale.CONFLICT_ATTEMPTS", 2)
    assert run(CREATION, rate=1000, seconds=5, partitions=WARM, seed=1)["refused"] > 0


def test_an_index_takes_a_thousand_changes_a_second_wherever_its_shards_are() -> None:
    limits = index_limits(2, partitions=WARM, placements=1000)
    assert sum(limit < 1000 for limit in limits) < 5  # of a thousand placements


def test_all_waits_for_other_transactions_end_before_an_attempt_does() -> None:
    waits = map(table.longest_wait, range(1, table.CONFLICT_ATTEMPTS))
    assert sum(waits) < settings.ATTEMPT_SECONDS


def test_what_is_warmed_are_the_tables_of_data_and_every_index() -> None:
    assert template()["Parameters"]["WarmWrites"]["Default"] == ""
    units = {"WriteUnitsPerSecond": {"Ref": "WarmWrites"}}
    warm = {"Fn::If": ["HasWarmWrites", units, {"Ref": "AWS::NoValue"}]}
    for name in ("UsersTable", "UploadsTable"):
        properties = resource(name)
        for each in (properties, *properties["GlobalSecondaryIndexes"]):
            assert each["WarmThroughput"] == warm


def test_clean_ups_of_a_shard_are_done_ten_batches_at_a_time() -> None:
    properties = functions()["cleanup"]["Events"]["RecordGone"]["Properties"]
    assert properties["ParallelizationFactor"] == 10
