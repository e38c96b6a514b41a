"""Examples with numbers that were published, and books that other tools get wrong. Nothing is drawn."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from trex_market.analysis.building import FrameBuilder, Terms
from trex_market.analysis.kpis import energy, measures
from trex_market.analysis.sharing import mmr, sdr
from trex_market.analysis.slots import SlotRecords
from trex_market.analysis.theory.books import best, clear, order, units, vcg_deficit
from trex_market.analysis.theory.checks import Result, Theory, exact
from trex_market.core.book import by_priority
from trex_market.core.clearing import RuleOptions
from trex_market.core.delivery import DeliveryTerms, deliver
from trex_market.core.messages import DEFAULT_SOURCES, Contract, MeterReading
from trex_market.core.tariff import GridPrices
from trex_market.core.units import MICRO

FIRST = ((100, 90, 80, 70, 60), (80, 85, 95, 100, 110))
SECOND = ((9, 8, 7, 4), (2, 3, 4, 5))
THIRD = ((9, 8, 7, 4), (2, 3, 4, 12))


def worked_books(_chance: Random, _draws: int) -> list[Result]:
    """Clear the worked books under each rule."""
    results: list[Result] = []
    intervals = ((85, 90), (4, 5), (4, 7))
    published = (
        ("book 1", FIRST, 2, 25, 10, (2, 25, 0), (1, 20, 5)),
        ("book 2", SECOND, 3, 15, 3, (3, 15, 0), (2, 12, 6)),
        ("book 3", THIRD, 3, 15, 9, (2, 12, 6), (2, 12, 6)),
    )
    for (low, high), (name, prices, volume, gains, deficit, mcafee, reduced) in zip(
        intervals, published, strict=True
    ):
        book = units(*prices)
        found = best(book)
        results += exact(
            [
                (f"{name}: volume", volume, found.volume),
                (f"{name}: competitive interval, low", low, found.low / MICRO),
                (f"{name}: competitive interval, high", high, found.high / MICRO),
                (f"{name}: gains", gains, clear("uniform", book).gains),
                (f"{name}: VCG deficit", deficit, vcg_deficit(book)[2]),
            ]
        )
        for rule, (traded, gained, kept) in (("mcafee", mcafee), ("trade_reduction", reduced)):
            cleared = clear(rule, book)
            results += exact(
                [
                    (f"{name}: {rule}, volume", traded, cleared.volume),
                    (f"{name}: {rule}, gains", gained, cleared.gains),
                    (f"{name}: {rule}, kept", kept, cleared.surplus),
                ]
            )
    own_prices = clear("MicroTE3", units(*FIRST))
    return [
        *results,
        *exact(
            [
                ("book 1: pay-as-bid turnover", 190, own_prices.paid),
                ("book 1: pay-as-ask turnover", 165, own_prices.received),
                ("book 1: pay-as-clear, k = 0", 85, clear("uniform", units(*FIRST), RuleOptions(0)).paid / 2),
            ]
        ),
    ]


def sharing(_chance: Random, _draws: int) -> list[Result]:
    """Price the published cases of sharing rules; the grid pays 0.10 and charges 0.30 $/kWh."""
    grid = GridPrices(100_000, 300_000)
    results = []
    for ratio, sell, buy in ((0.0, 0.30, 0.30), (0.5, 0.15, 0.225), (1.0, 0.10, 0.10)):
        prices = sdr(1000, int(1000 * ratio), grid)
        results += exact(
            [
                (f"sdr, ratio {ratio:g}: sellers get", sell, prices.sell_price / MICRO),
                (f"sdr, ratio {ratio:g}: buyers pay", buy, prices.buy_price / MICRO),
            ]
        )
    for what, demand, supply, sell, buy in (
        ("supply is half", 1000, 500, 0.20, 0.25),
        ("supply is demand", 1000, 1000, 0.20, 0.20),
        ("demand is half", 500, 1000, 0.15, 0.20),
    ):
        prices = mmr(demand, supply, grid)
        results += exact(
            [
                (f"mmr, {what}: sellers get", sell, prices.sell_price / MICRO),
                (f"mmr, {what}: buyers pay", buy, prices.buy_price / MICRO),
            ]
        )
    return results


def self_sufficiency(_chance: Random, _draws: int) -> list[Result]:
    """Deliver gsy-e's example: 10 kWh of PV, 1 used, 5 stored, 4 sold; of the battery 2 used, 3 sold."""
    slot = (0, 3600)
    contracts = tuple(
        Contract(
            f"c{number}", *slot, "house", "neighbour", source, quantity, 1, 1, f"b{number}", f"a{number}", 0
        )
        for number, (source, quantity) in enumerate((("solar", 4000), ("bess", 3000)))
    )
    readings = {
        "house": MeterReading(
            *slot,
            {"solar": 4000, "bess": 3000},
            {"other": {"solar": 1000, "bess": 2000, "external": 0}, "bess": {"solar": 5000}},
        ),
        "neighbour": MeterReading(*slot, {}, {"other": {"external": 7000}}),
    }
    prices = GridPrices(100_000, 300_000)
    rows = deliver(contracts, readings, prices, DeliveryTerms(DEFAULT_SOURCES), slot)
    builder = FrameBuilder(Terms(3600))
    builder.hear(SlotRecords(0, (), contracts, readings, rows, prices))
    parties = builder.frames().parties
    sufficiency, consumption = energy.home_shares(parties)
    return exact(
        [
            ("the house's self-sufficiency, %", 100, sufficiency[0] or 0.0),
            ("the house's self-consumption, %", 30, consumption[0] or 0.0),
            ("the community's self-sufficiency, %", 100, energy.self_sufficiency(parties) or 0.0),
            ("the community's self-consumption, %", 100, energy.self_consumption(parties) or 0.0),
        ]
    )


