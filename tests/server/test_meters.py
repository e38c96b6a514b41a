"""Meters over HTTP: tokens, junk, reports that come twice, counters that go wrong, and the journal behind it all."""

from __future__ import annotations

import asyncio
import gzip
import logging
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.helpers import START, STEP
from tests.server.helpers import meter, soon
from tests.server.metering import GRACE, Gateway, gateway
from trex_market.core.errors import StorageError
from trex_market.core.messages import (
    Corrected,
    Delivered,
    MeterAccepted,
    ReadRegisters,
    RegisterTrouble,
)
from trex_market.engine import Engine, replay
from trex_market.journal import read_commands
from trex_market.server.desk import Limits
from trex_market.server.doorkeeper import token_hash
from trex_market.server.meters import MAX_BODY_BYTES, MeterRegister
from trex_market.throttle import Rate

OK = (200, {"ok": True})


def shows(
    consumed: object = None, exported: object = None, who: str = "ann", **others: Any
) -> dict[str, Any]:
    """Return a report of registers, in kWh."""
    values = {"import": consumed, "export": exported}
    registers = {name: kwh for name, kwh in values.items() if kwh is not None}
    return {"participant_id": who, "registers": registers, **others}


def taken(*slots: int, troubles: list[str] | None = None) -> tuple[int, Any]:
    """Return the answer to a report that completes slots, by their numbers."""
    intervals = [[START + slot * STEP, START + (slot + 1) * STEP] for slot in slots]
    return 200, {"ok": True, "slots": intervals, "troubles": troubles or []}


def readings(place: Gateway) -> list[tuple[str, int, int, int]]:
    """Return who, number of the slot, consumption and solar of all readings since the last time."""
    return [
        (
            event.participant_id,
            (event.meter.slot_start - START) // STEP,
            event.meter.consumption["other"]["external"],
            event.meter.generation.get("solar", 0),
        )
        for event in place.heard(MeterAccepted)
    ]


# ---------------------------------------------------------------- reports


async def test_a_slot_is_reported(tmp_path: Path) -> None:
    async with gateway(tmp_path) as place:
        place.at(STEP + 5)
        report = {"participant_id": "ann", **meter(START, solar=700, need=20)}
        assert await place.posts(report) == OK
        assert readings(place) == [("ann", 0, 20, 700)]
        kept = [command for _, command in read_commands(place.journal.path)]
        assert msgspec.to_builtins(kept[-1])["meter"]["generation"] == {"solar": 700}


async def test_registers_become_slots(tmp_path: Path) -> None:
    async with gateway(tmp_path) as place:
        assert await place.posts(shows(1234.567, 8.1)) == taken()
        place.at(STEP)
        assert await place.posts(shows(1234.9, 8.1004)) == taken(0)
        assert readings(place) == [("ann", 0, 333, 0)]
        place.at(2 * STEP)
        assert await place.posts(shows(1234.9, "8.1019")) == taken(1)  # parts of a Wh are not lost
        assert readings(place) == [("ann", 1, 0, 1)]


@pytest.mark.parametrize(
    ("written", "wh"),
    [
        ("123456789.123", 123_456_789_123),
        ("0.29", 290),
        ("1.1", 1_100),
        ("0.001", 1),
        ("0.0019999999999999999999999999999999999999", 1),
        ("1e3", 1_000_000),
        ("5", 5_000),
        ('"7.25"', 7_250),
        ("-0.0", 0),
    ],
)
async def test_kwh_become_wh_exactly(tmp_path: Path, written: str, wh: int) -> None:
    async with gateway(tmp_path) as place:
        body = b'{"participant_id": "ann", "registers": {"import": %s}}' % written.encode()
        assert await place.posts(body) == taken()
        *_, last = [command for _, command in read_commands(place.journal.path)]
        assert isinstance(last, ReadRegisters)
        assert [reading.value for reading in last.registers] == [wh]


async def test_a_device_may_say_when_it_read(tmp_path: Path) -> None:
    async with gateway(tmp_path) as place:
        place.at(2 * STEP + 30)
        for slot in range(3):
            answer = await place.posts(shows(slot, time=START + slot * STEP + 0.9))
        assert answer == taken(1)
        assert readings(place) == [("ann", 0, 1000, 0), ("ann", 1, 1000, 0)]


@pytest.mark.parametrize(("ahead", "status"), [(2, 200), (3, 400)])
async def test_a_clock_that_is_a_little_ahead_is_forgiven(tmp_path: Path, ahead: int, status: int) -> None:
    async with gateway(tmp_path) as place:
        found, answer = await place.posts(shows(1, time=START + ahead))
        assert found == status
        assert answer.get("code") == (None if status == 200 else "bad_slot")
        if status == 200:
            assert place.engine.market.state().registers["ann"]["import"].time == START


