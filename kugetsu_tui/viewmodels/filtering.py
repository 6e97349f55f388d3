"""Which rows of a list are shown, and in which order: filters and sorts, without a list."""

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, Protocol, runtime_checkable

from .rows import View

FIELD = "\x1f"
"""Stands before each `name:value` at the end of a row's text; other words of a filter do not look there."""
STRETCH = 6
"""Characters within which a fuzzy word's next letter must come."""

Test = Callable[[str], bool]


@runtime_checkable
class Sortable(View, Protocol):
    """A view whose rows can stand in other orders."""

    sorts: Sequence[str]
    """The orders there are; the first is the one they come in."""

    def sort_key(self, by: str, index: int) -> Any:
        """What a row is sorted by."""
        ...


def compile_filter(text: str) -> Test | None:
    """What a filter asks of a row's text; None when it asks nothing.

    Every word must be there. In front of a word `!` asks that it is not, `~` finds it with letters left out; `tag:x`,
    `state:x`, `agent:x` and `repo:x` look at that alone.
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
    """Whether letters stand in a text in this order, never far apart; so `rtlmt` finds `rate limiter`."""
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
    """A row's text for filters: what is read, and the fields that can be asked for by name."""
    parts = [plain.replace(FIELD, " ")]
    for name, value in fields.items():
        for one in (value,) if isinstance(value, str) else value or ():
            parts.append(f"{name}:{one.replace(FIELD, ' ')}")
    return FIELD.join(parts)


@lru_cache(1)
def _texts(view: View) -> list[str]:
    """What a filter looks at, by index; kept from one letter to the next, as it is most of the work."""
    return [view.text(index).lower() for index in range(len(view.keys))]


def choose_rows(view: View, text: str, sort: str = "", backwards: bool = False) -> list[int] | None:
    """Indexes of the rows to show, in their order; None when that is all of them as they come."""
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
