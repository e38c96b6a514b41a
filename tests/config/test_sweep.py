"""The sweep section: values of keys, and keys that there are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.shell_helpers import CONFIG, REPOSITORY, study
from trex_market.config import Range, axis, check_key, every, load_config, load_config_text
from trex_market.core.errors import ConfigError

TEMPLATE = REPOSITORY / "configs" / "template.yaml"


@pytest.mark.parametrize(
    ("written", "values"),
    [
        ([1, 2.5, None, "a"], (1, 2.5, None, "a")),
        (7, (7,)),
        ([[64, 64], [128]], ([64, 64], [128])),
        ({"start": 0.1, "stop": 0.3, "num": 3}, (0.1, 0.2, 0.3)),
        ({"start": 0.3, "stop": 0.1, "num": 3}, (0.3, 0.2, 0.1)),
        ({"start": 1, "stop": 5, "num": 3}, (1, 3, 5)),
        ({"start": 0, "stop": 1, "num": 3}, (0.0, 0.5, 1.0)),
        ({"start": 2.0, "stop": 4.0, "num": 2}, (2.0, 4.0)),
        ({"start": 5, "stop": 9, "num": 1}, (5,)),
        ({"4": 1}, ({"4": 1},)),
    ],
)
def test_values_are_lists_ranges_or_single(written: Any, values: tuple[Any, ...]) -> None:
    found = axis("market.k", written)
    assert found.values == values
    assert [type(value) for value in found.values] == [type(value) for value in values]
    assert (found.range is not None) == (isinstance(written, dict) and "start" in written)


def test_a_range_has_both_its_ends_exactly() -> None:
    values = Range(0.1, 0.7, 7).values()
    assert values == (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7)


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ([], "must have at least one value, found an empty list"),
        ([1, 2, 1], "has the value 1 twice"),
        ({"start": 1, "stop": 2}, "a range has the keys start, stop and num, found start, stop"),
        ({"start": 1, "stop": 2, "num": 2, "log": True}, "found start, stop, num, log"),
        ({"start": "a", "stop": 2, "num": 2}, "start of a range must be a number, found 'a'"),
        ({"start": 1, "stop": True, "num": 2}, "stop of a range must be a number, found true"),
        (
            {"start": 1, "stop": 2, "num": 0},
            "num of a range must be a whole number from 1 to 10,000, found 0",
        ),
        ({"start": 1, "stop": 2, "num": 2.5}, "found 2.5"),
        ({"start": 1, "stop": 1, "num": 2}, "a range of 2 values must have two ends, found 1 twice"),
    ],
)
def test_wrong_values_are_told_with_their_key(written: Any, said: str) -> None:
    with pytest.raises(ConfigError, match=r"^market\.k: ") as raised:
        axis("market.k", written)
    assert said in str(raised.value)


def test_wrong_values_in_a_config_are_told_with_their_line() -> None:
    text = CONFIG + "sweep:\n  market.k: [1, 1]\n"
    with pytest.raises(ConfigError) as raised:
        load_config_text(text, "x.yaml")
    line = len(CONFIG.splitlines()) + 2
    assert str(raised.value) == f"x.yaml:{line}: sweep.market.k: has the value 1 twice"


@pytest.mark.parametrize(
    "key",
    [
        "market.k",
        "market.grid.fee_ratio",
        "market.grid.tou.5.7",
        "study.seed",
        "participants.home_01.trader.bid_price",
        "participants.home_01.trader.option_of_its_own",
        "participants.*.storage.capacity",
        "training.hyperparameters.anything",
        "server.mqtt.host",
    ],
)
def test_keys_that_a_config_can_have(key: str) -> None:
    check_key(load_config(TEMPLATE), key)


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("market.close_stepz", "unknown key 'close_stepz'. Did you mean 'close_steps'? There are: "),
        ("markt.k", "unknown key 'markt'. Did you mean 'market'?"),
        ("participants.home_1.load.scale", "unknown participant 'home_1'. Did you mean 'home_0"),
        ("participants.*.load.scal", "unknown key 'scal'. Did you mean 'scale'?"),
        ("market.k.deeper", "market.k is a value, it has no keys below it"),
        ("", "unknown key ''"),
        ("market..k", "unknown key ''"),
    ],
)
def test_keys_that_it_cannot_have(key: str, said: str) -> None:
    with pytest.raises(ConfigError) as raised:
        check_key(load_config(TEMPLATE), key)
    assert str(raised.value).startswith(f"{key}: ")
    assert said in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_star_stands_for_every_participant(tmp_path: Path) -> None:
    config = load_config(study(tmp_path))
    assert list(every(config, "participants.*.load.scale")) == [
        f"participants.{name}.load.scale" for name in ("maker", "taker", "mixed")
    ]
    assert list(every(config, "market.k")) == ["market.k"]
    dotted = load_config(study(tmp_path, ("  maker:", "  ma.ker:")))
    with pytest.raises(ConfigError, match=r"the participant's id 'ma\.ker' has a dot"):
        list(every(dotted, "participants.*.load.scale"))


def test_what_is_swept_is_no_part_of_what_a_run_is(tmp_path: Path) -> None:
    path = study(tmp_path)
    plain = load_config(path)
    path.write_text(path.read_text() + "sweep: {market.k: [0, 1]}\n")
    assert load_config(path).sweep == {"market.k": [0, 1]}
    assert load_config(path).hash == plain.hash
