"""A diff prepared for display: a title per file, hunks with line numbers, and their positions."""

import re
from bisect import bisect_right
from collections.abc import Sequence
from typing import NamedTuple

from kugetsu_engine.domain.changes import ChangedFile, WorktreeDiff
from kugetsu_engine.domain.text.quantities import format_count

from ..formatting import glyphs
from ..formatting.cells import clean, cut_left, fit_end, measure_width
from .rows import Cell, Column, Row, fit_columns, measure_widest

LETTERS = {
    "added": ("A", "good"), "modified": ("M", "info"), "deleted": ("D", "removed"), "retyped": ("T", "warning"),
    "unmerged": ("U", "danger"), "untracked": ("?", "warning"),
}  # fmt: skip
TONES = {"+": "good", "-": "removed", " ": "text", "\\": "faint", "@": "accent", "meta": "muted"}
GUTTER = 6
_HUNK = re.compile(r"@@ -\d+(?:,\d+)? \+(\d+)")
_SHOWN_IN_TITLE = ("diff --git ", "index ", "--- ", "+++ ", "new file mode ", "deleted file mode ", "untracked file")


class _Entry(NamedTuple):
    kind: str
    """`file`, `gap`, `meta`, `@`, or the sign of a line."""
    source: int
    """Index of the file or of the diff's line."""
    number: int = 0
    """Line number in the new file; 0 if none."""


class DiffText:
    """The lines of a diff, rendered on demand; only their kinds are computed ahead."""

    def __init__(self, diff: WorktreeDiff) -> None:
        self.diff = diff
        self.files = diff.files
        self.hunks: list[int] = []
        self._starts: dict[int, int] = {}
        """Title line by index of the file."""
        self._entries: list[_Entry] = []
        self._lay_out()
        self._order = sorted((line, file) for file, line in self._starts.items())

    def _lay_out(self) -> None:
        starts = {file.line: index for index, file in enumerate(self.files) if file.line is not None}
        in_hunk, number = False, 0
        for index, line in enumerate(self.diff.lines):
            if index in starts:
                self._start_file(starts[index])
                in_hunk = False
            elif line.startswith("@@"):
                match = _HUNK.match(line)
                number, in_hunk = int(match[1]) if match else 0, True
                self.hunks.append(len(self._entries))
                self._entries.append(_Entry("@", index))
            elif in_hunk and line[:1] in ("", " ", "+", "-", "\\"):
                kind = line[:1] or " "
                self._entries.append(_Entry(kind, index, number if kind in " +" else 0))
                number += kind in " +"
            elif not line.startswith(_SHOWN_IN_TITLE):
                self._entries.append(_Entry("meta", index))
        for index, file in enumerate(self.files):
            if file.line is None:
                self._start_file(index)

    def _start_file(self, index: int) -> None:
        if self._entries:
            self._entries.append(_Entry("gap", 0))
        self._starts[index] = len(self._entries)
        self._entries.append(_Entry("file", index))

    def __len__(self) -> int:
        return len(self._entries)

    def start_of(self, file: int) -> int:
        """The first line of a file."""
        return self._starts.get(file, 0)

    def file_at(self, line: int) -> int | None:
        """The file a line belongs to."""
        place = bisect_right(self._order, (line, len(self.files))) - 1
        return self._order[place][1] if place >= 0 else None

    def text(self, line: int) -> str:
        """A clean line without its number, for searching."""
        entry = self._entries[line]
        if entry.kind == "gap":
            return ""
        return clean(self.files[entry.source].path if entry.kind == "file" else self.diff.lines[entry.source])

    def search(self, target: str) -> list[int]:
        """Lines that contain a text, ignoring case."""
        target = target.lower()
        return [line for line in range(len(self._entries)) if target in self.text(line).lower()]

    def spans(self, line: int, width: int, left: int = 0) -> list[Cell]:
        """The spans of a line, starting at column `left` of its text."""
        entry = self._entries[line]
        if entry.kind == "gap":
            return []
        if entry.kind == "file":
            return self._title(self.files[entry.source], width)
        text = cut_left(self.text(line), left)
        gutter = GUTTER if width >= 60 else 0
        number = f"{entry.number or '':>{gutter - 1}} " if gutter else ""
        return [(number, "faint"), (text, TONES[entry.kind])] if gutter else [(text, TONES[entry.kind])]

    @staticmethod
    def _title(file: ChangedFile, width: int) -> list[Cell]:
        letter, tone = LETTERS[file.state]
        label = f"  {file.state}{', not committed' if file.uncommitted and file.state != 'untracked' else ''}"
        counts = format_line_counts(file)
        missing = "  lines not shown: the diff is too long" if file.line is None else ""
        rest = measure_width(label) + sum(measure_width(text) + 1 for text, _ in counts) + measure_width(missing) + 4
        name = fit_end(clean(file.path, 1000), max(width - rest, 12))
        spans: list[Cell] = [(f"{letter} ", tone), (name, "title"), (label, "muted")]
        for text, count_tone in counts:
            spans += [(" ", "text"), (text, count_tone)]
        return [*spans, (missing, "warning")]


