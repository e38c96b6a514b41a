"""`trex-market profiles show` and `import`, as they are typed."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.profiles.citylearn import amounts, battery, building_rows, panels, write_dataset
from tests.profiles.helpers import write_csv
from tests.shell_helpers import Shell


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    rows = building_rows(amounts(25))
    return write_dataset(
        tmp_path / "data", {"one": rows, "two": rows}, buildings={"one": panels(4) | battery()}
    )


def cells(text: str) -> list[list[str]]:
    """Return the rows of the tables in a text, without their frames."""
    return [
        [cell.strip() for cell in line.split("│")[1:-1]] for line in text.splitlines() if line.startswith("│")
    ]


def test_show_lists_all_participants(shell: Shell, dataset: Path) -> None:
    answer = shell("profiles", "show", f"citylearn:{dataset}")
    assert answer.status == 0, answer.err
    load = sum(0.5 + number % 5 / 8 for number in range(25))
    solar = 4 * sum(max(0, 600 - 100 * abs((number + 23) % 24 - 12)) for number in range(25)) / 1_000
    assert cells(answer.out) == [
        ["one", "25", "0", f"{load:.1f}", f"{solar:.1f}", "6.4 kWh, 5 kW"],
        ["two", "25", "0", f"{load:.1f}", "0.0", ""],
    ]
    assert "2016-07-31T23:00:00Z to 2016-08-02T00:00:00Z in slots of 3600 s" in answer.out
    assert "the first row starts at 2016-07-31T23:00:00+00:00" in answer.out.replace("\n", " ")


def test_show_tells_ranges_apart(shell: Shell, tmp_path: Path) -> None:
    write_csv(tmp_path / "p.csv", "{1},a,1,0", "{2},a,1,0", "{4},a,1,0", "{1},b,1,0", "{2},b,1,0")
    answer = shell("profiles", "show", tmp_path / "p.csv")
    assert answer.status == 0, answer.err
    assert [row[0] for row in cells(answer.out) if row[0]] == ["a", "b"]
    assert "step" in answer.out


def test_show_goes_through_the_months_of_one(shell: Shell, dataset: Path) -> None:
    answer = shell("profiles", "show", f"citylearn:{dataset}", "--participant", "one")
    assert answer.status == 0, answer.err
    rows = cells(answer.out)
    assert [row[:2] for row in rows] == [["2016-07", "1"], ["2016-08", "24"], ["all", "25"]]
    assert "battery: 6.4 kWh, 5 kW, efficiency 0.9 each way" in answer.out


def test_show_lists_the_gaps_of_one(shell: Shell, tmp_path: Path) -> None:
    many = [f"{{{number}}},a,1,0" for number in range(1, 72) if number % 3]
    write_csv(tmp_path / "p.csv", *many)
    answer = shell("profiles", "show", tmp_path / "p.csv", "--participant", "a")
    assert answer.status == 0, answer.err
    assert "23 are missing" in answer.out
    assert "missing: 1 from 2016-01-18T00:30:00Z to 2016-01-18T00:45:00Z" in answer.out
    assert answer.out.count("missing: ") == 20
    assert "and 3 more gaps" in answer.out


def test_import_writes_what_a_config_takes(shell: Shell, dataset: Path, tmp_path: Path) -> None:
    answer = shell("profiles", "import", f"citylearn:{dataset}", "--out", tmp_path / "own")
    assert answer.status == 0, answer.err
    assert "2 participants, 50 slots" in answer.out
    written = [line.split()[-1] for line in answer.out.splitlines() if line.startswith("written")]
    assert written == [str(tmp_path / "own" / name) for name in ("profiles.parquet", "participants.yaml")]
    again = shell("profiles", "show", tmp_path / "own" / "profiles.parquet")
    assert [row[0] for row in cells(again.out)] == ["one", "two"]


def test_import_says_what_whole_wh_leave_out(shell: Shell, tmp_path: Path) -> None:
    write_csv(tmp_path / "p.csv", "{1},a,0.4,0", "{2},a,0.3,0", "{3},a,0.6,0")
    answer = shell("profiles", "import", tmp_path / "p.csv", "--out", tmp_path / "own.csv")
    assert "whole Wh leave out +0.3 Wh of all load and +0.0 Wh of all generation" in answer.out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("show", "nowhere.csv"), "error: nowhere.csv: there is no such file"),
        (("show", "citylearn:nowhere"), "error: citylearn:nowhere: there is no such folder"),
        (("show", "nonsense"), "unknown kind of data"),
        (("show", "packaged:semiurban", "--participant", "home_99"), "unknown participant 'home_99'"),
        (("import", "packaged:semiurban", "--out", "own", "--step", "0"), "error: --step takes seconds"),
        (("import", "packaged:semiurban", "--out", "own"), "choose another range, or set fill to"),
        (("import", "packaged:semiurban", "--out", "own", "--participant", "me"), "unknown participant 'me'"),
    ],
)
def test_bad_input_has_one_message(
    shell: Shell, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, arguments: tuple[str, ...], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    answer = shell("profiles", *arguments)
    assert answer.status == 2
    assert message in answer.err
    assert len(answer.err.splitlines()) == 1
    assert not (tmp_path / "own").exists()
