"""The engine's loop: recover, then in each turn apply requests, collect results, expire and start tasks.

`run_turn` shows the steps of a turn. A turn never waits for git or an agent, as supervisors do that. Decisions are made in
`domain.decisions`; every change of a task goes through the `TaskStore`.
"""

import math
import os
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack

import msgspec

from ..domain.decisions import notification_rules, waiting_reasons
from ..domain.engine_state import EngineState
from ..domain.new_task import format_id, parse_task_id
from ..domain.pause import PauseReason
from ..domain.task import Notice
from ..domain.text.quantities import format_clock, format_count
from ..domain.text.times import iso
from ..errors import EngineHeld, NoSuchTask
from ..paths import JSON
from ..process import identity
from ..queue.entry import Entry
from ..queue.task_store import TaskStore
from ..scheduler import preparations
from ..scheduler.attempts import AttemptTracker
from ..scheduler.budget import Budget
from ..scheduler.change_tracker import ChangeTracker
from ..scheduler.dispatcher import Dispatcher
from ..scheduler.engine_context import EngineContext
from ..scheduler.late_messages import LateMessages
from ..scheduler.memory_shedding import MemoryShedding
from ..scheduler.orphans import OrphanReaper
from ..scheduler.provider_backoff import ProviderBackoff
from ..scheduler.queue_control import QueueControl
from ..scheduler.recovery import Recovery
from ..scheduler.resource_gate import ResourceGate
from ..scheduler.shared_server import SharedServer
from ..state import rate_limits
from ..state.run_times import RunTimesFile
from ..storage import files
from ..storage.engine_lock import EngineLock
from ..supervisor.launcher import Launcher
from ..supervisor.waker import Waker
from . import request_inbox
from .config_alerts import ConfigAlerts
from .flow_recorder import FlowRecorder
from .heartbeat import Heartbeat
from .index_file import IndexFile

RESCAN_S = 5.0
TRY_AGAIN_S = 0.2
REFUSED_AGAIN_S = 1.0
JUMP_S = 2.0
"""If the wall clock gained or lost more between two turns, it was set, or the machine slept."""


