"""The command line, run in the tests' own process."""

from __future__ import annotations

import pytest

from tests.shell_helpers import Shell


@pytest.fixture
def shell(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Shell:
    """Runs commands."""
    return Shell(monkeypatch, capsys)
