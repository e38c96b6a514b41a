"""A settlement as rows of the ledger: the DSO pays the aggregator, and the aggregator its members, slot by slot."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction

import msgspec

from trex_market.core.messages import Transaction
from trex_market.core.units import MICRO, rounded
from trex_market.programmes.flexibility.isps import Calendar, powers_by_isp
from trex_market.programmes.flexibility.messages import OrderSettlement, SettlementIsp
from trex_market.programmes.flexibility.money import split
from trex_market.programmes.flexibility.records import ByDay, HeldOrder, OwnOrder
from trex_market.programmes.flexibility.settlement import IspOutcome, Ordered, PenaltyTerms, worth

FLEXIBILITY = "flexibility"
"""Source of the rows."""


class Payment(msgspec.Struct, frozen=True):
    """Money for an order in a slot.

    Args:
        slot_start: the slot.
        reference: of the order.
        seller_id: who changed what it takes.
        buyer_id: who pays.
        quantity: what was delivered, in Wh.
        amount: nano-dollars; below 0 the seller pays.
    """

    slot_start: int
    reference: str
    seller_id: str
    buyer_id: str
    quantity: int
    amount: int


class Parties(msgspec.Struct, frozen=True):
    """Who is paid for an aggregator's orders.

    Args:
        operator: the DSO's domain.
        aggregator: its domain.
        members: connection -> participant id.
        share: millionths that go to the members.
    """

    operator: str
    aggregator: str
    members: Mapping[str, str]
    share: int


Order = HeldOrder | OwnOrder
"""An order as the DSO knows it, or as its aggregator does."""


def operator_payments(
    item: OrderSettlement, order: Order, parties: Parties, penalty: PenaltyTerms, calendar: Calendar
) -> Iterator[Payment]:
    """Yield what the DSO pays for a settled order; all of it adds up to the order's net amount.

    Args:
        item: the order, settled.
        order: the order.
        parties: who is paid.
        penalty: what a deficiency costs.
        calendar: of the ISPs.
    """
    amounts = _by_isp(item, order, penalty, calendar.duration)
    for isp in item.isps:
        amount = amounts[isp.start]
        delivered = rounded(abs(isp.delivered) * calendar.duration, 3600)
        if amount or delivered:
            slot_start = calendar.start_of(item.period, isp.start)
            yield Payment(
                slot_start, item.order_reference, parties.aggregator, parties.operator, delivered, amount
            )


def member_payments(
    item: OrderSettlement,
    own: OwnOrder,
    parties: Parties,
    meters: ByDay,
    penalty: PenaltyTerms,
    calendar: Calendar,
) -> Iterator[Payment]:
    """Yield what an aggregator hands on of a settled order.

    Args:
        item: the order, settled.
        own: the order, as the aggregator has divided it among its members.
        parties: who is paid.
        meters: connection -> day -> ISP -> W.
        penalty: what a deficiency costs.
        calendar: of the ISPs.
    """
    money = _gains_and_fines(item, own, parties.share, penalty, calendar.duration)
    for isp in item.isps:
        slot_start = calendar.start_of(item.period, isp.start)
        for connection, energy, part in _handed_on(isp, own, parties, meters, item.period, money[isp.start]):
            watt_hours = rounded(energy * calendar.duration, 3600)
            if part or watt_hours:
                member = parties.members[connection]
                yield Payment(slot_start, item.order_reference, member, parties.aggregator, watt_hours, part)


def member_shares(
    item: OrderSettlement, order: Order, share: int, penalty: PenaltyTerms, calendar: Calendar
) -> dict[int, int]:
    """Return what the members of an aggregator get of a settled order in all: slot start -> nano-dollars.

    Args:
        item: the order, settled.
        order: the order.
        share: millionths that go to the members.
        penalty: what a deficiency costs.
        calendar: of the ISPs.
    """
    money = _gains_and_fines(item, order, share, penalty, calendar.duration)
    return {calendar.start_of(item.period, isp): gain - fine for isp, (gain, fine) in money.items()}


def _gains_and_fines(
    item: OrderSettlement, order: Order, share: int, penalty: PenaltyTerms, isp_duration_s: int
) -> dict[int, tuple[int, int]]:
    """Return the members' part of what is paid for what was delivered, and of the fine: ISP -> nano-dollars."""
    amounts = _by_isp(item, order, penalty, isp_duration_s)
    size = sum(abs(isp.ordered) for isp in item.isps if isp.start in order.service)
    money: dict[int, tuple[int, int]] = {}
    for isp in item.isps:
        gain = rounded(item.price * abs(isp.delivered), size) if size else 0
        fine = gain - amounts[isp.start]
        money[isp.start] = rounded(gain * share, MICRO), rounded(fine * share, MICRO)
    return money


