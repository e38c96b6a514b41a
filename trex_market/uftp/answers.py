"""The pure machines' answers <-> the library's responses."""

from __future__ import annotations

from typing import Any

from trex_market.programmes.flexibility import messages as m
from trex_market.programmes.flexibility.reasons import Reason, Rejection
from trex_market.uftp.library import AcceptedDisputed, uftp
from trex_market.uftp.responses import Verdict, answered_id, reasons_of


def verdict_of(answer: m.Answer) -> Verdict:
    """Return a machine's answer as the verdict that a response is made of."""
    reasons = tuple(dict.fromkeys(rejection.text for rejection in answer.rejections))
    content: dict[str, Any] = {}
    if answer.order_statuses:
        content["flex_order_statuses"] = [
            uftp.FlexOrderStatus(flex_order_message_id=status.order_id, is_validated=status.is_validated)
            for status in answer.order_statuses
        ]
    if answer.verdicts and not reasons:
        content["flex_order_settlement_statuses"] = [
            uftp.FlexOrderSettlementStatus(
                order_reference=verdict.order_reference,
                disposition=AcceptedDisputed.ACCEPTED if verdict.accepted else AcceptedDisputed.DISPUTED,
                dispute_reason=verdict.reason,
            )
            for verdict in answer.verdicts
        ]
    return Verdict(reasons, content)


def answer_of(response: Any) -> m.Answer:
    """Return a response as the machines know it."""
    return m.Answer(
        message_id=answered_id(response),
        rejections=tuple(_rejection(text) for text in reasons_of(response)),
        order_statuses=tuple(
            m.OrderStatus(status.flex_order_message_id.lower(), status.is_validated)
            for status in getattr(response, "flex_order_statuses", ())
        ),
        verdicts=tuple(
            m.OrderVerdict(
                status.order_reference or "",
                status.disposition == AcceptedDisputed.ACCEPTED,
                status.dispute_reason,
            )
            for status in getattr(response, "flex_order_settlement_statuses", ())
        ),
    )


_BY_TEXT = {reason.casefold(): reason for reason in Reason}


def _rejection(text: str) -> Rejection:
    words = text.split()
    if len(words) == 3 and (words[0], words[2]) == ("Unknown", "reference"):
        return Rejection(Reason.UNKNOWN_REFERENCE, text, words[1])
    return Rejection(_BY_TEXT.get(text.casefold(), Reason.INVALID_MESSAGE), text)
