"""A task and its attempts, and the one function that changes a task's state."""

from typing import Any, Literal, NamedTuple

import msgspec

from ..errors import KugetsuError
from .new_task import SCHEMA, format_bare_id, format_id
from .refs import key_of, repository_of
from .reserved_refs import SESSIONS
from .session import Mode
from .start_point import describe_start_point
from .states import EVENTS, FINAL, MOVES, PENDING, RETRY_EVENT
from .text.quantities import format_count
from .text.times import epoch

Expect = Literal["anything", "none", "changes", "commits"]
State = Literal["pending", "notified", "running", "completed", "error", "cancelled", "expired"]
Outcome = Literal["ok", "failed", "timeout", "stalled", "cancelled", "lost", "not_started"]
Level = Literal["info", "good", "warning", "error"]


Order = tuple[int, float, int, str]
"""A sort key for the order of starts: priority (9 first), position, number, id."""


def make_order(task_id: str, priority: int, position: float, pending_since: str | None) -> Order:
    """Make the sort key of a task; one without a number in its id is sorted by its age."""
    digits = format_bare_id(task_id)
    number = int(digits) if digits.isdigit() else int(epoch(pending_since) or 0)
    return (-priority, position, number, task_id)


class Delivered(msgspec.Struct, frozen=True, omit_defaults=False):
    """What an attempt delivered: the changes of the issue's branch and worktree since the attempt began."""

    commits: int = 0
    """Commits added to the branch, without those that a merge or rebase brought in."""
    files: int = 0
    """Files those commits change."""
    insertions: int = 0
    deletions: int = 0
    dirty: int = 0
    """Files that it changed but did not commit."""
    pr: str | None = None
    """Address of the pull request, if known."""
    unpushed: int | None = None
    """Commits of the branch that are on no remote; None when the repository has no remote."""
    dirty_before: int = 0
    """Uncommitted files from before the attempt that it did not change."""
    brought: int = 0
    """Commits that a merge or rebase brought onto the branch."""
    removed: int = 0
    """Earlier commits that are no longer on the branch, as it was rewritten or reset."""
    elsewhere: int = 0
    """Commits made in the worktree that are not on the branch."""
    elsewhere_on: str | None = None
    """The branch that contains them; None: no branch does."""
    total: int = 0
    """Commits of the whole branch since its base."""
    task_commits: int = 0
    """Commits of all attempts of the task, if this is not the first."""
    task_dirty: int = 0
    """Those of `dirty_before` that an earlier attempt of the task left."""

    @property
    def nothing(self) -> bool:
        """Whether neither this nor an earlier attempt of the task delivered anything."""
        return not (self.commits or self.dirty or self.pr or self.task_commits or self.task_dirty)

    def __str__(self) -> str:
        own = [format_count(self.commits, "commit")] if self.commits else []
        if self.commits:
            lines = f"+{self.insertions} −{self.deletions}"
            own.append(lines if self.files or self.brought else "no file changed")
        if self.commits and self.unpushed is not None:
            partly = f"{self.unpushed} not pushed" if self.unpushed else "pushed"
            own.append("not pushed" if self.unpushed >= self.commits else partly)
        own += [format_count(self.dirty, "uncommitted file")] if self.dirty else []
        own += [self.pr] if self.pr else []
        if not own:
            own = ["nothing delivered" if self.nothing else "nothing in this attempt"]
        more = [f"{format_count(self.elsewhere, 'commit')} on {self.elsewhere_on or 'no branch'}"] if self.elsewhere else []
        more += [f"{format_count(self.brought, 'other commit')} brought in"] if self.brought else []
        more += [f"{format_count(self.removed, 'earlier commit')} no longer on the branch"] if self.removed else []
        more += [f"{format_count(self.task_commits, 'commit')} in the task"] if self.task_commits > self.commits else []
        more += [f"{format_count(self.dirty_before, 'uncommitted file')} from before"] if self.dirty_before else []
        return ", ".join(own + more)


class Usage(msgspec.Struct, frozen=True):
    """What an attempt consumed, if the agent reports it."""

    tokens: int | None = None
    cost: float | None = None
    """In the provider's currency, usually US dollars."""


class Base(msgspec.Struct, frozen=True):
    """The starting point of an attempt's work. The fields of `git.base.Base` that are stored with the attempt."""

    commit: str
    ref: str = ""
    """Where the commit was found: `origin/main`, `main`, `HEAD`."""
    branch: str = "new"
    """Origin of the issue's branch: `new`, `kept`, `remote` or `moved`."""
    age_s: float | None = None
    """Age of the commit when the attempt began."""
    remote: str | None = None
    address: str | None = None
    fetched: bool = False
    """Whether the remote was fetched successfully."""
    unfetched: str | None = None
    """Why it was not."""
    note: str | None = None
    kept: bool = False
    """Whether the worktree existed already, from an earlier attempt or task."""

    def __str__(self) -> str:
        return describe_start_point(msgspec.structs.asdict(self))


