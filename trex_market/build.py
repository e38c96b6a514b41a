"""A config to running objects; the only module that knows all the parts.

`Study` checks everything that a config names outside of itself (rule,
strategies, storages, profiles, price series) and reports all that is wrong at
once; then it makes participants and episodes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import copy
from functools import cached_property
from pathlib import Path
from typing import Any

from trex_market.config import Config, ParticipantConfig, load_config
from trex_market.core.clearing import RULES, make_rule
from trex_market.core.clearing.slot import no_pairs
from trex_market.core.errors import ConfigError, InputError, MissingExtraError, TrexError, unknown_name
from trex_market.core.messages import OpenMarket
from trex_market.flexible import make_flexibility, point_address
from trex_market.grid import LowVoltageGrid, PointGrid, packaged_buses
from trex_market.participant import LearningStrategy, Participant, Strategy
from trex_market.plugins import PARTICIPANTS, STORAGES, STRATEGIES, find, fitting_options
from trex_market.profiles import Profile, ProfileSource, expanded, open_source
from trex_market.profiles.prices import read_price_series
from trex_market.profiles.profile import ScaledProfile
from trex_market.profiles.repeated import repeated
from trex_market.programmes import Programme
from trex_market.responding import make_demand_response
from trex_market.rounds import EpisodePlan
from trex_market.simulation.curriculum import Curriculum
from trex_market.storage.address import parse_address
from trex_market.weights import Learner, WeightsFolder

MAX_SHOWN = 20
"""How many problems an error shows."""

BASELINE = "baseline"
TRAINING = "training"
VALIDATION = "validation"

TREX_TRADER_KEYS = frozenset(
    [
        "actions",
        "alpha_actor",
        "alpha_critic",
        "ask_price",
        "batch_size",
        "bid_price",
        "critic_patience",
        "discount_factor",
        "entropy_reg",
        "experience_replay_buffer_length",
        "exploration_factor",
        "gae_lambda",
        "gamma",
        "kl_stop",
        "learning",
        "learning_rate",
        "limit_actions",
        "max_train_steps",
        "n_step",
        "normalize_advantages",
        "policy_clip",
        "reward_function",
        "warm_up",
    ]
)
"""What any trader may be told, also by TREX-Core's configs; passed over by strategies that do not take it."""

OpenProfiles = Callable[[str, Path], ProfileSource]
"""Opens a location of load and generation data, given the folder that relative paths start from."""

LIVE_SLOTS = 20_000
"""So far ahead a participant on the wall clock is sent load and generation; more when it joins again."""


def load_study(
    path: Path,
    overrides: Mapping[str, object] | None = None,
    *,
    remote: bool = False,
    open_profiles: OpenProfiles | None = None,
    called: Mapping[str, str] | None = None,
) -> Study:
    """Load a config, and find and check everything that it names.

    Args:
        path: YAML, or JSON with comments.
        overrides: dotted key -> value that replaces the file's.
        remote: see `Study`.
        open_profiles: likewise.
        called: see `load_config`.

    Raises:
        ConfigError: all that is wrong, a line each.
        MissingExtraError: if it needs a part that is not installed.
    """
    given = {key: value for key, value in (overrides or {}).items() if value is not None}
    config = load_config(path, given, None if remote else unknown_names, called)
    return Study(config, remote=remote, open_profiles=open_profiles)


