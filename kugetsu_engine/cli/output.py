"""Printing: tables for people, JSON for programs."""

import os
import sys
from collections.abc import Sequence
from typing import Any

import msgspec

from ..client.snapshot import Snapshot
from ..domain.decisions.duration_model import Expected
from ..domain.refs import key_of
from ..domain.task import Task
from ..domain.text.quantities import format_clock, format_count, format_span, format_upcoming
from ..domain.text.safe_text import safe_line
from ..domain.text.times import epoch, iso

COLUMNS = "KUGETSU_COLUMNS"
"""Set by the console: the width of its window for what a command prints."""


def print_json(document: object) -> None:
    """Print one JSON document, with control characters escaped, and all others that standard output cannot encode."""
    text = msgspec.json.format(msgspec.json.encode(document)).decode().translate(_ESCAPED)
    try:
        text.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:
        import json

        text = json.dumps(json.loads(text), indent=2)
    sys.stdout.write(text + "\n")


_CONTROLS = (*range(0x7F, 0xA0), *range(0x200B, 0x2010), *range(0x202A, 0x202F), *range(0x2066, 0x206A))
_ESCAPED = {code: f"\\u{code:04x}" for code in _CONTROLS}


def print_table(titles: Sequence[str], rows: Sequence[Sequence[str]], flexible: int) -> None:
    """Print rows in columns.

    Args:
        flexible: number of the column that is cut if a line is wider than the terminal or the console's window; in a pipe it
            is not cut.
    """
    cleaned = [[safe_line(cell, 1000) for cell in row] for row in rows]
    lines = [[(cell, measure_width(cell)) for cell in row] for row in (titles, *cleaned)]
    widths = [max(width for _, width in column) for column in zip(*lines, strict=True)]
    if (room := _columns()) is not None:
        spare = room - sum(widths) - 2 * (len(widths) - 1) + widths[flexible]
        widths[flexible] = max(min(widths[flexible], spare), 10)
    for line in lines:
        cells = [_fit(cell, width, room) for (cell, width), room in zip(line, widths, strict=True)]
        sys.stdout.write("  ".join(cells).rstrip() + "\n")


def _columns() -> int | None:
    """How many columns a line may take; None for no limit."""
    columns = os.environ.get(COLUMNS, "")
    if columns.isdecimal():
        return int(columns)
    if not sys.stdout.isatty():
        return None
    import shutil

    return shutil.get_terminal_size().columns


def measure_width(text: str) -> int:
    """Count the columns a text takes in a terminal: wide characters take two, combining ones none."""
    if text.isascii():
        return len(text)
    from unicodedata import combining, east_asian_width

    return sum(0 if combining(c) or c == "\u200d" else 2 if east_asian_width(c) in "WF" else 1 for c in text)


def _fit(text: str, width: int, room: int) -> str:
    if width > room:
        while text and measure_width(text) > room - 1:
            text = text[:-1]
        text += "…"
        width = measure_width(text)
    return text + " " * (room - width)


def build_task_document(task: Task, snapshot: Snapshot, position: int | None = None) -> dict[str, Any]:
    """Build a task's JSON: its fields, its place in the queue and why it waits, without the attempt's secret token."""
    document: dict[str, Any] = msgspec.to_builtins(task)
    del document["token"]
    why = snapshot.explain_wait(task) if task.state == "pending" else None
    document["failure"] = task.failure
    document["pull_request"] = build_pull_document(snapshot, task.issue_ref)
    document["empty_handed"] = task.empty_handed
    start = snapshot.estimate_start(task) if why else None
    document["start_estimate"] = iso(start) if start is not None else None
    return document | {"position_in_queue": position, "why": {"code": why.code, "text": why.text} if why else None}


def describe_start(task: Task, snapshot: Snapshot) -> str:
    """Describe when a waiting task is expected to start, in local time; empty if that is unknown."""
    start = snapshot.estimate_start(task) if task.state == "pending" else None
    if start is None:
        return ""
    return "now" if start - snapshot.taken_at < 1 else f"~{format_upcoming(start, snapshot.taken_at)}"


def describe_since(stamp: str, now: float) -> str:
    """Describe a duration up to now: `for 12 min`."""
    begun = epoch(stamp)
    return f"for {format_span(now - begun)}" if begun is not None else "for a while"


SAMPLES = {"repository": "of this agent here", "agent": "of this agent elsewhere", "all": "of all agents"}


def describe_sample(expected: Expected | None) -> str:
    """Describe how long a task takes, and how many attempts that is based on."""
    if expected is None:
        return "unknown how long"
    runs = format_count(expected.runs, "run")
    return f"{format_clock(expected.seconds)}, by {runs} {SAMPLES[expected.ground]}"


def build_pull_document(snapshot: Snapshot, reference: str) -> dict[str, Any] | None:
    """Build the JSON of an issue's pull request as last read from the forge; None if none is known."""
    known = snapshot.pulls.get(key_of(reference))
    if known is None or known.pull is None:
        return None
    document: dict[str, Any] = msgspec.to_builtins(known.pull)
    return document | {"asked_at": known.asked_at}


def describe_pull_request(snapshot: Snapshot, reference: str, age: bool = True) -> str:
    """Describe an issue's pull request, with the age of the answer and the URL."""
    known = snapshot.pulls.get(key_of(reference))
    if known is None or known.pull is None:
        return ""
    asked = epoch(known.asked_at)
    ago = f", as of {format_clock(snapshot.taken_at - asked)} ago" if asked is not None else ""
    return f"{known.pull}{ago}  {known.pull.url}" if age else str(known.pull)
