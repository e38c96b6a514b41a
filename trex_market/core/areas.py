"""Areas: the parts of the grid, a tree, and the fees for energy that is traded through them.

Between a buyer and a seller the fees of all areas count on the way from the one's area to the other's
through the lowest area that holds both, both ends included, each once. A fee is an amount per kWh and a
share of what the seller gets per kWh. Energy that the grid supplies or takes bears none: its tariff is
the whole price.

A fee that is changed holds for all slots that have no contracts yet; a slot that was cleared in part
keeps those under which its first contracts were made.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from trex_market.core.errors import InputError, RefusalCode, unknown_name
from trex_market.core.messages import Area, FeePayer, OpenMarket, SetGridFee
from trex_market.core.state import AreasState
from trex_market.core.units import MAX_PRICE, MICRO, rounded

MAX_SHARE = 10 * MICRO
"""The largest share that a fee may be of what the seller gets: ten times as much."""

MOST_KEPT = 10_000
"""Fees of so many pairs of areas are remembered."""

Amounts = tuple[int, int]
"""A fee's micro-dollars per kWh, and its share in millionths."""


class Fee(msgspec.Struct, frozen=True, gc=False):
    """What is paid besides what the seller gets.

    Args:
        fee: micro-dollars per kWh.
        share: millionths of what the seller gets.
    """

    fee: int = 0
    share: int = 0

    def at(self, price: int) -> int:
        """Return the fee (micro-dollars per kWh) where the seller gets a price."""
        return self.fee + rounded(price * self.share, MICRO) if self.share else self.fee

    def most(self, limit: int) -> int:
        """Return the highest price that a seller can get where a buyer pays no more than a limit, fee included."""
        if not self.share:
            return limit - self.fee
        price = (limit - self.fee) * MICRO // (MICRO + self.share)
        # Where the fee is rounded down, there is room for one more.
        return price + 1 if price + 1 + self.at(price + 1) <= limit else price


NO_FEE = Fee()


def parts(fee: int, payer: FeePayer) -> tuple[int, int]:
    """Return which part of a fee stands on the seller's side, and which on the buyer's."""
    match payer:
        case "buyer":
            return 0, fee
        case "seller":
            return fee, 0
        case "both":
            return fee // 2, fee - fee // 2


class Fees:
    """The fees of all areas at one time.

    Args:
        parents: area -> the one that it is in; None for the one that holds all others.
        amounts: area -> fee.
    """

    def __init__(self, parents: Mapping[str, str | None], amounts: Mapping[str, Amounts]) -> None:
        self._parents = parents
        self.amounts = dict(amounts)
        self._between: dict[tuple[str, str], Fee] = {}

    def between(self, first: str, second: str) -> Fee:
        """Return the fee between two areas; the order does not matter."""
        fee = self._between.get((first, second))
        if fee is None:
            amounts = [self.amounts[name] for name in path(self._parents, first, second)]
            fee = Fee(sum(amount for amount, _ in amounts), sum(share for _, share in amounts))
            if len(self._between) < MOST_KEPT:
                self._between[first, second] = fee
        return fee


