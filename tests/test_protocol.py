"""Scenario lines become commands, or are refused with a code; nothing else can come of them."""

from __future__ import annotations

import math
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trex_market.core.errors import ProtocolError, RefusalCode
from trex_market.core.messages import (
    Attributes,
    CancelOrder,
    ClearOpenSlots,
    Command,
    Contract,
    EndRound,
    Join,
    MeterReading,
    ReadRegisters,
    RegisterReading,
    ReplaceOrder,
    ReportMeter,
    Requirement,
    SetGridFee,
    StartRound,
    SubmitOrder,
    Transaction,
)
from trex_market.participant import NewOrder
from trex_market.protocol import command_record, contract_record, parse_command, transaction_record
from trex_market.protocol.answers import contract_message, contract_of, sided_order

T = 1_472_976_000
SLOT = [T + 1800, T + 2700]

BID: dict[str, Any] = {
    "command": "submit_bid",
    "participant_id": "a",
    "uuid": "u1",
    "quantity": 500,
    "price": 0.1234,
    "source": "solar",
    "time_delivery": SLOT,
    "time": T,
}
METER: dict[str, Any] = {
    "command": "report_meter",
    "participant_id": "a",
    "time": T,
    "meter": {
        "time_interval": [T, T + 900],
        "generation": {"solar": 5, "SOLAR": 2},
        "consumption": {"other": {"external": 7, "Solar": 1}},
    },
}
REGISTERS: dict[str, Any] = {
    "command": "read_registers",
    "participant_id": "a",
    "time": T + 5,
    "read_at": T,
    "registers": [{"name": "in", "value": 7, "measures": "Consumption", "max_power_w": 9, "modulus_wh": 10}],
    "expected": ["in", "out"],
}


def refusal(record: dict[str, Any]) -> RefusalCode:
    with pytest.raises(ProtocolError) as caught:
        parse_command(record)
    assert caught.value.detail == str(caught.value) != ""
    return caught.value.code


@pytest.mark.parametrize(
    ("record", "command"),
    [
        ({"command": "join", "participant_id": "a", "time": T}, Join("a", T)),
        ({"command": "start_round", "time": T, "duration": 900}, StartRound(T, 900)),
        ({"command": "end_round", "time": T}, EndRound(T)),
        (BID, SubmitOrder("u1", "a", "bid", 500, 123_400, "solar", T + 1800, T + 2700, T)),
        (
            {**BID, "command": "submit_ask", "source": "Bess", "unknown_key": 1},
            SubmitOrder("u1", "a", "ask", 500, 123_400, "Bess", T + 1800, T + 2700, T),
        ),
        (
            {key: value for key, value in BID.items() if key != "source"},
            SubmitOrder("u1", "a", "bid", 500, 123_400, None, T + 1800, T + 2700, T),
        ),
        (
            {"command": "cancel_order", "participant_id": "a", "uuid": "u1", "time": T},
            CancelOrder("u1", "a", T),
        ),
        (
            {
                "command": "replace_order",
                "participant_id": "a",
                "uuid": "u1",
                "quantity": 3,
                "price": 1,
                "time": T,
            },
            ReplaceOrder("u1", "a", 3, 1_000_000, T),
        ),
        (
            METER,
            ReportMeter(
                "a", MeterReading(T, T + 900, {"solar": 7}, {"other": {"external": 7, "solar": 1}}), T
            ),
        ),
        (
            REGISTERS,
            ReadRegisters("a", (RegisterReading("in", 7, "consumption", 9, 10),), T, T + 5, ("in", "out")),
        ),
    ],
)
def test_a_line_becomes_a_command(record: dict[str, Any], command: object) -> None:
    assert parse_command(record) == command


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"quantity": 5.0}, RefusalCode.BAD_QUANTITY),
        ({"quantity": True}, RefusalCode.BAD_QUANTITY),
        ({"quantity": "5"}, RefusalCode.BAD_QUANTITY),
        ({"quantity": None}, RefusalCode.BAD_QUANTITY),
        ({"price": "0.1"}, RefusalCode.BAD_PRICE),
        ({"price": True}, RefusalCode.BAD_PRICE),
        ({"price": math.nan}, RefusalCode.BAD_PRICE),
        ({"price": math.inf}, RefusalCode.BAD_PRICE),
        ({"price": 10**400}, RefusalCode.BAD_PRICE),
        ({"source": 5}, RefusalCode.UNKNOWN_SOURCE),
        ({"time_delivery": T}, RefusalCode.BAD_SLOT),
        ({"time_delivery": [T]}, RefusalCode.BAD_SLOT),
        ({"time_delivery": [T, T + 900.0]}, RefusalCode.BAD_SLOT),
        ({"time_delivery": [10**30, 10**30 + 900]}, RefusalCode.BAD_SLOT),
        ({"time_delivery": None}, RefusalCode.BAD_SLOT),
        ({"uuid": ""}, RefusalCode.MALFORMED),
        ({"uuid": 7}, RefusalCode.MALFORMED),
        ({"participant_id": ""}, RefusalCode.MALFORMED),
        ({"participant_id": None}, RefusalCode.MALFORMED),
        ({"time": "now"}, RefusalCode.MALFORMED),
        ({"time": 10**30}, RefusalCode.MALFORMED),
        ({"command": "submit"}, RefusalCode.MALFORMED),
        ({"command": None}, RefusalCode.MALFORMED),
    ],
)
def test_an_order_that_cannot_be_is_refused_with_its_code(change: dict[str, Any], code: RefusalCode) -> None:
    assert refusal({**BID, **change}) == code


