"""Requests to functions that are running already."""

from collections.abc import Sequence
from contextlib import ExitStack
from statistics import quantiles
from typing import Any

from tests.bench.contest import Entry
from tests.bench.runtime import Lambda

REQUESTS = 10_000
_TURN = 50


def measure(entries: Sequence[Entry], requests: int = REQUESTS) -> list[dict[str, Any]]:
    """A row for every entry: percentiles of the milliseconds that a client waits, and memory.

    `p50` and `p99` leave out the first turn; `cpu` is the CPU time of one request in ms; `early`
    and `late` are its memory in MiB after a tenth of the requests and after all. The
    entries take turns of 50 requests.
    """
    taken: dict[str, list[float]] = {entry.name: [] for entry in entries}
    rows = []
    with ExitStack() as stack:
        running = [
            (entry, entry.event(), stack.enter_context(Lambda(entry.function, entry.environment)))
            for entry in entries
        ]
        before = {}
        early = {}
        for turn in range(requests // _TURN):
            for entry, event, function in running:
                times = [function.invoke(event) for _ in range(_TURN)]
                if turn == 0:
                    before[entry.name] = function.usage().cpu
                else:
                    taken[entry.name] += times
                if (turn + 1) * _TURN == requests // 10:
                    early[entry.name] = function.usage().memory
        for entry, _, function in running:
            percentiles = quantiles(taken[entry.name], n=100)
            usage = function.usage()
            rows.append(
                {
                    "request": entry.name,
                    "verb": entry.verb,
                    "p50": percentiles[49],
                    "p99": percentiles[98],
                    "cpu": (usage.cpu - before[entry.name]) / len(taken[entry.name]),
                    "early": early[entry.name],
                    "late": usage.memory,
                }
            )
    return rows
