"""Profiles that processes share: the same as those that were read, and views of files."""

from __future__ import annotations

import os
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest

from tests.shell_helpers import ROUNDS, START, STEP, study
from trex_market.core.errors import ProfileError
from trex_market.profiles import Profile, open_source
from trex_market.profiles.shared import SharedProfiles, sharing

END = START + ROUNDS * STEP


def shared(folder: Path) -> SharedProfiles:
    return SharedProfiles("profiles.csv", folder, folder / "shared")


def plain(profile: Profile) -> tuple[object, ...]:
    generation = {source: list(column) for source, column in profile.generation.items()}
    return profile.participant_id, profile.start, profile.step, list(profile.load), generation


@pytest.mark.parametrize(("start", "end", "step"), [(START, END, STEP), (START + STEP, END - STEP, 450)])
def test_they_are_those_that_the_source_has(tmp_path: Path, start: int, end: int, step: int) -> None:
    study(tmp_path)
    source = open_source("profiles.csv", base=tmp_path)
    for _ in range(2):
        opened = shared(tmp_path)
        assert opened.participants() == source.participants()
        for name in source.participants():
            expected = source.read(name, start=start, end=end, step=step)
            assert plain(opened.read(name, start=start, end=end, step=step)) == plain(expected)


def test_the_data_are_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    study(tmp_path)
    first = plain(shared(tmp_path).read("maker", start=START, end=END, step=STEP))
    shared(tmp_path).participants()
    data = tmp_path / "profiles.csv"
    before = data.stat()
    data.write_bytes(b"x" * before.st_size)  # the same size and time, so that it does not look changed
    os.utime(data, ns=(before.st_atime_ns, before.st_mtime_ns))
    again = shared(tmp_path)
    assert plain(again.read("maker", start=START, end=END, step=STEP)) == first
    assert again.participants() == ["maker", "mixed", "taker"]
    with pytest.raises(ProfileError):
        again.read("taker", start=START, end=END, step=STEP)


def test_columns_are_views_of_the_file(tmp_path: Path) -> None:
    study(tmp_path)
    profile = shared(tmp_path).read("maker", start=START, end=END, step=STEP)
    assert isinstance(profile.load, memoryview)
    assert profile.load.readonly
    assert profile.load.format == "i"
    assert profile.load.obj is profile.generation["solar"].obj  # type: ignore[attr-defined]
    assert type(profile.load[0]) is int


def test_energy_of_more_than_32_bits_is_kept(tmp_path: Path) -> None:
    rows = "".join(f"{START + STEP * n},home,{999_999_999}\n" for n in range(1, ROUNDS + 1))
    (tmp_path / "profiles.csv").write_text(f"time,participant_id,load\n{rows}")
    step = 4 * STEP
    profile = shared(tmp_path).read("home", start=START, end=END, step=step)
    assert list(profile.load) == [4 * 999_999_999] * 3


def test_data_that_have_changed_are_read_again(tmp_path: Path) -> None:
    study(tmp_path)
    first = shared(tmp_path).read("maker", start=START, end=END, step=STEP)
    data = tmp_path / "profiles.csv"
    data.write_text(data.read_text().replace(f"{START + STEP},maker,100,", f"{START + STEP},maker,1000,"))
    second = shared(tmp_path).read("maker", start=START, end=END, step=STEP)
    assert (first.load[0], second.load[0]) == (100, 1000)


def test_what_the_source_refuses_is_refused(tmp_path: Path) -> None:
    study(tmp_path)
    with pytest.raises(ProfileError, match="unknown participant 'nobody'"):
        shared(tmp_path).read("nobody", start=START, end=END, step=STEP)
    with pytest.raises(ProfileError, match="there are data from"):
        shared(tmp_path).read("maker", start=START, end=END + STEP, step=STEP)
    assert not list((tmp_path / "shared").glob("*.profile"))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"junk\n",
        b'{"sources":[],"slots":12,"typecode":"i"}\nabc',
        b'{"sources":[],"slots":12,"typecode":"i"}\nabcd',
    ],
)
def test_a_file_that_was_spoilt_is_told(tmp_path: Path, content: bytes) -> None:
    study(tmp_path)
    shared(tmp_path).read("maker", start=START, end=END, step=STEP)
    (file,) = (tmp_path / "shared").glob("*.profile")
    file.write_bytes(content)
    with pytest.raises(ProfileError, match=r"cannot be read .* remove it, and it is made anew"):
        shared(tmp_path).read("maker", start=START, end=END, step=STEP)


def _read(folder: Path) -> tuple[object, ...]:
    return plain(
        sharing(folder / "shared")("profiles.csv", folder).read("maker", start=START, end=END, step=STEP)
    )


@pytest.mark.slow
def test_processes_can_make_them_at_the_same_time(tmp_path: Path) -> None:
    study(tmp_path)
    with ProcessPoolExecutor(4, mp_context=get_context("spawn")) as pool:
        answers = list(pool.map(_read, [tmp_path] * 8))
    assert answers == [answers[0]] * 8
    assert [path.suffix for path in (tmp_path / "shared").iterdir()] == [".profile"]
