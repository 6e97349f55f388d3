"""The console beside a fleet at work: twenty agents of 1,000 lines a second in total, ten thousand tasks that wait."""

import itertools
import random
import re
import threading
import time
from operator import attrgetter
from pathlib import Path

import msgspec

from kugetsu_engine.domain.engine_state import EngineState
from kugetsu_engine.domain.job import Progress, RunRecord
from kugetsu_engine.domain.task import Task
from kugetsu_engine.domain.text.times import iso
from kugetsu_engine.paths import StatePaths
from kugetsu_engine.process import identity
from kugetsu_engine.storage import files
from kugetsu_engine.storage.engine_lock import EngineLock

from .claims import filled
from .console import KEYS, LIMIT_S, ROW
from .measure import KUGETSU, ROOT, Unavailable, environment, median, quantile, rss_kib
from .options import Options
from .report import Goal, Table
from .terminal import Answer, Terminal, plain

AGENTS = 20
LINES_A_SECOND = 1_000
BATCHES_A_SECOND = 10
"""How often each agent writes; a pipe hands lines on in batches, too."""
PROGRESS_S = 1.0
CURSOR = "▌".encode()
IN_QUEUE, IN_AGENTS = rb"\s+(\d+)\s", rb"\s+\S+\s+#(\d+)\s"
"""What stands beside the cursor in a list, with the number of the row's place or task: so it is told where the cursor is."""
WORDS = (
    "read  src/auth.py (312 lines)",
    "think the loop comes from the cookie path",
    "$ pytest -q tests/test_auth.py",
    "  9 passed",
)


class Fleet:
    """Agents that run as far as the state directory tells, and print; the engine's part is played by this process."""

    def __init__(self, state: Path) -> None:
        self._paths = StatePaths(str(state))
        self._lock = EngineLock(self._paths)
        self._lock.acquire()
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._work, name="bench-fleet", daemon=True)
        self._tasks = [f"q_{90_000 + number}" for number in range(AGENTS)]
        self.lines = 0
        """Lines that were written so far."""
        self._since = iso(time.time() - 60)
        self._beat()
        started = iso(time.time())
        for number, task_id in enumerate(self._tasks):
            task = Task(
                task_id, f"github.com/bench/repository#{90_000 + number}", "Work and print", agent="opencode", state="running",
                attempt=1, notified_at=started, started_at=started, token="t", position=float(number),
            )  # fmt: skip
            self._write(self._paths.item(task_id), task)
            self._write(
                f"{self._paths.run(task_id, 1)}/run.json", RunRecord(task_id, 1, "t", 1, 1, "", started, 3600.0, "/nowhere")
            )
            Path(self._paths.log(task_id, 1)).parent.mkdir(parents=True, exist_ok=True)

    def start(self) -> None:
        """Begin to print."""
        self._thread.start()

    def close(self) -> None:
        """End it, and let the engine's lock go."""
        self._end.set()
        self._thread.join(10)
        self._lock.release()

    def _write(self, path: str, record: msgspec.Struct) -> None:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        files.replace(path, msgspec.json.encode(record))

    def _beat(self) -> None:
        state = EngineState(4242, "headless", self._since, identity.read_boot_id(), heartbeat=time.monotonic(), limit=AGENTS)
        self._write(self._paths.engine, state)

    def _work(self) -> None:
        # What an engine and its supervisors write while agents run: their output, a measurement a second, a heartbeat.
        chance, began, told = random.Random(1), time.monotonic(), 0.0
        files_of = {task: open(self._paths.log(task, 1), "ab", buffering=0) for task in self._tasks}  # noqa: SIM115
        try:
            for batch in itertools.count():
                if self._end.wait(max(began + batch / BATCHES_A_SECOND - time.monotonic(), 0)):
                    return
                each = LINES_A_SECOND // BATCHES_A_SECOND // AGENTS
                for file in files_of.values():
                    file.write("".join(f"{self.lines + place:9} {chance.choice(WORDS)}\n" for place in range(each)).encode())
                    self.lines += each
                if (now := time.monotonic()) - told >= PROGRESS_S:
                    told = now
                    self._beat()
                    for task in self._tasks:
                        progress = Progress(
                            "agent",
                            9,
                            iso(time.time()),
                            now - began,
                            4,
                            chance.random() * 90,
                            300 << 20,
                            self.lines * 40,
                            0.1,
                            now,
                        )
                        self._write(f"{self._paths.run(task, 1)}/progress.json", progress)
        finally:
            for file in files_of.values():
                file.close()


