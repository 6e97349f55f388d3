"""`kugetsu logs ID`: what an agent printed."""

import os
import sys

from ..domain.safe_text import safe_text
from ..domain.secrets import Mask
from ..errors import KugetsuError
from ..logs import LogReader, shown
from ..secrets import Secrets
from ..store import tasks
from .here import operator, paths
from .wait import pause
from .words import Words

LOOK_S = 0.1
BLOCK = 500


def main(verb: str, words: list[str]) -> int:
    """Print a log, and follow it."""
    parser = Words(verb, "What the agent of a task printed. Without an id: the engine's own log.")
    parser.add_argument("id", nargs="?")
    parser.add_argument("-f", "--follow", action="store_true", help="go on until the task has ended")
    parser.add_argument("--attempt", type=int, metavar="N", help="another one than the last")
    parser.add_argument("-n", "--lines", type=int, metavar="N", help="only the last N lines")
    parser.add_argument(
        "--raw", action="store_true", help="what it printed, byte for byte: with secrets, and what a terminal would obey"
    )
    given = parser.parse_args(words)
    here = paths()
    if given.id is None:
        return print_log(LogReader(here.engine_log), given.raw, given.lines)
    task = tasks.find(here, operator().meant(given.id, "logs"))
    attempt = given.attempt or task.attempt
    if not given.follow:
        path = shown(here, task.id, attempt, given.raw)
        if not os.path.exists(path):
            raise KugetsuError(
                f"{task.shown} has no log of attempt {attempt}" if attempt else f"{task.shown} has not started yet"
            )
        return print_log(LogReader(path), given.raw, given.lines)
    return _follow(task.id, given.attempt, given.raw)


def print_log(reader: LogReader, raw: bool, last: int | None) -> int:
    """Print a log, or its last lines."""
    reader.refresh()
    _write(reader, max(reader.line_count - last, 0) if last is not None else 0, None if raw else _secrets().mask())
    return 0


def _follow(task_id: str, only: int | None, raw: bool) -> int:
    """Print what comes until the task has ended; later attempts follow by themselves."""
    here, secrets = paths(), _secrets()
    number, printed = only or max(tasks.find(here, task_id).attempt, 1), 0
    reader = LogReader(shown(here, task_id, number, raw))
    while True:
        task = tasks.find(here, task_id)  # before the log, so that its last lines are not missed
        if not printed and (path := shown(here, task_id, number, raw)) != reader.path:
            reader.close()
            reader = LogReader(path)
        reader.refresh()
        over = task.ended or task.attempt > number or any(attempt.number == number for attempt in task.attempts)
        # A line that is still being written waits for its end.
        whole = reader.line_count if over else reader.complete_lines
        printed = _write(reader, min(printed, whole), None if raw else secrets.mask(), whole)
        if over and only is None and task.attempt > number:
            number, printed = number + 1, 0
            reader.close()
            reader = LogReader(shown(here, task_id, number, raw))
        elif over and (only is not None or task.ended):
            return 0
        else:
            pause(LOOK_S)


def _secrets() -> Secrets:
    return Secrets(paths(), os.environ)


def _write(reader: LogReader, start: int, mask: Mask | None, end: int | None = None) -> int:
    """Print lines from `start` up to `end`, as they are without a mask; returns the number of the next one."""
    end = reader.line_count if end is None else end
    while start < end:
        lines = reader.lines(start, min(BLOCK, end - start))
        if not lines:
            break
        start += len(lines)
        if mask is None:
            sys.stdout.buffer.write(b"".join(line + b"\n" for line in lines))
        else:
            sys.stdout.write("".join(f"{mask(safe_text(line.decode('utf-8', 'replace')))}\n" for line in lines))
    sys.stdout.flush()
    return start
