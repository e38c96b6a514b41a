"""Every reason for which our aggregator rejects a message, provoked by a DSO made of the library alone."""

from __future__ import annotations

import asyncio
import dataclasses
from decimal import Decimal
from typing import Any
from uuid import uuid4

from xsdata.models.datatype import XmlDate, XmlDuration

from tests.uftp.helpers import (
    AFTERWARDS,
    AGR1,
    CONNECTIONS,
    DAY,
    DSO,
    FORECAST_1,
    MORNING,
    POINT,
    RESERVATION,
    Neighbourhood,
    Outsider,
    day,
)
from tests.uftp.test_rejections_dso import reasons, same
from trex_market.programmes.flexibility.reasons import Reason
from trex_market.uftp.agr import AggregatorService
from trex_market.uftp.library import AcceptedDisputed, uftp

TODAY = XmlDate.from_string(DAY)
OTHER_DAY = XmlDate.from_string("2026-03-03")


def request(*isps: tuple[str, int, int, int], **changes: Any) -> Any:
    """Return a request: disposition, least and most W, ISP."""
    found = isps or (("Requested", -20_000, 0, 70), ("Available", 0, 9_000, 72))
    entries = [
        uftp.FlexRequestISP(
            disposition=uftp.AvailableRequested(what), min_power=least, max_power=most, start=start
        )
        for what, least, most, start in found
    ]
    fields = {**day(), "revision": 1, "expiration_date_time": "2026-03-01T13:00:00Z", "isps": entries}
    return uftp.FlexRequest(**{**fields, **changes})


async def offered(there: Neighbourhood, agr: AggregatorService, dso: Outsider) -> Any:
    """Bring it to an offer of 10 kW in ISP 70 and return that."""
    for isp, power in FORECAST_1.items():
        agr.machine.expect(CONNECTIONS[AGR1][0], DAY, isp, power)
    agr.machine.can(CONNECTIONS[AGR1][0], DAY, 70, -10_000)
    forecast = agr.forecast(POINT, DAY)

    task = asyncio.create_task(forecast)
    message = await dso.receive(uftp.DPrognosis)
    await dso.send(uftp.DPrognosisResponse(d_prognosis_message_id=message.message_id))
    assert await task
    assert (await dso.ask(request())).rejection_reason is None
    offer = await dso.receive(uftp.FlexOffer)
    await dso.send(uftp.FlexOfferResponse(flex_offer_message_id=offer.message_id))
    return offer


def order(offer: Any, **changes: Any) -> Any:
    """Return an order of all of an offer."""
    (option,) = offer.offer_options
    isps = [uftp.FlexOrderISP(power=isp.power, start=isp.start) for isp in option.isps]
    fields = {
        **day(),
        "flex_offer_message_id": offer.message_id,
        "option_reference": option.option_reference,
        "price": option.price,
        "currency": offer.currency,
        "order_reference": str(uuid4()),
        "d_prognosis_message_id": offer.d_prognosis_message_id,
        "isps": isps,
    }
    return uftp.FlexOrder(**{**fields, **changes})


async def test_requests() -> None:
    async with Neighbourhood() as there:
        agr, dso = await there.agr(AGR1), await there.outsider(DSO)
        assert (await dso.ask(request(revision=5))).rejection_reason is None
        same(
            await reasons(
                dso,
                {
                    Reason.LACKING_REQUESTED: request(("Available", 0, 9, 72), revision=6),
                    Reason.POWER_DISCREPANCY: request(
                        ("Requested", -1, 0, 70), ("Available", 9, 0, 72), revision=6
                    ),
                    Reason.REQUESTED_POWER_DISCREPANCY: request(("Requested", -9, 9, 70), revision=6),
                    Reason.SUBORDINATE_SEQUENCE: request(revision=5),
                    Reason.ISPS_OUT_OF_BOUNDS: request(("Requested", -9, 0, 97), revision=6),
                    Reason.ISP_CONFLICT: request(
                        ("Requested", -9, 0, 70), ("Available", -9, 0, 70), revision=6
                    ),
                    Reason.EXPIRATION_OUT_OF_BOUNDS: request(
                        revision=6, expiration_date_time="2026-03-01T12:00:00Z"
                    ),
                    Reason.INVALID_POINT: request(
                        revision=6, congestion_point="ea1.2026-01.demo.dso:nowhere"
                    ),
                    Reason.PERIOD_OUT_OF_BOUNDS: request(revision=6, period=XmlDate(2026, 2, 28)),
                    Reason.ISP_DURATION: request(revision=6, isp_duration=XmlDuration("PT5M")),
                    Reason.TIME_ZONE: request(revision=6, time_zone="Europe/Amsterdam"),
                    "Unknown ContractID reference": request(revision=6, contract_id="none of ours"),
                },
            )
        )
        assert len(agr.machine.state().requests) == 1


