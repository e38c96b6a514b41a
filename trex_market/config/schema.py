"""A config: frozen and complete, with TREX's keys and this project's own.

Sections have a module each: `study`, `market`, `participants`, `meters`, `training`.
`load` makes a config from a file; nothing else should.
"""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, PrivateAttr, model_validator

from trex_market.config.areas import Areas, place_mistakes
from trex_market.config.demand_response import DemandResponseConfig
from trex_market.config.flexibility import FlexibilityConfig
from trex_market.config.gateway import GatewayConfig
from trex_market.config.market import MarketConfig
from trex_market.config.meters import NOT_IN_TOPICS, MqttConfig
from trex_market.config.participants import Participants
from trex_market.config.study import StudyConfig
from trex_market.config.sweep import SweptValues
from trex_market.config.training import TrainingConfig
from trex_market.config.values import (
    Origin,
    Section,
    TokenHash,
    check_printable,
    default_if_empty,
    found,
    listed,
    number,
    whole,
    wrong,
    wrong_at,
)
from trex_market.core.errors import unknown_name
from trex_market.core.messages import CONSUMPTION

Ignored = Annotated[object, Field(exclude=True)]
"""What TREX's configs may hold and means nothing here."""


def _port(value: object) -> object:
    """Read a port that is written as text."""
    if not isinstance(value, str):
        return value
    if not (value.isascii() and value.isdigit() and len(value) <= 5):
        raise wrong(f"must be a port, 1 to 65535, found {found(value)}")
    return int(value)


class ServerConfig(Section):
    """Where the market can be reached.

    Args:
        host: name or address to listen at.
        port: 1 to 65535; 0 for any that is free.
        turn_timeout_s: how long a round waits for a participant in a simulation, in seconds.
        silence: what then happens: `wait` for it, `skip` it (its reading is deemed), or `stop`.
        second_connection: whether a second connection with the same id is refused, or takes over.
        open: whether participants without a token are let in, also from other machines.
        operator_token_sha256: hash of the operator's token, see `trex-market token`.
        observer_token_sha256: hash of the token of those who may look and do nothing else.
        allowed_origins: pages of which other origins may talk to the server, such as "https://example.org".
        announce: whether it announces itself on the local network; None for yes, if others can reach it.
        max_requests_per_round: of a participant; orders count one each.
        max_requests_per_second: of a participant in the long run, on the wall clock.
        request_burst: how many of them may come at once after a rest.
        max_connections_per_address: at one time.
        max_open_orders: of a participant, at one time.
        mqtt: a broker to which meters write, on the wall clock; None for none.
        snapshot_lines: lines of the journal after which all that the market knows is written down, in real time.
    """

    host: Annotated[str, default_if_empty("127.0.0.1"), AfterValidator(check_printable)] = "127.0.0.1"
    port: Annotated[int, whole(least=0, most=65_535), BeforeValidator(_port)] = 3100
    turn_timeout_s: Annotated[float, number("s", least=0, most=86_400, above=True)] = 10.0
    silence: Literal["wait", "skip", "stop"] = "skip"
    second_connection: Literal["refuse", "take_over"] = "refuse"
    open: bool = False
    operator_token_sha256: TokenHash | None = None
    observer_token_sha256: TokenHash | None = None
    allowed_origins: Annotated[tuple[Origin, ...], BeforeValidator(listed), default_if_empty(())] = ()
    announce: bool | None = None
    max_requests_per_round: Annotated[int, whole(least=1, most=1_000_000)] = 1_000
    max_requests_per_second: Annotated[float, number(least=0, most=1_000_000, above=True)] = 50.0
    request_burst: Annotated[int, whole(least=1, most=1_000_000)] = 1_000
    max_connections_per_address: Annotated[int, whole(least=1, most=1_000_000)] = 1_000
    max_open_orders: Annotated[int, whole(least=1, most=1_000_000)] = 1_000
    mqtt: Annotated[MqttConfig | None, BeforeValidator(lambda mqtt: mqtt or None)] = None
    snapshot_lines: Annotated[int, whole(least=100, most=100_000_000)] = 10_000


