"""Who trades flexibility over UFTP, by a config: directory, keys, and where each of them listens."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from trex_market.build import BASELINE, TRAINING, Study
from trex_market.config import Config
from trex_market.config.parties import PartyConfig
from trex_market.core.errors import InputError, unknown_name
from trex_market.core.units import MICRO, exact
from trex_market.flexible import connection_address, section_of
from trex_market.programmes.flexibility.payments import Parties
from trex_market.uftp.courier import Patience
from trex_market.uftp.directory import Directory, Party, Role
from trex_market.uftp.entrance import EntranceSettings
from trex_market.uftp.keys import (
    VARIABLE,
    make_pair,
    private_key,
    private_path,
    public_key,
    public_path,
    read_private,
    read_public,
)
from trex_market.uftp.sealing import Identity
from trex_market.uftp.service import ServiceSettings


class Pace(msgspec.Struct, frozen=True):
    """How long others are waited for, by the wall clock, in seconds.

    Args:
        start_s: until they are there at first.
        turn_s: until they have done what follows of what they were sent.
    """

    start_s: float = 60.0
    turn_s: float = 10.0


def parties_of(config: Config) -> Iterator[tuple[str, Role, PartyConfig]]:
    """Yield domain, role and section of all parties of a config."""
    section = section_of(config)
    yield section.operator.domain, Role.DSO, section.operator
    for domain, aggregator in section.aggregators.items():
        yield domain, Role.AGR, aggregator
    if section.registry is not None:
        yield section.registry.domain, Role.CRO, section.registry


def parties_to(config: Config, domain: str) -> Parties:
    """Return who is paid for an aggregator's orders.

    Args:
        config: with a section `flexibility`.
        domain: of the aggregator.
    """
    section = section_of(config)
    operator, aggregator = section.operator.domain, section.aggregators[domain]
    members = {connection_address(operator, name): name for name in aggregator.members}
    return Parties(operator, domain, members, round(exact(aggregator.share) * MICRO))


def market_url(config: Config) -> str:
    """Return where the market is in which all homes trade: the DSO serves it.

    Raises:
        InputError: if the config does not say.
    """
    server = config.server
    if not server.port:
        raise InputError(f"{config.source}: server.port must say where the DSO serves the market, found 0")
    return f"http://{f'[{server.host}]' if ':' in server.host else server.host}:{server.port}"


def check_episodes(study: Study) -> None:
    """Check that a study has one episode that can be played over UFTP.

    Raises:
        InputError: if there are more, or others.
    """
    others = [name for name in study.simulations if name not in (BASELINE, TRAINING)]
    if others or len(study.episodes(TRAINING)) != 1:
        raise InputError(
            f"{study.config.source}: over UFTP one episode of training is played, and its baseline; leave out "
            f"{others[0] if others else 'study.generations and all but one study.start_datetime'}"
        )


def directory_of(config: Config, keys: Path) -> Directory:
    """Return all parties of a config that are on the network.

    Args:
        config: with a section `flexibility`.
        keys: folder with the public keys that the config does not hold.

    Raises:
        InputError: if a key cannot be read.
    """
    parties = []
    for domain, role, section in parties_of(config):
        if section.url is None:
            continue
        key = (
            read_public(public_path(keys, domain, role))
            if section.public_key is None
            else public_key(section.public_key, f"public_key of {domain}")
        )
        parties.append(Party(domain, role, section.url, key, section.barred))
    return Directory(parties)


def identity_of(domain: str, role: Role, keys: Path) -> Identity:
    """Return who a party is, with its private key: from the environment, or from a folder.

    Raises:
        InputError: if there is no key.
    """
    text = os.environ.get(VARIABLE)
    if text:
        return Identity(domain, role, private_key(text, VARIABLE))
    return Identity(domain, role, read_private(private_path(keys, domain, role)))


def make_keys(config: Config, keys: Path, domains: Sequence[str]) -> Iterator[str]:
    """Make pairs of keys for those parties of a config that have none, and tell of each in a line.

    Args:
        config: with a section `flexibility`.
        keys: folder, made if it is not there.
        domains: of these alone; none for all.

    Raises:
        InputError: if there is no party of a domain, or no key can be written.
    """
    known = {domain: role for domain, role, _ in parties_of(config)}
    for domain in domains:
        if domain not in known:
            raise InputError(unknown_name("party", domain, known))
    for domain in domains or known:
        role = known[domain]
        private = private_path(keys, domain, role)
        if private.exists():
            yield f"{domain}: has a key in {private}"
        else:
            made = make_pair(keys, domain, role)
            yield f"{domain}: {made.private} (keep it), {made.public} (give it to the others): {made.text}"


def settings_of(party: Party, deadline_s: float, pace: Pace, listen: str | None = None) -> ServiceSettings:
    """Return how a party's service behaves in simulated time.

    Args:
        party: itself.
        deadline_s: how long a message may take to get to others.
        pace: how long others are waited for.
        listen: "host:port" instead of the URL's, for a service behind a proxy.

    Raises:
        InputError: if one cannot listen there.
    """
    url = urlsplit(party.url)
    place = urlsplit(f"//{listen}") if listen else url
    try:
        host, port = place.hostname, place.port
    except ValueError:
        host, port = None, None
    if host is None or port is None:
        raise InputError(
            f"{party} cannot listen at {listen or party.url}: a host and a port are needed; see --listen"
        )
    entrance = EntranceSettings(host, port, url.path or "/")
    patience = Patience(longest_pause_s=1.0, answer_s=pace.turn_s, deadline_s=deadline_s)
    # Time stamps are the study's time, which is as old as one likes.
    return ServiceSettings(entrance, patience, skew_s=None)
