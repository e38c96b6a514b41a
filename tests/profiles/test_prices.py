"""A series of grid prices, as the file has it and multiplied."""

from __future__ import annotations

from pathlib import Path

from trex_market.profiles.prices import read_price_series


def series(folder: Path, *lines: str) -> Path:
    file = folder / "prices.csv"
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return file


def test_prices_are_what_the_grid_pays(tmp_path: Path) -> None:
    file = series(tmp_path, "time,price", "900,0.2", "1800,0.3")
    assert read_price_series(file, 0.5).periods == ((0, 200_000, 300_000), (900, 300_000, 450_000))


def test_a_scale_makes_what_the_grid_pays_of_what_it_charges(tmp_path: Path) -> None:
    file = series(tmp_path, "time,price", "900,0.21", "1800,0.54")
    # A quarter of 0.21 is 0.0525, and four times that is 0.21 again.
    assert read_price_series(file, 3, 0.25).periods == ((0, 52_500, 210_000), (900, 135_000, 540_000))


def test_prices_are_rounded_after_they_were_scaled(tmp_path: Path) -> None:
    file = series(tmp_path, "time,price", "900,0.33333", "1800,0.33333")
    # 0.3 * 0.33333 = 0.099999, rounded 0.1; twice that is 0.199998, rounded 0.2.
    assert read_price_series(file, 1, 0.3).periods[0] == (0, 100_000, 200_000)


def test_both_prices_are_scaled(tmp_path: Path) -> None:
    file = series(tmp_path, "time,sell_price,buy_price", "900,0.1,0.4", "1800,0.1,0.4")
    assert read_price_series(file, 9, 0.5).periods[1] == (900, 50_000, 200_000)
