"""The one place that knows Numba: what is compiled, and what is said when it cannot be.

Compiled code is kept on disk. Numba looks whether the file of a function has changed since; but what the function calls
and the constants that it uses are compiled into it too, and may come from other files. So the stamp of its file is
joined by a digest of all that its module has imported.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from hashlib import sha256
from pickle import UnpicklingError
from types import ModuleType
from typing import Any, TypeVar

from trex_market.core.errors import MissingExtraError

try:
    import numba
    import numpy as np
    from numba.core.dispatcher import Dispatcher
except ImportError as error:
    raise MissingExtraError("computing with arrays (Numba)", "fast") from error

CallableT = TypeVar("CallableT", bound=Callable[..., object])

_SCALARS = (bool, int, float, str, np.generic)
_LIBRARIES = ("numpy", "numba")


def compiled(function: CallableT) -> CallableT:
    """Compile a function on its first call and keep the result on disk, beside the module if possible."""
    return _compiled(function)


def inner(function: CallableT) -> CallableT:
    """Do the same for a function that compiled code alone calls: without a way in from Python it is made sooner."""
    return _compiled(function, no_cpython_wrapper=True, no_cfunc_wrapper=True)


def _compiled(function: CallableT, **options: bool) -> CallableT:
    njit: Any = numba.njit  # its types know fewer options than it has
    try:
        dispatcher = njit(cache=True, **options)(function)
    except RuntimeError:  # there is no folder in which to keep it
        dispatcher = njit(**options)(function)
    else:
        _depend_on_imports(dispatcher, function)
    made: CallableT = dispatcher
    return made


def is_kept(function: Callable[..., object]) -> bool:
    """Tell whether code of a compiled function is on disk; if not, its first call takes long."""
    index = getattr(getattr(function, "_cache", None), "_cache_file", None)
    return index is not None and bool(index._load_index())  # noqa: SLF001 - Numba has no other way to tell


def _depend_on_imports(dispatcher: Any, function: Callable[..., object]) -> None:
    """Join the stamp of a function's file by what its module has imported; drop what cannot be read any more."""
    index = dispatcher._cache._cache_file  # noqa: SLF001 - Numba has no other way to say what code depends on
    dispatcher.stamp = (index._source_stamp, _digest(function.__globals__, into_modules=True))  # noqa: SLF001
    index._source_stamp = dispatcher.stamp  # noqa: SLF001
    try:
        index._load_index()  # noqa: SLF001
    except (AttributeError, ImportError, EOFError, UnpicklingError):  # written by a version with other types
        index.flush()


def _digest(names: Mapping[str, object], *, into_modules: bool) -> bytes:
    """Digest what names stand for, as far as it can be part of compiled code."""
    digest = sha256()
    for name in sorted(names):
        if not name.startswith("__"):
            digest.update(repr((name, _part(names[name], into_modules=into_modules))).encode())
    return digest.digest()


def _part(value: object, *, into_modules: bool) -> object:
    """Return what tells one value from another in compiled code, None if it is no part of it."""
    if isinstance(value, ModuleType):
        ours = into_modules and value.__name__.partition(".")[0] not in _LIBRARIES
        return _digest(vars(value), into_modules=False) if ours else None
    if isinstance(value, type):
        return getattr(value, "_fields", None) if issubclass(value, tuple) else None
    if isinstance(value, tuple):
        return value if all(isinstance(item, _SCALARS) for item in value) else None
    if isinstance(value, Dispatcher):
        return getattr(value, "stamp", None)
    return value if isinstance(value, _SCALARS) else None


@inner
def whole(number: int | np.integer[Any]) -> int:
    """Return a number in 64 bits with a sign; a literal would make a function to be compiled once more for itself."""
    return np.int64(number)  # type: ignore[return-value]
