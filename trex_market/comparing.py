"""A config, or a run of it, to a comparison of rules over the same recorded orders."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack, aclosing
from pathlib import Path
from typing import Any

import msgspec

from trex_market.analysis.comparison import output
from trex_market.analysis.comparison.comparison import Comparing, Comparison
from trex_market.analysis.comparison.contestants import check_market, check_names, make_contestants
from trex_market.build import TRAINING, load_study
from trex_market.core.errors import InputError
from trex_market.reporting import Chosen, FoundRun, find_run
from trex_market.run import Display, StudyRun, new_directory
from trex_market.storage.address import FILE_ENDINGS, parse_address
from trex_market.transport import REACH

STEM = "compare"


class Request(msgspec.Struct, frozen=True):
    """What is to be compared, and how.

    Args:
        rules: names; the first is the reference.
        overrides: dotted key of the config -> value; None for no override.
        database: URL of the database, instead of a file in the directory.
        out: where it goes; a new directory by default, or that of the run.
        simulation: whose orders; the last one with trade by default, "training" where a run is made.
        resamples: of the bootstrap.
        confidence: of its intervals.
        seed: of its draws.
    """

    rules: tuple[str, ...]
    overrides: Mapping[str, object] = msgspec.field(default_factory=dict)
    database: str | None = None
    out: Path | None = None
    simulation: str | None = None
    resamples: int = 2_000
    confidence: float = 0.95
    seed: int = 1


class Compared(msgspec.Struct, frozen=True):
    """What a comparison left behind.

    Args:
        comparison: the comparison.
        page: with pictures; beside it are its twins in Markdown, JSON and CSV.
    """

    comparison: Comparison
    page: Path


async def compare(source: Path, request: Request, display: Display) -> Compared:
    """Compare rules.

    Args:
        source: a config, which is run once, or a run of it: its directory, or a database file.
        request: what is to be compared.
        display: shows how far the run is.

    Raises:
        InputError: if a rule is not known, the config is wrong, or the run has no orders.
        StrategyError: if a participant's strategy fails.
        StorageError: if the database cannot be used.
    """
    check_names(request.rules)
    if not 0 < request.confidence < 1:
        raise InputError(f"--confidence lies between 0 and 1, found {request.confidence:g}")
    if request.resamples < 1:
        raise InputError(f"--resamples must be at least 1, found {request.resamples}")
    if _is_run(source) and request.overrides.get("study.days") is not None:
        raise InputError(f"--days goes with a config; {source} was run already")
    run = source if _is_run(source) else await _recorded(source, request, display)
    async with AsyncExitStack() as stack:
        found = await find_run(stack, run, request.database, Chosen(request.simulation))
        comparison = await _compared(run, found, request)
        page = await asyncio.to_thread(_write, _directory(run, source, request), found, comparison)
    return Compared(comparison, page)


def _is_run(source: Path) -> bool:
    return source.is_dir() or source.suffix in FILE_ENDINGS


def _directory(run: Path, source: Path, request: Request) -> Path:
    """Return where the comparison goes: beside a run that was made for it, or where it is told to."""
    if run is source and request.out is not None:
        return request.out
    return run if run.is_dir() else run.parent


async def _recorded(config: Path, request: Request, display: Display) -> Path:
    """Run a config once, with everything recorded, and return the run's directory."""
    if request.database is not None:
        parse_address(request.database)
    overrides: dict[str, Any] = {
        "study.generations": 1,
        **{key: value for key, value in request.overrides.items() if value is not None},
        "study.record": "full",
        "study.simulations": [request.simulation or TRAINING],
    }
    study = load_study(config, overrides)
    check_market(study.terms)
    directory = new_directory(study.config.study.name, request.out)
    url = study.config.study.output_db_location if request.database is None else request.database
    await StudyRun(study, directory, url, display, REACH["local"]).run()
    return directory


async def _compared(run: Path, found: FoundRun, request: Request) -> Comparison:
    source = found.source
    if source.level != "full" or not await source.orders():
        raise InputError(f"{run}: has no orders to compare; run the config with record: full, and with trade")
    if source.opened is None:
        raise InputError(f"{run}: its record does not say on what terms its market was opened")
    comparing = Comparing(make_contestants(request.rules, source.opened), source.opened)
    async with aclosing(source.slots()) as slots:
        async for slot in slots:
            comparing.hear(slot)
    return comparing.result(request.resamples, request.confidence, request.seed)


def _write(directory: Path, found: FoundRun, comparison: Comparison) -> Path:
    record = found.source.record
    about = {
        "study": record.study,
        "orders of": f"{record.id} ({record.simulation})",
        "rules": _named(comparison),
        "slots": f"{len(comparison.starts):,}",
        "seed": str(record.seed),
        "config": record.config_hash[:12] or "none",
        "trex_market": record.version,
    }
    title = f"{record.study}: rules compared"
    directory.mkdir(parents=True, exist_ok=True)
    page = directory / f"{STEM}.html"
    page.write_text(output.comparison_page(title, about, comparison, found.source.timezone), encoding="utf-8")
    page.with_suffix(".md").write_text(output.as_markdown(title, about, comparison), encoding="utf-8")
    page.with_suffix(".csv").write_text(output.as_csv(comparison), encoding="utf-8")
    page.with_suffix(".json").write_bytes(output.as_json(about, comparison))
    return page


def _named(comparison: Comparison) -> str:
    pools = {"single": "one pool", "by_source": "pools by source"}
    return ", ".join(
        f"{rule.name} ({rule.kind if rule.pools is None else pools[rule.pools]})" for rule in comparison.rules
    )


def split_names(texts: Sequence[str]) -> tuple[str, ...]:
    """Split names that commas keep apart, each once."""
    names = [name.strip() for text in texts for name in text.split(",")]
    return tuple(dict.fromkeys(name for name in names if name))
