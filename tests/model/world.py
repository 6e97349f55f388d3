"""A state directory with an engine, a process table and two clocks in the hands of a test; and what must always hold."""

import errno
import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import msgspec

from kugetsu_engine.domain import request
from kugetsu_engine.domain.job import Job
from kugetsu_engine.domain.states import ACTIVE, FINAL
from kugetsu_engine.domain.task import Task
from kugetsu_engine.domain.text.times import epoch
from kugetsu_engine.engine import composition
from kugetsu_engine.engine.loop import Engine
from kugetsu_engine.errors import BadFile
from kugetsu_engine.paths import StatePaths
from kugetsu_engine.process import identity
from kugetsu_engine.state import requests, tasks
from kugetsu_engine.storage import files, wakeup_fifo
from tests.support.clients import local_client
from tests.support.fake_processes import BOOT, FakeLauncher, ProcessTable, Supervised

MAX_ATTEMPTS = 3
CONFIG = f"""
max_concurrent_agents = 2
max_attempts = {MAX_ATTEMPTS}
retry_delay = "5s"
agent = "fake"
queue_expiry = "1h"
min_free_memory = "off"
min_free_disk = "off"
max_load_per_core = "off"
max_memory_pressure = "off"
[agents.fake]
command = ["true"]
[repos]
"local/a" = "/"
"""
WRITES = ("replace", "create", "move_between", "append_line", "remove", "set_aside")
"""The steps of `storage.files` between which an engine can be killed."""


class Killed(BaseException):
    """The engine dies here."""


