"""The vector driver: plays whole populations in arrays, with the ledger of the in-process driver.

What a round is, and in which order things happen in it, is that of `trex_market.core.market` and
`trex_market.simulation.local`; each step is a kernel over all participants. Rounds are played a chunk at a
time, so that memory does not grow with the length of an episode. Needs the extra `fast`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from trex_market.core.errors import InputError
from trex_market.core.messages import BATTERY, OpenMarket
from trex_market.core.tariff import Tariff
from trex_market.kernels.columns import MAX_PARTICIPANTS
from trex_market.kernels.records import MONEY_BOUND, Records
from trex_market.kernels.tariff import prices_of
from trex_market.participant import EpisodeStart, MarketInfo, Participant, Series
from trex_market.population import ArrayParticipant, Moment, OrderRoom, Places, Population
from trex_market.rounds import EpisodePlan
from trex_market.simulation.vector_chunks import Chunk, Names, RoundColumns
from trex_market.simulation.vector_market import ArrayMarket, Member
from trex_market.simulation.vector_minority import Minority
from trex_market.simulation.vector_profiles import ProfileReader

MAX_AHEAD = 20_000
"""The furthest that a population may look ahead, in slots: so many are read besides those of a chunk."""

BLOCK = 1 << 23
"""Profiles are read for about so many participants times slots at once (32 MB for each kind of energy)."""

BLOCK_SLOTS = 10_080
"""But for so many slots at most: of small populations the prices take longer than the energy."""


def beside_arrays(participants: Iterable[Participant]) -> dict[str, str]:
    """Tell who has to be played one by one beside the arrays, and why: participant id -> a phrase.

    Raises:
        InputError: if somebody cannot even be played so.
    """
    reasons = {}
    for participant in participants:
        kind = type(participant)
        # A class that inherits an array form does something else, or there would be no need for it.
        if not isinstance(participant, ArrayParticipant) or "array_form" not in vars(kind):
            raise InputError(
                f"the vector engine cannot play {participant.participant_id!r}: the participant type {kind.__name__} "
                "has no array form; use --engine plain"
            )
        reason = participant.not_in_arrays()
        if reason is not None:
            reasons[participant.participant_id] = reason
    return reasons


class VectorDriver:
    """Plays episodes with populations.

    Args:
        terms: the market's terms.
        participants: who takes part; their types all have an array form. Those whose strategies have none are
            played one by one beside the arrays.
        default_source: the pool of a bid that names no source.

    Raises:
        InputError: if somebody's type has no array form, or there are too many.
    """

    def __init__(self, terms: OpenMarket, participants: Iterable[Participant], default_source: str) -> None:
        self.terms = terms
        self.default_source = default_source
        self.participants = sorted(participants, key=lambda participant: participant.participant_id)
        self.beside = beside_arrays(self.participants)
        if len(self.participants) > MAX_PARTICIPANTS:
            raise InputError(
                f"arrays take at most {MAX_PARTICIPANTS:,} participants, found {len(self.participants):,}"
            )

    def begin(self, plan: EpisodePlan, *, ledger: bool) -> VectorEpisode:
        """Begin an episode.

        Args:
            plan: the episode.
            ledger: whether chunks hold every order, contract, reading and transaction.

        Raises:
            InputError: if it is beyond what arrays take.
            StrategyError: if a strategy beside the arrays fails.
        """
        return VectorEpisode(self, plan, ledger=ledger)


class VectorEpisode:
    """One episode; see `VectorDriver.begin`."""

    def __init__(self, driver: VectorDriver, plan: EpisodePlan, *, ledger: bool) -> None:
        terms = driver.terms
        self._terms = terms
        self._plan = plan
        self._ledger = ledger
        self._tariff = Tariff(terms.grid, terms.timezone)
        self._look_ahead(0)
        market = MarketInfo.of(terms)
        start = EpisodeStart(plan.episode, plan.simulation, market, plan.parameters, plan.start, plan.rounds)
        self._populations: list[tuple[Population, list[int]]] = []
        members = self._begin(driver, start)
        self._market = ArrayMarket(terms, driver.default_source, members)
        self._settle()
        ids = tuple(member.participant_id for member in members)
        beside = [number for number, name in enumerate(ids) if name in driver.beside]
        self._minority = self._begin_beside(driver, beside, ids, start) if beside else None
        self.names = Names(
            ids, self._market.sources, self._market.layout, terms.step, terms.close_steps, frozenset(beside)
        )
        self._reader = ProfileReader(
            members, self._market.layout, plan.start, plan.rounds, terms.step, terms.timezone
        )
        self._played = self._read_from = self._read_until = 0
        self._sell_prices: list[int] = []
        self._buy_prices: list[int] = []

    # ------------------------------------------------------------ beginning

    def _begin(self, driver: VectorDriver, start: EpisodeStart) -> list[Member]:
        """Begin the episode with all populations; return all participants, by their numbers."""
        participants: Sequence[Any] = driver.participants
        profiles = [self._profile(participant) for participant in participants]
        rooms = [OrderRoom(0, 0)] * len(participants)
        groups: dict[type, list[int]] = {}
        for number, participant in enumerate(participants):
            if participant.participant_id not in driver.beside:
                groups.setdefault(type(participant), []).append(number)
        for numbers in groups.values():
            group = [participants[number] for number in numbers]
            population: Population = group[0].array_form()(group)
            own = [profiles[number] for number in numbers]
            for number, room in zip(
                numbers, population.begin(start, own, all_orders=self._ledger), strict=True
            ):
                rooms[number] = room
            self._populations.append((population, numbers))
        return [
            Member(
                participant.participant_id,
                None if participant.participant_id in driver.beside else profile,
                participant.sources(profile),
                room,
            )
            for participant, profile, room in zip(participants, profiles, rooms, strict=True)
        ]

    def _profile(self, participant: Any) -> Series | None:
        """Return the profile of a participant in this episode."""
        profile: Series | None = self._plan.profiles.get(participant.participant_id, participant.profile)
        for source in () if profile is None else profile.generation:
            if source == BATTERY or source != source.lower():
                raise InputError(
                    f"the profile of {participant.participant_id!r} has the source {source!r}; arrays take names "
                    f"in lower case, and {BATTERY!r} for batteries alone"
                )
        return profile

    def _settle(self) -> None:
        """Give all populations their places."""
        market = self._market
        for population, numbers in self._populations:
            population.settle(Places(np.array(numbers, dtype=np.int64), market.sources, market.layout))
        self._look_ahead(max((population.horizon for population, _ in self._populations), default=0))

    def _look_ahead(self, horizon: int) -> None:
        """Read profiles so many slots beyond the next one to be cleared."""
        self._ahead = self._terms.close_steps + horizon
        if self._ahead > MAX_AHEAD:
            raise InputError(
                f"arrays look at most {MAX_AHEAD:,} slots ahead; close_steps and ramps make {self._ahead:,}"
            )

    def _begin_beside(
        self, driver: VectorDriver, numbers: Sequence[int], ids: Sequence[str], start: EpisodeStart
    ) -> Minority:
        participants = {number: driver.participants[number] for number in numbers}
        profiles = self._plan.profiles
        market = self._market
        minority = Minority(
            participants, ids, market.sources, market.layout, self._terms, driver.default_source
        )
        minority.begin(start, profiles)
        return minority

    # ------------------------------------------------------------ playing

    @property
    def time(self) -> int:
        """Start of the next round, UNIX seconds."""
        return self._plan.start + self._played * self._terms.step

    @property
    def rounds_left(self) -> int:
        """How many rounds are still to be played."""
        return self._plan.rounds - self._played

    def play(self, rounds: int) -> Chunk:
        """Play the next rounds.

        Args:
            rounds: how many; no more than are left.

        Raises:
            InputError: if amounts are beyond what arrays take.
            StrategyError: if a strategy beside the arrays fails.
        """
        start, market = self.time, self._market
        self._read(rounds)
        market.parties.fill(0)
        market.totals.fill(0)
        columns = []
        for _ in range(rounds):
            moment = self._moment()
            cleared, rows = self._play_round(moment)
            if self._ledger:
                columns.append(self._columns(moment, cleared, rows))
            self._played += 1
        if market.totals[0]["moved"] >= MONEY_BOUND:
            raise InputError(
                f"the money of {rounds:,} rounds is beyond 64 bits ({MONEY_BOUND:.0f} nano-$ in all rows); "
                "the plain engine has no such limit"
            )
        return Chunk(start, rounds, self.names, market.parties.copy(), market.totals.copy(), columns)

    def end(self) -> None:
        """End the episode with those beside the arrays."""
        if self._minority is not None:
            self._minority.end(self._plan.episode)

    def _read(self, rounds: int) -> None:
        """Read profiles and prices of the next rounds and some more, if they are not there yet."""
        if self._played + rounds <= self._read_until:
            return
        count = min(self.rounds_left, max(rounds, min(BLOCK_SLOTS, BLOCK // len(self.names.participants))))
        close_steps = self._terms.close_steps
        energy = self._reader.read(self._played, count + self._ahead)
        for population, _ in self._populations:
            population.see(energy)
        sell, buy = prices_of(self._tariff, self.time, self._terms.step, count + close_steps)
        self._sell_prices, self._buy_prices = sell.tolist(), buy.tolist()
        self._read_from, self._read_until = self._played, self._played + count

    def _moment(self) -> Moment:
        """Return the next round."""
        row = self._played - self._read_from
        later = row + self._terms.close_steps
        sell, buy = self._sell_prices, self._buy_prices
        return Moment(self._played, row, self.time, sell[row], buy[row], sell[later], buy[later])

    def _play_round(self, moment: Moment) -> tuple[Records, Records]:
        """Play a round; return the contracts of the slot that was cleared, and the transactions of the one delivered."""
        market, minority = self._market, self._minority
        cleared, due = market.start_round()
        for population, _ in self._populations:
            population.turn(moment)
        is_last = moment.number == self._plan.rounds - 1
        if minority is None:
            market.take_orders(moment, is_last=is_last)
            return cleared, market.deliver(moment, due)
        minority.turn(moment, cleared)
        entries = minority.entries(moment, market.pool_of, market.checksums)
        market.take_orders(moment, is_last=is_last, entries=entries)
        rows = market.deliver(moment, due)
        minority.hear(moment, rows)
        return cleared, rows

    def _columns(self, moment: Moment, cleared: Records, rows: Records) -> RoundColumns:
        """Keep all of a round that is recorded."""
        participants, channels, orders, _ = self._market.layout
        submitted = participants["orders"]
        owners = np.repeat(np.arange(len(participants)), submitted)
        before = np.cumsum(submitted) - submitted
        kept = orders[np.arange(len(owners)) + np.repeat(participants["order"] - before, submitted)]
        charges = [population.charges() for population, _ in self._populations]
        cancelled: Sequence[tuple[int, int]] = ()
        if self._minority is not None:
            beside = self._minority.submitted(moment)
            owners = np.concatenate([owners, np.array(beside.owners, dtype=np.int64)])
            order = np.argsort(owners, kind="stable")
            owners, kept = owners[order], np.concatenate([kept, beside.orders])[order]
            cancelled = beside.cancelled
            charges.append(self._minority.charges())
        return RoundColumns(
            moment,
            cleared,
            rows.copy(),
            owners,
            kept,
            cancelled,
            participants.copy(),
            channels.copy(),
            charges,
        )
