"""Renders one line of output as a terminal would: overwritten text is gone, tabs are expanded, colours have names.

Each line is rendered on its own: it starts without colour, may be of any width, and cursor movements to other lines are
ignored. The work is proportional to the length of the text.
"""

import re
from collections.abc import Iterator
from itertools import groupby
from typing import NamedTuple

from .safe_text import BREAKS, SEQUENCE, drawable, safe_line

TAB = 8
MOST_CELLS = 4096
"""Cells of a line that are rendered; text further right is dropped."""
NAMES = ("grey", "red", "green", "yellow", "blue", "magenta", "cyan", "")
"""The names of the eight terminal colours by number; white is the text colour. `bold` is a name too."""
ENDS_EARLIER = re.compile(rb"\r|\x1b\[[01]?G|\x1b\[2K")
"""Sequences after which the text before in the line is usually overwritten."""

_TOKEN = re.compile(rf"(?P<sequence>{SEQUENCE})|[\r\x08\t]|[^\x1b\x90\x98\x9b\x9d-\x9f\r\x08\t]+")
_CSI = re.compile(r"(?:\x1b\[|\x9b)([0-9;:]*)([@-~])")
_GREY_FROM, _WHITE_FROM = 40, 190


class Colour(NamedTuple):
    """A part of a text that has a colour."""

    start: int
    end: int
    """Positions in the text."""
    name: str


class ShownLine(NamedTuple):
    """A rendered line."""

    text: str
    """Safe for a terminal."""
    colours: tuple[Colour, ...] = ()


def cut_line(line: bytes, most: int, cut_mark: bytes = b"") -> bytes:
    """Cut a line to the `most` bytes that are shown: its beginning, or the text that last replaced it.

    Args:
        line: a whole line, or the first and last bytes of a longer one, at least `most` of each.
        cut_mark: added when the rest is not shown.
    """
    if len(line) <= most:
        return line
    end = line[-most:].rstrip(b"\r")
    newest = ENDS_EARLIER.search(end)
    return end[newest.start() :] if newest is not None else line[:most] + cut_mark


def render_line(line: str) -> ShownLine:
    """Render a line as a terminal would; the text is safe, and rendering it again changes nothing."""
    line = line.rstrip("\r\n")
    if line.isprintable() or not any(control in line for control in "\x1b\r\x08\t\x9b"):
        return ShownLine(safe_line(line))
    screen = _Screen()
    for token in _TOKEN.finditer(line):
        text = token[0]
        if token["sequence"] is None:
            screen.put(text)
        elif (sequence := _CSI.fullmatch(text)) is not None:
            screen.control(sequence[2], sequence[1])
    return screen.line()


