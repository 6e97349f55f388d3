"""When the lines of a log were written: kept by the supervisor, read by whoever shows the log."""

import os
import random
from bisect import bisect_right
from pathlib import Path
from types import SimpleNamespace

import pytest

from kugetsu_engine.domain.text.log_stamps import Stamp, format_stamp, parse_stamp
from kugetsu_engine.paths import StatePaths
from kugetsu_engine.state.log_reader import LogReader
from kugetsu_engine.state.log_times import LogTimes
from kugetsu_engine.supervisor import log_stamper
from kugetsu_engine.supervisor.agent_log import LogFile
from kugetsu_engine.supervisor.log_stamper import LogStamper
from kugetsu_engine.supervisor.readable_log import ReadableLog

NOON = 1_790_000_000.0


class Clocks:
    """Two clocks that go on when told."""

    def __init__(self) -> None:
        self.wall, self.steady = NOON, 50.0

    def go_on(self, seconds: float) -> None:
        """Let time pass."""
        self.wall += seconds
        self.steady += seconds


@pytest.fixture
def clocks(monkeypatch: pytest.MonkeyPatch) -> Clocks:
    """The clocks that stamps are made by."""
    made = Clocks()
    monkeypatch.setattr(log_stamper, "time", SimpleNamespace(time=lambda: made.wall, clock_gettime=lambda _: made.steady))
    return made


@pytest.fixture
def paths(tmp_path: Path) -> StatePaths:
    """The names in a state directory."""
    return StatePaths(str(tmp_path))


def _shown(paths: StatePaths, raw: bool = False) -> dict[bytes, float | None]:
    times = LogTimes.load(paths, "q_1", 1, raw)
    reader = LogReader(paths.readable_log("q_1", 1) if times.readable else paths.log("q_1", 1))
    reader.refresh()
    found = {line: times.time_of(offset) for offset, line in reader.read_with_offsets(0, 100_000)}
    times.close()
    reader.close()
    return found


def test_lines_have_the_time_of_the_next_stamp_and_the_last_ones_none(paths: StatePaths, clocks: Clocks) -> None:
    """At most one stamp a second, none for a silent log, one for the end; a wall clock that jumps back changes nothing."""
    log = LogFile(paths.log("q_1", 1), 1 << 20)
    stamps = LogStamper(paths.times("q_1", 1), log, None)
    log.write(b"first\nsecond\n")
    clocks.go_on(0.4)
    stamps.add_stamp()
    assert _shown(paths) == {b"first": None, b"second": None}
    clocks.go_on(0.6)
    stamps.add_stamp()
    clocks.wall -= 7200
    clocks.go_on(60)
    stamps.add_stamp()
    log.write(b"third\n")
    stamps.add_stamp()
    log.write(b"fourth\n")
    assert _shown(paths) == {b"first": NOON + 1, b"second": NOON + 1, b"third": NOON + 61, b"fourth": None}
    stamps.add_stamp(end=True)
    assert _shown(paths)[b"fourth"] == NOON + 61
    assert Path(paths.times("q_1", 1)).read_text() == (
        f"@{NOON:.2f} 0 0\n@{NOON + 1:.2f} 13 0\n@{NOON + 61:.2f} 19 0\n@{NOON + 61:.2f} 26 0\n"
    )
    assert os.stat(paths.times("q_1", 1)).st_mode & 0o777 == 0o600
    log.close()


def test_a_place_of_a_past_moment(paths: StatePaths, clocks: Clocks) -> None:
    """How long the log was then: nothing before the first stamp, all after the last."""
    log = LogFile(paths.log("q_1", 1), 1 << 20)
    assert LogTimes.load(paths, "q_1", 1).offset_at(NOON) is None
    stamps = LogStamper(paths.times("q_1", 1), log, None)
    for _ in range(3):
        log.write(b"ten bytes\n")
        clocks.go_on(10)
        stamps.add_stamp()
    times = LogTimes.load(paths, "q_1", 1)
    seconds = [NOON - 5, NOON, NOON + 9.9, NOON + 10, NOON + 25, NOON + 30, NOON + 500]
    assert [times.offset_at(one) for one in seconds] == [0, 0, 0, 10, 20, 30, 30]
    reader = LogReader(paths.log("q_1", 1), until=times.offset_at(NOON + 25))
    reader.refresh()
    assert (reader.line_count, reader.size, reader.read_lines(0, 9)) == (2, 20, [b"ten bytes"] * 2)
    reader.until = 5
    assert reader.refresh()
    assert reader.read_lines(0, 9) == [b"ten b"]
    assert reader.search(b"bytes") == []
    reader.until = None
    assert reader.refresh()
    assert (reader.line_count, reader.refresh()) == (3, False)
    reader.close()
    times.close()
    log.close()


