"""`trex-market join`: one participant in a market elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from trex_market.build import make_participant, make_strategy
from trex_market.config import load_config
from trex_market.core.errors import InputError
from trex_market.participant import Participant
from trex_market.plugins import CLIENTS, PARTICIPANTS, find
from trex_market.weights import WeightsFolder


async def discovered(market_id: str | None, *, tls_only: bool) -> str:
    """Find a market on the local network.

    Args:
        market_id: which; None for the only one that there is.
        tls_only: whether only a server with TLS will do.

    Returns:
        its URL.

    Raises:
        InputError: if there is none, or more than one to choose from.
        MissingExtraError: if that needs a part that is not installed.
    """
    from trex_market.server.discovery import discover  # noqa: PLC0415 - optional

    return (await discover(market_id, tls_only=tls_only)).url


def joined_participant(
    url: str,
    participant_id: str,
    strategy: str | None,
    config: Path | None,
    simulation: str,
    token: str | None,
    seed: int | None,
    ca_cert: Path | None = None,
    *,
    keep_weights: Path | None = None,
    learnt: Path | None = None,
) -> Any:
    """Make the client of a participant; its `run()` takes part until the simulation ends.

    Args:
        url: of the server.
        participant_id: as whom.
        strategy: its name; None to take it from the config.
        config: where strategy, options and battery come from; None for a home without a battery.
        simulation: with a config: "baseline", "training" or "validation".
        token: proves who it is.
        seed: of its chance; None for the config's, or 1.
        ca_cert: file of the only authority whose certificates are trusted; None for what the system trusts.
        keep_weights: with a config: directory in which what it learns is kept; None to forget it.
        learnt: with that: directory of another run, from whose weights it goes on; None for none.

    Raises:
        ConfigError: if the config is wrong, or there is no such strategy.
        InputError: if neither a strategy nor a config is given.
    """
    base = Path.cwd()
    participant: Participant
    if config is not None:
        loaded = load_config(config, {} if seed is None else {"study.seed": seed})
        base = config.parent
        weights = None
        if keep_weights is not None:
            weights = WeightsFolder(keep_weights, learnt, loaded.training.validation_weights)
        participant = make_participant(loaded, participant_id, simulation, weights=weights)
    elif strategy is not None:
        home = find(PARTICIPANTS, "Residential", base)
        participant = home(
            participant_id, make_strategy(strategy, {}, base), seed=1 if seed is None else seed
        )
    else:
        raise InputError("name a strategy with --strategy, or a config that has one with --config")
    return find(CLIENTS, "socketio", base)(participant, url, token=token, ca_cert=ca_cert)
