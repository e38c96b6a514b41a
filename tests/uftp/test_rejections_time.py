"""Rejections that have to do with time, and the DSO that a register does not know: provoked by the library alone."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from xsdata.models.datatype import XmlDate

from tests.uftp.helpers import (
    AFTERWARDS,
    AGR1,
    CRO,
    DAY,
    DSO,
    POINT,
    Neighbourhood,
    offer,
    prognosis,
)
from tests.uftp.test_cro import points
from tests.uftp.test_rejections_agr import offered, request
from tests.uftp.test_rejections_dso import requested
from trex_market.programmes.flexibility.reasons import Reason
from trex_market.uftp.directory import Role
from trex_market.uftp.library import uftp
from trex_market.uftp.register import Register

SUMMER, WINTER = "2026-03-29", "2026-10-25"
"""Days on which the clocks change in Amsterdam."""


@pytest.mark.parametrize(("period", "count"), [(SUMMER, 92), (WINTER, 100), ("2026-10-26", 96)])
async def test_days_have_as_many_isps_as_hours_have_quarters(period: str, count: int) -> None:
    async with Neighbourhood() as there:
        there.clock.now = datetime.fromisoformat(period).replace(tzinfo=UTC).timestamp() - 86_400
        dso, one = await there.dso(time_zone="Europe/Amsterdam"), await there.outsider()

        def forecast(isps: int, revision: int) -> Any:
            message = prognosis(
                {}, revision, time_zone="Europe/Amsterdam", period=XmlDate.from_string(period)
            )
            message.isps = [uftp.DPrognosisISP(power=1_000, start=1, duration=isps)]
            return message

        found = [(await one.ask(forecast(isps, isps))).rejection_reason for isps in (count - 1, count + 1)]
        assert found == [Reason.LACKING_ISPS, Reason.ISPS_OUT_OF_BOUNDS]
        assert not dso.machine.state().prognoses
        assert (await one.ask(forecast(count, count))).rejection_reason is None
        held = dso.machine.state().prognoses[POINT][period][AGR1]
        assert held.powers == [1_000] * count


async def test_a_request_that_expires_after_its_last_isp() -> None:
    async with Neighbourhood() as there:
        agr, dso = await there.agr(AGR1), await there.outsider(DSO)
        await offered(there, agr, dso)
        # Its last ISP is the 72nd, which ends at 18:00.
        late = request(revision=6, expiration_date_time="2026-03-02T18:00:01Z")
        assert (await dso.ask(late)).rejection_reason == Reason.EXPIRATION_OUT_OF_BOUNDS
        in_time = request(revision=6, expiration_date_time="2026-03-02T18:00:00Z")
        assert (await dso.ask(in_time)).rejection_reason is None


async def test_an_offer_for_a_day_that_is_over() -> None:
    async with Neighbourhood() as there:
        dso, one = await there.dso(), await there.outsider()
        baseline, asked = await requested(there, dso, one)
        there.clock.now = AFTERWARDS
        late = await one.ask(offer({70: -10_000}, "1", asked, baseline))
        assert late.rejection_reason is not None
        assert Reason.PERIOD_OUT_OF_BOUNDS in late.rejection_reason.split("; ")
        assert not dso.machine.state().offers


async def test_a_dso_that_a_closed_register_does_not_know() -> None:
    async with Neighbourhood() as there:
        await there.cro(Register([(AGR1, Role.AGR)]))
        dso = await there.outsider(DSO)
        assert (await dso.ask(points(), CRO)).rejection_reason == Reason.UNAUTHORIZED
        query = uftp.DsoPortfolioQuery(
            time_zone="Africa/Abidjan", period=XmlDate.from_string(DAY), entity_address=POINT
        )
        refused = (await dso.ask(query, CRO)).rejection_reason
        assert refused is not None
        assert Reason.UNAUTHORIZED in refused.split("; ")
        # And it has changed nothing: nobody is told of its point.
        one = await there.agr(AGR1)
        await one.register(CRO, DAY)
        assert await one.points_of(CRO, DAY) == {}
