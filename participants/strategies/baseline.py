"""Net billing: no trade; a battery stores surplus and gives it back when the home needs it."""

from __future__ import annotations

from typing import Any

from participants.strategies.common import residual
from trex_market.participant import NOTHING, Decision, View


class Baseline:
    """Trade nothing; let the battery serve self-consumption."""

    def decide(self, view: View) -> Decision:
        """Plan the battery for the current slot."""
        if view.battery is None:
            return NOTHING
        now = view.round.time
        return Decision(battery={now: -residual(view, now)})

    @staticmethod
    def array_form() -> Any:
        """Return the class that decides for many homes at once; see `participants.columns`."""
        from participants.strategies.baseline_kernel import BaselineColumns  # noqa: PLC0415 - needs the extra `fast`

        return BaselineColumns
