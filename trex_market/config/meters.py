"""What meters report with: a participant's registers, and a broker of MQTT."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import AfterValidator, BeforeValidator, model_validator

from trex_market.config.values import (
    Name,
    OptionalText,
    Power,
    Section,
    check_printable,
    default_if_empty,
    found,
    number,
    whole,
    wrong,
    wrong_at,
)
from trex_market.core.messages import CONSUMPTION
from trex_market.core.units import exact

USUAL_MEASURES = {"import": CONSUMPTION, "export": "solar"}
"""Name of a register -> what it measures, if nothing is said."""

MARKET, PARTICIPANT = "{market_id}", "{participant_id}"

NOT_IN_TOPICS = frozenset("/+#")
"""What an id must not have if it shall be a level of a topic."""


def _whole_wh(kwh: float) -> float:
    if (exact(kwh) * 1000).denominator != 1:
        raise wrong(f"must have at most 3 decimals, a whole number of Wh, found {kwh:.15g}")
    return kwh


def _lower(value: object) -> object:
    return value.lower() if isinstance(value, str) else value


class RegisterConfig(Section):
    """A counter of energy.

    Args:
        measures: "consumption" (from outside), or the source of which it measures what left the home.
        modulus_kwh: what it rolls over at; None if it never does.
        max_power_w: most that can flow through it, W; what would be more is not believed.
    """

    tied: ClassVar[frozenset[str]] = frozenset({"measures"})

    measures: Annotated[str, BeforeValidator(_lower), AfterValidator(check_printable)]
    modulus_kwh: (
        Annotated[float, number("kWh", least=0, most=1e12, above=True), AfterValidator(_whole_wh)] | None
    ) = None
    max_power_w: Power = 100_000

    @property
    def modulus_wh(self) -> int | None:
        """What it rolls over at, Wh."""
        return None if self.modulus_kwh is None else int(exact(self.modulus_kwh) * 1000)


def _fill_measures(registers: object) -> object:
    """Say what registers of the usual names measure, where nothing is said; none at all are the usual ones."""
    if not registers:
        return None
    if not isinstance(registers, dict):
        return registers
    filled = {}
    for name, section in registers.items():
        usual = {"measures": USUAL_MEASURES[name]} if name in USUAL_MEASURES else {}
        filled[name] = {**usual, **(section or {})} if isinstance(section or {}, dict) else section
    return filled


class MeterConfig(Section):
    """A participant's meter.

    Args:
        registers: name -> register. None for the usual ones: `import` measures consumption, and `export`,
            if it is ever sent, solar. If some are named here, a slot's reading needs all of them.
    """

    registers: Annotated[dict[Name, RegisterConfig] | None, BeforeValidator(_fill_measures)] = None


def _check_topic(topic: str) -> str:
    check_printable(topic)
    levels = topic.split("/")
    plain = [level for level in levels if level not in (MARKET, PARTICIPANT)]
    if levels.count(PARTICIPANT) != 1 or any(set(level) & set("+#{}") for level in plain):
        raise wrong(
            f"must have {PARTICIPANT} as one of its levels, perhaps {MARKET}, and no other wildcard, found {found(topic)}"
        )
    return topic


class MqttConfig(Section):
    """A broker of MQTT, to which meters write; the broker says who may write where.

    Args:
        host: name or address.
        port: 1 to 65535; None for 1883, or 8883 with TLS.
        username: as whom the market comes; None for nobody.
        password_env: the environment variable that holds the password; None for no password.
        topic: where the reports of a participant's meter come; answers go to the topic "answer" below it.
        tls: whether the connection is encrypted.
        ca_file: of the authority that signed the broker's certificate; None for those that the machine trusts.
    """

    tied: ClassVar[frozenset[str]] = frozenset({"tls", "ca_file", "username", "password_env"})

    host: Annotated[str, AfterValidator(check_printable)]
    port: Annotated[int, whole(least=1, most=65_535)] | None = None
    username: OptionalText = None
    password_env: OptionalText = None
    topic: Annotated[
        str, default_if_empty("trex/{market_id}/{participant_id}/meter"), AfterValidator(_check_topic)
    ] = "trex/{market_id}/{participant_id}/meter"
    tls: bool = False
    ca_file: OptionalText = None

    @model_validator(mode="after")
    def _check_together(self) -> MqttConfig:
        mistakes: list[tuple[tuple[str | int, ...], str]] = []
        if self.ca_file is not None and not self.tls:
            mistakes.append((("ca_file",), "is for tls, which is off"))
        if self.password_env is not None and self.username is None:
            mistakes.append((("password_env",), "is for a username, which is not given"))
        if mistakes:
            raise wrong_at(mistakes)
        return self
