"""Markets with areas, requirements and clearings before the gate, in which much happens."""

from __future__ import annotations

import random

import msgspec

from tests.helpers import START, lively_commands, slot
from trex_market.core.messages import (
    Area,
    Attributes,
    ClearOpenSlots,
    Command,
    EndTurn,
    Join,
    OpenMarket,
    Requirement,
    SetGridFee,
    SubmitOrder,
)

AREAS = (
    Area("grid", fee=3_001),
    Area("north", "grid", fee_share=50_000),
    Area("south", "grid", fee=777, fee_share=1),
    Area("street", "south", fee=2),
)
"""A tree of three levels, with fees of both kinds."""

PLACES = {"home-0": "north", "home-1": "street", "home-2": "south", "home-3": "street"}
"""Home 4 is in none, thus in the grid."""

TYPES = ("solar", "wind", "green")


def drawn_requirement(chance: random.Random) -> Requirement:
    """Return a requirement that holds for some."""
    return Requirement(
        tuple(f"home-{number}" for number in chance.sample(range(5), chance.randrange(4))),
        tuple(chance.sample(TYPES, chance.choice((0, 0, 1, 2)))),
        chance.choice((None, None, chance.randrange(1, 200))),
        chance.choice((None, None, chance.randrange(8, 22) * 10_001)),
    )


def demanding(command: SubmitOrder, chance: random.Random) -> SubmitOrder:
    """Return an order that may have requirements and attributes."""
    count = chance.choice((0, 0, 1, 2, 3))
    return msgspec.structs.replace(
        command,
        attributes=chance.choice((None, Attributes(), Attributes("Green"))),
        requirements=tuple(drawn_requirement(chance) for _ in range(count)),
    )


def lively_areas(
    seed: int,
    rule: str,
    *,
    requirements: bool = True,
    early: bool = True,
    areas: bool = True,
    **others: object,
) -> list[Command]:
    """Return a lively market's commands with what is new: see the arguments.

    Args:
        requirements: whether orders have some.
        early: whether slots are cleared before their gates.
        areas: whether there are areas, whose fees change, and between which members move.
    """
    chance = random.Random(seed)
    commands: list[Command] = []
    for command in lively_commands(seed, rule, **others):
        match command:
            case OpenMarket() if areas:
                commands.append(
                    msgspec.structs.replace(
                        command,
                        areas=AREAS,
                        places=PLACES,
                        fee_payer=chance.choice(("buyer", "seller", "both")),
                    )
                )
                continue
            case SubmitOrder() if requirements:
                commands.append(demanding(command, chance))
                continue
        commands.append(command)
        if isinstance(command, EndTurn):
            if early and chance.random() < 0.4:
                only = slot(chance.randrange(8)) if chance.random() < 0.3 else None
                commands.append(ClearOpenSlots(START, only))
            if areas and chance.random() < 0.2:
                name = chance.choice(("grid", "north", "street", "nowhere"))
                commands.append(
                    SetGridFee(name, START, chance.randrange(-1, 9_000), chance.choice((0, 0, 100_000)))
                )
            if areas and chance.random() < 0.1:
                commands.append(Join(command.participant_id, START, chance.choice(("north", "south"))))
    return commands
