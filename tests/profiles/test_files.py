"""Long tables in CSV and Parquet."""

from __future__ import annotations

import gzip
import re
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from trex_market.core.errors import MissingExtraError, ProfileError
from trex_market.profiles import Fill, Profile, open_source
from trex_market.profiles.files import table_rows

from .helpers import STEP, T0, write_csv


def read(file: Path, name: str = "a", *, first: int = 0, count: int = 4, step: int = STEP) -> Profile:
    source = open_source(file.name, base=file.parent)
    start = T0 + STEP * first
    return source.read(name, start=start, end=start + step * count, step=step)


def refusal(file: Path, *, first: int = 0, count: int = 4) -> str:
    with pytest.raises(ProfileError) as caught:
        read(file, first=first, count=count)
    return str(caught.value)


def test_a_profile_has_load_and_every_source(tmp_path: Path) -> None:
    file = write_csv(
        tmp_path / "p.csv",
        "{1},b,1,2,3",
        "{1},a,10,,0",
        "{2},a,20,5,1",
        header="time, participant_id,Load,Solar,wind",
    )
    profile = read(file, count=2)
    assert profile == Profile("a", T0, STEP, [10, 20], {"solar": [0, 5], "wind": [0, 1]})
    assert profile.end == T0 + 2 * STEP
    assert open_source("p.csv", base=tmp_path).participants() == ["a", "b"]


def test_times_may_be_iso_and_the_file_gzipped_and_with_a_mark(tmp_path: Path) -> None:
    text = (
        "\ufefftime,participant_id,load\n2016-01-18T01:15:00+01:00,a,1.4\n\n2016-01-18T00:30:00Z,a,1.4\n"
        "2016-01-18T00:45:00+00:00,a,1.4\n"
    )
    (tmp_path / "P.CSV.GZ").write_bytes(gzip.compress(text.encode()))
    assert read(tmp_path / "P.CSV.GZ", count=3) == Profile("a", T0, STEP, [1, 2, 1], {})


def test_other_steps_conserve_energy(tmp_path: Path) -> None:
    file = write_csv(tmp_path / "p.csv", "{1},a,10,0", "{2},a,20,1", "{3},a,30,1", "{4},a,41,1")
    assert read(file, count=1, step=3_600).load == [101]
    assert read(file, count=6, step=600).load == [7, 10, 13, 20, 24, 27]
    assert read(file, count=3, step=300).load == [3, 4, 3]
    assert read(file, first=1, count=2, step=450).generation == {"solar": [0, 1]}


def test_the_same_file_in_parquet_gives_the_same(tmp_path: Path) -> None:
    ends = [T0 + STEP * number for number in (1, 2, 3)]
    zoned = pa.array([datetime.fromtimestamp(end, UTC) for end in ends], pa.timestamp("ns", "Europe/Berlin"))
    for number, times in enumerate((ends, zoned, [f"{moment}" for moment in ends])):
        table = {"time": times, "participant_id": ["a"] * 3, "load": [1.5, 1.5, 1.0], "solar": [None, 2, 3]}
        pq.write_table(pa.table(table), tmp_path / f"{number}.parquet")
        found = read(tmp_path / f"{number}.parquet", count=3)
        assert found == Profile("a", T0, STEP, [2, 1, 1], {"solar": [0, 2, 3]})


def test_wrong_parquet_is_refused_with_its_row(tmp_path: Path) -> None:
    file = tmp_path / "p.parquet"
    naive = pa.array([datetime(2016, 1, 18)], pa.timestamp("us"))  # noqa: DTZ001
    pq.write_table(pa.table({"time": naive, "participant_id": ["a"], "load": [1]}), file)
    assert "p.parquet, row 1, column 'time': '2016-01-18 00:00:00' has no offset from UTC" in refusal(file)
    pq.write_table(pa.table({"time": [T0], "participant_id": ["a"], "load": [float("nan")]}), file)
    assert refusal(file).endswith("row 1, column 'load': nan is not a finite number")
    pq.write_table(pa.table({"time": [T0], "load": [1]}), file)
    assert "p.parquet: no column 'participant_id'; there are: time, load" in refusal(file)
    file.write_bytes(b"PAR1 is not enough")
    assert "p.parquet: cannot be read as Parquet" in refusal(file)


