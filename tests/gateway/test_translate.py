"""The SDK's words and units, and ours: tables."""

from __future__ import annotations

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trex_market.core.errors import ProtocolError, RefusalCode
from trex_market.core.messages import Attributes, Requirement
from trex_market.core.units import MAX_QUANTITY
from trex_market.gateway import translate
from trex_market.gateway.translate import (
    ANSWERS,
    DeleteCommand,
    EnergyCommand,
    FeeCommand,
    InfoCommand,
    ListCommand,
    OrderCommand,
    StatisticsCommand,
    command_of,
)

NOON = 1_469_102_400
"""2016-07-21 12:00 UTC."""


@pytest.mark.parametrize(
    ("kwh", "wh"),
    [(0, 0), (0.5, 500), (1, 1000), (0.0005, 0), (0.0015, 2), (0.0025, 2), (0.123, 123), (1e6, MAX_QUANTITY)],
)
def test_energy(kwh: float, wh: int) -> None:
    assert translate.wh_from_kwh(kwh) == wh


@pytest.mark.parametrize("kwh", [-0.001, float("nan"), float("inf"), "0.5", None, True, [], 1e9])
def test_energy_that_is_none(kwh: object) -> None:
    with pytest.raises(ProtocolError) as refused:
        translate.wh_from_kwh(kwh)
    assert refused.value.code is RefusalCode.BAD_QUANTITY


@pytest.mark.parametrize(
    ("cents", "kwh", "micro"),
    [
        (9.5, 0.5, 190_000),  # 19 cents per kWh
        (30 * 0.123, 0.123, 300_000),
        (0, 2, 0),
        (10, 3, 33_333),  # 3.3333 cents
        (-0.0, 1, 0),
    ],
)
def test_price(cents: float, kwh: float, micro: int) -> None:
    assert translate.price_from_cents(cents, kwh) == micro


@pytest.mark.parametrize(
    ("cents", "kwh", "code"),
    [
        (-1, 1, "bad_price"),
        ("1", 1, "bad_price"),
        (float("nan"), 1, "bad_price"),
        (1, 0, "bad_quantity"),
        (1, -1, "bad_quantity"),
        (1e9, 1, "bad_price"),
        (None, 1, "bad_price"),
    ],
)
def test_price_that_is_none(cents: object, kwh: object, code: str) -> None:
    with pytest.raises(ProtocolError) as refused:
        translate.price_from_cents(cents, kwh)
    assert refused.value.code == code


@given(st.integers(0, 10**7), st.integers(1, 10**5))
def test_what_is_sent_as_price_comes_back(price: int, energy: int) -> None:
    """A price of six decimals of a dollar survives being told as cents for the whole order."""
    kwh = translate.kwh_from_wh(energy)
    cents = translate.cents_from_price(price) * kwh
    assert abs(translate.price_from_cents(cents, kwh) - price) <= 1


@pytest.mark.parametrize(
    "text", ["2016-07-21T12:00", "2016-07-21T12:00:00", "2016-07-21T14:00+02:00", "2016-07-21 12:00"]
)
def test_slots(text: str) -> None:
    assert translate.slot_from_text(text, 900) == NOON


@pytest.mark.parametrize(
    "text", ["2016-07-21T12:07", "noon", "", None, 12, "2016-13-01T00:00", "0001-01-01T00:00+14:00"]
)
def test_slots_that_are_none(text: object) -> None:
    with pytest.raises(ProtocolError) as refused:
        translate.slot_from_text(text, 900)
    assert refused.value.code is RefusalCode.BAD_SLOT


def test_slots_are_written_as_they_are_read() -> None:
    assert translate.slot_text(NOON) == "2016-07-21T12:00"
    assert translate.moment_text(NOON + 61) == "2016-07-21T12:01:01"
    assert translate.zoned_text(NOON) == "2016-07-21T12:00:00+00:00"


