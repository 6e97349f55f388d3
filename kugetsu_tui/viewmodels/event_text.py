"""What happened to a task, in sentences, in the order in which it happened."""

from kugetsu_engine.domain import silence
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
"""When, and what."""

TOLD_BY_ATTEMPTS = frozenset({"task_started", "task_dequeued", "task_queued", "task_retry"})


def describe_events(picture: ConsoleState, task: Task) -> list[Sentence]:
    """The whole story, and how it stands now at its end."""
    now = picture.snapshot.taken_at
    asked_at = next((one.time for one in picture.snapshot.notices if one.id == task.id and one.type == "task_queued"), None)
    # A retry that was asked for, and a release, begin the waiting anew; so this may be later than the task came.
    asked_at = asked_at or (task.pending_since if not task.attempts else None)
    dated = [(epoch(asked_at), _asked(task, asked_at, now))]
    dated += [one for attempt in task.attempts for one in _of_attempt(attempt, now)]
    dated += [(epoch(notice.time), _of_notice(notice, now)) for notice in _others(picture, task)]
    # What has no time of its own stands where it was put, behind what came before it.
    latest = 0.0
    sortable: list[tuple[float, Sentence]] = []
    for when, sentence in dated:
        latest = when if when is not None else latest
        sortable.append((latest, sentence))
    lines = [sentence for _, sentence in sorted(sortable, key=lambda pair: pair[0])]
    return [*lines, *(_now(picture, task))]


def _line(stamp: str | float | None, now: float, text: str, tone: str = "text") -> Sentence:
    return (format_moment(stamp, now, seconds=True), "faint"), (clean(text, 1500), tone)


def _asked(task: Task, asked_at: str | None, now: float) -> Sentence:
    words = [f"Asked for {task.issue_ref}: {task.title or 'no words'}."]
    if task.priority != 5:
        words.append(f"Its priority is {task.priority} of 9.")
    if task.after:
        words.append(f"It comes after {', '.join(format_id(one) for one in task.after)}.")
    if task.not_before:
        words.append(f"It is not to start before {format_moment(task.not_before, now)}.")
    return _line(asked_at, now, " ".join(words))


def _of_attempt(attempt: Attempt, now: float) -> list[tuple[float | None, Sentence]]:
    number = f"Attempt {attempt.number}"
    lines: list[tuple[float | None, Sentence]] = []
    if attempt.started_at:
        began = f"{number} started{f' from {attempt.base}' if attempt.base is not None else ''}."
        lines.append((epoch(attempt.started_at), _line(attempt.started_at, now, began, "info")))
    good = attempt.outcome == "ok"
    ran = f" after {format_span(attempt.elapsed_s)}" if attempt.elapsed_s is not None else ""
    ended = {
        "ok": f"{number} ended well{ran}", "timeout": f"{number} ran out of time{ran}",
        "cancelled": f"{number} was stopped{ran}",
        "lost": f"{number} was lost{ran}", "stalled": f"{number} was stalled and was ended{ran}",
        "not_started": f"{number} could not start",
    }.get(attempt.outcome, f"{number} failed{ran}")  # fmt: skip
    said = [f"{ended}: {attempt.reason}" if attempt.reason and attempt.reason != attempt.outcome else ended]
    code = attempt.exit_code if attempt.exit_code and f"{attempt.exit_code}" not in (attempt.reason or "") else None
    said.append(f" (exit {code})." if code else "." if not said[0].endswith(".") else "")
    if attempt.delivered is not None:
        said.append(f" It left {attempt.delivered}.".replace("left nothing delivered", "left nothing"))
    if attempt.not_measured:
        said.append(f" Not measured: {attempt.not_measured}.")
    tone = "good" if good else "muted" if attempt.outcome == "cancelled" else "warning"
    lines.append((epoch(attempt.ended_at), _line(attempt.ended_at, now, "".join(said), tone)))
    return lines


def _others(picture: ConsoleState, task: Task) -> list[Notice]:
    """Notifications about the task that tell something its attempts do not."""
    told_as_end = {"task_completed", "task_error"} if task.attempts else set()
    return [
        notice
        for notice in picture.snapshot.notices
        if notice.id == task.id and notice.type not in TOLD_BY_ATTEMPTS and notice.type not in told_as_end
    ]


def _of_notice(notice: Notice, now: float) -> Sentence:
    text = notice.text
    for name in (f"{format_id(notice.id or '')} ", f"{notice.issue_ref or ''} "):
        text = text.removeprefix(name)
    return _line(notice.time, now, f"{text[:1].upper()}{text[1:]}.", glyphs.get_level_glyph(notice.level).tone)


def _now(picture: ConsoleState, task: Task) -> list[Sentence]:
    now = picture.snapshot.taken_at
    active = find_active(picture, task.id)
    label: Cell = ("now", "accent")
    if active is not None:
        limit = format_limit(active.timeout_s)
        words = f"Attempt {task.attempt} of {count_allowed_attempts(picture, task)}"
        words += f" runs since {format_moment(task.notified_at, now)}, with a limit of {limit};"
        words += f" it is {PHASES.get(active.phase, active.phase)}."
        if active.progress is not None and active.progress.base is not None:
            words = f"{words} It started from {active.progress.base}."
        if active.stalled:
            evidence = silence.format_evidence(active.stalled, active.silent_s)
            return [(label, (clean(f"{words} A person should look: {evidence}.", 600), "danger"))]
        return [(label, (clean(words, 600), "text"))]
    if task.state == "pending":
        why = picture.snapshot.explain_wait(task)
        words = f"It waits: {format_reason(why, now)}"
        place = picture.snapshot.places.get(task.id)
        if place is not None:
            words = f"{words}; number {place} of {len(picture.snapshot.pending)} in the queue"
            start = estimate_start(task, why, picture.snapshot)
            words += f", starts about {format_moment(start, now)}" if start is not None else ""
        return [(label, (clean(f"{words}.", 600), "text"))]
    look = glyphs.get_task_glyph(task)
    reason = task.error or task.reason
    verb = {"completed": "was completed", "error": "failed", "expired": "expired"}.get(task.state, "was cancelled")
    when = format_moment(task.completed_at, now)
    words = f"It {verb}{f' at {when}' if when else ''}{f': {reason}' if reason else ''}."
    return [(label, (clean(words.replace("..", "."), 900), look.tone))]
