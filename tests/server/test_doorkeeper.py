"""Tokens and roles: who may be what, and how long those wait who guess."""

from __future__ import annotations

import hmac
import itertools

import pytest

from trex_market.core.errors import ProtocolError, RefusalCode
from trex_market.server import doorkeeper as module
from trex_market.server.doorkeeper import (
    FREE_FAILURES,
    LONGEST_WAIT_S,
    OBSERVER,
    OPERATOR,
    Doorkeeper,
    Role,
    token_hash,
)

FAR = "192.0.2.7"
NEAR = "127.0.0.1"

TOKENS = {"ann": "a", "bob": "b", OPERATOR: "boss", OBSERVER: "eye"}
METERS = {"ann": "a-meter", "cat": "c-meter"}


class Clock:
    """Time goes by when it is told to."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


def closed(clock: Clock | None = None) -> Doorkeeper:
    hashes = {name: token_hash(token) for name, token in TOKENS.items()}
    meters = {name: token_hash(token) for name, token in METERS.items()}
    return Doorkeeper(hashes, meters, is_open=False, clock=clock or Clock())


def admitted(
    door: Doorkeeper, role: Role, token: str | None, who: str | None, address: str = FAR
) -> Role | None:
    """Return as what somebody comes in; None if it does not."""
    try:
        return door.admit(role, token, who, address)
    except ProtocolError as refused:
        refusal = refused
    assert refusal.code is RefusalCode.UNAUTHORISED
    return None


def test_a_token_is_good_for_its_own_roles_and_no_others() -> None:
    good = {
        (Role.PARTICIPANT, "a", "ann"): Role.PARTICIPANT,
        (Role.PARTICIPANT, "b", "bob"): Role.PARTICIPANT,
        (Role.METER, "a-meter", "ann"): Role.METER,
        (Role.METER, "a", "ann"): Role.PARTICIPANT,
        (Role.METER, "b", "bob"): Role.PARTICIPANT,
        (Role.METER, "c-meter", "cat"): Role.METER,
        (Role.OPERATOR, "boss", None): Role.OPERATOR,
        (Role.OBSERVER, "boss", None): Role.OPERATOR,
        (Role.OBSERVER, "eye", None): Role.OBSERVER,
    }
    tokens = [*TOKENS.values(), *METERS.values(), "", "x", None, token_hash("a"), module._NO_HASH]
    places = [
        *itertools.product((Role.PARTICIPANT, Role.METER), ("ann", "bob", "cat", "zoe", OPERATOR, OBSERVER)),
        (Role.OPERATOR, None),
        (Role.OBSERVER, None),
    ]
    for (role, who), token in itertools.product(places, tokens):
        assert admitted(closed(), role, token, who) is good.get((role, token, who)), (role, who, token)


def test_a_token_for_two_roles_is_good_for_the_higher_one() -> None:
    same = token_hash("same")
    door = Doorkeeper({"ann": same, OPERATOR: same, OBSERVER: same}, {"ann": same}, is_open=False)
    assert admitted(door, Role.METER, "same", "ann") is Role.PARTICIPANT
    assert admitted(door, Role.OBSERVER, "same", None) is Role.OPERATOR


def test_in_an_open_market_those_without_a_token_come_in() -> None:
    door = Doorkeeper({"ann": token_hash("a")}, {"bob": token_hash("m")}, is_open=True)
    assert admitted(door, Role.PARTICIPANT, None, "bob") is Role.PARTICIPANT
    assert admitted(door, Role.PARTICIPANT, "whatever", "cat") is Role.PARTICIPANT
    assert admitted(door, Role.METER, None, "cat") is Role.METER
    assert admitted(door, Role.PARTICIPANT, None, "ann") is None
    assert admitted(door, Role.METER, None, "ann") is None
    assert admitted(door, Role.METER, None, "bob") is None
    assert admitted(door, Role.METER, "m", "bob") is Role.METER


@pytest.mark.parametrize("near", ["127.0.0.1", "127.8.9.1", "::1", "::ffff:127.0.0.1"])
def test_without_tokens_operators_come_from_this_machine_alone(near: str) -> None:
    door = Doorkeeper({}, is_open=True)
    assert admitted(door, Role.OBSERVER, None, None, near) is Role.OPERATOR
    assert admitted(door, Role.OPERATOR, None, None, near) is Role.OPERATOR
    for far in (FAR, "::ffff:192.0.2.7", "2001:db8::1", "", "localhost", "unix:"):
        assert admitted(door, Role.OBSERVER, None, None, far) is Role.OBSERVER
        assert admitted(door, Role.OPERATOR, None, None, far) is None


@pytest.mark.parametrize("name", [OPERATOR, OBSERVER])
def test_with_a_token_for_it_looking_needs_one_in_an_open_market_too(name: str) -> None:
    door = Doorkeeper({name: token_hash("t")}, is_open=True)
    assert admitted(door, Role.OBSERVER, None, None, NEAR) is None
    assert admitted(door, Role.OBSERVER, "t", None, NEAR) is Role(name)


def test_without_any_token_of_theirs_nobody_operates_or_looks_in_a_closed_market() -> None:
    door = Doorkeeper({"ann": token_hash("a")}, is_open=False)
    for role, token in itertools.product((Role.OPERATOR, Role.OBSERVER), (None, "", "a", "x")):
        assert admitted(door, role, token, None, NEAR) is None


def test_nobody_learns_which_ids_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is compared, and what is answered, is the same whether there is a token or not."""
    compared: list[tuple[int, int]] = []
    compare = hmac.compare_digest

    def counting(one: str, other: str) -> bool:
        compared.append((len(one), len(other)))
        return compare(one, other)

    monkeypatch.setattr(hmac, "compare_digest", counting)
    seen = set()
    for role in (Role.PARTICIPANT, Role.METER):
        for who in ("ann", "bob", "cat", "zoe"):
            compared.clear()
            with pytest.raises(ProtocolError) as refused:
                closed().admit(role, "wrong", who, FAR)
            detail = refused.value.detail.replace(who, "WHO")
            seen.add((role, refused.value.code, detail, tuple(compared)))
    assert len(seen) == 2
    assert all(lengths == {(64, 64)} for *_, pairs in seen for lengths in [set(pairs)])


