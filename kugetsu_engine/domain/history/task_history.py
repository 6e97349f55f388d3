"""The history of one task, rebuilt from notifications, the journal and its own file."""

from bisect import bisect_right
from collections.abc import Sequence
from math import inf
from typing import Any, NamedTuple, cast

import msgspec

from ..new_task import format_bare_id
from ..states import ACTIVE, ALL, COMPLETED, ERROR, EVENTS, FINAL, NOTIFIED, PENDING, RETRY_EVENT, RUNNING
from ..task import Notice, State, Task
from ..text.times import epoch, iso
from . import old_notices
from .journal_entries import TRACKED, Change

SLACK_S = 0.002
"""Times are stored in milliseconds, so simultaneous events may differ by this."""
STATES = {event: cast(State, state) for state, event in EVENTS.items()} | {RETRY_EVENT: cast(State, PENDING)}
"""The state that each type of notification announces."""
KEPT_FIELDS = {*TRACKED, "message"} - {"reason"}
"""Fields that recorded changes restore; the reason comes with each state."""
UNKNOWN_MESSAGE = "(the earlier message was not recorded)"
REMOVED_MESSAGE = "(removed)"


class Move(NamedTuple):
    """The move of a task into a state."""

    time: float
    state: State
    reason: str | None = None


class Span(NamedTuple):
    """A period that a task spent in one state."""

    begin: float
    end: float
    """`inf` for the current one."""
    state: State
    reason: str | None


class Stall(NamedTuple):
    """A stalled agent at one moment."""

    evidence: str
    silent_s: float | None
    """For how long it had shown no activity; None where this was not recorded."""


class History:
    """One task over time."""

    def __init__(
        self, task: Task, kept: bool, moves: Sequence[Move], changes: Sequence[tuple[float, Change]],
        stalls: Sequence[tuple[float, Stall | None]], gone_at: float = inf,
    ) -> None:  # fmt: skip
        """Combine everything known of a task.

        Args:
            task: from its file, or rebuilt from notifications.
            kept: whether its file still exists.
            moves: in order of time.
            changes: from the journal, in order of time.
            stalls: when its agent stalled; None stands for the end of a stall.
            gone_at: when it was removed.
        """
        self.task = task
        self.kept = kept
        self.stalls = stalls
        self._changes = changes
        self._changed_at = [time for time, _ in changes]
        ends = [*(move.time for move in moves[1:]), gone_at]
        self.spans = [
            Span(move.time, end, move.state, move.reason) for move, end in zip(moves, ends, strict=True) if end > move.time
        ]
        self._made: dict[tuple[int, int], Task] = {}

    def at(self, index: int, when: float) -> Task:
        """The task at a time within one of its spans."""
        applied = bisect_right(self._changed_at, when)
        if self.kept and index == len(self.spans) - 1 and applied == len(self._changes):
            return self.task
        made = self._made.get((index, applied))
        if made is None:
            made = self._made[index, applied] = self._make(index, applied)
        return made

    def stalled(self, when: float, began: float) -> Stall | None:
        """The stall at a time, of the attempt that began at `began`; None when there was none."""
        last = next(((time, stall) for time, stall in reversed(self.stalls) if began <= time <= when), None)
        if last is None or last[1] is None:
            return None
        since, (evidence, silent_s) = last[0], last[1]
        return Stall(evidence, silent_s + when - since if silent_s is not None else None)

    def _make(self, index: int, applied: int) -> Task:
        span, last = self.spans[index], index == len(self.spans) - 1
        fields = self._fields(applied)
        ended = [one for one in self.task.attempts if (epoch(one.ended_at) or 0.0) <= span.begin + SLACK_S]
        began = {state: None for state in (PENDING, NOTIFIED, RUNNING)} | {
            one.state: iso(one.begin) for one in self.spans[: index + 1]
        }
        number = ended[-1].number if ended else 0
        if not self.kept:  # count the agents that ran
            number = sum(1 for one in self.spans[:index] if one.state == RUNNING)
        fields |= {
            "state": span.state, "reason": span.reason, "attempts": ended, "token": None, "pid": None,
            "attempt": number + 1 if span.state in ACTIVE else number,
            "pending_since": began[PENDING] or self.task.pending_since,
            "notified_at": began[NOTIFIED] or began[RUNNING], "started_at": began[RUNNING],
            "completed_at": iso(span.begin) if span.state in FINAL else None,
            "error": span.reason if span.state == ERROR else None,
            "exit_code": ended[-1].exit_code if ended and span.state in FINAL else None,
        }  # fmt: skip
        for time, change in self._changes[:applied]:
            if time >= span.begin and "reason" in change.now:
                fields["reason"] = change.now["reason"]
        if self.kept and last:
            fields |= {name: getattr(self.task, name) for name in ("attempt", "error", "exit_code", "completed_at")}
        return msgspec.structs.replace(self.task, **fields)

    def _fields(self, applied: int) -> dict[str, Any]:
        """The recorded fields after the first `applied` changes."""
        fields: dict[str, Any] = {}
        if not self.kept:
            for _, change in self._changes[:applied]:
                fields |= change.now
        for _, change in reversed(self._changes[applied:]):
            fields |= change.was
        if "message" in fields:
            fields["message"] = UNKNOWN_MESSAGE
        return {name: value for name, value in fields.items() if name in KEPT_FIELDS}


