"""Glyph, word and tone of each state; colour alone is not enough for every operator.

Red (`danger`) is reserved for what needs a person. Glyphs are one column wide; without UTF-8 they are ASCII.
"""

import locale
import os
import sys
from collections.abc import Mapping
from typing import NamedTuple

from kugetsu_engine.domain.task import Task
from kugetsu_engine.domain.text import glyph_tables

Tone = str
"""A colour of the theme: text, muted, faint, accent, title, good, warning, danger, info, border, focus, bar, removed."""


class Glyph(NamedTuple):
    """Glyph, word and tone of a state."""

    glyph: str
    word: str
    tone: Tone


_UTF8 = glyph_tables.UTF8 | {
    "slot_free": "·", "slot_used": "▆", "slot_running": "▒", "gutter": "│", "quiet": "◔", "marker": "▌", "dot": "·",
    "loose": "*", "mark": "◆", "more": "▼", "limit": "/", "times": "×",
    "tl": "╭", "tr": "╮", "bl": "╰", "br": "╯", "h": "─", "v": "│", "thumb": "┃", "spark": "▁▂▃▄▅▆▇█", "ellipsis": "…",
}  # fmt: skip
_ASCII = glyph_tables.ASCII | {
    "slot_free": ".", "slot_used": "=", "slot_running": "~", "gutter": "|", "quiet": "?", "marker": "[", "dot": "-",
    "loose": "*", "mark": "*", "more": "v", "limit": "/", "times": "x",
    "tl": "+", "tr": "+", "bl": "+", "br": "+", "h": "-", "v": "|", "thumb": "#", "spark": "_.:-=+*#", "ellipsis": "~",
}  # fmt: skip


def supports_utf8(environ: Mapping[str, str] = os.environ, coerced: bool | None = None) -> bool:
    """Whether the terminal supports UTF-8; `KUGETSU_ASCII=1` disables it.

    Decided by the locale variables: in the C locale Python uses UTF-8 anyway, and even sets a variable itself.
    Without any variable it is UTF-8, as nearly every terminal is.

    Args:
        coerced: whether Python set `LC_CTYPE` itself; by default determined from Python's flags.
    """
    if environ.get("KUGETSU_ASCII"):
        return False
    coerced = bool(sys.flags.utf8_mode) if coerced is None else coerced
    locale_name = environ.get("LC_ALL") or ("" if coerced else environ.get("LC_CTYPE")) or environ.get("LANG") or ""
    if locale_name in ("C", "POSIX"):
        return False
    if "." in locale_name or not locale_name:
        return not locale_name or "utf8" in locale_name.lower().replace("-", "")
    return locale.getpreferredencoding(False).lower().replace("-", "") in ("utf8", "utf")


_glyphs = dict(_UTF8)


def choose_glyphs(utf8: bool) -> None:
    """Choose Unicode or ASCII glyphs; called once, before the first paint."""
    _glyphs.clear()
    _glyphs.update(_UTF8 if utf8 else _ASCII)


def is_ascii_only() -> bool:
    """Whether only ASCII is drawn."""
    return _glyphs["tl"] == _ASCII["tl"]


_PLAIN = str.maketrans("…↑↓←→−–×·▼▲│", "~^v<>--x-v^|")


def adapt_text(text: str) -> str:
    """Replace non-ASCII characters of the console's texts if needed; the width stays the same."""
    return text if text.isascii() or not is_ascii_only() else text.translate(_PLAIN)


def glyph(name: str) -> str:
    """The character with a name."""
    return _glyphs[name]


_STATES = {
    "pending": ("waiting", "muted"), "held": ("held", "muted"), "retry": ("retry", "warning"), "notified": ("starting", "info"),
    "running": ("running", "info"), "paused": ("paused", "warning"), "stopping": ("stopping", "warning"),
    "completed": ("completed", "good"), "warning": ("no delivery", "warning"), "error": ("failed", "danger"),
    "cancelled": ("cancelled", "muted"), "expired": ("expired", "warning"),
}  # fmt: skip


def get_task_glyph(task: Task) -> Glyph:
    """Glyph, word and tone of a task."""
    return get_state_glyph(task.glyph_name)


def get_state_glyph(state: str) -> Glyph:
    """Glyph, word and tone of a state."""
    word, tone = _STATES.get(state, (state, "text"))
    return Glyph(_glyphs.get(state, "?"), word, tone)


def get_level_glyph(level: str) -> Glyph:
    """Glyph, word and tone of a notification's level."""
    tones = {"good": "good", "warning": "warning", "error": "danger"}
    return Glyph(glyph(level if level in tones else "info"), level, tones.get(level, "muted"))


def draw_curve(values: tuple[float, ...], top: float = 100.0) -> str:
    """Draw values from 0 to `top` as a small curve."""
    levels = glyph("spark")
    return "".join(levels[min(int(max(value, 0.0) / top * len(levels)), len(levels) - 1)] for value in values)
