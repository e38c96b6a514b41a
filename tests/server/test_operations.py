"""Health, readiness and metrics, over real HTTP."""

from __future__ import annotations

import asyncio
import errno
import json
import os
from pathlib import Path

import aiohttp
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse

from tests.helpers import START, STEP, slot
from tests.server.helpers import PATIENCE_S, Agent, hall, soon
from tests.server.looking import CLOSED, GRACE, Place, place
from tests.server.test_realtime import CONFIG, started
from trex_market.core.errors import StorageError
from trex_market.core.messages import Join
from trex_market.server import operations


class Rows:
    """Rows on their way to a database that the test takes away."""

    def __init__(self) -> None:
        self.pending = 0
        self.trouble: str | None = None


async def ready(found: Place) -> tuple[int, dict[str, str]]:
    """Return the status of /readyz and its reasons."""
    status, _, body = await found.asks("/readyz")
    answer = json.loads(body)
    assert answer["ok"] is (status == 200)
    return status, answer["reasons"]


async def figures(found: Place, token: str | None = None) -> dict[str, float]:
    """Return all samples of /metrics, by name and labels as they are written."""
    status, headers, body = await found.asks("/metrics", token)
    assert status == 200
    assert headers["Content-Type"].startswith("text/plain; version=")
    samples: dict[str, float] = {}
    for family in parse(body.decode()):
        assert family.documentation
        for sample in family.samples:
            labels = ",".join(f'{name}="{value}"' for name, value in sample.labels.items())
            key = f"{sample.name}{{{labels}}}" if labels else sample.name
            assert key not in samples
            samples[key] = sample.value
    return samples


# ---------------------------------------------------------------- health, readiness


async def test_a_process_that_answers_is_healthy(tmp_path: Path) -> None:
    async with place(tmp_path, **CLOSED) as found:
        status, headers, body = await found.asks("/healthz")
        assert (status, json.loads(body)) == (200, {"ok": True})
        assert headers["Cache-Control"] == "no-store"
        status, _, body = await found.asks("/healthz", method="HEAD")
        assert (status, body) == (200, b"")


async def test_a_market_is_ready_as_long_as_its_rounds_begin_in_time(tmp_path: Path) -> None:
    async with place(tmp_path, **CLOSED) as found:
        assert await ready(found) == (200, {})
        found.starts_round(0)
        assert await ready(found) == (200, {})
        late = int(max(operations.LATE_S, operations.LATE_SHARE * STEP))
        found.clock.time = START + STEP + late
        assert await ready(found) == (200, {})
        found.clock.time += 1
        status, reasons = await ready(found)
        assert status == 503
        assert str(slot(1)) in reasons["rounds"]
        found.starts_round(1)
        assert await ready(found) == (200, {})


