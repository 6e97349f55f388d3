"""Reading a state directory into one frozen picture: what console, `status` and `queue list` show.

The picture is right whoever runs the engine, as it comes from the files alone. A reader keeps what it has read and reads
again only what changed.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property, partial

import msgspec

from ..config import env_files
from ..config.loader import SettingsSource
from ..config.prompt_template import PromptFile
from ..domain import states
from ..domain.changes import Changes
from ..domain.config_faults import Gaps
from ..domain.decisions import forecast, notification_rules, scheduling
from ..domain.decisions.duration_model import Expected, RunTimes, learn_from_tasks
from ..domain.decisions.forecast import Plan
from ..domain.decisions.scheduling import Cooldown, SchedulingFacts, WaitingReason
from ..domain.engine_state import Alert, EngineState
from ..domain.job import Progress, RunRecord
from ..domain.manual_session import ManualSession
from ..domain.obstacles import Obstacles
from ..domain.overlaps import Overlap
from ..domain.pause import PauseReason, read_pause_reason
from ..domain.pull_request import KnownPull
from ..domain.refs import repository_of
from ..domain.states import NOTIFIED
from ..domain.task import Notice, State, Task
from ..domain.text.times import epoch
from ..errors import BadFile
from ..jobs.work_folders import BEFORE_WORKTREE, list_local_repositories, list_own_repositories
from ..paths import StatePaths
from ..process import identity
from ..state import edit_locks, manual_sessions, queue_settings, rate_limits, run_times, runs
from ..state import notifications as notices
from ..state import pull_requests as pulls
from ..state.tasks import UNREADABLE, read_state
from ..storage import files, json_files
from ..storage.locks import is_held
from ..storage.quarantine import is_quarantined
from .task_folder import TaskFolder

STALE_S = 5.0
"""A heartbeat older than this means that the engine does not answer."""
DONE_KEPT = 500
"""Ended tasks in a picture, newest first; older ones are counted."""
ALL_DONE = 1_000_000
"""To be given as `done_kept` for every ended task there is."""


class EngineView(msgspec.Struct, frozen=True):
    """Who runs the engine, as seen from outside."""

    running: bool
    pid: int | None = None
    mode: str | None = None
    since: str | None = None
    heartbeat_age_s: float | None = None
    paused: bool = False
    draining: bool = False
    recovered: str = ""
    pressure: str = ""
    """What the machine lacks for another agent."""
    pause_reason: str = ""
    """Why the queue is paused, where it was not the operator."""
    found: dict[str, int] = {}
    """What the engine found when it started, in numbers."""
    overlaps: tuple[Overlap, ...] = ()
    """Running tasks that change the same files."""
    changes: dict[str, Changes] = {}
    """What running tasks have changed so far, by id, where that is known."""
    stopped: bool = False
    """Whether the last engine ended in an orderly way."""
    obstacles: Obstacles = Obstacles()
    """What the engine found in its way."""
    pause_code: PauseReason = PauseReason.OPERATOR
    """The same as `pause_reason`, for programs."""

    @property
    def stale(self) -> bool:
        """Whether an engine holds the lock and yet does not answer."""
        return self.running and self.heartbeat_age_s is not None and self.heartbeat_age_s > STALE_S


class Active(msgspec.Struct, frozen=True):
    """A task that has an agent, or is about to get one."""

    task: Task
    record: RunRecord | None
    progress: Progress | None
    elapsed_s: float
    """Seconds since the attempt began."""
    timeout_s: float
    last_output_age_s: float | None
    stalled_s: float | None = None
    """For how long a stalled agent has shown no sign of life."""
    alive: bool = True
    """False when it has ended and no engine has entered that yet."""

    @property
    def phase(self) -> str:
        """As in `progress.json`; `stalled` for an agent without a sign of life, `ended` when only an engine is missing."""
        if not self.alive:
            return "ended"
        phase = self.progress.phase if self.progress else "starting"
        return "stalled" if phase == "agent" and self.stalled else phase

    @property
    def preparing(self) -> bool:
        """Whether its worktree is not made yet."""
        return self.task.state == NOTIFIED and self.phase in BEFORE_WORKTREE

    @property
    def stalled(self) -> str | None:
        """What speaks for a stall; None while the agent shows signs of life."""
        return self.progress.stalled if self.progress else None

    @property
    def silent_s(self) -> float | None:
        """For how long it has been silent: of a stalled agent since its last sign of life, else since its last output."""
        return self.stalled_s if self.stalled and self.stalled_s is not None else self.last_output_age_s


class Snapshot(msgspec.Struct, frozen=True, dict=True):
    """A state directory at one moment."""

    taken_at: float
    """Seconds since 1970."""
    engine: EngineView
    limit: int
    active: tuple[Active, ...]
    """In the order in which they started."""
    pending: tuple[Task, ...]
    """In the order in which they will start."""
    done: tuple[Task, ...]
    """Ended tasks, the newest first; at most `DONE_KEPT`."""
    done_count: int
    notices: tuple[Notice, ...]
    """Oldest first."""
    read_until: str
    """The operator has read notifications up to this time."""
    alerts: tuple[Alert, ...]
    run_times: RunTimes = RunTimes()
    """How long attempts took, for estimates."""
    cooldowns: Mapping[str, Cooldown] = {}
    """Rests of providers, by the agent that must wait for their end."""
    default_agent: str = ""
    edited: frozenset[str] = frozenset()
    """Tasks that someone edits right now."""
    by_hand: tuple[ManualSession, ...] = ()
    """Who works by hand: each holds a slot."""
    hosts: Mapping[str, Cooldown] = {}
    """Hosts that did not answer when a clone was to be made."""
    own_repositories: frozenset[str] = frozenset()
    """Repositories in which work needs no host."""
    pulls: Mapping[str, KnownPull] = {}
    """What forges said about pull requests, by issue reference."""
    earlier: Mapping[str, str] = {}
    """States of tasks that waiting ones come after, where the picture does not hold those tasks."""
    gaps: Gaps = Gaps()
    """Which settings are not whole, so that what depends on them does not start."""

    @property
    def used(self) -> int:
        """Slots that are taken, by agents or by hand."""
        return self.agents + len(self.by_hand) + self.engine.obstacles.slots

    @property
    def agents(self) -> int:
        """Slots that agents have."""
        return sum(1 for one in self.active if one.alive)

    @cached_property
    def facts(self) -> SchedulingFacts:
        """What the engine's own decisions need to know, for `why`."""
        known = {**self.earlier, **{task.id: task.state for task in self.done}}
        waiting: dict[str, State] = dict.fromkeys(self.places, "pending")
        known |= waiting | {one.task.id: one.task.state for one in self.active}
        preparing = [one.task for one in self.active if one.alive and one.preparing] if self.hosts else []
        return SchedulingFacts(
            limit=self.limit, used=self.agents, paused=self.engine.paused, draining=self.engine.draining,
            engine_runs=self.engine.running, engine_answers=not self.engine.stale,
            pause=self.engine.pause_code, pause_reason=self.engine.pause_reason, pressure=self.engine.pressure,
            busy_refs=frozenset(one.task.issue_key for one in self.active), states=known,
            cooldowns=self.cooldowns, default_agent=self.default_agent, edited=self.edited, by_hand=self.by_hand,
            hosts=self.hosts, own_repositories=self.own_repositories,
            probes=scheduling.find_probes(preparing, self.hosts, self.own_repositories),
            obstacles=self.engine.obstacles, gaps=self.gaps,
        )  # fmt: skip

    def explain_wait(self, task: Task, now: float | None = None) -> WaitingReason:
        """Why a pending task waits, by the function the engine decides with."""
        return scheduling.find_waiting_reason(task, self.facts, self.taken_at if now is None else now)

    def expected_run_time(self, task: Task) -> Expected | None:
        """How long an attempt of a task probably takes."""
        return self.run_times.estimate(repository_of(task.issue_ref), task.agent or self.default_agent)

    def simulate(self, limit: int | None = None, most: int | None = None) -> Plan:
        """Who starts when, by the functions the engine decides with.

        Args:
            limit: what if so many agents could run at once.
            most: starts after which it ends; None for all.
        """
        busy = tuple(
            forecast.Busy(
                one.task.id, one.task.issue_ref,
                forecast.estimate_end(one.elapsed_s, one.timeout_s, self.expected_run_time(one.task), self.taken_at),
            )
            for one in self.active if one.alive
        )  # fmt: skip
        facts = self.facts if limit is None else msgspec.structs.replace(self.facts, limit=limit)
        return forecast.simulate_queue(self.pending, busy, facts, self.expected_run_time, self.taken_at, most)

    @cached_property
    def plan(self) -> Plan:
        """Who starts when, as far as lists need it exactly."""
        return self.simulate(most=forecast.HORIZON)

    @cached_property
    def places(self) -> Mapping[str, int]:
        """The place in the queue, from 1, by id of the task."""
        return {task.id: place for place, task in enumerate(self.pending, 1)}

    def estimate_start(self, task: Task) -> float | None:
        """Seconds since 1970 at which a waiting task probably starts; None when nobody knows."""
        place = self.places.get(task.id)
        return forecast.estimate_start(task, place, self.plan, self.facts) if place is not None else None

    @property
    def median_run_s(self) -> float | None:
        """The median of all run times, in seconds; None when nothing is known."""
        overall = self.run_times.overall
        return overall.seconds if overall is not None else None

    def find_overlap(self, task_id: str) -> Overlap | None:
        """The first running task that changes the same files as this one."""
        return next((one for one in self.engine.overlaps if task_id in one.tasks), None)

    def changes_of(self, task_id: str) -> Changes | None:
        """What a running task has changed so far; None where nobody has counted it."""
        return self.engine.changes.get(task_id)

    def find_task(self, task_id: str) -> Task | None:
        """The task of an id, if the picture holds it."""
        place = self.places.get(task_id)
        return self.pending[place - 1] if place is not None else self._others.get(task_id)

    @cached_property
    def _others(self) -> Mapping[str, Task]:
        return {task.id: task for task in self.done} | {one.task.id: one.task for one in self.active}

    @cached_property
    def counts(self) -> Mapping[str, int]:
        """Number of tasks by state; ended ones as far as the picture reaches."""
        counts = dict.fromkeys(states.ALL, 0)
        for task in (*(one.task for one in self.active), *self.pending, *self.done):
            counts[task.state] += 1
        return counts

    @cached_property
    def stalled(self) -> Mapping[str, str]:
        """The stalled agents, with the evidence, by task."""
        return {one.task.id: one.stalled for one in self.active if one.alive and one.phase == "stalled" and one.stalled}

    @cached_property
    def needs(self) -> tuple[notification_rules.Need, ...]:
        """Everything that waits for a person, each task once."""
        return notification_rules.list_needs(self.notices, self.read_until, self.stalled, self.alerts)

    @property
    def needs_count(self) -> int:
        """How many things wait for a person."""
        return len(self.needs)


