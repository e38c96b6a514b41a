"""Buckets, waits, and what addresses count as."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as some

from trex_market.throttle import Bucket, Lockout, Rate, Recent, is_loopback, network_of


class Clock:
    """Time goes by when it is told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@given(
    some.floats(0.1, 100),
    some.integers(1, 50),
    some.lists(some.tuples(some.floats(0, 5), some.integers(1, 3)), max_size=80),
)
def test_no_stretch_of_time_has_more_than_its_rate_and_a_burst(
    per_second: float, burst: int, wishes: list[tuple[float, int]]
) -> None:
    clock = Clock()
    bucket = Bucket(Rate(per_second, burst), clock)
    taken: list[tuple[float, int]] = []
    for pause, count in wishes:
        clock.now += pause
        if bucket.take(count):
            taken.append((clock.now, count))
    for place, (start, _) in enumerate(taken):
        for end_place in range(place, len(taken)):
            total = sum(count for _, count in taken[place : end_place + 1])
            assert total <= burst + per_second * (taken[end_place][0] - start) + 1e-6


def test_a_bucket_fills_again_but_not_over_its_rim() -> None:
    clock = Clock()
    bucket = Bucket(Rate(2.0, 3), clock)
    assert [bucket.take() for _ in range(4)] == [True, True, True, False]
    assert bucket.is_empty
    clock.now = 0.5
    assert not bucket.is_empty
    assert [bucket.take() for _ in range(2)] == [True, False]
    clock.now = 1_000.0
    assert [bucket.take() for _ in range(4)] == [True, True, True, False]


def test_what_is_refused_takes_nothing() -> None:
    bucket = Bucket(Rate(1.0, 3), Clock())
    assert not bucket.take(4)
    assert bucket.take(3)


def test_after_a_long_rest_failures_are_forgotten() -> None:
    clock = Clock()
    lockout = Lockout(2, 8.0, clock)
    for _ in range(20):
        lockout.fail("x")
    assert lockout.wait("x") == 8.0
    assert lockout.wait("y") == 0.0
    clock.now = 10.0
    assert lockout.wait("x") == 0.0
    lockout.fail("x")
    assert lockout.wait("x") == 8.0, "a short rest is none"
    clock.now = 27.0
    assert lockout.wait("x") == 0.0
    lockout.fail("x")
    assert lockout.wait("x") == 0.0


def test_however_many_failures_the_wait_is_bounded() -> None:
    lockout = Lockout(0, 60.0, Clock())
    for _ in range(5_000):
        lockout.fail("x")
    assert lockout.wait("x") == 60.0


def test_those_are_remembered_who_came_last() -> None:
    recent: Recent[list[int]] = Recent(list, kept=3)
    for key in "abc":
        recent.of(key).append(1)
    recent.of("a")
    recent.of("d")
    assert [recent.find(key) for key in "abcd"] == [[1], None, [1], []]
    recent.forget("a")
    recent.forget("nobody")
    assert len(recent) == 2


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
        ("fe80::1%eth0", "fe80::"),
        ("", ""),
        ("unix:/run/x", "unix:/run/x"),
    ],
)
def test_what_an_address_counts_as(address: str, network: str) -> None:
    assert network_of(address) == network


def test_loopback() -> None:
    assert all(map(is_loopback, ["127.0.0.1", "127.1.2.3", "::1", "::ffff:127.0.0.1"]))
    assert not any(map(is_loopback, ["", "localhost", "10.0.0.1", "::", "::ffff:10.0.0.1", "0.0.0.0"]))