class Attempt(msgspec.Struct, frozen=True):
    """One ended run of an agent for a task."""

    number: int
    started_at: str | None = None
    ended_at: str | None = None
    exit_code: int | None = None
    signal: int | None = None
    outcome: Outcome = "failed"
    failure: str | None = None
    """Class of the failure, a key of `failures.CLASSES`; None when the outcome is `ok`."""
    reason: str | None = None
    """The outcome in a sentence."""
    log: str | None = None
    session_id: str | None = None
    delivered: Delivered | None = None
    """None if no agent ran, or nothing could be measured."""
    usage: Usage | None = None
    elapsed_s: float | None = None
    branch_before: str | None = None
    """Commit of the issue's branch when the attempt began."""
    not_measured: str | None = None
    """The part of its delivery that could not be measured, and why, in a sentence; None if all was."""
    base: Base | None = None
    """The starting point of its work; None if it was not reached or not recorded."""
    paused_s: float = 0.0
    """Seconds of `elapsed_s` for which it was paused, or waited for an answer."""
    sandbox: str | None = None
    """What the sandbox that it ran in allowed, in a few words; None if it ran in none."""
    refused: list[str] = []
    """Hosts that its sandbox refused, as `host:port`."""

    @property
    def worked_s(self) -> float | None:
        """Seconds that it worked; None if not known."""
        return max(self.elapsed_s - self.paused_s, 0.0) if self.elapsed_s is not None else None


class Task(msgspec.Struct, frozen=True):
    """One item of the queue: an issue reference, a message, and its state and attempts.

    Files of the bash kugetsu (v0.2: id, issue_ref, message, state, pending_since, notified_at, completed_at, error, pid) can
    be loaded too, as all other fields have defaults.
    """

    id: str
    issue_ref: str
    message: str = ""
    schema: int = SCHEMA
    agent: str | None = None
    """Name of the agent; None: the setting `agent` at the time of the start."""
    state: State = "pending"
    reason: str | None = None
    """Why the task is in this state, in a sentence."""
    priority: int = 5
    """0 to 9; 9 starts first."""
    position: float = 0.0
    """Place among tasks of the same priority; smaller starts first."""
    moved_by: str | None = None
    """Number and time of the last request that moved it, so that repeating it after a crash has no effect."""
    held: bool = False
    after: list[str] = []
    """Ids of tasks that must have completed before this one may start."""
    not_before: str | None = None
    """Earliest time of a start, set by the operator."""
    retry_at: str | None = None
    """Earliest time of the next attempt, set by the engine."""
    attempt: int = 0
    """Number of the current or last attempt; 0 before the first."""
    attempts_before: int = 0
    """Attempts that do not count against `max_attempts`, such as those before the operator's retry."""
    attempts: list[Attempt] = []
    stop: str | None = None
    """`stop` or `kill`, from the operator's request until the attempt has ended."""
    pause: str | None = None
    """On whose behalf the running agent is to stand still: `operator` or `memory`; None: it works."""
    park: str | None = None
    """Why the attempt is ended to go on later, from the request until it is resumed; None: it is not parked."""
    pending_since: str | None = None
    notified_at: str | None = None
    started_at: str | None = None
    completed_at: str | None = None
    error: str | None = None
    exit_code: int | None = None
    expires_at: str | None = None
    """Set by the operator; otherwise `queue_expiry` counts from `pending_since`."""
    timeout_s: float | None = None
    """Time limit of one attempt; None: the setting `task_timeout`."""
    memory_cap: int | None = None
    """Memory limit of one attempt in bytes, 0: none; None: the setting `memory_cap`."""
    repo: str | None = None
    """Local repository to work in; None: `[repos]` or a clone."""
    session: Mode | None = None
    """The session its attempts use: `continue` the issue's, `fork` the base, or `new`. None: a new one, which is continued
    after an interruption."""
    expect: Expect = "anything"
    """What an attempt must deliver: less than `changes` or `commits` is a failure; with `none`, delivering nothing is fine."""
    tags: list[str] = []
    """The operator's labels to find it by."""
    token: str | None = None
    """Random mark of the current attempt, in the environment of all its processes."""
    pid: int | None = None
    """Process of the current agent, for display only."""
    boot_id: str | None = None
    """The boot of the machine in which the last attempt was handed over; None if unknown."""

    @property
    def shown(self) -> str:
        """The id as operators read it: `#41`."""
        return format_id(self.id)

    @property
    def issue_key(self) -> str:
        """The issue's key, see `refs.key_of`."""
        return key_of(self.issue_ref)

    @property
    def repository(self) -> str:
        """The key of its repository, `host/owner/repo`."""
        return repository_of(self.issue_ref)

    @property
    def pending_since_s(self) -> float | None:
        """Since when it waits, in seconds since 1970."""
        return epoch(self.pending_since)

    @property
    def title(self) -> str:
        """The first line of the message that is not blank."""
        return next((line.strip() for line in self.message.splitlines() if line.strip()), "")

    @property
    def order(self) -> "Order":
        """The sort key for the order of starts."""
        return make_order(self.id, self.priority, self.position, self.pending_since)

    @property
    def ended(self) -> bool:
        """Whether the task is in a final state."""
        return self.state in FINAL

    @property
    def glyph_name(self) -> str:
        """The name of its glyph: its state, or what says more about it, as `held` or `stopping`; see `text.glyph_tables`."""
        if self.state == PENDING:
            return "held" if self.held else "retry" if self.attempt else PENDING
        if (self.stop or self.park) and not self.ended:
            return "stopping"
        if self.pause and not self.ended:
            return "paused"
        return "warning" if self.empty_handed else self.state

    @property
    def empty_handed(self) -> bool:
        """Whether it completed without delivering anything, although it should have; a person may want to check."""
        last = self.last_attempt
        if last is None or self.state != "completed" or not self.delivers:
            return False
        return last.delivered.nothing if last.delivered is not None else last.not_measured is not None

    @property
    def delivers(self) -> bool:
        """Whether it should deliver something to the repository, as all but the project manager and the base session do."""
        return self.expect != "none" and (self.issue_ref not in SESSIONS or self.expect != "anything")

    @property
    def failure(self) -> str | None:
        """Class of the last attempt's failure; None if it succeeded, or there is none."""
        return self.attempts[-1].failure if self.attempts else None

    @property
    def parked(self) -> bool:
        """Whether it was parked, and waits to be resumed."""
        return self.state == PENDING and self.held and self.park is not None

    @property
    def last_attempt(self) -> Attempt | None:
        """The last ended attempt."""
        return self.attempts[-1] if self.attempts else None


