"""A line of a log is shown as a terminal would show it, however it was written and read."""

import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kugetsu_engine.domain.text.masking import Mask
from kugetsu_engine.domain.text.terminal_line import Colour, render_line
from kugetsu_engine.state.log_reader import MAX_LINE, LogReader, mask_line

from .test_safe_text import harmless

OVERWRITTEN = {
    "\rDownloading  9%\rDownloading 95%": "Downloading 95%",
    "0%\x1b[2K\x1b[1G50%\x1b[2K\x1b[1G95%": "95%",
    "a longer line\rshort": "shortger line",
    "a longer line\rshort\x1b[K": "short",
    "a longer line\rshort\x1b[0K": "short",
    "abcdef\x1b[4G\x1b[1K": "    ef",
    "abcdef\x1b[2K": "",
    "abc\x08\x08X": "aXc",
    "\x08\x08a": "a",
    "a\tb\tc": "a       b       c",
    "12345678\tx": "12345678        x",
    "name\tage\rNAME": "NAME    age",
    "ab\x1b[5Gx": "ab  x",
    "abc\x1b[2DX": "aXc",
    "a\x1b[2Cb": "a  b",
    "abcdef\x1b[1G\x1b[2P": "cdef",
    "abcdef\x1b[1G\x1b[3X": "   def",
    "日本\rx": "x 本",
    "ab\r日": "日",
    "abc\r日": "日c",
    "日本\x1b[2Gx": " x本",
    "e\u0301\tx": "e\u0301       x",
    "\x1b[3;5Hx": "    x",
    "word\r\n": "word",
    "kept\r\r\r": "kept",
    "\x1b]0;a title\x07seen\r": "seen",
    "\x1b[?25l\rseen\x1b[?25h": "seen",
}


@pytest.mark.parametrize(("line", "seen"), OVERWRITTEN.items())
def test_what_was_written_over_is_gone(line: str, seen: str) -> None:
    """CR, backspace, tab, erasing in its three forms, and moving within the line."""
    assert render_line(line).text == seen


COLOURED = {
    "\x1b[31mred\x1b[0m": [("red", "red")],
    "\x1b[1;32mok\x1b[m plain": [("ok", "green")],
    "\x1b[95mpink": [("pink", "magenta")],
    "\x1b[1mheavy\x1b[22m": [("heavy", "bold")],
    "\x1b[2mfaint\x1b[22m": [("faint", "grey")],
    "\x1b[38;5;196mx\x1b[39my": [("x", "red")],
    "\x1b[38;2;10;200;10mx": [("x", "green")],
    "\x1b[38:2::10:200:10mx": [("x", "green")],
    "\x1b[38;5;244mx": [("x", "grey")],
    "\x1b[38;5;255mx": [],
    "\x1b[4:3mx\x1b[58;5;1my": [],
    "\x1b[37;41m FAIL \x1b[0m": [(" FAIL", "red")],
    "\x1b[31mover\rnew\x1b[0m\r\x1b[34mB": [("B", "blue"), ("ewr", "red")],
    "\x1b[31m   \x1b[0mx": [],
    "\x9b36mx": [("x", "cyan")],
    "\x1b[99999999999mx": [],
}


@pytest.mark.parametrize(("line", "parts"), COLOURED.items())
def test_colours_are_kept_by_their_names(line: str, parts: list[tuple[str, str]]) -> None:
    """The sixteen, the 256 and those by red, green and blue; what nobody could read on some ground is left out."""
    seen = render_line(line)
    assert harmless(seen.text)
    assert [(seen.text[one.start : one.end], one.name) for one in seen.colours] == parts


PIECES = st.lists(
    st.sampled_from(
        ["a", "bc", " ", "日", "e\u0301", "👍🏽", "\r", "\r\n", "\t", "\x08", "\x1b[K", "\x1b[1K", "\x1b[2K", "\x1b[7G",
         "\x1b[31m", "\x1b[0m", "\x1b[2P", "\x1b]0;x\x07", "\x1b", "\x9b", "\u202e", "\x00", "long " * 300, "\x1b[999G"]
    ), max_size=30,
).map("".join)  # fmt: skip


@given(st.one_of(PIECES, st.text(max_size=80)))
def test_what_is_shown_is_harmless_and_stays_so(line: str) -> None:
    """No control character comes through, colours lie within the text in order, and showing it again changes nothing."""
    seen = render_line(line.replace("\n", ""))
    assert harmless(seen.text)
    assert render_line(seen.text).text == seen.text
    place = 0
    for colour in seen.colours:
        assert place <= colour.start < colour.end <= len(seen.text)
        place = colour.end