@pytest.mark.parametrize("key", ["quantity", "price", "time_delivery", "uuid", "participant_id", "time"])
def test_nothing_of_an_order_but_its_source_may_be_missing(key: str) -> None:
    refusal({name: value for name, value in BID.items() if name != key})


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"generation": {"solar": 1.5}}, RefusalCode.BAD_QUANTITY),
        ({"generation": []}, RefusalCode.BAD_QUANTITY),
        ({"consumption": {"other": 5}}, RefusalCode.BAD_QUANTITY),
        ({"time_interval": "now"}, RefusalCode.BAD_SLOT),
    ],
)
def test_a_reading_that_cannot_be_is_refused_with_its_code(change: dict[str, Any], code: RefusalCode) -> None:
    assert refusal({**METER, "meter": {**METER["meter"], **change}}) == code


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"value": 1.5}, RefusalCode.BAD_QUANTITY),
        ({"value": None}, RefusalCode.BAD_QUANTITY),
        ({"name": ""}, RefusalCode.BAD_QUANTITY),
        ({"max_power_w": None}, RefusalCode.BAD_QUANTITY),
        ({"modulus_wh": "0"}, RefusalCode.BAD_QUANTITY),
    ],
)
def test_registers_that_cannot_be_are_refused_with_their_code(
    change: dict[str, Any], code: RefusalCode
) -> None:
    (register,) = REGISTERS["registers"]
    assert refusal({**REGISTERS, "registers": [{**register, **change}]}) == code
    assert refusal({**REGISTERS, "registers": [register] * 65}) == code
    assert refusal({**REGISTERS, "read_at": 10**30}) == RefusalCode.MALFORMED


def test_registers_are_written_as_they_are_read() -> None:
    command = parse_command(REGISTERS)
    assert parse_command(command_record(command)) == command


DEMANDING = {
    **BID,
    "attributes": {"energy_type": "Green"},
    "requirements": [
        {"trading_partners": ["b", "c"], "energy": 200, "price": 0.2},
        {"energy_type": ["solar"]},
        {},
    ],
}


