"""The environments: they pass the checks of their libraries, and play the market of `trex-market run`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from pettingzoo.test import parallel_api_test, parallel_seed_test

from tests.learning.helpers import battery_study
from tests.shell_helpers import LOADS, ROUNDS, START, STEP, strategy
from trex_market.build import TRAINING, load_study
from trex_market.core.errors import InputError, MissingExtraError, PhaseError, StrategyError
from trex_market.core.messages import Contracted, Delivered, Event, OrderAccepted
from trex_market.learning import env, home_env
from trex_market.learning.parallel import MarketEnv
from trex_market.simulation.local import LocalDriver
from trex_market.simulation.run import play_episode

IDLE = np.zeros(3, np.float32)


def moves(seed: int) -> Iterator[Any]:
    """Yield actions at random."""
    chance = np.random.default_rng(seed)
    while True:
        yield chance.uniform(-1, 1, 3).astype(np.float32)


def episode(played: MarketEnv, seed: int | None = None) -> list[Any]:
    """Play an episode with actions at random, always the same ones, and return all that was said."""
    chosen = moves(3)
    said: list[Any] = [played.reset(seed=seed)]
    while played.agents:
        said.append(played.step({name: next(chosen) for name in played.agents}))
    return said


def assert_same(one: Any, other: Any) -> None:
    """Check that two things are equal to the last bit, arrays included."""
    assert type(one) is type(other)
    if isinstance(one, dict):
        assert one.keys() == other.keys()
        for key in one:
            assert_same(one[key], other[key])
    elif isinstance(one, list | tuple):
        assert len(one) == len(other)
        for left, right in zip(one, other, strict=True):
            assert_same(left, right)
    elif isinstance(one, np.ndarray):
        assert one.tobytes() == other.tobytes()
    else:
        assert one == other


# ---------------------------------------------------------------- the libraries' own checks


def test_the_parallel_environment_passes_pettingzoos_checks(tmp_path: Path) -> None:
    path = battery_study(tmp_path)
    parallel_api_test(env(path), 60)
    parallel_seed_test(lambda: env(path), 60)


def test_the_single_environment_passes_gymnasiums_check(tmp_path: Path) -> None:
    """With a spec, the check looks at whether it is deterministic, too."""
    path = battery_study(tmp_path)
    name = "tests/Home-v0"
    gymnasium.register(name, lambda **_: home_env(path, "mixed", reward="saving"))
    try:
        check_env(gymnasium.make(name).unwrapped)
    finally:
        del gymnasium.registry[name]


# ---------------------------------------------------------------- episodes


def test_an_episode_has_the_rounds_of_the_study_and_then_all_are_truncated(tmp_path: Path) -> None:
    played = env(battery_study(tmp_path))
    assert played.possible_agents == list(LOADS)
    said = episode(played)
    assert len(said) == 1 + ROUNDS
    for number, (_, _, terminated, truncated, infos) in enumerate(said[1:]):
        assert terminated == dict.fromkeys(LOADS, False)
        assert truncated == dict.fromkeys(LOADS, number == ROUNDS - 1)
        assert {info["slot"] for info in infos.values()} == {START + number * STEP}
    assert played.agents == []
    with pytest.raises(PhaseError, match=r"no episode is being played; begin one with reset"):
        played.step(dict.fromkeys(LOADS, IDLE))


def test_before_the_first_reset_there_is_nothing_to_play(tmp_path: Path) -> None:
    with pytest.raises(PhaseError, match="reset"):
        env(battery_study(tmp_path)).step(dict.fromkeys(LOADS, IDLE))


def test_observations_and_actions_are_of_their_spaces(tmp_path: Path) -> None:
    played = env(battery_study(tmp_path), forecast_slots=6)
    for said in episode(played):
        for name, seen in said[0].items():
            assert seen.dtype == np.float32
            assert seen in played.observation_space(name)
    assert played.action_space("maker").shape == (3,)
    # current, next and last slots of load; the profile is the study's
    first, _ = played.reset()
    assert first["taker"][8:20:2] == pytest.approx([0.4, 0.437, 0.474, 0.4, 0.437, 0.474])


def test_equal_seeds_play_equal_episodes_and_others_do_not(tmp_path: Path) -> None:
    path = battery_study(tmp_path)
    played = env(path, ["maker"])
    first = [episode(played, seed=7), episode(played)]
    again = [episode(played, seed=7), episode(played)]
    assert_same(first, again)
    assert_same(first, [episode(other := env(path, ["maker"]), seed=7), episode(other)])
    assert episode(played, seed=8)[-1][1] != first[0][-1][1]  # another chance of the other homes


def test_an_episode_left_early_leaves_nothing_behind(tmp_path: Path) -> None:
    played = env(battery_study(tmp_path), ["maker"])
    whole = episode(played, seed=7)
    played.reset(seed=7)
    played.step({"maker": IDLE})
    assert_same(episode(played, seed=7), whole)


def test_an_episode_does_not_know_of_the_one_before(tmp_path: Path) -> None:
    path = battery_study(tmp_path)
    played = env(path, ["mixed"])
    first = episode(played)
    played.reset(options={"episode": -1})
    assert_same(episode(played), first)


def test_the_single_view_begins_anew_with_a_seed(tmp_path: Path) -> None:
    single = home_env(battery_study(tmp_path), "mixed")
    told = [single.reset(seed=4)[0], single.reset()[0], single.reset(seed=4)[0], single.reset()[0]]
    assert_same(told[:2], told[2:])
    assert single._episode == 1


def test_episodes_go_round_and_one_can_be_chosen(tmp_path: Path) -> None:
    path = battery_study(
        tmp_path,
        ('"2020-06-01 12:00:00"', '["2020-06-01 12:00:00", "2020-06-01 13:30:00"]'),
        ("0.125", "0.0625"),
    )
    played = env(path, ["maker"])
    starts = [played.reset()[0]["maker"] for _ in range(4)]
    assert played.play.episodes == 3
    chosen = [played.reset(options={"episode": number})[0]["maker"] for number in (2, 0, 3)]
    assert_same(chosen, [starts[2], starts[0], starts[3]])
    assert_same(starts[0], starts[3])
    assert starts[0].tobytes() != starts[2].tobytes()
    follows = played.reset()[0]["maker"]
    assert_same(follows, starts[1])  # the fourth after the third


# ---------------------------------------------------------------- the same market as in a run


class Listening:
    """Keeps all events."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def hear(self, events: Any) -> None:
        self.events += events


