"""CityLearn data sets: a small folder with numbers worked out by hand, and folders that are wrong."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.profiles.citylearn import (
    FIRST,
    OLD_HEADER,
    amounts,
    battery,
    building_rows,
    panels,
    write_dataset,
)
from trex_market.core.errors import ProfileError
from trex_market.profiles import Profile, open_source
from trex_market.profiles.citylearn import CityLearnSource
from trex_market.profiles.storage import StorageData

T0 = int(FIRST.timestamp())
ROWS: list[tuple[object, object]] = [("2.2758", "0"), ("0.8511", "100.5"), ("1.0", "250")]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two buildings for three hours: one with 4 kW of panels and a battery, one with neither; and a third, left out."""
    files = {name: building_rows(ROWS) for name in ("Building_2", "Building_10", "Building_3")}
    buildings = {"Building_2": panels(4) | battery(), "Building_3": {"include": False}}
    return write_dataset(tmp_path / "data", files, buildings=buildings, prices=["0.22", "0.22", "0.54"])


def test_load_and_solar_are_wh_of_each_hour(folder: Path) -> None:
    source = open_source(f"citylearn:{folder}", base=Path())
    assert source.participants() == ["Building_10", "Building_2"]
    series = source.series("Building_2")
    assert [float(amount) for amount in series.load] == [2275.8, 851.1, 1000]
    assert series.generation == {"solar": [0, 402, 1000]}  # W/kW * 4 kW * 1 h
    assert series.ends == [T0 + 3_600, T0 + 7_200, T0 + 10_800]
    # Running sums 2275.8, 3126.9 and 4126.9 are rounded, and so nothing drifts.
    profile = source.read("Building_2", start=T0, end=T0 + 10_800, step=3_600)
    assert profile == Profile("Building_2", T0, 3_600, [2276, 851, 1000], {"solar": [0, 402, 1000]})


def test_an_hour_is_spread_over_quarters(folder: Path) -> None:
    source = open_source(f"citylearn:{folder}", base=Path())
    profile = source.read("Building_2", start=T0 + 3_600, end=T0 + 7_200, step=900)
    assert sum(profile.load) == 851
    assert profile.generation["solar"] == [100, 101, 101, 100]  # 100.5, 201, 301.5, 402: halves go to even


def test_a_building_without_panels_generates_nothing(folder: Path) -> None:
    source = open_source(f"citylearn:{folder}", base=Path())
    assert source.series("Building_10").generation == {}


def test_batteries_and_prices_come_from_the_schema(folder: Path) -> None:
    source = CityLearnSource(folder)
    assert source.storages() == {"Building_2": StorageData(6_400, 5_000, 0.9, 0.0)}
    assert source.prices() == [(T0 + 3_600, "0.22"), (T0 + 7_200, "0.22"), (T0 + 10_800, "0.54")]


def test_losses_of_standing_by_are_those_of_thirty_days(tmp_path: Path) -> None:
    buildings = {"a": battery(loss_coefficient=0.0001, capacity=10)}
    source = CityLearnSource(write_dataset(tmp_path, {"a": building_rows(ROWS)}, buildings=buildings))
    assert source.storages() == {"a": StorageData(10_000, 5_000, 0.9, pytest.approx(0.072))}  # 720 h * 0.0001


def test_the_older_names_of_columns_are_known(tmp_path: Path) -> None:
    folder = write_dataset(
        tmp_path, {"a": building_rows(ROWS)}, header=OLD_HEADER, buildings={"a": panels(2)}
    )
    series = CityLearnSource(folder).series("a")
    assert [float(amount) for amount in series.load] == [2275.8, 851.1, 1000]
    assert series.generation == {"solar": [0, 201, 500]}


def test_shorter_steps_make_less_of_the_same_power(tmp_path: Path) -> None:
    rows = ["8,1,1,0.5,0,600", "8,1,1,0.25,0,601"]
    folder = write_dataset(tmp_path, {"a": rows}, buildings={"a": panels(2)}, seconds_per_time_step=600)
    source = open_source(f"citylearn:{folder}?start=2016-08-01T00:00+00:00", base=Path())
    series = source.series("a")
    assert series.load == [500, 250]
    assert [round(float(amount), 9) for amount in series.generation["solar"]] == [200, 200.333333333]


# ---------------------------------------------------------------- the clock


