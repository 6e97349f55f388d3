"""The rows of the active agents."""

from typing import Any

from kugetsu_engine.client.snapshot import Active
from kugetsu_engine.domain import silence
from kugetsu_engine.domain.new_task import format_id
from kugetsu_engine.domain.refs import repository_of
from kugetsu_engine.domain.text.quantities import format_clock, format_limit, format_size, format_span
from kugetsu_engine.domain.text.times import epoch

from ..formatting import glyphs
from ..formatting.cells import clean
from .console_state import ConsoleState, format_tags, shorten_reference, split_reference
from .filtering import build_row_text
from .rows import OF_TASK, TITLE, Cell, Column, Room, Row, fit_columns, measure_room, measure_widest

COLUMNS = (
    *OF_TASK,
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
"""Cells for what an agent does, the same whatever that is, so that the columns stand still."""
PHASE = Room(10, 16, 16)
"""Cells for a phase, where no agent tells what it does."""

PHASES = {
    "agent": "working", "starting": "starting", "worktree": "worktree", "stopping": "stopping", "sweeping": "sweeping",
    "delivery": "delivery", "waiting for git": "waits for git", "session": "session",
    "issue": "asks the forge",
}  # fmt: skip


class AgentsView:
    """Active agents in the order in which they started."""

    def __init__(self, picture: ConsoleState) -> None:
        self._picture = picture
        self._active = picture.snapshot.active
        self._hands = picture.snapshot.by_hand
        tasks = [one.task for one in self._active]
        references = [*(task.issue_ref for task in tasks), *(hand.issue_ref for hand in self._hands)]
        tells = any(one.progress is not None and one.progress.activity for one in self._active)
        counted = picture.snapshot.engine.changes
        self.columns = fit_columns(
            COLUMNS, id=measure_widest([*(task.shown for task in tasks), *(hand.shown for hand in self._hands)], 2, 8),
            issue=measure_room(map(shorten_reference, references), 12, 18, 40),
            task=Room(TITLE, most=measure_widest((self._title(one) for one in self._active), TITLE, 300)),
            time=measure_widest(map(self._time, self._active), 7, 14),
            phase=DOING if tells else PHASE,
            lines=measure_widest((format_changed_lines(picture, one)[0] for one in self._active), 11, 14) if counted else 0,
            files=measure_widest((format_changed_files(picture, one)[0] for one in self._active), 10, 12) if counted else 0,
            auto=4 if any(picture.approves(task) for task in tasks) else 0,
        )  # fmt: skip
        self.keys = (*(one.task.id for one in self._active), *(f"by hand {hand.task_id}" for hand in self._hands))

    def row(self, index: int) -> Row:
        """One agent, or below them a slot in the operator's own hands."""
        if index >= len(self._active):
            return self._hand_row(index)
        one = self._active[index]
        task, progress = one.task, one.progress
        look = glyphs.get_task_glyph(task)
        quiet = one.stalled is not None
        shared = self._picture.snapshot.find_overlap(task.id) is not None
        glyph: Cell = (glyphs.glyph("warning"), "warning") if shared else (look.glyph, look.tone)
        if quiet:
            glyph = (glyphs.glyph("attention"), "danger")
        history = self._picture.cpu.get(task.id, ())
        return Row(
            task.id,
            (
                glyph,
                (clean(task.shown, 40), "muted"),
                (clean(shorten_reference(task.issue_ref), 200), "accent"),
                (clean(task.title, 400), "text"),
                (self._time(one), choose_time_tone(one)),
                format_phase(one),
                ("auto" if self._picture.approves(task) else "", "warning"),
                (glyphs.draw_curve(history).rjust(8), "info"),
                (f"{progress.cpu_percent:.0f}%" if progress and progress.cpu_percent is not None else "", "text"),
                (format_size(progress.rss_bytes) if progress else "", "muted"),
                format_changed_lines(self._picture, one),
                format_changed_files(self._picture, one),
            ),
            self._tail(one),
        )

    def _hand_row(self, index: int) -> Row:
        hand = self._hands[index - len(self._active)]
        task, begun = self._picture.snapshot.find_task(hand.task_id), epoch(hand.since)
        since = format_span(self._picture.snapshot.taken_at - begun) if begun is not None else ""
        cells: dict[str, Cell] = {
            "state": (glyphs.glyph("mark"), "accent"), "id": (clean(hand.shown, 40), "muted"),
            "issue": (clean(shorten_reference(hand.issue_ref), 200), "accent"),
            "task": (clean(task.title, 400) if task is not None else "", "text"), "time": (since, "text"),
            "phase": ("by hand", "accent"),
        }  # fmt: skip
        return Row(self.keys[index], tuple(cells.get(column.name, ("", "muted")) for column in COLUMNS))

    def _tail(self, one: Active) -> tuple[Cell, ...]:
        """What stands behind the title: that it is not the first attempt, and who else changes its files."""
        overlap = self._picture.snapshot.find_overlap(one.task.id)
        others = [format_id(other) for other in overlap.tasks if other != one.task.id] if overlap is not None else []
        again: tuple[Cell, ...] = ((f"attempt {one.task.attempt}", "warning"),) if one.task.attempt > 1 else ()
        return (*again, (f"same files as {clean(', '.join(others), 40)}", "warning")) if others else again

    def _title(self, one: Active) -> str:
        return one.task.title + "".join(f"  {text}" for text, _ in self._tail(one))

    @staticmethod
    def _time(one: Active) -> str:
        return f"{format_clock(one.elapsed_s)}/{format_limit(one.timeout_s)}"

    def text(self, index: int) -> str:
        """What a filter looks at."""
        if index >= len(self._active):
            hand = self._hands[index - len(self._active)]
            plain = f"{hand.shown} {hand.issue_ref} by hand"
            return build_row_text(plain, tag=(), state=("by hand",), agent=None, repo=repository_of(hand.issue_ref))
        task = self._active[index].task
        phase = self._active[index].phase
        plain = f"{task.shown} {task.issue_ref} {task.title} {task.agent or ''} {phase} {format_tags(task)}"
        return build_row_text(
            plain, tag=task.tags, state=(task.state, phase), agent=task.agent, repo=repository_of(task.issue_ref)
        )

    sorts = ("order", "elapsed", "silent", "cpu", "memory", "repository", "agent")

    def sort_key(self, by: str, index: int) -> object:
        """What a row is sorted by: the most of what draws attention first, and what no agent does last."""
        if index >= len(self._active):
            return (1, index)
        return (0, self._key(by, self._active[index]))

    @staticmethod
    def _key(by: str, one: Active) -> Any:
        if by == "elapsed":
            return -one.elapsed_s
        if by == "silent":
            return -(one.silent_s or 0.0)
        if by == "repository":
            return split_reference(one.task.issue_ref)
        if by == "agent":
            return one.task.agent or ""
        progress = one.progress
        used = None if progress is None else progress.cpu_percent if by == "cpu" else progress.rss_bytes
        return -(used or 0)

    def task_id(self, index: int) -> str | None:
        """The task the row is about."""
        if index >= len(self._active):
            return self._hands[index - len(self._active)].task_id
        return self._active[index].task.id


def format_phase(one: Active) -> Cell:
    """What the agent is at, in a word or two."""
    if one.progress is not None and one.progress.stopping_s is not None and one.phase == "stopping":
        return (f"stopping, {one.progress.stopping_s:.0f} s", "warning")
    if one.task.stop:
        return ("stopping", "warning")
    if one.phase == "stalled":
        return (f"stalled {format_span(one.silent_s)}" if one.silent_s is not None else "stalled", "danger")
    if one.phase == "agent" and one.silent_s is not None and one.silent_s >= silence.SHOWN_S:
        return (f"silent {format_span(one.silent_s)}", "warning")
    if one.phase == "agent" and one.progress is not None and one.progress.activity:
        return (shorten_activity(one.progress.activity), "text")
    return (clean(PHASES.get(one.phase, one.phase), 40), "text" if one.phase == "agent" else "muted")


def format_changed_lines(picture: ConsoleState, one: Active) -> Cell:
    """Lines that it added and removed so far; empty where nobody has counted them."""
    changes = picture.snapshot.changes_of(one.task.id)
    return (changes.lines, "text") if changes and changes.files else (str(changes or ""), "muted")


def format_changed_files(picture: ConsoleState, one: Active) -> Cell:
    """In how many files."""
    changes = picture.snapshot.changes_of(one.task.id)
    return (changes.where if changes and changes.files else "", "muted")


def shorten_activity(told: str) -> str:
    """What an agent does, short: of a word and a path only the file's name."""
    word, _, path = told.partition(" ")
    if "/" in path and " " not in path and not path.endswith("/"):
        told = f"{word} {path.rpartition('/')[2]}"
    return clean(told, 80)


def choose_time_tone(one: Active) -> str:
    """Time draws attention in the last tenth of the limit."""
    return "warning" if one.timeout_s > 0 and one.elapsed_s > one.timeout_s * 0.9 else "text"
