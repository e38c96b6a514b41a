"""A live market's directory: what a snapshot leaves out is found in it, and what is damaged is found out."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.core.test_state import on_the_wall_clock
from tests.helpers import terms
from trex_market.core.errors import ConfigError, ScenarioError
from trex_market.core.market import Market
from trex_market.core.messages import Command, EndTurn, Join, OpenMarket
from trex_market.recovery import JOURNAL_FILE, SNAPSHOT_FILE, LiveState, load_snapshot
from trex_market.storage.database import Database
from trex_market.storage.reader import contracts, meter_readings, orders, transactions
from trex_market.storage.rows import RunRecord
from trex_market.storage.writer import Writer

RUN = RunRecord("run", "study", "realtime", "market", 0, 1, "{}", "hash", "1", 0)
COMMANDS = [command for command in on_the_wall_clock(7, "MicroTE") if not isinstance(command, EndTurn)]
TERMS = COMMANDS[0]
assert isinstance(TERMS, OpenMarket)
MEMBERS = [command.participant_id for command in COMMANDS if isinstance(command, Join)]


async def lived(directory: Path, commands: Sequence[Command], snapshot_lines: int = 100) -> LiveState:
    """Let the market of a directory go on with commands, a snapshot whenever it is time; then stop it."""
    assert isinstance(TERMS, OpenMarket)
    state = LiveState(directory, TERMS, snapshot_lines)
    async with await Database.open(f"sqlite:///{directory / 'market.db'}") as database:
        if not await database.resume_run(RUN.id):
            await database.start_run(RUN)
        writer = Writer(database, RUN.id, "market")
        await state.recover(writer, [], 0)
        outbox = state.engine.listen()
        for command in commands:
            state.engine.submit(command)
            writer.hear(outbox.take())
            state.keep(writer)
            if state._keeping is not None:
                await state._keeping
        await writer.close()
    await state.close()
    return state


async def recorded(directory: Path) -> Any:
    async with await Database.open(f"sqlite:///{directory / 'market.db'}") as database:
        return [await read(database, RUN.id) for read in (orders, contracts, meter_readings, transactions)]


def plain(state: LiveState) -> Any:
    return msgspec.to_builtins(state.engine.market.state())


async def test_what_a_snapshot_leaves_out_changes_nothing(tmp_path: Path) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    rest = COMMANDS[1:]
    first = await lived(whole, rest, snapshot_lines=10**6)
    assert load_snapshot(whole) is None
    for begin in range(0, len(rest), 37):
        last = await lived(parts, rest[begin : begin + 37])
        snapshot = load_snapshot(parts)
        assert (snapshot is not None) == (begin + 37 >= 100)
    assert (whole / JOURNAL_FILE).read_bytes() == (parts / JOURNAL_FILE).read_bytes()
    assert plain(last) == plain(first)
    assert await recorded(parts) == await recorded(whole)
    market = Market()
    for command in COMMANDS:
        market.handle(command)
    acting: dict[str, Any] = {"acting": []}  # that a turn has ended is in no journal
    assert plain(last) | acting == msgspec.to_builtins(market.state()) | acting


async def test_only_what_follows_the_snapshot_is_replayed(tmp_path: Path) -> None:
    await lived(tmp_path, COMMANDS[1:150])
    snapshot = load_snapshot(tmp_path)
    assert snapshot is not None
    assert 100 <= snapshot.position.sequence < 150
    state = LiveState(tmp_path, snapshot.market.terms, 100)
    heard = state.engine.listen()
    async for _ in state._replayed():
        pass
    await state.close()
    whole = Market()
    later = [
        event
        for place, command in enumerate(COMMANDS[:150], start=1)
        for event in whole.handle(command)
        if place > snapshot.position.sequence
    ]
    assert heard.take() == later


async def test_damage_before_the_snapshot_is_found_and_named(tmp_path: Path) -> None:
    await lived(tmp_path, COMMANDS[1:150])
    journal = tmp_path / JOURNAL_FILE
    lines = journal.read_bytes().split(b"\n")
    lines[20] = lines[20].replace(b'"time":1', b'"time":2')
    journal.write_bytes(b"\n".join(lines))
    with pytest.raises(ScenarioError, match=r"journal\.jsonl:21: the line is damaged"):
        await lived(tmp_path, [])


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"position": 3}'])
async def test_a_snapshot_that_cannot_be_read_is_done_without(
    tmp_path: Path, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    first = await lived(tmp_path, COMMANDS[1:150])
    (tmp_path / SNAPSHOT_FILE).write_bytes(content)
    with caplog.at_level(logging.WARNING):
        again = await lived(tmp_path, [])
    assert "cannot be read, the whole journal is replayed" in caplog.text
    assert plain(again) == plain(first)


async def test_a_snapshot_of_more_than_the_journal_holds_is_not_believed(tmp_path: Path) -> None:
    await lived(tmp_path, COMMANDS[1:150])
    journal = tmp_path / JOURNAL_FILE
    journal.write_bytes(b"\n".join(journal.read_bytes().split(b"\n")[:50]) + b"\n")
    market = Market()
    for command in COMMANDS[:50]:
        market.handle(command)
    again = await lived(tmp_path, [])
    assert plain(again) == msgspec.to_builtins(market.state())


async def test_a_snapshot_of_another_format_is_done_without(tmp_path: Path) -> None:
    await lived(tmp_path, COMMANDS[1:150])
    path = tmp_path / SNAPSHOT_FILE
    record = msgspec.json.decode(path.read_bytes())
    path.write_bytes(msgspec.json.encode(record | {"format": 999}))
    assert load_snapshot(tmp_path) is None


async def test_other_terms_are_refused_also_after_a_snapshot(tmp_path: Path) -> None:
    await lived(tmp_path, COMMANDS[1:150])
    state = LiveState(tmp_path, terms("MicroTE", mode="realtime", k=1), 100)
    async with await Database.open(f"sqlite:///{tmp_path / 'market.db'}") as database:
        with pytest.raises(ConfigError, match="opened with other terms"):
            await state.recover(Writer(database, RUN.id, "market"), MEMBERS, 0)
    await state.close()


async def test_no_snapshot_is_written_while_the_database_does_not_have_the_rows(tmp_path: Path) -> None:
    state = LiveState(tmp_path, COMMANDS[0], 100)  # type: ignore[arg-type]
    async with await Database.open(f"sqlite:///{tmp_path / 'market.db'}") as database:
        await database.start_run(RUN)
        writer = Writer(database, RUN.id, "market")
        await state.recover(writer, [], 0)
        outbox = state.engine.listen()
        for command in COMMANDS[1:150]:
            state.engine.submit(command)
        writer.hear(outbox.take())
        state.keep(writer)
        assert not (tmp_path / SNAPSHOT_FILE).exists()
        assert state._keeping is not None
        await state._keeping
        written = await orders(database, RUN.id)
        assert (tmp_path / SNAPSHOT_FILE).exists()
        snapshot = load_snapshot(tmp_path)
        assert snapshot is not None
        assert len(written) == snapshot.writer.sequence
        await writer.close()
    await state.close()
