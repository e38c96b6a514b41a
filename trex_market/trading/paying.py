"""What an aggregator hands on to its members, told to the market that keeps the ledger.

That is between the aggregator and its members, so UFTP has no message for it:
it is sent to the market's server over HTTP, signed with the aggregator's key.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from io import BytesIO

import aiohttp
import msgspec
from aiohttp import web
from nacl.bindings import crypto_sign, crypto_sign_open
from nacl.exceptions import CryptoError
from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_delay, wait_fixed

from trex_market.core.errors import DeliveryError
from trex_market.programmes.flexibility.payments import Payment
from trex_market.uftp.changes import Changes
from trex_market.uftp.directory import Directory, Role
from trex_market.uftp.sealing import Identity
from trex_market.uftp.service import logger

PATH = "/flexibility/payments/{domain}"
MAX_BODY = 4_194_304
"""Most bytes of a message: some days with many orders and members."""

PAUSE_S = 0.5


class Payout(msgspec.Struct, frozen=True):
    """What an aggregator hands on of the settlement of a day.

    Args:
        period: the day.
        payments: the aggregator's to its members.
    """

    period: str
    payments: tuple[Payment, ...]


class PayDesk:
    """Takes what aggregators hand on to their members.

    Args:
        directory: who they are.
    """

    def __init__(self, directory: Directory) -> None:
        self._directory = directory
        self._payouts: dict[str, Payout] = {}
        self._changes = Changes()

    def add_to(self, application: web.Application) -> None:
        """Be served by a market's server."""
        application.router.add_post(PATH, self._take)

    async def _take(self, request: web.Request) -> web.Response:
        domain = request.match_info["domain"]
        party = self._directory.find(domain, Role.AGR)
        if party is None or party.barred:
            return web.Response(status=419, text="nobody of this domain is known")
        body = await _body(request)
        if body is None:
            return web.Response(status=413, text=f"more than {MAX_BODY} bytes")
        try:
            payout = msgspec.json.decode(crypto_sign_open(body, party.public_key), type=Payout)
        except (CryptoError, ValueError) as error:
            logger.warning("what %s hands on cannot be taken: %s", party, error)
            return web.Response(status=400, text="not signed with its key, or no payments")
        self._payouts[domain] = payout
        self._changes.tell()
        return web.Response(status=204)

    async def collect(
        self, period: str, domains: Collection[str], timeout_s: float
    ) -> dict[str, tuple[Payment, ...]]:
        """Wait until aggregators have told what they hand on.

        Args:
            period: the day.
            domains: of the aggregators.
            timeout_s: waited no longer.

        Returns:
            domain -> payments, of those that did.
        """

        def told() -> dict[str, tuple[Payment, ...]]:
            found = {domain: self._payouts.get(domain) for domain in domains}
            return {
                domain: payout.payments
                for domain, payout in found.items()
                if payout is not None and payout.period == period
            }

        await self._changes.until(lambda: len(told()) == len(set(domains)), timeout_s)
        return told()


async def _body(request: web.Request) -> bytes | None:
    """Return a request's body; None if it is too large."""
    body = bytearray()
    async for chunk in request.content.iter_any():
        body += chunk
        if len(body) > MAX_BODY:
            return None
    return bytes(body)


def objection(
    payments: Collection[Payment],
    aggregator: str,
    members: Collection[str],
    due: Mapping[tuple[str, int], int],
) -> str | None:
    """Say what is wrong with what an aggregator hands on; None if nothing is.

    Args:
        payments: as it says.
        aggregator: its domain.
        members: ids of the participants for whom it speaks.
        due: reference of an order and slot -> nano-dollars that its members get in all.
    """
    sums = dict.fromkeys(due, 0)
    for payment in payments:
        place = (payment.reference, payment.slot_start)
        if place not in sums:
            return f"order {payment.reference} was not settled for the slot at {payment.slot_start}"
        if payment.buyer_id != aggregator or payment.seller_id not in members:
            return f"{payment.buyer_id} cannot pay {payment.seller_id} for order {payment.reference}"
        if payment.quantity < 0:
            return f"{payment.quantity} Wh cannot be paid for"
        sums[place] += payment.amount
    for place, amount in due.items():
        if sums[place] != amount:
            return f"the members get {amount} nano-dollars of order {place[0]} in the slot at {place[1]}, not {sums[place]}"
    return None


async def hand_on(payout: Payout, identity: Identity, market: str, patience_s: float) -> None:
    """Tell a market what an aggregator hands on.

    Args:
        payout: what.
        identity: the aggregator's.
        market: URL of its server.
        patience_s: how long is tried.

    Raises:
        DeliveryError: if it does not get there, or is not taken.
    """
    url = market + PATH.format(domain=identity.domain)
    body = crypto_sign(msgspec.json.encode(payout), identity.private_key)
    retrying = AsyncRetrying(
        stop=stop_after_delay(patience_s),
        wait=wait_fixed(PAUSE_S),
        retry=retry_if_exception_type((OSError, TimeoutError, aiohttp.ClientError)),
        reraise=True,
    )
    try:
        async with aiohttp.ClientSession() as session:
            async for attempt in retrying:
                with attempt:
                    async with asyncio.timeout(patience_s), session.post(url, data=BytesIO(body)) as response:
                        if response.status >= 400:
                            said = f"{response.status} {await response.text()}"
                            raise DeliveryError(f"{url} does not take what is handed on: {said}")
    except (OSError, TimeoutError, aiohttp.ClientError) as error:
        raise DeliveryError(f"{url} was not told what is handed on: {error}") from error
