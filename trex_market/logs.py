"""What a server writes to its log: lines of text, or of JSON for those who read many."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Any

LOGGERS = ("trex_market", "participants")
"""Ours; all others tell warnings and errors alone, whatever the level: what libraries say for debugging holds what
goes over the wire, tokens included."""

LEVELS = ("debug", "info", "warning", "error")

TALKATIVE = ("socketio.server", "engineio.server", "socketio.client", "engineio.client")

_USUAL = frozenset([*vars(logging.makeLogRecord({})), "message", "asctime", "taskName"])
"""What every record has; all else was given with the message."""


def configure(level: str, style: str) -> None:
    """Say what is logged on standard error, and how.

    Args:
        level: one of `LEVELS`: the lowest of ours that is written.
        style: "text" or "json".
    """
    root = logging.getLogger()
    for old in [handler for handler in root.handlers if isinstance(handler, _StandardError)]:
        root.removeHandler(old)
    handler = _StandardError()
    handler.setFormatter(JsonLines() if style == "json" else PlainLines())
    root.addHandler(handler)
    for name in LOGGERS:
        logging.getLogger(name).setLevel(level.upper())
    for name in TALKATIVE:
        # With a level of their own they add no handler of their own.
        logging.getLogger(name).setLevel(logging.ERROR)


class _StandardError(logging.Handler):
    """Writes to standard error, whatever that is at the moment."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record."""
        try:
            sys.stderr.write(self.format(record) + "\n")
            sys.stderr.flush()
        except (OSError, ValueError):
            self.handleError(record)


class PlainLines(logging.Formatter):
    """`2026-01-02T03:04:05Z WARNING trex_market.audit: the message`, one line whatever the message holds."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:  # noqa: ARG002, N802
        """Write the time in UTC."""
        return _time(record).isoformat(timespec="seconds").replace("+00:00", "Z")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - the base's name
        """Write the line without what would end it, or would speak to a terminal."""
        line = super().formatMessage(record)
        return line if line.isprintable() else "".join(map(_printable, line))


class JsonLines(logging.Formatter):
    """An object a line: time, level, logger, message, and the fields that were given with the message."""

    def format(self, record: logging.LogRecord) -> str:
        """Write a record."""
        fields: dict[str, Any] = {
            "time": _time(record).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        # Libraries that are loaded beside us may add private ones of their own.
        fields |= {
            name: value
            for name, value in vars(record).items()
            if name not in _USUAL | fields.keys() and not name.startswith("_")
        }
        if record.exc_info:
            fields["exception"] = self.formatException(record.exc_info)
        if record.stack_info:
            fields["stack"] = record.stack_info
        return json.dumps(fields, default=str)


def _time(record: logging.LogRecord) -> datetime:
    return datetime.fromtimestamp(record.created, UTC)


def _printable(letter: str) -> str:
    return letter if letter.isprintable() else letter.encode("unicode_escape", "surrogatepass").decode()
