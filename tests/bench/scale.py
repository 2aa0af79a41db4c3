"""How many users can be created and changed in a second: DynamoDB's published rules, simulated.

    PYTHONPATH=layers/vignette .venv/bin/python -m tests.bench.scale

prints what docs/scale.md says. A table or an index is spread over partitions by the hash of its
keys, each of which takes 1,000 write units a second; one that is new has four. An index that is
behind holds up the writes of its table. A transaction is cancelled if another one works on one of
its items. botocore tries a write that was throttled three times. What is left out makes it look
worse than it is: a partition that had nothing to do saves up for five minutes, and DynamoDB splits
one that is busy.
"""

import heapq
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from tests.bench.tables import table

from vignette import settings
from vignette.adapters.table import CONFLICT_ATTEMPTS, longest_wait

PARTITION_UNITS = 1000
NEW_PARTITIONS = 4  # a new table takes 4,000 write units a second
TRANSACTION_SECONDS = 0.03
THROTTLE_ATTEMPTS = 3


@dataclass(frozen=True)
class Write:
    """What one request writes.

    Units of each item of the table, units in each index that lists users, and whether a counter is
    among the items.
    """

    items: Sequence[int]
    indexes: Sequence[int]
    counts: bool


CREATION = Write(items=(2, 2, 2, 2), indexes=(1, 1), counts=True)
CHANGE = Write(items=(1,), indexes=(2,), counts=False)


class Partitions:
    """A table or an index, on a clock that its callers keep."""

    def __init__(self, number: int) -> None:
        self._left = [float(PARTITION_UNITS)] * number
        self._since = [0.0] * number

    def left(self, at: int, now: float) -> float:
        """The units that a partition takes now."""
        more = (now - self._since[at]) * PARTITION_UNITS
        self._left[at] = min(self._left[at] + more, PARTITION_UNITS)
        self._since[at] = now
        return self._left[at]

    def take(self, at: int, units: int) -> None:
        """Use them."""
        self._left[at] -= units


def run(write: Write, *, rate: float, seconds: float, partitions: int, seed: int) -> Counter[str]:
    """Send so many requests a second at random moments; how many are done, and how many are not.

    `conflicts` and `throttles` count attempts, `refused` the answers 503.
    """
    chance = random.Random(seed)
    users = Partitions(partitions)
    indexes = [Partitions(partitions) for _ in write.indexes]
    # The hash of a shard's number says where its entries are, in each index alike.
    shards = [chance.randrange(partitions) for _ in range(settings.USER_SHARDS)]
    busy = [0.0] * settings.USER_COUNTERS
    found: Counter[str] = Counter()
    moments = sorted(chance.uniform(0, seconds) for _ in range(round(rate * seconds)))
    waiting = [(moment, number, 1, 1) for number, moment in enumerate(moments)]
    while waiting:
        now, number, throttled, met = heapq.heappop(waiting)
        shard = shards[number % settings.USER_SHARDS]
        items = Counter[int]()
        for units in write.items:
            items[chance.randrange(partitions)] += units
        enough = all(users.left(at, now) >= units for at, units in items.items()) and all(
            index.left(shard, now) >= units
            for index, units in zip(indexes, write.indexes, strict=True)
        )
        counter = chance.randrange(settings.USER_COUNTERS)
        if not enough:
            found["throttles"] += 1
            if throttled == THROTTLE_ATTEMPTS:
                found["refused"] += 1
            else:
                later = now + chance.uniform(0, 2 ** (throttled - 1))
                heapq.heappush(waiting, (later, number, throttled + 1, met))
        elif write.counts and busy[counter] > now:
            found["conflicts"] += 1
            if met == CONFLICT_ATTEMPTS:
                found["refused"] += 1
            else:
                later = now + chance.uniform(0, longest_wait(met))
                heapq.heappush(waiting, (later, number, 1, met + 1))
        else:
            found["done"] += 1
            busy[counter] = now + TRANSACTION_SECONDS
            for at, units in items.items():
                users.take(at, units)
            for index, units in zip(indexes, write.indexes, strict=True):
                index.take(shard, units)
    return found


def index_limits(units: int, *, partitions: int, placements: int = 10_000) -> list[float]:
    """Writes a second that an index of users takes, from the worst placement of shards to the best.

    Its sort key is the time and always grows: every entry of a shard goes to the end, so that a
    shard has one partition at a time however often that is split. Several shards may share one.
    """
    chance = random.Random(1)
    limits = []
    for _ in range(placements):
        shares = Counter(chance.randrange(partitions) for _ in range(settings.USER_SHARDS))
        limits.append(PARTITION_UNITS / units * settings.USER_SHARDS / max(shares.values()))
    return sorted(limits)


def main() -> None:
    """Print both."""
    scenarios = [
        ("a million created in an hour", CREATION, 278, 3600, NEW_PARTITIONS),
        ("500 created a second, for a minute", CREATION, 500, 60, NEW_PARTITIONS),
        ("1,000 created a second, for a minute", CREATION, 1000, 60, NEW_PARTITIONS),
        ("1,000 created a second, warm for 16,000 units", CREATION, 1000, 60, 16),
        ("1,000 changed a second, for a minute", CHANGE, 1000, 60, NEW_PARTITIONS),
        ("1,000 changed a second, warm for 16,000 units", CHANGE, 1000, 60, 16),
    ]
    lines = []
    for name, write, rate, seconds, partitions in scenarios:
        seeds = range(1, 2 if seconds > 60 else 21)
        runs = [
            run(write, rate=rate, seconds=seconds, partitions=partitions, seed=seed)
            for seed in seeds
        ]
        done = sum(each["done"] for each in runs)
        refused = [each["refused"] for each in runs]
        attempts = done + sum(each["conflicts"] + each["throttles"] for each in runs)
        lines.append(
            [
                name,
                f"{done / len(runs):,.0f}",
                f"{sum(each['conflicts'] for each in runs) / attempts:.2%}",
                f"{sum(each['throttles'] for each in runs) / attempts:.2%}",
                f"{sum(refused) / len(runs):,.1f}",
                f"{max(refused):,}",
            ]
        )
    heads = ["", "done", "attempts that met", "throttled", "503, mean", "503, worst"]
    print(table(heads, lines))
    for name, units in (("created", 1), ("changed", 2)):
        for partitions in (4, 16, 10_000):
            limits = index_limits(units, partitions=partitions)
            worst, middle = limits[len(limits) // 100], limits[len(limits) // 2]
            share = sum(limit < 1000 for limit in limits) / len(limits)
            print(
                f"{name}, {partitions} partitions: {worst:,.0f} in the worst hundredth, "
                f"{middle:,.0f} in the middle; below 1,000: {share:.1%}"
            )


if __name__ == "__main__":
    main()
