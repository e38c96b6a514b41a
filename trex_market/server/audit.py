"""Who was refused what: a line of the log `trex_market.audit` for each refusal.

A line says who (id and address), what, the code and the detail; never a token. So
that a flood cannot fill the disk, each visitor has so many lines in a minute, and
what is left out is counted and told at the minute's end.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator

import msgspec

from trex_market.core.errors import ProtocolError, RefusalCode
from trex_market.protocol import wire
from trex_market.throttle import network_of

logger = logging.getLogger("trex_market.audit")

PERIOD_S = 60.0
LINES_EACH = 20
"""Lines for one visitor in a period."""

LINES_IN_ALL = 1_000
"""Lines for all visitors together in a period."""

VISITORS_TOLD_APART = 1_000
"""In a period; all further ones count as one."""

LONGEST = 200
"""Characters of a text that a line takes over."""

SERIOUS = frozenset({RefusalCode.UNAUTHORISED, RefusalCode.UNKNOWN_PARTICIPANT, RefusalCode.RATE_LIMITED})
"""What may be an attack, and is a warning; all else is in the run of business."""


class Visitor(msgspec.Struct, frozen=True):
    """Somebody who asks for something.

    Args:
        address: where from, as text; "" if that is not known.
        name: who it says it is: a participant's id, "operator", "observer"; None for nobody yet.
        known: whether that was proven.
    """

    address: str = ""
    name: str | None = None
    known: bool = False


class _Period:
    """What was written of a visitor in the running period."""

    def __init__(self, visitor: Visitor, end: asyncio.TimerHandle) -> None:
        self.visitor = visitor
        self.end = end
        self.lines = 0
        self.left_out = 0


class Audit:
    """Writes refusals down."""

    def __init__(self) -> None:
        self._periods: dict[str, _Period] = {}
        self._in_all = 0
        self._all_end: asyncio.TimerHandle | None = None

    def refused(self, who: Visitor, what: str, why: ProtocolError | wire.Result) -> None:
        """Write that somebody was refused something.

        Args:
            who: the visitor.
            what: it wanted: an event's name, or an HTTP method and path.
            why: code and detail.
        """
        code = RefusalCode.MALFORMED if why.code is msgspec.UNSET else RefusalCode(why.code)
        level = logging.WARNING if code in SERIOUS else logging.INFO
        if not logger.isEnabledFor(level):
            return
        period = self._period(who)
        if period.lines >= LINES_EACH or self._in_all >= LINES_IN_ALL:
            period.left_out += 1
            return
        period.lines += 1
        self._in_all += 1
        if self._all_end is None:
            self._all_end = asyncio.get_running_loop().call_later(PERIOD_S, self._end_all)
        detail = _short(str(why.detail))
        fields = {"who": _short(who.name or ""), "address": who.address, "what": _short(what)}
        logger.log(
            level,
            "refused %s to %s: %s: %s",
            fields["what"],
            _shown(who),
            code.value,
            detail,
            extra={**fields, "known": who.known, "code": code.value, "detail": detail},
        )

    def answered(self, who: Visitor, what: str, answer: wire.Message) -> None:
        """Write down all that an answer refuses; one to several orders may refuse some of them."""
        for refusal in refusals(answer):
            self.refused(who, what, refusal)

    def close(self) -> None:
        """Tell what was left out until now."""
        for key in list(self._periods):
            self._end(key)
        if self._all_end is not None:
            self._all_end.cancel()

    def _period(self, who: Visitor) -> _Period:
        key = f"{network_of(who.address)} {who.name if who.known else ''}"
        if key not in self._periods and len(self._periods) >= VISITORS_TOLD_APART:
            key, who = "", Visitor("many")
        period = self._periods.get(key)
        if period is None:
            loop = asyncio.get_running_loop()
            period = _Period(who, loop.call_later(PERIOD_S, self._end, key))
            self._periods[key] = period
        return period

    def _end(self, key: str) -> None:
        period = self._periods.pop(key)
        period.end.cancel()
        if period.left_out:
            who = period.visitor
            logger.warning(
                "%d further refusals to %s in the last %.0f s were left out",
                period.left_out,
                _shown(who) if who.known else f"visitors at {who.address}",
                PERIOD_S,
                extra={"address": who.address, "left_out": period.left_out},
            )

    def _end_all(self) -> None:
        self._in_all = 0
        self._all_end = None


def refusals(answer: wire.Message) -> Iterator[wire.Result]:
    """Return the refusals that an answer holds."""
    match answer:
        case wire.Result():
            results: list[wire.Result] = [answer]
        case wire.Answers():
            results = list(answer.results)
        case wire.TurnTaken():
            results = [*answer.cancelled, *answer.orders, *([answer.meter] if answer.meter else [])]
        case _:
            return
    for result in results:
        if not result.ok:
            yield result


def _shown(who: Visitor) -> str:
    if who.name is None:
        return f"somebody at {who.address}"
    return (
        f"{_short(who.name)!r} at {who.address}"
        if who.known
        else f"somebody as {_short(who.name)!r} at {who.address}"
    )


def _short(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}..."
