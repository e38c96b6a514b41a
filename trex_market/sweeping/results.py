"""What the runs of a sweep came to: a file each, and one table of all.

`results/ID.json` is written when a run has ended, under another name and then renamed: either it is there and
whole, or the run is done again. It is good for the config that it names, by hash, and for one version of
trex_market. The table has a row a run: its id, the values of the axes, its seed, its KPIs, how long it took and
what became of it.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import msgspec

from trex_market import __version__
from trex_market.analysis.kpis import KPIS
from trex_market.core.errors import InputError
from trex_market.sweeping.planning import Run

FOLDER = "results"
TABLE_STEM = "results"

Status = Literal["finished", "failed"]


class RunResult(msgspec.Struct, frozen=True):
    """What a run came to.

    Args:
        run_id: of the run.
        config_hash: of its config.
        status: what became of it.
        kpis: name -> value in its unit; None if there is none. Of the last episode with trade.
        seconds: how long it took.
        message: why it failed; empty if it did not.
        attempts: how often it was begun.
        version: of trex_market.
    """

    run_id: str
    config_hash: str
    status: Status
    kpis: dict[str, float | None]
    seconds: float
    message: str = ""
    attempts: int = 1
    version: str = __version__


class Results:
    """Keeps the results of runs that have finished.

    Args:
        directory: of the sweep.
    """

    def __init__(self, directory: Path) -> None:
        self._folder = directory / FOLDER

    def save(self, result: RunResult) -> None:
        """Keep a result, so that it is there as a whole or not at all."""
        self._folder.mkdir(parents=True, exist_ok=True)
        new = self._folder / f".{result.run_id}.{os.getpid()}.new"
        with new.open("wb") as file:
            file.write(msgspec.json.format(msgspec.json.encode(result)))
            file.flush()
            os.fsync(file.fileno())
        new.replace(self._path(result.run_id))

    def find(self, run: Run) -> RunResult | None:
        """Return the result of a run that has finished with the same config; None if there is none."""
        try:
            result = msgspec.json.decode(self._path(run.id).read_bytes(), type=RunResult)
        except (FileNotFoundError, msgspec.DecodeError):
            return None
        same = (result.config_hash, result.version, result.status) == (
            run.config_hash,
            __version__,
            "finished",
        )
        return result if same else None

    def _path(self, name: str) -> Path:
        return self._folder / f"{name}.json"


# ---------------------------------------------------------------- the table


class Table(msgspec.Struct, frozen=True):
    """All runs of a sweep, in order.

    Args:
        keys: of the axes.
        runs: in order.
        results: of the runs.
    """

    keys: tuple[str, ...]
    runs: tuple[Run, ...]
    results: tuple[RunResult, ...]

    def columns(self) -> dict[str, list[Any]]:
        """Return name -> a value a run."""
        pairs = list(zip(self.runs, self.results, strict=True))
        columns: dict[str, list[Any]] = {"run": [run.id for run in self.runs]}
        columns |= {key: _even([run.values[key] for run in self.runs]) for key in self.keys}
        columns["seed"] = [run.seed for run in self.runs]
        columns |= {name: [_number(result.kpis, name) for _, result in pairs] for name in KPIS}
        for name in ("seconds", "status", "attempts", "message"):
            columns[name] = [getattr(result, name) for _, result in pairs]
        return columns


def _number(kpis: Mapping[str, float | None], name: str) -> float | None:
    value = kpis.get(name)
    return None if value is None else float(value)


def _even(values: Sequence[Any]) -> list[Any]:
    """Return values as a column of one type: numbers, booleans, or text; what is none of them becomes JSON."""
    told = [value for value in values if value is not None]
    if all(isinstance(value, bool) for value in told) or all(isinstance(value, str) for value in told):
        return list(values)
    if any(isinstance(value, (bool, str, list, dict)) for value in told):
        return [value if isinstance(value, str) else msgspec.json.encode(value).decode() for value in values]
    if all(isinstance(value, int) for value in told):
        return list(values)
    return [None if value is None else float(value) for value in values]


def write_table(table: Table, directory: Path) -> Path:
    """Write the table as Parquet; as CSV where PyArrow is not installed.

    Args:
        table: all runs.
        directory: where; a table that was there before is replaced.

    Returns:
        the file.
    """
    try:
        import pyarrow as pa  # noqa: PLC0415 - an extra
        from pyarrow import parquet  # noqa: PLC0415
    except ImportError:
        return _write_csv(table, directory / f"{TABLE_STEM}.csv")
    path = directory / f"{TABLE_STEM}.parquet"
    types = {
        **dict.fromkeys(KPIS, pa.float64()),
        "run": pa.string(),
        "seed": pa.int64(),
        "attempts": pa.int64(),
        "seconds": pa.float64(),
        "status": pa.string(),
        "message": pa.string(),
    }
    arrays = {
        name: pa.array(column, None if name in table.keys else types[name])
        for name, column in table.columns().items()
    }
    new = path.with_suffix(".new")
    parquet.write_table(pa.table(arrays), new)
    new.replace(path)
    return path


def _write_csv(table: Table, path: Path) -> Path:
    columns = table.columns()
    new = path.with_suffix(".new")
    with new.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(zip(*columns.values(), strict=True))
    new.replace(path)
    return path


def check_keys(keys: Sequence[str]) -> None:
    """Check that no axis is a whole section, whose name might be that of another column.

    Raises:
        InputError: if one is.
    """
    for key in keys:
        if "." not in key:
            raise InputError(f"{key}: cannot be swept as a whole; name a key below it, such as market.k")
