"""Many users created at the same time, under DynamoDB's rule for transactions that meet."""

import heapq
import random
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.unit.conftest import ENVIRONMENT

from vignette import settings
from vignette.adapters import table
from vignette.domain import users
from vignette.errors import Unavailable

A_TRANSACTION = 0.03  # seconds: longer than most, so that more of them meet
PER_SECOND = 500
SECONDS = 4


class Simulation:
    """Threads, one of which runs at a time, on a clock that goes on only when all of them wait."""

    def __init__(self) -> None:
        self.now = 0.0
        self._waiting: list[tuple[float, int, threading.Event]] = []
        self._paused = threading.Event()
        self._order = iter(range(10**9))

    def sleep(self, seconds: float) -> None:
        """Wait, as the thread that runs now."""
        woken = self._wait_until(self.now + seconds)
        self._paused.set()
        woken.wait()

    def start(self, at: float, work: Callable[[], object]) -> None:
        """Do some work in a thread of its own from some second on."""
        woken = self._wait_until(at)

        def run() -> None:
            woken.wait()
            try:
                work()
            finally:
                self._paused.set()

        threading.Thread(target=run, daemon=True).start()

    def run(self, arrivals: Iterator[tuple[float, Callable[[], object]]]) -> None:
        """Do all the work, and end when nothing waits."""
        following = next(arrivals, None)
        while self._waiting or following:
            while following and (not self._waiting or following[0] <= self._waiting[0][0]):
                self.start(*following)
                following = next(arrivals, None)
            self.now, _, woken = heapq.heappop(self._waiting)
            self._paused.clear()
            woken.set()
            self._paused.wait()

    def _wait_until(self, second: float) -> threading.Event:
        woken = threading.Event()
        heapq.heappush(self._waiting, (second, next(self._order), woken))
        return woken


class Transactions:
    """DynamoDB's transactions: one is cancelled if another works on one of its items."""

    def __init__(self, simulation: Simulation) -> None:
        self._simulation = simulation
        self._in_work: set[str] = set()
        self.counted: Counter[str] = Counter()
        self.conflicts = 0

    def transact_write_items(self, TransactItems: list[dict[str, Any]]) -> None:  # noqa: N803
        actions = [action for item in TransactItems for action in item.values()]
        items = [(action.get("Item") or action["Key"])["pk"]["S"] for action in actions]
        if any(item in self._in_work for item in items):
            self.conflicts += 1
            codes = ["TransactionConflict" if item in self._in_work else "None" for item in items]
            response: Any = {
                "Error": {"Code": "TransactionCanceledException", "Message": ""},
                "CancellationReasons": [{"Code": code} for code in codes],
            }
            raise ClientError(response, "TransactWriteItems")
        self._in_work.update(items)
        self._simulation.sleep(A_TRANSACTION)
        self._in_work.difference_update(items)
        self.counted.update(item for item in items if item.startswith("count#"))


def create_many(monkeypatch: pytest.MonkeyPatch) -> tuple[Transactions, int, int]:
    """Create users at random moments: the transactions, users who were created, and who not."""
    simulation = Simulation()
    transactions = Transactions(simulation)
    monkeypatch.setenv("USERS_TABLE", ENVIRONMENT["USERS_TABLE"])
    monkeypatch.setattr(table, "_client", lambda: transactions)
    monkeypatch.setattr(table, "time", simulation)
    random.seed(1)
    answers: Counter[int] = Counter()

    def create() -> None:
        try:
            users.create(users.blank(), attempt="attempt")
            answers[201] += 1
        except Unavailable:
            answers[503] += 1

    moments = sorted(random.uniform(0, SECONDS) for _ in range(PER_SECOND * SECONDS))
    simulation.run((moment, create) for moment in moments)
    return transactions, answers[201], answers[503]


def test_500_users_a_second_are_created_without_a_503(monkeypatch: pytest.MonkeyPatch) -> None:
    transactions, created, refused = create_many(monkeypatch)
    assert (created, refused) == (PER_SECOND * SECONDS, 0)
    assert transactions.conflicts > 0  # they did meet, and were tried again
    assert sum(transactions.counted.values()) == created
    assert len(transactions.counted) == settings.USER_COUNTERS


def test_the_simulation_finds_counters_that_are_too_few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "USER_COUNTERS", settings.USER_SHARDS)
    _, created, refused = create_many(monkeypatch)
    assert created + refused == PER_SECOND * SECONDS
    assert refused > 0


def test_an_attempt_after_a_conflict_counts_in_an_item_chosen_anew() -> None:
    action = table.AddToAny("users", [{"pk": f"count#{n}"} for n in range(256)], {"users": 1})
    assert len({action.parameters()["Key"]["pk"]["S"] for _ in range(100)}) > 1
