"""Chooses the tasks to start, and starts them: every agent is started here."""

import secrets

import msgspec

from ..agents import registry
from ..config.env_files import BrokenEnvFile
from ..domain.decisions import scheduling, waiting_reasons
from ..domain.decisions.resources import HostFacts, find_unmet_promise
from ..domain.decisions.waiting_reasons import SchedulingFacts, WaitingReason
from ..domain.job import Job
from ..domain.states import NOTIFIED
from ..domain.task import Task
from ..errors import KugetsuError, NoSuchTask
from ..jobs import builder
from ..jobs.work_folders import list_local_repositories, list_own_repositories
from ..queue.entry import Entry
from ..queue.task_store import TaskStore
from ..state import edit_locks, manual_sessions, slots
from ..supervisor.launcher import Launcher, SupervisorHandle
from .attempts import AttemptTracker
from .conversation_log import ConversationLog
from .engine_context import EngineContext
from .finish_attempt import AttemptFinisher
from .memory_reservation import MemoryReservation
from .preparations import Preparations
from .provider_backoff import ProviderBackoff
from .queue_control import QueueControl
from .resource_gate import ResourceGate
from .shared_server import SharedServer
from .start_obstacles import StartObstacles

TRY_AGAIN_S = 0.2
TRY_AGAIN_MAX_S = 5.0