def test_the_year_is_the_first_that_fits(folder: Path) -> None:
    remarks = CityLearnSource(folder).remarks()
    assert remarks == [
        "the first row starts at 2016-07-31T23:00:00+00:00 (the first year from 2016 on that fits, on the clock of UTC)"
    ]


@pytest.mark.parametrize(("weekday", "year"), [(1, 2017), (2, 2018), (5, 2020), (8, 2016)])
def test_weekdays_choose_the_year(tmp_path: Path, weekday: int, year: int) -> None:
    rows = [f"{row.split(',')[0]},{row.split(',')[1]},{weekday},1,0,0" for row in building_rows(ROWS)]
    source = CityLearnSource(write_dataset(tmp_path, {"a": rows}))
    assert source.series("a").ends[0] == int(datetime(year, 8, 1, tzinfo=UTC).timestamp())


def test_a_leap_day_rules_years_out(tmp_path: Path) -> None:
    count = 24 * 3
    first = datetime(2017, 2, 28, tzinfo=UTC)  # a Tuesday: so it is in 2023, and in 2017; 2016 has a 29th
    source = CityLearnSource(write_dataset(tmp_path, {"a": building_rows([(1, 0)] * count, first)}))
    assert source.series("a").ends[0] == int(first.timestamp()) + 3_600


def test_a_start_can_be_given_with_its_offset(folder: Path) -> None:
    source = open_source(f"citylearn:{folder}?start=2022-07-31T23:00-08:00", base=Path())
    assert source.series("Building_2").ends[0] == int(datetime(2022, 8, 1, 8, tzinfo=UTC).timestamp())


def test_hours_from_0_name_the_start_of_a_slot(tmp_path: Path) -> None:
    rows = ["7,23,7,1,0,0", "8,0,1,2,0,0", "8,1,1,3,0,0"]
    assert CityLearnSource(write_dataset(tmp_path, {"a": rows})).series("a").ends[0] == T0 + 3_600


def test_data_without_the_end_of_a_month_need_a_start(tmp_path: Path) -> None:
    folder = write_dataset(tmp_path, {"a": ["8,1,1,1,0,0", "8,2,1,1,0,0"]})
    with pytest.raises(ProfileError, match=r"no date fits .*say when .*\?start=2016-08-01T00:00\+00:00"):
        CityLearnSource(folder).series("a")
    source = open_source(f"citylearn:{folder}?start=2019-08-05T00:00+00:00", base=Path())
    assert len(source.series("a").ends) == 2


@pytest.mark.parametrize("text", ["2016", "2016-07-31T23:00", "yesterday", ""])
def test_a_start_needs_a_date_and_an_offset(folder: Path, text: str) -> None:
    with pytest.raises(ProfileError, match="with an offset"):
        open_source(f"citylearn:{folder}?start={text}", base=Path())


def test_a_clock_that_jumps_is_refused(tmp_path: Path) -> None:
    rows = building_rows(ROWS)
    folder = write_dataset(tmp_path, {"a": [*rows, "8,4,1,1,0,0"]})
    with pytest.raises(
        ProfileError, match=r"a.csv, row 4: found month 8 and a slot that starts in hour 3, .* hour 2"
    ):
        open_source(f"citylearn:{folder}?start=2016-07-31T23:00+00:00", base=Path()).series("a")


# ---------------------------------------------------------------- what is wrong


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        (("-0.5", "0"), r"b.csv, row 2, column 'non_shiftable_load': -0.5 is negative"),
        (("nan", "0"), r"b.csv, row 2, column 'non_shiftable_load': nan is not a finite number"),
        (("", "0"), r"b.csv, row 2, column 'non_shiftable_load': it is empty"),
        (("much", "0"), r"b.csv, row 2, column 'non_shiftable_load': 'much' is not a number"),
        (("1", "-6.8"), r"b.csv, row 2, column 'solar_generation': -6.8 is negative"),
        (("1", "inf"), r"b.csv, row 2, column 'solar_generation': inf is not a finite number"),
    ],
)
def test_wrong_cells_are_named(tmp_path: Path, cells: tuple[str, str], message: str) -> None:
    files = {"a": building_rows(ROWS), "b": building_rows([ROWS[0], cells, ROWS[2]])}
    source = CityLearnSource(write_dataset(tmp_path, files, buildings={"b": panels(1)}))
    assert source.series("a").load
    with pytest.raises(ProfileError, match=message):
        source.series("b")


