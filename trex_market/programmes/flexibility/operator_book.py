"""What a DSO knows, looked at: expected loads, congestion, orders, meter data."""

from __future__ import annotations

from collections.abc import Iterator

from trex_market.core.errors import InputError, unknown_name
from trex_market.programmes.flexibility.congestion import Congestion, Limits, congestion
from trex_market.programmes.flexibility.isps import Calendar, powers_by_isp
from trex_market.programmes.flexibility.messages import CongestionPoint, FlexOffer, FlexRequest
from trex_market.programmes.flexibility.records import (
    HeldOrder,
    HeldPrognosis,
    OperatorState,
    OperatorTerms,
    Reservation,
    without_margin,
)
from trex_market.programmes.flexibility.selection import Room


class OperatorBook:
    """Looks at what a DSO knows, and changes nothing.

    Args:
        terms: what it goes by.
        state: all that it knows.
        calendar: of its ISPs.
    """

    def __init__(self, terms: OperatorTerms, state: OperatorState, calendar: Calendar) -> None:
        self.terms = terms
        self.calendar = calendar
        self._state = state
        self._points = {point.address: point for point in terms.points}

    @property
    def points(self) -> tuple[CongestionPoint, ...]:
        """The congestion points, those furthest from the root of the grid first."""
        return tuple(sorted(self.terms.points, key=lambda point: (-len(self._above(point)), point.address)))

    # ------------------------------------------------------------ loads

    def load(self, address: str, period: str) -> list[int]:
        """Return what is expected to flow at a point in each ISP of a day, in W: prognoses, orders, the others."""
        point = self.point(address)
        count = self.calendar.count(period)
        others = self._state.others.get(address, {}).get(period, {})
        loads = [others.get(isp, 0) for isp in range(1, count + 1)]
        known = self.prognoses(address, period)
        for domain in point.aggregators():
            held = known.get(domain)
            powers = held.powers if held else self._assumed(point, domain, period, count)
            loads = [load + power for load, power in zip(loads, powers, strict=True)]
            for order in self._unreflected(point, domain, period, held.received if held else 0):
                for isp, power in powers_by_isp(order.order.isps).items():
                    loads[isp - 1] += power
        return loads

    def _assumed(self, point: CongestionPoint, domain: str, period: str, count: int) -> list[int]:
        """Return the DSO's own forecast of an aggregator without prognosis: what was metered on the last day before."""
        powers = [0] * count
        for connection, owner in point.connections.items():
            days = self._state.meters.get(connection, {}) if owner == domain else {}
            before = max((day for day in days if day < period), default=None)
            for isp, power in days.get(before or "", {}).items():
                if isp <= count:
                    powers[isp - 1] += power
        return powers

    def _unreflected(
        self, point: CongestionPoint, domain: str, period: str, since: int
    ) -> Iterator[HeldOrder]:
        """Yield orders, at a point or below it, that a prognosis received at `since` cannot contain."""
        for held in self._state.orders.values():
            order = held.order
            if order.recipient == domain and order.period == period and held.status != "void":
                below = self._points[order.congestion_point]
                inside = below is point or point.address in self._above(below)
                if inside and (held.known is None or held.known > since):
                    yield held

    def congestion(self, address: str, period: str) -> list[Congestion]:
        """Compare what is expected with a point's limits, for each ISP of a day."""
        return [
            congestion(load, self.limits(address, period, isp))
            for isp, load in enumerate(self.load(address, period), 1)
        ]

    def limits(self, address: str, period: str, isp: int) -> Limits:
        """Return the limits in force at a point in an ISP, its margin taken off."""
        return without_margin(self.bounds(address, period, isp), self.point(address).margin_w)

    def bounds(self, address: str, period: str, isp: int) -> Limits:
        """Return the limits of a point in an ISP: its own, or narrower ones of the grid behind it."""
        point = self.point(address)
        own = Limits(point.import_limit_w, point.export_limit_w)
        found = self._state.limits.get(address, {}).get(period, {}).get(isp)
        if found is None:
            return own
        return Limits(min(own.import_w, found.import_w), min(own.export_w, found.export_w))

    def first_isp(self, period: str, time: int) -> int:
        """Return the first ISP of a day that can still be changed at a moment."""
        start = self.calendar.bounds(period)[0]
        return max(1, -(-(time + self.terms.lead_s - start) // self.calendar.duration) + 1)

    def rooms_above(self, point: CongestionPoint, period: str) -> dict[int, Room]:
        """Return ISP -> what the points above a point still bear."""
        rooms: dict[int, Room] = {}
        for address in self._above(point):
            for isp, at in enumerate(self.congestion(address, period), 1):
                room = rooms.get(isp, Room(at.up, at.down))
                rooms[isp] = Room(min(room.up, at.up), min(room.down, at.down))
        return rooms

    # ------------------------------------------------------------ meter data

    def metered_load(self, address: str, period: str, isp: int, domain: str | None = None) -> int | None:
        """Return what was metered at a point in an ISP, in W.

        Args:
            address: of the point.
            period: the day.
            isp: the ISP.
            domain: an aggregator, for its connections alone.

        Returns:
            None if a connection of the aggregator has no meter data; without one, the others count as expected.
        """
        point = self.point(address)
        if domain is None:
            total = self._others(point, period, isp)
            return total + sum(
                self.metered_load(address, period, isp, name) or 0 for name in point.aggregators()
            )
        powers = [
            self._state.meters.get(connection, {}).get(period, {}).get(isp)
            for connection, owner in point.connections.items()
            if owner == domain
        ]
        known = [power for power in powers if power is not None]
        return sum(known) if len(known) == len(powers) else None

    def _others(self, point: CongestionPoint, period: str, isp: int) -> int:
        """Return what the connections without aggregator took: as metered, else as expected."""
        unclaimed = [connection for connection, owner in point.connections.items() if owner is None]
        meters = [self._state.meters.get(name, {}).get(period, {}).get(isp) for name in unclaimed]
        known = [power for power in meters if power is not None]
        if unclaimed and len(known) == len(unclaimed):
            return sum(known)
        return self._state.others.get(point.address, {}).get(period, {}).get(isp, 0)

    def held_orders(self, domain: str, address: str, period: str) -> list[HeldOrder]:
        """Return the orders that an aggregator accepted at a point for a day, in their order."""
        return [held for held in self.orders_of(domain, address, period) if held.status == "accepted"]

    def orders_of(self, domain: str, address: str, period: str) -> list[HeldOrder]:
        """Return the orders to an aggregator at a point for a day that are not void, in their order."""
        wanted = (domain, address, period)
        return [
            held
            for held in self._state.orders.values()
            if held.status != "void"
            and (held.order.recipient, held.order.congestion_point, held.order.period) == wanted
        ]

    def offers_of(self, domain: str, address: str, period: str) -> list[FlexOffer]:
        """Return all offers of an aggregator for a day at a point."""
        wanted = (domain, address, period)
        return [
            held.offer
            for held in self._state.offers.values()
            if (held.offer.sender, held.offer.congestion_point, held.offer.period) == wanted
        ]

    def requests_of(self, domain: str, address: str, period: str) -> list[FlexRequest]:
        """Return all requests to an aggregator for a day at a point."""
        wanted = (domain, address, period)
        return [
            request
            for request in self._state.requests.values()
            if (request.recipient, request.congestion_point, request.period) == wanted
        ]

    def reserved(self, reservation: Reservation, period: str) -> dict[int, int]:
        """Return what is reserved on a day: ISP -> W."""
        released = self._state.released.get(reservation.contract_id, {}).get(period)
        return dict(reservation.powers if released is None else released)

    def point(self, address: str) -> CongestionPoint:
        """Return a congestion point.

        Raises:
            InputError: if there is none of this address.
        """
        point = self._points.get(address)
        if point is None:
            raise InputError(unknown_name("congestion point", address, self._points))
        return point

    def _above(self, point: CongestionPoint) -> list[str]:
        """Return the addresses of the points above a point, the nearest first."""
        found: list[str] = []
        parent = point.parent
        while parent is not None and parent in self._points and parent not in found:
            found.append(parent)
            parent = self._points[parent].parent
        return found

    def below(self, address: str) -> list[str]:
        """Return the addresses of the points right below a point."""
        return [point.address for point in self.terms.points if point.parent == address]

    def prognoses(self, address: str, period: str) -> dict[str, HeldPrognosis]:
        """Return aggregator -> its prognosis in force, at a point for a day."""
        return self._state.prognoses.get(address, {}).get(period, {})
