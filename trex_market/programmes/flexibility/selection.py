"""Which offers are ordered: the cheapest per useful energy first, a part of an option where that is enough.

A greedy rule, deterministic and easy to explain: in each turn the option with
the least ``cost / useful energy`` is ordered, its offer is gone, and what is
still needed is looked at anew. Pay-as-bid.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction

import msgspec

from trex_market.programmes.flexibility.congestion import Congestion, Limits, congestion
from trex_market.programmes.flexibility.isps import powers_by_isp
from trex_market.programmes.flexibility.messages import FlexOffer, OfferOption
from trex_market.programmes.flexibility.money import WS_PER_KWH, part_of, part_of_power

FULL = 100
"""All of an option, in hundredths."""


class Held(msgspec.Struct, frozen=True):
    """An offer that could be ordered; `received` is the running number of its receipt."""

    offer: FlexOffer
    received: int


class Selected(msgspec.Struct, frozen=True):
    """An option that is to be ordered.

    Args:
        offer: whose option it is.
        option: which.
        activation: how much of it, in hundredths.
        price: of that part, in nano-dollars.
        powers: ISP -> deviation of that part, in W.
        service: those ISPs of it in which it was needed.
    """

    offer: FlexOffer
    option: OfferOption
    activation: int
    price: int
    powers: dict[int, int]
    service: tuple[int, ...]


class Room(msgspec.Struct, frozen=True):
    """What an ISP of the points above a point still bears, in W."""

    up: int
    down: int


class _Candidate(msgspec.Struct, frozen=True, order=True):
    score: Fraction
    received: int
    message_id: str
    reference: str


def select(
    loads: Mapping[int, int],
    limits: Mapping[int, Limits],
    held: Sequence[Held],
    *,
    isp_duration_s: int,
    max_price: int | None = None,
    above: Mapping[int, Room] | None = None,
) -> list[Selected]:
    """Choose what to order.

    Args:
        loads: ISP -> W expected at the point; ISPs that can still be changed, all of them.
        limits: ISP -> limits of the point.
        held: offers to choose among.
        isp_duration_s: length of an ISP, in seconds.
        max_price: most to pay for useful energy, in nano-dollars per kWh; None for any price.
        above: ISP -> room at the points above; None where there are none.

    Returns:
        what to order, in the order of choice.
    """
    loads = dict(loads)
    rooms = dict(above or {})
    remaining = list(held)
    selected: list[Selected] = []
    while remaining:
        state = {isp: congestion(load, limits[isp]) for isp, load in loads.items()}
        if not any(at.need for at in state.values()):
            break
        best: tuple[_Candidate, Selected, Held] | None = None
        for candidate in remaining:
            for option in candidate.offer.options:
                found = _judge(candidate, option, state, rooms, isp_duration_s, max_price)
                if found is not None and (best is None or found[0] < best[0]):
                    best = (*found, candidate)
        if best is None:
            break
        _, choice, chosen = best
        selected.append(choice)
        remaining.remove(chosen)
        for isp, power in choice.powers.items():
            if power:
                loads[isp] += power
            if isp in rooms:
                rooms[isp] = Room(max(0, rooms[isp].up - power), max(0, rooms[isp].down + power))
    return selected


def _judge(
    held: Held,
    option: OfferOption,
    state: Mapping[int, Congestion],
    rooms: Mapping[int, Room],
    isp_duration_s: int,
    max_price: int | None,
) -> tuple[_Candidate, Selected] | None:
    """Return an option's score and what would be ordered of it; None if it is of no use, or does harm."""
    wanted = powers_by_isp(option.isps)
    if any(power and isp not in state for isp, power in wanted.items()):
        return None  # a part of it can no longer be changed
    activation = _activation(option, wanted, state, rooms)
    if activation is None:
        return None
    powers = {isp: part_of_power(power, activation) for isp, power in wanted.items()}
    service = tuple(isp for isp, power in powers.items() if power and power * state[isp].need > 0)
    useful = sum(min(abs(powers[isp]), abs(state[isp].need)) for isp in service) * isp_duration_s
    price = part_of(option.price, activation)
    if not useful or (max_price is not None and price * WS_PER_KWH > max_price * useful):
        return None
    score = Fraction(price, useful)
    candidate = _Candidate(score, held.received, held.offer.message_id, option.reference)
    return candidate, Selected(held.offer, option, activation, price, powers, service)


def _activation(
    option: OfferOption, wanted: Mapping[int, int], state: Mapping[int, Congestion], rooms: Mapping[int, Room]
) -> int | None:
    """Return how much of an option, in hundredths, is needed and harmless; None if there is no such part."""
    needed = 0
    most = FULL
    for isp, power in wanted.items():
        if not power:
            continue
        at, size = state[isp], abs(power)
        if power * at.need > 0:
            needed = max(needed, -(-FULL * abs(at.need) // size))
        room = at.up if power > 0 else at.down
        if isp in rooms:
            room = min(room, rooms[isp].up if power > 0 else rooms[isp].down)
        most = min(most, _most(size, room))
    activation = min(max(min(FULL, needed), option.min_activation), most)
    return activation if activation >= option.min_activation and needed else None


def _most(size: int, room: int) -> int:
    """Return the largest part (hundredths) of a power that fits a room, as rounded when it is ordered."""
    if size <= room:
        return FULL
    part = FULL * room // size
    while part < FULL and part_of_power(size, part + 1) <= room:
        part += 1
    return part
