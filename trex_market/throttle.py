"""How often somebody may do something: buckets of tokens, and waits that grow. Memory is bounded.

Time is the monotonic clock's, in seconds.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from ipaddress import IPv6Address, ip_address
from time import monotonic
from typing import Generic, TypeVar

import msgspec

KEPT = 4_096
"""So many are remembered; then the one that was quiet for longest is forgotten."""

ValueT = TypeVar("ValueT")


class Rate(msgspec.Struct, frozen=True):
    """How often something may be done.

    Args:
        per_second: in the long run.
        burst: at once, after a rest.
    """

    per_second: float
    burst: int


class Bucket:
    """A token bucket: full at first, refilled as time goes by.

    Args:
        rate: how fast it is refilled, and what it holds.
        clock: tells the time, in seconds.
    """

    __slots__ = ("_clock", "_filled", "_left", "_rate")

    def __init__(self, rate: Rate, clock: Callable[[], float] = monotonic) -> None:
        self._rate = rate
        self._clock = clock
        self._left = float(rate.burst)
        self._filled = clock()

    def take(self, count: int = 1) -> bool:
        """Take tokens out, if there are enough; say whether there were."""
        self._refill()
        if self._left < count:
            return False
        self._left -= count
        return True

    @property
    def is_empty(self) -> bool:
        """Whether there is not a single token."""
        self._refill()
        return self._left < 1

    def _refill(self) -> None:
        now = self._clock()
        self._left = min(self._rate.burst, self._left + (now - self._filled) * self._rate.per_second)
        self._filled = now


class Recent(Generic[ValueT]):
    """Values by key, as many as `KEPT`: those that were asked for last.

    Args:
        make: makes the value of a new key.
        kept: how many.
    """

    def __init__(self, make: Callable[[], ValueT], kept: int = KEPT) -> None:
        self._make = make
        self._kept = kept
        self._values: OrderedDict[str, ValueT] = OrderedDict()

    def __len__(self) -> int:
        return len(self._values)

    def of(self, key: str) -> ValueT:
        """Return a key's value, a new one if it has none."""
        value = self._values.get(key)
        if value is None:
            value = self._values[key] = self._make()
            if len(self._values) > self._kept:
                self._values.popitem(last=False)
        else:
            self._values.move_to_end(key)
        return value

    def find(self, key: str) -> ValueT | None:
        """Return a key's value, if it has one."""
        return self._values.get(key)

    def forget(self, key: str) -> None:
        """Forget a key."""
        self._values.pop(key, None)


class _Failures:
    """Failures in a row."""

    __slots__ = ("count", "last")

    def __init__(self) -> None:
        self.count = 0
        self.last = 0.0


class Lockout:
    """Makes those wait who fail again and again: twice as long after each further failure.

    Args:
        free: so many failures cost nothing.
        longest_s: no wait is longer, in seconds; after as long a rest again the failures are forgotten.
        clock: tells the time, in seconds.
    """

    def __init__(self, free: int, longest_s: float, clock: Callable[[], float] = monotonic) -> None:
        self._free = free
        self._longest = longest_s
        self._clock = clock
        self._failures: Recent[_Failures] = Recent(_Failures)

    def wait(self, key: str) -> float:
        """Return how many seconds somebody has to wait; 0 for not at all."""
        failures = self._failures.find(key)
        if failures is None or failures.count < self._free:
            return 0.0
        since = self._clock() - failures.last
        if since > 2 * self._longest:
            self._failures.forget(key)
        return max(0.0, self._due(failures) - since)

    def _due(self, failures: _Failures) -> float:
        # The exponent is bounded, since so is what comes of it.
        return min(self._longest, 2.0 ** min(failures.count - self._free, 30))

    def fail(self, key: str) -> None:
        """Count a failure."""
        failures = self._failures.of(key)
        failures.count += 1
        failures.last = self._clock()

    def forgive(self, key: str) -> None:
        """Forget the failures of somebody who did it right."""
        self._failures.forget(key)


def network_of(address: str) -> str:
    """Return what stands for an address where addresses are counted: its network of 64 bits, if it is IPv6."""
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(parsed, IPv6Address):
        if parsed.ipv4_mapped is not None:
            return str(parsed.ipv4_mapped)
        return str(IPv6Address(int(parsed) >> 64 << 64))
    return str(parsed)


def is_loopback(address: str) -> bool:
    """Say whether an address is this machine's own, to itself."""
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped is not None:
        return parsed.ipv4_mapped.is_loopback
    return parsed.is_loopback
