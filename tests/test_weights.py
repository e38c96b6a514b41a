"""What strategies learn is kept, and loaded where it is asked for: in a folder, and in whole runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from participants.strategies.q_learning import QLearning
from tests.shell_helpers import ROUNDS, Shell, query, run_process, strategy, study
from trex_market.build import load_study
from trex_market.core.errors import InputError, StorageError
from trex_market.participant import EpisodeStart, MarketInfo
from trex_market.weights import Learner, WeightsFolder

EPISODES = 4
LEARNER = "type: q_learning, learning: true, price_levels: 5, exploration: 0.5"


# ---------------------------------------------------------------- the folder


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    folder = WeightsFolder(tmp_path)
    folder.save("ann", 0, b"first")
    folder.save("ann", 11, b"last")
    folder.save("ann", 2, b"\x00\xff")
    folder.save("bob", 12, b"another's")
    assert folder.load("ann", 0) == folder.load("ann", 7) == b"last"
    each = WeightsFolder(tmp_path, which="each")
    assert [each.load("ann", episode) for episode in (0, 2, 11)] == [b"first", b"\x00\xff", b"last"]
    assert (tmp_path / "weights" / "11" / "ann.weights").read_bytes() == b"last"
    folder.save("ann", 11, b"again")
    assert folder.load("ann", 0) == b"again"
    assert sorted(path.name for path in (tmp_path / "weights" / "11").iterdir()) == ["ann.weights"]


@pytest.mark.parametrize(
    "name", ["a/b", "..", "../../up", "a b", "*[x]?", "Grün", "🙂" * 64, "x.weights", "CON"]
)
def test_whatever_a_participant_is_called_its_file_stays_in_the_folder(tmp_path: Path, name: str) -> None:
    folder = WeightsFolder(tmp_path / "run")
    folder.save(name, 3, b"own")
    folder.save("other", 3, b"other")
    assert folder.load(name, 0) == b"own"
    assert len(list((tmp_path / "run" / "weights" / "3").iterdir())) == 2
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_what_is_not_there_is_named(tmp_path: Path) -> None:
    folder = WeightsFolder(tmp_path)
    with pytest.raises(InputError, match=r"no weights of 'ann' for episode 0; there are none. Train first"):
        folder.load("ann", 0)
    folder.save("ann", 1, b"")
    folder.save("ann", 4, b"")
    with pytest.raises(
        InputError, match=r"no weights of 'ann' for episode 2; there are those of 1, 4. Train first"
    ):
        WeightsFolder(tmp_path, which="each").load("ann", 2)
    with pytest.raises(InputError, match=r"no weights of 'bob'"):
        folder.load("bob", 0)
    with pytest.raises(InputError, match="there is no such folder; name the directory of a run that learnt"):
        WeightsFolder(tmp_path, tmp_path / "nowhere")


def test_other_things_in_the_folder_are_left_alone(tmp_path: Path) -> None:
    folder = WeightsFolder(tmp_path)
    folder.save("ann", 1, b"w")
    (tmp_path / "weights" / "notes").mkdir()
    (tmp_path / "weights" / "9").mkdir()
    (tmp_path / "weights" / "²").mkdir()
    assert folder.load("ann", 0) == b"w"


def test_another_runs_weights_are_where_training_begins_and_what_is_validated_until_there_are_own(
    tmp_path: Path,
) -> None:
    WeightsFolder(tmp_path / "old").save("ann", 5, b"old")
    folder = WeightsFolder(tmp_path / "new", tmp_path / "old")
    assert WeightsFolder(tmp_path / "new").first("ann") is None
    assert folder.first("ann") == folder.load("ann", 0) == b"old"
    folder.save("ann", 0, b"new")
    assert folder.load("ann", 0) == b"new"
    assert folder.first("ann") == b"old"
    with pytest.raises(InputError, match=r"no weights of 'bob'"):
        folder.first("bob")


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "weights").write_text("a file", encoding="utf-8")
    with pytest.raises(StorageError, match="the weights cannot be saved: "):
        WeightsFolder(tmp_path).save("ann", 0, b"")


class Told:
    """A learner that says what it is told."""

    def __init__(self) -> None:
        self.told: list[Any] = []

    def decide(self, view: Any) -> Any:
        return view

    def start_episode(self, start: EpisodeStart) -> None:
        self.told.append(start.simulation)

    def end_episode(self) -> None:
        self.told.append("end")

    def weights(self) -> bytes:
        return repr(self.told).encode()

    def load_weights(self, weights: bytes) -> None:
        self.told.append(weights)


def start(episode: int, simulation: str) -> EpisodeStart:
    return EpisodeStart(episode, simulation, MarketInfo("m", 900, 2, "UTC"))


@pytest.mark.parametrize("simulation", ["training", "validation", "realtime"])
def test_a_learner_saves_what_it_learnt_in_training_alone(tmp_path: Path, simulation: str) -> None:
    folder = WeightsFolder(tmp_path)
    folder.save("ann", 0, b"known")
    inner = Told()
    learner = Learner(inner, "ann", folder)
    for episode in (1, 2):
        learner.start_episode(start(episode, simulation))
        learner.end_episode()
    loaded = [b"known"] if simulation == "validation" else []
    assert inner.told == [*loaded, simulation, "end"] * 2
    saved = sorted(path.name for path in (tmp_path / "weights").iterdir())
    assert saved == (["0", "1", "2"] if simulation == "training" else ["0"])
    if simulation == "training":
        assert (tmp_path / "weights" / "1" / "ann.weights").read_bytes() == b"['training', 'end']"
    view: Any = object()
    assert learner.decide(view) is view


def test_training_goes_on_from_another_run_once(tmp_path: Path) -> None:
    WeightsFolder(tmp_path / "old").save("ann", 5, b"old")
    inner = Told()
    learner = Learner(inner, "ann", WeightsFolder(tmp_path / "new", tmp_path / "old"))
    for episode in (0, 1):
        learner.start_episode(start(episode, "training"))
    assert inner.told == [b"old", "training", "training"]


# ---------------------------------------------------------------- whole runs


def learning_study(folder: Path, *changes: tuple[str, str]) -> Path:
    """Write the small study, in which `maker` learns, and return the config's path."""
    generations = f"generations: {EPISODES}\n  days:"
    return study(folder, ("type: basic, ask_price: 0.12", LEARNER), ("days:", generations), *changes)


