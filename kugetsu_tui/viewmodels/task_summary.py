"""Text of one task: the header of its screen, its card in place of a log, and the line at the bottom of home."""

from kugetsu_engine.client.snapshot import Active
from kugetsu_engine.domain import failures
from kugetsu_engine.domain.message_states import ABILITY, Situation, describe_message, read_shown_message
from kugetsu_engine.domain.new_task import format_id
from kugetsu_engine.domain.pause import LONG_PAUSE_S
from kugetsu_engine.domain.task import Attempt, Task
from kugetsu_engine.domain.text.quantities import (
    format_clock,
    format_count,
    format_limit,
    format_moment,
    format_size,
    format_span,
)
from kugetsu_engine.domain.usage_sums import format_usage

from ..formatting import glyphs
from ..formatting.cells import clean, clean_lines
from .agents import format_phase
from .console_state import ConsoleState, format_tags, shorten_reference
from .queue import estimate_start, format_reason
from .rows import Cell

Spans = list[Cell]


def format_summary(console: ConsoleState, task_id: str | None) -> Spans:
    """The selected task in one line."""
    task = console.snapshot.find_task(task_id) if task_id else None
    if task is None:
        return []
    head: Spans = [(f"{task.shown} {clean(shorten_reference(task.issue_ref), 120)}", "text"), ("  ", "text")]
    return [*head, *format_state(console, task)]


def format_state(console: ConsoleState, task: Task) -> Spans:
    """State and reason."""
    shown = glyphs.get_task_glyph(task)
    spans: Spans = [(f"{shown.glyph} {shown.word}", shown.tone)]
    active = find_active(console, task.id)
    if active is not None:
        spans += [(f"  attempt {task.attempt} of {count_allowed_attempts(console, task)}", "muted")]
        spans += [
            ("  ", "text"),
            format_phase(active),
            *_format_pause(active),
            *_format_changes(console, task),
            *_format_stall(active),
            *_format_overlap(console, task),
        ]
    elif task.state == "pending":
        why = console.snapshot.explain_wait(task)
        spans.append((f"  {clean(format_reason(why, console.snapshot.taken_at), 300)}", "text"))
        place = console.snapshot.places.get(task.id)
        if place is not None:
            spans.append((f"  number {place} of {len(console.snapshot.pending)}", "muted"))
            start = estimate_start(task, why, console.snapshot)
            if start is not None:
                spans.append((f", starts about {format_moment(start)}", "muted"))
        if task.attempt and task.reason:
            spans.append((f"  {clean(task.reason, 400)}", "muted"))
    else:
        spans.append((f" {format_moment(task.completed_at, console.snapshot.taken_at)}", "muted"))
        reason = task.error or task.reason
        if reason:
            spans.append((f"  {clean(reason, 500)}", "text" if task.state == "error" else "muted"))
    return spans


def count_allowed_attempts(console: ConsoleState, task: Task) -> int:
    """Number of the last attempt that the engine makes by itself."""
    return task.attempts_before + console.max_attempts


def find_active(console: ConsoleState, task_id: str) -> Active | None:
    """The running attempt of a task."""
    return next((agent for agent in console.snapshot.active if agent.task.id == task_id), None)


def format_header(console: ConsoleState, task: Task, attempt: int) -> list[Spans]:
    """The header of a task's screen."""
    shown = glyphs.get_task_glyph(task)
    active = find_active(console, task.id)
    lines: list[Spans] = []
    first: Spans = [(f"{task.shown}  ", "title"), (clean(task.issue_ref, 200), "accent"), ("  ", "text")]
    first += [(f"{shown.glyph} {shown.word}", shown.tone)]
    if active is not None:
        first += [("  ", "text"), format_phase(active), *_format_pause(active)]
        first += [(f"  {format_clock(active.elapsed_s)}/{format_limit(active.timeout_s)}", "text")]
    lines.append(first)
    lines.append([(clean(task.title, 600), "text")])
    lines.append(_format_reason_line(console, task))
    lines.append(_format_facts(console, task))
    lines += [spans for spans in (_format_activity(console, task, active), _format_place(console, task, active)) if spans]
    if active is not None and active.asks is not None:
        lines.append([
            ("asks    ", "warning"), (f"{clean(active.asks.get('what') or '', 200)} ", "text"),
            (clean(active.asks.get("about") or "", 600), "title"), ("  y once, A always, n no", "muted"),
        ])  # fmt: skip
    lines += format_messages(console, task, active)
    lines += _format_attempts(task, attempt)
    return lines


