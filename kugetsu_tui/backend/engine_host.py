"""The engine that runs in a thread of the console, unless another process runs one."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from textual.message import Message

from kugetsu_engine.client.api import Client
from kugetsu_engine.client.snapshot import EngineView

from .messages import EngineFailed, EngineTaken

if TYPE_CHECKING:
    from kugetsu_engine.engine.engine_thread import EngineThread


class EngineHost:
    """Starts, restarts and stops the engine's thread."""

    def __init__(
        self, client: Client, *, resume: bool, post: Callable[[Message], object], on_change: Callable[[], None]
    ) -> None:  # fmt: skip
        """Prepare to run an engine.

        Args:
            resume: start tasks even if the machine was restarted while there was work.
            post: sends the app a message, from any thread.
            on_change: called from the engine's thread when the state has changed.
        """
        self._client = client
        self._resume = resume
        self._post = post
        self._on_change = on_change
        self._thread: EngineThread | None = None
        self._closed = False
        self._planned = False

    @property
    def is_running(self) -> bool:
        """Whether the engine runs in this process."""
        return self._thread is not None and self._thread.running.is_set()

    @property
    def is_planned(self) -> bool:
        """Whether it waits for `start_planned`."""
        return self._planned

    @property
    def is_starting(self) -> bool:
        """Whether it is about to run in this process."""
        thread = self._thread
        return self._planned or (thread is not None and not thread.running.is_set() and thread.held_by is None)

    @property
    def fault(self) -> str | None:
        """Why it does not run here; None while it runs or was never started."""
        return self._thread.fault if self._thread is not None and not self.is_running else None

    def plan(self) -> None:
        """Count as starting; `start_planned` starts it once the first screen is shown, as that need not wait for it."""
        self._planned = True

    def start_planned(self) -> None:
        """Start the engine's thread if that was planned; from any thread, as the import below takes a while."""
        if self._planned and not self._closed:
            self.start()
        self._planned = False

    def start(self) -> None:
        """Start the engine's thread; it waits as long as another process runs the engine."""
        from kugetsu_engine.engine.engine_thread import EngineThread

        client = self._client
        self._thread = EngineThread(
            client.paths, client.environ, "console", on_notice=lambda _: self._on_change(), on_fault=self._report_fault,
            resume=self._resume,
        )  # fmt: skip
        self._thread.start()

    def run_here(self) -> str:
        """Run the engine in this process if no other does; returns what was done, in a sentence.

        Raises:
            KugetsuError: this console is read-only.
        """
        self._client.refuse_if_read_only()
        if self.is_running:
            return "the engine is already running here"
        if self._thread is None or self._thread.ended.is_set():
            self.start()
        return "starting an engine here"

    def replace_dead_engine(self, view: EngineView) -> None:
        """Run the engine here when that of another process has died. One that was stopped was stopped on purpose."""
        thread = self._thread
        if self._closed or thread is None or view.running or view.stopped or not thread.ended.is_set():
            return
        if thread.held_by is not None:
            self._post(EngineTaken())
        self.start()

    def close(self) -> None:
        """Ask the thread to end, without waiting for it. Agents go on."""
        self._closed = True
        if self._thread is not None:
            self._thread.stop()

    def join(self, timeout_s: float) -> bool:
        """Wait for the thread to end, never on the event loop; returns whether it did."""
        return self._thread is None or self._thread.join(timeout_s)

    def _report_fault(self, text: str) -> None:
        self._post(EngineFailed(text))
        self._on_change()
