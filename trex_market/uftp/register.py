"""What a CRO knows: congestion points, their connections, and who speaks for them. No network, no clock.

Days are "yyyy-mm-dd", and an end is the last day; None is for ever.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from trex_market.programmes.flexibility.reasons import Reason
from trex_market.uftp.directory import Role


class Span(msgspec.Struct, frozen=True):
    """The days from one to another."""

    start: str
    end: str | None = None

    def has(self, day: str) -> bool:
        """Say whether a day is one of them."""
        return self.start <= day and (self.end is None or day <= self.end)

    def meets(self, other: Span) -> bool:
        """Say whether two spans have a day in common."""
        return (other.end is None or self.start <= other.end) and (
            self.end is None or other.start <= self.end
        )


class Place(msgspec.Struct, frozen=True):
    """A congestion point as its DSO registers it.

    Args:
        address: its entity address.
        span: when it is one.
        connections: entity address -> when it is there.
        mutex_offers: whether offers may have several options.
        day_ahead_by: who redispatches, "AGR" or "DSO".
        intraday_by: likewise; None if there is no trading within the day.
    """

    address: str
    span: Span
    connections: dict[str, Span]
    mutex_offers: bool
    day_ahead_by: str
    intraday_by: str | None = None


class Speaker(msgspec.Struct, frozen=True):
    """Who speaks for a connection, and when."""

    domain: str
    span: Span


class Register:
    """Congestion points and connections.

    Args:
        members: domain and role of those who may use it; None for all, which the specification calls open mode.
    """

    def __init__(self, members: Iterable[tuple[str, Role]] | None = None) -> None:
        self._members = None if members is None else frozenset(members)
        self._places: dict[str, tuple[str, Place]] = {}
        self._speakers: dict[str, Speaker] = {}
        self._updated: dict[tuple[str, Role], float] = {}

    def register_places(self, domain: str, time: float, places: Sequence[Place]) -> list[str]:
        """Register a DSO's congestion points; return why not, and nothing is changed then.

        Args:
            domain: of the DSO.
            time: of its message, UNIX seconds.
            places: replace those of the same addresses.
        """
        reasons = self._general(domain, Role.DSO, time)
        reasons += self._conflicts(domain, places)
        if not reasons:
            self._updated[domain, Role.DSO] = time
            self._places |= {place.address: (domain, place) for place in places}
        return reasons

    def _general(self, domain: str, role: Role, time: float) -> list[str]:
        reasons = self._stranger(domain, role)
        if time < self._updated.get((domain, role), time):
            reasons.append(Reason.SUBORDINATE_SEQUENCE)
        return reasons

    def _stranger(self, domain: str, role: Role) -> list[str]:
        is_stranger = self._members is not None and (domain, role) not in self._members
        return [Reason.UNAUTHORIZED] if is_stranger else []

    def _conflicts(self, domain: str, places: Sequence[Place]) -> list[str]:
        replaced = {place.address for place in places}
        reasons: list[str] = []
        for place in places:
            owner = self._places.get(place.address)
            if owner is not None and owner[0] != domain:
                reasons.append(Reason.UNAUTHORIZED)
        others = [place for address, (_, place) in self._places.items() if address not in replaced]
        for number, place in enumerate(places):
            for connection, span in place.connections.items():
                for other in (*others, *places[:number]):
                    there = other.connections.get(connection)
                    if there is not None and there.meets(span) and other.span.meets(place.span):
                        reasons.append(f"{Reason.CONNECTION_CONFLICT}: {connection} at {other.address}")
        return list(dict.fromkeys(reasons))

    def register_connections(self, domain: str, time: float, connections: dict[str, Span]) -> list[str]:
        """Register the connections that an aggregator speaks for; return why not, and nothing is changed then.

        Args:
            domain: of the aggregator.
            time: of its message, UNIX seconds.
            connections: entity address -> when.
        """
        reasons = self._general(domain, Role.AGR, time)
        for connection, span in connections.items():
            speaker = self._speakers.get(connection)
            if speaker is not None and speaker.domain != domain and speaker.span.meets(span):
                reasons.append(Reason.UNAUTHORIZED)  # nobody takes a connection from somebody else
        if not reasons:
            self._updated[domain, Role.AGR] = time
            self._speakers |= {name: Speaker(domain, span) for name, span in connections.items()}
        return list(dict.fromkeys(reasons))

    def places_of(self, domain: str, day: str) -> tuple[list[str], dict[str, list[tuple[Place, list[str]]]]]:
        """Return where an aggregator has connections on a day.

        Returns:
            reasons, if it may not know or there are none; and DSO -> its points there, with the connections.
        """
        reasons = self._stranger(domain, Role.AGR)
        own = {
            name
            for name, speaker in self._speakers.items()
            if speaker.domain == domain and speaker.span.has(day)
        }
        found: dict[str, list[tuple[Place, list[str]]]] = {}
        for dso, place in self._places.values():
            here = [name for name, span in place.connections.items() if name in own and span.has(day)]
            if here and place.span.has(day):
                found.setdefault(dso, []).append((place, here))
        if not reasons and not found:
            reasons = [Reason.NO_CONNECTIONS]
        return reasons, found

    def elsewhere(self, domain: str, day: str) -> list[str]:
        """Return an aggregator's connections that are at no congestion point on a day."""
        _, found = self.places_of(domain, day)
        placed = {name for places in found.values() for _, names in places for name in names}
        return [
            name
            for name, speaker in self._speakers.items()
            if speaker.domain == domain and speaker.span.has(day) and name not in placed
        ]

    def speakers_at(self, domain: str, address: str, day: str) -> tuple[list[str], dict[str, str | None]]:
        """Return who speaks for the connections at a DSO's congestion point on a day.

        Returns:
            reasons, if it may not know or there are none; and connection -> aggregator, None for nobody.
        """
        reasons = self._stranger(domain, Role.DSO)
        owner, place = self._places.get(address, (domain, None))
        if owner != domain:
            reasons.append(Reason.UNAUTHORIZED)
        elif place is None:
            reasons.append(Reason.INVALID_POINT)
        if reasons or place is None:
            return list(dict.fromkeys(reasons)), {}
        found: dict[str, str | None] = {}
        for name, span in place.connections.items():
            if span.has(day) and place.span.has(day):
                speaker = self._speakers.get(name)
                found[name] = speaker.domain if speaker is not None and speaker.span.has(day) else None
        return ([] if found else [Reason.NO_CONNECTIONS]), found
