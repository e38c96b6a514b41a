"""A low-voltage grid of SimBench: how much its lines and its transformer are loaded, by pandapower's load flow.

Homes are connected at their buses; nothing else is. Reactive power is left out.
Needs the extra `grid` (pandapower, simbench).
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from importlib.resources import files
from importlib.util import find_spec
from typing import Any

import msgspec

from trex_market.core.errors import InputError, MissingExtraError, unknown_name

_MEGA = 1_000_000
PRECISION_W = 10
"""A limit may be so much lower than what the grid bears."""


class Loading(msgspec.Struct, frozen=True):
    """What a load flow has found.

    Args:
        line: loading of the line that is loaded most, in percent of its rated current.
        line_name: which.
        transformer: loading of the transformer that is loaded most, in percent.
        lowest_voltage: of all buses, per unit.
        highest_voltage: of all buses, per unit.
    """

    line: float
    line_name: str
    transformer: float
    lowest_voltage: float
    highest_voltage: float

    @property
    def most(self) -> float:
        """The larger of both loadings, in percent."""
        return max(self.line, self.transformer)


class PointGrid(msgspec.Struct, frozen=True):
    """The grid behind a congestion point, and the loading (percent) that is kept."""

    grid: LowVoltageGrid
    max_loading: float


class LowVoltageGrid:
    """A grid with homes at its buses.

    Args:
        code: its SimBench code, e.g. "1-LV-semiurb5--2-sw".
        buses: home -> name of its bus.

    Raises:
        MissingExtraError: if pandapower or simbench is not installed.
        InputError: if there is no such grid, or bus.
    """

    def __init__(self, code: str, buses: Mapping[str, str]) -> None:
        if find_spec("pandapower") is None or find_spec("simbench") is None:
            raise MissingExtraError("the loading of lines and transformers", "grid")
        import pandapower  # noqa: PLC0415 - an extra, and slow to load
        import simbench  # noqa: PLC0415

        codes = [known for known in simbench.collect_all_simbench_codes() if known.startswith("1-LV-")]
        if code not in codes:
            raise InputError(unknown_name("SimBench grid", code, codes))
        self._flow = pandapower
        self._net: Any = simbench.get_simbench_net(code)
        self._places = self._connect(buses)

    def _connect(self, buses: Mapping[str, str]) -> dict[str, int]:
        """Take off all that is connected, and connect the homes."""
        net = self._net
        for table in ("load", "sgen", "storage"):
            net[table] = net[table].iloc[0:0]
        known = {str(name): int(place) for place, name in net.bus["name"].items()}
        places: dict[str, int] = {}
        for home, bus in buses.items():
            if bus not in known:
                raise InputError(f"home {home!r}: {unknown_name('bus', bus, known)}")
            places[home] = int(self._flow.create_load(net, known[bus], 0.0, name=home))
        return places

    def loading(self, powers: Mapping[str, int]) -> Loading:
        """Work out the loading of the grid.

        Args:
            powers: home -> W that it takes, below 0 gives; 0 where nothing is said.

        Raises:
            InputError: if the load flow has no solution: the grid cannot carry so much.
        """
        net = self._net
        for home, place in self._places.items():
            net.load.at[place, "p_mw"] = powers.get(home, 0) / _MEGA
        try:
            self._flow.runpp(net, numba=False)
        except self._flow.LoadflowNotConverged as error:
            raise InputError("the load flow has no solution: the grid cannot carry so much") from error
        lines = net.res_line["loading_percent"]
        worst = lines.idxmax()
        return Loading(
            float(lines[worst]),
            str(net.line["name"][worst]),
            float(net.res_trafo["loading_percent"].max()),
            float(net.res_bus["vm_pu"].min()),
            float(net.res_bus["vm_pu"].max()),
        )

    def limit(self, powers: Mapping[str, int], most: float) -> int | None:
        """Return how much may flow in all, were it divided among the homes as it is, so that a loading is kept.

        Args:
            powers: home -> W.
            most: percent, of lines and transformer.

        Returns:
            W, in the direction of the sum of `powers`; None if the loading is kept as it is.
        """
        total = abs(sum(powers.values()))
        if not total or self._kept(powers, 1.0, most):
            return None
        low, high = 0.0, 1.0
        while (high - low) * total >= PRECISION_W:
            middle = (low + high) / 2
            low, high = (middle, high) if self._kept(powers, middle, most) else (low, middle)
        return int(low * total)

    def _kept(self, powers: Mapping[str, int], part: float, most: float) -> bool:
        try:
            loading = self.loading({home: round(part * power) for home, power in powers.items()})
        except InputError:
            return False
        return loading.most <= most


def packaged_buses() -> dict[str, str]:
    """Return the packaged homes and their buses in the grid that they are of, "1-LV-semiurb5--2-sw"."""
    table = files("trex_market") / "data" / "semiurban" / "homes.csv"
    rows = csv.DictReader(table.read_text(encoding="utf-8").splitlines())
    return {row["participant_id"]: row["bus"] for row in rows}
