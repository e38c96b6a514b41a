"""What is optional is imported where it is used, and missed in a sentence."""

from __future__ import annotations

import subprocess
import sys

from tests.shell_helpers import REPOSITORY

WITHOUT = """
import sys
for name in ("shapeshifter_uftp", "nacl", "lxml", "xsdata", "fastapi"):
    sys.modules[name] = None
from trex_market.cli import main
sys.argv = ["trex-market", *{words!r}]
main()
"""


def run(*words: str) -> subprocess.CompletedProcess[str]:
    """Run a command where the library is not installed."""
    return subprocess.run(
        [sys.executable, "-c", WITHOUT.format(words=list(words))],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        cwd=REPOSITORY,
    )


def test_without_the_library() -> None:
    for words in (
        ("uftp", "keys", "configs/flexibility.yaml"),
        ("uftp", "dso", "configs/flexibility.yaml"),
        ("uftp", "agr", "configs/flexibility.yaml", "--domain", "sun.demo"),
        ("uftp", "cro", "configs/flexibility.yaml"),
    ):
        refused = run(*words)
        assert refused.returncode == 2, refused.stderr
        assert "pip install 'trex-market[uftp]'" in refused.stderr
        assert "Traceback" not in refused.stderr
    # All else goes on without it.
    assert run("validate", "configs/flexibility.yaml").returncode == 0
