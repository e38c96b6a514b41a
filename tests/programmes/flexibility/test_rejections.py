"""Each reason for which a DSO and an aggregator reject a message; what is rejected changes nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from tests.programmes.flexibility.helpers import (
    AGR1,
    AGR2,
    BEFORE,
    DAY,
    DOLLAR,
    DSO,
    FEEDER,
    MIDNIGHT,
    Header,
    accepted,
    aggregator,
    day_of,
    feeder,
    grid_operator,
    offer,
    prognosis,
    reasons,
    take_orders,
)
from trex_market.programmes.flexibility.aggregator import Aggregator
from trex_market.programmes.flexibility.grid_operator import GridOperator
from trex_market.programmes.flexibility.messages import (
    Answer,
    FlexOfferRevocation,
    FlexOrder,
    FlexRequest,
    FlexReservationUpdate,
    IspPower,
    Metering,
    MeterProfile,
    RequestIsp,
)
from trex_market.programmes.flexibility.records import Reservation

LOADED = dict.fromkeys((70, 71), 120000)
RESERVED = (Reservation("peak", AGR1, FEEDER, {70: -5_000, 71: -5_000}),)
replaced = msgspec.structs.replace


class Table(msgspec.Struct):
    """A DSO with a request to its aggregators, and the first one's prognosis."""

    operator: GridOperator
    head: Header
    request: FlexRequest
    prognosis_id: str

    def offer(self, powers: dict[int, int] | None = None, **changes: Any) -> Any:
        plain = {
            "request_id": self.request.message_id,
            "prognosis_id": self.prognosis_id,
            "expires": self.request.expires,
        }
        return offer(self.head, powers or {70: -10_000}, **plain | changes)


@pytest.fixture
def table() -> Table:
    operator = grid_operator(reservations=RESERVED)
    head = Header(AGR1)
    first = prognosis(head, dict.fromkeys(LOADED, 60000))
    accepted(operator.receive(first, BEFORE))
    operator.forecast_others(FEEDER, DAY, day_of(LOADED))
    request = operator.requests(FEEDER, DAY, BEFORE)[0]
    assert request.recipient == AGR1
    return Table(operator, head, request, first.message_id)


def refused(machine: GridOperator | Aggregator, message: Any, time: int = BEFORE) -> list[str]:
    """Return why a message is rejected, having seen that nothing changed."""
    before = msgspec.json.encode(machine.state())
    answer = machine.receive(message, time)
    assert not answer.accepted
    assert all(rejection.detail for rejection in answer.rejections)
    assert msgspec.json.encode(machine.state()) == before
    return reasons(answer)


# ---------------------------------------------------------------- prognoses


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"isp_duration_s": 1800}, "ISP duration rejected"),
        ({"time_zone": "Europe/Amsterdam"}, "TimeZone rejected"),
        ({"time_zone": "Mars/Olympus"}, "TimeZone rejected"),
        ({"congestion_point": "ea1.2026-01.demo.dso:other"}, "Invalid CongestionPoint"),
        ({"sender": "agr9.demo"}, "Invalid CongestionPoint"),
        ({"period": "2026-13-01"}, "Invalid Message"),
        ({"period": "2026-01-01"}, "Period out of bounds"),
        ({"isps": ()}, "ISPs out of bounds"),
        ({"isps": (IspPower(0, 1, 96),)}, "ISPs out of bounds"),
        ({"isps": (IspPower(1, 1, 97),)}, "ISPs out of bounds"),
        ({"isps": (IspPower(1, 1, 10**12),)}, "ISPs out of bounds"),
        ({"isps": (IspPower(1, 1, 0),)}, "ISPs out of bounds"),
        ({"isps": (IspPower(1, 1, 96), IspPower(5, 1))}, "ISP conflict"),
        ({"isps": (IspPower(1, 1, 95),)}, "Lacking ISPs"),
        ({"isps": (IspPower(1, 200_001, 96),)}, "Power value rejection"),
        ({"isps": (IspPower(1, -200_001, 96),)}, "Power value rejection"),
        ({"revision": 1}, "Subordinate sequence number"),
        ({"revision": 0}, "Subordinate sequence number"),
        ({"message_id": f"{AGR1}-1", "revision": 2}, "Duplicate Identifier"),
    ],
)
def test_prognosis(table: Table, changes: dict[str, Any], reason: str) -> None:
    wrong = prognosis(table.head, **{"revision": 2} | changes)
    assert refused(table.operator, wrong) == [reason]


