"""The memory of processes, and which of them the kernel ends first. Standard library only, as supervisors use it.

Nothing here fails: a process may end at any moment, and not every system shows everything.
"""

import os
import sys
from collections.abc import Iterable

LINUX = sys.platform == "linux"
AGENT_SCORE = 500
"""Added to the own `oom_score_adj` for agents, setup and teardown: the kernel ends them before engine, supervisors and console.
It is relative, as a systemd user unit starts at 200. In trials 100 more were too few: the engine was ended."""
TOOL_SCORE = 800
"""The same for what runs below an agent: it is told that its command was killed, and can react."""
MAX_SCORE = 1000
_PAGE = os.sysconf("SC_PAGE_SIZE")


def read_rss(pid: int) -> int:
    """Return the resident bytes of a process, 0 if it is gone. Pages that processes share count in each of them."""
    words = _read(f"/proc/{pid}/statm").split()
    return int(words[1]) * _PAGE if len(words) > 1 else 0


def read_pss(pid: int) -> int | None:
    """Return a process's share of resident bytes: a page counts by the number of its users. None if the system does not say.

    It costs a millisecond or more of a large process.
    """
    return _find_number(_read(f"/proc/{pid}/smaps_rollup"), b"Pss:", 1024)


def measure_shares(resident: dict[int, int]) -> int:
    """Return what processes use together, each page once; one that has ended uses nothing.

    Args:
        resident: their resident bytes, which count for those whose share is not shown.
    """
    return sum(min(share, rss) if (share := read_pss(pid)) is not None else read_rss(pid) for pid, rss in resident.items())


def read_name(pid: int) -> str:
    """Return the short name of a process's program; empty if it is gone."""
    return _read(f"/proc/{pid}/comm").decode("utf-8", "replace").strip()


def read_oom_kills() -> int | None:
    """Return how many processes the kernel has ended for lack of memory; None if it does not count them.

    Those of the nearest cgroup above this process that counts them, with everything below it, else those of the machine.
    """
    own = next(
        (line[3:] for line in _read("/proc/self/cgroup").decode(errors="replace").splitlines() if line[:3] == "0::"), "/"
    )
    if own.strip("/"):
        events = _find_number(_read(f"/sys/fs/cgroup{own}/memory.events"), b"oom_kill ")
        if events is not None:
            return events
    return _find_number(_read("/proc/vmstat"), b"oom_kill ")


def read_own_score() -> int:
    """Return this process's `oom_score_adj`."""
    try:
        return int(_read("/proc/self/oom_score_adj") or b"0")
    except ValueError:
        return 0


def set_score(pid: int | str, score: int) -> bool:
    """Set a process's `oom_score_adj` if that makes it the likelier victim; without privileges it can only be raised."""
    if not LINUX:
        return False
    try:
        fd = os.open(f"/proc/{pid}/oom_score_adj", os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        if int(os.read(fd, 16)) < score:
            os.write(fd, b"%d" % min(score, MAX_SCORE))
    except (OSError, ValueError):
        return False
    finally:
        os.close(fd)
    return True


def raise_tool_scores(tools: Iterable[int], known: set[int], score: int) -> None:
    """Make tools that are not yet `known` likelier victims than their agent, and forget those that have ended."""
    tools = set(tools)
    known &= tools
    for pid in tools - known:
        set_score(pid, score)
    known |= tools


def _find_number(text: bytes, name: bytes, factor: int = 1) -> int | None:
    place = text.find(b"\n" + name)
    place = 0 if text.startswith(name) else place + 1
    if not place and not text.startswith(name):
        return None
    words = text[place + len(name) :].split(maxsplit=1)
    return int(words[0]) * factor if words and words[0].isdigit() else None


def _read(path: str) -> bytes:
    try:
        with open(path, "rb", buffering=0) as file:
            return file.read() or b""
    except OSError:
        return b""
