"""A recorded run to all that a report says of it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

import msgspec
import yaml

from trex_market.analysis.congestion import FlexibilityFrames, FlexibilityPayments
from trex_market.analysis.depth import Books, SlotBook
from trex_market.analysis.frames import EnergyFrame, RunFrames
from trex_market.analysis.kpis import KpiValue, measure
from trex_market.analysis.plots import duration
from trex_market.analysis.responses import Responses
from trex_market.analysis.runs import Charges, RunSource, read_run
from trex_market.analysis.terms import pools_of
from trex_market.core.errors import InputError
from trex_market.storage.rows import RunRecord
from trex_market.totals import Totals

BATTERIES_SHOWN = 12

BASELINE_LABEL = "net billing"


class Wishes(msgspec.Struct, frozen=True):
    """What a report is to show.

    Args:
        kpis: names of KPIs; None for all.
        slots: starts of slots whose orders are to be in the page of a long run, too.
    """

    kpis: tuple[str, ...] | None = None
    slots: tuple[int, ...] = ()


class RunReport(msgspec.Struct, frozen=True):
    """What is told of a run.

    Args:
        label: tells it from other runs of the same page.
        about: what was run: name -> value.
        notes: what is missing, or shortened.
        kpis: its KPIs.
        baseline_kpis: of the baseline simulation over the same time; None if there was none.
        frames: its figures.
        baseline_energy: of the baseline simulation by slot; None if there was none.
        totals: the same as sums; None if it was recorded by day.
        baseline_totals: of the baseline simulation; None if there was none.
        timezone: of the times shown.
        period: length of a slot, in seconds.
        charges: of some batteries.
        batteries: how many there are.
        books: supply and demand of slots.
        busiest: the slot for which most was contracted.
        config: as YAML.
        flexibility: trading of flexibility; None if there was none.
        responses: demand response; None if there was none.
    """

    label: str
    about: dict[str, str]
    notes: tuple[str, ...]
    kpis: list[KpiValue]
    baseline_kpis: list[KpiValue] | None
    frames: RunFrames
    baseline_energy: EnergyFrame | None
    totals: Totals | None
    baseline_totals: Totals | None
    timezone: str
    period: int
    charges: Charges
    batteries: int
    books: list[SlotBook]
    busiest: int | None
    config: str
    flexibility: FlexibilityFrames | None = None
    responses: Responses | None = None


async def make_report(
    source: RunSource, baseline: RunSource | None, label: str, wishes: Wishes | None = None
) -> RunReport:
    """Read a run and work out all that is told of it.

    Args:
        source: the run.
        baseline: the baseline simulation over the same time, if there is one.
        label: tells it from other runs of the same page.
        wishes: what is to be shown.

    Raises:
        InputError: if nothing of it was recorded, or a KPI is not known.
        StorageError: if it cannot be read.
    """
    wishes = wishes or Wishes()
    if source.level == "none":
        raise InputError(f"its transactions were not recorded; run it with record: full ({source.record.id})")
    bills = None if baseline is None or baseline.level == "none" else await baseline.bills()
    books = Books(await source.orders(), wishes.slots)
    payments = FlexibilityPayments()
    run = await read_run(source, bills, [books, payments])
    period = run.frames.energy.period if run.frames.energy else 0
    values = measure(run.frames, wishes.kpis)
    base = None if baseline is None or baseline.level == "none" else await read_run(baseline)
    charges, batteries = await source.charges(BATTERIES_SHOWN)
    kept = books.kept()
    return RunReport(
        label=label,
        about=_about(source, run.frames),
        notes=_notes(source.record, run.frames, len(kept), books.slots, has_baseline=bills is not None),
        kpis=values,
        baseline_kpis=None if base is None else measure(base.frames, wishes.kpis),
        frames=run.frames,
        baseline_energy=None if base is None else base.frames.energy,
        totals=run.totals,
        baseline_totals=None if base is None else base.totals,
        timezone=source.timezone,
        period=period,
        charges=charges,
        batteries=batteries,
        books=kept,
        busiest=books.busiest,
        config=readable_config(source.record.config),
        flexibility=payments.frames(await source.feeders(), period) if period else None,
        responses=await source.responses(),
    )


def check_comparable(reports: Sequence[RunReport]) -> None:
    """Check that runs can stand side by side.

    Raises:
        InputError: if they are of different lengths; it says which.
    """
    lengths = {report.label: _length(report) for report in reports}
    if len(set(lengths.values())) > 1:
        shown = "; ".join(
            f"{label} has {rows:,} of {duration(period)}" for label, (period, rows) in lengths.items()
        )
        raise InputError(f"runs of different lengths cannot be compared, in slots: {shown}")


def _length(report: RunReport) -> tuple[int, int]:
    energy = report.frames.energy or report.frames.days
    return (energy.period, len(energy.start)) if energy else (0, 0)


# ---------------------------------------------------------------- what was run


def _about(source: RunSource, frames: RunFrames) -> dict[str, str]:
    record, opened = source.record, source.opened
    about = {"study": record.study, "simulation": _simulation(record), "run": record.id}
    if opened is not None:
        pools = "one pool" if pools_of(opened) == "single" else "pools by source"
        ahead = opened.close_steps - 1
        steps = "step" if ahead == 1 else "steps"
        about["market"] = f"{opened.rule}, {pools}, cleared {ahead} {steps} before delivery"
    energy = frames.energy or frames.days
    if energy is not None and energy.start:
        zone = ZoneInfo(source.timezone)
        first, last = energy.start[0], energy.start[-1] + energy.period
        about["time"] = (
            f"{_local(first, zone)} to {_local(last, zone)} ({zone.key}), "
            f"{len(energy.start):,} x {duration(energy.period)}"
        )
    about["participants"] = f"{len(frames.parties.participant_id):,}"
    about["recorded"] = "full" if source.level == "full" else "by participant and day"
    about["seed"] = str(record.seed)
    about["config"] = record.config_hash[:12] or "none"
    about["trex_market"] = record.version
    return about


def _simulation(record: RunRecord) -> str:
    return f"{record.simulation}, episode {record.episode}" if record.episode else record.simulation


def _local(time: int, zone: ZoneInfo) -> str:
    return f"{datetime.fromtimestamp(time, zone):%Y-%m-%d %H:%M}"


def _notes(
    record: RunRecord, frames: RunFrames, books: int, slots: int, *, has_baseline: bool
) -> tuple[str, ...]:
    notes = []
    if record.status != "finished":
        notes.append(
            f"The run is marked {record.status}: this is what was recorded until the report was made."
        )
    if frames.energy is None:
        notes.append(
            "It was recorded by participant and day (record: participant): what needs slots, prices or orders "
            "is missing."
        )
    elif not has_baseline and frames.net_billing is not None:
        notes.append(
            "There is no baseline simulation: net billing is the run's own readings at the grid's prices."
        )
    if books < slots:
        notes.append(
            f"The orders of {books:,} of {slots:,} slots are in this page, evenly spread; "
            "`trex-market report --slot TIME` puts in others."
        )
    return tuple(notes)


def readable_config(text: str) -> str:
    """Return a run's config, JSON, as YAML; as it is if it is something else."""
    try:
        config = msgspec.json.decode(text)
    except msgspec.DecodeError:
        return text
    return yaml.safe_dump(config, sort_keys=False, allow_unicode=True, width=100)
