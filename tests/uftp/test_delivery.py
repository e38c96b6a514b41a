"""Sending: retries, deadlines, order, and services that stop or fail."""

from __future__ import annotations

import asyncio
import logging
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import pytest
from aiohttp import web

from tests.uftp.helpers import (
    AGR1,
    AGR2,
    DSO,
    PATH,
    Neighbourhood,
    Outsider,
    header,
    log_says,
    prognosis,
    xml,
)
from tests.uftp.test_rejections_agr import request
from trex_market.core.errors import DeliveryError, InputError
from trex_market.uftp.courier import Patience
from trex_market.uftp.directory import Directory, Party, Role
from trex_market.uftp.keys import private_key
from trex_market.uftp.library import uftp
from trex_market.uftp.reading import read_message
from trex_market.uftp.responses import ACCEPTED, Verdict, reasons_of, rejected
from trex_market.uftp.roles import AgrService, DsoService
from trex_market.uftp.sealing import Identity, read_envelope, unseal

HASTY = Patience(attempt_s=1, deadline_s=1, longest_pause_s=0.1, answer_s=0.5)


class PickyDso(DsoService):
    """A DSO that somebody built: it takes no negative revisions, and remembers what it processed."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.processed: asyncio.Queue[Any] = asyncio.Queue()
        self.gate = asyncio.Event()
        self.gate.set()
        self.fault: Exception | None = None

    def pre_process_d_prognosis(self, message: Any, sender: Party) -> Verdict:
        """Reject negative revisions."""
        assert sender.domain == message.sender_domain
        return rejected("Too early", "Too late") if message.revision < 0 else ACCEPTED

    async def process_d_prognosis(self, message: Any, sender: Party) -> None:
        """Remember it, or fail."""
        await self.gate.wait()
        if self.fault is not None:
            raise self.fault
        self.processed.put_nowait(message.revision)


def picky(there: Neighbourhood) -> PickyDso:
    """Return the DSO that somebody built."""
    return PickyDso(there.identity(DSO), there.directory, there.settings(DSO), there.clock)


def plain(there: Neighbourhood, domain: str = AGR1) -> AgrService:
    """Return an aggregator that accepts all."""
    return AgrService(there.identity(domain), there.directory, there.settings(domain), there.clock)


async def test_a_dso_that_somebody_built() -> None:
    async with Neighbourhood() as there, picky(there) as dso, plain(there) as agr:
        client = agr.dso_client(DSO)
        refused = await client.ask(prognosis({}, revision=-1))
        assert reasons_of(refused) == ("Too early", "Too late")
        assert reasons_of(await client.ask(prognosis({}, revision=7))) == ()
        assert await asyncio.wait_for(dso.processed.get(), 5) == 7
        answer = await client.ask(uftp.TestMessage())
        assert type(answer) is uftp.TestMessageResponse
        with pytest.raises(InputError, match="sends no FlexRequest to a DSO"):
            await client.send(uftp.FlexRequest.__new__(uftp.FlexRequest))
        with pytest.raises(InputError, match="there is no DSO other"):
            agr.dso_client("other.demo")


async def test_what_is_sent_before_the_other_side_is_there_arrives_once() -> None:
    async with Neighbourhood() as there, plain(there) as agr:
        with log_says("cannot be reached") as tried:
            asking = asyncio.create_task(agr.dso_client(DSO).ask(prognosis({}, revision=3)))
            await asyncio.wait_for(tried.wait(), 10)
        async with picky(there) as dso:
            assert reasons_of(await asyncio.wait_for(asking, 20)) == ()
            assert await asyncio.wait_for(dso.processed.get(), 5) == 3
            assert dso.processed.empty()


async def test_messages_arrive_and_are_processed_in_order() -> None:
    async with Neighbourhood() as there, picky(there) as dso, plain(there) as agr:
        client = agr.dso_client(DSO)
        await asyncio.gather(*(client.ask(prognosis({}, revision=number)) for number in range(40)))
        found = [await asyncio.wait_for(dso.processed.get(), 5) for _ in range(40)]
        assert found == list(range(40))


async def test_what_takes_long_holds_up_neither_the_answer_nor_other_senders() -> None:
    async with Neighbourhood() as there, picky(there) as dso, plain(there) as one:
        dso.gate.clear()
        async with plain(there, AGR2) as two:
            for agr in (one, two, one):
                assert reasons_of(await agr.dso_client(DSO).ask(prognosis({}))) == ()
            assert dso.processed.empty()
            dso.gate.set()
            assert [await asyncio.wait_for(dso.processed.get(), 5) for _ in range(3)] == [1, 1, 1]


async def test_a_message_for_several_stays_as_it_is() -> None:
    async with Neighbourhood() as there, picky(there) as dso:
        async with plain(there) as one, plain(there, AGR2) as two:
            message = uftp.TestMessage()
            sent = [await dso.agr_client(agr.identity.domain).send(message) for agr in (one, two)]
        assert message == uftp.TestMessage()
        assert sent[0].message_id != sent[1].message_id
        assert [one.recipient_domain for one in sent] == [AGR1, AGR2]


async def test_nobody_is_there_in_time() -> None:
    async with Neighbourhood(patience=HASTY) as there, plain(there) as agr:
        with pytest.raises(DeliveryError, match=r"DSO dso\.demo at .* could not be reached within 1 s"):
            await agr.dso_client(DSO).ask(prognosis({}))


@pytest.mark.parametrize(
    ("status", "words"),
    [(400, "answered 400: no thanks"), (401, "answered 401"), (302, "answered 302"), (413, "answered 413")],
)
async def test_what_comes_back_for_good_is_not_sent_again(status: int, words: str) -> None:
    async with Neighbourhood() as there, somebody(there, status) as heard, plain(there) as agr:
        with pytest.raises(DeliveryError, match=words):
            await agr.dso_client(DSO).send(prognosis({}))
        assert len(heard) == 1


@pytest.mark.parametrize("status", [404, 419, 429, 500, 503])
async def test_what_may_pass_is_tried_again_with_the_same_document(status: int) -> None:
    async with Neighbourhood() as there, somebody(there, status, 200) as heard, plain(there) as agr:
        await agr.dso_client(DSO).send(prognosis({}))
        assert len(heard) == 2
        assert heard[0] == heard[1]


async def test_the_second_message_waits_until_the_first_one_is_there() -> None:
    async with Neighbourhood() as there, somebody(there, 503, 503, 200, 200) as heard, plain(there) as agr:
        client = agr.dso_client(DSO)
        await asyncio.gather(*(client.send(prognosis({}, revision=number)) for number in (1, 2)))
        revisions = [
            read_message(unseal(read_envelope(document), there.parties[AGR1])).revision for document in heard
        ]
        assert revisions == [1, 1, 1, 2]


async def test_nobody_answers() -> None:
    patient = Patience(attempt_s=5, deadline_s=5, longest_pause_s=0.1, answer_s=0.3)
    async with Neighbourhood(patience=patient) as there, somebody(there, 200), plain(there) as agr:
        with pytest.raises(DeliveryError, match="did not answer D-Prognosis"):
            await agr.dso_client(DSO).ask(prognosis({}))


def somebody(there: Neighbourhood, *statuses: int) -> Any:
    """Return a server in the DSO's place that answers with one status after the other."""
    left = list(statuses)
    heard: list[bytes] = []

    async def answer(request: web.Request) -> web.Response:
        heard.append(await request.read())
        status = left.pop(0) if left else statuses[-1]
        return web.Response(status=status, text="no thanks", headers={"Location": "/elsewhere"})

    @asynccontextmanager
    async def serve() -> Any:
        application = web.Application()
        application.router.add_post(PATH, answer)
        runner = web.AppRunner(application)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", there.ports[DSO]).start()
        try:
            yield heard
        finally:
            await runner.cleanup()

    return serve()


