"""What the machines of DSO and AGR go by, and all that they know: plain records, which JSON can hold."""

from __future__ import annotations

from typing import Literal

import msgspec

from trex_market.programmes.flexibility.congestion import Limits
from trex_market.programmes.flexibility.messages import (
    CongestionPoint,
    FlexOffer,
    FlexOrder,
    FlexRequest,
    FlexSettlement,
    OrderVerdict,
)
from trex_market.programmes.flexibility.settlement import PenaltyTerms

ByDay = dict[str, dict[str, dict[int, int]]]
"""Connection or point -> day -> ISP -> W."""


def without_margin(limits: Limits, margin_w: int) -> Limits:
    """Return limits with a margin taken off."""
    return Limits(max(0, limits.import_w - margin_w), max(0, limits.export_w - margin_w))


class Reservation(msgspec.Struct, frozen=True):
    """A bilateral contract: on each day an aggregator offers so much, if it is asked for.

    Args:
        contract_id: its name.
        aggregator: domain.
        congestion_point: entity address.
        powers: ISP -> W reserved; the sign is the direction.
    """

    contract_id: str
    aggregator: str
    congestion_point: str
    powers: dict[int, int]


class OperatorTerms(msgspec.Struct, frozen=True):
    """What a DSO goes by.

    Args:
        domain: its own.
        time_zone: IANA name.
        isp_duration_s: length of an ISP, in seconds.
        points: its congestion points.
        currency: ISO 4217.
        max_price: most it pays for useful energy, in nano-dollars per kWh; None for any price.
        penalty: what a deficiency costs.
        lead_s: how long before its start an ISP can still be changed, in seconds.
        request_life_s: how long a request can be answered, in seconds.
        max_connection_w: what nobody believes a single connection to take or give, in W.
        reservations: bilateral contracts.
        seed: see `ids.identifier`.
    """

    domain: str
    time_zone: str
    isp_duration_s: int
    points: tuple[CongestionPoint, ...]
    currency: str = "USD"
    max_price: int | None = None
    penalty: PenaltyTerms = PenaltyTerms()
    lead_s: int = 0
    request_life_s: int = 3600
    max_connection_w: int = 100_000
    reservations: tuple[Reservation, ...] = ()
    seed: str = ""


class HeldPrognosis(msgspec.Struct, frozen=True):
    """A prognosis in force: its W for every ISP of the day, and the running number of its receipt."""

    message_id: str
    revision: int
    powers: list[int]
    received: int


class HeldOffer(msgspec.Struct, frozen=True):
    """An offer, and what became of it; `received` is the running number of its receipt."""

    offer: FlexOffer
    received: int
    status: Literal["open", "ordered", "revoked"] = "open"


class HeldOrder(msgspec.Struct, frozen=True):
    """An order, and what became of it.

    Args:
        order: as sent.
        number: running, in the order of sending.
        baseline: ISP -> W of the prognosis that it deviates from.
        service: ISPs in which it was needed.
        status: whether the aggregator has answered.
        known: running number of the answer; prognoses received later contain it. None before.
    """

    order: FlexOrder
    number: int
    baseline: dict[int, int]
    service: tuple[int, ...]
    status: Literal["sent", "accepted", "void"] = "sent"
    known: int | None = None


class OperatorState(msgspec.Struct):
    """All that a DSO knows. Changed in place by its machine.

    Args:
        numbered: how many ids were made.
        received: how many messages were taken in.
        prognoses: point -> day -> aggregator -> in force.
        prognosis_days: message id of any accepted prognosis -> its day.
        others: point -> day -> ISP -> W of the connections without aggregator, as expected.
        limits: point -> day -> ISP -> limits in force there instead of the point's own.
        requests: message id -> request.
        revisions: point -> day -> of the last request.
        offers: message id -> offer.
        orders: message id -> order.
        meters: connection -> day -> ISP -> W.
        meter_revisions: connection -> day -> of the last meter data.
        released: contract -> day -> ISP -> W that stays reserved.
        settlements: message id -> settlement.
        verdicts: message id of a settlement -> what the aggregator said of it.
    """

    numbered: int = 0
    received: int = 0
    prognoses: dict[str, dict[str, dict[str, HeldPrognosis]]] = {}
    prognosis_days: dict[str, str] = {}
    others: ByDay = {}
    limits: dict[str, dict[str, dict[int, Limits]]] = {}
    requests: dict[str, FlexRequest] = {}
    revisions: dict[str, dict[str, int]] = {}
    offers: dict[str, HeldOffer] = {}
    orders: dict[str, HeldOrder] = {}
    meters: ByDay = {}
    meter_revisions: dict[str, dict[str, int]] = {}
    released: ByDay = {}
    settlements: dict[str, FlexSettlement] = {}
    verdicts: dict[str, list[OrderVerdict]] = {}


