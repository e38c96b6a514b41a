"""Lots and chance in compiled code against the core's."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trex_market.core import lots as plain
from trex_market.kernels import lots

pytestmark = pytest.mark.timeout(900)  # compiling for the first time takes its while

steady = settings(deadline=None, derandomize=True, max_examples=300)
signed = st.one_of(st.integers(-(2**63), 2**63 - 1), st.integers(-3, 2**33))
names = st.text(max_size=12)


@steady
@given(value=st.integers(0, 2**64 - 1))
def test_numbers_are_scrambled_alike(value: int) -> None:
    assert int(lots.splitmix64(np.uint64(value))) == plain.splitmix64(value)


@steady
@given(slot=signed, name=names)
def test_lots_are_alike(slot: int, name: str) -> None:
    (checksum,) = lots.checksums([name])
    assert int(lots.lot(slot, checksum)) == plain.lot(slot, name)
    assert int(lots.rank(slot, checksum)) == plain.lot(slot, name) - 2**63


@steady
@given(seed=signed, name=names, time=signed, draw=st.integers(0, 2**31))
def test_chance_is_alike(seed: int, name: str, time: int, draw: int) -> None:
    (checksum,) = lots.checksums([name])
    expected = plain.uniform(seed, name, time, draw)
    assert lots.uniform(seed, checksum, time, draw) == expected
    assert lots.drawn(np.uint64(lots.stream(seed, checksum)), time, draw) == expected


def test_a_checksum_may_be_any_whole_number() -> None:
    assert lots.uniform(1, 5, 2, 3) == lots.uniform(1, np.uint64(5), 2, 3)
    assert lots.lot(1, 5) == lots.lot(1, np.uint64(5))
    assert lots.splitmix64(5) == plain.splitmix64(5)


def test_ranks_have_the_order_of_lots() -> None:
    checksums = lots.checksums([f"home_{number}" for number in range(500)])
    drawn = [int(lots.lot(1_468_792_800, checksum)) for checksum in checksums]
    ranks = [int(lots.rank(1_468_792_800, checksum)) for checksum in checksums]
    assert sorted(range(500), key=drawn.__getitem__) == sorted(range(500), key=ranks.__getitem__)
    assert min(ranks) < 0 < max(ranks)