def test_files_of_different_lengths_are_refused(tmp_path: Path) -> None:
    files = {"a": building_rows(ROWS), "b": building_rows(ROWS[:2])}
    source = CityLearnSource(write_dataset(tmp_path, files, prices=["0.1"] * 4))
    with pytest.raises(ProfileError, match=r"b.csv: found 2 rows, but a.csv has 3"):
        source.series("b")
    with pytest.raises(ProfileError, match=r"pricing.csv: found 4 rows, but a.csv has 3"):
        source.prices()


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("month,hour,day_type,load,cooling_demand,solar_generation", "no column 'non_shiftable_load'"),
        ("month,hour,day_type,non_shiftable_load,cooling_demand,sun", "no column 'solar_generation'"),
        ("m,hour,day_type,non_shiftable_load,cooling_demand,solar_generation", "no column 'month'"),
        ("month,hour", "line 2: found 6 cells under 2 columns"),
    ],
)
def test_a_missing_column_is_named_with_those_there_are(tmp_path: Path, header: str, message: str) -> None:
    folder = write_dataset(tmp_path, {"a": building_rows(ROWS)}, header=header, buildings={"a": panels(1)})
    with pytest.raises(ProfileError, match=rf"a.csv.*{message}"):
        CityLearnSource(folder).series("a")


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"pv": {"autosize": True}}, "pv needs a nominal_power of at least 0 .*autosize"),
        (panels(-1), "pv needs a nominal_power of at least 0 in its attributes, found -1"),
        (
            battery(capacity="big"),
            "electrical_storage needs a capacity of at least 0 in its attributes, found 'big'",
        ),
        (battery(efficiency=1.2), "found 5.0, 1.2 and 0.0"),
        (battery(nominal_power=0), "found 0, 0.9 and 0.0"),
        ({"energy_simulation": None}, "names no energy_simulation"),
    ],
)
def test_impossible_devices_are_refused(tmp_path: Path, section: dict[str, object], message: str) -> None:
    folder = write_dataset(tmp_path, {"a": building_rows(ROWS)}, buildings={"a": section})
    with pytest.raises(ProfileError, match=rf"schema.json, building 'a': .*{message}"):
        CityLearnSource(folder).participants()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "is not JSON"),
        ("[]", "names no buildings"),
        ('{"buildings": {}}', "includes no building"),
        (
            '{"buildings": {"a": {"energy_simulation": "a.csv"}}, "seconds_per_time_step": 0.5}',
            "must be whole seconds",
        ),
    ],
)
def test_what_is_no_schema_is_refused(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "schema.json").write_text(content, encoding="utf-8")
    with pytest.raises(ProfileError, match=rf"schema.json: .*{message}"):
        CityLearnSource(tmp_path).participants()


def test_missing_folders_files_and_buildings_are_named(tmp_path: Path, folder: Path) -> None:
    with pytest.raises(ProfileError, match="citylearn:nowhere: there is no such folder"):
        open_source("citylearn:nowhere", base=tmp_path)
    with pytest.raises(ProfileError, match=r"schema.json: there is no such file"):
        open_source(f"citylearn:{tmp_path}", base=Path()).participants()
    with pytest.raises(ProfileError, match="unknown participant 'Building_3'"):
        CityLearnSource(folder).series("Building_3")


def test_heat_that_is_left_out_is_said(tmp_path: Path) -> None:
    rows = [row.replace(",0,", ",3.5,") for row in building_rows(ROWS)]
    remarks = CityLearnSource(write_dataset(tmp_path, {"a": rows, "b": building_rows(ROWS)})).remarks()
    assert remarks[1:] == [
        "left out: the demand for cooling of 1 building(s), which is heat and not electricity"
    ]


def test_a_year_of_a_building_is_read_whole(tmp_path: Path) -> None:
    rows = building_rows(amounts(8_760))
    source = CityLearnSource(write_dataset(tmp_path, {"a": rows}, buildings={"a": panels(5)}))
    end = T0 + 8_760 * 3_600
    profile = source.read("a", start=T0, end=end, step=900)
    assert len(profile.load) == 4 * 8_760
    assert sum(profile.load) == sum(source.series("a").load)
