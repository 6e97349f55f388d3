"""The rows of ended tasks, the newest first."""

from functools import cached_property

from kugetsu_engine.domain import failures
from kugetsu_engine.domain.new_task import format_bare_id
from kugetsu_engine.domain.refs import repository_of
from kugetsu_engine.domain.task import Task
from kugetsu_engine.domain.text.quantities import format_day, format_span

from ..formatting import glyphs
from ..formatting.cells import clean
from .console_state import ConsoleState, format_tags, split_reference
from .filtering import build_row_text
from .rows import Column, Row, measure_room, measure_widest
from .task_columns import TASK_COLUMNS, fit_task_columns, format_task_cells

COLUMNS = (
    *TASK_COLUMNS,
    Column("outcome", 9, keep=6),
    Column("result", 18, keep=3),
    Column("took", 6, keep=2, right=True),
    Column("when", 5, keep=5, right=True),
)


class DoneView:
    """Ended tasks; failed ones can be retried from here."""

    def __init__(self, console: ConsoleState) -> None:
        self._snapshot = console.snapshot
        self._done = console.snapshot.done
        self.columns = fit_task_columns(
            COLUMNS, (task.shown for task in self._done), (task.issue_ref for task in self._done),
            (task.title for task in self._done),
            outcome=measure_widest(map(format_outcome, self._done[:300]), 9, 11),
            result=measure_room(map(self._result, self._done[:60]), 12, 26, 120),
            when=measure_widest((format_day(task.completed_at, self._snapshot.taken_at) for task in self._done), 5, 6),
        )  # fmt: skip

    @cached_property
    def keys(self) -> tuple[str, ...]:
        """Ids in order."""
        return tuple(task.id for task in self._done)

    def row(self, index: int) -> Row:
        """One ended task."""
        task = self._done[index]
        last = task.last_attempt
        return Row(
            task.id,
            (
                *format_task_cells(task),
                (clean(format_outcome(task), 20), glyphs.get_task_glyph(task).tone),
                (self._result(task), "muted"),
                (format_span(last.elapsed_s) if last and last.elapsed_s is not None else "", "muted"),
                (format_day(task.completed_at, self._snapshot.taken_at), "faint"),
            ),
        )

    def _result(self, task: Task) -> str:
        """The result: the error or what was delivered, without repeating the outcome."""
        delivered = task.last_attempt.delivered if task.last_attempt else None
        reason, delivery = task.error or task.reason or "", str(delivered) if delivered and not delivered.nothing else ""
        result = reason.removeprefix(f"{format_outcome(task)}: ") or delivery if task.state == "error" else delivery or reason
        known = self._snapshot.pulls.get(task.issue_key)
        return clean(f"{known.pull}, {result}" if known is not None and known.pull is not None else result, 300)

    def text(self, index: int) -> str:
        """The text that filters search."""
        task = self._done[index]
        words = f"{glyphs.get_task_glyph(task).word} {format_outcome(task)}"
        plain = f"{task.shown} {task.issue_ref} {task.title} {words} {task.error or ''} {task.reason or ''} {format_tags(task)}"
        state = (task.state, glyphs.get_task_glyph(task).word)
        return build_row_text(plain, tag=task.tags, state=state, agent=task.agent, repo=repository_of(task.issue_ref))

    sorts = ("newest", "number", "repository", "outcome", "took", "agent")

    def sort_key(self, by: str, index: int) -> object:
        """The sort key of a row: failures and longest times first."""
        task = self._done[index]
        if by == "number":
            digits = format_bare_id(task.id)
            return (int(digits), "") if digits.isdigit() else (0, task.id)
        if by == "repository":
            return split_reference(task.issue_ref)
        if by == "outcome":
            return task.state != "error", format_outcome(task)
        if by == "took":
            return -(task.last_attempt.elapsed_s or 0.0) if task.last_attempt else 0.0
        return task.agent or ""

    def task_id(self, index: int) -> str | None:
        """The task the row is about."""
        return self._done[index].id


def format_outcome(task: Task) -> str:
    """The state of an ended task in a word; for failures the kind of failure."""
    failure = failures.describe_failure(task.failure) if task.state == "error" else ""
    return failure or glyphs.get_task_glyph(task).word
