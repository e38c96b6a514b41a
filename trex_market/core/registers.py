"""Cumulative registers (kWh counters) become readings of whole slots.

What a register shows at a slot's edge is found by linear interpolation between the two readings around
it, floored to whole Wh. So the slots' energies add up to what the register counted, to the Wh. That is
done only between readings that are at most `max_gap` apart: energy can shift from a slot to its neighbours,
but a meter that is read once a day does not flatten a home's peaks. Slots in a longer gap have no reading;
they are deemed, then closed, as for any meter that is silent.

A register that went down has rolled over, if it can and no more would have flowed than can flow. Else it was
reset: what flowed since it was read before is unknown, and counting starts anew. So it does where it went up by
more than can flow, if a gap lies in between (the meter was exchanged); without one, such a reading is refused.

A slot has a reading when all registers of the participant cover it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence

import msgspec

from trex_market.core.admission import Refusal
from trex_market.core.errors import RefusalCode, unknown_name
from trex_market.core.messages import (
    CONSUMPTION,
    EXTERNAL,
    OTHER,
    MeterReading,
    ReadRegisters,
    RegisterReading,
    RegisterTrouble,
)
from trex_market.core.state import RegisterState

TOLERANCE_WH = 1_000
"""So much more than its power allows may flow through a register: many count in whole kWh."""

MAX_REGISTER = 10**15
"""The largest value of a register, in Wh."""

SLOTS_KEPT = 1_000
"""So many slots of a register wait for the participant's other registers."""


def max_gap(step: int) -> int:
    """Return how far apart two readings may be that slots are interpolated between, in seconds.

    A meter that is read once in each slot is never exactly in time, so it is more than a step; it is less
    than two, so that a reading left out is a gap.

    Args:
        step: length of a slot, in seconds.
    """
    return step * 3 // 2


