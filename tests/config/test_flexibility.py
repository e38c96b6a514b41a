"""The section `flexibility`: what it may say, and what is wrong with it."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from tests.shell_helpers import REPOSITORY
from trex_market.config import Config, dump_yaml, load_config_text
from trex_market.core.errors import ConfigError, InputError
from trex_market.flexible import (
    aggregator_terms,
    calendar_of,
    connection_address,
    make_flexibility,
    member_forecasts,
    operator_terms,
)
from trex_market.profiles.profile import Profile

CONFIG = REPOSITORY / "configs" / "flexibility.yaml"
FEEDER = {"import_limit": 10_000, "export_limit": 8_000}


def section(**changes: Any) -> dict[str, Any]:
    plain = {
        "congestion_points": {"feeder": FEEDER},
        "aggregators": {"one.demo": {"members": ["a", "b"], "price": 0.2}},
    }
    return plain | changes


def config(flexibility: object, **study: Any) -> Config:
    data = {
        "study": {
            "start_datetime": "2026-01-15",
            "timezone": "Europe/Berlin",
            "time_step_size": 900,
            "days": 1,
            "profiles_db_location": "x",
        }
        | study,
        "market": {"type": "MicroTE", "grid": {"price": 0.08}},
        "participants": {name: {"trader": {"type": "basic"}} for name in ("a", "b", "ü c")},
        "flexibility": flexibility,
    }
    return load_config_text(yaml.safe_dump(data, allow_unicode=True), "x.yaml")


@pytest.mark.parametrize("nothing", [None, {}])
def test_without_it_nothing_is_traded(nothing: object) -> None:
    loaded = config(nothing)
    assert loaded.flexibility is None
    with pytest.raises(InputError, match="has no section 'flexibility'"):
        operator_terms(loaded)


def test_it_is_shown_as_it_was_given() -> None:
    loaded = config(section())
    assert load_config_text(dump_yaml(loaded), "x.yaml").resolved() == loaded.resolved()
    assert loaded.hash != config(None).hash


@pytest.mark.parametrize(
    ("changes", "where", "message"),
    [
        ({"aggregators": {"one.demo": {"members": ["z"], "price": 1}}}, "members", "unknown participant 'z'"),
        (
            {
                "aggregators": {
                    "one.demo": {"members": ["a"], "price": 1},
                    "two.demo": {"members": ["a"], "price": 1},
                }
            },
            "two.demo",
            "one.demo speaks for 'a' already",
        ),
        ({"aggregators": {"dso.demo": {"members": ["a"], "price": 1}}}, "dso.demo", "is the DSO's domain"),
        ({"aggregators": {"One": {"members": ["a"], "price": 1}}}, "One", "must be a domain such as"),
        ({"congestion_points": {"f": FEEDER | {"members": ["z"]}}}, "members", "unknown participant 'z'"),
        ({"congestion_points": {"f": FEEDER | {"parent": "g"}}}, "parent", "unknown congestion point 'g'"),
        ({"congestion_points": {"f": FEEDER | {"parent": "f"}}}, "parent", "cannot be above itself"),
        ({"congestion_points": {"f": FEEDER | {"address": "here"}}}, "address", "must be an entity address"),
        ({"congestion_points": {"f": {"import_limit": 1}}}, "export_limit", ""),
        ({"operator": {"currency": "XXX"}}, "currency", ""),
        ({"operator": {"domain": "localhost"}}, "domain", "must be a domain"),
        (
            {
                "reservations": {
                    "r": {"aggregator": "no.demo", "point": "x", "power": 1, "first_isp": 2, "last_isp": 1}
                }
            },
            "reservations",
            "unknown aggregator 'no.demo'",
        ),
    ],
)
def test_what_is_wrong_is_said_where_it_stands(changes: dict[str, Any], where: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        config(section(**changes))
    line = next(line for line in str(caught.value).splitlines() if where in line)
    assert message in line
    assert line.startswith("x.yaml:")


def test_terms_of_a_config() -> None:
    loaded = load_config_text(CONFIG.read_text(), "flexibility.yaml")
    terms = operator_terms(loaded)
    (point,) = terms.points
    assert point.address == "ea1.2026-01.demo.dso:feeder"
    assert (point.import_limit_w, point.export_limit_w, point.margin_w) == (15_000, 42_000, 500)
    assert point.aggregators() == ("moon.demo", "sun.demo")
    assert list(point.connections.values()).count(None) == 22
    assert terms.max_price == 2_000_000_000
    assert terms.penalty.factor == 150
    (reservation,) = terms.reservations
    assert (min(reservation.powers), max(reservation.powers), reservation.powers[73]) == (73, 84, -2_000)
    sun, moon = (aggregator_terms(loaded, name) for name in ("sun.demo", "moon.demo"))
    assert (sun.price, sun.min_activation, sun.grain_w, sun.unit_w) == (120_000_000, 10, 100, 4)
    assert sun.reservations == terms.reservations
    assert moon.reservations == ()
    assert sun.connections[point.address][0] == connection_address("dso.demo", "home_13")
    with pytest.raises(InputError, match="no aggregator 'mars'"):
        aggregator_terms(loaded, "mars")
    assert make_flexibility(loaded, 0).terms.shares == {"sun.demo": 900_000, "moon.demo": 800_000}


def test_names_of_any_letters_have_addresses_of_their_own() -> None:
    addresses = {connection_address("dso.demo", name) for name in ("ä", "ö", "a b", "a_b", "a%20b")}
    assert len(addresses) == 5
    assert all(address.isascii() and " " not in address for address in addresses)


def test_slots_must_be_isps() -> None:
    with pytest.raises(InputError, match="fill an hour"):
        calendar_of(config(section(), time_step_size=30))


def test_forecasts_of_members() -> None:
    calendar = calendar_of(config(section()))
    start = calendar.bounds("2026-01-15")[0]
    profile = Profile("a", start + 900, 900, [100, 50], {"solar": [0, 75]})
    forecast = member_forecasts({"a": profile}, ["a"], calendar, "2026-01-15")["a"]
    assert len(forecast) == 96
    assert forecast[:4] == [0, 400, -100, 0]
