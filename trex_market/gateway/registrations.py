"""Aggregators, and whose assets and areas are whose; on the wall clock they outlive the process."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import msgspec

from trex_market.core.errors import InputError, ProtocolError, RefusalCode


class Aggregator(msgspec.Struct):
    """Somebody who trades for assets.

    Args:
        uuid: its own.
        name: as its user calls it.
        user: who made it.
        devices: UUIDs of the assets and areas that it has.
    """

    uuid: str
    name: str
    user: str
    devices: list[str] = msgspec.field(default_factory=list)


class _Kept(msgspec.Struct):
    """What is written down.

    Args:
        aggregators: all of them.
        unregistered: UUIDs of assets that were taken out.
        metered: ids of participants whose energy was measured.
    """

    aggregators: list[Aggregator] = msgspec.field(default_factory=list)
    unregistered: list[str] = msgspec.field(default_factory=list)
    metered: list[str] = msgspec.field(default_factory=list)


class Registrations:
    """Who has what.

    Args:
        path: where it is written down; None for nowhere.

    Raises:
        InputError: if what is written there is no good.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        kept = _Kept()
        if path is not None and path.exists():
            try:
                kept = msgspec.json.decode(path.read_bytes(), type=_Kept)
            except msgspec.DecodeError as error:
                raise InputError(f"{path}: {error}; take it away, and all aggregators begin anew") from error
        self._kept = kept
        self._by_uuid = {one.uuid: one for one in kept.aggregators}
        self._owner = {device: one for one in kept.aggregators for device in one.devices}
        self.changed: Callable[[], None] = lambda: None

    def _write(self) -> None:
        if self._path is not None:
            beside = self._path.with_suffix(".new")
            beside.write_bytes(msgspec.json.encode(self._kept))
            beside.replace(self._path)
        self.changed()

    # ------------------------------------------------------------ aggregators

    def of_user(self, user: str) -> list[Aggregator]:
        """Return a user's aggregators."""
        return [one for one in self._kept.aggregators if one.user == user]

    @property
    def all(self) -> list[Aggregator]:
        """All aggregators."""
        return list(self._kept.aggregators)

    def find(self, uuid: object) -> Aggregator | None:
        """Return the aggregator of a UUID."""
        return self._by_uuid.get(uuid) if isinstance(uuid, str) else None

    def create(self, name: str, user: str, uuid: str | None = None) -> Aggregator:
        """Make an aggregator, or return the user's of this name.

        Args:
            name: its name.
            user: whose.
            uuid: None for a new one.
        """
        for one in self.of_user(user):
            if one.name == name and uuid is None:
                return one
        made = Aggregator(uuid or str(uuid4()), name, user)
        self._kept.aggregators.append(made)
        self._by_uuid[made.uuid] = made
        self._write()
        return made

    def delete(self, aggregator: Aggregator) -> None:
        """Forget an aggregator; its assets are free."""
        for device in aggregator.devices:
            self._owner.pop(device, None)
        self._by_uuid.pop(aggregator.uuid, None)
        self._kept.aggregators.remove(aggregator)
        self._write()

    # ------------------------------------------------------------ devices

    def owner(self, device: str) -> Aggregator | None:
        """Return the aggregator that has an asset or area."""
        return self._owner.get(device)

    def select(self, aggregator: Aggregator, device: str) -> None:
        """Give an asset or area to an aggregator.

        Raises:
            ProtocolError: unauthorised, if another one has it.
        """
        owner = self._owner.get(device)
        if owner is aggregator:
            return
        if owner is not None:
            raise ProtocolError(RefusalCode.UNAUTHORISED, f"{device} is another aggregator's")
        aggregator.devices.append(device)
        self._owner[device] = aggregator
        self._write()

    def unselect(self, aggregator: Aggregator, device: str) -> bool:
        """Take an asset or area from an aggregator; say whether it had it."""
        if self._owner.get(device) is not aggregator:
            return False
        aggregator.devices.remove(device)
        del self._owner[device]
        self._write()
        return True

    @property
    def names(self) -> dict[str, str]:
        """UUID of each asset and area that somebody has -> the aggregator's name."""
        return {device: one.name for device, one in self._owner.items()}

    @property
    def unregistered(self) -> frozenset[str]:
        """UUIDs of assets that were taken out."""
        return frozenset(self._kept.unregistered)

    def register(self, device: str, *, registered: bool) -> None:
        """Put an asset or area in, or take it out."""
        if registered == (device not in self._kept.unregistered):
            return
        if registered:
            self._kept.unregistered.remove(device)
        else:
            self._kept.unregistered.append(device)
        self._write()

    # ------------------------------------------------------------ meters

    def is_metered(self, participant_id: str) -> bool:
        """Say whether a home's energy was ever measured by an agent."""
        return participant_id in self._kept.metered

    def note_metered(self, participant_id: str) -> None:
        """Remember that a home's energy is measured."""
        if participant_id not in self._kept.metered:
            self._kept.metered.append(participant_id)
            self._write()
