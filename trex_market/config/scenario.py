"""The market as the first line of a scenario file or journal has it.

It is a config's `market` section with the study's `time_step_size` and
`timezone`, the config's `areas`, and `places`, which says who is in which. A price series stands in the line itself, as `grid.series`: a list
of [start in UNIX seconds, what the grid pays, what it charges], both in $/kWh.
`open_command_from_scenario` and `scenario_from_open_command` undo each other.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from trex_market.config.areas import Areas, Places, area_section, place_mistakes
from trex_market.config.market import GridConfig, MarketConfig, Series
from trex_market.config.mistakes import Findings, checked, path_text
from trex_market.config.study import DAY
from trex_market.config.values import (
    MAX_DOLLARS,
    OptionalText,
    TimeZone,
    found,
    whole,
    wrong,
    wrong_at,
)
from trex_market.core.errors import ScenarioError
from trex_market.core.messages import OpenMarket
from trex_market.core.units import MICRO, dollars_from_price, price_from_dollars


def open_command_from_scenario(section: object, where: str) -> OpenMarket:
    """Read the section of a scenario's first line.

    Args:
        section: what stands at `market` there.
        where: the line's place, e.g. "file.jsonl:1".

    Raises:
        ScenarioError: with everything that is wrong, one line each.
    """
    try:
        market = checked(_ScenarioMarket, section)
    except Findings as error:
        lines = [
            f"{where}: {path_text(('market', *finding.path))}: {finding.message}"
            for finding in error.findings
        ]
        raise ScenarioError("\n".join(lines)) from None
    return market.open_command(
        market.time_step_size,
        market.timezone,
        series=market.grid.series,
        areas=market.areas,
        places=market.places,
    )


def scenario_from_open_command(command: OpenMarket) -> dict[str, object]:
    """Write the section of a scenario's first line."""
    grid: dict[str, object] = {"price": command.grid.price, "fee_ratio": command.grid.fee_ratio}
    if command.grid.tou:
        grid["tou"] = command.grid.tou
    if command.grid.series is not None:
        grid["series"] = [
            [start, dollars_from_price(sell), dollars_from_price(buy)]
            for start, sell, buy in command.grid.series
        ]
    section = {
        "id": command.market_id,
        "type": command.rule,
        "close_steps": command.close_steps,
        "time_step_size": command.step,
        "timezone": command.timezone,
        "grid": grid,
        "pools": command.pools,
        "k": None if command.k is None else command.k / MICRO,
        "sources": {
            name: "dispatch" if dispatch else "non_dispatch" for name, dispatch in command.sources.items()
        },
        "horizon_steps": command.horizon_steps,
        "price_floor": dollars_from_price(command.price_floor),
        "price_cap": None if command.price_cap is None else dollars_from_price(command.price_cap),
        "shortfall": command.shortfall,
        "mode": command.mode,
        "meter_grace_s": command.meter_grace_s,
        "reconciliation_window_s": command.reconciliation_window_s,
    }
    # What most markets do not have is left out.
    if command.clearing != "gate":
        section["clearing"] = command.clearing
    if command.fee_payer != "buyer":
        section["fee_payer"] = command.fee_payer
    if command.areas:
        section |= {"areas": area_section(command.areas), "places": command.places}
    return section


def _check_series(value: object) -> object:
    """Check a series and turn its prices into micro-dollars per kWh."""
    if value is None:
        return None
    if not isinstance(value, list) or not value:
        raise wrong(f"must be a list of [start, sell price, buy price], found {found(value)}")
    mistakes = [
        ((position,), message) for position, row in enumerate(value) if (message := _row_mistake(row))
    ]
    if mistakes:
        raise wrong_at(mistakes)
    if any(later[0] <= earlier[0] for earlier, later in pairwise(value)):
        raise wrong("each period must start after the one before it")
    return tuple((start, price_from_dollars(sell), price_from_dollars(buy)) for start, sell, buy in value)


def _row_mistake(row: object) -> str | None:
    expected = "must be [start in UNIX seconds, sell price, buy price], the prices in $/kWh"
    if not isinstance(row, list) or len(row) != 3 or type(row[0]) is not int:
        return f"{expected}, found {found(row)}"
    for price in row[1:]:
        if type(price) not in (int, float) or not abs(price) <= MAX_DOLLARS:
            return f"{expected} and at most {MAX_DOLLARS:g}, found {found(price)}"
    return None


def _no_file(path: str | None) -> None:
    if path is not None:
        raise wrong("a scenario holds the prices themselves, as series")


class _ScenarioGrid(GridConfig):
    """The grid's tariff, with a series in place of the path of one."""

    price_file: Annotated[OptionalText, AfterValidator(_no_file)] = None
    series: Annotated[Series | None, BeforeValidator(_check_series)] = None

    @property
    def has_series(self) -> bool:
        return self.series is not None


class _ScenarioMarket(MarketConfig):
    """A market's rules, with what the study has to say on them."""

    grid: _ScenarioGrid
    time_step_size: Annotated[int, whole("s", least=1, most=7 * DAY)]
    timezone: TimeZone = "UTC"
    areas: Areas = Field(default_factory=dict)
    places: Places = Field(default_factory=dict)

    @model_validator(mode="after")
    def _check_places(self) -> _ScenarioMarket:
        mistakes = list(place_mistakes(self.places, self.areas))
        if mistakes:
            raise wrong_at([(("places", name), message) for name, message in mistakes])
        return self
