"""Where the runs of a sweep are performed: processes on this machine, or a Ray cluster.

Each run has a process of its own. One that is killed (by a person, or by the system, out of memory) takes nothing
with it: its run is begun again, `attempts` times in all, and the others go on. A run that fails by itself (a strategy
with a fault, say) would fail again, so it is not repeated.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Protocol

import msgspec

from trex_market.core.errors import InputError, MissingExtraError, TrexError
from trex_market.sweeping.planning import Run
from trex_market.sweeping.results import Results, RunResult
from trex_market.sweeping.worker import Show, Task, perform

ATTEMPTS = 3
"""So often a run is begun before it counts as failed."""

CONNECTING_S = 10.0
"""So long a cluster may take to answer, in seconds."""

MESSAGE_LENGTH = 2_000
"""So much of what a failing process said last is kept, in characters."""

ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"), "1")
"""For libraries that would have a thread per core in every process."""


class KilledError(Exception):
    """A process ended before its run did, through no fault of the run."""


class Pool(Protocol):
    """Performs runs, some at a time."""

    workers: int

    async def perform(self, task: Task, show: Show) -> RunResult:
        """Perform a run once.

        Raises:
            KilledError: if its process ended before it did.
        """


async def perform_surely(pool: Pool, task: Task, attempts: int, show: Show) -> RunResult:
    """Perform a run, again if its process is killed.

    Args:
        pool: where.
        task: the run.
        attempts: how often it is begun at most.
        show: is told how far it is; 0 again if it is begun again.

    Returns:
        what it came to, or why it failed.
    """
    message = ""
    for attempt in range(1, attempts + 1):
        show(0.0)
        try:
            return await pool.perform(msgspec.structs.replace(task, attempt=attempt), show)
        except KilledError as error:
            message = f"{error}, {attempt} time(s)"
    return failed(task, message, attempts)


def failed(task: Task, message: str, attempts: int) -> RunResult:
    """Return the result of a run that failed."""
    return RunResult(task.run_id, task.config_hash, "failed", {}, 0.0, message, attempts)


# ---------------------------------------------------------------- processes here


class LocalPool:
    """Performs runs in processes on this machine.

    Args:
        workers: how many at a time.
        results: where processes leave what runs came to.
        started: is told of the id of each process, and of its run's; for those who watch.
    """

    def __init__(
        self, workers: int, results: Results, started: Callable[[int, str], None] | None = None
    ) -> None:
        self.workers = workers
        self._results = results
        self._started = started
        self._free = asyncio.Semaphore(workers)

    async def perform(self, task: Task, show: Show) -> RunResult:
        """Perform a run in a new process, as soon as there is room for one."""
        async with self._free:
            status, said = await self._run(task, show)
        if status < 0:
            raise KilledError(f"its process was ended by {signal.Signals(-status).name}")
        if status > 0:
            return failed(task, said or f"its process ended with status {status}", task.attempt)
        run = Run(task.run_id, {}, 0, {}, task.config_hash)
        return self._results.find(run) or failed(task, "it left no result", task.attempt)

    async def _run(self, task: Task, show: Show) -> tuple[int, str]:
        """Return the status of a run's process, and what it said last on standard error."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "trex_market.sweeping.worker"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={**ONE_THREAD, **os.environ},
            start_new_session=True,  # Ctrl-C is for the sweep, which ends its processes itself
        )
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        if self._started is not None:
            self._started(process.pid, task.run_id)
        try:
            # It stays open: its end tells the process that the sweep is gone.
            process.stdin.write(msgspec.json.encode(task) + b"\n")
            said, _ = await asyncio.gather(_last_words(process.stderr), _follow(process.stdout, show))
            status = await process.wait()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
            process.stdin.close()
        return status, said


