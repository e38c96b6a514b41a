"""What is kept of compiled code is used while it is true, and what is said without Numba."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.shell_helpers import REPOSITORY

pytestmark = pytest.mark.timeout(900)  # compiling takes its while

LIMITS = "FACTOR = {factor}\n"

STEPS = """
from typing import NamedTuple

from trex_market.kernels.compiled import compiled, inner
from limits import FACTOR


class {pair}(NamedTuple):
    first: int
    second: int


@inner
def scaled(number):
    return number * FACTOR


@compiled
def made(first, second):
    return {pair}(scaled(first), {second})
"""

CALLER = """
import steps
from steps import made
from trex_market.kernels.compiled import compiled


@compiled
def total(first, second):
    pair = made(first, second)
    return pair.first + pair.second


@compiled
def total_of_a_module(first, second):
    return steps.made(first, second).first


def kept(function):
    return sum(function.stats.cache_hits.values())


print(total(3, 4), total_of_a_module(3, 4), kept(total), kept(total_of_a_module))
"""


def run(folder: Path, program: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        cwd=folder,
        env={"PYTHONPATH": f"{REPOSITORY}:{folder}", "PATH": "", "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )


def answers(folder: Path, factor: int = 10, second: str = "second", pair: str = "Pair") -> list[int]:
    """Write modules that depend on each other, and run the last one, which does not change."""
    (folder / "limits.py").write_text(LIMITS.format(factor=factor), encoding="utf-8")
    (folder / "steps.py").write_text(STEPS.format(pair=pair, second=second), encoding="utf-8")
    (folder / "caller.py").write_text(CALLER, encoding="utf-8")
    done = run(folder, "import caller")
    assert not done.stderr
    return [int(word) for word in done.stdout.split()]


def test_compiled_code_is_kept(tmp_path: Path) -> None:
    assert answers(tmp_path) == [34, 30, 0, 0]
    assert answers(tmp_path) == [34, 30, 1, 1]


def test_what_is_called_may_change(tmp_path: Path) -> None:
    answers(tmp_path)
    assert answers(tmp_path, second="second + 1") == [35, 30, 0, 0]
    assert answers(tmp_path, second="second + 1") == [35, 30, 1, 1]


def test_a_constant_of_what_is_called_may_change(tmp_path: Path) -> None:
    answers(tmp_path)
    assert answers(tmp_path, factor=100) == [304, 300, 0, 0]


def test_a_type_may_be_renamed(tmp_path: Path) -> None:
    """What is kept names the type that is no more, and cannot be read."""
    answers(tmp_path)
    assert answers(tmp_path, pair="Couple") == [34, 30, 0, 0]
    assert answers(tmp_path, pair="Couple") == [34, 30, 1, 1]


def test_without_a_folder_to_keep_it_in_code_is_compiled_all_the_same(tmp_path: Path) -> None:
    program = (
        "from trex_market.kernels.compiled import compiled\n"
        "scope = {}\n"
        "exec(compile('def double(x): return 2 * x', '<nowhere>', 'exec'), scope)\n"
        "print(compiled(scope['double'])(21))"
    )
    done = run(tmp_path, program)
    assert (done.stdout, done.stderr) == ("42\n", "")


@pytest.mark.parametrize("missing", ["numba", "numpy"])
def test_without_numba_one_sentence_says_what_to_install(tmp_path: Path, missing: str) -> None:
    program = (
        f"import sys; sys.modules[{missing!r}] = None\n"
        "from trex_market.core.errors import MissingExtraError\n"
        "try:\n"
        "    import trex_market.kernels.clearing\n"
        "except MissingExtraError as error:\n"
        "    print(error)"
    )
    done = run(tmp_path, program)
    assert done.stdout == (
        "computing with arrays (Numba) needs an optional part; install it with: "
        "pip install 'trex-market[fast]'\n"
    )
