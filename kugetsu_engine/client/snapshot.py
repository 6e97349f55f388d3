"""A snapshot of a state directory: what console, `status` and `queue list` show."""

from collections.abc import Mapping
from functools import cached_property

import msgspec

from ..domain import states
from ..domain.changes import Changes
from ..domain.config_faults import Gaps
from ..domain.decisions import forecast, notification_rules, scheduling, waiting_reasons
from ..domain.decisions.duration_model import Expected, RunTimes
from ..domain.decisions.forecast import Plan
from ..domain.decisions.waiting_reasons import Cooldown, SchedulingFacts, WaitingReason
from ..domain.engine_state import Alert
from ..domain.job import Progress, RunRecord
from ..domain.manual_session import ManualSession
from ..domain.obstacles import Obstacles
from ..domain.overlaps import Overlap
from ..domain.pause import PauseReason, describe_long_pause
from ..domain.pull_request import KnownPull
from ..domain.refs import repository_of
from ..domain.states import NOTIFIED
from ..domain.task import Notice, State, Task
from ..jobs.work_folders import BEFORE_WORKTREE
from ..state.first_page import FirstPage

STALE_S = 5.0
"""If the heartbeat is older, the engine does not answer."""


class EngineView(msgspec.Struct, frozen=True):
    """The engine, as seen from other processes."""

    running: bool
    pid: int | None = None
    mode: str | None = None
    since: str | None = None
    heartbeat_age_s: float | None = None
    paused: bool = False
    draining: bool = False
    recovered: str = ""
    pressure: str = ""
    """What the machine lacks to start another agent."""
    pause_reason: str = ""
    """Why the queue is paused; empty if the operator did it."""
    found: dict[str, int] = {}
    """Counts of the recovery when the engine started."""
    overlaps: tuple[Overlap, ...] = ()
    """Running tasks that change the same files."""
    changes: dict[str, Changes] = {}
    """What running tasks have changed so far, by task id, if known."""
    stopped: bool = False
    """Whether the last engine ended in an orderly way."""
    obstacles: Obstacles = Obstacles()
    """Obstacles that the engine met when it started tasks."""
    pause_code: PauseReason = PauseReason.OPERATOR
    """`pause_reason` as data."""
    prepared: dict[str, bool] = {}
    """Waiting tasks whose worktree is made ahead, by id: whether it is ready."""

    @property
    def stale(self) -> bool:
        """Whether an engine holds the lock but does not answer."""
        return self.running and self.heartbeat_age_s is not None and self.heartbeat_age_s > STALE_S


