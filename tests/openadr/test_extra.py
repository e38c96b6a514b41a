"""What is optional is imported where it is used, and missed in a sentence."""

from __future__ import annotations

import subprocess
import sys

import pytest

WITHOUT = """
import sys
sys.modules[{missing!r}] = None
from trex_market.cli import main
sys.argv = ["trex-market", "openadr", "vtn", "http://127.0.0.1:1"]
main()
"""


@pytest.mark.parametrize("missing", ["openleadr", "lxml"])
def test_without_the_library(missing: str) -> None:
    code = WITHOUT.format(missing=missing)
    refused = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False
    )
    assert refused.returncode == 2, refused.stderr
    assert refused.stderr.splitlines() == [
        "error: speaking OpenADR needs an optional part; install it with: pip install 'trex-market[openadr]'"
    ]
