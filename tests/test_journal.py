"""Scenario files: every line is a command or a refusal, or it is named and nothing after it is read."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.helpers import START, STEP
from trex_market.core.errors import InputError, RefusalCode, ScenarioError
from trex_market.core.messages import ChangeRejected, Join, MeterRejected, OpenMarket, OrderRejected
from trex_market.journal import read_commands

OPEN = {
    "command": "open_market",
    "market": {
        "id": "m",
        "type": "MicroTE",
        "close_steps": 2,
        "time_step_size": STEP,
        "timezone": "UTC",
        "grid": {"price": 0.1, "fee_ratio": 1.0},
    },
}
JOIN = {"command": "join", "participant_id": "a", "time": START}
BID = {
    "command": "submit_bid",
    "participant_id": "a",
    "uuid": "u1",
    "quantity": 5,
    "price": 0.1,
    "source": "solar",
    "time_delivery": [START, START + STEP],
    "time": START,
}


def scenario(folder: Path, *lines: object) -> Path:
    path = folder / "s.jsonl"
    texts = [line if isinstance(line, str) else json.dumps(line) for line in lines]
    path.write_text("\n".join(texts) + "\n", encoding="utf-8")
    return path


def mistake(path: Path) -> str:
    with pytest.raises(InputError) as caught:
        list(read_commands(path))
    return str(caught.value)


def test_lines_are_read_in_order_and_blank_ones_count(tmp_path: Path) -> None:
    path = scenario(tmp_path, OPEN, "", "   ", JOIN)
    (first, opened), (second, joined) = read_commands(path)
    assert (first, second) == (f"{path}:1", f"{path}:4")
    assert isinstance(opened, OpenMarket)
    assert (opened.market_id, opened.step, opened.grid.price) == ("m", STEP, 0.1)
    assert joined == Join("a", START)


@pytest.mark.parametrize("form", ["\ufeff{}", "{}\r\n", "{}"])
def test_byte_order_marks_and_other_line_ends_do_not_matter(tmp_path: Path, form: str) -> None:
    path = tmp_path / "s.jsonl"
    path.write_bytes(form.format(json.dumps(JOIN)).encode())
    assert [command for _, command in read_commands(path)] == [Join("a", START)]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('{"command": "join", ', "is not JSON: "),
        ("[1, 2]", "must be an object with a command, found [1, 2]"),
        ("5", "must be an object with a command, found 5"),
        ("{}", "command"),
        ('{"command": "jion"}', "unknown command 'jion'; there are: open_market, start_round"),
        ('{"command": "join", "time": 5}', "participant_id"),
        ('{"command": "start_round", "time": 1e30, "duration": 900}', "$.time"),
        ('{"command": "open_market"}', "open_market needs 'market', an object; found None"),
        ('{"command": "open_market", "market": {"typ": 1}}', "unknown key 'typ'. Did you mean 'type'?"),
        ("[" * 100_000, "is not JSON that can be read"),
        ("1" * 5000, "is not JSON that can be read"),
        ('{"command": "join", "participant_id": "\\ud800", "time": 5}', "is not UTF-8 text"),
        ('{"command": "submit_bid", "participant_id": "a", "time": 5}', "uuid"),
        ('{"command": "cancel_order", "participant_id": "a", "time": 5}', "uuid"),
    ],
)
def test_a_wrong_line_is_named(tmp_path: Path, line: str, said: str) -> None:
    path = scenario(tmp_path, JOIN, line, JOIN)
    message = mistake(path)
    assert message.startswith(f"{path}:2: ")
    assert said in message


def test_bytes_that_are_no_text_are_named_by_their_line(tmp_path: Path) -> None:
    path = tmp_path / "s.jsonl"
    path.write_bytes(json.dumps(JOIN).encode() + b"\n\xff\xfe\n")
    assert mistake(path).startswith(f"{path}:2: is not UTF-8 text: ")


@pytest.mark.parametrize("name", ["missing.jsonl", "."])
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    with pytest.raises(ScenarioError, match="cannot be read: "):
        list(read_commands(path))


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"quantity": 5.0}, RefusalCode.BAD_QUANTITY),
        ({"price": None}, RefusalCode.BAD_PRICE),
        ({"source": 1}, RefusalCode.UNKNOWN_SOURCE),
        ({"time_delivery": []}, RefusalCode.BAD_SLOT),
    ],
)
def test_an_order_with_wrong_values_is_a_refusal_and_no_mistake(
    tmp_path: Path, change: dict[str, object], code: RefusalCode
) -> None:
    ((_, refused),) = read_commands(scenario(tmp_path, {**BID, **change}))
    assert isinstance(refused, OrderRejected)
    assert (refused.order_id, refused.participant_id, refused.code) == ("u1", "a", code)


def test_a_price_that_is_no_number_in_json_is_a_refusal(tmp_path: Path) -> None:
    ((_, refused),) = read_commands(scenario(tmp_path, json.dumps({**BID, "price": float("nan")})))
    assert isinstance(refused, OrderRejected)
    assert refused.code == RefusalCode.BAD_PRICE


def test_readings_and_changes_with_wrong_values_are_refusals(tmp_path: Path) -> None:
    reading = {"command": "report_meter", "participant_id": "a", "time": START, "meter": 5}
    change = {**BID, "command": "replace_order", "quantity": "many"}
    registers = {**reading, "command": "read_registers"}
    (_, first), (_, second), (_, third) = read_commands(scenario(tmp_path, reading, change, registers))
    assert isinstance(first, MeterRejected)
    assert isinstance(second, ChangeRejected)
    assert isinstance(third, MeterRejected)
    assert (first.participant_id, second.order_id, second.code) == ("a", "u1", RefusalCode.BAD_QUANTITY)
