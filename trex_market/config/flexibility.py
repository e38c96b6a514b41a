"""The `flexibility` section: where the grid is narrow, who speaks for whom, and at what price."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from trex_market.config.parties import PartyConfig
from trex_market.config.values import (
    Name,
    ParticipantId,
    Power,
    Price,
    Section,
    Share,
    check_printable,
    default_if_empty,
    found,
    listed,
    number,
    whole,
    wrong,
)
from trex_market.core.errors import unknown_name
from trex_market.core.units import MAX_QUANTITY

_DOMAIN = re.compile(r"([a-z0-9]+(-[a-z0-9]+)*\.)+[a-z]{2,}")
_ADDRESS = re.compile(r"ean\.[0-9]{12,34}|ea1\.[0-9]{4}-[0-9]{2}\.[a-z0-9.-]{1,244}:[\x21-\x7e]{1,244}")


def check_domain(text: str) -> str:
    """Refuse what is no internet domain in small letters with a dot."""
    if not _DOMAIN.fullmatch(text):
        raise wrong(f"must be a domain such as 'dso.demo', found {found(text)}")
    return text


def check_address(text: str) -> str:
    """Refuse what is no entity address."""
    if len(text) > 255 or not _ADDRESS.fullmatch(text):
        message = f"must be an entity address such as 'ea1.2026-01.demo.dso:feeder', found {found(text)}"
        raise wrong(message)
    return text


Domain = Annotated[str, AfterValidator(check_domain)]
"""A domain in small letters."""

Members = Annotated[tuple[ParticipantId, ...], BeforeValidator(listed)]
"""Ids of participants."""


class OperatorConfig(PartyConfig):
    """The grid operator (DSO), and where it is; see `PartyConfig`.

    Args:
        domain: names it in messages and in the ledger.
        currency: ISO 4217.
        max_price: most that it pays for energy that helps, $/kWh; None for any price.
        penalty_factor: what is lacking costs so many times its price.
        lead_s: how long before it starts an ISP can still be changed, seconds.
        request_life_s: how long a request can be answered, seconds.
        max_connection: what nobody believes a single connection to take or give, W.
        day_ahead_hour: local hour of the day before from which on a day is traded; None for the day itself.
    """

    domain: Domain = "dso.demo"
    currency: Literal["USD", "EUR", "GBP", "CHF", "CAD", "AUD"] = "USD"
    max_price: Price | None = None
    penalty_factor: Annotated[float, number(least=0, most=100)] = 1.5
    lead_s: Annotated[int, whole("s", least=0, most=86_400)] = 900
    request_life_s: Annotated[int, whole("s", least=1, most=86_400)] = 900
    max_connection: Power = 100_000
    day_ahead_hour: Annotated[int, whole(least=0, most=23)] | None = None


class GridConfig(Section):
    """The grid behind a congestion point, whose lines and transformer are looked at by load flow.

    Args:
        network: its SimBench code.
        max_loading: most that a line or transformer may be loaded, in percent.
        buses: participant -> name of its bus; none for those of the packaged homes.
    """

    network: Annotated[str, AfterValidator(check_printable)]
    max_loading: Annotated[float, number("%", least=0, most=1000, above=True)] = 100.0
    buses: Annotated[dict[ParticipantId, str], default_if_empty({})] = Field(default_factory=dict)


class CongestionPointConfig(Section):
    """A place of the grid whose load is limited.

    Args:
        address: its entity address; None for one made of the DSO's domain and its name.
        import_limit: most that may flow towards the participants, W.
        export_limit: most that may flow towards the grid, W.
        margin: the limits are kept by so much, W.
        members: participants behind it; None for all.
        parent: name of the point above it; None for none.
        grid: whose loading is looked at as well; None for none.
        several_options: whether an offer may have several options, which exclude each other.
    """

    address: Annotated[str, AfterValidator(check_address)] | None = None
    import_limit: Power
    export_limit: Power
    margin: Power = 0
    members: Members | None = None
    parent: str | None = None
    grid: Annotated[GridConfig | None, BeforeValidator(lambda section: section or None)] = None
    several_options: bool = True


class AggregatorConfig(PartyConfig):
    """An aggregator (AGR), and where it is; see `PartyConfig`.

    Args:
        members: the participants for whom it speaks.
        price: what it asks for energy that it changes, $/kWh.
        min_activation: least part of an offer that may be ordered.
        grain: it offers multiples of so many W.
        isps_per_offer: an offer has at most so many slots in a row, which can only be ordered together.
        share: part of what it is paid that it hands on to its members.
    """

    members: Members
    price: Price
    min_activation: Annotated[float, number(least=0.01, most=1)] = 0.1
    grain: Annotated[int, whole("W", least=1, most=1_000_000)] = 100
    isps_per_offer: Annotated[int, whole(least=1, most=100)] = 1
    share: Share = 1.0


class ReservationConfig(Section):
    """A bilateral contract: an aggregator offers so much on each day, if it is asked for.

    Args:
        aggregator: its domain.
        point: name of the congestion point.
        power: W; above 0 for more load, below for less.
        first_isp: from this one on, numbered from 1 in a day.
        last_isp: to this one.
    """

    aggregator: Domain
    point: Name
    power: Annotated[int, whole("W", least=-MAX_QUANTITY, most=MAX_QUANTITY)]
    first_isp: Annotated[int, whole(least=1, most=1500)]
    last_isp: Annotated[int, whole(least=1, most=1500)]


class RegistryConfig(PartyConfig):
    """The register of congestion points and connections (CRO), and where it is; see `PartyConfig`.

    Args:
        domain: names it in messages.
        closed: whether it serves the operator and the aggregators of this config alone.
    """

    domain: Domain = "cro.demo"
    closed: bool = False


class FlexibilityConfig(Section):
    """Trading of flexibility.

    Args:
        operator: the DSO.
        registry: the CRO; None for none.
        congestion_points: name -> point.
        aggregators: domain -> aggregator.
        reservations: name of a contract -> reservation.
    """

    operator: Annotated[OperatorConfig, default_if_empty({})] = OperatorConfig()
    registry: Annotated[RegistryConfig | None, default_if_empty(None)] = None
    congestion_points: dict[Name, CongestionPointConfig]
    aggregators: dict[Domain, AggregatorConfig]
    reservations: Annotated[dict[Name, ReservationConfig], default_if_empty({})] = Field(default_factory=dict)

    def mistakes(self, participants: Collection[str]) -> Iterator[tuple[tuple[str | int, ...], str]]:
        """Find what it names and what there is not.

        Args:
            participants: ids of all of them.

        Yields:
            where in this section, and what is wrong.
        """
        yield from self._member_mistakes(participants)
        for domain in self.aggregators:
            if domain == self.operator.domain:
                yield ("aggregators", domain), "is the DSO's domain"
            if self.registry is not None and domain == self.registry.domain:
                yield ("aggregators", domain), "is the CRO's domain"
        if self.registry is not None and self.registry.domain == self.operator.domain:
            yield ("registry", "domain"), "is the DSO's domain"
        for name, point in self.congestion_points.items():
            for place, member in enumerate(point.members or ()):
                if member not in participants:
                    where = ("congestion_points", name, "members", place)
                    yield where, unknown_name("participant", member, participants)
            if point.parent is not None and point.parent not in self.congestion_points:
                message = unknown_name("congestion point", point.parent, self.congestion_points)
                yield ("congestion_points", name, "parent"), message
            elif self._circular(name):
                yield ("congestion_points", name, "parent"), "a point cannot be above itself"
        yield from self._reservation_mistakes()

    def _member_mistakes(self, participants: Collection[str]) -> Iterator[tuple[tuple[str | int, ...], str]]:
        spoken_for: dict[str, str] = {}
        for domain, aggregator in self.aggregators.items():
            for place, member in enumerate(aggregator.members):
                where = ("aggregators", domain, "members", place)
                if member not in participants:
                    yield where, unknown_name("participant", member, participants)
                elif member in spoken_for:
                    yield where, f"{spoken_for[member]} speaks for {member!r} already"
                spoken_for[member] = domain

    def _circular(self, name: str) -> bool:
        """Tell whether a point is above itself."""
        seen = {name}
        parent = self.congestion_points[name].parent
        while parent is not None and parent in self.congestion_points:
            if parent in seen:
                return True
            seen.add(parent)
            parent = self.congestion_points[parent].parent
        return False

    def _reservation_mistakes(self) -> Iterator[tuple[tuple[str | int, ...], str]]:
        for name, reservation in self.reservations.items():
            if reservation.aggregator not in self.aggregators:
                message = unknown_name("aggregator", reservation.aggregator, self.aggregators)
                yield ("reservations", name, "aggregator"), message
            if reservation.point not in self.congestion_points:
                message = unknown_name("congestion point", reservation.point, self.congestion_points)
                yield ("reservations", name, "point"), message
            if reservation.last_isp < reservation.first_isp:
                yield ("reservations", name, "last_isp"), f"must not be before {reservation.first_isp}"
