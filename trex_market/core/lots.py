"""Numbers that look drawn but follow from what they are for: lots, and seeded chance."""

from __future__ import annotations

from zlib import crc32

_MASK = (1 << 64) - 1
_GOLDEN = 0x9E3779B97F4A7C15


def splitmix64(value: int) -> int:
    """Scramble a 64-bit number: SplitMix64's output function (Steele, Lea & Flood, OOPSLA 2014)."""
    value &= _MASK
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & _MASK
    return value ^ (value >> 31)


def lot(slot_start: int, participant_id: str) -> int:
    """Return a participant's lot for a slot; the lowest comes first among equals."""
    return splitmix64(slot_start + crc32(participant_id.encode()) * _GOLDEN)


def uniform(seed: int, participant_id: str, time: int, draw: int = 0) -> float:
    """Return a number in [0, 1) that depends on the arguments alone.

    Because it has no state, an array of it can be made at once and equals the numbers one by one.

    Args:
        seed: of the run and episode.
        participant_id: whose chance it is.
        time: UNIX seconds.
        draw: which number of that participant at that time.
    """
    stream = splitmix64(seed + crc32(participant_id.encode()) * _GOLDEN)
    mixed = splitmix64(stream + time * _GOLDEN + draw * 0xD1B54A32D192ED03)
    return (mixed >> 11) * 2.0**-53
