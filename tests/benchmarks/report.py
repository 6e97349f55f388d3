"""Tables of what was measured, with the goals beside them; as text for a terminal and as Markdown."""

from collections.abc import Iterable
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Goal:
    """One line of `performance.md` part 10, and what this run says about it."""

    what: str
    """Two things that are compared, in words."""
    at_most: float
    """The largest value that still reaches the goal."""
    measured: float | None
    """None when it could not be measured."""
    unit: str = "×"
    why_not: str = ""
    """Why it could not be measured."""

    @property
    def reached(self) -> bool | None:
        """Whether the goal is reached; None when it was not measured."""
        return None if self.measured is None else self.measured <= self.at_most

    @property
    def cells(self) -> tuple[str, str, str, str]:
        """What, goal, measured, verdict."""
        goal = f"≤ {number(self.at_most)} {self.unit}"
        if self.measured is None:
            return self.what, goal, "–", f"not measured: {self.why_not}"
        return self.what, goal, f"{number(self.measured)} {self.unit}", "reached" if self.reached else "MISSED"


@dataclass
class Table:
    """One subject: rows of figures, goals, and how it was measured."""

    name: str
    title: str
    columns: tuple[str, ...]
    rows: list[tuple[str, ...]] = field(default_factory=list)
    goals: list[Goal] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    printed_only: str = ""
    """Long detail for the terminal, not for the document."""

    def add(self, *cells: str | float | int | None) -> None:
        """Add a row; numbers are rounded to three digits, None is a dash."""
        self.rows.append(tuple(cell if isinstance(cell, str) else number(cell) for cell in cells))

    def text(self) -> str:
        """The table for a terminal."""
        parts = [f"== {self.name}: {self.title}", *columns_of([self.columns, *self.rows])]
        if self.goals:
            parts += ["", *columns_of([("goal", "at most", "measured", ""), *(goal.cells for goal in self.goals)])]
        parts += [f"  * {note}" for note in self.notes]
        return "\n".join(parts + ([self.printed_only] if self.printed_only else [])) + "\n"

    def markdown(self) -> str:
        """The table for the document, whose goals stand at its beginning."""
        parts = [f"## {self.title}", "", *_markdown_rows([self.columns, *self.rows])]
        if self.notes:
            parts += ["", *(f"* {note}" for note in self.notes)]
        return "\n".join(parts) + "\n"


def skipped(name: str, title: str, reason: str, goals: Iterable[Goal] = ()) -> Table:
    """A table that says why there is none."""
    return Table(name, title, ("skipped",), [(reason,)], list(goals))


def number(value: float | None) -> str:
    """Three significant digits, without an exponent."""
    if value is None:
        return "–"
    if value == 0 or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def ratio(value: float | None, base: float | None) -> float | None:
    """How many times `base` a value is; None where one of them is missing."""
    return None if value is None or not base else value / base


def columns_of(rows: list[tuple[str, ...]]) -> list[str]:
    """Rows in columns of equal width, the first to the left, figures to the right."""
    widths = [max(len(row[place]) for row in rows if place < len(row)) for place in range(max(map(len, rows)))]
    lines = []
    for row in rows:
        cells = [
            cell.ljust(room) if place == 0 else cell.rjust(room)
            for place, (cell, room) in enumerate(zip(row, widths, strict=False))
        ]
        lines.append("  " + "  ".join(cells).rstrip())
    return lines


def _markdown_rows(rows: list[tuple[str, ...]]) -> list[str]:
    head, *body = [f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |" for row in rows]
    return [head, f"|{'---|' * len(rows[0])}", *body]
