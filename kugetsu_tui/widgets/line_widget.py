"""Base of all line-based widgets: only lines that changed are repainted.

A key press then writes a few hundred bytes; repainting a pane writes thousands (`Widget.refresh` with regions).
"""

import logging
from typing import ClassVar, NamedTuple

from rich.segment import Segment
from rich.style import Style
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

from ..formatting.cells import fit, measure_width
from ..formatting.glyphs import adapt_text

log = logging.getLogger(__name__)

Span = tuple[str, str]
"""Safe text and the name of its tone."""


class Line(NamedTuple):
    """One line of a widget, as comparable values."""

    spans: tuple[Span, ...]
    base: str = ""
    """Background: `cursor`, `cursor-dim`, `bar` or none."""
    framed: bool = False
    """Whether the first and last span are a frame, which has no background."""


EMPTY = Line(())


class Lines(Widget):
    """A widget painted line by line."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "tone--text", "tone--muted", "tone--faint", "tone--accent", "tone--title", "tone--good", "tone--warning",
        "tone--danger", "tone--info", "tone--border", "tone--focus", "tone--key", "base--cursor", "base--cursor-dim",
        "base--bar", "tone--removed", "tone--magenta", "tone--cyan",
    }  # fmt: skip

    DEFAULT_CSS = """
    Lines {
        & .tone--text { color: $foreground; }
        & .tone--muted { color: $k-muted; }
        & .tone--faint { color: $k-faint; text-style: $k-faint-style; }
        & .tone--accent { color: $accent; }
        & .tone--title { color: $foreground; text-style: bold; }
        & .tone--good { color: $success; }
        & .tone--warning { color: $warning; }
        & .tone--danger { color: $error; text-style: bold; }
        & .tone--removed { color: $error; }
        & .tone--info { color: $k-info; }
        & .tone--magenta { color: $k-magenta; }
        & .tone--cyan { color: $k-cyan; }
        & .tone--border { color: $k-border; text-style: $k-faint-style; }
        & .tone--focus { color: $accent; }
        & .tone--key { color: $accent; text-style: bold; }
        & .base--cursor { background: $k-cursor; text-style: $k-cursor-style; }
        & .base--cursor-dim { background: $k-cursor-dim; }
        & .base--bar { background: $k-bar; }
    }
    """

    def __init__(self, widget_id: str | None = None) -> None:
        super().__init__(id=widget_id)
        self._shown: list[Line] = []
        self._tones: dict[tuple[str, str], Style] = {}

    def line_at(self, y: int, width: int) -> Line:
        """Return line `y`; a subclass must define it."""
        raise NotImplementedError

    def prepare(self) -> None:
        """Update state before lines are requested, such as the first visible row."""

    def sync(self) -> None:
        """Repaint the lines that changed."""
        if not self.is_mounted:
            return
        width, height = self.size
        lines, shown = self._lines(width, height), self._shown
        self._shown = lines
        if len(lines) != len(shown):
            self.refresh()
            return
        changed = [y for y, (new, old) in enumerate(zip(lines, shown, strict=True)) if new != old]
        if changed:
            # Textual paints a region from the widget's left edge, so only the right end can be saved.
            self.refresh(*(Region(0, y, min(find_last_change(lines[y], shown[y]), width), 1) for y in changed))

    def _lines(self, width: int, height: int) -> list[Line]:
        # The boundary of a pane: an error in it must not end the console.
        try:
            self.prepare()
            return [self.line_at(y, width) for y in range(height)]
        except Exception as error:
            log.exception("a pane failed")
            failure = Line(((fit(f" this pane failed: {type(error).__name__}; see the console's log", width), "danger"),))
            return [failure, *([EMPTY] * (height - 1))][:height]

    def render_line(self, y: int) -> Strip:
        """Render one line of those built in `sync`."""
        width, height = self.size
        if len(self._shown) != height:
            self._shown = self._lines(width, height)
        line = self._shown[y] if y < len(self._shown) else EMPTY
        used = sum(measure_width(text) for text, _ in line.spans)
        padded = line if used >= width else line._replace(spans=(*line.spans, (" " * (width - used), "text")))
        strip = Strip([Segment(adapt_text(text), self.tone(*tones)) for text, tones in merge_runs(padded)], max(used, width))
        return strip if used <= width else strip.crop(0, width)

    def tone(self, name: str, base: str = "") -> Style:
        """The current theme's style of a tone on a background."""
        key = (name, base)
        if key not in self._tones:
            style = self.get_component_rich_style(f"tone--{name}")
            if base:
                ground = self.get_component_rich_style(f"base--{base}")
                if ground.reverse:
                    # Reversed colours would be a patchwork, unreadable in some palettes.
                    style = self.get_component_rich_style("tone--text") + Style(bold=style.bold, reverse=True)
                else:
                    style += Style(bgcolor=ground.bgcolor, bold=style.bold)
            self._tones[key] = style
        return self._tones[key]

    def notify_style_update(self) -> None:
        """Drop cached styles when the theme changes."""
        self._tones.clear()
        super().notify_style_update()

    def on_resize(self) -> None:
        """Lay out for another width."""
        width, height = self.size
        self._shown = self._lines(width, height)
        self.refresh()


