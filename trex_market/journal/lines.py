"""One line of a journal: a command as JSON, its running number and its checksum."""

from __future__ import annotations

from typing import Any
from zlib import crc32

import msgspec

from trex_market.config import scenario_from_open_command
from trex_market.core.errors import ScenarioError
from trex_market.core.messages import Command, OpenMarket
from trex_market.protocol import command_record

_MARK = b',"crc":"'


class Position(msgspec.Struct, frozen=True):
    """A place in a journal, after one of its lines.

    Args:
        sequence: number of that line; 0 at the beginning.
        offset: bytes up to there.
        checksum: CRC-32 of these bytes.
    """

    sequence: int = 0
    offset: int = 0
    checksum: int = 0

    def after(self, line: bytes) -> Position:
        """Return the place after one more line."""
        return Position(self.sequence + 1, self.offset + len(line), crc32(line, self.checksum))


def journal_line(command: Command, sequence: int) -> bytes:
    """Return a command's line.

    Args:
        command: any but `EndTurn`, which changes nothing that lasts.
        sequence: the line's number, from 1.
    """
    if isinstance(command, OpenMarket):
        record: dict[str, Any] = {"command": "open_market", "market": scenario_from_open_command(command)}
    else:
        record = command_record(command)
    body = msgspec.json.encode({"seq": sequence, **record})[:-1]
    return b'%s%s%08x"}\n' % (body, _MARK, crc32(body))


def check_line(line: bytes, record: dict[str, Any], where: str) -> None:
    """Check a line's checksum, if it has one.

    Raises:
        ScenarioError: if the line was changed.
    """
    if "crc" not in record:
        return
    body, mark, _ = line.rpartition(_MARK)
    if not mark or record["crc"] != f"{crc32(body):08x}":
        raise ScenarioError(f"{where}: the line is damaged: its checksum does not fit")
