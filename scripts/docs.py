"""Writes what the documents take from the code: a whole page, and marked sections of others.

    docs/protocol.md                     all of it, from `trex_market.protocol.schema`
    <!-- made: NAME --> ... <!-- end -->  in README.md and docs, see `SECTIONS`

With --check nothing is written; the exit status says whether all is up to date.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

from trex_market.analysis.kpis import KPIS
from trex_market.analysis.theory import THEORIES, measure
from trex_market.analysis.theory.tables import heading, result_table
from trex_market.analysis.twins import definitions
from trex_market.core.book import by_priority
from trex_market.core.clearing import make_rule
from trex_market.core.errors import PhaseError
from trex_market.core.market import ALLOWED, Market, Phase
from trex_market.core.messages import (
    Command,
    Contract,
    Contracted,
    Delivered,
    GridTerms,
    MeterReading,
    OpenMarket,
    Order,
    Refused,
    ReportMeter,
    Side,
    StartRound,
    SubmitOrder,
    Transaction,
)
from trex_market.core.units import MICRO, NANO
from trex_market.engine import Engine
from trex_market.journal import read_commands
from trex_market.learning.tables import action_table, observation_table, reward_table
from trex_market.protocol.schema import protocol_page

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
SLOT = DOCS / "slot.jsonl"

STEP = 900
START = 1_468_836_000
TERMS = OpenMarket("example", "MicroTE", 2, STEP, "UTC", GridTerms(price=0.1, fee_ratio=1.0))

VALUES = {
    "order_id": "o1",
    "participant_id": "ann",
    "side": "bid",
    "quantity": 1,
    "price": 1,
    "source": "solar",
    "slot_start": START + 2 * STEP,
    "slot_end": START + 3 * STEP,
    "meter": MeterReading(START, START + STEP, {}, {}),
    "registers": (),
    "read_at": START,
    "expected": (),
    "attributes": None,
    "requirements": (),
    "area": None,
    "fee": 0,
    "fee_share": 0,
    "time": START,
    "duration": STEP,
}
"""What the fields of a command may hold, by name."""

# ---------------------------------------------------------------- the phases


def phases() -> str:
    """Draw the market's phases and what leads from one to the next, by trying every command in every phase."""
    lines = ["```mermaid", "stateDiagram-v2"]
    lines += [f'    state "{phase.value}" as {phase.name}' for phase in Phase]
    lines.append(f"    [*] --> {Phase.CLOSED.name}")
    for phase, commands in ALLOWED.items():
        by_target: dict[Phase, list[str]] = {}
        for kind in commands:
            market = _market_in(phase)
            with suppress(PhaseError):  # what asks for more than the phase changes nothing here
                market.handle(_command(kind))
            by_target.setdefault(market.phase, []).append(kind.__name__)
        for target, names in sorted(by_target.items()):
            lines.append(f"    {phase.name} --> {target.name}: {', '.join(sorted(names))}")
    return "\n".join([*lines, "```"])


def _market_in(phase: Phase) -> Market:
    market = Market()
    if phase is not Phase.CLOSED:
        market.handle(TERMS)
    if phase is Phase.ROUND:
        market.handle(StartRound(START, STEP))
    return market


def _command(kind: Callable[..., Command]) -> Command:
    if kind is OpenMarket:
        return TERMS
    fields: tuple[str, ...] = kind.__struct_fields__  # type: ignore[attr-defined]  # all commands are structs
    return kind(**{name: VALUES[name] for name in fields})


# ---------------------------------------------------------------- a slot, from orders to transactions


def example() -> str:
    """Show the slot of `SLOT`: orders, contracts, readings, transactions, and what each party ends up with."""
    engine = Engine()
    commands = [command for _, command in read_commands(SLOT)]
    events = [
        event for command in commands if not isinstance(command, Refused) for event in engine.submit(command)
    ]
    contracts = [one for event in events if isinstance(event, Contracted) for one in event.contracts]
    transactions = [row for event in events if isinstance(event, Delivered) for row in event.transactions]
    return "\n\n".join(
        [
            _orders(command for command in commands if isinstance(command, SubmitOrder)),
            _contracts(contracts),
            _readings(command for command in commands if isinstance(command, ReportMeter)),
            _transactions(transactions, [contract.id for contract in contracts]),
            _table(
                ("party", "money, $"), [(name, _dollars(money)) for name, money in balances(transactions)]
            ),
        ]
    )


def _orders(orders: Iterable[SubmitOrder]) -> str:
    rows = [(order.participant_id, order.side, order.quantity, _price(order.price)) for order in orders]
    return _table(("order of", "side", "Wh", "$/kWh"), rows)


def _contracts(contracts: Iterable[Contract]) -> str:
    rows = [
        (
            number,
            contract.seller_id,
            contract.buyer_id,
            contract.quantity,
            _price(contract.settlement_price_buy),
        )
        for number, contract in enumerate(contracts)
    ]
    return _table(("contract", "seller", "buyer", "Wh", "$/kWh"), rows)


def _readings(reports: Iterable[ReportMeter]) -> str:
    rows = [
        (
            report.participant_id,
            report.meter.generation.get("solar", 0),
            report.meter.consumption["other"].get("solar", 0),
            report.meter.consumption["other"]["external"],
        )
        for report in reports
    ]
    return _table(("reading of", "generation, Wh", "own use, Wh", "need, Wh"), rows)


def _transactions(transactions: Iterable[Transaction], contract_ids: list[str]) -> str:
    rows = [
        (
            row.kind,
            "" if row.contract_id is None else contract_ids.index(row.contract_id),
            row.seller_id,
            row.buyer_id,
            row.quantity,
            row.energy_source,
            _price(row.settlement_price_buy),
            _dollars(row.quantity * row.settlement_price_buy),
        )
        for row in transactions
    ]
    return _table(("kind", "contract", "seller", "buyer", "Wh", "source", "$/kWh", "buyer pays, $"), rows)