# ---------------------------------------------------------------- guessing


def refusal(
    door: Doorkeeper, who: str, token: str | None = "wrong", address: str = FAR
) -> RefusalCode | None:
    try:
        door.admit(Role.PARTICIPANT, token, who, address)
    except ProtocolError as error:
        return error.code
    return None


def test_who_guesses_waits_twice_as_long_after_each_further_guess() -> None:
    clock = Clock()
    door = closed(clock)
    for _ in range(FREE_FAILURES):
        assert refusal(door, "ann") is RefusalCode.UNAUTHORISED
    wait = 1.0
    while wait < LONGEST_WAIT_S:
        clock.now += wait - 0.1
        assert refusal(door, "ann") is RefusalCode.RATE_LIMITED
        assert refusal(door, "ann", "a") is RefusalCode.RATE_LIMITED, "the right one waits as well"
        clock.now += 0.2
        assert refusal(door, "ann") is RefusalCode.UNAUTHORISED
        wait *= 2
    clock.now += LONGEST_WAIT_S + 0.1
    assert refusal(door, "ann", "a") is None
    for _ in range(FREE_FAILURES):
        assert refusal(door, "ann") is RefusalCode.UNAUTHORISED, "all is forgiven"


def test_who_waits_does_not_hold_up_others() -> None:
    door = closed()
    for _ in range(FREE_FAILURES):
        refusal(door, "ann")
    assert refusal(door, "ann", "a") is RefusalCode.RATE_LIMITED
    assert refusal(door, "bob", "b") is None, "another participant of the same machine"
    assert refusal(door, "ann", "a", "192.0.2.8") is None, "another machine"


def test_no_token_is_no_guess() -> None:
    door = closed()
    for _ in range(10 * FREE_FAILURES):
        assert refusal(door, "ann", None) is RefusalCode.UNAUTHORISED
    assert refusal(door, "ann", "a") is None


@pytest.mark.parametrize(
    "addresses",
    [[FAR], [f"2001:db8::{number:x}" for number in range(1, 500)]],
    ids=["one address", "one network"],
)
def test_who_guesses_under_many_names_waits_too(addresses: list[str]) -> None:
    clock = Clock()
    door = closed(clock)
    places = itertools.cycle(addresses)
    codes = [refusal(door, f"guess-{number}", address=next(places)) for number in range(100)]
    limit = module.FAILURES.burst
    assert codes == [RefusalCode.UNAUTHORISED] * limit + [RefusalCode.RATE_LIMITED] * (100 - limit)
    assert refusal(door, "ann", "a", next(places)) is RefusalCode.RATE_LIMITED
    clock.now += 1.1 / module.FAILURES.per_second
    assert refusal(door, "ann", "a", next(places)) is None


def test_guessing_from_everywhere_takes_no_more_memory() -> None:
    door = closed()
    for number in range(3 * 4_096):
        refusal(door, f"guess-{number}", address=f"198.18.{number % 256}.{number // 256}")
    assert len(door._failures) <= 4_096
    assert len(door._lockout._failures) <= 4_096
