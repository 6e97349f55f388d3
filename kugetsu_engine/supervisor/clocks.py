"""The clocks of an attempt that stand still while it is held up by others: paused, or waiting for an answer.

They are the time limit, and the clock by which the agent is silent, stalled or has finished. Standard library only.
"""

import signal
import time


class Clocks:
    """The clocks of one attempt. Any of several holders stops them; they run again when the last one releases them."""

    def __init__(self) -> None:
        self._holders: set[str] = set()
        self._spans: list[tuple[float, float]] = []
        """Begin and end of each time that they stood still, by the monotonic clock."""
        self._since = 0.0
        self._limit_left: float | None = None
        """Seconds left of the time limit while they stand; None if there is none, or it is reached."""

    @property
    def held(self) -> bool:
        """Whether they stand still."""
        return bool(self._holders)

    @property
    def held_s(self) -> float:
        """Seconds for which they have stood still so far."""
        return sum(end - begin for begin, end in self._all_spans())

    def now(self) -> float:
        """The monotonic clock without the time that they stood still."""
        return (self._since if self._holders else time.monotonic()) - sum(end - begin for begin, end in self._spans)

    def convert_age(self, seconds: float) -> float:
        """Convert how long ago something was to the time that has passed on these clocks since."""
        now = time.monotonic()
        begin = now - seconds
        return max(seconds - sum(max(last - max(first, begin), 0.0) for first, last in self._all_spans()), 0.0)

    def start_limit(self, seconds: float) -> None:
        """Start the time limit; SIGALRM comes when it is reached."""
        signal.setitimer(signal.ITIMER_REAL, max(seconds, 0.001))

    def hold(self, why: str) -> None:
        """Stop the clocks for a reason; nothing happens if it holds them already."""
        if not self._holders:
            self._since = time.monotonic()
            left, _ = signal.setitimer(signal.ITIMER_REAL, 0)
            self._limit_left = left or None
        self._holders.add(why)

    def release(self, why: str) -> None:
        """Take a reason back; the clocks go on when none is left."""
        if why not in self._holders:
            return
        self._holders.discard(why)
        if not self._holders:
            self._spans.append((self._since, time.monotonic()))
            if self._limit_left is not None:
                self.start_limit(self._limit_left)
                self._limit_left = None

    def _all_spans(self) -> list[tuple[float, float]]:
        return [*self._spans, (self._since, time.monotonic())] if self._holders else self._spans
