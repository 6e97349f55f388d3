"""The attempts under way: messages of their supervisors, and adopting the attempts of an earlier engine.

If the task lock is held, the supervisor is alive. If it is free, the attempt has ended and the files of its run say how.
"""

import signal

from ..domain import stall_text
from ..domain.decisions.recovery_report import Recovered, RecoveryCounts
from ..domain.new_task import format_bare_id, format_id
from ..domain.supervisor_messages import Received, SupervisorMessage
from ..domain.task import Notice, Task
from ..errors import NoSuchTask
from ..paths import StatePaths
from ..process import identity
from ..queue.entry import Entry
from ..queue.task_store import TaskStore
from ..state import runs
from ..storage import locks
from ..supervisor.launcher import Launcher, SupervisorHandle
from ..supervisor.waker import Waker
from .cooldowns import Cooldowns
from .engine_context import EngineContext
from .finish_attempt import AttemptFinisher
from .resource_gate import ResourceGate
from .session_recorder import SessionRecorder
from .wish_writer import WishWriter


class RunningAttempt:
    """An attempt that this engine started or adopted."""

    def __init__(self, task_id: str, handle: SupervisorHandle | None) -> None:
        self.task_id = task_id
        self.handle = handle
        """None if its supervisor has no record yet, or the system cannot tell its end."""


