"""The text of a diff: scrolls, goes from hunk to hunk and from file to file, can be searched."""

import asyncio

from kugetsu_engine.domain.text.quantities import format_count

from ..formatting.cells import clean, fit, measure_width
from ..viewmodels.diff import DiffText
from .line_widget import EMPTY, Line, Span
from .pane import SearchablePane, mark_matches, wrap_words


class DiffView(SearchablePane):
    """A pane with a diff in it, or with words that say why there is none."""

    def __init__(self, *, pane_id: str | None = None) -> None:
        super().__init__(pane_id)
        self._text: DiffText | None = None
        self._instead = ""
        self._first = self._left = 0

    # what it shows

    def show(self, text: DiffText | None, instead: str = "") -> None:
        """Show a diff, from the place where the one before was read, or words in its place; `find` searches it."""
        self._text, self._instead, self._hits = text, instead, []
        self._first = max(min(self._first, self._total - 1), 0)
        self.sync()

    @property
    def file(self) -> int | None:
        """The file whose lines are at the top."""
        return self._text.file_at(self._first) if self._text is not None else None

    @property
    def _total(self) -> int:
        return len(self._text) if self._text is not None else 0

    # moving

    def move(self, by: int) -> None:
        """Scroll by lines."""
        self._look_from(self._first + by)

    def jump(self, to_end: bool) -> None:
        """Go to the first or the last lines."""
        self._left = 0
        self._look_from(self._total if to_end else 0)

    def shift(self, by: int) -> None:
        """Scroll sideways by cells."""
        self._left = max(self._left + by, 0)
        self.sync()

    def show_file(self, file: int) -> None:
        """Bring the beginning of a file to the top."""
        if self._text is not None:
            self._look_at(self._text.start_of(file))

    def go_to_hunk(self, by: int) -> str:
        """Go to the next or the previous hunk; returns which one that is, in words."""
        if self._text is None or not self._text.hunks:
            return "there are no hunks"
        hunks = self._text.hunks
        places = [place for place, line in enumerate(hunks) if (line > self._first if by > 0 else line < self._first)]
        if not places:
            return "this is the last hunk" if by > 0 else "this is the first hunk"
        place = places[0] if by > 0 else places[-1]
        self._look_at(hunks[place])
        return f"hunk {place + 1} of {len(hunks)}"

    def _look_from(self, first: int) -> None:
        # Beyond the last page only a hunk or a file brings one; scrolling does not.
        last = max(self._total - self.body_height, 0)
        self._first = max(min(first, max(last, self._first if first <= self._first else last)), 0)
        self.sync()

    def _look_at(self, line: int) -> None:
        self._first = max(min(line, self._total - 1), 0)
        self._left = 0  # what stands there may be shorter than that
        self.sync()

    # searching

    async def search(self, text: str) -> int:
        """Mark the lines with a text and go to the next one from here."""
        self._search, self._hits = text, []
        await self.update_hits()
        self._hit = next((place for place, line in enumerate(self._hits) if line >= self._first), 0) - 1
        if self._hits:
            self.go_to_hit(1)
        self.sync()
        return len(self._hits)

    async def update_hits(self) -> None:
        """Look for what is searched for, in a thread, as a long diff takes its time; again if another one is shown then."""
        text: DiffText | None = None
        wanted, hits = self._search, list[int]()
        while wanted and text is not self._text:
            text = self._text
            hits = await asyncio.to_thread(text.search, wanted) if text is not None else []
        if wanted == self._search:
            self._hits = hits
            self.sync()

    def show_hit(self, line: int) -> None:
        """Bring a line that was found into the middle."""
        self._look_from(line - self.body_height // 2)

    # drawing

    def title_spans(self) -> list[Span]:
        """The file at the top, and the search."""
        spans: list[Span] = [("Diff", "title" if self.has_focus else "text")]
        file = self.file
        if self._text is not None and file is not None:
            spans.append((f" {clean(self._text.files[file].path, 60)}", "muted"))
        spans += self.search_spans()
        return spans

    def aside_spans(self) -> list[Span]:
        """How many lines there are."""
        return [(format_count(self._total, "line"), "muted")] if self._total else []

    def extent(self) -> tuple[int, int]:
        """Where the visible lines lie."""
        return self._first, self._total

    def body_line(self, y: int, width: int) -> Line:
        """One line of the diff."""
        if self._text is None:
            told = wrap_words(clean(self._instead, 1000), max(width, 1))
            return Line(((told[y], "muted"),)) if y < len(told) else EMPTY
        line = self._first + y
        if line >= self._total:
            return EMPTY
        spans: list[Span] = list(self._text.spans(line, width, self._left))
        wanted = self._search.lower()
        if wanted and wanted in self._text.text(line).lower():
            return Line(mark_matches(spans, wanted), "cursor-dim")
        return Line(tuple(cut(spans, width)))


def cut(spans: list[Span], width: int) -> list[Span]:
    """End a line that is too long with a mark."""
    used = 0
    for place, (text, tone) in enumerate(spans):
        if used + measure_width(text) > width:
            return [*spans[:place], (fit(text, width - used), tone)]
        used += measure_width(text)
    return spans
