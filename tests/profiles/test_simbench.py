"""Homes of a SimBench grid, from a small data set in SimBench's form."""

from __future__ import annotations

import sys
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from trex_market.core.errors import MissingExtraError, ProfileError
from trex_market.profiles import Profile, open_source
from trex_market.profiles.importing import import_profiles
from trex_market.profiles.simbench import SimbenchSource
from trex_market.profiles.storage import StorageData

CODE = "1-LV-semiurb5--2-sw"
NEW_YEAR = 1_451_602_800
"""2016-01-01T00:00 in Germany."""


def write(folder: Path, table: str, rows: list[str]) -> None:
    folder.mkdir(exist_ok=True)
    (folder / f"{table}.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")


def german_times(count: int) -> list[str]:
    first = datetime.fromtimestamp(NEW_YEAR, ZoneInfo("UTC"))
    berlin = ZoneInfo("Europe/Berlin")
    slots = (first + timedelta(minutes=15 * number) for number in range(count))
    return [f"{slot.astimezone(berlin):%d.%m.%Y %H:%M}" for slot in slots]


@pytest.fixture
def networks(tmp_path: Path) -> Path:
    """Three homes, two of them at one bus, a shop, and a home in another grid; 100 days."""
    folder = tmp_path / "1-complete_data-mixed-all-2-sw"
    write(
        folder,
        "Load",
        [
            "id;node;profile;pLoad;qLoad;subnet",
            "LV5.201 Load 10;bus 2;H0-A;0.004;0;LV5.201",
            "LV5.201 Load 2;bus 1;H0-B;0.002;0;LV5.201",
            "LV5.201 Load 3;bus 1;H0-A;0.002;0;LV5.201_MV",
            "LV5.201 Load 4;bus 3;G1-A;0.1;0;LV5.201",
            "LV5.201 Load 5;bus 1;Air_2;0.004;0;LV5.201",
            "LV4.101 Load 1;bus 9;H0-A;0.004;0;LV4.101",
        ],
    )
    write(
        folder,
        "RES",
        [
            "id;node;type;profile;pRES;subnet",
            "LV5.201 SGen 1;bus 2;PV;PV5;0.008;LV5.201",
            "LV5.201 SGen 2;bus 3;PV;PV5;0.1;LV5.201",
        ],
    )
    write(folder, "Storage", ["id;node;subnet", "LV5.201 Storage 1;bus 2;LV5.201"])
    times = german_times(9_600)
    write(
        folder,
        "LoadProfile",
        ["time;H0-A_pload;H0-B_pload;Air_2_pload", *(f"{t};0.5;0.1;0.25" for t in times)],
    )
    shares = [f"{t};{0.3 if n == 8_256 + 8 else 0.1}" for n, t in enumerate(times)]
    write(folder, "RESProfile", ["time;PV5", *shares])
    return tmp_path


def test_a_home_is_a_household_and_what_is_at_its_bus(networks: Path) -> None:
    source = SimbenchSource(CODE, networks)
    assert source.participants() == ["home_1", "home_2", "home_3"]
    homes = [
        (home.bus, [e.id.split()[1:] for e in home.elements], home.has_battery) for home in source.homes()
    ]
    assert homes == [
        ("bus 1", [["Load", "2"], ["Load", "5"]], False),
        ("bus 1", [["Load", "3"]], False),
        ("bus 2", [["Load", "10"], ["SGen", "1"]], True),
    ]
    first, second, third = (
        source.read(name, start=NEW_YEAR, end=NEW_YEAR + 1_800, step=900) for name in source.participants()
    )
    assert first == Profile("home_1", NEW_YEAR, 900, [300, 300], {})
    assert second.load == [250, 250]
    assert third == Profile("home_3", NEW_YEAR, 900, [500, 500], {"solar": [200, 200]})


def test_german_time_with_its_jump_becomes_utc(networks: Path) -> None:
    jump = 1_459_040_400  # 2016-03-27T01:00:00Z, when 2:00 became 3:00
    assert jump == NEW_YEAR + (8_256 + 8) * 900
    source = SimbenchSource(CODE, networks)
    profile = source.read("home_3", start=jump - 900, end=jump + 1_800, step=900)
    assert profile.generation == {"solar": [200, 600, 200]}


def test_other_times_are_refused(networks: Path) -> None:
    file = networks / "1-complete_data-mixed-all-2-sw" / "LoadProfile.csv"
    file.write_text(file.read_text().replace("27.03.2016 03:00", "27.03.2016 02:00"))
    with pytest.raises(
        ProfileError, match=r"LoadProfile.csv: found the time '27.03.2016 02:00' instead of '27"
    ):
        SimbenchSource(CODE, networks).read("home_1", start=NEW_YEAR, end=NEW_YEAR + 900, step=900)


def test_wrong_codes_and_homes_are_refused(networks: Path) -> None:
    with pytest.raises(
        ProfileError, match=r"unknown SimBench grid '1-MV-urban--0-sw'. .*There are: 1-LV-rural1--0-sw,"
    ):
        SimbenchSource("1-MV-urban--0-sw", networks)
    with pytest.raises(ProfileError, match="unknown participant 'home_9'"):
        SimbenchSource(CODE, networks).read("home_9", start=NEW_YEAR, end=NEW_YEAR + 900, step=900)
    with pytest.raises(ProfileError, match=r"simbench:1-LV-semiurb5--1-sw, Load.csv: there is no such file"):
        SimbenchSource("1-LV-semiurb5--1-sw", networks).participants()


