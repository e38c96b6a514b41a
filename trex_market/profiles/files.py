"""Long tables in files: CSV, plain or gzipped, and Parquet (optional)."""

from __future__ import annotations

import csv
import gzip
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import IO, Any

from trex_market.core.errors import MissingExtraError, ProfileError
from trex_market.profiles.series import Series
from trex_market.profiles.table import Row, TableSource, gather


@contextmanager
def opened(file: Path | Traversable, place: str) -> Iterator[IO[bytes]]:
    """Open a file for reading.

    Args:
        file: which.
        place: how it is called in messages.

    Raises:
        ProfileError: if it cannot be opened, or reading it fails later on.
    """
    try:
        with file.open("rb") as stream:
            yield stream
    except FileNotFoundError:
        raise ProfileError(f"{place}: there is no such file{_siblings(file)}") from None
    except (OSError, EOFError, zlib.error) as error:
        raise ProfileError(f"{place}: cannot be read: {error}") from error


def _siblings(file: Path | Traversable) -> str:
    if not isinstance(file, Path):
        return ""
    if not file.parent.is_dir():
        return f", and no folder {file.parent} either"
    names = sorted(other.name for other in file.parent.iterdir() if other.suffix == file.suffix)
    return f"; the folder has: {', '.join(names)}" if names else ""


def csv_rows(stream: IO[bytes], place: str, *, delimiter: str = ",") -> Iterator[tuple[int, list[str]]]:
    """Go through the rows of a CSV file, the header first; empty lines are left out.

    Args:
        stream: the file.
        place: how it is called in messages.
        delimiter: what stands between two cells.

    Yields:
        the line's number and its cells.

    Raises:
        ProfileError: if it is not CSV in UTF-8.
    """
    with io.TextIOWrapper(stream, encoding="utf-8-sig", newline="") as text:
        reader = csv.reader(text, delimiter=delimiter, strict=True)
        try:
            for row in reader:
                if row:
                    yield reader.line_num, row
        except UnicodeDecodeError:
            raise ProfileError(f"{place}: it is not text in UTF-8") from None
        except csv.Error as error:
            raise ProfileError(f"{place}, line {reader.line_num}: {error}") from None


@contextmanager
def _csv_table(file: Path | Traversable, place: str) -> Iterator[tuple[list[str], Iterator[Row]]]:
    """Open a CSV file, gunzipped if its name ends in .gz: the names of its columns, and its rows."""
    with opened(file, place) as raw:
        stream: Any = gzip.GzipFile(fileobj=raw) if file.name.lower().endswith(".gz") else raw
        rows = csv_rows(stream, place)
        header = next(rows, None)
        if header is None:
            raise ProfileError(f"{place}: it is empty")
        yield header[1], rows


def _parquet_table(arrow: Any, parquet: Any, file: Path, place: str) -> tuple[list[str], Iterator[Row]]:
    with opened(file, place) as stream:
        try:
            table = parquet.read_table(stream)
            names = [str(name) for name in table.column_names]
            columns = [_cells(arrow, column) for column in table.columns]
        except arrow.ArrowException as error:
            raise ProfileError(f"{place}: cannot be read as Parquet: {error}") from error
    return names, enumerate(zip(*columns, strict=True), 1)


def _cells(arrow: Any, column: Any) -> list[object]:
    """Turn a column into Python values, moments with a zone into UNIX seconds."""
    if arrow.types.is_timestamp(column.type) and column.type.tz is not None:
        column = column.cast(arrow.timestamp("s", column.type.tz)).cast(arrow.int64())
    cells: list[object] = column.to_pylist()
    return cells


def _pyarrow() -> tuple[Any, Any]:
    try:
        return import_module("pyarrow"), import_module("pyarrow.parquet")
    except ImportError:
        raise MissingExtraError("reading Parquet", "parquet") from None


def table_rows(file: Path) -> tuple[list[str], list[Row]]:
    """Read any table: Parquet if the name ends in .parquet, else CSV, gzipped if it ends in .gz.

    Args:
        file: which; relative paths start from the working directory.

    Returns:
        the names of its columns, and its rows, each with its number (CSV: of the line).

    Raises:
        ProfileError: if it cannot be read.
        MissingExtraError: if it is Parquet and PyArrow is not installed.
    """
    if file.suffix.lower() == ".parquet":
        names, cells = _parquet_table(*_pyarrow(), file, str(file))
        return names, list(cells)
    with _csv_table(file, str(file)) as (names, rows):
        return names, list(rows)


def csv_source(file: Path | Traversable, place: str) -> TableSource:
    """Open a long table in CSV; a name that ends in .gz is gzipped.

    Args:
        file: which.
        place: how it is called in messages.
    """

    def load() -> dict[str, Series]:
        with _csv_table(file, place) as (names, rows):
            return gather(place, "line", names, rows)

    return TableSource(place, load)


def parquet_source(file: Path, place: str) -> TableSource:
    """Open a long table in Parquet.

    Args:
        file: which.
        place: how it is called in messages.

    Raises:
        MissingExtraError: if PyArrow is not installed.
    """
    arrow, parquet = _pyarrow()

    def load() -> dict[str, Series]:
        names, rows = _parquet_table(arrow, parquet, file, place)
        return gather(place, "row", names, rows)

    return TableSource(place, load)
