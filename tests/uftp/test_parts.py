"""Keys, the memory of messages, the register: the parts without network."""

from __future__ import annotations

from pathlib import Path
from stat import S_IMODE

import pytest

from trex_market.core.errors import InputError, ProtocolError
from trex_market.programmes.flexibility.reasons import Reason
from trex_market.uftp.checks import stamp, time_of
from trex_market.uftp.directory import Role
from trex_market.uftp.from_wire import meter_number
from trex_market.uftp.keys import make_pair, private_path, read_private, read_public
from trex_market.uftp.register import Place, Register, Span
from trex_market.uftp.replay import ReplayGuard, digest


def test_keys_are_made_once_and_are_nobody_elses(tmp_path: Path) -> None:
    made = make_pair(tmp_path / "keys", "dso.demo", Role.DSO)
    assert S_IMODE(made.private.stat().st_mode) == 0o600
    assert S_IMODE(made.private.parent.stat().st_mode) == 0o700
    private = read_private(made.private)
    # The second half of NaCl's private key is the public one.
    assert private[32:] == read_public(made.public)
    with pytest.raises(InputError, match="is there already"):
        make_pair(tmp_path / "keys", "dso.demo", Role.DSO)
    assert read_private(made.private) == private
    other = make_pair(tmp_path / "keys", "dso.demo", Role.CRO)
    assert read_private(other.private) != private
    made.private.chmod(0o640)
    with pytest.raises(InputError, match="others may read"):
        read_private(made.private)
    made.public.write_text("c2hvcnQ=\n")
    with pytest.raises(InputError, match="32 bytes"):
        read_public(made.public)
    with pytest.raises(InputError, match="no private key can be read"):
        read_private(private_path(tmp_path, "nobody.demo", Role.AGR))


def test_a_key_that_cannot_be_written(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("")
    with pytest.raises(InputError, match="cannot be written"):
        make_pair(file, "dso.demo", Role.DSO)


def test_messages_are_remembered_for_as_long_as_they_might_come_again() -> None:
    now = 0.0
    guard = ReplayGuard(10, lambda: now, kept=3)
    for number in range(3):
        assert not guard.is_full
        guard.remember("a", f"ID-{number}", b"x").answer = number
        now += 5
    assert guard.is_full  # and nothing was forgotten for it
    earlier = guard.find("a", "Id-0")
    assert earlier is not None
    assert (earlier.digest, earlier.answer) == (digest(b"x"), 0)
    assert guard.find("b", "id-0") is None
    now = 20.0
    assert guard.find("a", "id-0") is None
    assert guard.find("a", "id-1") is not None
    assert not guard.is_full
    assert len(guard) == 2


def test_time_stamps() -> None:
    assert time_of("2026-03-01T12:00:00Z") == 1_772_366_400
    assert time_of("2026-03-01T12:00:00.5-01:30") == 1_772_371_800.5
    assert time_of("2026-03-01T12:00:00.123456789Z") == 1_772_366_400.123456
    assert stamp(1_772_366_400) == "2026-03-01T12:00:00Z"
    for text in ("2026-02-30T12:00:00Z", "2026-03-01T25:00:00Z", "0001-01-01T00:00:00+14:00"):
        with pytest.raises(ProtocolError):
            time_of(text)


def test_numbers_of_meters_are_as_the_schema_wants_them() -> None:
    numbers = {meter_number(f"ea1.2026-01.demo.dso:home_{number}") for number in range(500)}
    assert len(numbers) == 500
    assert all(len(number) == 19 and number[0] == "E" and number[1:].isdigit() for number in numbers)


# ---------------------------------------------------------------- register

ALWAYS = Span("2026-01-01")


def place(address: str, *connections: str, span: Span = ALWAYS) -> Place:
    """Return a congestion point."""
    return Place(address, span, dict.fromkeys(connections, ALWAYS), mutex_offers=True, day_ahead_by="AGR")


@pytest.mark.parametrize(
    ("one", "other", "meet"),
    [
        (Span("2026-01-01", "2026-01-05"), Span("2026-01-05"), True),
        (Span("2026-01-01", "2026-01-04"), Span("2026-01-05"), False),
        (Span("2026-01-01"), Span("2025-01-01", "2025-12-31"), False),
        (Span("2026-01-01"), Span("2027-01-01"), True),
    ],
)
def test_spans_meet(one: Span, other: Span, meet: bool) -> None:
    assert one.meets(other) is meet
    assert other.meets(one) is meet


def test_a_connection_is_at_one_point_at_a_time() -> None:
    register = Register()
    ended = Span("2025-01-01", "2025-12-31")
    assert register.register_places("a.demo", 1, [place("old", "x", span=ended), place("new", "x")]) == []
    assert register.register_places("a.demo", 2, [place("third", "x")]) == [
        f"{Reason.CONNECTION_CONFLICT}: x at new"
    ]
    assert register.register_places("a.demo", 2, [place("one", "y"), place("two", "y")]) == [
        f"{Reason.CONNECTION_CONFLICT}: y at one"
    ]
    earlier = Place("early", ALWAYS, {"x": ended}, mutex_offers=True, day_ahead_by="AGR")
    assert register.register_places("a.demo", 2, [earlier]) == []
    # A point of another DSO is nobody else's business.
    assert register.register_places("b.demo", 1, [place("new", "z")]) == [Reason.UNAUTHORIZED]
    assert register.speakers_at("b.demo", "new", "2026-02-01") == ([Reason.UNAUTHORIZED], {})
    # What was refused has changed nothing.
    assert register.speakers_at("a.demo", "one", "2026-02-01") == ([Reason.INVALID_POINT], {})
    assert register.speakers_at("a.demo", "new", "2026-02-01") == ([], {"x": None})
    assert register.register_places("a.demo", 0, [place("new")]) == [Reason.SUBORDINATE_SEQUENCE]


def test_who_speaks_for_a_connection_and_when() -> None:
    register = Register()
    register.register_places("dso.demo", 1, [place("p", "x", "y")])
    assert (
        register.register_connections("one.demo", 1, {"x": Span("2026-01-01", "2026-01-31"), "q": ALWAYS})
        == []
    )
    assert register.register_connections("two.demo", 1, {"x": Span("2026-01-31")}) == [Reason.UNAUTHORIZED]
    assert register.speakers_at("dso.demo", "p", "2026-01-15")[1] == {"x": "one.demo", "y": None}
    assert register.speakers_at("dso.demo", "p", "2026-02-15")[1] == {"x": None, "y": None}
    assert register.elsewhere("one.demo", "2026-01-15") == ["q"]
    assert register.register_connections("two.demo", 1, {"x": Span("2026-02-01")}) == []
    assert register.speakers_at("dso.demo", "p", "2026-02-15")[1] == {"x": "two.demo", "y": None}
    assert register.places_of("two.demo", "2026-01-15") == ([Reason.NO_CONNECTIONS], {})
