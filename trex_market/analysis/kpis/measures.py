"""Measures of numbers that KPIs share: ratios, spreads, equality."""

from __future__ import annotations

from collections.abc import Sequence
from math import fsum, sqrt

WH_PER_KWH = 1000


def ratio(part: float, whole: float) -> float | None:
    """Return part / whole; None if the whole is 0."""
    return part / whole if whole else None


def percent(part: float, whole: float) -> float | None:
    """Return 100 part / whole; None if the whole is 0."""
    return 100 * part / whole if whole else None


def weighted_quantile(values: Sequence[int], weights: Sequence[int], place: float) -> float | None:
    """Return the smallest value below or at which lies at least a share of the weight.

    Args:
        values: in ascending order.
        weights: of each.
        place: the share, from 0 to 1.
    """
    limit = place * sum(weights)
    reached = 0
    for value, weight in zip(values, weights, strict=True):
        reached += weight
        if weight > 0 and reached >= limit:
            return value
    return None


def weighted_deviation(values: Sequence[int], weights: Sequence[int]) -> float | None:
    """Return the standard deviation of values with weights; None without weight.

    The squares are summed as whole numbers, so that nothing is lost.
    """
    whole = sum(weights)
    if whole <= 0:
        return None
    first = sum(value * weight for value, weight in zip(values, weights, strict=True))
    second = sum(value * value * weight for value, weight in zip(values, weights, strict=True))
    return sqrt(max(0, whole * second - first * first)) / whole


def gini(values: Sequence[float]) -> float | None:
    """Return the Gini coefficient, sum_ij |x_i - x_j| / (2 n^2 mean); None unless the mean is above 0.

    0 is equality; (n - 1) / n means that one has everything. With values below 0 it can exceed 1.

    Source: C. Gini, 1912; as CityLearn's `equity_gini_benefit`.
    """
    ordered = sorted(values)
    total = fsum(ordered)
    if not ordered or total <= 0:
        return None
    count = len(ordered)
    # sum_ij |x_i - x_j| = 2 sum_i (2i - n - 1) x_i, over the sorted values and i from 1
    spread = fsum((2 * place - count - 1) * value for place, value in enumerate(ordered, start=1))
    return spread / (count * total)


def jain(values: Sequence[float]) -> float | None:
    """Return Jain's index, (sum x)^2 / (n sum x^2); None if all are 0.

    1 is equality; 1 / n means that one has everything.

    Source: R. Jain, D.-M. Chiu and W. Hawe, DEC-TR-301, 1984.
    """
    squares = fsum(value * value for value in values)
    return fsum(values) ** 2 / (len(values) * squares) if squares else None


def least_to_most(values: Sequence[float]) -> float | None:
    """Return min x / max x; None unless the largest is above 0.

    Source: F. Moret and P. Pinson, IEEE Transactions on Power Systems 34(5), 2019.
    """
    most = max(values, default=0)
    return min(values) / most if most > 0 else None


def quality_of_experience(values: Sequence[float], low: float, high: float) -> float | None:
    """Return 1 - sigma / sigma_max, sigma_max = (high - low) / 2; None without values or range.

    Args:
        values: what each got.
        low: the lowest that there could be.
        high: the highest that there could be.

    Source: T. Hossfeld et al., IEEE Communications Letters 21(1), 2017; for markets Moret and Pinson, 2019.
    """
    if not values or high <= low:
        return None
    mean = fsum(values) / len(values)
    sigma = sqrt(fsum((value - mean) ** 2 for value in values) / len(values))
    return 1 - 2 * sigma / (high - low)
