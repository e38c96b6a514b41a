from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.config.helpers import SMALL, config, mistakes, only_mistake, small
from trex_market.config import dump_yaml, load_config, load_config_text
from trex_market.core.errors import ConfigError

TEMPLATE = Path(__file__).parents[2] / "configs" / "template.yaml"

TREX = """\
// what a study of TREX looks like
{
\t"version": "3.7.2",   // ignored
\t"study": {
\t\t"name": "two streets // one market",
\t\t"description": "",
\t\t"start_datetime": "2020-11-03 0:0:0",
\t\t"start_datetime_sequence": "sequential",
\t\t"timezone": "America/Vancouver",
\t\t"time_step_size": 60,
\t\t"days": 30,
\t\t"generations": 100,
\t\t"profiles_db_location": "",
\t\t"output_db_location": "",
\t\t"sim_root": "",   /* nowhere */
\t},
\t"training": {
\t\t"hyperparameters": {"parameter_1": {"start": 0.1, "stop": 0.01, "num": 3}, "parameter_2": [[64,64],[128,128]]},
\t\t"curriculum": {
\t\t\t"0": {"set_parameter": true},
\t\t\t"2": {"set_parameter": false, "anneal": {"anneal_parameter": [0.95, "multiply", 0.05]}}
\t\t}
\t},
\t"server": {"host": "", "port": "3100"},
\t"market": {
\t\t"id": "", "type": "MicroTE", "close_steps": 2,
\t\t"grid": {
\t\t\t"price": 0.069, "fee_ratio": 1.1,
\t\t\t"tou": {
\t\t\t\t"5,6,7,8,9,10": {"7,8,9,10,17,18": 0.144, "11,12,13,14,15,16": 0.208},
\t\t\t\t"1,2,3,4,11,12": {"7,8,9,10,17,18": 0.208, "11,12,13,14,15,16": 0.144},
\t\t\t}
\t\t}
\t},
\t"participants": {
\t\t"R4": {
\t\t\t"type": "Residential",
\t\t\t"trader": {
\t\t\t\t"track_metrics": true, "type": "basic_trader", "bid_price": 0.08, "ask_price": 0.12,
\t\t\t\t"learning": true, "learning_rate": 7e-5, // an option of the strategy
\t\t\t},
\t\t\t"load": {"scale": 1},
\t\t\t"generation": {"scale": 1},
\t\t\t"storage": {"type": "Bess", "capacity": 27000, "power": 10000, "efficiency": 0.95, "monthly_sdr": 0.05}
\t\t}
\t}
}
"""

TEN_MISTAKES = """\
version: 3.7.2
study:
  start_datetime: 2020-11-03 0:0:0
  timezone: Amerika/Vancouver
  days: 0
  seeed: 3
market:
  close_stepz: 3
  k: 1.5
  grid:
    price: "0.069"
participants:
  grid:
    trader: {type: basic}
  home_07:
    trader:
      type: basic
      learning: "yes"
    storage:
      power: 3000
      capacity: -5
  home_08:
    load: {scale: .inf}
    trader: {type: basic}
  home_07:
    trader: {type: basic}
"""


def test_ten_mistakes_are_ten_lines_of_one_error() -> None:
    lines = mistakes(TEN_MISTAKES, "configs/x.yaml")
    starts = [
        "configs/x.yaml:4: study.timezone: unknown time zone 'Amerika/Vancouver'. Did you mean 'America/Vancouver'?",
        "configs/x.yaml:5: study.days: must be above 0 days, found 0",
        "configs/x.yaml:6: study.seeed: unknown key 'seeed'. Did you mean 'seed'? There are: days, ",
        "configs/x.yaml:8: market.close_stepz: unknown key 'close_stepz'. Did you mean 'close_steps'? There are: ",
        "configs/x.yaml:9: market.k: must be at most 1, found 1.5",
        "configs/x.yaml:11: market.grid.price: must be a number of $/kWh, found '0.069'",
        "configs/x.yaml:13: participants.grid: the name 'grid' is reserved",
        "configs/x.yaml:18: participants.home_07.trader.learning: must be true or false, found 'yes'",
        "configs/x.yaml:21: participants.home_07.storage.capacity: must be at least 0 Wh, found -5",
        "configs/x.yaml:23: participants.home_08.load.scale: must be a finite number, found .inf",
        "configs/x.yaml:25: participants.home_07: given twice, on line 15 and here",
    ]
    assert len(lines) == len(starts)
    for line, start in zip(lines, starts, strict=True):
        assert line.startswith(start)