async def run_events(path: Path) -> list[Event]:
    """Return what happens in the first training episode of a run."""
    study = load_study(path)
    driver = LocalDriver(study.terms, study.participants(TRAINING).values(), "solar")
    listening = Listening()
    await play_episode(study.episodes(TRAINING)[0], driver, listeners=[listening])
    return listening.events


def env_events(path: Path, agents: list[str]) -> list[Event]:
    """Return what happens in the first episode of an environment whose agents do nothing but 0."""
    played = env(path, agents)
    played.reset()
    outbox = played.play.engine.listen()
    while played.agents:
        played.step(dict.fromkeys(agents, IDLE))
    return outbox.take()


def of(events: list[Event], kind: Any) -> list[Any]:
    return [event for event in events if isinstance(event, kind)]


async def test_an_agent_that_acts_like_a_strategy_makes_the_same_ledger(tmp_path: Path) -> None:
    """An action of zeros is what `basic` does by default: the middle of the grid's prices."""
    path = battery_study(tmp_path, ("type: basic, ask_price: 0.12", "type: basic"))
    expected = await run_events(path)
    for kind in (OrderAccepted, Delivered):
        assert of(env_events(path, ["maker"]), kind) == of(expected, kind)
    contracts = of(env_events(path, ["maker"]), Contracted)
    cleared = of(expected, Contracted)
    assert contracts[: ROUNDS - 1] == cleared[1:ROUNDS]  # the first one was before anybody listened


async def test_those_who_are_no_agents_do_as_the_study_says(tmp_path: Path) -> None:
    path = battery_study(tmp_path)
    expected = [
        event for event in of(await run_events(path), OrderAccepted) if event.order.participant_id != "maker"
    ]
    found = [
        event
        for event in of(env_events(path, ["maker"]), OrderAccepted)
        if event.order.participant_id != "maker"
    ]
    assert found == expected


