"""Slot use: a timeline of attempts, and figures by repository and agent."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from statistics import median
from time import localtime

from kugetsu_engine.client.snapshot import Snapshot
from kugetsu_engine.domain.new_task import format_id
from kugetsu_engine.domain.task import Task
from kugetsu_engine.domain.text.quantities import format_day, format_moment, format_number, format_percent, format_span
from kugetsu_engine.domain.text.times import epoch

from ..formatting import glyphs
from ..formatting.cells import clean, fit, measure_width
from .console_state import shorten_reference
from .rows import Cell

Spans = list[Cell]
SPANS_S = (3600.0, 3 * 3600.0, 6 * 3600.0, 12 * 3600.0, 24 * 3600.0, 3 * 86400.0, 7 * 86400.0)
"""The spans that can be shown."""
DAY_S = 86400.0
SESSION = 2
"""Index of the default span; older attempts do not shorten it."""
STEPS_S = tuple(60.0 * minutes for minutes in (1, 2, 5, 10, 15, 30, 60, 120, 180, 360, 720, 1440))
"""Steps of the time labels, as on a clock."""
TICK = 12
"""Minimum width between two time labels."""
MOST_LANES = 40


@dataclass(frozen=True)
class Bar:
    """One attempt on the timeline."""

    task_id: str
    start: float
    end: float
    """Seconds since 1970."""
    tone: str
    running: bool = False


def choose_span(snapshot: Snapshot) -> float:
    """The initial span: the shortest that holds all recent attempts."""
    now = snapshot.taken_at
    for longest in (SPANS_S[SESSION], DAY_S):
        starts = [bar.start for bar in list_bars(snapshot, now - longest)]
        if starts:
            return next(span for span in SPANS_S if span >= min(now - min(starts), longest))
    return SPANS_S[SESSION]


def list_bars(snapshot: Snapshot, since: float) -> list[Bar]:
    """Every attempt that ran after a time, by start."""
    now = snapshot.taken_at
    bars: list[Bar] = []
    running = {agent.task.id: agent for agent in snapshot.active}
    for task in (*snapshot.done, *snapshot.pending, *(agent.task for agent in snapshot.active)):
        for attempt in task.attempts:
            start, end = epoch(attempt.started_at), epoch(attempt.ended_at)
            if start is not None and end is not None and end > since:
                bad = attempt.outcome in ("failed", "timeout", "stalled")
                tone = "good" if attempt.outcome == "ok" else "danger" if bad else "warning"
                bars.append(Bar(task.id, start, max(end, start), tone))
        if task.id in running:
            agent = running[task.id]
            paused_s = agent.progress.paused_s if agent.progress is not None else 0.0
            bars.append(Bar(task.id, now - agent.elapsed_s - paused_s, now, "info", running=True))
    return sorted(bars, key=lambda bar: (bar.start, bar.task_id))


def arrange_lanes(bars: Iterable[Bar]) -> list[list[Bar]]:
    """Arrange bars in as few lanes as agents ran at once; each takes the first free lane."""
    rows: list[list[Bar]] = []
    for bar in bars:
        free = next((row for row in rows if row[-1].end <= bar.start), None)
        if free is None:
            rows.append([bar])
        else:
            free.append(bar)
    return rows


def draw_timeline(bars: Sequence[Bar], start: float, end: float, width: int) -> list[Spans]:
    """A line per lane, then the time labels; bars contain the task's number if it fits."""
    cell = (end - start) / max(width, 1)
    lines = [_lane(row, start, cell, width) for row in arrange_lanes(bars)[:MOST_LANES]]
    if not lines:
        return [[("no agent ran in this span", "muted")]]
    return [*lines, _axis(start, end, width)]


def _lane(row: Sequence[Bar], start: float, cell: float, width: int) -> Spans:
    spans: Spans = []
    place = 0
    for bar in row:
        first = max(int((bar.start - start) / cell), place)
        last = min(max(int((bar.end - start) / cell + 0.5), first + 1), width)
        if first >= width:
            break
        if first > place:
            spans.append((glyphs.glyph("slot_free") * (first - place), "faint"))
        name = format_id(bar.task_id)
        full = glyphs.glyph("slot_running" if bar.running else "slot_used")
        room = last - first
        text = f"{full}{name}{full * (room - len(name) - 1)}" if room >= len(name) + 2 else full * room
        spans.append((text, bar.tone))
        place = last
    if place < width:
        spans.append((glyphs.glyph("slot_free") * (width - place), "faint"))
    return spans


