"""From columns to the rows of the database: what a `RowCollector` makes of events, made of a chunk at once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import repeat

import msgspec
import numpy as np

from trex_market.core.messages import BATTERY, EXTERNAL, GRID, OTHER
from trex_market.core.units import MICRO, dollars_from_price
from trex_market.kernels.layout import Numbers
from trex_market.kernels.records import ACCEPTED, KINDS, REFUSALS, TAKE_OR_PAY, TAKEN_BACK
from trex_market.simulation.vector_chunks import Names, RoundColumns
from trex_market.storage.rows import Row

CHARGE = "state_of_charge"

_MEASURED = False
"""No reading of a population has to be deemed."""

_STATUS = {ACCEPTED: "accepted", TAKEN_BACK: "cancelled"}


class ChunkRows:
    """Makes rows of rounds, one after the other from the first of a run on.

    Args:
        run_id: of the run.
        market_id: the market's name.
        names: which numbers stand for what.
    """

    def __init__(self, run_id: str, market_id: str, names: Names) -> None:
        self._run_id = run_id
        self._market_id = market_id
        self._names = names
        # -1 stands for the grid, and is the place of the last element.
        self._parties = [*names.participants, GRID]
        self._sources = [*names.sources, GRID]
        self._readings = [_ReadingFormat(names, number) for number in range(len(names.participants))]
        self._orders = 0
        # Owner, number of the order -> its slot, and its row as long as it may be taken back.
        self._open: dict[tuple[int, int], tuple[int, Row]] = {}
        self._numerals: list[str] = []

    def _numbered(self, prefix: str, count: int) -> list[str]:
        """Return the ids that the market gives: a prefix and a running number."""
        known = self._numerals
        known.extend(f"{number:05d}" for number in range(len(known), count))
        return [prefix + numeral for numeral in known[:count]]

    def transactions(self, columns: RoundColumns) -> list[Row]:
        """Make the rows of the transactions of a round; see `storage.rows.transaction_rows`."""
        names, rows = self._names, columns.transactions
        start = columns.moment.time
        end = start + names.step
        made = end - (names.close_steps - 1) * names.step
        contracts = rows["contract"]
        contract_ids: list[str | None] = [
            *self._numbered(f"c{start}-", int(contracts.max(initial=-1)) + 1),
            None,
        ]
        return list(
            zip(
                repeat(self._run_id),
                self._numbered(f"t{start}-", len(rows)),
                _looked_up(KINDS, rows["kind"]),
                _looked_up(contract_ids, contracts),
                rows["quantity"].tolist(),
                _looked_up(self._parties, rows["seller"]),
                _looked_up(self._parties, rows["buyer"]),
                _looked_up(self._sources, rows["source"]),
                (rows["price_sell"] / MICRO).tolist(),
                (rows["price_buy"] / MICRO).tolist(),
                repeat(0.0),
                repeat(0.0),
                repeat(None),
                repeat(_MEASURED),
                repeat(None),
                repeat(start),
                np.where(rows["kind"] <= TAKE_OR_PAY, made, end).tolist(),
                repeat(end),
                strict=False,
            )
        )

    def contracts(self, columns: RoundColumns) -> list[Row]:
        """Make the rows of the contracts that were made in a round; see `storage.rows.contract_rows`."""
        names, rows = self._names, columns.contracts
        time = columns.moment.time
        start = time + (names.close_steps - 1) * names.step
        sellers, buyers = _looked_up(self._parties, rows["seller"]), _looked_up(self._parties, rows["buyer"])
        return list(
            zip(
                repeat(self._run_id),
                self._numbered(f"c{start}-", len(rows)),
                repeat(self._market_id),
                repeat(start),
                repeat(start + names.step),
                sellers,
                buyers,
                _looked_up(self._sources, rows["source"]),
                rows["quantity"].tolist(),
                (rows["price_sell"] / MICRO).tolist(),
                (rows["price_buy"] / MICRO).tolist(),
                _order_ids(buyers, rows["bid"]),
                _order_ids(sellers, rows["ask"]),
                repeat(time + names.step),
                strict=False,
            )
        )

    def orders(self, columns: RoundColumns) -> list[Row]:
        """Make the rows of the orders of a round; see `storage.rows.order_row` and `rejected_row`."""
        names, orders = self._names, columns.orders
        time = columns.moment.time
        next_settle = time + names.close_steps * names.step
        owners = _looked_up(self._parties, columns.owners)
        sources: list[str | None] = [*names.sources, None]
        rows = self._closed(columns, next_settle)
        numbered = zip(columns.owners.tolist(), owners, _order_ids(owners, orders["number"]), strict=True)
        for order, (number, owner, order_id) in zip(orders.tolist(), numbered, strict=True):
            bid, quantity, price, source, ahead, own_number, status = order
            self._orders += 1
            who = (self._run_id, self._orders, order_id, self._market_id, owner)
            code = REFUSALS[status]
            if code is not None:
                rows.append((*who, None, None, None, None, None, None, None, "rejected", str(code)))
                continue
            start = next_settle + ahead * names.step
            what = ("bid" if bid else "ask", quantity, price / MICRO, sources[source])
            row = (*who, *what, start, start + names.step, time, _STATUS[status], None)
            if number in names.beside:
                self._open[number, own_number] = start, row
            else:
                rows.append(row)
        return rows

    def open_orders(self) -> list[Row]:
        """Make the rows of orders that were open at the end."""
        return [row for _, row in self._open.values()]

    def _closed(self, columns: RoundColumns, next_settle: int) -> list[Row]:
        """Make the rows of orders that cannot be taken back any more, or were."""
        closed = [key for key, (start, _) in self._open.items() if start < next_settle]
        rows = [self._open.pop(key)[1] for key in closed]
        for key in columns.cancelled:
            _, row = self._open.pop(key)
            rows.append((*row[:-2], _STATUS[TAKEN_BACK], None))
        return rows

    def readings(self, columns: RoundColumns) -> list[Row]:
        """Make the rows of the readings of a round; see `storage.rows.reading_row`."""
        start = columns.moment.time
        end = start + self._names.step
        channels = columns.channels
        exported, used = channels["exported"].tolist(), channels["used"].tolist()
        stored = channels["stored"].tolist()
        outside = columns.participants[["load_outside", "battery_outside"]].tolist()
        return [
            (
                self._run_id,
                form.participant_id,
                start,
                end,
                form.generation % tuple(exported[form.channels]),
                form.consumption % form.consumed(used, stored, *outside[number]),
            )
            for number, form in enumerate(self._readings)
        ]

    def metrics(self, columns: RoundColumns) -> list[Row]:
        """Make the rows of the grid's prices and of what batteries hold."""
        run_id, moment = self._run_id, columns.moment
        time = moment.time
        rows: list[Row] = [
            (run_id, GRID, time, "sell_price", dollars_from_price(moment.sell_price)),
            (run_id, GRID, time, "buy_price", dollars_from_price(moment.buy_price)),
        ]
        for names, charges in columns.charges:
            rows += zip(repeat(run_id), names, repeat(time), repeat(CHARGE), charges.tolist(), strict=False)
        return rows