class Areas:
    """The areas of a market, who is in them, and their fees.

    Args:
        areas: a tree.
        places: participant id -> name of its area; others are in the one that holds all.

    Raises:
        InputError: if they are no tree, or a fee cannot be.
    """

    def __init__(self, areas: Sequence[Area], places: Mapping[str, str]) -> None:
        self._parents = {area.name: area.parent for area in areas}
        check_tree(areas, places)
        self.root = next(name for name, parent in self._parents.items() if parent is None)
        self._places = dict(places)
        self._fees = Fees(self._parents, {area.name: (area.fee, area.fee_share) for area in areas})
        self._kept: dict[int, Fees] = {}
        """Slot with contracts whose gate is open -> the fees under which the first ones were made."""

    def __contains__(self, name: str) -> bool:
        return name in self._parents

    def of(self, participant_id: str) -> str:
        """Return the name of a participant's area."""
        return self._places.get(participant_id, self.root)

    def place(self, participant_id: str, name: str) -> None:
        """Put a participant into an area.

        Raises:
            InputError: if there is no such area.
        """
        if name not in self._parents:
            raise InputError(unknown_name("area", name, self._parents))
        self._places[participant_id] = name

    def path(self, first: str, second: str) -> tuple[str, ...]:
        """Return the areas between two, both included, through the lowest that holds both.

        Raises:
            InputError: if there is no area of a name.
        """
        for name in (first, second):
            if name not in self._parents:
                raise InputError(unknown_name("area", name, self._parents))
        return path(self._parents, first, second)

    def fees(self, slot_start: int | None = None) -> Fees:
        """Return the fees in force for a slot; None for those for slots without contracts."""
        return self._fees if slot_start is None else self._kept.get(slot_start, self._fees)

    def refusal(self, command: SetGridFee) -> tuple[RefusalCode, str] | None:
        """Say why a fee is not changed, or None if it can be."""
        if command.area not in self._parents:
            return RefusalCode.UNKNOWN_AREA, unknown_name("area", command.area, self._parents)
        wrong = _fee_mistake(command.fee, command.fee_share)
        return None if wrong is None else (RefusalCode.BAD_PRICE, wrong)

    def change(self, command: SetGridFee) -> None:
        """Change a fee, for slots without contracts."""
        amounts = {**self._fees.amounts, command.area: (command.fee, command.fee_share)}
        self._fees = Fees(self._parents, amounts)

    def keep(self, slot_start: int) -> None:
        """Let the fees of a slot be: it has contracts, and its gate is open still."""
        self._kept.setdefault(slot_start, self._fees)

    def forget(self, slot_start: int) -> None:
        """Forget what was kept for a slot whose gate closes, and for earlier ones."""
        for start in [start for start in self._kept if start <= slot_start]:
            del self._kept[start]

    def state(self) -> AreasState:
        """Return all that can change."""
        kept = {start: dict(fees.amounts) for start, fees in self._kept.items()}
        return AreasState(dict(self._places), dict(self._fees.amounts), kept)

    def restore(self, state: AreasState) -> None:
        """Go on from a state."""
        self._places = dict(state.places)
        self._fees = Fees(self._parents, state.fees)
        self._kept = {start: Fees(self._parents, amounts) for start, amounts in state.kept.items()}


def configured_area(terms: OpenMarket, participant_id: str) -> str | None:
    """Return the area in which a market's terms put a participant; None if it has none."""
    named = terms.places.get(participant_id)
    return named or next((area.name for area in terms.areas if area.parent is None), None)


def path(parents: Mapping[str, str | None], first: str, second: str) -> tuple[str, ...]:
    """Return the areas between two, both included, through the lowest that holds both."""
    up = _ancestry(parents, first)
    down = _ancestry(parents, second)
    while len(up) > 1 and len(down) > 1 and up[-2] == down[-2]:
        up.pop()
        down.pop()
    return (*up, *reversed(down[:-1]))


def _ancestry(parents: Mapping[str, str | None], name: str) -> list[str]:
    """Return an area and all that it is in, from the inside out."""
    names = [name]
    while (parent := parents[names[-1]]) is not None:
        names.append(parent)
    return names


def check_tree(areas: Sequence[Area], places: Mapping[str, str]) -> None:
    """Check that areas are a tree, with fees that can be.

    Raises:
        InputError: if they are not; says the first thing that is wrong.
    """
    parents = {area.name: area.parent for area in areas}
    for mistake in tree_mistakes(parents):
        raise InputError(": ".join(mistake).removeprefix(": "))
    if len(parents) < len(areas):
        raise InputError("an area is given twice")
    for area in areas:
        wrong = _fee_mistake(area.fee, area.fee_share)
        if wrong is not None:
            raise InputError(f"{area.name}: {wrong}")
    for name in places.values():
        if name not in parents:
            raise InputError(unknown_name("area", name, parents))


def tree_mistakes(parents: Mapping[str, str | None]) -> list[tuple[str, str]]:
    """Return what is wrong with a tree: name of an area ("" for all together), and a sentence."""
    mistakes = [
        (name, unknown_name("area", parent, parents))
        for name, parent in parents.items()
        if parent is not None and parent not in parents
    ]
    if mistakes:
        return mistakes
    roots = [name for name, parent in parents.items() if parent is None]
    if len(roots) != 1:
        named = f": {', '.join(roots)}" if roots else ""
        return [("", f"one area must hold all others, and have no parent; found {len(roots)} of them{named}")]
    reached = set(roots)
    for name in parents:
        way = []
        at = name
        while at not in reached and at not in way:
            way.append(at)
            parent = parents[at]
            assert parent is not None
            at = parent
        if at in way:
            return [(name, f"an area cannot be in itself, found {' in '.join([*way, at])}")]
        reached.update(way)
    return []


def _fee_mistake(fee: int, share: int) -> str | None:
    if type(fee) is not int or not 0 <= fee <= MAX_PRICE:
        return f"a fee must be 0 to {MAX_PRICE // MICRO:,} $/kWh, found {fee / MICRO:g}"
    if type(share) is not int or not 0 <= share <= MAX_SHARE:
        return (
            f"a fee must be 0 to {100 * MAX_SHARE // MICRO:,} % of the price, found {100 * share / MICRO:g}"
        )
    return None
