"""Spaces of observations and actions, as Gymnasium has them. Needs the extra `learning`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from gymnasium.spaces import Box
from numpy.typing import NDArray

from trex_market.learning.actions import LEVERS
from trex_market.learning.features import features

Numbers = NDArray[np.float32]
"""An observation, or an action."""


def observation_space(close_steps: int, forecast_slots: int) -> Box:
    """Return a new space of observations; see `features`."""
    rows = features(close_steps, forecast_slots)
    low, high = [row.low for row in rows], [row.high for row in rows]
    return Box(np.array(low, np.float32), np.array(high, np.float32), dtype=np.float32)


def action_space() -> Box:
    """Return a new space of actions; see `LEVERS`."""
    return Box(-1.0, 1.0, (len(LEVERS),), np.float32)


def observation(values: Sequence[float]) -> Numbers:
    """Return an observation as an array."""
    return np.array(values, dtype=np.float32)
