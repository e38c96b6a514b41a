"""Tasks beside the one that started them: what goes wrong in one of them is told, not lost."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

Result = TypeVar("Result")


class Crew:
    """Starts tasks, and remembers the first fault among them."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()
        self._fault: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Start a task."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None and not self._fault.done():
            self._fault.set_exception(error)

    async def guard(self, work: Coroutine[Any, Any, Result]) -> Result:
        """Do some work, and stop it with the first fault among the tasks."""
        task = asyncio.ensure_future(work)
        try:
            either: set[asyncio.Future[Any]] = {task, self._fault}
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            if not task.done():
                self._fault.result()
            return await task
        finally:
            task.cancel()

    async def close(self) -> None:
        """Cancel all tasks and wait for them.

        Raises:
            BaseException: the first fault, if there was one.
        """
        tasks = set(self._tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        if self._fault.done():
            self._fault.result()
        self._fault.cancel()
