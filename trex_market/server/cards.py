"""What is watched, as people are shown it: the cards of `protocol.view`."""

from __future__ import annotations

from trex_market import __version__
from trex_market.core.messages import Order
from trex_market.core.units import dollars_from_money, dollars_from_price
from trex_market.protocol import view, wire
from trex_market.server.market_data import ladder
from trex_market.server.watching import Watch
from trex_market.totals import PartyTotals, Totals

OPEN_SLOTS_SHOWN = 24

LADDER_STEPS = 60
"""Prices of the order book shown on each side."""


def cards(watch: Watch) -> dict[str, wire.Message | list[wire.Message]]:
    """Return all cards by name, see `protocol.view.CARDS`."""
    days = watch.days.last_days(watch.market_time)
    return {
        "market": _market(watch),
        "round": _round(watch),
        "alarms": [*watch.alarms.current()],
        "participants": [*_participants(watch, days[0][1])],
        "bills": _bills(watch, days),
        "depth": _depth(watch),
        "prices": [*watch.prices],
        "flows": _flows(watch),
    }


def _market(watch: Watch) -> view.MarketCard:
    terms = watch.terms
    return view.MarketCard(
        market_id=terms.market_id,
        mode=terms.mode,
        rule=terms.rule,
        step=terms.step,
        timezone=terms.timezone,
        close_steps=terms.close_steps,
        version=__version__,
    )


def _round(watch: Watch) -> view.RoundCard:
    round = watch.round
    status = current_status(watch)
    return view.RoundCard(
        state="waiting" if status is None else status.state,
        simulation="" if status is None else status.simulation,
        episode=0 if status is None else status.episode,
        time=None if round is None else round.time,
        end=None if round is None else round.time + round.step,
        gate=None if round is None else round.next_settle,
        cleared=None if round is None else round.last_settle,
        round=0 if status is None else status.round,
        rounds=0 if status is None else status.rounds,
        rounds_per_second=0.0 if status is None else status.rounds_per_second,
        sell_price=None if round is None else dollars_from_price(round.sell_price),
        buy_price=None if round is None else dollars_from_price(round.buy_price),
        missed=0 if status is None else status.silent,
    )


def current_status(watch: Watch) -> wire.Status | None:
    """Return how what drives the rounds stands; None if nothing drives them yet."""
    return None if watch.status is None else watch.status()


# ---------------------------------------------------------------- participants


def _participants(watch: Watch, today: Totals | None) -> list[view.ParticipantCard]:
    return [
        view.ParticipantCard(
            participant_id=seat.participant_id,
            online=seat.connected,
            last_reading=watch.readings.get(seat.participant_id),
            missing=len(watch.missing.get(seat.participant_id, ())),
            today=_day_bill(today, seat.participant_id),
        )
        for seat in watch.desk.seats
    ]


def _bills(watch: Watch, days: list[tuple[int, Totals | None]]) -> view.BillsCard:
    (today, _), *before = days
    return view.BillsCard(
        today=today,
        days=[start for start, _ in before],
        bills={name: [_day_bill(totals, name) for _, totals in before] for name in watch.desk.seats.names},
    )


def _day_bill(totals: Totals | None, name: str) -> view.DayBill | None:
    party = None if totals is None else totals.parties.get(name)
    if party is None:
        return None
    return view.DayBill(
        bought=party.bought,
        sold=party.sold,
        supplied=party.supplied,
        fed_in=_fed_in(party),
        self_consumed=party.self_consumed,
        bill=dollars_from_money(party.bill),
    )


def _fed_in(party: PartyTotals) -> int:
    return party.fed_in + party.spilled


def _flows(watch: Watch) -> view.FlowsCard:
    parties = watch.flows.parties
    flows = [
        view.Flow(
            participant_id=name,
            supplied=party.supplied,
            bought=party.bought,
            self_consumed=party.self_consumed,
            sold=party.sold,
            fed_in=_fed_in(party),
            estimated=name in watch.estimated,
        )
        for name, party in sorted(parties.items())
    ]
    return view.FlowsCard(slot=watch.delivered, flows=flows)


# ---------------------------------------------------------------- depth


def _depth(watch: Watch) -> view.DepthCard:
    engine = watch.desk.engine
    # A slot keeps its place in the book when its last order is taken back.
    slots = (
        {}
        if engine is None
        else {start: orders for start, orders in engine.market.open_slots().items() if orders}
    )
    shown = [_open_slot(start, orders) for start, orders in list(slots.items())[:OPEN_SLOTS_SHOWN]]
    first = next(iter(slots.values()), [])
    return view.DepthCard(
        slots=shown,
        more=len(slots) - len(shown),
        bids=ladder((order for order in first if order.side == "bid"), descending=True)[:LADDER_STEPS],
        asks=ladder((order for order in first if order.side == "ask"), descending=False)[:LADDER_STEPS],
    )


def _open_slot(start: int, orders: list[Order]) -> view.OpenSlot:
    bids = [order for order in orders if order.side == "bid"]
    asks = [order for order in orders if order.side == "ask"]
    best_bid = max([order.price for order in bids], default=None)
    best_ask = min([order.price for order in asks], default=None)
    return view.OpenSlot(
        start=start,
        orders=len(orders),
        bids=sum([order.quantity for order in bids]),
        asks=sum([order.quantity for order in asks]),
        best_bid=None if best_bid is None else dollars_from_price(best_bid),
        best_ask=None if best_ask is None else dollars_from_price(best_ask),
    )