class Registers:
    """What is known of all participants' registers.

    Args:
        step: length of a slot, in seconds.
        sources: that a register may measure, besides consumption.
    """

    def __init__(self, step: int, sources: Collection[str]) -> None:
        self._step = step
        self._max_gap = max_gap(step)
        self._sources = sources
        self._states: dict[str, dict[str, RegisterState]] = {}

    def of(self, participant_id: str) -> frozenset[str]:
        """Return the names of a participant's registers that were ever read."""
        return frozenset(self._states.get(participant_id, ()))

    def state(self) -> dict[str, dict[str, RegisterState]]:
        """Return all that is known."""
        return {name: dict(registers) for name, registers in self._states.items()}

    def restore(self, state: Mapping[str, Mapping[str, RegisterState]]) -> None:
        """Go on from a state."""
        self._states = {name: dict(registers) for name, registers in state.items()}

    # ------------------------------------------------------------ refusals

    def refusal(self, command: ReadRegisters) -> Refusal | None:
        """Say why registers' values are refused, or None if they are not."""
        names = [reading.name for reading in command.registers]
        if not names or len(set(names)) < len(names):
            return RefusalCode.MALFORMED, f"registers must be named, and each once; found {names}"
        unexpected = sorted(set(names) - set(command.expected)) if command.expected else []
        if unexpected:
            return RefusalCode.MALFORMED, unknown_name("register", unexpected[0], command.expected)
        if command.read_at > command.time:
            ahead = command.read_at - command.time
            return RefusalCode.BAD_SLOT, f"the registers were read in {ahead} s from now; check the clock"
        known = self._states.get(command.participant_id, {})
        for reading in command.registers:
            refusal = self._value_refusal(reading) or self._order_refusal(
                reading, known.get(reading.name), command.read_at
            )
            if refusal:
                return refusal
        return None

    def _value_refusal(self, reading: RegisterReading) -> Refusal | None:
        if reading.measures != CONSUMPTION and reading.measures not in self._sources:
            known = [CONSUMPTION, *self._sources]
            return RefusalCode.UNKNOWN_SOURCE, unknown_name("source", reading.measures, known)
        most = MAX_REGISTER if reading.modulus_wh is None else reading.modulus_wh - 1
        if not 0 <= reading.value <= most:
            found = f"register {reading.name!r} must show 0 to {most} Wh, found {reading.value}"
            return RefusalCode.BAD_QUANTITY, found
        return None

    def _order_refusal(
        self, reading: RegisterReading, last: RegisterState | None, read_at: int
    ) -> Refusal | None:
        """Say why a reading does not follow the one before it, or None if it does."""
        if last is None or (read_at, reading.value) == (last.time, last.value):
            return None
        elapsed = read_at - last.time
        if elapsed <= 0:
            found = f"register {reading.name!r} was read at {last.time} already, found {read_at}"
            return RefusalCode.BAD_SLOT, found
        jumps = reading.value > last.value and _flow(last, reading, elapsed) is None
        if jumps and elapsed <= self._max_gap and reading.measures == last.measures:
            rise, most = reading.value - last.value, _most(reading, elapsed)
            found = (
                f"register {reading.name!r} went up by {rise} Wh in {elapsed} s; at most {most} Wh can flow"
            )
            return RefusalCode.BAD_QUANTITY, found
        return None

    # ------------------------------------------------------------ reading

    def read(self, command: ReadRegisters) -> tuple[list[RegisterTrouble], list[MeterReading]]:
        """Take values that are not refused.

        Returns:
            what is wrong with registers, and the readings of slots that are complete now.
        """
        known = self._states.setdefault(command.participant_id, {})
        troubles: list[RegisterTrouble] = []
        for reading in command.registers:
            last = known.get(reading.name)
            known[reading.name] = self._counted(command, reading, last, troubles)
        if command.expected:
            for name in known.keys() - set(command.expected):
                del known[name]
        return troubles, self._complete(known, command.expected or tuple(known))

    def _counted(
        self,
        command: ReadRegisters,
        reading: RegisterReading,
        last: RegisterState | None,
        troubles: list[RegisterTrouble],
    ) -> RegisterState:
        """Return what is known of a register after a reading."""
        read_at = command.read_at
        if last is None:
            return self._begun(reading, read_at, {})
        elapsed = read_at - last.time
        flow = _flow(last, reading, elapsed) if reading.measures == last.measures else None
        if flow is None or elapsed > self._max_gap:
            troubles.append(self._trouble(command, reading, last, flow))
            return self._begun(reading, read_at, last.energies)
        return self._continued(reading, last, read_at, flow)

    def _begun(self, reading: RegisterReading, read_at: int, energies: Mapping[int, int]) -> RegisterState:
        """Begin to count: the first whole slot is the next one, unless it starts at this very moment."""
        since = None if read_at % self._step else 0
        return RegisterState(read_at, reading.value, reading.measures, since, dict(energies))

    def _continued(
        self, reading: RegisterReading, last: RegisterState, read_at: int, flow: int
    ) -> RegisterState:
        """Go on counting, and give each slot that has ended its part."""
        step = self._step
        energies = dict(last.energies)
        since, given = last.since, 0
        for edge in range(last.time // step * step + step, read_at + 1, step):
            until_edge = flow * (edge - last.time) // (read_at - last.time)
            if since is not None:
                energies[edge - step] = since + until_edge - given
            since, given = 0, until_edge
        if since is not None:
            since += flow - given
        for slot_start in sorted(energies)[:-SLOTS_KEPT]:
            del energies[slot_start]
        return RegisterState(read_at, reading.value, reading.measures, since, energies)

    def _trouble(
        self, command: ReadRegisters, reading: RegisterReading, last: RegisterState, flow: int | None
    ) -> RegisterTrouble:
        elapsed = command.read_at - last.time
        whose = f"register {reading.name!r} of {command.participant_id!r}"
        if flow is None:
            detail = (
                f"{whose} went from {last.value} Wh ({last.measures}) to {reading.value} Wh "
                f"({reading.measures}) in {elapsed} s: it counts anew, what flowed is not known"
            )
        else:
            detail = (
                f"{whose} was not read for {elapsed} s, at most {self._max_gap} may be in between: the "
                f"{flow} Wh that it counted belong to no slot"
            )
        return RegisterTrouble(
            command.participant_id,
            reading.name,
            "reset" if flow is None else "gap",
            last.time,
            command.read_at,
            flow,
            detail,
        )

    # ------------------------------------------------------------ slots

    def _complete(self, known: dict[str, RegisterState], needed: Sequence[str]) -> list[MeterReading]:
        """Take out the slots that all registers cover, and forget those that can be covered no more."""
        if any(name not in known for name in needed):
            return []
        registers = [known[name] for name in needed]
        covered = set(registers[0].energies).intersection(*(one.energies for one in registers[1:]))
        readings = [self._reading(slot_start, registers) for slot_start in sorted(covered)]
        waiting_from = min(one.time for one in registers) // self._step * self._step
        for name, one in known.items():
            energies = {start: energy for start, energy in one.energies.items() if start >= waiting_from}
            known[name] = msgspec.structs.replace(one, energies=energies)
        return readings

    def _reading(self, slot_start: int, registers: Iterable[RegisterState]) -> MeterReading:
        energies: Counter[str] = Counter()
        for one in registers:
            energies[one.measures] += one.energies[slot_start]
        need = energies.pop(CONSUMPTION, 0)
        return MeterReading(slot_start, slot_start + self._step, dict(energies), {OTHER: {EXTERNAL: need}})


def _flow(last: RegisterState, reading: RegisterReading, elapsed: int) -> int | None:
    """Return what flowed through a register, in Wh; None if the register cannot have counted that.

    Args:
        last: how it was.
        reading: how it is.
        elapsed: seconds in between.
    """
    flow = reading.value - last.value
    if flow < 0 and reading.modulus_wh is not None:
        flow += reading.modulus_wh
    return flow if 0 <= flow <= _most(reading, elapsed) else None


def _most(reading: RegisterReading, elapsed: int) -> int:
    """Return what can flow through a register in some seconds, in Wh."""
    return reading.max_power_w * elapsed // 3600 + TOLERANCE_WH
