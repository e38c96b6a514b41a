"""The `areas` section: the parts of the grid, and the fees for trading through them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator

from trex_market.config.values import (
    Name,
    OptionalText,
    Price,
    Section,
    check_name,
    default_if_empty,
    number,
    wrong_at,
)
from trex_market.core.areas import MAX_SHARE, tree_mistakes
from trex_market.core.errors import unknown_name
from trex_market.core.messages import Area
from trex_market.core.units import (
    dollars_from_price,
    percent_from_share,
    price_from_dollars,
    share_from_percent,
)

Percent = Annotated[float, number("%", least=0, most=percent_from_share(MAX_SHARE))]


class AreaConfig(Section):
    """A part of the grid.

    Args:
        parent: name of the area that it is in; None for the one that holds all others.
        fee: for energy that is traded through it, $/kWh.
        fee_percent: the same in percent of what the seller gets; added to `fee`.
    """

    parent: OptionalText = None
    fee: Price = 0.0
    fee_percent: Percent = 0.0


def _check_tree(areas: dict[str, AreaConfig]) -> dict[str, AreaConfig]:
    parents = {name: area.parent for name, area in areas.items()}
    mistakes = tree_mistakes(parents) if areas else []
    if mistakes:
        raise wrong_at([((name, "parent") if name else (), message) for name, message in mistakes])
    return areas


Areas = Annotated[
    dict[Annotated[Name, AfterValidator(check_name)], Annotated[AreaConfig, default_if_empty({})]],
    default_if_empty({}),
    AfterValidator(_check_tree),
]
"""Name -> area; none for a market without fees."""

Places = Annotated[dict[str, str], BeforeValidator(lambda places: places or {})]
"""Participant id -> name of its area."""


def area_terms(areas: Mapping[str, AreaConfig]) -> tuple[Area, ...]:
    """Return areas as the market is told them."""
    return tuple(
        Area(name, area.parent, price_from_dollars(area.fee), share_from_percent(area.fee_percent))
        for name, area in areas.items()
    )


def area_section(areas: tuple[Area, ...]) -> dict[str, dict[str, object]]:
    """Return areas as a config has them."""
    return {
        area.name: {
            "parent": area.parent,
            "fee": dollars_from_price(area.fee),
            "fee_percent": percent_from_share(area.fee_share),
        }
        for area in areas
    }


def place_mistakes(
    places: Mapping[str, str | None], areas: Mapping[str, AreaConfig]
) -> Iterator[tuple[str, str]]:
    """Go through the participants whose area there is not: its id, and a sentence."""
    for participant_id, name in places.items():
        if name is not None and name not in areas:
            yield participant_id, unknown_name("area", name, areas)
