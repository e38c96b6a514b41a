"""Rules compared over the same slots: each settles as the market would, and differences are paired."""

from __future__ import annotations

from collections import Counter

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.analysis.helpers import GRID_PRICES, SLOTS, slots_of
from tests.helpers import lively_commands, terms
from trex_market.analysis.comparison import output
from trex_market.analysis.comparison.comparison import METRICS, Comparing, Comparison, RuleResult
from trex_market.analysis.comparison.contestants import make_contestants
from trex_market.analysis.slots import SlotRecords, paid_and_received
from trex_market.core.clearing import RULES
from trex_market.core.errors import InputError
from trex_market.core.market import Market
from trex_market.core.messages import GRID, GridTerms, OpenMarket
from trex_market.core.tariff import GridPrices

ALL = [*RULES, "mmr", "sdr", "bill_sharing", "net_billing"]

OPENED = terms("MicroTE", grid=GridTerms(0.1, 2.0))
"""The two slots' market: the grid pays 0.10 and charges 0.30 $/kWh."""


def compared(
    names: list[str], slots: list[SlotRecords] | tuple[SlotRecords, ...] = SLOTS, opened: OpenMarket = OPENED
) -> Comparison:
    comparing = Comparing(make_contestants(names, opened), opened)
    for slot in slots:
        comparing.hear(slot)
    return comparing.result(200, 0.95, 1)


def rule(comparison: Comparison, name: str) -> RuleResult:
    return next(rule for rule in comparison.rules if rule.name == name)


def values(result: RuleResult) -> dict[str, float | None]:
    return {one.metric: one.value for one in result.measured}


# ---------------------------------------------------------------- by hand


def test_rules_by_hand() -> None:
    found = compared(["MicroTE", "MicroTE3", "uniform", "mmr", "sdr", "net_billing"])
    # First slot, midpoints: b takes 1000 Wh at 0.20 and c 100 of 200 at 0.16; second: b 300 of 400 at 0.20.
    midpoint = values(rule(found, "MicroTE"))
    assert (midpoint["local"], midpoint["efficiency"]) == (1.4, 100)
    assert midpoint["bill"] == pytest.approx(0.160)
    assert midpoint["operator"] == 0
    # Own prices: the operator keeps 0.16 a kWh, 0.08, and 0.10 (of take or pay too).
    assert values(rule(found, "MicroTE3"))["operator"] == pytest.approx(0.160 + 0.008 + 0.030 + 0.010)
    # Uniform: P0 is 0.20 in both slots.
    uniform = values(rule(found, "uniform"))
    assert uniform["price_taken"] == pytest.approx((1.4 * 0.20 + 0.1 * 0.20 - 0.03 + 0.6 * 0.30) / 2.0)
    # The middle of the grid's prices is 0.20: 1100 of 1600 Wh, then 400 of 600 Wh.
    mmr = values(rule(found, "mmr"))
    assert mmr["local"] == 1.5
    assert mmr["bill"] == pytest.approx(0.5 * 0.30 - 0.2 * 0.10, abs=1e-6)
    assert mmr["price_given"] == pytest.approx((1.1 * 0.20 + 0.4 * 0.20 + 0.2 * 0.10) / 1.7, abs=1e-6)
    assert mmr["gains"] is None
    assert mmr["efficiency"] is None
    # Without sharing b pays 0.39, c 0.21, and s gets 0.17.
    alone = rule(found, "net_billing")
    assert values(alone)["bill"] == pytest.approx(0.430)
    assert alone.savings == {"b": 0, "c": 0, "s": 0}
    assert rule(found, "MicroTE").savings == pytest.approx({"b": 0.110, "c": 0.044, "s": 0.116})
    assert rule(found, "MicroTE").losers == 0


def test_differences_are_to_the_first_rule() -> None:
    found = compared(["MicroTE", "mmr", "MicroTE3"])
    first, mmr, own = found.rules
    assert all(one.difference is None for one in first.measured)
    for one, other in zip(own.measured, first.measured, strict=True):
        assert one.value is not None
        assert other.value is not None
        assert one.difference == pytest.approx(one.value - other.value)
    by_name = {one.metric: one for one in mmr.measured}
    assert by_name["bill"].difference == pytest.approx(0.130 - 0.160, abs=1e-6)
    assert by_name["gains"].difference is None


def test_orders_have_no_gains_to_compare_with_where_the_reference_is_no_auction() -> None:
    found = compared(["mmr", "uniform"])
    by_name = {one.metric: one for one in found.rules[1].measured}
    assert by_name["gains"].value == pytest.approx(0.216)
    assert by_name["gains"].difference is None
    assert by_name["bill"].difference is not None


