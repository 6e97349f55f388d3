"""Logs of any size and kind: the reader stays right and small, and no agent ever waits for its log."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

from kugetsu_engine.state.log_reader import MAX_LINE, LogReader
from tests.support.fleet import ROOT, Fleet
from tests.support.waiting import wait_until

from . import programs
from .ground import Amount, Ground, Report, verify

BIG = 1 << 30
GROWTH_KIB = 50 << 10
LINE = b"%09d the agent says something that is about as long as what an agent says in a line\n"
LONG_LINE = 1 << 20
READ_A_BIG_ONE = """
import resource, sys
from kugetsu_engine.state.log_reader import LogReader
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
reader = LogReader(sys.argv[1])
reader.refresh()
lines = reader.line_count
first, last = reader.read_lines(0, 1)[0], reader.read_lines(lines - 1, 1)[0]
found = reader.search(sys.argv[2].encode())
after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(lines, first[:9].decode(), last[:9].decode(), *found[:2], after - before)
"""


def logs_of_any_kind(ground: Ground, amount: Amount) -> Report:
    """A huge log, lines of 1 MB, a fast writer, and a log that is cut, removed, replaced by a pipe, a link or a folder."""
    size = BIG if amount.count is None and amount.share >= 1 else 16 << 20
    tries: list[Callable[[], list[str]]] = [
        lambda: _huge(ground, size), lambda: _long_lines(ground), lambda: _fast_writer(ground, 30.0 if size == BIG else 1.0),
        *(lambda what=what: _replaced_while_read(ground, what) for what in REPLACED),
        *(lambda what=what: _replaced_under_an_agent(ground, what) for what in REPLACED),
    ]  # fmt: skip
    report = ground.side_by_side(amount.pick(tries), lambda one: one())
    report.told = f"the huge one has {size >> 20} MiB"
    return report


# the reader


def _huge(ground: Ground, size: int) -> list[str]:
    """Counted, read at both ends and searched, in little memory."""
    with ground.folder() as folder:
        path = folder / "1.log"
        block = b"".join(LINE % number for number in range(10_000))
        with open(path, "wb") as file:
            while file.tell() < size:
                file.write(block)
            file.write(b"the last one has a needle\n")
        argv = [sys.executable, "-c", READ_A_BIG_ONE, str(path), "needle"]
        said = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=True, timeout=120).stdout.split()
        lines = path.stat().st_size // len(block) * 10_000 + 1
        right = [str(lines), "000000000", "the", "last", str(lines - 1)]
        found = [] if said[:5] == right else [f"read {said}, not {right}"]
        growth = int(said[-1])
        return found + ([f"the reader grew by {growth} KiB"] if growth > GROWTH_KIB else [])


def _long_lines(ground: Ground) -> list[str]:
    """Each is cut, and the next is the next."""
    with ground.folder() as folder:
        path = folder / "1.log"
        path.write_bytes(b"".join(b"%d " % number + b"\xff" * LONG_LINE + b"\n" for number in range(20)))
        reader = LogReader(str(path))
        reader.refresh()
        shown = reader.read_lines(0, 100)
        right = [line.startswith(b"%d " % number) and len(line) <= MAX_LINE + 8 for number, line in enumerate(shown)]
        reader.close()
        return [] if len(shown) == 20 and all(right) else [f"{len(shown)} lines, {right.count(False)} of them wrong"]


def _fast_writer(ground: Ground, seconds: float) -> list[str]:
    """Followed while it is written as fast as the machine writes: never wrong, and right at the end within 2 s."""
    with ground.folder() as folder:
        path, end, count = folder / "1.log", threading.Event(), [0]

        def write() -> None:
            with open(path, "ab") as file:
                while not end.is_set():
                    file.write(b"".join(LINE % number for number in range(count[0], count[0] + 500)))
                    file.flush()
                    count[0] += 500
                    end.wait(0.01)  # 50,000 lines a second

        writer = threading.Thread(target=write)
        writer.start()
        reader, found, until = LogReader(str(path)), [], time.monotonic() + seconds
        while time.monotonic() < until:
            reader.refresh()
            place = reader.complete_lines - 1
            if place >= 0 and reader.read_lines(place, 1) != [(LINE % place).rstrip(b"\n")]:
                found.append(f"line {place} reads {reader.read_lines(place, 1)}")
            end.wait(0.02)
        end.set()
        writer.join()
        reader.refresh()
        found += [] if reader.line_count == count[0] else [f"{reader.line_count} lines of {count[0]}"]
        reader.close()
        return found[:3]


def _cut(path: Path) -> None:
    os.truncate(path, 0)


def _remove(path: Path) -> None:
    path.unlink()


def _rotate(path: Path) -> None:
    path.rename(path.with_suffix(".log.1"))
    path.write_bytes(b"anew\n")


def _pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def _link(path: Path) -> None:
    path.unlink()
    path.symlink_to("/dev/zero")


def _folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _refuse(path: Path) -> None:
    path.chmod(0)


REPLACED = (_cut, _remove, _rotate, _pipe, _link, _folder, _refuse)


def _replaced_while_read(ground: Ground, replace: Callable[[Path], None]) -> list[str]:
    """What has the log's place is passed over without a hang; when there is a log again, it is read within 2 s."""
    with ground.folder() as folder:
        path = folder / "1.log"
        path.write_bytes(b"".join(LINE % number for number in range(3000)))
        reader, found, answered = LogReader(str(path)), [], threading.Event()

        def read() -> None:
            try:
                for _ in range(200):
                    reader.refresh()
                    reader.read_lines(max(reader.line_count - 5, 0), 5)
                    reader.search(b"says", limit=10)
                answered.set()
            except OSError as error:
                found.append(f"{replace.__name__}: {type(error).__name__}: {error}")

        reading = threading.Thread(target=read, daemon=True)
        reading.start()
        threading.Event().wait(0.02)
        replace(path)
        reading.join(10)
        if not answered.is_set() and not found:
            return [f"{replace.__name__}: the reader does not come back"]
        path.rmdir() if path.is_dir() else path.unlink(missing_ok=True)
        path.write_bytes(b"one\ntwo\n")
        reader.refresh()
        if reader.read_lines(0, 10) != [b"one", b"two"]:
            found.append(f"{replace.__name__}: afterwards it reads {reader.read_lines(0, 10)}")
        reader.close()
        return found