def test_simbench_names_its_extra(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delitem(sys.modules, "simbench", raising=False)
    monkeypatch.setattr("sys.path", [])
    with pytest.raises(MissingExtraError, match=r"reading SimBench .*trex-market\[simbench\]"):
        open_source(f"simbench:{CODE}", base=tmp_path)


def test_the_installed_package_is_found_without_loading_it(
    networks: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    package = tmp_path / "site" / "simbench"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("raise RuntimeError('loaded')")
    (networks / "1-complete_data-mixed-all-2-sw").rename(tmp_path / "moved")
    (package / "networks").mkdir()
    (tmp_path / "moved").rename(package / "networks" / "1-complete_data-mixed-all-2-sw")
    monkeypatch.delitem(sys.modules, "simbench", raising=False)
    monkeypatch.syspath_prepend(tmp_path / "site")
    assert open_source(f"simbench:{CODE}", base=tmp_path).participants() == ["home_1", "home_2", "home_3"]


@pytest.mark.slow
def test_a_grid_of_the_package_itself(tmp_path: Path) -> None:
    pytest.importorskip("simbench")
    source = open_source("simbench:1-LV-semiurb4--0-sw", base=tmp_path)
    homes = source.participants()
    assert (len(homes), homes[0], homes[-1]) == (32, "home_01", "home_32")
    profile = source.read("home_15", start=NEW_YEAR, end=NEW_YEAR + 35_136 * 900, step=900)
    assert (sum(profile.load) // 1_000, sum(profile.generation["solar"]) // 1_000) == (1_983, 4_380)


STORED = "id;node;type;pStor;sR;eStore;etaStore;sdStore;subnet"


def test_batteries_are_those_at_a_homes_bus(networks: Path) -> None:
    rows = [
        STORED,
        "LV5.201 Storage 1;bus 1;PV_Storage;-0.0031;0.0031;0.0062;0.95;0.13;LV5.201",
        "LV5.201 Storage 2;bus 2;PV_Storage;-0.002;0.002;0.004;0.95;0.13;LV5.201",
        "LV5.201 Storage 3;bus 2;PV_Storage;-0.001;0.001;0.002;0.9;1;LV5.201",
        "LV5.201 Storage 4;bus 3;PV_Storage;-0.1;0.1;0.2;0.95;0.13;LV5.201",
        "LV4.101 Storage 1;bus 9;PV_Storage;-0.1;0.1;0.2;0.95;0.13;LV4.101",
    ]
    write(networks / "1-complete_data-mixed-all-2-sw", "Storage", rows)
    # Two homes are at bus 1, and the first has what else is there; at bus 3 there is no home. 0.13 % a day, 30 days.
    assert SimbenchSource(CODE, networks).storages() == {
        "home_1": StorageData(6_200, 3_100, 0.95, 0.039),
        "home_3": StorageData(6_000, 3_000, 0.95, 0.039),
    }


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (
            "LV5.201 Storage 1;bus 1;PV;0;0;0.006;0.95;0.13;LV5.201",
            "LV5.201 Storage 1: needs eStore and sR above 0",
        ),
        (
            "LV5.201 Storage 1;bus 1;PV;0;0.003;0.006;95;0.13;LV5.201",
            "etaStore above 0 to 1 .*found 0.006, 0.003, 95.0",
        ),
        ("LV5.201 Storage 1;bus 1;PV;0;much;0.006;0.95;0.13;LV5.201", "LV5.201 Storage 1: is not a battery"),
    ],
)
def test_impossible_batteries_are_refused(networks: Path, row: str, message: str) -> None:
    write(networks / "1-complete_data-mixed-all-2-sw", "Storage", [STORED, row])
    with pytest.raises(ProfileError, match=message):
        SimbenchSource(CODE, networks).storages()


def test_a_grid_without_batteries_has_none(networks: Path) -> None:
    (networks / "1-complete_data-mixed-all-2-sw" / "Storage.csv").unlink()
    assert SimbenchSource(CODE, networks).storages() == {}


def test_a_grid_is_imported_with_its_population(networks: Path, tmp_path: Path) -> None:
    rows = [STORED, "LV5.201 Storage 2;bus 2;PV_Storage;-0.002;0.002;0.004;0.95;0.13;LV5.201"]
    write(networks / "1-complete_data-mixed-all-2-sw", "Storage", rows)
    done = import_profiles(SimbenchSource(CODE, networks), tmp_path / "own")
    assert (done.participants, done.slots) == (3, 3 * 9_600)
    assert done.load == 9_600 * (300 + 250 + 500)
    assert done.generated == 9_600 * 200 + 400
    section = (tmp_path / "own" / "participants.yaml").read_text(encoding="utf-8")
    assert section.splitlines() == [
        "participants:",
        "  home_1: {trader: {type: basic}}",
        "  home_2: {trader: {type: basic}}",
        "  home_3: {trader: {type: basic}, storage: {capacity: 4000, power: 2000, efficiency: 0.95, monthly_sdr: 0.039}}",
    ]
