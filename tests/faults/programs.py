"""The engine and commands as programs, alone or under strace, which kills them or lets a system call fail."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from kugetsu_engine.domain.engine_state import EngineState
from kugetsu_engine.errors import BadFile
from kugetsu_engine.storage import json_files
from tests.support.fleet import ROOT, Fleet
from tests.support.waiting import Deadline

ENGINE = """
import contextlib, os, sys
import kugetsu_engine.engine.engine_thread as embedded
from kugetsu_engine.paths import StatePaths
import kugetsu_engine.supervisor.template_client as templates
sys.executable = os.environ.get("FAULTS_PYTHON", sys.executable)
templates.SUPPORTED = templates.SUPPORTED and ("FAULTS_PYTHON" not in os.environ or "FAULTS_TEMPLATE" in os.environ)
print("ready", flush=True)
thread = embedded.EngineThread(StatePaths(sys.argv[1]), os.environ, "headless", until_idle=sys.argv[2] == "until-idle")
thread._supervise()  # in the main thread, where strace looks
with contextlib.suppress(OSError):  # a fault may meet what this program says, too
    print(thread.held_by or "", flush=True)
sys.exit(3 if thread.held_by else 0)
"""
"""With `FAULTS_PYTHON` supervisors are started by that program and not forked, unless there is also `FAULTS_TEMPLATE`."""
CHANGING = (
    "write", "pwrite64", "fsync", "rename", "link", "unlink", "mkdir", "rmdir", "unlinkat", "mknodat", "flock", "ftruncate",
    "fchmod",
)  # fmt: skip
"""System calls that change what is on disk, or who holds what."""
STARTING = ("sendmsg", "vfork", "clone", "clone3", "kill", "pidfd_send_signal", "memfd_create", "socketpair", "pipe2")
"""System calls that start, tell or end a process."""


@dataclass(frozen=True)
class Call:
    """The `number`-th call of one name in the life of a program."""

    name: str
    number: int
    text: str = ""

    def __str__(self) -> str:
        return f"{self.name} {self.number}"


def why_no_strace() -> str:
    """Why loops over system calls cannot be run; empty where they can."""
    strace = shutil.which("strace")
    if strace is None:
        return "strace is not installed"
    tried = subprocess.run([strace, "-qq", "-o", "/dev/null", "true"], capture_output=True, text=True, check=False)
    return "" if tried.returncode == 0 else f"strace may not trace here: {tried.stderr.strip()[:100]}"


def engine_argv(fleet: Fleet, until_idle: bool = True) -> list[str]:
    """The engine of a fleet as a command line."""
    return [sys.executable, "-c", ENGINE, fleet.paths.root, "until-idle" if until_idle else "for-ever"]


def children(pid: int) -> list[int]:
    """The processes that a process has started itself."""
    try:
        text = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii")
    except OSError:
        return []
    return [int(word) for word in text.split()]


def holds_lock(fleet: Fleet, process: "subprocess.Popen[str]") -> bool:
    """Whether a process is the engine of a fleet, by what it has told."""
    try:
        state = json_files.read(fleet.paths.engine, EngineState)
    except (FileNotFoundError, BadFile):
        return False
    return state.pid == process.pid and not state.stopped


def command_argv(*words: str) -> list[str]:
    """A verb of kugetsu as a command line."""
    return [sys.executable, "-m", "kugetsu_engine", *words]


def start(fleet: Fleet, argv: Sequence[str], **environ: str) -> "subprocess.Popen[str]":
    """Start a program on a fleet's state directory."""
    process = subprocess.Popen(
        argv, cwd=ROOT, text=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env={**os.environ, "KUGETSU_DIR": fleet.paths.root, **environ},
    )  # fmt: skip
    fleet.processes.append(process)
    return process


def finish(fleet: Fleet, process: "subprocess.Popen[str]", limit_s: float = 30.0) -> tuple[int, str, str]:
    """Wait for the end of a program: exit code, output, errors; one that does not end is a failure, and is killed."""
    deadline = Deadline(limit_s)
    try:
        while True:
            try:
                said, complained = process.communicate(timeout=1.0)
            except subprocess.TimeoutExpired:
                if deadline.over:
                    process.kill()
                    process.communicate()
                    raise AssertionError(f"not at an end within {limit_s:g} s") from None
            else:
                return process.returncode, said, complained
    finally:
        fleet.processes.remove(process)


def calls(fleet: Fleet, argv: Sequence[str], names: Iterable[str] = (*CHANGING, *STARTING), **environ: str) -> list[Call]:
    """Run a program to its end and list the calls it made that touch the state directory or other processes."""
    trace = fleet.folder / "trace"
    process = start(fleet, ["strace", "-qq", "-y", "-s", "400", "-o", str(trace), *_only(names), *argv], **environ)
    code, _, complained = finish(fleet, process, 60.0)
    assert code == 0, f"the program failed without any fault: {complained}"
    return parse(trace, fleet.paths.root)


def parse(trace: Path, root: str) -> list[Call]:
    """The calls in a trace that matter."""
    counts: dict[str, int] = {}
    found: list[Call] = []
    for line in trace.read_text(encoding="utf-8", errors="replace").splitlines():
        match = re.match(r"(\w+)\(", line)
        if match is None:
            continue
        name = match[1]
        counts[name] = counts.get(name, 0) + 1
        if root in line or name in STARTING:
            found.append(Call(name, counts[name], line))
    return found


def injected(
    fleet: Fleet, call: Call, effect: str, argv: Sequence[str] = (), *, onward: bool = False, detached: bool = False
) -> list[str]:
    """The command line of a program with a fault at one of its calls.

    Args:
        effect: `signal=KILL` or `error=ENOSPC`.
        onward: also at every later call of that name.
        detached: the program keeps the pid that was started, strace stands beside it.
    """
    when = f"{call.number}{'+' if onward else ''}"
    fault = ["-e", f"inject={call.name}:{effect}:when={when}"]
    return ["strace", *(["-D"] if detached else []), "-o", _struck_file(fleet), *_only([call.name]), *fault, *argv]


def struck(fleet: Fleet) -> bool:
    """Whether the fault came about: a program does not make exactly the same calls every time."""
    return bool(hit(fleet))


def hit(fleet: Fleet) -> list[str]:
    """The calls that met the fault, as strace wrote them down."""
    trace = Path(_struck_file(fleet))
    lines = trace.read_text(encoding="utf-8", errors="replace").splitlines() if trace.exists() else []
    return [line for line in lines if line.endswith("(INJECTED)") or line.rstrip().endswith("= ?")]


def _struck_file(fleet: Fleet) -> str:
    return str(fleet.folder / "struck")


def _only(names: Iterable[str]) -> list[str]:
    return ["-e", f"trace={','.join(f'?{name}' for name in names)}", "-e", "signal=none"]
