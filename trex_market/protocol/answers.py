"""Events and records -> what is sent, and back again for clients."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from msgspec import UNSET

from trex_market.core.messages import (
    Attributes,
    Contract,
    MeterReading,
    Order,
    Requirement,
    RoundStarted,
    Transaction,
)
from trex_market.core.units import dollars_from_price, price_from_dollars
from trex_market.participant import MarketInfo, NewOrder, Series
from trex_market.protocol.wire import (
    AttributesMessage,
    ContractMessage,
    Interval,
    MarketTerms,
    Meter,
    OpenOrder,
    ProfileMessage,
    RequirementMessage,
    RoundMessage,
    SidedOrder,
    TransactionMessage,
)


def contract_message(contract: Contract) -> ContractMessage:
    """Return a contract as it is sent."""
    return ContractMessage(
        id=contract.id,
        time_delivery=(contract.slot_start, contract.slot_end),
        seller_id=contract.seller_id,
        buyer_id=contract.buyer_id,
        energy_source=contract.energy_source,
        quantity=contract.quantity,
        settlement_price_sell=dollars_from_price(contract.settlement_price_sell),
        settlement_price_buy=dollars_from_price(contract.settlement_price_buy),
        bid_id=contract.bid_id,
        ask_id=contract.ask_id,
        time_purchase=contract.time_purchase,
        fee_ask=dollars_from_price(contract.fee_ask) if contract.fee_ask else UNSET,
        fee_bid=dollars_from_price(contract.fee_bid) if contract.fee_bid else UNSET,
    )


def contract_of(message: ContractMessage) -> Contract:
    """Return the contract that was sent."""
    start, end = message.time_delivery
    return Contract(
        message.id,
        start,
        end,
        message.seller_id,
        message.buyer_id,
        message.energy_source,
        message.quantity,
        price_from_dollars(message.settlement_price_sell),
        price_from_dollars(message.settlement_price_buy),
        message.bid_id,
        message.ask_id,
        message.time_purchase,
        price_from_dollars(message.fee_ask or 0.0),
        price_from_dollars(message.fee_bid or 0.0),
    )


def transaction_message(row: Transaction) -> TransactionMessage:
    """Return a transaction as it is sent."""
    return TransactionMessage(
        id=row.id,
        kind=row.kind,
        contract_id=row.contract_id,
        quantity=row.quantity,
        seller_id=row.seller_id,
        buyer_id=row.buyer_id,
        energy_source=row.energy_source,
        settlement_price_sell=dollars_from_price(row.settlement_price_sell),
        settlement_price_buy=dollars_from_price(row.settlement_price_buy),
        fee_ask=dollars_from_price(row.fee_ask),
        fee_bid=dollars_from_price(row.fee_bid),
        amount=row.amount,
        estimated=row.estimated,
        reverses=row.reverses,
        time_creation=row.time_creation,
        time_purchase=row.time_purchase,
        time_consumption=row.time_consumption,
    )


def transaction_of(message: TransactionMessage) -> Transaction:
    """Return the transaction that was sent."""
    return Transaction(
        message.id,
        message.kind,  # type: ignore[arg-type]  # the server's own word
        message.contract_id,
        message.quantity,
        message.seller_id,
        message.buyer_id,
        message.energy_source,
        price_from_dollars(message.settlement_price_sell),
        price_from_dollars(message.settlement_price_buy),
        message.time_creation,
        message.time_purchase,
        message.time_consumption,
        price_from_dollars(message.fee_ask),
        price_from_dollars(message.fee_bid),
        message.amount,
        message.estimated,
        message.reverses,
    )


def open_order(order: Order, step: int) -> OpenOrder:
    """Return an open order as it is sent."""
    return OpenOrder(
        order_id=order.order_id,
        side=order.side,
        quantity=order.quantity,
        price=dollars_from_price(order.price),
        time_delivery=(order.slot_start, order.slot_start + step),
        source=order.source,
    )


def order_of(message: OpenOrder, participant_id: str) -> Order:
    """Return an open order that was sent; of its time nothing is known."""
    price = price_from_dollars(message.price)
    slot_start = message.time_delivery[0]
    return Order(
        message.order_id,
        participant_id,
        message.side,
        message.quantity,
        price,
        message.source,
        slot_start,
        0,
        0,
    )


def sided_order(order: NewOrder, step: int) -> SidedOrder:
    """Return a new order as a participant sends it."""
    return SidedOrder(
        side=order.side,
        quantity=order.quantity,
        price=dollars_from_price(order.price),
        time_delivery=(order.slot_start, order.slot_start + step),
        source=order.source,
        attributes=attributes_message(order.attributes),
        requirements=[requirement_message(one) for one in order.requirements],
    )


def attributes_message(attributes: Attributes | None) -> AttributesMessage | None:
    """Return what an order says of itself as it is sent."""
    return None if attributes is None else AttributesMessage(energy_type=attributes.energy_type)


def requirement_message(requirement: Requirement) -> RequirementMessage:
    """Return one of an order's requirements as it is sent."""
    price = requirement.price
    return RequirementMessage(
        trading_partners=list(requirement.trading_partners),
        energy_type=list(requirement.energy_type),
        energy=requirement.energy,
        price=None if price is None else dollars_from_price(price),
    )


