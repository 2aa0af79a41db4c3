"""From starting a function to its first answer."""

from collections.abc import Sequence
from statistics import median
from typing import Any

from tests.bench.contest import Entry
from tests.bench.runtime import Lambda

ROUNDS = 15


def measure(entries: Sequence[Entry], rounds: int = ROUNDS) -> list[dict[str, Any]]:
    """A row for every entry: the medians of what its first answers took.

    `wall` is what a client waits and `cpu` the CPU time of the function's process, both in ms;
    `memory` is that in MiB. The entries take turns, so that whatever else the machine does
    meets them alike.
    """
    taken: dict[str, list[tuple[float, float, float]]] = {entry.name: [] for entry in entries}
    for _ in range(rounds):
        for entry in entries:
            event = entry.event()
            with Lambda(entry.function, entry.environment) as function:
                wall = function.invoke(event)
                usage = function.usage()
            taken[entry.name].append((wall, usage.cpu, usage.memory))
    rows = []
    for entry in entries:
        wall, cpu, memory = map(median, zip(*taken[entry.name], strict=True))
        rows.append(
            {"request": entry.name, "verb": entry.verb, "wall": wall, "cpu": cpu, "memory": memory}
        )
    return rows
