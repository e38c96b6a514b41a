"""The data that come with the package are what their README.md says."""

from __future__ import annotations

import csv
from datetime import datetime
from importlib.resources import files
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from trex_market.core.errors import ProfileError
from trex_market.profiles import Profile, open_source

FOLDER = files("trex_market") / "data" / "semiurban"
WEEKS = {
    (2016, 1, 18): (1_453_071_600, 2_120, 353),
    (2016, 4, 18): (1_460_930_400, 1_225, 2_028),
    (2016, 7, 18): (1_468_792_800, 986, 2_092),
    (2016, 10, 17): (1_476_655_200, 1_475, 893),
}


def homes() -> list[str]:
    return [f"home_{number:02}" for number in range(1, 31)]


@pytest.mark.parametrize("monday", WEEKS)
def test_each_week_is_whole_and_adds_up(monday: tuple[int, int, int], tmp_path: Path) -> None:
    start, load, solar = WEEKS[monday]
    local = datetime.fromtimestamp(start, ZoneInfo("Europe/Berlin"))
    assert (local.timetuple()[:3], local.weekday(), local.hour) == (monday, 0, 0)
    source = open_source("packaged:semiurban", base=tmp_path)
    assert source.participants() == homes()
    profiles: list[Profile] = [
        source.read(name, start=start, end=start + 7 * 86_400, step=900) for name in source.participants()
    ]
    assert round(sum(sum(profile.load) for profile in profiles) / 1_000) == load
    assert round(sum(sum(profile.generation["solar"]) for profile in profiles) / 1_000) == solar
    assert sum(any(profile.generation["solar"]) for profile in profiles) == 12


def test_the_table_of_homes_agrees_with_the_profiles() -> None:
    with (FOLDER / "homes.csv").open(encoding="utf-8") as text:
        rows = list(csv.DictReader(text))
    assert sorted({row["participant_id"] for row in rows}) == homes()
    solar = [row for row in rows if row["source"] == "solar"]
    assert (len(solar), sum(int(row["rated_power_w"]) for row in solar)) == (12, 119_300)


def test_the_files_are_small_and_licensed() -> None:
    assert sum(len(file.read_bytes()) for file in FOLDER.iterdir()) < 500_000
    terms = (FOLDER / "LICENSE").read_text(encoding="utf-8")
    for part in ("ODbL-1.0", "https://opendatacommons.org/licenses/odbl/1-0/", "Energies 2020, 13(12), 3290"):
        assert part in terms
    assert (FOLDER / "profiles.csv.gz").read_bytes()[4:8] == bytes(4)


def test_other_packaged_names_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ProfileError, match=r"unknown packaged profiles 'semi'\. .*There are: semiurban\."):
        open_source("packaged:semi", base=tmp_path)
