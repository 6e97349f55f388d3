"""What every fault loop needs: folders, a seed, amounts, and one verdict over a state directory."""

import contextlib
import random
import tempfile
import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import TypeVar

from kugetsu_engine import doctor
from kugetsu_engine.config import loader
from kugetsu_engine.doctor.evidence import JournalLine
from kugetsu_engine.doctor.findings import Finding
from kugetsu_engine.errors import BadFile
from kugetsu_engine.state import tasks
from kugetsu_engine.storage import files
from tests.support.fleet import Fleet

Case = TypeVar("Case")
WORKERS = 3
"""Tries of one loop that go on side by side, each in a state directory of its own."""


@dataclass(frozen=True)
class Amount:
    """How much of a loop is run: a number of tries, or a share of every possible one."""

    count: int | None = None
    share: float = 1.0

    def pick(self, cases: Sequence[Case]) -> list[Case]:
        """The cases to try, spread evenly over all of them."""
        wanted = self.count if self.count is not None else round(len(cases) * self.share)
        wanted = max(min(wanted, len(cases)), 1)
        return [cases[place * len(cases) // wanted] for place in range(wanted)] if cases else []

    def number(self, full: int) -> int:
        """How many tries, where the full loop has `full` of them."""
        return self.count if self.count is not None else max(round(full * self.share), 1)


@dataclass
class Report:
    """What a loop came to."""

    tries: int = 0
    violations: list[str] = field(default_factory=list)
    told: str = ""
    """A figure worth knowing, in words."""


class Ground:
    """Where loops run."""

    def __init__(self, seed: int, folder: Path | None = None) -> None:
        self.seed = seed
        self.random = random.Random(seed)
        self._folder = folder

    def seeds(self, count: int) -> list[int]:
        """Further seeds, for what goes on side by side."""
        return [self.random.getrandbits(32) for _ in range(count)]

    @contextlib.contextmanager
    def fleet(self, **settings: str | int) -> Iterator[Fleet]:
        """A fresh state directory with a repository and scripted agents."""
        with self.folder() as folder, self.fleet_in(folder, **settings) as fleet:
            yield fleet

    @contextlib.contextmanager
    def folder(self) -> Iterator[Path]:
        """A fresh folder."""
        with tempfile.TemporaryDirectory(prefix="kugetsu-faults-", dir=self._folder, ignore_cleanup_errors=True) as folder:
            yield Path(folder)

    @contextlib.contextmanager
    def fleet_in(self, folder: Path, **settings: str | int) -> Iterator[Fleet]:
        """The same in a folder that is prepared already."""
        fleet = Fleet(folder)
        fleet.configure(**{"task_timeout": "60s", "stop_grace": "300ms", "retry_delay": "20ms", **settings})
        try:
            yield fleet
        finally:
            fleet.close()

    def side_by_side(self, cases: Sequence[Case], attempt: Callable[[Case], list[str]]) -> Report:
        """Try every case, some at a time; a try that fails in an unforeseen way is a violation as well."""

        def guarded(case: Case) -> list[str]:
            try:
                return [f"{case}: {what}" for what in attempt(case)]
            except AssertionError as error:
                return [f"{case}: {error}"]

        report = Report(len(cases))
        with ThreadPoolExecutor(WORKERS) as pool:
            for found in pool.map(guarded, cases):
                report.violations += found
        return report


def verify(fleet: Fleet, enqueued: Sequence[str] = ()) -> list[str]:
    """The invariants over a fleet's state directory, in words."""
    return [f"{finding.rule} {finding.code}: {finding.text}" for finding in find(fleet, enqueued)]


def find(fleet: Fleet, enqueued: Sequence[str] = ()) -> list[Finding]:
    """What is wrong in a fleet's state directory, its agents' journal and /proc, by the checker operators use."""
    seen = doctor.gather_evidence(fleet.paths, loader.load_settings(fleet.paths, {})[0])
    seen.enqueued = list(enqueued)
    seen.journal = [JournalLine(line.event, line.task, line.attempt, line.pid) for line in fleet.journal()]
    return doctor.run_checks(seen, strict=True)


def settle(fleet: Fleet, ids: Sequence[str], limit_s: float = 30.0) -> None:
    """Let a sound engine finish the work, and end it."""
    engine = fleet.start_engine(until_idle=True)
    fleet.wait_for_end(ids, limit_s)
    fleet.stop_engine(engine)


class Witness:
    """Reads the task files again and again while it is entered: they parse at every moment, and what is final stays so."""

    def __init__(self, fleet: Fleet, every_s: float = 0.02) -> None:
        self.violations: list[str] = []
        self.reads = 0
        self.final: dict[str, str] = {}
        """The final state in which a task was first seen."""
        self.spoiled: set[str] = set()
        """Ids of the tasks whose files someone breaks on purpose."""
        self._paths = fleet.paths
        self._every_s = every_s
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="witness", daemon=True)

    def __enter__(self) -> "Witness":
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stop.set()
        self._thread.join(10)

    def _watch(self) -> None:
        while not self._stop.wait(self._every_s):
            for folder in (self._paths.items, self._paths.done):
                for task_id in files.list_documents(folder):
                    if task_id not in self.final:
                        self._read(f"{folder}/{task_id}.json", task_id)

    def _read(self, path: str, task_id: str) -> None:
        try:
            task = tasks.read_task(path, task_id)
        except FileNotFoundError:
            return
        except BadFile as error:
            if task_id not in self.spoiled:
                self.violations.append(f"I10 {error.message}")
            return
        self.reads += 1
        if task.ended:
            self.final[task_id] = task.state

    def changed(self, fleet: Fleet, excused: Collection[str] = ()) -> list[str]:
        """Final states that are others now, but for tasks that are excused."""
        return [
            f"I7 {task_id} was {state} and is {fleet.state(task_id)}"
            for task_id, state in self.final.items()
            if task_id not in excused and fleet.state(task_id) != state
        ]
