"""Filtering and sorting of rows, without a widget."""

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, Protocol, runtime_checkable

from .rows import View

FIELD = "\x1f"
"""Precedes each `name:value` at the end of a row's text; plain words of a filter do not search there."""
STRETCH = 6
"""Maximum distance between two letters of a fuzzy match."""

Test = Callable[[str], bool]


@runtime_checkable
class Sortable(View, Protocol):
    """A view whose rows can be sorted."""

    sorts: Sequence[str]
    """Names of the sort orders; the first is the default."""

    def sort_key(self, by: str, index: int) -> Any:
        """The sort key of a row."""
        ...


def compile_filter(text: str) -> Test | None:
    """Compile a filter into a test of row texts; None if it is empty.

    All words must match. `!word` must not occur, `~word` matches its letters in order; `tag:x`,
    `state:x`, `agent:x` and `repo:x` match that field.
    """
    tests = [_word(word) for word in text.lower().split() if word.strip("!~")]
    if not tests:
        return None
    return lambda row: all(test(row) for test in tests)


def _word(word: str) -> Test:
    if word.startswith("!"):
        wanted = _word(word.removeprefix("!"))
        return lambda row: not wanted(row)
    if word.startswith("~"):
        letters = word.removeprefix("~")
        return lambda row: match_fuzzy(letters, row.partition(FIELD)[0])
    name, colon, value = word.partition(":")
    if colon and name in ("tag", "state", "agent", "repo"):
        asked = f"{FIELD}{name}:{value}"
        return lambda row: asked in row
    return lambda row: word in row.partition(FIELD)[0]


def match_fuzzy(letters: str, text: str) -> bool:
    """Whether letters occur in a text in this order and close together; so `rtlmt` matches `rate limiter`."""
    start = text.find(letters[0])
    while start >= 0:
        place = start
        for letter in letters[1:]:
            place = text.find(letter, place + 1, place + 1 + STRETCH)
            if place < 0:
                break
        if place >= 0:
            return True
        start = text.find(letters[0], start + 1)
    return False


def build_row_text(plain: str, **fields: str | Sequence[str] | None) -> str:
    """Build a row's text for filters: the visible text, then the named fields."""
    parts = [plain.replace(FIELD, " ")]
    for name, value in fields.items():
        for item in (value,) if isinstance(value, str) else value or ():
            parts.append(f"{name}:{item.replace(FIELD, ' ')}")
    return FIELD.join(parts)


@lru_cache(1)
def _texts(view: View) -> list[str]:
    """Lower-case row texts; cached between key presses, as they are most of the work."""
    return [view.text(index).lower() for index in range(len(view.keys))]


def choose_rows(view: View, text: str, sort: str = "", backwards: bool = False) -> list[int] | None:
    """Indexes of the rows to show, in order; None for all rows in default order."""
    test = compile_filter(text)
    order: list[int] | None = None
    if test is not None:
        order = [index for index, row in enumerate(_texts(view)) if test(row)]
    if isinstance(view, Sortable) and sort in view.sorts and (sort != view.sorts[0] or backwards):
        order = list(range(len(view.keys))) if order is None else order
        if sort == view.sorts[0]:
            order.reverse()
        else:
            order.sort(key=lambda index: view.sort_key(sort, index), reverse=backwards)
    return order
