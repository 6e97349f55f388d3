"""Reads the logs of all running agents as one: lines in the order they were written, each with its task."""

import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from math import inf
from typing import NamedTuple

from kugetsu_engine.config.secret_values import Secrets
from kugetsu_engine.domain.new_task import format_id
from kugetsu_engine.domain.text.terminal_line import Colour, ShownLine
from kugetsu_engine.paths import StatePaths
from kugetsu_engine.state.log_reader import LogReader, choose_log, mask_line
from kugetsu_engine.state.log_times import LogTimes

from ..formatting import line_times
from ..formatting.cells import SafeText, fit
from ..formatting.error_lines import is_error_line
from ..formatting.glyphs import glyph
from ..viewmodels.filtering import compile_filter
from ..viewmodels.log_window import WINDOW, LogPart
from .log_feed import collect_colours
from .worker_thread import WorkerThread

KEPT = 20_000
"""Lines that are kept in memory."""
AT_FIRST = 60
"""Lines of each log that are read when it is opened."""
AT_ONCE = 2_000
"""Lines that are read from one log at a time."""
GUTTER = 7


class Source(NamedTuple):
    """One of the logs."""

    reader: LogReader
    times: LogTimes
    read: int
    """Lines read so far."""


class MergedLine:
    """A line of one of the logs."""

    __slots__ = ("at", "colours", "key", "offset", "text")

    def __init__(self, key: tuple[str, int], offset: int, gutter: str, line: ShownLine) -> None:
        self.key = key
        self.offset = offset
        self.text = SafeText(gutter + line.text)
        before = len(gutter)
        self.colours = tuple(Colour(colour.start + before, colour.end + before, colour.name) for colour in line.colours)
        self.at: float | None = None
        """When it was written; None until that is known."""


class LineFilter(NamedTuple):
    """Which lines are shown."""

    only: str | None = None
    """A task; None for all."""
    without: frozenset[str] = frozenset()
    text: str = ""
    """A filter, as for lists."""

    def compile(self) -> Callable[[MergedLine], bool]:
        """Compile it to a check of one line."""
        matches = compile_filter(self.text)

        def is_shown(line: MergedLine) -> bool:
            task = line.key[0]
            of_task = task == self.only if self.only is not None else task not in self.without
            return of_task and (matches is None or matches(line.text.lower()))

        return is_shown


