"""A market, the virtual top node beside it, and the library's own client as a VEN; all over real sockets."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Self

from openleadr import OpenADRClient

from tests.server.responding import Place, place
from trex_market.openadr.market import MarketEvents
from trex_market.openadr.node import NodeSettings, VirtualTopNode

NEVER_S = 86_400.0
"""VENs poll when tests say so."""


class Site:
    """A market and its virtual top node.

    Args:
        market: the market.
        url: of the node.
        start: of events, UNIX seconds; two hours from now.
    """

    def __init__(self, market: Place, url: str, start: int) -> None:
        self.market = market
        self.url = url
        self.start = start

    async def invites(self, **fields: Any) -> Any:
        """Invite devices to an hour, in which all together shed 1.2 kWh, and return the event."""
        return await self.market.invites(
            **({"start": self.start, "load_percent": None, "load_kwh": 1.2} | fields)
        )

    async def devices(self, event_id: str = "noon") -> dict[str, Any]:
        """Return how devices stand in an event."""
        found = (await self.market.gets(f"/dr/events/{event_id}"))["found"]
        return {one["device_id"]: one for one in found["devices"]}


@asynccontextmanager
async def site(folder: Path, **changes: Any) -> AsyncIterator[Site]:
    """Open a market whose clock tests set, and a virtual top node that asks it each time."""
    now = int(time.time())
    async with place(folder, now=now) as market:
        async with MarketEvents(market.server.own_url, None, 0.0) as events:
            settings = NodeSettings(**({"port": 0, "poll_s": NEVER_S} | changes))
            async with VirtualTopNode(events, settings).serving() as url:
                yield Site(market, url, now + 7200)


class Ven:
    """A VEN that answers as it is told, and keeps what it hears.

    Args:
        name: its name.
        url: of the node.
        opt: its answer.
        options: further ones of the library's client.
    """

    def __init__(self, name: str, url: str, opt: str = "optIn", **options: Any) -> None:
        self.client = OpenADRClient(name, url, show_fingerprint=False, **options)
        self.opt = opt
        self.heard: list[dict[str, Any]] = []
        self.client.add_handler("on_event", self._hear)
        self.client.add_handler("on_update_event", self._hear)

    async def _hear(self, event: dict[str, Any]) -> str:
        self.heard.append(event)
        return self.opt

    async def __aenter__(self) -> Self:
        await self.client.run()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.client.stop()

    async def polls(self) -> None:
        """Ask for news, and answer."""
        await self.client._poll()

    async def answers(self, opt: str, event_id: str = "noon") -> int:
        """Answer once more, and return the response's code."""
        response = {
            "response_code": 200,
            "response_description": "OK",
            "request_id": "again",
            "event_id": event_id,
            "modification_number": 0,
            "opt_type": opt,
        }
        message = self.client._create_message(
            "oadrCreatedEvent", response=response, event_responses=[response], ven_id=self.client.ven_id
        )
        _, payload = await self.client._perform_request("EiEvent", message)
        return int(payload["response"]["response_code"])

    async def states(self) -> dict[str, str]:
        """Ask for all events, and return how they stand."""
        kind, payload = await self.client.request_event()
        if kind == "oadrResponse":
            return {}
        described = [event["event_descriptor"] for event in payload["events"]]
        return {one["event_id"]: one["event_status"] for one in described}
