"""What several commands ask for, and the names that they take."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class Mode(StrEnum):
    """What drives the rounds."""

    SIMULATION = "simulation"
    REALTIME = "realtime"


class Transport(StrEnum):
    """How participants are reached."""

    LOCAL = "local"
    SOCKETIO = "socketio"


class Engine(StrEnum):
    """What plays a simulation in this process."""

    PLAIN = "plain"
    VECTOR = "vector"


class Direction(StrEnum):
    """What a search wants of a figure."""

    MINIMIZE = "minimize"
    MAXIMIZE = "maximize"


class Filling(StrEnum):
    """What stands in for missing slots."""

    ZERO = "zero"
    PREVIOUS = "previous"
    DAY_BEFORE = "day_before"
    WEEK_BEFORE = "week_before"


class LogLevel(StrEnum):
    """The lowest level that is logged."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class LogFormat(StrEnum):
    """How the log is written."""

    TEXT = "text"
    JSON = "json"


DatabaseOption = Annotated[
    str | None,
    typer.Option(
        "--database",
        metavar="URL",
        help="sqlite:///PATH, postgresql://... or parquet:///FOLDER instead of a file.",
    ),
]


OutOption = Annotated[
    Path | None, typer.Option("--out", metavar="DIR", help="Where the run goes; runs/NAME-TIME by default.")
]


SimulationOption = Annotated[
    list[str] | None,
    typer.Option("--simulation", help="baseline, training, validation; may be repeated."),
]


DaysOption = Annotated[float | None, typer.Option("--days", help="Instead of the config's.")]


SeedOption = Annotated[int | None, typer.Option("--seed", help="Instead of the config's.")]


WeightsOption = Annotated[
    Path | None,
    typer.Option(
        "--weights", metavar="RUN_DIR", help="What another run has learnt: go on from it, validate it."
    ),
]
