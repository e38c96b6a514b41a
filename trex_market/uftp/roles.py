"""What each role is sent, as classes to build on.

For each kind of message: `pre_process_...` (inside of the request; accepted, or rejected for reasons) and
`process_...` (what follows of an accepted one, outside of it). By default all is accepted, and nothing follows.
Messages are the library's; `sender` is whose key signed them.
"""

from __future__ import annotations

from typing import Any

from trex_market.uftp.clients import AgrClient, CroClient, DsoClient
from trex_market.uftp.directory import Party, Role
from trex_market.uftp.responses import ACCEPTED, Verdict
from trex_market.uftp.service import Service


class DsoService(Service):
    """A distribution system operator: it watches congestion points, and buys flexibility."""

    role = Role.DSO

    def agr_client(self, domain: str) -> AgrClient:
        """Return what sends messages to an aggregator.

        Raises:
            InputError: if the directory has none of this domain.
        """
        return AgrClient(self, self.directory.get(domain, Role.AGR))

    def cro_client(self, domain: str) -> CroClient:
        """Return what sends messages to a CRO.

        Raises:
            InputError: if the directory has none of this domain.
        """
        return CroClient(self, self.directory.get(domain, Role.CRO))

    def pre_process_d_prognosis(self, message: Any, sender: Party) -> Verdict:
        """Judge what an aggregator's connections are going to take."""
        return ACCEPTED

    async def process_d_prognosis(self, message: Any, sender: Party) -> None:
        """Do what follows."""

    def pre_process_flex_request_response(self, message: Any, sender: Party) -> Verdict:
        """Judge the response to a request for flexibility."""
        return ACCEPTED

    async def process_flex_request_response(self, message: Any, sender: Party) -> None:
        """Do what follows."""

    def pre_process_flex_offer(self, message: Any, sender: Party) -> Verdict:
        """Judge an offer of flexibility."""
        return ACCEPTED

    async def process_flex_offer(self, message: Any, sender: Party) -> None:
        """Do what follows."""

    def pre_process_flex_offer_revocation(self, message: Any, sender: Party) -> Verdict:
        """Judge an offer that is taken back."""
        return ACCEPTED

    async def process_flex_offer_revocation(self, message: Any, sender: Party) -> None:
        """Do what follows."""

    def pre_process_flex_order_response(self, message: Any, sender: Party) -> Verdict:
        """Judge the response to an order."""
        return ACCEPTED

    async def process_flex_order_response(self, message: Any, sender: Party) -> None:
        """Do what follows."""

    def pre_process_flex_reservation_update_response(self, message: Any, sender: Party) -> Verdict:
        """Judge the response to a reservation update."""
        return ACCEPTED

    async def process_flex_reservation_update_response(self, message: Any, sender: Party) -> None:
        """Do what follows."""

    def pre_process_flex_settlement_response(self, message: Any, sender: Party) -> Verdict:
        """Judge what an aggregator says of a settlement."""
        return ACCEPTED

    async def process_flex_settlement_response(self, message: Any, sender: Party) -> None:
        """Do what follows."""

    def pre_process_metering(self, message: Any, sender: Party) -> Verdict:
        """Judge what a connection took."""
        return ACCEPTED

    async def process_metering(self, message: Any, sender: Party) -> None:
        """Do what follows."""

    def pre_process_dso_portfolio_query_response(self, message: Any, sender: Party) -> Verdict:
        """Judge who is active at a congestion point."""
        return ACCEPTED

    async def process_dso_portfolio_query_response(self, message: Any, sender: Party) -> None:
        """Do what follows."""

    def pre_process_dso_portfolio_update_response(self, message: Any, sender: Party) -> Verdict:
        """Judge the response to congestion points that were registered."""
        return ACCEPTED

    async def process_dso_portfolio_update_response(self, message: Any, sender: Party) -> None:
        """Do what follows."""


