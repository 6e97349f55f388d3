"""The past of a fleet: what was running, waiting and ended at any moment, from tasks, notifications and the journal."""

from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from math import inf
from typing import Any, NamedTuple, TypeVar

import msgspec

from ..new_task import format_id
from ..states import ACTIVE, FINAL, PENDING
from ..task import Level, Notice, Task
from ..text.quantities import format_count
from ..text.times import epoch
from .journal_entries import CHANGED, ENDED, REMOVED, STARTED, Act, Change, Flow
from .task_history import History, Stall, build_history

BY_THE_WAY = frozenset({"retry_at", "reason", "stop", "pause", "park", "attempts_before"})
"""Fields that change along with a state, which a notification announces already."""
DONE_KEPT = 500
"""Ended tasks listed in a moment of the past, newest first; older ones are only counted."""
NOTICES_KEPT = 200


One = TypeVar("One")


class EngineThen(msgspec.Struct, frozen=True):
    """The engine at a moment."""

    running: bool
    pid: int | None = None
    mode: str | None = None
    since: str | None = None


class ActiveThen(NamedTuple):
    """A task with a running agent."""

    task: Task
    since: float
    """When the attempt began, in seconds since 1970."""
    stalled: Stall | None


class Moment(NamedTuple):
    """The state of the fleet at a moment."""

    active: tuple[ActiveThen, ...]
    pending: tuple[Task, ...]
    done: tuple[Task, ...]
    done_count: int
    notices: tuple[Notice, ...]
    flow: Flow | None
    """None: not recorded."""
    engine: EngineThen | None
    """None: not recorded."""
    earlier: Mapping[str, str]
    """States of ended tasks that waiting ones depend on, if they are too old for `done`."""


class Event(NamedTuple):
    """An event, described in one line."""

    time: float
    level: Level
    text: str
    task: str | None
    by_operator: bool = False


