"""A market's demand response over HTTP, as its operator sees it."""

from __future__ import annotations

import asyncio
import ssl
from time import monotonic
from types import TracebackType
from typing import Self, TypeVar
from urllib.parse import quote

import aiohttp
import msgspec

from trex_market.core.errors import DeliveryError, InputError, ProtocolError, RefusalCode
from trex_market.protocol import dr_wire, wire

TIMEOUT_S = 10.0

SHOWN_S = 3600
"""Events that have been over for longer are not asked for."""

DEVICES_AGE_S = 60.0
"""Whose devices there are is asked again after so long."""

MessageT = TypeVar("MessageT", bound=wire.Message)


class MarketEvents:
    """A market's events and participants, asked for again when they are older than allowed.

    Args:
        url: of the market.
        token: the operator's; None for an open market.
        max_age_s: how old what is known may be.
        trusted: what certificates are checked against; None for what the system trusts.
    """

    def __init__(
        self, url: str, token: str | None, max_age_s: float, trusted: ssl.SSLContext | None = None
    ) -> None:
        self._url = url.rstrip("/")
        self._headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        self._max_age_s = max_age_s
        self._ssl: ssl.SSLContext | bool = True if trusted is None else trusted
        self._lock = asyncio.Lock()
        self._events_at: float | None = None
        self._devices_at: float | None = None
        self._after = 0
        self.events: dict[str, dr_wire.DrEventState] = {}
        """By id."""
        self.participants: frozenset[str] = frozenset()
        """Ids of those who have devices."""

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            headers=self._headers, timeout=aiohttp.ClientTimeout(total=TIMEOUT_S)
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._session.close()

    async def refresh(self) -> None:
        """Ask the market again, if what is known is too old.

        Raises:
            DeliveryError: if it cannot be reached, or does not answer as it should.
            InputError: if it refuses the token, or has no demand response.
        """
        async with self._lock:
            now = monotonic()
            if self._devices_at is None or now > self._devices_at + DEVICES_AGE_S:
                devices = await self._ask("GET", "/dr/devices", dr_wire.Devices)
                self.participants = frozenset(one.participant_id for one in devices.devices)
                self._devices_at = now
            if self._events_at is None or now > self._events_at + self._max_age_s:
                overview = await self._ask("GET", f"/dr/events?after={self._after}", dr_wire.DrOverview)
                self.events = {one.event_id: one for one in overview.events}
                self._after = max(0, overview.time - SHOWN_S)
                self._events_at = now

    async def answer(self, event_id: str, device_id: str, *, accept: bool) -> None:
        """Answer for a device; if it accepts, it sheds what it is asked for.

        Raises:
            ProtocolError: if that is refused.
            DeliveryError: as `refresh`.
            InputError: as `refresh`.
        """
        given = msgspec.json.encode(dr_wire.GivenAnswer(device_id=device_id, accept=accept))
        path = f"/dr/events/{quote(event_id, safe='')}/answer"
        taken = await self._ask("POST", path, dr_wire.EventTaken, given)
        self.events[event_id] = taken.made

    async def _ask(self, method: str, path: str, kind: type[MessageT], body: bytes | None = None) -> MessageT:
        try:
            async with self._session.request(method, self._url + path, data=body, ssl=self._ssl) as response:
                answer = await response.read()
                status = response.status
        except (aiohttp.ClientError, TimeoutError) as error:
            raise DeliveryError(f"the market at {self._url} cannot be reached: {error}") from error
        try:
            if status == 200:
                return msgspec.json.decode(answer, type=kind)
            refused = msgspec.json.decode(answer, type=wire.Result)
        except msgspec.MsgspecError as error:
            raise DeliveryError(
                f"{self._url}{path} answers with status {status}, and not as a market with demand response does"
            ) from error
        if status == 401:
            raise InputError(f"the market at {self._url} wants its operator's token: {refused.detail}")
        raise ProtocolError(refused.code or RefusalCode.MALFORMED, refused.detail or "")
