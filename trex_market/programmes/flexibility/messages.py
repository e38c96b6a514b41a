"""What a grid operator (DSO) and its aggregators (AGR) tell each other, and the records in it.

Signs are the prosumer's: power above 0 is consumption, below 0 production.
Powers are whole W, the mean of an ISP; in offers, orders and requests they are
deviations from the baseline. Money is nano-dollars, whole multiples of
`money.QUANTUM` (4 decimals of a dollar). Factors are hundredths, 1 to 100.
ISPs are numbered from 1 within a local day. Times are UNIX seconds.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from trex_market.programmes.flexibility.reasons import Rejection

# ---------------------------------------------------------------- records


class CongestionPoint(msgspec.Struct, frozen=True):
    """A place of the grid whose load is limited.

    Args:
        address: its entity address, e.g. "ea1.2026-01.demo.dso:feeder-1".
        import_limit_w: most that may flow towards the prosumers, in W.
        export_limit_w: most that may flow towards the grid, in W, above 0.
        connections: entity address of a connection -> domain of the aggregator that speaks for it, None for nobody.
        margin_w: the limits are kept by so much.
        mutex_offers: whether an offer may have several options, which exclude each other.
        parent: address of the point above it, None for none.
    """

    address: str
    import_limit_w: int
    export_limit_w: int
    connections: dict[str, str | None]
    margin_w: int = 0
    mutex_offers: bool = True
    parent: str | None = None

    def aggregators(self) -> tuple[str, ...]:
        """Return the domains of those who are active here, in order."""
        return tuple(sorted({domain for domain in self.connections.values() if domain is not None}))


class IspPower(msgspec.Struct, frozen=True):
    """Power in one or several ISPs in a row.

    Args:
        start: number of the first, from 1.
        power: W.
        duration: how many ISPs.
    """

    start: int
    power: int
    duration: int = 1


class RequestIsp(msgspec.Struct, frozen=True):
    """What a DSO asks for, or would bear, in one or several ISPs in a row; powers are deviations in W."""

    start: int
    requested: bool
    min_power: int
    max_power: int
    duration: int = 1


class OfferOption(msgspec.Struct, frozen=True):
    """One way to use an offer; the options of an offer exclude each other.

    Args:
        reference: names it within the offer.
        price: of the whole option, in nano-dollars.
        isps: deviations from the baseline.
        min_activation: least part of it that may be ordered, in hundredths.
    """

    reference: str
    price: int
    isps: tuple[IspPower, ...]
    min_activation: int = 100


# ---------------------------------------------------------------- messages


class Message(msgspec.Struct, frozen=True, kw_only=True, tag_field="message"):
    """Any message.

    Args:
        message_id: a UUID.
        conversation_id: a UUID, the same in all messages of a conversation.
        sender: domain.
        recipient: domain.
        time: when it was made.
    """

    message_id: str
    conversation_id: str
    sender: str
    recipient: str
    time: int


class DayMessage(Message, frozen=True, kw_only=True):
    """A message on the ISPs of a local day at a congestion point.

    Args:
        period: the day, "yyyy-mm-dd".
        time_zone: IANA name.
        isp_duration_s: length of an ISP, in seconds.
        congestion_point: entity address.
    """

    period: str
    time_zone: str
    isp_duration_s: int
    congestion_point: str


class DPrognosis(DayMessage, frozen=True, kw_only=True, tag="d_prognosis"):
    """AGR to DSO: what all its connections at the point are going to take, for every ISP of the day."""

    revision: int
    isps: tuple[IspPower, ...]


class FlexRequest(DayMessage, frozen=True, kw_only=True, tag="flex_request"):
    """DSO to all AGRs at the point: where it lacks room, and how much is left elsewhere."""

    revision: int
    expires: int
    isps: tuple[RequestIsp, ...]
    contract_id: str | None = None
    service_type: str | None = None


class FlexOffer(DayMessage, frozen=True, kw_only=True, tag="flex_offer"):
    """AGR to DSO: what it would change, and for how much.

    Args:
        request_id: message id of the request that it answers; None if nobody asked.
        prognosis_id: message id of the prognosis that it deviates from.
    """

    expires: int
    options: tuple[OfferOption, ...]
    request_id: str | None = None
    prognosis_id: str | None = None
    baseline_reference: str | None = None
    contract_id: str | None = None
    currency: str = "USD"


class FlexOfferRevocation(Message, frozen=True, kw_only=True, tag="flex_offer_revocation"):
    """AGR to DSO: an offer that was not ordered yet is taken back."""

    offer_id: str


class FlexOrder(DayMessage, frozen=True, kw_only=True, tag="flex_order"):
    """DSO to AGR: an option of an offer, or a part of it, is bought. It is final.

    Args:
        offer_id: message id of the offer; None for an unsolicited order.
        activation: how much of the option, in hundredths.
        price: of this order, in nano-dollars.
        order_reference: names it in the settlement.
    """

    option_reference: str | None
    activation: int
    price: int
    order_reference: str
    isps: tuple[IspPower, ...]
    offer_id: str | None = None
    prognosis_id: str | None = None
    baseline_reference: str | None = None
    contract_id: str | None = None
    currency: str = "USD"


class FlexReservationUpdate(DayMessage, frozen=True, kw_only=True, tag="flex_reservation_update"):
    """DSO to AGR: what of a bilateral contract stays reserved; 0 W is released."""

    contract_id: str
    reference: str
    isps: tuple[IspPower, ...]


class MeterProfile(msgspec.Struct, frozen=True):
    """Metered values of a connection, one for each ISP from `start` on: W ("power") or Wh."""

    kind: Literal["power", "import_energy", "export_energy", "import_reading", "export_reading"]
    values: tuple[int, ...]
    start: int = 1


class Metering(Message, frozen=True, kw_only=True, tag="metering"):
    """AGR to DSO: what a connection took on a day."""

    period: str
    time_zone: str
    isp_duration_s: int
    connection: str
    revision: int
    profiles: tuple[MeterProfile, ...]


class SettlementIsp(msgspec.Struct, frozen=True):
    """An ISP of a settled order, in W; `delivered` has the order's sign, `deficiency` is at least 0."""

    start: int
    baseline: int
    ordered: int
    actual: int
    delivered: int
    deficiency: int