@pytest.mark.parametrize(
    ("record", "command"),
    [
        (
            DEMANDING,
            SubmitOrder(
                "u1",
                "a",
                "bid",
                500,
                123_400,
                "solar",
                T + 1800,
                T + 2700,
                T,
                Attributes("Green"),
                (Requirement(("b", "c"), (), 200, 200_000), Requirement((), ("solar",)), Requirement()),
            ),
        ),
        (
            {**BID, "attributes": {}},
            SubmitOrder("u1", "a", "bid", 500, 123_400, "solar", T + 1800, T + 2700, T),
        ),
        ({"command": "join", "participant_id": "a", "time": T, "area": "x"}, Join("a", T, "x")),
        ({"command": "clear_open_slots", "time": T}, ClearOpenSlots(T)),
        ({"command": "clear_open_slots", "time": T, "slot_start": T + 900}, ClearOpenSlots(T, T + 900)),
        (
            {"command": "set_grid_fee", "time": T, "area": "x", "fee": 0.002, "fee_percent": 0.1},
            SetGridFee("x", T, 2_000, 1_000),
        ),
        ({"command": "set_grid_fee", "time": T, "area": "x"}, SetGridFee("x", T)),
    ],
)
def test_lines_of_areas_requirements_and_early_clearings(record: dict[str, Any], command: Command) -> None:
    assert parse_command(record) == command
    assert parse_command(command_record(command)) == command


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"attributes": 5}, RefusalCode.BAD_REQUIREMENT),
        ({"requirements": "any"}, RefusalCode.BAD_REQUIREMENT),
        ({"requirements": [{"energy": 1.5}]}, RefusalCode.BAD_REQUIREMENT),
        ({"requirements": [{"trading_partners": "b"}]}, RefusalCode.BAD_REQUIREMENT),
        ({"requirements": [{}, {"price": math.inf}]}, RefusalCode.BAD_REQUIREMENT),
    ],
)
def test_requirements_that_cannot_be_are_refused_with_their_code(
    change: dict[str, Any], code: RefusalCode
) -> None:
    assert refusal({**BID, **change}) == code


def test_a_fee_that_is_no_number_is_refused() -> None:
    line = {"command": "set_grid_fee", "time": T, "area": "x"}
    assert refusal({**line, "fee": math.nan}) == RefusalCode.BAD_PRICE
    assert refusal({**line, "fee_percent": math.inf}) == RefusalCode.BAD_PRICE


def test_a_contract_without_fees_does_not_speak_of_them() -> None:
    contract = Contract("c1", T, T + 900, "s", "b", "solar", 5, 100_000, 100_000, "bid", "ask", T)
    assert not {"fee_ask", "fee_bid"} & set(contract_record(contract))
    charged = msgspec.structs.replace(contract, fee_ask=1, fee_bid=2_000)
    record = contract_record(charged)
    assert (record["fee_ask"], record["fee_bid"]) == (0.000001, 0.002)
    for one in (contract, charged):
        assert contract_of(contract_message(one)) == one


def test_an_order_is_sent_with_all_that_it_requires() -> None:
    requirements = (Requirement(("b",), ("wind",), 5, 100_000), Requirement())
    order = NewOrder("bid", 5, 100, T + 900, None, Attributes("green"), requirements)
    sent = msgspec.json.decode(msgspec.json.encode(sided_order(order, 900)))
    record = {**sent, "command": "submit_bid", "participant_id": "a", "uuid": "u", "time": T}
    command = parse_command(record)
    assert isinstance(command, SubmitOrder)
    assert (command.attributes, command.requirements) == (order.attributes, requirements)
    plain = msgspec.json.decode(msgspec.json.encode(sided_order(NewOrder("bid", 5, 100, T + 900), 900)))
    assert set(plain) == {"side", "quantity", "price", "time_delivery"}


def test_a_price_below_zero_stays_below_zero() -> None:
    command = parse_command({**BID, "price": -1e-9})
    assert isinstance(command, SubmitOrder)
    assert command.price == -1


