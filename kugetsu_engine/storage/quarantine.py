"""What cannot be read is moved to `queue/corrupt/` with its bytes and the reason; told once, shown as long as it is there."""

import os
import time
from collections.abc import Callable

from ..domain.text.times import iso
from ..paths import JSON, StatePaths
from . import files

Told = Callable[[str], None]


class Quarantine:
    """The folder of what was set aside. The alert stands until the operator has mended or removed the files."""

    def __init__(self, paths: StatePaths, now: Callable[[], float], alert: Callable[[str, str], None], tell: Told) -> None:
        """Begin.

        Args:
            alert: raises an alert, or takes it back when the text is empty.
            tell: writes a notification.
        """
        self._paths = paths
        self._now = now
        self._alert = alert
        self._tell = tell
        self._held: frozenset[str] = frozenset()
        self._last = ""
        self._seen: int | None = None

    def set_aside(self, path: str, reason: str, keep: bool = False) -> None:
        """Set a file aside; one that is gone already is no error.

        Args:
            keep: copy the bytes and leave the file, as something else takes its name in one step.

        Raises:
            OSError: the disk refused; the file stays where it is.
        """
        if keep:
            aside = files.copy_aside(path, self._paths.corrupt, reason, iso(self._now()))
        else:
            aside = files.set_aside(path, self._paths.corrupt, reason, iso(self._now()))
        if aside is None:
            return
        self._last = f"set aside {os.path.basename(path)[:80]!r}: {reason}"
        self._tell(self._last)
        self.reread()

    def reread(self) -> bool:
        """Raise the alert, or take it back, as the folder stands; whether something has left it."""
        try:
            changed_at = os.stat(self._paths.corrupt).st_mtime_ns
            if changed_at == self._seen:
                return False
            fresh = time.time_ns() - changed_at < 1_000_000_000  # another change may bear the same time
            self._seen = None if fresh else changed_at
            held = _held(os.listdir(self._paths.corrupt))
        except OSError:
            return False
        left, self._held = self._held - held, held
        if held:
            more = f" ({len(held)} files in queue/corrupt)" if len(held) > 1 else ""
            self._alert("corrupt", f"{self._last or f'{min(held)[:80]!r} was set aside'}{more}: mend or remove it")
        elif left:
            self._alert("corrupt", "")
        return bool(left)

    def holds(self, task_id: str) -> bool:
        """Whether the file of a task lies here: what comes after that task waits until the operator has decided."""
        return _is_among(self._held, task_id)


def is_quarantined(paths: StatePaths, task_id: str) -> bool:
    """Whether the file of a task lies in `queue/corrupt`, as one sees who is not the engine."""
    return _is_among(_held(files.list_names(paths.corrupt)), task_id)


def _held(names: list[str]) -> frozenset[str]:
    return frozenset(name for name in names if not name.endswith(".reason") and name[0] != ".")


def _is_among(names: frozenset[str], task_id: str) -> bool:
    return any(name.endswith(f"-{task_id}{JSON}") for name in names)
