"""The virtual top node: what VENs are told of a market's events, and what becomes of their answers.

A VEN is a participant: its name, and the id that it is given, are the participant's. optIn commits each of its
devices to what it is asked to shed; optOut declines, and after the deadline leaves the event.
"""

from __future__ import annotations

import logging
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any, Literal

import msgspec
from aiohttp import web

from trex_market.core.errors import InputError, ProtocolError
from trex_market.openadr.events import OpenAdrStatus, Part, openadr_event, parts_of
from trex_market.openadr.filtering import filtered
from trex_market.openadr.library import errors, make_server
from trex_market.openadr.market import MarketEvents

logger = logging.getLogger(__name__)

LOOPBACK = ("127.0.0.1", "localhost", "::1")

PATH = "/OpenADR2/Simple/2.0b"

NOTHING: tuple[str, dict[str, Any]] = ("oadrResponse", {})


class NodeSettings(msgspec.Struct, frozen=True):
    """How a virtual top node is served.

    Args:
        vtn_id: its id; OpenADR wants it in capitals.
        host: at which address.
        port: at which port; 0 for any that is free.
        poll_s: VENs are told to ask so often.
        vens: ids of participants that may come as VENs -> their certificates' fingerprints; None for all.
        tls: of the server, with client certificates required; None for plain HTTP.
    """

    vtn_id: str = "TREX"
    host: str = "127.0.0.1"
    port: int = 8080
    poll_s: float = 10.0
    vens: Mapping[str, str | None] | None = None
    tls: ssl.SSLContext | None = None


def check_settings(settings: NodeSettings) -> None:
    """Check that only those are let in who can be told apart.

    Raises:
        InputError: if others could come in.
    """
    if settings.tls is None:
        if settings.host not in LOOPBACK:
            raise InputError(
                f"--host {settings.host} lets other machines in, where whoever knows a VEN's name would be that VEN; "
                "say --tls-cert, --tls-key and --tls-ca, and --ven NAME=FINGERPRINT for each"
            )
        if any((settings.vens or {}).values()):
            raise InputError(
                "a fingerprint is of a certificate, and goes with --tls-cert, --tls-key and --tls-ca"
            )
        return
    unknown = [name for name, fingerprint in (settings.vens or {}).items() if not fingerprint]
    if not settings.vens or unknown:
        named = f"; without: {', '.join(unknown)}" if unknown else ""
        raise InputError(f"with TLS each VEN has a certificate, --ven NAME=FINGERPRINT{named}")


