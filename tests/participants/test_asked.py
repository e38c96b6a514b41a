from __future__ import annotations

from typing import Any

import msgspec

from participants.asked import AskedEnergy
from trex_market.protocol.dr_wire import DrDevice, DrNews

STEP = 900
START = 1_468_800_000


def device(device_id: str, committed_kw: float, **changes: Any) -> DrDevice:
    one = DrDevice(
        device_id=device_id,
        participant_id="ann",
        expected_kw=1.0,
        asked_kw=0.5,
        accepts=True,
        committed_kw=committed_kw,
        answered_at=START,
        automatic=True,
        left_at=None,
        status="scheduled",
    )
    return msgspec.structs.replace(one, **changes)


def news(*devices: DrDevice, **changes: Any) -> DrNews:
    one = DrNews(
        event=7,
        event_id="e",
        status="scheduled",
        start=START + 300,
        end=START + 300 + 2 * STEP,
        load_kwh=None,
        load_percent=20.0,
        price=0.2,
        penalty=0.0,
        invited_at=START - 7200,
        answer_by=START - 600,
        devices=list(devices),
    )
    return msgspec.structs.replace(one, **changes)


def test_each_slot_s_part_of_what_was_committed_is_asked_for() -> None:
    asked = AskedEnergy()
    asked.hear(
        news(device("heater", 0.6), device("oven", 0.0, accepts=False), device("car", 0.0, accepts=None))
    )
    whole = {START: -100, START + STEP: -150, START + 2 * STEP: -50}
    assert asked.at(START, STEP) == whole
    assert asked.at(START + STEP, STEP) == {START + STEP: -150, START + 2 * STEP: -50}
    asked.hear(news(device("pump", 0.2), event_id="other", start=START, end=START + STEP))
    assert asked.at(START, STEP) == whole | {START: -150}


def test_the_newest_news_of_an_event_counts() -> None:
    asked = AskedEnergy()
    asked.hear(news(device("heater", 0.6)))
    asked.hear(news(device("heater", 0.6), status="active"))
    assert asked.at(START + 2 * STEP, STEP) == {START + 2 * STEP: -50}
    asked.hear(news(device("heater", 0.6, left_at=START + 600), status="active"))
    assert asked.at(START, STEP) == {}
    asked.hear(news(device("heater", 0.6), status="active"))
    asked.hear(news(device("heater", 0.6), status="cancelled"))
    assert asked.at(START, STEP) == {}
    asked.hear(news(device("heater", 0.6), status="pending"))
    assert asked.at(START, STEP) == {}
