"""The KPIs that there are, by name.

A KPI is a function of frames. Its parameters are named as the frames of
`RunFrames` that it needs, and its docstring holds all else that is told about
it, in reports too: the first sentence, ``Formula``, ``Unit``, ``Source``. Its
version changes whenever its value would.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable
from typing import Any, Literal

import msgspec

from trex_market.analysis.frames import MISSING, RunFrames, check_columns
from trex_market.core.errors import InputError, unknown_name

Group = Literal["welfare", "energy", "bills", "fairness", "grid", "contracts", "prices", "balance"]

Better = Literal["higher", "lower", "zero", "neither"]

Number = int | float | None

_FIELD = re.compile(
    r"^ *(Formula|Unit|Source): (.*?)(?=\n *\n|\n *(?:Formula|Unit|Source): |\Z)", re.MULTILINE | re.DOTALL
)


class Kpi(msgspec.Struct, frozen=True):
    """A figure of a run.

    Args:
        name: in JSON and on the command line.
        title: in tables.
        group: its table's section.
        unit: of its value; "1" for a plain ratio.
        formula: how it is worked out.
        source: where it was published, or what it is modelled on.
        meaning: one sentence.
        version: changes whenever its value would.
        better: whether a higher value is better, a lower one, 0 alone, or neither.
        decimals: how many are shown.
        needs: names of the frames that it is made from.
        function: works it out; None if there is nothing to tell.
    """

    name: str
    title: str
    group: Group
    unit: str
    formula: str
    source: str
    meaning: str
    version: int
    better: Better
    decimals: int
    needs: tuple[str, ...]
    function: Callable[..., Number]


class KpiValue(msgspec.Struct, frozen=True):
    """A KPI of a run.

    Args:
        kpi: which.
        value: in its unit; None if there is none.
        missing: why there is none; empty if there is one.
    """

    kpi: Kpi
    value: Number
    missing: str = ""


KPIS: dict[str, Kpi] = {}
"""Name -> KPI, in the order of tables."""

NOTHING_TO_TELL = "nothing to measure: a denominator is 0"


def kpi(
    title: str,
    group: Group,
    *,
    better: Better = "neither",
    version: int = 1,
    decimals: int = 1,
) -> Callable[[Callable[..., Number]], Callable[..., Number]]:
    """Make a KPI of a function; see the module for what its docstring holds.

    Args:
        title: in tables.
        group: its table's section.
        better: whether a higher value is better, a lower one, 0 alone, or neither.
        version: to be raised whenever the value would change.
        decimals: how many are shown.
    """

    def register(function: Callable[..., Number]) -> Callable[..., Number]:
        text = inspect.getdoc(function) or ""
        fields = {match[1]: _line(match[2]) for match in _FIELD.finditer(text)}
        KPIS[function.__name__] = Kpi(
            function.__name__,
            title,
            group,
            fields.get("Unit", ""),
            fields.get("Formula", ""),
            fields.get("Source", ""),
            _line(text.partition("\n\n")[0]),
            version,
            better,
            decimals,
            tuple(inspect.signature(function).parameters),
            function,
        )
        return function

    return register


def _line(text: str) -> str:
    return " ".join(text.split())


def chosen(names: Iterable[str] | None = None) -> list[Kpi]:
    """Return KPIs by name, all if none is named.

    Raises:
        InputError: if there is no such KPI.
    """
    if names is None:
        return list(KPIS.values())
    found = []
    for name in names:
        if name not in KPIS:
            raise InputError(unknown_name("KPI", name, KPIS))
        found.append(KPIS[name])
    return found


def measure(frames: RunFrames, names: Iterable[str] | None = None) -> list[KpiValue]:
    """Work out KPIs of a run.

    Args:
        frames: of the run.
        names: which; all if none is named.

    Raises:
        InputError: if there is no such KPI, or a frame's columns have different lengths.
    """
    for name in RunFrames.__struct_fields__:
        frame = getattr(frames, name)
        if frame is not None:
            check_columns(frame)
    return [_value(one, frames) for one in chosen(names)]


def _value(one: Kpi, frames: RunFrames) -> KpiValue:
    given: list[Any] = [getattr(frames, name) for name in one.needs]
    for name, frame in zip(one.needs, given, strict=True):
        if frame is None:
            return KpiValue(one, None, MISSING[name])
    value = one.function(*given)
    return KpiValue(one, value, NOTHING_TO_TELL if value is None else "")
