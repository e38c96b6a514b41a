"""Profiles that many processes share: each is read once, and written as a file that is mapped into memory.

A file holds what `ProfileSource.read` gave for one participant, range, step and filling: a line of JSON (sources,
length, type of the numbers), padded, then load and generation as machine integers one after the other. Who opens it
copies nothing: the machine keeps one copy of its pages, however many processes look at them. Files come into being
under another name and are then renamed, so processes can make them at the same time.
"""

from __future__ import annotations

import mmap
from array import array
from collections.abc import Callable, Sequence
from hashlib import sha256
from pathlib import Path
from tempfile import NamedTemporaryFile

import msgspec

from trex_market.core.errors import ProfileError
from trex_market.profiles.places import expanded
from trex_market.profiles.profile import Fill, Profile, ProfileSource
from trex_market.profiles.sources import open_source

FORMAT = 1
"""Of the files; a new one when they change."""

ENDING = ".profile"

_ALIGNED = 8
"""Numbers begin at a multiple of so many bytes."""

_LARGEST_INT = 2**31 - 1


class _Header(msgspec.Struct, frozen=True):
    """What a file holds.

    Args:
        sources: of generation, in order; load comes before them.
        slots: how many numbers each has.
        typecode: of the numbers, as `array` has it.
    """

    sources: tuple[str, ...]
    slots: int
    typecode: str


class SharedProfiles:
    """A source of profiles whose answers are kept in a folder.

    Args:
        location: as for `open_source`.
        base: the folder that relative paths start from.
        folder: where the files are; made if it is not there.
    """

    def __init__(self, location: str, base: Path, folder: Path) -> None:
        self._location, self._base, self._folder = expanded(location), base, folder
        self._stamp = _stamp(self._location, base)
        self._opened: ProfileSource | None = None

    def participants(self) -> list[str]:
        """List the ids that have data, sorted; see `ProfileSource.participants`."""
        path = self._path("participants").with_suffix(".json")
        if not path.exists():
            self._write(path, msgspec.json.encode(self._source().participants()))
        return msgspec.json.decode(path.read_bytes(), type=list[str])

    def read(self, name: str, *, start: int, end: int, step: int, fill: Fill | None = None) -> Profile:
        """Read one participant's profile, see `ProfileSource.read`; its columns are views of a file."""
        path = self._path(name, start, end, step, fill)
        if not path.exists():
            profile = self._source().read(name, start=start, end=end, step=step, fill=fill)
            self._write(path, _encoded(profile))
        return _mapped(path, name, start, step)

    def _source(self) -> ProfileSource:
        if self._opened is None:
            self._opened = open_source(self._location, base=self._base)
        return self._opened

    def _path(self, *asked: object) -> Path:
        """Return the file of an answer; that of data which have changed since is another one."""
        words = [FORMAT, self._location, str(self._base.resolve()), self._stamp, *asked]
        return self._folder / (sha256(msgspec.json.encode(words)).hexdigest()[:32] + ENDING)

    def _write(self, path: Path, content: bytes) -> None:
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with NamedTemporaryFile(dir=self._folder, suffix=".new", delete=False) as file:
                file.write(content)
            Path(file.name).replace(path)
        except OSError as error:
            raise ProfileError(
                f"{self._folder}: profiles cannot be shared there: {error.strerror}"
            ) from error


def sharing(folder: Path) -> Callable[[str, Path], ProfileSource]:
    """Return what opens sources whose profiles are shared.

    Args:
        folder: where the files are.
    """
    return lambda location, base: SharedProfiles(location, base, folder)


def _stamp(location: str, base: Path) -> tuple[int, ...]:
    """Return what tells a file from what it was before; nothing where the data are in no single file."""
    try:
        found = (base / location).stat()
    except (OSError, ValueError):
        return ()
    return found.st_size, found.st_mtime_ns


def _encoded(profile: Profile) -> bytes:
    columns = [profile.load, *profile.generation.values()]
    largest = max((max(column, default=0) for column in columns), default=0)
    typecode = "i" if largest <= _LARGEST_INT else "q"
    header = msgspec.json.encode(_Header(tuple(profile.generation), len(profile.load), typecode))
    padding = b" " * (-(len(header) + 1) % _ALIGNED)
    return b"".join([header, padding, b"\n", *(array(typecode, column).tobytes() for column in columns)])


def _check_length(numbers: memoryview, header: _Header) -> None:
    expected = header.slots * (len(header.sources) + 1)
    if len(numbers) != expected:
        raise ValueError(f"it has {len(numbers)} numbers, not {expected}")


def _mapped(path: Path, name: str, start: int, step: int) -> Profile:
    """Open a file as a profile; it stays mapped as long as somebody looks at it."""
    try:
        with path.open("rb") as file:
            first = file.readline()
            header = msgspec.json.decode(first, type=_Header)
            whole = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
        numbers = whole[len(first) :].cast(header.typecode)  # type: ignore[call-overload]
        _check_length(numbers, header)
    except (OSError, ValueError, TypeError, msgspec.DecodeError) as error:
        raise ProfileError(f"{path}: cannot be read ({error}); remove it, and it is made anew") from error
    columns: list[Sequence[int]] = [
        numbers[place * header.slots : (place + 1) * header.slots] for place in range(len(header.sources) + 1)
    ]
    return Profile(name, start, step, columns[0], dict(zip(header.sources, columns[1:], strict=True)))
