"""A neighbourhood on UFTP, on sockets of this machine: one feeder, a DSO, two aggregators, a CRO.

The others are played by the library (`shapeshifter_uftp`) where a test wants somebody independent.
"""

from __future__ import annotations

import asyncio
import dataclasses
import logging
import queue
import socket
from base64 import b64encode
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Self
from uuid import uuid4

import aiohttp
from fastapi import HTTPException
from nacl.bindings import crypto_sign, crypto_sign_keypair
from shapeshifter_uftp import ShapeshifterAgrService, ShapeshifterCroService, ShapeshifterDsoService
from xsdata.models.datatype import XmlDate, XmlDuration

from trex_market.programmes.flexibility.aggregator import Aggregator
from trex_market.programmes.flexibility.grid_operator import GridOperator
from trex_market.programmes.flexibility.isps import Calendar
from trex_market.programmes.flexibility.messages import CongestionPoint
from trex_market.programmes.flexibility.records import AggregatorTerms, OperatorTerms, Reservation
from trex_market.throttle import Rate
from trex_market.uftp.agr import AggregatorService
from trex_market.uftp.courier import Patience
from trex_market.uftp.cro import RegisterService
from trex_market.uftp.directory import Directory, Party, Role
from trex_market.uftp.dso import GridOperatorService
from trex_market.uftp.entrance import EntranceSettings
from trex_market.uftp.library import uftp
from trex_market.uftp.reading import harden_library, write_xml
from trex_market.uftp.register import Register
from trex_market.uftp.sealing import Identity
from trex_market.uftp.service import ServiceSettings

harden_library()

ZONE = "Africa/Abidjan"  # UTC the whole year
DAY = "2026-03-02"
MORNING = int(datetime(2026, 3, 1, 12, tzinfo=UTC).timestamp())
"""The day before, at noon."""

AFTERWARDS = MORNING + 2 * 86_400
PATH = "/shapeshifter/api/v3/message"
POINT = "ea1.2026-01.demo.dso:feeder"
DSO, AGR1, AGR2, CRO = "dso.demo", "agr1.demo", "agr2.demo", "cro.demo"
CONNECTIONS = {
    AGR1: tuple(f"ea1.2026-01.demo.dso:home_{number}" for number in (1, 2)),
    AGR2: tuple(f"ea1.2026-01.demo.dso:home_{number}" for number in (3, 4)),
}
RESERVATION = Reservation("contract-1", AGR1, POINT, {70: -5_000, 71: -5_000})
QUICK = Patience(attempt_s=5, deadline_s=20, longest_pause_s=0.2, answer_s=20)


