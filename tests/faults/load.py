"""A load that goes on: tasks that keep coming, an engine that is started again whenever it ends, and who looks on."""

import os
import random
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any

from kugetsu_engine.doctor.findings import Finding
from kugetsu_engine.errors import BadFile, KugetsuError, NoSuchTask
from kugetsu_engine.state import tasks
from kugetsu_engine.storage import files
from tests.support.fleet import ROOT, Fleet
from tests.support.observer import Observer
from tests.support.order import overtaken
from tests.support.waiting import wait_until

from . import programs
from .ground import Witness, find

ISSUES = 12
"""Issues the tasks are about: few, so that worktrees are used again, and tasks wait for each other's issue."""
HELD = 3
"""Exit code of an engine that another one holds off, or whose lock file was taken away."""
BEHAVIOURS: tuple[dict[str, Any], ...] = (
    {}, {}, {}, {"last": 0.1}, {"last": 0.5}, {"last": 0.2, "orphan": True}, {"exits": [1, 0]}, {"exit": 7}, {"signal": 11},
    {"last": 0.2, "deaf": True}, {"lines": 200},
)  # fmt: skip


class Load:
    """Keeps a fleet at work while it is entered; afterwards `end` lets it finish and tells what was wrong."""

    def __init__(self, fleet: Fleet, seed: int, per_s: float, backlog: int, argv: Sequence[str] = ()) -> None:
        """Prepare.

        Args:
            per_s: how many tasks come in a second.
            backlog: open tasks beyond which no more come.
            argv: the engine's command line, where it is not the one of `programs`.
        """
        self.fleet = fleet
        self.random = random.Random(seed)
        self.witness = Witness(fleet, 0.25)
        self.observer = Observer(fleet.paths.root, 0.1)
        self.violations: list[str] = []
        self.acknowledged: dict[str, float] = {}
        """For each task that `enqueue` has told, when it did."""
        self.out_of_order: set[str] = set()
        """Tasks whose place in the order someone changed, by hand, by a request, or by ending their attempt."""
        self.spoiled: set[str] = self.witness.spoiled
        self.broken: set[str] = set()
        """Paths of files that were broken on purpose."""
        self.removed: set[str] = set()
        """Tasks whose files were removed by hand."""
        self.reopened: set[str] = set()
        self.engine: subprocess.Popen[str] | None = None
        self.engine_may_end = False
        """Whether someone ends the engine on purpose."""
        self.engines = 0
        self.ends: list[int] = []
        """Exit codes of the engines."""
        self._argv = argv or programs.engine_argv(fleet, until_idle=False)
        self._per_s, self._backlog = per_s, backlog
        self._stop_tasks, self._stop_engine = threading.Event(), threading.Event()
        self._threads = [
            threading.Thread(target=self._guarded, args=(work,), name=work.__name__, daemon=True)
            for work in (self._keep_engine, self._bring_tasks)
        ]
        self.home = fleet.folder / "home"
        self.home.mkdir()
        self._around = {*os.listdir(fleet.folder), "journal", "engine-said"}

    def __enter__(self) -> "Load":
        self.witness.__enter__()
        self.observer.__enter__()
        for thread in self._threads:
            thread.start()
        wait_until(lambda: self.engine is not None and programs.holds_lock(self.fleet, self.engine), 15, "the engine")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stop_tasks.set()
        self._stop_engine.set()
        while self._threads[0].is_alive():
            if self.engine is not None:
                self.engine.kill()
            self._threads[0].join(0.5)
        self._threads[1].join(20)
        self.observer.__exit__(kind, error, trace)
        self.witness.__exit__(kind, error, trace)

    def _guarded(self, work: Callable[[], None]) -> None:
        try:
            work()
        except (AssertionError, KugetsuError, OSError) as error:
            self.violations.append(f"{work.__name__}: {type(error).__name__}: {error}")

    def acknowledge(self, task_id: str) -> None:
        """Note a task that `enqueue` has told."""
        self.acknowledged[task_id] = time.time()

    # what goes on

    def _bring_tasks(self) -> None:
        while not self._stop_tasks.wait(1 / self._per_s):
            if len(files.list_documents(self.fleet.paths.items)) < self._backlog:
                ref = f"local/work#{self.random.randint(1, ISSUES)}"
                self.acknowledge(self.fleet.enqueue(ref, **self.random.choice(BEHAVIOURS)))

    def _keep_engine(self) -> None:
        environ = {**os.environ, "KUGETSU_DIR": self.fleet.paths.root, "HOME": str(self.home)}
        while not self._stop_engine.wait(0.05):
            with open(self.fleet.folder / "engine-said", "ab") as said:
                self.engine = subprocess.Popen(
                    self._argv, cwd=ROOT, text=True, stdin=subprocess.DEVNULL, stdout=said, stderr=said, env=environ
                )
            self.engines += 1
            code = self.engine.wait()
            self.ends.append(code)
            if code != HELD and not self.engine_may_end and not self._stop_engine.is_set():
                self.violations.append(f"I4 the engine ended by itself with {code}")

    # the end

    def hush(self) -> None:
        """No more tasks come."""
        self._stop_tasks.set()

    def end(self, limit_s: float = 90.0) -> None:
        """No more tasks come: let the engine finish all that can be finished."""
        self.hush()
        self._threads[1].join(20)
        self.fleet.configure()
        for verb, words in (("resume", {}), ("limit", {"limit": 3})):
            self._ask(verb, None, **words)
        for task_id in self.open_tasks("pending"):
            self._ask("release", task_id)
        try:
            wait_until(lambda: not self.open_tasks(), limit_s, "the end of all tasks")
        except AssertionError as error:
            left = [(task_id, self.fleet.state(task_id), self.fleet.task(task_id).reason) for task_id in self.open_tasks()]
            self.violations.append(f"{error}: {left}")

    def _ask(self, verb: Any, task_id: str | None, **args: Any) -> None:
        try:
            self.fleet.operator.do(verb, task_id, **args)
        except KugetsuError:
            return  # it is so already, or the task has gone on

    def open_tasks(self, *states: str) -> list[str]:
        """The open tasks that can be read, in some states or in any."""
        found = []
        for task_id in files.list_documents(self.fleet.paths.items):
            try:
                if not states or tasks.read_task(self.fleet.paths.item(task_id), task_id).state in states:
                    found.append(task_id)
            except (FileNotFoundError, BadFile):
                continue
        return found

    def verdict(self) -> list[str]:
        """The invariants, as they stand when all has come to its end."""
        fleet, found = self.fleet, list(self.violations)
        gone = {*self.acknowledged} - self._there()
        found += [
            f"I1 {task_id} was acknowledged and is gone" for task_id in sorted(gone - {*self.witness.final, *self.removed})
        ]
        found += [what for one in self._findings(gone) if (what := self._counts(one))]
        found += [f"I3 two agents at once: {task_id}" for task_id in self.observer.doubled]
        found += [f"I2 {self.observer.most_at_once} agents at once"] if self.observer.most_at_once > 3 else []
        found += self.witness.violations + self.witness.changed(fleet, excused={*gone, *self.reopened, *self.spoiled})
        found += self._order() + self._elsewhere()
        failed = [line for line in _lines(fleet.paths.engine_log) if "engine failed" in line]
        return found + [f"I11 {line}" for line in (*failed, *_lines(f"{fleet.paths.logs}/supervisor.log")[-1:])]

    def _there(self) -> set[str]:
        """The tasks that are open, ended or set aside."""
        paths = self.fleet.paths
        aside = {name.rpartition("-")[2].removesuffix(".json") for name in os.listdir(paths.corrupt)}
        return {*files.list_documents(paths.items), *files.list_documents(paths.done), *aside}

    def _findings(self, gone: set[str]) -> list[Finding]:
        return find(self.fleet, [task_id for task_id in self.acknowledged if task_id not in gone])

    def _counts(self, finding: Finding) -> str | None:
        """A finding in words, unless it is about nothing but what was broken on purpose."""
        if finding.code == "unreadable" and (finding.path in self.broken or finding.task in self.spoiled):
            return None
        if finding.code == "half_removed":
            return None  # an engine was killed while it cleared; the next tidying ends it
        return f"{finding.rule} {finding.code}: {finding.text}"

    def _order(self) -> list[str]:
        """I9 within each issue, of the tasks that nobody touched."""
        untouched = {*self.acknowledged} - {*self.out_of_order, *self.spoiled, *self.removed, *self.reopened}
        found = []
        for task_id in untouched:
            try:
                found.append(self.fleet.task(task_id))
            except (NoSuchTask, BadFile):
                continue
        return overtaken(found, self.acknowledged)

    def _elsewhere(self) -> list[str]:
        """I12: nothing was made beside the state directory, and the operator's repository is as it was."""
        beside = {*os.listdir(self.fleet.folder)} - self._around
        found = [f"I12 made beside the state directory: {sorted(beside)}"] if beside else []
        if left := os.listdir(self.home):
            found.append(f"I12 made in the home folder: {left}")
        return found + [
            f"I12 the repository holds {name}" for name in {*os.listdir(self.fleet.repository)} - {".git", "README.md"}
        ]


def _lines(path: str) -> list[str]:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return [line.strip() for line in file if line.strip()]
    except FileNotFoundError:
        return []
