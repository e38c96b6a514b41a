"""What is asked of an aggregator, divided among its members."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trex_market.programmes.flexibility.dividing import divided, wanted_of
from trex_market.programmes.flexibility.messages import FlexRequest, RequestIsp


def test_by_power_in_whole_wh_and_rather_one_too_many() -> None:
    # 1001 W for a quarter of an hour are 250.25 Wh.
    parts = divided({7: -1_001}, {"b": 2_000, "a": 1_000, "c": 0}, 900)
    assert sum(isps[7] for isps in parts.values()) == -251
    assert parts == {"a": {7: -84}, "b": {7: -167}}
    assert divided({7: 1_001}, {"a": 1}, 900) == {"a": {7: 251}}
    assert divided({7: 1_001}, {"a": 0}, 900) == {}


@given(
    wanted=st.dictionaries(st.integers(1, 100), st.integers(-100_000, 100_000).filter(bool), max_size=5),
    powers=st.dictionaries(st.text("abc", min_size=1, max_size=3), st.integers(0, 10_000), max_size=6),
    duration_s=st.sampled_from((300, 900, 3_600)),
)
def test_all_is_divided_and_in_any_order_alike(
    wanted: dict[int, int], powers: dict[str, int], duration_s: int
) -> None:
    parts = divided(wanted, powers, duration_s)
    assert all(powers[name] > 0 for name in parts)
    assert parts == divided(wanted, dict(reversed(powers.items())), duration_s)
    for place, power in wanted.items() if any(powers.values()) else ():
        energies = [isps.get(place, 0) for isps in parts.values()]
        assert all(energy * power >= 0 for energy in energies)
        # In W and seconds, so that nothing is rounded.
        assert 0 <= abs(sum(energies)) * 3_600 - abs(power) * duration_s < 3_600


@pytest.mark.parametrize(
    ("requested", "least", "most", "found"),
    [(True, -500, 0, {3: -500, 4: -500}), (True, 0, 700, {3: 700, 4: 700}), (False, -500, 700, {})],
)
def test_what_a_request_asks_for(requested: bool, least: int, most: int, found: dict[int, int]) -> None:
    request = FlexRequest(
        message_id="request",
        conversation_id="request",
        sender="dso.demo",
        recipient="agr.demo",
        time=0,
        period="2026-03-02",
        time_zone="UTC",
        isp_duration_s=900,
        congestion_point="ea1.2026-01.demo.dso:feeder",
        revision=1,
        expires=1,
        isps=(RequestIsp(3, requested, least, most, 2),),
    )
    assert wanted_of(request) == found