class Engine:
    """Runs tasks. The lock makes it the only one of a state directory; `composition.open_engine` builds it."""

    def __init__(
        self, context: EngineContext, *, lock: EngineLock, waker: Waker, launcher: Launcher, store: TaskStore,
        controls: QueueControl, gate: ResourceGate, backoff: ProviderBackoff, budget: Budget, run_times: RunTimesFile,
        attempts: AttemptTracker, recovery: Recovery, reaper: OrphanReaper, changes: ChangeTracker, server: SharedServer,
        shedding: MemoryShedding,
        late_messages: LateMessages,
        dispatcher: Dispatcher, flow: FlowRecorder, inbox: request_inbox.RequestInbox, config_alerts: ConfigAlerts,
        index: IndexFile, resume: bool,
    ) -> None:  # fmt: skip
        self.context = context
        self.paths = context.paths
        self.settings = context.settings
        self.alerts = context.alerts
        self.lock = lock
        self.waker = waker
        self.launcher = launcher
        self.store = store
        self.controls = controls
        self.gate = gate
        self.backoff = backoff
        self.budget = budget
        self.run_times = run_times
        self.attempts = attempts
        self.recovery = recovery
        self.reaper = reaper
        self.changes = changes
        self.late_messages = late_messages
        self.server = server
        self.shedding = shedding
        self.dispatcher = dispatcher
        self.flow = flow
        self.inbox = inbox
        self.config_alerts = config_alerts
        self.index = index
        self.heartbeat = Heartbeat(context, state=self._state, quarantine=store.quarantine)
        self._clock = context.clock
        self._monotonic = context.monotonic
        self._since = context.now()
        self._resume = resume
        self._clock_ahead = self._clock() - self._monotonic()
        self._cooldowns_seen = backoff.version
        self._rescan_at = 0.0
        self._requests_left = False
        self._hints: set[str] = set()

    # start and end

    def read_state(self) -> None:
        """Read open tasks and apply settings."""
        self._apply_settings()
        self.store.rescan()

    def close(self) -> None:
        """End the engine; agents keep running. The lock is released whatever fails."""
        with ExitStack() as stack:
            for last_first in (
                self.lock.release,
                self._write_stopped,
                self._write_last_index,
                self.waker.close,
                self.launcher.close,
                self.attempts.close,
                self.dispatcher.preparations.close,
            ):
                stack.callback(last_first)

    def _write_last_index(self) -> None:
        if self.lock.still_ours():
            self._keep_index(math.inf)

    def _write_stopped(self) -> None:
        if self.context.lasts and self.lock.still_ours():
            self.recovery.report_recovery(at_once=True)
            self.flow.record_end()
            self.heartbeat.write_state(stopped=True)

    def recover_attempts(self) -> str:
        """Adopt or settle every attempt that an earlier engine left; returns the report as a sentence."""
        self.recovery.recover_attempts(self._resume)
        self.recovery.report_recovery()
        self.reaper.end_orphans()
        return self.recovery.summary

    def run(self, stop: threading.Event, until_idle: bool = False, on_turn: Callable[[int], None] | None = None) -> None:
        """Run turns until `stop` is set (then call `waker.wake()`), or the queue is drained.

        Args:
            until_idle: also end when nothing runs and nothing will start without the operator.
            on_turn: called after each turn with the number of turns.
        """
        self.launcher.prepare()
        self.recover_attempts()
        turns = 0
        while not stop.is_set():
            wait_s = self.run_turn()
            turns += 1
            if on_turn is not None:
                on_turn(turns)
            drained = self.context.mode == "headless" and self.controls.draining and not self.store.active_ids
            if not self._requests_left and (drained or (until_idle and self.idle)):
                return
            for key in self.waker.wait(wait_s):
                self.handle_message(key)

    def handle_message(self, key: str) -> None:
        """Handle what has woken the engine: a message of a supervisor, or its end."""
        try:
            if key.startswith(preparations.KEY):
                self.dispatcher.preparations.handle_message(key)
            else:
                self.attempts.handle_message(key)
        except OSError as error:
            self._note_refusal(error)

    # one turn

    def run_turn(self) -> float:
        """Run one turn; returns the seconds until the next one if no event comes before."""
        now = self._monotonic()
        if not self.lock.still_ours():
            raise EngineHeld(f"{self.paths.engine_lock} was replaced or deleted", "this engine has ended; agents keep running")
        if self.config_alerts.refresh():
            self._apply_settings()
        self.store.quarantine.reread()
        full = now >= self._rescan_at
        try:
            self._note_clock_jump(now)
            self.controls.refresh(self.store.quarantine.set_aside)
            self._read_changes(now, full)
            self._requests_left = self.apply_requests(request_inbox.TURN_S)
            if full:
                self.attempts.check_all()
                self.late_messages.check_all()
            self.reaper.end_orphans_if_due()
            self._expire_tasks()
            self._report_cooldowns()
            self._report_agents()
            self.budget.enforce_budget(self.settings.current.budget_per_day, self.alerts, self.context.notify)
            self.server.check_keeper()
            self.shedding.check()
            if self.inbox.settled:
                self.dispatcher.start_ready_tasks()
            self.gate.report_shortage(self.alerts, self.context.notify, self.context.now)
            self._clear_refusals(full)
        except OSError as error:
            self._note_refusal(error)
        self._publish_state(now)
        return self._until_next_turn()

    def _clear_refusals(self, full: bool) -> None:
        """Forget earlier write errors after a turn without one, and plan when to ask for refused locks again."""
        if (wait_s := self.dispatcher.try_again_s) is not None:
            self._rescan_at = min(self._rescan_at, self._monotonic() + wait_s)
        self.dispatcher.obstacles.trouble = ""
        if full:  # every write that failed has been repeated
            self.alerts.clear("disk")

    def _read_changes(self, now: float, full: bool) -> None:
        """Read task files that others changed: the whole folder if `full`, else those the watcher reported."""
        if full:
            self._rescan_folders(now)
        elif self._hints or self.store.suspects:
            hints, self._hints = self._hints, set()
            self.store.reread(hints | self.store.suspects)

    def _publish_state(self, now: float) -> None:
        """Write the state of the engine for other processes."""
        self.flow.record_changes()
        self.recovery.report_recovery()
        self.recovery.update_alert()
        self.heartbeat.write_if_due(now)
        self._keep_index(now)

    def _note_refusal(self, error: OSError) -> None:
        """Report an error of the disk or the system, and check everything again in a moment."""
        self.alerts.warn("disk", f"the disk or the system refuses: {error}")
        self.dispatcher.obstacles.trouble = (
            f"the disk or the system refuses {error.filename or 'it'}: {error.strerror or error}"
        )
        self._rescan_at = min(self._rescan_at, self._monotonic() + REFUSED_AGAIN_S)
        self._requests_left = False

    def _keep_index(self, now: float) -> None:
        try:
            self.index.update_if_due(now)
        except IsADirectoryError:
            self.store.quarantine.set_aside(self.paths.index, "it is a folder, not a file")
        except OSError as error:
            self.alerts.warn("disk", f"cannot write {self.paths.index}: {error}")

    def note_changed_files(self, changed: set[str]) -> None:
        """Remember which task files a watcher saw changing; from any thread."""
        folder = f"{self.paths.items}/"
        names = (path.removeprefix(folder) for path in changed if path.startswith(folder))
        self._hints |= {name.removesuffix(JSON) for name in names if name.endswith(JSON) and name[0] != "."}
        self.waker.wake()

    def note_new_tasks(self, written: bytes) -> None:
        """Remember ids of new tasks that came through the wake-up pipe."""
        ids = (parse_task_id(word) for word in written.decode("ascii", "replace").split())
        self._hints |= {task_id for task_id in ids if task_id is not None}

    def apply_requests(self, within_s: float = math.inf) -> bool:
        """Apply the waiting requests in order and answer each; returns whether some are left because of the time limit."""
        return self.inbox.apply_requests(within_s)

    def _note_clock_jump(self, now: float) -> None:
        """Detect that the clock was set, by comparing it with the monotonic clock."""
        ahead = self._clock() - now
        jump, self._clock_ahead = ahead - self._clock_ahead, ahead
        if abs(jump) > JUMP_S:
            self.store.adjust_to_clock_jump(jump)

    def _rescan_folders(self, now: float) -> None:
        self._rescan_at = now + RESCAN_S
        self._hints = set()
        files.recreate_folders(self.paths.folders())
        if (fault := rate_limits.find_fault(self.paths)) is not None:
            self.store.quarantine.set_aside(self.paths.pauses, fault)
        self.store.rescan()
        self.dispatcher.obstacles.forget_refusals()
        cost = self._monotonic() - now
        self._rescan_at = now + max(RESCAN_S, 20 * cost)

    def _expire_tasks(self) -> None:
        expired = self.store.expiry.list_expired()
        facts = self.dispatcher.collect_facts() if expired else None
        for entry in expired:
            try:
                if facts is not None:
                    self._expire_or_postpone(entry, facts)
            except NoSuchTask:
                self.store.reread({entry.id})

    def _expire_or_postpone(self, entry: Entry, facts: waiting_reasons.SchedulingFacts) -> None:
        """Expire a task, or restart its waiting time if it could not have started."""
        task = self.store.get(entry.id)
        cooldown = facts.cooldowns.get(entry.agent or facts.default_agent)
        if entry.id in facts.edited and entry.expires_at is None:
            self.store.update(task, pending_since=iso(self._clock()))
        elif cooldown is not None and entry.expires_at is None:
            self.store.update(task, pending_since=iso(cooldown.until))
        elif facts.gaps.reason(entry.agent or facts.default_agent, entry.issue_ref) and entry.expires_at is None:
            self.store.update(task, pending_since=iso(self._clock()))
        elif task.state == "pending":
            waited = format_clock(self.settings.current.queue_expiry or 0)
            self.store.change(
                task, "expired", f"waited longer than {waited}" if entry.expires_at is None else "its expiry time has passed"
            )

    def _report_cooldowns(self) -> None:
        """Report which providers and hosts are in cooldown, and check the tasks again that waited for an ended one."""
        now = self._clock()
        for provider in self.backoff.pop_ended():
            self.context.notify(
                Notice(iso(now), "engine_rate_limit_over", f"{provider}: the cooldown is over, its tasks go on")
            )
        if self.backoff.version != self._cooldowns_seen:
            self._cooldowns_seen = self.backoff.version
            self.store.ready.recheck_cooldowns()
        cooldowns = self.backoff.list_cooldowns()
        self.alerts.warn("rate_limit", rate_limits.describe_cooldowns(cooldowns, now))
        self.alerts.warn("network", rate_limits.describe_silent_hosts(self.backoff.list_unreachable_hosts(), now))

    def _report_agents(self) -> None:
        """Report which agents are stalled, and what running agents have changed."""
        stalled = (f"{format_id(task_id)} is stalled: {evidence}" for task_id, evidence in self.attempts.stalled.items())
        self.alerts.warn(notification_rules.STALLED, "; ".join(stalled))
        self.alerts.warn("template", self.launcher.trouble)
        self.changes.report_changes(self.store.list_active())

    # state

    def _apply_settings(self) -> None:
        self.store.expiry.set_timing(self.settings.current.timing)
        self.store.ready.recheck_cooldowns()  # with another model the provider may be another

    def _state(self, stopped: bool) -> EngineState:
        return EngineState(
            os.getpid(), self.context.mode, self._since, self.context.boot_id(), identity.read_start_ticks(os.getpid()) or 0,
            time.monotonic(),
            self.controls.limit, self.controls.paused, self.controls.draining, stopped,
            self.run_times.median_s(self.settings.current.agent), self.recovery.summary, self.alerts.list_current(),
            self.gate.pressure, self.controls.pause_reason, msgspec.structs.asdict(self.recovery.counts),
            list(self.changes.overlaps), self.changes.changes, self.settings.current.gaps, self.dispatcher.obstacles.summary(),
            self.settings.current.agent, self.controls.pause, self.dispatcher.preparations.list_prepared(),
        )  # fmt: skip

    def _until_next_turn(self) -> float:
        now = self._monotonic()
        waits = [self.heartbeat.next_at - now, self._rescan_at - now]
        due = self.store.next_due_time()
        if due is not None:
            waits.append(max(due - self._clock(), 0.0) + 0.001)
        if self.controls.pause is PauseReason.BUDGET:
            waits.append(max(self.budget.next_midnight() - self._clock(), 0.0) + 0.001)
        if self.gate.next_check is not None:
            waits.append(self.gate.next_check - now)
        if self.store.suspects:
            waits.append(TRY_AGAIN_S)
        if self._requests_left:
            waits.append(0.0)
        return max(min(waits), 0.0)

    @property
    def blocked_by_settings(self) -> str:
        """How many waiting tasks the settings keep from starting, and why; empty if none."""
        facts, now = self.dispatcher.collect_facts(), self._clock()
        reasons = (waiting_reasons.find_waiting_reason(entry, facts, now) for entry in self.store.list_pending())
        kept = [why.text for why in reasons if why.code == "config"]
        return f"{format_count(len(kept), 'task')} cannot start ({kept[0]})" if kept else ""

    @property
    def idle(self) -> bool:
        """Whether nothing runs and nothing will start without the operator."""
        if self.store.active_ids:
            return False
        facts = self.dispatcher.collect_facts()
        now = self._clock()
        if facts.paused or facts.draining or facts.gaps.everything:
            return True
        for entry in self.store.list_pending():
            why = waiting_reasons.find_own_reason(entry, facts, now)
            stuck = why is not None and (
                why.code in ("held", "config")
                or (why.code == "after" and not self.store.states.may_still_complete(entry.after))
            )
            if not stuck:
                return False
        return True