@pytest.mark.parametrize(
    ("dollars", "micro"), [(0.1234565, 123_456), (0.1234575, 123_458), (0, 0), (1e-7, 0)]
)
def test_a_price_is_rounded_half_to_even(dollars: float, micro: int) -> None:
    command = parse_command({**BID, "price": dollars})
    assert isinstance(command, SubmitOrder)
    assert command.price == micro


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
NAMES = st.sampled_from(
    [
        "join",
        "start_round",
        "end_round",
        "submit_bid",
        "submit_ask",
        "cancel_order",
        "replace_order",
        "report_meter",
        "read_registers",
        "clear_open_slots",
        "set_grid_fee",
        "open_market",
    ]
)
LIKELY = {
    "participant_id": st.just("a"),
    "uuid": st.just("u"),
    "time": st.just(T),
    "duration": st.just(900),
    "quantity": st.integers(),
    "price": st.floats(),
    "source": st.just("solar"),
    "time_delivery": st.just(SLOT),
    "attributes": st.fixed_dictionaries({"energy_type": st.text(max_size=3) | JSON}),
    "requirements": st.lists(
        st.fixed_dictionaries(
            {},
            optional={
                "trading_partners": st.lists(st.text(max_size=3) | JSON, max_size=2),
                "energy_type": st.lists(st.text(max_size=3), max_size=2),
                "energy": st.integers() | JSON,
                "price": st.floats() | JSON,
            },
        ),
        max_size=2,
    ),
    "slot_start": st.integers(),
    "area": st.text(max_size=3),
    "fee": st.floats(),
    "fee_percent": st.floats(),
    "read_at": st.just(T),
    "registers": st.lists(
        st.fixed_dictionaries({"name": st.just("in") | JSON, "value": st.integers() | JSON}), max_size=2
    ),
    "meter": st.fixed_dictionaries(
        {
            "time_interval": st.just([T, T + 900]) | JSON,
            "generation": st.dictionaries(st.text(max_size=3), st.integers() | JSON, max_size=2) | JSON,
            "consumption": st.dictionaries(st.text(max_size=3), JSON, max_size=2) | JSON,
        }
    ),
}
LINES = st.fixed_dictionaries(
    {"command": NAMES | JSON}, optional={key: likely | JSON for key, likely in LIKELY.items()}
)


@settings(max_examples=400, deadline=None, derandomize=True)
@given(LINES | st.dictionaries(st.text(max_size=8), JSON, max_size=4))
def test_any_record_is_a_command_or_a_protocol_error(record: dict[str, Any]) -> None:
    found: object
    try:
        found = parse_command(record)
    except ProtocolError as error:
        found = error.code
        told = error.detail
    else:
        told = type(found).__name__
    assert told
    assert isinstance(found, RefusalCode) or type(found).__module__.startswith("trex_market.core.messages")


def test_records_show_prices_in_dollars_and_slots_as_intervals() -> None:
    contract = Contract("c1", T, T + 900, "s", "b", "solar", 5, 100_000, 123_456, "bid", "ask", T - 900)
    transaction = Transaction("t1", "supply", None, 5, "grid", "b", "grid", 1, 200_000, T, T + 900, T + 900)
    assert contract_record(contract) == {
        "id": "c1",
        "time_delivery": [T, T + 900],
        "seller_id": "s",
        "buyer_id": "b",
        "energy_source": "solar",
        "quantity": 5,
        "settlement_price_sell": 0.1,
        "settlement_price_buy": 0.123456,
        "bid_id": "bid",
        "ask_id": "ask",
        "time_purchase": T - 900,
    }
    record = transaction_record(transaction)
    assert (record["settlement_price_sell"], record["settlement_price_buy"]) == (0.000001, 0.2)
    assert (record["contract_id"], record["amount"], record["estimated"]) == (None, None, False)
