"""Help: searchable list of keys and commands, those of the current pane first; enter runs the chosen one."""

from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical
from textual.content import Content
from textual.message import Message
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from ..availability import ActionContext
from ..commands.help_entries import Item, Section, build_sections
from ..formatting.cells import fit
from ..formatting.glyphs import adapt_text, glyph
from ..keys import Action, Registry
from ..terminal.type_ahead import wait_for_typed_text
from ..widgets.line_widget import EMPTY, Line, Span, fill_spans
from ..widgets.wrapping import wrap_text
from .text_dialog import ScrollingLines

NAME = 12
"""Columns for the keys."""
ROOMY = 40
"""Below this width the keys get half of `NAME`."""
INDENT = 2
GAP = 2
"""Columns between the two halves."""
TWO_COLUMNS = 110
"""From this width on there are two columns."""


class HelpLines(ScrollingLines, can_focus=False):
    """The list of entries with a cursor."""

    class Chosen(Message):
        """The chosen entry was clicked."""

    def __init__(self, registry: Registry, now: ActionContext) -> None:
        super().__init__()
        self._sections = build_sections(registry, now)
        self._search = ""
        self._cursor = 0
        self._items: list[Item] = []
        """Selectable entries, in order."""
        self._places: list[tuple[range, range]] = []
        """Lines and columns of each entry."""

    def search(self, text: str) -> None:
        """Show only entries that contain all words of a text."""
        if text.lower() != self._search:
            self._search, self._cursor, self._first = text.lower(), 0, 0
            self.sync()

    @property
    def chosen(self) -> Item | None:
        """The entry under the cursor."""
        return self._items[self._cursor] if self._cursor < len(self._items) else None

    def choose(self, by: int) -> None:
        """Move the cursor."""
        self._cursor = max(min(self._cursor + by, len(self._items) - 1), 0)
        if self._places:
            lines = self._places[self._cursor][0]
            top = 0 if self._cursor == 0 else lines.start
            self._first = max(min(self._first, top), lines.stop - self.size.height)
        self.sync()

    def lay_out(self, width: int) -> list[list[Span]]:
        """All lines, by section, in two columns if the width allows it."""
        self._items, self._places = [], []
        lines: list[list[Span]] = []
        columns = 2 if width >= TWO_COLUMNS else 1
        column_width = (width - GAP * (columns - 1)) // columns
        for section in self._sections:
            items = [item for item in section.items if self._matches(item, section)]
            if items:
                lines += [*([[]] if lines else []), [(section.title, "title")]]
                self._add(lines, items, column_width, columns)
        return lines or [[("nothing matches", "muted")]]

    def _matches(self, item: Item, section: Section) -> bool:
        text = f"{item.name} {item.label} {item.text} {section.title}".lower()
        return all(word in text for word in self._search.split())

    def _add(self, lines: list[list[Span]], items: list[Item], width: int, columns: int) -> None:
        """Add the items of a section, balanced over the columns."""
        name = NAME if width >= ROOMY else NAME // 2
        room = max(width - INDENT - name - GAP, 1)
        parts = [wrap_text(item.text, room) for item in items]
        heights = [len(part) for part in parts]
        half = len(items)
        if columns > 1:
            half = min(range(len(items) + 1), key=lambda place: (max(sum(heights[:place]), sum(heights[place:])), -place))
        top = len(lines)
        lines += [[] for _ in range(max(sum(heights[:half]), sum(heights[half:])))]
        for column, numbers in enumerate((range(half), range(half, len(items)))):
            y, left = top, column * (width + GAP)
            for number in numbers:
                place = len(self._items)
                for row, part in enumerate(parts[number]):
                    before = lines[y + row]
                    if column:
                        lines[y + row] = before = [*fill_spans(before, width), (" " * GAP, "text")]
                    before += self._entry(items[number], part, row, place, name)
                self._items.append(items[number])
                self._places.append((range(y, y + heights[number]), range(left, left + width)))
                y += heights[number]

    def _entry(self, item: Item, part: str, row: int, place: int, width: int) -> list[Span]:
        marker: Span = (glyph("marker") + " ", "focus") if place == self._cursor and row == 0 else ("  ", "text")
        tone = "muted" if item.dim else "text"
        name: Span = (fit(item.name if row == 0 else "", width), "faint" if item.dim else "key")
        return [marker, name, (" " * GAP, "text"), (part, tone)]

    def line_at(self, y: int, width: int) -> Line:
        """One line."""
        index = self._first + y
        return Line(fill_spans(self._all[index], width)) if index < len(self._all) else EMPTY

    def on_click(self, event: events.Click) -> None:
        """Select the clicked entry; a second click runs it."""
        for number, (lines, cells) in enumerate(self._places):
            if event.y + self._first in lines and event.x in cells:
                if number == self._cursor:
                    self.post_message(self.Chosen())
                self.choose(number - self._cursor)
                return


class Help(ModalScreen[Action | str | None]):
    """Help. Returns the chosen action, or the start of a command to complete."""

    BINDINGS = [
        Binding("escape", "leave", show=False, priority=True),  # keys typed after it go to the screen below
        Binding("enter", "accept", show=False, priority=True),
        Binding("down", "choose(1)", show=False),
        Binding("up", "choose(-1)", show=False),
        Binding("pagedown", "choose(10)", show=False, priority=True),
        Binding("pageup", "choose(-10)", show=False, priority=True),
    ]
    VERTICAL_BREAKPOINTS = [(0, "-cramped"), (16, "-roomy")]
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (TWO_COLUMNS + 8, "-broad")]

    def __init__(self, registry: Registry, now: ActionContext, title: str) -> None:
        super().__init__()
        self._registry = registry
        self._now = now
        self._title_text = title

    def compose(self) -> ComposeResult:
        """Title, search field, list."""
        with Vertical(classes="dialog", id="help"):
            yield Static(Content(self._title_text), classes="dialog-title")
            yield Input(
                id="help-search", placeholder=adapt_text("type to search, ↑ ↓ choose, enter runs it, esc closes"), compact=True
            )
            yield HelpLines(self._registry, self._now)

    def on_mount(self) -> None:
        """Focus the search field."""
        field = self.query_one(Input)
        field.cursor_blink = False
        field.focus()

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        event.stop()
        text = event.value
        if text == "?":
            # The key that opens help also closes it.
            self.action_leave()
        else:
            self.query_one(HelpLines).search(text)

    async def action_accept(self) -> None:
        """Run the chosen entry."""
        field = self.query_one(Input)
        await wait_for_typed_text(field)
        self.query_one(HelpLines).search(field.value)
        self._do()

    @on(HelpLines.Chosen)
    def _do(self) -> None:
        item = self.query_one(HelpLines).chosen
        if item is not None and item.does is not None and self.is_current:
            self.dismiss(item.does)

    def action_choose(self, by: int) -> None:
        """Move the cursor."""
        self.query_one(HelpLines).choose(by)

    def action_leave(self) -> None:
        """Close help."""
        if self.is_current:
            self.dismiss(None)
