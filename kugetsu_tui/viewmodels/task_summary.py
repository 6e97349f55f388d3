"""One task in words: the header of its screen, its card in place of a log, and the line at the bottom of home."""

from kugetsu_engine.client.snapshot import Active
from kugetsu_engine.domain import failures
from kugetsu_engine.domain.new_task import format_id
from kugetsu_engine.domain.task import Attempt, Task
from kugetsu_engine.domain.text.quantities import format_clock, format_limit, format_moment, format_size, format_span
from kugetsu_engine.domain.usage_sums import format_usage

from ..formatting import glyphs
from ..formatting.cells import clean, clean_lines
from .agents import format_phase
from .console_state import ConsoleState, format_tags, shorten_reference
from .queue import estimate_start, format_reason
from .rows import Cell

Spans = list[Cell]


def format_summary(picture: ConsoleState, task_id: str | None) -> Spans:
    """The selected task in one line."""
    task = picture.snapshot.find_task(task_id) if task_id else None
    if task is None:
        return []
    head: Spans = [(f"{task.shown} {clean(shorten_reference(task.issue_ref), 120)}", "text"), ("  ", "text")]
    return [*head, *format_state(picture, task)]


def format_state(picture: ConsoleState, task: Task) -> Spans:
    """State and reason."""
    look = glyphs.get_task_glyph(task)
    spans: Spans = [(f"{look.glyph} {look.word}", look.tone)]
    active = find_active(picture, task.id)
    if active is not None:
        spans += [(f"  attempt {task.attempt} of {count_allowed_attempts(picture, task)}", "muted")]
        spans += [("  ", "text"), format_phase(active), *_changes(picture, task), *_stall(active), *_overlap(picture, task)]
    elif task.state == "pending":
        why = picture.snapshot.explain_wait(task)
        spans.append((f"  {clean(format_reason(why, picture.snapshot.taken_at), 300)}", "text"))
        place = picture.snapshot.places.get(task.id)
        if place is not None:
            spans.append((f"  number {place} of {len(picture.snapshot.pending)}", "muted"))
            start = estimate_start(task, why, picture.snapshot)
            if start is not None:
                spans.append((f", starts about {format_moment(start)}", "muted"))
        if task.attempt and task.reason:
            spans.append((f"  {clean(task.reason, 400)}", "muted"))
    else:
        spans.append((f" {format_moment(task.completed_at, picture.snapshot.taken_at)}", "muted"))
        told = task.error or task.reason
        if told:
            spans.append((f"  {clean(told, 500)}", "text" if task.state == "error" else "muted"))
    return spans


def count_allowed_attempts(picture: ConsoleState, task: Task) -> int:
    """Number of the last attempt that the engine would make by itself."""
    return task.attempts_before + picture.max_attempts


def find_active(picture: ConsoleState, task_id: str) -> Active | None:
    """The running attempt of a task."""
    return next((one for one in picture.snapshot.active if one.task.id == task_id), None)


def format_header(picture: ConsoleState, task: Task, attempt: int) -> list[Spans]:
    """The top of a task's screen."""
    look = glyphs.get_task_glyph(task)
    active = find_active(picture, task.id)
    lines: list[Spans] = []
    first: Spans = [(f"{task.shown}  ", "title"), (clean(task.issue_ref, 200), "accent"), ("  ", "text")]
    first += [(f"{look.glyph} {look.word}", look.tone)]
    if active is not None:
        first += [("  ", "text"), format_phase(active)]
        first += [(f"  {format_clock(active.elapsed_s)}/{format_limit(active.timeout_s)}", "text")]
    lines.append(first)
    lines.append([(clean(task.title, 600), "text")])
    lines.append(_reason(picture, task))
    lines.append(_facts(picture, task))
    lines += [spans for spans in (_now(picture, task, active), _where(picture, task, active)) if spans]
    lines += _attempts(task, attempt)
    return lines