MESSAGES_SHOWN = 3


def format_messages(console: ConsoleState, task: Task, active: Active | None) -> list[Spans]:
    """The operator's newest messages to the agent that runs, each with what became of it."""
    if active is None or active.progress is None:
        return []
    record = active.record
    agent = clean(task.agent or console.snapshot.default_agent or "the agent", 60)
    able = record is None or ABILITY in record.can
    now = Situation(task.state, agent, live=record is not None and record.talk == "live", able=able)
    lines: list[Spans] = []
    for one in active.progress.messages[-MESSAGES_SHOWN:]:
        message = read_shown_message(one)
        tone = "good" if message.state == "answered" else "info" if message.delivered else "warning"
        lines.append([
            ("> you   ", "muted"), (clean(" ".join(message.text.split()), 200), "text"),
            (f"  {clean(describe_message(message, now), 120)}", tone),
        ])  # fmt: skip
    return lines


def _format_pause(active: Active) -> Spans:
    """What is to be known about a pause, and the way out of a long one."""
    note = active.pause_note
    park = "; park it to give its slot back" if active.pause_s is not None and active.pause_s >= LONG_PAUSE_S else ""
    return [(f"  {clean(note, 80)}{park}", "warning")] if note else []


def _format_reason_line(console: ConsoleState, task: Task) -> Spans:
    if task.state == "pending":
        why = console.snapshot.explain_wait(task)
        spans: Spans = [("waits   ", "muted"), (clean(format_reason(why, console.snapshot.taken_at), 300), "text")]
        return [*spans, (f"  {clean(task.reason, 300)}", "muted")] if task.reason else spans
    reason = task.error or task.reason
    if not reason:
        return [("since   ", "muted"), (_format_since(task), "text")]
    label = {"completed": "result  ", "error": "failed  "}.get(task.state, "reason  ")
    return [(label, "danger" if task.state == "error" else "muted"), (clean(reason, 500), "text")]


def _format_since(task: Task) -> str:
    return format_moment(task.started_at or task.notified_at or task.pending_since, seconds=True)


def _format_facts(console: ConsoleState, task: Task) -> Spans:
    spans: Spans = [("agent   ", "muted"), (clean(task.agent or console.snapshot.default_agent or "the default", 60), "text")]
    if console.approves(task) is not None and not task.ended:
        spans.append((f" approves everything by itself ({clean(console.approves(task) or '', 60)})", "warning"))
    spans += [("  priority ", "muted"), (str(task.priority), "text")]
    spans += [("  queued ", "muted"), (format_moment(task.pending_since, console.snapshot.taken_at), "text")]
    if task.tags:
        spans += [("  ", "text"), (clean(format_tags(task), 120), "info")]
    if task.after:
        spans += [("  after ", "muted"), (clean(" ".join(format_id(task_id) for task_id in task.after), 120), "text")]
    return spans


def _format_activity(console: ConsoleState, task: Task, active: Active | None) -> Spans:
    """What its agent does, and the resources it uses."""
    spans: Spans = []
    if active is None:
        return spans
    if active.progress is not None:
        progress = active.progress
        if progress.cpu_percent is not None:
            spans += [("  cpu ", "muted"), (f"{progress.cpu_percent:.0f}%", "text")]
        if progress.memory is not None:
            limit = f" of {format_size(progress.memory_cap)}" if progress.memory_cap else ""
            spans += [("  memory ", "muted"), (f"{format_size(progress.memory)}{limit}", "text")]
        if progress.memory_kills:
            spans.append((f" {format_count(progress.memory_kills, 'tool')} ended", "warning"))
        if progress.processes:
            spans += [("  processes ", "muted"), (str(progress.processes), "text")]
        if progress.usage is not None:
            spans += [("  used ", "muted"), (format_usage(progress.usage), "text")]
        if progress.sandbox is not None:
            spans += [("  sandbox ", "muted"), (clean(progress.sandbox, 120), "text")]
        if progress.refused:
            spans += [("  refused ", "muted"), (clean(" ".join(progress.refused), 200), "warning")]
        if progress.activity and active.phase == "agent":
            spans += [("  doing ", "muted"), (clean(progress.activity, 200), "text")]
    spans += _format_changes(console, task) + _format_stall(active) + _format_overlap(console, task)
    return [("now   ", "muted"), *spans] if spans else []


