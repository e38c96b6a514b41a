"""For those who run a market: `/healthz`, `/readyz` and `/metrics`.

`/healthz` and `/readyz` are open to all: whoever starts processes again cannot
show a token. They say nothing about participants, nor where database and journal
are; that is for the log and the dashboard. `/metrics` needs the
observer's token where looking needs one: among few homes, totals less one's own
are the neighbour's, and Prometheus can send a token.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec
from aiohttp import hdrs, web

from trex_market.journal import Journal
from trex_market.protocol import wire
from trex_market.protocol.view import Health, Readiness
from trex_market.server.dashboard import Admit
from trex_market.server.doorkeeper import Role
from trex_market.server.metrics import Metrics, RowsSigns, free_space
from trex_market.server.watching import Watch

AWAY_S = 900
"""A database may be away for so long, in seconds; rows wait meanwhile."""

LATE_S = 5.0
LATE_SHARE = 0.1
"""A round may be late by so many seconds, or by this share of its length if that is more."""

SCARCE_BYTES = 200_000_000
"""With less space left on the journal's disk it is time to make some."""

Check = Callable[[], str | None]
"""Says in a sentence why a market does not do its work; None if it does."""


class Operations:
    """Tells how a market does.

    Args:
        watch: the market.
        metrics: its figures.
        admit: checks a request's token.
    """

    def __init__(self, watch: Watch, metrics: Metrics, admit: Admit) -> None:
        self._watch = watch
        self.metrics = metrics
        self._admit = admit
        self._checks: dict[str, Check] = {"rounds": self._late_round}

    def add_to(self, router: web.UrlDispatcher) -> None:
        """Serve the routes."""
        router.add_get("/healthz", self._healthz)
        router.add_get("/readyz", self._readyz)
        router.add_get("/metrics", self._metrics)

    def attend_journal(self, journal: Journal) -> None:
        """Look after a journal from now on."""
        self.metrics.journal = journal
        journal.on_sync = self.metrics.journal_sync.observe
        alarms = self._watch.alarms
        alarms.watch("journal", "serious", lambda: journal.trouble)
        alarms.watch("disk", "serious", lambda: _scarce(free_space(journal.path)))
        self._checks["journal"] = lambda: journal.trouble and "the journal cannot be written"

    def attend_rows(self, rows: RowsSigns) -> None:
        """Look after what records rows in the database from now on."""
        self.metrics.rows = rows
        self._watch.alarms.watch("database", "serious", lambda: rows.trouble)
        self._checks["database"] = self._long_outage

    def _late_round(self) -> str | None:
        watch = self._watch
        if watch.terms.mode != "realtime" or watch.round is None:
            return None
        step = watch.terms.step
        due = watch.round.time + step
        if watch.now() <= due + max(LATE_S, LATE_SHARE * step):
            return None
        return f"the round at {due} has not begun; the last one began at {watch.round.time}"

    def _long_outage(self) -> str | None:
        since = self._watch.alarms.since("database")
        if since is None or self._watch.now() - since <= AWAY_S:
            return None
        return f"the database takes no rows since {since}"

    # ------------------------------------------------------------ routes

    async def _healthz(self, _request: web.Request) -> web.Response:
        return _json(Health(), 200)

    async def _readyz(self, _request: web.Request) -> web.Response:
        self._watch.refresh()
        found = {name: check() for name, check in self._checks.items()}
        reasons = {name: reason for name, reason in found.items() if reason is not None}
        return _json(Readiness(ok=not reasons, reasons=reasons), 503 if reasons else 200)

    async def _metrics(self, request: web.Request) -> web.Response:
        self._admit(request, Role.OBSERVER)
        body, content_type = self.metrics.page(request.headers.get(hdrs.ACCEPT, ""))
        return web.Response(body=body, headers={hdrs.CONTENT_TYPE: content_type})


def _scarce(free: int) -> str | None:
    if free >= SCARCE_BYTES:
        return None
    return f"Only {free / 1e6:.0f} MB are left on the disk of the journal."


def _json(answer: wire.Message, status: int) -> web.Response:
    body = msgspec.json.encode(answer)
    headers = {hdrs.CACHE_CONTROL: "no-store"}
    return web.Response(body=body, status=status, content_type="application/json", headers=headers)
