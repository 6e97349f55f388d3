"""A fleet whose agent is opencode on the shared server: the real program, or one that speaks like it."""

import json
import os
import signal
from pathlib import Path
from typing import Any

from kugetsu_engine.storage import files, locks

from . import real_opencode
from .fleet import Fleet
from .model_server import ModelServer, Reply, bash, fail, say
from .observer import marked_processes
from .waiting import wait_until

STEP_NAMES = "text", "bash", "call", "status", "hang"


class OpencodeFleet(Fleet):
    """A state directory whose tasks run on the shared server; what opencode keeps stands below `home`."""

    def __init__(self, folder: Path, program: Path, model: ModelServer) -> None:
        self.model = model
        self.program = program
        self.home = folder / "home"
        self.own: dict[str, Any] = {"mode": "server", "server_idle": "1h"}
        super().__init__(folder)
        self.settings |= {"agent": "opencode", "stop_grace": "5s", "task_timeout": "300s"}
        self.configure_opencode()

    def configure_opencode(self, **own: Any) -> None:
        """Write `[agents.opencode]`, changed as asked."""
        self.own |= own
        self.tables = real_opencode.agent_table(self.home, self.model.address, self.program, **self.own)
        self.configure()

    def prompt(self, *steps: dict[str, Any], ref: str | None = None, **options: Any) -> str:
        """Enqueue a task whose agent takes these steps, each one of `STEP_NAMES`.

        The real one is told by its model, whose script the first line names; another reads them in the second line.
        """
        self._numbers += 1
        words = self.model.script(f"s{self._numbers}", *map(_reply, steps))
        text = f"{words}\n{json.dumps({'steps': steps})}"
        return self.operator.enqueue(ref or f"local/work#{self._numbers}", text, **options)[0]

    def server(self) -> dict[str, Any]:
        """What the keeper in office tells; empty where there is none."""
        try:
            found = json.loads(Path(self.paths.server).read_bytes())
        except FileNotFoundError:
            return {}
        return dict(found)

    def ready_server(self, other_than: int | None = None) -> dict[str, Any]:
        """Wait for a server that is ready."""

        def ready() -> dict[str, Any]:
            found = self.server()
            return found if found.get("state") == "ready" and found["pid"] not in (None, other_than) else {}

        return wait_until(ready, 60, f"a ready server: {self.server()} {self.server_log()}")

    def server_log(self) -> str:
        """What server and keeper said."""
        path = Path(self.paths.logs, "opencode-server.log")
        return path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""

    def events(self, task_id: str, attempt: int = 1) -> list[dict[str, Any]]:
        """The events in the log of an attempt."""
        return [json.loads(line) for line in self.log(task_id, attempt).splitlines() if line.startswith(b"{")]

    def log_or_nothing(self, task_id: str) -> bytes:
        """The log of a first attempt, as far as there is one."""
        path = Path(self.paths.log(task_id, 1))
        return path.read_bytes() if path.exists() else b""

    def told(self, task_id: str) -> str:
        """All that is known of a task, for a test that fails."""
        return f"{self.task(task_id)}\n{self.log_or_nothing(task_id)[-2000:]!r}\n{self.server()}\n{self.server_log()[-2000:]}"

    def worktree(self, task_id: str) -> str:
        """Where the first attempt of a task worked."""
        record = self.record(task_id)
        assert record is not None
        return record.worktree

    def tools(self, task_id: str) -> list[int]:
        """The `tail`s that a task's tools run."""
        marked = marked_processes(self.paths.root)
        return [pid for pid, mark in marked.items() if mark.startswith(f"{task_id}:") and _command(pid).startswith(b"tail\0")]

    def server_of(self, task_id: str) -> int:
        """The pid of the server that runs the tools of a task: the nearest of their ancestors that was told to serve."""
        pid = self.tools(task_id)[0]
        while b"\0serve\0" not in _command(pid) + b"\0":
            pid = int(Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[1])
            assert pid > 1, "the tools have lost their server"
        return pid

    def client(self, task_id: str) -> int:
        """The process that drives the server for a task."""
        progress = self.progress(task_id)
        assert progress is not None
        assert progress.pid is not None
        return progress.pid

    def close(self) -> None:
        """End engines, agents and the keepers."""
        for engine in self.engines:
            engine.stop()
        for engine in self.engines:
            engine.join(10)
        for name in os.listdir(self.paths.servers):
            # The lock of a retired server is no keeper's life: it is free when that keeper has ended.
            if name.startswith("opencode-") and name.endswith(".lock") and name != "opencode-retired.lock":
                self._end_keeper(name.removeprefix("opencode-").removesuffix(".lock"))
        super().close()

    def _end_keeper(self, token: str) -> None:
        life = self.paths.server_life(token)
        for name in filter(str.isdigit, os.listdir("/proc")):
            if f'"token": "{token}"'.encode() in _command(int(name)):
                os.kill(int(name), signal.SIGTERM)
        wait_until(lambda: not locks.is_held(life), 20, f"the keeper {token} to end")
        files.remove(life)


def _reply(step: dict[str, Any]) -> Reply:
    if "text" in step:
        return say(step["text"])
    if "bash" in step:
        return bash(step["bash"])
    if "call" in step:
        return Reply(tools=((step["call"][0], step["call"][1]),))
    return fail(step["status"]) if "status" in step else Reply(end="hang")


def _command(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""
