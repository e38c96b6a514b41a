"""How a simulation's participants are reached: in this process, or each over a socket of its own."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from trex_market.build import BASELINE, Study
from trex_market.core.errors import InputError, ParticipantError
from trex_market.plugins import CLIENTS, find
from trex_market.server.app import ServerSettings, SimulationServer
from trex_market.server.conductor import Conductor, Patience, Silence
from trex_market.server.desk import Limits
from trex_market.simulation.local import LocalDriver
from trex_market.simulation.run import Driver

JOIN_TIMEOUT_S = 60.0
JOIN_TIMEOUT_EACH_S = 2.0
"""Our own clients are all there by then, or something is wrong: so long, and so long more for each."""

Players = Callable[[Study, str, str], Iterable[Coroutine[Any, Any, None]]]
"""Makes what plays the participants of a study's simulation in the market at an URL."""


def check_sockets(study: Study) -> None:
    """Check that participants far away can play all simulations of a study.

    Raises:
        InputError: if they cannot.
    """
    if study.config.flexibility is not None and any(one != BASELINE for one in study.simulations):
        raise InputError(
            "flexibility is traded by participants of this process alone; leave out --transport and --processes, "
            "or the section 'flexibility', or trade over UFTP (trex-market uftp)"
        )


@asynccontextmanager
async def _local(study: Study, simulation: str) -> AsyncIterator[Driver]:
    participants = study.participants(simulation).values()
    yield LocalDriver(study.terms, participants, study.config.market.default_bid_source, study.grids)


@asynccontextmanager
async def _over_sockets(
    study: Study, simulation: str, play: Players, silence: Silence | None = None
) -> AsyncIterator[Driver]:
    if simulation != BASELINE:
        check_sockets(study)
    server = study.config.server
    limit = JOIN_TIMEOUT_S + JOIN_TIMEOUT_EACH_S * len(study.config.participants)
    settings = ServerSettings(
        patience=Patience(server.turn_timeout_s, limit, silence or server.silence),
        limits=Limits(sys.maxsize, sys.maxsize, connections_per_address=sys.maxsize),
        default_source=study.config.market.default_bid_source,
    )
    async with (
        SimulationServer(study.terms, study.config.participants, settings) as market,
        playing(play(study, simulation, market.url), market.conductor),
    ):
        yield market.conductor
        await market.conductor.finish()


@asynccontextmanager
async def playing(players: Iterable[Coroutine[Any, Any, None]], conductor: Conductor) -> AsyncIterator[None]:
    """Let participants play while the context lasts; one that breaks stops the simulation.

    Args:
        players: the participants' clients at work; they end by themselves when the simulation has.
        conductor: plays the rounds.
    """
    tasks = [asyncio.create_task(player) for player in players]
    for task in tasks:
        task.add_done_callback(lambda ended: _watch(ended, conductor))
    try:
        yield
        if tasks:
            ended, _ = await asyncio.wait(tasks, timeout=JOIN_TIMEOUT_S)
            for task in ended:
                task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _watch(ended: asyncio.Task[None], conductor: Conductor) -> None:
    """Stop the simulation with what broke a player."""
    if not ended.cancelled() and ended.exception() is not None:
        error = ended.exception()
        assert error is not None
        conductor.fail(error)


def _clients(study: Study, simulation: str, url: str) -> Iterable[Coroutine[Any, Any, None]]:
    client = find(CLIENTS, "socketio", study.base)
    return [client(participant, url).run() for participant in study.participants(simulation).values()]


def _processes(study: Study, simulation: str, url: str) -> Iterable[Coroutine[Any, Any, None]]:
    return [_process(study, simulation, url, name) for name in study.config.participants]


async def _process(study: Study, simulation: str, url: str, participant_id: str) -> None:
    """Run a participant in a process of its own, until it ends."""
    options = [
        "--participant",
        participant_id,
        "--config",
        str(study.config.source),
        "--simulation",
        simulation,
    ]
    options += ["--seed", str(study.config.study.seed)]
    if study.weights is not None:
        options += ["--keep-weights", str(study.weights.directory)]
        if study.weights.learnt is not None:
            options += ["--weights", str(study.weights.learnt)]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "trex_market", "join", url, *options, stderr=asyncio.subprocess.PIPE
    )
    try:
        _, said = await process.communicate()
    except asyncio.CancelledError:
        if process.returncode is None:
            process.terminate()
            await process.wait()
        raise
    # One that was killed is silent from now on, which the config's policy is for; one that failed stops the run.
    if process.returncode is not None and process.returncode > 0:
        raise ParticipantError(
            f"the process of {participant_id!r} failed: {said.decode(errors='replace').strip()}"
        )


REACH: dict[str, Callable[[Study, str], AbstractAsyncContextManager[Driver]]] = {
    "local": _local,
    "socketio": lambda study, simulation: _over_sockets(study, simulation, _clients, "wait"),
    "processes": lambda study, simulation: _over_sockets(study, simulation, _processes),
}
"""In this process; over a socket each, where nobody can be silent without all being so; in a process each."""