class World:
    """Everything of one history."""

    def __init__(self) -> None:
        base = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
        self.folder = Path(tempfile.mkdtemp(prefix="kugetsu-model-", dir=base))
        self.paths = StatePaths(str(self.folder / "state"))
        files.create_folders(self.paths.folders())
        Path(self.paths.config).write_text(CONFIG, encoding="utf-8")
        self.now, self.mono = 1_790_000_000.0, 1000.0
        self.operator = local_client(self.paths.root, {}, clock=lambda: self.now)
        self.table = ProcessTable(self._check_start)
        self._signals = mock.patch.object(identity, "signal_process", self.table.signal_process)
        self._signals.start()
        self.engine: Engine | None = None
        self.limit = 2
        self.acknowledged: set[str] = set()
        self.removed: set[str] = set()
        """Tasks whose file the operator removed."""
        self.foreign: set[str] = set()
        """Tasks whose state the operator set by hand, or whose file is broken: only that they are there is known of them."""
        self.unseen: set[str] = set()
        """Tasks whose file changed without a word to the engine since its last full look."""
        self.used: Counter[str] = Counter()
        """Attempts since the operator last asked for one."""
        self.ended_well: dict[str, str] = {}
        """By task the token of the attempt that ended with success."""
        self.stopped: set[str] = set()
        """Tasks the operator asked to stop or to drop."""
        self.final: dict[str, bytes] = {}
        self.copied: set[str] = set()
        """Tasks, known or not, of whose file the operator put a copy into the folder of open tasks."""
        self.refusals = 0
        """How many of its next writes the disk refuses the engine."""
        self.refused_kinds: tuple[str, ...] = WRITES
        self.refused = False
        """Whether it refused some in the last turn."""
        self.faults: list[str] = []

    # engines

    def start(self, mode: str = "headless") -> Engine:
        """Start an engine and let it recover."""
        with mock.patch.object(composition, "LOCK_WAIT_S", 0.0):  # who holds the lock here does not give it back meanwhile
            engine = composition.open_engine(
                self.paths, {"PATH": "/bin"}, mode, clock=lambda: self.now, monotonic=lambda: self.mono,
                launcher=FakeLauncher(self.table), boot_id=lambda: BOOT,
            )  # fmt: skip
        self.unseen.clear()
        return engine

    def run(self) -> None:
        """Have an engine run, that has recovered; where the disk refuses, it may end at once."""
        if self.engine is not None:
            return
        with self._refusing() as refused:
            try:
                self.engine = self.start()
                self.engine.recover_attempts()
            except OSError:
                assert refused, "an engine cannot start, though the disk takes everything"
                self.crash()

    def drop(self, engine: Engine) -> None:
        """An engine dies: its descriptors close, nothing is written."""
        engine.dispatcher.preparations.close()
        engine.attempts.close()
        engine.waker.close()
        engine.lock.release()

    def crash(self) -> None:
        """The engine is killed between two turns."""
        if self.engine is not None:
            self.drop(self.engine)
            self.engine = None

    def turn(self, seconds: float = 0.1) -> None:
        """Time passes and the engine, if there is one, takes a turn."""
        self.now += seconds
        self.mono += seconds
        if self.engine is not None:
            with self._refusing() as refused:
                for key in self.engine.waker.wait(0):
                    self.engine.handle_message(key)
                self.engine.run_turn()
            self.refused = bool(refused)
            if seconds > 5 and not refused:
                self.unseen.clear()

    def crash_within(self, steps: int, after: bool) -> None:
        """The engine takes a turn and is killed at its `steps`-th write, before it or right after it."""
        self.run()
        with self._killing(steps, after):
            try:
                self.turn(6.0)
            except Killed:
                self.crash()

    @contextmanager
    def _killing(self, steps: int, after: bool) -> Iterator[None]:
        left = [steps]

        def deadly(_name: str, write: Callable[..., Any]) -> Callable[..., Any]:
            def step(*words: Any, **named: Any) -> Any:
                left[0] -= 1
                if left[0] == 0 and not after:
                    raise Killed
                done = write(*words, **named)
                if left[0] == 0:
                    raise Killed
                return done

            return step

        with self._writing(deadly):
            yield

    @contextmanager
    def _refusing(self) -> Iterator[list[str]]:
        """As long as refusals are left, the disk takes no write; names of those that it did not take."""
        refused: list[str] = []

        def full(name: str, write: Callable[..., Any]) -> Callable[..., Any]:
            def step(*words: Any, **named: Any) -> Any:
                if not self.refusals or name not in self.refused_kinds:
                    return write(*words, **named)
                self.refusals -= 1
                refused.append(name)
                raise OSError(errno.ENOSPC, "No space left on device", words[0])

            return step

        with self._writing(full):
            yield refused

    @contextmanager
    def _writing(self, instead: Callable[[str, Callable[..., Any]], Callable[..., Any]]) -> Iterator[None]:
        """Put something in the place of each step of `storage.files`."""
        with ExitStack() as stack:
            for name in WRITES:
                stack.enter_context(mock.patch.object(files, name, instead(name, getattr(files, name))))
            yield

    # operators

    def enqueue(self, issue: int, **options: Any) -> str:
        """A task is put in the queue."""
        task_id, _ = self.operator.enqueue(f"local/a#{issue}", "do it", **options)
        self.acknowledged.add(task_id)
        return task_id

    def ask(self, verb: request.Verb, task_id: str | None = None, **args: Any) -> request.Answer:
        """A request is made and answered, by the engine or without one."""
        if verb in ("kill", "cancel") and task_id is not None:
            self.stopped.add(task_id)
        if verb != "retry" or task_id is None:
            return self._ask(verb, task_id, args)
        used, well, final = self.used.pop(task_id, 0), self.ended_well.pop(task_id, None), self.final.pop(task_id, None)
        reply = self._ask(verb, task_id, args)
        if not reply.ok:
            self.used[task_id] = used
            self.ended_well |= {task_id: well} if well is not None else {}
            self.final |= {task_id: final} if final is not None else {}
        return reply

    def _ask(self, verb: request.Verb, task_id: str | None, args: dict[str, Any]) -> request.Answer:
        number = requests.submit_request(self.paths, request.Request(verb, task_id, args, None))
        wakeup_fifo.notify(self.paths.wakeup_fifo)
        if self.engine is not None:
            self.turn(0.01)
        else:
            command = self.start("command")
            try:
                command.apply_requests()
            finally:
                command.close()
        reply = requests.pop_answer(self.paths, number)
        if reply is None and self.refused:
            self.refusals = 0
            if task_id is not None:
                self.foreign.add(task_id)  # the disk may have refused the answer alone: it is applied again, and answered so
            self.turn(0.01)
            reply = requests.pop_answer(self.paths, number)
        assert reply is not None, f"{verb} was not answered"
        return reply

    # what is on disk

    def task(self, task_id: str) -> Task | None:
        """A task as its file says; None when it says nothing."""
        try:
            return tasks.find_task(self.paths, task_id)
        except Exception:  # gone, set aside, or broken: the invariants tell which of them is right
            return None

    def open_ids(self, *states: str) -> list[str]:
        """Ids of open tasks in some states."""
        found = []
        for task_id in files.list_documents(self.paths.items):
            try:
                task = tasks.read_task(self.paths.item(task_id), task_id)
            except (FileNotFoundError, BadFile):
                continue
            if task.state in states:
                found.append(task_id)
        return found

    def known_active(self) -> list[str]:
        """Ids the running engine counts as active."""
        return sorted(self.engine.store.active_ids) if self.engine else []

    # what must hold

    def _check_start(self, job: Job) -> None:
        """At each start: limit, one agent per task and issue, attempts, order."""
        live = self.table.live
        if sum(not one.slot_free for one in live) >= self.limit:
            self.faults.append(f"I2 {job.task_id} started with {len(live)} agents at a limit of {self.limit}")
        if any(job.task_id == one.job.task_id or job.issue_ref == one.job.issue_ref for one in live):
            self.faults.append(f"I3 {job.task_id} or its issue had an agent already")
        if job.task_id in self.ended_well:
            self.faults.append(f"I5 {job.task_id} was started again after an attempt that ended well")
        if self.used[job.task_id] >= MAX_ATTEMPTS:
            self.faults.append(f"I5 {job.task_id} was started for the attempt {self.used[job.task_id] + 1}")
        started = self.engine and self.engine.store.entries.get(job.task_id)
        for other in self.open_ids("pending"):
            task = self.task(other)
            if not started or job.task_id in self.unseen or task is None or other in self.unseen or other == job.task_id:
                continue
            busy = any(one.job.issue_ref == task.issue_ref for one in live)
            # One whose lock was refused is asked again in a moment: what ended meanwhile is not known yet.
            busy = busy or (self.engine is not None and task.issue_ref in self.engine.dispatcher.collect_facts().busy_refs)
            free = not (task.held or task.after or busy or (epoch(task.retry_at) or 0) > self.now)
            known = self.engine is not None and other in self.engine.store.entries
            if free and known and task.order < started.key and other not in self.known_active():
                self.faults.append(f"I9 {job.task_id} started before {other}")

    def check(self) -> None:
        """I1 to I9, as far as they can be seen between two steps."""
        assert not self.faults, self.faults
        items, done = set(files.list_documents(self.paths.items)), set(files.list_documents(self.paths.done))
        aside = {name.rpartition("-")[2][:-5] for name in os.listdir(self.paths.corrupt) if name.endswith(".json")}
        for task_id in self.acknowledged - self.removed:
            places = (task_id in items) + (task_id in done)
            copied = places == 2 and task_id in self.copied
            assert copied or places == 1 or (places == 0 and task_id in aside), f"I1 {task_id} is in {places} places"
        for task_id, before in self.final.items():
            if task_id in done:
                assert Path(self.paths.ended(task_id)).read_bytes() == before, f"I7 {task_id} changed after its end"
        for task_id in done - self.final.keys():
            self._check_end(task_id)
        self.final = {task_id: Path(self.paths.ended(task_id)).read_bytes() for task_id in done}

    def _check_end(self, task_id: str) -> None:
        """I6: a final state agrees with what became of the attempts."""
        task = tasks.read_task(self.paths.ended(task_id), task_id)
        if task_id in self.foreign:
            return
        assert task.state in FINAL
        well = task_id in self.ended_well
        assert (task.state == "completed") == well, f"I6 {task_id} is {task.state}, ended well: {well}"
        if task.state == "cancelled":
            assert task_id in self.stopped, f"I6 {task_id} was cancelled and nobody asked for it"

    def settle(self) -> None:
        """With an engine left alone for a while, every attempt that is over is entered and nothing is left behind."""
        self.refusals = 0
        self.run()
        for _ in range(3):
            self.turn(6.0)
        self.copied.clear()
        self.check()
        final = self.open_ids(*FINAL)
        assert not final, f"I1 {final} have ended and lie among the open tasks"
        strangers = set(files.list_documents(self.paths.items)) - self.acknowledged
        assert not strangers, f"I10 {strangers} are no tasks and lie among the open ones"
        assert self.engine is not None
        live = {one.job.task_id for one in self.table.live}
        active = {task_id for task_id in self.open_ids(*ACTIVE) if task_id not in self.foreign}
        assert active <= live, f"I6 {active - live} have ended and are still active"
        left = {task_id for task_id, _ in self.table.left_behind}
        assert not left - live - self.removed - self.foreign, f"I8 {left} left processes behind"

    def end(self, one: Supervised, outcome: str, code: int | None, swept: bool = True) -> None:
        """An agent ends in some way."""
        if not one.recorded:
            self.note_used(one)
        if outcome == "ok":
            self.ended_well[one.job.task_id] = one.job.token
        self.table.end(one, outcome, code, swept)

    def note_used(self, one: Supervised) -> None:
        """An attempt begins to count."""
        self.used[one.job.task_id] += 1
        self.table.record(one)

    def write_item(self, task_id: str, **changes: Any) -> None:
        """The operator saves an item by hand, as an editor does."""
        task = tasks.read_task(self.paths.item(task_id), task_id)
        files.replace(self.paths.item(task_id), msgspec.json.encode(msgspec.structs.replace(task, **changes)), durable=False)
        self.unseen.add(task_id)

    def close(self) -> None:
        """End it all."""
        self.crash()
        self.table.close()
        self._signals.stop()
        shutil.rmtree(self.folder, ignore_errors=True)
