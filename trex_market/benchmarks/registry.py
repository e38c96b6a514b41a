"""The benchmarks that there are, by name."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from importlib.util import find_spec

import msgspec

from trex_market.benchmarks.figures import Figure
from trex_market.core.errors import InputError, MissingExtraError, unknown_name

MODULE_OF_EXTRA = {"fast": "numba", "learning": "pettingzoo", "uftp": "shapeshifter_uftp"}


class Kind(msgspec.Struct, frozen=True):
    """A benchmark.

    Args:
        place: "module:function"; imported when it is wanted, for it may need what is optional.
        purpose: what it measures, in a few words.
        extra: what it needs besides the bare package.
    """

    place: str
    purpose: str
    extra: str | None = None

    @property
    def is_possible(self) -> bool:
        """Whether what it needs is installed."""
        return self.extra is None or find_spec(MODULE_OF_EXTRA[self.extra]) is not None

    def run(self) -> list[Figure]:
        """Measure.

        Raises:
            MissingExtraError: if what it needs is not installed.
        """
        if not self.is_possible:
            raise MissingExtraError(f"measuring {self.purpose}", self.extra or "")
        module, _, function = self.place.partition(":")
        figures: list[Figure] = getattr(import_module(f"trex_market.benchmarks.{module}"), function)()
        return figures


BENCHMARKS: dict[str, Kind] = {
    "clearing": Kind("clearing:clearing", "one slot of order objects through the market"),
    "kernels": Kind("kernels:kernels", "one slot of orders in columns", "fast"),
    "delivery": Kind("clearing:delivery", "the delivery of one slot"),
    "rounds": Kind("rounds:rounds", "homes in one process, nothing recorded"),
    "recording": Kind("recording:recording", "rows of a run to SQLite, Parquet and PostgreSQL"),
    "sockets": Kind("sockets:sockets", "homes over Socket.IO, a client each"),
    "acknowledgements": Kind(
        "acknowledgements:acknowledgements", "orders on the wall clock, on disk before they are acknowledged"
    ),
    "vector": Kind("vector:vector", "homes with batteries in arrays, nothing recorded", "fast"),
    "year": Kind("vector:year", "a year at one minute of 1,000 homes, each one's days recorded", "fast"),
    "uftp": Kind("uftp:uftp_messages", "messages of UFTP and their responses over HTTP", "uftp"),
    "learning": Kind("learning:learning", "environments for learning agents", "learning"),
}
"""Name -> benchmark."""


def chosen_benchmarks(names: Sequence[str]) -> list[str]:
    """Return the names of the benchmarks that are wanted; if none is named, all that are possible here.

    Raises:
        InputError: if there is none of a name.
    """
    for name in names:
        if name not in BENCHMARKS:
            raise InputError(unknown_name("benchmark", name, BENCHMARKS))
    return list(names) or [name for name, kind in BENCHMARKS.items() if kind.is_possible]
