"""Messages as XML, beside the library's own reader and writer."""

from __future__ import annotations

import dataclasses
import sys
import types
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shapeshifter_uftp import transport
from xsdata.models.datatype import XmlDate

from tests.uftp.helpers import AGR1, DAY, DSO, POINT, ZONE, header, offer, prognosis
from tests.uftp.test_cro import connections, points
from tests.uftp.test_rejections_agr import request
from trex_market.core.errors import ProtocolError
from trex_market.programmes.flexibility import messages as m
from trex_market.programmes.flexibility.reasons import Reason, Rejection
from trex_market.uftp.answers import answer_of, verdict_of
from trex_market.uftp.from_wire import from_wire, meter_number
from trex_market.uftp.library import NAMES, uftp
from trex_market.uftp.reading import FrozenContext, read_message, write_xml
from trex_market.uftp.responses import ACCEPTED, rejected, response_to
from trex_market.uftp.to_wire import to_wire

HEADER = {
    "message_id": str(uuid4()),
    "conversation_id": str(uuid4()),
    "sender": DSO,
    "recipient": AGR1,
    "time": 1_772_366_400,
}
DAY_OF = {"period": DAY, "time_zone": ZONE, "isp_duration_s": 900, "congestion_point": POINT}
UUID = st.uuids().map(str)
POWER = st.integers(-(10**9), 10**9)
MONEY = st.integers(-(10**9), 10**9).map(lambda units: units * 100_000)
TIME = st.integers(0, 4_000_000_000)
NAME = (
    st.text("abcXYZ 09-_.", min_size=1, max_size=20).map(str.strip).filter(bool).filter(lambda t: t != "none")
)
ISPS = st.lists(
    st.builds(m.IspPower, st.integers(1, 100), POWER, st.integers(1, 9)), min_size=1, max_size=9
).map(tuple)
REQUESTED = st.lists(
    st.builds(m.RequestIsp, st.integers(1, 100), st.booleans(), POWER, POWER, st.integers(1, 9)),
    min_size=1,
    max_size=9,
).map(tuple)
OPTIONS = st.lists(
    st.builds(m.OfferOption, NAME, MONEY, ISPS, st.integers(1, 100)), min_size=1, max_size=3
).map(tuple)
SETTLED = st.lists(
    st.builds(m.SettlementIsp, st.integers(1, 100), POWER, POWER, POWER, POWER, POWER), min_size=1, max_size=4
).map(tuple)
MAYBE = st.none() | NAME


def _just(fields: dict[str, Any]) -> dict[str, st.SearchStrategy[Any]]:
    return {name: st.just(value) for name, value in fields.items()}


