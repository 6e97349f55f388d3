"""Numbers agree with their words, and shares are rounded as people round."""

import re
from pathlib import Path

import pytest

from kugetsu_engine.domain.counting import counted, of_number, percent

ROOT = Path(__file__).parents[2]


def test_one_is_singular() -> None:
    """And everything else, none too, is plural."""
    assert [counted(number, "line") for number in (0, 1, 2)] == ["0 lines", "1 line", "2 lines"]
    assert counted(2, "process", "processes") == "2 processes"
    assert [of_number(number, "needs", "need") for number in (0, 1, 2)] == ["need", "needs", "need"]


@pytest.mark.parametrize(
    ("part", "whole", "share"),
    [
        (2, 3, "67%"),
        (1, 3, "33%"),
        (199, 200, "99%"),
        (1, 1000, "1%"),
        (0, 5, "0%"),
        (5, 5, "100%"),
        (0, 0, ""),
        (1, 200, "1%"),
    ],
)
def test_shares_are_rounded(part: int, whole: int, share: str) -> None:
    """Only all is 100%, and only nothing is 0%."""
    assert percent(part, whole) == share


def test_plurals_and_shares_are_made_in_one_place() -> None:
    """Elsewhere they were forgotten where a number happened to be 1."""
    by_hand = re.compile(r"""["']s["'] \* \(|["']e?s["'] if \w+ [!=]= 1|\* 100 // """)
    found = [
        f"{path.relative_to(ROOT)}: {line.strip()}"
        for package in ("kugetsu_engine", "kugetsu_tui")
        for path in sorted((ROOT / package).rglob("*.py"))
        for line in path.read_text(encoding="utf-8").splitlines()
        if by_hand.search(line)
    ]
    assert not found