def unknown_names(data: Mapping[str, Any], file: Path) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Find what a config names and what there is not, even if it is wrong in other places.

    Args:
        data: the config as plain data.
        file: its file.

    Yields:
        the path of a name, and what is wrong with it.
    """
    base = file.parent
    rule = _inner(data, "market", "type")
    if isinstance(rule, str) and rule and rule not in RULES:
        yield ("market", "type"), unknown_name("clearing rule", rule, RULES)
    location = _inner(data, "study", "profiles_db_location")
    if isinstance(location, str) and location:
        try:
            open_source(location, base=base).participants()
        except TrexError as error:
            yield ("study", "profiles_db_location"), str(error)
    participants = data.get("participants")
    for name in participants if isinstance(participants, Mapping) else ():
        for section, group in (("trader", STRATEGIES), ("storage", STORAGES)):
            named = _inner(participants, name, section, "type")
            try:
                if isinstance(named, str) and named:
                    find(group, named, base)
            except ConfigError as error:
                yield ("participants", name, section, "type"), str(error)


def _inner(data: Any, *path: str) -> Any:
    """Return what stands at a path of plain data, None if there is nothing."""
    for part in path:
        data = data.get(part) if isinstance(data, Mapping) else None
    return data


class Study:
    """A config with everything that it names found and checked.

    Args:
        config: the config.
        remote: whether participants come from elsewhere; then they bring strategies of their own, and
            profiles may be theirs, too.
        open_profiles: opens load and generation data; None for `trex_market.profiles.open_source`.

    Raises:
        ConfigError: all that is wrong, a line each.
        MissingExtraError: if it needs a part that is not installed.
    """

    def __init__(
        self,
        config: Config,
        *,
        remote: bool = False,
        open_profiles: OpenProfiles | None = None,
    ) -> None:
        self.config = config
        self._open_profiles = open_profiles or _opened
        self.weights: WeightsFolder | None = None
        """Where what its strategies learn is kept."""
        self._remote = remote
        self._has_profiles = not remote or config.study.profiles_db_location is not None
        self.base = config.source.parent
        self._problems: list[str] = []
        with self._check("market.type"):
            rule = make_rule(config.market.type)
            for name, area in config.areas.items():
                if (area.fee or area.fee_percent) and (reason := no_pairs(rule)):
                    raise ConfigError(f"area {name!r} cannot have a fee: {reason}")
        with self._check("market.grid.price_file"):
            self.terms: OpenMarket = self._open_command()
        if config.flexibility is not None:
            with self._check("flexibility"):
                make_flexibility(config, 0)
                self.grids  # noqa: B018 - to say now what is wrong with them
        for participant_id in config.participants:
            with self._check(f"participants.{participant_id}"):
                make_participant(config, participant_id, BASELINE if remote else TRAINING)
        self._profiles: dict[int, dict[str, Profile | ScaledProfile]] = {}
        with self._check("study.profiles_db_location"):
            self._read_all_profiles()
        with self._check("study.output_db_location"):
            if config.study.output_db_location is not None:
                parse_address(config.study.output_db_location)
        if self._problems:
            raise ConfigError(_listed(self._problems))

    @contextmanager
    def _check(self, field: str) -> Iterator[None]:
        """Collect what is wrong instead of stopping at it."""
        try:
            yield
        except MissingExtraError:
            raise
        except TrexError as error:
            line = f"{self.config.where(field)}: {field}: {error}"
            if line not in self._problems:
                self._problems.append(line)

    # ------------------------------------------------------------ market

    def _open_command(self) -> OpenMarket:
        study, market = self.config.study, self.config.market
        series = None
        if market.grid.price_file:
            path = self.base / expanded(market.grid.price_file)
            series = read_price_series(path, market.grid.fee_ratio, market.grid.price_scale)
            for start in study.start_times():
                series.check_covers(start, start + study.rounds * study.time_step_size)
        periods = None if series is None else series.periods
        return market.open_command(
            study.time_step_size,
            study.timezone,
            series=periods,
            areas=self.config.areas,
            places=self.config.places,
        )

    # ------------------------------------------------------------ episodes

    @property
    def simulations(self) -> list[str]:
        """Which simulations are to be run, in order."""
        chosen = self.config.study.simulations
        if chosen:
            return list(chosen)
        learning = any(section.trader.learning for section in self.config.participants.values())
        trading = [TRAINING, VALIDATION] if learning else [TRAINING]
        if not self._has_profiles:
            return trading
        # Those who come from elsewhere do not wait for the yardstick.
        return [*trading, BASELINE] if self._remote else [BASELINE, *trading]

    def episodes(self, simulation: str) -> list[EpisodePlan]:
        """Return a simulation's episodes, in order.

        Training plays all generations; baseline and validation play each range of time once, unless validation
        shall show what was known at the end of each.
        """
        study = self.config.study
        starts = study.start_times()
        each = simulation == VALIDATION and self.config.training.validation_weights == "each"
        if simulation != TRAINING and not each:
            starts = list(dict.fromkeys(starts))
        curriculum = Curriculum(self._lessons() if simulation == TRAINING else {})
        return [
            EpisodePlan(
                simulation,
                episode,
                start,
                study.rounds,
                study.time_step_size,
                curriculum.parameters(episode),
                curriculum.lesson(episode),
                self._profiles.get(start, {}),
            )
            for episode, start in enumerate(starts)
        ]

    def _lessons(self) -> dict[int, Mapping[str, Any]]:
        """Return the curriculum by episode; TREX's older `default` holds from the first one on."""
        lessons = dict(self.config.training.curriculum)
        default = lessons.pop("default", {})
        by_episode: dict[int, Mapping[str, Any]] = {int(key): lesson for key, lesson in lessons.items()}
        if default:
            by_episode[0] = {**default, **by_episode.get(0, {})}
        return by_episode

    def programmes(self, plan: EpisodePlan) -> list[Programme]:
        """Make the programmes beside the market of an episode; the baseline has none."""
        if plan.simulation == BASELINE:
            return []
        flexibility = [] if self.config.flexibility is None else [make_flexibility(self.config, plan.start)]
        return [*flexibility, *self.live_programmes()]

    def live_programmes(self) -> list[Programme]:
        """Make the programmes beside the market that can be there on the wall clock, too."""
        return [] if self.config.demand_response is None else [make_demand_response(self.config)]

    @cached_property
    def grids(self) -> dict[str, PointGrid]:
        """The grids behind congestion points: address -> grid.

        Raises:
            MissingExtraError: if they cannot be looked at.
            InputError: if there is no such grid, or bus.
        """
        section = self.config.flexibility
        if section is None:
            return {}
        return {
            point_address(section, name): PointGrid(
                LowVoltageGrid(point.grid.network, point.grid.buses or self._buses(point.members)),
                point.grid.max_loading,
            )
            for name, point in section.congestion_points.items()
            if point.grid is not None
        }

    def _buses(self, members: Sequence[str] | None) -> dict[str, str]:
        """Return the buses of packaged homes."""
        names = self.config.participants if members is None else members
        known = packaged_buses()
        return {name: known[name] for name in names if name in known}

    # ------------------------------------------------------------ participants

    def participants(self, simulation: str) -> dict[str, Participant]:
        """Make the participants of a simulation; in the baseline none of them trades."""
        return {name: self.participant(name, simulation) for name in self.config.participants}

    def participant(
        self,
        participant_id: str,
        simulation: str,
        *,
        seed: int | None = None,
        strategy: Strategy | None = None,
    ) -> Participant:
        """Make one of the participants; see `make_participant`."""
        return make_participant(
            self.config, participant_id, simulation, weights=self.weights, seed=seed, strategy=strategy
        )

    def keeping(self, weights: WeightsFolder) -> Study:
        """Return this study with a folder for what its strategies learn.

        Raises:
            InputError: if it begins with a validation, and there is nothing to validate.
        """
        kept = copy(self)
        kept.weights = weights
        if VALIDATION in self.simulations and TRAINING not in self.simulations:
            for name in self._learners():
                weights.load(name, 0)
        return kept

    def _learners(self) -> Iterator[str]:
        """Yield the participants that learn something to keep."""
        for name, section in self.config.participants.items():
            if section.trader.learning and isinstance(_strategy(section, self.base), LearningStrategy):
                yield name

    # ------------------------------------------------------------ profiles

    @cached_property
    def _source(self) -> ProfileSource:
        location = self.config.study.profiles_db_location
        if not location:
            raise ConfigError('it says nothing; name a file, a database, or "packaged:semiurban"')
        return self._open_profiles(location, self.base)

    def _read_all_profiles(self) -> None:
        if self._has_profiles:
            self._source.participants()
            for start in self.config.study.start_times():
                self._read_profiles(start)

    def _read_profiles(self, start: int) -> None:
        if start in self._profiles:
            return
        study = self.config.study
        end = start + study.rounds * study.time_step_size
        profiles = self._profiles[start] = {}
        # A thousand homes may share a few profiles.
        read: dict[str, Profile] = {}
        for participant_id, section in self.config.participants.items():
            with self._check(f"participants.{participant_id}"):
                name = section.profile or section.trader.use_synthetic_profile or participant_id
                if name not in read:
                    read[name] = self._source.read(
                        name, start=start, end=end, step=study.time_step_size, fill=study.fill
                    )
                profiles[participant_id] = _scaled(read[name], section.load.scale, section.generation.scale)

    def live_profile(self, participant_id: str, start: int) -> Profile | None:
        """Return what stands for a participant's load and generation on the wall clock: the study's days, repeated.

        Args:
            participant_id: whose.
            start: of the first slot, UNIX seconds.

        Returns:
            `LIVE_SLOTS` slots; None if the config has no profiles.

        Raises:
            ProfileError: if they cover less than a day.
        """
        profile = self.profile(participant_id)
        return None if profile is None else repeated(profile, start, LIVE_SLOTS)

    def profile(self, participant_id: str) -> Profile | ScaledProfile | None:
        """Return a participant's load and generation in the first episode; None if the config has no profiles."""
        return next(iter(self._profiles.values()), {}).get(participant_id)