KNOWN: st.SearchStrategy[Any] = st.one_of(
    st.builds(m.DPrognosis, revision=st.integers(0, 10**9), isps=ISPS, **_just(HEADER | DAY_OF)),
    st.builds(
        m.FlexRequest,
        revision=st.integers(0, 10**9),
        expires=TIME,
        isps=REQUESTED,
        contract_id=MAYBE,
        service_type=MAYBE,
        **_just(HEADER | DAY_OF),
    ),
    st.builds(
        m.FlexOffer,
        expires=TIME,
        options=OPTIONS,
        request_id=st.none() | UUID,
        prognosis_id=st.none() | UUID,
        baseline_reference=MAYBE,
        contract_id=MAYBE,
        currency=st.sampled_from(["USD", "EUR"]),
        **_just(HEADER | DAY_OF),
    ),
    st.builds(m.FlexOfferRevocation, offer_id=UUID, **_just(HEADER)),
    st.builds(
        m.FlexOrder,
        option_reference=MAYBE,
        activation=st.integers(1, 100),
        price=MONEY,
        order_reference=NAME,
        isps=ISPS,
        offer_id=st.none() | UUID,
        prognosis_id=st.none() | UUID,
        baseline_reference=MAYBE,
        contract_id=MAYBE,
        currency=st.just("USD"),
        **_just(HEADER | DAY_OF),
    ),
    st.builds(m.FlexReservationUpdate, contract_id=NAME, reference=NAME, isps=ISPS, **_just(HEADER | DAY_OF)),
    st.builds(
        m.Metering,
        connection=st.just(POINT),
        revision=st.integers(0, 10**9),
        profiles=st.lists(
            st.builds(
                m.MeterProfile,
                st.sampled_from(
                    ["power", "import_energy", "export_energy", "import_reading", "export_reading"]
                ),
                st.lists(POWER, min_size=1, max_size=5).map(tuple),
                st.integers(1, 90),
            ),
            min_size=1,
            max_size=3,
        ).map(tuple),
        **_just(HEADER | {name: value for name, value in DAY_OF.items() if name != "congestion_point"}),
    ),
    st.builds(
        m.FlexSettlement,
        period_start=st.just(DAY),
        period_end=st.just(DAY),
        time_zone=st.just(ZONE),
        orders=st.lists(
            st.builds(
                m.OrderSettlement,
                NAME,
                st.just(DAY),
                st.just(POINT),
                MONEY,
                MONEY,
                MONEY,
                SETTLED,
                MAYBE,
                st.none() | UUID,
                MAYBE,
            ),
            max_size=2,
        ).map(tuple),
        contracts=st.lists(
            st.builds(
                m.ContractSettlement,
                NAME,
                st.just(DAY),
                st.lists(
                    st.builds(m.ContractIsp, st.integers(1, 100), POWER, POWER, POWER, POWER),
                    min_size=1,
                    max_size=3,
                ).map(tuple),
            ),
            max_size=2,
        ).map(tuple),
        **_just(HEADER),
    ),
)


@settings(max_examples=200, deadline=None)
@given(KNOWN)
def test_what_the_machines_say_comes_back_from_the_wire(message: m.Sent) -> None:
    document = write_xml(to_wire(message))
    assert transport.from_xml(document) == read_message(document)
    assert from_wire(read_message(document), {meter_number(POINT): POINT}, ZONE) == message


def messages() -> list[Any]:
    """Return messages of all kinds that are answered."""
    order = m.FlexOrder(
        option_reference="1",
        activation=50,
        price=100_000,
        order_reference="1",
        isps=(m.IspPower(1, -5),),
        offer_id=str(uuid4()),
        **HEADER,
        **DAY_OF,
    )
    settlement = m.FlexSettlement(
        period_start=DAY, period_end=DAY, time_zone=ZONE, orders=(), contracts=(), **HEADER
    )
    release = m.FlexReservationUpdate(
        contract_id="c", reference="r", isps=(m.IspPower(1, 0),), **HEADER, **DAY_OF
    )
    metering = m.Metering(
        period=DAY,
        time_zone=ZONE,
        isp_duration_s=900,
        connection=POINT,
        revision=1,
        profiles=(m.MeterProfile("power", (1,)),),
        **HEADER,
    )
    query = {"time_zone": ZONE, "period": XmlDate(2026, 3, 2)}
    return [
        prognosis({1: -7}),
        request(),
        offer({1: -5}, "0.1", None, None),
        uftp.FlexOfferRevocation(flex_offer_message_id=str(uuid4())),
        *map(to_wire, (order, settlement, release, metering)),
        points(),
        connections(("ean.123456789012",)),
        uftp.AgrPortfolioQuery(**query),
        uftp.DsoPortfolioQuery(**query, entity_address=POINT),
        uftp.TestMessage(),
    ]