class Notice(msgspec.Struct, frozen=True):
    """One line of `notifications.jsonl`."""

    time: str
    type: str
    """For example `task_started`; `engine_…` when it is about the engine."""
    text: str
    """A sentence for a person."""
    level: Level = "info"
    """`error` only if it needs a person."""
    id: str | None = None
    issue_ref: str | None = None
    failure: str | None = None
    """Class of the failure it is about."""
    state: str | None = None
    """The new state of its task; None if it is about something else, and in lines of earlier versions."""
    reason: str | None = None
    """Why the task moved to that state; for a stalled agent, the evidence."""
    silent_s: float | None = None
    """For how many seconds a stalled agent had shown no activity."""


LEVELS: dict[str, Level] = {
    "task_completed": "good", "task_error": "error", "task_expired": "warning", "task_retry": "warning",
}  # fmt: skip


class TaskChange(NamedTuple):
    """One change of an open task."""

    task: Task
    """The task before the change."""
    fields: dict[str, Any]
    """The changed fields, apart from the state."""
    to: State | None = None
    """The state it moves to; None: the state does not change."""
    reason: str | None = None
    """Why it moves, in a sentence."""
    level: Level | None = None
    """The level of the notification; None: the usual one."""
    failure: str | None = None
    """Class of the failure that the notification is about."""


def move_task(task: Task, to: State, now: str, reason: str | None = None, **changes: Any) -> tuple[Task, Notice]:
    """Return the task in its new state, and the notification about the move.

    Args:
        now: ISO 8601 UTC; becomes the time stamp of the new state.
        reason: why, in a sentence.
        changes: further fields of the task.

    Raises:
        ValueError: `domain.states.MOVES` forbids the move.
    """
    if to not in MOVES[task.state]:
        raise ValueError(f"{task.shown} cannot go from {task.state} to {to}")
    stamps = {"notified": "notified_at", "running": "started_at"}
    if to in FINAL:
        stamps[to] = "completed_at"
        changes = {"stop": None, "pause": None, "park": None, "token": None, "pid": None, "retry_at": None, **changes}
    if to in stamps:
        changes = {stamps[to]: now, **changes}
    moved = msgspec.structs.replace(task, state=to, reason=reason, **changes)
    kind = RETRY_EVENT if to == PENDING else EVENTS[to]
    event = VERBS[to] if not reason else reason if reason.startswith(VERBS[to]) else f"{VERBS[to]}: {reason}"
    text = f"{task.shown} {task.issue_ref} {event}"
    asked_for = to == PENDING and task.state in FINAL  # only the operator reopens an ended task
    level: Level = "info" if asked_for else LEVELS.get(kind, "info")
    return moved, Notice(now, kind, text, level, task.id, task.issue_ref, state=to, reason=reason)


VERBS: dict[str, str] = {
    "pending": "waits again", "notified": "leaves the queue", "running": "started", "completed": "completed",
    "error": "failed", "cancelled": "cancelled", "expired": "expired",
}  # fmt: skip


def make_no_worktree_error(task: Task) -> KugetsuError:
    """Make the error for a task without a worktree: its first attempt makes one, and it may have been removed since."""
    retry = f"kugetsu retry {format_bare_id(task.id)}"
    if task.attempts:
        return KugetsuError(f"the worktree of {task.shown} is gone", f"another attempt makes a new one: {retry}")
    if task.ended:
        return KugetsuError(f"{task.shown} never had a worktree: it is {task.state}", f"{retry} makes one")
    return KugetsuError(f"{task.shown} has no worktree yet", "its first attempt makes it")
