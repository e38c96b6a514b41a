"""The batteries that a data set gives its participants."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import msgspec


class StorageData(msgspec.Struct, frozen=True):
    """A battery as a config describes it.

    Args:
        capacity: Wh.
        power: W.
        efficiency: one way, above 0 to 1.
        monthly_sdr: share of its charge that it loses by itself in a month, 0 to 1.
    """

    capacity: int
    power: int
    efficiency: float
    monthly_sdr: float = 0.0


@runtime_checkable
class StorageSource(Protocol):
    """A source of profiles that knows batteries, too."""

    def storages(self) -> dict[str, StorageData]:
        """Return participant id -> battery, of those who have one.

        Raises:
            ProfileError: if the data cannot be read, or a battery is impossible.
        """


@runtime_checkable
class PriceSource(Protocol):
    """A source of profiles that knows what its participants are charged."""

    def prices(self) -> list[tuple[int, str]]:
        """Return the end of each period (UNIX seconds) and its price ($/kWh, as written); none if there are none.

        Raises:
            ProfileError: if the data cannot be read.
        """


@runtime_checkable
class RemarkSource(Protocol):
    """A source of profiles that has to say what it had to choose, or left out."""

    def remarks(self) -> list[str]:
        """Return a sentence for each choice.

        Raises:
            ProfileError: if the data cannot be read.
        """