# ---------------------------------------------------------------- as the market itself


def played(seed: int, name: str, **others: object) -> tuple[list[SlotRecords], OpenMarket]:
    """Return what a lively market recorded."""
    market = Market()
    commands = lively_commands(seed, name, **others)
    opened = commands[0]
    assert isinstance(opened, OpenMarket)
    events = [event for command in commands for event in market.handle(command)]
    return slots_of(events, GridPrices(100_000, 200_000)), opened


def replayable(slots: list[SlotRecords]) -> list[SlotRecords]:
    """Leave replaced orders out of the question: their places among their owner's own are not recorded."""
    return [slot for slot in slots if not any(order.quantity == 77 for order in slot.orders)]


@pytest.mark.parametrize("name", RULES)
@given(seed=st.integers(0, 10_000))
def test_the_recorded_rule_gives_the_recorded_ledger(name: str, seed: int) -> None:
    slots, opened = played(seed, name)
    for slot in replayable(slots):
        contestant = make_contestants([name, "mmr"], opened)[0]
        outcome = contestant.settle(slot, GridPrices(100_000, 200_000))
        bills: Counter[str] = Counter()
        for one in slot.transactions:
            paid, received = paid_and_received(one)
            bills[one.buyer_id] += paid
            bills[one.seller_id] -= received
        del bills[GRID]
        assert +Counter(outcome.bills) == +bills
        assert -Counter(outcome.bills) == -bills
        assert outcome.local == sum(one.quantity for one in slot.transactions if one.kind == "delivery")


@pytest.mark.parametrize("name", ALL)
@given(seed=st.integers(0, 10_000))
def test_money_balances_under_every_rule(name: str, seed: int) -> None:
    slots, opened = played(seed, "MicroTE3B")
    other = "mmr" if name != "mmr" else "sdr"
    for slot in slots:
        outcome = make_contestants([name, other], opened)[0].settle(slot, GRID_PRICES)
        paid = sum(outcome.bills.values())
        # What participants paid in all went to the grid and the operator, and the grid got what it is owed.
        imported = outcome.taken - outcome.local
        exported = outcome.given - outcome.local
        assert paid == outcome.paid - outcome.received
        grid = imported * GRID_PRICES.buy_price - exported * GRID_PRICES.sell_price
        spilled = paid - outcome.operator - grid
        assert spilled >= 0
        if name not in RULES:
            assert spilled == 0
            assert abs(outcome.operator) <= outcome.taken + outcome.given + 1


def test_everybody_meets_everybody_where_the_recorded_market_had_one_pool() -> None:
    opened = terms("MicroTE3B")
    contestants = make_contestants(["MicroTE", "uniform", "MicroTE3B"], opened)
    assert {one.pools for one in contestants} == {"single"}
    assert {one.pools for one in make_contestants(["MicroTE", "uniform"], OPENED)} == {"by_source"}
    mixed = compared(["MicroTE", "MicroTE3B"])
    assert mixed.benchmark == "single"
    assert compared(["MicroTE", "uniform"]).benchmark == "by_source"


def test_rules_take_the_options_of_the_recorded_market() -> None:
    dear, cheap = (terms("MicroTE", grid=GridTerms(0.1, 2.0), k=k) for k in (1_000_000, 0))
    # At k = 1 buyers pay what they bid, at k = 0 what was asked.
    for opened, price in ((dear, 0.25), (cheap, 0.15)):
        found = values(compared(["MicroTE", "mmr"], SLOTS[1:], opened).rules[0])
        assert found["price_taken"] == pytest.approx((0.4 * price + 0.1 * 0.30) / 0.4)
    capped = terms("mcafee", grid=GridTerms(0.1, 2.0), price_cap=400_000)
    assert values(compared(["mcafee", "mmr"], SLOTS[1:], capped).rules[0])["local"] == 0.3
    assert values(compared(["mcafee", "mmr"], SLOTS[1:]).rules[0])["local"] == 0


def test_efficiency_never_exceeds_the_widest_pools() -> None:
    slots, opened = played(3, "MicroTE")
    for result in compared(["MicroTE", "MicroTE3B", "mcafee", "uniform"], slots, opened).rules:
        efficiency = values(result)["efficiency"]
        assert efficiency is not None
        assert 0 <= efficiency <= 100


