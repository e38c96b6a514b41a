"""Demand response in a simulation, its config, its report, and the commands of its page."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from tests.docs_helpers import blocks
from tests.server.helpers import free_port, start_process
from tests.shell_helpers import REPOSITORY, Shell, query
from trex_market.build import Study
from trex_market.config import load_config
from trex_market.core.errors import ConfigError
from trex_market.programmes.demand_response.records import AutoResponse, Device
from trex_market.responding import demand_response_terms

PAGE = REPOSITORY / "docs" / "demand_response.md"
PLAYED, SERVED = (block.text for block in blocks("sh", PAGE))
ASKED, NODE = (block.text for block in blocks("bash", PAGE))

SMALL = """
study: {start_datetime: "2016-01-18", timezone: Europe/Berlin, time_step_size: 900, days: 1,
        profiles_db_location: "packaged:semiurban"}
market: {grid: {price: 0.08, fee_ratio: 2.75}}
participants:
  home_01: {trader: {type: basic}}
  home_02: {trader: {type: basic}, load: {shiftable: 0.5}}
"""


def config(tmp_path: Path, section: str) -> Path:
    path = tmp_path / "small.yaml"
    path.write_text(SMALL + "demand_response:" + section, encoding="utf-8")
    return path


@pytest.mark.slow
def test_the_page_s_run_measures_reduces_and_pays(tmp_path: Path) -> None:
    (tmp_path / "configs").symlink_to(REPOSITORY / "configs")
    arguments = PLAYED.split()[1:]
    subprocess.run([sys.executable, "-m", "trex_market", *arguments], cwd=tmp_path, check=True, timeout=170)
    out = tmp_path / "runs" / "demand_response"
    events = query(out / "market.db", "SELECT id, status FROM demand_response_events ORDER BY time_start")
    assert len(events) == 6
    assert {status for _, status in events} == {"completed"}
    sums = query(
        out / "market.db",
        "SELECT count(*), sum(accepts), sum(paid), sum(amount), sum(baseline_ws - metered_ws), sum(credited_ws), "
        "sum(committed_ws), count(rebound_ws), min(measured_s = duration_s) FROM demand_response_invitations",
    )
    invited, accepted, paid, amount, reduction, credited, committed, rebounds, all_measured = sums[0]
    assert (invited, rebounds, all_measured) == (180, accepted, 1)
    assert accepted == 6 * 29, "one home never answers"
    assert 0 < credited <= committed
    assert reduction > 0
    ledger = query(
        out / "market.db",
        "SELECT sum(quantity), sum(amount), count(DISTINCT id) - count(*) FROM transactions "
        "WHERE kind = 'demand_response'",
    )
    assert ledger == [(paid, amount, 0)]
    assert amount == paid * 500_000
    report = json.loads((out / "report.json").read_text())["runs"][0]["demand_response"]
    assert [one["event_id"] for one in report["events"]] == [name for name, _ in events]
    assert sum(one["amount"] for one in report["events"]) == amount
    assert sum(one["reduction_ws"] for one in report["events"]) == reduction
    page = (out / "report.html").read_text(encoding="utf-8")
    assert 'id="demand-response"' in page
    for word in ("baseline, kWh", "metered, kWh", "reduction, kWh", "rebound, kWh", "paid, $"):
        assert f"<th>{word}</th>" in page


def test_homes_take_less_in_the_event_and_more_afterwards(shell: Shell, tmp_path: Path) -> None:
    section = """
  answer_lead_s: 3600
  interval_s: 900
  auto_response: {enabled: true, max_reduction: 0.5}
  baseline: {adjustment: none}
  events: {evening: {start: "2016-01-18 18:00", duration_s: 3600, load_percent: 50}}
"""
    plain = tmp_path / "plain.yaml"
    plain.write_text(SMALL, encoding="utf-8")
    for path, out in ((config(tmp_path, section), "with"), (plain, "without")):
        answer = shell("run", path, "--simulation", "training", "--out", tmp_path / out)
        assert answer.status == 0, answer.err

    def load(out: str, since: int, until: int, name: str = "home_02") -> int:
        rows = query(
            tmp_path / out / "market.db",
            f"SELECT consumption FROM meter_readings WHERE participant_id = '{name}' "
            f"AND slot_start >= {since} AND slot_start < {until}",
        )
        return sum(sum(json.loads(row[0])["other"].values()) for row in rows)

    start = 1_453_136_400  # 18:00 in Berlin
    during = load("without", start, start + 3600) - load("with", start, start + 3600)
    after = load("with", start + 3600, start + 10_800) - load("without", start + 3600, start + 10_800)
    assert during == after > 0
    day = (start - 64_800, start + 21_600)
    assert load("with", *day) == load("without", *day)
    assert load("with", *day, "home_01") == load("without", *day, "home_01")


def test_a_section_becomes_terms(tmp_path: Path) -> None:
    section = """
  price: 0.25
  auto_response: {enabled: true, max_reduction: 0.3}
  participants: {home_02: {delay_s: 5}}
  devices: {heater: {participant: home_02}, house: {participant: home_01, measured: meter}}
  events: {noon: {start: "2016-01-18 12:00", load_kwh: 1.5, invite_s: 3600, devices: [heater]}}
