"""Writes what the documents take from the code: a whole page, and marked sections of others.

    docs/protocol.md                   all of it, from `trex_market.protocol.schema`
    <!-- made: NAME --> ... <!-- end --> in docs/rules.md, see `SECTIONS`

With --check nothing is written; the exit status says whether all is up to date.
"""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path

from trex_market.core.market import ALLOWED, Market, Phase
from trex_market.core.messages import (
    CancelOrder,
    Command,
    Contract,
    Contracted,
    Delivered,
    EndRound,
    EndTurn,
    GridTerms,
    Join,
    MeterReading,
    OpenMarket,
    ReplaceOrder,
    ReportMeter,
    Side,
    StartRound,
    SubmitOrder,
    Transaction,
)
from trex_market.core.units import MICRO, NANO
from trex_market.protocol.schema import protocol_page

DOCS = Path(__file__).parents[1] / "docs"

STEP = 900
START = 1_468_836_000
TERMS = OpenMarket("example", "MicroTE", 2, STEP, "UTC", GridTerms(price=0.1, fee_ratio=1.0))

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


def _command(kind: type) -> Command:
    samples: list[Command] = [
        TERMS,
        Join("ann", START),
        StartRound(START, STEP),
        _order("ann", "bid", 1, 1),
        CancelOrder("o1", "ann", START),
        ReplaceOrder("o1", "ann", 1, 1, START),
        ReportMeter("ann", MeterReading(START, START + STEP, {}, {}), START + STEP),
        EndTurn("ann"),
        EndRound(START + STEP),
    ]
    (sample,) = (command for command in samples if type(command) is kind)
    return sample


def _order(who: str, side: Side, quantity: int, price: int) -> SubmitOrder:
    slot_start = START + STEP
    return SubmitOrder(
        f"{who}-1", who, side, quantity, price, "solar", slot_start, slot_start + STEP, START - STEP
    )


# ---------------------------------------------------------------- a slot, from orders to transactions

ORDERS = (
    _order("ann", "ask", 900, 120_000),
    _order("dan", "ask", 200, 140_000),
    _order("bob", "bid", 600, 180_000),
    _order("cat", "bid", 500, 160_000),
)
READINGS = {
    "ann": ({"solar": 950}, {"other": {"solar": 80, "external": 0}}),
    "bob": ({}, {"other": {"external": 500}}),
    "cat": ({}, {"other": {"external": 430}}),
    "dan": ({"solar": 50}, {"other": {"external": 0}}),
}


def played() -> tuple[tuple[Contract, ...], tuple[Transaction, ...]]:
    """Play the example and return its contracts and transactions."""
    market = Market()
    slot_start = START + STEP
    commands: list[Command] = [TERMS]
    commands += [Join(name, START) for name in READINGS]
    commands += ORDERS
    commands += [StartRound(START, STEP), EndRound(slot_start), StartRound(slot_start, STEP)]
    for name, (generation, consumption) in READINGS.items():
        reading = MeterReading(slot_start, slot_start + STEP, generation, consumption)
        commands.append(ReportMeter(name, reading, slot_start + STEP))
    commands.append(EndRound(slot_start + STEP))
    events = [event for command in commands for event in market.handle(command)]
    (contracts,) = (event.contracts for event in events if isinstance(event, Contracted) and event.contracts)
    (transactions,) = (event.transactions for event in events if isinstance(event, Delivered))
    return contracts, transactions


def example() -> str:
    """Show the example: orders, contracts, readings, transactions, and what each party ends up with."""
    contracts, transactions = played()
    orders = [
        (order.participant_id, order.side, f"{order.quantity}", _price(order.price)) for order in ORDERS
    ]
    agreed = [
        (
            str(number),
            contract.seller_id,
            contract.buyer_id,
            f"{contract.quantity}",
            _price(contract.settlement_price_buy),
        )
        for number, contract in enumerate(contracts)
    ]
    metered = [
        (
            name,
            f"{sum(generation.values())}",
            f"{consumption['other'].get('solar', 0)}",
            f"{consumption['other']['external']}",
        )
        for name, (generation, consumption) in READINGS.items()
    ]
    numbers = {contract.id: str(number) for number, contract in enumerate(contracts)}
    ledger = [
        (
            row.kind,
            numbers.get(row.contract_id or "", ""),
            row.seller_id,
            row.buyer_id,
            f"{row.quantity}",
            row.energy_source,
            _price(row.settlement_price_buy),
            _money(row.quantity * row.settlement_price_buy),
        )
        for row in transactions
    ]
    return "\n\n".join(
        [
            _table(("order of", "side", "Wh", "$/kWh"), orders),
            _table(("contract", "seller", "buyer", "Wh", "$/kWh"), agreed),
            _table(("reading of", "generation, Wh", "own use, Wh", "need, Wh"), metered),
            _table(("kind", "contract", "seller", "buyer", "Wh", "source", "$/kWh", "buyer pays, $"), ledger),
            _table(("party", "money, $"), [(name, _money(sum_)) for name, sum_ in balances(transactions)]),
        ]
    )


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


def _money(nano: int) -> str:
    return f"{nano / NANO:.5f}"


def _table(columns: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [f"| {' | '.join(columns)} |", f"|{'---|' * len(columns)}"]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)])


# ---------------------------------------------------------------- writing

SECTIONS: dict[str, Callable[[], str]] = {"phases": phases, "example": example}
"""Name of a marked section -> what makes it."""

_SECTION = re.compile(r"<!-- made: (\w+) -->\n.*?<!-- end -->", re.DOTALL)


def with_sections(text: str) -> str:
    """Return a page with its marked sections made anew."""
    return _SECTION.sub(
        lambda match: f"<!-- made: {match[1]} -->\n{SECTIONS[match[1]]()}\n<!-- end -->", text
    )


def pages() -> dict[Path, str]:
    """Return all pages that hold something from the code, as they should be."""
    made = {DOCS / "protocol.md": protocol_page()}
    rules_page = DOCS / "rules.md"
    return {**made, rules_page: with_sections(rules_page.read_text(encoding="utf-8"))}


def main() -> None:
    """Write the pages, or check them."""
    check = sys.argv[1:] == ["--check"]
    stale = False
    for path, text in pages().items():
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