class MergedFeed:
    """Follows the logs of several attempts; a `Feed` of the log pane."""

    def __init__(
        self,
        paths: StatePaths,
        environ: Mapping[str, str],
        attempts: Callable[[], Sequence[tuple[str, int]]],
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Prepare to read; `attempts` lists the running ones, by task and number."""
        self._paths = paths
        self._secrets = Secrets(paths, environ)
        self._attempts = attempts
        self._clock = clock
        self._work = WorkerThread("kugetsu-merged", self._close_all)
        self.raw = False
        self.up_to = ""
        self.timed = False
        """Whether lines are returned with their times."""
        self._sources: dict[tuple[str, int], Source] = {}
        self._lines: deque[MergedLine] = deque(maxlen=KEPT)
        self._chosen: deque[MergedLine] = deque(maxlen=KEPT)
        """Those of them that are shown."""
        self._is_shown = LineFilter().compile()

    async def open(self, _task: str, _attempt: int) -> LogPart:
        """Open the logs and return the end."""
        attempts = list(self._attempts())
        return await self._work.run(lambda: self._read_new(attempts) or self._part(0))

    async def read_new_lines(self) -> LogPart | None:
        """Return the end if there are new lines, else None."""
        attempts = list(self._attempts())
        return await self._work.run(lambda: self._read_new(attempts))

    async def read_window(self, start: int) -> LogPart:
        """Return the lines around a place."""
        return await self._work.run(lambda: self._part(max(start - WINDOW // 2, 0)))

    async def choose(self, choice: LineFilter) -> LogPart:
        """Show other lines; returns their end."""

        def job() -> LogPart:
            self._is_shown = choice.compile()
            self._chosen = deque(filter(self._is_shown, self._lines), KEPT)
            return self._part(max(len(self._chosen) - WINDOW, 0))

        return await self._work.run(job)

    async def switch_form(self, raw: bool, line: int) -> tuple[LogPart, int, bool]:
        """Do nothing: merged logs have one form."""
        return await self._work.run(lambda: self._part(max(line - WINDOW // 2, 0))), line, True

    async def search(self, text: str) -> list[int]:
        """Return the numbers of the lines that hold a text, whatever the case."""
        lowered = text.lower()
        return await self._work.run(
            lambda: [n for n, line in enumerate(self._chosen) if lowered and lowered in line.text.lower()]
        )

    async def find_error(self, start: int, by: int) -> tuple[int | None, bool]:
        """Search for a line that looks like an error, from a line on, up or down."""

        def job() -> tuple[int | None, bool]:
            lines = list(self._chosen)
            numbers = range(max(start, 0), len(lines)) if by > 0 else range(min(start, len(lines) - 1), -1, -1)
            return next((number for number in numbers if is_error_line(lines[number].text[GUTTER + 2 :])), None), True

        return await self._work.run(job)

    def close(self) -> None:
        """Stop reading; the thread closes the files and ends."""
        self._work.close()

    def _read_new(self, attempts: Sequence[tuple[str, int]]) -> LogPart | None:
        """Read new lines. The log of an attempt that has ended is read to its end once more, then closed."""
        dated, fresh = False, list[tuple[float, MergedLine]]()
        for key in attempts:
            if key not in self._sources:
                path = choose_log(self._paths, *key)
                reader = LogReader(path)
                reader.refresh()
                times = LogTimes.beside(path, self._paths, *key)
                self._sources[key] = Source(reader, times, max(reader.complete_lines - AT_FIRST, 0))
        for key, (reader, times, read) in list(self._sources.items()):
            reader.refresh()
            dated = times.refresh() or dated
            read = min(read, reader.complete_lines)
            placed = reader.read_with_offsets(read, min(reader.complete_lines - read, AT_ONCE))
            fresh += self._make_lines(key, times, placed)
            self._sources[key] = Source(reader, times, read + len(placed))
            if key not in attempts and not placed:
                self._close_log(key)
        lines = [line for _, line in sorted(fresh, key=lambda pair: pair[0])]
        chosen = list(filter(self._is_shown, lines))
        self._lines.extend(lines)
        self._chosen.extend(chosen)
        return self._part(max(len(self._chosen) - WINDOW, 0)) if chosen or (self.timed and dated) else None

    def _make_lines(
        self, key: tuple[str, int], times: LogTimes, placed: Sequence[tuple[int, bytes]]
    ) -> list[tuple[float, MergedLine]]:
        """Make the lines of one log, each with its sort key: its time; lines without a known time come last."""
        mask = self._secrets.mask()
        name = fit(format_id(key[0]), GUTTER)
        bar = glyph("gutter")
        keyed: list[tuple[float, MergedLine]] = []
        for offset, line in placed:
            merged = MergedLine(key, offset, f"{name}{bar} ", mask_line(line, mask))
            merged.at = times.time_of(offset)
            keyed.append((merged.at if merged.at is not None else 0.0 if offset < times.known_to else inf, merged))
        return keyed

    def _close_log(self, key: tuple[str, int]) -> None:
        """Close the log of an attempt that has ended."""
        source = self._sources.pop(key)
        for line in self._lines:
            if line.key == key and line.at is None:
                line.at = source.times.time_of(line.offset)
        source.reader.close()
        source.times.close()

    def _close_all(self) -> None:
        for source in self._sources.values():
            source.reader.close()
            source.times.close()

    def _part(self, first: int) -> LogPart:
        shown_lines = list(islice(self._chosen, first, first + WINDOW))
        times: tuple[str, ...] = ()
        if self.timed:
            spans = [source.times.span or () for source in self._sources.values()]
            dated = line_times.spans_other_day((at for span in spans for at in span), self._clock())
            times = line_times.format_times(self._times_of(shown_lines), dated)
        return LogPart(
            len(self._chosen), 0, first, tuple(line.text for line in shown_lines), times, collect_colours(shown_lines)
        )

    def _times_of(self, lines: Sequence[MergedLine]) -> list[float | None]:
        """When lines were written, which are in the order in which they were read.

        A stamp gives the latest time of a line. Each log has its own stamps, and no line is newer than the ones read after it.
        """
        times: list[float | None] = []
        latest = inf
        for line in reversed(lines):
            source = self._sources.get(line.key)
            if line.at is None and source is not None:
                line.at = source.times.time_of(line.offset)
            comes = source is not None and source.times.known and line.offset >= source.times.known_to
            latest = min(latest, line.at if line.at is not None else inf)
            times.append(latest if latest < inf and (line.at is not None or comes) else None)
        return times[::-1]