async def test_export_is_waited_for_once_it_was_sent(tmp_path: Path) -> None:
    async with gateway(tmp_path) as place:
        await place.posts(shows(0))
        place.at(STEP)
        assert await place.posts(shows(1)) == taken(0)
        place.at(2 * STEP)
        assert await place.posts(shows(2, 0)) == taken()  # of slot 1 nobody knows what was exported
        place.at(3 * STEP)
        assert await place.posts(shows(3)) == taken()
        assert await place.posts(shows(exported=0.5)) == taken(2)
        assert readings(place) == [("ann", 0, 1000, 0), ("ann", 2, 1000, 500)]


async def test_who_never_says_what_it_consumes_has_no_readings(tmp_path: Path) -> None:
    async with gateway(tmp_path) as place:
        for slot in range(3):
            place.at(slot * STEP)
            assert await place.posts(shows(exported=slot)) == taken()
        assert readings(place) == []


async def test_registers_of_the_config(tmp_path: Path) -> None:
    known = {
        "ann": {
            "day": MeterRegister("consumption", modulus_wh=100_000),
            "night": MeterRegister("consumption"),
            "mill": MeterRegister("wind", 1_000),
        }
    }
    async with gateway(tmp_path, known) as place:
        for slot, (day, night, mill) in enumerate([(99, 5, 1), (1, 5.5, 1.25)]):
            place.at(slot * STEP)
            registers = {"day": day, "night": night, "mill": mill}
            answer = await place.posts({"participant_id": "ann", "registers": registers})
        assert answer == taken(0)
        (accepted,) = place.heard(MeterAccepted)
        assert accepted.meter.generation == {"wind": 250}
        assert accepted.meter.consumption == {"other": {"external": 2_500}}
        place.at(STEP + 5)
        status, refused = await place.posts(shows(3))
        assert (status, refused["code"]) == (400, "malformed")
        assert "unknown register 'import'" in refused["detail"]
        assert "There are: day, mill, night" in refused["detail"]


async def test_troubles_are_told_to_the_device_too(tmp_path: Path) -> None:
    async with gateway(tmp_path) as place:
        await place.posts(shows(50))
        place.at(10 * STEP)
        status, answer = await place.posts(shows(60))
        assert (status, answer["slots"]) == (200, [])
        assert "was not read for 9000 s" in answer["troubles"][0]
        place.at(11 * STEP)
        status, answer = await place.posts(shows(1))
        assert "it counts anew" in answer["troubles"][0]
        assert [event.reason for event in place.heard(RegisterTrouble)] == ["gap", "reset"]


async def test_a_late_report_corrects_its_slot(tmp_path: Path) -> None:
    async with gateway(tmp_path) as place:
        await place.posts(shows(0))
        place.at(STEP + GRACE)
        (delivered,) = place.heard(Delivered)
        assert delivered.estimated == ("ann", "bob")
        assert await place.posts(shows(0.4, time=START + STEP)) == taken(0)
        (corrected,) = place.heard(Corrected)
        assert [(row.kind, row.quantity) for row in corrected.transactions] == [("supply", 400)]


async def test_a_slot_that_has_a_reading_already_is_told(tmp_path: Path) -> None:
    async with gateway(tmp_path) as place:
        await place.posts(shows(0))
        place.at(STEP)
        assert await place.posts({"participant_id": "ann", **meter(START, need=20)}) == OK
        place.at(STEP + GRACE)
        status, answer = await place.posts(shows(1, time=START + STEP))
        assert (status, answer["slots"]) == (200, [])
        assert answer["troubles"] == [f"slot {START} was delivered with a reading of 'ann'"]


# ---------------------------------------------------------------- twice


async def test_registers_that_come_twice_are_acknowledged_twice_and_count_once(tmp_path: Path) -> None:
    async with gateway(tmp_path) as place:
        await place.posts(shows(0))
        place.at(STEP)
        assert await place.posts(shows(1, time=START + STEP)) == taken(0)
        assert await place.posts(shows(1, time=START + STEP)) == taken()
        assert readings(place) == [("ann", 0, 1000, 0)]
        status, refused = await place.posts(shows(2, time=START + STEP))
        assert (status, refused["code"]) == (400, "bad_slot")
        status, refused = await place.posts(shows(1, time=START + STEP - 1))
        assert (status, refused["code"]) == (400, "bad_slot")


