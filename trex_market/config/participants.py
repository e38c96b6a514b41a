"""The `participants` section: who takes part, with which strategy and devices."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import AfterValidator, BeforeValidator, ConfigDict, JsonValue, model_validator

from trex_market.config.meters import MeterConfig
from trex_market.config.values import (
    Energy,
    OptionalText,
    ParticipantId,
    Power,
    Price,
    Scale,
    Section,
    Share,
    TokenHash,
    check_printable,
    default_if_empty,
    number,
    whole,
    wrong,
    wrong_at,
)


class TraderConfig(Section):
    """Who decides for a participant. Further keys are options of the strategy.

    Args:
        type: the strategy: its short name, or "module:Class".
        bid_price: what it bids, $/kWh; None for the strategy's own.
        ask_price: what it asks, $/kWh; None for the strategy's own.
        learning: whether it learns.
        track_metrics: whether its metrics are recorded.
        use_synthetic_profile: name of a profile to take instead of the participant's own.
    """

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, JsonValue]

    type: Annotated[str, AfterValidator(check_printable)]
    bid_price: Price | None = None
    ask_price: Price | None = None
    learning: bool = False
    track_metrics: bool = False
    use_synthetic_profile: OptionalText = None

    @property
    def options(self) -> dict[str, JsonValue]:
        """The strategy's own options: name -> value."""
        return dict(self.__pydantic_extra__)


class ScaledConfig(Section):
    """A load or generation.

    Args:
        scale: what the profile is multiplied by.
    """

    scale: Scale = 1.0


class LoadConfig(ScaledConfig):
    """A load.

    Args:
        shiftable: the share of it that can wait, when it is asked to.
        shift_s: within this time after it was shed it is made up for, seconds.
    """

    shiftable: Share = 0.0
    shift_s: Annotated[int, whole("s", least=1, most=86_400)] = 7200


class StorageConfig(Section):
    """A battery.

    Args:
        type: the device: its short name, or "module:Class".
        capacity: Wh.
        power: most that goes in or out, W.
        efficiency: one way; a round trip keeps its square.
        monthly_sdr: share of its charge that it loses by itself in a month.
        initial_charge: what it holds when an episode begins, Wh.
    """

    tied: ClassVar[frozenset[str]] = frozenset({"capacity", "initial_charge"})

    type: Annotated[str, AfterValidator(check_printable)] = "Bess"
    capacity: Energy
    power: Power
    efficiency: Annotated[float, number(least=0, most=1, above=True)] = 1.0
    monthly_sdr: Share = 0.0
    initial_charge: Energy = 0

    @model_validator(mode="after")
    def _check_charge(self) -> StorageConfig:
        if self.initial_charge > self.capacity:
            message = f"must be at most the capacity, {self.capacity} Wh, found {self.initial_charge}"
            raise wrong_at([(("initial_charge",), message)])
        return self


class ParticipantConfig(Section):
    """A participant.

    Args:
        type: the kind of participant: its short name, or "module:Class".
        trader: who decides for it.
        load: how its load is scaled.
        generation: how its generation is scaled.
        storage: its battery; None for none.
        profile: name in the profile source; None for the participant's id.
        token_sha256: hash of its token, see `trex-market token`; None for none.
        meter: which registers its meter has; only on the wall clock.
        meter_token_sha256: hash of the token with which its meter may report readings, and do nothing else.
        area: name of the area that it is in; None for the one that holds all others.
    """

    type: Annotated[str, AfterValidator(check_printable)] = "Residential"
    trader: TraderConfig
    load: Annotated[LoadConfig, default_if_empty({})] = LoadConfig()
    generation: Annotated[ScaledConfig, default_if_empty({})] = ScaledConfig()
    storage: Annotated[StorageConfig | None, BeforeValidator(lambda storage: storage or None)] = None
    profile: OptionalText = None
    token_sha256: TokenHash | None = None
    meter: Annotated[MeterConfig, default_if_empty({})] = MeterConfig()
    meter_token_sha256: TokenHash | None = None
    area: OptionalText = None


def _check_any(participants: dict[str, ParticipantConfig]) -> dict[str, ParticipantConfig]:
    if not participants:
        raise wrong("must name at least one participant")
    return participants


Participants = Annotated[dict[ParticipantId, ParticipantConfig], AfterValidator(_check_any)]
"""Id -> participant."""
