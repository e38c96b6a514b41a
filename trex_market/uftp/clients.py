"""What each role sends to another: `send_...` returns once the message is there, `ask` once it is answered.

A message stays as it is, and may be sent to several parties: each gets an id of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from trex_market.core.errors import InputError
from trex_market.uftp.directory import Party
from trex_market.uftp.library import NAMES, uftp

if TYPE_CHECKING:
    from trex_market.uftp.service import Service


class Client:
    """Sends messages to one party.

    Args:
        service: whose they are.
        party: whom to.
    """

    def __init__(self, service: Service, party: Party) -> None:
        self._service = service
        self.party = party

    async def send(self, message: Any) -> Any:
        """Send a message of any kind that this party is sent by us; see `Service.send`.

        Raises:
            InputError: if it is of another kind.
            DeliveryError: if it does not get there.
        """
        self._check(message)
        return await self._service.send(message, self.party)

    async def ask(self, message: Any) -> Any:
        """Send a message, and return the response to it; see `Service.ask`.

        Raises:
            InputError: if it is of another kind, or of one that is not answered.
            DeliveryError: if it does not get there, or is not answered in time.
        """
        self._check(message)
        return await self._service.ask(message, self.party)

    async def send_test_message(self) -> Any:
        """Ask whether somebody is there."""
        return await self.send(uftp.TestMessage())

    def _check(self, message: Any) -> None:
        ours = (str(self._service.role), str(self.party.role))
        if uftp.routing_map.get(type(message), ours) != ours:
            name = NAMES.get(type(message), type(message).__name__)
            raise InputError(f"a {self._service.role} sends no {name} to a {self.party.role}")


class AgrClient(Client):
    """What a DSO sends to an aggregator, besides responses, which are sent by themselves."""

    async def send_flex_request(self, message: Any) -> Any:
        """Ask for flexibility."""
        return await self.send(message)

    async def send_flex_order(self, message: Any) -> Any:
        """Order what was offered."""
        return await self.send(message)

    async def send_flex_reservation_update(self, message: Any) -> Any:
        """Release what was reserved."""
        return await self.send(message)

    async def send_flex_settlement(self, message: Any) -> Any:
        """Tell what orders came to."""
        return await self.send(message)


class DsoClient(Client):
    """What an aggregator sends to a DSO, besides responses."""

    async def send_d_prognosis(self, message: Any) -> Any:
        """Tell what its connections are going to take."""
        return await self.send(message)

    async def send_flex_offer(self, message: Any) -> Any:
        """Offer flexibility."""
        return await self.send(message)

    async def send_flex_offer_revocation(self, message: Any) -> Any:
        """Take an offer back."""
        return await self.send(message)

    async def send_metering(self, message: Any) -> Any:
        """Tell what a connection took."""
        return await self.send(message)


class CroClient(Client):
    """What a DSO or an aggregator sends to a CRO."""

    async def send_portfolio_update(self, message: Any) -> Any:
        """Register congestion points, or connections."""
        return await self.send(message)

    async def send_portfolio_query(self, message: Any) -> Any:
        """Ask who is active at a congestion point, or where there are congestion points."""
        return await self.send(message)