class _Screen:
    """The cells of one line, each with its character; the second cell of a wide character is empty."""

    def __init__(self) -> None:
        self._cells: list[str] = []
        self._pens: list[str] = []
        self._column = 0
        self._colour = self._ground = ""
        self._bold = self._faint = False

    def put(self, text: str) -> None:
        """Print characters, or move the cursor for CR, BS or TAB."""
        if text == "\r":
            self._column = 0
        elif text == "\x08":
            self._column = max(self._column - 1, 0)
        elif text == "\t":
            self._column = (self._column // TAB + 1) * TAB
        else:
            text = drawable(BREAKS.sub(" ", text))
            self._write(list(text) if text.isascii() else list(_cells(text)), self._pen())

    def _pen(self) -> str:
        colour = self._colour or self._ground
        return colour or ("bold" if self._bold else "grey" if self._faint else "")

    def _write(self, cells: list[str], pen: str) -> None:
        start = self._column
        cells = cells[: max(MOST_CELLS - start, 0)]
        if not cells:
            return
        self._reach(start)
        end = start + len(cells)
        self._split(start)
        self._split(end)
        self._cells[start:end] = cells
        self._pens[start:end] = [pen] * len(cells)
        self._column = end

    def _reach(self, column: int) -> None:
        """Add blank cells up to a column."""
        missing = column - len(self._cells)
        if missing > 0:
            self._cells += [" "] * missing
            self._pens += [""] * missing

    def _split(self, column: int) -> None:
        """Remove a wide character of which one cell is overwritten."""
        if 0 < column < len(self._cells) and not self._cells[column]:
            self._cells[column - 1] = self._cells[column] = " "

    def control(self, end: str, parameters: str) -> None:
        """Apply a control sequence, as far as it concerns this line."""
        if end == "m":
            self._paint([int(code[:4] or 0) for code in _flat(parameters)])
            return
        number = int(parameters.partition(";")[0][:6] or 0) if parameters[:1] != ":" else 0
        far = min(max(number, 1), MOST_CELLS)
        if end in "G`":
            self._column = far - 1
        elif end in "Hf":  # only the column of the position
            self._column = min(max(int(parameters.partition(";")[2].partition(";")[0][:6] or 1), 1), MOST_CELLS) - 1
        elif end in "Ca":
            self._column = min(self._column + far, MOST_CELLS)
        elif end == "D":
            self._column = max(self._column - far, 0)
        elif end in "KJ":
            self._erase({0: (self._column, len(self._cells)), 1: (0, self._column + 1)}.get(number, (0, len(self._cells))))
        elif end == "X":
            self._erase((self._column, self._column + far))
        elif end == "P":
            self._erase((self._column, min(self._column + far, len(self._cells))))
            del self._cells[self._column : self._column + far], self._pens[self._column : self._column + far]

    def _erase(self, part: tuple[int, int]) -> None:
        start, end = part[0], min(part[1], len(self._cells))
        if start >= end:
            return
        self._split(start)
        self._split(end)
        if end == len(self._cells):
            del self._cells[start:], self._pens[start:]
        else:
            self._cells[start:end] = [" "] * (end - start)
            self._pens[start:end] = [""] * (end - start)

    def _paint(self, codes: list[int]) -> None:
        """Apply the colours of an SGR sequence."""
        rest = iter(codes)
        for code in rest:
            if code == 0:
                self._colour = self._ground = ""
                self._bold = self._faint = False
            elif code == 1:
                self._bold = True
            elif code == 2:
                self._faint = True
            elif code == 22:
                self._bold = self._faint = False
            elif code in (38, 48, 58):  # 58: the colour of the underline
                name = _extended(rest)
                self._colour = name if code == 38 else self._colour
                self._ground = name if code == 48 else self._ground
            elif 30 <= code <= 37 or 90 <= code <= 97:
                self._colour = NAMES[code % 10]
            elif code == 39:
                self._colour = ""
            elif 41 <= code <= 46 or 101 <= code <= 106:  # backgrounds of black, grey or white are ignored
                self._ground = NAMES[code % 10]
            elif 40 <= code <= 49 or 100 <= code <= 107:
                self._ground = ""

    def line(self) -> ShownLine:
        """The rendered line; blanks have no colour."""
        text, colours = "", list[Colour]()
        for pen, group in groupby(zip(self._cells, self._pens, strict=True), key=lambda cell: cell[1]):
            part = "".join(cell for cell, _ in group)
            if pen and not part.isspace():
                colours.append(Colour(len(text), len(text) + len(part), pen))
            text += part
        kept = text.rstrip(" ")
        return ShownLine(kept, tuple(colour._replace(end=min(colour.end, len(kept))) for colour in colours))


def _flat(parameters: str) -> Iterator[str]:
    """The numbers of an SGR sequence, also of parameters with colons: `38:2::r:g:b` is a colour, `4:3` only underlines."""
    for parameter in parameters.split(";"):
        head, *more = parameter.split(":")
        yield head
        if head in ("38", "48", "58"):
            yield from more if len(more) != 5 else (more[0], *more[2:])


def _cells(text: str) -> Iterator[str]:
    """The characters of a text by cell, each with its combining marks."""
    from unicodedata import category, east_asian_width

    held = ""
    for character in text:
        if held and category(character) == "Mn":
            held += character
            continue
        if held:
            yield held
            if east_asian_width(held[0]) in "WF":
                yield ""
        held = character
    if held:
        yield held
        if east_asian_width(held[0]) in "WF":
            yield ""


def _extended(rest: Iterator[int]) -> str:
    """The nearest name to one of the 256 colours, or to a colour given as red, green and blue."""
    kind = next(rest, 0)
    if kind == 2:
        return _nearest(next(rest, 0), next(rest, 0), next(rest, 0))
    if kind != 5:
        return ""
    number = next(rest, 0)
    if number < 16:
        return NAMES[number % 8]
    if number >= 232:
        return _nearest(*[8 + (number - 232) * 10] * 3)
    levels = (number - 16) // 36, (number - 16) // 6 % 6, (number - 16) % 6
    red, green, blue = (level and level * 40 + 55 for level in levels)
    return _nearest(red, green, blue)


def _nearest(red: int, green: int, blue: int) -> str:
    least, most = min(red, green, blue), max(red, green, blue)
    if most - least < _GREY_FROM:
        return "grey" if most < _WHITE_FROM else ""
    middle = (least + most) / 2
    return NAMES[(red > middle) + 2 * (green > middle) + 4 * (blue > middle)]
