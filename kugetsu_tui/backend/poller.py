"""Reads the state directory in a thread of its own, whenever something may have changed, and posts the new state."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from textual.message import Message

from kugetsu_engine.client.api import Client
from kugetsu_engine.client.snapshot import Snapshot
from kugetsu_engine.client.snapshot_reader import SnapshotReader
from kugetsu_engine.config.settings import Settings
from kugetsu_engine.errors import KugetsuError
from kugetsu_engine.storage.watch import watch

from ..viewmodels import absence
from ..viewmodels.console_state import ConsoleState
from .change_detection import read_change_stamp, read_engine_stamp, strip_times
from .engine_host import EngineHost
from .messages import AttentionCalled, ReadFailed, Returned, StateChanged
from .notification_watch import NotificationWatch
from .resource_usage import ResourceUsage
from .worker_thread import WorkerThread

if TYPE_CHECKING:
    from kugetsu_engine.agents.auto_approval import ApprovalReader

log = logging.getLogger(__name__)

MIN_INTERVAL_S = 0.1
"""Between two reads, so a burst of changes is shown ten times a second."""
ACTIVE_INTERVAL_S = 1.0
"""Between two reads while agents run: their time and their processes go on."""
IDLE_INTERVAL_S = 2.5
"""Between two checks that nothing has changed; the watcher may lose events."""
PAINTED_S = 1.0
"""The first screen is waited for at most this long before the queue is read."""
FULL_READ_INTERVAL_S, LONGEST_INTERVAL_S = 30.0, 120.0
"""After which every file is looked at again: the longer the more there are, so that it takes a small part of the time."""
FULL_READ_SHARE = 1500
"""The interval as a multiple of what such a look takes."""


class Poller:
    """Keeps the console's state up to date."""

    def __init__(
        self, client: Client, engine: EngineHost, post: Callable[[Message], object], clock: Callable[[], float]
    ) -> None:  # fmt: skip
        """Prepare to read; nothing is read before `start`."""
        self._client = client
        self._engine = engine
        self._post = post
        self._clock = clock
        self.reader = SnapshotReader(client.paths, client.environ, clock=clock)
        self._thread = WorkerThread("kugetsu-reads")
        self._loop: asyncio.AbstractEventLoop | None = None
        self._polling: asyncio.Task[None] | None = None
        self._wakeup = asyncio.Event()
        self._painted = asyncio.Event()
        self._closed = threading.Event()
        self._must_read = self._every_file = True
        self._stamp: tuple[object, ...] | None = None
        self._last_read = self._last_full_read = 0.0
        self._full_read_interval_s = FULL_READ_INTERVAL_S
        self._posted: ConsoleState | None = None
        self._notifications = NotificationWatch(client.paths, lambda: self.settings.notify, clock)
        self._greeted = False
        self._usage = ResourceUsage()
        self._approvals: ApprovalReader | None = None
        self.snapshot: Snapshot | None = None
        """The newest one, whether or not it was posted."""

    @property
    def settings(self) -> Settings:
        """The settings in force."""
        return self.reader.settings.current

    def start(self) -> None:
        """Begin to read; called on the event loop."""
        self._loop = asyncio.get_running_loop()
        threading.Thread(target=self._watch_files, name="kugetsu-watch-tui", daemon=True).start()
        self._polling = self._loop.create_task(self._poll())

    def close(self) -> None:
        """Read no more."""
        self._closed.set()
        if self._polling is not None:
            self._polling.cancel()
        self._thread.close()

    def wake(self) -> None:
        """Read soon; from any thread."""
        if self._loop is not None and not self._closed.is_set():
            try:
                self._loop.call_soon_threadsafe(self._wakeup.set)
            except RuntimeError:
                return  # the loop is closed

    def reload(self) -> None:
        """Read everything again."""
        self.reader = SnapshotReader(self._client.paths, self._client.environ, clock=self._clock)
        self._posted = None
        self.wake()

    def read_first_page(self) -> ConsoleState | None:
        """Read the page that an engine wrote, so that the first screen need not wait for the reading of a large queue.

        It takes a few milliseconds. None without a page; called before `start`.
        """
        try:
            snapshot = self.reader.read_first_page()
        except (KugetsuError, OSError):  # the whole read follows, and reports what is wrong
            log.exception("reading the first page failed")
            return None
        if snapshot is None:
            return None
        self._posted = ConsoleState(snapshot, read_only=self._client.read_only, starting=self._engine.is_starting)
        return self._posted

    def note_painted(self) -> None:
        """Go on after the first screen; called on the event loop when it is shown."""
        self._painted.set()

    async def _poll(self) -> None:
        if self._posted is not None:  # a first page is shown
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._painted.wait(), PAINTED_S)
        with_history = False
        while not self._closed.is_set():
            state: ConsoleState | None = None
            try:
                state = await self._thread.run(lambda history=with_history: self._read(history))  # type: ignore[misc]
            except Exception as error:  # the boundary of the reading thread: the console stays, and reports it
                log.exception("reading the state directory failed")
                self._post(ReadFailed(f"{type(error).__name__}: {error}"))
            if state is not None:
                self._post(StateChanged(state))
                self._engine.replace_dead_engine(state.snapshot.engine)
            if self._engine.is_planned:
                await self._thread.run(self._engine.start_planned)
            await asyncio.sleep(MIN_INTERVAL_S)  # also before the history is read: the tasks are painted first
            if not with_history:
                with_history = self._must_read = True
                continue
            lively = self.snapshot is not None and (bool(self.snapshot.active) or self.snapshot.engine.stale)
            interval_s = ACTIVE_INTERVAL_S if lively or self._engine.is_starting else IDLE_INTERVAL_S
            try:
                await asyncio.wait_for(self._wakeup.wait(), interval_s)
                self._must_read = True
            except TimeoutError:
                self._must_read = lively
            self._wakeup.clear()

    def _read(self, with_history: bool) -> ConsoleState | None:
        """Read the state if it may have changed; None when it is the one that is shown. Runs in the reading thread."""
        now = time.monotonic()
        stamp = read_change_stamp(self._client.paths, self._engine.is_running)
        unchanged = not self._must_read and stamp == self._stamp and not self._notifications.is_waiting
        if unchanged and now - self._last_read < self._full_read_interval_s:
            return None
        self._stamp, self._last_read = stamp, now
        every_file = self._every_file or now - self._last_full_read >= self._full_read_interval_s
        if every_file:
            self._every_file, self._last_full_read = False, now
        snapshot = self.snapshot = self.reader.read(with_history, every_file)
        if every_file:
            wanted = FULL_READ_SHARE * (time.monotonic() - now)
            self._full_read_interval_s = min(max(FULL_READ_INTERVAL_S, wanted), LONGEST_INTERVAL_S)
        _ = snapshot.plan, snapshot.places, snapshot.find_task("")  # computed here, so that the event loop need not
        state = self._make_state(snapshot)
        if with_history:  # without it there are no notifications, and later all of them would be news
            self._report_news(state)
        if self._posted is not None and strip_times(state) == strip_times(self._posted):
            return None
        self._posted = state
        return state

    def _report_news(self, state: ConsoleState) -> None:
        if (text := self._notifications.check_snapshot(state.snapshot)) is not None:
            self._post(AttentionCalled(text))
        if not self._greeted:
            self._greeted = True
            if (cell := absence.format_absence(state, self._client.read_last_seen())) is not None:
                self._post(Returned(*cell))

    def _make_state(self, snapshot: Snapshot) -> ConsoleState:
        from kugetsu_engine.agents import registry  # neither is needed for the first screen
        from kugetsu_engine.agents.auto_approval import ApprovalReader

        approvals = self._approvals = self._approvals or ApprovalReader(self._client.paths)
        engine, settings, usage = self._engine, self.settings, self._usage.read(snapshot)
        return ConsoleState(
            snapshot, read_only=self._client.read_only, here=engine.is_running, starting=engine.is_starting,
            fault=engine.fault, max_attempts=settings.max_attempts, load=usage.load, free_bytes=usage.free_bytes,
            cpu=usage.cpu, approving=approvals.list_agents(settings) if snapshot.active or snapshot.pending else {},
            screenless=registry.list_agents_without_screen(settings),
        )  # fmt: skip

    def _watch_files(self) -> None:
        paths = self._client.paths
        folders = (paths.items, paths.done, paths.queue, paths.root)
        while not all(os.path.isdir(folder) for folder in folders):
            if self._closed.wait(0.2):
                return
        watch(folders, self._closed, self._on_files_changed)

    def _on_files_changed(self, changed: set[str]) -> None:
        paths = self._client.paths
        names = {name for path in changed if not (name := os.path.basename(path)).startswith(".")}
        names -= {os.path.basename(path) for path in (paths.index, paths.first_page, paths.answers, paths.requests)}
        only_engine = names == {os.path.basename(paths.engine)}
        if not names or (only_engine and self._stamp is not None and read_engine_stamp(paths) == self._stamp[-2]):
            return
        self._every_file |= not only_engine
        self.wake()