class _ReadingFormat:
    """How a participant's readings are written.

    Args:
        names: which numbers stand for what.
        number: of the participant.
    """

    def __init__(self, names: Names, number: int) -> None:
        place = names.layout.participants[number]
        first = int(place["channel"])
        self.participant_id = names.participants[number]
        self.channels = slice(first, first + int(place["channels"]))
        own = [names.sources[source] for source in names.layout.channels["source"][self.channels]]
        self._with_battery = BATTERY in own
        self.generation = _template(own)
        loads = f'"{OTHER}":{_template([*own, EXTERNAL])}'
        if self._with_battery:
            loads = f'"{BATTERY}":{_template([*own[:-1], EXTERNAL])},{loads}'
        self.consumption = f"{{{loads}}}"

    def consumed(
        self, used: Sequence[int], stored: Sequence[int], load_outside: int, battery_outside: int
    ) -> tuple[int, ...]:
        """Return the amounts that `consumption` has places for."""
        loads = (*used[self.channels], load_outside)
        if not self._with_battery:
            return loads
        return (*stored[self.channels][:-1], battery_outside, *loads)


def _template(names: Iterable[str]) -> str:
    """Return JSON of a mapping of names to whole numbers, with a place for each number."""
    written = [msgspec.json.encode(name).decode().replace("%", "%%") for name in names]
    return "{" + ",".join(f"{name}:%d" for name in written) + "}"


def _looked_up(names: Sequence[str | None], numbers: Numbers) -> list[str | None]:
    return [names[number] for number in numbers.tolist()]


def _order_ids(owners: Iterable[str | None], numbers: Numbers) -> list[str]:
    return [f"{owner}-{number}" for owner, number in zip(owners, numbers.tolist(), strict=True)]
