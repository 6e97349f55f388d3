"""How much memory the machine has, and how much is free, within the limits of the cgroups above this process.

Standard library only, as supervisors load it (psutil is needed outside Linux).
"""

import sys

HUGE = 1 << 60
"""A cgroup without a limit says `max`, or a number above this."""


def read_memory(meminfo: str = "/proc/meminfo") -> tuple[int | None, int | None]:
    """Read available and total memory in bytes, within the limit of the cgroup."""
    free = total = None
    if sys.platform == "linux":
        fields = {parts[0]: parts[1] for line in read_text(meminfo).splitlines() if len(parts := line.split()) >= 2}
        free, total = (_kib(fields.get(name)) for name in ("MemAvailable:", "MemTotal:"))
    else:
        import psutil  # loading it costs more than all of the reading

        memory = psutil.virtual_memory()
        free, total = int(memory.available), int(memory.total)
    for limit, left in read_cgroup_limits():
        free = left if free is None else min(free, left)
        total = limit if total is None else min(total, limit)
    return free, total


def read_cgroup_limits(membership: str = "/proc/self/cgroup", root: str = "/sys/fs/cgroup") -> list[tuple[int, int]]:
    """Read limit and remaining bytes of each memory cgroup above this process that has a limit; cgroup v1 and v2."""
    limits_above = []
    for line in read_text(membership).splitlines():
        _, controllers, path = [*line.split(":", 2), "", ""][:3]
        if controllers == "":
            names, base = ("memory.max", "memory.current", "inactive_file"), root
        elif "memory" in controllers.split(","):
            names, base = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"), f"{root}/memory"
        else:
            continue
        folder = path.strip("/")
        while True:
            limits = _limit(f"{base}/{folder}".rstrip("/"), *names)
            if limits is not None:
                limits_above.append(limits)
            if not folder:
                break
            folder = folder.rpartition("/")[0]
    return limits_above


def _limit(folder: str, limit_name: str, usage_name: str, cache_name: str) -> tuple[int, int] | None:
    limit, usage = (_number(read_text(f"{folder}/{name}")) for name in (limit_name, usage_name))
    if limit is None or usage is None or limit > HUGE:
        return None
    statistics = (line.split() for line in read_text(f"{folder}/memory.stat").splitlines())
    cached = next((_number(parts[1]) for parts in statistics if len(parts) == 2 and parts[0] == cache_name), 0)
    return limit, max(limit - max(usage - (cached or 0), 0), 0)


def _kib(text: str | None) -> int | None:
    number = _number(text or "")
    return None if number is None else number << 10


def _number(text: str) -> int | None:
    text = text.strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) < 20 else None


def read_text(path: str) -> str:
    """Return the beginning of a file of the kernel; empty if it cannot be read."""
    try:
        with open(path, encoding="ascii", errors="replace") as file:
            return file.read(1 << 16)
    except OSError:
        return ""
