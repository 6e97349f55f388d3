"""The attempts that are under way: waiting for their supervisors, adopting those of an earlier engine, entering results.

A held task lock means alive; a free one means ended, and then the files of the run tell how.
"""

import os
import random
import signal
from collections.abc import Callable
from typing import Any

import msgspec

from ..config.loader import SettingsSource
from ..domain import failures, silence
from ..domain.decisions import attempt_notice, scheduling
from ..domain.decisions.recovery_report import MACHINE_RESTARTED, Recovered, RecoveryCounts
from ..domain.job import Result
from ..domain.new_task import shown_id
from ..domain.supervisor_messages import Received, SupervisorMessage
from ..domain.task import Attempt, Base, Notice, Task
from ..domain.text.quantities import format_coming
from ..domain.text.times import epoch, iso
from ..errors import NoSuchTask
from ..jobs import session_choice
from ..jobs.work_folders import own_repositories
from ..paths import StatePaths, log_name
from ..process import identity
from ..queue.entry import Entry
from ..queue.task_store import TaskStore
from ..state import runs
from ..state.run_times import RunTimesFile
from ..storage import locks
from ..supervisor import outcome
from ..supervisor.launcher import Handle, Launcher, Waker
from ..supervisor.repository_lock import GIVE_BACK_S
from .budget import Budget
from .conversation_log import ConversationLog
from .provider_backoff import ProviderBackoff

MAX_FALSE_STARTS = 3
"""Starts in a row that come to nothing before the task ends with an error."""


class RunningAttempt:
    """An attempt this engine waits for: one it started, or one it adopted."""

    def __init__(self, task_id: str, handle: Handle | None, pidfd: int | None) -> None:
        self.task_id = task_id
        self.handle = handle
        self.pidfd = pidfd