def _axis(start: float, end: float, width: int) -> Spans:
    """Time labels below their columns, and `now` at the end."""
    cell = (end - start) / max(width, 1)
    step = next((step for step in STEPS_S if step >= cell * TICK), cell * TICK)
    text = ""
    for there in _round_times(start, end, step):
        column = int((there - start) / cell)
        label = format_day(there, end) if step >= DAY_S else format_moment(there, end if end - start > DAY_S else None)
        if (not text or column > len(text)) and column + len(label) < width - 4:
            text = text.ljust(column) + label
    return [(fit(text, width - 3) + "now", "muted")]


def _round_times(start: float, end: float, step: float) -> Iterator[float]:
    """The times in a span at which a step of the local clock starts."""
    there = start - (start + localtime(start).tm_gmtoff) % step
    while (there := there + step) < end:
        yield there


@dataclass
class UtilizationFigures:
    """Figures of the tasks of one repository or one agent."""

    tasks: int = 0
    completed: int = 0
    failed: int = 0
    attempts: int = 0
    empty_handed: int = 0
    seconds: list[float] | None = None
    commits: int = 0
    cost: float | None = None
    tokens: int | None = None

    def add(self, task: Task) -> None:
        """Add an ended task."""
        self.tasks += 1
        self.completed += task.state == "completed"
        self.failed += task.state == "error"
        self.empty_handed += task.empty_handed
        self.attempts += len(task.attempts)
        for attempt in task.attempts:
            if attempt.outcome == "ok" and attempt.elapsed_s is not None:
                self.seconds = [*(self.seconds or []), attempt.elapsed_s]
            used = attempt.usage
            if used is not None:
                self.cost = (self.cost or 0.0) + used.cost if used.cost is not None else self.cost
                self.tokens = (self.tokens or 0) + used.tokens if used.tokens is not None else self.tokens
        self.commits += sum(attempt.delivered.commits for attempt in task.attempts if attempt.delivered is not None)


HEAD = ("", "tasks", "done", "failed", "empty", "tries", "commits", "median", "tokens", "cost $")
FAILED = 3
"""The column of `HEAD` in which numbers above 0 are warnings."""


def count_figures(
    tasks: Iterable[Task], default_agent: str
) -> tuple[UtilizationFigures, dict[str, UtilizationFigures], dict[str, UtilizationFigures]]:
    """Figures of all tasks, by repository and by agent; the largest groups first."""
    total = UtilizationFigures()
    by_repository: dict[str, UtilizationFigures] = {}
    by_agent: dict[str, UtilizationFigures] = {}
    for task in tasks:
        total.add(task)
        by_repository.setdefault(shorten_reference(task.issue_ref).partition("#")[0], UtilizationFigures()).add(task)
        by_agent.setdefault(task.agent or default_agent, UtilizationFigures()).add(task)
    return total, _most_first(by_repository), _most_first(by_agent)


def _most_first(groups: dict[str, UtilizationFigures]) -> dict[str, UtilizationFigures]:
    return dict(sorted(groups.items(), key=lambda item: (-item[1].tasks, item[0])))


def draw_table(
    total: UtilizationFigures, groups: Sequence[tuple[str, dict[str, UtilizationFigures]]], width: int
) -> list[Spans]:
    """The figures as lines, with as many columns as fit."""
    named = [(title, name, figures) for title, group in groups for name, figures in group.items()]
    name_width = min(max((measure_width(name) for _, name, _ in named), default=0) + 2, 24)
    columns = max(min((width - max(name_width, 5)) // 9, len(HEAD) - 1), 1)
    lines: list[Spans] = [_row(HEAD, "faint", name_width, columns)]
    lines.append(_row(("all", *_format_figures(total)), "title", name_width, columns))
    before = ""
    for title, name, figures in named:
        if title != before:
            lines += [[], [(title, "muted")]]
            before = title
        lines.append(_row((clean(name, 60), *_format_figures(figures)), "text", name_width, columns))
    return lines


def _format_figures(figures: UtilizationFigures) -> tuple[str, ...]:
    rate = format_percent(figures.completed - figures.empty_handed, figures.tasks)
    typical = format_span(median(figures.seconds)) if figures.seconds else ""
    cost = f"{figures.cost:.2f}" if figures.cost is not None else ""
    tokens = format_number(figures.tokens) if figures.tokens is not None else ""
    counts = (str(figures.failed or ""), str(figures.empty_handed or ""), str(figures.attempts), str(figures.commits or ""))
    return (str(figures.tasks), rate, *counts, typical, tokens, cost)


def _row(texts: Sequence[str], tone: str, name_width: int, columns: int) -> Spans:
    cells: Spans = [(fit(texts[0], name_width), "accent" if tone == "text" else tone)]
    for place, word in enumerate(texts[1 : columns + 1], 1):
        bad = place == FAILED and word and tone == "text"
        cells.append((fit(word, 9, right=True), "warning" if bad else tone))
    return cells
