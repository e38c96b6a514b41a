"""The worked example over sockets, with the library's own client and services on the other side."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

from tests.uftp.helpers import (
    AFTERWARDS,
    AGR1,
    AGR2,
    CONNECTIONS,
    DAY,
    FORECAST_1,
    FORECAST_2,
    OTHERS,
    POINT,
    Neighbourhood,
    Outsider,
    day,
    offer,
    prognosis,
)
from trex_market.uftp.from_wire import meter_number
from trex_market.uftp.library import AcceptedDisputed, uftp

ACCEPTED = uftp.AcceptedRejected.ACCEPTED


async def accept(outsider: Outsider, message: Any) -> Any:
    """Send a message, and see it accepted."""
    answer = await outsider.ask(message)
    assert (answer.result, answer.rejection_reason) == (ACCEPTED, None)
    return message


async def test_two_aggregators_of_the_library_play_the_worked_example_with_our_dso() -> None:
    async with Neighbourhood() as there:
        dso = await there.dso()
        one, two = await there.outsider(AGR1), await there.outsider(AGR2)
        dso.machine.forecast_others(POINT, DAY, OTHERS)
        baselines = [await accept(one, prognosis(FORECAST_1)), await accept(two, prognosis(FORECAST_2))]

        asked = []
        task = asyncio.create_task(dso.request(POINT, DAY))
        for outsider in (one, two):
            request = await outsider.receive(uftp.FlexRequest)
            asked.append(request)
            response = uftp.FlexRequestResponse(
                flex_request_message_id=request.message_id, conversation_id=request.conversation_id
            )
            await outsider.send(response)
        assert [accepted for _, accepted in await task] == [True, True]
        wanted = {
            isp.start: (isp.min_power, isp.max_power)
            for isp in asked[0].isps
            if isp.disposition == "Requested"
        }
        assert wanted == {70: (-20_000, 0), 71: (-30_000, 0)}

        await accept(one, offer({70: -10_000, 71: -20_000, 72: 8_000}, "1.50", asked[0], baselines[0]))
        await accept(two, offer({70: -20_000, 71: -20_000}, "2.50", asked[1], baselines[1]))

        task = asyncio.create_task(dso.order(POINT, DAY))
        orders = []
        for outsider in (one, two):
            order = await outsider.receive(uftp.FlexOrder)
            orders.append(order)
            await outsider.send(
                uftp.FlexOrderResponse(
                    flex_order_message_id=order.message_id, conversation_id=order.conversation_id
                )
            )
        await task
        assert [(order.price, order.activation_factor) for order in orders] == [
            (Decimal("1.50"), Decimal("1.00")),
            (Decimal("1.25"), Decimal("0.50")),
        ]
        assert [{isp.start: isp.power for isp in order.isps} for order in orders] == [
            {70: -10_000, 71: -20_000, 72: 8_000},
            {70: -10_000, 71: -10_000},
        ]

        there.clock.now = AFTERWARDS
        for outsider, domain, powers in (
            (one, AGR1, {69: "30", 70: "37", 71: "30", 72: "39"}),
            (two, AGR2, {69: "20", 70: "23", 71: "34", 72: "20"}),
        ):
            for place, powers_of_one in enumerate((powers, dict.fromkeys(powers, "0"))):
                await accept(outsider, metering(CONNECTIONS[domain][place], powers_of_one))
        task = asyncio.create_task(dso.settle(DAY, DAY))
        settled = {}
        for outsider, domain in ((one, AGR1), (two, AGR2)):
            settlement = await outsider.receive(uftp.FlexSettlement)
            (item,) = settlement.flex_order_settlements
            settled[domain] = (item.price, item.penalty, item.net_settlement)
            status = uftp.FlexOrderSettlementStatus(
                order_reference=item.order_reference, disposition=AcceptedDisputed.ACCEPTED
            )
            await outsider.send(
                uftp.FlexSettlementResponse(
                    flex_settlement_message_id=settlement.message_id,
                    conversation_id=settlement.conversation_id,
                    flex_order_settlement_statuses=[status],
                )
            )
        verdicts = await task
    assert settled == {
        AGR1: (Decimal("1.50"), Decimal("0.25"), Decimal("1.25")),
        AGR2: (Decimal("1.25"), Decimal("0.625"), Decimal("0.625")),
    }
    assert all(verdict.accepted for found in verdicts.values() for verdict in found)


def metering(connection: str, powers: dict[int, str]) -> Any:
    """Return what a connection took, in kW."""
    isps = [uftp.MeteringISP(start=isp, value=Decimal(power)) for isp, power in powers.items()]
    profile = uftp.MeteringProfile(
        profile_type=uftp.MeteringProfileEnum.POWER, unit=uftp.MeteringUnit.K_W, isps=isps
    )
    fields = {name: value for name, value in day().items() if name != "congestion_point"}
    return uftp.Metering(profiles=[profile], revision=1, ean=meter_number(connection), **fields)