async def test_a_slot_that_comes_twice_counts_once(tmp_path: Path) -> None:
    async with gateway(tmp_path) as place:
        place.at(STEP)
        report = {"participant_id": "ann", **meter(START, need=20)}
        assert await place.posts(report) == OK
        assert await place.posts(report) == OK
        place.at(STEP + GRACE)
        (delivered,) = place.heard(Delivered)
        assert [(row.kind, row.quantity) for row in delivered.transactions] == [("supply", 20)]
        status, refused = await place.posts(report)
        assert (status, refused["code"]) == (400, "bad_slot")


# ---------------------------------------------------------------- tokens

TOKENS = {"ann": "ann's", "bob": "bob's", "operator": "boss"}


def guarded(folder: Path) -> Any:
    hashes = {name: token_hash(token) for name, token in TOKENS.items()}
    meters = {"ann": token_hash("ann's meter's")}
    return gateway(folder, token_hashes=hashes, meter_token_hashes=meters, is_open=False)


@pytest.mark.parametrize("token", ["ann's", "ann's meter's"])
async def test_a_meter_has_a_token_of_its_own_or_its_participants(tmp_path: Path, token: str) -> None:
    async with guarded(tmp_path) as place:
        assert await place.posts(shows(1), token) == taken()


@pytest.mark.parametrize(
    ("who", "token"),
    [
        ("ann", None),
        ("ann", ""),
        ("ann", "ann"),
        ("ann", "bob's"),
        ("ann", "boss"),
        ("bob", "ann's meter's"),
        ("eve", "ann's"),
        ("operator", "boss"),
    ],
)
async def test_any_other_token_is_refused(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, who: str, token: str | None
) -> None:
    async with guarded(tmp_path) as place:
        with caplog.at_level(logging.INFO, "trex_market.audit"):
            status, refused = await place.posts(shows(1, who=who), token)
        assert (status, refused["code"]) == (401, "unauthorised")
        assert [record.name for record in caplog.records] == ["trex_market.audit"]
        assert f"{token}" not in caplog.text or token in (None, "", "ann", "boss")
        assert place.engine.market.registers_of("ann") == frozenset()


async def test_in_an_open_market_one_must_be_a_participant(tmp_path: Path) -> None:
    async with gateway(tmp_path) as place:
        status, refused = await place.posts(shows(1, who="eve"))
        assert (status, refused["code"]) == (404, "unknown_participant")


async def test_those_whom_nobody_knows_fill_neither_memory_nor_journal(tmp_path: Path) -> None:
    async with gateway(tmp_path, limits=Limits(rate=Rate(per_second=1e-6, burst=3))) as place:
        kept = place.journal.position
        for number in range(5):
            status, _ = await place.posts(shows(1, who=f"eve {number}"))
            assert status == 404
        assert place.server.desk._buckets == {}
        assert place.journal.position == kept


async def test_pages_of_other_origins_are_refused(tmp_path: Path) -> None:
    async with gateway(tmp_path) as place:
        status, _ = await place.posts(shows(1), Origin="https://example.org")
        assert status == 403
        assert place.engine.market.registers_of("ann") == frozenset()


async def test_a_meter_may_not_report_without_end(tmp_path: Path) -> None:
    limits = Limits(rate=Rate(per_second=1e-6, burst=3))
    async with gateway(tmp_path, limits=limits) as place:
        statuses = [(await place.posts(shows(1)))[0] for _ in range(4)]
        assert statuses == [200, 200, 200, 429]
        assert (await place.posts(shows(1, who="bob")))[0] == 200


# ---------------------------------------------------------------- junk

DEEP = b"[" * 30_000


