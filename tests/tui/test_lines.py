"""Lines on their way to the terminal: few styles, and nothing painted again that is the same."""

import itertools
import random

import pytest

from kugetsu_tui.formatting.cells import cut_left, measure_width
from kugetsu_tui.widgets.line_widget import Line, find_last_change, merge_runs
from kugetsu_tui.widgets.pane import MOST_MARKS, mark_matches

WORDS = ("a", "bc", " ", "   ", "", "宽", "#41 ", " x")


def _line(chance: random.Random) -> Line:
    spans = tuple((chance.choice(WORDS), chance.choice(("text", "muted"))) for _ in range(chance.randint(0, 6)))
    return Line(spans, chance.choice(("", "cursor")), chance.random() < 0.5)


def _cells(line: Line) -> list[tuple[str, str, str]]:
    """Each character with its tone and background, one by one; a blank has no tone."""
    last = len(line.spans) - 1
    return [
        (char, "" if char == " " else tone, "" if line.framed and place in (0, last) else line.base)
        for place, (text, tone) in enumerate(line.spans)
        for char in text
    ]


def test_joined_texts_look_as_before() -> None:
    """Whatever is joined, each character keeps its tone and its background; no two neighbours have the same style."""
    chance = random.Random(1)
    for _ in range(2_000):
        line = _line(chance)
        runs = merge_runs(line)
        assert [(char, "" if char == " " else tone, base) for text, (tone, base) in runs for char in text] == _cells(line)
        assert all(before[1] != after[1] for before, after in itertools.pairwise(runs))


def test_what_is_spared_is_the_same() -> None:
    """From the cell on that `find_last_change` names, two lines show the same."""
    chance = random.Random(2)
    for _ in range(2_000):
        new, old = _line(chance), _line(chance)
        if chance.random() < 0.5:
            old = new._replace(spans=(*old.spans[:2], *new.spans[2:]))
        end = find_last_change(new, old)
        assert _beyond(new, end) == _beyond(old, end)


def _beyond(line: Line, end: int) -> list[tuple[str, str, str]]:
    used, kept = 0, []
    for cell in _cells(line):
        if used >= end:
            kept.append(cell)
        used += measure_width(cell[0])
    return kept


def test_what_is_searched_for_is_marked_and_nothing_is_lost() -> None:
    """Whatever its case, in every span; a line of nothing else has marks up to a number."""
    line = mark_matches([("+ Same", "good"), (" and SAME", "text"), ("x", "muted")], "same")
    assert line == (
        ("+ ", "good"), ("Same", "key"), ("", "good"), (" and ", "text"), ("SAME", "key"), ("", "text"), ("x", "muted"),
    )  # fmt: skip
    long = mark_matches([("ab" * 500, "text")], "ab")
    assert "".join(text for text, _ in long) == "ab" * 500
    assert sum(tone == "key" for _, tone in long) == MOST_MARKS


@pytest.mark.parametrize(
    ("text", "left", "shown"),
    [
        ("abcdef", 0, "abcdef"), ("abcdef", 2, "…def"), ("abc", 3, "…"), ("", 3, ""), ("abc", 2, "…"),
        ("宽宽宽a", 1, "…宽宽a"), ("宽宽宽a", 2, "… 宽a"), ("宽宽宽a", 3, "…宽a"), ("宽宽宽a", 6, "…"),
    ],
)  # fmt: skip
def test_a_line_moved_sideways_says_so_and_stays_in_its_columns(text: str, left: int, shown: str) -> None:
    """By cells, so that lines with wide characters do not run ahead of the others."""
    assert cut_left(text, left) == shown
    if measure_width(text) > left:
        assert measure_width(shown) == measure_width(text) - left
