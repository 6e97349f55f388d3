"""The last actions of this console, each of which can be undone for half a minute."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from kugetsu_engine.domain.request import Undo

KEPT_S = 30.0
KEPT = 20


@dataclass(frozen=True)
class UndoEntry:
    """One act and the requests that undo it, in the order in which they are to be made."""

    number: int
    text: str
    steps: tuple[Undo, ...]
    until: float
    """On the monotonic clock."""


class UndoLog:
    """The acts that can be undone, the newest last."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._entries: list[UndoEntry] = []
        self._count = 0

    def add(self, text: str, steps: Sequence[Undo]) -> None:
        """Remember an act; `steps` are in the order in which its parts were done."""
        self._count += 1
        entry = UndoEntry(self._count, text, tuple(reversed(steps)), self._clock() + KEPT_S)
        self._entries = [*self.entries, entry][-KEPT:]

    @property
    def entries(self) -> list[UndoEntry]:
        """Those that can still be undone."""
        now = self._clock()
        return [entry for entry in self._entries if entry.until > now]

    @property
    def latest(self) -> UndoEntry | None:
        """The one that is undone first."""
        entries = self.entries
        return entries[-1] if entries else None

    def seconds_left(self, entry: UndoEntry) -> float:
        """For how long an action can still be undone."""
        return max(entry.until - self._clock(), 0.0)

    def pop(self, number: int) -> UndoEntry | None:
        """Remove an act and return it; None when its time is over."""
        popped = next((entry for entry in self.entries if entry.number == number), None)
        self._entries = [entry for entry in self._entries if entry is not popped]
        return popped
