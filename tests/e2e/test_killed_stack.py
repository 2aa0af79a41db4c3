"""The local stack is killed at random moments while photos are on their way, and started again."""

from collections.abc import Callable
from pathlib import Path

from tests.e2e.kills import OwnStack, check, kill_often

KILLS = 4
SEED = 3


def test_what_was_accepted_is_there_however_often_the_stack_is_killed(
    own_stack: OwnStack, record_property: Callable[[str, object], None]
) -> None:
    told = kill_often(own_stack, KILLS, SEED)
    assert told.sent
    own_stack.start()
    check(own_stack.client(), told)
    record_property("kills of the stack", KILLS)
    record_property("photos on their way when it was killed", len(told.sent))


def test_a_stack_sets_aside_what_it_cannot_read(own_stack: OwnStack, tmp_path: Path) -> None:
    (tmp_path / "events").mkdir()
    (tmp_path / "events" / "a.json").write_text("")
    (tmp_path / "events" / "b.part").write_text("{")
    (tmp_path / "services").mkdir()
    (tmp_path / "services" / "dynamodb.json").write_text("{")
    (tmp_path / "deployed").write_text("by an earlier version")
    own_stack.start()
    client = own_stack.client()
    assert client.create_user()
    output = (tmp_path / "output.log").read_text()
    assert "Warning: The data of the last stack are now in" in output
    assert "dynamodb.json cannot be read" in output
    (aside,) = tmp_path.glob("set-aside-*")
    assert (aside / "events" / "a.json").exists()

    own_stack.kill()
    (tmp_path / "events" / "a.json").write_text("")
    (tmp_path / "events" / "b.part").write_text("{")
    own_stack.start()
    assert own_stack.client().create_user()
    assert "a.json cannot be read; it is set aside" in (tmp_path / "output.log").read_text()
    assert [file.name for file in (tmp_path / "events").iterdir()] == ["a.broken"]
