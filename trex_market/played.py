"""Participants of a served market that the config's own strategies play, in the server's own process."""

from __future__ import annotations

from collections.abc import Collection, Coroutine
from secrets import token_urlsafe
from typing import Any

import msgspec

from trex_market.build import Study
from trex_market.plugins import CLIENTS, find
from trex_market.server.app import ServerSettings
from trex_market.server.doorkeeper import token_hash


class Played:
    """The participants that are played here; each has a token that nobody else knows.

    Args:
        participant_ids: whose.
    """

    def __init__(self, participant_ids: Collection[str]) -> None:
        self._tokens = {name: token_urlsafe() for name in participant_ids}

    def __contains__(self, participant_id: str) -> bool:
        return participant_id in self._tokens

    @property
    def participant_ids(self) -> frozenset[str]:
        """Whose they are."""
        return frozenset(self._tokens)

    def admitted(self, settings: ServerSettings) -> ServerSettings:
        """Return settings of a server that lets them in."""
        hashes = {name: token_hash(token) for name, token in self._tokens.items()}
        return msgspec.structs.replace(settings, token_hashes={**settings.token_hashes, **hashes})

    def clients(self, study: Study, url: str, simulation: str) -> list[Coroutine[Any, Any, None]]:
        """Return what plays each of them, until the market ends.

        Args:
            study: whose config names their strategies.
            url: of the server, from its own machine.
            simulation: of which they take part; in the baseline nobody trades.
        """
        client = find(CLIENTS, "socketio", study.base)
        return [
            # They are in the server's own process; its certificate may be for other names than this one's.
            client(study.participant(name, simulation), url, token=token, ssl_verify=False).run()
            for name, token in self._tokens.items()
        ]