# the agent


def _replaced_under_an_agent(ground: Ground, replace: Callable[[Path], None]) -> list[str]:
    """Its log goes away or becomes something else while it prints: it never waits, and its exit code is its own."""
    with ground.fleet(max_attempts=1, log_cap="64KiB") as fleet:
        ids = [fleet.enqueue(wait=fleet.waiting_file("all"), busy="output", exit=code) for code in (0, 7)]
        engine = programs.start(fleet, programs.engine_argv(fleet, until_idle=False))
        for task_id in ids:
            fleet.wait_for(task_id, "running")
            wait_until(lambda task_id=task_id: len(fleet.log(task_id)) > 4, 10, "some output")  # type: ignore[misc]
            replace(Path(fleet.paths.log(task_id, 1)))
        threading.Event().wait(0.3)
        fleet.release("all")
        states = [task.state for task in fleet.wait_for_end(ids)]
        fleet.kill_engine(engine)
        found = [] if states == ["completed", "error"] else [f"{replace.__name__}: {states}"]
        return found + [f"{replace.__name__}: {what}" for what in verify(fleet, ids)] + _words(fleet, ids[1])


def _words(fleet: Fleet, task_id: str) -> list[str]:
    exit_code = fleet.task(task_id).exit_code
    return [] if exit_code == 7 else [f"{task_id} ended with {exit_code}, not 7"]
