"""Finding a market on the local network, by mDNS and DNS-SD (RFC 6762, RFC 6763).

Nobody vouches for an announcement: who wants to be sure of a server asks it for its certificate.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Sequence
from contextlib import suppress
from ipaddress import ip_address

import msgspec

from trex_market import __version__
from trex_market.core.errors import InputError, MissingExtraError
from trex_market.server.addresses import host_name, lan_addresses

try:
    from zeroconf import Error, InterfaceChoice, ServiceInfo, ServiceStateChange, Zeroconf
    from zeroconf.asyncio import AsyncServiceBrowser, AsyncServiceInfo, AsyncZeroconf
except ImportError as missing:
    raise MissingExtraError("finding markets on the local network", "discovery") from missing

logger = logging.getLogger(__name__)

SERVICE = "_trex-market._tcp.local."

PATH = "/socket.io"

LOOKED_FOR_S = 5.0
"""How long a market is looked for, in seconds."""

ANSWERED_WITHIN_S = 3.0
"""How long a server is waited for that was heard of, in seconds."""

LONGEST_LABEL = 63
"""Bytes of a service's name."""


class Listing(msgspec.Struct, frozen=True):
    """What a server announces of itself.

    Args:
        market_id: the market's name.
        mode: "simulation" or "realtime".
        tls: whether it speaks TLS.
        addresses: where it is.
        port: at these.
        version: of trex_market.
        path: of Socket.IO.
    """

    market_id: str
    mode: str
    tls: bool
    addresses: tuple[str, ...]
    port: int
    version: str = __version__
    path: str = PATH

    @property
    def url(self) -> str:
        """Where it can be reached."""
        parsed = [ip_address(address.partition("%")[0]) for address in self.addresses]
        # An address of the link alone needs a zone, which an URL has no place for.
        best = min(parsed, key=lambda address: (address.is_link_local, address.version))
        host = f"[{best}]" if best.version == 6 else str(best)
        return f"{'https' if self.tls else 'http'}://{host}:{self.port}"


def announced_addresses(host: str) -> tuple[str, ...]:
    """Return the addresses at which others reach a server that listens at a host."""
    try:
        parsed = ip_address(host)
    except ValueError:
        with suppress(OSError):
            return tuple(dict.fromkeys(str(place[0]) for *_, place in socket.getaddrinfo(host, None)))
        return ()
    if not parsed.is_unspecified:
        return (host,)
    return tuple(str(one) for one in lan_addresses() if parsed.version == 6 or one.version == 4)


async def keep_announced(listing: Listing, interfaces: Sequence[str] | None = None) -> None:
    """Announce a server until cancelled; a network without multicast is told in the log, and stops nothing.

    Args:
        listing: what is said of it.
        interfaces: addresses of those that are used; None for all.
    """
    name = f"{_label(listing)}.{SERVICE}"
    properties = {
        "market": listing.market_id,
        "version": listing.version,
        "mode": listing.mode,
        "path": listing.path,
        "tls": "1" if listing.tls else "0",
    }
    try:
        zeroconf = _opened(interfaces)
    except OSError as error:
        logger.warning("the market cannot be announced: %s", str(error))
        return
    try:
        service = ServiceInfo(
            SERVICE,
            name,
            port=listing.port,
            properties=properties,
            server=f"{host_name()}.local.",
            parsed_addresses=list(listing.addresses),
        )
        await (await zeroconf.async_register_service(service, allow_name_change=True))
        logger.info("announced on the local network as %s", service.name)
        await asyncio.get_running_loop().create_future()
    except (Error, OSError, ValueError) as error:
        logger.warning("the market cannot be announced: %s", str(error) or type(error).__name__)
    finally:
        await zeroconf.async_unregister_all_services()
        await zeroconf.async_close()


