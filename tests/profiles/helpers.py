"""Small data that tests speak of: quarters of an hour from 2016-01-18T00:00:00Z."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from pathlib import Path

T0 = 1_453_075_200
STEP = 900

Reading = tuple[int, object, object]
"""Number of the slot, and two amounts."""


def write_csv(file: Path, *rows: str, header: str = "time,participant_id,load,solar") -> Path:
    """Write a CSV file; in the rows {n} is the end of the n-th slot."""
    ends = [T0 + STEP * number for number in range(500)]
    lines = [header, *(row.format(*ends) for row in rows)]
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return file


def write_database(file: Path, table: str, rows: Iterable[Reading]) -> Path:
    """Write a TREX profile table; a row is the number of its slot, grid and solar+."""
    with sqlite3.connect(file) as connection:
        connection.execute(f'CREATE TABLE "{table}" ("time" INTEGER, "grid" REAL, "solar+" REAL, "car" REAL)')
        connection.executemany(
            f'INSERT INTO "{table}" VALUES (?, ?, ?, 1)',
            [(T0 + STEP * (number + 1), grid, solar) for number, grid, solar in rows],
        )
    connection.close()
    return file