class AggregatorTerms(msgspec.Struct, frozen=True):
    """What an aggregator goes by.

    Args:
        domain: its own.
        operator: domain of the DSO.
        time_zone: IANA name.
        isp_duration_s: length of an ISP, in seconds.
        connections: point -> its connections there.
        price: what it asks, in nano-dollars per kWh.
        min_activation: least part of an offer that may be ordered, in hundredths.
        grain_w: it offers multiples of so many W.
        isps_per_offer: an offer has at most so many ISPs.
        unit_w: members change what they take by multiples of so many W, so that an order's parts may exceed it a little.
        currency: ISO 4217.
        penalty: what a deficiency costs, to check settlements.
        reservations: its bilateral contracts.
        seed: see `ids.identifier`.
    """

    domain: str
    operator: str
    time_zone: str
    isp_duration_s: int
    connections: dict[str, tuple[str, ...]]
    price: int
    min_activation: int = 10
    grain_w: int = 100
    isps_per_offer: int = 1
    unit_w: int = 1
    currency: str = "USD"
    penalty: PenaltyTerms = PenaltyTerms()
    reservations: tuple[Reservation, ...] = ()
    seed: str = ""


class OwnOffer(msgspec.Struct, frozen=True):
    """An offer of one's own.

    Args:
        offer: as sent.
        parts: connection -> ISP -> W that it would change; they add up to the option.
        service: ISPs in which it was asked for.
        status: what became of it.
    """

    offer: FlexOffer
    parts: dict[str, dict[int, int]]
    service: tuple[int, ...]
    status: Literal["open", "ordered", "revoked", "void"] = "open"


class OwnOrder(msgspec.Struct, frozen=True):
    """An order that was accepted.

    Args:
        order: as received.
        baseline: ISP -> W of the prognosis that it deviates from.
        service: ISPs in which it was asked for.
        parts: connection -> ISP -> W that it shall change.
        expected: connection -> ISP -> W that it would take without any flexibility.
    """

    order: FlexOrder
    baseline: dict[int, int]
    service: tuple[int, ...]
    parts: dict[str, dict[int, int]]
    expected: dict[str, dict[int, int]]


class AggregatorState(msgspec.Struct):
    """All that an aggregator knows. Changed in place by its machine.

    Args:
        numbered: how many ids were made.
        expected: connection -> day -> ISP -> W, without flexibility.
        bearable: connection -> day -> ISP -> W that it could change.
        prognoses: message id of those sent -> ISP -> W.
        prognosis_days: message id of those sent -> day.
        accepted: point -> day -> message id of the prognosis that the DSO accepted last.
        revisions: point -> day -> of the last prognosis.
        sent: message id of a prognosis that was not answered -> point and day.
        requests: message id -> request.
        request_revisions: point -> day -> of the last request.
        offers: message id -> offer.
        orders: order reference -> order.
        meters: connection -> day -> ISP -> W.
        meter_revisions: connection -> day -> of the last meter data.
        reserved: contract -> day -> ISP -> W that stays reserved.
    """

    numbered: int = 0
    expected: ByDay = {}
    bearable: ByDay = {}
    prognoses: dict[str, dict[int, int]] = {}
    prognosis_days: dict[str, str] = {}
    accepted: dict[str, dict[str, str]] = {}
    revisions: dict[str, dict[str, int]] = {}
    sent: dict[str, tuple[str, str]] = {}
    requests: dict[str, FlexRequest] = {}
    request_revisions: dict[str, dict[str, int]] = {}
    offers: dict[str, OwnOffer] = {}
    orders: dict[str, OwnOrder] = {}
    meters: ByDay = {}
    meter_revisions: dict[str, dict[str, int]] = {}
    reserved: ByDay = {}