def test_parquet_names_its_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingExtraError, match=r"reading Parquet .*trex-market\[parquet\]"):
        open_source("p.parquet", base=tmp_path)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (["{1},a,x,"], "p.csv, line 2, column 'load': 'x' is not a number"),
        (["{1},a,1,", "{2},a,-3,"], "p.csv, line 3, column 'load': -3 is negative"),
        (["{1},a,nan,"], "p.csv, line 2, column 'load': nan is not a finite number"),
        (["{1},a,,"], "p.csv, line 2, column 'load': it is empty"),
        (["{1},a,1,-0.5"], "p.csv, line 2, column 'solar': -0.5 is negative"),
        (["{1},,1,"], "p.csv, line 2, column 'participant_id': it is empty"),
        (["18.1.2016,a,1,"], "line 2, column 'time': '18.1.2016' is neither UNIX seconds nor ISO 8601 with"),
        (["{1},a,1,5,2"], "p.csv, line 2: found 5 cells under 4 columns"),
        (["{1},a,1"], "p.csv, line 2: found 3 cells under 4 columns"),
        (['{1},"a,1,'], "p.csv, line 2: unexpected end of data"),
        ([], "p.csv: found the names of columns but no row under them"),
        (["{1},a,1,"], "participant 'a': found 1 row(s), and it takes two to tell how long a slot is"),
        (
            ["{1},a,1,", "{1},b,1,", "{3},a,1,", "{2},a,1,"],
            (
                "p.csv, participant 'a', line 5: times are not in order: 2016-01-18T00:30:00Z comes after "
                "2016-01-18T00:45:00Z; sort"
            ),
        ),
        (["{1},a,1,", "{1},a,1,"], "'a', line 3: the time 2016-01-18T00:15:00Z is there twice"),
        (
            ["{1},a,1,", "{2},a,1,", "{3},a,1,", "1453078200,a,1,"],
            (
                "'a', line 5: irregular times: 2016-01-18T00:50:00Z comes 300 s after the row before it, but "
                "this participant's slots are 900 s long"
            ),
        ),
    ],
)
def test_wrong_rows_are_refused_with_their_line(tmp_path: Path, rows: list[str], message: str) -> None:
    assert message in refusal(write_csv(tmp_path / "p.csv", *rows))


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("time,id,load", "p.csv: no column 'participant_id'; there are: time, id, load (needed: time,"),
        ("time;participant_id;load", "p.csv: no column 'time'; there are: time;participant_id;load (needed"),
        ("time,participant_id,load,solar,Solar", "p.csv: the column 'solar' is there twice"),
        ("time,participant_id,load,grid", "p.csv: the column 'grid' cannot be a source of generation"),
        ("time,participant_id,load,", "p.csv: column 4 has no name"),
    ],
)
def test_wrong_columns_are_refused(tmp_path: Path, header: str, message: str) -> None:
    assert message in refusal(write_csv(tmp_path / "p.csv", header=header))


def test_files_that_cannot_be_read_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "p.csv"
    assert refusal(file) == f"{file}: there is no such file"
    write_csv(tmp_path / "q.csv", "{1},a,1,")
    assert refusal(file) == f"{file}: there is no such file; the folder has: q.csv"
    nowhere = tmp_path / "none" / "p.csv"
    assert refusal(nowhere) == f"{nowhere}: there is no such file, and no folder {nowhere.parent} either"
    file.touch()
    assert refusal(file) == f"{file}: it is empty"
    file.write_bytes("time,participant_id,load\n1,\xe4,1\n".encode("latin-1"))
    assert refusal(file) == f"{file}: it is not text in UTF-8"
    packed = tmp_path / "p.csv.gz"
    packed.write_bytes(b"not gzip")
    assert refusal(packed).startswith(f"{packed}: cannot be read: Not a gzipped file")
    whole = gzip.compress(write_csv(tmp_path / "q.csv", "{1},a,1,", "{2},a,1,").read_bytes())
    packed.write_bytes(whole[:-9])
    assert refusal(packed) == (
        f"{packed}: cannot be read: Compressed file ended before the end-of-stream marker was reached"
    )


