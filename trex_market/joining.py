"""`trex-market join`: one participant in a market elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from trex_market.build import make_participant, make_strategy
from trex_market.config import load_config
from trex_market.core.errors import InputError
from trex_market.participant import Participant
from trex_market.plugins import CLIENTS, PARTICIPANTS, find


def joined_participant(
    url: str,
    participant_id: str,
    strategy: str | None,
    config: Path | None,
    simulation: str,
    token: str | None,
    seed: int | None,
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

    Raises:
        ConfigError: if the config is wrong, or there is no such strategy.
        InputError: if neither a strategy nor a config is given.
    """
    base = Path.cwd()
    participant: Participant
    if config is not None:
        loaded = load_config(config, {} if seed is None else {"study.seed": seed})
        base = config.parent
        participant = make_participant(loaded, participant_id, simulation)
    elif strategy is not None:
        home = find(PARTICIPANTS, "Residential", base)
        participant = home(
            participant_id, make_strategy(strategy, {}, base), seed=1 if seed is None else seed
        )
    else:
        raise InputError("name a strategy with --strategy, or a config that has one with --config")
    return find(CLIENTS, "socketio", base)(participant, url, token=token)
