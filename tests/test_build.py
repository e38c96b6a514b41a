"""A config becomes a study, or all that is wrong with what it names is said at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.shell_helpers import ROUNDS, START, STEP, profiles, strategy, study
from trex_market.build import MAX_SHOWN, Study
from trex_market.config import load_config
from trex_market.core.errors import ConfigError

BASIC = "type: basic, ask_price: 0.12"
SECTION = "{trader: {type: basic, ask_price: 0.12}}"


def problems(path: Path) -> list[str]:
    """Return the lines of what is wrong with a study."""
    with pytest.raises(ConfigError) as caught:
        Study(load_config(path))
    return str(caught.value).splitlines()


def test_a_small_study(tmp_path: Path) -> None:
    built = Study(load_config(study(tmp_path)))
    assert built.simulations == ["baseline", "training"]
    (plan,) = built.episodes("training")
    assert (plan.simulation, plan.episode, plan.start, plan.rounds, plan.step) == (
        "training",
        0,
        START,
        ROUNDS,
        STEP,
    )
    assert list(plan.profiles["taker"].load[:4]) == [400, 437, 474, 400]
    assert list(plan.profiles["maker"].generation["solar"][:2]) == [700, 659]
    assert (built.terms.rule, built.terms.step, built.terms.grid.price) == ("MicroTE", STEP, 0.08)
    assert sorted(built.participants("training")) == ["maker", "mixed", "taker"]


def test_areas_and_who_is_where_become_terms(tmp_path: Path) -> None:
    areas = "areas: {grid: {fee: 0.01}, street: {parent: grid, fee_percent: 2}}\nmarket:"
    built = Study(
        load_config(
            study(tmp_path, ("market:", areas), (SECTION, SECTION.replace("{", "{area: street, ", 1)))
        )
    )
    assert [area.name for area in built.terms.areas] == ["grid", "street"]
    assert built.terms.places == {"maker": "street"}


@pytest.mark.parametrize("rule", ["uniform", "mcafee", "trade_reduction"])
def test_fees_need_a_rule_that_prices_pairs(tmp_path: Path, rule: str) -> None:
    areas = "areas: {grid: {}, street: {parent: grid, fee_percent: 2}}"
    (line,) = problems(study(tmp_path, ("market:", f"{areas}\nmarket:\n  type: {rule}")))
    assert "market.type: area 'street' cannot have a fee: under the rule" in line
    free = areas.replace(", fee_percent: 2", "")
    built = Study(load_config(study(tmp_path, ("market:", f"{free}\nmarket:\n  type: {rule}"))))
    assert [area.name for area in built.terms.areas] == ["grid", "street"]


def test_a_study_that_learns_is_validated(tmp_path: Path) -> None:
    path = study(tmp_path, (BASIC, f"{BASIC}, learning: true"), ("days:", "generations: 3\n  days:"))
    built = Study(load_config(path))
    assert built.simulations == ["baseline", "training", "validation"]
    assert [len(built.episodes(simulation)) for simulation in built.simulations] == [1, 3, 1]
    assert Study(load_config(path, {"study.simulations": ["validation"]})).simulations == ["validation"]


def test_the_curriculum_is_for_training_alone(tmp_path: Path) -> None:
    lessons = 'training: {curriculum: {default: {a: 1, b: 1}, "0": {a: 2}, "1": {b: 3}}}\nmarket:'
    built = Study(load_config(study(tmp_path, ("market:", lessons), ("days:", "generations: 2\n  days:"))))
    assert [plan.parameters for plan in built.episodes("training")] == [{"a": 2, "b": 1}, {"a": 2, "b": 3}]
    assert [plan.parameters for plan in built.episodes("baseline")] == [{}]


def test_profiles_are_scaled_to_whole_wh(tmp_path: Path) -> None:
    scaled = "{load: {scale: 0.505}, generation: {scale: 2}, trader: {type: basic}}"
    (plan,) = Study(load_config(study(tmp_path, (SECTION, scaled)))).episodes("baseline")
    profile = plan.profiles["maker"]
    assert list(profile.load[:3]) == [50, 69, 88]  # 50.5, 69.185, 87.87: half to even
    assert list(profile.generation["solar"][:2]) == [1400, 1318]


def test_a_participant_may_have_anothers_profile(tmp_path: Path) -> None:
    (plan,) = Study(
        load_config(study(tmp_path, (SECTION, "{profile: taker, trader: {type: basic}}")))
    ).episodes("baseline")
    assert list(plan.profiles["maker"].load) == list(plan.profiles["taker"].load)


@pytest.mark.parametrize(
    ("section", "said"),
    [
        ("{trader: {type: basik}}", "unknown strategy 'basik'. Did you mean 'basic'? There are: "),
        ("{trader: {type: 'nowhere:Own'}}", "the module 'nowhere' cannot be imported (ModuleNotFoundError"),
        (
            "{trader: {type: basic, bidprice: 3}}",
            "unknown option of basic 'bidprice'. Did you mean 'bid_price'?",
        ),
        ("{trader: {type: linear_ramp, ramp_steps: -1}}", "ramp_steps must be at least 1, found -1"),
        ("{trader: {type: linear_ramp, ramp_steps: many}}", "LinearRamp(ramp_steps='many') raised TypeError"),
        ("{type: House, trader: {type: basic}}", "unknown participant type 'House'. There are: Residential"),
        (
            "{trader: {type: basic}, storage: {type: Bes, capacity: 1, power: 1}}",
            "unknown storage type 'Bes'. Did",
        ),
        ("{profile: makr, trader: {type: basic}}", "unknown participant 'makr'. Did you mean 'maker'?"),
    ],
)
def test_what_a_participant_names_must_be_there(tmp_path: Path, section: str, said: str) -> None:
    path = study(tmp_path, (SECTION, section))
    (line,) = problems(path)
    assert line.startswith(f"{path}:10: participants.maker: ")
    assert said in line


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("pass", "has no method decide(view)"),
        ("def __init__(self): raise RuntimeError('no licence')", "Own() raised RuntimeError: no licence"),
        ("def __init__(self): {}['k']", "Own() raised KeyError: 'k'"),
        ("def __init__(self): raise SystemExit", "Own() raised SystemExit"),
        ("def __init__(self, depth): pass", "Own() raised TypeError: "),
    ],
)
def test_a_strategy_that_cannot_be_made_is_named(tmp_path: Path, body: str, said: str) -> None:
    (line,) = problems(study(tmp_path, (BASIC, f'type: "{strategy(tmp_path, body)}"')))
    assert "participants.maker: " in line
    assert said in line


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("class Own(\n", "(SyntaxError: "),
        ("raise RuntimeError('boom')\n", "(RuntimeError: boom)"),
        ("import sys\nsys.exit(0)\n", "(SystemExit: 0)"),
        ("import no_such_module\n", "(ModuleNotFoundError: No module named 'no_such_module')"),
    ],
    ids=["syntax", "raises", "exits", "imports"],
)
def test_a_module_that_cannot_be_imported_is_named(tmp_path: Path, text: str, said: str) -> None:
    name, _, _ = strategy(tmp_path, "pass").partition(":")
    (tmp_path / f"{name}.py").write_text(text, encoding="utf-8")
    (line,) = problems(study(tmp_path, (BASIC, f'type: "{name}:Own"')))
    assert f"strategy '{name}:Own': the module '{name}' cannot be imported {said}" in line


def test_a_class_that_is_not_there_is_named_with_those_that_are(tmp_path: Path) -> None:
    name = strategy(tmp_path, "pass")
    (line,) = problems(study(tmp_path, (BASIC, f'type: "{name}er"')))
    assert line.endswith("unknown class 'Owner'. Did you mean 'Own'? There are: Own.")


@pytest.mark.parametrize(
    ("change", "field", "said"),
    [
        (("{price: 0.08", "{price_file: p.csv"), "", "price_file"),
        (("profiles.csv", "profile.csv"), "study.profiles_db_location", "there is no such file"),
        (("profiles.csv", "packaged:semiurb"), "study.profiles_db_location", "Did you mean 'semiurban'?"),
        (("  profiles_db_location: profiles.csv\n", ""), "study.profiles_db_location", "it says nothing"),
        (
            ("market:", "market:\n  type: MicroT"),
            "market.type",
            "unknown clearing rule 'MicroT'. Did you mean",
        ),
        (
            ("  days:", "  output_db_location: mysql://h/d\n  days:"),
            "study.output_db_location",
            "unknown kind of database 'mysql'",
        ),
    ],
)
def test_what_a_study_names_must_be_there(
    tmp_path: Path, change: tuple[str, str], field: str, said: str
) -> None:
    lines = problems(study(tmp_path, change))
    assert any(f": {field}" in line and said in line for line in lines), lines


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "it is empty"),
        ("time,participant_id,load,solar\n", "no row under them"),
        ("time,who,load\n", "participant_id"),
        (profiles().replace(",100,", ",-100,", 1), "line 2, column 'load': -100 is negative"),
        (profiles().replace(",100,", ",lots,", 1), "line 2, column 'load': 'lots' is not a number"),
        ("\0\1\2", ""),
    ],
    ids=["empty", "header", "columns", "negative", "text", "junk"],
)
def test_profiles_that_cannot_be_read_are_named(tmp_path: Path, text: str, said: str) -> None:
    path = study(tmp_path)
    (tmp_path / "profiles.csv").write_text(text, encoding="utf-8")
    (line,) = problems(path)
    assert line.startswith(f"{path}:6: study.profiles_db_location: {tmp_path / 'profiles.csv'}")
    assert said in line


def test_a_gap_and_an_end_in_the_profiles_are_named_with_who_and_when(tmp_path: Path) -> None:
    path = study(tmp_path)
    rows = profiles().splitlines(keepends=True)
    (tmp_path / "profiles.csv").write_text("".join(rows[:4] + rows[5:]), encoding="utf-8")
    (line,) = problems(path)
    assert "participants.maker: " in line
    assert "1 slot(s) of 900 s are missing from 2020-06-01T12:45:00Z to 2020-06-01T13:00:00Z" in line
    (tmp_path / "profiles.csv").write_text(profiles(ROUNDS - 1), encoding="utf-8")
    lines = problems(path)
    assert [line.split(": ")[1] for line in lines] == [
        f"participants.{name}" for name in ("maker", "taker", "mixed")
    ]
    assert all("2020-06-01T15:00:00Z" in line for line in lines)


def test_all_that_is_wrong_is_said_at_once(tmp_path: Path) -> None:
    path = study(
        tmp_path,
        ("market:", "market:\n  type: MicroT"),
        (BASIC, "type: basik"),
        ("{type: zero_intelligence}", "{type: zero_inteligence}"),
        ("profiles.csv", "profile.csv"),
    )
    assert [line.split(": ")[:2] for line in problems(path)] == [
        [f"{path}:8", "market.type"],
        [f"{path}:11", "participants.maker"],
        [f"{path}:13", "participants.mixed"],
        [f"{path}:6", "study.profiles_db_location"],
    ]


def test_what_a_hundred_homes_have_wrong_is_cut_short(tmp_path: Path) -> None:
    homes = "".join(f"  home_{number}: {{trader: {{type: nobody}}}}\n" for number in range(100))
    lines = problems(study(tmp_path, ("participants:\n", f"participants:\n{homes}")))
    assert len(lines) == MAX_SHOWN + 1
    assert lines[-1] == f"and {200 - MAX_SHOWN} more"  # none of them has a profile either