def test_a_zone_of_the_same_offset_is_as_good(table: Table) -> None:
    accepted(table.operator.receive(prognosis(table.head, revision=2, time_zone="Europe/London"), BEFORE))


# ---------------------------------------------------------------- offers


@pytest.mark.parametrize(
    ("powers", "changes", "reason"),
    [
        (None, {"request_id": "none"}, "Unknown FlexRequestMessageID reference"),
        (None, {"prognosis_id": "none"}, "Unknown D-PrognosisMessageID reference"),
        (None, {"prognosis_id": None}, "No baseline"),
        (None, {"prognosis_id": None, "baseline_reference": "x"}, "Unknown BaselineReference reference"),
        (None, {"contract_id": "none"}, "Unknown ContractID reference"),
        (None, {"currency": "EUR"}, "Invalid Message"),
        (None, {"price": -1}, "Invalid Message"),
        (None, {"min_activation": 0}, "Invalid Message"),
        (None, {"options": ()}, "Invalid Message"),
        (None, {"expires": BEFORE}, "ExpirationDateTime out of bounds"),
        (None, {"expires": MIDNIGHT + 70 * 900 + 1}, "ExpirationDateTime out of bounds"),
        ({97: -1}, {"expires": BEFORE + 1}, "ISPs out of bounds"),
        ({69: 1_000}, {}, "Request mismatch"),
        ({70: -80_001}, {}, "Power value rejection"),
        ({70: 1_000}, {}, "Power value rejection"),
        ({70: -10_000, 1: 100_001}, {}, "Power value rejection"),
        (None, {"period": "2026-01-16", "expires": BEFORE + 9}, "Reference Period mismatch"),
    ],
)
def test_offer(table: Table, powers: dict[int, int] | None, changes: dict[str, Any], reason: str) -> None:
    assert reason in refused(table.operator, table.offer(powers, **changes))


def test_an_offer_after_the_request_expired(table: Table) -> None:
    late = table.request.expires
    found = refused(table.operator, table.offer(expires=late + 900), late)
    assert found == ["Reference message expired"]


def test_an_offer_that_deviates_from_an_older_prognosis(table: Table) -> None:
    accepted(table.operator.receive(prognosis(table.head, revision=2), BEFORE))
    assert refused(table.operator, table.offer()) == ["Baseline mismatch"]


def test_somebody_elses_request(table: Table) -> None:
    other = Header(AGR2)
    first = prognosis(other)
    accepted(table.operator.receive(first, BEFORE))
    made = offer(other, {70: -1_000}, request_id=table.request.message_id, prognosis_id=first.message_id)
    assert refused(table.operator, made) == ["Unknown FlexRequestMessageID reference"]


def test_options_where_there_may_be_one() -> None:
    operator = grid_operator(feeder(mutex_offers=False))
    head = Header(AGR1)
    first = prognosis(head)
    accepted(operator.receive(first, BEFORE))
    one = offer(head, {70: -1}, prognosis_id=first.message_id)
    two = replaced(one, options=(*one.options, replaced(one.options[0], reference="2")))
    assert refused(operator, two) == ["No MutEx offer support"]
    same = grid_operator()
    accepted(same.receive(first, BEFORE))
    assert refused(same, replaced(one, options=one.options * 2)) == ["Invalid Message"]


def test_an_offer_that_nobody_asked_for_is_taken(table: Table) -> None:
    accepted(table.operator.receive(table.offer({3: -1_000}, request_id=None, expires=BEFORE + 9), BEFORE))


# ---------------------------------------------------------------- revocations


def revocation(head: Header, offer_id: str) -> FlexOfferRevocation:
    return FlexOfferRevocation(**head(), offer_id=offer_id)


