"""Plays a study's episodes step by step, with agents in the place of some of its strategies.

It is the market of `trex-market run`: same engine, same participants, same chance. What a step is: the agents
have observed a round; they act, the others do as their strategies decide, the current slot is delivered, and
the next round is announced and observed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from trex_market.build import TRAINING, Study
from trex_market.core.errors import InputError, PhaseError, unknown_name
from trex_market.engine import Engine
from trex_market.learning.agent import Agent, Elsewhere
from trex_market.learning.features import Calendar, Observer
from trex_market.learning.rewards import SlotResult
from trex_market.participant import EpisodeStart, MarketInfo, Participant, blamed
from trex_market.simulation.local import LocalRounds


class Play:
    """A study that is played with agents.

    Args:
        study: its training episodes are played, in turn.
        agents: ids of the participants whose decisions come from outside.
        forecast_slots: how many slots agents look at, from the current one on.

    Raises:
        InputError: if an agent is no participant of the study, or cannot be steered.
    """

    def __init__(self, study: Study, agents: Sequence[str], forecast_slots: int) -> None:
        for name in agents:
            if name not in study.config.participants:
                raise InputError(unknown_name("participant", name, study.config.participants))
        self._study = study
        self._names = tuple(agents)
        self._forecast_slots = forecast_slots
        self._plans = study.episodes(TRAINING)
        self._begun = False
        self.seed_with(study.config.study.seed)

    @property
    def episodes(self) -> int:
        """How many episodes the study has."""
        return len(self._plans)

    @property
    def is_over(self) -> bool:
        """Whether all rounds of the episode are played."""
        return self._left == 0

    def seed_with(self, seed: int) -> None:
        """Make all participants anew, with a seed of their chance."""
        self._end()
        calendar = Calendar(self._study.config.study.timezone)
        self._agents: dict[str, Agent] = {}
        self._others: dict[str, Participant] = {}
        for name in self._study.config.participants:
            if name in self._names:
                home = self._study.participant(name, TRAINING, seed=seed, strategy=Elsewhere())
                self._agents[name] = Agent(home, Observer(calendar, self._forecast_slots))
            else:
                self._others[name] = self._study.participant(name, TRAINING, seed=seed)
        self._left = 0

    def begin(self, episode: int) -> dict[str, list[float]]:
        """Begin an episode; the one before is ended where it is.

        Args:
            episode: its number; after the last one they are played again, under other numbers.

        Returns:
            agent -> observation.
        """
        self._end()
        plan = self._plans[episode % len(self._plans)]
        market = MarketInfo.of(self._study.terms)
        everybody = {**self._others, **self._agents}
        for name, participant in everybody.items():
            profile = plan.profiles.get(name)
            start = EpisodeStart(episode, TRAINING, market, plan.parameters, plan.start, plan.rounds, profile)
            with blamed(name, f"start of episode {episode}"):
                participant.start_episode(start)
        self.engine = Engine()
        default_source = self._study.config.market.default_bid_source
        self._rounds = LocalRounds(
            self.engine, self._study.terms, everybody.values(), plan.start, default_source
        )
        self._begun = True
        self._episode, self._time, self._step, self._left = episode, plan.start, plan.step, plan.rounds
        return self._observe()

    def step(
        self, actions: Mapping[str, Sequence[float]]
    ) -> tuple[dict[str, list[float]], dict[str, SlotResult]]:
        """Play a round to its end, and announce the next one.

        Args:
            actions: agent -> action.

        Returns:
            agent -> observation, and agent -> what became of the slot that was delivered.

        Raises:
            PhaseError: if the episode is over.
            InputError: if an agent has no action, or one that is none.
            StrategyError: if a strategy fails.
        """
        if self.is_over:
            raise PhaseError("no episode is being played; begin one with reset()")
        for name, agent in self._agents.items():
            if name not in actions:
                raise InputError(f"there is no action of {name!r}; there are actions of {sorted(actions)}")
            agent.choose(actions[name])
        self._rounds.finish()
        results = {name: agent.result(self._rounds.delivered(name)) for name, agent in self._agents.items()}
        self._time += self._step
        self._left -= 1
        return self._observe(), results

    def _observe(self) -> dict[str, list[float]]:
        """Start a round, and let the agents observe it; the last one is never played."""
        self._rounds.start(self._time)
        return {name: agent.observe(self._rounds.announcement(name)) for name, agent in self._agents.items()}

    def _end(self) -> None:
        if not self._begun:
            return
        self._begun = False
        for name, participant in {**self._others, **self._agents}.items():
            with blamed(name, f"end of episode {self._episode}"):
                participant.end_episode()
