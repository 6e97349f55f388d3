"""The part of docs/benchmarks.md that `make bench-console` writes, and that a full run leaves as it is."""

from collections.abc import Sequence
from pathlib import Path

from .report import Goal, Table

BEGIN = "<!-- make bench-console: begin -->"
END = "<!-- make bench-console: end -->"


def section(header: Sequence[str], tables: Sequence[Table]) -> str:
    """The section as Markdown, between its marks."""
    goals: list[Goal] = [goal for table in tables for goal in table.goals]
    lines = [BEGIN, "# The console at work", "", "Written by `make bench-console`; every number is from one run:", ""]
    lines += [*(f"* {line}" for line in header), "", "| goal | at most | measured | |", "|---|---|---|---|"]
    lines += [*(f"| {' | '.join(goal.cells)} |" for goal in goals), ""]
    lines += [f"{table.markdown()}" for table in tables]
    return "\n".join(lines).rstrip() + f"\n{END}\n"


def kept(path: Path) -> str:
    """The section of a document that is there; empty when it has none."""
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    begin, end = text.find(BEGIN), text.find(END)
    return text[begin : end + len(END)] + "\n" if 0 <= begin < end else ""


def put(path: Path, new: str) -> None:
    """Put the section in the place of the one before, or at the end."""
    text = path.read_text(encoding="utf-8") if path.exists() else "# Benchmarks\n"
    old = kept(path)
    path.write_text(text.replace(old.rstrip("\n"), new.rstrip("\n")) if old else f"{text.rstrip()}\n\n{new}", encoding="utf-8")