@pytest.mark.parametrize("message", messages(), ids=lambda message: type(message).__name__)
def test_the_library_reads_what_we_write_and_we_read_what_it_writes(message: Any) -> None:
    assert {type(one) for one in messages()} == set(uftp.request_response_map)
    sent = dataclasses.replace(message, **{**header(), "time_stamp": "2026-03-01T12:00:00.5+01:00"})
    whole = [sent]
    for verdict in (rejected("Unauthorized", "Lacking ISPs"), ACCEPTED):
        if verdict.accepted and isinstance(message, uftp.AgrPortfolioQuery):
            continue  # accepted ones have content of their own
        response = response_to(sent, verdict)
        whole.append(dataclasses.replace(response, sender_domain=DSO, **_ids()))
    for one in whole:
        assert transport.from_xml(write_xml(one)) == one
        assert read_message(write_xml(one)) == one
        assert read_message(transport.to_xml(one).encode()) == one
        assert NAMES[type(one)].encode() in write_xml(one)


def _ids() -> dict[str, Any]:
    return {"message_id": str(uuid4()), "time_stamp": "2026-03-01T12:00:00Z"}


def test_nothing_is_written_that_would_not_be_read() -> None:
    good = dataclasses.replace(prognosis({}), **header())
    for changes in (
        {"sender_domain": "localhost"},
        {"sender_domain": None},
        {"congestion_point": "x" * 600},
        {"congestion_point": "ea1.2026-01.demo:\x07"},
        {"time_zone": "UTC"},
    ):
        with pytest.raises(ProtocolError):
            write_xml(dataclasses.replace(good, **changes))


def test_decimals_are_neither_rounded_nor_infinite() -> None:
    document = write_xml(dataclasses.replace(offer({1: -5}, "0.1", None, None), **header()))
    for price in ("0.12345", "NaN", "Infinity", "1e5", "1_0.0"):
        with pytest.raises(ProtocolError):
            read_message(document.replace(b'Price="0.1000"', f'Price="{price}"'.encode()))
    for factor in ("0.00", "1.01", "0.505"):
        old = b'MinActivationFactor="0.50"'
        with pytest.raises(ProtocolError):
            read_message(document.replace(old, f'MinActivationFactor="{factor}"'.encode()))
    assert read_message(document).offer_options[0].price == Decimal("0.1")


def test_a_class_of_ours_with_a_name_of_the_librarys_is_no_matter() -> None:
    module = types.ModuleType("somebody_elses_module")
    sys.modules[module.__name__] = module
    try:
        made = dataclasses.make_dataclass("FlexOffer", ["anything"])
        made.__module__ = module.__name__
        message = dataclasses.replace(offer({1: -5}, "0.1", None, None), **header())
        assert read_message(write_xml(message)) == message
        assert transport.from_xml(write_xml(message)) == message
    finally:
        del sys.modules[module.__name__]


def test_many_first_messages_at_once() -> None:
    message = dataclasses.replace(offer({1: -5}, "0.1", None, None), **header())
    document = write_xml(message)
    for _ in range(20):
        context = FrozenContext(models_package="shapeshifter_uftp")
        context.build_xsi_cache()
        transport.parser.context = context
        with ThreadPoolExecutor(8) as threads:
            found = list(
                threads.map(lambda _: (transport.from_xml(document), read_message(document)), range(16))
            )
        assert all(one == message and other == message for one, other in found)


def test_answers_come_back_from_the_wire() -> None:
    sent = dataclasses.replace(prognosis({}), **header())
    unknown = Rejection(Reason.UNKNOWN_REFERENCE, "there is none", "FlexRequestMessageID")
    for answer in (
        m.Answer(sent.message_id),
        m.Answer(sent.message_id, order_statuses=(m.OrderStatus(str(uuid4()), is_validated=True),)),
        m.Answer(sent.message_id, (Rejection(Reason.LACKING_ISPS, "one"), unknown)),
    ):
        response = response_to(sent, verdict_of(answer))
        found = answer_of(response)
        assert found.message_id == answer.message_id
        assert found.order_statuses == answer.order_statuses
        assert [(one.reason, one.reference) for one in found.rejections] == [
            (one.reason, one.reference) for one in answer.rejections
        ]
