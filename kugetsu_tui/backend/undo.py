"""What can still be taken back: the last acts of this console, each for half a minute."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from kugetsu_engine.domain.request import Undo

KEPT_S = 30.0
KEPT = 20


@dataclass(frozen=True)
class Act:
    """One act and the requests that take it back, in the order in which they are to be made."""

    number: int
    words: str
    steps: tuple[Undo, ...]
    until: float
    """On the monotonic clock."""


class UndoLog:
    """The acts that can be taken back, the newest last."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._acts: list[Act] = []
        self._count = 0

    def add(self, words: str, steps: Sequence[Undo]) -> None:
        """Remember an act; `steps` are in the order in which its parts were done."""
        self._count += 1
        act = Act(self._count, words, tuple(reversed(steps)), self._clock() + KEPT_S)
        self._acts = [*self.acts, act][-KEPT:]

    @property
    def acts(self) -> list[Act]:
        """Those whose time is not over."""
        now = self._clock()
        return [act for act in self._acts if act.until > now]

    @property
    def latest(self) -> Act | None:
        """The act that is taken back first."""
        acts = self.acts
        return acts[-1] if acts else None

    def left(self, act: Act) -> float:
        """Seconds for which an act can still be taken back."""
        return max(act.until - self._clock(), 0.0)

    def pop(self, number: int) -> Act | None:
        """Return an act and forget it; None when its time is over."""
        found = next((act for act in self.acts if act.number == number), None)
        self._acts = [act for act in self._acts if act is not found]
        return found
