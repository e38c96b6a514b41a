"""What a config and a command line make of a sweep, and what is refused before anything is run."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.shell_helpers import Shell, study
from trex_market.config import load_config
from trex_market.core.errors import ConfigError
from trex_market.sweeping.planning import Plan, Run, run_id

RATIO = "market.grid.fee_ratio"


def planned(plan: Plan) -> list[Run]:
    return [run for values in plan.settings() for run in plan.runs(values)]


def with_lines(path: Path, lines: str) -> Path:
    path.write_text(path.read_text() + lines)
    return path


def test_the_product_is_in_order_seeds_last(tmp_path: Path) -> None:
    config = with_lines(study(tmp_path), "sweep:\n  market.k: [0, 1]\n  market.close_steps: 3\n")
    plan = Plan(config, {"study.days": None}, [f"{RATIO}=2,1"], "2")
    runs = planned(plan)
    assert [(*run.values.values(), run.seed) for run in runs] == [
        (k, 3, ratio, seed) for k in (0, 1) for ratio in (2, 1) for seed in (1, 2)
    ]
    assert plan.size == len(runs) == len({run.id for run in runs}) == len({run.config_hash for run in runs})
    assert list(runs[0].values) == ["market.k", "market.close_steps", RATIO]


def test_an_id_is_that_of_values_and_seed_whatever_their_order(tmp_path: Path) -> None:
    config = study(tmp_path)
    first = planned(Plan(config, {}, [f"{RATIO}=1,2", "market.k=0,1"], "3,4"))
    second = planned(Plan(config, {}, ["market.k=1,0", f"{RATIO}=2,1"], "4,3"))
    assert {run.id: run.config_hash for run in first} == {run.id: run.config_hash for run in second}
    assert run_id({"market.k": 0, RATIO: 1}, 3) == run_id({RATIO: 1, "market.k": 0}, 3) == first[0].id
    assert run_id({"market.k": 0}, 3) != run_id({"market.k": 0}, 4) != run_id({"market.k": 1}, 4)


def test_a_run_is_the_config_with_its_values_and_nothing_else(tmp_path: Path) -> None:
    config = with_lines(study(tmp_path), "sweep: {market.k: [0, 1]}\n")
    run = planned(Plan(config, {}, ["market.price_cap=null,0.5", "study.seed=7"]))[2]
    assert run.values == {"market.k": 1, "market.price_cap": None, "study.seed": 7}
    text = (
        config.read_text()
        .replace("market:\n", "market:\n  k: 1\n")
        .replace("study:\n", "study:\n  seed: 7\n")
    )
    single = tmp_path / "single.yaml"
    single.write_text(text.partition("sweep:")[0])
    # The name is the file's, and so is no part of what is compared here.
    assert run.config_hash == load_config(single, {"study.name": "study"}).hash


def test_nothing_is_a_value_as_well(tmp_path: Path) -> None:
    config = study(tmp_path, ("market:\n", "market:\n  price_cap: 0.3\n"))
    without, with_cap = planned(Plan(config, {}, ["market.price_cap=null,0.3"]))
    assert with_cap.config_hash == load_config(config).hash != without.config_hash


def test_the_command_line_goes_before_the_config(tmp_path: Path) -> None:
    config = with_lines(study(tmp_path), "sweep: {market.k: [0, 1], study.seed: [3, 4]}\n")
    runs = planned(Plan(config, {}, ["market.k=0.25"]))
    assert [(run.values["market.k"], run.seed) for run in runs] == [(0.25, 3), (0.25, 4)]
    assert [run.overrides["study.seed"] for run in runs] == [3, 4]


def test_a_star_and_an_empty_section_are_set(tmp_path: Path) -> None:
    config = study(tmp_path, ("  taker: {trader", "  taker: {load: , trader"))
    (run,) = planned(Plan(config, {}, ["participants.*.load.scale=2"]))
    assert run.overrides["participants.taker.load.scale"] == 2
    text = config.read_text().replace("load: ,", "load: {scale: 2},")
    for name in ("maker", "mixed"):
        text = text.replace(f"  {name}: {{", f"  {name}: {{load: {{scale: 2}}, ")
    (tmp_path / "single.yaml").write_text(text)
    assert run.config_hash == load_config(tmp_path / "single.yaml", {"study.name": "study"}).hash


@pytest.mark.parametrize(
    ("given", "seeds"),
    [(None, (5,)), ("3", (5, 6, 7)), ("1", (5,)), ("3,1", (3, 1)), (" 8 , 9 ", (8, 9))],
)
def test_seeds_are_counted_from_the_configs_or_listed(
    tmp_path: Path, given: str | None, seeds: tuple[int, ...]
) -> None:
    config = study(tmp_path, ("study:\n", "study:\n  seed: 5\n"))
    assert Plan(config, seeds=given).seeds == seeds


LEARNING = ("type: basic, ask_price: 0.12", "type: q_learning, learning: true")
HYPER = "training: {hyperparameters: {price_levels: [4, 8]}}\n"


def test_hyperparameters_go_to_learners_that_take_them(tmp_path: Path) -> None:
    other = ("type: basic, bid_price: 0.24", "type: basic, bid_price: 0.24, learning: true")
    config = with_lines(study(tmp_path, LEARNING, other), HYPER)
    runs = planned(Plan(config))
    assert not [key for run in runs for key in run.overrides if key.startswith("participants.taker")]
    assert [run.overrides["participants.maker.trader.price_levels"] for run in runs] == [4, 8]
    assert [run.overrides["training.hyperparameters"] for run in runs] == [
        {"price_levels": 4},
        {"price_levels": 8},
    ]
    (run,) = planned(Plan(config, {}, ["training.hyperparameters.price_levels=6"]))
    assert run.overrides["participants.maker.trader.price_levels"] == 6


@pytest.mark.parametrize(
    ("change", "lines", "arguments", "said"),
    [
        (None, "", ["market.kk=1"], "market.kk: unknown key 'kk'. Did you mean 'k'?"),
        (None, "sweep: {market.kk: 1}\n", [], "market.kk: unknown key 'kk'. Did you mean 'k'?"),
        (None, "", ["participants.takr.load.scale=1"], "unknown participant 'takr'. Did you mean 'taker'?"),
        (None, "", ["market.k=2"], "market.k, as it is swept: must be at most 1, found 2"),
        (None, "", ["market.k"], "--set takes KEY=VALUE,VALUE,..., found 'market.k'"),
        (None, "", ["market.k="], "--set takes KEY=VALUE,VALUE,..., found 'market.k='"),
        (None, "", ["market.k=0,0"], "market.k: has the value 0 twice"),
        (None, "", ["market.k=[0"], "syntax error: did not find expected"),
        (None, "", ["market.k=.inf"], "--set market.k: must be a finite number, found .inf"),
        (None, "", ["market.k={start: 0, stop: 1}"], "market.k: a range has the keys start, stop and num"),
        (None, "", ["market.k=0", "market.k=1"], "--set market.k: is given twice"),
        (None, "", ["sweep.market=0"], "sweep.market: cannot be swept"),
        (None, "", ["study.output_db_location=a,b"], "each run of a sweep has a database in its own folder"),
        (None, "", ["study=1"], "study: cannot be swept as a whole"),
        (
            None,
            "",
            ["participants.*.load.scale=1,2", "participants.taker.load.scale=3"],
            "participants.taker.load.scale: sets participants.taker.load.scale, and so does participants.*.load",
        ),
        (
            None,
            "",
            ["market.grid={price: 1}", "market.grid.price=2"],
            "lies below market.grid, which is swept",
        ),
        (None, "", ["study.record=full,none"], "study.record: with none there is nothing to measure"),
        (
            None,
            "",
            ["participants.taker.trader.bidprice=1"],
            "unknown option of basic 'bidprice'. Did you mean",
        ),
        (
            None,
            "",
            ["market.type=MicroTE,unifrom"],
            "unknown clearing rule 'unifrom'. Did you mean 'uniform'?",
        ),
        (
            None,
            HYPER,
            [],
            "training.hyperparameters.price_levels: is an option of traders that learn, and none",
        ),
        (LEARNING, HYPER.replace("price_levels", "layers"), [], "no trader that learns has such an option"),
    ],
)
def test_what_cannot_be_swept_is_told_in_one_message(
    shell: Shell,
    tmp_path: Path,
    change: tuple[str, str] | None,
    lines: str,
    arguments: list[str],
    said: str,
) -> None:
    config = with_lines(study(tmp_path, *([change] if change else [])), lines)
    options = [part for assignment in arguments for part in ("--set", assignment)]
    message = shell.refuses("sweep", config, *options, "--out", tmp_path / "out")
    assert said in message
    assert len(message.strip().splitlines()) == 1
    assert not (tmp_path / "out" / "runs").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--seeds", "0"), "--seeds: a number of seeds lies between 1 and 100,000, found 0"),
        (("--seeds", "a"), "--seeds takes a number of seeds, or a list such as 1,5,9, found 'a'"),
        (("--seeds", "1,1"), "--seeds: a seed is given twice: 1,1"),
        (
            ("--seeds", "2", "--set", "study.seed=1,2"),
            "study.seed: is swept, so --seeds cannot be given as well",
        ),
        (("--workers", "0"), "--workers must be at least 1, found 0"),
        (("--attempts", "0"), "--attempts must be at least 1, found 0"),
        (("--kpi", "trade"), "unknown KPI 'trade'. Did you mean 'traded'?"),
        (("--record", "none"), "study.record: with none there is nothing to measure"),
        (("--simulation", "baseline"), "study.simulations: a sweep needs one in which there is trade"),
        (("--optuna", "3"), "--optuna and --metric go together"),
        (("--metric", "bill"), "--optuna and --metric go together"),
        (("--optuna", "3", "--metric", "bil"), "unknown KPI 'bil'. Did you mean 'bill'?"),
        (("--optuna", "0", "--metric", "bill"), "--optuna must be at least 1, found 0"),
        (("--optuna", "3", "--metric", "bill"), "--optuna: there is nothing to choose"),
    ],
)
def test_what_is_wrong_with_the_rest_is_told(
    shell: Shell, tmp_path: Path, arguments: tuple[str, ...], said: str
) -> None:
    assert said in shell.refuses("sweep", study(tmp_path), *arguments, "--out", tmp_path / "out")
    assert not (tmp_path / "out" / "runs").exists()


def test_too_many_runs_are_refused(tmp_path: Path) -> None:
    plan = Plan(study(tmp_path), {}, ["market.k={start: 0, stop: 1, num: 10000}"], "11")
    with pytest.raises(ConfigError, match="a sweep can have 100,000 runs, these are 110,000"):
        next(plan.settings())


def test_a_directory_that_is_none_is_told(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    message = shell.refuses("sweep", study(tmp_path), "--set", "market.k=0", "--out", tmp_path / "file")
    assert "cannot be a sweep's directory" in message
