"""Rounds and ticks: batches in the order in which they came, clearing, events; and the homes' turns.

At each tick: the batches that came since the last one and their answers, then a
clearing if the market clears per tick, then the tick's event, then trades. The
batches of the last tenth are taken a little before the slot is over.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from trex_market.core.errors import ProtocolError, RefusalCode
from trex_market.core.messages import (
    ClearOpenSlots,
    Contract,
    MeterReading,
    MeterRejected,
    ReportMeter,
    RoundStarted,
)
from trex_market.engine import Engine, Outbox
from trex_market.gateway.commands import Commands, failure
from trex_market.gateway.events import TICKS, Events
from trex_market.gateway.homes import HomeAccount
from trex_market.gateway.host import Host, Moments
from trex_market.gateway.mailboxes import Mailboxes
from trex_market.gateway.registrations import Aggregator, Registrations
from trex_market.gateway.statistics import Statistics
from trex_market.gateway.tree import Tree
from trex_market.participant import Series

LAST = 0.99
"""Share of a slot after which its last batches are taken."""

WAITING = 64
"""So many batches of an aggregator may wait for the next tick."""


class Batch(msgspec.Struct, frozen=True):
    """What an aggregator wants done.

    Args:
        aggregator: whose.
        transaction_id: comes back in the answer.
        commands: UUID of an asset or area -> its commands, as they came.
    """

    aggregator: Aggregator
    transaction_id: str
    commands: object


class Ticker:
    """Plays the homes' part in rounds.

    Args:
        host: the market.
        moments: when ticks are.
        tree: areas and assets.
        accounts: participant id -> home, of those whose seats the gateway has.
        registrations: who has what.
        statistics: hears of contracts and deliveries.
        commands: answers commands.
        events: makes events.
        mailboxes: where answers and events go.
    """

    def __init__(
        self,
        host: Host,
        moments: Moments,
        tree: Tree,
        accounts: Mapping[str, HomeAccount],
        registrations: Registrations,
        statistics: Statistics,
        commands: Commands,
        events: Events,
        mailboxes: Mailboxes,
    ) -> None:
        self._host = host
        self._moments = moments
        self._tree = tree
        self._accounts = accounts
        self._registrations = registrations
        self._statistics = statistics
        self._commands = commands
        self._events = events
        self._mailboxes = mailboxes
        self._simulated = host.terms.mode == "simulation"
        self._heard: set[str] = set()
        self._rounds: asyncio.Queue[RoundStarted] = asyncio.Queue()
        self._batches: list[Batch] = []
        self._engine: Engine | None = None
        self._outbox: Outbox | None = None
        self._own: dict[str, tuple[int, frozenset[str]]] = {}
        """UUID of each aggregator -> the slot of which it had the `market` event, and its assets then."""
        self._due: dict[str, MeterReading] = {}
        self._finished = False
        commands.measured = self._measured

    # ------------------------------------------------------------ what is heard

    def begin_episode(self, participant_id: str, profile: Series | None) -> None:
        """Hear that an episode begins for a home."""
        self._accounts[participant_id].begin(profile)
        if self._simulated:
            self._statistics.forget()
            self._own.clear()

    def announce(self, participant_id: str) -> None:
        """Hear that a round was announced to a home; it begins when all have heard of it."""
        self._heard.add(participant_id)
        engine = self._host.engine
        if len(self._heard) < len(self._accounts) or engine is None:
            return
        self._heard.clear()
        assert engine.market.round is not None
        self._listen(engine)
        self._rounds.put_nowait(engine.market.round)

    def _listen(self, engine: Engine) -> None:
        """Hear what happens from now on; of an engine that is new, also what it knows."""
        if engine is self._engine:
            return
        self._engine, self._outbox = engine, engine.listen()
        market = engine.market
        known = {one.id: one for name in self._accounts for one in market.contracts_of(name)}
        self._statistics.take(known.values())

    def add(self, batch: Batch) -> None:
        """Let a batch wait for the next tick.

        Raises:
            ProtocolError: rate_limited, if too many wait.
        """
        if self._finished:
            self._answer(batch)
            return
        waiting = sum(one.aggregator.uuid == batch.aggregator.uuid for one in self._batches)
        if waiting >= WAITING:
            detail = f"{waiting} batches wait for the next tick already"
            raise ProtocolError(RefusalCode.RATE_LIMITED, detail)
        self._batches.append(batch)

    def finish(self) -> None:
        """Tell all aggregators that nothing more will come, after the last answers."""
        for batch in self._batches:
            self._answer(batch)
        self._batches.clear()
        self._finished = True
        for aggregator in self._registrations.all:
            self._mailboxes.post(aggregator.uuid, self._events.finish())

    # ------------------------------------------------------------ rounds

    async def run(self) -> None:
        """Play rounds for as long as there are any."""
        while True:
            await self._round(await self._rounds.get())

    async def _round(self, round: RoundStarted) -> None:
        if not self._rounds.empty():
            return  # it is over: another one has begun
        self._report_due()
        for account in self._accounts.values():
            account.enter(round.time, round.step, self._contracts(account))
        await self._execute()
        self._tell(round, 0, self._news())
        for tick in range(1, TICKS):
            await self._moments.until(round.time, tick / TICKS)
            if not self._rounds.empty():
                break
            await self._execute()
            self._clear()
            self._tell(round, tick, self._news())
        else:
            await self._moments.until(round.time, LAST)
            await self._execute()
            self._clear()
        self._end(round)

    def _contracts(self, account: HomeAccount) -> list[Contract]:
        engine = self._host.engine
        return [] if engine is None else engine.market.contracts_of(account.participant_id)

    def _clear(self) -> None:
        """Clear the open slots, if the market does so at each tick."""
        engine = self._host.engine
        if engine is None or self._host.terms.clearing != "tick":
            return
        engine.submit(ClearOpenSlots(self._host.now()))
        for account in self._accounts.values():
            account.plan(self._contracts(account))

    def _news(self) -> list[Contract]:
        """Take in what happened since the last time, and return new contracts."""
        return [] if self._outbox is None else self._statistics.hear(self._outbox.take())

    def _tell(self, round: RoundStarted, tick: int, made: Sequence[Contract]) -> None:
        """Send each aggregator the event of a tick, and its trades."""
        for aggregator in self._registrations.all:
            uuid = aggregator.uuid
            slot, own = self._own.get(uuid, (None, frozenset[str]()))
            if slot != round.next_settle and self._mailboxes.is_there(uuid):
                # Its first of this slot, even if it comes late: agents plan a slot when they hear of it, and
                # count on the assets that they had then.
                own = frozenset(aggregator.devices)
                self._own[uuid] = round.next_settle, own
                self._mailboxes.post(uuid, self._events.slot("market", 0, round, own), keep=False)
            elif slot == round.next_settle and self._mailboxes.is_there(uuid):
                self._mailboxes.post(uuid, self._events.slot("tick", tick, round, own), keep=False)
            if made:
                trades = self._events.trades(round, made, frozenset(aggregator.devices), self._host.now())
                if trades is not None:
                    self._mailboxes.post(uuid, trades)

    def _end(self, round: RoundStarted) -> None:
        """Read the homes' meters, and end their turns."""
        for account in self._accounts.values():
            reading = self._reading(account, round.time)
            if reading is None:
                continue
            if self._simulated:
                self._report(account, reading)
            else:  # it can be told when the slot is over
                self._due[account.participant_id] = reading
        for name in self._accounts:
            self._host.end_turn(name)

    def _reading(self, account: HomeAccount, slot_start: int) -> MeterReading | None:
        """Return what a home's meter says, unless somebody else reads it."""
        engine = self._host.engine
        name = account.participant_id
        if engine is None or engine.market.registers_of(name):
            return None
        if self._registrations.is_metered(name) and not (self._simulated or account.was_measured(slot_start)):
            return None  # what was measured is still to come
        return account.reading(slot_start, self._host.terms.step, self._contracts(account))

    def _report_due(self) -> None:
        for name, reading in self._due.items():
            self._report(self._accounts[name], reading)
        self._due.clear()

    def _report(self, account: HomeAccount, reading: MeterReading) -> MeterRejected | None:
        """Report a reading, and return what the market says against it."""
        engine = self._host.engine
        assert engine is not None
        time = reading.slot_end if self._simulated else self._host.now()
        outcome = engine.submit(ReportMeter(account.participant_id, reading, time))[0]
        return outcome if isinstance(outcome, MeterRejected) else None

    def _measured(self, account: HomeAccount, slots: Iterable[int]) -> None:
        """Report slots that are over, and were measured, at once.

        Raises:
            ProtocolError: if the market takes no reading of such a slot any more.
        """
        if self._simulated or self._host.engine is None:
            return
        step, now = self._host.terms.step, self._host.now()
        for slot in slots:
            if slot + step <= now:
                contracts = self._statistics.contracts(slot, account.participant_id)
                reading = account.reading(slot, step, contracts)
                refused = None if reading is None else self._report(account, reading)
                if refused is not None:
                    raise ProtocolError(refused.code, refused.detail)

    # ------------------------------------------------------------ batches

    async def _execute(self) -> None:
        """Do what waits, and send the answers when it is safe."""
        batches, self._batches = self._batches, []
        answers = [(batch, self._done(batch)) for batch in batches]
        if answers:
            await self._host.safe()
        for batch, answer in answers:
            self._mailboxes.post(batch.aggregator.uuid, answer)

    def _answer(self, batch: Batch) -> None:
        self._mailboxes.post(batch.aggregator.uuid, self._done(batch))

    def _done(self, batch: Batch) -> dict[str, Any]:
        answer: dict[str, Any] = {
            "command": "batch_commands",
            "transaction_id": batch.transaction_id,
            "aggregator_uuid": batch.aggregator.uuid,
        }
        if not isinstance(batch.commands, dict):
            detail = f"batch_commands map UUIDs to lists of commands, found {batch.commands!r:.60}"
            return {**answer, **failure(ProtocolError(RefusalCode.MALFORMED, detail)), "responses": {}}
        answer["responses"] = {
            uuid: self._device(batch, uuid, commands) for uuid, commands in batch.commands.items()
        }
        return answer

    def _device(self, batch: Batch, uuid: str, commands: object) -> list[dict[str, Any]]:
        base = {"command": "batch_commands", "area_uuid": uuid, "transaction_id": batch.transaction_id}
        node = self._tree.find(uuid)
        if node is None:
            detail = f"there is no asset or area {uuid!r:.60}"
            error = ProtocolError(RefusalCode.UNKNOWN_PARTICIPANT, detail)
        elif self._registrations.owner(uuid) is not batch.aggregator:
            detail = f"{node.name!r} is not one of this aggregator's; select it first"
            error = ProtocolError(RefusalCode.UNAUTHORISED, detail)
        elif not isinstance(commands, list):
            error = ProtocolError(
                RefusalCode.MALFORMED, f"commands of an asset are a list, found {commands!r:.60}"
            )
        else:
            transaction_id = batch.transaction_id
            return [self._commands.answer(node, command, transaction_id) for command in commands]
        return [{**base, **failure(error)}]
