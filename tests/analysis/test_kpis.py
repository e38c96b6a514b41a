"""Every KPI of two slots worked out by hand; what is missing is said; the registry is complete."""

from __future__ import annotations

from math import sqrt

import msgspec
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.analysis.helpers import SLOTS, frames_of
from tests.helpers import STEP
from trex_market.analysis.building import Terms
from trex_market.analysis.frames import MISSING, EnergyFrame, PartyFrame, RunFrames, columns
from trex_market.analysis.kpis import KPIS, measure, measures
from trex_market.analysis.kpis.energy import home_shares
from trex_market.analysis.kpis.registry import NOTHING_TO_TELL
from trex_market.analysis.people import participant_columns
from trex_market.core.errors import InputError
from trex_market.core.messages import GridTerms
from trex_market.core.tariff import Tariff

BY_HAND = {
    # Contracts: 1000 Wh at 0.20 (bid 0.28, ask 0.12), 200 at 0.16 (0.20, 0.12), 400 at 0.20 (0.25, 0.15).
    "welfare": 0.160 + 0.016 + 0.040,
    "buyer_surplus": 0.080 + 0.008 + 0.020,
    "seller_surplus": 0.080 + 0.008 + 0.020,
    "allocative_efficiency": 100,
    "volume_efficiency": 100,
    # P0 is 0.20 in both slots: 200 of 1600 Wh are a fifth below it.
    "smiths_alpha": 100 * sqrt(200 * 0.2**2 / 1600),
    # At P0 c would gain nothing and s 0.096; c gained 0.008, s 0.088. Five traders in two slots.
    "profit_dispersion": sqrt(2 * 0.008**2 / 5),
    "load": 2.090,
    "generation": 1.790,
    "traded": 1.400,
    "self_sufficiency": 100 * (1 - 600 / 2090),
    "self_consumption": 100 * (1 - 300 / 1790),
    "home_self_sufficiency": 100 * (1 - 2000 / 2090),
    "home_self_consumption": 100 * (1 - 1700 / 1790),
    "local_share_of_demand": 70,
    "local_share_of_export": 100 * 1400 / 1700,
    # b pays 0.28, c 0.166, s gets 0.286; without the market b pays 0.39, c 0.21, s gets 0.17.
    "bill": 0.160,
    "net_billing_bill": 0.430,
    "saving": 0.270,
    "saving_share": 100 * 0.270 / 0.430,
    "flat_bill": 0.860,
    "time_of_use_bill": 1.290,
    "saving_against_time_of_use": 1.130,
    "operator_income": 0,
    "losers": 0,
    "gini_of_savings": 2 * (66 + 72 + 6) / (2 * 9 * 90),
    "jain_of_savings": 270**2 / (3 * (110**2 + 44**2 + 116**2)),
    "least_to_most_saved": 44 / 116,
    # b paid 0.20 on average and c 0.16; the grid's prices lie 0.20 apart.
    "quality_of_experience": 1 - 0.02 / 0.10,
    # 500 Wh in from the grid, then 200 out to it.
    "peak_import": 2.0,
    "peak_export": 0.8,
    "load_factor": 50,
    "ramping": 0.7,
    "contracted": 1.6,
    "contracts_kept": 87.5,
    # s lacks 100 Wh, c takes 400 more; then s gives 200 more, b takes 100 less, c 100 more.
    "imbalance": 0.9,
    "imbalance_cost": 100 * (0.030 + 0.020) / 0.296,
    "price_paid": 0.276 / 1.4,
    "price_received": 0.276 / 1.4,
    "price_median": 0.20,
    "price_lowest": 0.16,
    "price_highest": 0.20,
    "price_deviation": 0.04 * sqrt(100 * 1300) / 1400,
    "slots_with_trade": 100,
    "money_imbalance": 0,
    "energy_imbalance": 0,
    "overfilled": 0,
}

TARIFFS = Terms(
    STEP,
    "by_source",
    flat=Tariff(GridTerms(0.2, 2.0), "UTC"),  # pays 0.2, charges 0.6: twice the grid's prices
    time_of_use=Tariff(GridTerms(0.1, 2.0, {"9": {"8": 0.3}}), "UTC"),  # thrice, in that hour
)


def values(frames: RunFrames) -> dict[str, float | None]:
    return {one.kpi.name: one.value for one in measure(frames)}


def test_every_figure_is_the_one_worked_out_by_hand() -> None:
    found = values(frames_of(SLOTS, weekday(TARIFFS)))
    assert list(found) == list(BY_HAND)
    for name, value in BY_HAND.items():
        assert found[name] == pytest.approx(value, abs=1e-12), name


def weekday(terms: Terms) -> Terms:
    """Return terms whose time of use holds on the slots' Sunday, which it does not by itself."""
    return msgspec.structs.replace(terms, time_of_use=Tariff(GridTerms(0.3, 2.0), "UTC"))


def test_time_of_use_keeps_the_base_price_on_sundays() -> None:
    found = values(frames_of(SLOTS, TARIFFS))
    assert found["time_of_use_bill"] == pytest.approx(0.430)


def test_a_baseline_takes_the_place_of_the_readings() -> None:
    baseline = {"b": 200_000_000, "c": 300_000_000, "s": -286_000_000}
    found = values(frames_of(SLOTS, baseline=baseline))
    assert found["net_billing_bill"] == pytest.approx(0.214)
    assert found["saving"] == pytest.approx(-0.080 + 0.134 + 0)
    assert found["losers"] == pytest.approx(100 / 3)


def test_whole_figures_stay_whole() -> None:
    found = values(frames_of(SLOTS))
    for name in ("money_imbalance", "energy_imbalance", "overfilled"):
        assert type(found[name]) is int


