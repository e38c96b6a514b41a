"""The journal of a live market: durable, checked, and a scenario like any other."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.core.lively import lively_areas
from tests.helpers import lively_commands
from trex_market.core.errors import ScenarioError, StorageError
from trex_market.core.messages import Command, EndTurn
from trex_market.engine import Engine, replay
from trex_market.journal import BEGINNING, Journal, read_commands, verify


async def written(path: Path, commands: list[Command]) -> Journal:
    journal = Journal.open(path)
    for command in commands:
        journal.append(command)
    await journal.synced()
    return journal


def commands() -> list[Command]:
    return [command for command in lively_commands(1, "MicroTE") if not isinstance(command, EndTurn)]


async def test_what_was_appended_is_read_back(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    said = commands()
    await (await written(path, said)).close()
    assert [command for _, command in read_commands(path)] == said
    assert verify(path) == len(said)


@pytest.mark.parametrize("lively", [lively_commands, lively_areas])
async def test_a_replayed_journal_gives_the_same_events(
    tmp_path: Path, lively: Callable[[int, str], list[Command]]
) -> None:
    path = tmp_path / "journal.jsonl"
    journal = Journal.open(path)
    live = Engine(journal=journal)
    heard = live.listen()
    for command in lively(1, "MicroTE"):
        if not isinstance(command, EndTurn):
            live.submit(command)
    await journal.close()
    again = Engine()
    outbox = again.listen()
    for _ in replay(path, again):
        pass
    assert outbox.take() == heard.take()


async def test_it_goes_on_where_it_was(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    said = commands()
    await (await written(path, said[:5])).close()
    reopened = await written(path, said[5:])
    assert not reopened.is_new
    await reopened.close()
    assert [command for _, command in read_commands(path)] == said


@given(kept=st.integers(0, 400))
@settings(max_examples=60, deadline=None)
def test_a_torn_last_line_is_cut_off(tmp_path_factory: pytest.TempPathFactory, kept: int) -> None:
    path = tmp_path_factory.mktemp("torn") / "journal.jsonl"
    said = commands()[:6]
    asyncio.run((asyncio.run(written(path, said))).close())
    whole = path.read_bytes()
    last = whole[:-1].rindex(b"\n") + 1
    torn = whole[: min(last + kept, len(whole) - 1)]
    path.write_bytes(torn)
    journal = Journal.open(path)
    assert journal.cut == len(torn) - last
    assert path.read_bytes() == whole[:last]
    journal.append(said[-1])
    asyncio.run(journal.close())
    assert path.read_bytes() == whole


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (lambda lines: [*lines[:2], *lines[3:]], ":3: lines are missing: found number 4, expected 3"),
        (lambda lines: [lines[1], *lines[1:]], ":1: lines are missing: found number 2, expected 1"),
        (
            lambda lines: [*lines[:3], lines[3].replace(b"time", b"tide", 1), *lines[4:]],
            ":4: the line is damaged",
        ),
        (lambda lines: [*lines[:3], lines[3][:-30] + b"\n", *lines[4:]], ":4: is not JSON"),
    ],
    ids=["a line missing", "the first missing", "a letter changed", "a line torn in the middle"],
)
async def test_any_other_damage_is_an_error_that_says_where(tmp_path: Path, harm: object, said: str) -> None:
    path = tmp_path / "journal.jsonl"
    await (await written(path, commands()[:8])).close()
    path.write_bytes(b"".join(harm(path.read_bytes().splitlines(keepends=True))))  # type: ignore[operator]
    with pytest.raises(ScenarioError) as caught:
        Journal.open(path)
    assert said in str(caught.value)


async def test_many_wait_for_one_sync(tmp_path: Path) -> None:
    journal = Journal.open(tmp_path / "journal.jsonl")
    syncs = 0
    write = journal._write

    def counted(data: bytes) -> None:
        nonlocal syncs
        syncs += 1
        write(data)

    journal._write = counted  # type: ignore[method-assign]

    async def one(command: Command) -> None:
        journal.append(command)
        await journal.synced()

    await asyncio.gather(*(one(command) for command in commands()[:40]))
    assert verify(journal.path) == 40
    assert syncs <= 3
    await journal.close()


async def test_a_journal_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="cannot be written"):
        Journal(tmp_path / "missing" / "journal.jsonl", BEGINNING, 0)
