"""A home: what its assets need and have, and what its meter says."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from participants.devices.battery import Battery
from tests.helpers import START, STEP, Series
from trex_market.core.messages import BATTERY, EXTERNAL, OTHER, Contract
from trex_market.gateway import homes
from trex_market.gateway.homes import HomeAccount, asset_of, marked

SLOT = START + 2 * STEP


def contract(
    quantity: int,
    *,
    buyer: str = "other",
    seller: str = "other",
    bid: str = "b",
    ask: str = "a",
    source: str = "solar",
    slot: int = SLOT,
) -> Contract:
    return Contract("c", slot, slot + STEP, seller, buyer, source, quantity, 100_000, 120_000, bid, ask, slot)


def home(load: int = 500, solar: int = 300, battery: Battery | None = None) -> HomeAccount:
    kinds: list[Any] = ["Load", "PV"] + (["Storage"] if battery else [])
    made = HomeAccount("ann", kinds, battery)
    made.begin(Series([load] * 10, {"solar": [solar] * 10}))
    return made


def bought(quantity: int, asset: Any = "Load", slot: int = SLOT) -> Contract:
    return contract(quantity, buyer="ann", bid=marked("o", asset), slot=slot)


def sold(quantity: int, asset: Any = "PV", slot: int = SLOT) -> Contract:
    source = "solar" if asset == "PV" else BATTERY
    return contract(quantity, seller="ann", ask=marked("o", asset), source=source, slot=slot)


@pytest.mark.parametrize(
    ("order_id", "side", "source", "asset"),
    [
        ("x.load", "bid", "solar", "Load"),
        ("x.storage", "bid", "solar", "Storage"),
        ("x.pv", "ask", "solar", "PV"),
        ("x.storage", "ask", "bess", "Storage"),
        ("x", "bid", "solar", "Load"),
        ("x", "ask", "bess", "Storage"),
        ("x", "ask", "wind", "PV"),
    ],
)
def test_whose_order_it_was(order_id: str, side: Any, source: str, asset: str) -> None:
    assert asset_of(order_id, side, source) == asset


def test_what_is_traded_is_not_needed_any_more() -> None:
    ann = home()
    assert ann.available("Load", "bid", SLOT, []) == 500
    assert ann.available("Load", "bid", SLOT, [bought(200), bought(50, slot=SLOT + STEP)]) == 300
    assert ann.available("PV", "ask", SLOT, [sold(120)]) == 180
    assert ann.available("PV", "ask", SLOT, [sold(400)]) == 0


def test_forecasts_go_before_the_profile_and_measurements_before_them() -> None:
    ann = home()
    ann.foresee("Load", {SLOT: 700}, measured=False)
    assert ann.load(SLOT) == 700
    ann.foresee("Load", {SLOT: 650}, measured=True)
    ann.foresee("Load", {SLOT: 900}, measured=False)
    assert ann.load(SLOT) == 650
    ann.foresee("PV", {SLOT: 0}, measured=True)
    assert ann.generation(SLOT) == {"solar": 0}
    assert ann.load(SLOT + STEP) == 500


def test_forecasts_are_forgotten_from_the_oldest_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(homes, "SLOTS_KEPT", 2)
    ann = home()
    ann.foresee("Load", {SLOT + 2 * STEP: 3, SLOT: 1, SLOT + STEP: 2}, measured=False)
    assert [ann.load(SLOT + place * STEP) for place in range(3)] == [500, 2, 3]


def test_without_any_word_of_it_there_is_no_reading() -> None:
    ann = HomeAccount("ann", ["Load", "PV"])
    assert ann.reading(SLOT, STEP, []) is None
    ann.foresee("Load", {SLOT: 10}, measured=True)
    assert ann.reading(SLOT, STEP, []) is None
    ann.foresee("PV", {SLOT: 4}, measured=True)
    assert ann.reading(SLOT, STEP, []) is not None


@pytest.mark.parametrize(
    ("contracts", "external", "own", "exported"),
    [
        ([], 200, 300, 0),  # the PV serves the load
        ([bought(500)], 500, 0, 300),  # all was bought: the PV feeds in
        ([bought(350)], 350, 150, 150),
        ([sold(300)], 500, 0, 300),  # all was sold
        ([sold(100)], 300, 200, 100),
        ([bought(500), sold(300)], 500, 0, 300),
        ([sold(400)], 500, 0, 300),  # more than there is
        ([bought(800)], 500, 0, 300),  # more than is needed
    ],
)
def test_the_meter(contracts: list[Contract], external: int, own: int, exported: int) -> None:
    reading = home().reading(SLOT, STEP, contracts)
    assert reading is not None
    assert reading.consumption == {OTHER: {"solar": own, EXTERNAL: external}}
    assert reading.generation == {"solar": exported}


def test_a_battery_does_what_was_traded() -> None:
    ann = home(battery=Battery(8000, 4000, initial_charge=4000))
    ann.enter(START, STEP, [])
    limit = 4000 * STEP // 3600
    assert ann.available("Storage", "ask", SLOT, []) == limit
    assert ann.available("Storage", "bid", SLOT, []) == limit
    contracts = [sold(20, "Storage")]
    ann.enter(START + STEP, STEP, contracts)
    assert ann.available("Storage", "ask", SLOT, contracts) == limit - 20
    assert ann.available("Storage", "bid", SLOT, contracts) == limit + 20
    ann.enter(SLOT, STEP, contracts)
    reading = ann.reading(SLOT, STEP, contracts)
    assert reading is not None
    assert reading.generation[BATTERY] == 20
    ann.enter(SLOT + STEP, STEP, contracts)
    assert ann.battery is not None
    assert ann.battery.state_of_charge == 3980
    assert ann.reading(SLOT, STEP, contracts) == reading, "what it did is remembered"


@given(
    st.integers(0, 60),
    st.integers(0, 60),
    st.integers(0, 900),
    st.integers(0, 900),
    st.integers(0, 400),
    st.integers(0, 400),
)
def test_energy_is_neither_made_nor_lost(
    taken: int, given_: int, load: int, solar: int, bid: int, ask: int
) -> None:
    battery = Battery(200, 4000, initial_charge=100)
    ann = home(load, solar, battery)
    contracts = [
        one
        for one in (bought(taken, "Storage"), sold(given_, "Storage"), bought(bid), sold(ask))
        if one.quantity
    ]
    ann.enter(SLOT, STEP, contracts)
    reading = ann.reading(SLOT, STEP, contracts)
    assert reading is not None
    before = battery.state_of_charge
    ann.enter(SLOT + STEP, STEP, contracts)
    charged = battery.state_of_charge - before
    imported = reading.consumption[OTHER][EXTERNAL] + reading.consumption[BATTERY][EXTERNAL]
    exported = sum(reading.generation.values())
    assert imported + solar == load + exported + charged
    assert sum(reading.consumption[OTHER].values()) == load
    flows = [
        *reading.generation.values(),
        *reading.consumption[OTHER].values(),
        *reading.consumption[BATTERY].values(),
    ]
    assert min(flows) >= 0
    # As much as could be delivered of what was sold is there, and of what was bought is needed.
    assert reading.generation["solar"] >= min(ask, solar)
    assert reading.consumption[OTHER][EXTERNAL] >= min(bid, load)