def test_a_config_of_trex_loads() -> None:
    loaded = config(TREX, "study.json")
    study, market = loaded.study, loaded.market
    assert study.name == "two streets // one market"
    assert (study.profiles_db_location, study.output_db_location, study.sim_root) == (None, None, None)
    assert study.rounds == 43_200
    assert study.start_times() == [1_604_390_400] * 100
    assert (loaded.server.host, loaded.server.port) == ("127.0.0.1", 3100)
    assert (market.id, market.type, market.close_steps) == ("trex", "MicroTE", 2)
    assert market.grid.tou is not None
    assert list(market.grid.tou) == ["5,6,7,8,9,10", "1,2,3,4,11,12"]
    home = loaded.participants["R4"]
    assert (home.trader.type, home.trader.bid_price, home.trader.learning) == ("basic_trader", 0.08, True)
    assert home.trader.options == {"learning_rate": 7e-5}
    assert home.storage is not None
    assert (home.storage.capacity, home.storage.power, home.storage.efficiency) == (27_000, 10_000, 0.95)
    assert loaded.training.curriculum["2"]["anneal"] == {"anneal_parameter": [0.95, "multiply", 0.05]}
    assert loaded.training.hyperparameters["parameter_2"] == [[64, 64], [128, 128]]


def test_older_names_load_and_keep_their_place_in_messages() -> None:
    older = (
        small("participants:", "participant:") + 'curriculum: {"0": {warm_up: false}, default: {rate: 1}}\n'
    )
    loaded = config(older)
    assert list(loaded.participants) == ["home_01"]
    assert loaded.training.curriculum == {"0": {"warm_up": False}, "default": {"rate": 1}}
    assert only_mistake(older.replace("basic", "5")).startswith(
        "x.yaml:8: participant.home_01.trader.type: must be text"
    )
    assert only_mistake(older.replace('"0"', "first")).startswith(
        "x.yaml:9: curriculum.first: must be the number"
    )


def test_a_section_given_by_both_names_is_refused() -> None:
    assert only_mistake(SMALL + "participant: {}\n") == (
        "x.yaml:9: participant: given here and as participants, on line 6"
    )
    both = SMALL + "training: {curriculum: {}}\ncurriculum: {}\n"
    assert only_mistake(both) == "x.yaml:10: curriculum: given here and as training.curriculum, on line 9"


def test_ignored_keys_are_neither_shown_nor_hashed() -> None:
    loaded = config(SMALL + "version: 3.7.2\nrecords: {market: [a]}\n")
    assert "version" not in loaded.resolved()
    assert "records" not in loaded.resolved()
    assert loaded.hash == config().hash


def test_a_rule_between_values_is_told_along_with_other_mistakes() -> None:
    text = small("days: 1", "days: 0.00001\n  seed: a\n  sede: 1")
    assert [line.split(":")[1:3] for line in mistakes(text)] == [
        ["3", " study.days"],
        ["4", " study.seed"],
        ["5", " study.sede"],
    ]


def test_only_twenty_mistakes_are_shown() -> None:
    lines = mistakes(SMALL + "".join(f"key_{number}: 1\n" for number in range(25)))
    assert len(lines) == 21
    assert lines[-1] == "and 5 more"


def test_missing_keys_are_told_at_their_section() -> None:
    assert mistakes("study:\n\n  days: 1\nmarket: {}\nparticipants:\n  a:\n    type: Residential\n") == [
        "x.yaml:1: study.start_datetime: must be given",
        "x.yaml:4: market.grid: must be given",
        "x.yaml:6: participants.a.trader: must be given",
    ]


@pytest.mark.parametrize("text", ["5", "- a", '"text"'])
def test_the_top_is_a_mapping(text: str) -> None:
    assert (
        only_mistake(f"\n{text}") == "x.yaml:2: a config is a mapping of keys (study, market, ...) to values"
    )


# ---------------------------------------------------------------- overrides


def test_overrides_replace_the_file_before_it_is_checked() -> None:
    text = small("days: 1", "days: none\n  seed: 4")
    loaded = load_config_text(text, "x.yaml", {"study.days": 2, "study.seed": None, "server.port": 4000})
    assert (loaded.study.days, loaded.study.seed, loaded.server.port) == (2, 4, 4000)
    assert load_config_text(SMALL, "x", {"study.simulations": ("baseline",)}).study.simulations == (
        "baseline",
    )


