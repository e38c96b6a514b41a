"""Slots to a comparison of rules: values, paired differences, intervals."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import msgspec

from trex_market.analysis.auctions import auction
from trex_market.analysis.comparison.bootstrap import (
    Resampling,
    block_length,
    interval,
    resampled,
    resampling,
)
from trex_market.analysis.comparison.contestants import Contestant, Kind
from trex_market.analysis.kpis import measures
from trex_market.analysis.slots import SlotRecords, metered_exchange, net_bill
from trex_market.core.clearing.registry import Pools
from trex_market.core.errors import InputError
from trex_market.core.messages import GRID, OpenMarket
from trex_market.core.tariff import Tariff
from trex_market.core.units import MICRO, NANO


class RuleSeries(msgspec.Struct, frozen=True):
    """One row a slot; see `Outcome`."""

    local: list[int]
    gains: list[int]
    taken: list[int]
    paid: list[int]
    given: list[int]
    received: list[int]
    operator: list[int]
    bill: list[int]
    most_gains: list[int]


class Metric(msgspec.Struct, frozen=True):
    """What rules are compared by: a sum over slots, or a ratio of two.

    Args:
        name: in JSON.
        title: in tables.
        unit: of its value.
        decimals: how many are shown.
        above: column of `RuleSeries`.
        below: column of `RuleSeries` that it is divided by; None for a sum.
        scale: what the quotient or sum is divided by.
        auctions_only: whether it needs orders.
    """

    name: str
    title: str
    unit: str
    decimals: int
    above: str
    below: str | None
    scale: float
    auctions_only: bool = False


METRICS = (
    Metric("local", "Energy traded locally", "kWh", 2, "local", None, measures.WH_PER_KWH),
    Metric("gains", "Gains from trade", "$", 3, "gains", None, NANO, auctions_only=True),
    Metric("efficiency", "Allocative efficiency", "%", 2, "gains", "most_gains", 0.01, auctions_only=True),
    Metric("price_taken", "Mean cost of energy taken", "$/kWh", 4, "paid", "taken", MICRO),
    Metric("price_given", "Mean income of energy given", "$/kWh", 4, "received", "given", MICRO),
    Metric("bill", "Total bill", "$", 2, "bill", None, NANO),
    Metric("operator", "Operator's income", "$", 3, "operator", None, NANO),
)


class Measured(msgspec.Struct, frozen=True):
    """A metric of a rule.

    Args:
        value: None if there is nothing to tell.
        difference: to the reference, slot by slot; None for the reference itself.
        low: end of the difference's interval.
        high: end of the difference's interval.
    """

    metric: str
    value: float | None
    difference: float | None = None
    low: float | None = None
    high: float | None = None


class RuleResult(msgspec.Struct, frozen=True):
    """What a rule came to.

    Args:
        name: of the rule.
        kind: "auction" or "sharing".
        pools: of an auction.
        measured: by metric, in the order of `METRICS`.
        savings: participant id -> $ less than under net billing of the same readings.
        losers: share of the participants that pay more than so, in %.
        gini: of the savings.
        jain: of the savings.
        series: slot by slot.
    """

    name: str
    kind: Kind
    pools: Pools | None
    measured: list[Measured]
    savings: dict[str, float]
    losers: float | None
    gini: float | None
    jain: float | None
    series: RuleSeries


class Comparison(msgspec.Struct, frozen=True):
    """Rules compared.

    Args:
        rules: their results; the first is the reference.
        starts: of the slots.
        step: length of a slot, in seconds.
        benchmark: the pools that efficiency is measured against: the widest of all rules.
        block: how many slots a block of the bootstrap has.
        resamples: how many.
        confidence: of the intervals.
        seed: of the bootstrap.
    """

    rules: list[RuleResult]
    starts: list[int]
    step: int
    benchmark: Pools
    block: int
    resamples: int
    confidence: float
    seed: int


class Comparing:
    """Settles slots under each rule.

    Args:
        contestants: the rules; the first is the reference.
        opened: the command that opened the recorded market.
    """

    def __init__(self, contestants: Sequence[Contestant], opened: OpenMarket) -> None:
        self._contestants = contestants
        self._step = opened.step
        self._tariff = None if opened.grid.series is not None else Tariff(opened.grid, opened.timezone)
        single = any(one.pools == "single" for one in contestants)
        self._benchmark: Pools = "single" if single else "by_source"
        self._starts: list[int] = []
        self._series = [RuleSeries(*([] for _ in RuleSeries.__struct_fields__)) for _ in contestants]
        self._bills: list[Counter[str]] = [Counter() for _ in contestants]
        self._net_billing: Counter[str] = Counter()

    def hear(self, slot: SlotRecords) -> None:
        """Settle a slot under each rule.

        Raises:
            InputError: if the grid's prices in it are not known.
        """
        prices = slot.prices
        if prices is None:
            if self._tariff is None:
                raise InputError(f"the grid's prices in the slot {slot.start} were not recorded")
            prices = self._tariff.at(slot.start)
        best = auction(slot.orders, (), slot.start, self._benchmark)
        self._starts.append(slot.start)
        for name, net in metered_exchange(slot.transactions).items():
            if name != GRID:
                self._net_billing[name] += net_bill(net, prices)
        for contestant, series, bills in zip(self._contestants, self._series, self._bills, strict=True):
            outcome = contestant.settle(slot, prices)
            for column in RuleSeries.__struct_fields__:
                if column == "bill":
                    value = sum(outcome.bills.values())
                elif column == "most_gains":
                    value = best.most_gains if best else 0
                else:
                    value = getattr(outcome, column)
                getattr(series, column).append(value)
            bills.update(outcome.bills)

    def result(self, resamples: int, confidence: float, seed: int) -> Comparison:
        """Return the comparison of all slots so far.

        Args:
            resamples: of the bootstrap.
            confidence: of its intervals, e.g. 0.95.
            seed: of its draws.
        """
        slots = len(self._starts)
        block = block_length(slots, self._step)
        drawn = resampling(slots, block, resamples, seed)
        rules = [
            self._rule(place, contestant, drawn, confidence)
            for place, contestant in enumerate(self._contestants)
        ]
        return Comparison(
            rules, self._starts, self._step, self._benchmark, block, resamples, confidence, seed
        )

    def _rule(self, place: int, contestant: Contestant, drawn: Resampling, confidence: float) -> RuleResult:
        series, reference = self._series[place], self._series[0]
        measured = []
        for metric in METRICS:
            comparable = not metric.auctions_only or contestant.kind == "auction"
            both = comparable and (not metric.auctions_only or self._contestants[0].kind == "auction")
            value = _value(metric, series) if comparable else None
            if place == 0 or not both:
                measured.append(Measured(metric.name, value))
            else:
                measured.append(_difference(metric, series, reference, drawn, confidence))
        bills = self._bills[place]
        people = sorted(self._net_billing.keys() | bills.keys())
        savings = {name: (self._net_billing[name] - bills[name]) / NANO for name in people}
        each = list(savings.values())
        return RuleResult(
            contestant.name,
            contestant.kind,
            contestant.pools,
            measured,
            savings,
            measures.percent(sum(one < 0 for one in each), len(each)),
            measures.gini(each),
            measures.jain(each),
            series,
        )


def _value(metric: Metric, series: RuleSeries) -> float | None:
    above = sum(getattr(series, metric.above))
    if metric.below is None:
        return float(above / metric.scale)
    below = sum(getattr(series, metric.below))
    return above / below / metric.scale if below else None


def _difference(
    metric: Metric, series: RuleSeries, reference: RuleSeries, drawn: Resampling, confidence: float
) -> Measured:
    value, other = _value(metric, series), _value(metric, reference)
    if value is None or other is None:
        return Measured(metric.name, value)
    if metric.below is None:
        pairs = zip(getattr(series, metric.above), getattr(reference, metric.above), strict=True)
        sums = resampled([one - two for one, two in pairs], drawn)
        differences = [total * drawn.scale / metric.scale for total in sums]
    else:
        ours = _ratios(metric, series, drawn)
        theirs = _ratios(metric, reference, drawn)
        differences = [
            one - two for one, two in zip(ours, theirs, strict=True) if one is not None and two is not None
        ]
    ends = interval(differences, confidence)
    low, high = ends or (None, None)
    return Measured(metric.name, value, value - other, low, high)


def _ratios(metric: Metric, series: RuleSeries, drawn: Resampling) -> list[float | None]:
    above = resampled(getattr(series, metric.above), drawn)
    below = resampled(getattr(series, metric.below or ""), drawn)
    return [one / two / metric.scale if two else None for one, two in zip(above, below, strict=True)]
