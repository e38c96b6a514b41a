"""The CRO's process."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from trex_market.build import Study
from trex_market.core.errors import InputError
from trex_market.flexible import calendar_of, section_of
from trex_market.trading.parties import Pace, directory_of, identity_of, parties_of, settings_of
from trex_market.uftp.cro import RegisterService
from trex_market.uftp.directory import Role
from trex_market.uftp.register import Register


class RegisterProcess:
    """Keeps a register until it is stopped.

    Args:
        study: the config's.
        keys: folder of keys.
        say: tells a person something.
        listen: "host:port" instead of the config's.
    """

    def __init__(
        self, study: Study, keys: Path, say: Callable[[str], None], listen: str | None = None
    ) -> None:
        config = study.config
        registry = section_of(config).registry
        if registry is None or registry.url is None:
            raise InputError(f"{config.source}: flexibility.registry has no url")
        directory = directory_of(config, keys)
        party = directory.get(registry.domain, Role.CRO)
        members = [(domain, role) for domain, role, _ in parties_of(config)]
        start = study.episodes("training")[0].start
        self._service = RegisterService(
            Register(members if registry.closed else None),
            calendar_of(config),
            identity_of(registry.domain, Role.CRO, keys),
            directory,
            settings_of(party, Pace().start_s, Pace(), listen),
            lambda: start,
        )
        self._say = say
        self._stopped = asyncio.Event()

    def stop(self) -> None:
        """Come to an end."""
        self._stopped.set()

    async def run(self) -> None:
        """Serve until stopped."""
        async with self._service as service:
            self._say(f"CRO {service.identity.domain} listens at {service.url}")
            await service.guard(_forever(self._stopped))


async def _forever(stopped: asyncio.Event) -> None:
    await stopped.wait()
