"""A queue of rows on disk: what went in comes out in order, also of a file that was left behind."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trex_market.storage import tables
from trex_market.storage.backlog import HEADER, Backlog
from trex_market.storage.bulk import Batch


def metrics(*numbers: int) -> Batch:
    """A batch of metrics with these numbers."""
    return Batch(
        tables.metrics, [("run", "house", number, "x", number / 3) for number in numbers], replace=True
    )


def silent(sentence: str) -> None:
    """Fail if there is anything to tell."""
    raise AssertionError(sentence)


def taken(backlog: Backlog) -> list[list[Batch]]:
    """Take all frames out."""
    frames = []
    while frame := backlog.first():
        frames.append(frame)
        backlog.remove_first()
    return frames


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "unwritten.rows"


def test_frames_come_back_in_order_and_exactly(path: Path) -> None:
    everything = ("run", "t1", "delivery", None, 5, "a", "b", "☀ 'x'\n\0", 0.1 + 0.2, -0.0, 1e-6, 0.5)
    row = (*everything, -(2**60), True, None, 2**62, 0, 1)
    frames = [[metrics(1, 2), Batch(tables.transactions, [row])], [metrics(3)]]
    backlog = Backlog(path, silent)
    assert backlog.first() == []
    backlog.append(frames)
    backlog.append([[metrics(4, 5, 6)]])
    assert backlog.rows == 7
    assert backlog.first() == frames[0]
    assert backlog.first() == frames[0]  # until it is removed
    assert taken(backlog) == [*frames, [metrics(4, 5, 6)]]
    assert backlog.rows == 0
    assert path.stat().st_size == 0
    backlog.append(frames)  # and from the beginning
    assert taken(backlog) == frames
    backlog.close()
    assert not path.exists()


@given(st.lists(st.one_of(st.lists(st.integers(0, 9), min_size=1, max_size=3), st.none())))
def test_it_is_a_queue(tmp_path_factory: pytest.TempPathFactory, steps: list[list[int] | None]) -> None:
    backlog = Backlog(tmp_path_factory.mktemp("queue") / "rows", silent)
    expected: list[Batch] = []
    for step in steps:
        if step is not None:
            backlog.append([[metrics(*step)]])
            expected.append(metrics(*step))
        elif expected:
            assert backlog.first() == [expected.pop(0)]
            backlog.remove_first()
        assert backlog.rows == sum(len(batch.rows) for batch in expected)
    assert taken(backlog) == [[batch] for batch in expected]
    backlog.close()


def test_a_frame_can_be_removed_without_a_look_at_it(path: Path) -> None:
    backlog = Backlog(path, silent)
    backlog.append([[metrics(1)], [metrics(2, 3)], [metrics(4)]])
    backlog.first()
    backlog.remove_first()
    backlog.remove_first()
    assert backlog.rows == 1
    assert taken(backlog) == [[metrics(4)]]
    backlog.close()


def test_what_was_left_behind_comes_first(path: Path) -> None:
    backlog = Backlog(path, silent)
    backlog.append([[metrics(1)], [metrics(2, 3)]])
    backlog.first()
    backlog.remove_first()
    backlog.sync()
    backlog.close()
    again = Backlog(path, silent)
    assert again.rows == 3  # what was removed too: that is kept nowhere
    again.append([[metrics(4)]])
    assert taken(again) == [[metrics(1)], [metrics(2, 3)], [metrics(4)]]
    again.close()


def left_behind(path: Path) -> list[int]:
    """Leave three frames behind; return where they end."""
    backlog = Backlog(path, silent)
    ends = []
    for numbers in ((1,), (2, 3), (4, 5, 6)):
        backlog.append([[metrics(*numbers)]])
        ends.append(path.stat().st_size)
    backlog.close()
    return ends


def test_a_torn_end_is_cut_off_wherever_it_is(path: Path) -> None:
    _, second, third = left_behind(path)
    whole = path.read_bytes()
    for size in range(second, third):
        path.write_bytes(whole[:size])
        backlog = Backlog(path, silent)
        assert backlog.rows == 3
        assert path.stat().st_size == second
        backlog.append([[metrics(7)]])
        assert taken(backlog) == [[metrics(1)], [metrics(2, 3)], [metrics(7)]]
        backlog.close()


def test_zeros_at_the_end_are_cut_off(path: Path) -> None:
    ends = left_behind(path)
    os.truncate(path, ends[-1] + 5 * HEADER.size)
    backlog = Backlog(path, silent)
    assert backlog.rows == 6
    assert path.stat().st_size == ends[-1]
    backlog.close()


def test_damage_is_told_and_what_is_before_it_comes_back(path: Path) -> None:
    first, second, _ = left_behind(path)
    content = bytearray(path.read_bytes())
    content[(first + second) // 2] ^= 1
    path.write_bytes(content)
    told: list[str] = []
    backlog = Backlog(path, told.append)
    assert taken(backlog) == [[metrics(1)]]
    (sentence,) = told
    assert f"unwritten.rows is damaged: 5 rows from byte {first} on cannot be read" in sentence
    assert backlog.rows == 0
    backlog.append([[metrics(8)]])
    assert taken(backlog) == [[metrics(8)]]
    backlog.close()


FULL = """
import resource, signal, sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from tests.storage.test_backlog import Backlog, metrics, silent, taken

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
path = Path(sys.argv[1])
backlog = Backlog(path, silent)
backlog.append([[metrics(1)]])
size = path.stat().st_size
try:
    backlog.append([[metrics(2)], [metrics(*range(10_000))]])
except OSError:
    pass
else:
    raise SystemExit("it took what there was no room for")
assert path.stat().st_size == size
assert backlog.rows == 1
backlog.append([[metrics(3)]])
assert taken(backlog) == [[metrics(1)], [metrics(3)]]
"""


def test_what_does_not_fit_on_the_disk_leaves_it_as_it_was(path: Path) -> None:
    repository = str(Path(__file__).parents[2])
    command = [sys.executable, "-c", FULL, str(path), repository]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
