"""One-line widgets around the panes: status, banner, messages, keys."""

from collections.abc import Callable, Sequence

from textual import events

from ..formatting.cells import clean, measure_width
from ..formatting.glyphs import glyph
from ..keys import Action, format_key
from .line_widget import Line, Lines, Span, fill_spans, justify_spans


class StatusStrip(Lines):
    """The status line at the top."""

    DEFAULT_CSS = "StatusStrip { height: 1; background: $k-bar; }"

    def __init__(self) -> None:
        super().__init__("status")
        self._groups: list[list[Span]] = []
        self._right: list[Span] = []

    def show(self, groups: list[list[Span]], right: list[Span]) -> None:
        """Show the fleet's state and who runs the engine."""
        self._groups, self._right = groups, right
        self.sync()

    def line_at(self, y: int, width: int) -> Line:
        """The line; if it is too narrow, groups are dropped from the end and the name is dropped first."""
        right = [*self._right, (" ", "text")]
        if width < 60:
            right = [*self._right[-1:], (" ", "text")]
        name: list[Span] = [(" kugetsu ", "focus"), (" ", "text")] if width >= 60 else [(" ", "text")]
        left, room = list(name), width - _width(right) - 2
        for place, group in enumerate(self._groups):
            joined = [*left, (f" {glyph('dot')} ", "faint"), *group] if place else [*left, *group]
            if _width(joined) > room:
                break
            left = joined
        return Line(justify_spans(left, right, width), "bar")


class Banner(Lines):
    """The line for problems and unusual states; hidden otherwise."""

    DEFAULT_CSS = "Banner { height: 1; display: none; &.-shown { display: block; } }"

    def __init__(self) -> None:
        super().__init__("banner")
        self._span: Span | None = None

    def show(self, span: Span | None) -> None:
        """Show a text, or hide the banner."""
        self._span = span
        self.set_class(span is not None, "-shown")
        self.sync()

    def line_at(self, y: int, width: int) -> Line:
        """The one line."""
        text, tone = self._span or ("", "muted")
        base = "cursor" if tone == "key" else "bar"  # replay: must not be missed
        if measure_width(text) >= width:  # drop separators before dropping the last items
            text = text.replace(f" {glyph('dot')} ", " ")
        return Line(fill_spans([(" ", "text"), (clean(text), tone)], width), base)


class MessageBar(Lines):
    """The line at the bottom: the answer to the last action, else the selected task."""

    DEFAULT_CSS = "MessageBar { height: 1; }"

    def __init__(self) -> None:
        super().__init__("talk")
        self._message: list[Span] | None = None
        self._default: list[Span] = []

    def say(self, text: str, tone: str = "text") -> None:
        """Show a message; the text may be unsafe."""
        self._message = [(clean(text), tone)]
        self.sync()

    def hush(self) -> None:
        """Show the selected task again."""
        self._message = None
        self.sync()

    @property
    def said(self) -> str:
        """The message that is shown."""
        return "".join(text for text, _ in self._message or ())

    @property
    def failed(self) -> bool:
        """Whether the message reports a refusal or a failure."""
        return any(tone in ("warning", "danger") for _, tone in self._message or ())

    def describe(self, spans: list[Span]) -> None:
        """Set what is shown while there is no message."""
        self._default = spans
        self.sync()

    def line_at(self, y: int, width: int) -> Line:
        """The one line."""
        return Line(fill_spans([(" ", "text"), *(self._message if self._message is not None else self._default)], width))


class KeyBar(Lines):
    """The main keys of the current place; unavailable ones are dim."""

    DEFAULT_CSS = "KeyBar { height: 1; background: $k-bar; }"

    def __init__(self, chosen: Callable[[Action], None]) -> None:
        super().__init__("keys")
        self._chosen = chosen
        self._actions: list[tuple[Action, str | None, str]] = []
        self._field: Sequence[tuple[str, str]] = ()
        self._key_cells: list[tuple[int, int, Action]] = []

    def show(self, actions: list[tuple[Action, str | None, str]]) -> None:
        """Show actions, each with the reason why it is unavailable and its label."""
        self._actions, self._field = actions, ()
        self.sync()

    def show_field(self, keys: Sequence[tuple[str, str]]) -> None:
        """Show the keys of a text field."""
        self._field = keys
        self.sync()

    def line_at(self, y: int, width: int) -> Line:
        """As many keys as fit."""
        spans: list[Span] = [(" ", "text")]
        self._key_cells = []
        if self._field:
            return Line(fill_spans([*spans, *build_key_spans(self._field)], width), "bar")
        used = 1
        for action, why_not, label in self._actions:
            key = format_key(action.keys[0])
            length = measure_width(key) + 1 + measure_width(label) + 2
            if used + length - 2 > width:
                continue
            dim = why_not is not None
            spans += [(key, "faint" if dim else "key"), (f" {label}  ", "faint" if dim else "text")]
            self._key_cells.append((used, used + length - 2, action))
            used += length
        return Line(fill_spans(spans, width), "bar")

    def on_click(self, event: events.Click) -> None:
        """Run the clicked key's action."""
        for start, end, action in self._key_cells:
            if start <= event.x < end:
                self._chosen(action)


class FieldKeys(Lines):
    """The keys of a dialog's field, shown over those of the screen below."""

    DEFAULT_CSS = "FieldKeys { height: 1; background: $k-bar; }"

    def __init__(self, keys: Sequence[tuple[str, str]]) -> None:
        super().__init__()
        self._keys = keys

    def line_at(self, y: int, width: int) -> Line:
        """The one line."""
        return Line(fill_spans([(" ", "text"), *build_key_spans(self._keys)], width), "bar")


def build_key_spans(keys: Sequence[tuple[str, str]]) -> list[Span]:
    """Build spans of keys and labels."""
    return [span for key, label in keys for span in ((key, "key"), (f" {label}  ", "text"))]


def _width(spans: list[Span]) -> int:
    return sum(measure_width(text) for text, _ in spans)