@settings(max_examples=60)
@given(st.lists(PIECES, min_size=1, max_size=5), st.data())
def test_a_log_reads_the_same_however_it_grew(
    tmp_path_factory: pytest.TempPathFactory, lines: list[str], data: st.DataObject
) -> None:
    """A reader that looked after every few bytes sees what one sees that comes at the end; also in the middle of a sequence."""
    whole = "\n".join(lines).encode()
    path = tmp_path_factory.mktemp("log") / "1.log"
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=4)))
    growing = LogReader(str(path))
    for end in [*cuts, len(whole)]:
        path.write_bytes(whole[:end]) if not path.exists() else _append(path, whole[path.stat().st_size : end])
        growing.refresh()
        growing.read_lines(0, 100)
    late = LogReader(str(path))
    late.refresh()
    assert growing.read_with_offsets(0, 100) == late.read_with_offsets(0, 100)
    mask = Mask()
    assert [mask_line(line, mask).text for line in late.read_lines(0, 100)] == [
        render_line(line.decode()).text for line in late.read_lines(0, 100)
    ]


def _append(path: Path, data: bytes) -> None:
    with path.open("ab") as file:
        file.write(data)


def test_of_a_very_long_line_the_newest_state_is_shown(tmp_path: Path) -> None:
    """A hundred thousand steps of a progress bar, ten megabytes without a line end: quickly, and the last of them."""
    path = tmp_path / "1.log"
    bar = b"".join(b"\rstep %d of 100000, %s" % (number, b"." * 80) for number in range(100_000))
    path.write_bytes(b"first\n" + bar + b"\r\x1b[Kdone\nlast\n")
    reader = LogReader(str(path))
    reader.refresh()
    begun = time.process_time()
    seen = [render_line(line.decode()).text for line in reader.read_lines(0, 10)]
    assert time.process_time() - begun < 0.5
    assert seen == ["first", "done", "last"]
    assert len(b"".join(reader.read_lines(0, 10))) < 2 * MAX_LINE


def test_of_a_long_line_without_steps_the_beginning_is_shown(tmp_path: Path) -> None:
    """With a mark, also where a carriage return ends it."""
    path = tmp_path / "1.log"
    path.write_bytes(b"y" * 300_000 + b"\r\nend\n")
    reader = LogReader(str(path))
    reader.refresh()
    assert reader.read_lines(0, 5) == [b"y" * MAX_LINE + "…".encode(), b"end"]
    assert reader.read_with_offsets(1, 1) == [(300_002, b"end")]


def test_a_gigabyte_in_one_line_costs_nothing(tmp_path: Path) -> None:
    """What lies between its ends is not read to show it."""
    path = tmp_path / "1.log"
    with path.open("wb") as file:
        file.write(b"\rstart")
        file.truncate(1 << 28)
        file.seek(1 << 28)
        file.write(b"\rthe end\nlast\n")
    reader = LogReader(str(path))
    reader.refresh()
    begun = time.process_time()
    assert [render_line(line.decode("utf-8", "replace")).text for line in reader.read_lines(0, 5)] == ["the end", "last"]
    assert time.process_time() - begun < 0.5


def test_a_search_finds_what_is_seen(tmp_path: Path) -> None:
    """Words with a colour in them, words behind tabs and written over; not the words that are gone."""
    path = tmp_path / "1.log"
    path.write_bytes(b"\x1b[31mERR\x1b[0mOR one\n10%\r20%\r95%\r\nabc\x08\x08X\nname\tage\nplain 10%\n")
    reader = LogReader(str(path))
    reader.refresh()
    assert reader.search(b"error one") == [0]
    assert reader.search(b"95%") == [1]
    assert reader.search(b"10%") == [4]
    assert reader.search(b"axc") == [2]
    assert reader.search(b"name    age") == [3]


def test_a_secret_is_masked_however_it_was_printed() -> None:
    """Also with a colour in the middle, and when only a part of it was written over."""
    mask = Mask(["hunter2-or-so-3"])
    for line in (b"key hunter2-or-so-3", b"key hunter2\x1b[31m-or-so-3", b"key hunter2-or-so-3\rKEY h", b"hunter2-or-so-3\rX"):
        assert "unter2" not in mask_line(line, mask).text
    assert mask_line(b"\x1b[32mok\x1b[0m", mask).colours == (Colour(0, 2, "green"),)


def test_no_line_takes_long() -> None:
    """Whatever of the kinds a line is full of."""
    for piece in (
        "\r",
        "\t",
        "\x08",
        "x\r",
        "\x1b[K",
        "\x1b[4096Gx",
        "\x1b[2K\x1b[1Gx",
        "\x1b[31mx",
        "日\r",
        "e\u0301",
        "\x1b[4000P",
    ):
        line = (piece * MAX_LINE)[:MAX_LINE]
        begun = time.process_time()
        render_line(line)
        assert time.process_time() - begun < 0.3, piece
