"""A config's section `flexibility` as the terms of the DSO, of its aggregators, and of the programme beside the market."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from urllib.parse import quote

from trex_market.config import Config
from trex_market.config.flexibility import FlexibilityConfig
from trex_market.core.errors import InputError
from trex_market.core.units import MICRO, exact, price_from_dollars
from trex_market.participant import Series
from trex_market.programmes.flexibility.commands import ProgrammeTerms
from trex_market.programmes.flexibility.isps import Calendar
from trex_market.programmes.flexibility.messages import CongestionPoint
from trex_market.programmes.flexibility.programme import Flexibility
from trex_market.programmes.flexibility.records import AggregatorTerms, OperatorTerms, Reservation
from trex_market.programmes.flexibility.settlement import PenaltyTerms

_NANO_PER_MICRO = 1000
_HOUR = 3600


def section_of(config: Config) -> FlexibilityConfig:
    """Return a config's section.

    Raises:
        InputError: if it has none.
    """
    if config.flexibility is None:
        raise InputError(f"{config.source}: has no section 'flexibility'")
    return config.flexibility


def _reversed(domain: str) -> str:
    return ".".join(reversed(domain.split(".")))


def connection_address(operator_domain: str, participant_id: str) -> str:
    """Return the entity address of a participant's connection."""
    return f"ea1.2026-01.{_reversed(operator_domain)}:{quote(participant_id, safe='')}"


def point_address(section: FlexibilityConfig, name: str) -> str:
    """Return the entity address of a congestion point, its own or one made of its name."""
    address = section.congestion_points[name].address
    return address or connection_address(section.operator.domain, name)


def calendar_of(config: Config) -> Calendar:
    """Return the ISPs of a study: its slots.

    Raises:
        InputError: if they cannot be ISPs.
    """
    return Calendar(config.study.timezone, config.study.time_step_size)


def operator_terms(config: Config, seed: str = "") -> OperatorTerms:
    """Return what the DSO of a config goes by.

    Args:
        config: with a section `flexibility`.
        seed: see `trex_market.programmes.flexibility.ids.identifier`.
    """
    section = section_of(config)
    operator = section.operator
    most = operator.max_price
    return OperatorTerms(
        operator.domain,
        config.study.timezone,
        config.study.time_step_size,
        tuple(_point(config, section, name) for name in section.congestion_points),
        operator.currency,
        None if most is None else price_from_dollars(most) * _NANO_PER_MICRO,
        _penalty(section),
        operator.lead_s,
        operator.request_life_s,
        operator.max_connection,
        _reservations(section),
        seed,
    )


def _penalty(section: FlexibilityConfig) -> PenaltyTerms:
    return PenaltyTerms(round(exact(section.operator.penalty_factor) * 100))


def _point(config: Config, section: FlexibilityConfig, name: str) -> CongestionPoint:
    point = section.congestion_points[name]
    speakers = {member: domain for domain, one in section.aggregators.items() for member in one.members}
    members = config.participants if point.members is None else point.members
    return CongestionPoint(
        point_address(section, name),
        point.import_limit,
        point.export_limit,
        {connection_address(section.operator.domain, name): speakers.get(name) for name in members},
        point.margin,
        point.several_options,
        None if point.parent is None else point_address(section, point.parent),
    )


def _reservations(section: FlexibilityConfig) -> tuple[Reservation, ...]:
    return tuple(
        Reservation(
            name,
            one.aggregator,
            point_address(section, one.point),
            dict.fromkeys(range(one.first_isp, one.last_isp + 1), one.power),
        )
        for name, one in section.reservations.items()
    )


def aggregator_terms(config: Config, domain: str, seed: str = "") -> AggregatorTerms:
    """Return what an aggregator of a config goes by.

    Args:
        config: with a section `flexibility`.
        domain: the aggregator's.
        seed: see `trex_market.programmes.flexibility.ids.identifier`.

    Raises:
        InputError: if there is no such aggregator.
    """
    section = section_of(config)
    if domain not in section.aggregators:
        raise InputError(f"there is no aggregator {domain!r}; there are: {', '.join(section.aggregators)}")
    aggregator = section.aggregators[domain]
    points = [_point(config, section, name) for name in section.congestion_points]
    behind = {
        point.address: tuple(name for name, owner in point.connections.items() if owner == domain)
        for point in points
    }
    return AggregatorTerms(
        domain,
        section.operator.domain,
        config.study.timezone,
        config.study.time_step_size,
        {address: names for address, names in behind.items() if names},
        price_from_dollars(aggregator.price) * _NANO_PER_MICRO,
        max(1, round(exact(aggregator.min_activation) * 100)),
        aggregator.grain,
        aggregator.isps_per_offer,
        _HOUR // config.study.time_step_size,
        section.operator.currency,
        _penalty(section),
        tuple(one for one in _reservations(section) if one.aggregator == domain),
        seed,
    )


def make_flexibility(config: Config, start: int) -> Flexibility:
    """Return the programme beside a market.

    Args:
        config: with a section `flexibility`.
        start: of the episode, UNIX seconds; with the seed of the study it makes the ids of messages.
    """
    section = section_of(config)
    seed = f"{config.study.seed}-{start}"
    domain = section.operator.domain
    terms = ProgrammeTerms(
        {name: connection_address(domain, name) for name in config.participants},
        {name: round(exact(one.share) * MICRO) for name, one in section.aggregators.items()},
        section.operator.day_ahead_hour,
    )
    aggregators = [aggregator_terms(config, name, seed) for name in section.aggregators]
    return Flexibility(operator_terms(config, seed), aggregators, terms)


def member_forecasts(
    profiles: Mapping[str, Series], members: Sequence[str], calendar: Calendar, period: str
) -> dict[str, list[int]]:
    """Return what participants take on a day by their profiles, batteries left out: W for each ISP.

    Args:
        profiles: participant id -> load and generation.
        members: which participants.
        calendar: of the ISPs.
        period: the day; where a profile says nothing, it is 0.
    """
    start = calendar.bounds(period)[0]
    count = calendar.count(period)
    forecasts: dict[str, list[int]] = {}
    for name in members:
        profile = profiles[name]
        first = (start - profile.start) // profile.step
        powers = []
        for place in range(first, first + count):
            inside = 0 <= place < len(profile.load)
            made = sum(series[place] for series in profile.generation.values()) if inside else 0
            energy = profile.load[place] - made if inside else 0
            powers.append(energy * (_HOUR // calendar.duration))
        forecasts[name] = powers
    return forecasts