def _reason(picture: ConsoleState, task: Task) -> Spans:
    if task.state == "pending":
        why = picture.snapshot.explain_wait(task)
        spans: Spans = [("waits   ", "muted"), (clean(format_reason(why, picture.snapshot.taken_at), 300), "text")]
        return [*spans, (f"  {clean(task.reason, 300)}", "muted")] if task.reason else spans
    told = task.error or task.reason
    if not told:
        return [("since   ", "muted"), (_since(task), "text")]
    label = {"completed": "result  ", "error": "failed  "}.get(task.state, "reason  ")
    return [(label, "danger" if task.state == "error" else "muted"), (clean(told, 500), "text")]


def _since(task: Task) -> str:
    return format_moment(task.started_at or task.notified_at or task.pending_since, seconds=True)


def _facts(picture: ConsoleState, task: Task) -> Spans:
    spans: Spans = [("agent   ", "muted"), (clean(task.agent or picture.snapshot.default_agent or "the default", 60), "text")]
    if picture.approves(task) is not None and not task.ended:
        spans.append((f" approves everything by itself ({clean(picture.approves(task) or '', 60)})", "warning"))
    spans += [("  priority ", "muted"), (str(task.priority), "text")]
    spans += [("  queued ", "muted"), (format_moment(task.pending_since, picture.snapshot.taken_at), "text")]
    if task.tags:
        spans += [("  ", "text"), (clean(format_tags(task), 120), "info")]
    if task.after:
        spans += [("  after ", "muted"), (clean(" ".join(format_id(one) for one in task.after), 120), "text")]
    return spans


def _now(picture: ConsoleState, task: Task, active: Active | None) -> Spans:
    """What its agent does right now, and what that takes."""
    spans: Spans = []
    if active is None:
        return spans
    if active.progress is not None:
        progress = active.progress
        if progress.cpu_percent is not None:
            spans += [("  cpu ", "muted"), (f"{progress.cpu_percent:.0f}%", "text")]
        if progress.rss_bytes is not None:
            spans += [("  memory ", "muted"), (format_size(progress.rss_bytes), "text")]
        if progress.processes:
            spans += [("  processes ", "muted"), (str(progress.processes), "text")]
        if progress.usage is not None:
            spans += [("  used ", "muted"), (format_usage(progress.usage), "text")]
        if progress.activity and active.phase == "agent":
            spans += [("  doing ", "muted"), (clean(progress.activity, 200), "text")]
    spans += _changes(picture, task) + _stall(active) + _overlap(picture, task)
    return [("now   ", "muted"), *spans] if spans else []


def _where(picture: ConsoleState, task: Task, active: Active | None) -> Spans:
    """Where it works, where that started, and its pull request."""
    spans: Spans = []
    if active is not None and active.record is not None and active.record.worktree:
        spans += [("  in ", "muted"), (clean(active.record.worktree, 300), "text")]
    spans += _base(task, active) + _pull(picture, task)
    return [("work  ", "muted"), *spans] if spans else []


def _base(task: Task, active: Active | None) -> Spans:
    """Where the work of the newest attempt started."""
    last = task.last_attempt.base if task.last_attempt is not None else None
    base = active.progress.base if active is not None and active.progress is not None else last
    return [("  from ", "muted"), (clean(str(base), 200), "muted")] if base is not None else []


def _pull(picture: ConsoleState, task: Task) -> Spans:
    """What the issue's forge last said about its pull request."""
    known = picture.snapshot.pulls.get(task.issue_key)
    if known is None or known.pull is None:
        return []
    bad = known.pull.checks is not None and known.pull.checks.state == "failure" and known.pull.state == "open"
    words = f"{known.pull} {format_moment(known.asked_at, picture.snapshot.taken_at)}"
    return [("  ", "muted"), (clean(words, 120), "warning" if bad else "info"), (f"  {clean(known.pull.url, 200)}", "muted")]


def _changes(picture: ConsoleState, task: Task) -> Spans:
    """What its agent has changed so far."""
    changes = picture.snapshot.changes_of(task.id)
    return [("  changed ", "muted"), (str(changes), "text" if changes.files else "muted")] if changes is not None else []