class Clock:
    """The market's time, which tests turn."""

    def __init__(self, now: float = MORNING) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def free_port() -> int:
    """Return a port that nobody uses."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def log_says(words: str) -> Iterator[asyncio.Event]:
    """Set an event as soon as our log has some words, while the context lasts."""
    said = asyncio.Event()

    class Watch(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if words in record.getMessage():
                said.set()

    watch, logger = Watch(), logging.getLogger("trex_market.uftp")
    logger.addHandler(watch)
    try:
        yield said
    finally:
        logger.removeHandler(watch)


class Neighbourhood:
    """Keys, ports and the directory of all; `dso`, `agr` and `cro` start services, which end with the context."""

    def __init__(self, skew_s: float | None = None, patience: Patience = QUICK, **entrance: Any) -> None:
        roles = {DSO: Role.DSO, AGR1: Role.AGR, AGR2: Role.AGR, CRO: Role.CRO}
        self.pairs = {domain: crypto_sign_keypair() for domain in roles}
        self.ports = {domain: free_port() for domain in roles}
        self.clock = Clock()
        self.skew_s, self.patience, self.entrance = skew_s, patience, entrance
        self.rate = Rate(per_second=100.0, burst=1_000)
        self.parties = {
            domain: Party(domain, role, f"http://127.0.0.1:{self.ports[domain]}{PATH}", self.pairs[domain][0])
            for domain, role in roles.items()
        }
        self.directory = Directory(self.parties.values())
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        await self._stack.__aenter__()
        return self

    async def __aexit__(self, *error: object) -> Any:
        return await self._stack.__aexit__(*error)

    def bar(self, domain: str) -> None:
        """Let the services that start from now on refuse a party."""
        self.parties[domain] = Party(
            **{
                **{name: getattr(self.parties[domain], name) for name in Party.__struct_fields__},
                "barred": True,
            }
        )
        self.directory = Directory(self.parties.values())

    def settings(self, domain: str) -> ServiceSettings:
        """Return how a party's service behaves."""
        entrance = EntranceSettings(port=self.ports[domain], **self.entrance)
        return ServiceSettings(entrance, self.patience, self.skew_s, closing_s=2, rate=self.rate)

    def identity(self, domain: str) -> Identity:
        """Return who a party is."""
        return Identity(domain, self.parties[domain].role, self.pairs[domain][1])

    async def dso(self, **terms: Any) -> GridOperatorService:
        """Start our DSO."""
        machine = GridOperator(operator_terms(**terms))
        service = GridOperatorService(
            machine, self.identity(DSO), self.directory, self.settings(DSO), self.clock
        )
        return await self._stack.enter_async_context(service)

    async def agr(self, domain: str, **terms: Any) -> AggregatorService:
        """Start one of our aggregators."""
        machine = Aggregator(aggregator_terms(domain, **terms))
        service = AggregatorService(
            machine, self.identity(domain), self.directory, self.settings(domain), self.clock
        )
        return await self._stack.enter_async_context(service)

    async def cro(self, register: Register | None = None) -> RegisterService:
        """Start our CRO."""
        service = RegisterService(
            register or Register(),
            Calendar(ZONE, 900),
            self.identity(CRO),
            self.directory,
            self.settings(CRO),
            self.clock,
        )
        return await self._stack.enter_async_context(service)

    async def outsider(self, domain: str = AGR1) -> Outsider:
        """Start somebody made of the library alone."""
        outsider = Outsider(self, domain)
        await asyncio.to_thread(outsider.service.run_in_thread)
        self._stack.push_async_callback(outsider.stop)
        return outsider

    async def post(self, document: bytes, **headers: str) -> tuple[int, str]:
        """Send a body to the DSO, whatever it is; return status and text of HTTP's answer."""
        async with aiohttp.ClientSession() as session:
            wanted = {"Content-Type": "text/xml; charset=utf-8", **headers}
            url = self.parties[DSO].url
            async with session.post(url, data=document, headers=wanted) as answer:
                return answer.status, await answer.text()

    def sealed(self, document: bytes, domain: str = AGR1, role: str = "AGR", key: str | None = None) -> bytes:
        """Return a document in an envelope, signed, whatever it is."""
        body = crypto_sign(document, self.pairs[key or domain][1])
        return envelope(domain, role, body)


def envelope(domain: str, role: str, body: bytes) -> bytes:
    """Return an envelope."""
    text = b64encode(body).decode()
    return f'<SignedMessage SenderDomain="{domain}" SenderRole="{role}" Body="{text}"/>'.encode()


def operator_terms(**changes: Any) -> OperatorTerms:
    """Return the terms of the DSO of the worked example."""
    connections = {name: domain for domain, names in CONNECTIONS.items() for name in names}
    point = CongestionPoint(
        POINT, 100_000, 100_000, dict(connections), mutex_offers=changes.pop("mutex_offers", True)
    )
    defaults: dict[str, Any] = {"request_life_s": 3_600, "seed": str(uuid4())}
    zone = changes.pop("time_zone", ZONE)
    return OperatorTerms(DSO, zone, 900, (point,), **{**defaults, **changes})


def aggregator_terms(domain: str, **changes: Any) -> AggregatorTerms:
    """Return the terms of an aggregator of the worked example."""
    defaults: dict[str, Any] = {"price": 200_000_000, "min_activation": 50, "seed": str(uuid4())}
    return AggregatorTerms(domain, DSO, ZONE, 900, {POINT: CONNECTIONS[domain]}, **{**defaults, **changes})


# ---------------------------------------------------------------- the library's side


SERVICES = {
    Role.AGR: ShapeshifterAgrService,
    Role.DSO: ShapeshifterDsoService,
    Role.CRO: ShapeshifterCroService,
}