def test_homes_have_shares_of_their_own() -> None:
    parties = frames_of(SLOTS).parties
    sufficiency, consumption = home_shares(parties)
    assert parties.participant_id == ["b", "c", "s"]
    assert sufficiency == [0, 0, 100]
    assert consumption[:2] == [None, None]
    assert consumption[2] == pytest.approx(100 * 90 / 1790)


def test_participants_have_a_column_for_each_figure() -> None:
    columns_of = {column.name: column.values for column in participant_columns(frames_of(SLOTS, TARIFFS))}
    assert columns_of["bill"] == pytest.approx([0.280, 0.166, -0.286])
    assert columns_of["saving"] == pytest.approx([0.110, 0.044, 0.116])
    assert columns_of["saving_share"] == pytest.approx([100 * 11 / 27, 100 * 4.4 / 27, 100 * 11.6 / 27])
    assert columns_of["bill_flat"] == pytest.approx([0.780, 0.420, -0.340])
    assert columns_of["bought"] == [1.3, 0.1, 0]
    without = [column.name for column in participant_columns(frames_of(SLOTS))]
    assert "bill_time_of_use" not in without


# ---------------------------------------------------------------- what is not there


def test_nothing_at_all_has_no_figures_and_says_why() -> None:
    empty = PartyFrame(*([] for _ in PartyFrame.__struct_fields__))
    found = {one.kpi.name: one for one in measure(RunFrames(empty))}
    assert found["self_sufficiency"].missing == NOTHING_TO_TELL
    assert found["allocative_efficiency"].missing == MISSING["auction"]
    assert (found["load"].value, found["load"].missing) == (0, "")
    assert all(one.value is None for one in found.values() if one.kpi.needs != ("parties",))


def test_every_frame_that_can_be_missing_has_a_reason() -> None:
    optional = set(RunFrames.__struct_fields__) - {"parties", "days", "flows"}
    assert set(MISSING) == optional
    assert all(set(kpi.needs) <= {"parties", *MISSING} for kpi in KPIS.values())


def test_an_unknown_figure_names_those_that_there_are() -> None:
    with pytest.raises(InputError, match=r"unknown KPI 'self_suficiency'\. Did you mean 'self_sufficiency'"):
        measure(frames_of(SLOTS), ["self_suficiency"])


def test_figures_can_be_chosen() -> None:
    assert [one.kpi.name for one in measure(frames_of(SLOTS), ["saving", "load"])] == ["saving", "load"]


def test_columns_of_different_lengths_are_refused() -> None:
    frames = frames_of(SLOTS)
    assert frames.energy is not None
    broken = msgspec.structs.replace(frames.energy, load=[1])
    with pytest.raises(InputError, match="EnergyFrame: the columns have different lengths: start 2, load 1"):
        measure(msgspec.structs.replace(frames, energy=broken))


def test_every_figure_says_what_it_is() -> None:
    for kpi in KPIS.values():
        assert kpi.unit, kpi.name
        assert kpi.formula, kpi.name
        assert kpi.source, kpi.name
        assert kpi.meaning.endswith("."), kpi.name
        assert kpi.version >= 1
    assert len({kpi.title for kpi in KPIS.values()}) == len(KPIS)


def test_a_frame_is_a_table_elsewhere_as_it_is() -> None:
    energy = frames_of(SLOTS).energy
    assert isinstance(energy, EnergyFrame)
    table = pa.table(columns(energy))
    assert table.column("supplied").to_pylist() == [500, 100]
    assert table.num_rows == 2


# ---------------------------------------------------------------- measures

amounts = st.lists(st.integers(0, 1000), min_size=1, max_size=12)


@given(values=amounts, scale=st.integers(1, 9))
def test_gini_is_the_definitions(values: list[int], scale: int) -> None:
    count, mean = len(values), sum(values) / len(values)
    found = measures.gini(values)
    if not mean:
        assert found is None
        return
    pairs = sum(abs(one - two) for one in values for two in values)
    assert found == pytest.approx(pairs / (2 * count**2 * mean))
    assert 0 <= found <= (count - 1) / count + 1e-12
    assert measures.gini([scale * value for value in values]) == pytest.approx(found)


@given(values=amounts)
def test_jain_lies_between_one_has_all_and_all_have_the_same(values: list[int]) -> None:
    found = measures.jain(values)
    if found is None:
        assert not any(values)
    else:
        assert 1 / len(values) - 1e-12 <= found <= 1 + 1e-12


@given(pairs=st.lists(st.tuples(st.integers(0, 50), st.integers(1, 9)), min_size=1, max_size=9))
def test_weights_stand_for_so_many_values(pairs: list[tuple[int, int]]) -> None:
    pairs = sorted(pairs)
    spread = sorted(value for value, weight in pairs for _ in range(weight))
    values_, weights = [value for value, _ in pairs], [weight for _, weight in pairs]
    mean = sum(spread) / len(spread)
    deviation = sqrt(sum((value - mean) ** 2 for value in spread) / len(spread))
    assert measures.weighted_deviation(values_, weights) == pytest.approx(deviation, abs=1e-9)
    assert measures.weighted_quantile(values_, weights, 0.5) == spread[(len(spread) + 1) // 2 - 1]


def test_quality_of_experience_ends_at_0_and_1() -> None:
    assert measures.quality_of_experience([0.1, 0.3], 0.1, 0.3) == pytest.approx(0)
    assert measures.quality_of_experience([0.2, 0.2], 0.1, 0.3) == pytest.approx(1)
    assert measures.quality_of_experience([], 0.1, 0.3) is None
    assert measures.quality_of_experience([0.2], 0.3, 0.3) is None
    assert measures.least_to_most([-1.0, -2.0]) is None
