"""What anybody may send to an open port: it is refused with HTTP's word, and nothing changes."""

from __future__ import annotations

import asyncio
from base64 import b64encode
from typing import Any
from uuid import uuid4

import aiohttp
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from nacl.bindings import crypto_sign_keypair

from tests.uftp.helpers import AGR1, AGR2, DSO, PATH, Neighbourhood, envelope, header, prognosis, xml
from trex_market.core.errors import ProtocolError
from trex_market.throttle import Rate
from trex_market.uftp.library import uftp
from trex_market.uftp.reading import read_message, read_signed, write_xml

BOMB = """<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaaaaaaaa">{}]><x>&l9;</x>""".format(
    "".join(f'<!ENTITY l{n} "{"&l" + str(n - 1) + ";" if n else "&a;"}">' * 1 for n in range(10))
)
EXTERNAL = '<!DOCTYPE x [<!ENTITY x SYSTEM "file:///etc/passwd">]>'


async def test_signatures_and_senders() -> None:
    async with Neighbourhood() as there:
        dso = await there.dso()
        document = xml(prognosis({}))
        _, stranger = crypto_sign_keypair()
        there.pairs["stranger.demo"] = (b"", stranger)
        signed = there.sealed(document)
        statuses = {
            "unknown domain": await there.post(there.sealed(document, "stranger.demo")),
            "another's key": await there.post(there.sealed(document, AGR1, key=AGR2)),
            "a stranger's key": await there.post(there.sealed(document, AGR1, key="stranger.demo")),
            "another role and key": await there.post(there.sealed(document, DSO, "AGR", key=AGR1)),
            "no signature": await there.post(envelope(AGR1, "AGR", document)),
            "nothing": await there.post(envelope(AGR1, "AGR", b"")),
            "one bit": await there.post(flipped(signed)),
        }
        assert {name: status for name, (status, _) in statuses.items()} == {
            "unknown domain": 419,
            "another's key": 401,
            "a stranger's key": 401,
            "another role and key": 419,
            "no signature": 401,
            "nothing": 401,
            "one bit": 401,
        }
        assert "stranger.demo" in statuses["unknown domain"][1]
        assert not dso.machine.state().prognoses


def flipped(document: bytes) -> bytes:
    """Return an envelope with another letter in its body."""
    place = document.index(b"Body=") + 50
    return document[:place] + (b"A" if document[place : place + 1] != b"A" else b"B") + document[place + 1 :]


async def test_what_is_no_xml_of_the_schema() -> None:
    async with Neighbourhood() as there:
        dso = await there.dso()
        good = xml(prognosis({}))
        inner = {
            "not closed": good.replace(b"</D-Prognosis>", b""),
            "text for a number": good.replace(b'Power="0"', b'Power="abc"', 1),
            "Python's number": good.replace(b'Power="0"', b'Power="1_0"', 1),
            "an endless number": good.replace(b'Power="0"', b'Power="' + b"9" * 500 + b'"', 1),
            "unknown attribute": good.replace(b'Power="0"', b'Power="0" Unit="kW"', 1),
            "twice the same": good.replace(b'Power="0"', b'Power="0" Power="1"', 1),
            "unknown element": good.replace(b"</D-Prognosis>", b"<Extra/></D-Prognosis>"),
            "a lacking attribute": good.replace(b'Revision="1"', b""),
            "the version is lacking": good.replace(b'Version="3.1.0"', b""),
            "no elements": good[: good.index(b"<ISP")] + b"</D-Prognosis>",
            "a day that there is not": good.replace(b"2026-03-02", b"2026-02-30"),
            "a time that there is not": good.replace(b"2026-03-01T12:00:00Z", b"2026-13-01T12:00:00Z"),
            "no time zone": good.replace(b"Africa/Abidjan", b"UTC"),
            "no domain": good.replace(b'SenderDomain="agr1.demo"', b'SenderDomain="localhost"'),
            "no place": good.replace(b"ea1.2026-01", b"somewhere"),
            "text": good.replace(b"</D-Prognosis>", b"text</D-Prognosis>"),
            "another root": b"<Anything/>",
            "a class of ours": b'<Party domain="x"/>',
            "a document type": good.replace(b"<D-Prognosis", b"<!DOCTYPE x []><D-Prognosis", 1),
            "an external entity": good.replace(b"<D-Prognosis", EXTERNAL.encode() + b"<D-Prognosis", 1),
            "an entity bomb": BOMB.encode(),
            "UTF-16": good.decode().replace("UTF-8", "UTF-16").encode("utf-16"),
            "says UTF-16": good.replace(b"UTF-8", b"UTF-16"),
            "says another encoding": good.replace(b"UTF-8", b"UTF-7"),
            "nothing": b"",
            "zeros": bytes(100),
            "many elements": good.replace(b"<ISP", b'<ISP Power="0" Start="1"/>' * 2_000 + b"<ISP", 1),
            "deep": b"<a>" * 20_000,
        }
        assert all(document != good for document in inner.values())
        found = {name: (await there.post(there.sealed(document)))[0] for name, document in inner.items()}
        assert found == dict.fromkeys(inner, 400)
        signed = there.sealed(good)
        outer = {
            "not closed": signed[:-2],
            "another root": b"<Message/>",
            "no base64": b'<SignedMessage SenderDomain="agr1.demo" SenderRole="AGR" Body="!"/>',
            "no role": signed.replace(b'"AGR"', b'"KING"'),
            "a document type": b"<!DOCTYPE x []>" + signed,
            "an external entity": EXTERNAL.encode() + signed.replace(AGR1.encode(), b"&x;"),
            "an entity bomb": BOMB.encode(),
            "nothing": b"",
        }
        found = {name: (await there.post(document))[0] for name, document in outer.items()}
        assert found == dict.fromkeys(outer, 400)
        assert not dso.machine.state().prognoses
        assert (await there.post(signed))[0] == 200
        assert dso.machine.state().prognoses