def format_line_counts(file: ChangedFile) -> list[Cell]:
    """Lines added to and removed from a file."""
    if file.insertions is None:
        return [("binary", "muted")] if file.state != "untracked" else []
    spans: list[Cell] = [(f"+{file.insertions}", "good" if file.insertions else "faint")]
    return [*spans, (f"−{file.deletions}", "removed")] if file.deletions else spans


class FilesView:
    """The files of a diff."""

    COLUMNS = (
        Column("state", 1, gap=1), Column("name", 10, flexible=True), Column("folder", 10, keep=1),
        Column("plus", 5, keep=5, right=True, gap=1), Column("minus", 5, keep=5, right=True, gap=1), Column("loose", 1, keep=4),
    )  # fmt: skip

    def __init__(self, files: Sequence[ChangedFile]) -> None:
        self._files = files
        self._names = [clean(_split(file.path)[1], 200) for file in files]
        self._folders = [clean(_split(file.path)[0], 200) for file in files]
        name = measure_widest(self._names, 8, 40)
        self.columns = fit_columns(
            self.COLUMNS, name=min(name, 16), folder=measure_widest(self._folders, 0, 24),
            plus=measure_widest(map(self._plus, files), 0, 7), minus=measure_widest(map(self._minus, files), 0, 7),
            loose=1 if any(file.uncommitted for file in files) else 0,
        )  # fmt: skip
        self.keys = tuple(file.path for file in files)

    @staticmethod
    def _plus(file: ChangedFile) -> str:
        return f"+{file.insertions}" if file.insertions else "bin" if file.insertions is None else ""

    @staticmethod
    def _minus(file: ChangedFile) -> str:
        return f"−{file.deletions}" if file.deletions else ""

    def row(self, index: int) -> Row:
        """One file."""
        file = self._files[index]
        letter: Cell = LETTERS[file.state]
        return Row(
            file.path,
            (
                letter,
                (self._names[index], "text"),
                (self._folders[index], "muted"),
                (self._plus(file), "good" if file.insertions else "muted"),
                (self._minus(file), "removed"),
                (glyphs.glyph("loose") if file.uncommitted else "", "warning"),
            ),
        )

    def text(self, index: int) -> str:
        """The text that filters search."""
        file = self._files[index]
        return f"{file.path} {file.state}{' not committed' if file.uncommitted else ''}"

    def task_id(self, index: int) -> str | None:
        """A file belongs to no task."""
        return None


def _split(path: str) -> tuple[str, str]:
    """Folder and name."""
    folder, _, name = path.rstrip("/").rpartition("/")
    return folder, name + ("/" if path.endswith("/") else "")


def format_diff_summary(diff: WorktreeDiff) -> list[Cell]:
    """Summary of the diff in one line."""
    if not diff.files:
        return [("nothing differs from the base", "muted")]
    plus = sum(file.insertions or 0 for file in diff.files)
    minus = sum(file.deletions or 0 for file in diff.files)
    count, loose = len(diff.files), sum(1 for file in diff.files if file.uncommitted)
    spans: list[Cell] = [(f"+{plus}", "good"), (" ", "text"), (f"−{minus}", "removed")]
    spans.append((f" in {format_count(count, 'file')}", "text"))
    if diff.base is not None:
        spans.append((f"  {format_count(diff.commits, 'commit')} over {clean(diff.base, 8).rstrip('…')}", "muted"))
    else:
        spans.append(("  uncommitted changes only: the base is unknown", "warning"))
    if loose:
        spans.append((f"  {glyphs.glyph('loose')} {loose} not committed", "warning"))
    if diff.cut:
        spans.append(("  truncated: too long", "warning"))
    return spans
