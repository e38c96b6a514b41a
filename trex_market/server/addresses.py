"""This machine's names and addresses on the local network."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import suppress
from ipaddress import IPv4Address, IPv6Address, ip_address

Address = IPv4Address | IPv6Address

_FAR = {socket.AF_INET: ("192.0.2.1", 9), socket.AF_INET6: ("2001:db8::1", 9)}
"""Addresses that nobody has (RFC 5737, RFC 3849): the way there goes out of the network, and nothing is sent."""


def host_name() -> str:
    """Return this machine's name, without a domain."""
    return socket.gethostname().partition(".")[0].lower() or "localhost"


def lan_addresses() -> list[Address]:
    """Return the addresses at which others on the network reach this machine, as far as they can be found."""
    found = dict.fromkeys([*_outward(), *_named()])
    return [one for one in found if not (one.is_loopback or one.is_unspecified or one.is_link_local)]


def _outward() -> Iterator[Address]:
    for family, far in _FAR.items():
        with suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect(far)
            yield ip_address(probe.getsockname()[0].partition("%")[0])


def _named() -> Iterator[Address]:
    with suppress(OSError):
        for *_, place in socket.getaddrinfo(socket.gethostname(), None):
            yield ip_address(str(place[0]).partition("%")[0])