def _by_isp(item: OrderSettlement, own: Order, penalty: PenaltyTerms, isp_duration_s: int) -> dict[int, int]:
    """Divide an order's net amount among its ISPs, by what each is worth, in whole nano-dollars."""
    outcomes = {isp.start: IspOutcome(abs(isp.delivered), isp.deficiency) for isp in item.isps}
    order = Ordered(item.price, powers_by_isp(own.order.isps), frozenset(own.service))
    exact = worth(order, outcomes, penalty, isp_duration_s)
    amounts: dict[int, int] = {}
    total, given = Fraction(0), 0
    for isp in sorted(exact):
        total += exact[isp]
        amounts[isp] = rounded(total.numerator, total.denominator) - given
        given += amounts[isp]
    if amounts:
        # The whole was rounded to 4 decimals; what that makes goes to the ISP that is worth most.
        most = max(amounts, key=lambda isp: (abs(amounts[isp]), -isp))
        amounts[most] += item.net - given
    return amounts


def _handed_on(
    isp: SettlementIsp,
    own: OwnOrder,
    parties: Parties,
    meters: ByDay,
    period: str,
    money: tuple[int, int],
) -> list[tuple[str, int, int]]:
    """Divide what an ISP of an order brings among the members.

    Args:
        isp: the ISP, settled.
        own: the order.
        parties: who is paid.
        meters: connection -> day -> ISP -> W.
        period: the day.
        money: the members' part of what is paid for what was delivered, and of the fine, in nano-dollars.

    Returns:
        connection, W that it has delivered, nano-dollars: a gain by what each did, a fine by what each lacks.
    """
    gain, fine = money
    connections = list(parties.members)
    parts = [own.parts.get(connection, {}).get(isp.start, 0) for connection in connections]
    done, lacking = [], []
    for connection, part in zip(connections, parts, strict=True):
        sign = (part > 0) - (part < 0)
        expected = own.expected.get(connection, {}).get(isp.start, 0)
        change = sign * (meters.get(connection, {}).get(period, {}).get(isp.start, expected) - expected)
        done.append(min(max(change, 0), abs(part)))
        lacking.append(max(0, abs(part) - change))
    sizes = [abs(part) for part in parts]
    gains = split(gain, done if any(done) else sizes)
    fines = split(fine, lacking if any(lacking) else sizes)
    return [
        (connection, energy, plus - minus)
        for connection, energy, plus, minus in zip(connections, done, gains, fines, strict=True)
    ]


def transactions(slot_start: int, step: int, paid: Sequence[Payment]) -> tuple[Transaction, ...]:
    """Return a slot's payments as rows of the ledger.

    Args:
        slot_start: the slot.
        step: its length, in seconds.
        paid: all payments for it.
    """
    end = slot_start + step
    return tuple(
        Transaction(
            f"f{slot_start}-{number:05}",
            "flexibility",
            payment.reference,
            payment.quantity,
            payment.seller_id,
            payment.buyer_id,
            FLEXIBILITY,
            0,
            0,
            slot_start,
            end,
            end,
            amount=payment.amount,
        )
        for number, payment in enumerate(paid, 1)
    )
