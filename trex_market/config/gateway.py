"""The `gateway` section: how agents of other makers take part."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from trex_market.config.values import (
    Name,
    OptionalText,
    Section,
    TokenHash,
    check_name,
    check_printable,
    default_if_empty,
    listed,
    number,
    whole,
)

OptionalName = Annotated[
    str | None, default_if_empty(None), AfterValidator(lambda text: text and check_name(text))
]
"""A name; empty text is none."""

Names = Annotated[tuple[Name, ...], BeforeValidator(listed)]
"""Names, in a list."""

NO_USERS: dict[str, object] = {}


class GsyUserConfig(Section):
    """Somebody who has aggregators.

    Args:
        password_sha256: hash of the password, from `trex-market token NAME --gateway`; None if the environment has it.
        areas: names of areas, homes and assets that may be traded for, with all that is in them; None for all.
    """

    password_sha256: TokenHash | None = None
    areas: Names | None = None


class GsyHomeConfig(Section):
    """How agents see a participant.

    Args:
        name: of its area; None for the participant's id.
        load: name of its load; None for the area's name and "Load", if it has one.
        pv: name of its PV; likewise.
        storage: name of its storage; likewise.
    """

    name: OptionalName = None
    load: OptionalName = None
    pv: OptionalName = None
    storage: OptionalName = None


class GsyRedisConfig(Section):
    """A Redis server over which agents may come as well.

    Args:
        url: where it is.
        password_env: environment variable that holds its password; None for none.
    """

    url: Annotated[str, AfterValidator(check_printable)] = "redis://localhost:6379"
    password_env: OptionalText = None


class GsyConfig(Section):
    """Agents written for gsy-e-sdk.

    Args:
        simulation_id: what they know the market by; None for the market's id.
        users: name -> user. None at all: where the server asks for no tokens, any name and password will do.
        token_lifetime_s: of a user's token, in seconds.
        grid_fee_type: whether agents set fees in cents per kWh or in percent.
        tick_s: length of a tick in a simulation, in seconds; ten of them are a slot.
        aggregators: a simulation begins when so many are there.
        root: name of the area that holds all, if the config has no areas.
        market_makers: names of what stands for the grid.
        participants: ids of those whom agents play here; None for all whom nobody else plays.
        homes: participant id -> how agents see it.
        redis: None for none.
    """

    tied: ClassVar[frozenset[str]] = frozenset({"users"})

    simulation_id: OptionalName = None
    users: Annotated[dict[Name, GsyUserConfig], default_if_empty(NO_USERS)] = Field(default_factory=dict)
    token_lifetime_s: Annotated[int, whole("s", least=1, most=31_536_000)] = 172_800
    grid_fee_type: Literal["constant", "percent"] = "constant"
    tick_s: Annotated[float, number("s", least=0, most=3_600, above=True)] = 0.5
    aggregators: Annotated[int, whole(least=0, most=1_000_000)] = 1
    root: Annotated[Name, default_if_empty("Grid")] = "Grid"
    market_makers: Annotated[Names, default_if_empty(())] = ("Grid Market", "Market Maker")
    participants: Names | None = None
    homes: Annotated[dict[Name, GsyHomeConfig], default_if_empty({})] = Field(default_factory=dict)
    redis: Annotated[GsyRedisConfig | None, BeforeValidator(lambda redis: redis)] = None


class GatewayConfig(Section):
    """Agents of other makers.

    Args:
        gsy: those written for gsy-e-sdk; None for none.
    """

    gsy: GsyConfig | None = None
