"""A task and its attempts, as typed records; the one function that changes a task's state."""

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
"""Sorts tasks into the order in which they start: priority (9 first), position, number, id."""


def make_order(task_id: str, priority: int, position: float, pending_since: str | None) -> Order:
    """Return the sort key of a task; one without a number in its id counts by its age."""
    digits = format_bare_id(task_id)
    number = int(digits) if digits.isdigit() else int(epoch(pending_since) or 0)
    return (-priority, position, number, task_id)


class Delivered(msgspec.Struct, frozen=True, omit_defaults=False):
    """What an attempt left on the issue's branch and in its worktree, measured from the attempt's own beginning."""

    commits: int = 0
    """Commits that it added to the branch; not those that a merge or a rebase brought along."""
    files: int = 0
    """Files those commits change."""
    insertions: int = 0
    deletions: int = 0
    dirty: int = 0
    """Files that it changed and did not commit."""
    pr: str | None = None
    """Address of the pull request, where one is known."""
    unpushed: int | None = None
    """How many commits of the branch no remote is known to have; None where the repository has no remote."""
    dirty_before: int = 0
    """Uncommitted files that were there when it began and are as they were."""
    brought: int = 0
    """Commits that came onto the branch by a merge or a rebase, and are not its own."""
    removed: int = 0
    """Commits that were on the branch and are no longer, as it was rewritten or reset."""
    elsewhere: int = 0
    """Commits made in the worktree that are not on the branch."""
    elsewhere_on: str | None = None
    """The branch that has them; None: no branch has them."""
    total: int = 0
    """Commits of the whole branch over its base."""
    task_commits: int = 0
    """Commits of all attempts of the task, where this is a later one."""
    task_dirty: int = 0
    """How many of `dirty_before` an earlier attempt of the task left."""

    @property
    def nothing(self) -> bool:
        """Whether neither the attempt nor an earlier one of its task left anything where it belongs."""
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
    """What an attempt consumed, where the agent tells."""

    tokens: int | None = None
    cost: float | None = None
    """In the provider's currency, usually US dollars."""


class Base(msgspec.Struct, frozen=True):
    """Where an attempt's work started, and how that was found. The fields of `git.base.Base` that outlive the attempt."""

    commit: str
    ref: str = ""
    """Where the commit was found: `origin/main`, `main`, `HEAD`."""
    branch: str = "new"
    """How the issue's branch came about: `new`, `kept`, `remote` or `moved`."""
    age_s: float | None = None
    """How old the commit was when the attempt began."""
    remote: str | None = None
    address: str | None = None
    fetched: bool = False
    """Whether the remote was asked, and answered."""
    unfetched: str | None = None
    """Why it was not."""
    note: str | None = None
    kept: bool = False
    """Whether the worktree was there already, from an earlier attempt or task."""

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
    """None where no agent ran, or nothing could be measured."""
    usage: Usage | None = None
    elapsed_s: float | None = None
    branch_before: str | None = None
    """Commit of the issue's branch when the attempt began."""
    not_measured: str | None = None
    """What of its delivery could not be measured, and why, in a sentence; None where all was."""
    base: Base | None = None
    """Where its work started; None where it did not come to that, or was not recorded then."""


class Task(msgspec.Struct, frozen=True):
    """One item of the queue: an issue reference, a message, and what became of it.

    A file of the bash kugetsu (v0.2: id, issue_ref, message, state, pending_since, notified_at, completed_at, error, pid)
    loads as one, as every other field has a default.
    """

    id: str
    issue_ref: str
    message: str = ""
    schema: int = SCHEMA
    agent: str | None = None
    """Name of the agent; None means the `agent` of the settings at the time of the start."""
    state: State = "pending"
    reason: str | None = None
    """Why the task is in this state, in a sentence."""
    priority: int = 5
    """0 to 9; 9 starts first."""
    position: float = 0.0
    """Place among tasks of one priority; smaller starts first."""
    moved_by: str | None = None
    """Number and time of the request that moved it last: applied again after a crash, that moves it no further."""
    held: bool = False
    after: list[str] = []
    """Ids of tasks that must have completed before this one may start."""
    not_before: str | None = None
    """The operator's earliest time of a start."""
    retry_at: str | None = None
    """The engine's earliest time of the next attempt."""
    attempt: int = 0
    """Number of the current or last attempt; 0 before the first."""
    attempts_before: int = 0
    """Attempts that do not count against `max_attempts`, as the operator asked for a retry after them."""
    attempts: list[Attempt] = []
    stop: str | None = None
    """`stop` or `kill` from the time the operator asked for it until the attempt has ended."""
    pending_since: str | None = None
    notified_at: str | None = None
    started_at: str | None = None
    completed_at: str | None = None
    error: str | None = None
    exit_code: int | None = None
    expires_at: str | None = None
    """Set by the operator; else `queue_expiry` counts from `pending_since`."""
    timeout_s: float | None = None
    """Time limit of one attempt; None means the `task_timeout` of the settings."""
    repo: str | None = None
    """Local repository to work in; None means `[repos]` or a clone."""
    session: Mode | None = None
    """What its attempts do with a session: `continue` the issue's, `fork` the base, `new`. None: a new one at first, the same
    again after an interruption."""
    expect: Expect = "anything"
    """What an attempt must leave: with `changes` or `commits` less is a failure, with `none` nothing is as it should be."""
    tags: list[str] = []
    """Words of the operator to find it by."""
    token: str | None = None
    """Random mark of the current attempt, carried by every process of its agent."""
    pid: int | None = None
    """Process of the current agent, for display only."""

    @property
    def shown(self) -> str:
        """The id as operators read it: `#41`."""
        return format_id(self.id)

    @property
    def issue_key(self) -> str:
        """The same for all tasks of one issue, however each writes it."""
        return key_of(self.issue_ref)

    @property
    def repository(self) -> str:
        """`host/owner/repo` of its issue."""
        return repository_of(self.issue_ref)

    @property
    def title(self) -> str:
        """The first line of the message that says something."""
        return next((line.strip() for line in self.message.splitlines() if line.strip()), "")

    @property
    def order(self) -> "Order":
        """Sorts tasks into the order in which they start."""
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
        if self.stop and not self.ended:
            return "stopping"
        return "warning" if self.empty_handed else self.state

    @property
    def empty_handed(self) -> bool:
        """Whether it completed and left nothing that can be seen, though its work should be: a person may want to look."""
        last = self.last_attempt
        if last is None or self.state != "completed" or not self.delivers:
            return False
        return last.delivered.nothing if last.delivered is not None else last.not_measured is not None

    @property
    def delivers(self) -> bool:
        """Whether its work is to be seen in the repository: not that of the project manager, nor of the base session."""
        return self.expect != "none" and (self.issue_ref not in SESSIONS or self.expect != "anything")

    @property
    def failure(self) -> str | None:
        """Class of the newest attempt's failure; None where it went well, or there is none."""
        return self.attempts[-1].failure if self.attempts else None

    @property
    def last_attempt(self) -> Attempt | None:
        """The newest ended attempt."""
        return self.attempts[-1] if self.attempts else None


