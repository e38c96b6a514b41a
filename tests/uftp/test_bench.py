"""The benchmark exchanges messages on both sides."""

from __future__ import annotations

import pytest

from trex_market.benchmarks import uftp as bench


async def test_both_sides_exchange_messages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "MESSAGES", 8)
    for make in (bench._offer, bench._prognosis):
        assert await bench.our_pairs(make, 2) > 0


def test_the_library_exchanges_them_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "MESSAGES", 8)
    for make in (bench._offer, bench._prognosis):
        assert bench.library_pairs(make, 2) > 0
