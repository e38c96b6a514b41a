"""Why a message is rejected: the reasons of the Shapeshifter specification, as they stand in messages."""

from __future__ import annotations

from enum import StrEnum

import msgspec


class Reason(StrEnum):
    """A `RejectionReason`."""

    UNKNOWN_SENDER = "Unknown SenderDomain"
    INVALID_ROLE = "Invalid SenderRole"
    INVALID_SENDER = "Invalid Sender combination"
    MISMATCH_SENDER = "Mismatch SenderDomain"
    BARRED_SENDER = "Barred Sender"
    UNKNOWN_RECIPIENT = "Unknown RecipientDomain"
    INVALID_MESSAGE = "Invalid Message"
    DUPLICATE_IDENTIFIER = "Duplicate Identifier"
    ALREADY_SUBMITTED = "Already Submitted"
    ISP_DURATION = "ISP duration rejected"
    TIME_ZONE = "TimeZone rejected"
    INVALID_POINT = "Invalid CongestionPoint"
    UNKNOWN_REFERENCE = "Unknown reference"
    PERIOD_MISMATCH = "Reference Period mismatch"
    REFERENCE_EXPIRED = "Reference message expired"
    REFERENCE_REVOKED = "Reference message revoked"
    ISPS_OUT_OF_BOUNDS = "ISPs out of bounds"
    ISP_CONFLICT = "ISP conflict"
    PERIOD_OUT_OF_BOUNDS = "Period out of bounds"
    EXPIRATION_OUT_OF_BOUNDS = "ExpirationDateTime out of bounds"
    UNAUTHORIZED = "Unauthorized"
    CONNECTION_CONFLICT = "Connection conflict"
    SUBORDINATE_SEQUENCE = "Subordinate sequence number"
    NO_CONNECTIONS = "No connections available"
    DEADLINE_EXPIRED = "Deadline expired"
    POWER_VALUE = "Power value rejection"
    LACKING_ISPS = "Lacking ISPs"
    LACKING_REQUESTED = "Lacking Requested Disposition"
    REQUESTED_POWER_DISCREPANCY = "Requested Power discrepancy"
    POWER_DISCREPANCY = "Power discrepancy"
    NO_BASELINE = "No baseline"
    BASELINE_MISMATCH = "Baseline mismatch"
    REQUEST_MISMATCH = "Request mismatch"
    NO_MUTEX = "No MutEx offer support"
    FLEXIBILITY_PROCURED = "Flexibility procured"
    ISP_MISMATCH = "ISP mismatch"
    POWER_MISMATCH = "Power mismatch"
    PRICE_MISMATCH = "Price mismatch"
    MISSING_SETTLEMENT_ITEMS = "Missing Settlement Items"
    PERIOD_START = "PeriodStart rejected"
    PERIOD_END = "PeriodEnd rejected"


class Rejection(msgspec.Struct, frozen=True):
    """A reason, and what was found in a sentence.

    Args:
        reason: of the specification.
        detail: for people; never sent to the other side.
        reference: the kind of message that is not known, as in `Unknown FlexRequestMessageID reference`.
    """

    reason: Reason
    detail: str
    reference: str | None = None

    @property
    def text(self) -> str:
        """The reason as it stands in a message."""
        if self.reason is Reason.UNKNOWN_REFERENCE and self.reference:
            return f"Unknown {self.reference} reference"
        return str(self.reason)
