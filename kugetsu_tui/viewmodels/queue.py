"""Rows of the pending queue, in the order of starting."""

from functools import cached_property
from math import inf

from kugetsu_engine.client.snapshot import Snapshot
from kugetsu_engine.domain import failures
from kugetsu_engine.domain.decisions import waiting_reasons
from kugetsu_engine.domain.decisions.waiting_reasons import WaitingReason
from kugetsu_engine.domain.refs import repository_of
from kugetsu_engine.domain.task import Task
from kugetsu_engine.domain.text.quantities import format_moment, format_upcoming

from ..formatting.cells import clean
from .console_state import ConsoleState, format_tags, split_reference
from .filtering import build_row_text
from .rows import Cell, Column, Row, measure_room
from .task_columns import TASK_COLUMNS, fit_task_columns, format_task_cells

COLUMNS = (
    Column("place", 3, keep=5, right=True),
    *TASK_COLUMNS,
    Column("why", 17, sparse=True),
    Column("start", 6, keep=6, right=True),
)
SAID_ALREADY_S = 60.0
"""An estimate this close to the time in the reason is left out."""
TONES = {
    "held": "muted", "after": "muted", "retry_at": "warning", "next": "good", "prepared": "good", "no_engine": "danger",
    "issue_busy": "muted", "rate_limit": "warning", "paused": "warning", "budget": "warning", "draining": "warning",
    "pressure": "warning",
}  # fmt: skip
FLOW = frozenset({"paused", "budget", "draining"})
"""Reasons shown even for an empty queue."""


class QueueView:
    """Pending tasks; rows are made when visible, so 10,000 cost as much as 20."""

    def __init__(self, console: ConsoleState) -> None:
        self._snapshot = console.snapshot
        self._pending = console.snapshot.pending
        self._shared = waiting_reasons.find_queue_reason(console.snapshot.facts)
        """The reason that applies to all; shown once, in the title."""
        self._starting = console.starting
        first = self._pending[:60]
        self.columns = fit_task_columns(
            COLUMNS, (task.shown for task in self._pending[-300:]), (task.issue_ref for task in self._pending),
            (f"{task.title}{format_tail(task)}" for task in self._pending),
            place=len(str(console.snapshot.waiting)),
            why=measure_room(map(self._why, first), 9, 22, 80),
            start=measure_room(map(self._start, first), 6, 13, 13),
        )  # fmt: skip

    @property
    def shared_reason(self) -> list[Cell]:
        """The reason that applies to all, for the pane's title."""
        if (page := self._snapshot.first_page) is not None:
            return [(f"{len(self._pending)} of {page.waiting} as of {format_moment(page.written_at, seconds=True)}", "warning")]
        why = self._shared
        if why is None or self._starting or not (self._pending or why.code in FLOW):
            return []
        return [(clean(why.text, 200), TONES.get(why.code, "muted"))]

    @cached_property
    def keys(self) -> tuple[str, ...]:
        """Ids in order."""
        return tuple(self._snapshot.places)

    def row(self, index: int) -> Row:
        """One waiting task."""
        task = self._pending[index]
        why = self._snapshot.explain_wait(task)
        return Row(
            task.id,
            (
                (str(index + 1), "faint"),
                *format_task_cells(task),
                (self._why(task), TONES.get(why.code, "muted")),
                (self._start(task), "muted"),
            ),
            build_tail(task),
        )

    def text(self, index: int) -> str:
        """The text that filters search."""
        task = self._pending[index]
        why = self._snapshot.explain_wait(task)
        plain = f"{task.shown} {task.issue_ref} {task.title} {task.agent or ''} {why.text} {format_tags(task)}"
        agent, repository = task.agent or self._snapshot.default_agent, repository_of(task.issue_ref)
        return build_row_text(
            plain, tag=task.tags, state=("held" if task.held else "waiting", why.code), agent=agent, repo=repository
        )

    sorts = ("order", "age", "repository", "priority", "agent", "start", "reason", "tags")

    def sort_key(self, by: str, index: int) -> object:
        """The sort key of a row; unknown starts come last."""
        task = self._pending[index]
        if by == "age":
            return task.pending_since or "", task.order[2]
        if by == "repository":
            return (*split_reference(task.issue_ref), index)
        if by == "priority":
            return -task.priority
        if by == "agent":
            return task.agent or self._snapshot.default_agent
        if by == "start":
            start = self._snapshot.estimate_start(task)
            return start if start is not None else inf
        return self._snapshot.explain_wait(task).code if by == "reason" else (not task.tags, task.tags)

    def task_id(self, index: int) -> str | None:
        """The task the row is about."""
        return self._pending[index].id

    def _why(self, task: Task) -> str:
        """Why it waits, if the reason is its own."""
        why = self._snapshot.explain_wait(task)
        if self._shared is not None and why.code == self._shared.code:
            return ""
        if why.code == "prepared":
            return why.without_time
        failure = f", {failures.describe_failure(task.failure)}" if why.code == "retry_at" and task.failure else ""
        return clean(format_reason(why, self._snapshot.taken_at) + failure, 200)

    def _start(self, task: Task) -> str:
        """Estimated start as a time of day, if known."""
        start = estimate_start(task, self._snapshot.explain_wait(task), self._snapshot)
        return f"~{format_moment(start, self._snapshot.taken_at)}" if start is not None else ""


def build_tail(task: Task) -> tuple[Cell, ...]:
    """Parts behind the title: an unusual priority, and tags."""
    priority: tuple[Cell, ...] = ((f"p{task.priority}", "info"),) if task.priority != 5 else ()
    return (*priority, (clean(format_tags(task), 200), "info")) if task.tags else priority


def format_tail(task: Task) -> str:
    """The text of the parts behind the title, for measuring."""
    return "".join(f"  {text}" for text, _ in build_tail(task))


def estimate_start(task: Task, why: WaitingReason, snapshot: Snapshot) -> float | None:
    """Estimated start in seconds since 1970; None if unknown or already in the reason."""
    if why.code in ("next", "held"):
        return None
    start = snapshot.estimate_start(task)
    if start is not None and why.until is not None and start - why.until < SAID_ALREADY_S:
        return None
    return start


def format_reason(why: WaitingReason, now: float) -> str:
    """The reason, with a time of day in place of a countdown, so that it stays true."""
    if why.until is None:
        return why.text
    words = {"retry_at": "retry at", "not_before": "starts at"}.get(why.code, why.without_time and f"{why.without_time},")
    # Seconds matter for near times such as retries, not for distant ones.
    return f"{words} {format_upcoming(why.until, now)}" if words else why.text
