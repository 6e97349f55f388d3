"""When the lines of a log were written, from the time stamps that its supervisor writes."""

from bisect import bisect_right

from ..domain.text.log_stamps import parse_stamp
from ..paths import StatePaths
from ..storage.tail import FileTail
from .log_reader import choose_log

MOST_BYTES = 4 << 20
"""Bytes read at most; no supervisor writes more."""


class LogTimes:
    """The time stamps of one attempt's log, which may grow, be replaced, or not exist. Not thread-safe."""

    def __init__(self, path: str, readable: bool) -> None:
        """`readable`: of the readable log, not of the agent's own."""
        self.readable = readable
        self._file = FileTail(path)
        self._taken = 0
        self._part = b""
        self._times: list[float] = []
        self._lengths: list[int] = []

    @classmethod
    def load(cls, paths: StatePaths, task_id: str, attempt: int, raw: bool = False) -> "LogTimes":
        """Read the times of the log that `choose_log` returns."""
        times = cls.beside(choose_log(paths, task_id, attempt, raw), paths, task_id, attempt)
        times.refresh()
        return times

    @classmethod
    def beside(cls, log: str, paths: StatePaths, task_id: str, attempt: int) -> "LogTimes":
        """The times of a log given by its path, the agent's own or the readable one; not read yet."""
        return cls(paths.times(task_id, attempt), log == paths.readable_log(task_id, attempt))

    @property
    def known(self) -> bool:
        """Whether any times are known."""
        return bool(self._times)

    @property
    def span(self) -> tuple[float, float] | None:
        """The first and the last known time."""
        return (self._times[0], self._times[-1]) if self._times else None

    @property
    def known_to(self) -> int:
        """Bytes of the log up to which times are known; 0 if none are."""
        return self._lengths[-1] if self._lengths else 0

    def refresh(self) -> bool:
        """Read what was added since the last call; returns whether anything changed."""
        news, size = self._file.check_growth(self._taken)
        if news == "same":
            return False
        if news == "anew":
            self._forget()
        count = min(size, MOST_BYTES) - self._taken
        data = self._file.read(count, self._taken) if count > 0 else b""
        *lines, self._part = (self._part + data).split(b"\n")
        self._taken = size
        for line in lines:
            self._take_in(line)
        return True

    def time_of(self, offset: int) -> float | None:
        """When the byte at an offset was written at the latest, in seconds since 1970; None if unknown."""
        place = bisect_right(self._lengths, offset)
        return self._times[place] if 0 < place < len(self._times) else None

    def offset_at(self, seconds: float) -> int | None:
        """The length of the log at a time, in bytes; None if unknown.

        After the last stamp it is `known_to`; the log of a killed supervisor may be a little longer.
        """
        place = bisect_right(self._times, seconds) - 1
        if place >= 0:
            return self._lengths[place]
        return 0 if self._lengths and self._lengths[0] == 0 else None

    def close(self) -> None:
        """Close the file and forget its times."""
        self._file.close()
        self._forget()

    def _take_in(self, line: bytes) -> None:
        stamp = parse_stamp(line)
        if stamp is None:
            return
        length = stamp.readable if self.readable else stamp.log
        if self._times and (stamp.at < self._times[-1] or length < self._lengths[-1]):
            return  # broken: neither may decrease
        self._times.append(stamp.at)
        self._lengths.append(length)

    def _forget(self) -> None:
        self._taken, self._part, self._times, self._lengths = 0, b"", [], []