class AttemptTracker:
    """The attempts of one engine."""

    def __init__(
        self, context: EngineContext, *, store: TaskStore, waker: Waker, launcher: Launcher, gate: ResourceGate,
        finisher: AttemptFinisher, cooldowns: Cooldowns, sessions: SessionRecorder,
    ) -> None:  # fmt: skip
        self._context = context
        self._paths = context.paths
        self._store = store
        self._waker = waker
        self._launcher = launcher
        self._gate = gate
        self._finisher = finisher
        self._cooldowns = cooldowns
        self._sessions = sessions
        self.stalled: dict[str, str] = {}
        """Evidence of a stall by task id."""
        self._refused: dict[str, int] = {}
        """By task id: the errno with which a supervisor reported that it cannot begin."""
        self._running: dict[str, RunningAttempt] = {}
        self._session_kept: set[str] = set()
        self._asked: dict[str, str] = {}
        """By task id: the question that the operator was last notified of."""
        self.without_slot: set[str] = set()
        """Attempts that have given their slot back: what they delivered is still measured."""
        self._wishes = WishWriter(context.paths)

    def track_attempt(self, task_id: str, handle: SupervisorHandle | None) -> None:
        """Wake the engine when the supervisor of an attempt sends a message or ends."""
        self._running[task_id] = RunningAttempt(task_id, handle)
        if handle is not None and handle.source is not None:
            self._waker.add(handle.source, task_id)

    def recover_attempts(self) -> RecoveryCounts:
        """Adopt or settle every attempt that an earlier engine left; returns how many of each kind."""
        counts = dict.fromkeys(Recovered, 0)
        for entry in self._store.list_active():
            if self._is_alive(entry.id, entry.attempt):
                self._adopt(entry)
                counts[Recovered.ADOPTED] += 1
                continue
            try:
                counts[self._settle(entry.id)] += 1
            except OSError:
                continue  # the next full check settles it
        return RecoveryCounts(**counts)

    def check_all(self) -> None:
        """Check every attempt, as messages of supervisors may have been missed."""
        for task_id in [*self._running]:
            self._check_attempt(task_id)
        for entry in self._store.list_active():
            if entry.id not in self._running:  # someone edited its file
                if self._is_alive(entry.id, entry.attempt):
                    self._adopt(entry)
                else:
                    self._settle(entry.id)

    def handle_message(self, task_id: str) -> None:
        """Handle what a supervisor has sent, or that it has ended."""
        running = self._running.get(task_id)
        if running is None:
            return
        if running.handle is not None and running.handle.control is not None:
            received = self._receive(running)
            if SupervisorMessage.STARTED in received.messages:
                self._mark_started(task_id)
            if received.messages & {SupervisorMessage.STALLED, SupervisorMessage.MOVES}:
                self._note_stall(task_id)
            if SupervisorMessage.ASKS in received.messages:
                self._note_question(task_id)
            if SupervisorMessage.SESSION in received.messages:
                self._note_session(task_id)
            if SupervisorMessage.SLOT_FREE in received.messages:
                self.without_slot.add(task_id)
            if SupervisorMessage.NOT_PAUSED in received.messages:
                self._check_attempt(task_id)
                return
            if SupervisorMessage.ENDED not in received.messages and not received.closed:
                return
        self._check_attempt(task_id)

    def _receive(self, running: RunningAttempt) -> Received:
        """Read the new messages of a supervisor."""
        received = running.handle.read_messages() if running.handle is not None else Received()
        if received.refusal is not None:
            self._refused[running.task_id] = received.refusal
        return received

    def stop_attempt(self, task: Task) -> None:
        """Signal the supervisor to stop the agent. Every check repeats it, so it may fail."""
        running = self._running.get(task.id)
        if not signal_supervisor(self._paths, task) and running is not None and running.handle is not None:
            running.handle.send_signal(_stop_signal(task))  # it has no record yet

    def send_wish(self, task: Task) -> None:
        """Let the supervisor know what the task says about its agent. Every check repeats it.

        Raises:
            OSError: the wish could not be written; the next check tries again.
        """
        self._wishes.write(task)

    def close(self) -> None:
        """Stop tracking; the supervisors keep running."""
        for running in list(self._running.values()):
            self._untrack(running)

    def _adopt(self, entry: Entry) -> None:
        """Track an attempt whose supervisor another engine started."""
        record = runs.read_record(self._paths, entry.id, entry.attempt)
        self.track_attempt(entry.id, self._launcher.adopt(record) if record is not None else None)
        self._check_attempt(entry.id)

    def _untrack(self, running: RunningAttempt) -> None:
        self._running.pop(running.task_id, None)
        self._session_kept.discard(running.task_id)
        self.stalled.pop(running.task_id, None)
        self.without_slot.discard(running.task_id)
        if running.handle is not None:
            if running.handle.source is not None:
                self._waker.discard(running.handle.source)
            self._launcher.release(running.handle)

    def _is_alive(self, task_id: str, attempt: int) -> bool:
        """Whether an attempt holds its lock, or its supervisor runs although someone removed the lock file."""
        if locks.is_held(self._paths.task_lock(task_id)):
            return True
        record = runs.read_record(self._paths, task_id, attempt)
        return record is not None and self._launcher.is_alive(record)

    def settle_missed(self) -> None:
        """Settle attempts that ended while no engine ran, if this engine is that of a command: they hold slots and issues."""
        if not self._context.lasts:
            self.check_all()

    def _check_attempt(self, task_id: str) -> None:
        """Settle an attempt that has ended; else repeat a stop, and note what its messages may have missed."""
        running = self._running[task_id]
        try:
            task = self._store.get(task_id)
        except NoSuchTask:
            if not locks.is_held(self._paths.task_lock(task_id)):
                self._untrack(running)
            return
        result = runs.read_result(self._paths, task_id, task.attempt, task.token)
        if result is not None and result.failure == "stalled":
            self._note_stall(task_id)  # the warning comes first, even if its message was missed
        if result is not None or not self._is_alive(task_id, task.attempt):
            self._receive(running)
            self._untrack(running)
            self._settle(task_id)
            return
        self._mark_started(task_id)
        self._note_stall(task_id)
        self._note_question(task_id)
        self._note_session(task_id)
        self._note_slot(task_id)
        if task.stop is not None or task.park is not None:
            self.stop_attempt(task)
        self._wishes.write(self._note_refused_pause(task))

    def _note_refused_pause(self, task: Task) -> Task:
        """Report an agent that could not be paused, and give up on pausing it; returns its task."""
        progress = runs.read_progress(self._paths, task.id, task.attempt) if task.pause is not None else None
        if progress is None or progress.paused_at is not None or not progress.pause_note:
            return task
        text = f"{task.shown} {task.issue_ref} {progress.pause_note}"
        self._context.notify(Notice(
            self._context.now(), "task_not_paused", text, "warning", task.id, task.issue_ref, reason=progress.pause_note
        ))  # fmt: skip
        return self._store.update(task, pause=None)

    def _mark_started(self, task_id: str) -> None:
        """Move a task to `running` once its agent runs."""
        entry = self._store.entries.get(task_id)
        if entry is None or entry.state != "notified":
            return
        progress = runs.read_progress(self._paths, task_id, entry.attempt)
        record = runs.read_record(self._paths, task_id, entry.attempt)
        task = self._store.get(task_id)
        if record is not None and record.token == task.token and progress is not None and progress.pid is not None:
            self._store.change(task, "running", pid=progress.pid)
            self._cooldowns.note_agent_start(task, progress.base)
            self._finisher.reset_false_starts(task_id)
            self._refused.pop(task_id, None)
            self._gate.clear_refusal()

    def _note_stall(self, task_id: str) -> None:
        """Report that an agent is stalled, or no longer is."""
        entry = self._store.entries.get(task_id)
        if entry is None:
            return
        progress = runs.read_progress(self._paths, task_id, entry.attempt)
        evidence = progress.stalled if progress else None
        before = self.stalled.get(task_id)
        if evidence is not None and before is None:
            self.stalled[task_id] = evidence
            silent_s = progress.silent_s if progress else None
            text = f"{format_id(task_id)} {entry.issue_ref} is stalled: {stall_text.format_evidence(evidence, silent_s)}"
            self._context.notify(Notice(
                self._context.now(), "task_stalled", text, "warning", task_id, entry.issue_ref, "stalled", reason=evidence,
                silent_s=silent_s,
            ))  # fmt: skip
        elif evidence is None and before is not None and progress is not None and progress.phase == "agent":
            del self.stalled[task_id]
            text = f"{format_id(task_id)} {entry.issue_ref} is no longer stalled"
            self._context.notify(Notice(self._context.now(), "task_moves", text, "info", task_id, entry.issue_ref))

    def _note_question(self, task_id: str) -> None:
        """Notify the operator once of each question that an agent asks."""
        entry = self._store.entries.get(task_id)
        progress = runs.read_progress(self._paths, task_id, entry.attempt) if entry is not None else None
        question = progress.question if progress is not None else None
        if entry is None or question is None or self._asked.get(task_id) == question.get("id"):
            return
        self._asked[task_id] = question.get("id", "")
        asks = f"{question.get('what')} {question.get('about')}".strip()
        how = f"kugetsu answer {format_bare_id(task_id)} yes|always|no"
        text = f"{format_id(task_id)} {entry.issue_ref} asks: {asks}: {how}"
        self._context.notify(Notice(
            self._context.now(), "task_asks", text, "warning", task_id, entry.issue_ref, "asks", reason=asks,
        ))  # fmt: skip

    def _note_session(self, task_id: str) -> None:
        """Keep the session that an attempt reports, once, so that it is known even if the attempt is lost."""
        entry = self._store.entries.get(task_id)
        if entry is None or task_id in self._session_kept:
            return
        progress = runs.read_progress(self._paths, task_id, entry.attempt)
        if progress is not None and progress.session_id is not None:
            self._sessions.keep_session(self._store.get(task_id), progress.session_id)
            self._session_kept.add(task_id)

    def _note_slot(self, task_id: str) -> None:
        """Note that an attempt has given its slot back."""
        entry = self._store.entries.get(task_id)
        progress = runs.read_progress(self._paths, task_id, entry.attempt) if entry is not None else None
        record = runs.read_record(self._paths, task_id, entry.attempt) if entry is not None else None
        if (
            progress is not None
            and progress.slot_free
            and record is not None
            and record.token == self._store.get(task_id).token
        ):
            self.without_slot.add(task_id)

    def _settle(self, task_id: str) -> Recovered:
        """Settle an attempt that no supervisor works on any more."""
        try:
            task = self._store.get(task_id)
        except NoSuchTask:
            return Recovered.LOST
        recovered = self._finisher.settle_attempt(task, self._refused.get(task_id))
        self._refused.pop(task_id, None)
        self._wishes.forget(task)
        return recovered


def signal_supervisor(paths: StatePaths, task: Task) -> bool:
    """Signal the supervisor named in the record of the run; False if there is none, or it is gone."""
    record = runs.read_record(paths, task.id, task.attempt)
    if record is None or record.token != task.token:
        return False
    return identity.signal_process(record.supervisor_pid, record.start_ticks, record.boot_id, _stop_signal(task))


def _stop_signal(task: Task) -> signal.Signals:
    return signal.SIGUSR1 if task.stop == "kill" else signal.SIGTERM