class Timeline:
    """All records, indexed by time."""

    def __init__(
        self, tasks: Sequence[Task], notices: Sequence[Notice], acts: Sequence[Act], last_alive: float | None = None
    ) -> None:
        """Sort and index the records.

        Args:
            last_alive: when the last engine was seen alive; None when it is running or stopped properly.
        """
        self._notices = _in_order([(time, one) for one in notices if (time := epoch(one.time)) is not None])
        self._notice_times = [time for time, _ in self._notices]
        self._acts = _in_order([(time, one) for one in acts if (time := epoch(one.time)) is not None])
        self.recorded_from: float | None = self._acts[0][0] if self._acts else None
        """When the journal begins, in seconds since 1970; earlier actions of operators are unknown."""
        self._histories = self._write_histories(tasks)
        spans = [(span.begin, span.end, one, index) for one in self._histories for index, span in enumerate(one.spans)]
        spans.sort(key=lambda span: (span[0], span[2].task.id))
        self._begins = [span[0] for span in spans]
        self._ends = [span[1] for span in spans]
        self._refs = [(span[2], span[3]) for span in spans]
        self._flows = _flows(self._acts)
        self._engines = _engines(self._acts, last_alive)
        times = {
            *self._notice_times,
            *(time for time, _ in self._acts),
            *self._begins,
            *(end for end in self._ends if end < inf),
        }
        times |= {end for _, end, _ in self._engines if end < inf}
        self.moments: list[float] = sorted(time for time in times if time > 0)
        """The times at which something changed, in seconds since 1970."""

    @property
    def first(self) -> float | None:
        """The time of the first record; None when there is none."""
        return self.moments[0] if self.moments else None

    def before(self, when: float) -> float | None:
        """The last time before at which something changed."""
        place = bisect_left(self.moments, when)
        return self.moments[place - 1] if place else None

    def after(self, when: float) -> float | None:
        """The next time at which something changed."""
        place = bisect_right(self.moments, when)
        return self.moments[place] if place < len(self.moments) else None

    def at(self, when: float) -> Moment:
        """The state of the fleet at a time, in seconds since 1970; events of that very moment are included."""
        seen = bisect_right(self._begins, when)
        active: list[ActiveThen] = []
        pending: list[Task] = []
        ended: list[tuple[History, int]] = []
        refs = [ref for ref, end in zip(self._refs[:seen], self._ends[:seen], strict=True) if end > when]
        for one, index in refs:
            state = one.spans[index].state
            if state in FINAL:
                ended.append((one, index))
            elif state == PENDING:
                pending.append(one.at(index, when))
            elif state in ACTIVE:
                began = _attempt_began(one, index)
                active.append(ActiveThen(one.at(index, when), began, one.stalled(when, began)))
        active.sort(key=lambda then: (then.task.notified_at or "", then.task.id))
        pending.sort(key=lambda task: task.order)
        done = [one.at(index, when) for one, index in ended[-DONE_KEPT:]]
        done.sort(key=lambda task: (task.completed_at or "", task.id), reverse=True)
        end = bisect_right(self._notice_times, when)
        notices = tuple(notice for _, notice in self._notices[max(end - NOTICES_KEPT, 0) : end])
        waited_for = {earlier for task in pending for earlier in task.after}
        older = {one.task.id: one.spans[index].state for one, index in ended[:-DONE_KEPT] if one.task.id in waited_for}
        return Moment(
            tuple(active), tuple(pending), tuple(done), len(ended), notices, self._flow_at(when), self._engine_at(when), older
        )

    def events(self, since: float = 0.0, until: float = inf) -> list[Event]:
        """The events of a period in order: notifications and actions of operators."""
        events = [Event(time, one.level, one.text, one.id) for time, one in _between(self._notices, since, until)]
        for time, act in _between(self._acts, since, until):
            if (text := describe_entry(act)) is not None:
                asked = act.verb not in (STARTED, ENDED, REMOVED, CHANGED)
                events.append(Event(time, "info" if act.ok else "warning", text, act.task, asked))
        events.sort(key=lambda event: event.time)
        return events

    def _flow_at(self, when: float) -> Flow | None:
        place = bisect_right(self._flows, when, key=lambda flow: flow[0])
        return self._flows[max(place - 1, 0)][1] if self._flows else None

    def _engine_at(self, when: float) -> EngineThen | None:
        if self.recorded_from is None or when < self.recorded_from:
            return None
        place = bisect_right(self._engines, when, key=lambda engine: engine[0])
        if not place or when >= self._engines[place - 1][1]:
            return EngineThen(False)
        return self._engines[place - 1][2]

    def _write_histories(self, tasks: Sequence[Task]) -> list[History]:
        files = {task.id: task for task in tasks}
        notices: dict[str, list[Notice]] = {}
        for _, notice in self._notices:
            if notice.id is not None:
                notices.setdefault(notice.id, []).append(notice)
        changes: dict[str, list[tuple[float, Change]]] = {}
        gone: dict[str, float] = {}
        for time, act in self._acts:
            for change in act.changes:
                if change.task is None:
                    continue
                if act.verb == REMOVED:
                    gone[change.task] = time
                elif _is_valid(change):
                    changes.setdefault(change.task, []).append((time, change))
        removals = [(time, before) for time, act in self._acts if (before := _removed_before(time, act)) is not None]
        histories = []
        for task_id in files.keys() | notices.keys():
            own = notices.get(task_id, ())
            gone_at = gone.get(task_id)
            if task_id not in files and gone_at is None and own:
                gone_at = _cleared_at(epoch(own[-1].time) or 0.0, removals)
            one = build_history(files.get(task_id), own, changes.get(task_id, ()), gone_at, self.recorded_from or inf)
            if one is not None:
                histories.append(one)
        return histories


def describe_entry(act: Act) -> str | None:
    """Describe a journal entry in a line; None for one that is not an event of its own."""
    if act.verb == STARTED:
        flow = act.engine.get("flow")
        limit = flow.get("limit") if isinstance(flow, dict) else None
        agents = format_count(limit, "agent") if isinstance(limit, int) else "an unknown number of agents"
        return f"an engine starts ({act.engine.get('mode')}, pid {act.engine.get('pid')}), at most {agents}"
    if act.verb == ENDED:
        return "the engine stops"
    if act.verb == REMOVED and not act.changes:
        return f"{act.args.get('count')} ended tasks are removed by age"
    if act.verb in (REMOVED, CHANGED):
        shown = [change for change in act.changes if change.now.keys() - BY_THE_WAY]
        return "; ".join(_describe_change(change) for change in shown[:3]) or None
    if act.verb == "edit" and act.ok:
        return "; ".join([f"you: {act.text}", *map(_fields, act.changes[:3])])
    return f"you: {act.text}" if act.ok else f"you: {act.verb.replace('_', ' ')} was refused: {act.text}"