def test_an_unknown_participant_is_refused_with_the_known_ones(tmp_path: Path) -> None:
    file = write_csv(tmp_path / "p.csv", "{1},home_1,1,", "{1},home_2,1,")
    with pytest.raises(
        ProfileError, match=r"unknown participant 'hom_1'. Did you mean 'home_1'\? There are: "
    ):
        read(file, "hom_1")


def test_a_range_outside_of_the_data_is_refused(tmp_path: Path) -> None:
    file = write_csv(tmp_path / "p.csv", "{1},a,1,", "{2},a,1,")
    assert refusal(file, first=-1, count=2).endswith("2016-01-18T00:30:00Z only")
    assert refusal(file, count=3).endswith(
        "p.csv, participant 'a': asked for 2016-01-18T00:00:00Z to 2016-01-18T00:45:00Z, but there are data "
        "from 2016-01-18T00:00:00Z to 2016-01-18T00:30:00Z only"
    )
    with pytest.raises(ProfileError, match="slots of 900 s, which is not a whole number of slots"):
        open_source("p.csv", base=tmp_path).read("a", start=T0, end=T0 + 901, step=STEP)


def test_a_gap_is_refused_with_its_extent(tmp_path: Path) -> None:
    file = write_csv(tmp_path / "p.csv", "{1},a,1,", "{2},a,1,", "{5},a,1,", "{6},a,1,")
    assert refusal(file, count=6).endswith(
        "p.csv, participant 'a': 2 slot(s) of 900 s are missing from 2016-01-18T00:30:00Z to "
        "2016-01-18T01:00:00Z (data end at 2016-01-18T00:30:00Z and go on at 2016-01-18T01:00:00Z); choose "
        "another range, or set fill to 'zero', 'previous', 'day_before' or 'week_before'"
    )
    assert "1 slot(s) of 900 s are missing from 2016-01-18T00:45:00Z to" in refusal(file, first=3, count=2)
    assert read(file, first=4, count=2).load == [1, 1]


