"""What a source holds: extent, gaps, sums."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from tests.profiles.helpers import STEP, T0, write_csv
from trex_market.core.errors import ProfileError
from trex_market.profiles import open_source
from trex_market.profiles.overview import Gap, Month, Overview, months, overview
from trex_market.profiles.series import Series


def test_gaps_and_sums_are_exact(tmp_path: Path) -> None:
    write_csv(tmp_path / "p.csv", "{1},a,0.1,1", "{2},a,0.2,2", "{4},a,7,3", "{8},a,1,0", "{9},a,1,0")
    found = overview("a", open_source("p.csv", base=tmp_path).series("a"))
    assert found == Overview(
        "a",
        T0,
        T0 + 9 * STEP,
        STEP,
        5,
        (Gap(T0 + 2 * STEP, T0 + 3 * STEP, 1), Gap(T0 + 4 * STEP, T0 + 7 * STEP, 3)),
        Decimal("9.3"),
        {"solar": 6},
    )
    assert found.missing == 4


def test_a_slot_belongs_to_the_month_in_which_it_starts() -> None:
    february = 1_454_284_800  # 2016-02-01T00:00:00Z
    series = Series("here", [february - STEP, february, february + STEP], [1, 2, 4], {"solar": [0, 3, 5]})
    assert months(series) == [Month("2016-01", 2, 3, {"solar": 3}), Month("2016-02", 1, 4, {"solar": 5})]


def test_times_out_of_order_are_refused() -> None:
    with pytest.raises(ProfileError, match="not in order"):
        overview("a", Series("here", [T0 + STEP, T0], [1, 1], {}))