class VirtualTopNode:
    """Answers VENs.

    Args:
        market: whose events these are.
        settings: how it is served.
    """

    def __init__(self, market: MarketEvents, settings: NodeSettings) -> None:
        check_settings(settings)
        self._market = market
        self._settings = settings
        self._told: dict[str, list[tuple[str, OpenAdrStatus]]] = {}
        self._heard: dict[str, dict[str, OpenAdrStatus]] = {}
        """VEN -> event -> how it stood when the VEN answered last."""
        server = make_server(
            settings.vtn_id,
            http_path_prefix=PATH,
            requested_poll_freq=timedelta(seconds=settings.poll_s),
            ven_lookup=self._look_up,
            verify_message_signatures=False,  # the connection's certificate says who it is
        )
        server.add_handler("on_create_party_registration", self._register)
        server.add_handler("on_cancel_party_registration", self._deregister)
        server.add_handler("on_register_report", self._take_no_report)
        server.add_handler("on_created_event", self._answered)
        server.add_handler("on_poll", self._poll)
        # The library's own way works out by its own clock how an event stands.
        server.services["event_service"].handlers["oadrRequestEvent"] = self._request_events
        self._application: web.Application = server.app
        hosts = LOOPBACK if settings.tls is None else None
        self._application.middlewares.append(filtered(market.refresh, hosts))

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[str]:
        """Serve for as long as the context lasts; yields the URL.

        Raises:
            InputError: if the port is taken.
        """
        settings = self._settings
        runner = web.AppRunner(self._application, access_log=None)
        await runner.setup()
        try:
            try:
                await web.TCPSite(runner, settings.host, settings.port, ssl_context=settings.tls).start()
            except OSError as error:
                raise InputError(f"cannot listen at {settings.host}:{settings.port}: {error}") from error
            port = runner.addresses[0][1]
            scheme = "http" if settings.tls is None else "https"
            host = f"[{settings.host}]" if ":" in settings.host else settings.host
            yield f"{scheme}://{host}:{port}{PATH}"
        finally:
            await runner.cleanup()

    # ------------------------------------------------------------ who is there

    def _is_known(self, name: object) -> bool:
        allowed = self._settings.vens is None or name in self._settings.vens
        return allowed and name in self._market.participants

    def _fingerprint(self, name: str) -> str | None:
        return None if self._settings.vens is None else self._settings.vens.get(name)

    def _look_up(self, ven_id: str) -> dict[str, Any] | None:
        if not self._is_known(ven_id):
            return None
        return {
            "ven_id": ven_id,
            "ven_name": ven_id,
            "registration_id": _registration_id(ven_id),
            "fingerprint": self._fingerprint(ven_id),
        }

    def _register(self, payload: Mapping[str, Any]) -> tuple[str, str] | Literal[False]:
        name = payload.get("ven_name")
        if not isinstance(name, str) or not self._is_known(name):
            logger.warning("%r wanted to register as a VEN, and is no participant that may", name)
            return False
        if self._settings.tls is not None and payload.get("fingerprint") != self._fingerprint(name):
            logger.warning("%r wanted to register as a VEN with another certificate than its own", name)
            return False
        self._forget(name)
        return name, _registration_id(name)

    def _deregister(self, payload: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
        name = payload["ven_id"]
        self._forget(name)
        return "oadrCanceledPartyRegistration", {
            "registration_id": payload.get("registration_id"),
            "ven_id": name,
        }

    def _forget(self, name: str) -> None:
        """Tell a VEN everything anew."""
        self._told.pop(name, None)
        self._heard.pop(name, None)

    async def _take_no_report(self, _report: Mapping[str, Any]) -> None:
        """Ask for no reports: devices report to the market."""

    # ------------------------------------------------------------ events

    def _parts(self, name: str) -> list[Part]:
        return parts_of(list(self._market.events.values()), name)

    async def _poll(self, ven_id: str) -> tuple[str, dict[str, Any]]:
        """Tell a VEN of all its events if one has changed, or has not been answered."""
        parts = self._parts(ven_id)
        standing = [(part.event.event_id, part.status) for part in parts]
        heard = self._heard.get(ven_id, {})
        waiting = any(heard.get(event_id) != status != "completed" for event_id, status in standing)
        if not waiting and self._told.get(ven_id, []) == standing:
            return NOTHING
        return self._distributed(ven_id, parts)

    async def _request_events(self, payload: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
        name = payload["ven_id"]
        parts = self._parts(name)
        return self._distributed(name, parts) if parts else NOTHING

    def _distributed(self, name: str, parts: list[Part]) -> tuple[str, dict[str, Any]]:
        self._told[name] = [(part.event.event_id, part.status) for part in parts]
        if not parts:
            return NOTHING
        return "oadrDistributeEvent", {"events": [openadr_event(part, name) for part in parts]}

    async def _answered(self, ven_id: str, event_id: str, opt_type: str) -> None:
        """Take a VEN's answer.

        Raises:
            InvalidIdError: if there is no such event for it.
            NotAllowedError: if the market refuses the answer.
        """
        part = next((one for one in self._parts(ven_id) if one.event.event_id == event_id), None)
        if part is None:
            raise errors.InvalidIdError(f"there is no event {event_id!r} for {ven_id!r}")
        self._heard.setdefault(ven_id, {})[event_id] = part.status
        if part.is_over:
            return
        accept = opt_type == "optIn"
        refused: ProtocolError | None = None
        for device_id in part.unlike(accept=accept):
            try:
                await self._market.answer(event_id, device_id, accept=accept)
            except ProtocolError as error:
                refused = refused or error
        if refused is not None:
            logger.warning("%s of %r to event %r was refused: %s", opt_type, ven_id, event_id, refused)
            raise errors.NotAllowedError(str(refused))


def _registration_id(name: str) -> str:
    return f"{name}-registered"
