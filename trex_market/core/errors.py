"""Every exception that trex_market raises on purpose.

    TrexError                 something that a person can put right
    ├── InputError            what was given is wrong; the command line exits with 2
    │   ├── ConfigError       a config: file, line, field
    │   ├── ProfileError      load and generation data
    │   └── ScenarioError     a line of a scenario or journal
    ├── MissingExtraError     an optional part is not installed (exits with 2)
    ├── ProtocolError         a message that cannot be taken; carries a `RefusalCode`
    ├── PhaseError            a command that the market's phase does not allow
    ├── StrategyError         a strategy raised; says whose, for which slot and why
    ├── ParticipantError      a participant does not come, or stays silent
    ├── SimulationStoppedError  an operator ended the simulation
    ├── DeliveryError         a message to another party did not arrive, or was not answered in time
    └── StorageError          the database cannot be used

A *refusal* (an order with a closed gate, say) is not an exception but an event
with a `RefusalCode`: the market goes on, and the sender is told.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from enum import StrEnum


class RefusalCode(StrEnum):
    """Why a request was refused; the same words on the wire and in the database."""

    MALFORMED = "malformed"
    UNAUTHORISED = "unauthorised"
    UNKNOWN_PARTICIPANT = "unknown_participant"
    BAD_QUANTITY = "bad_quantity"
    BAD_PRICE = "bad_price"
    UNKNOWN_SOURCE = "unknown_source"
    BAD_SLOT = "bad_slot"
    GATE_CLOSED = "gate_closed"
    BEYOND_HORIZON = "beyond_horizon"
    UNKNOWN_ORDER = "unknown_order"
    RATE_LIMITED = "rate_limited"
    WRONG_PHASE = "wrong_phase"
    BAD_REQUIREMENT = "bad_requirement"
    UNKNOWN_AREA = "unknown_area"
    UNKNOWN_DEVICE = "unknown_device"
    UNKNOWN_EVENT = "unknown_event"
    OVERLAPPING_EVENT = "overlapping_event"
    DEADLINE_PASSED = "deadline_passed"
    BAD_TIME = "bad_time"
    BAD_LOAD = "bad_load"


class TrexError(Exception):
    """The root of the tree."""


class InputError(TrexError):
    """What was given is wrong; the message says what was found and what there is."""


class ConfigError(InputError):
    """A config is wrong."""


class ProfileError(InputError):
    """Load or generation data are missing or wrong."""


class ScenarioError(InputError):
    """A line of a scenario or a journal is wrong."""


class MissingExtraError(TrexError):
    """An optional dependency is needed.

    Args:
        purpose: what needs it, e.g. "reading Parquet".
        extra: the extra that brings it.
    """

    def __init__(self, purpose: str, extra: str) -> None:
        super().__init__(
            f"{purpose} needs an optional part; install it with: pip install 'trex-market[{extra}]'"
        )
        self.extra = extra


class ProtocolError(TrexError):
    """A message that cannot be taken.

    Args:
        code: what the sender is told.
        detail: one sentence.
    """

    def __init__(self, code: RefusalCode, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail


class PhaseError(TrexError):
    """A command that the market's phase does not allow; nothing was changed."""


class StrategyError(TrexError):
    """A strategy raised or answered with something that is not a decision."""


class ParticipantError(TrexError):
    """A participant does not come, or stays silent, and the run cannot go on without it."""


class SimulationStoppedError(TrexError):
    """An operator ended the simulation; what was recorded stays."""


class DeliveryError(TrexError):
    """A message to another party did not arrive, or was not answered in time."""


class StorageError(TrexError):
    """The database cannot be opened, or refused what was written."""


def unknown_name(kind: str, found: str, known: Iterable[str]) -> str:
    """Say that a name is not known, which one was probably meant, and which there are.

    Args:
        kind: what is named, e.g. "strategy".
        found: the name that was given.
        known: the names that there are.
    """
    names = sorted(known)
    near = get_close_matches(found, names, n=1, cutoff=0.6)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    listed = f" There are: {', '.join(names)}." if names else ""
    return f"unknown {kind} {found!r}.{hint}{listed}"
