"""The `market` section, and how it becomes the command that opens a market."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from trex_market.config.areas import AreaConfig, area_terms
from trex_market.config.values import (
    MAX_DOLLARS,
    GridPrice,
    Name,
    OptionalText,
    Price,
    Section,
    Share,
    check_name,
    default_if_empty,
    found,
    number,
    whole,
    wrong,
    wrong_at,
)
from trex_market.core.errors import unknown_name
from trex_market.core.messages import DEFAULT_SOURCES, EXTERNAL, GRID, FeePayer, GridTerms, OpenMarket
from trex_market.core.units import MICRO, exact, price_from_dollars, rounded

Series = tuple[tuple[int, int, int], ...]
"""Start of each period, and what the grid pays and charges in it, in micro-dollars per kWh."""


def _numbers(kind: str, least: int, most: int) -> AfterValidator:
    """Make the validator of comma-separated numbers."""

    def check(text: str) -> str:
        for part in map(str.strip, text.split(",")):
            if not (part.isascii() and part.isdigit() and len(part) <= 2 and least <= int(part) <= most):
                raise wrong(
                    f"must be {kind}: numbers {least} to {most} with commas between, found {found(text)}"
                )
        return text

    return AfterValidator(check)


Months = Annotated[str, _numbers("months", 1, 12)]
Hours = Annotated[str, _numbers("hours", 0, 23)]


class GridConfig(Section):
    """The grid's tariff.

    Args:
        price: what it pays, $/kWh.
        fee_ratio: it sells at ``price * (1 + fee_ratio)``.
        tou: months -> hours -> price in $/kWh; the first match counts.
        price_file: path of a price series, instead of `price` and `tou`.
        price_scale: what all prices of the `price_file` are multiplied by.
    """

    tied: ClassVar[frozenset[str]] = frozenset(
        {"price", "fee_ratio", "tou", "price_file", "price_scale", "series"}
    )

    price: GridPrice | None = None
    fee_ratio: Annotated[float, number(least=0, most=1000)] = 0.0
    tou: Annotated[dict[Months, dict[Hours, GridPrice]] | None, BeforeValidator(lambda tou: tou or None)] = (
        None
    )
    price_file: OptionalText = None
    price_scale: Annotated[float, number(least=0, most=1000)] = 1.0

    @model_validator(mode="after")
    def _check_prices(self) -> GridConfig:
        if self.price is None and not self.has_series:
            raise wrong_at([(("price",), "must be given, in $/kWh (or a price_file)")])
        times_of_use = [
            (("tou", months, hours), price)
            for months, prices in (self.tou or {}).items()
            for hours, price in prices.items()
        ]
        prices: list[tuple[tuple[str | int, ...], float]] = [(("price",), self.price or 0.0), *times_of_use]
        mistakes = [
            (path, f"price x (1 + fee_ratio) must be at most {MAX_DOLLARS:g} $/kWh, found {price:g}")
            for path, price in ((path, price * (1 + self.fee_ratio)) for path, price in prices)
            if abs(price) > MAX_DOLLARS
        ]
        if mistakes:
            raise wrong_at(mistakes)
        return self

    @property
    def has_series(self) -> bool:
        """Whether prices come from a series."""
        return self.price_file is not None

    def terms(self, series: Series | None) -> GridTerms:
        """Return the tariff as the market is told it.

        Args:
            series: what `price_file` holds.
        """
        return GridTerms(self.price or 0.0, self.fee_ratio, self.tou, series)


def _lower(value: object) -> object:
    return value.lower() if isinstance(value, str) else value


def _lower_names(value: object) -> object:
    """Lower the case of a mapping's names, unless two would become one."""
    if not isinstance(value, dict):
        return {} if value is None else value
    lowered = {str(name).lower(): kind for name, kind in value.items()}
    if len(lowered) < len(value):
        raise wrong("the case of letters does not tell sources apart; a source is given twice")
    return lowered


def _check_source(name: str) -> str:
    check_name(name)
    if name in (GRID, EXTERNAL):
        raise wrong(f"{name!r} cannot be a source of its own")
    return name


SourceName = Annotated[str, AfterValidator(_check_source)]
SourceKind = Literal["dispatch", "non_dispatch"]


