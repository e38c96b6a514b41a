"""Messages of UFTP and their responses over HTTP on this machine, beside the bare library's own services.

On both sides an aggregator sends, a DSO accepts and answers, and the aggregator has the answer; two messages each.
Ours checks signature, schema, sender, recipient and repetition besides; the library's services run in threads.
"""

from __future__ import annotations

import asyncio
import queue
import socket
from base64 import b64encode
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from logging import getLogger
from time import perf_counter
from typing import Any
from uuid import uuid4

from nacl.bindings import crypto_sign_keypair
from shapeshifter_uftp import ShapeshifterAgrService, ShapeshifterDsoService
from xsdata.models.datatype import XmlDate, XmlDuration

from trex_market.benchmarks.figures import Figure
from trex_market.throttle import Rate
from trex_market.uftp.directory import Directory, Party, Role
from trex_market.uftp.entrance import EntranceSettings
from trex_market.uftp.library import uftp
from trex_market.uftp.reading import harden_library
from trex_market.uftp.roles import AgrService, DsoService
from trex_market.uftp.sealing import Identity
from trex_market.uftp.service import ServiceSettings

DSO, AGR = "dso.demo", "agr.demo"
PATH = "/shapeshifter/api/v3/message"
MESSAGES = 300
SENDERS = (1, 4)
WITHOUT_LIMIT = Rate(per_second=1e9, burst=10**9)

Make = Callable[[], Any]


def uftp_messages() -> list[Figure]:
    """Exchange offers of 4 ISPs and prognoses of 96 elements."""
    figures = []
    for what, make in (("FlexOffer of 4 ISPs", _offer), ("D-Prognosis of 96 elements", _prognosis)):
        for senders in SENDERS:
            ours = asyncio.run(our_pairs(make, senders))
            bare = library_pairs(make, senders)
            note = "a pair is a message and its response"
            beside = "shapeshifter-uftp's services, in threads of one process"
            figures.append(Figure("uftp", f"{what}, senders", senders, ours, "pairs/s", bare, beside, note))
    return figures


async def our_pairs(make: Make, senders: int) -> float:
    """Return how many pairs per second our services exchange.

    Args:
        make: makes a message.
        senders: how many send at the same time.
    """
    keys, urls = _keys(), _urls()
    roles = {DSO: Role.DSO, AGR: Role.AGR}
    directory = Directory(Party(name, role, urls[name], keys[name][0]) for name, role in roles.items())

    def settings(name: str) -> ServiceSettings:
        entrance = EntranceSettings(port=_port(urls[name]), path=PATH, rate=WITHOUT_LIMIT)
        return ServiceSettings(entrance, rate=WITHOUT_LIMIT)

    dso = DsoService(Identity(DSO, Role.DSO, keys[DSO][1]), directory, settings(DSO))
    agr = AgrService(Identity(AGR, Role.AGR, keys[AGR][1]), directory, settings(AGR))
    async with dso, agr:
        client = agr.dso_client(DSO)
        await client.ask(make())

        async def send() -> None:
            for _ in range(MESSAGES // senders):
                await client.ask(make())

        began = perf_counter()
        await asyncio.gather(*(send() for _ in range(senders)))
        return MESSAGES // senders * senders / (perf_counter() - began)


def library_pairs(make: Make, senders: int) -> float:
    """Return how many pairs per second the library's services exchange; see `our_pairs`."""
    harden_library()
    keys, urls = _keys(), _urls()
    answered: dict[str, queue.Queue[None]] = {}

    def answer(self: Any, message: Any) -> None:
        kind = uftp.request_response_map[type(message)]
        name = "d_prognosis_message_id" if kind is uftp.DPrognosisResponse else "flex_offer_message_id"
        response = kind(**{name: message.message_id, "conversation_id": message.conversation_id})
        self.agr_client(AGR)._send_message(response)  # noqa: SLF001 - all of its own methods come to this

    def note(_: Any, message: Any) -> None:
        answered[message.conversation_id].put(None)

    dso = _bare(ShapeshifterDsoService, DSO, answer, keys, urls)
    agr = _bare(ShapeshifterAgrService, AGR, note, keys, urls)
    for name in ("uvicorn.access", "uvicorn.error"):
        getLogger(name).setLevel("ERROR")

    def send(count: int) -> None:
        client = agr.dso_client(DSO)
        for _ in range(count):
            message = make()
            message.conversation_id = str(uuid4())
            answered[message.conversation_id] = queue.Queue()
            client._send_message(message)  # noqa: SLF001 - likewise
            answered[message.conversation_id].get(timeout=60)

    with dso, agr, ThreadPoolExecutor(senders) as threads:
        send(1)
        began = perf_counter()
        list(threads.map(send, [MESSAGES // senders] * senders))
        speed = MESSAGES // senders * senders / (perf_counter() - began)
    for service in (dso, agr):
        service.inbound_executor.shutdown()
        service.outbound_executor.shutdown()
    return speed


def _bare(base: Any, domain: str, handle: Any, keys: dict[str, Any], urls: dict[str, str]) -> Any:
    """Return a service of the library that does one thing with all that it is sent."""
    names = [name for name in dir(base) if name.startswith("process_")]
    return type("Bare", (base,), dict.fromkeys(names, handle))(
        domain,
        b64encode(keys[domain][1]).decode(),
        key_lookup_function=lambda name, _: b64encode(keys[name][0]).decode(),
        endpoint_lookup_function=lambda name, _: urls[name],
        host="127.0.0.1",
        port=_port(urls[domain]),
        path=PATH,
    )


def _keys() -> dict[str, tuple[bytes, bytes]]:
    return {name: crypto_sign_keypair() for name in (DSO, AGR)}


def _urls() -> dict[str, str]:
    urls = {}
    for name in (DSO, AGR):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            urls[name] = f"http://127.0.0.1:{probe.getsockname()[1]}{PATH}"
    return urls


def _port(url: str) -> int:
    return int(url.rpartition(":")[2].partition("/")[0])


def _day() -> dict[str, Any]:
    return {
        "isp_duration": XmlDuration("PT15M"),
        "time_zone": "Africa/Abidjan",
        "period": XmlDate(2026, 3, 2),
        "congestion_point": "ea1.2026-01.demo.dso:feeder",
    }


def _offer() -> Any:
    isps = [uftp.FlexOfferOptionISP(power=-1_000, start=start) for start in range(69, 73)]
    option = uftp.FlexOfferOption(
        option_reference="1", price=Decimal("1.5"), min_activation_factor=Decimal("0.5"), isps=isps
    )
    return uftp.FlexOffer(
        expiration_date_time="2026-03-02T12:00:00Z",
        offer_options=[option],
        unsolicited=True,
        d_prognosis_message_id=str(uuid4()),
        **_day(),
    )


def _prognosis() -> Any:
    isps = [uftp.DPrognosisISP(power=start, start=start) for start in range(1, 97)]
    return uftp.DPrognosis(revision=1, isps=isps, **_day())