def _format_place(console: ConsoleState, task: Task, active: Active | None) -> Spans:
    """Its worktree, the base of that, and its pull request."""
    spans: Spans = []
    if active is not None and active.record is not None and active.record.worktree:
        spans += [("  in ", "muted"), (clean(active.record.worktree, 300), "text")]
    spans += _format_base(task, active) + _format_pull(console, task)
    return [("work  ", "muted"), *spans] if spans else []


def _format_base(task: Task, active: Active | None) -> Spans:
    """The base of the newest attempt."""
    last = task.last_attempt.base if task.last_attempt is not None else None
    base = active.progress.base if active is not None and active.progress is not None else last
    return [("  from ", "muted"), (clean(str(base), 200), "muted")] if base is not None else []


def _format_pull(console: ConsoleState, task: Task) -> Spans:
    """The pull request, as the forge last reported it."""
    known = console.snapshot.pulls.get(task.issue_key)
    if known is None or known.pull is None:
        return []
    bad = known.pull.checks is not None and known.pull.checks.state == "failure" and known.pull.state == "open"
    words = f"{known.pull} {format_moment(known.asked_at, console.snapshot.taken_at)}"
    return [("  ", "muted"), (clean(words, 120), "warning" if bad else "info"), (f"  {clean(known.pull.url, 200)}", "muted")]


def _format_changes(console: ConsoleState, task: Task) -> Spans:
    """What its agent has changed so far."""
    changes = console.snapshot.changes_of(task.id)
    return [("  changed ", "muted"), (str(changes), "text" if changes.files else "muted")] if changes is not None else []


def _format_overlap(console: ConsoleState, task: Task) -> Spans:
    """Another running task that changes the same files."""
    overlap = console.snapshot.find_overlap(task.id)
    if overlap is None:
        return []
    other = format_id(overlap.other(task.id))
    return [(f"  {glyphs.glyph('warning')} {clean(f'{other} changes {overlap.what} too', 200)}", "warning")]


def _format_stall(active: Active) -> Spans:
    """The evidence of a stall; its duration stands beside it."""
    return [(f"  {clean(active.stalled, 200)}", "danger")] if active.stalled else []


def _format_attempts(task: Task, shown: int) -> list[Spans]:
    """One line per recent attempt; the one whose log is shown is marked."""
    lines: list[Spans] = []
    for ended in task.attempts[-4:]:
        mark = glyphs.glyph("marker") if ended.number == shown else " "
        lines.append([(mark, "focus"), (f" attempt {ended.number} ", "muted"), *format_attempt(ended, task.delivers)])
    if task.state in ("notified", "running"):
        mark = glyphs.glyph("marker") if task.attempt == shown else " "
        state = glyphs.get_task_glyph(task)
        lines.append([(mark, "focus"), (f" attempt {task.attempt} ", "muted"), (f"{state.glyph} {state.word}", state.tone)])
    return lines


def format_attempt(ended: Attempt, delivers: bool = True) -> Spans:
    """How an attempt ended and what it delivered."""
    good = ended.outcome == "ok"
    shown = glyphs.get_state_glyph("completed" if good else "cancelled" if ended.outcome == "cancelled" else "error")
    spans: Spans = [(f"{shown.glyph} {clean(ended.outcome, 20)}", shown.tone)]
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


def format_card(console: ConsoleState, task: Task) -> list[Spans]:
    """The card of a task that never ran: what it should do, and when."""
    lines: list[Spans] = [
        [(clean(task.issue_ref, 300), "accent")],
        _format_reason_line(console, task),
    ]
    place = console.snapshot.places.get(task.id)
    if place is not None:
        start = estimate_start(task, console.snapshot.explain_wait(task), console.snapshot)
        about = f", starts about {format_moment(start)}" if start is not None else ""
        lines.append([("place   ", "muted"), (f"{place} of {len(console.snapshot.pending)}{about}", "text")])
    lines.append(_format_facts(console, task))
    lines += [spans for spans in (_format_place(console, task, None),) if spans]
    if task.timeout_s or task.repo:
        more: Spans = [("limit   ", "muted"), (format_limit(task.timeout_s), "text")] if task.timeout_s else []
        lines.append([*more, *([("  repo ", "muted"), (clean(task.repo, 200), "text")] if task.repo else [])])
    lines.append([])
    lines += [[(line, "text")] for line in clean_lines(task.message, 100)]
    return lines
