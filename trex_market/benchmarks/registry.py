"""The benchmarks that there are, by name."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from trex_market.benchmarks.acknowledgements import acknowledgements
from trex_market.benchmarks.clearing import clearing, delivery
from trex_market.benchmarks.figures import Benchmark
from trex_market.benchmarks.learning import learning
from trex_market.benchmarks.rounds import recording, rounds
from trex_market.benchmarks.sockets import sockets
from trex_market.core.errors import InputError, unknown_name


class Kind(msgspec.Struct, frozen=True):
    """A benchmark.

    Args:
        run: measures it.
        purpose: what it measures, in a few words.
        extra: what it needs besides the bare package.
    """

    run: Benchmark
    purpose: str
    extra: str | None = None


BENCHMARKS: dict[str, Kind] = {
    "clearing": Kind(clearing, "one slot of order objects through the market"),
    "delivery": Kind(delivery, "the delivery of one slot"),
    "rounds": Kind(rounds, "homes in one process, nothing recorded"),
    "recording": Kind(recording, "homes in one process, all recorded to SQLite"),
    "sockets": Kind(sockets, "homes over Socket.IO, a client each"),
    "acknowledgements": Kind(
        acknowledgements, "orders on the wall clock, in the journal before they are answered"
    ),
    "learning": Kind(learning, "environments for learning agents", "learning"),
}
"""Name -> benchmark."""


def chosen_benchmarks(names: Sequence[str]) -> list[str]:
    """Return the names of the benchmarks that are wanted: all of them, if none is named.

    Raises:
        InputError: if there is none of a name.
    """
    for name in names:
        if name not in BENCHMARKS:
            raise InputError(unknown_name("benchmark", name, BENCHMARKS))
    return list(names) or list(BENCHMARKS)
