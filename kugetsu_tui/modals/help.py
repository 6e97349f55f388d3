"""Help: the keys of the pane one comes from first, searchable; enter does what is chosen, or says why it cannot be done now."""

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
from ..widgets.pane import wrap_words
from .text_dialog import ScrollingLines

NAME = 12
"""Cells for keys."""
ROOMY = 40
"""Cells below which keys get half of that."""
INDENT = 2
GAP = 2
"""Cells between two columns."""
TWO_COLUMNS = 110
"""Cells from which on there are two columns."""


class HelpLines(ScrollingLines, can_focus=False):
    """The list of keys, one of which is chosen."""

    class Chosen(Message):
        """The chosen line was clicked."""

    def __init__(self, registry: Registry, now: ActionContext) -> None:
        super().__init__()
        self._sections = build_sections(registry, now)
        self._wanted = ""
        self._choice = 0
        self._items: list[Item] = []
        """What can be chosen, in order."""
        self._places: list[tuple[range, range]] = []
        """The lines and the cells of each of them."""

    def search(self, text: str) -> None:
        """Show only what has all of some words in it."""
        if text.lower() != self._wanted:
            self._wanted, self._choice, self._first = text.lower(), 0, 0
            self.sync()

    @property
    def chosen(self) -> Item | None:
        """What is chosen."""
        return self._items[self._choice] if self._choice < len(self._items) else None

    def choose(self, by: int) -> None:
        """Choose another one, further down or up."""
        self._choice = max(min(self._choice + by, len(self._items) - 1), 0)
        if self._places:
            lines = self._places[self._choice][0]
            top = 0 if self._choice == 0 else lines.start
            self._first = max(min(self._first, top), lines.stop - self.size.height)
        self.sync()

    def lay_out(self, width: int) -> list[list[Span]]:
        """All lines, by section, in two columns where there is room."""
        self._items, self._places = [], []
        lines: list[list[Span]] = []
        columns = 2 if width >= TWO_COLUMNS else 1
        column_width = (width - GAP * (columns - 1)) // columns
        for section in self._sections:
            items = [item for item in section.items if self._asked_for(item, section)]
            if items:
                lines += [*([[]] if lines else []), [(section.title, "title")]]
                self._add(lines, items, column_width, columns)
        return lines or [[("nothing matches", "muted")]]

    def _asked_for(self, item: Item, section: Section) -> bool:
        text = f"{item.name} {item.word} {item.told} {section.title}".lower()
        return all(word in text for word in self._wanted.split())

    def _add(self, lines: list[list[Span]], items: list[Item], width: int, columns: int) -> None:
        """Add the items of a section, as many lines left as right."""
        name = NAME if width >= ROOMY else NAME // 2
        room = max(width - INDENT - name - GAP, 1)
        parts = [wrap_words(item.told, room) for item in items]
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
        marker: Span = (glyph("marker") + " ", "focus") if place == self._choice and row == 0 else ("  ", "text")
        tone = "muted" if item.dim else "text"
        name: Span = (fit(item.name if row == 0 else "", width), "faint" if item.dim else "key")
        return [marker, name, (" " * GAP, "text"), (part, tone)]

    def line_at(self, y: int, width: int) -> Line:
        """One line."""
        index = self._first + y
        return Line(fill_spans(self._all[index], width)) if index < len(self._all) else EMPTY

    def on_click(self, event: events.Click) -> None:
        """Choose what is under the pointer; once more does it."""
        for number, (lines, cells) in enumerate(self._places):
            if event.y + self._first in lines and event.x in cells:
                if number == self._choice:
                    self.post_message(self.Chosen())
                self.choose(number - self._choice)
                return


class Help(ModalScreen[Action | str | None]):
    """The keys; type to search, enter does one, escape leaves. Returns the action, or the command to be typed on."""

    BINDINGS = [
        Binding("escape", "leave", show=False, priority=True),  # what is typed after it meets the screen below
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
        """Title, search, list."""
        with Vertical(classes="dialog", id="help"):
            yield Static(Content(self._title_text), classes="dialog-title")
            yield Input(
                id="help-search", placeholder=adapt_text("type to search, ↑ ↓ choose, enter does it, esc leaves"), compact=True
            )
            yield HelpLines(self._registry, self._now)

    def on_mount(self) -> None:
        """Type at once."""
        field = self.query_one(Input)
        field.cursor_blink = False
        field.focus()

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        event.stop()
        text = event.value
        if text == "?":
            # The key that opened it, pressed again, closes it.
            self.action_leave()
        else:
            self.query_one(HelpLines).search(text)

    async def action_accept(self) -> None:
        """Do what is found by what was typed."""
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
        """Go up or down."""
        self.query_one(HelpLines).choose(by)

    def action_leave(self) -> None:
        """Go back."""
        if self.is_current:
            self.dismiss(None)
