"""One line of output as a terminal would show it: what was written over is gone, tabs lead to stops, colours are names.

A line is its own world here: it begins without a colour, is as wide as it needs to be, and what moves the cursor to other lines
is left out. Pure, and its work grows with the length of the text alone.
"""

import re
from collections.abc import Iterator
from itertools import groupby
from typing import NamedTuple

from .safe_text import BREAKS, SEQUENCE, drawable, safe_line

TAB = 8
MOST_CELLS = 4096
"""Of a line that are kept; what is written further right is not shown."""
NAMES = ("grey", "red", "green", "yellow", "blue", "magenta", "cyan", "")
"""The eight colours of terminals by number, as names; white is the colour of text. Also there is `bold`."""
ENDS_EARLIER = re.compile(rb"\r|\x1b\[[01]?G|\x1b\[2K")
"""What makes a program's earlier words in a line matter no more, as a rule."""

_TOKEN = re.compile(rf"(?P<sequence>{SEQUENCE})|[\r\x08\t]|[^\x1b\x90\x98\x9b\x9d-\x9f\r\x08\t]+")
_CSI = re.compile(r"(?:\x1b\[|\x9b)([0-9;:]*)([@-~])")
_GREY_FROM, _WHITE_FROM = 40, 190


class Colour(NamedTuple):
    """A part of a text that has a colour."""

    start: int
    end: int
    """Places in the text."""
    name: str


class ShownLine(NamedTuple):
    """What is seen of a line."""

    text: str
    """Safe for a terminal."""
    colours: tuple[Colour, ...] = ()


def cut_line(line: bytes, most: int, cut_mark: bytes = b"") -> bytes:
    """Return at most `most` bytes of a line, from which it is shown: its beginning, or what replaced it last.

    Args:
        line: a whole line, or of a longer one its first and its last bytes, at least `most` of each.
        cut_mark: what stands for the rest where that is not shown.
    """
    if len(line) <= most:
        return line
    end = line[-most:].rstrip(b"\r")
    newest = ENDS_EARLIER.search(end)
    return end[newest.start() :] if newest is not None else line[:most] + cut_mark


def render_line(line: str) -> ShownLine:
    """Return a line as a terminal would show it; the text is safe, and showing it again changes nothing."""
    line = line.rstrip("\r\n")
    if line.isprintable() or not any(control in line for control in "\x1b\r\x08\t\x9b"):
        return ShownLine(safe_line(line))
    screen = _Screen()
    for token in _TOKEN.finditer(line):
        text = token[0]
        if token["sequence"] is None:
            screen.put(text)
        elif (sequence := _CSI.fullmatch(text)) is not None:
            screen.obey(sequence[2], sequence[1])
    return screen.line()


class _Screen:
    """The cells of one line, each with the character that begins there; the second cell of a wide one is empty."""

    def __init__(self) -> None:
        self._cells: list[str] = []
        self._pens: list[str] = []
        self._column = 0
        self._colour = self._ground = ""
        self._bold = self._faint = False

    def put(self, text: str) -> None:
        """Print characters, or move as one of CR, BS and TAB does."""
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
        """Have cells up to a column."""
        missing = column - len(self._cells)
        if missing > 0:
            self._cells += [" "] * missing
            self._pens += [""] * missing

    def _split(self, column: int) -> None:
        """A wide character of which one cell is written over is gone."""
        if 0 < column < len(self._cells) and not self._cells[column]:
            self._cells[column - 1] = self._cells[column] = " "

    def obey(self, end: str, words: str) -> None:
        """Do what a control sequence asks for, as far as it is about this line."""
        if end == "m":
            self._paint([int(word[:4] or 0) for word in _flat(words)])
            return
        number = int(words.partition(";")[0][:6] or 0) if words[:1] != ":" else 0
        far = min(max(number, 1), MOST_CELLS)
        if end in "G`":
            self._column = far - 1
        elif end in "Hf":  # of a place on the screen the column
            self._column = min(max(int(words.partition(";")[2].partition(";")[0][:6] or 1), 1), MOST_CELLS) - 1
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
        """Take the colours of an SGR sequence."""
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
            elif code in (38, 48, 58):  # 58: of the line below
                name = _extended(rest)
                self._colour = name if code == 38 else self._colour
                self._ground = name if code == 48 else self._ground
            elif 30 <= code <= 37 or 90 <= code <= 97:
                self._colour = NAMES[code % 10]
            elif code == 39:
                self._colour = ""
            elif 41 <= code <= 46 or 101 <= code <= 106:  # a ground of black, grey or white says nothing
                self._ground = NAMES[code % 10]
            elif 40 <= code <= 49 or 100 <= code <= 107:
                self._ground = ""

    def line(self) -> ShownLine:
        """What is seen at the end; blanks have no colour."""
        text, colours = "", list[Colour]()
        for pen, group in groupby(zip(self._cells, self._pens, strict=True), key=lambda cell: cell[1]):
            part = "".join(cell for cell, _ in group)
            if pen and not part.isspace():
                colours.append(Colour(len(text), len(text) + len(part), pen))
            text += part
        kept = text.rstrip(" ")
        return ShownLine(kept, tuple(colour._replace(end=min(colour.end, len(kept))) for colour in colours))


def _flat(words: str) -> Iterator[str]:
    """The numbers of an SGR sequence, of those with colons as well: `38:2::r:g:b` is a colour, `4:3` only underlines."""
    for word in words.split(";"):
        head, *more = word.split(":")
        yield head
        if head in ("38", "48", "58"):
            yield from more if len(more) != 5 else (more[0], *more[2:])


def _cells(text: str) -> Iterator[str]:
    """The characters of a text by the cells they take, each with the marks that stack on it."""
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
    """The name nearest to a colour of the 256, or to one by its red, green and blue."""
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
