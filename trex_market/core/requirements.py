"""What orders say of themselves and ask of others: what may be said, and whether it holds."""

from __future__ import annotations

from trex_market.core.messages import Attributes, Order, Requirement, SubmitOrder

MAX_REQUIREMENTS = 20
"""Of an order."""

MAX_NAMES = 100
"""How many trading partners, and how many energy types, a requirement may name."""

MAX_NAME = 64
"""How long each of these names may be, in characters."""


def holds(requirement: Requirement, other: Order) -> bool:
    """Tell whether an order fits what a requirement says of the other side."""
    partners, types = requirement.trading_partners, requirement.energy_type
    if partners and other.participant_id not in partners:
        return False
    if not types or other.source in types:
        return True
    return other.attributes is not None and other.attributes.energy_type in types


def limit(requirement: Requirement, order: Order | SubmitOrder) -> int:
    """Return an order's limit under one of its requirements, micro-dollars per kWh."""
    return order.price if requirement.price is None else requirement.price


def lowered(
    attributes: Attributes | None, requirements: tuple[Requirement, ...]
) -> tuple[Attributes | None, tuple[Requirement, ...]]:
    """Return them with energy types in lower case; attributes that say nothing are none."""
    if attributes is not None:
        energy_type = attributes.energy_type
        attributes = None if energy_type is None else Attributes(energy_type.lower())
    return attributes, tuple(
        Requirement(
            one.trading_partners, tuple(name.lower() for name in one.energy_type), one.energy, one.price
        )
        for one in requirements
    )


def names_mistake(attributes: Attributes | None, requirements: tuple[Requirement, ...]) -> str | None:
    """Say what is wrong with their number and the names in them; None if nothing is."""
    if len(requirements) > MAX_REQUIREMENTS:
        return f"an order may have {MAX_REQUIREMENTS} requirements, found {len(requirements)}"
    energy_type = None if attributes is None else attributes.energy_type
    groups: list[tuple[str, tuple[str, ...]]] = [
        ("energy_type", () if energy_type is None else (energy_type,))
    ]
    for one in requirements:
        groups += [("trading_partners", one.trading_partners), ("energy_type", one.energy_type)]
    for field, names in groups:
        if len(names) > MAX_NAMES:
            return f"{field} may have {MAX_NAMES} names, found {len(names)}"
        if any(not 0 < len(name) <= MAX_NAME for name in names):
            return f"a name in {field} must have 1 to {MAX_NAME} characters"
    return None