def _opened(location: str, base: Path) -> ProfileSource:
    return open_source(location, base=base)


def _listed(problems: Sequence[str]) -> str:
    """Put problems on a line each; a hundred homes may have the same one."""
    more = len(problems) - MAX_SHOWN
    return "\n".join([*problems[:MAX_SHOWN], *([f"and {more} more"] if more > 0 else [])])


def make_participant(
    config: Config,
    participant_id: str,
    simulation: str,
    *,
    weights: WeightsFolder | None = None,
    seed: int | None = None,
    strategy: Strategy | None = None,
) -> Participant:
    """Make one of a config's participants.

    Args:
        config: the config.
        participant_id: which.
        simulation: in the baseline nobody trades.
        weights: where what it learns is kept; None to forget it.
        seed: of its chance; None for the config's.
        strategy: None for the config's.

    Raises:
        ConfigError: if there is no such participant, or it names what there is not.
    """
    section = config.participants.get(participant_id)
    if section is None:
        raise ConfigError(unknown_name("participant", participant_id, config.participants))
    base = config.source.parent
    make = find(PARTICIPANTS, section.type, base)
    if strategy is None:
        strategy = find(STRATEGIES, BASELINE, base)() if simulation == BASELINE else _strategy(section, base)
        if weights is not None and section.trader.learning and isinstance(strategy, LearningStrategy):
            strategy = Learner(strategy, participant_id, weights)
    battery = make_storage(section, base)
    seed = config.study.seed if seed is None else seed
    # Only those who have one need to know of loads that can wait.
    load = section.load
    waiting = {"shiftable": (load.shiftable, load.shift_s)} if load.shiftable else {}
    participant: Participant = make(participant_id, strategy, seed=seed, battery=battery, **waiting)
    return participant


