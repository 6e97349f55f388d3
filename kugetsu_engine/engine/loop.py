"""The engine: recover, then apply requests, collect results, expire, dispatch; again and again, woken by events.

`step` is one turn. It never waits on git, on a clone or on an agent: supervisors do that. Everything it decides is decided by
`domain.policy`; everything it changes goes through the `TaskStore`.
"""

import math
import os
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack

import msgspec

from ..agents import registry
from ..config.env_files import EnvFiles
from ..config.loader import SettingsSource
from ..domain.alerts import Alerts
from ..domain.decisions import notification_rules, scheduling
from ..domain.engine_state import EngineState
from ..domain.new_task import shown_id
from ..domain.new_task import task_id as as_task_id
from ..domain.pause import PauseReason
from ..domain.task import Notice, Task
from ..domain.text.quantities import format_clock, format_count
from ..domain.text.times import iso
from ..errors import EngineHeld, NoSuchTask
from ..jobs.prompt import PromptFile
from ..paths import JSON, StatePaths
from ..process import identity
from ..queue.entry import Entry
from ..queue.task_store import TaskStore
from ..scheduler import provider_backoff
from ..scheduler.attempts import AttemptTracker
from ..scheduler.budget import Budget
from ..scheduler.change_tracker import ChangeTracker
from ..scheduler.dispatcher import Dispatcher
from ..scheduler.orphan_reaper import OrphanReaper
from ..scheduler.provider_backoff import ProviderBackoff
from ..scheduler.queue_control import QueueControl
from ..scheduler.recovery import Recovery
from ..scheduler.resource_gate import ResourceGate
from ..scheduler.shared_server import SharedServer
from ..state import issue_names
from ..storage import files, wakeup_fifo
from ..storage.engine_lock import EngineLock
from ..supervisor.launcher import Launcher, Waker
from . import request_inbox
from .config_alerts import ConfigAlerts
from .flow_recorder import FlowRecorder
from .heartbeat import Heartbeat, engine_lives
from .index_file import IndexFile
from .request_handlers import RequestHandlers

RESCAN_S = 5.0
BORROWED_S = 2.0
TRY_AGAIN_S = 0.2
REFUSED_AGAIN_S = 1.0
JUMP_S = 2.0  # a clock that gained or lost more from one turn to the next was set, or the machine slept


