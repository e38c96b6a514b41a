"""Call auctions of unit traders whose values and costs are drawn evenly from [0, 1]."""

from __future__ import annotations

from math import comb, hypot, log, sqrt
from random import Random

from trex_market.analysis.theory.books import best, clear, units, vcg_deficit
from trex_market.analysis.theory.checks import Result, Theory, mean, share, variance
from trex_market.core.clearing import RuleOptions
from trex_market.core.units import MICRO

BOUNDED = RuleOptions(price_floor=0, price_cap=MICRO)
"""Values and costs lie in [0, 1], and McAfee's rule may know it."""

PLACES = (0, MICRO // 2, MICRO)


def _drawn(chance: Random, size: int) -> list[float]:
    return [chance.randrange(MICRO) / MICRO for _ in range(size)]


def order_statistics(chance: Random, draws: int) -> list[Result]:
    """Clear truthful m x m books under `uniform`; the expectations are exact."""
    results = []
    for size, count in ((1, draws), (10, max(100, draws // 4)), (50, max(100, draws // 16))):
        volumes, gains = [], []
        prices: dict[int, list[float]] = {k: [] for k in PLACES}
        for _ in range(count):
            book = units(_drawn(chance, size), _drawn(chance, size))
            for k in PLACES:
                cleared = clear("uniform", book, RuleOptions(k))
                prices[k] += [match.price_buy / MICRO for match in cleared.matches[:1]]
            volumes.append(cleared.volume)
            gains.append(cleared.gains)
        results += [
            Result(f"m={size}: mean volume", size / 2, *mean(volumes)),
            Result(f"m={size}: mean gains", size**2 / (2 * (2 * size + 1)), *mean(gains)),
        ]
        if size > 1:
            spread = size**2 / (4 * (2 * size - 1))
            found, error = variance(volumes)
            # A sample that varies too little by chance shows too small an error as well.
            error = max(error, spread * sqrt(2 / (count - 1)))
            results.append(Result(f"m={size}: variance of the volume", spread, found, error))
            results += [
                Result(
                    f"m={size}: mean price, k={k / MICRO:g}",
                    (size + k / MICRO) / (2 * size + 1),
                    *mean(prices[k]),
                )
                for k in PLACES
            ]
    return results


def bargaining(chance: Random, draws: int) -> list[Result]:
    """Let one buyer and one seller bid as Chatterjee and Samuelson's equilibrium says, k = 1/2."""
    traded, gains, possible = [], [], []
    for _ in range(draws):
        (value,), (cost,) = _drawn(chance, 1), _drawn(chance, 1)
        cleared = clear("uniform", units([2 * value / 3 + 1 / 12], [2 * cost / 3 + 1 / 4]))
        traded.append(cleared.volume)
        gains.append((value - cost) * cleared.volume)
        possible.append(max(0.0, value - cost))
    return [
        Result("probability of trade", 9 / 32, *mean(traded)),
        Result("mean gains", 9 / 64, *mean(gains)),
        Result("share of the possible gains", 27 / 32, *share(gains, possible)),
    ]


MCAFEE_EFFICIENCY = {1: 0.75, 2: 0.823, 5: 0.947, 10: 0.984, 50: 0.9992}
"""m -> share of the gains; of m = 1 exact, the others simulated elsewhere, to 3 or 4 decimals."""

MCAFEE_SURPLUS = {2: 0.012, 5: 0.096, 10: 0.157, 50: 0.226}
"""m -> what the auctioneer keeps on average; simulated elsewhere, to 3 decimals."""


def mcafee(chance: Random, draws: int) -> list[Result]:
    """Clear truthful m x m books under `mcafee`, and see what it gives up."""
    results = []
    for size, published in MCAFEE_EFFICIENCY.items():
        realised, possible, kept = [], [], []
        worst = 0.0
        for _ in range(max(1, draws // (2 * size))):
            book = units(_drawn(chance, size), _drawn(chance, size))
            cleared, most = clear("mcafee", book, BOUNDED), best(book)
            realised.append(cleared.gains)
            possible.append(most.gains / MICRO)
            kept.append(cleared.surplus)
            if most.gains:
                worst = max(worst, (1 - cleared.gains * MICRO / most.gains) * most.volume)
        slack = 0.0 if size == 1 else 0.0002 if size == 50 else 0.0015
        results.append(Result(f"m={size}: share of the gains", published, *share(realised, possible), slack))
        if size in MCAFEE_SURPLUS:
            average, error = mean(kept)
            results.append(Result(f"m={size}: kept on average", MCAFEE_SURPLUS[size], average, error, 0.0025))
        within = float(worst <= 1 + 1e-9)
        results.append(Result(f"m={size}: no book loses more than 1/k of its gains", 1.0, within))
    return results


def vcg(chance: Random, draws: int) -> list[Result]:
    """See what truthful VCG prices would cost the auctioneer; no rule here does."""
    results = []
    for size, published, slack in ((1, 1 / 6, 0.0), (10, 0.237, 0.0025)):
        deficits = []
        for _ in range(draws // size):
            _, _, deficit = vcg_deficit(units(_drawn(chance, size), _drawn(chance, size)))
            deficits.append(deficit)
        results.append(Result(f"m={size}: mean deficit", published, *mean(deficits), slack))
    return results


VALUE = 0.7
"""Of the buyer whose lies are looked at."""

STEP = 0.02
"""By so much its bid is moved up and down."""


def convergence(chance: Random, draws: int) -> list[Result]:
    """See how lies and losses shrink as markets grow, under `uniform` with k = 1/2.

    Against truthful others a buyer's best bid is ``v / (1 + k/m)``, a lie of order 1/m: a bid b that sets the
    price, with probability ``P = C(2m-1, m) b^m (1-b)^(m-1)``, saves k for each unit that it is lower; it loses
    v - b where it just fails to trade, with density ``P m / b``. If all lie so the loss of gains is of order
    1/m^2. At a price fixed at 1/2 it is ``1 - (2m+1)/(2m) (1 - C(2m, m) / 4^m)``, of order 1/sqrt(m).
    """
    results: list[Result] = []
    for size in (2, 8):
        best_bid = VALUE / (1 + 0.5 / size)
        slope = -0.5 * comb(2 * size - 1, size) * VALUE**size * (1 - VALUE) ** (size - 1)
        at_best, error = _slope(chance, size, best_bid, draws)
        results.append(
            Result(f"m={size}: slope of profit at the bid v/(1 + k/m)", 0.0, at_best, error, STEP / 4)
        )
        at_truth, error = _slope(chance, size, VALUE, draws)
        results.append(Result(f"m={size}: slope of profit at the bid v", slope, at_truth, error, STEP / 4))
    losses = {}
    for size in (4, 16):
        lost, lost_fixed, possible = _losses(chance, size, draws // 4)
        losses[size] = share(lost, possible)
        theory = 1 - (2 * size + 1) / (2 * size) * (1 - comb(2 * size, size) / 4**size)
        results.append(Result(f"m={size}: loss at a fixed price", theory, *share(lost_fixed, possible)))
    return [*results, _order_of_loss(losses)]


def _slope(chance: Random, size: int, bid: float, draws: int) -> tuple[float, float]:
    """Measure how a buyer's profit changes with its bid, against truthful others."""
    slopes = []
    for _ in range(draws):
        others, costs = _drawn(chance, size - 1), _drawn(chance, size)
        high, low = (_profit(told, others, costs) for told in (bid + STEP, bid - STEP))
        slopes.append((high - low) / (2 * STEP))
    return mean(slopes)


def _profit(bid: float, others: list[float], costs: list[float]) -> float:
    cleared = clear("uniform", units([bid, *others], costs))
    return sum(VALUE - match.price_buy / MICRO for match in cleared.matches if match.bid.sequence == 0)


def _losses(chance: Random, size: int, count: int) -> tuple[list[float], list[float], list[float]]:
    """Return what is lost if all tell the lie, what is lost at a fixed price, and what could be gained."""
    shade = 1 + 0.5 / size
    lost, lost_fixed, possible = [], [], []
    for _ in range(count):
        values, costs = _drawn(chance, size), _drawn(chance, size)
        most = best(units(values, costs)).gains / MICRO
        told = units([value / shade for value in values], [1 - (1 - cost) / shade for cost in costs])
        matches = clear("uniform", told).matches
        realised = sum(values[match.bid.sequence] - costs[match.ask.sequence] for match in matches)
        lost.append(most - realised)
        lost_fixed.append(most - _at_fixed_price(chance, values, costs))
        possible.append(most)
    return lost, lost_fixed, possible


def _at_fixed_price(chance: Random, values: list[float], costs: list[float]) -> float:
    """Return the gains where those who like the price 1/2 trade, drawn at random on the longer side."""
    buyers, sellers = [value for value in values if value >= 0.5], [cost for cost in costs if cost <= 0.5]
    chance.shuffle(buyers)
    chance.shuffle(sellers)
    return sum(value - cost for value, cost in zip(buyers, sellers, strict=False))


def _order_of_loss(losses: dict[int, tuple[float, float]]) -> Result:
    """Return the slope of the logarithm of the loss over that of m, between two sizes."""
    (small, (at_small, small_error)), (large, (at_large, large_error)) = losses.items()
    span = log(large / small)
    error = hypot(large_error / at_large, small_error / at_small) / span
    what = f"order of the loss if all lie so, from m={small} to {large}"
    return Result(what, -2.0, log(at_large / at_small) / span, error, 0.15)


THEORIES = (
    Theory(
        "order_statistics",
        "Many truthful traders, `uniform`",
        "elementary order statistics",
        order_statistics,
    ),
    Theory(
        "bargaining",
        "One buyer, one seller, in equilibrium",
        "K. Chatterjee and W. Samuelson, Operations Research 31(5), 1983",
        bargaining,
    ),
    Theory("mcafee", "`mcafee`", "R. P. McAfee, Journal of Economic Theory 56(2), 1992", mcafee),
    Theory("vcg", "What VCG prices would cost", "W. Vickrey, 1961; E. Clarke, 1971; T. Groves, 1973", vcg),
    Theory(
        "convergence",
        "How lies and losses shrink",
        "A. Rustichini, M. Satterthwaite and S. Williams, Econometrica 62(5), 1994",
        convergence,
    ),
)