class Active(msgspec.Struct, frozen=True):
    """A task that has an agent, or is about to get one."""

    task: Task
    record: RunRecord | None
    progress: Progress | None
    elapsed_s: float
    """Seconds since the attempt began, without pauses: what counts against the time limit."""
    timeout_s: float
    last_output_age_s: float | None
    stalled_s: float | None = None
    """How long a stalled agent has shown no activity."""
    alive: bool = True
    """False if the attempt has ended, but no engine has settled it yet."""
    pause_s: float | None = None
    """For how long it has been paused; None if it is not."""

    @property
    def pause_note(self) -> str:
        """What is to be known about its pause: that it has not begun, or what it may cost; empty if nothing."""
        if self.progress is None or self.task.pause is None:
            return ""
        reader = self.record.reader if self.record is not None else None
        return self.progress.pause_note or (describe_long_pause(self.pause_s, reader) if self.pause_s is not None else "")

    @property
    def phase(self) -> str:
        """The phase of `progress.json`; `stalled` without activity, `ended` if no engine has settled it yet."""
        if not self.alive:
            return "ended"
        phase = self.progress.phase if self.progress else "starting"
        return "stalled" if phase == "agent" and self.stalled else phase

    @property
    def asks(self) -> dict[str, str] | None:
        """What its agent asks the operator; None if nothing."""
        return self.progress.question if self.progress is not None and self.alive else None

    @property
    def has_slot(self) -> bool:
        """Whether it holds a slot: from its start until nothing of its agent is left."""
        return self.alive and not (self.progress is not None and self.progress.slot_free)

    @property
    def preparing(self) -> bool:
        """Whether its worktree is not made yet."""
        return self.task.state == NOTIFIED and self.phase in BEFORE_WORKTREE

    @property
    def stalled(self) -> str | None:
        """Evidence of a stall; None while there is activity."""
        return self.progress.stalled if self.progress else None

    @property
    def silent_s(self) -> float | None:
        """Seconds since the last activity of a stalled agent, or else since the last output."""
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
    """Ended tasks, the newest first, up to the reader's limit."""
    done_count: int
    notices: tuple[Notice, ...]
    """Oldest first."""
    read_until: str
    """Notifications up to this time are read."""
    alerts: tuple[Alert, ...]
    run_times: RunTimes = RunTimes()
    """How long attempts took, for estimates."""
    cooldowns: Mapping[str, Cooldown] = {}
    """Cooldowns of providers, by agent."""
    default_agent: str = ""
    edited: frozenset[str] = frozenset()
    """Tasks that are being edited."""
    by_hand: tuple[ManualSession, ...] = ()
    """Manual sessions: each holds a slot."""
    hosts: Mapping[str, Cooldown] = {}
    """Hosts that did not answer a clone."""
    own_repositories: frozenset[str] = frozenset()
    """Repositories whose tasks need no host."""
    pulls: Mapping[str, KnownPull] = {}
    """What forges said about pull requests, by issue reference."""
    earlier: Mapping[str, str] = {}
    """States of tasks that waiting ones come after, if those tasks are not in the snapshot."""
    gaps: Gaps = Gaps()
    """Settings that cannot be read fully; what depends on them does not start."""
    first_page: FirstPage | None = None
    """Set while only the first page of the queue was read, as an engine wrote it; None: everything was read."""

    @property
    def waiting(self) -> int:
        """How many tasks wait."""
        return len(self.pending) if self.first_page is None else self.first_page.waiting

    @property
    def used(self) -> int:
        """Slots that agents and manual sessions hold."""
        return self.agents + len(self.by_hand) + self.engine.obstacles.slots

    @property
    def agents(self) -> int:
        """Slots that agents hold."""
        return sum(1 for active in self.active if active.has_slot)

    @cached_property
    def facts(self) -> SchedulingFacts:
        """What scheduling decisions need to know."""
        known = {**self.earlier, **{task.id: task.state for task in self.done}}
        waiting: dict[str, State] = dict.fromkeys(self.places, "pending")
        known |= waiting | {active.task.id: active.task.state for active in self.active}
        preparing = [active.task for active in self.active if active.alive and active.preparing] if self.hosts else []
        return SchedulingFacts(
            limit=self.limit, used=self.agents, paused=self.engine.paused, draining=self.engine.draining,
            engine_runs=self.engine.running, engine_answers=not self.engine.stale,
            pause=self.engine.pause_code, pause_reason=self.engine.pause_reason, pressure=self.engine.pressure,
            busy_refs=frozenset(active.task.issue_key for active in self.active), states=known,
            cooldowns=self.cooldowns, default_agent=self.default_agent, edited=self.edited, by_hand=self.by_hand,
            hosts=self.hosts, own_repositories=self.own_repositories,
            probes=scheduling.find_probes(preparing, self.hosts, self.own_repositories),
            obstacles=self.engine.obstacles, gaps=self.gaps, prepared=self.engine.prepared,
        )  # fmt: skip

    def explain_wait(self, task: Task, now: float | None = None) -> WaitingReason:
        """Explain why a pending task waits, by the engine's own decision."""
        why = waiting_reasons.find_waiting_reason(task, self.facts, self.taken_at if now is None else now)
        return msgspec.structs.replace(why, text=task.reason) if why.code == "held" and task.parked and task.reason else why

    def expected_run_time(self, task: Task) -> Expected | None:
        """How long an attempt of a task will probably take."""
        return self.run_times.estimate(repository_of(task.issue_ref), task.agent or self.default_agent)

    def simulate(self, limit: int | None = None, most: int | None = None) -> Plan:
        """Forecast when tasks start, by the engine's own decisions.

        Args:
            limit: forecast with this limit.
            most: end after this many starts; None for all.
        """
        busy = tuple(
            forecast.Busy(
                active.task.id, active.task.issue_ref,
                None if active.task.pause is not None else forecast.estimate_end(
                    active.elapsed_s, active.timeout_s, self.expected_run_time(active.task), self.taken_at
                ),
            )
            for active in self.active if active.has_slot
        )  # fmt: skip
        facts = self.facts if limit is None else msgspec.structs.replace(self.facts, limit=limit)
        return forecast.simulate_queue(self.pending, busy, facts, self.expected_run_time, self.taken_at, most)

    @cached_property
    def plan(self) -> Plan:
        """The forecast, as far as lists show exact times."""
        return self.simulate(most=forecast.HORIZON)

    @cached_property
    def places(self) -> Mapping[str, int]:
        """The place in the queue, from 1, by task id."""
        return {task.id: place for place, task in enumerate(self.pending, 1)}

    def estimate_start(self, task: Task) -> float | None:
        """Estimate when a waiting task will start, in seconds since 1970; None if unknown."""
        place = self.places.get(task.id)
        return forecast.estimate_start(task, place, self.plan, self.facts) if place is not None else None

    @property
    def median_run_s(self) -> float | None:
        """The median of all run times, in seconds; None if unknown."""
        overall = self.run_times.overall
        return overall.seconds if overall is not None else None

    def find_overlap(self, task_id: str) -> Overlap | None:
        """Find the first running task that changes the same files as this one."""
        return next((overlap for overlap in self.engine.overlaps if task_id in overlap.tasks), None)

    def changes_of(self, task_id: str) -> Changes | None:
        """What a running task has changed so far; None if not counted yet."""
        return self.engine.changes.get(task_id)

    def find_task(self, task_id: str) -> Task | None:
        """Find a task by id; None if it is not in the snapshot."""
        place = self.places.get(task_id)
        return self.pending[place - 1] if place is not None else self._others.get(task_id)

    @cached_property
    def _others(self) -> Mapping[str, Task]:
        return {task.id: task for task in self.done} | {active.task.id: active.task for active in self.active}

    @cached_property
    def counts(self) -> Mapping[str, int]:
        """Number of tasks by state; of ended ones only those in the snapshot."""
        counts = dict.fromkeys(states.ALL, 0)
        for task in (*(active.task for active in self.active), *self.pending, *self.done):
            counts[task.state] += 1
        return counts

    @cached_property
    def stalled(self) -> Mapping[str, str]:
        """Evidence of a stall by task id."""
        return {
            active.task.id: active.stalled
            for active in self.active
            if active.alive and active.phase == "stalled" and active.stalled
        }

    @cached_property
    def needs(self) -> tuple[notification_rules.Need, ...]:
        """Everything that needs the operator, each task once."""
        return notification_rules.list_needs(self.notices, self.read_until, self.stalled, self.alerts)
