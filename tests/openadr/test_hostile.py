"""What is sent to a virtual top node by those who mean no good, or have lost their way."""

from __future__ import annotations

import io
import subprocess
import sys
import time
from pathlib import Path

import aiohttp
import pytest

from tests.openadr.helpers import NEVER_S, Ven, site
from tests.server.helpers import free_port
from tests.server.responding import place
from trex_market.core.errors import InputError
from trex_market.openadr.filtering import objection
from trex_market.openadr.market import MarketEvents
from trex_market.openadr.node import NodeSettings, VirtualTopNode, check_settings
from trex_market.server.doorkeeper import token_hash

POLL = """\
<oadr:oadrPayload xmlns:oadr="http://openadr.org/oadr-2.0b/2012/07">
<oadr:oadrSignedObject oadr:Id="oadrSignedObject">
<oadr:oadrPoll ei:schemaVersion="2.0b" xmlns:ei="http://docs.oasis-open.org/ns/energyinterop/201110">
<ei:venID>NAME</ei:venID></oadr:oadrPoll></oadr:oadrSignedObject></oadr:oadrPayload>"""
DTD = '<!DOCTYPE l [<!ENTITY e "ann">]>\n'
DECLARED = '<?xml version="1.0" encoding="NAMED"?>\n'

DEADLY = (DTD + POLL.replace("NAME", "&e;")).encode()
"""The library's own parser, and the interpreter with it, dies of this."""

XML = {"Content-Type": "application/xml"}

REFUSED = {
    "an entity that is used": (DEADLY, "no document type"),
    "a document type alone": ((DTD + POLL).encode(), "no document type"),
    "two bytes each": ((DECLARED.replace("NAMED", "UTF-16") + DEADLY.decode()).encode("utf-16"), "UTF-8"),
    "two bytes each, unmarked": (DEADLY.decode().encode("utf-16-le"), "the character 0"),
    "seven bits": ((DECLARED.replace("NAMED", "UTF-7") + POLL).encode(), "UTF-8, found 'UTF-7'"),
    "after a mark": (("\ufeff" + DECLARED.replace("NAMED", "utf-7") + POLL).encode(), "found 'utf-7'"),
    "no text": (b"\xff\xfe\x00", "UTF-8"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_read(name: str) -> None:
    body, reason = REFUSED[name]
    said = objection(body)
    assert said is not None
    assert reason in said


@pytest.mark.parametrize(
    "declaration", ["", '<?xml version="1.0"?>', '<?xml version="1.0" encoding="utf-8"?>\n']
)
def test_what_is_read(declaration: str) -> None:
    assert objection((declaration + POLL).encode()) is None


async def test_hostile_messages_are_refused_and_the_node_lives(tmp_path: Path) -> None:
    async with site(tmp_path) as here, aiohttp.ClientSession(headers=XML) as web:
        await here.invites()
        for service in ("OadrPoll", "EiEvent", "EiRegisterParty", "EiReport"):
            for body, _ in REFUSED.values():
                async with web.post(f"{here.url}/{service}", data=body) as response:
                    assert response.status == 400, await response.text()
        for body in (b"", b"<a/>", b"<a", POLL.encode()[:-10], b"<a>" * 100_000):
            async with web.post(f"{here.url}/OadrPoll", data=body) as response:
                assert response.status == 400, await response.text()
        async with web.post(f"{here.url}/OadrPoll", data=io.BytesIO(b" " * 2_000_000)) as response:
            assert response.status == 413
        async with web.post(
            f"{here.url}/OadrPoll", data=POLL.replace("NAME", "zoe &lt;x/&gt; &amp;")
        ) as response:
            assert response.status == 200
            assert "<ei:venID>zoe &lt;x/&gt; &amp;</ei:venID>" in await response.text()
        for host in ("vtn.example:8080", "[::1", "127.0.0.1.vtn.example"):
            async with web.post(f"{here.url}/OadrPoll", data=POLL, headers={"Host": host}) as response:
                assert response.status == 403
        async with web.get(f"{here.url}/OadrPoll") as response:
            assert response.status == 405
        async with Ven("ann", here.url) as ven:
            assert await ven.states() == {"noon": "far"}


def test_the_parser_lives_even_without_the_filter() -> None:
    code = (
        "import sys\n"
        "from trex_market.openadr.library import make_safe\n"
        "from openleadr import messaging\n"
        "make_safe()\n"
        "try:\n"
        "    messaging.validate_xml_schema(sys.stdin.buffer.read())\n"
        "except Exception as error:\n"
        "    print('refused', error)\n"
        "print('alive')\n"
    )
    told = subprocess.run(
        [sys.executable, "-c", code], input=DEADLY, capture_output=True, timeout=60, check=False
    )
    assert (told.returncode, told.stdout.decode().splitlines()[-1]) == (0, "alive"), told


async def test_a_market_that_is_away_is_waited_for(tmp_path: Path) -> None:
    port = free_port()
    async with (
        MarketEvents(f"http://127.0.0.1:{port}", "sesame", 0.0) as events,
        VirtualTopNode(events, NodeSettings(port=0, poll_s=NEVER_S)).serving() as url,
        aiohttp.ClientSession(headers=XML) as web,
    ):

        async def answer() -> int:
            async with web.post(f"{url}/OadrPoll", data=POLL.replace("NAME", "ann")) as response:
                return response.status

        assert await answer() == 503
        hashes = {"operator": token_hash("another")}
        settings = {"port": port, "is_open": False, "now": int(time.time())}
        (tmp_path / "one").mkdir()
        (tmp_path / "two").mkdir()
        async with place(tmp_path / "one", token_hashes=hashes, **settings):
            assert await answer() == 503
            with pytest.raises(InputError, match="wants its operator's token"):
                await events.refresh()
        hashes = {"operator": token_hash("sesame")}
        async with place(tmp_path / "two", token_hashes=hashes, **settings):
            assert await answer() == 200
        assert await answer() == 503


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        (NodeSettings(host="0.0.0.0"), "lets other machines in"),
        (NodeSettings(host="::", vens={"ann": "AA"}), "lets other machines in"),
        (NodeSettings(vens={"ann": "AA"}), "a fingerprint is of a certificate"),
    ],
)
def test_other_machines_come_in_with_certificates_alone(settings: NodeSettings, reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        check_settings(settings)
