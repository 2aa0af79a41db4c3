"""Writes to DynamoDB, on disk before they are answered.

MiniStack keeps all tables in one document, which takes the longer to write the more there is in
them. Between two of its documents every write is a line of a journal, and is done again when the
stack starts. The document says with which journal it goes on.
"""

import json
import logging
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

WRITES = (
    "BatchWriteItem",
    "DeleteItem",
    "PutItem",
    "TransactWriteItems",
    "UpdateItem",
)
MAXIMUM_BYTES = 16 * 1024 * 1024  # done again in a few seconds


class Journal:
    """The journals of a directory, of which the last is written to."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._number = max([0, *self._numbers()])
        self._file = self._path(self._number).open("ab", buffering=0)
        self.lock = threading.RLock()  # held while something is done and written down

    def write(self, action: str, request: bytes) -> None:
        """Keep a write that has been done."""
        self._file.write(json.dumps([action, json.loads(request)]).encode() + b"\n")

    def is_long(self) -> bool:
        """Whether it is time for another document."""
        return self._file.tell() > MAXIMUM_BYTES

    def go_on(self) -> int:
        """Begin the next journal, and return its number."""
        self._file.close()
        self._number += 1
        self._file = self._path(self._number).open("ab", buffering=0)
        return self._number

    def read_from(self, number: int) -> Iterator[tuple[str, dict[str, Any]]]:
        """The writes since the document that goes on with journal `number`.

        Journals before it are removed. A last line that is not whole was never answered.
        """
        for each in sorted(self._numbers()):
            if each < number:
                self._path(each).unlink()
                continue
            for line in self._path(each).read_bytes().splitlines(keepends=True):
                if not line.endswith(b"\n"):
                    logging.warning("The last write of journal %s was cut off", each)
                    break
                action, request = json.loads(line)
                yield action, request

    def _numbers(self) -> Iterator[int]:
        return (int(path.suffix[1:]) for path in self._directory.glob("journal.*"))

    def _path(self, number: int) -> Path:
        return self._directory / f"journal.{number}"


def keep_writes(directory: Path) -> None:
    """Have MiniStack's DynamoDB write a journal in a directory, and read it when it starts."""
    from ministack.core import persistence
    from ministack.services import dynamodb

    handle, get_state = dynamodb.handle_request, dynamodb.get_state
    restore = dynamodb.load_persisted_state
    journal = Journal(directory)

    async def handle_and_write(
        method: str, path: str, headers: dict[str, str], body: bytes, query: Any
    ) -> Any:
        action = headers.get("x-amz-target", "").rpartition(".")[2]
        with journal.lock:  # MiniStack does not wait for anything meanwhile
            answer = await handle(method, path, headers, body, query)
            if action in WRITES and answer[0] == 200:
                journal.write(action, body)
            if journal.is_long():
                persistence.save_state("dynamodb", dynamodb.get_state())
        return answer

    def state_and_journal() -> dict[str, Any]:
        with journal.lock:
            return {**get_state(), "journal": journal.go_on()}

    def restore_and_do_again(state: dict[str, Any]) -> None:
        restore(state)
        doing = {
            "BatchWriteItem": dynamodb._batch_write_item,
            "DeleteItem": dynamodb._delete_item,
            "PutItem": dynamodb._put_item,
            "TransactWriteItems": dynamodb._transact_write_items,
            "UpdateItem": dynamodb._update_item,
        }
        for action, request in journal.read_from(state["journal"]):
            doing[action](request)

    dynamodb.handle_request = handle_and_write
    dynamodb.get_state = state_and_journal
    dynamodb.load_persisted_state = restore_and_do_again
