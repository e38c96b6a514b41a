"""Answers to messages: what a handler says, and the library's ...Response that is made of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from functools import cache
from typing import Any, cast

import msgspec

from trex_market.uftp.checks import VERSIONS
from trex_market.uftp.library import AcceptedDisputed, uftp
from trex_market.uftp.shapes import MAX_TEXT

SEPARATOR = "; "
"""Between several reasons."""

NOBODY = "ea1.2000-01.invalid:none"
"""A place that there is not: the library's classes cannot be without one even where a query is rejected."""


class Verdict(msgspec.Struct, frozen=True):
    """What becomes of a message.

    Args:
        reasons: why it is rejected; none if it is accepted.
        content: further fields of its response, by their names in the library.
    """

    reasons: tuple[str, ...] = ()
    content: Mapping[str, Any] = {}

    @property
    def accepted(self) -> bool:
        """Whether there is nothing to be said against it."""
        return not self.reasons


ACCEPTED = Verdict()


def rejected(*reasons: str) -> Verdict:
    """Return the verdict for a message that is rejected."""
    return Verdict(reasons)


def response_to(message: Any, verdict: Verdict) -> Any:
    """Return the response to a message; its header is filled when it is sent.

    Args:
        message: the library's, of a kind that is answered.
        verdict: what becomes of it.
    """
    kind: Any = uftp.request_response_map[type(message)]
    content: dict[str, Any] = {**_least(message, verdict), **verdict.content}
    reference = reference_field(kind)
    if reference is not None:
        content[reference] = message.message_id
    return kind(
        recipient_domain=message.sender_domain,
        conversation_id=message.conversation_id,
        version=message.version if message.version.startswith(VERSIONS) else None,
        result=uftp.AcceptedRejected.ACCEPTED if verdict.accepted else uftp.AcceptedRejected.REJECTED,
        rejection_reason=_joined(verdict.reasons),
        **content,
    )


def _joined(reasons: Sequence[str]) -> str | None:
    """Return reasons as they stand in a response, as many as fit; None if there are none."""
    text = reasons[0][:MAX_TEXT] if reasons else None
    for reason in reasons[1:]:
        if text is None or len(text) + len(SEPARATOR) + len(reason) > MAX_TEXT:
            break
        text += SEPARATOR + reason
    return text


@cache
def reference_field(kind: type) -> str | None:
    """Return the field in which a kind of response names the message that it answers; None if it has none."""
    own = {"message_id", "conversation_id"}
    found = [field.name for field in fields(cast(Any, kind)) if field.name.endswith("_message_id")]
    return next((name for name in found if name not in own), None)


def answered_id(response: Any) -> str:
    """Return the id of the message that a response answers; of a test message, that of its conversation."""
    kind: Any = type(response)
    reference = reference_field(kind)
    found: str = response.conversation_id if reference is None else getattr(response, reference)
    return found.lower()


def question_id(message: Any) -> str:
    """Return what the response to a message will name."""
    reference = reference_field(uftp.request_response_map[type(message)])
    found: str = message.conversation_id if reference is None else message.message_id
    return found.lower()


def reasons_of(response: Any) -> tuple[str, ...]:
    """Return why a response rejects its message; none if it accepts it."""
    if response.result == uftp.AcceptedRejected.ACCEPTED:
        return ()
    told = response.rejection_reason or "no reason given"
    return tuple(part.strip() for part in told.split(";") if part.strip()) or ("no reason given",)


def _least(message: Any, verdict: Verdict) -> dict[str, Any]:
    """Return what the response cannot be without, whether it accepts or rejects."""
    match message:
        case uftp.AgrPortfolioQuery():
            views = [] if verdict.accepted else [_empty_view()]
            return {"time_zone": message.time_zone, "period": message.period, "dso_views": views}
        case uftp.DsoPortfolioQuery():
            return {"time_zone": message.time_zone, "period": message.period}
        case uftp.FlexSettlement():
            statuses = [_status(order, verdict) for order in message.flex_order_settlements]
            return {"flex_order_settlement_statuses": statuses}
        case _:
            return {}


def _status(order: Any, verdict: Verdict) -> Any:
    disposition = AcceptedDisputed.ACCEPTED if verdict.accepted else AcceptedDisputed.DISPUTED
    return uftp.FlexOrderSettlementStatus(
        order_reference=order.order_reference,
        disposition=disposition,
        dispute_reason=_joined(verdict.reasons),
    )


def _empty_view() -> Any:
    connection = uftp.AgrPortfolioQueryResponseConnection(entity_address=NOBODY)
    point = uftp.AgrPortfolioQueryResponseCongestionPoint(
        connections=[connection],
        entity_address=NOBODY,
        mutex_offers_supported=False,
        day_ahead_redispatch_by=uftp.RedispatchBy.DSO,
    )
    portfolio = uftp.AgrPortfolioQueryResponseDSOPortfolio(
        congestion_points=[point], dso_domain="none.invalid"
    )
    return uftp.AgrPortfolioQueryResponseDSOView(dso_portfolios=[portfolio])