def balances(transactions: Iterable[Transaction]) -> list[tuple[str, int]]:
    """Return what each party has in the end, in nano-dollars, and the operator."""
    money: Counter[str] = Counter()
    for row in transactions:
        paid = row.quantity * (row.settlement_price_buy + row.fee_bid)
        got = row.quantity * (row.settlement_price_sell - row.fee_ask)
        money[row.buyer_id] -= paid
        money[row.seller_id] += got
        money["the operator"] += paid - got
    return sorted(money.items())


def _price(micro: int) -> str:
    return f"{micro / MICRO:.3f}"


def _dollars(nano: int) -> str:
    return f"{nano / NANO:.5f}"


def _table(columns: tuple[str, ...], rows: Iterable[tuple[str | int, ...]]) -> str:
    lines = [f"| {' | '.join(columns)} |", f"|{'---|' * len(columns)}"]
    return "\n".join([*lines, *(f"| {' | '.join(map(str, row))} |" for row in rows)])


# ---------------------------------------------------------------- worked books

BOOKS = (
    ((100, 90, 80, 70, 60), (80, 85, 95, 100, 110)),
    ((9, 8, 7, 4), (2, 3, 4, 5)),
    ((9, 8, 7, 4), (2, 3, 4, 12)),
)
"""Prices of buyers and of sellers, one Wh each."""

SHOWN_RULES = ("MicroTE", "MicroTE3", "uniform", "mcafee", "trade_reduction")


def books() -> str:
    """Show how the rules clear the worked books."""
    rows = [
        (number, f"`{rule}`", *_cleared(rule, *book))
        for number, book in enumerate(BOOKS, start=1)
        for rule in SHOWN_RULES
    ]
    return _table(("book", "rule", "q", "sellers get", "buyers pay", "gains", "operator keeps"), rows)


def _cleared(rule: str, bids: Sequence[int], asks: Sequence[int]) -> tuple[int | str, ...]:
    orders = [_unit("bid", price, number) for number, price in enumerate(bids)]
    orders += [_unit("ask", price, number) for number, price in enumerate(asks)]
    matches = make_rule(rule).match(*by_priority(orders, START))
    sell = [match.price_sell for match in matches]
    buy = [match.price_buy for match in matches]
    gains = sum(match.bid.price - match.ask.price for match in matches)
    return len(matches), _each(sell), _each(buy), f"{gains / MICRO:g}", f"{(sum(buy) - sum(sell)) / MICRO:g}"


def _unit(side: Side, price: int, number: int) -> Order:
    name = f"{side}-{number}"
    return Order(name, name, side, 1, price * MICRO, "solar", START, START, number)


def _each(prices: Iterable[int]) -> str:
    return ", ".join(f"{price / MICRO:g}" for price in prices)


# ---------------------------------------------------------------- figures, and numbers of the literature


def kpis() -> str:
    """Show what each figure of a report is."""
    return definitions(list(KPIS.values()))


def theory() -> str:
    """Show the numbers of the literature beside ours."""
    return "\n\n".join(f"{heading(one)}\n\n{result_table(one, measure(one))}" for one in THEORIES.values())


# ---------------------------------------------------------------- what the demo shows


def demo() -> str:
    """Return the table at the end of `trex-market demo`."""
    with tempfile.TemporaryDirectory() as folder:
        said = subprocess.run(
            [sys.executable, "-m", "trex_market", "demo", "--out", str(Path(folder) / "run")],
            env={**os.environ, "COLUMNS": "80", "PYTHONIOENCODING": "utf-8"},
            capture_output=True,
            encoding="utf-8",
            check=True,
        ).stdout
    lines = [line.rstrip() for line in said.splitlines()]
    first = lines.index("Results")
    last = next(number for number, line in enumerate(lines) if number > first and line.startswith("└"))
    return "\n".join(["```text", *lines[first : last + 1], "```"])


# ---------------------------------------------------------------- writing

SECTIONS: dict[str, Callable[[], str]] = {
    "observations": partial(observation_table, 2),
    "actions": action_table,
    "rewards": reward_table,
    "phases": phases,
    "example": example,
    "books": books,
    "kpis": kpis,
    "theory": theory,
    "demo": demo,
}
"""Name of a marked section -> what makes it."""

_SECTION = re.compile(r"<!-- made: (\w+) -->\n.*?<!-- end -->", re.DOTALL)


def with_sections(text: str) -> str:
    """Return a page with its marked sections made anew."""
    return _SECTION.sub(
        lambda match: f"<!-- made: {match[1]} -->\n{SECTIONS[match[1]]()}\n<!-- end -->", text
    )


def pages() -> dict[Path, Callable[[], str]]:
    """Return all pages that hold something from the code, and what makes each as it should be."""
    names = ("analysis.md", "learning.md", "rules.md", "validation.md")
    sectioned = [ROOT / "README.md", *(DOCS / name for name in names)]
    remade = {
        path: partial(lambda path: with_sections(path.read_text(encoding="utf-8")), path)
        for path in sectioned
    }
    return {DOCS / "protocol.md": protocol_page, **remade}


def main() -> None:
    """Write the pages, or check them."""
    check = sys.argv[1:] == ["--check"]
    stale = False
    for path, make in pages().items():
        text = make()
        if path.exists() and path.read_text(encoding="utf-8") == text:
            continue
        stale = True
        if check:
            sys.stderr.write(f"{path}: is not what the code says; run scripts/docs\n")
        else:
            path.write_text(text, encoding="utf-8")
    raise SystemExit(1 if check and stale else 0)


if __name__ == "__main__":
    main()