class MarketConfig(Section):
    """The market's rules.

    Args:
        id: its name.
        type: the clearing rule's name; whether there is one is for the registry to say.
        close_steps: at a round starting at t the slot at ``t + step * (close_steps - 1)`` is cleared.
        grid: the tariff.
        pools: whether orders meet by source or all together; None for the rule's own.
        k: where between ask and bid the price lies; None for the rule's own.
        horizon_steps: how many steps ahead orders may be; None for no limit.
        price_floor: lowest price of an order, $/kWh.
        price_cap: highest price of an order, $/kWh; None for the largest that there is.
        shortfall: what a seller pays that has sold more than it delivers.
        sources: source -> whether it can be dispatched; besides `DEFAULT_SOURCES`.
        default_bid_source: the source of a bid that names none, where pools are by source.
        mode: whether rounds follow each other at once, or the wall clock.
        meter_grace_s: how long after its end a slot waits for readings, on the wall clock.
        reconciliation_window_s: how long after its end late readings can correct a slot.
        clearing: whether slots are cleared at their gate alone, or also before, as orders come.
        fee_payer: on whose side of a contract the fees of areas stand.
    """

    tied: ClassVar[frozenset[str]] = frozenset(
        {
            "price_floor",
            "price_cap",
            "sources",
            "default_bid_source",
            "meter_grace_s",
            "reconciliation_window_s",
        }
    )

    id: Annotated[Name, default_if_empty("trex")] = "trex"
    type: Annotated[Name, default_if_empty("MicroTE")] = "MicroTE"
    close_steps: Annotated[int, whole("steps", least=2, most=100_000)] = 2
    grid: GridConfig
    pools: Literal["by_source", "single"] | None = None
    k: Share | None = None
    horizon_steps: Annotated[int, whole("steps", least=1, most=1_000_000)] | None = None
    price_floor: Price = 0.0
    price_cap: Price | None = None
    shortfall: Literal["penalty", "replacement"] = "penalty"
    sources: Annotated[dict[SourceName, SourceKind], BeforeValidator(_lower_names)] = Field(
        default_factory=dict
    )
    default_bid_source: Annotated[str, BeforeValidator(_lower), default_if_empty("solar")] = "solar"
    mode: Literal["simulation", "realtime"] = "simulation"
    meter_grace_s: Annotated[int, whole("s", least=0, most=86_400)] = 60
    reconciliation_window_s: Annotated[int, whole("s", least=0, most=31_536_000)] = 259_200
    clearing: Literal["gate", "tick"] = "gate"
    fee_payer: FeePayer = "buyer"

    @model_validator(mode="after")
    def _check_together(self) -> MarketConfig:
        mistakes: list[tuple[tuple[str | int, ...], str]] = []
        if self.price_cap is not None and self.price_cap < self.price_floor:
            message = f"must be at least price_floor, {self.price_floor:g} $/kWh, found {self.price_cap:g}"
            mistakes.append((("price_cap",), message))
        if self.default_bid_source not in self.source_table():
            unknown = unknown_name("source", self.default_bid_source, self.source_table())
            mistakes.append((("default_bid_source",), unknown))
        if self.reconciliation_window_s < self.meter_grace_s:
            message = f"must be at least meter_grace_s, {self.meter_grace_s} s, found {self.reconciliation_window_s}"
            mistakes.append((("reconciliation_window_s",), message))
        if mistakes:
            raise wrong_at(mistakes)
        return self

    def source_table(self) -> dict[str, bool]:
        """Return source -> whether it can be dispatched, the default ones included."""
        return DEFAULT_SOURCES | {name: kind == "dispatch" for name, kind in self.sources.items()}

    def open_command(
        self,
        step: int,
        timezone: str,
        *,
        series: Series | None = None,
        areas: Mapping[str, AreaConfig] | None = None,
        places: Mapping[str, str] | None = None,
    ) -> OpenMarket:
        """Return the command that opens this market.

        Args:
            step: length of a slot, in seconds.
            timezone: IANA name of the study's time zone.
            series: what `grid.price_file` holds.
            areas: name -> area.
            places: participant id -> name of its area.

        Raises:
            ValueError: if there is a `grid.price_file` and no series.
        """
        if self.grid.price_file is not None and series is None:
            raise ValueError("market.grid.price_file has to be read first, and given as series")
        return OpenMarket(
            market_id=self.id,
            rule=self.type,
            close_steps=self.close_steps,
            step=step,
            timezone=timezone,
            grid=self.grid.terms(series),
            pools=self.pools,
            k=None if self.k is None else rounded(*(exact(self.k) * MICRO).as_integer_ratio()),
            sources=self.source_table(),
            horizon_steps=self.horizon_steps,
            price_floor=price_from_dollars(self.price_floor),
            price_cap=None if self.price_cap is None else price_from_dollars(self.price_cap),
            shortfall=self.shortfall,
            mode=self.mode,
            meter_grace_s=self.meter_grace_s,
            reconciliation_window_s=self.reconciliation_window_s,
            clearing=self.clearing,
            areas=area_terms(areas or {}),
            places=dict(places or {}),
            fee_payer=self.fee_payer,
        )
