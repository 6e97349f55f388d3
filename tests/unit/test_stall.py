"""Standing still, by evidence."""

import os
import time
from pathlib import Path

import pytest

from kugetsu_engine.supervisor import stall
from kugetsu_engine.supervisor.stall import StallWatch, find_newest_change

START = 1000.0


def watch(folder: Path, after_s: float = 600.0) -> StallWatch:
    """A watch over an old folder, that has looked once."""
    old = time.time() - 86400
    for path in (*folder.rglob("*"), folder):
        os.utime(path, (old, old))
    found = StallWatch((str(folder), f"{folder}/missing"), after_s)
    found.check(START, 100, 2.0)
    return found


def test_silence_without_cpu_and_without_changes_is_a_stall_told_in_words(tmp_path: Path) -> None:
    """Not before its time; the words name what was looked at."""
    one = watch(tmp_path)
    assert not one.check(START + 599, 100, 2.0)
    assert one.evidence is None
    assert one.check(START + 720, 100, 2.04)
    assert one.silent_s == 720.0
    assert str(one.evidence) == "no output, 0.0 s CPU, no file changed"


@pytest.mark.parametrize(("length", "cpu_s"), [(101, 2.0), (50, 2.0), (100, 21.0), (100, 1.0)])
def test_output_or_work_is_a_sign_of_life_and_ends_a_stall(tmp_path: Path, length: int, cpu_s: float) -> None:
    """Also a log that was cut, and processor time that went away with a process."""
    one = watch(tmp_path)
    assert one.check(START + 600, 100, 2.0)
    assert one.check(START + 601, length, cpu_s)
    assert one.evidence is None
    assert not one.check(START + 601 + 599, length, cpu_s)


def test_the_little_work_of_an_idle_program_is_no_sign_of_life(tmp_path: Path) -> None:
    """Less than three hundredths of the time; an opencode that waits for a provider uses one."""
    one = watch(tmp_path)
    for second in range(601):
        one.check(START + second, 100, 2.0 + second * 0.01)
    assert (one.evidence, one.silent_s) == ("no output, 6.0 s CPU, no file changed", 600.0)


def test_a_changed_file_is_a_sign_of_life(tmp_path: Path) -> None:
    """From the time of its change on; what lies in .git or in the future is none."""
    (tmp_path / "src" / ".git").mkdir(parents=True)
    (tmp_path / "src" / "a.py").touch()
    one = watch(tmp_path)
    changed = time.time() - 100
    os.utime(tmp_path / "src" / "a.py", (changed, changed))
    assert not one.check(START + 600, 100, 2.0)
    assert not one.check(START + 1099, 100, 2.0)
    (tmp_path / "src" / ".git" / "index").touch()
    os.utime(tmp_path / "src" / ".git", (changed, changed))
    ahead = time.time() + 9000
    os.utime(tmp_path / "src" / "a.py", (ahead, ahead))
    assert one.check(START + 1101, 100, 2.0)
    assert one.evidence is not None


def test_files_are_looked_at_once_a_minute_and_never_while_there_is_output(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that a watch costs nothing."""
    scans: list[str] = []

    def counted(folder: str, now: float, limit: int) -> tuple[float, int]:
        scans.append(folder)
        return 0.0, limit

    one = watch(tmp_path)
    monkeypatch.setattr(stall, "find_newest_change", counted)
    for second in range(1000):
        one.check(START + second, 100 + second, 2.0)
    assert scans == []
    for second in range(1000, 1900):
        one.check(START + second, 1099, 2.0)
    assert one.evidence is not None
    assert len(scans) == 2 * 6  # two folders, from the tenth minute to the fifteenth


def test_a_look_at_files_is_bounded(tmp_path: Path) -> None:
    """Of very many files only so many are looked at, those near the top first."""
    deep = tmp_path / "a" / "b"
    deep.mkdir(parents=True)
    for number in range(50):
        (deep / str(number)).touch()
    assert find_newest_change(str(tmp_path), time.time(), 10)[1] == 0
    assert find_newest_change(str(tmp_path), time.time(), 100)[1] == 48


def test_without_processor_times_output_and_files_speak_alone(tmp_path: Path) -> None:
    """On systems without /proc."""
    one = watch(tmp_path, 10)
    one = StallWatch((str(tmp_path),), 10)
    one.check(START, 0, None)
    assert one.check(START + 10, 0, None)
    assert one.evidence == "no output, no file changed"


def test_the_end_is_due_some_time_after_the_warning(tmp_path: Path) -> None:
    """A tenth of the time later."""
    one = watch(tmp_path)
    one.check(START + 600, 100, 2.0)
    assert (one.evidence is not None, one.kill_due) == (True, False)
    one.check(START + 659, 100, 2.0)
    assert not one.kill_due
    one.check(START + 661, 100, 2.0)
    assert one.kill_due


def test_zero_is_never(tmp_path: Path) -> None:
    """`stall_after = 0` looks for nothing."""
    one = watch(tmp_path, 0)
    assert not one.check(START + 1e6, 100, 2.0)
    assert one.evidence is None