def _describe_change(change: Change) -> str:
    subject = format_id(change.task) if change.task else "queue"
    if change.now.get("state", "") is None:
        return f"{subject}: its file was deleted by hand"
    return f"{subject}: {_fields(change)}"


def _fields(change: Change) -> str:
    parts = [
        name if name == "message" else f"{name} {_value(change.was.get(name))} → {_value(value)}"
        for name, value in change.now.items()
        if name != "pause_code"  # `pause_reason` says the same
    ]
    return ", ".join(parts)


def _value(value: Any) -> str:
    if value is None or value in ("", []):
        return "none"
    if isinstance(value, list):
        return " ".join(str(one.get("provider", "")) if isinstance(one, dict) else str(one) for one in value)
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)


def _in_order(pairs: list[tuple[float, One]]) -> list[tuple[float, One]]:
    return sorted(pairs, key=lambda pair: pair[0])


def _between(pairs: list[tuple[float, One]], since: float, until: float) -> list[tuple[float, One]]:
    return pairs[bisect_left(pairs, since, key=lambda pair: pair[0]) : bisect_right(pairs, until, key=lambda pair: pair[0])]


def _attempt_began(one: History, index: int) -> float:
    """When the attempt began that is active in a span."""
    while index and one.spans[index - 1].state in ACTIVE:
        index -= 1
    return one.spans[index].begin


def _is_valid(change: Change) -> bool:
    """Whether the fields of a change are valid for a task; the journal may have been edited by hand."""
    try:
        for fields in (change.was, change.now):
            msgspec.convert({"id": "q_1", "issue_ref": "", **fields, "message": ""}, Task)
    except (msgspec.ValidationError, TypeError):
        return False
    return True


def _removed_before(time: float, act: Act) -> float | None:
    """The time before which tasks must have ended to be removed by an entry; None when it removed none."""
    if act.verb == "clear" and act.ok:
        older = act.args.get("older_than_s", 0.0)
        return time - older if isinstance(older, int | float) else None
    if act.verb == REMOVED and not act.changes:
        return epoch(str(act.args.get("ended_before", "")))
    return None


def _cleared_at(ended: float, removals: Sequence[tuple[float, float]]) -> float | None:
    return next((time for time, before in removals if ended <= before and ended <= time), None)


def _flows(acts: Sequence[tuple[float, Act]]) -> list[tuple[float, Flow]]:
    """The settings of the queue over time; the first also holds before."""
    flows: list[tuple[float, Flow]] = []
    known: dict[str, Any] = {}
    for time, act in acts:
        flow_then = act.engine.get("flow")
        news: dict[str, Any] = {"pause_code": ""} | flow_then if act.verb == STARTED and isinstance(flow_then, dict) else {}
        if act.verb == ENDED:  # these end with the engine
            news = {"draining": False, "pressure": ""}
        for change in act.changes:
            if change.task is None:
                known = {**change.was, **known} if not flows else known
                news |= change.now
        if not news or (act.verb == ENDED and not flows):
            continue
        if not flows and act.verb != STARTED and (before := _flow(known)) is not None:
            flows.append((-inf, before))
        if (flow := _flow(known | news)) is not None:  # a journal edited by hand may contain anything
            known |= news
            flows.append((time, flow))
    return flows


def _flow(fields: Mapping[str, Any]) -> Flow | None:
    try:
        return msgspec.convert(fields, Flow)
    except msgspec.ValidationError:
        return None


def _engines(acts: Sequence[tuple[float, Act]], last_alive: float | None) -> list[tuple[float, float, EngineThen]]:
    """The engines that ran, with start and end."""
    turns = [(time, act) for time, act in acts if act.verb in (STARTED, ENDED)]
    engines: list[tuple[float, float, EngineThen]] = []
    if turns and turns[0][1].verb == ENDED:  # its start is not recorded any more
        engines.append((-inf, turns[0][0], EngineThen(True)))
    for place, (time, act) in enumerate(turns):
        if act.verb != STARTED:
            continue
        end = inf if last_alive is None else last_alive
        if place + 1 < len(turns):
            end, after = turns[place + 1]
            if after.verb == STARTED:
                end = epoch(str(after.engine.get("last_alive", ""))) or end
        pid, mode = act.engine.get("pid"), act.engine.get("mode")
        who = EngineThen(True, pid if isinstance(pid, int) else None, mode if isinstance(mode, str) else None, act.time)
        engines.append((time, max(end, time), who))
    return engines