async def test_orders() -> None:
    async with Neighbourhood() as there:
        agr, dso = await there.agr(AGR1), await there.outsider(DSO)
        offer = await offered(there, agr, dso)
        half = order(offer, activation_factor=Decimal("0.40"), price=offer.offer_options[0].price * 4 / 10)
        half.isps = [dataclasses.replace(isp, power=-4_000) for isp in half.isps]
        weak = order(offer)
        weak.isps = [dataclasses.replace(isp, power=isp.power + 100) for isp in weak.isps]
        elsewhere = order(offer)
        elsewhere.isps = [dataclasses.replace(isp, start=71) for isp in elsewhere.isps]
        same(
            await reasons(
                dso,
                {
                    Reason.ISP_MISMATCH: elsewhere,
                    Reason.POWER_MISMATCH: weak,
                    f"{Reason.POWER_MISMATCH} # less than may be ordered": half,
                    Reason.PRICE_MISMATCH: order(offer, price=offer.offer_options[0].price / 2),
                    "Unknown FlexOfferMessageID reference": order(offer, flex_offer_message_id=str(uuid4())),
                    "Unknown OptionReference reference": order(offer, option_reference="2"),
                    Reason.PERIOD_MISMATCH: order(offer, period=OTHER_DAY),
                    Reason.BASELINE_MISMATCH: order(offer, d_prognosis_message_id=str(uuid4())),
                },
            )
        )
        assert not agr.machine.orders()
        there.clock.now = MORNING + 3_600
        late = await dso.ask(order(offer))
        assert late.rejection_reason == Reason.REFERENCE_EXPIRED


async def test_an_order_of_what_was_revoked() -> None:
    async with Neighbourhood() as there:
        agr, dso = await there.agr(AGR1), await there.outsider(DSO)
        offer = await offered(there, agr, dso)

        task = asyncio.create_task(agr.revoke(offer.message_id))
        revocation = await dso.receive(uftp.FlexOfferRevocation)
        await dso.send(
            uftp.FlexOfferRevocationResponse(flex_offer_revocation_message_id=revocation.message_id)
        )
        assert await task
        assert (await dso.ask(order(offer))).rejection_reason == Reason.REFERENCE_REVOKED


async def test_reservation_updates() -> None:
    async with Neighbourhood() as there:
        await there.agr(AGR1, reservations=(RESERVATION,))
        dso = await there.outsider(DSO)

        def update(power: int, start: int = 70, contract: str = RESERVATION.contract_id) -> Any:
            isps = [uftp.FlexReservationUpdateISP(power=power, start=start)]
            return uftp.FlexReservationUpdate(**day(), contract_id=contract, reference="r", isps=isps)

        assert (await dso.ask(update(-2_000))).rejection_reason is None
        same(
            await reasons(
                dso,
                {
                    Reason.POWER_VALUE: update(-3_000),
                    f"{Reason.POWER_VALUE} # the other direction": update(1_000),
                    f"{Reason.POWER_VALUE} # nothing reserved there": update(-1_000, 80),
                    "Unknown ContractID reference": update(0, contract="none of ours"),
                },
            )
        )
        there.clock.now = MORNING + 43_200 + 69 * 900
        assert (await dso.ask(update(0))).rejection_reason == Reason.DEADLINE_EXPIRED


async def test_settlements() -> None:
    async with Neighbourhood() as there:
        agr, dso = await there.agr(AGR1), await there.outsider(DSO)
        offer = await offered(there, agr, dso)
        ordered = order(offer)
        assert (await dso.ask(ordered)).rejection_reason is None
        await dso.receive(uftp.DPrognosis)  # with what was ordered

        def settlement(reference: str, start: XmlDate = TODAY, end: XmlDate = TODAY, net: str = "0") -> Any:
            isp = uftp.FlexOrderSettlementISP(
                start=70,
                baseline_power=45_000,
                ordered_flex_power=-10_000,
                actual_power=45_000,
                delivered_flex_power=0,
            )
            item = uftp.FlexOrderSettlement(
                isps=[isp],
                order_reference=reference,
                period=TODAY,
                congestion_point=POINT,
                price=ordered.price,
                penalty=ordered.price - Decimal(net),
                net_settlement=Decimal(net),
            )
            nothing = uftp.ContractSettlement(
                contract_id="none",
                periods=[
                    uftp.ContractSettlementPeriod(
                        period=TODAY, isps=[uftp.ContractSettlementISP(start=1, reserved_power=0)]
                    )
                ],
            )
            return uftp.FlexSettlement(
                flex_order_settlements=[item],
                contract_settlements=[nothing],
                period_start=start,
                period_end=end,
                currency="USD",
            )

        early = await dso.ask(settlement(ordered.order_reference))
        assert early.rejection_reason == Reason.PERIOD_END
        there.clock.now = AFTERWARDS
        found = await reasons(
            dso,
            {
                f"{Reason.PERIOD_START}; {Reason.PERIOD_OUT_OF_BOUNDS}": settlement(
                    ordered.order_reference, OTHER_DAY
                ),
                Reason.PERIOD_OUT_OF_BOUNDS: settlement(
                    ordered.order_reference, XmlDate(2026, 2, 1), XmlDate(2026, 2, 28)
                ),
            },
        )
        same(found)
        other = await dso.ask(settlement("unknown"))
        assert (
            other.rejection_reason == f"Unknown OrderReference reference; {Reason.MISSING_SETTLEMENT_ITEMS}"
        )
        # Another amount is no reason to reject a settlement, but it is disputed.
        disputed = await dso.ask(settlement(ordered.order_reference, net="0.1"))
        assert disputed.rejection_reason is None
        (status,) = disputed.flex_order_settlement_statuses
        assert (status.order_reference, status.disposition) == (
            ordered.order_reference,
            AcceptedDisputed.DISPUTED,
        )
        assert status.dispute_reason


async def test_what_a_dso_is_not_told_by_us() -> None:
    async with Neighbourhood() as there:
        agr, dso = await there.agr(AGR1), await there.outsider(DSO)
        # A response to what was never asked changes nothing and has no answer.
        await dso.send(uftp.FlexOfferResponse(flex_offer_message_id=str(uuid4())))
        await dso.send(uftp.TestMessage())
        assert type(await dso.receive()) is uftp.TestMessageResponse
        assert agr.identity.domain == AGR1