def weights(directory: Path) -> dict[str, bytes]:
    """Return all that a run has learnt: path in the folder -> bytes."""
    folder = directory / "weights"
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def prices(directory: Path, simulation: str, episode: int = 0) -> list[float]:
    """Return at which prices `maker` asked."""
    asked = (
        "SELECT price FROM orders JOIN runs ON orders.run_id = runs.id WHERE participant_id = 'maker' "
        "AND simulation = ? AND episode = ? ORDER BY CAST(substr(orders.id, 7) AS INTEGER)"
    )
    return [price for (price,) in query(directory / "market.db", asked, simulation, episode)]


def asked_by(stored: bytes, config: Path) -> list[float]:
    """Return at which prices a learner with these weights asks in a validation: the best of its hour."""
    values = json.loads(stored)["values"]
    found = []
    for number in range(2, ROUNDS + 2):
        levels = values.get(f"ask {12 + number // 4}", [0.0] * 5)
        best = [level for level, value in enumerate(levels) if value == max(levels)]
        found.append((80_000 + 220_000 * best[len(best) // 2] // 4) / 1e6)
    assert config.exists()
    return found[: ROUNDS - 2]  # beyond the profile there is nothing to sell


def test_a_run_keeps_what_is_learnt_in_each_episode_and_validates_the_last(
    shell: Shell, tmp_path: Path
) -> None:
    config = learning_study(tmp_path)
    answer = shell("run", config, "--out", tmp_path / "out")
    assert answer.status == 0, answer.err
    kept = weights(tmp_path / "out")
    assert sorted(kept) == [f"{episode}/maker.weights" for episode in range(EPISODES)]
    assert len(set(kept.values())) == EPISODES
    last = kept[f"{EPISODES - 1}/maker.weights"]
    assert prices(tmp_path / "out", "validation") == asked_by(last, config)
    other = QLearning(5)
    other.load_weights(last)
    assert other.weights() == last


def test_each_episode_can_be_validated_with_what_was_known_at_its_end(shell: Shell, tmp_path: Path) -> None:
    config = learning_study(tmp_path, ("market:", "training: {validation_weights: each}\nmarket:"))
    answer = shell("run", config, "--out", tmp_path / "out")
    assert answer.status == 0, answer.err
    kept = weights(tmp_path / "out")
    shown = [prices(tmp_path / "out", "validation", episode) for episode in range(EPISODES)]
    assert shown == [asked_by(kept[f"{episode}/maker.weights"], config) for episode in range(EPISODES)]
    assert len({tuple(each) for each in shown}) > 1


def test_equal_seeds_learn_equal_weights_and_other_seeds_do_not(shell: Shell, tmp_path: Path) -> None:
    config = learning_study(tmp_path)
    for name, seed in (("one", 4), ("two", 4), ("three", 5)):
        answer = shell("run", config, "--out", tmp_path / name, "--seed", str(seed))
        assert answer.status == 0, answer.err
    assert weights(tmp_path / "one") == weights(tmp_path / "two") != weights(tmp_path / "three")


@pytest.mark.slow
@pytest.mark.parametrize(
    "transport",
    [["--transport", "socketio"], ["--transport", "socketio", "--processes"]],
    ids=["sockets", "processes"],
)
def test_over_sockets_the_same_is_learnt(tmp_path: Path, transport: list[str]) -> None:
    config = learning_study(tmp_path)
    ledgers = []
    for name, options in (("here", []), ("there", transport)):
        answer = run_process("run", config, "--out", name, *options, cwd=tmp_path)
        assert answer.status == 0, answer.err
        rows = query(tmp_path / name / "market.db", "SELECT * FROM transactions ORDER BY run_id, id")
        ledgers.append((weights(tmp_path / name), rows))
    assert ledgers[0][0]
    assert ledgers[0] == ledgers[1]


@pytest.mark.slow
def test_processes_go_on_from_another_run(tmp_path: Path) -> None:
    config = learning_study(tmp_path)
    for name, options in (
        ("old", []),
        ("here", ["--weights", "old"]),
        ("there", ["--weights", "old", "--transport", "socketio", "--processes"]),
    ):
        answer = run_process("run", config, "--out", name, *options, cwd=tmp_path)
        assert answer.status == 0, answer.err
    assert weights(tmp_path / "there") == weights(tmp_path / "here") != weights(tmp_path / "old")


def test_another_run_can_be_validated(shell: Shell, tmp_path: Path) -> None:
    config = learning_study(tmp_path)
    assert shell("run", config, "--out", tmp_path / "old").status == 0
    arguments = (
        "run",
        config,
        "--simulation",
        "validation",
        "--weights",
        tmp_path / "old",
        "--out",
        tmp_path / "new",
    )
    answer = shell(*arguments)
    assert answer.status == 0, answer.err
    assert prices(tmp_path / "new", "validation") == prices(tmp_path / "old", "validation")
    assert not (tmp_path / "new" / "weights").exists()


def test_a_validation_of_nothing_is_refused_before_anything_is_played(shell: Shell, tmp_path: Path) -> None:
    config = learning_study(tmp_path)
    said = shell.refuses("run", config, "--simulation", "validation", "--out", tmp_path / "out")
    assert "no weights of 'maker' for episode 0; there are none" in said
    assert "--weights" in said
    assert not (tmp_path / "out" / "market.db").exists()
    said = shell.refuses("run", config, "--weights", tmp_path / "nowhere", "--out", tmp_path / "out")
    assert "nowhere/weights: there is no such folder" in said
    other = learning_study(tmp_path / "other", (", price_levels: 5", ""))
    assert shell("run", config, "--out", tmp_path / "old").status == 0
    said = shell.refuses("run", other, "--weights", tmp_path / "old", "--out", tmp_path / "out")
    assert "these weights are of price_levels: 5, states: hour; the config has 11 and hour" in said


def test_who_learns_nothing_to_keep_is_validated_as_before(shell: Shell, tmp_path: Path) -> None:
    config = study(tmp_path, ("type: basic, ask_price: 0.12", "type: basic, learning: true, ask_price: 0.12"))
    answer = shell("run", config, "--simulation", "validation", "--out", tmp_path / "out")
    assert answer.status == 0, answer.err
    assert not (tmp_path / "out" / "weights").exists()


def test_a_learner_that_the_config_does_not_let_learn_keeps_nothing(shell: Shell, tmp_path: Path) -> None:
    config = learning_study(tmp_path, ("learning: true, ", ""))
    assert shell("run", config, "--out", tmp_path / "out").status == 0
    assert not (tmp_path / "out" / "weights").exists()


def test_a_strategy_of_ones_own_can_learn(shell: Shell, tmp_path: Path) -> None:
    body = (
        "rounds = 0\n"
        "def weights(self): return str(self.rounds).encode()\n"
        "def load_weights(self, weights): self.rounds = int(weights)\n"
        "def decide(self, view):\n"
        "    self.rounds += 1\n"
        "    return NOTHING"
    )
    config = learning_study(tmp_path, (LEARNER, f'type: "{strategy(tmp_path, body)}", learning: true'))
    assert shell("run", config, "--out", tmp_path / "out").status == 0
    assert list(weights(tmp_path / "out").values()).count(str(ROUNDS).encode()) == 1
    assert (tmp_path / "out" / "weights" / "3" / "maker.weights").read_bytes() == str(4 * ROUNDS).encode()


def test_a_constructor_is_told_that_it_learns_if_it_asks(tmp_path: Path) -> None:
    kept = strategy(
        tmp_path,
        "def __init__(self, learning=None): self.learning = learning\ndef decide(self, view): return NOTHING",
    )
    for trader, expected in ((f'type: "{kept}", learning: true', True), (f'type: "{kept}"', None)):
        config = study(tmp_path, ("type: basic, ask_price: 0.12", trader))
        home: Any = load_study(config).participant("maker", "training")
        assert home.strategy.learning is expected


def test_join_keeps_weights_only_with_a_config(shell: Shell, tmp_path: Path) -> None:
    where = ("join", "http://127.0.0.1:1", "--participant", "maker", "--strategy", "basic")
    assert "--keep-weights goes with --config" in shell.refuses(*where, "--keep-weights", tmp_path)
    assert "--weights goes with --keep-weights" in shell.refuses(*where, "--weights", tmp_path)
