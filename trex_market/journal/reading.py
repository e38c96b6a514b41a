"""A scenario or journal to commands."""

from __future__ import annotations

import json
from codecs import BOM_UTF8
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from zlib import crc32

from trex_market.config import open_command_from_scenario
from trex_market.core.errors import ProtocolError, ScenarioError
from trex_market.core.messages import ChangeRejected, Command, MeterRejected, OrderRejected, Refused
from trex_market.journal.lines import Position, check_line
from trex_market.protocol import parse_command

BEGINNING = Position()
PIECE_BYTES = 1_000_000


def read_commands(path: Path, since: Position = BEGINNING) -> Iterator[tuple[str, Command | Refused]]:
    """Read a scenario or journal.

    Args:
        path: the file.
        since: of a journal, after which place.

    Yields:
        where the line is ("file:line"), and its command, or what becomes of a request that cannot be one.

    Raises:
        ScenarioError: if the file cannot be read, or a line is no command at all.
    """
    for where, record in _records(path, since):
        yield where, _command(record, where)


def verify(path: Path, since: Position = BEGINNING) -> int:
    """Check a scenario or journal: each line is a command, and none is missing or changed.

    Args:
        path: the file.
        since: of a journal, after which place.

    Returns:
        how many lines there are.

    Raises:
        ScenarioError: at the first line that is wrong.
    """
    return sum(1 for _ in read_commands(path, since))


def leads_to(path: Path, position: Position) -> bool:
    """Tell whether a journal is, up to a position, the one of which the position was taken: by its checksum."""
    try:
        with path.open("rb") as file:
            checksum, rest = 0, position.offset
            while rest and (piece := file.read(min(rest, PIECE_BYTES))):
                checksum = crc32(piece, checksum)
                rest -= len(piece)
    except OSError as error:
        raise ScenarioError(f"{path}: cannot be read: {error.strerror or error}") from error
    return not rest and checksum == position.checksum


def export(path: Path, scenario: Path) -> int:
    """Write a journal as a plain scenario: the same lines, without numbers and checksums.

    Returns:
        how many lines there are.

    Raises:
        ScenarioError: at the first line that is wrong, or if the scenario cannot be written.
    """
    count = 0
    try:
        with scenario.open("x", encoding="utf-8") as file:
            for where, record in _records(path, BEGINNING):
                _command(record, where)
                plain = {key: value for key, value in record.items() if key not in ("seq", "crc")}
                file.write(json.dumps(plain) + "\n")
                count += 1
    except OSError as error:
        raise ScenarioError(f"{scenario}: cannot be written: {error.strerror or error}") from error
    return count


def _records(path: Path, since: Position) -> Iterator[tuple[str, dict[str, Any]]]:
    last: int | None = since.sequence or None
    try:
        with path.open("rb") as lines:
            if since.offset:  # a pipe cannot be sought
                lines.seek(since.offset)
            for number, line in enumerate(lines, start=since.sequence + 1):
                if not line.strip():
                    continue
                where = f"{path}:{number}"
                record = _record(line.removeprefix(BOM_UTF8), where)
                check_line(line, record, where)
                last = _sequence(record, last, where)
                yield where, record
    except OSError as error:
        raise ScenarioError(f"{path}: cannot be read: {error.strerror or error}") from error


def _sequence(record: dict[str, Any], last: int | None, where: str) -> int | None:
    """Check that a journal's line follows the one before it."""
    sequence = record.get("seq")
    if sequence is None and last is None:
        return None
    expected = 1 if last is None else last + 1
    if sequence != expected:
        raise ScenarioError(f"{where}: lines are missing: found number {sequence!r}, expected {expected}")
    return expected


def _record(line: bytes, where: str) -> dict[str, Any]:
    try:
        text = line.decode()
        record = json.loads(text)
        if "\\u" in text:  # half of a surrogate pair is JSON, but no text that a database takes
            json.dumps(record, ensure_ascii=False).encode()
    except json.JSONDecodeError as error:
        raise ScenarioError(f"{where}: is not JSON: {error.msg} at column {error.colno}") from error
    except UnicodeError as error:
        raise ScenarioError(f"{where}: is not UTF-8 text: {error}") from error
    except (ValueError, RecursionError) as error:
        raise ScenarioError(f"{where}: is not JSON that can be read: {error}") from error
    if not isinstance(record, dict):
        raise ScenarioError(f"{where}: must be an object with a command, found {text.strip()[:60]}")
    return record


def _command(record: dict[str, Any], where: str) -> Command | Refused:
    if record.get("command") == "open_market":
        section = record.get("market")
        if not isinstance(section, Mapping):
            raise ScenarioError(f"{where}: open_market needs 'market', an object; found {section!r}")
        return open_command_from_scenario(dict(section), where)
    try:
        return parse_command(record)
    except ProtocolError as error:
        refused = _refused(record, error)
        if refused is None:
            raise ScenarioError(f"{where}: {error.detail}") from error
        return refused


def _refused(record: dict[str, Any], error: ProtocolError) -> Refused | None:
    """Make the refusal of a request whose values are wrong; None if it is not even a request."""
    participant_id, order_id = record.get("participant_id"), record.get("uuid")
    if not isinstance(participant_id, str) or not isinstance(record.get("time"), int):
        return None
    match record.get("command"):
        case "report_meter" | "read_registers":
            return MeterRejected(participant_id, error.code, error.detail)
        case "submit_bid" | "submit_ask" if isinstance(order_id, str) and order_id:
            return OrderRejected(order_id, participant_id, error.code, error.detail)
        case "replace_order" if isinstance(order_id, str) and order_id:
            return ChangeRejected(order_id, participant_id, error.code, error.detail)
    return None
