"""What the gateway needs of whoever runs the market."""

from __future__ import annotations

from typing import Protocol

from trex_market.core.messages import OpenMarket
from trex_market.engine import Engine


class Host(Protocol):
    """A market, and the seats of the gateway's homes."""

    @property
    def terms(self) -> OpenMarket:
        """The market's terms."""

    @property
    def engine(self) -> Engine | None:
        """What orders go to; None between episodes."""

    def now(self) -> int:
        """Return the time of a command, UNIX seconds."""

    def order_id(self, participant_id: str) -> str:
        """Return the id of a participant's next order."""

    def check_rate(self, participant_id: str) -> None:
        """Count a request.

        Raises:
            ProtocolError: rate_limited.
        """

    async def safe(self) -> None:
        """Wait until all that was taken would survive a crash."""

    def end_turn(self, participant_id: str) -> None:
        """Say that a home has nothing more to say in this round."""

    def faulty(self, error: BaseException) -> None:
        """Stop the market because of a fault."""


class Moments(Protocol):
    """When ticks are."""

    async def until(self, round_start: int, share: float) -> None:
        """Wait until a share (0 to 1) of a round is over."""
