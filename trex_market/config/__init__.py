"""Configs: YAML (or JSON with comments) with TREX's keys, frozen, complete and checked.

`load_config` makes a `Config` or raises one `ConfigError` with everything that
is wrong. The clearing rule, strategies and devices are names here; whether
there are such is for `build` to say.
"""

from trex_market.config.dump import dump_yaml
from trex_market.config.load import load_config, load_config_text
from trex_market.config.market import GridConfig, MarketConfig
from trex_market.config.participants import ParticipantConfig, ScaledConfig, StorageConfig, TraderConfig
from trex_market.config.scenario import open_command_from_scenario, scenario_from_open_command
from trex_market.config.schema import Config, ServerConfig
from trex_market.config.study import StudyConfig
from trex_market.config.sweep import Axis, Range, axis, check_key, every
from trex_market.config.training import TrainingConfig

__all__ = [
    "Axis",
    "Config",
    "GridConfig",
    "MarketConfig",
    "ParticipantConfig",
    "Range",
    "ScaledConfig",
    "ServerConfig",
    "StorageConfig",
    "StudyConfig",
    "TraderConfig",
    "TrainingConfig",
    "axis",
    "check_key",
    "dump_yaml",
    "every",
    "load_config",
    "load_config_text",
    "open_command_from_scenario",
    "scenario_from_open_command",
]