@pytest.mark.parametrize(
    ("body", "code", "said"),
    [
        (b"", "malformed", "not JSON"),
        (b"{", "malformed", "not JSON"),
        (b"null", "malformed", "Expected `object`"),
        (b"[]", "malformed", "Expected `object`"),
        (b"\xff\xfe", "malformed", "not JSON"),
        (b'{"participant_id": "ann', "malformed", "not JSON"),
        (b'{"participant_id": "\\ud800"}', "malformed", "not JSON"),
        (b'{"participant_id": "ann", "x": %s' % DEEP, "malformed", ""),
        (b'{"participant_id": "ann", "registers": %s' % DEEP, "malformed", ""),
        (b"{}", "malformed", "participant_id must say"),
        (b'{"participant_id": null, "registers": {}}', "malformed", "participant_id must say"),
        (b'{"participant_id": 5}', "malformed", "$.participant_id"),
        (b'{"participant_id": "ann"}', "bad_slot", "missing required field `time_interval`"),
        (b'{"participant_id": "ann", "registers": {}}', "malformed", "must be named"),
        (b'{"participant_id": "ann", "registers": []}', "bad_quantity", "$.registers"),
        (b'{"participant_id": "ann", "registers": {"import": true}}', "bad_quantity", "Expected `decimal`"),
        (b'{"participant_id": "ann", "registers": {"import": null}}', "bad_quantity", "Expected `decimal`"),
        (b'{"participant_id": "ann", "registers": {"import": "much"}}', "bad_quantity", "$.registers"),
        (b'{"participant_id": "ann", "registers": {"import": "NaN"}}', "bad_quantity", "no number of kWh"),
        (b'{"participant_id": "ann", "registers": {"import": "-Infinity"}}', "bad_quantity", "no number"),
        (b'{"participant_id": "ann", "registers": {"import": NaN}}', "malformed", "not JSON"),
        (b'{"participant_id": "ann", "registers": {"import": -1}}', "bad_quantity", "must show 0 to"),
        (b'{"participant_id": "ann", "registers": {"import": -0.0001}}', "bad_quantity", "found -1"),
        (b'{"participant_id": "ann", "registers": {"import": 1e999999999}}', "bad_quantity", "no number"),
        (b'{"participant_id": "ann", "registers": {"import": 1e-999999999}}', "bad_quantity", "no number"),
        (b'{"participant_id": "ann", "registers": {"import": 1e13}}', "bad_quantity", "must show 0 to"),
        (
            b'{"participant_id": "ann", "registers": {"import": %s}}' % (b"9" * 60_000),
            "bad_quantity",
            "no num",
        ),
        (b'{"participant_id": "ann", "registers": {"gas": 1}}', "malformed", "unknown register 'gas'"),
        (b'{"participant_id": "ann", "registers": {"\\u0000": 1}}', "malformed", "the character 0"),
        (b'{"participant_id": "ann", "registers": {"import": 1}, "time": "now"}', "malformed", "$.time"),
        (
            b'{"participant_id": "ann", "registers": {"import": 1}, "time": 1.5e12}',
            "bad_slot",
            "UNIX seconds",
        ),
        (b'{"participant_id": "ann", "registers": {"import": 1}, "time": 1e400}', "malformed", ""),
        (
            b'{"participant_id": "ann", "time_interval": [0, 900], "generation": {"solar": 1.5}, "consumption": {}}',
            "bad_quantity",
            "$.generation",
        ),
        (
            b'{"participant_id": "ann", "time_interval": [1472976001, 1472976901], "generation": {}, "consumption": {}}',
            "bad_slot",
            "is not a slot",
        ),
        (
            b'{"participant_id": "ann", "time_interval": [1472976000, 1472976900], "generation": {}, "consumption": {}}',
            "bad_slot",
            "not over yet",
        ),
    ],
)
async def test_junk_is_refused_and_changes_nothing(tmp_path: Path, body: bytes, code: str, said: str) -> None:
    async with gateway(tmp_path) as place:
        before = place.engine.market.state()
        status, refused = await place.posts(body)
        assert (status, refused["ok"], refused["code"]) == (400, False, code), refused
        assert said in refused["detail"]
        assert place.engine.market.state() == before
        assert place.faults == []


