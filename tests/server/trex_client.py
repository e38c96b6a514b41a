"""A participant that speaks as TREX-Core 3.7.5's does, message by message: for tests of the default namespace."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import socketio

Slot = tuple[int, int]


@dataclass
class Trader:
    """What a participant wants, and what it has.

    Args:
        load: Wh in each slot, over and over.
        solar: likewise.
        bid_price: $/kWh.
        ask_price: $/kWh.
    """

    load: list[int]
    solar: list[int]
    bid_price: float
    ask_price: float

    def residual(self, start: int, step: int) -> int:
        """Return what is used beyond what is generated in a slot."""
        number = start // step
        return self.load[number % len(self.load)] - self.solar[number % len(self.solar)]


@dataclass
class TrexLedger:
    """What a participant knows of its orders, contracts and further transactions."""

    orders: dict[str, dict[str, Any]] = field(default_factory=dict)
    settled: list[dict[str, Any]] = field(default_factory=list)
    ignored: list[dict[str, Any]] = field(default_factory=list)
    extra: dict[int, dict[str, Any]] = field(default_factory=dict)


async def _nothing(_time: int) -> None:
    pass


class TrexParticipant:
    """A participant of TREX-Core 3.7.5.

    Args:
        participant_id: its id.
        market_id: the market's.
        trader: decides.
        join_wait_s: how long it waits when it was refused, before it tries again.
        ping_wait_s: how often it says `ping`.
        leave_wait_s: how long it waits at the end, before it leaves.
    """

    def __init__(
        self,
        participant_id: str,
        market_id: str,
        trader: Trader,
        *,
        join_wait_s: float = 3.0,
        ping_wait_s: float = 10.0,
        leave_wait_s: float = 5.0,
    ) -> None:
        self.participant_id = participant_id
        self.market_id = market_id
        self.trader = trader
        self.log: list[tuple[str, Any]] = []
        self.ledgers: list[TrexLedger] = []
        self.meters: list[dict[str, Any]] = []
        self.joins = 0
        self.tries: asyncio.Queue[int] = asyncio.Queue()
        self.confirmed: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.joined = asyncio.Event()
        self.left = asyncio.Event()
        self.before_end_turn: Callable[[int], Awaitable[None]] = _nothing
        self.before_ready: Callable[[int], None] = lambda _generation: None
        self._join_wait_s, self._ping_wait_s, self._leave_wait_s = join_wait_s, ping_wait_s, leave_wait_s
        self._market_connected = False
        self._tasks: set[asyncio.Task[None]] = set()
        self.socket = socketio.AsyncClient(reconnection_delay=0.01, randomization_factor=0)
        self.socket.on("connect", self._on_connect)
        for event, handler in {
            "re_register_participant": self._re_register,
            "update_market_info": self._update_market_info,
            "start_generation": self._start_generation,
            "update_curriculum": self._update_curriculum,
            "load_weights": self._load_weights,
            "start_round": self._start_round,
            "bid_success": self._bid_success,
            "ask_success": self._ask_success,
            "settled": self._settled,
            "return_extra_transactions": self._return_extra_transactions,
            "end_generation": self._end_generation,
            "end_simulation": self._end_simulation,
        }.items():
            self.socket.on(event, handler)

    async def run(self, url: str) -> None:
        """Take part until the simulation ends."""
        try:
            await self.socket.connect(url)
            self._do(self._ping())
            await self.left.wait()
            await asyncio.sleep(self._leave_wait_s)
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            await self.socket.shutdown()
            await self.socket.eio.disconnect()

    def _do(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _ping(self) -> None:
        while True:
            await asyncio.sleep(self._ping_wait_s)
            await self.socket.emit("ping")

    # ------------------------------------------------------------ joining

    async def _on_connect(self) -> None:
        await self._join_market()

    async def _re_register(self, _message: str) -> None:
        self.log.append(("re_register_participant", _message))
        await self._join_market()

    async def _join_market(self) -> None:
        self.joins += 1
        self.tries.put_nowait(self.joins)
        message = {
            "type": ("participant", "Residential"),
            "id": self.participant_id,
            "market_id": self.market_id,
        }
        await self.socket.emit("join_market", message, callback=self._join_answered)

    async def _join_answered(self, success: bool) -> None:
        self.log.append(("join_market", success))
        if not success:
            await asyncio.sleep(self._join_wait_s)
            await self._join_market()

    async def _update_market_info(self, market_id: str) -> None:
        self.log.append(("update_market_info", market_id))
        if market_id == self.market_id:
            self._market_connected = True
            self.joined.set()

    # ------------------------------------------------------------ generations

    async def _start_generation(self, message: dict[str, Any]) -> None:
        self.log.append(("start_generation", message))
        self.ledgers.append(TrexLedger())

    async def _update_curriculum(self, message: dict[str, Any]) -> None:
        self.log.append(("update_curriculum", message))

    async def _load_weights(self, message: dict[str, Any]) -> None:
        self.log.append(("load_weights", message))
        await self._sends("participant_weights_loaded", {self.participant_id: True})

    async def _end_generation(self, message: dict[str, Any]) -> None:
        self.log.append(("end_generation", message))
        self.before_ready(message["generation"])
        await self._sends("participant_ready", {self.participant_id: True})

    async def _end_simulation(self, _message: str) -> None:
        self.log.append(("end_simulation", _message))
        self.left.set()

    # ------------------------------------------------------------ rounds

    async def _start_round(self, message: dict[str, Any]) -> None:
        self.log.append(("start_round", message))
        slot = message["next_settle"]
        residual = self.trader.residual(slot[0], message["duration"])
        if residual > 0:
            await self._order("bid", residual, self.trader.bid_price, slot)
        elif residual < 0:
            await self._order("ask", -residual, self.trader.ask_price, slot, source="solar")
        await self._meter(message)
        await self.before_end_turn(message["time"])
        await self._sends("end_turn")

    async def _order(self, event: str, quantity: int, price: float, slot: list[int], **others: str) -> None:
        message = {
            "participant_id": self.participant_id,
            "quantity": quantity,
            "price": price,
            "time_delivery": tuple(slot),
            **others,
        }
        await self._sends(event, message)

    async def _meter(self, message: dict[str, Any]) -> None:
        start, end = message["current_round"]
        residual = self.trader.residual(start, end - start)
        load = self.trader.load[start // (end - start) % len(self.trader.load)]
        own = load - max(residual, 0)
        meter = {
            "time_interval": (start, end),
            "generation": {"solar": max(-residual, 0), "bess": 0},
            "consumption": {
                "bess": {"solar": 0},
                "other": {"solar": own, "bess": 0, "external": max(residual, 0)},
            },
        }
        if self._market_connected:
            self.meters.append(meter)
            await self._sends("meter_data", meter)

    async def _sends(self, event: str, *data: Any) -> None:
        """Send something; without a connection it is lost."""
        try:
            await self.socket.emit(event, *data)
        except socketio.exceptions.BadNamespaceError:
            self.log.append(("lost", event))

    # ------------------------------------------------------------ ledger

    async def _bid_success(self, message: dict[str, Any]) -> None:
        self.log.append(("bid_success", message))
        self.confirmed.put_nowait(message)
        self.ledgers[-1].orders[message["uuid"]] = message

    async def _ask_success(self, message: dict[str, Any]) -> None:
        self.log.append(("ask_success", message))
        self.ledgers[-1].orders[message["uuid"]] = message

    async def _settled(self, message: dict[str, Any]) -> str:
        self.log.append(("settled", message))
        ledger = self.ledgers[-1]
        known = message["bid_id"] in ledger.orders or message["ask_id"] in ledger.orders
        (ledger.settled if known else ledger.ignored).append(message)
        return str(message["commit_id"])

    async def _return_extra_transactions(self, message: dict[str, Any]) -> None:
        self.log.append(("return_extra_transactions", message))
        self.ledgers[-1].extra[message["time_delivery"][0]] = message

    # ------------------------------------------------------------ what tests ask

    def heard(self, event: str) -> list[Any]:
        """Return the data of all events of a name."""
        return [data for name, data in self.log if name == event]

    def count(self) -> Counter[str]:
        """Return how often each event came."""
        return Counter(name for name, _ in self.log)
