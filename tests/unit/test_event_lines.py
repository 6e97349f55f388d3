"""Events are found wherever they begin, in whatever pieces and beside whatever else a program prints."""

import json
import random
from pathlib import Path
from typing import Any

import pytest

from kugetsu_engine.agents import claude
from kugetsu_engine.agents.stream_events import Event, split_objects
from kugetsu_engine.supervisor import line_splitter
from kugetsu_engine.supervisor.agent_log import LogFile
from kugetsu_engine.supervisor.line_splitter import LineSplitter, shorten_line
from kugetsu_engine.supervisor.stream_reader import StreamReader

DONE = {"type": "result", "subtype": "success", "is_error": False, "result": "done", "session_id": "s"}
RESULT = json.dumps(DONE).encode()
START = json.dumps({"type": "system", "subtype": "init", "session_id": "s"}).encode()


@pytest.mark.parametrize(
    ("line", "found"),
    [
        (RESULT, [DONE]),
        (b"Updating files: 37%" + RESULT, ["Updating files: 37%", DONE]),
        (b"Updating files: 37%\rUpdating files: 100%\r" + RESULT + b"\r", ["Updating files: 37%\rUpdating files: 100%", DONE]),
        (b"\x1b[2K\x1b[1G" + RESULT, [DONE]),
        (b"\x1b]0;a title without an end" + RESULT, [DONE]),
        (b"\x1b[?25h" + RESULT + b"\x1b[0m", [DONE]),
        (b"\xef\xbb\xbf" + RESULT, [DONE]),
        (b"\0\0" + RESULT[:20] + b"\0" + RESULT[20:], [DONE]),
        (START + RESULT, [json.loads(START), DONE]),
        (START + b" " + RESULT + b"warning: 1", [json.loads(START), DONE, "warning: 1"]),
        (RESULT[:40] + RESULT, [RESULT[:40].decode(), DONE]),
        (b'{"open: ' + RESULT, ['{"open:', DONE]),
        (RESULT.replace(b"done", b"d\xffne"), [DONE | {"result": "d\N{REPLACEMENT CHARACTER}ne"}]),
        (RESULT.replace(b"done", b"d\tne"), [DONE | {"result": "d\tne"}]),
        (RESULT[:-10], [RESULT[:-10].decode()]),
        (b"plain words, no event", ["plain words, no event"]),
        (b'it says {"a": 1} and {"b": [2]}', ['it says {"a": 1} and {"b": [2]}']),
        (b'{"a": 1}', [{"a": 1}]),
        (b"{" * 50_000, ["{" * 50_000]),
        (b'{"a":' * 50_000, [('{"a":' * 50_000)]),
        (b"  indented", ["  indented"]),
        (b"", []),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_objects_are_found_in_a_line_and_words_beside_them_are_kept(line: bytes, found: list[Any]) -> None:
    """Text, terminal sequences, CR, NUL, a mark of byte order, broken UTF-8, an object that was cut off, two on a line."""
    assert list(split_objects(line)) == found


def test_a_part_of_an_event_that_was_cut_off_is_no_event() -> None:
    """Its inner objects have a type too; where one is whole and ends the line, it is taken."""
    inner = '{"type":"assistant","message":{"content":[{"type":"result","subtype":"success"},{"type":"te'
    assert list(split_objects(inner.encode())) == [inner]


@pytest.mark.parametrize("seed", range(20))
def test_lines_are_whole_in_whatever_pieces_they_come(seed: int) -> None:
    """Also a character or an escape that is cut in two."""
    rng = random.Random(seed)
    wanted = [json.dumps({"type": "x", "text": rng.choice(["ä", "\n", "\\", "a" * 50, '"'])}).encode() for _ in range(50)]
    found: list[bytes] = []
    stream, reader = b"\n".join(wanted), LineSplitter()
    while stream:
        size = rng.randint(1, 30)
        found += reader.feed(stream[:size])
        stream = stream[size:]
    assert [*found, reader.flush()] == wanted


@pytest.mark.parametrize("text", ["x" * 3_000_000, "\\" * 2_000_000, '"' * 2_000_000, "ä\n" * 900_000, "\u2028\\u" * 700_000])
@pytest.mark.parametrize("size", [4096, 65_521])
def test_a_result_is_not_lost_for_its_length(text: str, size: int) -> None:
    """A line of megabytes keeps everything but the middle of its long strings, and memory stays small."""
    for ascii_only in (True, False):
        stream = b"Updating 37%" + json.dumps(DONE | {"result": text, "session_id": "last"}, ensure_ascii=ascii_only).encode()
        reader, longest = LineSplitter(), 0
        for place in range(0, len(stream), size):
            assert not list(reader.feed(stream[place : place + size]))
            longest = max(longest, len(reader._part))
        assert longest <= line_splitter.LINE_BYTES
        [line] = reader.feed(b"\n")
        words, event = split_objects(line)
        assert words == "Updating 37%"
        assert isinstance(event, dict)
        assert event | {"result": ""} == DONE | {"result": "", "session_id": "last"}
        assert text.startswith(event["result"].partition("…")[0].rstrip("\N{REPLACEMENT CHARACTER}"))


def test_a_short_line_stays_as_it_is() -> None:
    """And so does one whose length is not in its strings."""
    assert shorten_line(RESULT) == RESULT
    many = json.dumps(list(range(100_000))).encode()
    assert shorten_line(many) == many


@pytest.fixture
def log(tmp_path: Path) -> Any:
    """A small log."""
    log = LogFile(str(tmp_path / "1.log"), 64 << 10)
    yield log
    log.close()


def test_words_on_the_error_output_hide_no_event_and_are_none(log: LogFile, tmp_path: Path) -> None:
    """In the middle of an event too; the log has all in one file, and what is told has both, apart."""
    reads = StreamReader({"reader": "claude", "told": str(tmp_path / "1.txt")}, log)
    log.write(b"made by setup\n" + RESULT + b"\n")
    log.start_output()
    log.write(START[:10])
    log.write(b"Updating files: 37%", "errors")
    log.write(START[10:] + b"\n")
    log.note("something of ours")
    log.write(RESULT.replace(b"done", b"from stderr") + b"\n", "errors")
    reads.read_new()
    assert not reads.finished
    log.write(RESULT)
    reads.finish()
    assert reads.finished
    assert reads.read_failure(0) is None
    assert reads.build_result()["last_text"] == "done"
    told = (tmp_path / "1.txt").read_text("utf-8")
    assert "made by setup\n" in told
    assert "[kugetsu] something of ours\n" in told
    assert "Updating files: 37%" in told


def test_what_is_the_error_output_is_known_also_after_the_middle_of_a_log_was_dropped(log: LogFile) -> None:
    """Its places move with the text."""
    reads = StreamReader({"reader": "claude"}, log)
    log.start_output()
    for number in range(3_000):
        log.write(b"%06d warning: slow\n" % number, "errors")
        log.write(START + b"\n" if number % 2 else RESULT[:9])
        log.write(b"" if number % 2 else RESULT[9:] + b"\n")
        if number % 500 == 0:
            reads.read_new()
            reads.move_past_cut(log.keep_below_cap())
    log.write(RESULT.replace(b"done", b"from stderr") + b"\n", "errors")
    reads.move_past_cut(log.keep_below_cap())
    reads.finish()
    assert reads.build_result()["last_text"] == "done"


def test_new_work_after_a_result_takes_it_back_until_the_next_one() -> None:
    """A task in the background may bring an agent to another turn."""
    reader = claude.reader({})
    assert not reader.finished
    reader.feed(RESULT)
    assert reader.finished
    reader.feed(b'{"type":"assistant","message":{"id":"m","content":[{"type":"text","text":"one more thing"}]}}')
    assert not reader.finished
    assert reader.feed(b"\x1b[0m" + RESULT)[-1].kind == "step"
    assert reader.finished
    assert reader.feed_errors(RESULT) == [Event("note", RESULT.decode())]