class Config(Section):
    """A whole config.

    Args:
        version: TREX's, ignored.
        records: TREX's, ignored.
        study: which time is simulated.
        training: how strategies learn.
        server: where the market can be reached.
        market: its rules.
        areas: the parts of the grid; none for no fees.
        participants: id -> participant.
        flexibility: trading of flexibility with the grid operator; None for none.
        demand_response: devices that are asked to shed load; None for none.
        gateway: how agents of other makers take part; no part of what a run is.
        sweep: dotted key -> values that `trex-market sweep` gives it in turn; no part of what a run is.
    """

    version: Ignored = None
    records: Ignored = None
    study: StudyConfig
    training: Annotated[TrainingConfig, default_if_empty({})] = TrainingConfig()
    server: Annotated[ServerConfig, default_if_empty({})] = ServerConfig()
    market: MarketConfig
    areas: Areas = Field(default_factory=dict)
    participants: Participants
    flexibility: Annotated[FlexibilityConfig | None, BeforeValidator(lambda section: section or None)] = None
    demand_response: DemandResponseConfig | None = None
    gateway: Annotated[GatewayConfig, default_if_empty({})] = GatewayConfig()
    sweep: Annotated[dict[str, SweptValues], default_if_empty({})] = Field(default_factory=dict)

    _source: Path = PrivateAttr(default=Path())
    _places: dict[str, str] = PrivateAttr(default_factory=dict)

    def model_post_init(self, context: Any, /) -> None:
        """Take the file's path from the validation context."""
        if isinstance(context, Path):
            self._source = context

    @model_validator(mode="after")
    def _check_meters(self) -> Config:
        """Check what meters measure, and that topics can name them."""
        sources = (CONSUMPTION, *self.market.source_table())
        mistakes: list[tuple[tuple[str | int, ...], str]] = [
            (
                ("participants", participant_id, "meter", "registers", name, "measures"),
                unknown_name("source", register.measures, sources),
            )
            for participant_id, section in self.participants.items()
            for name, register in (section.meter.registers or {}).items()
            if register.measures not in sources
        ]
        if self.server.mqtt is not None:
            named = {("market", "id"): self.market.id}
            named |= {
                ("participants", participant_id): participant_id for participant_id in self.participants
            }
            mistakes += [
                (path, f"with server.mqtt an id must not have any of / + #, found {found(name)}")
                for path, name in named.items()
                if NOT_IN_TOPICS & set(name)
            ]
        if mistakes:
            raise wrong_at(mistakes)
        return self

    @model_validator(mode="after")
    def _check_areas(self) -> Config:
        """Check that participants are in areas that there are."""
        mistakes = list(
            place_mistakes({name: one.area for name, one in self.participants.items()}, self.areas)
        )
        if mistakes:
            raise wrong_at([(("participants", name, "area"), message) for name, message in mistakes])
        return self

    @property
    def places(self) -> dict[str, str]:
        """Participant id -> name of its area, of those who name one."""
        return {name: one.area for name, one in self.participants.items() if one.area is not None}

    @model_validator(mode="after")
    def _check_gateway(self) -> Config:
        """Check that agents play participants that there are."""
        gsy = self.gateway.gsy
        if gsy is None:
            return self
        named: list[tuple[tuple[str | int, ...], str]] = [
            (("participants", place), name) for place, name in enumerate(gsy.participants or ())
        ]
        named += [(("homes", name), name) for name in gsy.homes]
        mistakes = [
            (("gateway", "gsy", *path), unknown_name("participant", name, self.participants))
            for path, name in named
            if name not in self.participants
        ]
        if mistakes:
            raise wrong_at(mistakes)
        return self

    @model_validator(mode="after")
    def _check_demand_response(self) -> Config:
        """Check that demand response is asked of participants that there are."""
        section, step = self.demand_response, self.study.time_step_size
        mistakes = [] if section is None else list(section.mistakes(self.participants, step))
        if mistakes:
            raise wrong_at([(("demand_response", *path), message) for path, message in mistakes])
        return self

    @model_validator(mode="after")
    def _check_flexibility(self) -> Config:
        """Check that flexibility is traded by participants that there are."""
        mistakes = [] if self.flexibility is None else list(self.flexibility.mistakes(self.participants))
        if mistakes:
            raise wrong_at([(("flexibility", *path), message) for path, message in mistakes])
        return self

    @property
    def source(self) -> Path:
        """The file that it comes from."""
        return self._source

    def remember_places(self, places: dict[str, str]) -> None:
        """Keep where each key stands ("file:line"), for what is found wrong later on."""
        self._places = places

    def where(self, key: str) -> str:
        """Return where a key (dotted), or the nearest one around it that is there, stands: "file:line"."""
        while key and key not in self._places:
            key = key.rpartition(".")[0]
        return self._places.get(key, str(self._source))

    @property
    def hash(self) -> str:
        """Names what the config says: SHA-256, in hexadecimal.

        Neither the order of keys nor the file's form, path or comments count, nor
        where results go, nor what a sweep varies, nor tokens and passwords.
        """
        data = self.recorded()
        del data["study"]["output_db_location"], data["sweep"], data["gateway"]
        data["market"]["grid"]["tou"] = _effective(self.market.grid.tou or {})
        canonical = json.dumps(data, sort_keys=True, separators=(",", ":"), allow_nan=False)
        return hashlib.sha256(canonical.encode()).hexdigest()

    def resolved(self) -> dict[str, Any]:
        """Return it as plain data, every default filled in; it loads as the same config."""
        return self.model_dump(mode="json")

    def recorded(self) -> dict[str, Any]:
        """Return what is kept of it beside results: it resolved, but for tokens' hashes and databases' passwords."""
        data = self.resolved()
        for section in (data["server"], *data["participants"].values()):
            for key in [key for key in section if key.endswith("token_sha256")]:
                del section[key]
        for user in (data["gateway"]["gsy"] or {"users": {}})["users"].values():
            del user["password_sha256"]
        for key in ("profiles_db_location", "output_db_location"):
            location = data["study"][key]
            data["study"][key] = location and _without_password(location)
        return data


def _without_password(location: str) -> str:
    """Return a database's URL without its password, wherever that stands; anything else as it is."""
    plain = re.sub(r"^([\w+.-]+://[^:/?#@]*):[^@]*@", r"\1@", location)
    return re.sub(r"([?&](?:ssl)?password=)[^&]*", r"\1", plain, flags=re.IGNORECASE)


def _effective(tou: dict[str, dict[str, float]]) -> dict[str, float]:
    """Return "month/hour" -> price. In time of use the first match counts, so there order has a meaning."""
    prices: dict[str, float] = {}
    for months, by_hours in tou.items():
        for hours, price in by_hours.items():
            for month in months.split(","):
                for hour in hours.split(","):
                    prices.setdefault(f"{int(month)}/{int(hour)}", price)
    return prices
