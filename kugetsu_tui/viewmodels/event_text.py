"""What happened to a task, as sentences in order of time."""

from kugetsu_engine.domain import stall_text
from kugetsu_engine.domain.new_task import format_id
from kugetsu_engine.domain.task import Attempt, Notice, Task
from kugetsu_engine.domain.text.quantities import format_limit, format_moment, format_span
from kugetsu_engine.domain.text.times import epoch

from ..formatting import glyphs
from ..formatting.cells import clean
from .agents import PHASES
from .console_state import ConsoleState
from .queue import estimate_start, format_reason
from .rows import Cell
from .task_summary import count_allowed_attempts, find_active

Sentence = tuple[Cell, Cell]
"""Time and text."""

COVERED_BY_ATTEMPTS = frozenset({"task_started", "task_dequeued", "task_queued", "task_retry"})


def describe_events(console: ConsoleState, task: Task) -> list[Sentence]:
    """All events, and the current state at the end."""
    now = console.snapshot.taken_at
    requested_at = next(
        (notice.time for notice in console.snapshot.notices if notice.id == task.id and notice.type == "task_queued"), None
    )
    # A requested retry and a release restart the waiting, so `pending_since` may be later than the request.
    requested_at = requested_at or (task.pending_since if not task.attempts else None)
    dated = [(epoch(requested_at), _describe_request(task, requested_at, now))]
    dated += [one for attempt in task.attempts for one in _describe_attempt(attempt, now)]
    dated += [(epoch(notice.time), _describe_notice(notice, now)) for notice in _other_notices(console, task)]
    # An event without a time stays behind the one before it.
    latest = 0.0
    sortable: list[tuple[float, Sentence]] = []
    for when, sentence in dated:
        latest = when if when is not None else latest
        sortable.append((latest, sentence))
    lines = [sentence for _, sentence in sorted(sortable, key=lambda pair: pair[0])]
    return [*lines, *(_describe_now(console, task))]


def _build_sentence(stamp: str | float | None, now: float, text: str, tone: str = "text") -> Sentence:
    return (format_moment(stamp, now, seconds=True), "faint"), (clean(text, 1500), tone)


def _describe_request(task: Task, requested_at: str | None, now: float) -> Sentence:
    text = [f"Requested for {task.issue_ref}: {task.title or 'no message'}."]
    if task.priority != 5:
        text.append(f"Priority {task.priority} of 9.")
    if task.after:
        text.append(f"It waits for {', '.join(format_id(task_id) for task_id in task.after)}.")
    if task.not_before:
        text.append(f"It starts no earlier than {format_moment(task.not_before, now)}.")
    return _build_sentence(requested_at, now, " ".join(text))


def _describe_attempt(attempt: Attempt, now: float) -> list[tuple[float | None, Sentence]]:
    number = f"Attempt {attempt.number}"
    lines: list[tuple[float | None, Sentence]] = []
    if attempt.started_at:
        began = f"{number} started{f' from {attempt.base}' if attempt.base is not None else ''}."
        lines.append((epoch(attempt.started_at), _build_sentence(attempt.started_at, now, began, "info")))
    good = attempt.outcome == "ok"
    ran = f" after {format_span(attempt.elapsed_s)}" if attempt.elapsed_s is not None else ""
    ended = {
        "ok": f"{number} succeeded{ran}", "timeout": f"{number} ran out of time{ran}",
        "cancelled": f"{number} was stopped{ran}",
        "lost": f"{number} was lost{ran}", "stalled": f"{number} stalled and was stopped{ran}",
        "not_started": f"{number} could not start",
    }.get(attempt.outcome, f"{number} failed{ran}")  # fmt: skip
    parts = [f"{ended}: {attempt.reason}" if attempt.reason and attempt.reason != attempt.outcome else ended]
    code = attempt.exit_code if attempt.exit_code and f"{attempt.exit_code}" not in (attempt.reason or "") else None
    parts.append(f" (exit {code})." if code else "." if not parts[0].endswith(".") else "")
    if attempt.delivered is not None:
        parts.append(f" It left {attempt.delivered}.".replace("left nothing delivered", "left nothing"))
    if attempt.not_measured:
        parts.append(f" Not measured: {attempt.not_measured}.")
    tone = "good" if good else "muted" if attempt.outcome == "cancelled" else "warning"
    lines.append((epoch(attempt.ended_at), _build_sentence(attempt.ended_at, now, "".join(parts), tone)))
    return lines


def _other_notices(console: ConsoleState, task: Task) -> list[Notice]:
    """Notifications about the task that say more than its attempts."""
    covered_ends = {"task_completed", "task_error"} if task.attempts else set()
    return [
        notice
        for notice in console.snapshot.notices
        if notice.id == task.id and notice.type not in COVERED_BY_ATTEMPTS and notice.type not in covered_ends
    ]


def _describe_notice(notice: Notice, now: float) -> Sentence:
    text = notice.text
    for name in (f"{format_id(notice.id or '')} ", f"{notice.issue_ref or ''} "):
        text = text.removeprefix(name)
    return _build_sentence(notice.time, now, f"{text[:1].upper()}{text[1:]}.", glyphs.get_level_glyph(notice.level).tone)


def _describe_now(console: ConsoleState, task: Task) -> list[Sentence]:
    now = console.snapshot.taken_at
    active = find_active(console, task.id)
    label: Cell = ("now", "accent")
    if active is not None:
        limit = format_limit(active.timeout_s)
        text = f"Attempt {task.attempt} of {count_allowed_attempts(console, task)}"
        text += f" has been running since {format_moment(task.notified_at, now)}, with a limit of {limit};"
        text += f" it is {PHASES.get(active.phase, active.phase)}."
        if active.progress is not None and active.progress.base is not None:
            text = f"{text} It started from {active.progress.base}."
        if active.stalled:
            evidence = stall_text.format_evidence(active.stalled, active.silent_s)
            return [(label, (clean(f"{text} It needs you: {evidence}.", 600), "danger"))]
        return [(label, (clean(text, 600), "text"))]
    if task.state == "pending":
        why = console.snapshot.explain_wait(task)
        text = f"It is waiting: {format_reason(why, now)}"
        place = console.snapshot.places.get(task.id)
        if place is not None:
            text = f"{text}; number {place} of {len(console.snapshot.pending)} in the queue"
            start = estimate_start(task, why, console.snapshot)
            text += f", starts about {format_moment(start, now)}" if start is not None else ""
        return [(label, (clean(f"{text}.", 600), "text"))]
    shown = glyphs.get_task_glyph(task)
    reason = task.error or task.reason
    verb = {"completed": "was completed", "error": "failed", "expired": "expired"}.get(task.state, "was cancelled")
    when = format_moment(task.completed_at, now)
    text = f"It {verb}{f' at {when}' if when else ''}{f': {reason}' if reason else ''}."
    return [(label, (clean(text.replace("..", "."), 900), shown.tone))]
