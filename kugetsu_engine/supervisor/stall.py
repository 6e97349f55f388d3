"""Detects a stalled agent: no new output, no CPU time, no changed file.

The supervisor checks once a second; files are only checked if there has been no output and no CPU time for long enough.
"""

import os
import time

from .clocks import Clocks

CPU_SHARE = 0.03
"""CPU time since the last activity, as a share of `stall_after`, that counts as activity. An idle program uses some: an
opencode whose provider hangs was measured at 0.01."""
CPU_FLOOR_S = 0.2
"""The least that counts, as a program needs some to start."""
SCAN_EVERY_S = 60.0
"""Files are checked at most this often, or every `stall_after` if that is shorter."""
MAX_FILES = 20_000
KILL_AFTER = 1.1
"""With `stall_kills`, an agent is ended after this many times `stall_after`: some time after the warning."""


class StallWatch:
    """The activity of one agent."""

    def __init__(self, folders: tuple[str, ...], after_s: float, clocks: Clocks | None = None) -> None:
        """Start to watch.

        Args:
            folders: where changed files count as activity.
            after_s: seconds without activity after which the agent is stalled; 0: never.
            clocks: convert the ages of files, where the clock may stand still.
        """
        self._folders = folders
        self._after_s = after_s
        self._clocks = clocks or Clocks()
        self._since: float | None = None
        self._length = 0
        self._cpu_s: float | None = None
        self._used_s = 0.0
        self._scan_at = 0.0
        self._partly = False
        self.evidence: str | None = None
        """Evidence of a stall; None while there is activity."""
        self.silent_s: float | None = None
        """Seconds without activity, if the agent is stalled."""
        self.kill_due = False
        """Whether it has been stalled for so long that `stall_kills` ends it."""

    def check(self, now: float, length: int, cpu_s: float | None) -> bool:
        """Update; return whether the agent has become stalled or active again.

        Args:
            now: the attempt's clock.
            length: bytes of output so far.
            cpu_s: CPU time of all its processes; None if not known.
        """
        before = self.evidence is not None
        if self._since is None or length != self._length or self._worked(cpu_s):
            self._set_active(now, length, cpu_s)
        silent_s = now - (self._since if self._since is not None else now)
        if 0 < self._after_s <= silent_s:
            if now >= self._scan_at:
                self._scan_at = now + min(SCAN_EVERY_S, self._after_s)
                changed_ago_s = self._last_change(silent_s)
                if changed_ago_s is None:
                    self.evidence, self.silent_s = self._describe(), silent_s
                else:
                    self._set_active(now - changed_ago_s, length, cpu_s)
            elif self.evidence is not None:
                self.evidence, self.silent_s = self._describe(), silent_s
            self.kill_due = self.evidence is not None and silent_s >= self._after_s * KILL_AFTER
        return before != (self.evidence is not None)

    def _worked(self, cpu_s: float | None) -> bool:
        if cpu_s is None or self._cpu_s is None:
            return cpu_s is not self._cpu_s
        self._used_s = cpu_s - self._cpu_s
        # Less than before: a process ended, so its time no longer counts.
        return self._used_s < 0 or self._used_s >= max(self._after_s * CPU_SHARE, CPU_FLOOR_S)

    def _set_active(self, since: float, length: int, cpu_s: float | None) -> None:
        self._since, self._length, self._cpu_s, self._used_s = since, length, cpu_s, 0.0
        self.evidence, self.silent_s, self.kill_due = None, None, False

    def _last_change(self, silent_s: float) -> float | None:
        """How many seconds ago a file was last changed; None if none was since the last activity."""
        now = time.time()
        newest, left = 0.0, MAX_FILES
        for folder in self._folders:
            changed, left = find_newest_change(folder, now, left)
            newest = max(newest, changed)
        self._partly = left <= 0
        ago = self._clocks.convert_age(max(now - newest, 0.0))
        return ago if ago < silent_s else None

    def _describe(self) -> str:
        cpu = f"{self._used_s:.1f} s CPU, " if self._cpu_s is not None else ""
        files = f"no change in the first {MAX_FILES} files" if self._partly else "no file changed"
        return f"no output, {cpu}{files}"


def find_newest_change(folder: str, now: float, limit: int) -> tuple[float, int]:
    """Return when something below a folder was last changed (seconds since 1970), and how many of `limit` entries are left.

    `.git` is skipped, as kugetsu itself changes it, and so are times in the future. Folders near the top come first.
    """
    newest, folders = 0.0, [folder]
    for path in folders:
        try:
            with os.scandir(path) as entries:
                for entry in entries:
                    if limit <= 0:
                        return newest, 0
                    if entry.name == ".git":
                        continue
                    limit -= 1
                    try:
                        status = entry.stat(follow_symlinks=False)
                    except FileNotFoundError:
                        continue
                    if newest < status.st_mtime <= now + 1:
                        newest = status.st_mtime
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(entry.path)
        except OSError:
            continue
    return newest, limit
