"""The base of every widget here: it says what its lines are, and only lines that differ are painted again.

A key then costs a few hundred bytes, where repainting a pane costs thousands (`Widget.refresh` with regions).
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
"""Text that is safe already, and the name of its tone."""


class Line(NamedTuple):
    """One line of a widget, as plain values that can be compared."""

    spans: tuple[Span, ...]
    base: str = ""
    """Background: `cursor`, `cursor-dim`, `bar` or none."""
    framed: bool = False
    """Whether the first and the last span are a frame, which has no background."""


EMPTY = Line(())


class Lines(Widget):
    """A widget that is painted by the line."""

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
        """Return what stands in line `y`; the one method a widget must have."""
        raise NotImplementedError

    def prepare(self) -> None:
        """Bring things in order before the lines are asked for, such as the first visible row."""

    def sync(self) -> None:
        """Paint again the lines that are different now."""
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
            # Textual paints a region from the left edge of its widget on, so only its right end can be spared.
            self.refresh(*(Region(0, y, min(find_last_change(lines[y], shown[y]), width), 1) for y in changed))

    def _lines(self, width: int, height: int) -> list[Line]:
        # The boundary of a pane: what goes wrong in it must not end the console.
        try:
            self.prepare()
            return [self.line_at(y, width) for y in range(height)]
        except Exception as error:
            log.exception("a pane failed")
            told = Line(((fit(f" this pane failed: {type(error).__name__}, see the log of the console", width), "danger"),))
            return [told, *([EMPTY] * (height - 1))][:height]

    def render_line(self, y: int) -> Strip:
        """Make one line out of what was decided in `sync`."""
        width, height = self.size
        if len(self._shown) != height:
            self._shown = self._lines(width, height)
        line = self._shown[y] if y < len(self._shown) else EMPTY
        used = sum(measure_width(text) for text, _ in line.spans)
        padded = line if used >= width else line._replace(spans=(*line.spans, (" " * (width - used), "text")))
        strip = Strip([Segment(adapt_text(text), self.tone(*tones)) for text, tones in merge_runs(padded)], max(used, width))
        return strip if used <= width else strip.crop(0, width)

    def tone(self, name: str, base: str = "") -> Style:
        """The style of a tone on a background, of the theme that is on."""
        key = (name, base)
        if key not in self._tones:
            style = self.get_component_rich_style(f"tone--{name}")
            if base:
                ground = self.get_component_rich_style(f"base--{base}")
                if ground.reverse:
                    # Colours turned round would be a patchwork, and not readable in every palette.
                    style = self.get_component_rich_style("tone--text") + Style(bold=style.bold, reverse=True)
                else:
                    style += Style(bgcolor=ground.bgcolor, bold=style.bold)
            self._tones[key] = style
        return self._tones[key]

    def notify_style_update(self) -> None:
        """Forget the styles of the theme before."""
        self._tones.clear()
        super().notify_style_update()

    def on_resize(self) -> None:
        """Lay the lines out for another width."""
        width, height = self.size
        self._shown = self._lines(width, height)
        self.refresh()


def merge_runs(line: Line) -> list[tuple[str, tuple[str, str]]]:
    """The texts of a line with their tone and background, as few as look the same: each costs a style on its way out.

    Blanks have no tone, so they go with what stands beside them on the same background.
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
    """The cell from which on two lines are the same to their end."""
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
    taken: list[Span] = []
    left = width
    for text, name in spans:
        if left <= 0:
            break
        length = measure_width(text)
        if length > left:
            text, length = fit(text, left), left
        taken.append((text, name))
        left -= length
    if left > 0:
        taken.append((" " * left, tone))
    return tuple(taken)


def justify_spans(left: list[Span], right: list[Span], width: int) -> tuple[Span, ...]:
    """Spans at the left and at the right end of a line; the right ones give way."""
    right_width = sum(measure_width(text) for text, _ in right)
    left_width = sum(measure_width(text) for text, _ in left)
    if left_width + right_width + 1 > width:
        return fill_spans(left, width)
    return (*left, (" " * (width - left_width - right_width), "text"), *right)
