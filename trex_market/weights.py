"""What strategies have learnt, kept in a folder: a file for each episode and participant.

    weights/3/home_01.weights    what home_01 knew at the end of the training's episode 3

A `Learner` saves them when a training episode ends, and loads them when a validation episode begins. It sits
inside the participant, so it works wherever that is: in this process, over a socket, or in a process of its own.
"""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path
from typing import Literal
from urllib.parse import quote

from trex_market.core.errors import InputError, StorageError
from trex_market.participant import Decision, EpisodeStart, EpisodicStrategy, LearningStrategy, View

TRAINING = "training"
VALIDATION = "validation"

FOLDER = "weights"
ENDING = ".weights"

LONGEST_NAME = 200
"""Letters of a participant's name in that of a file; file systems take 255 bytes."""

Which = Literal["last", "each"]
"""Whether validation plays with what was known at last, or each episode with what was known at the end of its own."""


class WeightsFolder:
    """Where a run keeps weights.

    Args:
        directory: of the run; a folder in it is made when the first are saved.
        learnt: directory of another run, whose weights training goes on from, and validation plays with if this
            run trains nobody; None for none.
        which: of them validation plays with.

    Raises:
        InputError: if the other run has none.
    """

    def __init__(self, directory: Path, learnt: Path | None = None, which: Which = "last") -> None:
        self.directory = directory
        self.learnt = learnt
        self._own = directory / FOLDER
        self._others = None if learnt is None else learnt / FOLDER
        self._which = which
        if self._others is not None and not self._others.is_dir():
            raise InputError(
                f"{self._others}: there is no such folder; name the directory of a run that learnt"
            )

    def save(self, participant_id: str, episode: int, weights: bytes) -> None:
        """Save what a participant has learnt by the end of an episode.

        Raises:
            StorageError: if that is not possible.
        """
        path = self._own / str(episode) / _file_name(participant_id)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            new = path.with_suffix(".new")
            new.write_bytes(weights)
            new.replace(path)
        except OSError as error:
            raise StorageError(f"{path}: the weights cannot be saved: {error.strerror}") from error

    def first(self, participant_id: str) -> bytes | None:
        """Return what a participant's training begins with; None for nothing.

        Raises:
            InputError: if another run was named, and has nothing of it.
        """
        if self._others is None:
            return None
        return _read(self._find(self._others, participant_id, None))

    def load(self, participant_id: str, episode: int) -> bytes:
        """Return what a participant plays an episode of the validation with.

        Raises:
            InputError: if there is nothing.
        """
        own = _episodes(self._own, participant_id)
        folder = self._own if own or self._others is None else self._others
        return _read(self._find(folder, participant_id, episode if self._which == "each" else None))

    @staticmethod
    def _find(folder: Path, participant_id: str, episode: int | None) -> Path:
        """Return the file of what a participant knew at the end of an episode; None for the last."""
        episodes = _episodes(folder, participant_id)
        wanted = max(episodes, default=None) if episode is None else episode
        if wanted is None or wanted not in episodes:
            there = f"there are those of {', '.join(map(str, episodes))}" if episodes else "there are none"
            raise InputError(
                f"{folder}: no weights of {participant_id!r} for episode {episode or 0}; {there}. Train first, or "
                "name a run that has, with --weights"
            )
        return folder / str(wanted) / _file_name(participant_id)


def _episodes(folder: Path, participant_id: str) -> list[int]:
    """Return the episodes of which a folder has weights of a participant."""
    name = _file_name(participant_id)
    numbers = folder.iterdir() if folder.is_dir() else ()
    return sorted(int(path.name) for path in numbers if path.name.isdecimal() and (path / name).is_file())


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: the weights cannot be read: {error.strerror}") from error


def _file_name(participant_id: str) -> str:
    quoted = quote(participant_id, safe=" ")
    if len(quoted) > LONGEST_NAME:
        quoted = sha256(participant_id.encode()).hexdigest()
    return quoted + ENDING


class Learner:
    """A strategy whose weights are kept in a folder.

    Args:
        strategy: the strategy.
        participant_id: whose it is.
        folder: of the weights.
    """

    def __init__(self, strategy: LearningStrategy, participant_id: str, folder: WeightsFolder) -> None:
        self.strategy = strategy
        self._participant_id = participant_id
        self._folder = folder
        self._start: EpisodeStart | None = None

    def decide(self, view: View) -> Decision:
        """Decide as the strategy does."""
        return self.strategy.decide(view)

    def start_episode(self, start: EpisodeStart) -> None:
        """Begin an episode; one of the validation with what was learnt.

        Raises:
            InputError: if nothing was.
        """
        weights = None
        if start.simulation == VALIDATION:
            weights = self._folder.load(self._participant_id, start.episode)
        elif self._start is None:
            weights = self._folder.first(self._participant_id)
        if weights is not None:
            self.strategy.load_weights(weights)
        self._start = start
        if isinstance(self.strategy, EpisodicStrategy):
            self.strategy.start_episode(start)

    def end_episode(self) -> None:
        """End an episode; of one of the training, keep what was learnt.

        Raises:
            StorageError: if that is not possible.
        """
        if isinstance(self.strategy, EpisodicStrategy):
            self.strategy.end_episode()
        if self._start is not None and self._start.simulation == TRAINING:
            self._folder.save(self._participant_id, self._start.episode, self.strategy.weights())
