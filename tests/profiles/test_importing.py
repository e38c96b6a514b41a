"""Any source into the project's own files, and back."""

from __future__ import annotations

import sys
from decimal import Decimal
from pathlib import Path

import pytest
import yaml

from tests.profiles.citylearn import FIRST, amounts, battery, building_rows, panels, write_dataset
from tests.profiles.helpers import STEP, T0, write_csv, write_database
from tests.shell_helpers import CONFIG
from trex_market.config.load import load_config_text
from trex_market.core.errors import MissingExtraError, ProfileError
from trex_market.profiles import open_source
from trex_market.profiles.importing import Wanted, import_profiles, participants_section
from trex_market.profiles.prices import read_price_series
from trex_market.profiles.storage import StorageData

START = int(FIRST.timestamp())


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    """Two buildings for two days, with prices, panels of 4 kW and one battery."""
    rows = building_rows(amounts(48))
    buildings = {"b 1": panels(4) | battery(), "b_2": panels(0)}
    return write_dataset(
        tmp_path / "data", {"b 1": rows, "b_2": rows}, buildings=buildings, prices=["0.22", "0.54"] * 24
    )


@pytest.mark.parametrize("ending", [".parquet", ".csv", ".csv.gz"])
def test_what_is_written_reads_back_the_same(dataset: Path, tmp_path: Path, ending: str) -> None:
    source = open_source(f"citylearn:{dataset}", base=Path())
    file = tmp_path / f"own{ending}"
    done = import_profiles(source, file)
    assert done.files == (file,)
    again = open_source(file.name, base=tmp_path)
    assert again.participants() == source.participants() == ["b 1", "b_2"]
    end = START + 48 * 3_600
    found = again.read("b 1", start=START, end=end, step=3_600)
    expected = source.read("b 1", start=START, end=end, step=3_600)
    assert found == expected
    assert again.read("b_2", start=START, end=end, step=3_600).generation == {"solar": [0] * 48}
    assert (done.participants, done.slots) == (2, 96)
    assert done.load == 2 * sum(expected.load)
    assert done.generated == sum(expected.generation["solar"])


def test_a_folder_gets_prices_and_participants_as_well(dataset: Path, tmp_path: Path) -> None:
    out = tmp_path / "deep" / "own"
    done = import_profiles(open_source(f"citylearn:{dataset}", base=Path()), out)
    assert [path.name for path in done.files] == [
        "profiles.parquet",
        "grid_price.parquet",
        "participants.yaml",
    ]
    assert len(done.remarks) == 1
    prices = read_price_series(out / "grid_price.parquet", 3, 0.25)
    assert prices.periods[0] == (START, 55_000, 220_000)
    assert prices.periods[1] == (START + 3_600, 135_000, 540_000)
    section = yaml.safe_load((out / "participants.yaml").read_text(encoding="utf-8"))
    assert section == {
        "participants": {
            "b 1": {
                "trader": {"type": "basic"},
                "storage": {"capacity": 6400, "power": 5000, "efficiency": 0.9},
            },
            "b_2": {"trader": {"type": "basic"}},
        }
    }


def test_the_participants_are_those_of_a_config() -> None:
    section = participants_section(["plain", 'a "b": c'], {"plain": StorageData(5_000, 2_000, 0.95, 0.04)})
    config = load_config_text(CONFIG.partition("participants:")[0] + section, "made.yaml")
    assert list(config.participants) == ["plain", 'a "b": c']
    storage = config.participants["plain"].storage
    assert storage is not None
    assert (storage.capacity, storage.power, storage.efficiency, storage.monthly_sdr) == (
        5_000,
        2_000,
        0.95,
        0.04,
    )


def test_what_whole_wh_lose_is_told(tmp_path: Path) -> None:
    write_csv(
        tmp_path / "p.csv",
        "{1},a,0.4,1.7",
        "{2},a,0.3,0",
        "{3},a,0.4,0",
        "{1},b,1,1.25",
        "{2},b,1,0",
        "{3},b,1,0",
    )
    done = import_profiles(open_source("p.csv", base=tmp_path), tmp_path / "own.csv")
    # Running sums of a's load are 0.4, 0.7 and 1.1: 1 Wh of 1.1. Its 1.7 Wh become 2, and b's 1.25 become 1.
    assert (done.load, done.load_lost) == (4, Decimal("0.1"))
    assert (done.generated, done.generation_lost) == (3, Decimal("-0.05"))


