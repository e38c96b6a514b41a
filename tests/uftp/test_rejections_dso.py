"""Every reason for which our DSO rejects a message, provoked by an aggregator made of the library alone."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Callable
from decimal import Decimal
from typing import Any
from uuid import uuid4

from xsdata.models.datatype import XmlDate, XmlDuration

from tests.uftp.helpers import (
    AFTERWARDS,
    AGR1,
    AGR2,
    CONNECTIONS,
    CRO,
    DAY,
    DSO,
    FORECAST_1,
    FORECAST_2,
    MORNING,
    OTHERS,
    POINT,
    Neighbourhood,
    Outsider,
    day,
    header,
    log_says,
    offer,
    prognosis,
    xml,
)
from trex_market.programmes.flexibility.reasons import Reason
from trex_market.uftp.dso import GridOperatorService
from trex_market.uftp.from_wire import meter_number
from trex_market.uftp.library import uftp

YESTERDAY = XmlDate.from_string("2026-02-28")
OTHER_DAY = XmlDate.from_string("2026-03-03")


async def reasons(outsider: Outsider, messages: dict[str, Any]) -> dict[str, str | None]:
    """Send messages, and return for each reason that was expected the one that came."""
    return {wanted: (await outsider.ask(message)).rejection_reason for wanted, message in messages.items()}


def same(found: dict[str, str | None]) -> None:
    """Compare."""
    assert found == {wanted: wanted.partition(" #")[0] for wanted in found}


async def requested(there: Neighbourhood, dso: GridOperatorService, one: Outsider) -> tuple[Any, Any]:
    """Bring it to a request, and return the prognosis that the first aggregator sent, and the request."""
    two = await there.agr(AGR2)
    for connection in CONNECTIONS[AGR2][:1]:
        for isp, power in FORECAST_2.items():
            two.machine.expect(connection, DAY, isp, power)
    assert await two.forecast(POINT, DAY)
    dso.machine.forecast_others(POINT, DAY, OTHERS)
    baseline = prognosis(FORECAST_1)
    assert (await one.ask(baseline)).rejection_reason is None
    task = asyncio.create_task(dso.request(POINT, DAY))
    request = await one.receive(uftp.FlexRequest)
    await one.send(uftp.FlexRequestResponse(flex_request_message_id=request.message_id))
    assert [accepted for _, accepted in await task] == [True, True]
    return baseline, request


async def test_prognoses() -> None:
    async with Neighbourhood() as there:
        dso, one = await there.dso(), await there.outsider()
        short = prognosis({}, revision=6)
        short.isps = short.isps[:95]
        long, twice, empty = prognosis({}), prognosis({}), prognosis({})
        long.isps = [uftp.DPrognosisISP(power=0, start=1, duration=97)]
        twice.isps = [*twice.isps, uftp.DPrognosisISP(power=0, start=96)]
        empty.isps = [uftp.DPrognosisISP(power=0, start=0, duration=96)]
        endless = prognosis({})
        endless.isps = [uftp.DPrognosisISP(power=0, start=1, duration=10**14)]
        assert (await one.ask(prognosis({}, revision=5))).rejection_reason is None
        before = dso.machine.state().prognoses[POINT][DAY][AGR1]
        same(
            await reasons(
                one,
                {
                    Reason.ISP_DURATION: prognosis({}, isp_duration=XmlDuration("PT30M")),
                    Reason.TIME_ZONE: prognosis({}, time_zone="Europe/Amsterdam"),
                    Reason.INVALID_POINT: prognosis({}, congestion_point="ea1.2026-01.demo.dso:nowhere"),
                    Reason.PERIOD_OUT_OF_BOUNDS: prognosis({}, period=YESTERDAY),
                    Reason.LACKING_ISPS: short,
                    Reason.ISPS_OUT_OF_BOUNDS: long,
                    f"{Reason.ISPS_OUT_OF_BOUNDS} # before the first": empty,
                    f"{Reason.ISPS_OUT_OF_BOUNDS} # endless": endless,
                    Reason.ISP_CONFLICT: twice,
                    Reason.POWER_VALUE: prognosis({1: 10**9}, revision=6),
                    Reason.SUBORDINATE_SEQUENCE: prognosis({}, revision=5),
                },
            )
        )
        assert dso.machine.state().prognoses[POINT][DAY][AGR1] == before


async def test_offers() -> None:
    async with Neighbourhood() as there:
        dso, one = await there.dso(mutex_offers=False), await there.outsider()
        baseline, request = await requested(there, dso, one)
        powers = {70: -10_000, 71: -20_000}

        def changed(**changes: Any) -> Any:
            return offer(powers, "1.50", request, baseline, **changes)

        two_options = changed()
        two_options.offer_options = [
            dataclasses.replace(two_options.offer_options[0], option_reference=name) for name in "ab"
        ]
        same(
            await reasons(
                one,
                {
                    Reason.NO_BASELINE: offer(powers, "1.50", request, None),
                    "Unknown BaselineReference reference": changed(
                        d_prognosis_message_id=None, baseline_reference="mine"
                    ),
                    "Unknown D-PrognosisMessageID reference": changed(d_prognosis_message_id=str(uuid4())),
                    "Unknown FlexRequestMessageID reference": changed(flex_request_message_id=str(uuid4())),
                    "Unknown ContractID reference": changed(contract_id="none of ours"),
                    Reason.PERIOD_MISMATCH: changed(
                        period=OTHER_DAY, expiration_date_time="2026-03-02T00:00:00Z"
                    ),
                    Reason.EXPIRATION_OUT_OF_BOUNDS: changed(expiration_date_time="2026-03-01T11:59:59Z"),
                    f"{Reason.EXPIRATION_OUT_OF_BOUNDS} # after the last ISP": changed(
                        expiration_date_time="2026-03-02T18:00:01Z"
                    ),
                    Reason.REQUEST_MISMATCH: offer({72: 1_000}, "1", request, baseline),
                    Reason.POWER_VALUE: offer({70: -21_000}, "1", request, baseline),
                    f"{Reason.POWER_VALUE} # wrong direction": offer({70: 1_000}, "1", request, baseline),
                    Reason.NO_MUTEX: two_options,
                    Reason.ISPS_OUT_OF_BOUNDS: offer({97: -1_000}, "1", request, baseline),
                    Reason.INVALID_MESSAGE: changed(currency="XXX"),
                    f"{Reason.INVALID_MESSAGE} # price": offer(powers, "-1", request, baseline),
                },
            )
        )
        there.clock.now = MORNING + 3_600
        found = await one.ask(changed(expiration_date_time="2026-03-02T16:00:00Z"))
        assert found.rejection_reason == Reason.REFERENCE_EXPIRED
        assert not dso.machine.state().offers


async def test_a_prognosis_that_is_not_in_force_any_more() -> None:
    async with Neighbourhood() as there:
        dso, one = await there.dso(), await there.outsider()
        baseline, request = await requested(there, dso, one)
        assert (await one.ask(prognosis(FORECAST_1, revision=2))).rejection_reason is None
        found = await one.ask(offer({70: -1_000}, "1", request, baseline))
        assert found.rejection_reason == Reason.BASELINE_MISMATCH


async def test_revocations() -> None:
    async with Neighbourhood() as there:
        dso, one = await there.dso(), await there.outsider()
        baseline, request = await requested(there, dso, one)
        offers = [offer({isp: -10_000}, "1", request, baseline) for isp in (70, 71)]
        for message in offers:
            assert (await one.ask(message)).rejection_reason is None
        revoked = uftp.FlexOfferRevocation(flex_offer_message_id=offers[0].message_id.upper())
        assert (await one.ask(revoked)).rejection_reason is None
        again = await one.ask(uftp.FlexOfferRevocation(flex_offer_message_id=offers[0].message_id))
        assert again.rejection_reason == Reason.REFERENCE_REVOKED
        unknown = await one.ask(uftp.FlexOfferRevocation(flex_offer_message_id=str(uuid4())))
        assert unknown.rejection_reason == "Unknown FlexOfferMessageID reference"

        task = asyncio.create_task(dso.order(POINT, DAY))
        order = await one.receive(uftp.FlexOrder)
        assert order.flex_offer_message_id == offers[1].message_id
        await one.send(uftp.FlexOrderResponse(flex_order_message_id=order.message_id))
        await task
        late = await one.ask(uftp.FlexOfferRevocation(flex_offer_message_id=offers[1].message_id))
        assert late.rejection_reason == Reason.FLEXIBILITY_PROCURED


async def test_a_revocation_that_crosses_an_order_wins() -> None:
    async with Neighbourhood() as there:
        dso, one = await there.dso(), await there.outsider()
        baseline, request = await requested(there, dso, one)
        message = offer({70: -10_000, 71: -10_000}, "1", request, baseline)
        assert (await one.ask(message)).rejection_reason is None
        task = asyncio.create_task(dso.order(POINT, DAY))
        order = await one.receive(uftp.FlexOrder)
        revoked = await one.ask(uftp.FlexOfferRevocation(flex_offer_message_id=message.message_id))
        assert revoked.rejection_reason is None
        rejected = uftp.AcceptedRejected.REJECTED
        await one.send(
            uftp.FlexOrderResponse(
                flex_order_message_id=order.message_id,
                result=rejected,
                rejection_reason=Reason.REFERENCE_REVOKED,
            )
        )
        await task
        assert [held.status for held in dso.machine.state().orders.values()] == ["void"]


async def test_metered_values() -> None:
    async with Neighbourhood() as there:
        dso, one = await there.dso(), await there.outsider()
        there.clock.now = AFTERWARDS

        def metering(starts: list[int], unit: str = "K_W", **changes: Any) -> Any:
            isps = [uftp.MeteringISP(start=start, value=Decimal("1.5")) for start in starts]
            kind = uftp.MeteringProfileEnum.POWER
            profile = uftp.MeteringProfile(profile_type=kind, unit=uftp.MeteringUnit[unit], isps=isps)
            fields = {name: value for name, value in day().items() if name != "congestion_point"}
            fields |= {"ean": meter_number(CONNECTIONS[AGR1][0]), "revision": 1}
            return uftp.Metering(profiles=[profile], **{**fields, **changes})

        assert (await one.ask(metering([1, 2]))).rejection_reason is None
        same(
            await reasons(
                one,
                {
                    Reason.ISP_CONFLICT: metering([1, 2, 1], revision=2),
                    Reason.ISPS_OUT_OF_BOUNDS: metering([96, 97], revision=2),
                    Reason.ISP_DURATION: metering([1], revision=2, isp_duration=XmlDuration("PT5M")),
                    Reason.TIME_ZONE: metering([1], revision=2, time_zone="America/Vancouver"),
                    Reason.SUBORDINATE_SEQUENCE: metering([3]),
                    Reason.INVALID_MESSAGE: metering([1], "K_WH", revision=2),
                    f"{Reason.INVALID_MESSAGE} # of others": metering(
                        [1], revision=2, ean=meter_number(CONNECTIONS[AGR2][0])
                    ),
                },
            )
        )
        assert dso.machine.state().meters[CONNECTIONS[AGR1][0]] == {DAY: {1: 1_500, 2: 1_500}}


# ---------------------------------------------------------------- what holds for every message


async def test_senders_and_recipients() -> None:
    async with Neighbourhood() as there:
        there.bar(AGR2)
        dso, one, two = await there.dso(), await there.outsider(), await there.outsider(AGR2)
        cases: list[tuple[Reason, Outsider, Callable[[], bytes]]] = [
            (
                Reason.INVALID_ROLE,
                one,
                lambda: there.sealed(xml(prognosis({})), AGR1, "CRO"),
            ),
            (
                Reason.MISMATCH_SENDER,
                one,
                lambda: there.sealed(xml(prognosis({}), sender_domain=AGR2)),
            ),
            (
                Reason.BARRED_SENDER,
                two,
                lambda: there.sealed(xml(prognosis({}), sender_domain=AGR2), AGR2),
            ),
            (
                Reason.UNKNOWN_RECIPIENT,
                one,
                lambda: there.sealed(xml(prognosis({}), recipient_domain="other.demo")),
            ),
            (
                Reason.INVALID_MESSAGE,
                one,
                lambda: there.sealed(xml(prognosis({}), version="9.9.9")),
            ),
        ]
        for reason, outsider, document in cases:
            assert (await there.post(document()))[0] == 200
            answer = await outsider.receive(uftp.DPrognosisResponse)
            assert (answer.result, answer.rejection_reason) == ("Rejected", reason)
            assert answer.version == "3.1.0"
        misdirected = uftp.AgrPortfolioUpdate(
            connections=[
                uftp.AgrPortfolioUpdateConnection(entity_address=POINT, start_period=XmlDate(2026, 3, 1))
            ],
            time_zone=day()["time_zone"],
        )
        assert (await there.post(there.sealed(xml(misdirected))))[0] == 200
        answer = await one.receive(uftp.AgrPortfolioUpdateResponse)
        assert answer.rejection_reason == Reason.INVALID_MESSAGE
        assert not dso.machine.state().prognoses


async def test_a_role_that_sends_what_is_anothers() -> None:
    async with Neighbourhood() as there:
        dso = await there.dso()
        document = there.sealed(xml(prognosis({}), sender_domain=CRO), CRO, "CRO")
        # A CRO of the library takes no response to a prognosis, so the log alone tells of it.
        with log_says(Reason.INVALID_SENDER) as said:
            assert (await there.post(document))[0] == 200
            await asyncio.wait_for(said.wait(), 5)
        assert not dso.machine.state().prognoses


async def test_time_stamps() -> None:
    async with Neighbourhood(skew_s=3_900) as there:
        dso, one = await there.dso(), await there.outsider()
        for stamp in ("1999-01-01T00:00:00Z", "2026-03-01T13:06:00Z", "2026-03-01T12:00:00-02:00"):
            assert (await there.post(there.sealed(xml(prognosis({}, time_stamp=stamp)))))[0] == 200
            answer = await one.receive(uftp.DPrognosisResponse)
            assert answer.rejection_reason == Reason.INVALID_MESSAGE, stamp
        assert not dso.machine.state().prognoses
        for stamp in ("2026-03-01T11:00:00Z", "2026-03-01T13:00:00.123456789+01:00"):
            message = prognosis({}, time_stamp=stamp, revision=len(dso.machine.state().prognosis_days) + 1)
            assert (await there.post(there.sealed(xml(message))))[0] == 200
            assert (await one.receive(uftp.DPrognosisResponse)).rejection_reason is None


async def test_messages_that_were_there_before() -> None:
    async with Neighbourhood() as there:
        dso, one = await there.dso(), await there.outsider()
        first = prognosis({}, **header())
        document = there.sealed(xml(first))
        answers = []
        for _ in range(3):
            assert (await there.post(document))[0] == 200
            answers.append(await one.receive(uftp.DPrognosisResponse))
        # Taken once; the earlier answer is told again.
        assert answers[0].rejection_reason is None
        assert {answer.message_id for answer in answers} == {answers[0].message_id}
        assert len(dso.machine.state().prognosis_days) == 1
        other = dataclasses.replace(first, revision=2)
        assert (await there.post(there.sealed(xml(other))))[0] == 200
        answer = await one.receive(uftp.DPrognosisResponse)
        assert answer.rejection_reason == Reason.DUPLICATE_IDENTIFIER
        upper = dataclasses.replace(other, message_id=first.message_id.upper())
        assert (await there.post(there.sealed(xml(upper))))[0] == 200
        answer = await one.receive(uftp.DPrognosisResponse)
        assert answer.rejection_reason == Reason.DUPLICATE_IDENTIFIER
        assert dso.machine.state().prognoses[POINT][DAY][AGR1].revision == 1
        assert dso.identity.domain == DSO
