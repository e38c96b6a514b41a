"""The log: lines of text or JSON, and no more from libraries than is safe."""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Iterator

import pytest

from trex_market import logs


@pytest.fixture(autouse=True)
def _as_it_was() -> Iterator[None]:
    names = ("", *logs.LOGGERS, *logs.TALKATIVE)
    levels = {name: logging.getLogger(name).level for name in names}
    yield
    root = logging.getLogger()
    for handler in [one for one in root.handlers if isinstance(one, logs._StandardError)]:
        root.removeHandler(handler)
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)


def said(capsys: pytest.CaptureFixture[str]) -> list[str]:
    captured = capsys.readouterr()
    assert not captured.out
    return captured.err.splitlines()


def test_a_line_of_text(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("info", "text")
    logging.getLogger("trex_market.x").warning("the %s is %d", "answer", 42, extra={"code": "c"})
    (line,) = said(capsys)
    time, rest = line.split(" ", maxsplit=1)
    assert rest == "WARNING trex_market.x: the answer is 42"
    assert time.endswith("Z")
    assert len(time) == len("2026-01-02T03:04:05Z")


def test_what_somebody_sends_cannot_make_lines_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    evil = "ann\n2026-01-01T00:00:00Z INFO trex_market: all is well\x1b[2J\u2028\udcff"
    logs.configure("info", "text")
    logging.getLogger("trex_market").warning("refused %s", evil)
    (line,) = said(capsys)
    assert line.isprintable()
    assert r"ann\n2026" in line
    logs.configure("info", "json")
    logging.getLogger("trex_market").warning("refused %s", evil, extra={"who": evil})
    (line,) = said(capsys)
    assert json.loads(line)["who"] == evil


def test_a_line_of_json(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("debug", "json")
    logger = logging.getLogger("participants.x")
    logger.debug(
        "it is %s", "so", extra={"code": "bad_price", "count": 3, "odd": {1, 2}.__class__, "_private": 1}
    )
    try:
        raise ValueError("no")
    except ValueError:
        logger.exception("it failed")
    first, second = map(json.loads, said(capsys))
    assert list(first) == ["time", "level", "logger", "message", "code", "count", "odd"]
    assert (first["level"], first["logger"], first["message"]) == ("debug", "participants.x", "it is so")
    assert (first["code"], first["count"], first["odd"]) == ("bad_price", 3, "<class 'set'>")
    assert first["time"].endswith("Z")
    assert second["exception"].endswith("ValueError: no")


def test_an_error_is_shown_with_where_it_was(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("error", "text")
    try:
        raise ValueError("no")
    except ValueError:
        logging.getLogger("trex_market").exception("it failed")
    lines = said(capsys)
    assert lines[0].endswith("ERROR trex_market: it failed")
    assert lines[-1] == "ValueError: no"


@pytest.mark.parametrize(("level", "count"), [("debug", 4), ("info", 3), ("warning", 2), ("error", 1)])
def test_levels(capsys: pytest.CaptureFixture[str], level: str, count: int) -> None:
    logs.configure(level, "text")
    for name in ("debug", "info", "warning", "error"):
        getattr(logging.getLogger("trex_market"), name)("x")
    assert len(said(capsys)) == count
    assert level in logs.LEVELS


def test_libraries_tell_no_secrets_whatever_the_level(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("debug", "text")
    for name in (*logs.TALKATIVE, "sqlalchemy.engine", "aiosqlite", "asyncio", "aiohttp.access"):
        logging.getLogger(name).info("a token")
        logging.getLogger(name).debug("a token")
    logging.getLogger("sqlalchemy").warning("a warning")
    assert [line.split(" ", maxsplit=1)[1] for line in said(capsys)] == ["WARNING sqlalchemy: a warning"]


def test_twice_configured_is_said_once(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("info", "text")
    logs.configure("info", "text")
    logging.getLogger("trex_market").info("x")
    assert len(said(capsys)) == 1


def test_nothing_is_raised_where_nobody_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    class Closed:
        def write(self, _text: str) -> None:
            raise BrokenPipeError

    monkeypatch.setattr("sys.stderr", Closed())
    monkeypatch.setattr("logging.raiseExceptions", False)
    logs.configure("info", "text")
    with warnings.catch_warnings():
        logging.getLogger("trex_market").info("x")
