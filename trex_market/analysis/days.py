"""What `record: participant` keeps, as frames: sums by participant, and by day."""

from __future__ import annotations

from collections.abc import Mapping

from trex_market.analysis.frames import BillFrame, EnergyFrame, PartyFrame, RunFrames
from trex_market.core.units import NANO

DAY = 86_400

Sums = Mapping[str, float]


def daily_frames(
    parties: Mapping[str, Sums], days: Mapping[int, Sums], baseline: Mapping[str, int] | None = None
) -> RunFrames:
    """Make the frames that daily figures allow.

    Args:
        parties: participant id -> figure -> sum over the run; Wh and $.
        days: start of a day -> figure -> sum over the participants.
        baseline: participant id -> bill in the baseline simulation, nano-dollars; None if there was none.
    """
    names = sorted(name for name, figures in parties.items() if "bill" in figures)

    def energy(figure: str) -> list[int]:
        return [round(parties[name].get(figure, 0.0)) for name in names]

    def money(figure: str) -> list[int]:
        return [round(parties[name].get(figure, 0.0) * NANO) for name in names]

    frame = PartyFrame(
        names,
        energy("load"),
        energy("generated"),
        energy("bought"),
        money("bought_cost"),
        energy("sold"),
        money("sold_income"),
        energy("supplied"),
        energy("fed_in"),
        energy("spilled"),
        money("bill"),
    )
    bills = None
    if baseline is not None:
        bills = BillFrame(names, frame.bill, [baseline.get(name, 0) for name in names])
    return RunFrames(frame, _day_frame(days), net_billing=bills)


def _day_frame(days: Mapping[int, Sums]) -> EnergyFrame:
    starts = sorted(start for start, figures in days.items() if "bill" in figures)

    def energy(figure: str) -> list[int]:
        return [round(days[start].get(figure, 0.0)) for start in starts]

    return EnergyFrame(
        DAY,
        starts,
        energy("load"),
        energy("generated"),
        energy("self_consumed"),
        energy("bought"),
        energy("supplied"),
        energy("fed_in"),
        energy("spilled"),
    )
