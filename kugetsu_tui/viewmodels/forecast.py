"""The forecast of starts, as lines of a dialog."""

from collections.abc import Collection

from kugetsu_engine.client.snapshot import Snapshot
from kugetsu_engine.domain import stall_text
from kugetsu_engine.domain.decisions.forecast import Plan, Start
from kugetsu_engine.domain.new_task import format_id
from kugetsu_engine.domain.text.quantities import format_count, format_moment

from ..formatting import glyphs
from ..formatting.cells import clean, fit
from .console_state import shorten_reference
from .queue import format_reason
from .rows import Cell, measure_widest

Spans = list[Cell]
FAR = 7
"""Width of a time of day with its `~`."""


def format_headline(plan: Plan, limit_now: int, stalled: Collection[str] = ()) -> list[Spans]:
    """The forecast in a line or two."""
    what_if = plan.limit != limit_now
    slots = format_count(plan.limit, "slot")
    first: Spans = [(f"with {slots} in place of {limit_now}" if what_if else slots, "accent" if what_if else "text")]
    if plan.ends_at is not None and (plan.busy or plan.starts):
        stuck = f"all but {len(plan.others)}" if plan.others else "all"
        first.append((f", {stuck} done {_about(plan.ends_at, plan.now)}", "text"))
    lines = [first]
    if plan.blocked is not None:
        lines.append([(clean(f"{plan.blocked.text}: nothing starts; this plan assumes that it ends now", 200), "warning")])
    if stalled:
        lines.append([(stall_text.format_caveat(stalled), "warning")])
    if plan.unknown:
        lines.append([("no attempt has succeeded yet, so durations are unknown", "muted")])
    return lines


def format_rows(plan: Plan, snapshot: Snapshot, more: int, width: int) -> list[Spans]:
    """A line per task: running, starting, and not starting by itself.

    Args:
        more: number of waiting tasks beyond the forecast.
        width: width of a line.
    """
    day = any(len(_about(entry.start, plan.now)) > FAR for entry in plan.starts)
    time_width = 14 if day else FAR
    tasks = [*(entry.task_id for entry in plan.busy), *(entry.task_id for entry in (*plan.starts, *plan.others))]
    id_width = measure_widest((format_id(task_id) for task_id in tasks), 2, 8)
    lines: list[Spans] = []
    for busy in plan.busy:
        ends = f"until {_about(busy.ends_at, plan.now)}"
        lines.append(_row(snapshot, busy.task_id, ("runs", "info"), (ends, "muted"), (time_width, id_width, width)))
    for entry in (*plan.starts, *plan.others):
        start: Cell = (_about(entry.start, plan.now), "text" if entry.start is not None else "faint")
        if entry.start == plan.now:
            start = ("now", "good")
        lines.append(_row(snapshot, entry.task_id, start, (_why(entry, plan), "muted"), (time_width, id_width, width)))
    if more:
        lines.append([(f"and {more} more", "faint")])
    return lines or [[("no task is running or waiting", "muted")]]


def _row(snapshot: Snapshot, task_id: str, start: Cell, why: Cell, widths: tuple[int, int, int]) -> Spans:
    time_width, id_width, width = widths
    task = snapshot.find_task(task_id)
    if task is None:
        return [(fit(start[0], time_width, right=True), start[1]), ("  ", "text"), (clean(task_id, 40), "muted")]
    shown = glyphs.get_task_glyph(task)
    rest = max(width - time_width - id_width - 6, 0)
    issue = min(16, rest // 3)
    spans: Spans = [
        (fit(start[0], time_width, right=True), start[1]), ("  ", "text"), (shown.glyph, shown.tone), (" ", "text"),
        (fit(clean(task.shown, 40), id_width), "muted"), ("  ", "text"),
        (fit(clean(shorten_reference(task.issue_ref), 200), issue), "accent"), ("  ", "text"),
    ]  # fmt: skip
    rest -= issue + 2
    if not why[0]:
        return [*spans, (fit(clean(task.title, 400), rest), "text")]
    reason = fit(why[0], min(len(why[0]), max(rest - 12, rest // 2)))
    return [*spans, (fit(clean(task.title, 400), max(rest - len(reason) - 2, 0)), "text"), ("  ", "text"), (reason, why[1])]


def _about(epoch_s: float | None, now: float) -> str:
    return f"~{format_moment(epoch_s, now)}" if epoch_s is not None else "?"


def _why(entry: Start, plan: Plan) -> str:
    """Why it does not start, unless it only waits for a slot."""
    return (
        "" if plan.waits_for_a_slot(entry) and entry.why.code != "prepared" else clean(format_reason(entry.why, plan.now), 120)
    )
