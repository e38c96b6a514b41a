"""The examples of docs/uftp.md do what is said of them."""

from __future__ import annotations

import asyncio
from base64 import b64encode
from typing import Any

from tests.docs_helpers import blocks
from tests.shell_helpers import REPOSITORY
from tests.uftp.helpers import AGR1, DSO, Neighbourhood, operator_terms, prognosis
from tests.uftp.test_rejections_agr import request
from trex_market.uftp.directory import Role
from trex_market.uftp.keys import private_path, public_path
from trex_market.uftp.library import uftp
from trex_market.uftp.reading import harden_library


async def test_a_dso_and_an_aggregator_of_the_page(tmp_path: Any, capsys: Any) -> None:
    harden_library()
    sources = [block.text for block in blocks("python", REPOSITORY / "docs" / "uftp.md")]
    assert len(sources) == 3
    async with Neighbourhood() as there:
        names: dict[str, Any] = {
            "__name__": "page",
            "request_after": lambda _: request(),
            "listening_at": lambda _: there.settings(DSO),
        }
        for source in sources:
            exec(compile(source, "docs/uftp.md", "exec"), names)
        for domain, role in ((DSO, Role.DSO), (AGR1, Role.AGR)):
            private = private_path(tmp_path, domain, role)
            private.write_bytes(b64encode(there.pairs[domain][1]))
            private.chmod(0o600)
            public_path(tmp_path, domain, role).write_bytes(b64encode(there.pairs[domain][0]))
        ours = (operator_terms(), there.identity(DSO), there.directory, there.settings(DSO))
        remembering = names["remembering"](tmp_path / "dso.json", *ours)
        assert remembering.identity.domain == DSO
        stopped = asyncio.Event()
        urls = {name: there.parties[name].url for name in (DSO, AGR1)}
        serving = asyncio.create_task(names["serve"](tmp_path, urls[DSO], [(AGR1, urls[AGR1])], stopped))
        public = {name: there.pairs[name][0] for name in (DSO, AGR1)}
        outsider = names["outsider"](AGR1, there.pairs[AGR1][1], public, urls, there.ports[AGR1])
        responses: asyncio.Queue[Any] = asyncio.Queue()
        loop = asyncio.get_running_loop()
        outsider.process_d_prognosis_response = lambda message: loop.call_soon_threadsafe(
            responses.put_nowait, message
        )
        await asyncio.to_thread(outsider.run_in_thread)
        try:
            client = outsider.dso_client(DSO)
            long = prognosis({})
            long.isps = [uftp.DPrognosisISP(power=0, start=start) for start in range(1, 98)]
            for message, result in ((prognosis({}), "Accepted"), (long, "Rejected")):
                await asyncio.to_thread(client.send_d_prognosis, message)
                assert (await asyncio.wait_for(responses.get(), 10)).result == result
            async with asyncio.timeout(10):
                said = ""
                while "Accepted" not in said:
                    await asyncio.sleep(0.01)
                    said += capsys.readouterr().out
            assert f"{AGR1} Accepted" in said
        finally:
            stopped.set()
            await serving
            await asyncio.to_thread(outsider.stop)
            outsider.inbound_executor.shutdown()
            outsider.outbound_executor.shutdown()