def test_overrides_are_left_as_they_were() -> None:
    trader: dict[str, object] = {"type": "basic"}
    overrides = {"participants.home_01.trader": trader, "participants.home_01.trader.bid_price": 0.1}
    assert load_config_text(SMALL, "x.yaml", overrides).participants["home_01"].trader.bid_price == 0.1
    assert trader == {"type": "basic"}


def test_a_wrong_override_is_told_as_the_option() -> None:
    with pytest.raises(ConfigError) as caught:
        load_config_text(
            SMALL.replace("0.069", "a"),
            "x.yaml",
            {"study.generations": 0, "study.seed": -1, "study.output_db_location": 5, "study.time_steps": 1},
        )
    lines = str(caught.value).splitlines()
    assert sorted(line.split(": ")[0] for line in lines[:4]) == [
        "--database",
        "--episodes",
        "--seed",
        "--time-steps",
    ]
    assert "--seed: must be at least 0, found -1" in lines
    assert lines[4].startswith("x.yaml:5: market.grid.price: ")


def test_an_override_that_does_not_fit_the_file_is_told_as_the_option() -> None:
    assert only_mistake(SMALL, days=0.00001).startswith("--days: must be a whole number of steps of 60 s")


def test_overrides_do_not_hide_a_section_that_is_no_mapping() -> None:
    assert "x.yaml:4: study: must be a mapping of keys to values, found 5" in mistakes(
        SMALL[SMALL.index("market:") :].replace(
            "market:\n  grid: {price: 0.069}\n", "market:\n  grid: {price: 1}\n\nstudy: 5\n"
        ),
        days=1,
    )


# ---------------------------------------------------------------- files


def test_the_template_loads_and_has_every_key() -> None:
    loaded = load_config(TEMPLATE)
    assert loaded.source == TEMPLATE
    text = TEMPLATE.read_text()

    def keys(data: object) -> set[str]:
        return (
            {key for key, inner in data.items() for key in {key} | keys(inner)}
            if isinstance(data, dict)
            else set()
        )

    assert {key for key in keys(loaded.resolved()) if f"{key}:" not in text} == set()


def test_what_is_shown_loads_as_the_same(tmp_path: Path) -> None:
    for loaded in (load_config(TEMPLATE), config(TREX, "a.json"), config()):
        file = tmp_path / "shown.yaml"
        file.write_text(dump_yaml(loaded))
        again = load_config(file)
        assert again.resolved() == loaded.resolved()
        assert again.hash == loaded.hash


@given(
    st.dictionaries(
        st.text(st.characters(exclude_categories=("Cs",)), min_size=1).map("option_{}".format),
        st.text(st.characters(exclude_categories=("Cs",))) | st.floats(allow_nan=False, allow_infinity=False),
    )
)
@example(
    {
        "rate": "7e-5",
        "kind": "yes",
        "empty": "",
        "none": "null",
        "time": "0:0:0",
        "big": ".inf",
        "nel": "\x85",
    }
)
def test_whatever_text_an_option_has_is_shown_so_that_it_loads(options: dict[str, str | float]) -> None:
    trader = {"type": "basic", **options}
    loaded = load_config_text(SMALL, "x.yaml", {"participants.home_01.trader": trader})
    assert loaded.participants["home_01"].trader.options == options
    assert load_config_text(dump_yaml(loaded), "x.yaml").resolved() == loaded.resolved()


def test_the_name_of_a_study_is_its_file(tmp_path: Path) -> None:
    file = tmp_path / "winter.yaml"
    file.write_text(SMALL)
    assert load_config(file).study.name == "winter"
    assert load_config(str(file)).source == file
    assert config(small("days: 1", 'days: 1\n  name: ""')).study.name == "x"


def test_a_byte_order_mark_and_other_suffixes_are_fine(tmp_path: Path) -> None:
    for name, text in {
        "a.yml": SMALL,
        "a.conf": SMALL,
        "a.JSON": TREX,
        "a.json5": TREX,
        "a": TREX,
        "b": SMALL,
    }.items():
        (tmp_path / name).write_bytes(b"\xef\xbb\xbf" + text.encode())
        assert load_config(tmp_path / name).study.days > 0


