"""The engine: recover, then apply requests, collect results, expire, dispatch; again and again, woken by events.

`step` is one turn. It never waits on git, on a clone or on an agent: supervisors do that. Everything it decides is decided by
`domain.policy`; everything it changes goes through the `Ledger`.
"""

import os
import secrets
import threading
import time
from collections.abc import Callable, Mapping

import msgspec

from . import env_files, gate, inbox, jobs, pauses
from .agents import known
from .alerts import Alerts
from .attempts import Attempts
from .config import SettingsSource
from .control import Controls
from .domain import policy
from .domain.draft import shown_id
from .domain.draft import task_id as as_task_id
from .domain.engine_state import EngineState
from .domain.policy import Facts
from .domain.task import Notice, Task
from .domain.times import iso
from .entries import Entry
from .errors import EngineHeld, KugetsuError, NoSuchTask
from .host import HostGate
from .ledger import Ledger
from .paths import StatePaths
from .pauses import Pauses
from .process import identity
from .process.launcher import Launcher, Waker
from .recovery import Recovery
from .store import bell, files
from .store.engine_lock import EngineLock
from .sweeping import Sweeper
from .verbs import Verbs

HEARTBEAT_S = 2.0
RESCAN_S = 5.0
TRY_AGAIN_S = 0.2
JUMP_S = 2.0  # a clock that gained or lost more from one turn to the next was set, or the machine slept


