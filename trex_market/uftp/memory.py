"""What a service must not forget when it is started again: what its machine knows, and which messages were there.

The file is written as a whole, beside the old one and renamed, before anything
goes out that follows of what is in it. So whoever was answered, or sent a
message, is not contradicted after a crash.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from pathlib import Path
from typing import TypeVar

import msgspec

from trex_market.core.errors import InputError

State = TypeVar("State", bound=msgspec.Struct)


class KeptMessage(msgspec.Struct, frozen=True):
    """A message that was taken.

    Args:
        sender: whose.
        message_id: its own.
        digest: of its XML.
        left_s: how long it must be remembered, in seconds from the moment of writing.
        answer: XML of what was answered; None for nothing.
    """

    sender: str
    message_id: str
    digest: bytes
    left_s: float
    answer: str | None = None


class _Kept(msgspec.Struct):
    written_at: float
    machine: msgspec.Raw
    messages: list[KeptMessage]


class Memory:
    """A file in which a service keeps what it must not forget.

    Args:
        path: of the file; it need not be there.

    Raises:
        InputError: if there is one that cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._kept: _Kept | None = None
        try:
            self._kept = msgspec.json.decode(path.read_bytes(), type=_Kept)
        except FileNotFoundError:
            pass
        except (OSError, msgspec.DecodeError) as error:
            raise InputError(f"{path}: cannot be read: {error}") from error

    def state(self, kind: type[State]) -> State | None:
        """Return what a machine knew; None if nothing was kept.

        Args:
            kind: of its state.

        Raises:
            InputError: if it is of another kind.
        """
        if self._kept is None:
            return None
        try:
            return msgspec.json.decode(self._kept.machine, type=kind)
        except msgspec.DecodeError as error:
            raise InputError(f"{self._path}: holds no {kind.__name__}: {error}") from error

    def messages(self) -> list[KeptMessage]:
        """Return the messages that are still to be remembered."""
        if self._kept is None:
            return []
        passed = max(0.0, time.time() - self._kept.written_at)
        return [
            msgspec.structs.replace(message, left_s=message.left_s - passed)
            for message in self._kept.messages
            if message.left_s > passed
        ]

    def write(self, state: msgspec.Struct | None, messages: Iterable[KeptMessage]) -> None:
        """Keep all that must not be forgotten.

        Args:
            state: of the machine.
            messages: that were taken.

        Raises:
            OSError: if it cannot be written.
        """
        kept = _Kept(time.time(), msgspec.Raw(msgspec.json.encode(state)), list(messages))
        beside = self._path.with_name(self._path.name + ".new")
        # What was agreed on is nobody else's business.
        with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(msgspec.json.encode(kept))
            file.flush()
            os.fsync(file.fileno())
        beside.replace(self._path)
