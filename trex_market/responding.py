"""A config's section `demand_response` as the terms of the programme beside the market."""

from __future__ import annotations

from trex_market.config import Config
from trex_market.config.demand_response import AutoResponseConfig, DemandResponseConfig, EventConfig
from trex_market.config.study import local_time
from trex_market.core.errors import InputError
from trex_market.core.units import exact, price_from_dollars, rounded
from trex_market.programmes.demand_response import DemandResponse, Terms
from trex_market.programmes.demand_response.records import (
    ALWAYS_SHIFTING,
    MILLION,
    AutoResponse,
    BaselineTerms,
    Device,
    PlannedEvent,
)


def make_demand_response(config: Config) -> DemandResponse:
    """Make the programme of a config.

    Raises:
        InputError: if it has no section `demand_response`.
    """
    return DemandResponse(demand_response_terms(config))


def demand_response_terms(config: Config) -> Terms:
    """Return what the programme of a config goes by.

    Raises:
        InputError: if it has no section `demand_response`.
    """
    section = config.demand_response
    if section is None:
        raise InputError(f"{config.source}: has no section 'demand_response'")
    step, timezone = config.study.time_step_size, config.study.timezone
    realtime = config.market.mode == "realtime"
    return Terms(
        timezone=timezone,
        step=step,
        interval_s=section.interval(step),
        price=price_from_dollars(section.price),
        penalty=price_from_dollars(section.penalty),
        sample_s=section.sample_s,
        silence_s=section.silence_s,
        answer_lead_s=section.answer_lead_s,
        accept=section.accept,
        quorum=_millionths(section.quorum),
        rebound_s=section.rebound_s,
        meter_delay_s=config.market.meter_grace_s if realtime else 0,
        auto_response=_rule(section.auto_response),
        participants={name: _rule(rule) for name, rule in section.participants.items()},
        devices=_devices(config, section),
        baseline=_baseline(section),
        plan=tuple(_planned(name, event, timezone) for name, event in section.events.items()),
    )


def _millionths(share: float) -> int:
    scaled = exact(share) * MILLION
    return rounded(scaled.numerator, scaled.denominator)


def _rule(rule: AutoResponseConfig) -> AutoResponse:
    return AutoResponse(rule.enabled, _millionths(rule.max_reduction), rule.delay_s, rule.notice_s)


def _devices(config: Config, section: DemandResponseConfig) -> tuple[Device, ...]:
    if not section.devices:
        return tuple(Device(name, name, "meter") for name in config.participants)
    return tuple(
        Device(name, device.participant, device.measured, device.hours or ALWAYS_SHIFTING)
        for name, device in section.devices.items()
    )


def _baseline(section: DemandResponseConfig) -> BaselineTerms:
    baseline = section.baseline
    return BaselineTerms(
        baseline.weekdays,
        baseline.weekends,
        baseline.adjustment,
        _millionths(baseline.cap),
        baseline.cap_w,
        baseline.adjust_from_s,
        baseline.adjust_until_s,
        baseline.look_back_days,
        baseline.holidays,
    )


def _planned(name: str, event: EventConfig, timezone: str) -> PlannedEvent:
    start = local_time(event.start, timezone)
    energy = None
    if event.load_kwh is not None:
        wanted = exact(event.load_kwh) * 1000
        energy = max(1, rounded(wanted.numerator, wanted.denominator))
    share = None if event.load_percent is None else max(1, _millionths(event.load_percent / 100))
    return PlannedEvent(
        name, start - event.invite_s, start, event.duration_s, energy, share, tuple(event.devices)
    )
