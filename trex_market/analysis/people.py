"""Participants' figures as a table, for pages and their twins."""

from __future__ import annotations

import msgspec

from trex_market.analysis.frames import BillFrame, RunFrames
from trex_market.analysis.kpis.bills import saving_shares, savings
from trex_market.analysis.kpis.energy import home_shares
from trex_market.analysis.kpis.measures import WH_PER_KWH
from trex_market.core.units import NANO


class Column(msgspec.Struct, frozen=True):
    """A column of figures, a row a participant.

    Args:
        name: in JSON.
        title: in tables.
        unit: of the values.
        decimals: how many are shown.
        values: None where there is nothing to tell.
    """

    name: str
    title: str
    unit: str
    decimals: int
    values: list[float | None]


def participant_columns(frames: RunFrames) -> list[Column]:
    """Return what is known of each participant, in the order of `frames.parties`."""
    parties = frames.parties
    sufficiency, consumption = home_shares(parties)
    columns = [
        _energy("load", "load", parties.load),
        _energy("generated", "made", parties.generated),
        _energy("bought", "bought", parties.bought),
        _energy("sold", "sold", parties.sold),
        _energy("supplied", "from grid", parties.supplied),
        _energy("fed_in", "to grid", parties.fed_in),
        Column("self_sufficiency", "self-sufficiency", "%", 1, sufficiency),
        Column("self_consumption", "self-consumption", "%", 1, consumption),
        _money("bill", "bill", parties.bill),
    ]
    if frames.net_billing is not None:
        columns += _against(frames.net_billing)
    if frames.flat is not None and frames.time_of_use is not None:
        columns.append(_money("bill_flat", "base price", frames.flat.other))
    if frames.time_of_use is not None:
        columns.append(_money("bill_time_of_use", "time of use", frames.time_of_use.other))
    return columns


def _against(bills: BillFrame) -> list[Column]:
    return [
        _money("bill_net_billing", "net billing", bills.other),
        _money("saving", "saving", savings(bills)),
        Column("saving_share", "share of savings", "%", 1, saving_shares(bills)),
    ]


def _energy(name: str, title: str, column: list[int]) -> Column:
    return Column(name, title, "kWh", 1, [quantity / WH_PER_KWH for quantity in column])


def _money(name: str, title: str, column: list[int]) -> Column:
    return Column(name, title, "$", 2, [money / NANO for money in column])