class Engine:
    """Moves tasks. One per state directory, which the lock makes sure of."""

    def __init__(
        self, paths: StatePaths, environ: Mapping[str, str], mode: str, *, clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic, launcher: Launcher | None = None,
        on_notice: Callable[[Notice], None] | None = None, resume: bool = False,
        boot_id: Callable[[], str] = identity.boot_id, drain: bool = False,
    ) -> None:  # fmt: skip
        """Prepare an engine; `open` makes it the one of the state directory.

        Args:
            resume: go on even if the machine was restarted while there was work.
            boot_id: differs after every start of the machine.
            drain: start nothing new, from the first turn on.
        """
        self.paths = paths
        self.mode = mode
        self.lock = EngineLock(paths)
        self.alerts = Alerts(clock)
        self.waker = Waker()
        self._environ = dict(environ)
        self._clock = clock
        self._monotonic = monotonic
        self._on_notice = on_notice
        self._since = iso(clock())
        self._resume = resume
        self._boot_id = boot_id
        self._drain = drain
        self._clock_ahead = clock() - monotonic()
        self._rescan_at = 0.0
        self._requests_left = False
        self.host = ResourceGate((paths.root, paths.worktrees))
        self._hints: set[str] = set()
        self.launcher = launcher or Launcher(paths.supervisor_log)

    # beginning and end

    def open(self) -> None:
        """Become the engine of the state directory and read the books.

        Raises:
            EngineHeld: another process is.
            StateDirError: the state directory cannot be used.
        """
        try:
            files.prepare(self.paths.folders())
            # Who only looks at the lock, or acts on the queue where there is no engine, has it for a moment.
            self.lock.acquire(0.0 if self.mode == "command" or engine_lives(self.paths) else BORROWED_S)
            self._read_books()
        except BaseException:
            self.waker.close()
            self.lock.release()
            raise

    def _read_books(self) -> None:
        issue_names.keep_older_names(self.paths)
        self.settings = SettingsSource(self.paths, self._environ)
        self.controls = QueueControl(self.paths, self.settings.limit, self.mode != "command", self._clock)
        self.controls.draining = self._drain
        self.store = TaskStore(
            self.paths, self._clock, self.alerts.warn, self._hear, self._monotonic, self.settings.default_server
        )
        self.setting_alerts = ConfigAlerts(
            self.settings, EnvFiles(self.paths), PromptFile(self.paths), self.alerts,
            self.store.add_notice if self.mode != "command" else None, self._now,
        )  # fmt: skip
        self.pauses = ProviderBackoff(self.paths, self._clock, lambda agent: registry.provider(agent, self.settings.current))
        self._backoff_seen = self.pauses.version
        self.budget_keeper = Budget(self.paths, self._clock, self.controls)
        self.attempts = AttemptTracker(
            self.paths, self.store, self.settings, self.waker, self.launcher, self._clock, self.pauses, self.budget_keeper,
            self._boot_id,
        )  # fmt: skip
        self.attempts.on_start = self.host.record_start
        self.recovery = Recovery(self.paths, self.store, self.controls, self.attempts)
        self.reaper = OrphanReaper(self.paths, self.store, self.alerts, self._now)
        self.work = ChangeTracker(self.paths, self.alerts, self.store.add_notice, self._clock)
        self.verbs = RequestHandlers(
            self.store, self.controls, self._clock, self.attempts.stop, self.pauses, self._begin, self._settle
        )
        self.servers = SharedServer(
            self.paths, self._environ, self.settings, self.store, self.alerts, lambda: self.controls.limit
        )
        self.dispatcher = Dispatcher(
            self.paths, self._environ, self.settings, self.store, self.controls, self.attempts, self.pauses, self.host,
            self.launcher, self._clock, self.servers,
        )  # fmt: skip
        self.attempts.on_git_busy = self.dispatcher.obstacles.git_is_busy
        self.index = IndexFile(self.paths, self.store, self._monotonic)
        self.heartbeat = Heartbeat(self.paths, self._state, self.store.quarantine, self.alerts)
        self.flow_recorder = FlowRecorder(self.paths, self.store.journal, self.mode, self.controls, self.host, self.pauses)
        self.inbox = request_inbox.RequestInbox(
            self.paths, self.verbs, self.store.quarantine, self.alerts, self.flow_recorder, self._monotonic
        )
        self._take_settings()
        self.store.rescan()
        if self.mode != "command" and (fd := wakeup_fifo.listen(self.paths.bell)) is not None:
            self.waker.listen(fd, self._hear_bell)

    def close(self) -> None:
        """Stop being the engine; agents go on. Whatever fails in it, the lock is given back: another engine must get it."""
        with ExitStack() as stack:
            for last_first in (
                self.lock.release,
                self._say_stopped,
                self._leave_index,
                self.waker.close,
                self.launcher.close,
                self.attempts.close,
            ):
                stack.callback(last_first)

    def _leave_index(self) -> None:
        if self.lock.still_ours():
            self._keep_index(math.inf)

    def _say_stopped(self) -> None:
        if self.mode != "command" and self.lock.still_ours():
            self.recovery.report(self._now, at_once=True)
            self.flow_recorder.end()
            self.heartbeat.write(stopped=True)

    def recover(self) -> str:
        """Find out what became of every attempt that was under way, and say so in a sentence."""
        self.recovery.start_recovery(self._boot_id(), self._resume)
        self.recovery.report(self._now)
        self.reaper.sweep()
        return self.recovery.words

    def _hear(self, notice: Notice) -> None:
        """Pass on what the books tell."""
        self.recovery.add_quarantined(notice)
        if self._on_notice is not None:
            self._on_notice(notice)

    def run(self, stop: threading.Event, until_idle: bool = False, took_turn: Callable[[int], None] | None = None) -> None:
        """Take turns until `stop` is set (`waker.wake()` makes it look at once), or the queue is drained.

        Args:
            until_idle: also end when nothing runs and nothing will start by itself.
            took_turn: called after each turn with their number.
        """
        self.recover()
        turns = 0
        while not stop.is_set():
            wait_s = self.step()
            turns += 1
            if took_turn is not None:
                took_turn(turns)
            drained = self.mode == "headless" and self.controls.draining and not self.store.active_ids
            if not self._requests_left and (drained or (until_idle and self.idle)):
                return
            for task_id in self.waker.wait(wait_s):
                try:
                    self.attempts.handle_message(task_id)
                except OSError as error:
                    self._refused(error)

    # one turn

    def step(self) -> float:
        """Take one turn; returns the seconds until the next one is needed, should nothing happen before."""
        now = self._monotonic()
        if not self.lock.still_ours():
            raise EngineHeld(f"{self.paths.engine_lock} was replaced or deleted", "this engine has ended, agents go on")
        if self.setting_alerts.refresh():
            self._take_settings()
        self.store.quarantine.reread()
        full = now >= self._rescan_at
        try:
            self._look_at_clock(now)
            self.controls.refresh(self.store.quarantine.set_aside)
            if full:
                self._rescan(now)
            elif self._hints or self.store.suspects:
                hints, self._hints = self._hints, set()
                self.store.reread(hints | self.store.suspects)
            self._requests_left = self.apply_requests(request_inbox.TURN_S)
            if full:
                self.attempts.check_all()
            self.reaper.sweep_if_due()
            self._expire()
            self._look_at_rests()
            self.budget_keeper.hold_the_budget(self.settings.current.budget_per_day, self.alerts, self.store.add_notice)
            self.servers.check()
            if self.inbox.settled:
                self.dispatcher.dispatch()
            self.host.report_shortage(self.alerts, self.store.add_notice, self._now)
            if (wait_s := self.dispatcher.try_again_s) is not None:
                self._rescan_at = min(self._rescan_at, self._monotonic() + wait_s)
            self.dispatcher.obstacles.trouble = ""
            if full:  # all that was refused has been tried again
                self.alerts.clear("disk")
        except OSError as error:
            self._refused(error)
        self.flow_recorder.turn()
        self.recovery.report(self._now)
        self.recovery.remind(self.alerts)
        self.heartbeat.beat(now)
        self._keep_index(now)
        return self._until_next_turn()

    def _refused(self, error: OSError) -> None:
        """The disk or the system refuses something: say so, and look at everything again in a moment."""
        self.alerts.warn("disk", f"the disk or the system refuses: {error}")
        self.dispatcher.obstacles.trouble = (
            f"the disk or the system refuses {error.filename or 'it'}: {error.strerror or error}"
        )
        self._rescan_at = min(self._rescan_at, self._monotonic() + REFUSED_AGAIN_S)
        self._requests_left = False

    def _keep_index(self, now: float) -> None:
        try:
            self.index.keep(now)
        except IsADirectoryError:
            self.store.quarantine.set_aside(self.paths.index, "a folder where a file belongs")
        except OSError as error:
            self.alerts.warn("disk", f"cannot write {self.paths.index}: {error}")

    def hint(self, changed: set[str]) -> None:
        """Take a watcher's word that files changed; from any thread."""
        folder = f"{self.paths.items}/"
        names = (path.removeprefix(folder) for path in changed if path.startswith(folder))
        self._hints |= {name.removesuffix(JSON) for name in names if name.endswith(JSON) and name[0] != "."}
        self.waker.wake()

    def _hear_bell(self, said: bytes) -> None:
        """Take an operator's word that tasks are new."""
        ids = (as_task_id(word) for word in said.decode("ascii", "replace").split())
        self._hints |= {task_id for task_id in ids if task_id is not None}

    def apply_requests(self, within_s: float = math.inf) -> bool:
        """Apply the operator's requests, in order, and answer each; whether some are left, as the time is over."""
        return self.inbox.apply_requests(within_s)

    def _begin(self, task: Task) -> scheduling.WaitingReason | None:
        """Start one task at once; why it may not, None when it does."""
        self._settle()
        return self.dispatcher.start_now(task.id)

    def _settle(self) -> None:
        """Enter what ended while no engine ran: it takes no slot, and no issue."""
        if self.mode == "command":
            self.attempts.check_all()

    def _look_at_clock(self, now: float) -> None:
        """Find out whether someone set the clock: it then went otherwise than time itself."""
        ahead = self._clock() - now
        jump, self._clock_ahead = ahead - self._clock_ahead, ahead
        if abs(jump) > JUMP_S:
            self.store.clock_jumped(jump)

    def _rescan(self, now: float) -> None:
        self._rescan_at = now + RESCAN_S
        self._hints = set()
        files.make_again(self.paths.folders())
        if (fault := provider_backoff.find_fault(self.paths)) is not None:
            self.store.quarantine.set_aside(self.paths.pauses, fault)
        self.store.rescan()
        self.dispatcher.obstacles.forget_refusals()
        cost = self._monotonic() - now
        self._rescan_at = now + max(RESCAN_S, 20 * cost)

    def _expire(self) -> None:
        expired = self.store.expired()
        facts = self.dispatcher.facts() if expired else None
        for entry in expired:
            try:
                if facts is not None:
                    self._expire_one(entry, facts)
            except NoSuchTask:
                self.store.reread({entry.id})

    def _expire_one(self, entry: Entry, facts: scheduling.SchedulingFacts) -> None:
        task = self.store.get(entry.id)
        rest = facts.rests.get(entry.agent or facts.default_agent)
        if entry.id in facts.edited and entry.expires_at is None:  # nor does it while it is edited
            self.store.update(task, pending_since=iso(self._clock()))
        elif rest is not None and entry.expires_at is None:  # it grows old from when it may start
            self.store.update(task, pending_since=iso(rest.until))
        elif facts.gaps.reason(entry.agent or facts.default_agent, entry.issue_ref) and entry.expires_at is None:
            self.store.update(task, pending_since=iso(self._clock()))
        elif task.state == "pending":
            waited = format_clock(self.settings.current.queue_expiry or 0)
            self.store.change(
                task, "expired", f"waited longer than {waited}" if entry.expires_at is None else "its time is over"
            )

    def _look_at_rests(self) -> None:
        """Tell which providers rest and which agents are stalled, and look again at the tasks that waited for them."""
        now = self._clock()
        for provider in self.pauses.pop_ended():
            self.store.add_notice(Notice(iso(now), "engine_rate_limit_over", f"{provider}: the rest is over, its tasks go on"))
        if self.pauses.version != self._backoff_seen:
            self._backoff_seen = self.pauses.version
            self.store.rests_changed()
        rest = self.pauses.resting()
        self.alerts.warn("rate_limit", provider_backoff.describe_pause(rest, now))
        self.alerts.warn("network", provider_backoff.silent_hosts(self.pauses.hosts(), now))
        stalled = (f"{shown_id(task_id)} is stalled: {evidence}" for task_id, evidence in self.attempts.stalled.items())
        self.alerts.warn(notification_rules.STALLED, "; ".join(stalled))
        self.work.turn(self.store.active())

    # telling

    def _take_settings(self) -> None:
        self.store.set_timing(self.settings.current.timing)
        self.store.rests_changed()  # another model may have another provider

    def _state(self, stopped: bool) -> EngineState:
        return EngineState(
            os.getpid(), self.mode, self._since, self._boot_id(), identity.start_ticks(os.getpid()) or 0, time.monotonic(),
            self.controls.limit, self.controls.paused, self.controls.draining, stopped,
            self.attempts.median_run_s, self.recovery.words, self.alerts.now(), self.host.pressure,
            self.controls.pause_reason, msgspec.structs.asdict(self.recovery.found),
            list(self.work.overlaps), self.work.changes, self.settings.current.gaps, self.dispatcher.obstacles.summary(),
            self.settings.current.agent, self.controls.pause,
        )  # fmt: skip

    def _until_next_turn(self) -> float:
        now = self._monotonic()
        waits = [self.heartbeat.next_at - now, self._rescan_at - now]
        due = self.store.next_due()
        if due is not None:
            waits.append(max(due - self._clock(), 0.0) + 0.001)
        if self.controls.pause is PauseReason.BUDGET:
            waits.append(max(self.budget_keeper.next_day() - self._clock(), 0.0) + 0.001)
        if self.host.next_check is not None:
            waits.append(self.host.next_check - now)
        if self.store.suspects:
            waits.append(TRY_AGAIN_S)
        if self._requests_left:
            waits.append(0.0)
        return max(min(waits), 0.0)

    def _now(self) -> str:
        return iso(self._clock())

    @property
    def kept_by_settings(self) -> str:
        """How many waiting tasks the settings keep from starting, and by what, in a sentence; empty when none."""
        facts, now = self.dispatcher.facts(), self._clock()
        reasons = (scheduling.waiting_reason(entry, facts, now) for entry in self.store.in_order())
        kept = [why.text for why in reasons if why.code == "config"]
        return f"{format_count(len(kept), 'task')} cannot start ({kept[0]})" if kept else ""

    @property
    def idle(self) -> bool:
        """Whether nothing runs and nothing will start without the operator."""
        if self.store.active_ids:
            return False
        facts = self.dispatcher.facts()
        now = self._clock()
        if facts.paused or facts.draining or facts.gaps.everything:
            return True
        for entry in self.store.in_order():
            why = scheduling.own_reason(entry, facts, now)
            stuck = why is not None and (
                why.code in ("held", "config")
                or (why.code == "after" and not self.store.states.may_still_complete(entry.after))
            )
            if not stuck:
                return False
        return True
