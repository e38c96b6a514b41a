"""A service that is started again: it knows what it knew, and which messages were there."""

from __future__ import annotations

import dataclasses
import stat
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.uftp.helpers import (
    AGR1,
    DAY,
    DSO,
    FORECAST_1,
    POINT,
    Neighbourhood,
    header,
    operator_terms,
    prognosis,
    xml,
)
from trex_market.core.errors import InputError
from trex_market.programmes.flexibility.grid_operator import GridOperator
from trex_market.programmes.flexibility.reasons import Reason
from trex_market.programmes.flexibility.records import AggregatorState, OperatorState
from trex_market.uftp.dso import GridOperatorService
from trex_market.uftp.library import uftp
from trex_market.uftp.memory import KeptMessage, Memory


def started(there: Neighbourhood, path: Path) -> GridOperatorService:
    """Return our DSO with what it kept."""
    memory = Memory(path)
    machine = GridOperator(operator_terms(), memory.state(OperatorState))
    return GridOperatorService(
        machine, there.identity(DSO), there.directory, there.settings(DSO), there.clock, memory
    )


async def test_a_dso_that_is_started_again(tmp_path: Path) -> None:
    path = tmp_path / "dso.json"
    async with Neighbourhood() as there:
        one = await there.outsider()
        message = prognosis(FORECAST_1, **header())
        document = there.sealed(xml(message))
        async with started(there, path):
            assert (await there.post(document))[0] == 200
            first = await one.receive(uftp.DPrognosisResponse)
            assert first.rejection_reason is None
            kept = path.read_bytes()
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        # As after a crash: nothing that came after the answer was written.
        path.write_bytes(kept)

        async with started(there, path) as dso:
            assert dso.machine.state().prognoses[POINT][DAY][AGR1].revision == 1
            assert (await there.post(document))[0] == 200
            again = await one.receive(uftp.DPrognosisResponse)
            assert again == first
            other = dataclasses.replace(message, revision=2)
            assert (await there.post(there.sealed(xml(other))))[0] == 200
            answer = await one.receive(uftp.DPrognosisResponse)
            assert answer.rejection_reason == Reason.DUPLICATE_IDENTIFIER
            old = await one.ask(prognosis(FORECAST_1, revision=1))
            assert old.rejection_reason == Reason.SUBORDINATE_SEQUENCE
            assert len(dso.machine.state().prognosis_days) == 1


async def test_what_was_sent_is_known_before_it_arrives(tmp_path: Path) -> None:
    path = tmp_path / "dso.json"
    async with Neighbourhood() as there:
        one = await there.outsider()
        async with started(there, path) as dso:
            assert (await one.ask(prognosis(dict.fromkeys((70, 71), 150_000)))).rejection_reason is None
            dso.start(_request(dso))
            request = await one.receive(uftp.FlexRequest)
            known = Memory(path).state(OperatorState)
            assert known is not None
            assert request.message_id in known.requests
            assert known.numbered >= 1
            await one.send(uftp.FlexRequestResponse(flex_request_message_id=request.message_id))


async def _request(dso: GridOperatorService) -> None:
    await dso.request(POINT, DAY)


def message(left_s: float, **changes: Any) -> KeptMessage:
    return KeptMessage("AGR x", f"id-{left_s:g}", b"digest", left_s, **changes)


def test_what_is_forgotten(tmp_path: Path) -> None:
    path = tmp_path / "dso.json"
    memory = Memory(path)
    assert memory.state(OperatorState) is None
    assert memory.messages() == []
    memory.write(OperatorState(numbered=7), [message(0.0), message(1_000.0, answer="<x/>")])
    (left,) = Memory(path).messages()
    assert left.answer == "<x/>"
    assert 900 < left.left_s <= 1_000
    # Half an hour later.
    raw = msgspec.json.decode(path.read_bytes())
    raw["written_at"] -= 1_800
    path.write_bytes(msgspec.json.encode(raw))
    assert Memory(path).messages() == []
    state = Memory(path).state(OperatorState)
    assert state is not None
    assert state.numbered == 7
    path.write_text("{")
    with pytest.raises(InputError, match="cannot be read"):
        Memory(path)


def test_the_state_of_another_machine(tmp_path: Path) -> None:
    path = tmp_path / "dso.json"
    Memory(path).write(message(1.0), [])
    path.write_bytes(path.read_bytes().replace(b'"machine":{', b'"machine":{"meters":5,'))
    with pytest.raises(InputError, match="holds no AggregatorState"):
        Memory(path).state(AggregatorState)


async def test_nothing_goes_out_that_could_not_be_kept(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    async with Neighbourhood() as there:
        one = await there.outsider()
        async with started(there, folder / "dso.json") as dso:
            folder.rmdir()
            document = there.sealed(xml(prognosis({}, **header())))
            for _ in range(2):
                assert (await there.post(document))[0] == 500
            folder.mkdir()
            assert (await there.post(document))[0] == 200
            assert (await one.receive(uftp.DPrognosisResponse)).rejection_reason is None
            assert one.inbox.empty()
            assert len(dso.machine.state().prognosis_days) == 1
