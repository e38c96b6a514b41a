"""A DSO and aggregators at one table: a day in winter, UTC + 0, 96 ISPs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from trex_market.programmes.flexibility.aggregator import Aggregator
from trex_market.programmes.flexibility.grid_operator import GridOperator
from trex_market.programmes.flexibility.isps import runs_of
from trex_market.programmes.flexibility.messages import (
    Answer,
    CongestionPoint,
    DPrognosis,
    FlexOffer,
    FlexOrder,
    IspPower,
    OfferOption,
)
from trex_market.programmes.flexibility.records import AggregatorTerms, OperatorTerms

ZONE = "Africa/Abidjan"
DAY = "2026-01-15"
MIDNIGHT = 1_768_435_200
BEFORE = MIDNIGHT - 12 * 3600
FEEDER = "ea1.2026-01.demo.dso:feeder"
DSO = "dso.demo"
AGR1 = "agr1.demo"
AGR2 = "agr2.demo"
DOLLAR = 1_000_000_000


def feeder(import_w: int = 100_000, export_w: int = 100_000, **more: Any) -> CongestionPoint:
    """A feeder with two aggregators of two connections each, and a connection of nobody."""
    connections = {f"c{number}": domain for number, domain in enumerate((AGR1, AGR1, AGR2, AGR2, None))}
    return CongestionPoint(FEEDER, import_w, export_w, connections, **more)


def grid_operator(*points: CongestionPoint, **more: Any) -> GridOperator:
    terms = OperatorTerms(DSO, ZONE, 900, points or (feeder(),), request_life_s=7200, **more)
    return GridOperator(terms)


def aggregator(domain: str = AGR1, price: int = DOLLAR // 5, **more: Any) -> Aggregator:
    connections = ("c0", "c1") if domain == AGR1 else ("c2", "c3")
    return Aggregator(AggregatorTerms(domain, DSO, ZONE, 900, {FEEDER: connections}, price, **more))


def day_of(powers: Mapping[int, int], count: int = 96) -> list[int]:
    """A day's powers, 0 W where nothing is said."""
    return [powers.get(isp, 0) for isp in range(1, count + 1)]


class Header(msgspec.Struct):
    """Makes headers with running message ids."""

    sender: str
    recipient: str = DSO
    number: int = 0

    def __call__(self, **changes: Any) -> dict[str, Any]:
        self.number += 1
        plain = {
            "message_id": f"{self.sender}-{self.number}",
            "conversation_id": "conversation",
            "sender": self.sender,
            "recipient": self.recipient,
            "time": BEFORE,
        }
        return plain | changes

    def day(self, **changes: Any) -> dict[str, Any]:
        plain = {
            "period": DAY,
            "time_zone": ZONE,
            "isp_duration_s": 900,
            "congestion_point": FEEDER,
        }
        return self() | plain | changes


def prognosis(head: Header, powers: Mapping[int, int] | Sequence[int] = (), **changes: Any) -> DPrognosis:
    """A prognosis of a whole day."""
    isps = runs_of(day_of(powers) if isinstance(powers, Mapping) else list(powers) or [0] * 96)
    return DPrognosis(**head.day(**{"revision": 1, "isps": isps} | changes))


def offer(head: Header, powers: Mapping[int, int], price: int = DOLLAR, **changes: Any) -> FlexOffer:
    """An offer with one option."""
    isps = tuple(IspPower(isp, power) for isp, power in powers.items())
    option = OfferOption("1", price, isps, changes.pop("min_activation", 50))
    expires = MIDNIGHT + 900 * max(powers, default=1)
    plain = {"expires": expires, "options": (option,), "prognosis_id": None}
    return FlexOffer(**head.day(**plain | changes))


def accepted(answer: Answer) -> Answer:
    assert answer.accepted, answer
    return answer


def reasons(answer: Answer) -> list[str]:
    """The reasons of a rejection, as they stand in messages."""
    return [rejection.text for rejection in answer.rejections]


def take_orders(operator: GridOperator, orders: Sequence[FlexOrder], time: int = BEFORE) -> None:
    """Have all orders accepted."""
    for order in orders:
        operator.answered(Answer(order.message_id), time)
