"""The engine: recover, then apply requests, collect results, expire, dispatch; again and again, woken by events.

`step` is one turn. It never waits on git, on a clone or on an agent: supervisors do that. Everything it decides is decided by
`domain.policy`; everything it changes goes through the `Ledger`.
"""

import os
import random
import secrets
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from statistics import median
from typing import Any

import msgspec

from . import gate, jobs
from .alerts import Alerts
from .config import SettingsSource
from .control import Controls
from .domain import policy
from .domain.engine_state import EngineState
from .domain.policy import Facts
from .domain.run import Result
from .domain.task import Attempt, Level, Notice, Task
from .domain.times import iso
from .errors import BadFile, KugetsuError, NoSuchTask
from .ledger import Entry, Ledger
from .paths import StatePaths
from .process import identity, marked
from .process.launcher import Handle, Launcher, Waker
from .store import files, locks, requests, runs
from .store.engine_lock import EngineLock
from .verbs import Verbs, send_stop

HEARTBEAT_S = 2.0
RESCAN_S = 5.0
TRY_AGAIN_S = 0.2
MAX_FALSE_STARTS = 3


class Running:
    """An attempt this engine waits for: one it started, or one it adopted."""

    def __init__(self, task_id: str, issue_ref: str, handle: Handle | None, pidfd: int | None) -> None:
        self.task_id = task_id
        self.issue_ref = issue_ref
        self.handle = handle
        self.pidfd = pidfd