async def test_what_is_too_large_is_not_read(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def endless() -> Any:
        while True:
            yield b" " * 10_000

    async with gateway(tmp_path) as place:
        with caplog.at_level(logging.INFO, "trex_market.audit"):
            for body in (b" " * (MAX_BODY_BYTES + 1), endless()):
                url = f"{place.server.url}/meter"
                async with place.web.post(url, data=body) as response:
                    assert response.status == 413
                    assert (await response.json())["code"] == "malformed"
        assert caplog.text.count("refused POST /meter") == 2
        fitting = b'{"participant_id": "ann", "registers": {"import": 1}}'.ljust(MAX_BODY_BYTES)
        assert await place.posts(fitting) == taken()


@pytest.mark.parametrize("packing", ["gzip", "deflate", "br"])
async def test_nothing_is_unpacked(tmp_path: Path, caplog: pytest.LogCaptureFixture, packing: str) -> None:
    async with gateway(tmp_path) as place:
        for body in (gzip.compress(b" " * 10_000_000), b"junk"):
            status, refused = await place.posts(body, **{"Content-Encoding": packing})
            assert (status, refused["code"]) == (400, "malformed")
            assert "not JSON" in refused["detail"]
    assert "Traceback" not in caplog.text


class Overheard(logging.Handler):
    """Waits for a line of a log."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.line: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        logging.getLogger(name).addHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        if not self.line.done():
            self.line.set_result(record.getMessage())


async def test_a_report_that_breaks_off_is_no_fault(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "trex_market.audit")
    async with gateway(tmp_path) as place:
        overheard = Overheard("trex_market.audit")
        address = urlsplit(place.server.url)
        _, writer = await asyncio.open_connection(address.hostname, address.port)
        writer.write(b"POST /meter HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{")
        await writer.drain()
        writer.close()
        assert "the report broke off before its end" in await soon(overheard.line)
        assert await place.posts(shows(1)) == taken()
    logging.getLogger("trex_market.audit").removeHandler(overheard)
    assert "Traceback" not in caplog.text


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
async def test_there_is_nothing_but_post(tmp_path: Path, method: str) -> None:
    async with gateway(tmp_path) as place:
        async with place.web.request(method, f"{place.server.url}/meter") as response:
            assert response.status == 405


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
REPORTS = st.fixed_dictionaries(
    {"participant_id": st.just("ann") | JSON},
    optional={
        "registers": st.dictionaries(st.sampled_from(["import", "export", "x"]), st.floats(0, 10) | JSON)
        | JSON,
        "time": st.floats(START - 10, START + 10) | JSON,
        "time_interval": st.just([START - STEP, START]) | JSON,
        "generation": st.dictionaries(st.text(max_size=3), st.integers() | JSON, max_size=2) | JSON,
        "consumption": st.dictionaries(st.text(max_size=3), JSON, max_size=2) | JSON,
    },
)


@settings(
    max_examples=200,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(reports=st.lists(REPORTS | JSON, min_size=1, max_size=4))
def test_any_report_is_answered_and_none_is_a_fault(
    tmp_path_factory: pytest.TempPathFactory, reports: list[Any]
) -> None:
    async def play(folder: Path) -> None:
        async with gateway(folder) as place:
            for report in reports:
                body = msgspec.json.encode(report) if _fits(report) else b"[]"
                status, answer = await place.posts(body)
                assert (status == 200) is answer["ok"]
                assert status in (200, 400, 404)
            assert place.faults == []
            assert await place.posts(shows(1, who="bob")) == taken()

    asyncio.run(play(tmp_path_factory.mktemp("any")))


def _fits(report: Any) -> bool:
    try:
        msgspec.json.encode(report)
    except (OverflowError, UnicodeEncodeError):
        return False
    return True


# ---------------------------------------------------------------- journal


async def test_what_is_acknowledged_is_on_disk(tmp_path: Path) -> None:
    async with gateway(tmp_path) as place:
        for number in range(5):
            await place.posts(shows(number, time=START - 5 + number))
            kept = [command for _, command in read_commands(place.journal.path)]
            assert isinstance(kept[-1], ReadRegisters)
            assert kept[-1].read_at == START - 5 + number


async def test_a_replayed_journal_gives_the_same_events(tmp_path: Path) -> None:
    async with gateway(tmp_path, {"bob": {"mill": MeterRegister("wind", 5_000, 10_000)}}) as place:
        place.outbox.take()
        engine = place.engine
        for slot in range(8):
            place.at(slot * STEP)
            await place.posts(shows(slot / 3, slot / 7))
            await place.posts({"participant_id": "bob", "registers": {"mill": slot * 3.3 % 10}})
            if slot == 5:
                place.at(slot * STEP + 3 * STEP)
            await place.posts(shows(0.5 if slot == 6 else -1))
        heard = place.outbox.take()
        state = engine.market.state()
    assert {type(event) for event in heard} >= {MeterAccepted, RegisterTrouble, Corrected, Delivered}
    again = Engine()
    outbox = again.listen()
    for _ in replay(tmp_path / "journal.jsonl", again):
        pass
    events = outbox.take()
    assert events[-len(heard) :] == heard
    assert again.market.state() == state


def full_disk() -> Any:
    return Path("/dev/full").open("wb", buffering=0)


async def test_a_journal_that_cannot_be_written_stops_the_market(tmp_path: Path) -> None:
    async with gateway(tmp_path) as place:
        file, place.journal._file = place.journal._file, full_disk()
        status, refused = await soon(asyncio.ensure_future(place.posts(shows(1))))
        assert (status, refused["code"]) == (409, "wrong_phase")
        assert [type(fault) for fault in place.faults] == [StorageError]
        place.journal._file.close()
        place.journal._file = file
        place.journal._durable = place.journal.position.sequence
