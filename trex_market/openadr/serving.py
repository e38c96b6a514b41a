"""`trex-market openadr vtn`: a virtual top node beside a market, until it is stopped."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Sequence

from trex_market.core.errors import DeliveryError, InputError, unknown_name
from trex_market.openadr.market import MarketEvents
from trex_market.openadr.node import NodeSettings, VirtualTopNode

_FINGERPRINT = re.compile(r"([0-9A-F]{2}:){9}[0-9A-F]{2}")


def vens_of(named: Sequence[str]) -> dict[str, str | None] | None:
    """Read who may come as a VEN.

    Args:
        named: each a participant's id, with "=" and a certificate's fingerprint or without.

    Returns:
        participant id -> fingerprint; None for all participants.

    Raises:
        InputError: if a fingerprint is none.
    """
    vens: dict[str, str | None] = {}
    for text in named:
        name, _, given = text.rpartition("=") if "=" in text else (text, "", "")
        fingerprint = given.upper() or None
        if fingerprint is not None and not _FINGERPRINT.fullmatch(fingerprint):
            raise InputError(
                f"--ven {text}: a fingerprint is the last ten bytes of the certificate's SHA-256, such as "
                f"00:11:22:33:44:55:66:77:88:99, found {given!r}"
            )
        vens[name] = fingerprint
    return vens or None


async def serve_node(
    market: MarketEvents, settings: NodeSettings, say: Callable[[str], None], stopped: asyncio.Event
) -> None:
    """Serve a virtual top node until it is stopped; it goes on while the market is away.

    Args:
        market: whose events are shown.
        settings: of the node.
        say: tells a person something.
        stopped: when it is set, the node ends.

    Raises:
        InputError: if the market refuses the token, has no such participants, or the port is taken.
    """
    async with market:
        try:
            await market.refresh()
        except DeliveryError as error:
            say(f"{error}; VENs are told to come later until it can be")
        else:
            _check_vens(market, settings)
        async with VirtualTopNode(market, settings).serving() as url:
            say(f"VTN {settings.vtn_id} at {url}")
            await stopped.wait()


def _check_vens(market: MarketEvents, settings: NodeSettings) -> None:
    for name in settings.vens or ():
        if name not in market.participants:
            raise InputError(f"--ven: {unknown_name('participant with devices', name, market.participants)}")