class Outsider:
    """Somebody made of the library alone: a service, which keeps what it is sent, and its clients."""

    def __init__(self, there: Neighbourhood, domain: str) -> None:
        self.inbox: queue.Queue[Any] = queue.Queue()
        keys = {
            (name, str(party.role)): b64encode(party.public_key).decode()
            for name, party in there.parties.items()
        }
        urls = {(name, str(party.role)): party.url for name, party in there.parties.items()}

        def look_up(table: dict[tuple[str, str], str]) -> Any:
            def find(name: str, role: Any) -> str:
                if (name, str(role)) not in table:
                    raise HTTPException(419)
                return table[name, str(role)]

            return find

        self.role = there.parties[domain].role
        self.service = keeping(SERVICES[self.role], self.inbox)(
            domain,
            b64encode(there.pairs[domain][1]).decode(),
            key_lookup_function=look_up(keys),
            endpoint_lookup_function=look_up(urls),
            host="127.0.0.1",
            port=there.ports[domain],
            path=PATH,
        )

    async def send(self, message: Any, recipient: str | None = None) -> Any:
        """Send a message with the library's client, and return it as it was sent.

        Args:
            message: the library's.
            recipient: domain; by default the DSO, or for a DSO the first aggregator.
        """
        domain = recipient or (AGR1 if self.role is Role.DSO else DSO)
        client = self.service._get_client(domain, {DSO: "DSO", CRO: "CRO"}.get(domain, "AGR"))
        await asyncio.to_thread(client._send_message, message)
        return message

    async def receive(self, kind: type | None = None) -> Any:
        """Return the next message that came, which must be of a kind."""
        message = await asyncio.to_thread(self.inbox.get, timeout=20)
        assert kind is None or type(message) is kind, message
        return message

    async def ask(self, message: Any, recipient: str | None = None) -> Any:
        """Send a message, and return what comes next, which must be the response."""
        await self.send(message, recipient)
        return await self.receive(uftp.request_response_map[type(message)])

    async def stop(self) -> None:
        """Stop the service."""
        await asyncio.to_thread(self.service.stop)
        self.service.inbound_executor.shutdown(wait=True)
        self.service.outbound_executor.shutdown(wait=True)


def keeping(base: Any, inbox: queue.Queue[Any]) -> Any:
    """Return a class of the library's services that puts all that it is sent into a queue."""

    def keep(self: Any, message: Any, *_: Any) -> None:
        inbox.put(message)

    names = [name for name in dir(base) if name.startswith("process_") and name != "process_test_message"]
    # One thread, or the order of messages is anybody's guess.
    return type("Keeping", (base,), {**dict.fromkeys(names, keep), "num_inbound_threads": 1})


# ---------------------------------------------------------------- messages


def day() -> dict[str, Any]:
    """Return what messages on a day begin with."""
    return {
        "isp_duration": XmlDuration("PT15M"),
        "time_zone": ZONE,
        "period": XmlDate.from_string(DAY),
        "congestion_point": POINT,
    }


def header(**changes: Any) -> dict[str, Any]:
    """Return a header of a message of the first aggregator to the DSO."""
    defaults = {
        "sender_domain": AGR1,
        "recipient_domain": DSO,
        "time_stamp": "2026-03-01T12:00:00Z",
        "message_id": str(uuid4()),
        "conversation_id": str(uuid4()),
    }
    return {**defaults, **changes}


def prognosis(powers: dict[int, int], revision: int = 1, **changes: Any) -> Any:
    """Return a prognosis; ISPs that are not named have 0 W."""
    isps = [uftp.DPrognosisISP(power=powers.get(isp, 0), start=isp) for isp in range(1, 97)]
    return uftp.DPrognosis(revision=revision, isps=isps, **{**day(), **changes})


def offer(
    powers: dict[int, int], price: str, request: Any, baseline: Any, least: str = "0.50", **changes: Any
) -> Any:
    """Return an offer of one option."""
    isps = [uftp.FlexOfferOptionISP(power=power, start=isp) for isp, power in powers.items()]
    option = uftp.FlexOfferOption(
        option_reference="1", price=Decimal(price), min_activation_factor=Decimal(least), isps=isps
    )
    fields = {
        **day(),
        "expiration_date_time": "2026-03-01T12:30:00Z",
        "offer_options": [option],
        "flex_request_message_id": request and request.message_id,
        "unsolicited": None if request else True,
        "d_prognosis_message_id": baseline and baseline.message_id,
        "currency": "USD",
    }
    return uftp.FlexOffer(**{**fields, **changes})


def xml(message: Any, **changes: Any) -> bytes:
    """Return a message as XML, its header filled."""
    filled = {name: value for name, value in header().items() if getattr(message, name) is None}
    return write_xml(dataclasses.replace(message, **{**filled, **changes}))


FORECAST_1 = {69: 30_000, 70: 45_000, 71: 50_000, 72: 30_000}
FORECAST_2 = {69: 20_000, 70: 35_000, 71: 40_000, 72: 20_000}
OTHERS = [40_000 if 69 <= isp <= 72 else 0 for isp in range(1, 97)]