def meter_message(reading: MeterReading) -> Meter:
    """Return a meter reading as a participant sends it."""
    return Meter(
        time_interval=(reading.slot_start, reading.slot_end),
        generation=reading.generation,
        consumption=reading.consumption,
    )


def market_terms(market: MarketInfo) -> MarketTerms:
    """Return the market's terms as they are sent."""
    return MarketTerms(
        market_id=market.market_id,
        step=market.step,
        close_steps=market.close_steps,
        timezone=market.timezone,
    )


def market_info(terms: MarketTerms) -> MarketInfo:
    """Return the market's terms that were sent."""
    return MarketInfo(terms.market_id, terms.step, terms.close_steps, terms.timezone)


def profile_message(profile: Series) -> ProfileMessage:
    """Return load and generation as they are sent."""
    return ProfileMessage(
        start=profile.start,
        step=profile.step,
        load=list(profile.load),
        generation={source: list(series) for source, series in profile.generation.items()},
    )


class RoundSketch:
    """What a round's announcement says to everybody; `to` adds what is one participant's own."""

    def __init__(self, round: RoundStarted, timezone: str, server_time: float | None = None) -> None:
        step = round.step
        self._server_time = server_time
        self._time = round.time
        self._duration = step
        self._timezone = timezone
        self._current: Interval = (round.time, round.time + step)
        self._last: Interval = (round.time - step, round.time)
        self._last_settle: Interval = (round.last_settle, round.last_settle + step)
        self._next_settle: Interval = (round.next_settle, round.next_settle + step)
        self._prices = {
            slot_key(self._current): _grid(round.buy_price, round.sell_price),
            slot_key(self._next_settle): _grid(round.next_buy_price, round.next_sell_price),
        }

    def to(
        self, event: int, contracts: Iterable[Contract], transactions: Iterable[Transaction]
    ) -> RoundMessage:
        """Return the announcement for one participant.

        Args:
            event: its running number.
            contracts: the participant's, of the slot that was just cleared.
            transactions: the participant's, of the slot that was just delivered.
        """
        return RoundMessage(
            event=event,
            time=self._time,
            duration=self._duration,
            timezone=self._timezone,
            last_round=self._last,
            current_round=self._current,
            last_settle=self._last_settle,
            next_settle=self._next_settle,
            market_info=self._prices,
            contracts=[contract_message(contract) for contract in contracts],
            transactions=[transaction_message(row) for row in transactions],
            server_time=self._server_time,
        )


def slot_key(slot: Sequence[int]) -> str:
    """Return a slot as `market_info` names it: "(start, end)"."""
    return f"({slot[0]}, {slot[1]})"


def _grid(buy_price: int, sell_price: int) -> dict[str, dict[str, float]]:
    prices = {"buy_price": dollars_from_price(buy_price), "sell_price": dollars_from_price(sell_price)}
    return {"grid": prices}


def round_of(message: RoundMessage) -> RoundStarted:
    """Return the round that was announced."""
    now = message.market_info[slot_key(message.current_round)]["grid"]
    later = message.market_info[slot_key(message.next_settle)]["grid"]
    return RoundStarted(
        message.time,
        message.duration,
        message.last_settle[0],
        message.next_settle[0],
        price_from_dollars(now["sell_price"]),
        price_from_dollars(now["buy_price"]),
        price_from_dollars(later["sell_price"]),
        price_from_dollars(later["buy_price"]),
    )