@pytest.mark.parametrize("seed", range(6))
def test_times_stay_right_when_the_middle_of_a_log_is_dropped(paths: StatePaths, clocks: Clocks, seed: int) -> None:
    """Of every line that is left, in the agent's log and in the readable one: the time it was first stamped after, or None."""
    chance = random.Random(seed)
    log = LogFile(paths.log("q_1", 1), 30_000)
    telling = ReadableLog(paths.readable_log("q_1", 1), 6_000)
    stamps = LogStamper(paths.times("q_1", 1), log, telling)
    written: dict[bytes, float] = {}
    looks = [clocks.steady]
    for number in range(3_000):
        line = b"%06d %s" % (number, b"x" * chance.randrange(80))
        log.write(line + b"\n")
        written[line] = clocks.steady
        if chance.random() < 0.3:
            telling.write_line(b"T" + line)
            written[b"T" + line] = clocks.steady
        if chance.random() < 0.1:
            clocks.go_on(1 + chance.random())
            log.keep_below_cap()
            telling.keep_below_cap()
            stamps.add_stamp()
            looks.append(clocks.steady)
    assert log.dropped > 30_000
    for raw in (False, True):
        seen = {line: at for line, at in _shown(paths, raw).items() if line in written}
        assert len(seen) > 50
        for line, at in seen.items():
            place = bisect_right(looks, written[line])
            if place == len(looks):
                assert at is None
            else:
                assert at == pytest.approx(NOON + looks[place] - 50, abs=0.02), line
    telling.close()
    log.close()


def test_a_disk_that_refuses_leaves_times_out_and_wrong_ones_are_not_kept(paths: StatePaths, clocks: Clocks) -> None:
    """A folder in the place of the file: nothing happens. Where stamps cannot be mended, they go."""
    log = LogFile(paths.log("q_1", 1), 4096)
    os.mkdir(paths.times("q_1", 1))
    stamps = LogStamper(paths.times("q_1", 1), log, None)
    log.write(b"x" * 9000)
    clocks.go_on(2)
    log.keep_below_cap()
    stamps.add_stamp()
    assert set(_shown(paths).values()) == {None}
    os.rmdir(paths.times("q_1", 1))
    log.write(b"\nnew\n")
    clocks.go_on(2)
    stamps.add_stamp()
    assert set(_shown(paths).values()) == {None}
    log.write(b"newer\n")
    clocks.go_on(2)
    stamps.add_stamp()
    assert (_shown(paths)[b"new"], _shown(paths)[b"newer"]) == (None, NOON + 6)
    Path(paths.times("q_1", 1)).unlink()
    log.write(b"y" * 9000)
    log.keep_below_cap()
    stamps.add_stamp()
    assert not os.path.exists(paths.times("q_1", 1))
    log.close()


def test_stamps_of_a_long_attempt_stay_few(paths: StatePaths, clocks: Clocks, monkeypatch: pytest.MonkeyPatch) -> None:
    """Older times become coarser; order, the beginning and the newest stay."""
    monkeypatch.setattr(log_stamper, "MAX_STAMPS", 64)
    log = LogFile(paths.log("q_1", 1), 1 << 20)
    stamps = LogStamper(paths.times("q_1", 1), log, None)
    for number in range(1000):
        log.write(b"%06d\n" % number)
        clocks.go_on(1)
        stamps.add_stamp()
    assert len(Path(paths.times("q_1", 1)).read_bytes().splitlines()) < 64
    shown = _shown(paths)
    assert shown[b"000999"] == NOON + 1000
    assert all(at is not None and NOON + number < at <= NOON + number + 900 for number, at in enumerate(shown.values()))
    log.close()


def test_a_broken_stamp_is_passed_over_and_the_file_is_read_on_while_it_grows(paths: StatePaths) -> None:
    """Half a line that a full disk left, what is no stamp, what goes back, and a line that is still being written."""
    os.makedirs(os.path.dirname(paths.times("q_1", 1)))
    path = Path(paths.times("q_1", 1))
    path.write_bytes(
        b"@100.00 0 0\n@101.00 5@102.00 10 0\nno stamp\n@103.00 20 0\n@50.00 25 0\n@104.00 15 0\n@105.00 30 0\n@106.0"
    )
    times = LogTimes.load(paths, "q_1", 1)
    assert [times.time_of(offset) for offset in (0, 19, 20, 29, 30)] == [103, 103, 105, 105, None]
    assert not times.refresh()
    with path.open("ab") as file:
        file.write(b"0 40 0\n")
    assert times.refresh()
    assert (times.time_of(30), times.known_to) == (106, 40)
    other = path.with_name("other")
    other.write_bytes(b"@200.00 0 0\n@201.00 9 0\n")
    other.rename(path)
    assert times.refresh()
    assert (times.time_of(0), times.known_to) == (201, 9)
    path.unlink()
    assert times.refresh()
    assert (times.time_of(0), times.offset_at(300), times.known_to) == (None, None, 0)
    assert parse_stamp(format_stamp(Stamp(123.456, 7, 8))) == Stamp(123.46, 7, 8)
