"""The DSO's process: it leads the time, serves the market, buys flexibility, settles each day, and keeps the record."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import uuid4

import msgspec

from trex_market.build import BASELINE, TRAINING, Study
from trex_market.core.errors import DeliveryError, SimulationStoppedError
from trex_market.flexible import connection_address, operator_terms, section_of
from trex_market.programmes import Programme
from trex_market.programmes.flexibility.grid_operator import GridOperator
from trex_market.programmes.flexibility.ledger import FlexibilityLedger
from trex_market.rounds import EpisodePlan
from trex_market.run import Display, Outcome, StudyRun
from trex_market.server.app import ServerSettings, SimulationServer
from trex_market.server.conductor import Patience
from trex_market.serving import server_settings
from trex_market.simulation.run import Driver
from trex_market.trading.aggregating import StudyClock
from trex_market.trading.homes import Homes
from trex_market.trading.leading import LeadingService
from trex_market.trading.led_market import LedMarket
from trex_market.trading.outcome import FlexibilityOutcome, outcome_of, write_outcome
from trex_market.trading.parties import (
    Pace,
    check_episodes,
    directory_of,
    identity_of,
    market_url,
    parties_to,
    settings_of,
)
from trex_market.trading.paying import PayDesk
from trex_market.transport import REACH, playing
from trex_market.uftp.directory import Role
from trex_market.uftp.service import logger


class OperatorProcess:
    """Trades for all days of a study, and leaves a run directory.

    Args:
        study: the config's.
        keys: folder of keys.
        display: shows how far it is.
        say: tells a person something.
        listen: "host:port" instead of the config's.
        pace: how long others are waited for.
    """

    def __init__(
        self,
        study: Study,
        keys: Path,
        display: Display,
        say: Callable[[str], None],
        listen: str | None = None,
        pace: Pace | None = None,
    ) -> None:
        config = study.config
        section = section_of(config)
        domain = section.operator.domain
        check_episodes(study)
        market_url(config)
        self._study = study
        self._pace = pace = pace or Pace()
        self._parties = {
            name: parties_to(config, name) for name, one in section.aggregators.items() if one.url is not None
        }
        spoken_for = {member for parties in self._parties.values() for member in parties.members.values()}
        self._homes = Homes(study, [name for name in config.participants if name not in spoken_for])
        self._connections = {name: connection_address(domain, name) for name in config.participants}
        self._clock = StudyClock(self._homes.plan.start - self._homes.plan.step)
        directory_of_parties = directory_of(config, keys)
        self._service = LeadingService(
            GridOperator(operator_terms(config, str(uuid4()))),
            self._clock,
            identity_of(domain, Role.DSO, keys),
            directory_of_parties,
            settings_of(directory_of_parties.get(domain, Role.DSO), pace.turn_s, pace, listen),
            pace,
        )
        self._desk = PayDesk(directory_of_parties)
        self._server_settings = server_settings(config, None)
        self._registry = None if section.registry is None or not section.registry.url else section.registry
        self._display = display
        self._say = say
        self._market: LedMarket | None = None
        self._stop: Callable[[], None] | None = None
        self._stopped = False

    def stop(self) -> None:
        """Come to an end with the slot that is traded."""
        self._stopped = True
        self._service.hurry()
        if self._stop is not None:
            self._stop()

    async def run(self, directory: Path) -> tuple[FlexibilityOutcome, Outcome | None]:
        """Trade, and return what came of it, and what the run left behind; None if it was stopped.

        Args:
            directory: of the run, see `trex_market.run.new_directory`.
        """
        study, database = self._study, self._study.config.study.output_db_location
        run = StudyRun(study, directory, database, self._display, self._reach, programmes=self._programmes)
        async with self._service as service:
            self._say(f"DSO {service.identity.domain} listens at {service.url}")
            played = await service.guard(self._play(run, service))
            metered = [] if self._market is None else self._market.metered
            outcome = outcome_of(service.machine, metered, sorted(service.silent))
        write_outcome(outcome, metered, directory)
        return outcome, played

    async def _play(self, run: StudyRun, service: LeadingService) -> Outcome | None:
        try:
            return await run.run()
        except SimulationStoppedError:
            return None
        finally:
            plan = self._homes.plan
            self._clock.now = plan.start + (plan.rounds + 1) * plan.step
            await service.tell_time(self._parties)

    def _programmes(self, plan: EpisodePlan) -> list[Programme]:
        if plan.simulation == BASELINE:
            return []
        return [FlexibilityLedger(plan.step), *self._study.live_programmes()]

    @asynccontextmanager
    async def _reach(self, study: Study, simulation: str) -> AsyncIterator[Driver]:
        """Find the homes: in the baseline in this process, where nobody trades; else in those of all parties."""
        if simulation != TRAINING:
            async with REACH["local"](study, simulation) as driver:
                yield driver
            return
        service = self._service
        await self._register(service)
        await service.until_there(self._parties)
        if self._stopped:
            raise SimulationStoppedError("stopped before the first slot")
        settings = self._settings(away=bool(service.silent))
        server = SimulationServer(study.terms, study.config.participants, settings)
        self._desk.add_to(server.application)
        async with server:
            conductor = server.conductor
            self._stop = conductor.stop
            market = self._market = LedMarket(
                conductor,
                service,
                self._homes,
                self._parties,
                self._connections,
                self._clock,
                self._desk,
                self._pace,
            )
            async with playing(self._homes.clients(server.own_url), conductor):
                yield market
                await market.finish()

    def _settings(self, *, away: bool) -> ServerSettings:
        """Return how the market is served: who does not come is left out, and not waited for again."""
        patience = Patience(
            self._pace.turn_s,
            self._pace.turn_s if away else self._pace.start_s,
            "skip",
            starts_without=True,
        )
        return msgspec.structs.replace(self._server_settings, patience=patience)

    async def _register(self, service: LeadingService) -> None:
        if self._registry is None:
            return
        first_day, _ = service.machine.calendar.locate(self._homes.plan.start)
        try:
            await service.register(self._registry.domain, first_day)
        except DeliveryError as error:
            logger.warning("the congestion points were not registered: %s", error)
