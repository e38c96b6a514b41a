"""Our CRO, with a DSO and aggregators of ours and of the library."""

from __future__ import annotations

from typing import Any

import pytest
from xsdata.models.datatype import XmlDate

from tests.uftp.helpers import AGR1, AGR2, CONNECTIONS, CRO, DAY, DSO, POINT, ZONE, Neighbourhood
from tests.uftp.test_rejections_dso import same
from trex_market.core.errors import DeliveryError
from trex_market.programmes.flexibility.reasons import Reason
from trex_market.uftp.directory import Role
from trex_market.uftp.library import uftp
from trex_market.uftp.register import Register

TODAY = XmlDate.from_string(DAY)


def points(address: str = POINT, connections: tuple[str, ...] = CONNECTIONS[AGR1], **changes: Any) -> Any:
    """Return an update with a congestion point."""
    point = uftp.DsoPortfolioUpdateCongestionPoint(
        entity_address=address,
        start_period=TODAY,
        mutex_offers_supported=True,
        day_ahead_redispatch_by=uftp.RedispatchBy.AGR,
        connections=[
            uftp.DsoPortfolioUpdateConnection(entity_address=name, start_period=TODAY) for name in connections
        ],
    )
    return uftp.DsoPortfolioUpdate(**{"congestion_points": [point], "time_zone": ZONE, **changes})


def connections(names: tuple[str, ...], **changes: Any) -> Any:
    """Return an update with connections."""
    entries = [uftp.AgrPortfolioUpdateConnection(entity_address=name, start_period=TODAY) for name in names]
    return uftp.AgrPortfolioUpdate(**{"connections": entries, "time_zone": ZONE, **changes})


async def test_who_is_active_where() -> None:
    async with Neighbourhood() as there:
        cro, dso = await there.cro(), await there.dso()
        one, two = await there.agr(AGR1), await there.agr(AGR2)
        assert await one.points_of(CRO, DAY) == {}
        await one.register(CRO, DAY)
        await dso.register(CRO, DAY)
        assert await one.points_of(CRO, DAY) == {POINT: CONNECTIONS[AGR1]}
        assert await two.points_of(CRO, DAY) == {}
        unclaimed = dict.fromkeys(CONNECTIONS[AGR2])
        assert await dso.active_at(CRO, POINT, DAY) == dict.fromkeys(CONNECTIONS[AGR1], AGR1) | unclaimed
        await two.register(CRO, DAY)
        spoken_for = dict.fromkeys(CONNECTIONS[AGR2], AGR2)
        assert await dso.active_at(CRO, POINT, DAY) == dict.fromkeys(CONNECTIONS[AGR1], AGR1) | spoken_for
        with pytest.raises(DeliveryError, match=Reason.NO_CONNECTIONS):
            await dso.active_at(CRO, POINT, "2026-03-01")
        # Nobody takes a connection from somebody else.
        assert cro.register.speakers_at(DSO, POINT, DAY)[1][CONNECTIONS[AGR1][0]] == AGR1


async def test_what_it_rejects() -> None:
    async with Neighbourhood() as there:
        await there.cro()
        dso, agr = await there.outsider(DSO), await there.outsider(AGR1)
        later = "2026-03-01T12:00:00Z"
        assert (await dso.ask(points(time_stamp=later), CRO)).rejection_reason is None
        assert (await agr.ask(connections(CONNECTIONS[AGR1], time_stamp=later), CRO)).rejection_reason is None
        other = "ea1.2026-01.demo.dso:other"
        query = {"time_zone": ZONE, "period": TODAY}
        found = {}
        for wanted, who, message in (
            (
                f"{Reason.CONNECTION_CONFLICT}: {CONNECTIONS[AGR1][0]} at {POINT}",
                dso,
                points(other, CONNECTIONS[AGR1][:1]),
            ),
            (Reason.SUBORDINATE_SEQUENCE, dso, points(time_stamp="2026-03-01T11:59:59Z")),
            (Reason.TIME_ZONE, dso, points(time_zone="America/Vancouver")),
            (Reason.INVALID_POINT, dso, uftp.DsoPortfolioQuery(entity_address=other, **query)),
            (
                f"{Reason.SUBORDINATE_SEQUENCE} # of connections",
                agr,
                connections(CONNECTIONS[AGR1], time_stamp="2026-03-01T11:59:59Z"),
            ),
            (
                Reason.NO_CONNECTIONS,
                agr,
                uftp.AgrPortfolioQuery(time_zone=ZONE, period=XmlDate(2026, 3, 1)),
            ),
        ):
            found[wanted] = (await who.ask(message, CRO)).rejection_reason
        same(found)
        answer = await agr.ask(uftp.AgrPortfolioQuery(**query), CRO)
        (view,) = answer.dso_views
        (portfolio,) = view.dso_portfolios
        assert [point.entity_address for point in portfolio.congestion_points] == [POINT]


async def test_more_conflicts_than_a_response_can_hold() -> None:
    async with Neighbourhood() as there:
        await there.cro()
        dso = await there.outsider(DSO)
        many = tuple(f"ea1.2026-01.demo.dso:home_{number:03d}" for number in range(50))
        assert (await dso.ask(points(POINT, many), CRO)).rejection_reason is None
        refused = await dso.ask(points("ea1.2026-01.demo.dso:other", many), CRO)
        assert refused.rejection_reason.count(Reason.CONNECTION_CONFLICT) > 2
        assert len(refused.rejection_reason) <= 512


async def test_closed_mode_and_others_connections() -> None:
    async with Neighbourhood() as there:
        await there.cro(Register([(DSO, Role.DSO), (AGR2, Role.AGR)]))
        dso, one, two = await there.dso(), await there.agr(AGR1), await there.agr(AGR2)
        await dso.register(CRO, DAY)
        await two.register(CRO, DAY)
        with pytest.raises(DeliveryError, match=Reason.UNAUTHORIZED):
            await one.register(CRO, DAY)
        assert await one.points_of(CRO, DAY) == {}
    async with Neighbourhood() as there:
        cro = await there.cro()
        two, one = await there.agr(AGR2), await there.outsider(AGR1)
        await two.register(CRO, DAY)
        stolen = await one.ask(connections(CONNECTIONS[AGR2]), CRO)
        assert stolen.rejection_reason == Reason.UNAUTHORIZED
        assert cro.register.elsewhere(AGR1, DAY) == []
