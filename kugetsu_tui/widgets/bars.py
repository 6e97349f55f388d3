"""The lines that frame the panes: status, banner, what was said last, and the keys that matter here."""

from collections.abc import Callable, Sequence

from textual import events

from ..formatting.cells import clean, measure_width
from ..formatting.glyphs import glyph
from ..keys import Action, shown_key
from .line_widget import Line, Lines, Span, fill_spans, justify_spans


class StatusStrip(Lines):
    """The line at the top."""

    DEFAULT_CSS = "StatusStrip { height: 1; background: $k-bar; }"

    def __init__(self) -> None:
        super().__init__("status")
        self._groups: list[list[Span]] = []
        self._right: list[Span] = []

    def show(self, groups: list[list[Span]], right: list[Span]) -> None:
        """Show how the fleet stands, and who runs the engine."""
        self._groups, self._right = groups, right
        self.sync()

    def line_at(self, y: int, width: int) -> Line:
        """The one line; where room is short, words leave from the end of the left part, the name before them."""
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
    """The line for what is wrong or unusual; not there when all is well."""

    DEFAULT_CSS = "Banner { height: 1; display: none; &.-shown { display: block; } }"

    def __init__(self) -> None:
        super().__init__("banner")
        self._span: Span | None = None

    def show(self, span: Span | None) -> None:
        """Show a sentence, or nothing."""
        self._span = span
        self.set_class(span is not None, "-shown")
        self.sync()

    def line_at(self, y: int, width: int) -> Line:
        """The one line."""
        text, tone = self._span or ("", "muted")
        base = "cursor" if tone == "key" else "bar"  # what is shown is not the present: that must not be missed
        if measure_width(text) >= width:  # rather without what parts its words than without the last of them
            text = text.replace(f" {glyph('dot')} ", " ")
        return Line(fill_spans([(" ", "text"), (clean(text), tone)], width), base)


class MessageBar(Lines):
    """The line at the bottom: the answer to the last act, else the selected task in a few words."""

    DEFAULT_CSS = "MessageBar { height: 1; }"

    def __init__(self) -> None:
        super().__init__("talk")
        self._said: list[Span] | None = None
        self._quiet: list[Span] = []

    def say(self, text: str, tone: str = "text") -> None:
        """Answer the operator; any text may come."""
        self._said = [(clean(text), tone)]
        self.sync()

    def hush(self) -> None:
        """Go back to the selected task."""
        self._said = None
        self.sync()

    @property
    def said(self) -> str:
        """What stands there as an answer."""
        return "".join(text for text, _ in self._said or ())

    @property
    def failed(self) -> bool:
        """Whether what stands there says that something was refused or went wrong."""
        return any(tone in ("warning", "danger") for _, tone in self._said or ())

    def describe(self, spans: list[Span]) -> None:
        """Set what is shown while nothing was said."""
        self._quiet = spans
        self.sync()

    def line_at(self, y: int, width: int) -> Line:
        """The one line."""
        return Line(fill_spans([(" ", "text"), *(self._said if self._said is not None else self._quiet)], width))


class KeyBar(Lines):
    """The keys that matter here; one that cannot work now is dim."""

    DEFAULT_CSS = "KeyBar { height: 1; background: $k-bar; }"

    def __init__(self, chosen: Callable[[Action], None]) -> None:
        super().__init__("keys")
        self._chosen = chosen
        self._actions: list[tuple[Action, str | None, str]] = []
        self._field: Sequence[tuple[str, str]] = ()
        self._places: list[tuple[int, int, Action]] = []

    def show(self, actions: list[tuple[Action, str | None, str]]) -> None:
        """Show actions with what stands against each, and the word for each."""
        self._actions, self._field = actions, ()
        self.sync()

    def show_field(self, keys: Sequence[tuple[str, str]]) -> None:
        """Show what keys do in a field that is typed into; all others are typed."""
        self._field = keys
        self.sync()

    def line_at(self, y: int, width: int) -> Line:
        """As many keys as fit."""
        spans: list[Span] = [(" ", "text")]
        self._places = []
        if self._field:
            return Line(fill_spans([*spans, *build_key_spans(self._field)], width), "bar")
        used = 1
        for action, why_not, words in self._actions:
            key = shown_key(action.keys[0])
            length = measure_width(key) + 1 + measure_width(words) + 2
            if used + length - 2 > width:
                continue
            dim = why_not is not None
            spans += [(key, "faint" if dim else "key"), (f" {words}  ", "faint" if dim else "text")]
            self._places.append((used, used + length - 2, action))
            used += length
        return Line(fill_spans(spans, width), "bar")

    def on_click(self, event: events.Click) -> None:
        """A click on a key is the key."""
        for start, end, action in self._places:
            if start <= event.x < end:
                self._chosen(action)


class FieldKeys(Lines):
    """The keys of a field in a dialog at the bottom, in place of those of the screen below it."""

    DEFAULT_CSS = "FieldKeys { height: 1; background: $k-bar; }"

    def __init__(self, keys: Sequence[tuple[str, str]]) -> None:
        super().__init__()
        self._keys = keys

    def line_at(self, y: int, width: int) -> Line:
        """The one line."""
        return Line(fill_spans([(" ", "text"), *build_key_spans(self._keys)], width), "bar")


def build_key_spans(keys: Sequence[tuple[str, str]]) -> list[Span]:
    """Keys with what each does."""
    return [span for key, words in keys for span in ((key, "key"), (f" {words}  ", "text"))]


def _width(spans: list[Span]) -> int:
    return sum(measure_width(text) for text, _ in spans)