def build_history(
    task: Task | None,
    notices: Sequence[Notice],
    changes: Sequence[tuple[float, Change]],
    gone_at: float | None,
    recorded_from: float,
) -> History | None:
    """Build the history of one task; None when nothing is known of it.

    Args:
        task: from its file, if that still exists.
        notices: its notifications, in order of time.
        changes: its changes in the journal, in order of time.
        gone_at: when it was removed, according to the journal; None: not recorded.
        recorded_from: when the journal begins; later removals are in it.
    """
    moves, stalls = _read_moves(notices), _read_stalls(notices)
    if task is not None:
        return History(task, True, _complete_moves(task, moves), changes, stalls)
    first = next((notice for notice in notices if notice.issue_ref), None)
    if first is None or first.id is None or not moves:
        return None
    last = moves[-1]
    if gone_at is None:  # an ended task was removed before the journal began, a waiting one was deleted by hand
        gone_at = max(last.time, recorded_from) if last.state in FINAL else last.time
    digits = format_bare_id(first.id)
    position = float(digits) if digits.isdigit() else 0.0  # the position of every new task
    made = Task(first.id, first.issue_ref or "", REMOVED_MESSAGE, state=last.state, position=position)
    return History(made, False, moves, changes, stalls, max(gone_at, last.time))


def _read_moves(notices: Sequence[Notice]) -> list[Move]:
    moves: list[Move] = []
    for notice in notices:
        state, time = notice.state if notice.state in ALL else STATES.get(notice.type), epoch(notice.time)
        if state is not None and time is not None:
            known = cast(State, state)
            moves.append(Move(time, known, notice.reason if notice.state else old_notices.read_reason(notice, known)))
    return moves


def _read_stalls(notices: Sequence[Notice]) -> list[tuple[float, Stall | None]]:
    stalls: list[tuple[float, Stall | None]] = []
    for notice in notices:
        if notice.type in ("task_stalled", "task_moves") and (time := epoch(notice.time)) is not None:
            stalls.append((time, _stall(notice) if notice.type == "task_stalled" else None))
    return stalls


def _stall(notice: Notice) -> Stall:
    return Stall(*old_notices.read_stall(notice)) if notice.reason is None else Stall(notice.reason, notice.silent_s)


def _complete_moves(task: Task, noted: list[Move]) -> list[Move]:
    """The moves of a task with a file: its own time stamps fill in what notifications do not contain."""
    own = _moves_of_file(task)
    if not noted:
        return own
    moves = noted
    if noted[0].state != PENDING:  # older notifications are gone
        moves = [move for move in own if move.time < noted[0].time] + noted
    if noted[-1].state != task.state:
        moves = moves + [move for move in own if move.state == task.state and move.time > noted[-1].time][-1:]
    return moves


def _moves_of_file(task: Task) -> list[Move]:
    moves: list[Move] = []
    for attempt in task.attempts:
        if (started := epoch(attempt.started_at)) is not None:
            moves.append(Move(started, cast(State, RUNNING)))
        if (ended := epoch(attempt.ended_at)) is not None:
            moves.append(Move(ended, cast(State, PENDING), attempt.reason))
    stamps = {NOTIFIED: task.notified_at, RUNNING: task.started_at}
    for state in (NOTIFIED, RUNNING) if task.state in ACTIVE else ():
        if (time := epoch(stamps[state])) is not None and state in (task.state, NOTIFIED):
            moves.append(Move(time, cast(State, state)))
    if task.state in FINAL and (time := epoch(task.completed_at)) is not None:
        moves.append(Move(time, task.state, task.reason))
    moves.sort(key=lambda move: move.time)
    since = epoch(task.pending_since)
    if since is not None and (not moves or since < moves[0].time or task.state == PENDING):
        moves.append(Move(since, cast(State, PENDING), task.reason if task.state == PENDING else None))
        moves.sort(key=lambda move: move.time)
    if not moves or moves[-1].state != task.state:
        moves.append(Move(moves[-1].time if moves else 0.0, task.state, task.reason))
    return moves


__all__ = ["COMPLETED", "History", "Move", "Span", "build_history"]