def test_the_single_view_is_the_parallel_one_with_one_agent(tmp_path: Path) -> None:
    path = battery_study(tmp_path)
    parallel, single = env(path, ["mixed"]), home_env(path, "mixed")
    chosen = moves(1)
    assert_same(single.reset(seed=4)[0], parallel.reset(seed=4)[0]["mixed"])
    over = False
    while not over:
        action = next(chosen)
        seen, reward, terminated, over, info = single.step(action)
        many = parallel.step({"mixed": action})
        assert_same([seen, reward, terminated, over, info], [part["mixed"] for part in many])


def test_the_curriculum_and_the_episodes_ends_reach_the_other_homes(tmp_path: Path) -> None:
    body = (
        "told = []\n"
        "def start_episode(self, start): self.told.append((start.episode, start.simulation, start.parameters))\n"
        "def end_episode(self): self.told.append('end')\n"
        "def decide(self, view): return NOTHING"
    )
    name = strategy(tmp_path, body)
    path = battery_study(
        tmp_path,
        ("type: basic, bid_price: 0.24", f'type: "{name}"'),
        ("market:", 'training: {curriculum: {"1": {a: 5}}}\nmarket:'),
    )
    played = env(path, ["maker"])
    told = sys.modules[name.partition(":")[0]].Own.told
    told.clear()
    episode(played)
    played.reset()
    assert told == [(0, "training", {}), "end", (1, "training", {"a": 5})]


# ---------------------------------------------------------------- who is an agent, and what is wrong


def test_agents_are_those_that_the_config_lets_learn_or_all(tmp_path: Path) -> None:
    assert env(battery_study(tmp_path / "all")).possible_agents == list(LOADS)
    path = battery_study(tmp_path / "one", ("ask_price: 0.12", "ask_price: 0.12, learning: true"))
    assert env(path).possible_agents == ["maker"]


def test_the_configs_values_can_be_overridden(tmp_path: Path) -> None:
    path = battery_study(tmp_path)
    assert len(episode(env(path, overrides={"study.days": 0.0625}))) == 1 + ROUNDS // 2
    study = load_study(path)
    assert env(study, ["maker"]).possible_agents == ["maker"]
    with pytest.raises(InputError, match="not with a study that is loaded already"):
        env(study, overrides={"study.days": 1})


@pytest.mark.parametrize(
    ("act", "said"),
    [
        (lambda path: env(path, []), "there must be at least one agent, of: maker, taker, mixed"),
        (lambda path: env(path, forecast_slots=0), "forecast_slots must be at least 1, found 0"),
        (lambda path: home_env(path, "nobody"), "unknown participant 'nobody'"),
    ],
)
def test_what_cannot_be_is_refused(tmp_path: Path, act: Callable[[Path], object], said: str) -> None:
    with pytest.raises(InputError, match=said):
        act(battery_study(tmp_path))


def test_every_agent_must_act(tmp_path: Path) -> None:
    played = env(battery_study(tmp_path), ["maker", "taker"])
    played.reset()
    with pytest.raises(InputError, match=r"there is no action of 'taker'; there are actions of \['maker'\]"):
        played.step({"maker": IDLE})


def test_a_participant_that_cannot_be_steered_is_no_agent(tmp_path: Path) -> None:
    module = strategy(
        tmp_path,
        "def __init__(self, participant_id, strategy, seed, battery): self.participant_id = participant_id",
    )
    path = battery_study(tmp_path, ("maker: {", f'maker: {{type: "{module}", '))
    with pytest.raises(
        InputError, match="'maker' cannot be an agent: the participant type Own has no methods hear"
    ):
        env(path, ["maker"])


def test_a_strategy_that_fails_is_named(tmp_path: Path) -> None:
    name = strategy(tmp_path, "def decide(self, view): return 1 / 0")
    played = env(battery_study(tmp_path, ("type: basic, bid_price: 0.24", f'type: "{name}"')), ["maker"])
    played.reset()
    with pytest.raises(StrategyError, match="strategy Own of 'taker' raised ZeroDivisionError"):
        played.step({"maker": IDLE})


def test_what_is_not_installed_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = battery_study(tmp_path)
    (tmp_path / "empty").mkdir()
    for module in ("pettingzoo", "gymnasium"):
        monkeypatch.setitem(sys.modules, module, None)
    for make in (lambda: env(path), lambda: home_env(path, "maker")):
        with pytest.raises(MissingExtraError, match=r"pip install 'trex-market\[learning\]'"):
            make()
