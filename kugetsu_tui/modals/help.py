"""Help: the keys of the pane one comes from, searchable, with the reason where one cannot be used now."""

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from ..formatting.safe_text import fit
from ..formatting.states import plain
from ..keys import TEXTS, Registry, shown_key
from ..situation import Situation
from ..widgets.lines import Span
from ..widgets.pane import words
from .help_pages import entries
from .reading import ReadingLines


class HelpLines(ReadingLines, can_focus=False):
    """The list of keys."""

    def __init__(self, registry: Registry, now: Situation) -> None:
        super().__init__()
        self._registry = registry
        self._now = now
        self._wanted = ""

    def look_for(self, text: str) -> None:
        """Show only what has all of some words in it."""
        self._wanted, self._first = text.lower(), 0
        self.sync()

    def lay_out(self, width: int) -> list[list[Span]]:
        """All lines, by group."""
        lines: list[list[Span]] = []
        group = ""
        in_logs = self._now.pane not in TEXTS  # where there is a log, what is not here is in another kind of it
        for action in self._registry.actions:
            keys = " ".join(shown_key(key) for key in action.keys)
            if not self._asked_for(f"{keys} {action.words} {action.help} {action.group}"):
                continue
            here = action.reachable(self._now.pane)
            reason = (
                action.refusal(self._now)
                if here
                else "in a log only"
                if in_logs and action.group in ("The log", "Moving")
                else "not here"
            )
            told = f"{action.help}  ({reason})" if reason else action.help
            lines += self._heading(group, action.group, bool(lines))
            group = action.group
            lines += self._entry(keys, told, width, dim=bool(reason))
        for entry in entries():
            if self._asked_for(f"{entry.name} {entry.words} {entry.group}"):
                lines += self._heading(group, entry.group, bool(lines))
                group = entry.group
                lines += self._entry(entry.name, entry.words, width)
        return lines or [[("nothing matches", "muted")]]

    def _asked_for(self, text: str) -> bool:
        return all(word in text.lower() for word in self._wanted.split())

    @staticmethod
    def _heading(before: str, group: str, gap: bool) -> list[list[Span]]:
        heading: list[Span] = [(group, "title")]
        return [] if group == before else [[], heading] if gap else [heading]

    @staticmethod
    def _entry(name: str, told: str, width: int, dim: bool = False) -> list[list[Span]]:
        return [
            [
                ("  ", "text"), (fit(name if place == 0 else "", 12), "faint" if dim else "key"), ("  ", "text"),
                (part, "muted" if dim else "text"),
            ]
            for place, part in enumerate(words(told, max(width - 16, 10)))
        ]  # fmt: skip


class Help(ModalScreen[None]):
    """The keys; type to search, escape leaves."""

    BINDINGS = [
        Binding("escape", "leave", show=False, priority=True),  # what is typed after it meets the screen below
        Binding("down", "scroll(1)", show=False),
        Binding("up", "scroll(-1)", show=False),
        Binding("pagedown", "scroll(12)", show=False, priority=True),
        Binding("pageup", "scroll(-12)", show=False, priority=True),
    ]

    def __init__(self, registry: Registry, now: Situation, title: str) -> None:
        super().__init__()
        self._registry = registry
        self._now = now
        self._title_text = title

    def compose(self) -> ComposeResult:
        """Title, search, list."""
        with Vertical(classes="dialog", id="help"):
            yield Static(Content(self._title_text), classes="dialog-title")
            yield Input(id="help-search", placeholder=plain("type to search, ↑ ↓ to read on, esc to leave"), compact=True)
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
            self.query_one(HelpLines).look_for(text)

    @on(Input.Submitted)
    def _submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self.action_leave()

    def action_scroll(self, by: int) -> None:
        """Go up or down."""
        self.query_one(HelpLines).go(by)

    def action_leave(self) -> None:
        """Go back."""
        if self.is_current:
            self.dismiss(None)