async def _last_words(stream: asyncio.StreamReader) -> str:
    """Return the end of what a process says; of a traceback, its last line."""
    kept = b""
    while piece := await stream.read(4096):
        kept = (kept + piece)[-4 * MESSAGE_LENGTH :]
    text = kept.decode(errors="replace").strip()
    if "Traceback (most recent call last)" in text:
        text = text.splitlines()[-1]
    return text[-MESSAGE_LENGTH:]


async def _follow(stream: asyncio.StreamReader, show: Show) -> None:
    """Pass on how far a run is; what else it says on standard output is not for us."""
    pending = b""
    while piece := await stream.read(4096):
        *lines, pending = (pending[-100:] + piece).split(b"\n")
        for line in lines:
            try:
                done = float(line)
            except ValueError:
                continue
            if 0 <= done <= 1:
                show(done)


# ---------------------------------------------------------------- a Ray cluster


class RayPool:
    """Performs runs on a Ray cluster, whose nodes have trex_market and share the sweep's and the config's folders.

    Args:
        ray: the module.
        workers: how many at a time.
    """

    def __init__(self, ray: Any, workers: int) -> None:
        self._ray = ray
        self.workers = workers
        self._free = asyncio.Semaphore(workers)
        # A process per run, as here: nothing of a run is left for the next one. Ray would repeat without telling.
        self._perform = ray.remote(num_cpus=1, max_calls=1, max_retries=0)(perform_remotely)

    async def perform(self, task: Task, show: Show) -> RunResult:  # noqa: ARG002 - nodes do not tell how far they are
        """Perform a run somewhere in the cluster."""
        async with self._free:
            try:
                answer = await self._perform.remote(msgspec.json.encode(task))
            except self._ray.exceptions.RayTaskError as error:
                return failed(task, str(error).strip().splitlines()[-1][-MESSAGE_LENGTH:], task.attempt)
            except self._ray.exceptions.RayError as error:
                raise KilledError(f"its process was ended ({type(error).__name__})") from error
        return msgspec.json.decode(answer, type=RunResult)


def perform_remotely(encoded: bytes) -> bytes:
    """Perform a task on a node of a cluster.

    Args:
        encoded: the task, as JSON.

    Returns:
        its result, as JSON.
    """
    task = msgspec.json.decode(encoded, type=Task)
    try:
        result = asyncio.run(perform(task, lambda _done: None))
    except (TrexError, MissingExtraError) as error:
        result = failed(task, str(error), task.attempt)
    return msgspec.json.encode(result)


async def _check_answers(address: str) -> None:
    """Check that something listens at an address; Ray itself would wait for minutes, and say nothing."""
    host, colon, port = address.rpartition("://")[2].rpartition(":")
    if colon and port.isdecimal():
        async with asyncio.timeout(CONNECTING_S):
            _, writer = await asyncio.open_connection(host.strip("[]"), int(port))
        writer.close()
        await writer.wait_closed()


@asynccontextmanager
async def ray_pool(address: str, workers: int | None) -> AsyncIterator[RayPool]:
    """Connect to a Ray cluster, for as long as the context lasts.

    Args:
        address: "HOST:PORT" of its head, "auto" for the one of this machine, or "ray://HOST:PORT".
        workers: how many runs at a time; None for as many as the cluster has cores.

    Raises:
        MissingExtraError: if Ray is not installed.
        InputError: if there is no cluster at this address.
    """
    try:
        import ray  # noqa: PLC0415 - an extra
    except ImportError:
        raise MissingExtraError("a sweep on a Ray cluster", "ray") from None
    try:
        await _check_answers(address)
        await asyncio.to_thread(ray.init, address=address, log_to_driver=False, logging_level="ERROR")
    except (OSError, ValueError, RuntimeError, TimeoutError) as error:
        raise InputError(
            f"--ray {address}: no cluster answers: {str(error) or type(error).__name__}"
        ) from error
    try:
        cores = int(ray.cluster_resources().get("CPU", 1))
        yield RayPool(ray, workers or cores)
    finally:
        ray.shutdown()