async def test_what_http_refuses() -> None:
    async with Neighbourhood() as there:
        dso = await there.dso()
        signed = there.sealed(xml(prognosis({})))
        assert (await there.post(signed + b" " * 300_000))[0] == 413
        assert (await there.post(signed, **{"Content-Type": "application/json"}))[0] == 400
        assert (await there.post(signed, **{"Content-Type": "text/xml; charset=utf-16"}))[0] == 400

        async def in_pieces() -> Any:
            yield signed

        async with aiohttp.ClientSession() as session:
            headers = {"Content-Type": "text/xml"}
            async with session.post(dso.url, data=in_pieces(), headers=headers) as answer:
                assert answer.status == 411
            async with session.get(dso.url) as answer:
                assert answer.status == 405
            async with session.get(dso.url.replace(PATH, "/docs")) as answer:
                assert answer.status == 404
        # A body that never comes holds up nobody else.
        _, writer = await asyncio.open_connection("127.0.0.1", there.ports[DSO])
        head = f"POST {PATH} HTTP/1.1\r\nHost: x\r\nContent-Type: text/xml\r\nContent-Length: 1000\r\n\r\n<"
        writer.write(head.encode())
        await writer.drain()
        assert (await there.post(signed))[0] == 200
        writer.close()
        assert len(dso.machine.state().prognosis_days) == 1


async def test_a_flood_is_told_to_come_later() -> None:
    async with Neighbourhood(rate=Rate(per_second=1e-9, burst=3)) as there:
        dso = await there.dso()
        statuses = [(await there.post(b"junk"))[0] for _ in range(3)]
        assert statuses == [400] * 3
        assert (await there.post(there.sealed(xml(prognosis({})))))[0] == 429
        assert not dso.machine.state().prognoses


async def test_one_sender_that_talks_too_much_holds_up_no_other() -> None:
    async with Neighbourhood() as there:
        there.rate = Rate(per_second=1e-9, burst=1)
        dso = await there.dso()
        statuses = []
        for domain in (AGR1, AGR1, AGR2):
            document = xml(prognosis({}), sender_domain=domain)
            statuses.append((await there.post(there.sealed(document, domain)))[0])
        assert statuses == [200, 429, 200]
        assert len(dso.machine.state().prognosis_days) == 2


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_a_damaged_document_is_read_as_it_was_or_refused(data: st.DataObject) -> None:
    message = prognosis({70: -5}, **header(message_id=str(uuid4())))
    document = bytearray(write_xml(message))
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(document) - 1))
        document[place] = data.draw(st.integers(0, 255))
    try:
        found = read_message(bytes(document))
    except ProtocolError:
        return
    assert type(found) is uftp.DPrognosis
    assert read_message(write_xml(found)) == found


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_junk_is_refused(junk: bytes) -> None:
    body = b64encode(junk).decode()
    for read, document in (
        (read_message, junk),
        (read_signed, junk),
        (read_message, f"<D-Prognosis Version='{body}'/>".encode()),
    ):
        with pytest.raises(ProtocolError):
            read(document)