async def test_a_market_whose_journal_cannot_be_written_is_not_ready(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with place(tmp_path) as found:
        found.server.operations.attend_journal(found.journal)
        found.journal.append(Join("ann", START))
        await found.journal.synced()
        assert await ready(found) == (200, {})

        def full(_file: int) -> None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        monkeypatch.setattr(os, "fsync", full)
        found.journal.append(Join("bob", START))
        with pytest.raises(StorageError, match="No space left"):
            await found.journal.synced()
        monkeypatch.undo()
        status, reasons = await ready(found)
        assert status == 503
        assert reasons == {"journal": "the journal cannot be written"}
        (alarm,) = [one for one in (await found.state_now()).alarms if one.code == "journal"]
        assert alarm.level == "serious"
        assert "No space left" in alarm.text
        assert (await figures(found))["trex_market_journal_up"] == 0
        with pytest.raises(StorageError, match="No space left"):  # what was lost is not written later
            await found.journal.synced()


async def test_a_database_may_be_away_for_a_while(tmp_path: Path) -> None:
    rows = Rows()
    async with place(tmp_path) as found:
        found.server.operations.attend_rows(rows)
        assert await ready(found) == (200, {})
        rows.trouble, rows.pending = "the database x cannot be used at the moment: gone", 77
        (alarm, *_) = (await found.state_now()).alarms
        assert (alarm.code, alarm.level) == ("database", "serious")
        assert alarm.text == "The database x cannot be used at the moment: gone."
        found.clock.time += operations.AWAY_S
        assert await ready(found) == (200, {})
        found.clock.time += 1
        status, reasons = await ready(found)
        assert status == 503
        assert reasons == {"database": f"the database takes no rows since {START}"}
        samples = await figures(found)
        assert (samples["trex_market_database_up"], samples["trex_market_database_pending_rows"]) == (0, 77)
        rows.trouble = None
        assert await ready(found) == (200, {})


async def test_a_disk_that_is_nearly_full_is_an_alarm(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with place(tmp_path) as found:
        found.server.operations.attend_journal(found.journal)
        monkeypatch.setattr(operations, "SCARCE_BYTES", 0)
        assert "disk" not in [one.code for one in (await found.state_now()).alarms]
        monkeypatch.setattr(operations, "SCARCE_BYTES", 2**80)
        assert "disk" in [one.code for one in (await found.state_now()).alarms]
        assert (await figures(found))["trex_market_disk_free_bytes"] > 0


# ---------------------------------------------------------------- metrics


async def test_metrics_count_what_happens(tmp_path: Path) -> None:
    async with place(tmp_path) as found:
        found.trades(0, 4)
        found.offers("ann", "ask", 0, 120_000, 9)
        found.offers("ann", "ask", 10, -5, 9)
        found.offers("ann", "ask", 10, 120_000, 0)
        found.offers("ann", "ask", 10, 120_000, 9)
        found.starts_round(4)
        found.passes(1)
        found.reads("ann", 3, {"solar": 200})
        found.passes(GRACE)
        found.reads("bob", 3, need=230)
        found.reads("bob", 3, need=231)
        samples = await figures(found)
    info = 'trex_market_info{market_id="m",mode="realtime",rule="MicroTE3B",version="0.1.0"}'
    expected = {
        info: 1,
        "trex_market_rounds_total": 5,
        "trex_market_missed_rounds_total": 0,
        "trex_market_slot_start_timestamp_seconds": slot(4),
        'trex_market_grid_price_dollars_per_kilowatt_hour{side="sell"}': 0.1,
        'trex_market_grid_price_dollars_per_kilowatt_hour{side="buy"}': 0.2,
        "trex_market_orders_accepted_total": 9,
        'trex_market_orders_refused_total{code="bad_quantity"}': 1,
        'trex_market_orders_refused_total{code="bad_price"}': 1,
        'trex_market_orders_refused_total{code="gate_closed"}': 1,
        "trex_market_open_orders": 1,
        "trex_market_contracts_total": 4,
        "trex_market_contracted_joules_total": 4 * 200 * 3600,
        "trex_market_last_price_dollars_per_kilowatt_hour": 0.16,
        "trex_market_estimated_readings_total": 1,
        "trex_market_corrections_total": 1,
        "trex_market_missing_readings": 0,
        'trex_market_meter_readings_refused_total{code="bad_slot"}': 1,
        "trex_market_participants": 2,
        "trex_market_connected_participants": 0,
        'trex_market_alarms{level="serious"}': 0,
    }
    assert {name: samples.get(name) for name in expected} == expected
    assert samples["process_resident_memory_bytes"] > 0


async def test_metrics_know_nothing_of_a_single_participant(tmp_path: Path) -> None:
    async with place(tmp_path, ["secretive-ann", "secretive-bob"]) as found:
        found.starts_round(0)
        found.offers("secretive-ann", "ask", 200, 120_000, 2)
        found.offers("secretive-bob", "ask", 0, 120_000, 2)
        found.starts_round(1)
        found.passes(STEP)
        _, _, body = await found.asks("/metrics")
        _, _, readiness = await found.asks("/readyz")
    assert b"trex_market_rounds_total" in body
    assert b"secretive" not in body + readiness


async def test_names_have_units_and_kinds_as_prometheus_asks(tmp_path: Path) -> None:
    async with place(tmp_path) as found:
        found.server.operations.attend_journal(found.journal)
        found.server.operations.attend_rows(Rows())
        found.trades(0, 3)
        found.journal.append(Join("ann", START))
        await found.journal.synced()
        _, _, body = await found.asks("/metrics")
        status, headers, openmetrics = await found.asks(
            "/metrics", Accept="application/openmetrics-text; version=1.0.0"
        )
    families = {
        family.name: family for family in parse(body.decode()) if family.name.startswith("trex_market")
    }
    assert {name for name, family in families.items() if family.type == "histogram"} == {
        "trex_market_acknowledgement_seconds",
        "trex_market_round_late_seconds",
        "trex_market_event_loop_late_seconds",
        "trex_market_journal_sync_seconds",
    }
    assert not [name for name in families if name.endswith(("_ms", "_wh", "_kwh"))]
    for name, family in families.items():
        assert family.type != "counter" or all(sample.name == f"{name}_total" for sample in family.samples), (
            name
        )
    count = next(
        sample.value
        for sample in families["trex_market_journal_sync_seconds"].samples
        if sample.name.endswith("_count")
    )
    assert count == 1
    assert status == 200
    assert "openmetrics" in headers["Content-Type"]
    assert {family.name for family in parse_openmetrics(openmetrics.decode())} >= {
        name.removesuffix("_info") for name in families if not name.endswith("_created")
    }


async def test_two_servers_have_figures_of_their_own(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    async with place(tmp_path / "one") as one, place(tmp_path / "two") as two:
        one.trades(0, 3)
        two.trades(0, 1)
        assert (await figures(one))["trex_market_rounds_total"] == 3
        assert (await figures(two))["trex_market_rounds_total"] == 1


@pytest.mark.parametrize(
    ("token", "expected"), [(None, 401), ("a", 401), ("wrong", 401), ("ob", 200), ("op", 200)]
)
async def test_metrics_need_a_token_where_there_are_tokens(
    tmp_path: Path, token: str | None, expected: int
) -> None:
    async with place(tmp_path, **CLOSED) as found:
        status, _, body = await found.asks("/metrics", token)
        assert status == expected
        assert (b"trex_market_rounds_total" in body) is (expected == 200)


async def test_acknowledgements_and_connections_are_measured() -> None:
    async with hall(["ann"], rounds=2) as found, Agent(found.url, "ann") as ann:
        playing = found.start()
        for _ in range(2):
            await ann.hears("start_round")
            assert (await ann.says("bid", {}))["ok"] is False
            assert (await ann.says("end_turn"))["ok"]
        await soon(playing)
        body, _ = found.server.operations.metrics.page("")
        samples = {sample.name: sample.value for family in parse(body.decode()) for sample in family.samples}
        assert samples["trex_market_connected_participants"] == 1
        assert samples["trex_market_acknowledgement_seconds_count"] == 4
        assert samples["trex_market_rounds_total"] == 2
        assert "trex_market_journal_bytes" not in samples


async def test_how_late_the_event_loop_is_is_measured(tmp_path: Path) -> None:
    async with place(tmp_path) as found:
        measured = asyncio.Event()
        observe = found.server.dashboard.ticked

        def ticked(late: float) -> None:
            observe(late)
            measured.set()

        found.server.dashboard.ticked = ticked
        await soon(measured.wait())
        assert (await figures(found))["trex_market_event_loop_late_seconds_count"] >= 1


@pytest.mark.slow
async def test_a_market_on_the_wall_clock_tells_how_it_does(tmp_path: Path, unused_tcp_port: int) -> None:
    config = tmp_path / "live.yaml"
    config.write_text(CONFIG.format(step=2, port=unused_tcp_port))
    process = await started(config, tmp_path / "run")
    try:
        async with aiohttp.ClientSession(f"http://127.0.0.1:{unused_tcp_port}") as session:

            async def asked(path: str) -> tuple[int, bytes]:
                async with session.get(path) as response:
                    return response.status, await response.read()

            rounds = 0.0
            async with asyncio.timeout(2 * PATIENCE_S), session.get("/events") as events:
                async for _ in events.content.iter_any():  # something is heard at least every few seconds
                    _, body = await asked("/metrics")
                    samples = {
                        one.name: one.value for family in parse(body.decode()) for one in family.samples
                    }
                    rounds = samples["trex_market_rounds_total"]
                    if rounds >= 3 and samples["trex_market_estimated_readings_total"]:
                        break
            assert samples["trex_market_journal_up"] == samples["trex_market_database_up"] == 1
            assert samples["trex_market_journal_lines"] > rounds
            assert samples["trex_market_journal_sync_seconds_count"] >= rounds
            assert samples["trex_market_round_late_seconds_count"] >= 2
            assert await asked("/readyz") == (200, b'{"ok":true,"reasons":{}}')
            state = json.loads((await asked("/state"))[1])
            assert state["market"]["market_id"] == "live"
            assert [one["participant_id"] for one in state["participants"]] == ["ann", "bob"]
            assert {"absent", "missing_readings"} <= {alarm["code"] for alarm in state["alarms"]}
            async with session.post("/control/stop") as response:
                assert response.status == 200
        async with asyncio.timeout(PATIENCE_S):
            await process.communicate()
        assert process.returncode == 0
        assert 0 < samples["trex_market_journal_bytes"] <= (tmp_path / "run" / "journal.jsonl").stat().st_size
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
