"""Eight command lines that act at once, beside an engine and a console."""

import contextlib
import json
import random
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from tests.support.fleet import Fleet
from tests.support.terminal import Pty
from tests.support.waiting import wait_until

from . import programs
from .ground import Amount, Ground, Report
from .load import Load

COMMANDERS = 8
THINKS_S = 1.0
"""Seconds between two commands of one command line, at most."""
EXPECTED = (0, 3, 4)
"""Exit codes of a command that met a task which had gone on, or was gone."""
PLACES = (["--top"], ["--bottom"], ["--to", "2"])


def commands_at_once(ground: Ground, amount: Amount) -> Report:
    """An engine, a console and eight command lines at once: enqueue, kill, retry, move, hold, clear."""
    seconds = amount.number(1200)
    report = Report()
    with ground.fleet() as fleet:
        load = Load(fleet, ground.seeds(1)[0], 0.5, 6, programs.command_argv("--headless"))
        with load, _console(fleet) as console:
            with ThreadPoolExecutor(COMMANDERS) as pool:
                crowd = [_Commander(load, seed) for seed in ground.seeds(COMMANDERS)]
                list(pool.map(lambda one: one.command(seconds), crowd))
            load.end()
            if console.poll() is not None:
                report.violations.append(f"the console ended with {console.returncode}")
            load.engine_may_end = True
            assert load.engine is not None
            load.engine.terminate()
            wait_until(lambda: load.engine is None or load.engine.returncode is not None, 10, "an orderly end of the engine")
        report.violations += load.verdict() + [what for one in crowd for what in one.violations]
        if load.ends[:1] != [0]:
            report.violations.append(f"I4 the engine ended with {load.ends}")
    report.tries = sum(one.count for one in crowd)
    report.told = f"commands in {seconds} s, {len(load.acknowledged)} tasks"
    return report


class _Commander:
    """One who gives a command after the other."""

    def __init__(self, load: Load, seed: int) -> None:
        self.violations: list[str] = []
        self.count = 0
        self._load = load
        self._random = random.Random(seed)

    def command(self, seconds: float) -> None:
        """Give commands for a while."""
        end = time.monotonic() + seconds
        never = threading.Event()
        while time.monotonic() < end:
            never.wait(self._random.uniform(0.0, THINKS_S))
            words = self._words()
            self.count += 1
            code, said, complained = programs.finish(
                self._load.fleet, programs.start(self._load.fleet, programs.command_argv(*words))
            )
            self._judge(words, code, said, complained)

    def _words(self) -> list[str]:
        load = self._load
        verb = self._random.choice(VERBS)
        if verb == "enqueue":
            how = self._random.choice(({}, {"last": 0.3}, {"exit": 7}))
            return ["enqueue", f"local/work#{self._random.randint(1, 12)}", f"do it\n{json.dumps(how)}"]
        if verb in ("status", "queue list"):
            return [*verb.split(), "--json"]
        if verb == "queue clear":  # old enough that the witness has seen in which state they ended
            return ["queue", "clear", "--older-than", "2s"]
        known = [*load.acknowledged][-40:] or ["q_1"]
        task_id = self._random.choice(known)
        load.out_of_order.add(task_id)
        if verb == "retry":
            load.reopened.add(task_id)
        return [*verb.split(), task_id, *(self._random.choice(PLACES) if verb == "move" else [])]

    def _judge(self, words: list[str], code: int, said: str, complained: str) -> None:
        told = f"{' '.join(words)[:60]!r} ended with {code}: {complained.strip()[-300:]!r}"
        if code not in EXPECTED or "Traceback" in complained or len(complained.strip().splitlines()) > 1:
            self.violations.append(told)
        elif code == 0 and words[0] == "enqueue":
            self._load.acknowledge(said.split()[1])
        elif "--json" in words:
            try:
                json.loads(said)
            except ValueError:
                self.violations.append(f"{told}, and printed no JSON: {said[:100]!r}")


VERBS = (
    "enqueue",
    "enqueue",
    "enqueue",
    "kill",
    "kill --now",
    "retry",
    "move",
    "hold",
    "release",
    "queue clear",
    "status",
    "queue list",
)


@contextlib.contextmanager
def _console(fleet: Fleet) -> Iterator["subprocess.Popen[bytes]"]:
    """A console that looks on; every byte it writes is taken."""
    console = Pty(fleet.folder / "state", fleet.folder)
    end = threading.Event()

    def take() -> None:
        while not end.is_set():
            console.read(quiet_s=0.1, limit_s=1.0)
            console.written = console.written[-100_000:]

    reader = threading.Thread(target=take, daemon=True)
    reader.start()
    try:
        wait_until(lambda: b"\x1b[?1049h" in console.written, 20, "the console")
        yield console.process
    finally:
        end.set()
        reader.join(5)
        if console.process.poll() is None:
            console.signal(signal.SIGTERM)
        console.close()
