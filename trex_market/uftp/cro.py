"""Our CRO: the `Register` on the network."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from trex_market.programmes.flexibility.isps import Calendar
from trex_market.programmes.flexibility.reasons import Reason
from trex_market.uftp.checks import time_of
from trex_market.uftp.directory import Directory, Party
from trex_market.uftp.library import uftp
from trex_market.uftp.register import Place, Register, Span
from trex_market.uftp.responses import ACCEPTED, Verdict, rejected
from trex_market.uftp.roles import CroService
from trex_market.uftp.sealing import Identity
from trex_market.uftp.service import ServiceSettings


class RegisterService(CroService):
    """A CRO that keeps a register.

    Args:
        register: what it knows.
        calendar: of the market: its time zone is the one that messages must have.
        identity: who it is.
        directory: all others.
        settings: of the service.
        clock: tells the market's time, UNIX seconds.
    """

    def __init__(
        self,
        register: Register,
        calendar: Calendar,
        identity: Identity,
        directory: Directory,
        settings: ServiceSettings | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(identity, directory, settings, clock)
        self.register = register
        self._calendar = calendar

    def pre_process_dso_portfolio_update(self, message: Any, sender: Party) -> Verdict:
        """Register a DSO's congestion points."""
        return self._zoned(message) or _verdict(
            self.register.register_places(
                sender.domain,
                time_of(message.time_stamp),
                [_place(point) for point in message.congestion_points],
            )
        )

    def pre_process_agr_portfolio_update(self, message: Any, sender: Party) -> Verdict:
        """Register an aggregator's connections."""
        return self._zoned(message) or _verdict(
            self.register.register_connections(
                sender.domain,
                time_of(message.time_stamp),
                {connection.entity_address: _span(connection) for connection in message.connections},
            )
        )

    def pre_process_dso_portfolio_query(self, message: Any, sender: Party) -> Verdict:
        """Tell who is active at a congestion point."""
        address, day = message.entity_address, str(message.period)
        reasons, found = self.register.speakers_at(sender.domain, address, day)
        wrong = self._zoned(message)
        if wrong is not None or reasons:
            return wrong or rejected(*reasons)
        connections = [
            uftp.DsoPortfolioQueryConnection(entity_address=name, agr_domain=domain)
            for name, domain in found.items()
        ]
        point = uftp.DsoPortfolioQueryCongestionPoint(connections=connections, entity_address=address)
        return Verdict(content={"congestion_point": point})

    def pre_process_agr_portfolio_query(self, message: Any, sender: Party) -> Verdict:
        """Tell at which congestion points an aggregator has connections."""
        day = str(message.period)
        reasons, found = self.register.places_of(sender.domain, day)
        wrong = self._zoned(message)
        if wrong is not None or reasons:
            return wrong or rejected(*reasons)
        portfolios = [
            uftp.AgrPortfolioQueryResponseDSOPortfolio(
                dso_domain=dso, congestion_points=[_shown(place, names) for place, names in places]
            )
            for dso, places in found.items()
        ]
        elsewhere = [_connection(name) for name in self.register.elsewhere(sender.domain, day)]
        view = uftp.AgrPortfolioQueryResponseDSOView(dso_portfolios=portfolios, connections=elsewhere)
        return Verdict(content={"dso_views": [view]})

    def _zoned(self, message: Any) -> Verdict | None:
        """Reject a message of another time zone; None if it is ours."""
        today, _ = self._calendar.locate(int(self.clock()))
        same = self._calendar.same_offset(message.time_zone, today)
        return None if same else rejected(Reason.TIME_ZONE)


def _verdict(reasons: list[str]) -> Verdict:
    return rejected(*reasons) if reasons else ACCEPTED


def _span(record: Any) -> Span:
    return Span(str(record.start_period), None if record.end_period is None else str(record.end_period))


def _place(point: Any) -> Place:
    return Place(
        address=point.entity_address,
        span=_span(point),
        connections={connection.entity_address: _span(connection) for connection in point.connections},
        mutex_offers=point.mutex_offers_supported,
        day_ahead_by=str(point.day_ahead_redispatch_by),
        intraday_by=None if point.intraday_redispatch_by is None else str(point.intraday_redispatch_by),
    )


def _shown(place: Place, names: list[str]) -> Any:
    return uftp.AgrPortfolioQueryResponseCongestionPoint(
        entity_address=place.address,
        connections=[_connection(name) for name in names],
        mutex_offers_supported=place.mutex_offers,
        day_ahead_redispatch_by=uftp.RedispatchBy(place.day_ahead_by),
        intraday_redispatch_by=None if place.intraday_by is None else uftp.RedispatchBy(place.intraday_by),
    )


def _connection(name: str) -> Any:
    return uftp.AgrPortfolioQueryResponseConnection(entity_address=name)
