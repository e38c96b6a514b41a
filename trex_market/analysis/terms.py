"""On what terms a recorded run was played, from what its record says."""

from __future__ import annotations

import msgspec

from trex_market.analysis.building import Terms
from trex_market.config import load_config_text
from trex_market.core.clearing import RULES
from trex_market.core.clearing.registry import Pools
from trex_market.core.errors import ConfigError
from trex_market.core.messages import GridTerms, OpenMarket
from trex_market.core.tariff import Tariff
from trex_market.storage.rows import RunRecord

DEFAULT_STEP = 900
"""Seconds; where a run says nothing."""


def opened_with(record: RunRecord) -> OpenMarket | None:
    """Return the command that opened a run's market; None if its record does not say.

    A price series is not part of a record: its `grid.series` is empty, not None.
    """
    try:
        return msgspec.json.decode(record.config, type=OpenMarket)
    except msgspec.DecodeError:
        pass  # a config, then
    try:
        config = load_config_text(record.config, f"{record.id}.json")
    except ConfigError:
        return None
    study, market = config.study, config.market
    series = () if market.grid.price_file is not None else None
    return market.open_command(
        study.time_step_size, study.timezone, series=series, areas=config.areas, places=config.places
    )


def pools_of(opened: OpenMarket | None) -> Pools:
    """Return whether a market's orders meet by source or all together."""
    if opened is None:
        return "by_source"
    rule = RULES.get(opened.rule)
    return opened.pools or (rule.pools if rule else "by_source")


def frame_terms(opened: OpenMarket | None) -> Terms:
    """Return what a run's frames depend on besides its records."""
    if opened is None:
        return Terms(DEFAULT_STEP)
    grid, timezone = opened.grid, opened.timezone
    flat = time_of_use = None
    if grid.series is None:
        flat = Tariff(GridTerms(grid.price, grid.fee_ratio), timezone)
        time_of_use = Tariff(grid, timezone) if grid.tou else None
    return Terms(opened.step, pools_of(opened), flat, time_of_use)