COMMANDS = [
    (
        {"type": "bid", "energy": 0.5, "price": 9.5, "replace_existing": True, "time_slot": None},
        OrderCommand("bid", 500, 190_000, None, True),
    ),
    ({"type": "bid", "energy": 0.5, "price": 9.5}, OrderCommand("bid", 500, 190_000, None, True)),
    (
        {
            "type": "offer",
            "energy": 1,
            "price": 8,
            "replace_existing": False,
            "time_slot": "2016-07-21T12:00",
        },
        OrderCommand("ask", 1000, 80_000, NOON, False),
    ),
    (
        {
            "type": "offer",
            "energy": 1,
            "price": 8,
            "attributes": {"energy_type": "PV"},
            "requirements": [
                {"trading_partners": ["uuid"], "energy_type": "Storage", "energy": 0.2, "price": 12},
                {"energy_type": ["PV", "green"]},
            ],
        },
        OrderCommand(
            "ask",
            1000,
            80_000,
            None,
            True,
            Attributes("solar"),
            (Requirement(("uuid",), ("bess",), 200, 120_000), Requirement((), ("solar", "green"))),
        ),
    ),
    ({"type": "delete_bid", "bid_id": "b", "time_slot": None}, DeleteCommand("bid", "b", None)),
    ({"type": "delete_bid", "bid": "b"}, DeleteCommand("bid", "b", None)),
    ({"type": "delete_offer", "offer_id": None}, DeleteCommand("ask", None, None)),
    ({"type": "delete_offer", "offer": "o"}, DeleteCommand("ask", "o", None)),
    ({"type": "list_bids", "time_slot": "2016-07-21T12:00"}, ListCommand("bid", NOON)),
    ({"type": "list_offers"}, ListCommand("ask", None)),
    ({"type": "device_info"}, InfoCommand()),
    ({"type": "dso_market_stats", "data": {}}, StatisticsCommand()),
    ({"type": "grid_fees", "data": {"fee_const": 5}}, FeeCommand(50_000, None)),
    ({"type": "grid_fees", "data": {"fee_percent": 7.5}}, FeeCommand(None, 75_000)),
    (
        {"type": "set_energy_forecast", "energy_forecast": {"2016-07-21T12:00": 1.5}},
        EnergyCommand(False, {NOON: 1500}, {"2016-07-21T12:00": 1.5}),
    ),
    (
        {"type": "set_energy_measurement", "energy_measurement": {"2016-07-21T12:00": 0}},
        EnergyCommand(True, {NOON: 0}, {"2016-07-21T12:00": 0}),
    ),
]


@pytest.mark.parametrize(
    ("data", "command"), COMMANDS, ids=lambda value: json.dumps(value) if isinstance(value, dict) else ""
)
def test_commands(data: object, command: object) -> None:
    assert command_of(data, 900) == command


def test_every_command_is_in_the_table() -> None:
    assert {data["type"] for data, _ in COMMANDS} == set(ANSWERS)


@pytest.mark.parametrize(
    ("data", "code", "said"),
    [
        (None, "malformed", "object"),
        ([], "malformed", "object"),
        ({}, "malformed", "unknown command"),
        ({"type": "update_bid"}, "malformed", "delete_bid"),
        ({"type": ["bid"]}, "malformed", "unknown command"),
        ({"type": "bid"}, "bad_quantity", "energy"),
        ({"type": "bid", "energy": 0.0001, "price": 1}, "bad_quantity", "0.001 kWh"),
        ({"type": "bid", "energy": 1, "price": -1}, "bad_price", "at least 0"),
        ({"type": "bid", "energy": 1, "price": 1, "replace_existing": "no"}, "malformed", "replace_existing"),
        ({"type": "bid", "energy": 1, "price": 1, "time_slot": "later"}, "bad_slot", "2026-11-21T12:15"),
        ({"type": "bid", "energy": 1, "price": 1, "attributes": ["PV"]}, "malformed", "energy_type"),
        ({"type": "bid", "energy": 1, "price": 1, "attributes": {"energy_type": 1}}, "malformed", "text"),
        ({"type": "bid", "energy": 1, "price": 1, "requirements": "PV"}, "malformed", "list of objects"),
        ({"type": "bid", "energy": 1, "price": 1, "requirements": [{"colour": 1}]}, "malformed", "colour"),
        (
            {"type": "bid", "energy": 1, "price": 1, "requirements": [{"energy": -1}]},
            "bad_quantity",
            "energy",
        ),
        ({"type": "bid", "energy": 1, "price": 1, "requirements": [{"price": -1}]}, "bad_price", "price"),
        (
            {"type": "bid", "energy": 1, "price": 1, "requirements": [{"energy_type": 1}]},
            "malformed",
            "texts",
        ),
        ({"type": "delete_bid", "bid_id": 7}, "malformed", "bid_id"),
        ({"type": "grid_fees", "data": None}, "malformed", "fee_const"),
        ({"type": "grid_fees", "data": {"fee_const": 1, "fee_percent": 1}}, "malformed", "either"),
        ({"type": "grid_fees", "data": {"fee_const": -1}}, "bad_price", "fee_const"),
        ({"type": "set_energy_forecast"}, "malformed", "time slots"),
        ({"type": "set_energy_forecast", "energy_forecast": {}}, "malformed", "time slots"),
        ({"type": "set_energy_forecast", "energy_forecast": {"2016-07-21T12:00": -1}}, "bad_quantity", "kWh"),
        ({"type": "set_energy_measurement", "energy_measurement": {"now": 1}}, "bad_slot", "now"),
    ],
)
def test_commands_that_are_none(data: object, code: str, said: str) -> None:
    with pytest.raises(ProtocolError, match=said) as refused:
        command_of(data, 900)
    assert refused.value.code == code


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=10,
)


@given(st.sampled_from(sorted(ANSWERS)), JSON, JSON, JSON, JSON)
def test_anything_is_read_or_refused(
    kind: str, energy: object, price: object, slot: object, others: object
) -> None:
    data = {
        "type": kind,
        "energy": energy,
        "price": price,
        "time_slot": slot,
        "bid_id": others,
        "requirements": others,
        "attributes": others,
        "data": others,
        "energy_forecast": others,
        "energy_measurement": others,
    }
    with suppress(ProtocolError):
        command_of(data, 900)
