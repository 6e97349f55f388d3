"""The only place where the console touches the engine: reads pictures, sends acts, runs the engine in a thread.

Everything slow happens in threads of its own; what comes back is posted to the app as a message.
"""

import asyncio
import logging
import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from textual.message import Message

from kugetsu_engine.agents import registry
from kugetsu_engine.agents.auto_approval import ApprovalReader
from kugetsu_engine.client.api import Client
from kugetsu_engine.client.snapshot import Snapshot, SnapshotReader
from kugetsu_engine.config.settings import Settings
from kugetsu_engine.domain.new_task import format_id
from kugetsu_engine.domain.request import VERBS, Request, Verb
from kugetsu_engine.engine.thread import EngineThread
from kugetsu_engine.errors import KugetsuError, UsageError
from kugetsu_engine.notifications.channels import ChannelResult
from kugetsu_engine.storage.watch import watch

from ..viewmodels import absence
from ..viewmodels.console_state import ConsoleState
from ..viewmodels.diff import DiffText
from .change_detection import change_stamp, engine_stamp, without_times
from .log_feed import LogFeed
from .merged_feed import MergedFeed
from .messages import Answered, AttentionCalled, EngineFailed, EngineTaken, ReadFailed, Returned, StateChanged
from .notification_watch import NotificationWatch
from .request_results import summed_up
from .resource_usage import ResourceUsage
from .undo import Act
from .worker_thread import WorkerThread

log = logging.getLogger(__name__)

LEAST_PAUSE_S = 0.1
"""Between two looks at the disk, so a burst of changes is ten pictures a second."""
ACTIVE_LOOK_S = 1.0
"""While agents run, their time and their processes are looked at once a second."""
IDLE_LOOK_S = 2.5
"""Without any hint; a watcher may lose events."""
FULL_LOOK_S = 30.0
SLOW_S = 1.0
"""An act that is not answered by then is said to be under way."""

Told = TypeVar("Told")