async def test_a_service_stops_while_answers_wait_for_somebody_who_is_gone(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with Neighbourhood() as there:
        async with picky(there) as dso:
            # Nobody listens where the answer goes.
            assert (await there.post(there.sealed(xml(prognosis({})))))[0] == 200
            assert await asyncio.wait_for(dso.processed.get(), 5) == 1
        assert "1 messages were not delivered" in caplog.text


async def test_a_fault_in_what_somebody_built_is_not_lost() -> None:
    async with Neighbourhood() as there, plain(there) as agr:
        dso = picky(there)
        dso.fault = ZeroDivisionError("a bug")

        async def serve() -> None:
            async with dso:
                assert reasons_of(await agr.dso_client(DSO).ask(prognosis({}))) == ()
                await dso.guard(asyncio.sleep(60))

        with pytest.raises(ZeroDivisionError, match="a bug"):
            await serve()


async def test_what_can_be_put_right_is_logged_and_the_service_goes_on() -> None:
    async with Neighbourhood() as there, picky(there) as dso, plain(there) as agr:
        dso.fault = DeliveryError("somebody is away")
        with log_says("somebody is away") as said:
            await agr.dso_client(DSO).ask(prognosis({}))
            await asyncio.wait_for(said.wait(), 5)
        dso.fault = None
        await agr.dso_client(DSO).ask(prognosis({}, revision=2))
        assert await asyncio.wait_for(dso.processed.get(), 5) == 2


async def test_a_port_that_is_taken() -> None:
    async with Neighbourhood() as there, picky(there):
        with pytest.raises(InputError, match=f"cannot listen at 127.0.0.1:{there.ports[DSO]}"):
            async with picky(there):
                pass


async def test_a_response_to_what_was_not_asked_is_dropped(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    async with Neighbourhood() as there, picky(there), plain(there) as agr:
        response = uftp.FlexOrderResponse(flex_order_message_id=str(uuid4()))
        await agr.send(response, there.parties[DSO])
        assert "Unknown FlexOrderResponse reference" in caplog.text


async def test_an_answer_of_somebody_else_is_no_answer() -> None:
    async with (
        Neighbourhood(patience=Patience(attempt_s=5, deadline_s=5, longest_pause_s=0.1, answer_s=1)) as there,
        plain(there, AGR2) as other,
    ):
        async with there_is_no_answer(there) as dso:
            asking = asyncio.create_task(dso.agr_client(AGR1).ask(request()))
            sent = await asyncio.wait_for(there_is_no_answer.heard.get(), 5)
            forged = uftp.FlexRequestResponse(flex_request_message_id=sent)
            await other.send(forged, there.parties[DSO])
            with pytest.raises(DeliveryError, match="did not answer"):
                await asking


class _NoAnswer:
    """The first aggregator's place, in which messages are read and never answered."""

    heard: asyncio.Queue[str]

    def __call__(self, there: Neighbourhood) -> Any:
        self.heard = asyncio.Queue()

        async def keep(request: web.Request) -> web.Response:
            document = unseal(read_envelope(await request.read()), there.parties[DSO])
            self.heard.put_nowait(read_message(document).message_id)
            return web.Response()

        @asynccontextmanager
        async def serve() -> Any:
            application = web.Application()
            application.router.add_post(PATH, keep)
            runner = web.AppRunner(application)
            await runner.setup()
            await web.TCPSite(runner, "127.0.0.1", there.ports[AGR1]).start()
            try:
                async with picky(there) as dso:
                    yield dso
            finally:
                await runner.cleanup()

        return serve()


there_is_no_answer = _NoAnswer()


def test_who_cannot_be() -> None:
    there = Neighbourhood()
    with pytest.raises(InputError, match=r"a AGR cannot be DSO dso\.demo"):
        AgrService(there.identity(DSO), there.directory)
    party = there.parties[DSO]
    with pytest.raises(InputError, match="twice"):
        Directory([party, party])
    with pytest.raises(InputError, match="64 bytes"):
        private_key("c2hvcnQ=", "here")
    assert "demo" in repr(Identity("a.demo", Role.AGR, b"secret"))
    assert "secret" not in repr(Identity("a.demo", Role.AGR, b"secret"))


async def test_the_librarys_aggregator_is_answered_when_it_asks_whether_somebody_is_there() -> None:
    async with Neighbourhood() as there, picky(there):
        one: Outsider = await there.outsider()
        await one.send(uftp.TestMessage())
        assert type(await one.receive()) is uftp.TestMessageResponse
        assert header()["sender_domain"] == AGR1