class Engine:
    """Moves tasks. One per state directory, which the lock makes sure of."""

    def __init__(
        self, paths: StatePaths, environ: Mapping[str, str], mode: str, *, clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic, launcher: Launcher | None = None,
        on_notice: Callable[[Notice], None] | None = None, resume: bool = False,
        boot_id: Callable[[], str] = identity.boot_id,
    ) -> None:  # fmt: skip
        """Prepare an engine; `open` makes it the one of the state directory.

        Args:
            resume: go on even if the machine was restarted while there was work.
            boot_id: differs after every start of the machine.
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
        self._clock_ahead = clock() - monotonic()
        self._heartbeat_at = self._rescan_at = 0.0
        self._written: bytes = b""
        self.host = HostGate((paths.root, paths.worktrees))
        self._hints: set[str] = set()
        self._refused: set[str] = set()
        self.launcher = launcher or Launcher(f"{paths.logs}/supervisor.log")

    # beginning and end

    def open(self) -> None:
        """Become the engine of the state directory and read the books.

        Raises:
            EngineHeld: another process is.
            StateDirError: the state directory cannot be used.
        """
        try:
            files.prepare(self.paths.folders())
            self.lock.take()
            self._read_books()
        except BaseException:
            self.waker.close()
            self.lock.release()
            raise

    def _read_books(self) -> None:
        self.settings = SettingsSource(self.paths, self._environ)
        self.env_files = env_files.EnvFiles(self.paths)
        self.controls = Controls(self.paths, self.settings.limit, self.mode != "command", self._clock)
        self.ledger = Ledger(self.paths, self._clock, self.alerts.warn, self._hear, self._monotonic)
        self.pauses = Pauses(self.paths, self._clock, lambda agent: known.provider(agent, self.settings.current))
        self._pauses_seen = self.pauses.version
        self.attempts = Attempts(
            self.paths, self.ledger, self.settings, self.waker, self.launcher, self._clock, self.pauses, self._boot_id
        )
        self.recovery = Recovery(self.paths, self.ledger, self.controls, self.attempts)
        self.sweeper = Sweeper(self.paths, self.ledger, self.alerts, self._now)
        self.verbs = Verbs(self.ledger, self.controls, self._clock, self.attempts.stop, self.pauses)
        self._take_settings()
        self.ledger.rescan()
        if self.mode != "command" and (fd := bell.hang(self.paths.bell)) is not None:
            self.waker.listen(fd, self._hear_bell)

    def close(self) -> None:
        """Stop being the engine; agents go on."""
        self.attempts.close()
        self.launcher.close()
        self.waker.close()
        if self.mode != "command" and self.lock.still_ours():
            self.recovery.report(self._now, at_once=True)
            self._write_state(stopped=True)
        self.lock.release()

    def recover(self) -> str:
        """Find out what became of every attempt that was under way, and say so in a sentence."""
        self.recovery.begin(self._boot_id(), self._resume)
        self.recovery.report(self._now)
        self.sweeper.sweep()
        return self.recovery.words

    def _hear(self, notice: Notice) -> None:
        """Pass on what the books tell."""
        self.recovery.hear(notice)
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
            if (until_idle and self.idle) or (
                self.mode == "headless" and self.controls.draining and not self.ledger.active_ids
            ):
                return
            for task_id in self.waker.wait(wait_s):
                self.attempts.hear(task_id)

    # one turn

    def step(self) -> float:
        """Take one turn; returns the seconds until the next one is needed, should nothing happen before."""
        now = self._monotonic()
        if not self.lock.still_ours():
            raise EngineHeld(f"{self.paths.engine_lock} was replaced or deleted", "this engine has ended, agents go on")
        if self.settings.refresh():
            self._take_settings()
        self.env_files.refresh()
        self.alerts.warn("env", "; ".join(self.env_files.problems))
        self.ledger.quarantine.look()
        full = now >= self._rescan_at
        try:
            self._look_at_clock(now)
            self.controls.refresh(self.ledger.quarantine.take)
            if full:
                self._rescan(now)
            elif self._hints or self.ledger.suspects:
                hints, self._hints = self._hints, set()
                self.ledger.look_at(hints | self.ledger.suspects)
            self.apply_requests()
            if full:
                self.attempts.look_at_all()
            self.sweeper.sweep_if_due()
            self._expire()
            self._look_at_rests()
            self._dispatch()
            self.alerts.clear("disk")
        except OSError as error:
            self.alerts.warn("disk", f"the disk or the system refuses: {error}")
        self.recovery.report(self._now)
        self.recovery.remind(self.alerts)
        self._beat(now)
        return self._until_next_turn()

    def hint(self, changed: set[str]) -> None:
        """Take a watcher's word that files changed; from any thread."""
        folder = f"{self.paths.items}/"
        names = (path.removeprefix(folder) for path in changed if path.startswith(folder))
        self._hints |= {name[:-5] for name in names if name.endswith(".json") and name[0] != "."}
        self.waker.wake()

    def _hear_bell(self, said: bytes) -> None:
        """Take an operator's word that tasks are new."""
        ids = (as_task_id(word) for word in said.decode("ascii", "replace").split())
        self._hints |= {task_id for task_id in ids if task_id is not None}

    def apply_requests(self) -> None:
        """Apply the operator's requests, in order, and answer each."""
        inbox.apply_requests(self.paths, self.verbs, self.ledger.quarantine, self.alerts)

    def _look_at_clock(self, now: float) -> None:
        """Find out whether someone set the clock: it then went otherwise than time itself."""
        ahead = self._clock() - now
        jump, self._clock_ahead = ahead - self._clock_ahead, ahead
        if abs(jump) > JUMP_S:
            self.ledger.clock_jumped(jump)

    def _rescan(self, now: float) -> None:
        self._rescan_at = now + RESCAN_S
        self._hints = set()
        files.make_again(self.paths.folders())
        if (fault := pauses.fault(self.paths)) is not None:
            self.ledger.quarantine.take(self.paths.pauses, fault)
        self.ledger.rescan()
        for issue_ref in self._refused:
            self.ledger.issue_free(issue_ref)
        self._refused = set()
        cost = self._monotonic() - now
        self._rescan_at = now + max(RESCAN_S, 20 * cost)

    def _expire(self) -> None:
        expired = self.ledger.expired()
        rests = self.facts().rests if expired else {}
        for entry in expired:
            try:
                self._expire_one(entry, rests.get(entry.agent or self.settings.current.agent))
            except NoSuchTask:
                self.ledger.look_at({entry.id})

    def _expire_one(self, entry: Entry, rest: policy.Rest | None) -> None:
        task = self.ledger.get(entry.id)
        if rest is not None and entry.expires_at is None:  # it grows old from when it may start
            self.ledger.update(task, pending_since=iso(rest.until))
        elif task.state == "pending":
            waited = policy.clock(self.settings.current.queue_expiry or 0)
            self.ledger.change(
                task, "expired", f"waited longer than {waited}" if entry.expires_at is None else "its time is over"
            )

    def _look_at_rests(self) -> None:
        """Tell which providers rest and which agents stand still, and look again at the tasks that waited for them."""
        now = self._clock()
        for provider in self.pauses.over():
            self.ledger.tell(Notice(iso(now), "engine_rate_limit_over", f"{provider}: the rest is over, its tasks go on"))
        if self.pauses.version != self._pauses_seen:
            self._pauses_seen = self.pauses.version
            self.ledger.rests_changed()
        rest = self.pauses.resting()
        self.alerts.warn("rate_limit", pauses.told(rest, now))
        stalled = (f"{shown_id(task_id)} stands still: {evidence}" for task_id, evidence in self.attempts.stalled.items())
        self.alerts.warn("stalled", "; ".join(stalled))

    def _dispatch(self) -> None:
        """Start tasks, in order, as long as there are slots."""
        if not self.settings.usable:
            return  # the defaults would send tasks to another agent, or end them for want of a repository
        while (entry := self.ledger.next_to_start(self.facts())) is not None:
            if not self.host.may_start(self.settings.current.floors, len(self.ledger.active_ids)):
                break
            if not self._start(entry):
                break
        else:
            self.host.forget()
        self.host.tell(self.alerts, self.ledger.tell, self._now)
        active = self.ledger.active()
        if not active or any(entry.state == "running" for entry in active):
            self.launcher.warm()  # not while the only agent is about to start: it would take the processor from it

    # starting

    def facts(self) -> Facts:
        """What the decisions need to know now."""
        active = self.ledger.active_ids
        busy = {self.ledger.entries[task_id].issue_ref for task_id in active} | self._refused
        return Facts(
            limit=self.controls.limit, used=len(active), paused=self.controls.paused, draining=self.controls.draining,
            busy_refs=frozenset(busy), states=self.ledger.states, default_agent=self.settings.current.agent,
            rests=known.rests(self.pauses.resting(), self.settings.current),
            pause_reason=self.controls.pause_reason,
        )  # fmt: skip

    def _start(self, entry: Entry) -> bool:
        """Start a task's next attempt; False when there is no slot after all."""
        entered = gate.enter(self.paths, entry.id, entry.issue_ref, self.controls.limit)
        if isinstance(entered, str):
            if entered != "slots":
                self._refused.add(entry.issue_ref)
            self._rescan_at = min(self._rescan_at, self._monotonic() + TRY_AGAIN_S)
            return entered != "slots"
        try:
            task = self.ledger.get(entry.id)
            if task.state != "pending" or policy.own_reason(task, self.facts(), self._clock()) is not None:
                self.ledger.look_at({entry.id})  # someone edited it a moment ago
                return True
            settings = self.settings.current
            planned: Task = msgspec.structs.replace(
                task, attempt=task.attempt + 1, token=secrets.token_hex(8), agent=jobs.agent_of(task, settings)
            )
            try:
                job = jobs.build(self.paths, settings, self._environ, planned)
            except KugetsuError as error:
                self.ledger.change(task, "error", str(error), error=str(error))
                return True
            task = self.ledger.change(
                task, "notified", attempt=planned.attempt, token=planned.token, agent=planned.agent, retry_at=None, stop=None
            )
            try:
                handle = self.launcher.launch(job, entered.fds)
            except OSError as error:
                self.attempts.give_back(task, f"no process could be started: {error.strerror}")
                return True
            self.attempts.wait_for(task.id, handle)
            self.host.started()
        except NoSuchTask:
            self.ledger.look_at({entry.id})
        finally:
            entered.give_up()
        return True

    # telling

    def _take_settings(self) -> None:
        self.ledger.set_timing(self.settings.current.timing)
        self.ledger.rests_changed()  # another model may have another provider
        self.alerts.warn("config", "; ".join(self.settings.problems))

    def _beat(self, now: float) -> None:
        state = self._state(False)
        if now < self._heartbeat_at and self._written == _without_heartbeat(state):
            return
        self._heartbeat_at = now + HEARTBEAT_S
        self._written = _without_heartbeat(state)
        self._write_state(stopped=False)

    def _state(self, stopped: bool) -> EngineState:
        return EngineState(
            os.getpid(), self.mode, self._since, self._boot_id(), identity.start_ticks(os.getpid()) or 0, time.monotonic(),
            self.controls.limit, self.controls.paused, self.controls.draining, stopped,
            self.attempts.median_run_s, self.recovery.words, self.alerts.now(), self.host.pressure,
            self.controls.pause_reason, msgspec.structs.asdict(self.recovery.found),
        )  # fmt: skip

    def _write_state(self, stopped: bool) -> None:
        try:
            files.replace(self.paths.engine, msgspec.json.encode(self._state(stopped)), durable=False)
        except IsADirectoryError:
            self.ledger.quarantine.take(self.paths.engine, "a folder where a file belongs")
        except OSError as error:
            self.alerts.warn("disk", f"cannot write {self.paths.engine}: {error.strerror}")

    def _until_next_turn(self) -> float:
        now = self._monotonic()
        waits = [self._heartbeat_at - now, self._rescan_at - now]
        due = self.ledger.next_due()
        if due is not None:
            waits.append(max(due - self._clock(), 0.0) + 0.001)
        if self.host.next_look is not None:
            waits.append(self.host.next_look - now)
        if self._refused or self.ledger.suspects:
            waits.append(TRY_AGAIN_S)
        return max(min(waits), 0.0)

    def _now(self) -> str:
        return iso(self._clock())

    @property
    def idle(self) -> bool:
        """Whether nothing runs and nothing will start without the operator."""
        if self.ledger.active_ids:
            return False
        facts = self.facts()
        now = self._clock()
        if facts.paused or facts.draining:
            return True
        for entry in self.ledger.in_order():
            why = policy.own_reason(entry, facts, now)
            stuck = why is not None and (
                why.code == "held" or (why.code == "after" and not self.ledger.states.may_still_complete(entry.after))
            )
            if not stuck:
                return False
        return True


def _without_heartbeat(state: EngineState) -> bytes:
    return msgspec.json.encode(msgspec.structs.replace(state, heartbeat=0.0))