class SnapshotReader:
    """Reads the pictures of one state directory; not for several threads at once."""

    def __init__(
        self,
        paths: StatePaths,
        environ: Mapping[str, str],
        *,
        clock: Callable[[], float] = time.time,
        done_kept: int = DONE_KEPT,
    ) -> None:
        self.paths = paths
        self.settings = SettingsSource(paths, environ)
        self._env_files = env_files.EnvFiles(paths)
        self._prompt_file = PromptFile(paths)
        self._clock = clock
        self._open = TaskFolder(paths.items)
        self._done = TaskFolder(paths.done, done_kept)
        self._in_order: tuple[tuple[Task, ...], list[Task], tuple[Task, ...]] = ((), [], ())
        """Open tasks as they were read, and of them the active and the pending ones in order."""
        self._after: tuple[tuple[Task, ...], frozenset[str]] = ((), frozenset())
        """Pending tasks as they were read, and what they come after that does not wait itself."""
        self._earlier: dict[str, str | None] = {}
        """States of such tasks that are neither open nor among the ended ones of the picture."""
        self._pulls_seen: object = None
        self._pulls: Mapping[str, KnownPull] = {}
        self._learned: tuple[files.Signature, RunTimes] | None = None
        """What was read of run times, with the signature of its file."""

    def read(self, with_history: bool = True, every_file: bool = True) -> Snapshot:
        """Take a picture; equal to the last one but for its time where nothing has changed.

        Args:
            with_history: also read ended tasks and notifications, which a first paint can do without.
            every_file: see `TaskFolder.refresh`; without it a picture of many tasks costs a tenth.
        """
        now = self._clock()
        self.settings.refresh()
        self._env_files.refresh()
        self._prompt_file.refresh()
        engine, state = self._engine()
        told = state if engine.pid is not None else None
        done = self._read_done(every_file) if with_history else ()
        active, pending = self._read_open(every_file)
        faults = (*self._open.faults, *self._done.faults)
        paused = rate_limits.load_pauses(self.paths)
        rest, hosts = rate_limits.list_provider_cooldowns(paused, now), rate_limits.list_host_cooldowns(paused, now)
        own = list_own_repositories(self.settings.current) if hosts else frozenset[str]()
        return Snapshot(
            taken_at=now, engine=engine, limit=self._limit(engine, state), pending=pending, done=done,
            active=tuple(self._active(task, now, engine.running) for task in active), done_count=self._done.count,
            notices=tuple(notices.read_newest_notifications(self.paths)) if with_history else (),
            read_until=notices.read_until(self.paths),
            alerts=self._alerts(
                engine, state, faults, rate_limits.describe_cooldowns(rest, now), rate_limits.describe_silent_hosts(hosts, now)
            ),
            cooldowns=self._by_agent(rest),
            run_times=self._run_times(done),
            default_agent=(told.default_agent if told else "") or self.settings.current.agent,
            edited=edit_locks.list_edited(self.paths), pulls=self._read_pulls(),
            by_hand=manual_sessions.list_manual_sessions(self.paths), hosts=hosts,
            own_repositories=list_local_repositories(self.paths, hosts, (*pending, *active), own) if hosts else own,
            earlier=self._read_earlier(pending, active, done),
            gaps=told.gaps if told else self.settings.current.gaps,
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
            pause_code=pause,
        )  # fmt: skip
        return view, state

    def _by_agent(self, rest: Mapping[str, Cooldown]) -> Mapping[str, Cooldown]:
        if not rest:
            return {}
        from ..agents import registry as known

        return known.map_cooldowns_to_agents(rest, self.settings.current)

    def _limit(self, engine: EngineView, state: EngineState | None) -> int:
        if state is not None and engine.pid is not None:
            return state.limit  # the engine's own: it may have kept the last good setting
        return queue_settings.effective_limit(
            queue_settings.load_control(self.paths), self.settings.current.max_concurrent_agents
        )

    def _read_open(self, every_file: bool) -> tuple[list[Task], tuple[Task, ...]]:
        """The active tasks in the order in which they started, the pending ones in that in which they will."""
        self._open.refresh(every_file)
        found = self._open.tasks
        if found is not self._in_order[0]:
            active = sorted(
                (task for task in found if task.state in states.ACTIVE), key=lambda one: (one.notified_at or "", one.id)
            )
            pending = sorted((task for task in found if task.state == states.PENDING), key=lambda one: one.order)
            self._in_order = found, active, tuple(pending)
        return self._in_order[1:]

    def _read_done(self, every_file: bool) -> tuple[Task, ...]:
        """The newest ended tasks, by the time of their files; the rest is only counted."""
        self._done.refresh(every_file)
        return tuple(sorted(self._done.tasks, key=lambda task: (task.completed_at or "", task.id), reverse=True))

    def _read_earlier(self, pending: tuple[Task, ...], active: Sequence[Task], done: Sequence[Task]) -> Mapping[str, str]:
        """Look up what waiting tasks come after and the picture does not hold, each task once, as the engine does."""
        if pending is not self._after[0]:
            wanted = {earlier for task in pending for earlier in task.after}
            self._after = pending, frozenset(wanted.difference(task.id for task in pending) if wanted else ())
        missing = self._after[1].difference(task.id for task in (*active, *done)) if self._after[1] else ()
        # what was reopened and has ended anew is among the newest first, and so forgotten here
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
        since_told = max(time.monotonic() - progress.written_at, 0.0) if progress else 0.0
        started = epoch(task.notified_at)
        elapsed = progress.elapsed_s + since_told if progress else max(now - started, 0.0) if started else 0.0
        timeout = record.timeout_s if record else task.timeout_s or self.settings.current.task_timeout
        quiet = progress.quiet_s + since_told if progress else None
        alive = engine_runs or is_held(self.paths.task_lock(task.id))
        stalled = progress.silent_s + since_told if progress and progress.silent_s is not None else None
        return Active(task, record, progress, elapsed, timeout, quiet, stalled, alive)

    def _alerts(
        self, engine: EngineView, state: EngineState | None, faults: Sequence[str], rest: str, silent: str
    ) -> tuple[Alert, ...]:
        alerts = list(state.alerts) if state and engine.running else []
        if not engine.running:
            alerts += [Alert("config", problem, "") for problem in self.settings.problems]
            alerts += [Alert("rate_limit", rest, "")] if rest else []
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
        """What the engine has learned; where none has yet, what the ended tasks tell."""
        signature = files.read_signature(self.paths.run_times)
        if signature is None:
            return learn_from_tasks(done, self.settings.current.agent) if done else RunTimes()
        if self._learned is None or self._learned[0] != signature:
            self._learned = (signature, run_times.load_run_times(self.paths) or RunTimes())
        return self._learned[1]
