"""The numbers of `trex_market.core.lots`, for compiled code: equal to them bit for bit.

A participant is known by its checksum, made once with `checksums`.
"""

from __future__ import annotations

from collections.abc import Sequence
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from trex_market.kernels.compiled import compiled

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_DRAW = np.uint64(0xD1B54A32D192ED03)
_FIRST = np.uint64(0xBF58476D1CE4E5B9)
_SECOND = np.uint64(0x94D049BB133111EB)
_SIGN = np.uint64(1 << 63)


def checksums(participant_ids: Sequence[str]) -> NDArray[np.uint64]:
    """Return the checksum of each id, from which lots and chance are made."""
    return np.array([crc32(participant_id.encode()) for participant_id in participant_ids], dtype=np.uint64)


@compiled
def splitmix64(value: np.uint64) -> np.uint64:
    """Scramble a 64-bit number; see `trex_market.core.lots.splitmix64`."""
    number = np.uint64(value)  # with a sign it would become a float where the two kinds meet
    number = (number ^ (number >> np.uint64(30))) * _FIRST
    number = (number ^ (number >> np.uint64(27))) * _SECOND
    return number ^ (number >> np.uint64(31))


@compiled
def lot(slot_start: int, checksum: np.uint64) -> np.uint64:
    """Return a participant's lot for a slot; the lowest comes first among equals."""
    return splitmix64(np.uint64(slot_start) + np.uint64(checksum) * _GOLDEN)


@compiled
def rank(slot_start: int, checksum: np.uint64) -> np.int64:
    """Return a participant's lot as a signed number of the same order, fit for a column of ranks."""
    return np.int64(lot(slot_start, checksum) ^ _SIGN)


@compiled
def stream(seed: int, checksum: np.uint64) -> np.uint64:
    """Return where a participant's chance starts: what `drawn` needs, made once for each run and episode."""
    return splitmix64(np.uint64(seed) + np.uint64(checksum) * _GOLDEN)


@compiled
def drawn(start: np.uint64, time: int, draw: int) -> float:
    """Return the number in [0, 1) at a time, from a participant's `stream`."""
    mixed = splitmix64(np.uint64(start) + np.uint64(time) * _GOLDEN + np.uint64(draw) * _DRAW)
    return np.float64(mixed >> np.uint64(11)) * 2.0**-53


@compiled
def uniform(seed: int, checksum: np.uint64, time: int, draw: int) -> float:
    """Return a number in [0, 1) that depends on the arguments alone; see `trex_market.core.lots.uniform`."""
    return drawn(stream(seed, checksum), time, draw)