def test_revocation(table: Table) -> None:
    operator, head = table.operator, table.head
    made = table.offer()
    accepted(operator.receive(made, BEFORE))
    unknown = "Unknown FlexOfferMessageID reference"
    assert refused(operator, revocation(head, "none")) == [unknown]
    assert refused(operator, revocation(Header(AGR2), made.message_id)) == [unknown]
    accepted(operator.receive(revocation(head, made.message_id), BEFORE))
    assert refused(operator, revocation(head, made.message_id)) == ["Reference message revoked"]
    assert operator.orders(FEEDER, DAY, BEFORE) == []


def test_what_was_ordered_cannot_be_revoked(table: Table) -> None:
    operator = table.operator
    made = table.offer()
    accepted(operator.receive(made, BEFORE))
    take_orders(operator, operator.orders(FEEDER, DAY, BEFORE))
    assert refused(operator, revocation(table.head, made.message_id)) == ["Flexibility procured"]


def test_a_revocation_that_crosses_the_order_wins(table: Table) -> None:
    operator = table.operator
    made = table.offer()
    accepted(operator.receive(made, BEFORE))
    (order,) = operator.orders(FEEDER, DAY, BEFORE)
    loaded = operator.book.load(FEEDER, DAY)[69]
    accepted(operator.receive(revocation(table.head, made.message_id), BEFORE))
    operator.answered(Answer(order.message_id), BEFORE)  # too late
    assert operator.book.held_orders(AGR1, FEEDER, DAY) == []
    assert operator.book.load(FEEDER, DAY)[69] == loaded + 10_000


def test_an_order_that_is_rejected_is_void(table: Table) -> None:
    from trex_market.programmes.flexibility.reasons import Reason, Rejection

    operator = table.operator
    accepted(operator.receive(table.offer(), BEFORE))
    (order,) = operator.orders(FEEDER, DAY, BEFORE)
    rejection = Rejection(Reason.REFERENCE_EXPIRED, "too late")
    operator.answered(Answer(order.message_id, (rejection,)), BEFORE)
    assert operator.book.load(FEEDER, DAY)[69] == 180_000


# ---------------------------------------------------------------- meter data


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"connection": "c2"}, "Invalid Message"),
        ({"connection": "c9"}, "Invalid Message"),
        ({"isp_duration_s": 300}, "ISP duration rejected"),
        ({"time_zone": "Asia/Tokyo"}, "TimeZone rejected"),
        ({"profiles": (MeterProfile("power", (1,) * 97),)}, "ISPs out of bounds"),
        ({"profiles": (MeterProfile("power", (1,), 0),)}, "ISPs out of bounds"),
        ({"profiles": (MeterProfile("power", ()),)}, "ISPs out of bounds"),
        ({"revision": 1}, "Subordinate sequence number"),
    ],
)
def test_metering(table: Table, changes: dict[str, Any], reason: str) -> None:
    def metering(**changes: Any) -> Metering:
        plain = {
            "period": DAY,
            "time_zone": "Africa/Abidjan",
            "isp_duration_s": 900,
            "connection": "c0",
            "revision": 2,
            "profiles": (MeterProfile("import_energy", (500,)), MeterProfile("export_energy", (125,))),
        }
        return Metering(**table.head() | plain | changes)

    accepted(table.operator.receive(metering(revision=1), BEFORE))
    assert refused(table.operator, metering(**changes)) == [reason]
    assert table.operator.state().meters["c0"][DAY] == {1: 1_500}


# ---------------------------------------------------------------- what an aggregator rejects


@pytest.fixture
def agr() -> Aggregator:
    made = aggregator(reservations=RESERVED)
    message = made.prognosis(FEEDER, DAY, BEFORE)
    made.answered(Answer(message.message_id), BEFORE)
    for isp in (70, 71):
        for connection in ("c0", "c1"):
            made.can(connection, DAY, isp, -20_000)
    return made


