"""Environment variables in locations."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.profiles.helpers import write_csv
from trex_market.core.errors import ProfileError
from trex_market.profiles import expanded, open_source


def test_a_variable_stands_for_its_value(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    write_csv(tmp_path / "p.csv", "{1},a,1,0", "{2},a,1,0")
    monkeypatch.setenv("WHERE", str(tmp_path))
    monkeypatch.setenv("WHAT", "p")
    assert expanded("${WHERE}/${WHAT}.csv") == f"{tmp_path}/p.csv"
    assert open_source("${WHERE}/${WHAT}.csv", base=Path("elsewhere")).participants() == ["a"]


@pytest.mark.parametrize("location", ["plain.csv", "$HOME/p.csv", "${1}/p.csv", "sqlite:///a$b.db", "${}"])
def test_anything_else_is_left_alone(location: str) -> None:
    assert expanded(location) == location


@pytest.mark.parametrize("value", [None, ""])
def test_a_variable_that_is_not_set_is_named(monkeypatch: pytest.MonkeyPatch, value: str | None) -> None:
    monkeypatch.delenv("WHERE", raising=False)
    if value is not None:
        monkeypatch.setenv("WHERE", value)
    with pytest.raises(ProfileError, match=r"the environment variable WHERE is not set; .*WHERE=/path/to"):
        open_source("${WHERE}/p.csv", base=Path())


def test_what_a_variable_holds_is_not_looked_through_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WHERE", "${WHERE}")
    assert expanded("${WHERE}") == "${WHERE}"