class Connection:
    """One console's connection to one state directory."""

    def __init__(
        self, client: Client, *, embed: bool = True, clock: Callable[[], float] = time.time, folder: str | None = None,
        resume: bool = False,
    ) -> None:  # fmt: skip
        """Connect to a state directory; nothing is read or started before `start`.

        Args:
            operator: the door for every change; it knows whether this console may change anything.
            embed: run the engine in this process unless another process does.
            folder: where the console was started, for tasks that name no repository.
            resume: go on even if the machine was restarted while there was work.
        """
        self.client = client
        self.read_only = client.read_only
        self.folder = folder
        self._resume = resume
        self.reader = SnapshotReader(client.paths, client.environ, clock=clock)
        self.engine: EngineThread | None = None
        self._embed = embed and not client.read_only
        self._post: Callable[[Message], object] = lambda message: None
        self._reads = WorkerThread("kugetsu-reads")
        self._acts = WorkerThread("kugetsu-acts")
        self._git = WorkerThread("kugetsu-git")
        self.now = clock
        self.moment: float | None = None
        """The moment of the past up to which logs are shown; None: all of them."""
        self._loop: asyncio.AbstractEventLoop | None = None
        self._wake: asyncio.Event | None = None
        self._must_read = self._every_file = True
        self._stop_watching = threading.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._closed = False
        self._heartbeat: object = None
        self._last: Snapshot | None = None
        self._last_read = self._last_full = 0.0
        self._posted: ConsoleState | None = None
        self._listener = NotificationWatch(client.paths, lambda: self.settings.notify, clock)
        self._greeted = False
        self._gauges = ResourceUsage()
        self._approvals = ApprovalReader(client.paths)
        self._fault: str | None = None

    @property
    def settings(self) -> Settings:
        """The settings in force."""
        return self.reader.settings.current

    def start(self, post: Callable[[Message], object]) -> None:
        """Begin to read, and to run the engine; called on the event loop.

        Args:
            post: takes a message for the app, from any thread.
        """
        self._post = post
        self._loop = asyncio.get_running_loop()
        self._wake = asyncio.Event()
        if self._embed:
            self._start_engine()
        threading.Thread(target=self._watch, name="kugetsu-watch-tui", daemon=True).start()
        self._keep(self._poll())

    def close(self) -> None:
        """Let go of everything; the engine's thread is asked to end and not waited for. Agents go on."""
        self._closed = True
        self._stop_watching.set()
        if self.engine is not None:
            self.engine.stop()
        for task in self._tasks:
            task.cancel()
        self._reads.close()
        self._acts.close()
        self._git.close()

    def join(self, timeout_s: float) -> bool:
        """Wait for the engine's thread to end, never on the event loop; whether it did."""
        return self.engine is None or self.engine.join(timeout_s)

    @property
    def runs_engine(self) -> bool:
        """Whether the engine runs in this process."""
        return self.engine is not None and self.engine.running.is_set()

    def log_feed(self) -> LogFeed:
        """Return a new reader of logs, for one pane, which closes it."""
        return LogFeed(self.client.paths, self.client.environ, self.now, lambda: self.moment)

    def merged_feed(self) -> MergedFeed:
        """Return a reader of the logs of all agents that run, for one pane, which closes it."""

        def running() -> list[tuple[str, int]]:
            active = self._last.active if self._last is not None else ()
            return [(one.task.id, one.task.attempt) for one in active]

        return MergedFeed(self.client.paths, self.client.environ, running, self.now)

    # acts

    def send(self, verb: str, task: str | None = None, **args: Any) -> None:
        """Make a request; the answer comes as a message."""
        self._keep(self._send([Request(as_verb(verb), task, args)], True))

    def send_all(self, wishes: Sequence[tuple[str, str, Mapping[str, Any]]]) -> None:
        """Make several requests as one act, each a verb, a task and arguments; one answer comes for all."""
        self._keep(self._send([Request(as_verb(verb), task, dict(args)) for verb, task, args in wishes], True))

    def undo(self, act: Act) -> None:
        """Undo an act; the answer comes as a message."""
        self._keep(self._send([Request(step.verb, step.task, step.args) for step in act.steps], False))

    async def enqueue(self, reference: str, message: str, **options: Any) -> str:
        """Put a task into the queue; returns what was done, in one line.

        Raises:
            KugetsuError: something about it is wrong; there is no task then.
        """

        def job() -> str:
            task_id, repository = self.client.enqueue(reference, message, folder=self.folder, **options)
            where = f", works in {repository}" if repository else ""
            return f"queued {format_id(task_id)}{where}"

        told = await self._acts.run(job)
        self._hint_here()
        return told

    async def apart(self, job: Callable[[], Any]) -> Any:
        """Do something slow in the thread of acts; returns what it returns, raises what it raises."""
        return await self._acts.run(job)

    def mark_read(self, until: str) -> None:
        """Remember that notifications up to a time have been read; a read-only console does not."""
        if not self.read_only:
            self._keep(self._quietly(lambda: self.client.mark_read(until)))

    def mark_seen(self) -> None:
        """Remember that the operator is here; a read-only console does not."""
        if not self.read_only:
            self._keep(self._quietly(self.client.mark_seen))

    async def mute(self, name: str, for_s: float | None) -> str:
        """Send nothing about a task out of the console, or again; returns what was done.

        Raises:
            KugetsuError: there is no such task.
        """
        return await self._acts.run(lambda: self.client.mute(name, for_s))

    async def try_telling(self) -> list[ChannelResult]:
        """Send a test message by every way that is set up; a sentence on each."""
        return await self._git.run(self.client.send_test_notifications)

    def reload(self) -> None:
        """Read everything again."""
        self.reader = SnapshotReader(self.client.paths, self.client.environ, clock=self.now)
        self._posted = None
        self._hint_here()

    async def aside(self, job: Callable[[], Told]) -> Told:
        """Run something slow in a thread of its own."""
        return await self._git.run(job)

    async def diff(self, task: str) -> DiffText:
        """Compare the worktree of a task with its base, in a thread of its own.

        Raises:
            KugetsuError: there is no worktree, or git refused.
        """
        return await self._git.run(lambda: DiffText(self.client.read_diff(task)))

    async def _send(self, wishes: Sequence[Request], undoable: bool) -> None:
        asking = asyncio.ensure_future(self._acts.run(lambda: self.client.send_requests(wishes)))
        if not (await asyncio.wait({asking}, timeout=SLOW_S))[0]:
            self._post(Answered("asked; waiting for the engine's answer", True))
        try:
            answers = await asking
        except (KugetsuError, OSError) as error:
            told = str(error) if isinstance(error, KugetsuError) else f"the disk refused: {error.strerror or error}"
            self._post(Answered(told, False))
        else:
            self._post(summed_up(wishes, answers, undoable))
        self._hint_here()

    async def _quietly(self, job: Callable[[], None]) -> None:
        try:
            await self._acts.run(job)
        except (KugetsuError, OSError) as error:
            self._post(Answered(str(error), False))

    # the engine

    def _start_engine(self) -> None:
        engine = EngineThread(
            self.client.paths, self.client.environ, "console", on_notice=lambda _: self._hint(), on_fault=self._failed,
            resume=self._resume,
        )  # fmt: skip
        self.engine = engine
        engine.start()

    def run_engine(self) -> str:
        """Run the engine in this process, if nobody does; returns what was done, in a sentence."""
        if not self._embed:
            return "read-only: start without --read-only to run an engine"
        if self.runs_engine:
            return "the engine runs here already"
        if self.engine is None or self.engine.ended.is_set():
            self._start_engine()
        return "starting an engine here"

    def _failed(self, words: str) -> None:
        self._post(EngineFailed(words))
        self._hint()

    def _run_engine_here(self, picture: ConsoleState) -> None:
        """Run the engine here when the one of another process has died; one that was stopped was stopped on purpose."""
        engine, view = self.engine, picture.snapshot.engine
        if self._closed or engine is None or view.running or view.stopped or not engine.ended.is_set():
            return
        if engine.held_by is not None:
            self._post(EngineTaken())
        self._start_engine()

    # reading

    async def _poll(self) -> None:
        assert self._wake is not None
        with_history = False
        while not self._closed:
            picture: ConsoleState | None = None
            try:
                picture = await self._reads.run(lambda history=with_history: self._look(history))  # type: ignore[misc]
            except Exception as error:  # the boundary of the reading thread: the console stays, and says it
                log.exception("reading the state directory failed")
                self._post(ReadFailed(f"{type(error).__name__}: {error}"))
            if picture is not None:
                self._post(StateChanged(picture))
                self._run_engine_here(picture)
            await asyncio.sleep(LEAST_PAUSE_S)  # also before the history is read: first the tasks are painted
            if not with_history:
                with_history = self._must_read = True
                continue
            lively = self._last is not None and (bool(self._last.active) or self._last.engine.stale)
            try:
                await asyncio.wait_for(self._wake.wait(), ACTIVE_LOOK_S if lively or self._starting else IDLE_LOOK_S)
                self._must_read = True
            except TimeoutError:
                self._must_read = lively
            self._wake.clear()

    @property
    def _starting(self) -> bool:
        engine = self.engine
        return engine is not None and not engine.running.is_set() and engine.held_by is None

    def _look(self, with_history: bool) -> ConsoleState | None:
        """Take a picture if anything may have changed; None when it is the one that is shown. Runs in the reading thread."""
        now = time.monotonic()
        heartbeat = change_stamp(self.client.paths, self.runs_engine)
        unchanged = not self._must_read and heartbeat == self._heartbeat and not self._listener.waits
        if unchanged and now - self._last_read < FULL_LOOK_S:
            return None
        self._heartbeat, self._last_read = heartbeat, now
        every_file = self._every_file or now - self._last_full >= FULL_LOOK_S
        if every_file:
            self._every_file, self._last_full = False, now
        snapshot = self.reader.read(with_history, every_file)
        self._last = snapshot
        _ = snapshot.plan, snapshot.places, snapshot.find_task("")  # made here, so that the event loop finds them
        picture = self._picture(snapshot)
        # A picture without history has no notifications: after it, all of them would be news.
        if with_history and (calling := self._listener.check_snapshot(snapshot)) is not None:
            self._post(AttentionCalled(calling))
        if with_history and not self._greeted:
            self._greeted = True
            if (cell := absence.format_absence(picture, self.client.read_last_seen())) is not None:
                self._post(Returned(*cell))
        if self._posted is not None and without_times(picture) == without_times(self._posted):
            return None
        self._posted = picture
        return picture

    def _picture(self, snapshot: Snapshot) -> ConsoleState:
        engine, settings = self.engine, self.settings
        gauged = self._gauges.read(snapshot)
        return ConsoleState(
            snapshot, read_only=self.read_only, here=self.runs_engine, starting=self._starting,
            fault=engine.fault if engine is not None and not engine.running.is_set() else None,
            max_attempts=settings.max_attempts, load=gauged.load, free_bytes=gauged.free_bytes, cpu=gauged.cpu,
            approving=self._approvals.by_agent(settings) if snapshot.active or snapshot.pending else {},
            screenless=registry.list_agents_without_screen(settings),
        )  # fmt: skip

    def _watch(self) -> None:
        paths = self.client.paths
        folders = (paths.items, paths.done, paths.queue, paths.root)
        while not all(os.path.isdir(folder) for folder in folders):
            if self._stop_watching.wait(0.2):
                return
        watch(folders, self._stop_watching, self._changed)

    def _changed(self, changed: set[str]) -> None:
        names = {os.path.basename(path) for path in changed}
        paths = self.client.paths
        names -= {os.path.basename(path) for path in (paths.index, paths.answers, paths.requests)}
        telling, only_engine = {name for name in names if not name.startswith(".")}, {os.path.basename(paths.engine)}
        if telling == only_engine and engine_stamp(paths) == self._engine_part():
            return
        if telling:
            self._every_file |= telling != only_engine
            self._hint()

    def _engine_part(self) -> object:
        heartbeat = self._heartbeat
        return heartbeat[-2] if isinstance(heartbeat, tuple) else None

    def _hint(self) -> None:
        """Look soon; from any thread."""
        if self._loop is not None and not self._closed:
            try:
                self._loop.call_soon_threadsafe(self._hint_here)
            except RuntimeError:
                return  # the loop is closed

    def _hint_here(self) -> None:
        if self._wake is not None:
            self._wake.set()

    def _keep(self, work: Any) -> None:
        task: asyncio.Task[None] = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def as_verb(text: str) -> Verb:
    """Check that a word is something the engine does."""
    for verb in VERBS:
        if verb == text:
            return verb
    raise UsageError(f"there is no verb {text!r}")
