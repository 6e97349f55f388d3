"""Reading logs by line, against the plainest way to do it."""

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kugetsu_engine.state import log_reader
from kugetsu_engine.state.log_reader import LogReader
from kugetsu_engine.supervisor.agent_log import LogFile

pieces = st.lists(
    st.sampled_from([b"a", b"\n", b"bc\n", b"\r\n", b"\n\n\n", b"Needle", b"x" * 9, b"\xff\x00", "ü\n".encode()]), max_size=30
)
FIXTURE_IS_FINE = [HealthCheck.function_scoped_fixture]


def _naive(data: bytes) -> list[bytes]:
    lines = data.split(b"\n")
    return lines[:-1] if lines[-1] == b"" else lines


@pytest.fixture
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Chunks of 8 bytes, so that every border is met."""
    monkeypatch.setattr(log_reader, "CHUNK", 8)


@settings(suppress_health_check=FIXTURE_IS_FINE, max_examples=200)
@given(parts=st.lists(pieces, min_size=1, max_size=4), start=st.integers(-2, 40), count=st.integers(-1, 40))
def test_any_range_of_lines_equals_the_naive_one_while_the_file_grows(
    tmp_path: Path, small_chunks: None, parts: list[list[bytes]], start: int, count: int
) -> None:
    """After each piece that is appended: the count, any range, the whole, and every line by itself."""
    path = tmp_path / "log"
    path.write_bytes(b"")
    reader = LogReader(str(path))
    data = b""
    for part in parts:
        data += b"".join(part)
        with path.open("ab") as file:
            file.write(b"".join(part))
        reader.refresh()
        naive = _naive(data)
        assert reader.line_count == len(naive)
        assert reader.size == len(data)
        begin = max(start, 0)
        assert reader.read_lines(start, count) == (naive[begin : begin + count] if count > 0 else [])
        assert reader.read_lines(0, 10_000) == naive
        for number, line in enumerate(naive):
            assert reader.read_lines(number, 1) == [line]
            offset = sum(len(one) + 1 for one in naive[:number])
            assert reader.read_with_offsets(number, 1) == [(offset, line)]
    reader.close()


@settings(suppress_health_check=FIXTURE_IS_FINE)
@given(parts=pieces, needle=st.sampled_from([b"a", b"needle", b"NEEDLE", b"xx", b"\xff", b"bc", b"ne"]))
def test_a_search_finds_the_lines_the_naive_one_finds(
    tmp_path: Path, small_chunks: None, parts: list[bytes], needle: bytes
) -> None:
    """With and without case, each line once, in order, over chunk borders."""
    data = b"".join(parts)
    path = tmp_path / "log"
    path.write_bytes(data)
    reader = LogReader(str(path))
    reader.refresh()
    naive = _naive(data)
    assert reader.search(needle) == [number for number, line in enumerate(naive) if needle.lower() in line.lower()]
    assert reader.search(needle, ignore_case=False) == [number for number, line in enumerate(naive) if needle in line]
    assert reader.search(needle, limit=1) == reader.search(needle)[:1]
    reader.close()


def test_a_log_that_does_not_exist_yet_is_empty_and_then_seen(tmp_path: Path) -> None:
    """Following starts before the agent writes."""
    path = tmp_path / "log"
    reader = LogReader(str(path))
    assert not reader.refresh()
    assert (reader.line_count, reader.read_lines(0, 5), reader.search(b"x")) == (0, [], [])
    path.write_bytes(b"one\ntw")
    assert reader.refresh()
    assert not reader.refresh()
    assert reader.read_lines(0, 5) == [b"one", b"tw"]
    with path.open("ab") as file:
        file.write(b"o\nthree\n")
    assert reader.refresh()
    assert reader.read_lines(0, 5) == [b"one", b"two", b"three"]
    reader.close()


def test_a_log_that_was_cut_short_or_replaced_is_read_anew(tmp_path: Path, small_chunks: None) -> None:
    """Truncated, replaced by another file of the same size, deleted and made again."""
    path = tmp_path / "log"
    path.write_bytes(b"old 1\nold 2\nold 3\n")
    reader = LogReader(str(path))
    reader.refresh()
    os.truncate(path, 6)
    assert reader.refresh()
    assert reader.read_lines(0, 9) == [b"old 1"]
    (tmp_path / "other").write_bytes(b"new 1\n")
    os.rename(tmp_path / "other", path)
    assert reader.refresh()
    assert reader.read_lines(0, 9) == [b"new 1"]
    path.unlink()
    assert reader.refresh()
    assert reader.read_lines(0, 9) == []
    path.write_bytes(b"newer\n")
    assert reader.refresh()
    assert reader.read_lines(0, 9) == [b"newer"]
    reader.close()


@pytest.mark.parametrize("kind", ["fifo", "directory", "symlink"])
def test_what_is_no_log_file_reads_as_empty(tmp_path: Path, kind: str) -> None:
    """Nothing is followed, nothing blocks."""
    path = tmp_path / "log"
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "directory":
        path.mkdir()
    else:
        path.symlink_to("/dev/zero")
    reader = LogReader(str(path))
    assert not reader.refresh()
    assert reader.read_lines(0, 5) == []


def test_a_line_of_megabytes_is_cut_and_the_next_one_is_right(tmp_path: Path) -> None:
    """What is shown of a line is bounded; its neighbours are not harmed."""
    path = tmp_path / "log"
    path.write_bytes(b"before\n" + b"x" * 3_000_000 + b"\nafter\n")
    reader = LogReader(str(path))
    reader.refresh()
    before, long, after = reader.read_lines(0, 9)
    assert (before, after) == (b"before", b"after")
    assert long == b"x" * log_reader.MAX_LINE + "…".encode()
    assert reader.read_lines(2, 1) == [b"after"]
    assert reader.read_lines(1, 1) == [long]
    reader.close()


def test_a_log_keeps_its_head_and_its_newest_output_below_the_cap(tmp_path: Path) -> None:
    """The middle goes, a line tells how much, and the writer's own count agrees."""
    log = LogFile(str(tmp_path / "q_1" / "1.log"), 10_000)
    for number in range(1000):
        log.write(b"line %06d %s\n" % (number, b"x" * 50))
    log.keep_below_cap()
    data = (tmp_path / "q_1" / "1.log").read_bytes()
    assert len(data) <= 10_000
    assert data.startswith(b"line 000000 ")
    assert data.endswith(b"line 000999 " + b"x" * 50 + b"\n")
    assert f"{log.dropped} bytes dropped here".encode() in data
    assert log.dropped + len(data) > 63_000
    log.write(b"more\n")
    log.keep_below_cap()
    assert (tmp_path / "q_1" / "1.log").read_bytes() == data + b"more\n"
    log.close()


def test_the_last_words_of_a_log_are_printable_and_the_agents_own(tmp_path: Path) -> None:
    """Control sequences and kugetsu's own lines are left out; blank lines are passed over."""
    log = LogFile(str(tmp_path / "1.log"), 10_000)
    assert log.read_last_lines() == []
    log.write(b"first\n\x1b[31merror:\x1b[0m no \x07key\n   \n")
    log.note("stop requested")
    assert log.read_last_lines(1) == ["error: no \ufffdkey"]
    log.write(b"y" * 5000)
    assert log.read_last_lines(1) == ["y" * 1999 + "…"]
    log.close()