def make_storage(section: ParticipantConfig, base: Path) -> Any:
    """Make a participant's battery; None if it has none.

    Args:
        section: of the participant.
        base: where a module may lie, besides the current folder.

    Raises:
        ConfigError: if it names what there is not.
    """
    if section.storage is None:
        return None
    options = section.storage.model_dump(exclude={"type"})
    return _made(find(STORAGES, section.storage.type, base), options)


def _strategy(section: ParticipantConfig, base: Path) -> Strategy:
    trader = section.trader
    options = {**trader.options, "learning": True} if trader.learning else {**trader.options}
    for name in ("bid_price", "ask_price"):
        if getattr(trader, name) is not None:
            options[name] = getattr(trader, name)
    return make_strategy(trader.type, options, base)


def make_strategy(name: str, options: Mapping[str, Any], base: Path) -> Strategy:
    """Make a strategy.

    Args:
        name: short, or "module:Class".
        options: for its constructor.
        base: where a module may lie, besides the current folder.

    Raises:
        ConfigError: if there is none of this name, or it does not take the options.
    """
    make = find(STRATEGIES, name, base)
    strategy: Strategy = _made(make, fitting_options(make, options, TREX_TRADER_KEYS, name))
    if not callable(getattr(strategy, "decide", None)):
        raise ConfigError(f"strategy {name!r} has no method decide(view)")
    return strategy


def _made(make: Any, options: Mapping[str, Any]) -> Any:
    """Call a constructor; what it does not like is the config's mistake."""
    try:
        return make(**options)
    except (InputError, MissingExtraError):
        raise
    except (Exception, SystemExit) as error:
        given = ", ".join(f"{name}={value!r}" for name, value in options.items())
        raise ConfigError(f"{make.__name__}({given}) raised {type(error).__name__}: {error}") from error


def _scaled(profile: Profile, load_scale: float, generation_scale: float) -> Profile | ScaledProfile:
    """Multiply a profile, each slot rounded to whole Wh."""
    if load_scale == 1 and generation_scale == 1:
        return profile
    return ScaledProfile(profile, load_scale, generation_scale)
