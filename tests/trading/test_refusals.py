"""What cannot be traded with flexibility is refused before anything is played or made."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.shell_helpers import Shell
from trex_market.build import load_study
from trex_market.core.errors import InputError
from trex_market.trading.parties import check_episodes, market_url

CONFIG = Path(__file__).parents[2] / "configs" / "flexibility.yaml"


@pytest.mark.parametrize("options", [("--transport", "socketio"), ("--transport", "socketio", "--processes")])
def test_participants_far_away(shell: Shell, options: tuple[str, ...], tmp_path: Path) -> None:
    out = tmp_path / "out"
    said = shell.refuses("run", CONFIG, *options, "--out", out)
    assert "trade over UFTP" in " ".join(said.split())
    assert not out.exists()


def test_a_baseline_alone_has_no_flexibility(shell: Shell, tmp_path: Path) -> None:
    options = ("--simulation", "baseline", "--transport", "socketio", "--out", tmp_path / "out")
    answer = shell("run", CONFIG, *options)
    assert answer.status == 0, answer


def test_over_uftp_one_episode_is_played() -> None:
    check_episodes(load_study(CONFIG))
    for changes, words in (
        ({"study.generations": 2}, r"study\.generations"),
        ({"study.simulations": ["training", "validation"]}, "leave out validation"),
    ):
        with pytest.raises(InputError, match=words):
            check_episodes(load_study(CONFIG, changes))


def test_where_the_market_is() -> None:
    assert market_url(load_study(CONFIG).config) == "http://127.0.0.1:3200"
    assert market_url(load_study(CONFIG, {"server.host": "::1"}).config) == "http://[::1]:3200"
    with pytest.raises(InputError, match=r"server\.port"):
        market_url(load_study(CONFIG, {"server.port": 0}).config)
