"""A config as YAML, complete; it loads as the same config."""

from __future__ import annotations

import yaml

from trex_market.config.schema import Config
from trex_market.config.source import scalar

_WIDTH = 1_000_000
"""Lines are not folded."""


class _Dumper(yaml.SafeDumper):
    """Writes no aliases, and quotes text that would be read as something else."""

    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002
        return True


def _text(dumper: _Dumper, text: str) -> yaml.ScalarNode:
    try:
        plain = isinstance(scalar(text), str) and text.isprintable()
    except ValueError:
        plain = False
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=None if plain else '"')


_Dumper.add_representer(str, _text)


def dump_yaml(config: Config, *, secrets: bool = True) -> str:
    """Write a config with every default filled in.

    Args:
        config: the config.
        secrets: whether tokens' hashes and databases' passwords are written, too.
    """
    data = config.resolved() if secrets else config.recorded()
    return yaml.dump(data, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=_WIDTH)