"""
    terms = demand_response_terms(load_config(config(tmp_path, section)))
    assert (terms.price, terms.interval_s, terms.timezone) == (250_000, 900, "Europe/Berlin")
    assert terms.devices == (Device("heater", "home_02"), Device("house", "home_01", "meter"))
    assert terms.auto_response == AutoResponse(is_on=True, most=300_000)
    assert terms.participants == {"home_02": AutoResponse(delay_s=5)}
    (planned,) = terms.plan
    assert (planned.start, planned.invite_at) == (1_453_114_800, 1_453_111_200)
    assert (planned.energy, planned.share, planned.devices) == (1500, None, ("heater",))


def test_without_devices_each_connection_is_one(tmp_path: Path) -> None:
    terms = demand_response_terms(load_config(config(tmp_path, " {}")))
    assert [(one.device_id, one.measured) for one in terms.devices] == [
        ("home_01", "meter"),
        ("home_02", "meter"),
    ]


@pytest.mark.parametrize(
    ("section", "message"),
    [
        (" {devices: {a: {participant: home_3}}}", "demand_response.devices.a.participant: unknown participant"),
        (" {participants: {home_3: {}}}", "demand_response.participants.home_3: unknown participant 'home_3'"),
        (" {interval_s: 1000}", "demand_response.interval_s: must be a whole number of slots of 900 s, found 1000"),
        (" {baseline: {weekdays: high_5}}", "demand_response.baseline.weekdays: unknown baseline method 'high_5'"),
        (" {baseline: {adjust_from_s: 60, adjust_until_s: 60}}", "adjust_until_s: must be less than adjust_from_s, 60"),
        (" {baseline: {holidays: [soon]}}", "holidays[0]: must be a date such as 2016-07-18, found 'soon'"),
        (" {events: {a: {start: noon, load_percent: 1}}}", "demand_response.events.a.start: not of the form"),
        (" {events: {a: {start: '2016-01-18'}}}", "either load_kwh or load_percent must say what is to be shed"),
        (" {events: {a: {start: '2016-01-18', load_percent: 1, devices: [b]}}}", "unknown device 'b'"),
        (" {events: {a: {start: '2016-01-18', load_percent: 101}}}", "must be at most 100 %, found 101"),
        (" {devices: {a: {participant: home_01, hours: ['off']}}}", "hours: must have 24 entries, found 1"),
        (" {prize: 1}", "Did you mean 'price'"),
    ],
)  # fmt: skip
def test_a_mistake_is_named(tmp_path: Path, section: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Study(load_config(config(tmp_path, section)))
    assert message in str(caught.value)
    assert "small.yaml:" in str(caught.value)


def test_arrays_do_not_know_it(shell: Shell, tmp_path: Path) -> None:
    refused = shell.refuses("run", config(tmp_path, " {}"), "--engine", "vector", "--out", tmp_path / "out")
    assert "the vector engine does not know demand response" in refused


@pytest.mark.slow
def test_the_page_s_requests_are_answered(tmp_path: Path) -> None:
    (tmp_path / "configs").symlink_to(REPOSITORY / "configs")
    port = str(free_port())
    server = start_process(*SERVED.split()[1:], "--port", port, cwd=tmp_path)
    try:
        assert server.stdout is not None
        assert "market street at" in server.stdout.readline()
        requests = ASKED.replace("3100", port)
        said = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", requests.replace("curl -s", "curl -sf --max-time 20")],
            capture_output=True,
            text=True,
            check=False,
            timeout=90,
            env=dict(os.environ),
        )
        assert said.returncode == 0, said.stderr
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/dr/events", timeout=20) as answer:
            (event,) = (
                one for one in json.loads(answer.read())["events"] if one["start"] > time.time() + 3600
            )
        assert (event["status"], event["load_percent"], len(event["devices"])) == ("pending", 20.0, 30)
    finally:
        server.terminate()
        server.communicate(timeout=30)
