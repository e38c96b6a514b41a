"""What an aggregator hands on to its members, over HTTP, signed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from io import BytesIO

import aiohttp
import msgspec
import pytest
from aiohttp import web
from nacl.bindings import crypto_sign, crypto_sign_keypair

from tests.uftp.helpers import AGR1, AGR2, DSO, free_port
from trex_market.core.errors import DeliveryError
from trex_market.programmes.flexibility.payments import Payment
from trex_market.trading.paying import MAX_BODY, PATH, PayDesk, Payout, hand_on, objection
from trex_market.uftp.directory import Directory, Party, Role
from trex_market.uftp.sealing import Identity

DAY = "2026-03-02"
SLOT = 1_772_409_600
PAID = Payment(SLOT, "order-1", "home_1", AGR1, 250, 7_000)
PAYOUT = Payout(DAY, (PAID, Payment(SLOT, "order-1", "home_2", AGR1, 0, -2_000)))
DUE = {("order-1", SLOT): 5_000}
PAIRS = {domain: crypto_sign_keypair() for domain in (AGR1, AGR2)}


def identity(domain: str, key: str | None = None) -> Identity:
    return Identity(domain, Role.AGR, PAIRS[key or domain][1])


@pytest.fixture
async def served() -> AsyncIterator[tuple[PayDesk, str]]:
    """Return a desk that one aggregator may use, another one may not, and its URL."""
    desk = PayDesk(
        Directory(
            [
                Party(AGR1, Role.AGR, "http://127.0.0.1:1/", PAIRS[AGR1][0]),
                Party(AGR2, Role.AGR, "http://127.0.0.1:2/", PAIRS[AGR2][0], barred=True),
            ]
        )
    )
    application = web.Application()
    desk.add_to(application)
    runner = web.AppRunner(application)
    await runner.setup()
    port = free_port()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    yield desk, f"http://127.0.0.1:{port}"
    await runner.cleanup()


async def test_what_is_handed_on_gets_there(served: tuple[PayDesk, str]) -> None:
    desk, url = served
    assert await desk.collect(DAY, [AGR1], 0.01) == {}
    await hand_on(PAYOUT, identity(AGR1), url, 5)
    assert await desk.collect(DAY, [AGR1], 5) == {AGR1: PAYOUT.payments}
    # That of another day is none of this one's.
    assert await desk.collect("2026-03-03", [AGR1], 0.01) == {}


async def test_strangers_forgers_and_the_barred_are_refused(served: tuple[PayDesk, str]) -> None:
    desk, url = served
    for who, words in (
        (identity(AGR1, AGR2), "400 not signed"),
        (identity(AGR2), "419"),
        (Identity("nobody.demo", Role.AGR, PAIRS[AGR1][1]), "419"),
    ):
        with pytest.raises(DeliveryError, match=words):
            await hand_on(PAYOUT, who, url, 5)
    async with aiohttp.ClientSession() as session:

        async def post(body: bytes) -> int:
            async with session.post(url + PATH.format(domain=AGR1), data=BytesIO(body)) as answer:
                return answer.status

        assert await post(b"") == 400
        assert await post(crypto_sign(b'{"period": 5}', PAIRS[AGR1][1])) == 400
        assert await post(b"x" * (MAX_BODY + 1)) == 413
        assert await post(crypto_sign(msgspec.json.encode(PAYOUT), PAIRS[AGR1][1])) == 204
    assert await desk.collect(DAY, [AGR1, AGR2], 0.01) == {AGR1: PAYOUT.payments}


async def test_a_market_that_is_away() -> None:
    with pytest.raises(DeliveryError, match="was not told"):
        await hand_on(PAYOUT, identity(AGR1), f"http://127.0.0.1:{free_port()}", 0.6)


def changed(**changes: object) -> str | None:
    payments = (msgspec.structs.replace(PAID, **changes), *PAYOUT.payments[1:])
    return objection(payments, AGR1, ["home_1", "home_2"], DUE)


def test_only_what_was_settled_is_booked() -> None:
    assert changed() is None
    for wrong, words in (
        ({"reference": "order-2"}, "order-2 was not settled"),
        ({"slot_start": SLOT + 900}, "was not settled for the slot"),
        ({"buyer_id": DSO}, "dso.demo cannot pay home_1"),
        ({"buyer_id": "home_2"}, "home_2 cannot pay home_1"),
        ({"seller_id": "home_3"}, "cannot pay home_3"),
        ({"quantity": -1}, "-1 Wh"),
        ({"amount": 7_001}, "get 5000 nano-dollars of order order-1"),
    ):
        found = changed(**wrong)
        assert found is not None, wrong
        assert words in found
    assert objection((), AGR1, ["home_1"], DUE) is not None
    assert objection((), AGR1, ["home_1"], {("order-1", SLOT): 0}) is None