def test_participants_and_step_can_be_chosen(tmp_path: Path) -> None:
    rows = [f"{{{number}}},{name},100,0" for name in ("a", "b") for number in range(1, 10)]
    write_csv(tmp_path / "p.csv", *rows)
    done = import_profiles(
        open_source("p.csv", base=tmp_path), tmp_path / "own.csv", Wanted(("b",), step=3_600)
    )
    assert (done.participants, done.slots, done.load) == (1, 2, 800)  # the ninth quarter is no whole hour
    assert not done.load_lost
    again = open_source("own.csv", base=tmp_path)
    assert again.participants() == ["b"]
    assert again.read("b", start=T0, end=T0 + 7_200, step=3_600).load == [400, 400]


def test_gaps_are_refused_or_filled(tmp_path: Path) -> None:
    write_csv(tmp_path / "p.csv", "{1},a,100,0", "{2},a,300,0", "{4},a,100,0", "{5},a,100,0")
    source = open_source("p.csv", base=tmp_path)
    with pytest.raises(ProfileError, match=r"1 slot\(s\) of 900 s are missing"):
        import_profiles(source, tmp_path / "own.csv")
    assert not (tmp_path / "own.csv").exists()
    done = import_profiles(source, tmp_path / "own.csv", Wanted(fill="previous"))
    assert (done.slots, done.load, done.load_lost) == (5, 900, 0)


def test_sources_of_all_participants_have_a_column(tmp_path: Path) -> None:
    write_csv(
        tmp_path / "p.csv",
        "{1},a,1,,5",
        "{2},a,1,,5",
        "{1},b,1,6,",
        "{2},b,1,6,",
        header="time,participant_id,load,solar,wind",
    )
    import_profiles(open_source("p.csv", base=tmp_path), tmp_path / "own.csv")
    lines = (tmp_path / "own.csv").read_text(encoding="utf-8").splitlines()
    assert lines[:2] == ["time,participant_id,load,solar,wind", f"{T0 + STEP},a,1,0,5"]
    assert lines[3] == f"{T0 + STEP},b,1,6,0"


def test_a_database_is_imported(tmp_path: Path) -> None:
    write_database(tmp_path / "p.db", "a", [(0, 100, 50), (1, -20, 60)])
    done = import_profiles(open_source("p.db", base=tmp_path), tmp_path / "own.csv")
    assert (done.load, done.generated) == (190, 110)
    folder = tmp_path / "old"
    folder.mkdir()
    write_database(folder / "a.db", "a", [(0, 100, 50), (1, -20, 60)])
    assert open_source("old", base=tmp_path).series("a").load == [150, 40]


def test_nothing_is_overwritten(dataset: Path, tmp_path: Path) -> None:
    source = open_source(f"citylearn:{dataset}", base=Path())
    out = tmp_path / "own"
    out.mkdir()
    (out / "participants.yaml").write_text("mine", encoding="utf-8")
    with pytest.raises(ProfileError, match=r"participants.yaml: is there already; name another place"):
        import_profiles(source, out)
    assert [path.name for path in out.iterdir()] == ["participants.yaml"]


def test_a_place_that_cannot_be_written_is_named(dataset: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(ProfileError, match=r"file/own.csv: cannot be written: "):
        import_profiles(open_source(f"citylearn:{dataset}", base=Path()), tmp_path / "file" / "own.csv")


def test_an_unknown_participant_is_refused(dataset: Path, tmp_path: Path) -> None:
    with pytest.raises(ProfileError, match=r"unknown participant 'b_1'. Did you mean"):
        import_profiles(open_source(f"citylearn:{dataset}", base=Path()), tmp_path / "own", Wanted(("b_1",)))


def test_a_step_longer_than_the_data_is_refused(tmp_path: Path) -> None:
    write_csv(tmp_path / "p.csv", "{1},a,1,0", "{2},a,1,0")
    with pytest.raises(ProfileError, match="its data are shorter than a slot of 86400 s"):
        import_profiles(open_source("p.csv", base=tmp_path), tmp_path / "own.csv", Wanted(step=86_400))


def test_without_pyarrow_a_folder_holds_csv(
    dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    source = open_source(f"citylearn:{dataset}", base=Path())
    done = import_profiles(source, tmp_path / "own")
    assert [path.name for path in done.files] == ["profiles.csv", "grid_price.csv", "participants.yaml"]
    assert read_price_series(tmp_path / "own" / "grid_price.csv", 3, 0.25).periods[0] == (
        START,
        55_000,
        220_000,
    )
    with pytest.raises(MissingExtraError, match=r"writing Parquet .*trex-market\[parquet\]"):
        import_profiles(source, tmp_path / "own.parquet")
