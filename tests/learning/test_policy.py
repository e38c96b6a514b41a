"""A policy plays in a run as it does in its environment."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from tests.learning.helpers import STORAGE, battery_study
from tests.shell_helpers import Shell, query
from trex_market.learning import env

MODULE = """\
import numpy

from tests.learning.test_policy import wave
from trex_market.learning.policy import PolicyStrategy


class Wave(PolicyStrategy):
    def __init__(self, slots=None):
        super().__init__(lambda seen: wave(numpy.array(seen, numpy.float32).tolist()), slots)
"""
"""An environment's observations are 32-bit numbers, so the strategy makes its own the same."""


def wave(seen: Sequence[float]) -> list[float]:
    """Return an action that depends on all that is observed."""
    total = sum((place + 1) * value for place, value in enumerate(seen))
    return [float(np.float32(np.sin(total + place))) for place in range(3)]


@pytest.mark.parametrize("slots", [None, 5])
def test_a_policy_pays_in_a_run_what_it_pays_in_its_environment(
    shell: Shell, tmp_path: Path, slots: int | None
) -> None:
    played = env(battery_study(tmp_path), ["mixed"], forecast_slots=slots)
    observations, _ = played.reset()
    bill = 0.0
    while played.agents:
        action = np.array(wave(observations["mixed"].tolist()), np.float32)
        observations, _, _, _, infos = played.step({"mixed": action})
        bill += infos["mixed"]["bill"]
    (tmp_path / "waves.py").write_text(MODULE, encoding="utf-8")
    trader = "{type: zero_intelligence}"
    option = "" if slots is None else f", slots: {slots}"
    text = (tmp_path / "study.yaml").read_text(encoding="utf-8")
    assert text.count(trader) == 1
    assert STORAGE in text
    (tmp_path / "study.yaml").write_text(
        text.replace(trader, f'{{type: "waves:Wave"{option}}}'), encoding="utf-8"
    )
    answer = shell(
        "run",
        tmp_path / "study.yaml",
        "--simulation",
        "training",
        "--episodes",
        "1",
        "--out",
        tmp_path / "out",
    )
    assert answer.status == 0, answer.err
    paid = (
        "SELECT coalesce(sum(quantity * settlement_price_buy), 0) FROM transactions WHERE buyer_id = 'mixed'"
    )
    got = "SELECT coalesce(sum(quantity * settlement_price_sell), 0) FROM transactions WHERE seller_id = 'mixed'"
    ((paid_kwh,),), ((got_kwh,),) = (query(tmp_path / "out" / "market.db", sql) for sql in (paid, got))
    assert (paid_kwh - got_kwh) / 1000 == pytest.approx(bill, abs=1e-9)
    assert bill
