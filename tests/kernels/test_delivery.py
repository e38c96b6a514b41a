"""Delivery over arrays against the core's, row by row, for contracts and readings at random."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.helpers import START, STEP
from trex_market.core.delivery import DeliveryTerms
from trex_market.core.delivery import deliver as plain_deliver
from trex_market.core.messages import GRID, Contract, Delivered, MeterAccepted, MeterReading, Transaction
from trex_market.core.tariff import GridPrices
from trex_market.kernels.delivery import deliver, make_delivery_room
from trex_market.kernels.layout import Layout, make_layout
from trex_market.kernels.records import CONTRACT, KINDS, MARKET, NOBODY, PARTY, Records, records
from trex_market.kernels.totals import add_meters, add_transactions
from trex_market.totals import PartyTotals, Totals

pytestmark = pytest.mark.timeout(900)  # compiling for the first time takes its while

NAMES = ["a", "b", "c", "d"]
SOURCES = ["bess", "hydro", "solar", "wind"]
END = START + STEP
amounts = st.integers(0, 9)


@st.composite
def layouts(draw: st.DrawFn) -> Layout:
    """Participants with some sources each, in any order, and readings; a battery comes last."""
    own = []
    for _ in NAMES:
        sources = draw(st.permutations([1, 2, 3]))[: draw(st.integers(0, 3))]
        own.append([*sources, 0] if draw(st.booleans()) else list(sources))
    layout = make_layout(own, [0] * len(NAMES), len(SOURCES))
    for channel in layout.channels:
        channel["exported"], channel["used"] = draw(amounts), draw(amounts)
        channel["stored"] = draw(amounts) if channel["source"] else 0
    for participant in layout.participants:
        participant["load_outside"], participant["battery_outside"] = draw(amounts), draw(amounts)
    return layout


@st.composite
def contracts(draw: st.DrawFn) -> Records:
    """Contracts among any of them, also of sources that the seller does not have."""
    rows = records(CONTRACT, draw(st.integers(0, 9)))
    for row in rows:
        row["seller"], row["buyer"] = draw(st.permutations(range(len(NAMES))))[:2]
        row["source"], row["quantity"] = draw(st.integers(0, 3)), draw(st.integers(1, 9))
        row["price_sell"] = draw(st.integers(0, 30)) * 10_000
        row["price_buy"] = row["price_sell"] + draw(st.sampled_from([0, 10_000]))
    return rows


def reading(layout: Layout, number: int) -> MeterReading:
    """Return a participant's reading as its home would send it."""
    place = layout.participants[number]
    own = layout.channels[place["channel"] : place["channel"] + place["channels"]]
    names = [SOURCES[source] for source in own["source"]]
    used = dict(zip(names, own["used"].tolist(), strict=True)) | {"external": int(place["load_outside"])}
    stored = dict(zip(names, own["stored"].tolist(), strict=True))
    stored["external"] = int(place["battery_outside"])
    generation = dict(zip(names, own["exported"].tolist(), strict=True))
    return MeterReading(START, END, generation, {"bess": stored, "other": used})


def as_contract(row: Records, number: int) -> Contract:
    prices = int(row["price_sell"]), int(row["price_buy"])
    names = NAMES[row["seller"]], NAMES[row["buyer"]], SOURCES[row["source"]]
    return Contract(f"c{number}", START, END, *names, int(row["quantity"]), *prices, "b", "a", END)


def lines(rows: Records) -> list[tuple[object, ...]]:
    """Return what rows say, with names for numbers."""
    names, sources = [*NAMES, GRID], [*SOURCES, GRID]
    return [
        (
            KINDS[row["kind"]],
            None if row["contract"] == NOBODY else f"c{row['contract']}",
            row["quantity"],
            names[row["seller"]],
            names[row["buyer"]],
            sources[row["source"]],
            row["price_sell"],
            row["price_buy"],
        )
        for row in rows
    ]


def plain_lines(rows: tuple[Transaction, ...]) -> list[tuple[object, ...]]:
    return [
        (
            row.kind,
            row.contract_id,
            row.quantity,
            row.seller_id,
            row.buyer_id,
            row.energy_source,
            row.settlement_price_sell,
            row.settlement_price_buy,
        )
        for row in rows
    ]


@settings(max_examples=400, deadline=None, derandomize=True)
@given(
    layouts(),
    contracts(),
    st.sampled_from([100_000, 0, -50_000]),
    st.sampled_from([200_000, 90_000, 0, -20_000]),
    st.booleans(),
    st.tuples(*[st.booleans()] * 4),
)
def test_rows_and_totals_are_those_of_the_core(
    layout: Layout,
    agreed: Records,
    sell_price: int,
    buy_price: int,
    replacement: bool,
    dispatch: tuple[bool, ...],
) -> None:
    terms = DeliveryTerms(
        dict(zip(SOURCES, dispatch, strict=True)), "replacement" if replacement else "penalty"
    )
    readings = {name: reading(layout, number) for number, name in enumerate(NAMES)}
    given = [as_contract(row, number) for number, row in enumerate(agreed)]
    expected = plain_deliver(given, readings, GridPrices(sell_price, buy_price), terms, (START, END))

    room = make_delivery_room(layout, len(agreed))
    where = (layout.participants, layout.channels, layout.channel_of, np.array(dispatch), 0)
    count = deliver(agreed, *where, replacement, sell_price, buy_price, *room)
    assert lines(room.rows[:count]) == plain_lines(expected)

    totals = Totals()
    totals.hear([MeterAccepted(name, meter) for name, meter in readings.items()])
    totals.hear([Delivered(START, expected, ())])
    parties, market = records(PARTY, len(NAMES)), records(MARKET, 1)
    add_meters(layout.participants, layout.channels, 0, parties)
    add_transactions(room.rows[:count], parties, market)
    for number, name in enumerate(NAMES):
        party = {figure: getattr(totals.party(name), figure) for figure in PartyTotals.__slots__}
        assert {figure: parties[number][figure] for figure in PARTY.names or ()} == party
    whole = market[0]
    assert (whole["grid_income"], whole["operator_income"]) == (totals.grid_income, totals.operator_income)
    assert (whole["transactions"], bool(whole["delivered"])) == (count, totals.last_price is not None)
    assert totals.last_price in (None, whole["last_price"])
    assert whole["moved"] >= abs(whole["grid_income"])


def test_an_empty_slot_has_no_rows() -> None:
    layout = make_layout([[], [2]], [0, 0], len(SOURCES))
    room = make_delivery_room(layout, 0)
    where = (layout.participants, layout.channels, layout.channel_of, np.array([True] * 4), 0)
    assert deliver(records(CONTRACT, 0), *where, False, 1, 2, *room) == 0


def test_amounts_near_the_limit_stay_exact() -> None:
    layout = make_layout([[2], []], [0, 0], len(SOURCES))
    layout.channels["exported"] = 1_000_000_000
    layout.participants["load_outside"] = [0, 1_000_000_000]
    room = make_delivery_room(layout, 0)
    where = (layout.participants, layout.channels, layout.channel_of, np.array([True] * 4), 0)
    count = deliver(records(CONTRACT, 0), *where, False, 1_000_000_000, 1_000_000_000, *room)
    parties, market = records(PARTY, 2), records(MARKET, 1)
    add_transactions(room.rows[:count], parties, market)
    assert parties["bill"].tolist() == [-(10**18), 10**18]
    assert market["moved"][0] == 2e18
