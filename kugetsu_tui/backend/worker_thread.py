"""One thread with a queue of jobs. Unlike the standard executors it never delays the end of the program."""

import asyncio
import logging
import queue
import threading
from collections.abc import Callable
from typing import Any, TypeVar

log = logging.getLogger(__name__)

T = TypeVar("T")


class WorkerThread:
    """Runs jobs one after the other beside the event loop; a job that hangs when the program ends is abandoned."""

    def __init__(self, name: str, at_end: Callable[[], object] = lambda: None) -> None:
        """Prepare; the thread starts with the first job. `at_end` is what it does last, such as closing its files."""
        self._jobs: queue.SimpleQueue[tuple[Callable[[], Any], asyncio.Future[Any]] | None] = queue.SimpleQueue()
        self._name = name
        self._at_end = at_end
        self._thread: threading.Thread | None = None

    async def run(self, job: Callable[[], T]) -> T:
        """Run a job and return what it returns; raises what it raises."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name=self._name, daemon=True)
            self._thread.start()
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._jobs.put((job, future))
        return await future

    def close(self) -> None:
        """Accept no more jobs; a running one is not waited for."""
        self._jobs.put(None)

    def _work(self) -> None:
        while (item := self._jobs.get()) is not None:
            job, future = item
            if future.cancelled():
                continue
            loop = future.get_loop()
            try:
                result = job()
            except Exception as error:  # passed on to the caller of `run`
                self._settle(loop, future, None, error)
            else:
                self._settle(loop, future, result, None)
        try:
            self._at_end()
        except Exception:  # the boundary of the thread
            log.exception("the end of a thread failed")

    @staticmethod
    def _settle(
        loop: asyncio.AbstractEventLoop, future: "asyncio.Future[Any]", result: object, error: Exception | None
    ) -> None:
        def set_outcome() -> None:
            if not future.done():
                future.set_result(result) if error is None else future.set_exception(error)

        try:
            loop.call_soon_threadsafe(set_outcome)
        except RuntimeError:
            return  # the loop is closed, nobody waits
