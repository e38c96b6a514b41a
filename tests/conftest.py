"""The command line, run in the tests' own process; reports that can travel between processes."""

from __future__ import annotations

from collections.abc import Generator

import pytest

from tests.shell_helpers import Shell


@pytest.fixture
def shell(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Shell:
    """Runs commands."""
    return Shell(monkeypatch, capsys)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Make what was captured UTF-8: half a surrogate pair would end the process that is to send it."""
    report = yield
    report.sections = [
        (name, text.encode("utf-8", "backslashreplace").decode()) for name, text in report.sections
    ]
    return report