class Dispatcher:
    """Starts tasks of one engine."""

    def __init__(
        self, context: EngineContext, *, store: TaskStore, controls: QueueControl, attempts: AttemptTracker,
        finisher: AttemptFinisher, conversations: ConversationLog, backoff: ProviderBackoff, gate: ResourceGate,
        reservation: MemoryReservation, obstacles: StartObstacles, launcher: Launcher, server: SharedServer,
        preparations: Preparations,
    ) -> None:  # fmt: skip
        self._context = context
        self._paths = context.paths
        self._settings = context.settings
        self._store = store
        self._controls = controls
        self._attempts = attempts
        self._finisher = finisher
        self._conversations = conversations
        self._backoff = backoff
        self._gate = gate
        self._reservation = reservation
        self._launcher = launcher
        self._server = server
        self.preparations = preparations
        self.obstacles = obstacles
        self._refusals = 0
        """Consecutive turns in which a lock was refused that should have been free."""
        self.try_again_s: float | None = None
        """Seconds after which to try such a lock again; None if none was refused."""

    def collect_facts(self) -> SchedulingFacts:
        """Collect what the scheduling decisions need to know now."""
        active = [self._store.entries[task_id] for task_id in self._store.active_ids]
        settings, controls, hosts = self._settings.current, self._controls, self._backoff.list_unreachable_hosts()
        named = list_own_repositories(settings) if hosts else frozenset[str]()
        own = list_local_repositories(self._paths, hosts, self._store.entries.values(), named) if hosts else named
        preparing = [
            entry for entry in active if hosts and entry.state == NOTIFIED and not self.obstacles.is_prepared(entry.id)
        ]
        return SchedulingFacts(
            limit=controls.limit, used=self._count_agents(), paused=controls.paused, draining=controls.draining,
            busy_refs=frozenset(entry.issue_key for entry in active), states=self._store.states,
            default_agent=settings.agent,
            cooldowns=registry.map_cooldowns_to_agents(self._backoff.list_cooldowns(), settings),
            pause=controls.pause, pause_reason=controls.pause_reason,
            edited=edit_locks.list_edited(self._paths), by_hand=manual_sessions.list_manual_sessions(self._paths),
            hosts=hosts, own_repositories=own, probes=scheduling.find_probes(preparing, hosts, own),
            obstacles=self.obstacles.list_current(), gaps=settings.gaps, prepared=self.preparations.list_prepared(),
        )  # fmt: skip

    def start_ready_tasks(self) -> None:
        """Start tasks, in order, as long as there are slots; then prepare those that come next."""
        self.try_again_s = None
        self._start_in_order()
        starting = [entry.id for entry in self._store.list_active() if entry.state == NOTIFIED]
        self.preparations.update(self.collect_facts(), self._count_agents(), starting)
        self._refusals = self._refusals + 1 if self.try_again_s is not None else 0

    def _count_agents(self) -> int:
        """The slots in use by agents. With a budget of the day, an attempt keeps its slot until its cost is known."""
        without_slot = self._attempts.without_slot if not self._settings.current.budget_per_day else frozenset[str]()
        return len(self._store.active_ids - without_slot)

    def _start_in_order(self) -> None:
        while (entry := self._store.next_to_start(self.collect_facts())) is not None:
            if not self._has_room(entry):
                break
            if not self._acquire_and_launch(entry):
                break
        else:
            self._gate.reset()
        active = self._store.list_active()
        if not active or any(entry.state == "running" for entry in active):
            self._launcher.start_reserve()  # not while the only agent starts, as it would slow it down

    def start_task(self, task_id: str) -> WaitingReason | None:
        """Start one task before all others, under the same conditions; returns why it cannot start, None if it does."""
        entry, facts = self._store.entries[task_id], self.collect_facts()
        why = waiting_reasons.find_queue_reason(facts) or waiting_reasons.find_own_reason(entry, facts, self._context.clock())
        if why is not None:
            return why
        if not self._has_room(entry):
            return WaitingReason("pressure", self._gate.pressure)
        self._acquire_and_launch(entry)
        after = self._store.entries.get(task_id)
        if after is None or after.state != "pending":
            return None
        if self.obstacles.blocks_issue(entry.issue_key):
            return WaitingReason("issue_busy", "an agent is already working on the issue")
        return WaitingReason("slots", self._store.get(task_id).reason or "all slots are taken")

    def _has_room(self, entry: Entry) -> bool:
        """Whether the machine has room for the task's agent, and its memory is not promised to others."""
        settings = self._settings.current

        def find_promise(facts: HostFacts) -> str | None:
            reservation = self._reservation
            return reservation.shed or find_unmet_promise(facts, reservation.expect(entry), reservation.list_promises())

        return self._gate.may_start(
            settings.floors, self._count_agents(), find_promise if settings.reserve_memory else None
        )  # fmt: skip

    def _acquire_and_launch(self, entry: Entry) -> bool:
        """Start the next attempt of a task; False if there is no slot after all."""
        lease = slots.acquire_slot(self._paths, entry.id, entry.issue_ref, self._controls.limit)
        if isinstance(lease, slots.SlotRefusal):
            self.obstacles.record_refusal(lease, entry, self._count_agents())
            # A supervisor releases its locks in a moment; a manual session does not.
            self.try_again_s = min(TRY_AGAIN_S * 2 ** min(self._refusals, 8), TRY_AGAIN_MAX_S)
            return lease is not slots.SlotRefusal.SLOTS
        try:
            task = self._store.get(entry.id)
            if (
                task.state != "pending"
                or waiting_reasons.find_own_reason(task, self.collect_facts(), self._context.clock()) is not None
            ):
                self._store.reread({entry.id})  # it was edited a moment ago
                return True
            return self._launch(task, lease)
        except NoSuchTask:
            self._store.reread({entry.id})
        finally:
            lease.release()
        return True

    def _hand_over(self, job: Job, lease: slots.SlotLease) -> SupervisorHandle:
        """Give the job to the supervisor that has prepared the task, or to another one."""
        handle = self.preparations.claim(job.task_id)
        if handle is not None:
            try:
                return self._launcher.start_attempt(handle, job, lease.fds)
            except (BrokenPipeError, ConnectionResetError):
                pass  # it has ended a moment ago
        return self._launcher.launch(job, lease.fds)

    def _launch(self, task: Task, lease: slots.SlotLease) -> bool:
        """Write the attempt into its task and hand it, with its locks, to a supervisor.

        False if nothing else may start in this turn, as the settings must be read again.
        """
        settings = self._settings.current
        planned: Task = msgspec.structs.replace(
            task,
            attempt=task.attempt + 1,
            token=secrets.token_hex(8),
            agent=builder.choose_agent(task, settings),
            boot_id=self._context.boot_id() or None,
        )
        try:
            job = builder.build_job(self._paths, settings, self._context.environ, planned, self._server.count_users(planned))
        except BrokenEnvFile:  # broken after the settings were read, which say what must not start
            self._settings.mark_stale()
            self.try_again_s = 0.0
            return False
        except KugetsuError as error:
            self._store.change(task, "error", str(error), error=str(error))
            return True
        task = self._store.change(
            task, "notified", attempt=planned.attempt, token=planned.token, agent=planned.agent,
            boot_id=planned.boot_id, retry_at=None, stop=None, pause=None, park=None,
        )  # fmt: skip
        try:
            if job.after is not None:
                self._server.ensure_keeper()
            handle = self._hand_over(job, lease)
        except OSError as error:
            self._finisher.requeue_refused_start(task, error.errno or 0)
            return True
        self._attempts.track_attempt(task.id, handle)
        self._conversations.note_request(task)
        self._gate.note_launch()
        return True