class AgrService(Service):
    """An aggregator: it speaks for connections, and sells their flexibility."""

    role = Role.AGR

    def dso_client(self, domain: str) -> DsoClient:
        """Return what sends messages to a DSO.

        Raises:
            InputError: if the directory has none of this domain.
        """
        return DsoClient(self, self.directory.get(domain, Role.DSO))

    def cro_client(self, domain: str) -> CroClient:
        """Return what sends messages to a CRO.

        Raises:
            InputError: if the directory has none of this domain.
        """
        return CroClient(self, self.directory.get(domain, Role.CRO))

    def pre_process_d_prognosis_response(self, message: Any, sender: Party) -> Verdict:
        """Judge the response to a prognosis."""
        return ACCEPTED

    async def process_d_prognosis_response(self, message: Any, sender: Party) -> None:
        """Do what follows."""

    def pre_process_flex_request(self, message: Any, sender: Party) -> Verdict:
        """Judge a request for flexibility."""
        return ACCEPTED

    async def process_flex_request(self, message: Any, sender: Party) -> None:
        """Do what follows."""

    def pre_process_flex_offer_response(self, message: Any, sender: Party) -> Verdict:
        """Judge the response to an offer."""
        return ACCEPTED

    async def process_flex_offer_response(self, message: Any, sender: Party) -> None:
        """Do what follows."""

    def pre_process_flex_offer_revocation_response(self, message: Any, sender: Party) -> Verdict:
        """Judge the response to a revocation."""
        return ACCEPTED

    async def process_flex_offer_revocation_response(self, message: Any, sender: Party) -> None:
        """Do what follows."""

    def pre_process_flex_order(self, message: Any, sender: Party) -> Verdict:
        """Judge an order of what was offered."""
        return ACCEPTED

    async def process_flex_order(self, message: Any, sender: Party) -> None:
        """Do what follows."""

    def pre_process_flex_reservation_update(self, message: Any, sender: Party) -> Verdict:
        """Judge what stays reserved of a contract."""
        return ACCEPTED

    async def process_flex_reservation_update(self, message: Any, sender: Party) -> None:
        """Do what follows."""

    def pre_process_flex_settlement(self, message: Any, sender: Party) -> Verdict:
        """Judge what orders came to."""
        return ACCEPTED

    async def process_flex_settlement(self, message: Any, sender: Party) -> None:
        """Do what follows."""

    def pre_process_metering_response(self, message: Any, sender: Party) -> Verdict:
        """Judge the response to metered values."""
        return ACCEPTED

    async def process_metering_response(self, message: Any, sender: Party) -> None:
        """Do what follows."""

    def pre_process_agr_portfolio_query_response(self, message: Any, sender: Party) -> Verdict:
        """Judge where there are congestion points."""
        return ACCEPTED

    async def process_agr_portfolio_query_response(self, message: Any, sender: Party) -> None:
        """Do what follows."""

    def pre_process_agr_portfolio_update_response(self, message: Any, sender: Party) -> Verdict:
        """Judge the response to connections that were registered."""
        return ACCEPTED

    async def process_agr_portfolio_update_response(self, message: Any, sender: Party) -> None:
        """Do what follows."""


class CroService(Service):
    """A common reference operator: it knows congestion points, connections, and who speaks for them."""

    role = Role.CRO

    def pre_process_agr_portfolio_query(self, message: Any, sender: Party) -> Verdict:
        """An aggregator asks for its congestion points."""
        return ACCEPTED

    async def process_agr_portfolio_query(self, message: Any, sender: Party) -> None:
        """Do what follows."""

    def pre_process_agr_portfolio_update(self, message: Any, sender: Party) -> Verdict:
        """An aggregator registers connections."""
        return ACCEPTED

    async def process_agr_portfolio_update(self, message: Any, sender: Party) -> None:
        """Do what follows."""

    def pre_process_dso_portfolio_query(self, message: Any, sender: Party) -> Verdict:
        """A DSO asks who is active at a congestion point."""
        return ACCEPTED

    async def process_dso_portfolio_query(self, message: Any, sender: Party) -> None:
        """Do what follows."""

    def pre_process_dso_portfolio_update(self, message: Any, sender: Party) -> Verdict:
        """A DSO registers congestion points."""
        return ACCEPTED

    async def process_dso_portfolio_update(self, message: Any, sender: Party) -> None:
        """Do what follows."""