def request(head: Header, **changes: Any) -> FlexRequest:
    plain: dict[str, Any] = {
        "revision": 1,
        "expires": BEFORE + 3600,
        "isps": (
            RequestIsp(69, False, -50_000, 10_000),
            RequestIsp(70, True, -30_000, 0, 2),
        ),
    }
    return FlexRequest(**head.day(**plain | changes))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"congestion_point": "other"}, "Invalid CongestionPoint"),
        ({"isp_duration_s": 300}, "ISP duration rejected"),
        ({"time_zone": "Asia/Tokyo"}, "TimeZone rejected"),
        ({"period": "2026-01-01"}, "Period out of bounds"),
        ({"expires": BEFORE}, "ExpirationDateTime out of bounds"),
        ({"expires": MIDNIGHT + 71 * 900 + 1}, "ExpirationDateTime out of bounds"),
        ({"isps": (RequestIsp(70, True, -1, 0), RequestIsp(70, True, -1, 0))}, "ISP conflict"),
        ({"isps": (RequestIsp(97, True, -1, 0),)}, "ISPs out of bounds"),
        ({"isps": (RequestIsp(71, False, -1, 0),)}, "Lacking Requested Disposition"),
        ({"isps": (RequestIsp(71, True, -1, 1),)}, "Requested Power discrepancy"),
        ({"isps": (RequestIsp(71, True, 1, -1),)}, "Power discrepancy"),
        ({"contract_id": "none"}, "Unknown ContractID reference"),
        ({"revision": 1}, "Subordinate sequence number"),
        ({"message_id": f"{DSO}-1"}, "Duplicate Identifier"),
    ],
)
def test_request(agr: Aggregator, changes: dict[str, Any], reason: str) -> None:
    head = Header(DSO, AGR1)
    accepted(agr.receive(request(head), BEFORE))
    assert refused(agr, request(head, **{"revision": 2} | changes)) == [reason]


def order_of(agr: Aggregator, head: Header, **changes: Any) -> FlexOrder:
    """Return a right order for half of what the aggregator offers, but for some changes."""
    asked = request(head)
    accepted(agr.receive(asked, BEFORE))
    made, _ = agr.offers(asked.message_id, BEFORE)
    option = made.options[0]
    plain: dict[str, Any] = {
        "offer_id": made.message_id,
        "option_reference": option.reference,
        "activation": 50,
        "price": option.price // 2,
        "order_reference": "o1",
        "isps": tuple(replaced(run, power=run.power // 2) for run in option.isps),
        "prognosis_id": made.prognosis_id,
    }
    return FlexOrder(**head.day(**plain | changes))


def test_an_offer_has_what_was_asked_for_and_what_it_costs(agr: Aggregator) -> None:
    asked = request(Header(DSO, AGR1))
    accepted(agr.receive(asked, BEFORE))
    offers = agr.offers(asked.message_id, BEFORE)
    assert [one.options[0].isps for one in offers] == [(IspPower(70, -30_000),), (IspPower(71, -30_000),)]
    # 7.5 kWh at 0.20 $.
    assert [one.options[0].price for one in offers] == [3 * DOLLAR // 2] * 2


def test_a_right_order_is_divided_among_the_members(agr: Aggregator) -> None:
    order = order_of(agr, Header(DSO, AGR1))
    accepted(agr.receive(order, BEFORE))
    assert [agr.activation(name, DAY, 70) for name in ("c0", "c1")] == [-7_500, -7_500]
    assert agr.powers(FEEDER, DAY)[69] == -15_000
    wrong = replaced(order, message_id="other", order_reference="o2")
    assert refused(agr, wrong) == ["Invalid Message"]  # once per offer
    # What was sold is not offered again: of 40 kW, 15 kW are gone in the one ISP.
    again = request(Header(DSO, AGR1, 100), revision=2)
    accepted(agr.receive(again, BEFORE))
    powers = [one.options[0].isps[0].power for one in agr.offers(again.message_id, BEFORE)]
    assert powers == [-25_000, -30_000]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"offer_id": "none"}, "Unknown FlexOfferMessageID reference"),
        ({"offer_id": None}, "Unknown FlexOfferMessageID reference"),
        ({"option_reference": "9"}, "Unknown OptionReference reference"),
        ({"period": "2026-01-16"}, "Reference Period mismatch"),
        ({"congestion_point": "other"}, "Invalid CongestionPoint"),
        ({"prognosis_id": "none"}, "Baseline mismatch"),
        ({"isps": (IspPower(71, -15_000),)}, "ISP mismatch"),
        ({"isps": (IspPower(70, -15_001),)}, "Power mismatch"),
        ({"activation": 101}, "Power mismatch"),
        ({"activation": 9}, "Power mismatch"),
        ({"price": 1}, "Price mismatch"),
        ({"currency": "EUR"}, "Price mismatch"),
    ],
)
def test_order(agr: Aggregator, changes: dict[str, Any], reason: str) -> None:
    order = order_of(agr, Header(DSO, AGR1), **changes)
    assert refused(agr, order) == [reason]


