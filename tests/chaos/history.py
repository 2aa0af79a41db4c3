"""What clients did to users and were told, and what may be so after it.

The service promises of a change:
- answered 200, 201 or 204, it has happened before the answer;
- answered otherwise with less than 500, it has not;
- answered 503, or not at all, it has happened, or may happen until the request's function has
  ended and what it had sent to AWS has arrived. It then counts as having happened before everything
  that was begun after its answer and succeeded: it never undoes that.

A change that finds everything as wanted writes nothing, so that it holds nothing back that is still
on its way. A removal may be one.
"""

import math
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

ANYTHING = "anything"  # the value of a change whose client cannot know it


@dataclass
class Change:
    """One change that a client asked for; times as `time.monotonic` gives them.

    `happened` is None for who cannot know.
    """

    kind: str
    value: str | None
    began: float
    ended: float = 0.0
    happened: bool | None = None

    @property
    def has_written(self) -> bool:
        """Whether it is sure to have written something."""
        return bool(self.happened) and self.value is not None


@dataclass
class History:
    """All changes of all users, by the user's id, and what never should have been answered."""

    changes: defaultdict[str, list[Change]] = field(default_factory=lambda: defaultdict(list))
    wrong: list[str] = field(default_factory=list)

    @contextmanager
    def change(self, user_id: str, kind: str, value: str | None = None) -> Iterator[Change]:
        """Record a change while it is asked for."""
        change = Change(kind, value, time.monotonic())
        self.changes[user_id].append(change)
        try:
            yield change
        finally:
            change.ended = time.monotonic()

    def may_be_gone(self, user_id: str) -> bool:
        """Whether a deletion has happened, or may have and nothing tells of the user after it."""
        return any(not self._is_disproved(user_id, each) for each in self._deletions(user_id))

    def may_be_there(self, user_id: str) -> bool:
        """Whether no deletion is known to have happened."""
        return not any(each.happened for each in self._deletions(user_id))

    def possible(self, user_id: str, kind: str) -> set[str | None]:
        """The values that the last change of a kind may have left; None is how it began."""
        changes = [
            Change(kind, None, began=-math.inf, ended=-math.inf, happened=True),
            *(
                each
                for each in self.changes[user_id]
                if each.kind == kind and each.happened is not False
            ),
        ]
        return {
            each.value
            for each in changes
            if not any(self._supersedes(other, each) for other in changes)
        }

    def violations(self, found: dict[str, dict[str, str | None]]) -> Iterator[str]:
        """What is wrong with the users that are there: their values by kind, by their ids."""
        yield from self.wrong
        for user_id in list(self.changes):
            user = found.get(user_id)
            if user is None:
                if not self.may_be_gone(user_id):
                    yield f"user {user_id} is not there"
                continue
            if not self.may_be_there(user_id):
                yield f"user {user_id} was deleted and is there"
            for kind, value in user.items():
                possible = self.possible(user_id, kind)
                if not possible & {value, ANYTHING}:
                    yield f"{kind} of {user_id} is {value}, not one of {possible}"
        for user_id in found.keys() - self.changes.keys():
            yield f"user {user_id} was made by nobody"

    def _deletions(self, user_id: str) -> list[Change]:
        return [
            each
            for each in self.changes[user_id]
            if each.kind == "deletion" and each.happened is not False
        ]

    def _is_disproved(self, user_id: str, deletion: Change) -> bool:
        """Whether a change that began after a deletion without an answer wrote the user."""
        return not deletion.happened and any(
            other.has_written and other.began > deletion.ended for other in self.changes[user_id]
        )

    @staticmethod
    def _supersedes(change: Change, earlier: Change) -> bool:
        """Whether nothing of an earlier change can be left after another of its kind."""
        is_certain = change.has_written or (change.happened and earlier.happened)
        return bool(is_certain) and change.began > earlier.ended
