"""`kugetsu list` (issues) and `kugetsu show ID` (one task)."""

import os

from ...client.snapshot import Snapshot
from ...client.snapshot_reader import SnapshotReader
from ...client.task_messages import list_documents
from ...domain import failures
from ...domain.task import Attempt, Task
from ...domain.text.quantities import format_clock, format_count, format_size
from ...domain.text.safe_text import safe_line, safe_text
from ...domain.text.sizes import format_memory_cap
from ...domain.text.times import format_stored
from ...domain.usage_sums import format_usage, sum_usage
from ...state import tasks
from ...state.issue_names import name_of
from ..context import choose_glyph, make_client, make_paths
from ..output import build_task_document, describe_pull_request, describe_sample, describe_start, print_json
from ..parser import make_parser


def main(verb: str, argv: list[str]) -> int:
    """Print issues, or one task."""
    if verb == "list":
        from . import list_issues

        return list_issues.main(argv)
    return _show(argv)


def _show(argv: list[str]) -> int:
    args = make_parser("show").parse_args(argv)
    here = make_paths()
    task = tasks.find_task(here, make_client().resolve_task(args.id, "show"))
    snapshot = SnapshotReader(here, os.environ).read()
    position = next((place for place, other in enumerate(snapshot.pending, 1) if other.id == task.id), None)
    messages = list_documents(here, make_client().settings, task)
    if args.json:
        print_json(build_task_document(task, snapshot, position) | {"messages": messages})
    else:
        _describe(task, snapshot, position, here.worktree(name_of(here, task.issue_ref)))
        for message in messages:
            print(f"\n> you: {safe_text(message['text']).strip()}\n  {safe_line(message['status'])}")
    return 0


def _describe_memory(task: Task, snapshot: Snapshot) -> str:
    """Return what its agent uses, the limit, and what enforces it; empty if there is nothing to say."""
    active = next((one for one in snapshot.active if one.task.id == task.id), None)
    progress, limit = (active.progress, active.record.memory if active.record else None) if active else (None, None)
    parts = [format_size(progress.memory)] if progress is not None and progress.memory else []
    if limit is not None:
        how = {"cgroup": "enforced by the kernel", "watch": "watched by its supervisor"}.get(limit.by, "")
        parts.append(", ".join(filter(None, (f"limit {format_size(limit.cap)}" if limit.cap else "no limit", how, limit.why))))
    elif task.memory_cap is not None:
        parts.append(f"limit {format_memory_cap(task.memory_cap)}")
    if progress is not None and progress.memory_kills:
        parts.append(f"{format_count(progress.memory_kills, 'process', 'processes')} ended for it")
    return ", ".join(parts)


def _describe_sandbox(task: Task, snapshot: Snapshot) -> str:
    """Return what the sandbox of its newest attempt allows, and what it refused; empty if it ran in none."""
    active = next((one for one in snapshot.active if one.task.id == task.id), None)
    seen = active.progress if active is not None else task.last_attempt
    if seen is None or seen.sandbox is None:
        return ""
    return f"{seen.sandbox}; refused: {' '.join(seen.refused)}" if seen.refused else seen.sandbox


def _describe(task: Task, snapshot: Snapshot, position: int | None, worktree: str) -> None:
    lines = [
        ("task", f"{task.shown}  {task.issue_ref}"),
        ("state", f"{choose_glyph(task.glyph_name)} {task.state}"),
    ]
    if position is not None:
        lines.append(("place", f"{position} of {len(snapshot.pending)}: {snapshot.explain_wait(task).text}"))
        if start := describe_start(task, snapshot):
            lines.append(("starts", start))
    if task.reason:
        lines.append(("reason", task.reason))
    lines.append(("agent", f"{task.agent or 'the default'}, priority {task.priority}"))
    if memory := _describe_memory(task, snapshot):
        lines.append(("memory", memory))
    if sandbox := _describe_sandbox(task, snapshot):
        lines.append(("sandbox", sandbox))
    if task.expect != "anything":
        lines.append(("expects", task.expect))
    if task.tags:
        lines.append(("tags", " ".join(task.tags)))
    if task.state == "pending" and (expected := snapshot.expected_run_time(task)) is not None:
        lines.append(("takes about", describe_sample(expected)))
    if os.path.isdir(worktree):
        lines.append(("worktree", worktree))
    active = next((one for one in snapshot.active if one.task.id == task.id), None)
    if active is not None and active.progress is not None and active.progress.base is not None:
        lines.append(("starts from", str(active.progress.base)))
    if pull := describe_pull_request(snapshot, task.issue_ref):
        lines.append(("pull request", pull))
    if len(task.attempts) > 1 and (used := format_usage(sum_usage(task.attempts))):
        lines.append(("used", used))
    stamps = {"waiting since": task.pending_since, "started": task.started_at, "ended": task.completed_at}
    lines += [(name, format_stored(stamp)) for name, stamp in stamps.items() if stamp]
    for name, text in lines:
        print(f"{name:14}{safe_line(text)}")
    for attempt in task.attempts:
        print(f"{f'attempt {attempt.number}':14}{safe_line(_describe_attempt(attempt))}")
        if attempt.base is not None:
            print(f"{'':14}started from {safe_line(str(attempt.base))}")
    print(f"\n{safe_text(task.message).rstrip()}")


def _describe_attempt(attempt: Attempt) -> str:
    failure = failures.describe_failure(attempt.failure)
    how = attempt.outcome if failure in ("", attempt.outcome) else f"{attempt.outcome} ({failure})"
    parts = [how, attempt.reason or "", str(attempt.delivered) if attempt.delivered else ""]
    parts.append(f"not measured: {attempt.not_measured}" if attempt.not_measured else "")
    parts.append(f"in {format_clock(attempt.elapsed_s)}" if attempt.elapsed_s is not None else "")
    parts.append(format_usage(attempt.usage) if attempt.usage else "")
    return ", ".join(part for part in parts if part)