def _overlap(picture: ConsoleState, task: Task) -> Spans:
    """Which other running task changes the same files."""
    found = picture.snapshot.find_overlap(task.id)
    if found is None:
        return []
    other = format_id(found.other(task.id))
    return [(f"  {glyphs.glyph('warning')} {clean(f'{other} changes {found.what} too', 200)}", "warning")]


def _stall(active: Active) -> Spans:
    """Why an agent counts as stalled; for how long stands beside it."""
    return [(f"  {clean(active.stalled, 200)}", "danger")] if active.stalled else []


def _attempts(task: Task, shown: int) -> list[Spans]:
    """One line for each of the last attempts, the one whose log is seen marked."""
    lines: list[Spans] = []
    for ended in task.attempts[-4:]:
        mark = glyphs.glyph("marker") if ended.number == shown else " "
        lines.append([(mark, "focus"), (f" attempt {ended.number} ", "muted"), *format_attempt(ended, task.delivers)])
    if task.state in ("notified", "running"):
        mark = glyphs.glyph("marker") if task.attempt == shown else " "
        look = glyphs.get_task_glyph(task)
        lines.append([(mark, "focus"), (f" attempt {task.attempt} ", "muted"), (f"{look.glyph} {look.word}", look.tone)])
    return lines


def format_attempt(ended: Attempt, delivers: bool = True) -> Spans:
    """How an attempt ended and what it delivered."""
    good = ended.outcome == "ok"
    look = glyphs.get_state_glyph("completed" if good else "cancelled" if ended.outcome == "cancelled" else "error")
    spans: Spans = [(f"{look.glyph} {clean(ended.outcome, 20)}", look.tone)]
    failure = failures.describe_failure(ended.failure)
    if failure not in ("", ended.outcome):
        spans.append((f"  {clean(failure, 30)}", "warning"))
    if ended.reason and ended.reason != ended.outcome:
        spans.append((f"  {clean(ended.reason, 300)}", "text"))
    if ended.exit_code not in (None, 0):
        spans.append((f"  exit {ended.exit_code}", "muted"))
    if ended.signal is not None:
        spans.append((f"  signal {ended.signal}", "muted"))
    if ended.elapsed_s is not None:
        spans.append((f"  {format_span(ended.elapsed_s)}", "muted"))
    if ended.usage is not None and (used := format_usage(ended.usage)):
        spans.append((f"  {used}", "muted"))
    if ended.delivered is not None:
        spans.append(
            (
                f"  {clean(str(ended.delivered), 300)}",
                "good" if not ended.delivered.nothing else "warning" if good and delivers else "muted",
            )
        )
    if ended.not_measured:
        spans.append((f"  not measured: {clean(ended.not_measured, 200)}", "warning" if good and delivers else "muted"))
    return spans


def format_card(picture: ConsoleState, task: Task) -> list[Spans]:
    """What is shown where a log would be, for a task that never ran: what it is to do, and when."""
    lines: list[Spans] = [
        [(clean(task.issue_ref, 300), "accent")],
        _reason(picture, task),
    ]
    place = picture.snapshot.places.get(task.id)
    if place is not None:
        start = estimate_start(task, picture.snapshot.explain_wait(task), picture.snapshot)
        about = f", starts about {format_moment(start)}" if start is not None else ""
        lines.append([("place   ", "muted"), (f"{place} of {len(picture.snapshot.pending)}{about}", "text")])
    lines.append(_facts(picture, task))
    lines += [spans for spans in (_where(picture, task, None),) if spans]
    if task.timeout_s or task.repo:
        more: Spans = [("limit   ", "muted"), (format_limit(task.timeout_s), "text")] if task.timeout_s else []
        lines.append([*more, *([("  repo ", "muted"), (clean(task.repo, 200), "text")] if task.repo else [])])
    lines.append([])
    lines += [[(line, "text")] for line in clean_lines(task.message, 100)]
    return lines
