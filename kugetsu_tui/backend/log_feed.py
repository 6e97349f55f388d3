"""Reads the log of one attempt in a thread of its own; the lines are clean and secrets masked."""

import os
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from kugetsu_engine.config.secret_values import Secrets
from kugetsu_engine.domain.text.masking import Mask
from kugetsu_engine.domain.text.terminal_line import Colour, ShownLine, render_line
from kugetsu_engine.paths import StatePaths
from kugetsu_engine.state.log_reader import LogReader, choose_log, mask_line
from kugetsu_engine.state.log_times import LogTimes

from ..formatting import line_times
from ..formatting.cells import SafeText
from ..formatting.error_lines import is_error_line
from ..viewmodels.log_window import SCAN_LINES, WINDOW, LogPart
from .worker_thread import WorkerThread

SEARCH_LIMIT = 10_000
SCAN_BATCH = 2_000


class HasColours(Protocol):
    """Anything with the colours of a line."""

    @property
    def colours(self) -> tuple[Colour, ...]: ...


def collect_colours(lines: Sequence[HasColours]) -> tuple[tuple[Colour, ...], ...]:
    """The colours of lines, as a `LogPart` has them."""
    return tuple(line.colours for line in lines) if any(line.colours for line in lines) else ()


class LogFeed:
    """Follows one log at a time, for one pane."""

    def __init__(
        self, paths: StatePaths, environ: Mapping[str, str], clock: Callable[[], float] = time.time,
        moment: Callable[[], float | None] = lambda: None,
    ) -> None:  # fmt: skip
        """Prepare to read; `moment`: seconds since 1970 up to which logs are shown, None for all of them."""
        self._paths = paths
        self._clock = clock
        self._secrets = Secrets(paths, environ)
        self._work = WorkerThread("kugetsu-log", self._close_files)
        self._reader: LogReader | None = None
        self.raw = False
        """Whether the agent's own output is shown where there is also a readable log."""
        self.timed = False
        """Whether lines are returned with their times."""
        self._drawn: tuple[Mask, dict[int, tuple[bytes, ShownLine]]] = Mask(), {}
        """The lines returned last, by their offsets: most of them are asked for again."""
        self._of: tuple[str, int] | None = None
        self._times: LogTimes | None = None
        self._moment = moment
        self.up_to = ""
        """During a replay, how much of the log is shown, for the title; else empty."""

    async def open(self, task_id: str, attempt: int) -> LogPart:
        """Open another log and return its end."""

        def job() -> LogPart:
            self._of = (task_id, attempt)
            reader = self._open_files(choose_log(self._paths, *self._of, self.raw))
            self._limit(reader)
            reader.refresh()
            return self._tail(reader)

        return await self._work.run(job)

    async def read_new_lines(self) -> LogPart | None:
        """Return the end of the log if it has changed, else None."""

        def job() -> LogPart | None:
            if self._reader is not None and self._of is not None:
                path = choose_log(self._paths, *self._of, self.raw)
                if self._reader.path != path:  # the readable log is created a moment later
                    self._open_files(path)
            reader, times = self._reader, self._times
            if reader is None:
                return None
            self._limit(reader)
            grew = reader.refresh()
            dated = self.timed and times is not None and times.refresh()
            return self._tail(reader) if grew or dated else None

        return await self._work.run(job)

    async def read_window(self, start: int) -> LogPart:
        """Return the lines around a place."""

        def job() -> LogPart:
            reader = self._reader
            if reader is None:
                return LogPart(0, 0, 0, ())
            first = max(start - WINDOW // 2, 0)
            return self._part(reader, first)

        return await self._work.run(job)

    async def switch_form(self, raw: bool, line: int) -> tuple[LogPart, int, bool]:
        """Switch to the other form of the log.

        Args:
            raw: whether to show the agent's own output.
            line: the line in view.

        Returns: the lines around the same moment, the number of the first of them, and whether the moment is known; else the
            position is at the same share of the log.
        """

        def job() -> tuple[LogPart, int, bool]:
            reader, times = self._reader, self._times
            self.raw = raw
            if reader is None or times is None or self._of is None:
                return LogPart(0, 0, 0, ()), 0, False
            times.refresh()
            place = next((offset for offset, _ in reader.read_with_offsets(line, 1)), 0)
            share, moment = line / max(reader.line_count, 1), times.time_of(place)
            other = self._open_files(choose_log(self._paths, *self._of, raw))
            self._limit(other)
            other.refresh()
            assert self._times is not None
            self._times.refresh()
            offset = self._times.offset_at(moment - 0.001) if moment is not None else None
            first = other.line_at(offset) if offset is not None else int(share * other.line_count)
            return self._part(other, max(first - WINDOW // 2, 0)), first, offset is not None

        return await self._work.run(job)

    async def search(self, text: str) -> list[int]:
        """Return the numbers of the lines that hold a text, whatever the case."""

        def job() -> list[int]:
            reader = self._reader
            return reader.search(text.encode("utf-8", "replace"), limit=SEARCH_LIMIT) if reader is not None and text else []

        return await self._work.run(job)

    async def find_error(self, start: int, by: int) -> tuple[int | None, bool]:
        """Search for a line that looks like an error, from a line on, up or down.

        Returns: its number, None if there is none; and whether all lines were searched.
        """

        def job() -> tuple[int | None, bool]:
            reader, place = self._reader, start
            if reader is None:
                return None, True
            for _ in range(SCAN_LINES // SCAN_BATCH):
                if not 0 <= place < reader.line_count:
                    return None, True
                first = place if by > 0 else max(place - SCAN_BATCH + 1, 0)
                lines = reader.read_lines(first, SCAN_BATCH if by > 0 else place - first + 1)
                numbered = list(enumerate(lines, first))
                for number, line in numbered if by > 0 else reversed(numbered):
                    if is_error_line(render_line(line.decode("utf-8", "replace")).text):
                        return number, True
                place = first + len(lines) if by > 0 else first - 1
                if not lines:
                    return None, True
            return None, not 0 <= place < reader.line_count

        return await self._work.run(job)

    def close(self) -> None:
        """Stop reading; the thread closes the files and ends."""
        self._work.close()

    def _close_files(self) -> None:
        for file in (self._reader, self._times):
            if file is not None:
                file.close()

    def _limit(self, reader: LogReader) -> None:
        """During a replay, cut the log to its length at the moment, if that is known."""
        moment = self._moment()
        reader.until, self.up_to = None, ""
        if moment is not None and self._times is not None:
            self._times.refresh()
            reader.until = self._times.offset_at(moment)
            self.up_to = "up to then" if reader.until is not None else "all, times unknown"

    def _open_files(self, path: str) -> LogReader:
        assert self._of is not None
        self._close_files()
        self._times = LogTimes.beside(path, self._paths, *self._of)
        self._reader = LogReader(path)
        return self._reader

    def _tail(self, reader: LogReader) -> LogPart:
        return self._part(reader, max(reader.line_count - WINDOW, 0))

    def _part(self, reader: LogReader, first: int) -> LogPart:
        placed = reader.read_with_offsets(first, WINDOW)
        drawn = self._draw(placed)
        times: tuple[str, ...] = ()
        if self.timed and self._times is not None:
            self._times.refresh()
            dated = line_times.spans_other_day(self._times.span or (), self._clock())
            times = line_times.format_times([self._times.time_of(offset) for offset, _ in placed], dated)
        lines = tuple(SafeText(line.text) for line in drawn)
        streams = self._of is not None and os.path.exists(self._paths.readable_log(*self._of))
        return LogPart(reader.line_count, reader.size, first, lines, times, collect_colours(drawn), streams)

    def _draw(self, placed: Sequence[tuple[int, bytes]]) -> list[ShownLine]:
        """Make the visible form of lines."""
        mask = self._secrets.mask()
        before = self._drawn[1] if self._drawn[0] is mask else {}
        drawn: dict[int, tuple[bytes, ShownLine]] = {}
        for offset, line in placed:
            known = before.get(offset)
            drawn[offset] = known if known is not None and known[0] == line else (line, mask_line(line, mask))
        self._drawn = mask, drawn
        return [seen for _, seen in drawn.values()]
