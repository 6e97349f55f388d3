"""The pane of a diff: scrolling, hunks, files, search."""

import asyncio

from kugetsu_engine.domain.text.quantities import format_count

from ..formatting.cells import clean
from ..viewmodels.diff import DiffText
from .line_widget import EMPTY, Line, Span, cut_spans
from .pane import SearchablePane, mark_matches
from .wrapping import wrap_text


class DiffView(SearchablePane):
    """Shows a diff, or a text that says why there is none."""

    def __init__(self, *, pane_id: str | None = None) -> None:
        super().__init__(pane_id)
        self._text: DiffText | None = None
        self._placeholder = ""
        self._first = self._left = 0

    # what it shows

    def show(self, text: DiffText | None, placeholder: str = "") -> None:
        """Show a diff, keeping the position, or a text in its place; `update_hits` searches it."""
        self._text, self._placeholder, self._hits = text, placeholder, []
        self._first = max(min(self._first, self._total - 1), 0)
        self.sync()

    @property
    def file(self) -> int | None:
        """The file at the top."""
        return self._text.file_at(self._first) if self._text is not None else None

    @property
    def _total(self) -> int:
        return len(self._text) if self._text is not None else 0

    # moving

    def move(self, by: int) -> None:
        """Scroll by lines."""
        self._set_top(self._first + by)

    def jump(self, to_end: bool) -> None:
        """Go to the start or the end."""
        self._left = 0
        self._set_top(self._total if to_end else 0)

    def shift(self, by: int) -> None:
        """Scroll sideways by cells."""
        self._left = max(self._left + by, 0)
        self.sync()

    def show_file(self, file: int) -> None:
        """Scroll to a file."""
        if self._text is not None:
            self._show_line(self._text.start_of(file))

    def go_to_hunk(self, by: int) -> str:
        """Go to the next or previous hunk; returns a message."""
        if self._text is None or not self._text.hunks:
            return "there are no hunks"
        hunks = self._text.hunks
        places = [place for place, line in enumerate(hunks) if (line > self._first if by > 0 else line < self._first)]
        if not places:
            return "this is the last hunk" if by > 0 else "this is the first hunk"
        place = places[0] if by > 0 else places[-1]
        self._show_line(hunks[place])
        return f"hunk {place + 1} of {len(hunks)}"

    def _set_top(self, first: int) -> None:
        # Only hunks and files go beyond the last page; scrolling stops there.
        last = max(self._total - self.body_height, 0)
        self._first = max(min(first, max(last, self._first if first <= self._first else last)), 0)
        self.sync()

    def _show_line(self, line: int) -> None:
        self._first = max(min(line, self._total - 1), 0)
        self._left = 0  # its lines may be shorter than the offset
        self.sync()

    # searching

    async def search(self, text: str) -> int:
        """Highlight matches and go to the next one; returns how many lines match."""
        self._search, self._hits = text, []
        await self.update_hits()
        self._hit = next((place for place, line in enumerate(self._hits) if line >= self._first), 0) - 1
        if self._hits:
            self.go_to_hit(1)
        self.sync()
        return len(self._hits)

    async def update_hits(self) -> None:
        """Search in a thread, as a diff may be long; repeat if the diff was replaced meanwhile."""
        text: DiffText | None = None
        target, hits = self._search, list[int]()
        while target and text is not self._text:
            text = self._text
            hits = await asyncio.to_thread(text.search, target) if text is not None else []
        if target == self._search:
            self._hits = hits
            self.sync()

    def show_hit(self, line: int) -> None:
        """Scroll a matching line to the middle."""
        self._set_top(line - self.body_height // 2)

    # drawing

    def title_spans(self) -> list[Span]:
        """The file at the top and the search."""
        spans: list[Span] = [("Diff", "title" if self.has_focus else "text")]
        file = self.file
        if self._text is not None and file is not None:
            spans.append((f" {clean(self._text.files[file].path, 60)}", "muted"))
        spans += self.search_spans()
        return spans

    def aside_spans(self) -> list[Span]:
        """The number of lines."""
        return [(format_count(self._total, "line"), "muted")] if self._total else []

    def extent(self) -> tuple[int, int]:
        """First visible line and total lines."""
        return self._first, self._total

    def body_line(self, y: int, width: int) -> Line:
        """One line of the diff."""
        if self._text is None:
            lines = wrap_text(clean(self._placeholder, 1000), max(width, 1))
            return Line(((lines[y], "muted"),)) if y < len(lines) else EMPTY
        line = self._first + y
        if line >= self._total:
            return EMPTY
        spans: list[Span] = list(self._text.spans(line, width, self._left))
        target = self._search.lower()
        if target and target in self._text.text(line).lower():
            return Line(mark_matches(spans, target), "cursor-dim")
        return Line(tuple(cut_spans(spans, width)))