def test_an_order_for_an_offer_that_expired(agr: Aggregator) -> None:
    order = order_of(agr, Header(DSO, AGR1))
    assert refused(agr, order, BEFORE + 3600) == ["Reference message expired"]


def test_an_order_for_an_offer_that_was_revoked(agr: Aggregator) -> None:
    order = order_of(agr, Header(DSO, AGR1))
    agr.revoke(order.offer_id or "", BEFORE)
    assert refused(agr, order) == ["Reference message revoked"]


# ---------------------------------------------------------------- reservations


def update(**changes: Any) -> FlexReservationUpdate:
    plain: dict[str, Any] = {"contract_id": "peak", "reference": "r", "isps": (IspPower(70, -1_000),)}
    return FlexReservationUpdate(**Header(DSO, AGR1).day(**plain | changes))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"contract_id": "none"}, "Unknown ContractID reference"),
        ({"isps": (IspPower(70, -5_001),)}, "Power value rejection"),
        ({"isps": (IspPower(70, 1),)}, "Power value rejection"),
        ({"isps": (IspPower(69, -1),)}, "Power value rejection"),
        ({"isps": (IspPower(0, 0),)}, "ISPs out of bounds"),
    ],
)
def test_reservation(agr: Aggregator, changes: dict[str, Any], reason: str) -> None:
    assert refused(agr, update(**changes)) == [reason]


def test_a_reservation_that_is_released_too_late(agr: Aggregator) -> None:
    assert refused(agr, update(), MIDNIGHT + 69 * 900) == ["Deadline expired"]


def test_what_is_released_stays_released(agr: Aggregator) -> None:
    accepted(agr.receive(update(), BEFORE))
    found = refused(agr, replaced(update(), isps=(IspPower(70, -2_000),)))
    assert found == ["Power value rejection"]
    accepted(agr.receive(replaced(update(), isps=(IspPower(70, 0), IspPower(71, -5_000))), BEFORE))


def test_the_operator_releases(table: Table, agr: Aggregator) -> None:
    released = table.operator.release("peak", DAY, (IspPower(70, 0),), BEFORE)
    accepted(agr.receive(released, BEFORE))
    settlement = table.operator.settle(AGR1, DAY, DAY, MIDNIGHT + 86_400)
    assert settlement is not None
    (contract,) = settlement.contracts
    assert [(isp.start, isp.reserved, isp.requested) for isp in contract.isps] == [
        (70, 0, -80_000),
        (71, -5_000, -80_000),
    ]


# ---------------------------------------------------------------- settlement

Change = Callable[[Any], Any]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda one: replaced(one, orders=()), "Missing Settlement Items"),
        (lambda one: replaced(one, period_start="2026-01-16"), "PeriodStart rejected"),
        (lambda one: replaced(one, period_start="someday"), "PeriodStart rejected"),
        (lambda one: replaced(one, period_end="2026-01-17"), "PeriodEnd rejected"),
        (lambda one: replaced(one, time_zone="Asia/Tokyo"), "TimeZone rejected"),
        (
            lambda one: replaced(one, orders=(replaced(one.orders[0], period="2026-01-14"),)),
            "Period out of bounds",
        ),
        (
            lambda one: replaced(one, orders=(*one.orders, replaced(one.orders[0], order_reference="x"))),
            "Unknown OrderReference reference",
        ),
        (
            lambda one: replaced(one, contracts=(replaced(one.contracts[0], contract_id="x"),)),
            "Unknown ContractID reference",
        ),
    ],
)
def test_settlement(table: Table, change: Change, reason: str) -> None:
    agr, settlement = _settled(table)
    assert reason in refused(agr, change(settlement), MIDNIGHT + 86_400)


