"""What an order comes to, once it is known what was metered.

With B the baseline at the order, F the power ordered, A the power metered, d
the sign of F, in the ISPs in which flexibility was needed (Shapeshifter
specification, settlement)::

    delivered  = min(max(d (A - B), 0), |F|)       more than that is not paid
    deficiency = max(0, d (B + F - A))
    unit       = price / sum |F|
    paid       = unit * sum delivered
    fine       = factor * unit * sum deficiency,   or a price of its own
    net        = paid - fine

Where an option has the opposite sign (a rebound that was agreed on), nothing is
paid, and only what goes beyond it is fined, if the point was overloaded then.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction

import msgspec

from trex_market.programmes.flexibility.messages import SettlementIsp
from trex_market.programmes.flexibility.money import WS_PER_KWH, quantised, split


class PenaltyTerms(msgspec.Struct, frozen=True):
    """What a deficiency costs.

    Args:
        factor: hundredths of the order's price of the same energy.
        price: nano-dollars per kWh instead; None for the factor.
    """

    factor: int = 150
    price: int | None = None


class Ordered(msgspec.Struct, frozen=True):
    """An order as it is settled.

    Args:
        price: nano-dollars.
        powers: ISP -> W ordered.
        service: ISPs in which it was needed; in the others it is a rebound.
    """

    price: int
    powers: Mapping[int, int]
    service: frozenset[int]


class IspOutcome(msgspec.Struct, frozen=True):
    """What an ISP of an order came to: W delivered (at least 0) and W lacking."""

    delivered: int
    deficiency: int


def isp_outcomes(
    orders: Sequence[Ordered], isp: int, baseline: int, actual: int | None, *, overloaded: bool
) -> list[IspOutcome]:
    """Settle all orders of an aggregator in one ISP: their sum first, then each one's part.

    Args:
        orders: of one aggregator at one point.
        isp: the ISP; those that have no power in it come to nothing.
        baseline: before the first of them, in W.
        actual: metered, in W; None if nothing was metered, which counts as nothing delivered.
        overloaded: whether the point was beyond a limit.
    """
    powers = [order.powers.get(isp, 0) for order in orders]
    total = sum(powers)
    sign = _sign(total)
    missed, deficiency = 0, 0
    if total:
        change = 0 if actual is None else actual - baseline
        missed = abs(total) - min(max(sign * change, 0), abs(total))
        deficiency = max(0, sign * (total - change))
    leading = [abs(power) if _sign(power) == sign else 0 for power in powers]
    outcomes: list[IspOutcome] = []
    for order, power, less, lack in zip(
        orders, powers, split(missed, leading), split(deficiency, leading), strict=True
    ):
        if isp in order.service:
            outcomes.append(IspOutcome(abs(power) - less, lack))
        else:
            outcomes.append(IspOutcome(0, _beyond(power, total, baseline, actual, overloaded=overloaded)))
    return outcomes


def _beyond(power: int, total: int, baseline: int, actual: int | None, *, overloaded: bool) -> int:
    """Return by how much a rebound went beyond what was agreed on, where that did harm."""
    if not power or actual is None or not overloaded:
        return 0
    return max(0, _sign(power) * (actual - baseline - total))


def _sign(power: int) -> int:
    return (power > 0) - (power < 0)


class Net(msgspec.Struct, frozen=True):
    """Money of an order, in nano-dollars of 4 decimals; ``net == price - penalty``."""

    price: int
    penalty: int
    net: int


def net_of(
    order: Ordered, outcomes: Mapping[int, IspOutcome], terms: PenaltyTerms, isp_duration_s: int
) -> Net:
    """Return what an order comes to.

    Args:
        order: the order.
        outcomes: ISP -> what it came to.
        terms: what a deficiency costs.
        isp_duration_s: length of an ISP, in seconds.
    """
    exact = sum(worth(order, outcomes, terms, isp_duration_s).values(), start=Fraction(0))
    net = quantised(exact.numerator, exact.denominator)
    return Net(order.price, order.price - net, net)


def worth(
    order: Ordered, outcomes: Mapping[int, IspOutcome], terms: PenaltyTerms, isp_duration_s: int
) -> dict[int, Fraction]:
    """Return what each ISP of an order comes to, in nano-dollars, exactly; see `net_of`."""
    size = sum(abs(order.powers[isp]) for isp in order.service)
    unit = Fraction(order.price, size) if size else Fraction(0)
    fine = unit * Fraction(terms.factor, 100)
    if terms.price is not None:
        fine = Fraction(terms.price * isp_duration_s, WS_PER_KWH)
    return {isp: unit * out.delivered - fine * out.deficiency for isp, out in outcomes.items()}


def settlement_isp(
    isp: int, order: Ordered, outcome: IspOutcome, baseline: int, actual: int | None
) -> SettlementIsp:
    """Return an ISP of an order as a message has it."""
    ordered = order.powers[isp]
    return SettlementIsp(
        isp,
        baseline,
        ordered,
        baseline if actual is None else actual,
        _sign(ordered) * outcome.delivered,
        outcome.deficiency,
    )
