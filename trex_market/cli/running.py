"""Asynchronous work from the command line, and its end."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Callable, Coroutine
from typing import Any, NoReturn, TypeVar

Result = TypeVar("Result")


def complete(work: Coroutine[Any, Any, Result]) -> Result:
    """Run asynchronous work; SIGTERM ends it as cleanly as Ctrl-C."""

    async def terminable() -> Result:
        task = asyncio.current_task()
        assert task is not None
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
        return await work

    return run_async(terminable())


def run_async(work: Coroutine[Any, Any, Result]) -> Result:
    """Run asynchronous work that minds signals itself; one that is interrupted ends the program with status 130."""
    try:
        return asyncio.run(work)
    except (KeyboardInterrupt, asyncio.CancelledError):
        leave("interrupted; what was recorded until now is kept", 130)


def stoppable(work: Coroutine[Any, Any, Result], stop: Callable[[], object] | None = None) -> Result:
    """Run a server: a first SIGTERM or Ctrl-C lets it come to its end, a second one ends it at once.

    Args:
        work: the server at work.
        stop: asks it to end; then SIGTERM is the usual way, with status 0. None to cancel it.
    """
    from trex_market.stopping import StopSignals

    async def stopping() -> Result:
        task = asyncio.current_task()
        assert task is not None
        with StopSignals(stop or task.cancel) as signals:
            result = await work
        if signals.received is signal.SIGINT:
            raise asyncio.CancelledError
        return result

    return run_async(stopping())


def stop_with(stop: Callable[[], object]) -> None:
    """Let a first SIGTERM or Ctrl-C ask for the end, and a second one bring it at once."""
    from trex_market.stopping import StopSignals

    StopSignals(stop).__enter__()


def leave(message: str, status: int) -> NoReturn:
    """End the program with a message and a status."""
    sys.stderr.write(message + "\n")
    raise SystemExit(status)
