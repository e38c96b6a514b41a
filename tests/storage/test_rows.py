"""Prices come back exactly as they went in."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from trex_market.core.units import MAX_PRICE, MICRO, price_from_dollars
from trex_market.storage.database import Database
from trex_market.storage.ledger import totals_by_kind
from trex_market.storage.reader import transactions
from trex_market.storage.writer import Writer

from .helpers import a_transaction


def test_every_price_up_to_a_dollar_is_exact() -> None:
    assert all(price_from_dollars(price / MICRO) == price for price in range(-1000, MICRO + 1))


@given(st.integers(-MAX_PRICE, MAX_PRICE))
def test_any_price_is_exact(price: int) -> None:
    assert price_from_dollars(price / MICRO) == price


async def test_prices_are_exact_through_the_database(database: Database) -> None:
    prices = [*range(2000), *range(-MAX_PRICE, MAX_PRICE, 1_234_567), MAX_PRICE]
    rows = [a_transaction(number, price=price) for number, price in enumerate(prices)]
    writer = Writer(database, "run", "market")
    writer._transactions += rows
    await writer.close()
    assert await transactions(database, "run") == rows
    (total,) = await totals_by_kind(database, "run")
    assert total.paid == total.received == 500 * sum(prices)
