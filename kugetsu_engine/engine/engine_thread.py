"""Runs the engine in a thread of the console or the headless command, and restarts it when it fails."""

import contextlib
import os
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from functools import partial

from ..domain.task import Notice
from ..domain.text.times import iso
from ..errors import EngineHeld, KugetsuError
from ..notifications.sender import NotificationSender
from ..paths import StatePaths
from ..process import identity
from ..queue.cleanup import TIDY_S, tidy_state_directory
from ..scheduler.change_tracker import EVERY_S
from ..state import pull_requests
from ..storage import files
from ..storage.watch import watch
from ..supervisor import forge_questions
from .composition import open_engine
from .loop import Engine

ASK_FORGES_S = 60.0
FIRST_COUNT_S = 5.0
FIRST_TIDY_S = 60.0
RESTART_S = (0.5, 1.0, 2.0, 5.0, 10.0)
"""Seconds before the engine is restarted after its first, second … failure in a row."""


class EngineThread:
    """Runs an engine in its own thread. After a failure, which is logged and kept in `fault`, it starts again."""

    def __init__(
        self, paths: StatePaths, environ: Mapping[str, str], mode: str, *, on_notice: Callable[[Notice], None] | None = None,
        on_fault: Callable[[str], None] | None = None, until_idle: bool = False,
        resume: bool = False, boot_id: Callable[[], str] = identity.read_boot_id, drain: bool = False,
    ) -> None:  # fmt: skip
        self.paths = paths
        self.fault: str | None = None
        """The last failure in one line; None if there is none."""
        self.held_by: str | None = None
        """Which other process runs the engine, as text."""
        self.blocked_by_settings = ""
        """After an end of `until_idle`: which tasks the settings keep from starting, as a sentence."""
        self.running = threading.Event()
        self.ended = threading.Event()
        self._environ = environ
        self._mode = mode
        self._on_notice = on_notice
        self._on_fault = on_fault
        self._until_idle = until_idle
        self._resume = resume
        self._boot_id = boot_id
        self._drain = drain
        """Whether no tasks start; kept across restarts of the engine."""
        self._stop = threading.Event()
        self._engine: Engine | None = None
        self._sender: NotificationSender | None = None
        self._failures = 0
        self._thread = threading.Thread(target=self._supervise, name="kugetsu-engine", daemon=True)

    def start(self) -> None:
        """Start the thread. It ends by itself if another process runs the engine."""
        self._thread.start()

    def stop(self) -> None:
        """Ask the engine to end, from any thread or signal handler; agents keep running."""
        self._stop.set()
        self.wake()

    def wake(self) -> None:
        """Make the engine run a turn now."""
        engine = self._engine
        if engine is not None:
            engine.waker.wake()

    def join(self, timeout_s: float) -> bool:
        """Wait for the end of the thread; returns whether it has ended."""
        return self.ended.wait(timeout_s)

    def _supervise(self) -> None:
        try:
            while not self._stop.is_set():
                try:
                    self._run_once()
                    return
                except EngineHeld as error:
                    self.held_by = str(error)
                    return
                except KugetsuError as error:
                    self._failed(str(error), "")
                except Exception as error:
                    self._failed(f"{type(error).__name__}: {error}", traceback.format_exc())
                self._stop.wait(RESTART_S[min(self._failures, len(RESTART_S)) - 1])
        finally:
            self.running.clear()
            self.ended.set()

    def _run_once(self) -> None:
        engine = open_engine(
            self.paths, self._environ, self._mode, on_notice=self._pass_on_notice, resume=self._resume, boot_id=self._boot_id,
            drain=self._drain,
        )  # fmt: skip
        end_of_watch = threading.Event()
        messenger = NotificationSender(self.paths, lambda: engine.settings.current, self._environ, self._note)
        try:  # whatever fails from here on, the lock is released
            messenger.start()
            self._sender = messenger
            if self.fault is not None:
                engine.alerts.warn("engine_crashed", f"the engine failed and was restarted: {self.fault}")
            self._engine = engine
            self.running.set()
            folders = (self.paths.items, self.paths.requests, self.paths.root)
            watcher = threading.Thread(
                target=watch, args=(folders, end_of_watch, engine.note_changed_files), name="kugetsu-watch", daemon=True
            )
            watcher.start()
            self._repeat("tidy", FIRST_TIDY_S, TIDY_S, partial(self._tidy, engine), end_of_watch)
            self._repeat("work", FIRST_COUNT_S, EVERY_S, engine.changes.count_changes, end_of_watch)
            self._repeat("forges", ASK_FORGES_S, ASK_FORGES_S, self._ask_forges, end_of_watch)
            engine.run(self._stop, until_idle=self._until_idle, on_turn=self._note_turn)
            self.blocked_by_settings = engine.blocked_by_settings if self._until_idle and not self._stop.is_set() else ""
        finally:
            end_of_watch.set()
            self._engine = None
            self._drain = engine.controls.draining
            try:
                engine.close()
            finally:
                self._sender = None
                messenger.close()

    def _note_turn(self, turns: int) -> None:
        if turns > 100:
            self._failures, self.fault = 0, None

    def _pass_on_notice(self, notice: Notice) -> None:
        self._log(f"{notice.time} {notice.level} {notice.text}")
        if self._sender is not None:
            self._sender.submit(notice)
        if self._on_notice is not None:
            try:
                self._on_notice(notice)
            except Exception as error:  # a listener must not interrupt a change of state
                self._on_notice = None
                self._note(f"notifications no longer reach the console: {type(error).__name__}: {error}")

    def _repeat(
        self, name: str, first_s: float, every_s: float, work: Callable[[], float | None], end: threading.Event
    ) -> None:  # fmt: skip
        """Start a thread that repeats some work. Failures are logged, and the work is still repeated.

        Args:
            work: returns the seconds until the next time, or None for `every_s`.
        """

        def run() -> None:
            wait_s = first_s
            while not end.wait(wait_s):
                wait_s = every_s
                try:
                    wait_s = work() or every_s
                except OSError as error:
                    self._note(f"{name} failed: {error}")
                except Exception:  # the thread's boundary
                    self._note(f"{name} failed: {traceback.format_exc()}")

        threading.Thread(target=run, name=f"kugetsu-{name}", daemon=True).start()

    def _tidy(self, engine: Engine) -> None:
        """Clean the state directory up."""
        age, now = engine.settings.current.cleanup_age, time.time()
        if (removed := tidy_state_directory(self.paths, now, age)) and age is not None:
            engine.store.journal.record_removal(now - age, removed)

    def _ask_forges(self) -> None:
        """Refresh what forges said about known pull requests, in a helper process."""
        if pull_requests.list_due_refreshes(pull_requests.load_pull_requests(self.paths), time.time()):
            forge_questions.refresh_pull_requests(self.paths.root)

    def _note(self, text: str) -> None:
        self._log(*f"{iso(time.time())} {text}".splitlines())

    def _log(self, *lines: str) -> None:
        """Write to the engine's log; lines that cannot be written are dropped."""
        try:
            os.makedirs(self.paths.logs, 0o700, exist_ok=True)
            for line in lines:
                files.append_line(self.paths.engine_log, line.encode("utf-8", "replace"))
        except OSError:
            return

    def _failed(self, text: str, details: str) -> None:
        self._failures += 1
        self.fault = text
        self.running.clear()
        self._log(f"{iso(time.time())} engine failed: {text}", *details.splitlines())
        if self._on_fault is not None:
            with contextlib.suppress(Exception):
                self._on_fault(text)
