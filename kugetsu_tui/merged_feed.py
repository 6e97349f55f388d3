"""The logs of all agents that run, as one: lines in the order in which they came, each with the task it is of."""

from collections import deque
from collections.abc import Callable, Mapping, Sequence

from kugetsu_engine.logs import LogReader, shown
from kugetsu_engine.paths import StatePaths
from kugetsu_engine.secrets import Secrets

from .background import Background
from .formatting.problems import looks_wrong
from .formatting.safe_text import SafeText, clean, fit
from .formatting.states import glyph
from .log_feed import WINDOW, LogPart

KEPT = 20_000
"""Lines that are kept in memory."""
AT_FIRST = 60
"""Lines of each log that are there when it is opened."""
AT_ONCE = 2_000
"""Lines that are taken from one log in one look."""
GUTTER = 7


class MergedFeed:
    """Follows the logs of several attempts; a `Feed` of the log pane."""

    def __init__(
        self, paths: StatePaths, environ: Mapping[str, str], attempts: Callable[[], Sequence[tuple[str, int]]]
    ) -> None:
        """Begin; `attempts` names those that run right now, by task and number."""
        self._paths = paths
        self._secrets = Secrets(paths, environ)
        self._attempts = attempts
        self._work = Background("kugetsu-merged")
        self.raw = False
        self._readers: dict[tuple[str, int], tuple[LogReader, int]] = {}
        self._lines: deque[SafeText] = deque(maxlen=KEPT)

    async def open(self, _task: str, _attempt: int) -> LogPart:
        """Begin with the end of each log."""
        attempts = list(self._attempts())
        return await self._work.run(lambda: self._look(attempts) or self._part(0))

    async def grown(self) -> LogPart | None:
        """Return the end if anything has come, else None."""
        attempts = list(self._attempts())
        return await self._work.run(lambda: self._look(attempts))

    async def window(self, start: int) -> LogPart:
        """Return the lines around a place."""
        return await self._work.run(lambda: self._part(max(start - WINDOW // 2, 0)))

    async def search(self, text: str) -> list[int]:
        """Return the numbers of the lines that hold a text, whatever the case."""
        wanted = text.lower()
        return await self._work.run(lambda: [n for n, line in enumerate(self._lines) if wanted and wanted in line.lower()])

    async def problem(self, start: int, by: int) -> tuple[int | None, bool]:
        """Look for a line that tells of an error, from a line on, up or down."""

        def job() -> tuple[int | None, bool]:
            lines = list(self._lines)
            numbers = range(max(start, 0), len(lines)) if by > 0 else range(min(start, len(lines) - 1), -1, -1)
            return next((number for number in numbers if looks_wrong(lines[number][GUTTER + 2 :])), None), True

        return await self._work.run(job)

    def close(self) -> None:
        """Read no more."""
        self._work.close()

    def _look(self, attempts: Sequence[tuple[str, int]]) -> LogPart | None:
        """Take in what has come. An attempt that has ended is read to its end once more, then let go."""
        came = False
        for key in attempts:
            if key not in self._readers:
                reader = LogReader(shown(self._paths, *key))
                reader.refresh()
                self._readers[key] = reader, max(reader.complete_lines - AT_FIRST, 0)
        for key, (reader, taken) in list(self._readers.items()):
            reader.refresh()
            taken = min(taken, reader.complete_lines)
            fresh = reader.lines(taken, min(reader.complete_lines - taken, AT_ONCE))
            self._take(key[0], fresh)
            came = came or bool(fresh)
            self._readers[key] = reader, taken + len(fresh)
            if key not in attempts and not fresh:
                reader.close()
                del self._readers[key]
        return self._part(max(len(self._lines) - WINDOW, 0)) if came else None

    def _take(self, task_id: str, fresh: Sequence[bytes]) -> None:
        mask = self._secrets.mask()
        name = fit(f"#{task_id.removeprefix('q_')}", GUTTER)
        bar = glyph("gutter")
        for line in fresh:
            self._lines.append(SafeText(f"{name}{bar} {mask(clean(line.decode('utf-8', 'replace')))}"))

    def _part(self, first: int) -> LogPart:
        lines = tuple(self._lines)[first : first + WINDOW]
        return LogPart(len(self._lines), 0, first, lines)
