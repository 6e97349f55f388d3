"""Loading of one log for a pane: opens it, polls it while it grows, and fetches the lines in sight."""

from collections.abc import Awaitable, Callable
from typing import Protocol

from textual.timer import Timer

from ..formatting.cells import SafeText, clean
from ..viewmodels.log_window import LogPart
from .line_widget import Lines

POLL_S = 0.12
NO_LINES = LogPart(0, 0, 0, ())


class Feed(Protocol):
    """A source of log lines; see `kugetsu_tui.backend.log_feed`."""

    raw: bool
    timed: bool
    up_to: str
    """In replay, how much of the log is shown; otherwise empty."""

    def open(self, task_id: str, attempt: int) -> Awaitable[LogPart]: ...
    def read_new_lines(self) -> Awaitable[LogPart | None]: ...
    def read_window(self, start: int) -> Awaitable[LogPart]: ...
    def switch_form(self, raw: bool, line: int) -> Awaitable[tuple[LogPart, int, bool]]: ...
    def search(self, text: str) -> Awaitable[list[int]]: ...
    def find_error(self, start: int, by: int) -> Awaitable[tuple[int | None, bool]]: ...
    def close(self) -> None: ...


class LogLoader:
    """The loaded part of the log that a pane shows; log and part may be replaced while a read is under way."""

    def __init__(self, pane: Lines, feed: Feed, loaded: Callable[[LogPart], None]) -> None:
        """Create a loader without a log.

        Args:
            loaded: called with every part that was read because the log was opened or has grown.
        """
        self.feed = feed
        self.part = NO_LINES
        self.target: tuple[str, int] | None = None
        """Task and attempt whose log is to be shown; None for none."""
        self.opened: tuple[str, int] | None = None
        """The same of the log that is open."""
        self.grows = False
        self._pane = pane
        self._loaded = loaded
        self._polling = False
        self._timer: Timer | None = None

    def show(self, target: tuple[str, int] | None, grows: bool) -> bool:
        """Choose the log to show; returns whether it is another one than before."""
        changed = target != self.target
        if changed:
            self.target, self.opened, self.part = target, None, NO_LINES
            if target is not None:
                self._start(self._open(target))
        elif target is not None and (grows or self.grows):
            self._start(self._poll())
        self.grows = grows
        self._set_timer()
        return changed

    def fetch(self, first: Callable[[], int]) -> None:
        """Load the lines around a line, which is asked for when the read starts."""
        self._start(self._fetch(first))

    def line(self, number: int) -> SafeText | None:
        """A line; None if it is not loaded."""
        index = number - self.part.start
        return self.part.lines[index] if 0 <= index < len(self.part.lines) else None

    def has_lines(self, first: int, height: int) -> bool:
        """Whether all lines of a page are loaded."""
        end = self.part.start + len(self.part.lines)
        return first >= self.part.start and (first + height <= end or end >= self.part.total)

    def _set_timer(self) -> None:
        needed = self.grows and self.target is not None and self._pane.is_attached
        if needed and self._timer is None:
            self._timer = self._pane.set_interval(POLL_S, lambda: self._start(self._poll()))
        elif not needed and self._timer is not None:
            self._timer.stop()
            self._timer = None

    def _start(self, work: Awaitable[None]) -> None:
        async def guarded() -> None:
            await work

        self._pane.run_worker(guarded(), group="log", exit_on_error=False, description="log")

    async def _open(self, target: tuple[str, int]) -> None:
        try:
            part = await self.feed.open(*target)
        except OSError as error:
            part = LogPart(1, 0, 0, (clean(f"the log cannot be read: {error.strerror}"),))
        if target == self.target:
            self.opened = target
            self._loaded(part)

    async def _poll(self) -> None:
        if self._polling or self.opened is None or self.opened != self.target or not self._pane.size.height:
            return
        self._polling = True
        try:
            opened = self.opened
            part = await self.feed.read_new_lines()
            if part is not None and opened == self.target:
                self._loaded(part)
        except OSError:
            return  # the next poll tries again
        finally:
            self._polling = False

    async def _fetch(self, first: Callable[[], int]) -> None:
        target = self.target
        part = await self.feed.read_window(first())
        if target == self.target:
            self.part = part
            self._pane.sync()
