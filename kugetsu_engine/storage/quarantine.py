"""Unreadable files are moved to `queue/corrupt/`, each with its reason: notified once, and an alert while they are there."""

import os
import time
from collections.abc import Callable

from ..domain.text.times import iso
from ..paths import JSON, StatePaths
from . import files


class Quarantine:
    """The folder of quarantined files. Its alert lasts until the operator has repaired or removed them."""

    def __init__(
        self, paths: StatePaths, now: Callable[[], float], alert: Callable[[str, str], None], notify: Callable[[str], None]
    ) -> None:  # fmt: skip
        """Start with nothing known about the folder.

        Args:
            alert: raises an alert, or clears it when the text is empty.
            notify: writes a notification.
        """
        self._paths = paths
        self._now = now
        self._alert = alert
        self._notify = notify
        self._held: frozenset[str] = frozenset()
        self._last = ""
        self._seen: int | None = None

    def set_aside(self, path: str, reason: str, keep: bool = False) -> None:
        """Quarantine a file, if it still exists.

        Args:
            keep: copy the file and leave it, as it is about to be replaced.

        Raises:
            OSError: it failed; the file stays where it is.
        """
        if keep:
            aside = files.copy_aside(path, self._paths.corrupt, reason, iso(self._now()))
        else:
            aside = files.set_aside(path, self._paths.corrupt, reason, iso(self._now()))
        if aside is None:
            return
        self._last = f"set aside {os.path.basename(path)[:80]!r}: {reason}"
        self._notify(self._last)
        self.reread()

    def reread(self) -> bool:
        """Raise or clear the alert for what is in the folder now; returns whether a file has left it."""
        try:
            changed_at = os.stat(self._paths.corrupt).st_mtime_ns
            if changed_at == self._seen:
                return False
            fresh = time.time_ns() - changed_at < 1_000_000_000  # another change may have the same time
            self._seen = None if fresh else changed_at
            held = _held(os.listdir(self._paths.corrupt))
        except OSError:
            return False
        left, self._held = self._held - held, held
        if held:
            more = f" ({len(held)} files in queue/corrupt)" if len(held) > 1 else ""
            self._alert("corrupt", f"{self._last or f'{min(held)[:80]!r} was set aside'}{more}: repair or remove it")
        elif left:
            self._alert("corrupt", "")
        return bool(left)

    def holds(self, task_id: str) -> bool:
        """Whether a task's file is quarantined; tasks that depend on it wait until the operator has decided."""
        return _is_among(self._held, task_id)


def is_quarantined(paths: StatePaths, task_id: str) -> bool:
    """Whether the task's file is quarantined, read from disk (for processes other than the engine)."""
    return _is_among(_held(files.list_names(paths.corrupt)), task_id)


def _held(names: list[str]) -> frozenset[str]:
    return frozenset(name for name in names if not name.endswith(".reason") and name[0] != ".")


def _is_among(names: frozenset[str], task_id: str) -> bool:
    return any(name.endswith(f"-{task_id}{JSON}") for name in names)