def _settled(table: Table) -> tuple[Aggregator, Any]:
    """Return an aggregator with an order, half of which was delivered, and the DSO's settlement of it."""
    agr = aggregator(reservations=RESERVED)
    operator = table.operator
    for isp in (70, 71):
        agr.expect("c0", DAY, isp, 60_000)
        agr.can("c0", DAY, isp, -10_000)
    first = replaced(agr.prognosis(FEEDER, DAY, BEFORE), revision=9)
    agr.answered(accepted(operator.receive(first, BEFORE)), BEFORE)
    asked = operator.requests(FEEDER, DAY, BEFORE)[0]
    accepted(agr.receive(asked, BEFORE))
    (made, _) = agr.offers(asked.message_id, BEFORE)
    agr.answered(accepted(operator.receive(made, BEFORE)), BEFORE)
    (order,) = operator.orders(FEEDER, DAY, BEFORE)
    operator.answered(accepted(agr.receive(order, BEFORE)), BEFORE)
    for machine in (operator, agr):
        machine.metered("c0", DAY, 70, 55_000)
        machine.metered("c1", DAY, 70, 0)
    settlement = operator.settle(AGR1, DAY, DAY, MIDNIGHT + 86_400)
    assert settlement is not None
    return agr, settlement


def test_a_right_settlement_is_accepted(table: Table) -> None:
    agr, settlement = _settled(table)
    # 2.5 kWh at 0.20 $, of which one half is delivered, and the other costs one and a half times as much.
    assert settlement.orders[0].net == DOLLAR // 4 - 3 * DOLLAR // 8
    answer = accepted(agr.receive(settlement, MIDNIGHT + 86_400))
    assert [verdict.accepted for verdict in answer.verdicts] == [True]
    table.operator.answered(answer, MIDNIGHT + 86_400)
    assert table.operator.state().verdicts[settlement.message_id] == list(answer.verdicts)


@pytest.mark.parametrize("change", [{"penalty": 0, "net": DOLLAR // 2}, {"net": 0}, {"price": DOLLAR}])
def test_a_wrong_amount_is_disputed_and_not_rejected(table: Table, change: dict[str, int]) -> None:
    agr, settlement = _settled(table)
    wrong = replaced(settlement, orders=(replaced(settlement.orders[0], **change),))
    (verdict,) = accepted(agr.receive(wrong, MIDNIGHT + 86_400)).verdicts
    assert not verdict.accepted
    assert verdict.reason


def test_without_meter_data_nothing_counts_as_delivered(table: Table) -> None:
    _, settlement = _settled(table)
    table.operator.state().meters.clear()
    settlement = table.operator.settle(AGR1, DAY, DAY, MIDNIGHT + 86_400)
    assert settlement is not None
    assert settlement.orders[0].net == -3 * DOLLAR // 4


def test_a_later_prognosis_says_whether_it_reflects_the_order(table: Table) -> None:
    _agr, settlement = _settled(table)
    operator = table.operator
    (held,) = operator.book.held_orders(AGR1, FEEDER, DAY)
    for revision, power, validated in ((10, 50_000, True), (11, 49_000, True), (12, 50_001, False)):
        update = prognosis(table.head, {70: power, 71: 60_000}, revision=revision)
        (status,) = accepted(operator.receive(update, BEFORE)).order_statuses
        assert (status.order_id, status.is_validated) == (held.order.message_id, validated)
        assert operator.book.load(FEEDER, DAY)[69] == 120_000 + power
    again = operator.settle(AGR1, DAY, DAY, MIDNIGHT + 86_400)
    assert again is not None
    assert again.orders == settlement.orders  # the baseline is that of the order


def test_an_offer_that_deviates_from_a_prognosis_of_before_is_not_ordered(table: Table) -> None:
    accepted(table.operator.receive(table.offer(), BEFORE))
    accepted(table.operator.receive(prognosis(table.head, {70: 60_000}, revision=2), BEFORE))
    assert table.operator.orders(FEEDER, DAY, BEFORE) == []


def test_an_offer_that_expired_is_not_ordered(table: Table) -> None:
    accepted(table.operator.receive(table.offer(), BEFORE))
    assert table.operator.orders(FEEDER, DAY, table.request.expires) == []
