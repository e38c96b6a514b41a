"""The meter gateway: devices report energy in slots, or what their counters show, without taking part.

`Meters` handles a report, wherever it comes from; `serve_meters` takes them over HTTP, as `POST /meter`.
What is acknowledged is in the journal.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence

import msgspec
from aiohttp import web

from trex_market.core.errors import PhaseError, ProtocolError, RefusalCode, unknown_name
from trex_market.core.messages import (
    CONSUMPTION,
    Command,
    Event,
    MeterAccepted,
    MeterRejected,
    ReadRegisters,
    RegisterReading,
    RegisterTrouble,
    ReportMeter,
)
from trex_market.core.units import wh_from_kwh
from trex_market.protocol import wire
from trex_market.protocol.requests import EARLIEST, LATEST, decoded_json, meter_reading
from trex_market.server.app import MarketServer
from trex_market.server.audit import Visitor
from trex_market.server.desk import Desk
from trex_market.server.doorkeeper import Role
from trex_market.server.web import address_of

logger = logging.getLogger(__name__)

PATH = "/meter"

MAX_BODY_BYTES = 65_536

AHEAD_S = 2
"""A device's clock may be so much ahead: what it read then, it read now."""

JSON = "application/json"


class MeterRegister(msgspec.Struct, frozen=True):
    """A register that a participant's meter has.

    Args:
        measures: `CONSUMPTION`, or a source.
        max_power_w: most that can flow through it.
        modulus_wh: after so many Wh it is at 0 again; None if it never is.
    """

    measures: str
    max_power_w: int = 100_000
    modulus_wh: int | None = None


IMPORT, EXPORT = "import", "export"

USUAL: Mapping[str, MeterRegister] = {IMPORT: MeterRegister(CONSUMPTION), EXPORT: MeterRegister("solar")}
"""The registers of a participant of which nothing else is said; one that never sends `EXPORT` has none."""


class _Sender(msgspec.Struct):
    """What tells one kind of report from the other, and whose it is."""

    participant_id: str | None = None
    registers: msgspec.Raw = msgspec.Raw()


class Meters:
    """Handles what meters report.

    Args:
        desk: of the market.
        registers: participant id -> name -> register, of those that have others than the `USUAL` ones.
    """

    def __init__(self, desk: Desk, registers: Mapping[str, Mapping[str, MeterRegister]]) -> None:
        self._desk = desk
        self._registers = registers

    def sender(self, body: bytes, named: str | None = None) -> str:
        """Return whose report this is.

        Args:
            body: the report.
            named: whose it must be; None if only the report says it.

        Raises:
            ProtocolError: malformed; unauthorised, if it is another's.
        """
        participant_id = decoded_json(_Sender, body).participant_id
        if participant_id is None:
            participant_id = named
        if participant_id is None:
            raise ProtocolError(RefusalCode.MALFORMED, "participant_id must say whose meter this is")
        if named is not None and participant_id != named:
            detail = f"the meter of {named!r} cannot speak for {participant_id!r}"
            raise ProtocolError(RefusalCode.UNAUTHORISED, detail)
        return participant_id

    def take(self, participant_id: str, body: bytes, *, is_fresh: bool = True) -> wire.Result:
        """Take a report; the answer may be given when `safe` has returned.

        Args:
            participant_id: whose it is, and that is proven.
            body: JSON, see `wire.PostedMeter` and `wire.PostedRegisters`.
            is_fresh: whether it was sent just now; otherwise it must say of when it is.

        Raises:
            ProtocolError: if it is refused.
        """
        desk = self._desk
        if desk.seats.find(participant_id) is None:
            detail = f"{participant_id!r} is none of this market's participants"
            raise ProtocolError(RefusalCode.UNKNOWN_PARTICIPANT, detail)
        desk.check_rate(participant_id)
        now = desk.pace.now(desk.engine)
        if not bytes(decoded_json(_Sender, body).registers):
            meter = meter_reading(decoded_json(wire.PostedMeter, body))
            self._submit(ReportMeter(participant_id, meter, now))
            return wire.Result()
        posted = decoded_json(wire.PostedRegisters, body)
        if posted.time is None and not is_fresh:
            raise ProtocolError(RefusalCode.MALFORMED, "this was kept for a while, and does not say its time")
        return _taken(self._submit(self._read_registers(participant_id, posted, now)))

    async def safe(self) -> None:
        """Wait until all that was taken would survive a crash.

        Raises:
            ProtocolError: wrong_phase, if that cannot be; the market stops.
        """
        try:
            await self._desk.pace.safe()
        except Exception as error:
            raise self._fault(error) from error

    def _submit(self, command: Command) -> list[Event]:
        engine = self._desk.engine
        if engine is None:
            raise ProtocolError(RefusalCode.WRONG_PHASE, "no market is running")
        try:
            events = engine.submit(command)
        except PhaseError as error:
            raise ProtocolError(RefusalCode.WRONG_PHASE, str(error)) from error
        except Exception as error:
            raise self._fault(error) from error
        outcome = events[0]
        if isinstance(outcome, MeterRejected):
            raise ProtocolError(outcome.code, outcome.detail)
        return events

    def _fault(self, error: Exception) -> ProtocolError:
        """Stop the market rather than leave it half changed, and return what the sender is told."""
        logger.error("a meter's report could not be handled", exc_info=error)
        self._desk.faulty(error)
        return ProtocolError(RefusalCode.WRONG_PHASE, "the market has a fault and stops")

    # ------------------------------------------------------------ registers

    def _read_registers(self, participant_id: str, posted: wire.PostedRegisters, now: int) -> ReadRegisters:
        known = self._registers.get(participant_id, USUAL)
        readings = []
        for name, kwh in posted.registers.items():
            register = known.get(name)
            if register is None:
                raise ProtocolError(RefusalCode.MALFORMED, unknown_name("register", name, known))
            try:
                value = wh_from_kwh(kwh)
            except ValueError as error:
                raise ProtocolError(RefusalCode.BAD_QUANTITY, f"register {name!r}: {error}") from error
            readings.append(
                RegisterReading(name, value, register.measures, register.max_power_w, register.modulus_wh)
            )
        expected = tuple(known)
        if known is USUAL and not self._exports(participant_id, posted):
            expected = (IMPORT,)
        return ReadRegisters(participant_id, tuple(readings), _read_at(posted.time, now), now, expected)

    def _exports(self, participant_id: str, posted: wire.PostedRegisters) -> bool:
        """Say whether a participant has an export register: whether it sends it, or ever did."""
        engine = self._desk.engine
        return EXPORT in posted.registers or (
            engine is not None and EXPORT in engine.market.registers_of(participant_id)
        )