class OrderSettlement(msgspec.Struct, frozen=True):
    """What an order came to; ``net == price - penalty``, in nano-dollars."""

    order_reference: str
    period: str
    congestion_point: str
    price: int
    penalty: int
    net: int
    isps: tuple[SettlementIsp, ...]
    contract_id: str | None = None
    prognosis_id: str | None = None
    baseline_reference: str | None = None


class ContractIsp(msgspec.Struct, frozen=True):
    """An ISP of a bilateral contract, in W: reserved, asked for, offered (available), ordered."""

    start: int
    reserved: int
    requested: int
    offered: int
    ordered: int


class ContractSettlement(msgspec.Struct, frozen=True):
    """What became of a reservation on a day."""

    contract_id: str
    period: str
    isps: tuple[ContractIsp, ...]


class FlexSettlement(Message, frozen=True, kw_only=True, tag="flex_settlement"):
    """DSO to AGR: what all orders of some days came to."""

    period_start: str
    period_end: str
    time_zone: str
    orders: tuple[OrderSettlement, ...]
    contracts: tuple[ContractSettlement, ...] = ()
    currency: str = "USD"


ToOperator = DPrognosis | FlexOffer | FlexOfferRevocation | Metering
"""What a DSO is sent."""

ToAggregator = FlexRequest | FlexOrder | FlexReservationUpdate | FlexSettlement
"""What an AGR is sent."""

Sent = ToOperator | ToAggregator


# ---------------------------------------------------------------- answers


class OrderStatus(msgspec.Struct, frozen=True):
    """Whether a prognosis reflects an order, in the answer to the prognosis."""

    order_id: str
    is_validated: bool


class OrderVerdict(msgspec.Struct, frozen=True):
    """What an AGR says of one settled order."""

    order_reference: str
    accepted: bool
    reason: str | None = None


class Answer(msgspec.Struct, frozen=True):
    """What becomes of a message: accepted, or rejected for reasons. The wire makes the ...Response of it.

    Args:
        message_id: of the message that is answered.
        rejections: none if it is accepted.
        order_statuses: to a prognosis.
        verdicts: to a settlement.
    """

    message_id: str
    rejections: tuple[Rejection, ...] = ()
    order_statuses: tuple[OrderStatus, ...] = ()
    verdicts: tuple[OrderVerdict, ...] = ()

    @property
    def accepted(self) -> bool:
        """Whether there is nothing to be said against it."""
        return not self.rejections
