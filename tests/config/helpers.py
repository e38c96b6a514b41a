"""Configs as text, for tests."""

from __future__ import annotations

import pytest

from trex_market.config import Config, load_config_text
from trex_market.core.errors import ConfigError

SMALL = """\
study:
  start_datetime: 2020-11-03 0:0:0
  days: 1
market:
  grid: {price: 0.069}
participants:
  home_01:
    trader: {type: basic}
"""


def config(text: str = SMALL, name: str = "x.yaml", **study: object) -> Config:
    """Load a config; keywords replace keys of the study."""
    return load_config_text(text, name, {f"study.{key}": value for key, value in study.items()})


def mistakes(text: str, name: str = "x.yaml", **study: object) -> list[str]:
    """Return the lines of the error that a text gives."""
    with pytest.raises(ConfigError) as caught:
        config(text, name, **study)
    return str(caught.value).splitlines()


def only_mistake(text: str, name: str = "x.yaml", **study: object) -> str:
    """Return the single line of the error that a text gives."""
    (line,) = mistakes(text, name, **study)
    return line


def small(old: str, new: str) -> str:
    """Return the small config with one thing changed."""
    assert SMALL.count(old) == 1
    return SMALL.replace(old, new)