class Notice(msgspec.Struct, frozen=True):
    """One line of `notifications.jsonl`."""

    time: str
    type: str
    """`task_started` and the like, or `engine_…` for what is about the engine."""
    text: str
    """A sentence for a person."""
    level: Level = "info"
    """`error` is kept for what needs a person."""
    id: str | None = None
    issue_ref: str | None = None
    failure: str | None = None
    """Class of the failure it is about."""
    state: str | None = None
    """The state that its task came into; None where it tells something else, and in lines of earlier versions."""
    reason: str | None = None
    """Why it came into the state; of an agent that is stalled, the evidence."""
    silent_s: float | None = None
    """For how many seconds an agent that is stalled had shown no sign of life."""


LEVELS: dict[str, Level] = {
    "task_completed": "good", "task_error": "error", "task_expired": "warning", "task_retry": "warning",
}  # fmt: skip


class TaskChange(NamedTuple):
    """One change of an open task."""

    task: Task
    """As it is before."""
    fields: dict[str, Any]
    """What changes beside the state."""
    to: State | None = None
    """The state it moves to; None: it stays where it is."""
    reason: str | None = None
    """Why it moves, in a sentence."""
    level: Level | None = None
    """Of the notification, where it differs from the usual one."""
    failure: str | None = None
    """Class of the failure that the notification is about."""


def move_task(task: Task, to: State, now: str, reason: str | None = None, **changes: Any) -> tuple[Task, Notice]:
    """Return the task in its new state and the one notification that tells it.

    Args:
        now: ISO 8601 UTC; becomes the time stamp that belongs to the new state.
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
        changes = {"stop": None, "token": None, "pid": None, "retry_at": None, **changes}
    if to in stamps:
        changes = {stamps[to]: now, **changes}
    moved = msgspec.structs.replace(task, state=to, reason=reason, **changes)
    kind = RETRY_EVENT if to == PENDING else EVENTS[to]
    said = VERBS[to] if not reason else reason if reason.startswith(VERBS[to]) else f"{VERBS[to]}: {reason}"
    text = f"{task.shown} {task.issue_ref} {said}"
    asked_for = to == PENDING and task.state in FINAL  # only the operator opens an ended task again
    level: Level = "info" if asked_for else LEVELS.get(kind, "info")
    return moved, Notice(now, kind, text, level, task.id, task.issue_ref, state=to, reason=reason)


VERBS: dict[str, str] = {
    "pending": "waits again", "notified": "leaves the queue", "running": "started", "completed": "completed",
    "error": "failed", "cancelled": "cancelled", "expired": "expired",
}  # fmt: skip


def make_no_worktree_error(task: Task) -> KugetsuError:
    """Say why a task has no worktree: its first attempt makes it, and it can be removed afterwards."""
    if task.attempts:
        return KugetsuError(
            f"the worktree of {task.shown} is gone", f"another attempt makes it anew: kugetsu retry {format_bare_id(task.id)}"
        )
    if task.ended:
        hint = f"kugetsu retry {format_bare_id(task.id)} makes one"
        return KugetsuError(f"{task.shown} never had a worktree: it is {task.state}", hint)
    return KugetsuError(f"{task.shown} has no worktree yet", "its first attempt makes it")
