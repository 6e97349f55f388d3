"""The two ways to run opencode, a process each or one server for all: the real program, and a model that answers at once."""

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

from kugetsu_engine.paths import StatePaths
from tests.support import real_opencode
from tests.support.clients import local_client
from tests.support.model_server import ModelServer, bash, say

from .ground import make_repository
from .measure import Unavailable, cpu_s, end, fresh_folder, pss_kib, wait_for
from .options import Options
from .peers import headless
from .report import Goal, Table, ratio

MODES = ("process", "server")
LIMIT_S = 900.0
SAMPLE_S = 0.3


class Meter:
    """Processor time and memory of all agents of a state directory and of their server, by their marks, while it is entered."""

    def __init__(self, state: Path) -> None:
        self.peak_mib = 0.0
        self._mark = f"KUGETSU_DIR={state}\0".encode()
        self._used: dict[int, tuple[float, float]] = {}
        """By pid the processor time at the first look and at the last."""
        self._stop = threading.Event()
        self._look(first=True)
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> "Meter":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(10)

    @property
    def cpu(self) -> float:
        """Processor time in seconds."""
        return sum(last - first for first, last in self._used.values())

    def _watch(self) -> None:
        while not self._stop.wait(SAMPLE_S):
            self._look()
        self._look()

    def _look(self, first: bool = False) -> None:
        memory = 0
        for name in filter(str.isdigit, os.listdir("/proc")):
            pid = int(name)
            try:
                if self._mark not in Path(f"/proc/{pid}/environ").read_bytes():
                    continue
                used, began = cpu_s(pid), 0.0
                memory += pss_kib(pid)
            except (OSError, Unavailable):
                continue
            if pid in self._used:
                began = self._used[pid][0]
            elif first:
                began = used
            self._used[pid] = (began, used)
        self.peak_mib = max(self.peak_mib, memory / 1024)


def agents(options: Options) -> list[Table]:
    """Wall time, processor time and memory of 1, 3 and 8 agents at once: the first batch, and the next one in new worktrees."""
    program = real_opencode.program()
    if program is None:
        raise Unavailable(real_opencode.why_not())
    table = Table(
        "agents", "opencode: a process each, or one shared server", (
            "agents at once", "way", "first batch (s)", "next batch (s)", "CPU, first (s)", "CPU, next (s)", "peak PSS (MiB)",
            "failed"),
    )  # fmt: skip
    found: dict[tuple[int, str], tuple[float, float, float]] = {}
    sizes = (1, 3, 8) if not options.quick else (1, 2)
    for count in sizes:
        for mode in MODES:
            cells = _both_batches(program, mode, count)
            found[count, mode] = (cells[1], cells[3], cells[4])
            table.add(str(count), mode, *cells)
    most = sizes[-1]
    for place, (what, limit) in enumerate((("wall time", 0.5), ("processor time", 0.5), ("peak memory", 0.4))):
        goal = ratio(found[most, "server"][place], found[most, "process"][place])
        table.goals.append(Goal(f"{what} of {most} agents, server / processes", limit, goal))
    table.notes += [
        "Each task: three answers of the model, two commands, one changed file, in a fresh worktree of 50 files.",
        "The first batch includes the start of the server, or of a new database; the next one has other worktrees.",
        "Processor time and memory (PSS) of all processes with the mark of the state directory: agents, clients, tools, "
        "server, keeper. Looked at every 0.3 s.",
    ]
    return [table]


def _both_batches(program: Path, mode: str, count: int) -> tuple[float, float, float, float, float, int]:
    folder = fresh_folder(f"agents-{mode}-{count}")
    state, repository = folder / "state", make_repository(folder / "repository")
    state.mkdir(mode=0o700)
    with ModelServer() as model:
        words = model.script("bench", bash("echo changed > changed; git status --short"), bash("cat changed"), say("All done."))
        own = real_opencode.agent_table(folder / "home", model.address, program, mode=mode)
        floors = "".join(f'{name} = "off"\n' for name in ("min_free_memory", "max_load_per_core", "max_memory_pressure"))
        (state / "config.toml").write_text(
            f'max_concurrent_agents = {count}\nmax_attempts = 1\nagent = "opencode"\n{floors}{own}\n'
            f'[repos]\n"local/bench" = "{repository}"\n', encoding="utf-8",
        )  # fmt: skip
        engine = headless(state)
        try:
            operator, paths, failed = local_client(str(state)), StatePaths(str(state)), 0
            taken: list[tuple[float, Meter]] = []
            for batch in range(2):
                with Meter(state) as meter:
                    began = time.monotonic()
                    ids = [operator.enqueue(f"local/bench#{batch * count + n + 1}", words)[0] for n in range(count)]
                    wait_for(_ended(paths, ids), LIMIT_S, f"{count} agents ({mode})", 0.05)
                    taken.append((time.monotonic() - began, meter))
                failed += sum('"state":"completed"' not in Path(paths.ended(one)).read_text("utf-8") for one in ids)
        finally:
            end(engine)
            _end_keepers(paths)
    (first, cold), (following, warm) = taken
    return first, following, cold.cpu, warm.cpu, max(cold.peak_mib, warm.peak_mib), failed


def _ended(paths: StatePaths, ids: list[str]) -> Callable[[], bool]:
    return lambda: all(os.path.exists(paths.ended(one)) for one in ids)


def _end_keepers(paths: StatePaths) -> None:
    """The server goes on without an engine; here it is not wanted any more."""
    import json
    import signal

    try:
        os.kill(int(json.loads(Path(paths.server).read_bytes())["keeper_pid"]), signal.SIGTERM)
        wait_for(lambda: not os.path.exists(paths.server), 20, "the keeper to end")
    except (OSError, ValueError):
        return