@pytest.mark.parametrize(
    ("fill", "load"),
    [("zero", [7, 8, 0, 0, 9]), ("previous", [7, 8, 8, 8, 9]), ("day_before", [7, 8, 2, 3, 9])],
)
def test_gaps_are_filled_as_told(tmp_path: Path, fill: Fill, load: list[int]) -> None:
    days = [f"{{{number}}},a,{number % 96}," for number in range(96)]
    file = write_csv(
        tmp_path / "p.csv",
        *days,
        "{96},a,7,",
        "{97},a,8,",
        "{100},a,9,",
        header="time,participant_id,load,solar",
    )
    start = T0 + 95 * STEP
    source = open_source(file.name, base=tmp_path)
    assert source.read("a", start=start, end=start + 5 * STEP, step=STEP, fill=fill).load == load
    halves = source.read("a", start=start, end=start + 5 * STEP, step=STEP // 2, fill=fill).load
    assert [sum(halves[i : i + 2]) for i in range(0, 10, 2)] == load


def test_a_filled_slot_may_fill_the_next_day_but_there_must_be_a_first(tmp_path: Path) -> None:
    rows = [f"{{{number}}},a,{number}," for number in range(1, 300) if number not in (50, 146, 242)]
    source = open_source(write_csv(tmp_path / "p.csv", *rows).name, base=tmp_path)
    with pytest.raises(ProfileError, match="fill 'day_before' finds no data at that time of day on any day"):
        source.read("a", start=T0, end=T0 + 96 * STEP, step=STEP, fill="day_before")
    rows.insert(49, "{50},a,5,")
    source = open_source(write_csv(tmp_path / "q.csv", *rows).name, base=tmp_path)
    start = T0 + 241 * STEP
    assert source.read("a", start=start, end=start + STEP, step=STEP, fill="day_before").load == [5]


def test_a_week_stands_for_the_next_ones(tmp_path: Path) -> None:
    week = 7 * 96
    rows = [f"{T0 + number * STEP},a,{number}," for number in range(1, week + 1)]
    # Data that go on later: a range must not begin before the data, nor end after them.
    rows.append(f"{T0 + 4 * week * STEP},a,1,")
    source = open_source(write_csv(tmp_path / "p.csv", *rows).name, base=tmp_path)
    found = source.read("a", start=T0, end=T0 + 3 * week * STEP, step=STEP, fill="week_before").load
    assert found == [*range(1, week + 1)] * 3


def test_a_file_is_read_once(tmp_path: Path) -> None:
    file = write_csv(tmp_path / "p.csv", "{1},a,1,", "{2},a,1,", "{1},b,2,", "{2},b,2,")
    source = open_source("p.csv", base=tmp_path)
    assert source.participants() == ["a", "b"]
    file.unlink()
    assert source.read("b", start=T0, end=T0 + 2 * STEP, step=STEP).load == [2, 2]


def test_a_hundred_thousand_rows_are_read_in_a_second_or_so(tmp_path: Path) -> None:
    rows = [f"{T0 + STEP * n},h{h},{n % 977}.{n % 10},{n % 31}" for n in range(10_000) for h in range(10)]
    write_csv(tmp_path / "p.csv", *rows)
    source = open_source("p.csv", base=tmp_path)
    begin = time.process_time()
    profiles = [source.read(f"h{h}", start=T0, end=T0 + 9_999 * STEP, step=STEP) for h in range(10)]
    assert time.process_time() - begin < 3
    assert len({tuple(profile.load) for profile in profiles}) == 1


def test_locations_that_nobody_reads_are_refused(tmp_path: Path) -> None:
    (tmp_path / "p.txt").touch()
    known = re.escape(
        "Known endings and prefixes: .csv, .csv.gz, .parquet, .db, sqlite:, postgresql:, packaged:,"
    )
    with pytest.raises(ProfileError, match=rf"p\.txt: unknown kind of data\. {known}"):
        open_source("p.txt", base=tmp_path)
    with pytest.raises(
        ProfileError, match=rf"q: unknown kind of data; there is no such file or folder\. {known}"
    ):
        open_source("q", base=tmp_path)
    with pytest.raises(
        ProfileError, match=r"profiles mysql://\.\.\.: unknown kind of data\. Known"
    ) as caught:
        open_source("mysql://user:secret@host/db", base=tmp_path)
    assert "secret" not in str(caught.value)


def test_a_folder_in_place_of_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "p.parquet").mkdir()
    with pytest.raises(ProfileError, match=r"p\.parquet: unknown participant 'a'\."):
        read(tmp_path / "p.parquet")
    (tmp_path / "p.csv").write_text("x" * 200_000)
    assert "p.csv, line 1: field larger than field limit" in refusal(tmp_path / "p.csv")


def test_a_url_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        ProfileError, match="profiles: found something that starts with postgresql: but is not a URL"
    ):
        open_source("postgresql:me:secret@host", base=tmp_path)


def test_any_table_is_read_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_text("time,price\n\n900,0.1\n1800,x\n")
    assert table_rows(tmp_path / "p.csv") == (["time", "price"], [(3, ["900", "0.1"]), (4, ["1800", "x"])])
    pq.write_table(pa.table({"time": [900, 1800], "price": [0.1, None]}), tmp_path / "p.parquet")
    assert table_rows(tmp_path / "p.parquet") == (["time", "price"], [(1, (900, 0.1)), (2, (1800, None))])
    with pytest.raises(ProfileError, match=r"q\.csv: there is no such file; the folder has: p\.csv"):
        table_rows(tmp_path / "q.csv")
