"""A minute of faults and kills: nothing is lost, doubled or left behind, every answer is right."""

from collections.abc import Callable

import pytest
from tests.chaos.run import run, timeouts
from tests.e2e.kills import OwnStack

SECONDS = 60
# It found a role that could not clean up, and later a secret whose answer broke off. Others that
# find something are added here.
SEEDS = [5]


@pytest.mark.parametrize("seed", SEEDS)
def test_nothing_is_wrong_after_faults_and_kills(
    own_stack: OwnStack, seed: int, record_property: Callable[[str, object], None]
) -> None:
    own_stack.start()
    client = own_stack.client()
    this, wrong = run(client, SECONDS / len(SEEDS), seed)
    record_property("calls of AWS under chaos", this.proxy.calls)
    record_property("of them failed by its proxy", sum(this.proxy.faults.values()))
    record_property("functions killed under chaos", this.kills)
    record_property("functions that took too long under chaos", len(timeouts(client)))
    assert this.proxy.faults
    assert this.kills
    assert wrong == []