async def discover(
    market_id: str | None = None,
    *,
    tls_only: bool = False,
    within: float = LOOKED_FOR_S,
    interfaces: Sequence[str] | None = None,
) -> Listing:
    """Find a market on the local network.

    Args:
        market_id: which; None for the only one that there is.
        tls_only: whether a server without TLS is passed over: its announcement may be anybody's.
        within: how long it is looked for, in seconds; if it is named, no longer than until it is found.
        interfaces: addresses of those that are used; None for all.

    Raises:
        InputError: if there is none, or more than one to choose from.
    """
    found: dict[str, Listing] = {}
    try:
        zeroconf = _opened(interfaces)
    except OSError as error:
        raise InputError(
            f"this machine cannot look for markets by multicast ({error}); name the URL"
        ) from error
    names: asyncio.Queue[str] = asyncio.Queue()

    def changed(
        zeroconf: Zeroconf,  # noqa: ARG001 - called by name
        service_type: str,  # noqa: ARG001
        name: str,
        state_change: ServiceStateChange,
    ) -> None:
        if state_change is not ServiceStateChange.Removed:
            names.put_nowait(name)

    browser = AsyncServiceBrowser(zeroconf.zeroconf, SERVICE, handlers=[changed])
    try:
        with suppress(TimeoutError):
            async with asyncio.timeout(within):
                while not _chosen(found, market_id, tls_only=tls_only):
                    name = await names.get()
                    listing = await _asked(zeroconf, name)
                    if listing is not None:
                        found[name] = listing
    finally:
        await browser.async_cancel()
        await zeroconf.async_close()
    return _only(list(found.values()), market_id, within, tls_only=tls_only)


def _opened(interfaces: Sequence[str] | None) -> AsyncZeroconf:
    return AsyncZeroconf(interfaces=InterfaceChoice.All if interfaces is None else list(interfaces))


def _label(listing: Listing) -> str:
    """Return a name that no other server of this network has, cut between two characters so that it fits."""
    place = f" ({host_name()[:40]}:{listing.port})"
    market_id = listing.market_id.encode()[: LONGEST_LABEL - len(place)].decode(errors="ignore")
    return market_id + place


async def _asked(zeroconf: AsyncZeroconf, name: str) -> Listing | None:
    """Ask what is announced under a name; None if that is not to be found out, or is no market."""
    service = AsyncServiceInfo(SERVICE, name)
    if not await service.async_request(zeroconf.zeroconf, ANSWERED_WITHIN_S * 1_000):
        return None
    properties = service.decoded_properties
    addresses = tuple(service.parsed_scoped_addresses())
    market_id = properties.get("market")
    if not addresses or not service.port or market_id is None:
        return None
    return Listing(
        market_id,
        properties.get("mode") or "",
        properties.get("tls") == "1",
        addresses,
        service.port,
        properties.get("version") or "",
        properties.get("path") or PATH,
    )


def _chosen(found: dict[str, Listing], market_id: str | None, *, tls_only: bool) -> bool:
    """Say whether what was asked for by name is there."""
    return market_id is not None and any(
        one.market_id == market_id and (one.tls or not tls_only) for one in found.values()
    )


def _only(found: list[Listing], market_id: str | None, within: float, *, tls_only: bool) -> Listing:
    fitting = [one for one in found if market_id in (None, one.market_id) and (one.tls or not tls_only)]
    if len(fitting) == 1 or (fitting and market_id is not None):
        return fitting[0]
    listed = ", ".join(sorted(f"{one.market_id} at {one.url}" for one in found))
    if fitting:
        raise InputError(f"several markets were found, choose one with --market: {listed}")
    wanted = "no market" if market_id is None else f"no market {market_id!r}"
    if tls_only:
        wanted += " with TLS"
    if found:
        raise InputError(f"{wanted} was found on the local network; there are: {listed}")
    raise InputError(
        f"{wanted} was found on the local network within {within:g} s; name its URL, or let its server say "
        "--announce; some networks pass no multicast"
    )
