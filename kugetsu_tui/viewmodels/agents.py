"""The rows of the active agents."""

from typing import Any

from kugetsu_engine.client.snapshot import Active
from kugetsu_engine.domain import stall_text
from kugetsu_engine.domain.new_task import format_id
from kugetsu_engine.domain.pause import LONG_PAUSE_S
from kugetsu_engine.domain.refs import repository_of
from kugetsu_engine.domain.text.quantities import (
    format_clock,
    format_count,
    format_limit,
    format_percent,
    format_size,
    format_span,
)
from kugetsu_engine.domain.text.times import epoch

from ..formatting import glyphs
from ..formatting.cells import clean
from .console_state import ConsoleState, format_tags, shorten_reference, split_reference
from .filtering import build_row_text
from .rows import Cell, Column, Room, Row, measure_widest
from .task_columns import TASK_COLUMNS, fit_task_columns, format_task_cells

COLUMNS = (
    *TASK_COLUMNS,
    Column("time", 10, keep=7, right=True),
    Column("phase", 16),
    Column("auto", 0, keep=6),
    Column("curve", 8, keep=2),
    Column("cpu", 5, keep=4, right=True),
    Column("memory", 5, keep=3, right=True),
    Column("lines", 0, keep=5, gap=1),
    Column("files", 0, keep=2),
)
DOING = Room(12, 20, 28)
"""Width of the activity column; fixed, so that columns do not move."""
PHASE = Room(10, 16, 16)
"""Width of the phase column, if no agent reports its activity."""

PHASES = {
    "agent": "working", "starting": "starting", "worktree": "worktree", "stopping": "stopping", "sweeping": "sweeping",
    "delivery": "delivery", "waiting for git": "waits for git", "session": "session",
    "issue": "asks the forge",
}  # fmt: skip


class AgentsView:
    """Active agents in the order of their starts."""

    def __init__(self, console: ConsoleState) -> None:
        self._console = console
        self._active = console.snapshot.active
        self._manual = console.snapshot.by_hand
        tasks = [agent.task for agent in self._active]
        references = [*(task.issue_ref for task in tasks), *(session.issue_ref for session in self._manual)]
        has_activity = any(agent.progress is not None and agent.progress.activity for agent in self._active)
        counted = console.snapshot.engine.changes
        self.columns = fit_task_columns(
            COLUMNS, [*(task.shown for task in tasks), *(session.shown for session in self._manual)], references,
            map(self._title, self._active),
            time=measure_widest(map(self._time, self._active), 7, 14),
            phase=DOING if has_activity else PHASE,
            lines=measure_widest((format_changed_lines(console, agent)[0] for agent in self._active), 11, 14) if counted else 0,
            files=measure_widest((format_changed_files(console, agent)[0] for agent in self._active), 10, 12) if counted else 0,
            memory=measure_widest((format_memory(agent)[0] for agent in self._active), 5, 9),
            auto=4 if any(console.approves(task) for task in tasks) else 0,
        )  # fmt: skip
        self.keys = (*(agent.task.id for agent in self._active), *(f"by hand {session.task_id}" for session in self._manual))

    def row(self, index: int) -> Row:
        """One agent, or after the agents a slot used by hand."""
        if index >= len(self._active):
            return self._manual_row(index)
        agent = self._active[index]
        task, progress = agent.task, agent.progress
        glyph, *cells = format_task_cells(task)
        if agent.stalled is not None:
            glyph = (glyphs.glyph("attention"), "danger")
        elif self._console.snapshot.find_overlap(task.id) is not None:
            glyph = (glyphs.glyph("warning"), "warning")
        history = self._console.cpu.get(task.id, ())
        return Row(
            task.id,
            (
                glyph,
                *cells,
                (self._time(agent), choose_time_tone(agent)),
                format_phase(agent),
                ("auto" if self._console.approves(task) else "", "warning"),
                (glyphs.draw_curve(history).rjust(8), "info"),
                (f"{progress.cpu_percent:.0f}%" if progress and progress.cpu_percent is not None else "", "text"),
                format_memory(agent),
                format_changed_lines(self._console, agent),
                format_changed_files(self._console, agent),
            ),
            self._tail(agent),
        )

    def _manual_row(self, index: int) -> Row:
        session = self._manual[index - len(self._active)]
        task, started = self._console.snapshot.find_task(session.task_id), epoch(session.since)
        since = format_span(self._console.snapshot.taken_at - started) if started is not None else ""
        cells: dict[str, Cell] = {
            "state": (glyphs.glyph("mark"), "accent"), "id": (clean(session.shown, 40), "muted"),
            "issue": (clean(shorten_reference(session.issue_ref), 200), "accent"),
            "task": (clean(task.title, 400) if task is not None else "", "text"), "time": (since, "text"),
            "phase": ("by hand", "accent"),
        }  # fmt: skip
        return Row(self.keys[index], tuple(cells.get(column.name, ("", "muted")) for column in COLUMNS))

    def _tail(self, agent: Active) -> tuple[Cell, ...]:
        """Parts behind the title: attempt number, what a pause may cost, and tasks that change the same files."""
        overlap = self._console.snapshot.find_overlap(agent.task.id)
        others = [format_id(other) for other in overlap.tasks if other != agent.task.id] if overlap is not None else []
        again: tuple[Cell, ...] = ((f"attempt {agent.task.attempt}", "warning"),) if agent.task.attempt > 1 else ()
        if agent.pause_note:
            long = agent.pause_s is not None and agent.pause_s >= LONG_PAUSE_S
            again = (*again, ("park it?" if long else clean(agent.pause_note, 80), "warning"))
        kills = agent.progress.memory_kills if agent.progress is not None else 0
        if agent.progress is not None and agent.progress.sandbox:
            again = (*again, ("sandbox", "info"))
        if agent.progress is not None and agent.progress.refused:
            again = (*again, (f"{format_count(len(agent.progress.refused), 'host')} refused", "warning"))
        if kills:
            again = (*again, (f"{format_count(kills, 'tool')} ended for memory", "warning"))
        return (*again, (f"same files as {clean(', '.join(others), 40)}", "warning")) if others else again

    def _title(self, agent: Active) -> str:
        return agent.task.title + "".join(f"  {text}" for text, _ in self._tail(agent))

    @staticmethod
    def _time(agent: Active) -> str:
        return f"{format_clock(agent.elapsed_s)}/{format_limit(agent.timeout_s)}"

    def text(self, index: int) -> str:
        """The text that filters search."""
        if index >= len(self._active):
            session = self._manual[index - len(self._active)]
            plain = f"{session.shown} {session.issue_ref} by hand"
            return build_row_text(plain, tag=(), state=("by hand",), agent=None, repo=repository_of(session.issue_ref))
        task = self._active[index].task
        phase = self._active[index].phase
        plain = f"{task.shown} {task.issue_ref} {task.title} {task.agent or ''} {phase} {format_tags(task)}"
        return build_row_text(
            plain, tag=task.tags, state=(task.state, phase), agent=task.agent, repo=repository_of(task.issue_ref)
        )

    sorts = ("order", "elapsed", "silent", "cpu", "memory", "repository", "agent")

    def sort_key(self, by: str, index: int) -> object:
        """The sort key of a row: highest values first, manual sessions last."""
        if index >= len(self._active):
            return (1, index)
        return (0, self._key(by, self._active[index]))

    @staticmethod
    def _key(by: str, agent: Active) -> Any:
        if by == "elapsed":
            return -agent.elapsed_s
        if by == "silent":
            return -(agent.silent_s or 0.0)
        if by == "repository":
            return split_reference(agent.task.issue_ref)
        if by == "agent":
            return agent.task.agent or ""
        progress = agent.progress
        used = None if progress is None else progress.cpu_percent if by == "cpu" else progress.memory
        return -(used or 0)

    def task_id(self, index: int) -> str | None:
        """The task the row is about."""
        if index >= len(self._active):
            return self._manual[index - len(self._active)].task_id
        return self._active[index].task.id


