"""The cleaner: no text from outside makes a terminal do anything."""

import time
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kugetsu_tui.formatting.cells import clean, clean_lines, fit, measure_width

ANYTHING = st.text(st.characters(), max_size=300)
NASTY = st.lists(
    st.sampled_from(
        ["\x1b", "\x1b[31m", "\x1b]52;c;aGk=\x07", "\x1b]0;t\x1b\\", "\x9b1m", "\x9d0;x\x9c", "\x1bP1$r\x1b\\", "\x90q\x9c",
         "\x1b(B",
         "\x1bc", "\x07", "\x08", "\x7f", "\x85", "\u202e", "\u2066", "\u200b", "\ufeff", "\ud800", "\udfff", "\r", "\n",
         "\t", "a",
         "[", "]", "/", "日", "e\u0301", "\U000e0041", "\u2028"]
    ), max_size=40,
).map("".join)  # fmt: skip


def harmless(text: str) -> bool:
    """Whether no character of the text is one a terminal obeys or hides."""
    return not any(
        unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") or character in "\u202e\u2066\u200b\ufeff"
        for character in text
    )


@given(st.one_of(ANYTHING, NASTY))
def test_what_comes_out_is_harmless_and_stays_so(text: str) -> None:
    """One line, no control character, and cleaning twice changes nothing."""
    cleaned = clean(text)
    assert harmless(cleaned)
    assert clean(cleaned) == cleaned


@given(st.one_of(ANYTHING, NASTY), st.integers(0, 60))
def test_fit_is_exact(text: str, width: int) -> None:
    """Columns are straight whatever stands in them."""
    assert measure_width(fit(clean(text), width)) == width


def test_sequences_go_whole() -> None:
    """What a sequence carries is not left behind as text."""
    assert clean("a\x1b]52;c;c2VjcmV0\x07b") == "ab"
    assert clean("\x1b[1;31mred\x1b[0m") == "red"
    assert clean("\x9b31mred") == "red"
    assert clean("\x1bPsome device\x1b\\after") == "after"
    for begin in ("\x1b]", "\x9d"):
        for end in ("\x07", "\x1b\\", "\x9c"):
            assert clean(f"a{begin}0;a title{end}b") == "ab"


def test_words_of_markup_stay_words() -> None:
    """Brackets are text."""
    assert clean("[/bad] [@click=app.quit]x[/]") == "[/bad] [@click=app.quit]x[/]"


def test_a_megabyte_costs_nothing() -> None:
    """The rest of a long line is not even looked at."""
    begun = time.process_time()
    assert len(clean("\x1b[1m" * 250_000)) < 4001
    assert time.process_time() - begun < 0.2


def test_long_texts_are_cut_with_a_word() -> None:
    """A card shows the beginning, and how much more there is."""
    lines = clean_lines("\n".join(str(number) for number in range(500)), 10)
    assert len(lines) == 11
    assert "490 more" in lines[-1]


SURE = {
    "wave 👋🏽!": "wave 👋!", "👨‍👩‍👧": "👨👩👧", "❤️": "❤", "🇩🇪": "DE", "🇺": "U", "1️⃣": "1",
    "\u1112\u1161\u11ab": "한", "\u1161": "·", "हिन्दी": "ह·न्द·", "e\u0301": "e\u0301",
    "e" + "\u0301" * 40: "e" + "\u0301" * 3, "\u0301a": "a", "a \u0301b": "a b",
    "\u0378": "·", "\ue0b0": "\ue0b0", "☰": "·", "㉈": "·", "①": "①", "a\u0600b": "a·b", "\U000e0041": "·", "日本": "日本",
}  # fmt: skip


@pytest.mark.parametrize(("text", "drawn"), SURE.items())
def test_what_terminals_count_differently_is_not_drawn(text: str, drawn: str) -> None:
    """Skin tones, what joins and varies, flags, keycaps, parts of syllables, vowels beside their letters, unassigned codes."""
    assert clean(text) == drawn
    assert clean(drawn) == drawn


@given(st.one_of(ANYTHING, NASTY))
def test_every_character_has_a_width_that_all_agree_on(text: str) -> None:
    """What is left is narrow, wide, or stacks on the character before it, and of those not more than a few."""
    cleaned = clean(text)
    stacked = [unicodedata.category(character) == "Mn" for character in cleaned]
    assert not any(unicodedata.category(character) in ("Mc", "Me", "Cf", "Cn") for character in cleaned)
    assert not any(all(stacked[place : place + 4]) for place in range(len(stacked) - 3))
    assert stacked[:1] != [True]
    assert measure_width(cleaned) == sum(
        0 if mark else 2 if unicodedata.east_asian_width(character) in "WF" else 1
        for character, mark in zip(cleaned, stacked, strict=True)
    )
