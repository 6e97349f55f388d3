"""Makes the context of actions, and the titles of logs, from the shown state."""

from collections.abc import Iterable
from dataclasses import replace

from kugetsu_engine.domain.task import Task

from ..availability import ActionContext
from ..formatting import glyphs
from ..formatting.cells import clean
from ..viewmodels.console_state import ConsoleState, shorten_reference

NOTHING = [[("nothing is selected", "muted")]]


def format_log_title(task: Task | None, attempt: int, whole: bool = True) -> list[tuple[str, str]]:
    """The title of a log: its attempt, and unless `whole` is false its task."""
    if task is None:
        return []
    sign = glyphs.get_task_glyph(task)
    parts: list[tuple[str, str]] = []
    if whole:
        parts = [(f"{clean(task.shown, 30)} {clean(shorten_reference(task.issue_ref), 60)} ", "muted")]
        parts.append((f"{sign.glyph} {sign.word}", sign.tone))
    if attempt:
        of_all = f" of {task.attempt}" if task.attempt > 1 else ""
        dot = f" {glyphs.glyph('dot')} " if whole else ""
        parts.append((f"{dot}attempt {attempt}{of_all}", "muted"))
    return parts


def make_context(
    state: ConsoleState | None, read_only: bool, pane: str, task_id: str | None, attempt: int, searching: bool
) -> ActionContext:
    """Make the context of a pane."""
    if state is None:
        return ActionContext(pane=pane, read_only=read_only)
    snapshot, in_replay = state.snapshot, state.replaying is not None
    task = snapshot.find_task(task_id) if task_id else None
    if task is None:
        return ActionContext(pane=pane, read_only=read_only, limit=snapshot.limit, in_replay=in_replay)
    return replace(
        make_task_context(task),
        pane=pane,
        read_only=read_only,
        attempt=attempt,
        limit=snapshot.limit,
        searching=searching,
        in_replay=in_replay,
        no_attach=state.no_attach(task),
        asks=any(active.task.id == task.id and active.asks is not None for active in snapshot.active),
    )


def make_task_context(task: Task) -> ActionContext:
    """Make the part of a context that is about one task."""
    return ActionContext(
        task=task.id, state=task.state, held=task.held, paused=task.pause is not None,
        stopping=task.stop is not None or (task.park is not None and not task.parked),
        waits_for_retry=task.retry_at is not None, last_attempt=task.attempt,
    )  # fmt: skip


def make_kinds(tasks: Iterable[Task], read_only: bool, in_replay: bool = False) -> tuple[ActionContext, ...]:
    """Make one context for each kind of task among many."""
    kinds: dict[tuple[object, ...], ActionContext] = {}
    for task in tasks:
        key = (task.state, task.held, task.pause is None, task.stop is None and task.park is None, task.retry_at is None)
        if key not in kinds:
            kinds[key] = replace(make_task_context(task), read_only=read_only, in_replay=in_replay)
    return tuple(kinds.values())
