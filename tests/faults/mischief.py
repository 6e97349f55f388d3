"""Everything that may happen to a fleet at work, one thing at a time, chosen by a seed."""

import os
import random
import re
import signal
import threading
from collections.abc import Callable
from pathlib import Path

from kugetsu_engine.client.snapshot_reader import SnapshotReader
from kugetsu_engine.domain.request import Verb
from kugetsu_engine.errors import BadFile, KugetsuError, NoAnswer
from kugetsu_engine.process import identity
from kugetsu_engine.state import runs, tasks
from kugetsu_engine.storage import files
from tests.support.observer import marked_processes
from tests.support.waiting import wait_until

from . import programs
from .load import HELD, Load

GARBAGE = (b"", b"\0" * 300, b'{"schema": 1, "id": "q_1", "sta', b"[[[[[[", b"\xff\xfe not text", b"null")


class Mischief:
    """Does things to a load. Whatever an operator would have to mend is mended by `mend`."""

    def __init__(self, load: Load, seed: int, deadly: bool) -> None:
        """Prepare.

        Args:
            deadly: also what ends the engine.
        """
        self.load = load
        self.random = random.Random(seed)
        self.done: dict[str, int] = {}
        self._fleet = load.fleet
        self._never = threading.Event()
        load.engine_may_end = deadly
        self._names = (*OF_ALL, *(OF_ENGINES if deadly else ()))
        self._deck = [*OF_ENGINES[:1]] if deadly else []

    def strike(self) -> None:
        """Do one thing; each has its turn before any comes again."""
        if not self._deck:
            self._deck = self.random.sample(self._names, len(self._names))
        name = self._deck.pop(0)
        what: Callable[[], None] = getattr(self, name)
        name = name.removeprefix("_")
        self.done[name] = self.done.get(name, 0) + 1
        try:
            what()
        except NoAnswer as error:
            picture = SnapshotReader(self._fleet.paths, {}).read()
            alerts = [f"{alert.code}: {alert.text}" for alert in picture.alerts]
            self.load.violations.append(
                f"{name}: {error}; {picture.engine.running}, {picture.engine.heartbeat_age_s} s, {alerts}"
            )
        except (KugetsuError, FileNotFoundError, ProcessLookupError):
            return  # the task went on meanwhile, the request is refused, the process is gone
        except (AssertionError, OSError) as error:
            self.load.violations.append(f"{name}: {type(error).__name__}: {error}")

    @property
    def count(self) -> int:
        """How often something was done."""
        return sum(self.done.values())

    # processes

    def _kill_engine(self) -> None:
        engine = self.load.engine
        assert engine is not None
        engine.kill()

    def _stop_engine_for_a_second(self) -> None:
        engine = self.load.engine
        assert engine is not None
        if engine.poll() is None:
            engine.send_signal(signal.SIGSTOP)
            self._never.wait(1.0)
            engine.send_signal(signal.SIGCONT)

    def _kill_supervisor(self) -> None:
        task_id = self._one_of("running", "notified")
        task = self._fleet.task(task_id)
        record = runs.read_record(self._fleet.paths, task_id, task.attempt)
        if record is not None:
            self.load.out_of_order.add(task_id)
            identity.signal_process(record.supervisor_pid, record.start_ticks, record.boot_id, signal.SIGKILL)

    def _signal_agent(self) -> None:
        agents = marked_processes(self._fleet.paths.root, only_agents=True)
        if agents:
            pid = self.random.choice(sorted(agents))
            ticks = identity.read_start_ticks(pid)
            number = self.random.choice((signal.SIGKILL, signal.SIGSEGV, signal.SIGTERM, signal.SIGSTOP))
            identity.signal_process(pid, ticks or 0, identity.read_boot_id(), number)
            if number == signal.SIGSTOP:
                self._never.wait(0.3)
                identity.signal_process(pid, ticks or 0, identity.read_boot_id(), signal.SIGCONT)

    # requests

    def _request(self) -> None:
        verb: Verb
        verb, states, args = self.random.choice(REQUESTS)  # type: ignore[assignment]
        task_id = self._one_of(*states) if states else None
        if task_id is not None:
            self.load.out_of_order.add(task_id)
        if verb == "retry" and task_id is not None:
            self.load.reopened.add(task_id)
        self._fleet.operator.do(verb, task_id, **args)

    def _flow(self) -> None:
        # Drained, an engine ends.
        verb: Verb = "drain" if self.load.engine_may_end and self.random.random() < 0.5 else "pause"
        self._fleet.operator.do(verb)
        self._never.wait(0.3)
        self._fleet.operator.do("resume")

    def _limit(self) -> None:
        self._fleet.operator.do("limit", limit=self.random.randint(0, 3))
        self._never.wait(0.3)
        self._fleet.operator.do("limit", limit=3)

    def _clear(self) -> None:
        # Old enough that the witness has seen in which state they ended.
        self._fleet.operator.do("clear", older_than_s=2.0)

    # files

    def _settings(self) -> None:
        changes = self.random.choice(({"retry_delay": "100ms"}, {"stop_grace": "200ms"}, {"max_concurrent_agents": 2}, None))
        if changes is None:
            Path(self._fleet.paths.config).write_bytes(self.random.choice(GARBAGE[1:]))
        else:
            self._fleet.configure(**changes)
        self._never.wait(0.3)
        self._fleet.configure(retry_delay="20ms", stop_grace="300ms", max_concurrent_agents=3)

    def _edit_by_hand(self) -> None:
        task_id = self._one_of("pending")
        path = self._fleet.paths.item(task_id)
        before = files.read(path)
        after = re.sub(rb'"priority": ?5', b'"priority":%d' % self.random.randint(0, 9), before)
        self.load.out_of_order.add(task_id)
        self._replace_if(path, before, after)

    def _remove_by_hand(self) -> None:
        task_id = self._one_of("pending")
        if tasks.read_task(self._fleet.paths.item(task_id), task_id).state == "pending":
            self.load.removed.add(task_id)
            os.unlink(self._fleet.paths.item(task_id))

    def _spoil_task(self) -> None:
        task_id = self._one_of("pending", "running")
        path = self._fleet.paths.item(task_id)
        self.load.spoiled.add(task_id)
        self.load.broken |= {path, self._fleet.paths.ended(task_id)}
        self._replace_if(path, files.read(path), self.random.choice(GARBAGE))

    def _copy_task(self) -> None:
        task_id = self._one_of("pending")
        copy = f"q_9{task_id[2:].zfill(8)}"
        other = self._fleet.paths.item(copy)
        self.load.spoiled.add(copy)
        self.load.broken.add(other)
        files.replace(other, files.read(self._fleet.paths.item(task_id)), durable=False)

    def _spoil_attempt(self) -> None:
        task_id = self._one_of("running")
        folder = self._fleet.paths.run(task_id, self._fleet.task(task_id).attempt)
        path = f"{folder}/{self.random.choice(('run.json', 'exit.json', 'outcome.json', 'progress.json'))}"
        self.load.broken.add(path)
        self.load.out_of_order.add(task_id)
        files.replace(path, self.random.choice(GARBAGE), durable=False)

    def _spoil_books(self) -> None:
        paths = self._fleet.paths
        path = self.random.choice((paths.control, paths.pauses, paths.engine, paths.index, paths.notifications_read))
        self.load.broken.add(path)
        files.replace(path, self.random.choice(GARBAGE), durable=False)

    def _garbage_in_notifications(self) -> None:
        self.load.broken.add(self._fleet.paths.notifications)
        files.append_line(self._fleet.paths.notifications, b'{"half a no')

    # two of everything

    def _second_engine(self) -> None:
        second = programs.start(self._fleet, programs.engine_argv(self._fleet, until_idle=False))
        try:
            wait_until(lambda: second.poll() is not None or programs.holds_lock(self._fleet, second), 20, "a second engine")
            if second.poll() is None and not self.load.engine_may_end:
                self.load.violations.append("I4 a second engine took over from one that lives")
        finally:
            self._fleet.kill_engine(second)
        if second.returncode not in (HELD, -signal.SIGKILL):
            self.load.violations.append(f"I4 a second engine ended with {second.returncode}")

    def _take_lock_file_away(self) -> None:
        os.unlink(self._fleet.paths.engine_lock)

    # between

    def mend(self) -> None:
        """What an operator does when the queue stands still."""
        try:
            self._fleet.operator.do("resume")
        except KugetsuError:
            return

    def _one_of(self, *states: str) -> str:
        ended = files.list_documents(self._fleet.paths.done)[-200:] if "ended" in states else []
        found = self.load.open_tasks(*states) if states != ("ended",) else ended
        if not found:
            raise FileNotFoundError("no such task now")
        return self.random.choice(sorted(found))

    def _replace_if(self, path: str, before: bytes, after: bytes) -> None:
        """Give a file other contents unless it has changed: whoever edits by hand leaves a running task alone."""
        try:
            if files.read(path) == before:
                files.replace(path, after, durable=False)
        except BadFile:
            return


OF_ALL = (
    "_kill_supervisor", "_signal_agent", "_request", "_request", "_request", "_flow", "_limit", "_clear", "_settings",
    "_edit_by_hand", "_remove_by_hand", "_spoil_task", "_copy_task", "_spoil_attempt", "_spoil_books",
    "_garbage_in_notifications", "_second_engine",
)  # fmt: skip
OF_ENGINES = ("_kill_engine", "_kill_engine", "_kill_engine", "_stop_engine_for_a_second", "_take_lock_file_away")
REQUESTS: tuple[tuple[str, tuple[str, ...], dict[str, object]], ...] = (
    ("kill", ("running", "notified"), {}), ("kill", ("running",), {"now": True}), ("cancel", ("pending",), {}),
    ("retry", ("ended",), {}), ("retry", ("pending",), {}), ("hold", ("pending",), {}), ("release", ("pending",), {}),
    ("move", ("pending",), {"to": "top"}), ("move", ("pending",), {"to": "bottom"}), ("edit", ("pending",), {"priority": 7}),
)  # fmt: skip