def fairness(_chance: Random, _draws: int) -> list[Result]:
    """Measure published distributions."""
    results = []
    for values, jain, gini in (((1, 2, 3, 4), 5 / 6, 0.25), ((3, 3, 3, 3), 1, 0), ((0, 0, 0, 9), 0.25, 0.75)):
        results += exact(
            [
                (f"{_listed(values)}: Jain", jain, measures.jain(values) or 0.0),
                (f"{_listed(values)}: Gini", gini, measures.gini(values) or 0.0),
            ]
        )
    return results


def _listed(values: Sequence[int]) -> str:
    return ", ".join(map(str, values))


def others_books(_chance: Random, _draws: int) -> list[Result]:
    """Clear books that other tools get wrong: they make money, or miss or invent energy."""
    own = [order("bid", 100, 0, 20), order("ask", 10, 1, 10), order("ask", 20, 2, 10)]
    paid = clear("MicroTE3", by_priority(own, 0))
    middle = clear("MicroTE", by_priority(own, 0))
    twice = [order("bid", 5, 0, 5, "a"), order("bid", 5, 1, 7, "a"), order("ask", 5, 2, 12)]
    capped = [order("bid", 5, 0, 10), order("ask", 5, 1, 6), order("ask", 5, 2, 6)]
    results = exact(
        [
            ("20 at 100 for 10 at 10 and 10 at 20, own prices: buyers pay", 2000, paid.paid),
            ("the same: sellers get", 300, paid.received),
            ("the same, midpoints: the operator keeps", 0, middle.surplus),
        ]
    )
    for rule in ("MicroTE", "MicroTE3", "uniform"):
        results += exact(
            [
                (f"{rule}: one's two bids of 5 and 7 for 12", 12, clear(rule, by_priority(twice, 0)).volume),
                (f"{rule}: a bid of 10 for 6 and 6", 10, clear(rule, by_priority(capped, 0)).volume),
            ]
        )
    return results


def huang(_chance: Random, _draws: int) -> list[Result]:
    """Clear the examples of pymarket's Huang auction under `trade_reduction`; 1 is 1,000 Wh."""
    first = [order("bid", 3, 0, 1000), order("bid", 1, 1, 2000), order("ask", 2, 2, 2000)]
    more = [*first, order("ask", 1, 3, 300), order("bid", 3.3, 4, 200)]
    traded = clear("trade_reduction", by_priority(more, 0))
    match = traded.matches[0]
    return exact(
        [
            ("one marginal pair: traded", 0, clear("trade_reduction", by_priority(first, 0)).volume / 1000),
            ("with a better pair: traded", 0.2, traded.volume / 1000),
            ("sellers get", 2, match.price_sell / MICRO),
            ("buyers pay", 3, match.price_buy / MICRO),
        ]
    )


THEORIES = (
    Theory("worked_books", "Worked books", "the books of docs/validation.md", worked_books, drawn=False),
    Theory(
        "sharing",
        "Sharing rules",
        "N. Liu et al., IEEE TPWRS 32(5), 2017; C. Long et al., IEEE PES General Meeting, 2017",
        sharing,
        drawn=False,
    ),
    Theory(
        "self_sufficiency",
        "Self-sufficiency and self-consumption, delivered",
        "gridsingularity.github.io/gsy-e/self-sufficiency-self-consumption",
        self_sufficiency,
        drawn=False,
    ),
    Theory(
        "fairness",
        "Measures of equality",
        "C. Gini, 1912; R. Jain et al., DEC-TR-301, 1984",
        fairness,
        drawn=False,
    ),
    Theory(
        "others_books",
        "Books that other tools get wrong",
        "own runs of these tools",
        others_books,
        drawn=False,
    ),
    Theory(
        "huang",
        "Huang's auction, `trade_reduction`",
        "P. Huang, A. Scheller-Wolf and K. Sycara, Computational Intelligence 18(4), 2002; pymarket's examples",
        huang,
        drawn=False,
    ),
)
