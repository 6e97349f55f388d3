"""Wrapping of long lines, and moving by wrapped rows."""

from collections.abc import Callable

from ..formatting.cells import measure_width

Place = tuple[int, int]
"""Number of a line and of a row within it."""


def break_line(text: str, width: int) -> list[str]:
    """Break a line at a width, between any two characters."""
    if width < 2 or measure_width(text) <= width:
        return [text]
    if text.isascii():
        return [text[start : start + width] for start in range(0, len(text), width)]
    broken: list[str] = []
    row, used = "", 0
    for character in text:
        wide = measure_width(character)
        if used + wide > width:
            broken.append(row)
            row, used = "", 0
        row, used = row + character, used + wide
    return [*broken, row]


class WrappedLines:
    """The wrapped rows of `total` lines; `line` returns a line, empty if it is not loaded."""

    def __init__(self, line: Callable[[int], str], total: int, width: int) -> None:
        self._line = line
        self._total = total
        self._width = width

    def rows(self, number: int) -> list[str]:
        """The rows of a line."""
        return break_line(self._line(number), self._width)

    def step(self, place: Place, by: int) -> Place:
        """Move by rows, clamped to the first and last row."""
        line, row = min(place[0], max(self._total - 1, 0)), place[1]
        row += by
        while row < 0:
            if line == 0:
                return 0, 0
            line -= 1
            row += len(self.rows(line))
        while row >= (height := len(self.rows(line))):
            if line >= self._total - 1:
                return line, height - 1
            line, row = line + 1, row - height
        return line, row

    def last_page(self, height: int) -> Place:
        """The place from which the last rows fill a page."""
        if not self._total:
            return 0, 0
        last = self._total - 1
        return self.step((last, len(self.rows(last)) - 1), 1 - height)

    def page(self, place: Place, height: int) -> list[tuple[int, int, int]]:
        """The rows of a page: number of the line, start and end within it."""
        page: list[tuple[int, int, int]] = []
        line, row = place
        while len(page) < height and line < self._total:
            start = 0
            for number, text in enumerate(self.rows(line)):
                if number >= row:
                    page.append((line, start, start + len(text)))
                start += len(text)
            line, row = line + 1, 0
        return page[:height]


def wrap_text(text: str, width: int) -> list[str]:
    """Break text into lines at spaces, by the width it takes on the screen."""
    lines: list[str] = []
    line = ""
    for word in text.split(" "):
        joined = f"{line} {word}" if line else word
        if measure_width(joined) <= width:
            line = joined
            continue
        if line:
            lines.append(line)
        *whole, line = break_line(word, width)
        lines += whole
    return [*lines, line] if line or not lines else lines