class AttemptTracker:
    """The attempts of one engine."""

    def __init__(
        self, paths: StatePaths, store: TaskStore, settings: SettingsSource, waker: Waker, launcher: Launcher,
        clock: Callable[[], float], pauses: ProviderBackoff, budget_keeper: Budget, boot_id: Callable[[], str] = identity.boot_id,
    ) -> None:  # fmt: skip
        self.launcher = launcher
        self.conversations = ConversationLog(paths, clock, store.quarantine)
        self._boot_id = boot_id
        self._paths = paths
        self._store = store
        self._settings = settings
        self._waker = waker
        self._clock = clock
        self._backoff = pauses
        self._budget = budget_keeper
        self.stalled: dict[str, str] = {}
        """What speaks for a stall, by the task whose agent is stalled."""
        self._refused: dict[str, int] = {}
        """The error for which a supervisor said that it cannot begin, until that is in the books."""
        self.on_start: Callable[[str], None] = _ignore
        """Told how a start went: what disk or machine refused it for, an empty text when the agent runs."""
        self.on_git_busy: Callable[[Entry, str], None] = lambda entry, holder: None
        """Told that a task gave its slot back, and for which other one git is busy in its repository."""
        self._running: dict[str, RunningAttempt] = {}
        self._session_kept: set[str] = set()
        self._false_starts: dict[str, int] = {}
        self._run_times = RunTimesFile(paths)
        self._learned: set[str] = set()
        """The tasks whose attempt has taught its run time and is not in the books yet."""

    @property
    def median_run_s(self) -> float | None:
        """Median duration of the last attempts that went well, in seconds."""
        overall = self._run_times.known(self._settings.current.agent).overall
        return overall.seconds if overall is not None else None

    def wait_for(self, task_id: str, handle: Handle | None, pidfd: int | None = None) -> None:
        """Be woken when an attempt has something to say."""
        self._running[task_id] = RunningAttempt(task_id, handle, pidfd)
        source = handle.control if handle else pidfd
        if source is not None:
            self._waker.add(source, task_id)

    def recover(self) -> RecoveryCounts:
        """Find out what became of every attempt that an earlier engine left; how many of each kind."""
        found = dict.fromkeys(Recovered, 0)
        for entry in self._store.active():
            if self._is_alive(entry.id, entry.attempt):
                self._adopt(entry)
                found[Recovered.ADOPTED] += 1
                continue
            try:
                found[self._settle(entry.id)] += 1
            except OSError:
                continue  # the disk refuses it now; the next full look settles it
        return RecoveryCounts(**found)

    def check_all(self) -> None:
        """Look at every attempt for oneself: words of supervisors may have been missed."""
        for task_id in [*self._running]:
            self._look(task_id)
        for entry in self._store.active():
            if entry.id not in self._running:  # made active by hand
                if self._is_alive(entry.id, entry.attempt):
                    self._adopt(entry)
                else:
                    self._settle(entry.id)

    def handle_message(self, task_id: str) -> None:
        """A supervisor has something to say, or has ended."""
        running = self._running.get(task_id)
        if running is None:
            return
        if running.handle is not None:
            received = self._receive(running)
            if SupervisorMessage.STARTED in received.messages:
                self._mark_started(task_id)
            if received.messages & {SupervisorMessage.STALLED, SupervisorMessage.MOVES}:
                self._note_stall(task_id)
            if SupervisorMessage.SESSION in received.messages:
                self._note_session(task_id)
            if SupervisorMessage.ENDED not in received.messages and not received.closed:
                return
        self._look(task_id)

    def _receive(self, running: RunningAttempt) -> Received:
        """What a supervisor said since last time."""
        received = running.handle.read_messages() if running.handle is not None else Received()
        if received.refusal is not None:
            self._refused[running.task_id] = received.refusal
        return received

    def stop(self, task: Task) -> None:
        """Pass the operator's stop on to the supervisor. It is passed on again at every look, so it may fail."""
        number = signal.SIGUSR1 if task.stop == "kill" else signal.SIGTERM
        running = self._running.get(task.id)
        if not send_stop(self._paths, task, self.launcher) and running is not None and running.handle is not None:
            # It has not yet written who it is, but it is our child.
            running.handle.process.send_signal(number)

    def give_back(self, task: Task, reason: str) -> None:
        """Put a task back whose attempt never began; it does not count, but three in a row end it."""
        count = self._false_starts[task.id] = self._false_starts.get(task.id, 0) + 1
        if count >= MAX_FALSE_STARTS:
            del self._false_starts[task.id]
            self._store.change(task, "error", reason, error=f"{reason}: see {self._paths.supervisor_log}")
            return
        retry_at = iso(self._clock() + scheduling.retry_after(count, self._settings.current.timing))
        self._store.change(task, "pending", reason, attempt=_one_less(task), retry_at=retry_at, token=None, pid=None)

    def refuse(self, task: Task, number: int) -> None:
        """Put a task back that disk or machine had no room for; it keeps its place, and all wait a moment.

        Args:
            number: the error. One that is not about room is the start's own fault.
        """
        reason = f"the start was refused: {os.strerror(number)}"
        if failures.failure_of_errno(number) in failures.REFUSALS:
            self.on_start(reason)
            self._store.change(task, "pending", reason, attempt=_one_less(task), retry_at=None, token=None, pid=None)
        else:
            self.give_back(task, reason)
        self._refused.pop(task.id, None)

    def close(self) -> None:
        """Let go of all of them; they live on."""
        for running in list(self._running.values()):
            self._let_go(running)

    def _adopt(self, entry: Entry) -> None:
        """Wait for an attempt whose supervisor another engine started."""
        record = runs.read_record(self._paths, entry.id, entry.attempt)
        pidfd = None
        if record is not None:
            pidfd = self.launcher.death_of(record)
        self.wait_for(entry.id, None, pidfd)
        self._look(entry.id)

    def _let_go(self, running: RunningAttempt) -> None:
        self._running.pop(running.task_id, None)
        self._session_kept.discard(running.task_id)
        self.stalled.pop(running.task_id, None)
        if running.handle is not None:
            self._waker.discard(running.handle.control)
            self.launcher.forget(running.handle)
        if running.pidfd is not None:
            self._waker.discard(running.pidfd)
            os.close(running.pidfd)

    def _is_alive(self, task_id: str, attempt: int) -> bool:
        """Whether an attempt has its lock; or its supervisor surely lives, where someone removed the lock's file."""
        if locks.is_held(self._paths.task_lock(task_id)):
            return True
        record = runs.read_record(self._paths, task_id, attempt)
        return record is not None and self.launcher.lives(record)

    def _look(self, task_id: str) -> None:
        """Settle an attempt that has ended; tell the supervisor of one that is to stop."""
        running = self._running[task_id]
        try:
            task = self._store.get(task_id)
        except NoSuchTask:
            if not locks.is_held(self._paths.task_lock(task_id)):
                self._let_go(running)
            return
        result = runs.read_result(self._paths, task_id, task.attempt, task.token)
        if result is not None and result.failure == "stalled":
            self._note_stall(task_id)  # the warning comes first, also where it was missed
        if result is not None or not self._is_alive(task_id, task.attempt):
            self._receive(running)
            self._let_go(running)
            self._settle(task_id)
            return
        self._mark_started(task_id)
        self._note_stall(task_id)
        self._note_session(task_id)
        if task.stop is not None:
            self.stop(task)

    def _mark_started(self, task_id: str) -> None:
        """Move a task to `running` once its agent is."""
        entry = self._store.entries.get(task_id)
        if entry is None or entry.state != "notified":
            return
        progress = runs.read_progress(self._paths, task_id, entry.attempt)
        record = runs.read_record(self._paths, task_id, entry.attempt)
        task = self._store.get(task_id)
        if record is not None and record.token == task.token and progress is not None and progress.pid is not None:
            self._store.started(task, pid=progress.pid)
            self._host_answered(task, progress.base)
            self._false_starts.pop(task_id, None)
            self._refused.pop(task_id, None)
            self.on_start("")

    def _note_stall(self, task_id: str) -> None:
        """Tell when an agent is stalled, and when it is no longer."""
        entry = self._store.entries.get(task_id)
        if entry is None:
            return
        progress = runs.read_progress(self._paths, task_id, entry.attempt)
        evidence = progress.stalled if progress else None
        before = self.stalled.get(task_id)
        if evidence is not None and before is None:
            self.stalled[task_id] = evidence
            silent_s = progress.silent_s if progress else None
            text = f"{shown_id(task_id)} {entry.issue_ref} is stalled: {silence.format_evidence(evidence, silent_s)}"
            self._store.add_notice(
                Notice(
                    iso(self._clock()), "task_stalled", text, "warning", task_id, entry.issue_ref, "stalled", reason=evidence,
                    silent_s=silent_s,
                )
            )  # fmt: skip
        elif evidence is None and before is not None and progress is not None and progress.phase == "agent":
            del self.stalled[task_id]
            text = f"{shown_id(task_id)} {entry.issue_ref} is no longer stalled"
            self._store.add_notice(Notice(iso(self._clock()), "task_moves", text, "info", task_id, entry.issue_ref))

    def _note_session(self, task_id: str) -> None:
        """Keep the session that an attempt tells, once; so that it is known whatever becomes of the attempt."""
        entry = self._store.entries.get(task_id)
        if entry is None or task_id in self._session_kept:
            return
        progress = runs.read_progress(self._paths, task_id, entry.attempt)
        if progress is not None and progress.session_id is not None:
            self._keep_session(self._store.get(task_id), progress.session_id)
            self._session_kept.add(task_id)

    def _keep_session(self, task: Task, session_id: str) -> None:
        try:
            session_choice.keep_session(
                self._paths, task, session_id, self._settings.current.default_server, iso(self._clock())
            )
        except OSError:
            return  # a full disk: the result tells it again

    def _settle(self, task_id: str) -> Recovered:
        """Enter the end of an attempt nobody works on any more; what became of it."""
        try:
            task = self._store.get(task_id)
        except NoSuchTask:
            return Recovered.LOST
        self._store.issue_free(task.issue_key)
        result = runs.read_result(self._paths, task.id, task.attempt, task.token)
        if result is not None:
            self._enter(task, result)
            return Recovered.ENDED_MEANWHILE
        broken = runs.is_unreadable(self._paths, task.id, task.attempt)
        for path, why in broken.items():
            self._store.quarantine.set_aside(path, why)
        if task.token:
            self.launcher.end_what_is_left(self._paths.root, task.id, task.token)
        result = runs.read_outcome(self._paths, task.id, task.attempt, task.token)
        if result is not None:
            self._enter(task, result)
            return Recovered.ENDED_MEANWHILE
        record = runs.read_record(self._paths, task.id, task.attempt)
        if broken:
            self._enter(task, self._lost(task, f"its record could not be read: {', '.join(map(os.path.basename, broken))}"))
            return Recovered.LOST
        if record is None or record.token != task.token:
            if task.stop is not None:
                self._store.change(task, "cancelled", "stopped by you before it began", attempt=_one_less(task))
            elif task_id in self._refused:
                self.refuse(task, self._refused[task_id])
            else:
                self.give_back(task, "the start did not happen")
            return Recovered.GIVEN_BACK
        reason = MACHINE_RESTARTED if record.boot_id != self._boot_id() else "its supervisor was killed"
        self._enter(task, self._lost(task, reason, record.started_at))
        return Recovered.LOST

    def _lost(self, task: Task, reason: str, started_at: str | None = None) -> Result:
        now = iso(self._clock())
        told = runs.read_progress(self._paths, task.id, task.attempt) if started_at else None
        if told is not None and (last := told.activity or outcome.PHASES.get(told.phase)):
            reason = f"{reason}; last: {last}"
        session, usage, before = (told.session_id, told.usage, told.branch_before) if told is not None else (None, None, None)
        return Result(
            task.id, task.attempt, task.token or "", "lost", "lost", reason, started_at=started_at, ended_at=now,
            session_id=session, usage=usage, branch_before=before, base=told.base if told is not None else None,
        )  # fmt: skip

    def _enter(self, task: Task, result: Result) -> None:
        """Enter the result of an attempt in the books, and decide what becomes of the task.

        A disk that refuses has it entered again: what comes before `change` must bear that.
        """
        attempt = result.as_attempt(log_name(task.id, task.attempt))
        if task.stop is not None and attempt.outcome != "ok":
            attempt = msgspec.structs.replace(attempt, outcome="cancelled", failure=None, reason="stopped by you")
        if task.state == "notified" and result.agent_pid is not None:
            task = self._store.started(task, pid=result.agent_pid)
        if attempt.outcome == "ok" and attempt.elapsed_s is not None and task.id not in self._learned:
            self._run_times.learn(task, task.agent or self._settings.current.agent, attempt.elapsed_s)
            self._learned.add(task.id)
        self._false_starts.pop(task.id, None)
        if attempt.failure == "git_busy" and task.stop is None:
            self._give_turn_back(task, attempt.reason or "", result.git_holder)
            return
        self._note_limit(task, attempt, result)
        self._note_host(task, attempt)
        if attempt.session_id is not None:
            self._keep_session(task, attempt.session_id)
        elif attempt.failure == "session":
            session_choice.forget_session(self._paths, task, self._settings.current.default_server, iso(self._clock()))
        if failures.refused(attempt.outcome, attempt.failure):
            self.on_start(attempt.reason or attempt.outcome)
        verdict = scheduling.after_attempt(task, attempt, self._settings.current.timing)
        changes: dict[str, Any] = {"attempts": [*task.attempts, attempt], "exit_code": attempt.exit_code}
        changes |= {"pid": None, "token": None}
        if verdict.state == "pending":
            delay = (verdict.retry_delay or 0.0) * random.uniform(1.0, 1.2)
            changes |= {"retry_at": iso(self._clock() + delay) if delay else None, "pending_since": iso(self._clock())}
        if not verdict.counts:
            changes |= {"attempts_before": task.attempts_before + 1}
        if verdict.state == "error":
            changes |= {"error": verdict.reason}
        self.conversations.answered(task, attempt, result)
        level, reason = attempt_notice.describe_end(task, verdict, attempt)
        self._store.change(task, verdict.state, reason, level=level, failure=attempt.failure, **changes)
        self._budget.count(attempt)
        self._learned.discard(task.id)

    def _give_turn_back(self, task: Task, reason: str, holder: str) -> None:
        """Put a task back that only waited for another one's git; nothing was done, so it was no attempt."""
        entry = self._store.entries[task.id]
        self.on_git_busy(entry, holder)
        retry_at = iso(self._clock() + GIVE_BACK_S)
        self._store.change(
            task, "pending", f"{reason}; its slot is free for others", level="info", attempt=_one_less(task), retry_at=retry_at,
            token=None, pid=None,
        )  # fmt: skip

    def _host_answered(self, task: Task, base: Base | None) -> None:
        """Take in that a host said itself where the work starts; a clone that was there already says nothing about it."""
        if base is not None and base.fetched and self._backoff.hosts():
            host = scheduling.host_of(task, own_repositories(self._settings.current))
            if host is not None:
                self._backoff.host_answered(host)

    def _note_host(self, task: Task, attempt: Attempt) -> None:
        """Let a host rest that did not answer when the task's worktree was made, or take in that it did."""
        host = scheduling.host_of(task, own_repositories(self._settings.current))
        if host is None or not failures.unreachable(attempt.outcome, attempt.failure):
            self._host_answered(task, attempt.base)
            return
        rest = self._backoff.host_failed(host, attempt.reason or "", epoch(attempt.started_at))
        if rest is not None:
            until = format_coming(rest.until, self._clock())
            text = f"{host} does not answer ({attempt.reason}); tasks that need a clone from it wait, next try {until}"
            self._store.add_notice(Notice(iso(self._clock()), "engine_network", text, "warning", failure=attempt.failure))

    def _note_limit(self, task: Task, attempt: Attempt, result: Result) -> None:
        """Let the provider rest that refused an attempt; the task is entered after, so that a crash forgets nothing."""
        agent = task.agent or self._settings.current.agent
        if attempt.outcome == "ok":
            self._backoff.went_well(agent)
        failure = attempt.failure
        if failure is None or result.agent_pid is None or not failures.policy_for(failure).pause:
            return
        settings = self._settings.current
        rest = self._backoff.hit(
            agent, failure, attempt.reason or "", epoch(attempt.started_at), epoch(attempt.ended_at), epoch(result.resets_at),
            settings.rate_limit_delay, settings.rate_limit_delay_max,
        )  # fmt: skip
        if rest is not None:
            until = format_coming(rest.until, self._clock())
            text = f"{rest.provider}: {failures.describe_failure(failure)}; its tasks wait until {until}, or: kugetsu resume --agent {agent}"
            self._store.add_notice(Notice(iso(self._clock()), "engine_rate_limit", text, "warning", failure=failure))


def _ignore(_text: str) -> None:
    return


def _one_less(task: Task) -> int:
    """Number of the attempt before the one that never began; the bash kugetsu's `notified` items know no attempts."""
    return max(task.attempt - 1, 0)


def send_stop(paths: StatePaths, task: Task, launcher: Launcher) -> bool:
    """Signal the supervisor that has written who it is; False while there is none, or it is gone."""
    record = runs.read_record(paths, task.id, task.attempt)
    if record is None or record.token != task.token:
        return False
    return launcher.signal(record, signal.SIGUSR1 if task.stop == "kill" else signal.SIGTERM)
