"""Participants that stay silent or die: waited for, skipped, or the end of it."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.helpers import START, STEP
from tests.server.helpers import Agent, bid, free_port, hall, meter, soon, start_process, told_through
from tests.server.test_parity import recorded
from tests.shell_helpers import ROUNDS, Shell, query, statuses, strategy, study
from tests.shell_helpers import START as FIRST
from trex_market.core.errors import ParticipantError
from trex_market.server.conductor import Patience

NAMES = ("maker", "taker", "mixed")

BODY = """\
def __init__(self, fifo):
    self.fifo = fifo

def decide(self, view):
    import os, signal
    if view.round.time == {moment} and os.path.exists(self.fifo):
        with open(self.fifo, "w") as listener:
            listener.write("deciding")
        signal.pause()
    slot = view.round.next_settle
    return Decision([bid(300, 240_000, slot, "solar")])
"""
"""A strategy that, in one round, tells that it is about to decide, and then does nothing for ever."""

MOMENT = FIRST + 3 * STEP


class Street:
    """A market and its participants, a process each; one of them can be caught in mid-round.

    Args:
        folder: where all of it is.
        silence: what the market does with the silent.
        server: further keys of the config's section.
        changes: to the rest of the config.
    """

    def __init__(self, folder: Path, silence: str, timeout: float, *changes: tuple[str, str]) -> None:
        self.folder = folder
        self.fifo = folder / "deciding"
        self.port = free_port()
        own = strategy(folder, BODY.format(moment=MOMENT))
        server = f"server: {{port: {self.port}, silence: {silence}, turn_timeout_s: {timeout}}}\nmarket:"
        taker = f'type: "{own}", fifo: "{self.fifo}"'
        self.config = study(folder, ("market:", server), ("type: basic, bid_price: 0.24", taker), *changes)
        self.processes: dict[str, subprocess.Popen[str]] = {}

    def open(self, *options: str) -> None:
        """Open the market, and let all participants join it."""
        os.mkfifo(self.fifo)
        self.processes["market"] = start_process(
            "serve", self.config, "--out", self.folder / "served", *options, cwd=self.folder
        )
        for name in NAMES:
            self.join(name)

    def join(self, name: str) -> None:
        """Let a participant join, in a process of its own."""
        url = f"http://127.0.0.1:{self.port}"
        self.processes[name] = start_process(
            "join", url, "--participant", name, "--config", self.config, cwd=self.folder
        )

    def kill_in_mid_round(self) -> None:
        """Wait until the taker decides, and kill it."""
        assert told_through(self.fifo) == "deciding"
        self.processes["taker"].kill()
        self.processes["taker"].communicate()
        self.fifo.unlink()

    def ends(self, name: str) -> tuple[int, str]:
        """Wait until a process ends; return its status and what it said that is wrong."""
        _, wrong = self.processes[name].communicate(timeout=40)
        return self.processes[name].returncode, wrong

    @property
    def database(self) -> Path:
        """Of the market."""
        return self.folder / "served" / "market.db"

    def close(self) -> None:
        """End what still runs."""
        for process in self.processes.values():
            if process.poll() is None:
                process.kill()
            process.communicate()


@pytest.fixture
def street(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Street]:
    """A market with the parameters of the test."""
    made = Street(tmp_path, *request.param)
    yield made
    made.close()


EPISODES = ("days: 0.125", "days: 0.125\n  generations: 2")


@pytest.mark.slow
@pytest.mark.parametrize("street", [("wait", 0.5, EPISODES)], indirect=True)
def test_one_that_is_killed_and_comes_back_is_waited_for(street: Street, shell: Shell) -> None:
    local = street.folder / "local"
    assert shell("run", street.config, "--out", local).status == 0

    street.open()
    street.kill_in_mid_round()
    street.join("taker")

    assert [street.ends(name) for name in ("market", *NAMES)] == [(0, "")] * 4
    assert recorded(street.database) == recorded(local / "market.db")


@pytest.mark.slow
@pytest.mark.parametrize("street", [("skip", 0.5, EPISODES)], indirect=True)
def test_one_that_is_killed_is_skipped(street: Street) -> None:
    street.open()
    street.kill_in_mid_round()

    assert [street.ends(name) for name in ("market", "maker", "mixed")] == [(0, "")] * 3
    assert set(statuses(street.database).values()) == {"finished"}
    rows = query(
        street.database,
        "SELECT time_creation FROM transactions WHERE run_id LIKE '%training-0' AND estimated AND buyer_id = 'taker'",
    )
    # What it had bought before it died is deemed to be delivered; after that it has no contracts.
    bought = query(
        street.database,
        "SELECT DISTINCT slot_start FROM contracts WHERE run_id LIKE '%training-0' AND buyer_id = 'taker'",
    )
    assert {moment for (moment,) in rows} == {start for (start,) in bought if start >= MOMENT} != set()
    readings = query(
        street.database,
        "SELECT COUNT(*) FROM meter_readings WHERE run_id LIKE '%training%' GROUP BY participant_id ORDER BY 1",
    )
    assert readings == [(3,), (2 * ROUNDS,), (2 * ROUNDS,)]
    assert_exact(street.database)


@pytest.mark.slow
@pytest.mark.parametrize("street", [("stop", 0.5)], indirect=True)
def test_one_that_is_killed_ends_the_simulation(street: Street) -> None:
    street.open()
    street.kill_in_mid_round()

    status, wrong = street.ends("market")
    assert status == 1
    assert wrong.strip() == f"failed: no turn within 0.5 s in round {MOMENT}: taker"
    assert statuses(street.database)["training 0"] == "failed"
    assert [street.ends(name) for name in ("maker", "mixed")] == [(0, "")] * 2


def assert_exact(database: Path) -> None:
    """Check that what was metered is what was sold, slot by slot, where nothing had to be deemed."""
    sold = query(
        database,
        "SELECT run_id, seller_id, time_creation, SUM(quantity) FROM transactions "
        "WHERE kind IN ('delivery', 'spill', 'feed_in') AND seller_id != 'grid' GROUP BY 1, 2, 3",
    )
    metered = query(
        database,
        "SELECT run_id, participant_id, slot_start, json_extract(generation, '$.solar') FROM meter_readings "
        "WHERE json_extract(generation, '$.solar') > 0",
    )
    assert metered
    assert sorted(sold) == sorted(metered)


# ---------------------------------------------------------------- in one process

QUICK = 0.3


def patience(silence: Any) -> Patience:
    """Return a patience that ends soon."""
    return Patience(turn_timeout_s=QUICK, join_timeout_s=20.0, silence=silence)


async def test_the_skipped_are_told_counted_and_heard_again() -> None:
    async with hall(["ann", "bob"], rounds=4, patience=patience("skip")) as place:
        async with Agent(place.url, "ann") as ann, Agent(place.url, "bob") as bob:
            place.start()
            await bob.hears("start_round")
            await ann.says("ask", bid(300, 0.11))
            await bob.says("bid", bid(200, 0.15))
            await ann.says("turn", {"meter": meter(START)})

            notice = await bob.hears("notice")
            assert notice == {
                "code": "turn_timeout",
                "detail": f"no turn within {QUICK} s; the round at {START} does not wait",
            }
            assert (await bob.hears("start_round"))["time"] == START + STEP
            for number in (1, 2):  # nobody waits for bob now
                await ann.hears("start_round") if number == 1 else None
                await ann.says("turn", {"meter": meter(START + number * STEP, solar=300)})
                await ann.hears("start_round")
            assert place.conductor.status.silent == 3
            assert place.conductor.status.alarms == ["silent: bob"]
            await bob.says("turn", {"meter": meter(START + 3 * STEP, need=7)})
            await ann.says("turn", {"meter": meter(START + 3 * STEP)})
            await bob.hears("end_simulation")
        rows = [(row.kind, row.buyer_id, row.quantity, row.estimated) for row in place.ledger.transactions]
        assert place.ledger.estimated == [(START + 2 * STEP, "bob")]
        assert ("delivery", "bob", 200, True) in rows
        assert ("supply", "bob", 7, False) in rows
        assert place.conductor.status.silent == 3


async def test_one_that_left_between_episodes_is_skipped_too() -> None:
    async with hall(["ann", "bob"], rounds=1, patience=patience("skip")) as place:
        async with Agent(place.url, "ann") as ann:
            async with Agent(place.url, "bob") as bob:
                playing = place.start(episodes=2)
                for agent in (ann, bob):
                    await agent.hears("start_round")
                await bob.says("end_turn")
            await ann.says("end_turn")
            await ann.hears("end_episode")
            await ann.hears("start_round")
            assert place.conductor.status.alarms[0].startswith("not there after")
            async with Agent(place.url, "bob", last_event=4) as bob:
                assert [event for _, event, _ in bob.joined["missed"]] == ["start_round"]
                await bob.says("end_turn")
                await ann.says("end_turn")
                await soon(playing)


@pytest.mark.parametrize("silence", ["stop", "wait"])
async def test_one_that_left_between_episodes_stops_it_or_is_waited_for(silence: str) -> None:
    async with hall(["ann", "bob"], rounds=1, patience=patience(silence)) as place:
        async with Agent(place.url, "ann") as ann:
            async with Agent(place.url, "bob") as bob:
                playing = place.start(episodes=2)
                for agent in (ann, bob):
                    await agent.hears("start_round")
                await bob.says("end_turn")
            await ann.says("end_turn")
            await ann.hears("end_episode")
            if silence == "stop":
                with pytest.raises(ParticipantError, match=r"not there after 0\.3 s: bob"):
                    await soon(playing)
                return
            async with Agent(place.url, "bob", last_event=3) as bob:
                for agent in (ann, bob):
                    assert (await agent.hears("start_episode"))["episode"] == 1
                    await agent.hears("start_round")
                    await agent.says("end_turn")
                await soon(playing)


async def test_who_never_comes_is_named() -> None:
    quick = Patience(join_timeout_s=QUICK)
    async with hall(["ann", "bob"], patience=quick) as place, Agent(place.url, "ann"):
        with pytest.raises(ParticipantError, match=r"not there after 0\.3 s: bob"):
            await soon(place.start())


async def test_wait_waits_and_tells_again_and_again() -> None:
    async with hall(["ann"], rounds=1, patience=patience("wait")) as place, Agent(place.url, "ann") as ann:
        playing = place.start()
        for _ in range(2):
            assert (await ann.hears("notice"))["code"] == "turn_timeout"
        await ann.says("turn", {"meter": meter(START, need=5)})
        await soon(playing)
        assert [row.quantity for row in place.ledger.transactions] == [5]
        assert place.conductor.status.silent == 0
