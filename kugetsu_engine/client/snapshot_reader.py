"""Reads a state directory into snapshots, no matter which process runs the engine, as everything is in its files.

A reader keeps what it has read and reads only files that changed.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial

from ..config import env_files
from ..config.loader import SettingsSource
from ..config.prompt_template import PromptFile
from ..domain import states
from ..domain.decisions.duration_model import RunTimes, learn_from_tasks
from ..domain.decisions.waiting_reasons import Cooldown
from ..domain.engine_state import Alert, EngineState
from ..domain.pause import read_pause_reason
from ..domain.pull_request import KnownPull
from ..domain.task import Task
from ..domain.text.times import epoch
from ..errors import BadFile
from ..jobs.work_folders import list_local_repositories, list_own_repositories
from ..paths import StatePaths
from ..process import identity
from ..state import edit_locks, manual_sessions, queue_settings, rate_limits, run_times, runs
from ..state import notifications as notices
from ..state import pull_requests as pulls
from ..state.first_page import FirstPage, load_first_page
from ..state.tasks import UNREADABLE, read_state
from ..storage import files, json_files
from ..storage.locks import is_held
from ..storage.quarantine import is_quarantined
from .snapshot import Active, EngineView, Snapshot
from .task_folder import TaskFolder

DONE_KEPT = 500
"""How many ended tasks a snapshot has by default, the newest first; older ones are only counted."""
ALL_DONE = 1_000_000
"""Value of `done_kept` for all ended tasks."""

_Tasks = tuple[tuple[Task, ...], list[Task], tuple[Task, ...]]
"""Ended, active and pending ones."""


class SnapshotReader:
    """Takes snapshots of one state directory; not thread-safe."""

    def __init__(
        self, paths: StatePaths, environ: Mapping[str, str], *, clock: Callable[[], float] = time.time,
        done_kept: int = DONE_KEPT,
    ) -> None:  # fmt: skip
        self.paths = paths
        self.settings = SettingsSource(paths, environ)
        self._env_files = env_files.EnvFiles(paths)
        self._prompt_file = PromptFile(paths)
        self._clock = clock
        self._open = TaskFolder(paths.items)
        self._done = TaskFolder(paths.done, done_kept)
        self._in_order: tuple[tuple[Task, ...], list[Task], tuple[Task, ...]] = ((), [], ())
        """The open tasks last read, and of them the active and the pending ones in order."""
        self._after: tuple[tuple[Task, ...], frozenset[str]] = ((), frozenset())
        """The pending tasks last read, and the tasks they come after that are not pending themselves."""
        self._earlier: dict[str, str | None] = {}
        """States of those tasks that are not in the snapshot."""
        self._pulls_seen: object = None
        self._pulls: Mapping[str, KnownPull] = {}
        self._learned: tuple[files.Signature, RunTimes] | None = None
        """The run times, with the signature of their file."""

    def read(self, with_history: bool = True, every_file: bool = True, with_notices: bool | None = None) -> Snapshot:
        """Take a snapshot. If nothing has changed it equals the last one except for its time.

        Args:
            with_history: also read ended tasks and notifications.
            every_file: see `TaskFolder.refresh`; without it a snapshot of many tasks costs a tenth.
            with_notices: whether notifications are read; None: with the history.
        """

        def read_tasks() -> _Tasks:
            return self._read_done(every_file) if with_history else (), *self._read_open(every_file)

        return self._make_snapshot(read_tasks, with_history if with_notices is None else with_notices)

    def read_first_page(self) -> Snapshot | None:
        """Take a snapshot of the first page of the queue, as an engine wrote it, in a millisecond; None without a page."""
        page = load_first_page(self.paths)
        if page is None:
            return None
        return self._make_snapshot(lambda: ((), page.active, tuple(page.pending)), with_notices=False, page=page)

    def _make_snapshot(
        self, read_tasks: Callable[[], _Tasks], with_notices: bool, page: FirstPage | None = None
    ) -> Snapshot:  # fmt: skip
        now = self._clock()
        self.settings.refresh()
        self._env_files.refresh()
        self._prompt_file.refresh()
        engine, state = self._engine()
        running = state if engine.pid is not None else None
        done, active, pending = read_tasks()
        faults = (*self._open.faults, *self._done.faults)
        paused = rate_limits.load_pauses(self.paths)
        cooldowns, hosts = rate_limits.list_provider_cooldowns(paused, now), rate_limits.list_host_cooldowns(paused, now)
        own = list_own_repositories(self.settings.current) if hosts else frozenset[str]()
        return Snapshot(
            taken_at=now, engine=engine, limit=self._limit(engine, state), pending=pending, done=done,
            active=tuple(self._active(task, now, engine.running) for task in active), done_count=self._done.count,
            notices=tuple(notices.read_newest_notifications(self.paths)) if with_notices else (),
            read_until=notices.read_until(self.paths),
            alerts=self._alerts(
                engine, state, faults, rate_limits.describe_cooldowns(cooldowns, now),
                rate_limits.describe_silent_hosts(hosts, now),
            ),
            cooldowns=self._by_agent(cooldowns),
            run_times=self._run_times(done),
            default_agent=(running.default_agent if running else "") or self.settings.current.agent,
            edited=edit_locks.list_edited(self.paths), pulls=self._read_pulls(),
            by_hand=manual_sessions.list_manual_sessions(self.paths), hosts=hosts,
            own_repositories=list_local_repositories(self.paths, hosts, (*pending, *active), own) if hosts else own,
            earlier=self._read_earlier(pending, active, done),
            gaps=running.gaps if running else self.settings.current.gaps, first_page=page,
        )  # fmt: skip

    def _engine(self) -> tuple[EngineView, EngineState | None]:
        state: EngineState | None
        try:
            state = json_files.read(self.paths.engine, EngineState)
        except (FileNotFoundError, BadFile):
            state = None
        try:
            running = is_held(self.paths.engine_lock)
        except OSError:
            running = False
        flow = state if state and running else queue_settings.load_control(self.paths)
        pause = read_pause_reason(flow.pause_code, flow.pause_reason)
        if not running or state is None or state.stopped:
            stopped = state is not None and state.stopped
            view = EngineView(running, paused=flow.paused, pause_reason=flow.pause_reason, stopped=stopped, pause_code=pause)
            return view, state
        same_boot = state.boot_id == identity.read_boot_id()
        age = max(time.monotonic() - state.heartbeat, 0.0) if same_boot else None
        view = EngineView(
            True, state.pid, state.mode, state.since, age and round(age, 1), state.paused, state.draining, state.recovered,
            state.pressure, state.pause_reason, state.found, tuple(state.overlaps), state.changes, obstacles=state.obstacles,
            pause_code=pause, prepared=state.prepared,
        )  # fmt: skip
        return view, state

    def _by_agent(self, cooldowns: Mapping[str, Cooldown]) -> Mapping[str, Cooldown]:
        if not cooldowns:
            return {}
        from ..agents import registry as known

        return known.map_cooldowns_to_agents(cooldowns, self.settings.current)

    def _limit(self, engine: EngineView, state: EngineState | None) -> int:
        if state is not None and engine.pid is not None:
            return state.limit  # the engine's own: it may have kept the last good setting
        return queue_settings.effective_limit(
            queue_settings.load_control(self.paths), self.settings.current.max_concurrent_agents
        )

    def _read_open(self, every_file: bool) -> tuple[list[Task], tuple[Task, ...]]:
        """Read the active tasks in the order in which they started, the pending ones in the order in which they will."""
        self._open.refresh(every_file)
        tasks = self._open.tasks
        if tasks is not self._in_order[0]:
            active = sorted(
                (task for task in tasks if task.state in states.ACTIVE), key=lambda task: (task.notified_at or "", task.id)
            )
            pending = sorted((task for task in tasks if task.state == states.PENDING), key=lambda task: task.order)
            self._in_order = tasks, active, tuple(pending)
        return self._in_order[1:]

    def _read_done(self, every_file: bool) -> tuple[Task, ...]:
        """Read the newest ended tasks, by the time of their files; count the rest."""
        self._done.refresh(every_file)
        return tuple(sorted(self._done.tasks, key=lambda task: (task.completed_at or "", task.id), reverse=True))

    def _read_earlier(self, pending: tuple[Task, ...], active: Sequence[Task], done: Sequence[Task]) -> Mapping[str, str]:
        """Read the states of tasks that waiting ones come after and that are not in the snapshot; each task once."""
        if pending is not self._after[0]:
            earlier_ids = {earlier for task in pending for earlier in task.after}
            self._after = pending, frozenset(earlier_ids.difference(task.id for task in pending) if earlier_ids else ())
        missing = self._after[1].difference(task.id for task in (*active, *done)) if self._after[1] else ()
        # a task that was reopened and ended again is among the newest, and so dropped here
        known = {task_id: self._earlier[task_id] for task_id in missing if task_id in self._earlier}
        for task_id in missing:
            if known.get(task_id, UNREADABLE) == UNREADABLE:
                known[task_id] = read_state(self.paths, task_id, partial(is_quarantined, self.paths))
        self._earlier = known
        return {task_id: state for task_id, state in known.items() if state is not None}

    def _read_pulls(self) -> Mapping[str, KnownPull]:
        seen = files.read_signature(self.paths.pulls)
        if seen != self._pulls_seen:
            self._pulls_seen = seen
            self._pulls = pulls.load_pull_requests(self.paths).issues
        return self._pulls

    def _active(self, task: Task, now: float, engine_runs: bool) -> Active:
        record = runs.read_record(self.paths, task.id, task.attempt)
        if record is not None and record.token != task.token:
            record = None
        progress = runs.read_progress(self.paths, task.id, task.attempt) if record else None
        since_written = max(time.monotonic() - progress.written_at, 0.0) if progress else 0.0
        started = epoch(task.notified_at)
        paused_at = epoch(progress.paused_at) if progress else None
        running_s = since_written if paused_at is None else 0.0
        elapsed = (
            progress.elapsed_s - progress.paused_s + running_s if progress else max(now - started, 0.0) if started else 0.0
        )
        timeout = record.timeout_s if record else task.timeout_s or self.settings.current.task_timeout
        quiet = progress.quiet_s + running_s if progress else None
        alive = engine_runs or is_held(self.paths.task_lock(task.id))
        stalled = progress.silent_s + running_s if progress and progress.silent_s is not None else None
        pause = max(now - paused_at, 0.0) if paused_at is not None else None
        return Active(task, record, progress, elapsed, timeout, quiet, stalled, alive, pause)

    def _alerts(
        self, engine: EngineView, state: EngineState | None, faults: Sequence[str], limits: str, silent: str
    ) -> tuple[Alert, ...]:
        alerts = list(state.alerts) if state and engine.running else []
        if not engine.running:
            alerts += [Alert("config", problem, "") for problem in self.settings.problems]
            alerts += [Alert("rate_limit", limits, "")] if limits else []
            alerts += [Alert("network", silent, "")] if silent else []
            alerts += [Alert("env", problem, "") for problem in self._env_files.problems]
            alerts += [Alert("prompt", self._prompt_file.problem, "")] if self._prompt_file.problem else []
        alerts += [Alert("unreadable", fault, "") for fault in faults]
        if engine.stale:
            alerts.append(
                Alert("engine_stale", f"the engine (pid {engine.pid}) has not answered for {engine.heartbeat_age_s:.0f} s", "")
            )
        return tuple(alerts)

    def _run_times(self, done: Sequence[Task]) -> RunTimes:
        """Read the run times that the engine has learned; before that, derive them from the ended tasks."""
        signature = files.read_signature(self.paths.run_times)
        if signature is None:
            return learn_from_tasks(done, self.settings.current.agent) if done else RunTimes()
        if self._learned is None or self._learned[0] != signature:
            self._learned = (signature, run_times.load_run_times(self.paths) or RunTimes())
        return self._learned[1]