def fleet(options: Options) -> list[Table]:
    """Keys, memory and silence, in a quiet fleet and in a noisy one.

    Raises:
        Unavailable: the console does not come up.
    """
    waiting = options.pick(10_000, 1_000)
    quiet, noisy = _filled(waiting), _filled(waiting)
    table = Table(
        "fleet", f"A key, {waiting:,} tasks wait (120 × 36)",
        ("fleet", "first byte ms", "cursor ms", "p95", "last byte ms", "bytes", "keys", "lines/s"),
    )  # fmt: skip
    still = Table(
        "fleet",
        "The console over time",
        ("fleet", "minutes", f"bytes in {options.pick(30, 4)} s", "memory MiB before", "after", "growth MiB"),
    )
    working: Fleet | None = None
    for name, state in (("quiet", quiet), (f"{AGENTS} agents", noisy)):
        try:
            if state is noisy:
                working = Fleet(state)
                working.start()
            _watch(options, name, state, working, table, still)
        finally:
            if working is not None:
                working.close()
    table.notes += [
        "keys: down and up in turns. Cursor: until the piece of output in which it stands at its new row; last byte and bytes:"
        " before 0.2 s of silence, and with agents at work up to the cursor, as they go on being painted after it",
        f"{AGENTS} agents: keys in the queue; followed: keys among the agents, each of which opens a log that grows",
        f"{AGENTS} agents: {LINES_A_SECOND:,} lines a second in total, as the state directory of a running engine is written",
    ]
    return [table, still]


def _filled(waiting: int) -> Path:
    state = filled(waiting)
    (state / "config.toml").write_text('queue_expiry = "never"\nmax_concurrent_agents = 20\n', encoding="utf-8")
    return state


def _watch(options: Options, name: str, state: Path, working: Fleet | None, table: Table, still: Table) -> None:
    terminal = Terminal([KUGETSU, "--read-only"], environment(KUGETSU_DIR=str(state)), ROOT)
    try:
        if terminal.wait_for_text(ROW, LIMIT_S) is None:
            said = plain(terminal.output)[-300:].decode(errors="replace").strip()
            raise Unavailable(f"the console does not come up: {said or 'it wrote nothing'}")
        terminal.quiet(1.0, 5)
        ways = [(name, b"2", IN_QUEUE)] if working is None else [(f"{name}, followed", b"1", IN_AGENTS), (name, b"2", IN_QUEUE)]
        for way, pane, beside in ways:
            rows = _rows(terminal, pane, beside)
            began, lines = time.monotonic(), working.lines if working else 0
            answers = _keys(terminal, options.pick(60, 10), rows, beside, working is not None)
            rate = (working.lines - lines) / (time.monotonic() - began) if working else 0.0
            _add_keys(table, way, answers, rate, working is None)
        seconds = options.pick(300, 6) if working else 0
        before = rss_kib(terminal.process.pid)
        written, _ = terminal.idle(options.pick(30, 4))
        if seconds:
            terminal.idle(seconds)
        after = rss_kib(terminal.process.pid)
    finally:
        terminal.close()
    minutes = (seconds + options.pick(30, 4)) / 60
    still.add(name, minutes, written, before / 1024, after / 1024, (after - before) / 1024)
    if working is None:
        still.goals.append(Goal("quiet console writes", 0, float(written), "bytes"))
    else:
        still.goals.append(Goal(f"memory grows in {minutes:.1f} min with {AGENTS} agents", 4, (after - before) / 1024, "MiB"))


def _rows(terminal: Terminal, pane: bytes, beside: bytes) -> tuple[int, int]:
    """Go to a list and past the first keys, which lay things out; the rows the next keys go down to and up to."""
    terminal.press(pane, limit_s=0.5)
    for key in (KEYS[0], KEYS[0], KEYS[1]):
        terminal.press(key, limit_s=0.5)
    found = re.findall(CURSOR + beside, plain(terminal.output))
    if not found:
        raise Unavailable("no row has a cursor")
    return int(found[-1]) + 1, int(found[-1])


def _keys(terminal: Terminal, count: int, rows: tuple[int, int], beside: bytes, noisy: bool) -> list[Answer]:
    at = [CURSOR + beside.replace(rb"(\d+)", str(row).encode()) for row in rows]
    return [terminal.press(KEYS[number % 2], shows=at[number % 2], then_ends=noisy) for number in range(count)]


def _add_keys(table: Table, name: str, answers: list[Answer], rate: float, quiet: bool) -> None:
    shown = [answer for answer in answers if answer.shown_ms is not None]
    firsts, cursors, lasts = (
        [time for answer in shown if (time := found(answer)) is not None]
        for found in (attrgetter("first_ms"), attrgetter("shown_ms"), attrgetter("last_ms"))
    )
    sizes = [float(answer.size) for answer in shown]
    table.add(
        name, median(firsts), median(cursors), quantile(cursors, 0.95), median(lasts), median(sizes),
        f"{len(shown)} of {len(answers)}", f"{rate:,.0f}",
    )  # fmt: skip
    why = "no key moved the cursor on the screen"
    table.goals.append(Goal(f"key to screen, {name}", 10 if quiet else 30, median(lasts if quiet else cursors), "ms", why))
    if quiet:
        table.goals.append(Goal(f"bytes a key, {name}", 2048, median(sizes), "bytes", why))
