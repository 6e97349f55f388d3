"""`kugetsu logs ID`: what an agent printed."""

import os
import sys
import time

from ...config.secret_values import Secrets
from ...domain.text.masking import Mask
from ...domain.text.terminal_line import ShownLine
from ...errors import KugetsuError, UsageError
from ...process.waiting import pause
from ...state import tasks
from ...state.log_reader import LogReader, choose_log, mask_line
from ...state.log_times import LogTimes
from ..context import make_client, make_paths
from ..parser import make_parser

POLL_S = 0.1
PATIENCE_S = 3.0
"""How long a new line waits for its time, which is written a second later."""
BLOCK = 500
CODES = {"grey": 90, "red": 31, "green": 32, "yellow": 33, "blue": 34, "magenta": 35, "cyan": 36, "bold": 1}
"""The terminal's code of each colour."""
TIME = "%Y-%m-%d %H:%M:%S "
NO_TIME = " " * len("2026-11-21 14:02:11 ")


def main(verb: str, argv: list[str]) -> int:
    """Print a log, and follow it."""
    args = make_parser(verb).parse_args(argv)
    here = make_paths()
    if args.id is None:
        if args.times:
            raise UsageError("the engine's own log has times in its lines", f"kugetsu {verb}")
        return print_log(LogReader(here.engine_log), args.raw, args.lines)
    task = tasks.find_task(here, make_client().resolve_task(args.id, "logs"))
    attempt = args.attempt or task.attempt
    if not args.follow:
        path = choose_log(here, task.id, attempt, args.raw)
        if not os.path.exists(path):
            raise KugetsuError(
                f"{task.shown} has no log of attempt {attempt}" if attempt else f"{task.shown} has not started yet"
            )
        times = LogTimes.load(here, task.id, attempt, args.raw) if args.times else None
        return print_log(LogReader(path), args.raw, args.lines, times)
    return _follow(task.id, args.attempt, args.raw, args.times, args.lines)


def print_log(reader: LogReader, raw: bool, last: int | None, times: LogTimes | None = None) -> int:
    """Print a log, or its last lines."""
    reader.refresh()
    start = max(reader.line_count - last, 0) if last is not None else 0
    _write(reader, start, reader.line_count, None if raw else _secrets().mask(), times)
    return 0


def _follow(task_id: str, only: int | None, raw: bool, timed: bool, last: int | None) -> int:
    """Print the log, or its last lines, and what is added until the task has ended, later attempts included."""
    here, secrets = make_paths(), _secrets()
    number, printed = only or max(tasks.find_task(here, task_id).attempt, 1), 0
    reader, times = _open(task_id, number, raw, timed)
    last_change = time.monotonic()
    while True:
        task = tasks.find_task(here, task_id)  # before the log, so that its last lines are not missed
        if not printed and choose_log(here, task_id, number, raw) != reader.path:
            _close(reader, times)
            reader, times = _open(task_id, number, raw, timed)
        reader.refresh()
        ended = task.ended or task.attempt > number or any(attempt.number == number for attempt in task.attempts)
        # Do not print a line that is still being written.
        whole = reader.line_count if ended else reader.complete_lines
        if last is not None:
            printed, last = max(whole - last, 0), None
        if times is not None and (times.refresh() or printed >= whole):
            last_change = time.monotonic()
        waits = not ended and time.monotonic() - last_change < PATIENCE_S
        printed = _write(reader, min(printed, whole), whole, None if raw else secrets.mask(), times, waits)
        if ended and only is None and task.attempt > number:
            number, printed = number + 1, 0
            _close(reader, times)
            reader, times = _open(task_id, number, raw, timed)
        elif ended and (only is not None or task.ended):
            return 0
        else:
            pause(POLL_S)


def _open(task_id: str, number: int, raw: bool, timed: bool) -> tuple[LogReader, LogTimes | None]:
    """Open the log of an attempt, and its times if asked for."""
    here = make_paths()
    return LogReader(choose_log(here, task_id, number, raw)), LogTimes.load(here, task_id, number, raw) if timed else None


def _close(reader: LogReader, times: LogTimes | None) -> None:
    reader.close()
    if times is not None:
        times.close()


def _secrets() -> Secrets:
    return Secrets(make_paths(), os.environ)


def _write(
    reader: LogReader, start: int, end: int, mask: Mask | None, times: LogTimes | None = None, waits: bool = False
) -> int:
    """Print lines from `start` up to `end`, unchanged if there is no mask; returns the number of the next one.

    Args:
        times: when each line was written, printed before it.
        waits: stop at a line whose time is not known yet.
    """
    while start < end:
        lines = reader.read_with_offsets(start, min(BLOCK, end - start))
        if times is not None and times.known and waits:
            lines = [line for line in lines if line[0] < times.known_to]
        if not lines:
            break
        start += len(lines)
        stamped = [(_stamp(times.time_of(place)) if times is not None else "", line) for place, line in lines]
        if mask is None:
            sys.stdout.buffer.write(b"".join(b"%s%s\n" % (stamp.encode(), line) for stamp, line in stamped))
        else:
            drawn = _coloured if _has_colours() else _plain
            sys.stdout.write("".join(f"{stamp}{drawn(mask_line(line, mask))}\n" for stamp, line in stamped))
    sys.stdout.flush()
    return start


def _has_colours() -> bool:
    """Whether to print colours."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def _plain(line: ShownLine) -> str:
    return line.text


def _coloured(line: ShownLine) -> str:
    """A line with its colours. They are written anew: no sequence of the log itself reaches the terminal."""
    parts, place = list[str](), 0
    for start, end, name in line.colours:
        parts += [line.text[place:start], f"\x1b[{CODES[name]}m{line.text[start:end]}\x1b[0m"]
        place = end
    return "".join([*parts, line.text[place:]])


def _stamp(at: float | None) -> str:
    """The time before a line, or as many spaces if it is not known."""
    return time.strftime(TIME, time.localtime(at)) if at is not None else NO_TIME
