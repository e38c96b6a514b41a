"""What a person should know at once: what is wrong now, and what went wrong in the last day."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from trex_market.protocol.view import Alarm, Level

SHOWN_S = 86_400
"""How long something that has happened is worth telling, in seconds."""

KEPT = 20

ORDER: tuple[Level, ...] = ("serious", "warning", "note")

Condition = Callable[[], str | None]
"""Says in a sentence what is wrong; None if nothing is."""


class _Watched(msgspec.Struct):
    """A condition, and since when it holds."""

    level: Level
    condition: Condition
    since: int | None = None


class Alarms:
    """Keeps alarms, a bounded number of them.

    Args:
        now: tells the time, UNIX seconds.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._watched: dict[str, _Watched] = {}
        self._happened: dict[tuple[str, str], Alarm] = {}

    def watch(self, code: str, level: Level, condition: Condition) -> None:
        """Raise an alarm for as long as a condition holds.

        Args:
            code: its kind; a later condition of the same kind takes the place of the earlier.
            level: how bad it is.
            condition: asked whenever alarms are looked at.
        """
        self._watched[code] = _Watched(level, condition)

    def tell(self, code: str, level: Level, text: str, about: str = "") -> None:
        """Raise an alarm for something that has happened; it is shown for a day.

        Args:
            code: its kind.
            level: how bad it is.
            text: a sentence.
            about: whom or what it is about; it takes the place of an earlier one of the same kind.
        """
        self._happened.pop((code, about), None)
        self._happened[code, about] = _alarm(code, level, text, int(self._now()))
        if len(self._happened) > KEPT:
            del self._happened[next(iter(self._happened))]

    def warn(self, text: str) -> None:
        """Raise an alarm for something that has happened to the market's rounds."""
        self.tell("rounds", "warning", text, text)

    def since(self, code: str) -> int | None:
        """Return since when a condition holds, as far as somebody looked, UNIX seconds; None if it does not."""
        watched = self._watched.get(code)
        if watched is None or watched.condition() is None:
            return None
        return int(self._now()) if watched.since is None else watched.since

    def current(self) -> list[Alarm]:
        """Return all alarms, the most serious and then the newest first."""
        now = int(self._now())
        alarms = [alarm for alarm in self._happened.values() if now - alarm.since < SHOWN_S]
        for code, watched in self._watched.items():
            text = watched.condition()
            if text is None:
                watched.since = None
                continue
            if watched.since is None:
                watched.since = now
            alarms.append(_alarm(code, watched.level, text, watched.since))
        return sorted(alarms, key=lambda alarm: (ORDER.index(alarm.level), -alarm.since))


def _alarm(code: str, level: Level, text: str, since: int) -> Alarm:
    """Make an alarm whose text is a sentence as it is written."""
    return Alarm(code=code, level=level, text=f"{text[:1].upper()}{text[1:].rstrip('.')}.", since=since)
