"""Loading of a real grid: load flow over SimBench's data, and limits that follow from it."""

from __future__ import annotations

from importlib.util import find_spec

import pytest

from tests.shell_helpers import REPOSITORY
from trex_market.build import load_study
from trex_market.core.errors import ConfigError, InputError, MissingExtraError
from trex_market.grid import LowVoltageGrid, packaged_buses

CODE = "1-LV-semiurb5--2-sw"
CONFIG = REPOSITORY / "configs" / "flexibility.yaml"
GRID = {"network": CODE, "max_loading": 8.0}
needs_grid = pytest.mark.skipif(
    find_spec("pandapower") is None or find_spec("simbench") is None,
    reason="the extra `grid` (pandapower, simbench) is not installed",
)


def test_packaged_homes_are_at_buses() -> None:
    buses = packaged_buses()
    assert len(buses) == 30
    assert buses["home_01"] == "LV5.201 Bus 63"


@pytest.mark.skipif(find_spec("pandapower") is not None, reason="pandapower is installed")
def test_without_the_extra_it_is_said_how_to_get_it() -> None:
    with pytest.raises(MissingExtraError, match="grid"):
        LowVoltageGrid(CODE, {})
    with pytest.raises(MissingExtraError, match="loading of lines"):
        load_study(CONFIG, {"flexibility.congestion_points.feeder.grid": GRID})


@needs_grid
@pytest.mark.slow
def test_loading_grows_with_what_flows_and_the_limit_is_where_it_is_kept() -> None:
    grid = LowVoltageGrid(CODE, packaged_buses())
    idle = grid.loading({})
    assert idle.most < 1
    powers = dict.fromkeys(packaged_buses(), -2_000)
    loaded, twice = grid.loading(powers), grid.loading({home: 2 * power for home, power in powers.items()})
    assert idle.most < loaded.most < twice.most
    assert loaded.highest_voltage > idle.highest_voltage
    assert loaded.line_name
    # 60 kW through 630 kVA.
    assert loaded.transformer == pytest.approx(60 / 630 * 100, rel=0.05)
    limit = grid.limit(powers, 5.0)
    assert limit is not None
    part = limit / 60_000
    at_limit = grid.loading({home: int(part * power) for home, power in powers.items()})
    assert 4.9 < at_limit.most <= 5.0
    assert grid.limit(powers, loaded.most + 0.1) is None
    assert grid.limit({}, 1.0) is None


@needs_grid
@pytest.mark.slow
def test_where_homes_are_matters() -> None:
    near, far = "LV5.201 Bus 63", "LV5.201 Bus 68"
    powers = {"a": 50_000}
    lines = {LowVoltageGrid(CODE, {"a": bus}).loading(powers).line_name for bus in (near, far)}
    assert len(lines) == 2


@needs_grid
@pytest.mark.slow
def test_what_a_grid_cannot_carry_and_names_that_are_none() -> None:
    with pytest.raises(InputError, match="unknown SimBench grid '1-LV-nowhere'"):
        LowVoltageGrid("1-LV-nowhere", {})
    with pytest.raises(InputError, match="home 'a': unknown bus 'nowhere'"):
        LowVoltageGrid(CODE, {"a": "nowhere"})
    grid = LowVoltageGrid(CODE, {"a": "LV5.201 Bus 63"})
    with pytest.raises(InputError, match="cannot carry"):
        grid.loading({"a": 10**10})
    assert grid.limit({"a": 10**10}, 100.0) is not None


@needs_grid
@pytest.mark.slow
def test_a_day_keeps_the_loading_of_its_grid() -> None:
    from tests.programmes.flexibility.test_in_market import played
    from trex_market.programmes.flexibility.commands import FeederMetered, FlexLimit

    overrides = {
        "participants.home_16.trader.reliability": 1.0,
        "flexibility.congestion_points.feeder.export_limit": 1_000_000,
        "flexibility.congestion_points.feeder.import_limit": 1_000_000,
        "flexibility.congestion_points.feeder.grid": GRID,
    }
    study = load_study(CONFIG, overrides)
    day = played(study)
    (limited,) = [command for command in day.commands if isinstance(command, FlexLimit)]
    assert len(limited.limits) > 3
    loads = day.of(FeederMetered)
    beyond = [one for one in loads if -one.without > one.export_limit]
    assert {one.slot_start for one in beyond} == set(limited.limits)
    assert all(-one.load <= one.export_limit for one in loads)


def test_a_loading_of_nothing_is_refused() -> None:
    with pytest.raises(ConfigError, match="must be above 0 %"):
        load_study(CONFIG, {"flexibility.congestion_points.feeder.grid": {"network": CODE, "max_loading": 0}})