def test_prices_come_from_the_tariff_where_they_were_not_recorded() -> None:
    bare = [msgspec.structs.replace(slot, prices=None) for slot in SLOTS]
    assert (
        compared(["MicroTE", "mmr"], bare).rules[1].savings == compared(["MicroTE", "mmr"]).rules[1].savings
    )
    series = terms("MicroTE", grid=GridTerms(0.1, 2.0, series=()))
    with pytest.raises(InputError, match=r"prices in the slot \d+ were not recorded"):
        compared(["MicroTE", "mmr"], bare, series)


def test_a_silent_meter_is_deemed_to_keep_its_contracts() -> None:
    slot = SLOTS[1]
    silent = {name: meter for name, meter in slot.readings.items() if name != "b"}
    found = compared(["MicroTE", "mmr"], [msgspec.structs.replace(slot, readings=silent)])
    assert values(found.rules[0])["local"] == 0.4


# ---------------------------------------------------------------- mistakes


def test_an_unknown_rule_names_those_that_there_are() -> None:
    with pytest.raises(InputError, match=r"unknown rule 'mcafe'\. Did you mean 'mcafee'\? There are: .*sdr"):
        make_contestants(["MicroTE", "mcafe"], OPENED)


@pytest.mark.parametrize("names", [[], ["uniform"], ["uniform", "uniform"]])
def test_one_rule_is_no_comparison(names: list[str]) -> None:
    with pytest.raises(InputError, match=f"needs two rules at least, found {len(set(names))}"):
        make_contestants(names, OPENED)


# ---------------------------------------------------------------- what is written


def test_one_seed_gives_the_same_bytes() -> None:
    slots, opened = played(7, "MicroTE")
    first, second = (compared(["MicroTE", "uniform"], slots, opened) for _ in range(2))
    assert output.as_json({}, first) == output.as_json({}, second)


def test_json_has_every_number() -> None:
    document = msgspec.json.decode(output.as_json({"seed": "1"}, compared(["MicroTE", "mmr"])))
    assert (document["reference"], document["slots"]) == ("MicroTE", 2)
    assert document["bootstrap"] == {"block": 1, "resamples": 200, "confidence": 0.95, "seed": 1}
    mmr = document["rules"]["mmr"]
    assert list(mmr["metrics"]) == [metric.name for metric in METRICS]
    assert mmr["metrics"]["bill"]["difference"] == pytest.approx(-0.03, abs=1e-6)
    assert mmr["metrics"]["bill"]["low"] <= mmr["metrics"]["bill"]["high"]
    assert mmr["savings"].keys() == {"b", "c", "s"}


def test_csv_has_a_row_for_each_slot_and_rule() -> None:
    lines = output.as_csv(compared(["MicroTE", "mmr"])).splitlines()
    assert lines[0].startswith("slot_start,rule,local,gains,taken,paid,given,received,operator,bill")
    assert len(lines) == 1 + 2 * 2
    assert (
        lines[1]
        == f"{SLOTS[0].start},MicroTE,1100,176000000,1600,336000000,1100,186000000,0,150000000,176000000"
    )


def test_tables_have_a_row_for_each_metric() -> None:
    found = compared(["MicroTE", "uniform", "mmr"])
    header, rows = output.value_rows(found)
    assert header == ["", "MicroTE", "uniform", "mmr", "unit"]
    assert all(len(row) == len(header) for row in rows)
    header, rows = output.difference_rows(found)
    assert header == ["", "uniform", "mmr", "unit"]
    bill = next(row for row in rows if row[0] == "Total bill")
    assert bill[2].startswith("-0.03 [")
    _, rows = output.long_rows(found)
    assert len(rows) == 3 * (len(METRICS) + 3)
    markdown = output.as_markdown("title", {"seed": "1"}, found)
    assert "| Total bill | 0.16 | 0.16 | 0.13 | $ |" in markdown
    assert "blocks of 1 slots, 200 resamples, seed 1" in markdown


def test_the_page_shows_each_difference_with_its_interval() -> None:
    found = compared(["MicroTE", "MicroTE3", "mmr"])
    figures = {figure.title: figure for figure in output.difference_figures(found)}
    bill = figures["Total bill"].data
    assert [trace["name"] for trace in bill] == ["MicroTE3", "mmr"]
    assert bill[1]["x"] == [pytest.approx(-0.03, abs=1e-6)]
    over_time = output.over_time_figure(found, "UTC")
    assert over_time.data[0]["y"] == [0, 0]
    assert over_time.data[2]["y"][-1] == pytest.approx(-0.03, abs=1e-6)
    page = output.comparison_page("<b>bold", {"<i>": "&"}, found, "UTC")
    assert "<h1>&lt;b&gt;bold</h1>" in page
    assert "<dt>&lt;i&gt;</dt><dd>&amp;</dd>" in page