class Engine:
    """Moves tasks. One per state directory, which the lock makes sure of."""

    def __init__(
        self, paths: StatePaths, environ: Mapping[str, str], mode: str, *, clock: Callable[[], float] = time.time,
        on_notice: Callable[[Notice], None] | None = None,
    ) -> None:  # fmt: skip
        self.paths = paths
        self.mode = mode
        self.lock = EngineLock(paths)
        self.alerts = Alerts(clock)
        self.waker = Waker()
        self._environ = dict(environ)
        self._clock = clock
        self._on_notice = on_notice
        self._since = iso(clock())
        self._recovered = ""
        self._heartbeat_at = self._rescan_at = 0.0
        self._written: bytes = b""
        self._hints: set[str] = set()
        self._running: dict[str, Running] = {}
        self._refused: set[str] = set()
        self._false_starts: dict[str, int] = {}
        self._run_times: deque[float] = deque(maxlen=50)
        self.launcher = Launcher(f"{paths.logs}/supervisor.log")

    # beginning and end

    def open(self) -> None:
        """Become the engine of the state directory and read the books.

        Raises:
            EngineHeld: another process is.
            StateDirError: the state directory cannot be used.
        """
        files.prepare(self.paths.folders())
        self.lock.take()
        self.settings = SettingsSource(self.paths, self._environ)
        self.controls = Controls(self.paths, lambda: self.settings.current.max_concurrent_agents)
        self.ledger = Ledger(self.paths, self._clock, self.alerts.warn, self._on_notice)
        self.verbs = Verbs(self.ledger, self.controls, self._clock)
        self._take_settings()
        self.ledger.rescan()

    def close(self) -> None:
        """Stop being the engine; agents go on."""
        for running in list(self._running.values()):
            self._let_go(running)
        self.launcher.close()
        self.waker.close()
        if self.mode != "command":
            self._write_state(stopped=True)
        self.lock.release()

    def recover(self) -> str:
        """Find out what became of every attempt that was under way, and say so in a sentence."""
        found = {"adopted": 0, "ended meanwhile": 0, "lost": 0, "never started": 0}
        for entry in self.ledger.active():
            if locks.is_held(self.paths.task_lock(entry.id)):
                self._adopt(entry)
                found["adopted"] += 1
            else:
                found[self._settle(entry.id)] += 1
        told = ", ".join(f"{count} {what}" for what, count in found.items() if count)
        if told:
            self._recovered = f"found {told}"
            self.ledger.tell(Notice(iso(self._clock()), "engine_recovered", f"engine started: {self._recovered}"))
        return self._recovered

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
                self._hear(task_id)

    # one turn

    def step(self) -> float:
        """Take one turn; returns the seconds until the next one is needed, should nothing happen before."""
        now = time.monotonic()
        if not self.lock.still_ours():
            self.alerts.warn("lock", f"{self.paths.engine_lock} was replaced: nothing starts until the engine is started again")
        if self.settings.refresh():
            self._take_settings()
        full = now >= self._rescan_at
        if full:
            self._rescan(now)
        elif self._hints:
            hints, self._hints = self._hints, set()
            self.ledger.look_at(hints)
        try:
            self.apply_requests()
            if full:
                self._collect()
            self._expire()
            self._dispatch()
            self.alerts.clear("disk")
        except OSError as error:
            self.alerts.warn("disk", f"the disk or the system refuses: {error}")
        self._beat(now)
        return self._until_next_turn()

    def hint(self, changed: set[str]) -> None:
        """Take a watcher's word that files changed; from any thread."""
        folder = f"{self.paths.items}/"
        names = (path.removeprefix(folder) for path in changed if path.startswith(folder))
        self._hints |= {name[:-5] for name in names if name.endswith(".json") and name[0] != "."}
        self.waker.wake()

    def apply_requests(self) -> None:
        """Apply the operator's requests, in order, and answer each."""
        for number in requests.waiting(self.paths):
            try:
                reply = self.verbs.apply(requests.load(self.paths, number))
            except FileNotFoundError:
                continue
            except BadFile as error:
                reply = requests.Answer(False, error.message, "", 1)
                files.set_aside(requests.file_of(self.paths, number), self.paths.corrupt, error.message, iso(self._clock()))
            requests.answer(self.paths, number, reply)

    def _rescan(self, now: float) -> None:
        self._hints = set()
        self.ledger.rescan()
        for issue_ref in self._refused:
            self.ledger.issue_free(issue_ref)
        self._refused = set()
        cost = time.monotonic() - now
        self._rescan_at = now + max(RESCAN_S, 20 * cost)

    def _collect(self) -> None:
        """Look at every attempt for oneself: words of supervisors may have been missed."""
        for task_id in [*self._running]:
            self._look(task_id)
        for entry in self.ledger.active():
            if entry.id not in self._running:  # made active by hand, or by an engine that was stopped for a while
                if locks.is_held(self.paths.task_lock(entry.id)):
                    self._adopt(entry)
                else:
                    self._settle(entry.id)

    def _expire(self) -> None:
        for entry in self.ledger.expired():
            waited = policy.clock(self.settings.current.queue_expiry or 0)
            reason = f"waited longer than {waited}" if entry.expires_at is None else "its time is over"
            self.ledger.change(self.ledger.get(entry.id), "expired", reason)

    def _dispatch(self) -> None:
        """Start tasks, in order, as long as there are slots."""
        if not self.lock.still_ours():
            return
        while (entry := self.ledger.next_to_start(self.facts())) is not None:
            if not self._start(entry):
                break
        self.launcher.warm()

    # starting

    def facts(self) -> Facts:
        """What the decisions need to know now."""
        active = self.ledger.active_ids
        busy = {self.ledger.entries[task_id].issue_ref for task_id in active} | self._refused
        return Facts(
            limit=self.controls.limit, used=len(active), paused=self.controls.paused, draining=self.controls.draining,
            busy_refs=frozenset(busy), states=self.ledger.states,
        )  # fmt: skip

    def _start(self, entry: Entry) -> bool:
        """Start a task's next attempt; False when there is no slot after all."""
        entered = gate.enter(self.paths, entry.id, entry.issue_ref, self.controls.limit)
        if isinstance(entered, str):
            if entered != "slots":
                self._refused.add(entry.issue_ref)
            self._rescan_at = min(self._rescan_at, time.monotonic() + TRY_AGAIN_S)
            return entered != "slots"
        try:
            task = self.ledger.get(entry.id)
            settings = self.settings.current
            planned: Task = msgspec.structs.replace(
                task, attempt=task.attempt + 1, token=secrets.token_hex(8), agent=jobs.agent_of(task, settings)
            )
            try:
                job = jobs.build(self.paths, settings, self._environ, planned)
            except KugetsuError as error:
                self.ledger.change(task, "error", error.message, error=str(error))
                return True
            task = self.ledger.change(
                task,
                "notified",
                attempt=planned.attempt,
                token=planned.token,
                agent=planned.agent,
                retry_at=None,
                stop=None,
                pid=None,
            )
            try:
                handle = self.launcher.launch(job, entered.fds)
            except OSError as error:
                self._give_back(task, f"no process could be started: {error.strerror}")
                return True
            self._wait_for(Running(task.id, task.issue_ref, handle, None))
        except NoSuchTask:
            self.ledger.look_at({entry.id})
        finally:
            entered.give_up()
        return True

    def _give_back(self, task: Task, reason: str) -> None:
        """Put a task back whose attempt never began; it does not count, but three in a row end it."""
        count = self._false_starts[task.id] = self._false_starts.get(task.id, 0) + 1
        if count >= MAX_FALSE_STARTS:
            del self._false_starts[task.id]
            self.ledger.change(task, "error", reason, error=f"{reason}: see {self.paths.logs}/supervisor.log")
            return
        delay = policy.retry_after(count, self.settings.current.timing)
        retry_at = iso(self._clock() + delay)
        self.ledger.change(task, "pending", reason, attempt=task.attempt - 1, retry_at=retry_at, token=None, pid=None)

    # waiting for attempts

    def _wait_for(self, running: Running) -> None:
        self._running[running.task_id] = running
        source = running.handle.control if running.handle else running.pidfd
        if source is not None:
            self.waker.add(source, running.task_id)

    def _adopt(self, entry: Entry) -> None:
        """Wait for an attempt whose supervisor another engine started."""
        record = runs.record(self.paths, entry.id, entry.attempt)
        pidfd = None
        if record and identity.is_same(record.supervisor_pid, record.start_ticks, record.boot_id):
            pidfd = _pidfd(record.supervisor_pid)
        self._wait_for(Running(entry.id, entry.issue_ref, None, pidfd))
        self._look(entry.id)

    def _let_go(self, running: Running) -> None:
        self._running.pop(running.task_id, None)
        if running.handle is not None:
            self.waker.discard(running.handle.control)
            self.launcher.forget(running.handle)
        if running.pidfd is not None:
            self.waker.discard(running.pidfd)
            os.close(running.pidfd)

    def _hear(self, task_id: str) -> None:
        """A supervisor has something to say, or has ended."""
        running = self._running.get(task_id)
        if running is None:
            return
        if running.handle is not None:
            words = running.handle.words()
            if "started" in words:
                self._mark_started(task_id)
            if "ended" not in words and "" not in words:
                return
        self._look(task_id)

    def _look(self, task_id: str) -> None:
        """Settle an attempt that has ended; tell the supervisor of one that is to stop."""
        running = self._running[task_id]
        try:
            task = self.ledger.get(task_id)
        except NoSuchTask:
            if not locks.is_held(self.paths.task_lock(task_id)):
                self._let_go(running)
            return
        ended = runs.result(self.paths, task_id, task.attempt, task.token) is not None
        if ended or not locks.is_held(self.paths.task_lock(task_id)):
            self._let_go(running)
            self._settle(task_id)
            return
        self._mark_started(task_id)
        if task.stop is not None and running.handle is None:
            send_stop(self.ledger, task)

    def _mark_started(self, task_id: str) -> None:
        """Move a task to `running` once its agent is."""
        entry = self.ledger.entries.get(task_id)
        if entry is None or entry.state != "notified":
            return
        progress = runs.progress(self.paths, task_id, entry.attempt)
        record = runs.record(self.paths, task_id, entry.attempt)
        task = self.ledger.get(task_id)
        if record is not None and record.token == task.token and progress is not None and progress.pid is not None:
            self.ledger.started(task, pid=progress.pid)
            self._false_starts.pop(task_id, None)

    def _settle(self, task_id: str) -> str:
        """Take the result of an attempt nobody works on any more; what was found, in words."""
        try:
            task = self.ledger.get(task_id)
        except NoSuchTask:
            return "lost"
        result = runs.result(self.paths, task.id, task.attempt, task.token)
        self.ledger.issue_free(task.issue_ref)
        if result is not None:
            self._take(task, result)
            return "ended meanwhile"
        record = runs.record(self.paths, task.id, task.attempt)
        if task.token:
            marked.end(task.id, task.token)
        if record is None or record.token != task.token:
            if task.stop is not None:
                self.ledger.change(task, "cancelled", "stopped by you before it began", attempt=task.attempt - 1)
            else:
                self._give_back(task, "the start did not happen")
            return "never started"
        restarted = record.boot_id != identity.boot_id()
        reason = "the machine was restarted" if restarted else "its supervisor was killed"
        result = Result(
            task.id, task.attempt, task.token or "", "lost", "lost", reason, started_at=record.started_at,
            ended_at=iso(self._clock()),
        )  # fmt: skip
        self._take(task, result)
        return "lost"

    def _take(self, task: Task, result: Result) -> None:
        """Enter the result of an attempt in the books, and decide what becomes of the task."""
        attempt = result.as_attempt(f"{task.id}/{task.attempt}.log")
        if task.stop is not None and attempt.outcome != "ok":
            attempt = msgspec.structs.replace(attempt, outcome="cancelled", failure=None, reason="stopped by you")
        if task.state == "notified" and result.agent_pid is not None:
            task = self.ledger.started(task, pid=result.agent_pid)
        if attempt.outcome == "ok" and attempt.elapsed_s is not None:
            self._run_times.append(attempt.elapsed_s)
        self._false_starts.pop(task.id, None)
        verdict = policy.after_attempt(task, attempt, self.settings.current.timing)
        changes: dict[str, Any] = {"attempts": [*task.attempts, attempt], "exit_code": attempt.exit_code, "pid": None, "token": None}
        if verdict.state == "pending":
            delay = (verdict.retry_delay or 0.0) * random.uniform(1.0, 1.2)
            changes |= {"retry_at": iso(self._clock() + delay), "pending_since": iso(self._clock())}
        if verdict.state == "error":
            changes |= {"error": verdict.reason}
        level, reason = _told(verdict.state, verdict.reason, attempt)
        self.ledger.change(task, verdict.state, reason, level=level, **changes)

    # telling

    def _take_settings(self) -> None:
        self.ledger.set_timing(self.settings.current.timing)
        self.alerts.clear("config")
        if self.settings.problems:
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
            os.getpid(), self.mode, self._since, identity.boot_id(), identity.start_ticks(os.getpid()) or 0, time.monotonic(),
            self.controls.limit, self.controls.paused, self.controls.draining, stopped,
            median(self._run_times) if self._run_times else None, self._recovered, self.alerts.now(),
        )  # fmt: skip

    def _write_state(self, stopped: bool) -> None:
        try:
            files.replace(self.paths.engine, msgspec.json.encode(self._state(stopped)), durable=False)
        except OSError as error:
            self.alerts.warn("disk", f"cannot write {self.paths.engine}: {error.strerror}")

    def _until_next_turn(self) -> float:
        now = time.monotonic()
        waits = [self._heartbeat_at - now, self._rescan_at - now]
        due = self.ledger.next_due()
        if due is not None:
            waits.append(max(due - self._clock(), 0.0) + 0.001)
        if self._refused or self.ledger.suspects:
            waits.append(TRY_AGAIN_S)
        return max(min(waits), 0.0)

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
            stuck = why is not None and (why.code == "held" or (why.code == "after" and not self._may_still_complete(entry)))
            if not stuck:
                return False
        return True

    def _may_still_complete(self, entry: Entry) -> bool:
        """Whether every task that this one comes after has completed or is still open."""
        return all(
            self.ledger.states.get(earlier, "completed") == "completed"
            or (earlier in self.ledger.entries and not self.ledger.entries[earlier].held)
            for earlier in entry.after
        )


def _told(state: str, reason: str, attempt: Attempt) -> tuple[Level | None, str]:
    """Level and words of the notification of an ended attempt."""
    if state != "completed":
        return None, reason
    if attempt.delivered is None:
        return None, reason
    return ("warning" if attempt.delivered.nothing else None), str(attempt.delivered)


def _without_heartbeat(state: EngineState) -> bytes:
    return msgspec.json.encode(msgspec.structs.replace(state, heartbeat=0.0))


def _pidfd(pid: int) -> int | None:
    try:
        return os.pidfd_open(pid) if hasattr(os, "pidfd_open") else None
    except OSError:
        return None
