"""The figures of a run, from its totals: what the table at the end of a run shows.

Shares are of energy: *self-sufficiency* is the part of the load that did not
come from the grid, ``max(0, 1 - supply / load)``; *self-consumption* the part
of the generation that did not go to the grid,
``max(0, 1 - (feed_in + spill) / generated)``; batteries count as neither load
nor generation. A *saving* is the bill under net billing (the baseline
simulation) less the bill in the market.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from trex_market.core.units import MICRO, NANO
from trex_market.totals import PartyTotals, Totals

WH_PER_KWH = 1000


class ParticipantFigures(msgspec.Struct, frozen=True):
    """One participant. Energy in kWh, money in $, prices in $/kWh; None where there is nothing to tell."""

    participant_id: str
    load: float
    generated: float
    bought: float
    sold: float
    bill: float
    baseline_bill: float | None
    saving: float | None


class Summary(msgspec.Struct, frozen=True):
    """A run. Energy in kWh, money in $, prices in $/kWh; None where there is nothing to tell."""

    slots: int
    transactions: int
    traded: float
    load: float
    generated: float
    self_sufficiency: float | None
    self_consumption: float | None
    average_price: float | None
    average_income: float | None
    bill: float
    baseline_bill: float | None
    saving: float | None
    operator_income: float
    balance_nano_dollars: int
    estimated_readings: int
    participants: tuple[ParticipantFigures, ...]


def summarise(totals: Totals, baseline: Totals | None = None) -> Summary:
    """Work out a run's figures.

    Args:
        totals: of the run.
        baseline: of the net-billing run over the same time, if there was one.
    """
    parties = totals.parties
    bought = _sum(party.bought for party in parties.values())
    load = _sum(party.load for party in parties.values())
    generated = _sum(party.generated for party in parties.values())
    supply = _sum(party.supplied for party in parties.values())
    exported = _sum(party.fed_in + party.spilled for party in parties.values())
    bill = _sum(party.bill for party in parties.values())
    baseline_bill = None if baseline is None else _sum(party.bill for party in baseline.parties.values())
    return Summary(
        slots=totals.slots,
        transactions=totals.transactions,
        traded=bought / WH_PER_KWH,
        load=load / WH_PER_KWH,
        generated=generated / WH_PER_KWH,
        self_sufficiency=_share(supply, load),
        self_consumption=_share(exported, generated),
        average_price=_price(_sum(party.bought_cost for party in parties.values()), bought),
        average_income=_price(_sum(party.sold_income for party in parties.values()), bought),
        bill=bill / NANO,
        baseline_bill=_dollars(baseline_bill),
        saving=None if baseline_bill is None else (baseline_bill - bill) / NANO,
        operator_income=totals.operator_income / NANO,
        balance_nano_dollars=totals.balance,
        estimated_readings=totals.estimated,
        participants=tuple(
            _participant(name, parties[name], None if baseline is None else baseline.parties.get(name))
            for name in sorted(parties)
        ),
    )


def _participant(name: str, party: PartyTotals, baseline: PartyTotals | None) -> ParticipantFigures:
    return ParticipantFigures(
        participant_id=name,
        load=party.load / WH_PER_KWH,
        generated=party.generated / WH_PER_KWH,
        bought=party.bought / WH_PER_KWH,
        sold=party.sold / WH_PER_KWH,
        bill=party.bill / NANO,
        baseline_bill=None if baseline is None else baseline.bill / NANO,
        saving=None if baseline is None else (baseline.bill - party.bill) / NANO,
    )


def _sum(amounts: Iterable[int]) -> int:
    return sum(amounts)


def _share(outside: int, whole: int) -> float | None:
    return max(0.0, 1 - outside / whole) if whole else None


def _price(money: int, energy: int) -> float | None:
    return money / energy / MICRO if energy else None


def _dollars(money: int | None) -> float | None:
    return None if money is None else money / NANO