def _read_at(time: float | None, now: int) -> int:
    if time is None:
        return now
    if not EARLIEST <= time <= LATEST:
        raise ProtocolError(RefusalCode.BAD_SLOT, f"{time} is in no calendar; times are UNIX seconds")
    moment = math.floor(time)
    return now if now < moment <= now + AHEAD_S else moment


def _taken(events: Sequence[Event]) -> wire.RegistersTaken:
    """Say what came of registers that were read."""
    slots = [
        (event.meter.slot_start, event.meter.slot_end) for event in events if isinstance(event, MeterAccepted)
    ]
    troubles = [event.detail for event in events if isinstance(event, RegisterTrouble | MeterRejected)]
    return wire.RegistersTaken(slots=slots, troubles=troubles)


# ---------------------------------------------------------------- HTTP


def serve_meters(server: MarketServer, meters: Meters) -> None:
    """Let a server take reports, before it listens."""

    async def post(request: web.Request) -> web.Response:
        body = await _body(request)
        if body is None:
            error = ProtocolError(RefusalCode.MALFORMED, f"a report may have {MAX_BODY_BYTES} bytes")
            server.audit.refused(Visitor(address_of(request)), f"POST {PATH}", error)
            answer = wire.Result(ok=False, code=error.code, detail=error.detail)
            return web.Response(body=msgspec.json.encode(answer), status=413, content_type=JSON)
        participant_id = meters.sender(body)
        server.admit(request, Role.METER, participant_id)
        taken = meters.take(participant_id, body)
        await meters.safe()
        return web.Response(body=msgspec.json.encode(taken), content_type=JSON)

    server.application.router.add_post(PATH, post)


async def _body(request: web.Request) -> bytes | None:
    """Return a request's body; None if it is too large.

    Raises:
        ProtocolError: malformed, if its sender hangs up before its end.
    """
    body = bytearray()
    try:
        async for piece in request.content.iter_any():
            body += piece
            if len(body) > MAX_BODY_BYTES:
                return None
    except (ConnectionError, web.RequestPayloadError) as error:
        raise ProtocolError(RefusalCode.MALFORMED, "the report broke off before its end") from error
    return bytes(body)