def format_phase(agent: Active) -> Cell:
    """The agent's phase or activity, in a word or two."""
    if agent.progress is not None and agent.progress.stopping_s is not None and agent.phase == "stopping":
        return (f"stopping, {agent.progress.stopping_s:.0f} s", "warning")
    if agent.task.stop:
        return ("stopping", "warning")
    if agent.task.park:
        return ("parking", "warning")
    if agent.pause_s is not None:
        return (f"paused {format_span(agent.pause_s)}", "warning")
    if agent.task.pause:
        return ("pausing", "warning")
    if agent.asks is not None:
        return (f"asks: {clean(agent.asks.get('about') or agent.asks.get('what') or '', 60)}", "warning")
    if agent.phase == "stalled":
        return (f"stalled {format_span(agent.silent_s)}" if agent.silent_s is not None else "stalled", "danger")
    if agent.phase == "agent" and agent.silent_s is not None and agent.silent_s >= stall_text.SHOWN_S:
        return (f"silent {format_span(agent.silent_s)}", "warning")
    if agent.phase == "agent" and agent.progress is not None and agent.progress.turn > 1 and not agent.progress.activity:
        return (f"follow-up {agent.progress.turn}", "text")
    if agent.phase == "agent" and agent.progress is not None and agent.progress.activity:
        return (shorten_activity(agent.progress.activity), "text")
    return (clean(PHASES.get(agent.phase, agent.phase), 40), "text" if agent.phase == "agent" else "muted")


def format_changed_lines(console: ConsoleState, agent: Active) -> Cell:
    """Lines added and removed so far; empty if not counted."""
    changes = console.snapshot.changes_of(agent.task.id)
    return (changes.lines, "text") if changes and changes.files else (str(changes or ""), "muted")


def format_changed_files(console: ConsoleState, agent: Active) -> Cell:
    """Number of changed files."""
    changes = console.snapshot.changes_of(agent.task.id)
    return (changes.where if changes and changes.files else "", "muted")


def shorten_activity(text: str) -> str:
    """Shorten an activity; of a word and a path only the file name is kept."""
    word, _, path = text.partition(" ")
    if "/" in path and " " not in path and not path.endswith("/"):
        text = f"{word} {path.rpartition('/')[2]}"
    return clean(text, 80)


def format_memory(agent: Active) -> Cell:
    """The memory of an agent, from half of its limit on with the share of it, and from four fifths on as a warning."""
    progress = agent.progress
    if progress is None:
        return "", "muted"
    used, cap = progress.memory or 0, progress.memory_cap or 0
    size = format_size(progress.memory)
    if not cap or used * 2 < cap:
        return size, "muted"
    return f"{size} {format_percent(used, cap)}", "warning" if used * 5 >= cap * 4 else "text"


def choose_time_tone(agent: Active) -> str:
    """A warning in the last tenth of the time limit."""
    return "warning" if agent.timeout_s > 0 and agent.elapsed_s > agent.timeout_s * 0.9 else "text"