def test_a_file_that_is_not_there_is_told_with_what_is(tmp_path: Path) -> None:
    for name in ("minimal.yaml", "uniform.yaml", "notes.txt"):
        (tmp_path / name).write_text(SMALL)

    def message(path: Path) -> str:
        with pytest.raises(ConfigError) as caught:
            load_config(path)
        return str(caught.value)

    assert message(tmp_path / "minimum.yaml") == (
        f"{tmp_path}/minimum.yaml: there is no such file. Did you mean {tmp_path}/minimal.yaml?"
    )
    assert message(tmp_path / "minimal.json").endswith("Did you mean " + str(tmp_path / "minimal.yaml") + "?")
    assert message(tmp_path / "zzz.yaml").endswith(f"In {tmp_path} there are: minimal.yaml, uniform.yaml")
    assert message(tmp_path / "no" / "x.yaml").endswith(f"there is no such file, nor a folder {tmp_path}/no")
    assert "is a directory" in message(tmp_path)
    assert "\0" not in message(tmp_path / "a\0b")
    (tmp_path / "latin.yaml").write_bytes(b"a: 1\nname: Stra\xdfe\n")
    assert message(tmp_path / "latin.yaml") == f"{tmp_path}/latin.yaml:2: is not UTF-8 text (byte 15)"


# ---------------------------------------------------------------- hash


def test_the_hash_names_what_is_said_not_how() -> None:
    turned = """
# another order, other forms, a comment
participants: {"home_01": {"load": {"scale": 1.0}, trader: {"type": "basic"}}}
market: {grid: {fee_ratio: 0, price: 6.9e-2}, close_steps: 2}
study: {days: 1.0, start_datetime: "2020-11-03 0:0:0", timezone: UTC, output_db_location: "sqlite:///x"}
"""
    assert config(turned).hash == config().hash
    assert config(SMALL, seed=2).hash != config().hash
    assert config(small("basic", "other")).hash != config().hash


def test_time_of_use_in_another_order_is_the_same_unless_it_overlaps() -> None:
    def with_tou(*rows: str) -> str:
        return config(small("{price: 0.069}", "{price: 0.069, tou: {" + ", ".join(rows) + "}}")).hash

    january, february, both = '"1": {"5": 0.1}', '"2": {"5": 0.2}', '"1, 2": {"5": 0.3}'
    assert with_tou(january, february) == with_tou(february, january)
    assert with_tou(january, both) != with_tou(both, january)
    assert with_tou(january, both) == with_tou(january, '"2": {"5": 0.3}')


def test_zero_has_no_sign() -> None:
    assert config(small("0.069", "-0.0")).hash == config(small("0.069", "0")).hash


def test_the_hash_is_the_same_in_each_process() -> None:
    code = f"from trex_market.config import load_config; import sys; sys.stdout.write(load_config({str(TEMPLATE)!r}).hash)"
    hashes = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(TEMPLATE.parents[1])},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("0", "1", "2")
    }
    assert hashes == {load_config(TEMPLATE).hash}


# ---------------------------------------------------------------- anything at all

LINES = sorted({line.strip(" \t,{}[]") for line in (TEMPLATE.read_text() + TREX + TEN_MISTAKES).splitlines()})


@given(
    st.text() | st.lists(st.sampled_from(LINES) | st.text(max_size=10)).map("\n".join),
    st.sampled_from(["x", "x.yaml", "x.json"]),
)
def test_any_text_loads_or_gives_a_config_error(text: str, name: str) -> None:
    try:
        load_config_text(text, name)
    except ConfigError:
        return


values = st.sampled_from(
    [
        None,
        True,
        0,
        -1,
        10**400,
        0.5,
        -0.0,
        float("inf"),
        float("nan"),
        "",
        "x",
        "\0",
        [],
        [1],
        [[]],
        {},
        {"a": {}},
        {"": None},
    ]
)
paths = st.sampled_from(
    [
        "study",
        "market",
        "participants",
        "training",
        "server",
        "study.start_datetime",
        "study.days",
        "study.time_step_size",
        "study.seed",
        "study.timezone",
        "study.simulations",
        "study.name",
        "study.generations",
        "market.grid",
        "market.grid.price",
        "market.grid.tou",
        "market.sources",
        "market.k",
        "market.price_cap",
        "market.default_bid_source",
        "market.grid.price_file",
        "server.port",
        "server.host",
        "training.curriculum",
        "training.hyperparameters",
        "participants.home_01",
        "participants.home_01.trader",
        "participants.a.b.c",
        "participants.home_01.storage",
        "participants.home_01.trader.bid_price",
        "participants.home_01.profile",
    ]
)


@given(st.dictionaries(paths, values, max_size=4))
def test_any_value_loads_or_gives_a_config_error(overrides: dict[str, object]) -> None:
    try:
        loaded = load_config_text(SMALL, "x.yaml", overrides)
    except ConfigError:
        return
    assert load_config_text(dump_yaml(loaded), "x.yaml").hash == loaded.hash
    assert len(loaded.study.start_times()) == loaded.study.generations
