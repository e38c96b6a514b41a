"""Which engine plays a simulation in this process: objects (plain) or arrays (vector). The ledger is the same."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Literal

from trex_market.build import Study
from trex_market.core.errors import InputError, MissingExtraError
from trex_market.participant import Participant
from trex_market.run import Reach
from trex_market.simulation.local import LocalDriver
from trex_market.simulation.run import Driver, EpisodeDriver

if TYPE_CHECKING:
    from trex_market.simulation.vector import VectorDriver

LARGE = 2_000_000
"""From so many turns on (participants times rounds of all episodes) arrays are worth it, even to compile first."""


Engine = Literal["plain", "vector"]


def in_process(engine: Engine | None, say: Callable[[str], None]) -> Reach:
    """Return what finds the driver of a study's simulation.

    Args:
        engine: which; None for the vector engine where it can play and there is much to play, else the plain one.
        say: is told if a better one could be had.
    """

    @asynccontextmanager
    async def reach(study: Study, simulation: str) -> AsyncIterator[Driver | EpisodeDriver]:
        participants = list(study.participants(simulation).values())
        if engine == "vector":
            yield _in_chunks(_vector(study, participants), say)
        elif engine is None and _turns(study, simulation) >= LARGE:
            yield _vector_if_fitting(study, participants, say)
        else:
            yield _plain(study, participants)

    return reach


def check_vector(study: Study) -> None:
    """Check that the vector engine can play all simulations of a study.

    Raises:
        InputError: if it cannot; it says why.
        MissingExtraError: if it is not installed.
    """
    for simulation in study.simulations:
        _vector(study, list(study.participants(simulation).values()))


def _turns(study: Study, simulation: str) -> int:
    rounds = sum(plan.rounds for plan in study.episodes(simulation))
    return rounds * len(study.config.participants)


def _plain(study: Study, participants: Sequence[Participant]) -> Driver:
    return LocalDriver(study.terms, participants, study.config.market.default_bid_source, study.grids)


def _vector(study: Study, participants: Sequence[Participant]) -> VectorDriver:
    # First what says how to get Numba, if it is not there. It takes half a second.
    from trex_market.kernels import compiled  # noqa: F401, PLC0415
    from trex_market.simulation.vector import VectorDriver  # noqa: PLC0415

    if study.terms.areas or study.terms.clearing != "gate":
        what = "areas" if study.terms.areas else "clearing before the gate (market.clearing: tick)"
        raise InputError(f"the vector engine does not know {what}; use --engine plain")
    if study.config.flexibility is not None:
        raise InputError("the vector engine does not know flexibility; use --engine plain")
    if study.config.demand_response is not None:
        raise InputError("the vector engine does not know demand response; use --engine plain")
    return VectorDriver(study.terms, participants, study.config.market.default_bid_source)


def _in_chunks(driver: VectorDriver, say: Callable[[str], None]) -> EpisodeDriver:
    from trex_market.kernels.compiled import is_kept  # noqa: PLC0415
    from trex_market.kernels.gate import clear  # noqa: PLC0415
    from trex_market.simulation.vector_play import ChunkDriver  # noqa: PLC0415

    if not is_kept(clear):
        say("the vector engine is compiled first, which takes about half a minute, once")
    return ChunkDriver(driver)


def _vector_if_fitting(
    study: Study, participants: Sequence[Participant], say: Callable[[str], None]
) -> Driver | EpisodeDriver:
    try:
        driver = _vector(study, participants)
    except MissingExtraError as error:
        say(f"the plain engine plays; for a run of this size there is a faster one: {error}")
    except InputError as error:
        say(f"the plain engine plays: {error}")
    else:
        if not driver.beside:
            return _in_chunks(driver, say)
        name, reason = next(iter(driver.beside.items()))
        say(
            f"the plain engine plays: {reason} ({name!r} and {len(driver.beside) - 1:,} others); "
            "--engine vector lets such participants play beside the arrays"
        )
    return _plain(study, participants)
