"""Watching processes from outside: who carries a task's mark, how many at once, and whether any task ever had two."""

import os
import threading
from types import TracebackType


def marked_processes(root: str, only_agents: bool = False) -> dict[int, str]:
    """Live processes of one state directory that carry a task's mark: pid to `id:token`.

    Args:
        only_agents: leave out what an agent has started itself.
    """
    found: dict[int, str] = {}
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            with open(f"/proc/{name}/environ", "rb") as file:
                environ = file.read().split(b"\0")
            if f"KUGETSU_DIR={root}".encode() not in environ:
                continue
            mark = next((entry[13:].decode() for entry in environ if entry.startswith(b"KUGETSU_TASK=")), None)
            with open(f"/proc/{name}/cmdline", "rb") as file:
                is_agent = b"scripted_agent.py" in file.read()
        except OSError:
            continue
        if mark and (is_agent or not only_agents):
            found[int(name)] = mark
    # What an agent has just forked still looks like it until it becomes another program.
    return {pid: mark for pid, mark in found.items() if not only_agents or found.get(_parent(pid)) != mark}


def _parent(pid: int) -> int:
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return int(file.read().rpartition(b") ")[2].split()[1])
    except OSError:
        return 0


class Observer:
    """Looks at /proc again and again while it is entered."""

    def __init__(self, root: str, every_s: float = 0.01) -> None:
        self.root = root
        self.every_s = every_s
        self.most_at_once = 0
        self.doubled: set[str] = set()
        """Ids of tasks that were seen with two agents at once."""
        self.looks = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._look, name="observer", daemon=True)

    def __enter__(self) -> "Observer":
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stop.set()
        self._thread.join(60)

    def _look(self) -> None:
        while not self._stop.wait(self.every_s):
            agents = [mark.partition(":")[0] for mark in marked_processes(self.root, only_agents=True).values()]
            self.looks += 1
            self.most_at_once = max(self.most_at_once, len(agents))
            self.doubled |= {task for task in agents if agents.count(task) > 1}