def merge_runs(line: Line) -> list[tuple[str, tuple[str, str]]]:
    """Merge spans that look the same: each style change costs bytes.

    Blanks show no tone, so they join their neighbour on the same background.
    """
    runs: list[tuple[str, tuple[str, str]]] = []
    last = len(line.spans) - 1
    for place, (text, tone) in enumerate(line.spans):
        base = "" if line.framed and place in (0, last) else line.base
        if runs and base == runs[-1][1][1]:
            before, (tone_before, _) = runs[-1]
            if tone == tone_before or text.isspace():
                runs[-1] = (before + text, (tone_before, base))
                continue
            if before.isspace():
                runs[-1] = (before + text, (tone, base))
                continue
        if text:
            runs.append((text, (tone, base)))
    return runs


def find_last_change(new: Line, old: Line) -> int:
    """Return the cell after which two lines are equal."""
    widths = [sum(measure_width(text) for text, _ in line.spans) for line in (new, old)]
    if widths[0] != widths[1] or new[1:] != old[1:]:
        return max(widths)
    end = widths[0]
    for (text, tone), before in zip(reversed(new.spans), reversed(old.spans), strict=False):
        if (text, tone) != before:
            break
        end -= measure_width(text)
    return end


def fill_spans(spans: list[Span], width: int, tone: str = "text") -> tuple[Span, ...]:
    """Cut or pad spans to a width."""
    kept: list[Span] = []
    left = width
    for text, name in spans:
        if left <= 0:
            break
        length = measure_width(text)
        if length > left:
            text, length = fit(text, left), left
        kept.append((text, name))
        left -= length
    if left > 0:
        kept.append((" " * left, tone))
    return tuple(kept)


def justify_spans(left: list[Span], right: list[Span], width: int) -> tuple[Span, ...]:
    """Align spans to both ends of a line; the right ones are dropped first."""
    right_width = sum(measure_width(text) for text, _ in right)
    left_width = sum(measure_width(text) for text, _ in left)
    if left_width + right_width + 1 > width:
        return fill_spans(left, width)
    return (*left, (" " * (width - left_width - right_width), "text"), *right)


def cut_spans(spans: list[Span], width: int) -> list[Span]:
    """Cut spans to a width, with an ellipsis if text is lost."""
    left, kept = width, list[Span]()
    for place, (text, tone) in enumerate(spans):
        length = measure_width(text)
        if length > left or (length == left and any(more for more, _ in spans[place + 1 :])):
            fitted = fit(text, left) if length > left else fit(f"{text} ", left)
            return [*kept, (fitted, tone)]
        kept.append((text, tone))
        left -= length
    return kept
