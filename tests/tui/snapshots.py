"""What a screen shows, as text and tones: the same under every release of Textual, and readable where it differs.

One letter is a tone of the text, `.` and a letter its ground; a capital is bold, `~` is turned round. `o` is any colour that
is none of the console's own.
"""

import difflib
import os
from itertools import groupby
from pathlib import Path

from rich.style import Style
from textual.color import Color

from kugetsu_tui.app import KugetsuApp

Rgb = tuple[int, int, int]
FOLDER = Path(__file__).parents[1] / "snapshots"
TEXT_TONES = {
    "foreground": "t", "k-muted": "m", "k-faint": "f", "accent": "a", "warning": "w", "error": "d", "success": "g",
    "k-info": "i", "k-magenta": "p", "k-cyan": "c", "k-border": "b", "background": "n",
}  # fmt: skip
GROUNDS = {
    "background": "",
    "k-cursor": ".c",
    "k-cursor-dim": ".x",
    "k-bar": ".b",
    "surface": ".s",
    "panel": ".p",
    "accent": ".a",
}


def rewriting() -> bool:
    """Whether `make snapshots` runs."""
    return bool(os.environ.get("KUGETSU_WRITE_SNAPSHOTS"))


def taken(app: KugetsuApp) -> str:
    """What the console shows now."""
    texts = {_rgb(app.theme_variables[name]): letter for name, letter in reversed(TEXT_TONES.items())}
    grounds = {_rgb(app.theme_variables[name]): letter for name, letter in reversed(GROUNDS.items())}
    lines, tones = [], []
    for number, strip in enumerate(app.screen._compositor.render_strips(app.size), 1):
        cells = [(char, _tone(char, segment.style, texts, grounds)) for segment in strip for char in segment.text]
        lines.append("".join(char for char, _ in cells).rstrip())
        runs = [(tone, len(list(group))) for tone, group in groupby(cells, key=lambda cell: cell[1])]
        if tones_of := " ".join(f"{tone}{length}" for tone, length in _spread(runs)):
            tones.append(f"{number:3} {tones_of}")
    return "\n".join([*lines, "--", *tones]) + "\n"


def _rgb(value: str) -> tuple[int, int, int]:
    return Color.parse(value).rgb


def _tone(char: str, style: Style | None, texts: dict[Rgb, str], grounds: dict[Rgb, str]) -> str:
    if style is None:
        return "o"
    ground = grounds.get(style.bgcolor.triplet, ".o") if style.bgcolor and style.bgcolor.triplet else ""
    turned = "~" if style.reverse else ""
    if char == " ":
        return f"{turned}_{ground}"
    letter = texts.get(style.color.triplet, "o") if style.color and style.color.triplet else "o"
    return f"{turned}{letter.upper() if style.bold else letter}{ground}"


def _spread(runs: list[tuple[str, int]]) -> list[tuple[str, int]]:
    """Let a space belong to the text before it on the same ground: it has no tone of its own."""
    merged: list[tuple[str, int]] = []
    for tone, length in runs:
        if merged:
            before, count = merged[-1]
            if tone == before or (tone.startswith("_") and tone[1:] == before[1:] and before[0] != "~"):
                merged[-1] = (before, count + length)
                continue
            if before.startswith("_") and before[1:] == tone[1:] and tone[0] != "~":
                merged[-1] = (tone, count + length)
                continue
        merged.append((tone, length))
    return [] if [tone for tone, _ in merged] in (["_"], ["t"]) else merged


def expected(name: str) -> str | None:
    """What a screen is to show; None when that was never written."""
    path = FOLDER / f"{name}.txt"
    return path.read_text(encoding="utf-8") if path.exists() else None


def write(name: str, text: str) -> None:
    """Keep what a screen shows as what it is to show."""
    FOLDER.mkdir(exist_ok=True)
    (FOLDER / f"{name}.txt").write_text(text, encoding="utf-8")


def difference(name: str, wanted: str | None, shown: str) -> str:
    """Why a test failed, and what to do."""
    if wanted is None:
        return f"tests/snapshots/{name}.txt is not there: make snapshots writes it\n{shown}"
    lines = difflib.unified_diff(
        wanted.splitlines(), shown.splitlines(), f"tests/snapshots/{name}.txt", "shown now", "", "", 1, ""
    )
    return "\n".join([f"{name} looks different; if it should, make snapshots", *lines])
