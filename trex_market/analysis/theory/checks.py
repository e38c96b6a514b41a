"""A number of the literature beside ours, and how far apart they may be."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from math import fsum, sqrt
from random import Random

import msgspec

ERRORS_ALLOWED = 4.0
"""So many standard errors: chance alone exceeds them once in 16,000 times."""


class Result(msgspec.Struct, frozen=True):
    """A number of the literature beside ours.

    Args:
        what: is measured.
        theory: the published number, or what follows from a closed form.
        ours: what was measured.
        error: standard error of ours; 0 if nothing was drawn.
        slack: half of the last digit of a published number, or its own error.
    """

    what: str
    theory: float
    ours: float
    error: float = 0.0
    slack: float = 0.0

    @property
    def tolerance(self) -> float:
        """How far apart they may be."""
        return ERRORS_ALLOWED * self.error + self.slack

    @property
    def holds(self) -> bool:
        """Whether they are that close."""
        return abs(self.ours - self.theory) <= self.tolerance + 1e-12


Experiment = Callable[[Random, int], list[Result]]
"""``(chance, draws) -> results``."""


class Theory(msgspec.Struct, frozen=True):
    """A piece of theory.

    Args:
        name: on the command line.
        title: of its table.
        source: where it was published.
        run: measures it.
        drawn: whether chance plays a part.
    """

    name: str
    title: str
    source: str
    run: Experiment
    drawn: bool = True


def mean(values: Sequence[float]) -> tuple[float, float]:
    """Return a sample's mean and its standard error."""
    count = len(values)
    average = fsum(values) / count
    variance = fsum((value - average) ** 2 for value in values) / max(1, count - 1)
    return average, sqrt(variance / count)


def variance(values: Sequence[float]) -> tuple[float, float]:
    """Return a sample's variance and its standard error."""
    count = len(values)
    average = fsum(values) / count
    squares = [(value - average) ** 2 for value in values]
    second, fourth = fsum(squares) / count, fsum(square * square for square in squares) / count
    return second * count / (count - 1), sqrt(max(0.0, fourth - second * second) / count)


def share(parts: Sequence[float], wholes: Sequence[float]) -> tuple[float, float]:
    """Return the ratio of two sums and its standard error (delta method)."""
    ratio = fsum(parts) / fsum(wholes)
    residuals = [part - ratio * whole for part, whole in zip(parts, wholes, strict=True)]
    _, error = mean(residuals)
    return ratio, error / (fsum(wholes) / len(wholes))


def exact(pairs: Iterable[tuple[str, float, float]]) -> list[Result]:
    """Make results of numbers that nothing was drawn for: what, theory, ours."""
    return [Result(what, theory, ours) for what, theory, ours in pairs]
