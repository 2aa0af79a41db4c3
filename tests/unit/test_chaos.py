"""The comparison at the end of a run of faults: everything that it looks for is noticed."""

import random
from typing import Any

import httpx
from tests.chaos.history import Change, History
from tests.chaos.run import Run

NAMED: dict[str, str | None] = {"name": "Ada"}


def history(*changes: Change) -> History:
    made = History()
    made.changes["ada"] += [Change("name", "Ada", 0, 1, happened=True), *changes]
    return made


def wrong(made: History, *, there: bool = True, name: str = "Ada") -> list[str]:
    return list(made.violations({"ada": {"name": name}} if there else {}))


def test_a_user_who_was_acknowledged_is_missed() -> None:
    assert wrong(history()) == []
    assert wrong(history(), there=False) == ["user ada is not there"]


def test_a_deletion_without_an_answer_may_have_happened() -> None:
    unanswered = history(Change("deletion", None, 2, 3))
    assert wrong(unanswered) == wrong(unanswered, there=False) == []


def test_a_deletion_that_was_refused_has_not_happened() -> None:
    refused = history(Change("deletion", None, 2, 3, happened=False))
    assert wrong(refused, there=False) == ["user ada is not there"]


def test_a_deletion_that_comes_after_what_was_acknowledged_is_noticed() -> None:
    made = history(
        Change("deletion", None, 2, 3),
        Change("name", "Ada", 4, 5, happened=True),
    )
    assert wrong(made) == []
    assert wrong(made, there=False) == ["user ada is not there"]
    at_the_same_time = history(
        Change("deletion", None, 2, 5),
        Change("name", "Ada", 4, 6, happened=True),
    )
    assert wrong(at_the_same_time, there=False) == []


def test_a_user_who_comes_back_is_noticed() -> None:
    made = history(Change("deletion", None, 2, 3, happened=True))
    assert wrong(made) == ["user ada was deleted and is there"]
    assert wrong(made, there=False) == []


def test_a_user_of_nobody_is_noticed() -> None:
    assert list(History().violations({"eve": NAMED})) == ["user eve was made by nobody"]


def test_a_lost_change_is_noticed_and_one_without_an_answer_is_not() -> None:
    first = Change("name", "Ada", 2, 3, happened=True)
    second = Change("name", "Grace", 4, 5, happened=True)
    assert wrong(history(first, second)) == ["name of ada is Ada, not one of {'Grace'}"]
    second.happened = None
    assert wrong(history(first, second)) == wrong(history(first, second), name="Grace") == []
    second.happened = False
    assert wrong(history(first, second), name="Grace")


def test_a_first_value_that_nobody_was_told_of_may_be_there_or_not() -> None:
    for happened, possible in ((None, {None, "ada"}), (True, {"ada"}), (False, {None})):
        made = history(Change("username", "ada", 2, 3, happened=happened))
        for found in (None, "ada"):
            is_right = not list(made.violations({"ada": {"name": "Ada", "username": found}}))
            assert is_right == (found in possible)


def test_a_late_change_that_undoes_an_acknowledged_one_is_noticed() -> None:
    late = Change("name", "Ada", 2, 3)
    after = Change("name", "Grace", 4, 5, happened=True)
    assert wrong(history(late, after)) == ["name of ada is Ada, not one of {'Grace'}"]


def test_a_removal_that_perhaps_found_nothing_holds_nothing_back() -> None:
    late = Change("picture", "p1", 2, 3)
    removal = Change("picture", None, 4, 5, happened=True)
    made = history(late, removal)
    for picture in ("p1", None):
        assert list(made.violations({"ada": {"name": "Ada", "picture": picture}})) == []
    deleted_late = history(Change("deletion", None, 2, 3), removal)
    assert wrong(deleted_late, there=False) == []


def test_a_removal_that_is_undone_is_noticed() -> None:
    earlier = Change("picture", "p1", 2, 3, happened=True)
    removal = Change("picture", None, 4, 5, happened=True)
    undone = history(earlier, removal).violations({"ada": {"picture": "p1"}})
    assert list(undone) == ["picture of ada is p1, not one of {None}"]


def test_an_answer_that_never_should_have_been_is_told() -> None:
    made = history()
    made.wrong.append("500")
    assert wrong(made) == ["500"]


class Stranger:
    """A client whose stack answers everything with one answer."""

    def __init__(self, answer: httpx.Response) -> None:
        self.key: dict[str, str] = {}
        self.http = httpx.Client(
            base_url="http://stack", transport=httpx.MockTransport(lambda _: answer)
        )


def run_against(answer: httpx.Response) -> Run:
    stranger: Any = Stranger(answer)
    return Run(stranger, stranger)


def test_an_answer_that_is_no_json_is_told() -> None:
    this = run_against(httpx.Response(500, text="<h1>500</h1>"))
    assert this.ask("GET", "/path") is None
    assert this.history.wrong == ["GET /path is answered 500: <h1>500</h1>"]


def test_a_client_that_fails_is_told() -> None:
    this = run_against(httpx.Response(201, text="no user"))
    this.until_over(this.work, random.Random(1))
    [told] = this.history.wrong
    assert told.startswith("work has failed: JSONDecodeError")
