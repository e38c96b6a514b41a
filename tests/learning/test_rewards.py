"""What a slot is worth: by hand, and over a whole episode."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.helpers import START, STEP, reading
from tests.learning.helpers import battery_study
from tests.shell_helpers import LOADS
from trex_market.core.errors import ConfigError, InputError
from trex_market.core.messages import Transaction
from trex_market.learning import env
from trex_market.learning.rewards import SlotResult, bill, net_profit, saving

TIMES = (START, START, START + STEP)


def result(load: int, sun: int, *rows: Transaction) -> SlotResult:
    """Return a slot of ann's; the grid pays 0.10 and charges 0.20 $/kWh."""
    return SlotResult("ann", START, 100_000, 200_000, load, {"solar": sun}, reading(), rows)


def delivery(seller: str, buyer: str, quantity: int, price: int) -> Transaction:
    return Transaction("t", "delivery", "c", quantity, seller, buyer, "solar", price, price, *TIMES)


def supply(quantity: int) -> Transaction:
    return Transaction("t", "supply", None, quantity, "grid", "ann", "grid", 200_000, 200_000, *TIMES)


def feed_in(quantity: int) -> Transaction:
    return Transaction("t", "feed_in", None, quantity, "ann", "grid", "solar", 100_000, 100_000, *TIMES)


def test_a_buyer_gains_what_the_market_was_cheaper() -> None:
    slot = result(1000, 0, delivery("bob", "ann", 600, 150_000), supply(400))
    assert bill(slot) == pytest.approx(-0.17)  # 0.6 kWh for 0.09, 0.4 kWh for 0.08
    assert net_profit(slot) == saving(slot) == pytest.approx(0.03)


def test_a_seller_gains_what_the_market_was_dearer() -> None:
    slot = result(0, 1000, delivery("ann", "bob", 600, 150_000), feed_in(400))
    assert bill(slot) == pytest.approx(0.13)
    assert net_profit(slot) == saving(slot) == pytest.approx(0.03)


def test_a_battery_saves_but_the_market_gains_nothing_by_it() -> None:
    slot = result(1000, 0, supply(400))  # it gave 600 Wh
    assert net_profit(slot) == 0
    assert saving(slot) == pytest.approx(0.12)
    assert bill(slot) == pytest.approx(-0.08)
    slot = result(0, 1000, feed_in(400))  # it took 600 Wh
    assert net_profit(slot) == 0
    assert saving(slot) == pytest.approx(-0.06)


def test_a_module_of_ones_own_and_a_function_are_rewards_too(tmp_path: Path) -> None:
    path = battery_study(tmp_path)
    (tmp_path / "own_rewards.py").write_text(
        "def slots(result):\n    return result.slot_start / 900\n", encoding="utf-8"
    )
    for reward in ("own_rewards:slots", lambda result: result.slot_start / 900):
        played = env(path, ["maker"], reward=reward)
        played.reset()
        _, rewards, _, _, infos = played.step({"maker": np.zeros(3, np.float32)})
        assert rewards == {"maker": infos["maker"]["slot"] / 900}


def test_a_reward_that_there_is_not_is_named_with_those_that_there_are(tmp_path: Path) -> None:
    path = battery_study(tmp_path)
    with pytest.raises(
        ConfigError,
        match=r"unknown reward 'savings'. Did you mean 'saving'. There are: bill, net_profit, saving",
    ):
        env(path, reward="savings")
    with pytest.raises(ConfigError, match="reward 'no_such:thing': the module 'no_such' cannot be imported"):
        env(path, reward="no_such:thing")


def totals(path: Path, reward: str) -> tuple[dict[str, float], dict[str, float]]:
    """Return what each agent was rewarded in an episode, and its bill."""
    played = env(path, ["maker", "mixed", "taker"], reward=reward)
    played.reset(seed=5)
    rewarded, bills = dict.fromkeys(LOADS, 0.0), dict.fromkeys(LOADS, 0.0)
    actions = {"maker": (0.0, -0.5, 0.0), "taker": (0.6, 0.0, 0.0), "mixed": (-0.3, 0.3, -0.5)}
    while played.agents:
        _, rewards, _, _, infos = played.step(
            {name: np.array(action, np.float32) for name, action in actions.items()}
        )
        for name, reward_now in rewards.items():
            rewarded[name] += reward_now
            bills[name] += infos[name]["bill"]
    return rewarded, bills


def test_rewards_of_an_episode_agree_with_each_other(tmp_path: Path) -> None:
    path = battery_study(tmp_path)
    gained, bills = totals(path, "net_profit")
    paid, again = totals(path, "bill")
    saved, _ = totals(path, "saving")
    assert bills == again
    assert paid == pytest.approx({name: -cost for name, cost in bills.items()})
    assert gained["maker"] > 0.01
    assert gained["taker"] > 0.01
    # Without a battery, all that is saved is what the market gained.
    assert saved["maker"] == pytest.approx(gained["maker"])
    assert saved["taker"] == pytest.approx(gained["taker"])
    assert abs(saved["mixed"] - gained["mixed"]) > 0.001


def test_an_agent_must_be_there(tmp_path: Path) -> None:
    path = battery_study(tmp_path)
    with pytest.raises(InputError, match=r"unknown participant 'makr'. Did you mean 'maker'?"):
        env(path, ["makr"])
